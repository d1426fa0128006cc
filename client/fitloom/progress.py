"""How a campaign goes, on a terminal: done, failed, rate, time left. Where standard error is no terminal, nothing."""

from __future__ import annotations

import sys
import time
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress

WINDOW = 30.0
"""Seconds over which the rate is taken."""


class Rate:
    """Points a second over the last while, and from that the time that is left."""

    def __init__(self, now: float) -> None:
        self._seen: deque[tuple[float, int]] = deque([(now, 0)])

    def add(self, now: float, settled: int) -> None:
        """So many points have a record by now."""
        self._seen.append((now, settled))
        while len(self._seen) > 2 and now - self._seen[1][0] > WINDOW:
            self._seen.popleft()

    @property
    def per_second(self) -> float:
        """Points a second; 0 while nothing is known."""
        (before, had), (now, has) = self._seen[0], self._seen[-1]
        return (has - had) / (now - before) if now > before else 0.0

    def seconds_left(self, points: int) -> float | None:
        """How long so many points will take; None while nothing is known."""
        return points / self.per_second if self.per_second else None


class ProgressLine:
    """One line that is kept up to date, on a terminal only."""

    def __init__(self, total: int, done: int, *, stream: TextIO | None = None, quiet: bool = False) -> None:
        """For a campaign of so many points, of which some were done before."""
        self.stream = stream or sys.stderr
        self.active = self.stream.isatty() and not quiet
        self._total = total
        self._before = done
        self._done = done
        self._failed = 0
        self._rate = Rate(time.monotonic())
        self._bar: Progress | None = None

    def __enter__(self) -> Self:
        if self.active:
            self._bar = _bar(self.stream)
            self._task = self._bar.add_task("waiting for a worker", total=self._total, completed=self._done, note="")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, *, failed: bool) -> None:
        """One more point has its record."""
        self._done += 1
        self._failed += failed
        if self._bar is not None:
            self._rate.add(time.monotonic(), self._done - self._before)
            self._bar.update(self._task, completed=self._done, description="fitting", note=self.note)

    @property
    def note(self) -> str:
        """Failures, rate and time left, in words."""
        parts = [f"{self._failed} failed"] if self._failed else []
        parts.append(f"{self._rate.per_second:.3g} points/s")
        left = self._rate.seconds_left(self._total - self._done)
        if left is not None:
            parts.append(f"{_time(left)} left")
        return ", ".join(parts)


def _bar(stream: TextIO) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"))
    return Progress(*columns, console=Console(file=stream), refresh_per_second=5, transient=True)


def _time(seconds: float) -> str:
    """
    >>> _time(7), _time(187), _time(7500)
    ('7 s', '3 min', '2 h 05 min')
    """
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"
