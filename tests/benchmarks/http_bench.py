"""Ten thousand generated points through an HTTP endpoint: points a second, bytes a point, and whether memory grows."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from generate import write_grid
from measure import measure
from table import MB, Row

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the endpoint of the tests

POINTS = 10_000
WORKERS = 2
INTERVAL = 0.5
SECTION = "http"
Trace = list[tuple[float, int]]


def bench(work: Path, points: int = POINTS) -> list[Row]:
    """Rows of a campaign of so many points through one endpoint with two workers, all of them warm."""
    from endpoint_server import EndpointServer

    work = work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    grid = write_grid(work / "grid", points)
    few = write_grid(work / "few", 64)
    with EndpointServer("--workers", str(WORKERS)) as server:
        assert server.process is not None
        send = [sys.executable, "-m", "fitloom", "run", "--url", server.url]
        measure([*send, few, "--output", work / "warm-up"], cwd=work)
        with _memory_of(server.process.pid) as trace:
            client = measure([*send, grid, "--output", work / "campaign"], cwd=work)
    journal = work / "campaign" / "results.jsonl"
    done = len(journal.read_text().splitlines()) if journal.exists() else 0
    note = "" if client.status == 0 else f"exit status {client.status}: {client.output.strip()[-120:]}"
    return [
        Row(SECTION, f"{points} points, client start to contour", client.seconds, "s", note=note or f"{done} records"),
        Row(SECTION, "endpoint: peak memory of server and workers", max(size for _, size in trace) / MB, "MB"),
        Row(SECTION, "endpoint: memory grown over the second half", growth(trace) / MB, "MB", 50),
        Row(SECTION, "client: peak memory", client.peak_bytes / MB, "MB"),
    ]


def growth(trace: Trace) -> float:
    """Bytes by which the mean of the last quarter lies over the mean of the quarter before the middle."""
    quarter = max(1, len(trace) // 4)
    before = [size for _, size in trace[quarter : 2 * quarter]]
    after = [size for _, size in trace[-quarter:]]
    return sum(after) / len(after) - sum(before) / len(before)


@contextmanager
def _memory_of(pid: int) -> Iterator[Trace]:
    """Resident bytes of a process and its children over time, while the block runs."""
    trace: Trace = []
    stop = threading.Event()
    process = psutil.Process(pid)
    began = time.perf_counter()

    def watch() -> None:
        while not stop.wait(INTERVAL):
            trace.append((time.perf_counter() - began, _resident(process)))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield trace
    finally:
        stop.set()
        thread.join()


def _resident(process: psutil.Process) -> int:
    total = 0
    for member in [process, *process.children(recursive=True)]:
        try:
            total += member.memory_info().rss
        except psutil.Error:
            continue
    return total


if __name__ == "__main__":
    from table import show

    show(bench(Path(".bench/http"), int(sys.argv[1]) if len(sys.argv) > 1 else POINTS))
