"""Staged backgrounds: the background workspaces a server holds by digest, within a bound of bytes."""

from __future__ import annotations

import base64
import gzip
import threading
from collections import OrderedDict

from fitloom_core import wire
from fitloom_core.errors import DigestMismatch


class Backgrounds:
    """Packed backgrounds by digest; the least recently used are dropped first. Safe between threads."""

    def __init__(self, limit: int) -> None:
        """Keep at most ``limit`` packed bytes."""
        self._limit = limit
        self._lock = threading.Lock()
        self._packed: OrderedDict[str, str] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        """Backgrounds held."""
        return len(self._packed)

    def __contains__(self, digest: str) -> bool:
        """Whether a background is held."""
        return digest in self._packed

    def get(self, digest: str) -> str | None:
        """The packed background of a digest, which counts as used now."""
        with self._lock:
            content = self._packed.get(digest)
            if content is not None:
                self._packed.move_to_end(digest)
            return content

    def put(self, digest: str, content: str) -> None:
        """Hold a packed background; one that is larger than the bound alone is not held."""
        if len(content) > self._limit:
            return
        with self._lock:
            self.bytes += len(content) - len(self._packed.pop(digest, ""))
            self._packed[digest] = content
            while self.bytes > self._limit:
                _, dropped = self._packed.popitem(last=False)
                self.bytes -= len(dropped)


def check(digest: str, content: str) -> None:
    """Make sure that a packed background is the one its digest says, before others get to use it.

    Raises:
        InvalidTask: not a packed JSON object.
        DigestMismatch: another workspace than the digest says.
    """
    from fitloom_core.workspace import digest as digest_of

    found = digest_of(wire.unpack(content))
    if found != digest:
        raise DigestMismatch(f"this background's digest is {found}, not {digest}: send it under its own digest")


def check_and_pack(digest: str, workspace: bytes) -> str:
    """A workspace's JSON, packed for the wire, once it is the one its digest says.

    Raises:
        InvalidTask: not a JSON object.
        DigestMismatch: another workspace than the digest says.
    """
    content = base64.b64encode(gzip.compress(workspace, mtime=0)).decode()
    check(digest, content)
    return content
