"""What every request passes first: host and origin checks, sizes, rates; and the headers of every answer."""

from __future__ import annotations

import ipaddress
import socket
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_COSTLY = ("events", "contour", "figure", "report")
_SAFE = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Limits:
    """How much one address may ask for."""

    body_bytes: int = 2 * 1024 * 1024
    per_second: float = 50.0
    burst: float = 400.0
    costly_per_second: float = 5.0
    costly_burst: float = 120.0
    """Of what takes the server work: streams, contours, figures, reports."""
    changes_per_second: float = 1.0
    changes_burst: float = 10.0
    streams: int = 500
    """Event streams open at once, of everybody together."""


class Refused(HTTPException):
    """A request that goes no further: its status and why."""


class Shield:
    """ASGI middleware around the whole application.

    ``hosts`` are names this server answers to, ``root_path`` is where a proxy publishes it; a proxy that cuts that path
    off and one that leaves it on are both understood.
    """

    def __init__(
        self, app: ASGIApp, hosts: Iterable[str] = (), limits: Limits | None = None, root_path: str = ""
    ) -> None:
        self._app = app
        self._named = {host.lower() for host in hosts} - {"localhost", "127.0.0.1", "::1"}
        self._hosts = {"localhost", *self._named}
        self._limits = limits or Limits()
        self._root_path = root_path
        self._reads = Buckets(self._limits.per_second, self._limits.burst)
        self._costly = Buckets(self._limits.costly_per_second, self._limits.costly_burst)
        self._changes = Buckets(self._limits.changes_per_second, self._limits.changes_burst)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, then pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        dressed = _dress(send)
        try:
            self._check(scope)
            body = _Body(receive, self._limits.body_bytes)
        except Refused as refused:
            await _answer(refused)(scope, receive, dressed)
            return
        try:
            await self._app(self._placed(scope), body.receive, dressed)
        except Refused as refused:
            await _answer(refused)(scope, receive, dressed)

    def _placed(self, scope: Scope) -> Scope:
        root, path = self._root_path, scope["path"]
        if not root:
            return scope
        under = path == root or path.startswith(root + "/")
        return {**scope, "root_path": root, "path": path if under else root + path}

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._known(host):
            name = _name(host)
            raise Refused(421, f"this server does not answer to the name {name!r}; start it with --allow-host {name}")
        self._slow_down((scope.get("client") or ("?", 0))[0], scope)
        if scope["method"] not in _SAFE:
            self._same_origin(headers, host)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._limits.body_bytes:
            raise Refused(413, f"at most {self._limits.body_bytes} bytes are taken")

    def _slow_down(self, who: str, scope: Scope) -> None:
        """Limit rates; the page's own files are not counted, so that a whole group behind one proxy gets them."""
        if "/static/" in scope["path"]:
            return
        if not self._reads.take(who):
            raise Refused(429, "too many requests from your address; slow down")
        if scope["path"].rpartition("/")[2].startswith(_COSTLY) and not self._costly.take(who):
            raise Refused(429, "too many contours, figures or streams for your address; slow down")
        if scope["method"] not in _SAFE and not self._changes.take(who):
            raise Refused(429, "too many changes from your address; slow down")

    def _known(self, host: str) -> bool:
        """Names must be known, against DNS rebinding; an address cannot be rebound."""
        name = _name(host)
        if name in self._hosts or name.endswith(".localhost"):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _same_origin(self, headers: Headers, host: str) -> None:
        """A browser says where a request comes from; what is no browser sends neither header and forges nothing."""
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise Refused(403, "a request that changes something must come from this page")
        origin = headers.get("origin")
        if origin is None or urlsplit(origin).netloc.lower() == host.lower():
            return
        if urlsplit(origin).hostname not in self._named:
            raise Refused(403, f"a request from {origin[:100]!r} may not change anything here")


class Buckets:
    """A token bucket an address, for the most recent addresses."""

    def __init__(self, per_second: float, burst: float, kept: int = 4096) -> None:
        self._rate, self._burst, self._kept = per_second, burst, kept
        self._level: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, who: str) -> bool:
        """Take one token; False when the bucket is empty."""
        now = time.monotonic()
        level, since = self._level.pop(who, (self._burst, now))
        level = min(self._burst, level + (now - since) * self._rate)
        enough = level >= 1.0
        self._level[who] = (level - 1.0 if enough else level, now)
        if len(self._level) > self._kept:
            self._level.popitem(last=False)
        return enough


class _Body:
    """Counts what arrives of a request's body, whatever its Content-Length said."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive, self._left, self._limit = receive, limit, limit

    async def receive(self) -> Message:
        """The next message, unless it is one byte too many."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                raise Refused(413, f"at most {self._limit} bytes are taken")
        return message


def own_names(host: str) -> set[str]:
    """The names of this machine that a server bound to ``host`` answers to."""
    names = {host}
    if host in ("0.0.0.0", "::", ""):
        names |= {socket.gethostname(), socket.getfqdn()}
    return {name.lower() for name in names if name}


def _name(host: str) -> str:
    name = host.rsplit("]", 1)[0].lstrip("[") if host.startswith("[") else host.rsplit(":", 1)[0]
    return name.lower().rstrip(".")


def _answer(refused: Refused) -> JSONResponse:
    headers = {"Retry-After": "2"} if refused.status_code == 429 else None
    return JSONResponse({"detail": refused.detail}, refused.status_code, headers)


def _dress(send: Send) -> Send:
    async def dressed(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return dressed
