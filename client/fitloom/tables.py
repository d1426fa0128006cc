"""Plain text tables: columns as wide as they need, numbers to the right, nothing cut off."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table with a head.

    >>> print(table(["name", "bins"], [["SR", 3], ["CR", 12]]))
    name  bins
    SR       3
    CR      12
    """
    body = [list(row) for row in rows]
    lines = [list(head), *([shown(cell) for cell in row] for row in body)]
    columns = range(len(head))
    widths = [max(len(line[column]) for line in lines) for column in columns]
    numbers = [bool(body) and all(isinstance(row[column], int | float | None) for row in body) for column in columns]
    return "\n".join(_line(line, widths, numbers) for line in lines)


def shown(value: Any) -> str:
    """A cell's text: six digits of a number, a dash for nothing; no control characters, whoever wrote it."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(value))


def _line(cells: Sequence[str], widths: Sequence[int], numbers: Sequence[bool]) -> str:
    placed = zip(cells, widths, numbers, strict=True)
    return "  ".join(cell.rjust(width) if right else cell.ljust(width) for cell, width, right in placed).rstrip()
