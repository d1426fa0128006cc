"""Serving the page: as a command of its own, or in a thread beside a driver that is at work."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fitloom_core.errors import CampaignError, InputError, MissingExtra

if TYPE_CHECKING:
    import uvicorn

    from fitloom.dashboard.gate import Gate
    from fitloom.dashboard.overlay import Overlay
    from fitloom.dashboard.shield import Limits

HOST = "127.0.0.1"
PORT = 8765
_TRIED_PORTS = 20


@dataclass(frozen=True)
class Settings:
    """Where the page is served, and to whom."""

    host: str = HOST
    port: int | None = None
    """None takes `PORT`, or the next free one; 0 takes any."""
    gate: Gate | None = None
    insecure: bool = False
    """Serve beyond this machine without a gate."""
    hosts: Sequence[str] = ()
    """Further names to answer to, such as that of a reverse proxy."""
    root_path: str = ""
    overlays: Sequence[Overlay] = ()
    limits: Limits | None = None


@dataclass(frozen=True)
class Served:
    """A page that is being served."""

    url: str
    """The page's address; whoever opens it with its key may act."""
    server: uvicorn.Server

    @property
    def plain_url(self) -> str:
        """The page's address without the key, to be shared."""
        return self.url.partition("#")[0]


def serve(campaigns: Sequence[str | Path], settings: Settings | None = None, *, announce: bool = True) -> None:
    """Serve until interrupted.

    Raises:
        InputError: an address that cannot be bound, or is open to others without a gate.
    """
    sock, served = _prepare(campaigns, settings or Settings())
    if announce:
        print(f"fitloom dashboard: {served.url}", flush=True)
    with sock:
        served.server.run(sockets=[sock])


@contextmanager
def serving(campaigns: Sequence[str | Path], settings: Settings | None = None) -> Iterator[Served]:
    """Serve in a thread for as long as the block lasts: ``with serving([folder]) as page: print(page.url)``."""
    sock, served = _prepare(campaigns, settings or Settings())
    thread = threading.Thread(target=served.server.run, kwargs={"sockets": [sock]}, name="dashboard", daemon=True)
    thread.start()
    try:
        _wait_until_up(served.server, thread)
        yield served
    finally:
        served.server.should_exit = True
        thread.join(timeout=10)
        sock.close()


def parse_address(text: str) -> tuple[str, int | None]:
    """``HOST:PORT``, ``HOST``, ``:PORT`` or nothing, as ``--dashboard`` takes it.

    >>> parse_address("0.0.0.0:8000")
    ('0.0.0.0', 8000)
    >>> parse_address("")
    ('127.0.0.1', None)
    """
    host, colon, port = text.rpartition(":") if ":" in text and not text.endswith("]") else (text, "", "")
    if colon and not port.isdecimal():
        raise InputError(f"not an address: {text!r}; write HOST:PORT, for example 127.0.0.1:8765")
    return host.strip("[]") or HOST, int(port) if colon else None


def check_exposure(host: str, *, gated: bool, insecure: bool) -> None:
    """Refuse to serve beyond this machine without a gate, unless that is spelled out.

    Raises:
        InputError: the address is open to others.
    """
    if gated or insecure or _is_loopback(host):
        return
    raise InputError(
        f"{host} can be reached from other machines, and without --group anybody there sees the campaign: give --group,"
        " or bind to 127.0.0.1 and use `ssh -L`, or spell out --insecure"
    )


def _prepare(campaigns: Sequence[str | Path], settings: Settings) -> tuple[socket.socket, Served]:
    check_exposure(settings.host, gated=settings.gate is not None, insecure=settings.insecure)
    if not campaigns:
        raise CampaignError("no campaign to show: give at least one campaign folder")
    try:
        import uvicorn

        from fitloom.dashboard.app import create_app
        from fitloom.dashboard.gate import KeyGate
        from fitloom.dashboard.shield import own_names
    except ImportError as error:
        raise MissingExtra(f"the dashboard needs {error.name}: pip install 'fitloom[web]'") from None
    gate = settings.gate or KeyGate()
    hosts = own_names(settings.host) | set(settings.hosts)
    app = create_app(
        campaigns,
        gate=gate,
        root_path=settings.root_path,
        hosts=hosts,
        limits=settings.limits,
        overlays=settings.overlays,
    )
    sock = _bind(settings.host, settings.port)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1, server_header=False)
    key = f"#key={gate.key}" if isinstance(gate, KeyGate) else ""
    return sock, Served(_url(sock, settings) + key, _server(config, app.state.board.close))


def _server(config: uvicorn.Config, close: Callable[[], None]) -> uvicorn.Server:
    """A server that ends its event streams before it waits for connections to close."""
    import uvicorn

    class Server(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            close()
            await super().shutdown(sockets)

    return Server(config)


def _bind(host: str, port: int | None) -> socket.socket:
    tried: Iterable[int] = range(PORT, PORT + _TRIED_PORTS) if port is None else [port]
    problem: OSError | None = None
    for candidate in tried:
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            return socket.create_server((host, candidate), family=family)
        except OSError as error:
            problem = error
    where = host if port is None else f"{host}:{port}"
    raise InputError(f"cannot serve on {where}: {problem}; choose another with --port") from None


def _url(sock: socket.socket, settings: Settings) -> str:
    host, port = sock.getsockname()[:2]
    if settings.host in ("0.0.0.0", "::"):
        host = socket.gethostname()
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}{settings.root_path.rstrip('/')}/"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _wait_until_up(server: uvicorn.Server, thread: threading.Thread) -> None:
    while not server.started:
        if not thread.is_alive():
            raise CampaignError("the dashboard did not start; its log says why")
        time.sleep(0.01)
