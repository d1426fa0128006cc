"""What an HTTP endpoint is told when it starts: where it listens, its workers, its limits."""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass
from pathlib import Path

from fitloom_core.errors import InputError
from fitloom_core.wire import MAX_TASK_BYTES

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Settings:
    """One endpoint; every field is an option of ``fitloom-endpoint serve``."""

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    """What a request must carry as ``Authorization: Bearer …``; None asks for nothing."""
    groups: tuple[str, ...] = ()
    """Globus groups whose members may send tasks: ``UUID``, or ``UUID:view`` for those who may only look."""
    insecure: bool = False
    """Listen beyond this machine and let everybody in."""
    workers: int = 0
    """Worker processes; 0 takes one a usable core, or one a GPU."""
    device: str = "auto"
    """``cpu``, ``gpu``, or ``auto``: a GPU where JAX finds one."""
    queue: int = 16
    """Tasks that may wait for a worker; one more is answered 429."""
    batch: int = 32
    """Points fitted together; a larger task is spread over the workers."""
    time_limit: float = 900.0
    """Seconds one batch may take before its worker is replaced."""
    body_limit: int = MAX_TASK_BYTES
    """Bytes of a request, before and after decompression; a larger one is answered 413."""
    body_seconds: float = 60.0
    """Seconds a request's body may take to arrive."""
    backgrounds: int = 256 * MEBIBYTE
    """Bytes of staged backgrounds kept (compressed); the least recently used go first."""
    worker_memory: int = 4096 * MEBIBYTE
    """Resident bytes above which a worker is replaced once its task is done."""
    drain_seconds: float = 600.0
    """Seconds that running tasks are given after SIGTERM."""
    cache: Path | None = None
    """Folder of compiled programs; None takes the user's cache folder."""
    tls_certificate: Path | None = None
    tls_key: Path | None = None

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the endpoint."""
        return self.host == "localhost" or _is_loopback(self.host)

    def check(self) -> Settings:
        """These settings, once they are safe to serve with.

        Raises:
            InputError: open to the network without a token, or a value that makes no sense.
        """
        if not (self.on_loopback or self.token or self.groups or self.insecure):
            raise InputError(
                f"--host {self.host} lets other machines send fits: give --token (or FITLOOM_TOKEN), for example"
                f" {secrets.token_urlsafe(24)}, or --group, or say --insecure if something in front checks who may"
            )
        if self.token is not None and len(self.token) < 16:
            raise InputError(f"a token of {len(self.token)} characters can be guessed: take at least 16")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise InputError("TLS needs both --tls-certificate and --tls-key")
        for name in ("batch", "body_limit", "time_limit", "worker_memory"):
            if getattr(self, name) <= 0:
                raise InputError(f"{name} is {getattr(self, name)}: it must be positive")
        if self.device not in ("auto", "cpu", "gpu"):
            raise InputError(f"no device is called {self.device!r}: choose auto, cpu or gpu")
        return self


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
