"""A line on the terminal while something is downloaded; nothing where there is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from fitloom.transfer import Progress


@contextmanager
def meter(source: str) -> Iterator[Progress | None]:
    """A progress callback that draws bytes, speed and time left, gone again at the end."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("fetching {task.description}"),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as drawn:
        line = drawn.add_task(source, total=None)
        yield lambda done, total: drawn.update(line, completed=done, total=total)
