"""Rows of the benchmark: what was measured, beside what was aimed at; printed and written as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

MB = 1e6


@dataclass(frozen=True)
class Row:
    """One measured number. A goal is a ceiling, but for ratios (unit ``x``), where it is a floor."""

    section: str
    what: str
    value: float | None
    unit: str
    goal: float | None = None
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the goal was reached; None without a goal or a value."""
        if self.goal is None or self.value is None:
            return None
        return self.value >= self.goal if self.unit == "x" else self.value <= self.goal


def show(rows: Sequence[Row]) -> None:
    """Print the rows as a table."""
    table = Table(title="fitloom bench", title_justify="left")
    for heading in ("section", "what"):
        table.add_column(heading)
    for heading in ("measured", "goal"):
        table.add_column(heading, justify="right")
    table.add_column("note")
    for row in rows:
        mark = {True: " ✓", False: " ✗", None: ""}[row.reached]
        goal = "" if row.goal is None else f"{'≥' if row.unit == 'x' else '≤'} {_text(row.goal, row.unit)}"
        table.add_row(row.section, row.what, _text(row.value, row.unit) + mark, goal, row.note)
    Console(width=int(os.environ.get("COLUMNS", "140"))).print(table)


def write(rows: Sequence[Row], path: Path) -> None:
    """Write the rows, with what they were measured on, as JSON."""
    document = {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"processor": _processor(), "cores": os.cpu_count(), "platform": platform.platform()},
        "versions": {name: version(name) for name in ("fitloom", "jax", "numpy", "scipy")},
        "python": platform.python_version(),
        "rows": [{**asdict(row), "reached": row.reached} for row in rows],
    }
    path.write_text(json.dumps(document, indent=1) + "\n")


def _text(value: float | None, unit: str) -> str:
    return "–" if value is None else f"{value:.3g} {unit}" if value < 1000 else f"{value:.0f} {unit}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
