"""A message broker as a plain process, with a folder and ports of its own: started, killed and started again.

RabbitMQ, as the hosted service runs it. (Debian's garagemq is lighter, but cannot carry the lists in message
headers by which the SDK asks for results in JSON.)
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from textwrap import dedent

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")

WITH_PARENT = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
"""Prefix of commands that are to end when the tests are killed."""


class Broker:
    """RabbitMQ and the name server of Erlang beside it, both ours to end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.names_port = free_port()
        self.names: subprocess.Popen[bytes] | None = None

    @staticmethod
    def missing() -> str | None:
        """Why it cannot be run here, or None."""
        return None if SERVER.exists() else "no message broker: apt-get install rabbitmq-server"

    @property
    def url(self) -> str:
        """Where clients connect."""
        return url_on(self.port)

    def start(self) -> None:
        """Start the broker with what it kept from before; returns once it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.names is None:
            command = [*WITH_PARENT, "epmd", "-port", str(self.names_port), "-address", "127.0.0.1"]
            self.names = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            _wait_for_port(self.names_port, 10)  # or the broker starts a name server that outlives it
        with (self.folder / "broker.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*WITH_PARENT, str(SERVER)],
                env={**os.environ, **self._environment()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )
        self._wait(60)

    def stop(self) -> None:
        """End everything, politely at first."""
        self._signal(signal.SIGTERM)
        self.kill()
        if self.names is not None:
            self.names.terminate()
            self.names.wait(5)
            self.names = None

    def kill(self) -> None:
        """End the broker as a crash would."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        os.killpg(self.process.pid, number)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            return

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process is not None and self.process.poll() is not None:
                break
            if _answers(self.port):
                return
            time.sleep(0.1)
        tail = (self.folder / "broker.log").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"RabbitMQ did not answer on port {self.port}:\n{tail}")

    def _environment(self) -> dict[str, str]:
        """All that the broker writes goes to its folder; no plugins; one busy thread is enough."""
        config = self.folder / "rabbitmq.conf"
        config.write_text(
            dedent(f"""\
            listeners.tcp.default = 127.0.0.1:{self.port}
            vm_memory_high_watermark.absolute = 512MB
            disk_free_limit.absolute = 10MB
            log.console = false
            """)
        )
        (self.folder / "enabled_plugins").write_text("[].\n")
        return {
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(self.names_port),
            "RABBITMQ_NODENAME": f"harness{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONFIG_FILE": str(config),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_PID_FILE": str(self.folder / "rabbitmq.pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
        }


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def url_on(port: int) -> str:
    """The AMQP address of a port; without heartbeats, as the processes here are stopped without ceremony."""
    return f"amqp://guest:guest@127.0.0.1:{port}/%2F?heartbeat=0"


def _wait_for_port(port: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)


def _answers(port: int) -> bool:
    """Whether somebody answers AMQP's greeting."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as wire:
            wire.sendall(b"AMQP\x00\x00\x09\x01")
            return bool(wire.recv(1))
    except OSError:
        return False
