"""A real endpoint as a process of its own, and small tasks for it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

import requests

from fitloom_core import wire
from fitloom_core.workspace import digest

Json = dict[str, Any]

BACKGROUND: Json = {
    "version": "1.0.0",
    "channels": [
        {
            "name": "SR",
            "samples": [
                {
                    "name": "background",
                    "data": [50.0, 30.0],
                    "modifiers": [
                        {"name": "rate", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}},
                        {
                            "name": "shape",
                            "type": "histosys",
                            "data": {"hi_data": [52.0, 29.0], "lo_data": [48.0, 31.0]},
                        },
                    ],
                }
            ],
        }
    ],
    "observations": [{"name": "SR", "data": [52.0, 28.0]}],
    "measurements": [{"name": "test", "config": {"poi": "mu", "parameters": []}}],
}
DIGEST = digest(BACKGROUND)


def point(index: int) -> wire.Point:
    """A signal of its own size for each index."""
    signal_sample = {
        "name": "signal",
        "data": [5.0 + index % 40, 4.0 + index / 7 % 10 + index / 1e6],
        "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
    }
    patch = [{"op": "add", "path": "/channels/0/samples/-", "value": signal_sample}]
    identity = wire.point_id(DIGEST, patch, wire.FitOptions())
    return wire.Point(id=identity, pallet="test", name=f"signal_{index}", values={"index": float(index)}, patch=patch)


def task(points: int = 3, *, first: int = 0, content: bool = True, name: str = "t1") -> wire.FitTask:
    """So many points on the same background."""
    background = wire.Background(digest=DIGEST, content=wire.pack(BACKGROUND) if content else None)
    return wire.FitTask(task=name, background=background, points=[point(first + index) for index in range(points)])


class EndpointServer:
    """`fitloom-endpoint serve` on a free port, ready when entered and gone when left."""

    def __init__(
        self, *options: str, env: dict[str, str] | None = None, port: int | None = None, log: Path | None = None
    ) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._options = options
        self._env = env or {}
        self._log = log
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self.start().wait_until_ready()

    def __exit__(self, *_exception: object) -> None:
        self.kill()

    def start(self) -> Self:
        """Start the process, and do not wait."""
        command = [sys.executable, "-m", "fitloom_endpoint", "serve", "--port", str(self.port), *self._options]
        output = subprocess.DEVNULL if self._log is None else self._log.open("ab")
        self.process = subprocess.Popen(command, env={**os.environ, **self._env}, stdout=output, stderr=output)
        return self

    def wait_until_ready(self, patience: float = 180.0) -> Self:
        """Wait for the first warm worker."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            assert self.process is not None
            assert self.process.poll() is None, f"the endpoint ended with status {self.process.returncode}"
            try:
                if requests.get(f"{self.url}/readyz", timeout=5).ok:
                    return self
            except requests.ConnectionError:
                pass
            time.sleep(0.1)
        raise TimeoutError(f"{self.url} was not ready within {patience} s")

    def terminate(self) -> None:
        """SIGTERM: asks it to drain."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def workers(self) -> list[int]:
        """Process ids of the workers, found among the server's children."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        pids = [int(pid) for file in children for pid in file.read_text().split()]
        return [pid for pid in pids if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])
