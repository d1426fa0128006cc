"""The peers, each in an environment of its own: pyhf with NumPy, pyhf with JAX, ROOT's HistFactory."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
Json = dict[str, Any]


@dataclass(frozen=True)
class Peer:
    """A program that fits the same points, and what installs it."""

    name: str
    requirements: tuple[str, ...]
    script: str
    arguments: tuple[str, ...] = ()


PEERS = (
    Peer("pyhf 0.7.6 numpy/scipy", ("pyhf==0.7.6",), "pyhf_points.py", ("numpy",)),
    Peer("pyhf 0.7.6 jax/scipy", ("pyhf[jax]==0.7.6",), "pyhf_points.py", ("jax",)),
    Peer("ROOT 6.40 HistFactory", ("root==0.1a12", "numpy", "jsonpatch"), "root_points.py"),
)


@dataclass(frozen=True)
class Timing:
    """How long a peer took for each point of a sample, and what it found."""

    peer: str
    records: list[Json]
    note: str = ""

    @property
    def seconds(self) -> float | None:
        """Mean seconds a point; None when no point was done."""
        return sum(entry["seconds"] for entry in self.records) / len(self.records) if self.records else None


def install(peer: Peer, folder: Path) -> Path:
    """The Python of a peer's environment under `folder`, made on first use.

    Raises:
        subprocess.CalledProcessError: the registry does not have it or cannot be reached.
    """
    home = folder / peer.requirements[0].replace("==", "-").replace("[", "-").replace("]", "")
    python, stamp = home / "bin" / "python", home / ".installed"
    if stamp.exists():
        return python
    if shutil.which("uv"):
        _quietly("uv", "venv", "-q", "--clear", "-p", sys.executable, home)
        _quietly("uv", "pip", "install", "-q", "-p", python, *peer.requirements)
    else:
        _quietly(sys.executable, "-m", "venv", "--clear", home)
        _quietly(python, "-m", "pip", "install", "-q", *peer.requirements)
    stamp.touch()
    return python


def time_peer(peer: Peer, jobs: Json, folder: Path, *, timeout: float = 300) -> Timing:
    """Time one peer on the jobs; what was done before the timeout counts, and a peer that cannot be had says so."""
    try:
        python = install(peer, folder)
    except (subprocess.CalledProcessError, OSError) as error:
        return Timing(peer.name, [], f"not installed: {_last(getattr(error, 'stderr', None) or str(error))}")
    command = [str(python), str(HERE / "peers" / peer.script), *peer.arguments]
    try:
        done = subprocess.run(
            command, input=json.dumps(jobs), capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired as late:
        return Timing(peer.name, _records(late.stdout or b""), f"stopped after {timeout:g} s")
    note = "" if done.returncode == 0 else f"failed: {_last(done.stderr)}"
    return Timing(peer.name, _records(done.stdout), note)


def _records(output: str | bytes) -> list[Json]:
    text = output.decode() if isinstance(output, bytes) else output
    return [json.loads(line) for line in text.splitlines() if line.startswith("{") and line.endswith("}")]


def _last(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:160] if lines else "no message"


def _quietly(*command: str | Path | Sequence[str]) -> None:
    subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True)
