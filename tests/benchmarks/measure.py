"""Whole processes measured from outside: wall time and the memory of the process tree at its peak."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

INTERVAL = 0.05


@dataclass(frozen=True)
class Run:
    """What one process cost, and what it said."""

    seconds: float
    """From before the process starts until it has ended."""
    peak_bytes: int
    """Resident memory of the process and its children together, at its peak."""
    status: int
    output: str = field(repr=False)
    trace: list[tuple[float, int]] = field(repr=False, default_factory=list)
    """Resident memory over time, for whether it grows."""


def measure(
    command: Sequence[str | Path],
    *,
    cwd: Path,
    environment: Mapping[str, str] | None = None,
    stdin: Path | None = None,
    timeout: float = 600,
) -> Run:
    """Run a command and watch it; past the timeout it is killed and its status is -9."""
    log = cwd / "output.txt"
    start = time.perf_counter()
    with log.open("w") as out, (stdin or Path(os.devnull)).open() as given:
        process = psutil.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            stdin=given,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        trace = _watch(process, start, timeout)
        status = process.wait()
    seconds = time.perf_counter() - start
    peak = max((size for _, size in trace), default=0)
    return Run(seconds, peak, status, log.read_text(), trace)


def _watch(process: psutil.Popen, start: float, timeout: float) -> list[tuple[float, int]]:
    trace = []
    while process.poll() is None:
        trace.append((time.perf_counter() - start, _resident(process)))
        if trace[-1][0] > timeout:
            _kill(process)
        try:
            process.wait(INTERVAL)
        except psutil.TimeoutExpired:
            continue
    return trace


def _resident(process: psutil.Popen) -> int:
    total = 0
    for member in _tree(process):
        try:
            total += member.memory_info().rss
        except psutil.Error:
            continue
    return total


def _tree(process: psutil.Popen) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def _kill(process: psutil.Popen) -> None:
    for member in _tree(process):
        try:
            member.kill()
        except psutil.Error:
            continue
