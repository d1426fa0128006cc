"""The live page under load: events a second, viewers at once, and what a browser's main thread makes of it.

    python tests/benchmarks/dashboard_bench.py --seconds 60 --rate 1000 --viewers 50

A campaign is written through the real journal at the rate asked for, its points fitted again and again; a server of its
own process serves it, viewers read its event stream in a third process, and a browser looks at the page. Reported are:
lines written and received by every viewer, the longest time the page's main thread was blocked, and the server's memory
and processor time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psutil

TESTS = Path(__file__).resolve().parent.parent
if str(TESTS) not in sys.path:
    sys.path.insert(0, str(TESTS))

from benchmarks.table import Row  # noqa: E402
from written_campaigns import Driver, Planned, driving, fitted, grid  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Page

LINES_A_POINT = 4
"""sent, running, the record, result."""
STEP = 0.04
"""Seconds between two writes."""
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Load:
    """What was measured."""

    seconds: float
    lines_written: int
    viewers: int
    lines_received: list[int] = field(default_factory=list)
    """Of each viewer; each must be all that was written."""
    longest_block_ms: float | None = None
    page_lines: int | None = None
    page_frames: int | None = None
    server_mb: tuple[float, float] = (0.0, 0.0)
    """Memory of the server after half of the time, and at the end."""
    server_cpu: float = 0.0
    """Share of one processor."""

    @property
    def complete(self) -> bool:
        """Whether every viewer got every line once."""
        return set(self.lines_received) <= {self.lines_written} and self.page_lines in (None, self.lines_written)


def measure(seconds: float, rate: float, viewers: int, *, browser: str | None = None) -> Load:
    """Write a campaign at ``rate`` lines a second, watched by so many viewers, and a browser where one is given."""
    points = grid(45, 40)
    with tempfile.TemporaryDirectory() as folder, driving(Path(folder) / "run", points) as driver:
        driver.plan()
        with _server(driver.folder) as (address, process), _looking(browser, address) as page:
            watching = _Viewers(address, viewers)
            begin, memory = time.monotonic(), [_megabytes(process)]
            process.cpu_percent()

            def pause(wait: float) -> None:
                memory.append(_megabytes(process))
                page.wait_for_timeout(wait * 1000) if page is not None else time.sleep(wait)

            lines = feed(driver, points, seconds, rate, pause)
            load = Load(time.monotonic() - begin, lines, viewers)
            load.server_cpu = process.cpu_percent() / 100
            load.server_mb = memory[len(memory) // 2], memory[-1]
            load.lines_received = watching.finish(lines)
            if page is not None:
                _read_page(page, load, lines)
    return load


def feed(driver: Driver, points: list[Planned], seconds: float, rate: float, pause: Callable[[float], None]) -> int:
    """Write lines at an even pace, every `STEP`, calling ``pause`` in between; how many lines there are."""
    begin = time.monotonic()
    work = _work(points, max(1, int(rate * STEP / LINES_A_POINT)))
    for number, (attempt, some) in enumerate(work, start=1):
        for point in some:
            driver.send([point], task=f"{point.id}/{attempt}", attempt=attempt)
        driver.record(*(fitted(point, attempt=attempt, shift=0.02 * attempt) for point in some))
        passed = time.monotonic() - begin
        if passed > seconds:
            break
        pause(max(0.001, number * STEP - passed))
    return sum(path.read_bytes().count(b"\n") for path in driver.folder.glob("*.jsonl"))


def _work(points: list[Planned], size: int) -> Iterator[tuple[int, list[Planned]]]:
    for attempt in count(1):
        for start in range(0, len(points), size):
            yield attempt, points[start : start + size]


@contextmanager
def _server(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    command = [sys.executable, "-m", "fitloom", "dashboard", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = server.stdout.readline().split()[-1]
        try:
            yield address, psutil.Process(server.pid)
        finally:
            server.terminate()


class _Viewers:
    """Viewers in a process of their own, each counting the lines it hears of."""

    def __init__(self, address: str, number: int) -> None:
        self._number = number
        self._counts = multiprocessing.get_context("spawn").Array("l", max(1, number))
        self._process = multiprocessing.get_context("spawn").Process(target=_view, args=(address, self._counts, number))
        if number:
            self._process.start()

    def finish(self, expected: int, patience: float = 30.0) -> list[int]:
        end = time.monotonic() + patience
        while self._number and min(self._counts[: self._number]) < expected and time.monotonic() < end:
            time.sleep(0.05)
        if self._number:
            self._process.terminate()
            self._process.join()
        return list(self._counts[: self._number])


def _view(address: str, counts: Any, number: int) -> None:
    async def one(place: int) -> None:
        parts = urlsplit(address)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 26)
        writer.write(f"GET /api/campaigns/0/events HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
        async for line in reader:
            if line.startswith(b'data: {"from"'):
                head = line[6 : line.index(b',"plan"')].decode()
                frame = json.loads(head + "}")
                counts[place] += frame["results"] + frame["events"]

    async def everybody() -> None:
        await asyncio.gather(*map(one, range(number)))

    asyncio.run(everybody())


@contextmanager
def _looking(browser: str | None, address: str) -> Iterator[Page | None]:
    if browser is None:
        yield None
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=ARGUMENTS)
        page = chromium.new_page(viewport={"width": 1280, "height": 900})
        page.goto(address)
        page.wait_for_timeout(1500)
        page.evaluate(OBSERVE)
        yield page
        chromium.close()


OBSERVE = """() => {
  globalThis.blocks = [];
  const watch = (list) => blocks.push(...list.getEntries().map((entry) => entry.duration));
  new PerformanceObserver(watch).observe({ type: 'longtask' });
}"""


def _read_page(page: Page, load: Load, expected: int) -> None:
    tally = "fitloom.board.campaign.tally"
    end = time.monotonic() + 30
    while page.evaluate(f"{tally}.results + {tally}.events") < expected and time.monotonic() < end:
        page.wait_for_timeout(50)
    load.page_lines = page.evaluate(f"{tally}.results + {tally}.events")
    load.page_frames = page.evaluate(f"{tally}.frames")
    load.longest_block_ms = page.evaluate("Math.max(0, ...blocks)")


def _megabytes(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 1e6


def bench(seconds: float = 60, rate: float = 1000, viewers: int = 50) -> list[Row]:
    """Rows for `make bench`: fifty viewers and a browser, a thousand lines a second for a minute."""
    load = measure(seconds, rate, viewers, browser=shutil.which("chromium"))
    early, late = load.server_mb
    share = min([*load.lines_received, load.page_lines or 0]) / load.lines_written
    pace = f"{load.lines_written / load.seconds:.0f} lines a second, {'none twice' if load.complete else 'SOME TWICE'}"
    return [
        Row("dashboard", f"lines that reached each of {viewers} viewers and the page", share, "x", 1.0, pace),
        Row("dashboard", "server: processor", load.server_cpu, "", 1.0),
        Row("dashboard", "server: memory grown in the second half", late - early, "MB", 50),
        Row("dashboard", "page: longest block of the main thread", load.longest_block_ms, "ms", 100),
    ]


def main() -> None:
    """Measure and print, as JSON too where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=1000, help="lines a second")
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--no-browser", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    browser = None if given.no_browser else shutil.which("chromium")
    load = measure(given.seconds, given.rate, given.viewers, browser=browser)
    if given.json:
        print(json.dumps({**asdict(load), "complete": load.complete}))
        return
    print(f"{load.lines_written} lines in {load.seconds:.1f} s ({load.lines_written / load.seconds:.0f} a second)")
    print(f"{load.viewers} viewers: {'every line once' if load.complete else 'LINES LOST OR DOUBLED'}")
    early, late = load.server_mb
    print(f"server: {load.server_cpu:.0%} of a processor, {early:.0f} MB after half of it, {late:.0f} MB at the end")
    if load.longest_block_ms is not None:
        print(f"page: {load.page_frames} frames, main thread blocked for {load.longest_block_ms:.0f} ms at most")


if __name__ == "__main__":
    main()
