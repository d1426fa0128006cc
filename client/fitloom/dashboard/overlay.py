"""Published contours to draw over a plane: HEPData tables (JSON, CSV), plain CSV, a campaign's contour.json.

A contour is a list of vertices. HEPData publishes one as a table with the first mass in one column and the second in
the next; several lines of one table stand in separate dependent columns, or follow each other after a blank row.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from fitloom_core.errors import InputError

Json = dict[str, Any]
Vertices = list[list[float]]

MAX_VERTICES = 50_000
MAX_LINES = 200
_SEPARATORS = (",", "\t", ";")


@dataclass(frozen=True)
class Overlay:
    """Lines of a published contour, each with what it says of itself."""

    name: str
    lines: tuple[tuple[str, Vertices], ...]

    def to_json(self) -> Json:
        """As the page takes it."""
        return {"name": self.name, "lines": [{"name": name, "vertices": vertices} for name, vertices in self.lines]}


def parse(content: bytes, name: str) -> Overlay:
    """The lines of a file, whatever of the known formats it is.

    Raises:
        InputError: no format that is known, or no line in it.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{name} is no text: give a HEPData table as JSON or CSV, or a contour.json") from None
    lines = _of_json(text, name) if text.lstrip()[:1] in ("{", "[") else _of_csv(text)
    kept = [(title[:200], line) for title, line in lines if len(line) > 1][:MAX_LINES]
    if not kept:
        raise InputError(
            f"{name} has no line of two numbers a vertex: give a HEPData table as JSON or CSV, or a contour.json"
        )
    if sum(len(line) for _, line in kept) > MAX_VERTICES:
        raise InputError(f"{name} has more than {MAX_VERTICES} vertices; that is no contour")
    return Overlay(name[:200], tuple(kept))


def _of_json(text: str, name: str) -> list[tuple[str, Vertices]]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} is not JSON: {error}") from None
    if isinstance(document, dict) and isinstance(document.get("regions"), list):
        return _of_contour(document)
    if isinstance(document, dict) and isinstance(document.get("values"), list):
        return _of_table(document)
    vertices = document if isinstance(document, list) else None
    return [("", _pairs(vertices))] if vertices else []


def _of_contour(document: Json) -> list[tuple[str, Vertices]]:
    lines = []
    for region in document["regions"]:
        if not isinstance(region, dict) or not isinstance(region.get("lines"), dict):
            continue
        for kind in ("observed", "expected"):
            found = region["lines"].get(kind)
            for line in found if isinstance(found, list) else ():
                title = " ".join(str(part) for part in (region.get("region"), kind) if part)
                lines.append((title, _pairs(line)))
    return lines


def _of_table(document: Json) -> list[tuple[str, Vertices]]:
    """A HEPData table: ``values`` is a list of rows ``{"x": [{"value": …}], "y": [{"value": …, "group": n}]}``."""
    headers = [str(header.get("name", "")) for header in document.get("headers", ()) if isinstance(header, dict)]
    rows = [row for row in document["values"] if isinstance(row, dict)]
    title = str(document.get("name") or "")
    if rows and len(_list(rows[0].get("x"))) >= 2:
        return [(title, _pairs([[_value(cell) for cell in _list(row.get("x"))[:2]] for row in rows]))]
    columns = max((len(_list(row.get("y"))) for row in rows), default=0)
    lines = []
    for column in range(columns):
        pairs = [[_value(_at(row.get("x"), 0)), _value(_at(row.get("y"), column))] for row in rows]
        lines.append((headers[1 + column] if 1 + column < len(headers) else title, _pairs(pairs)))
    return lines


def _of_csv(text: str) -> list[tuple[str, Vertices]]:
    """Two columns of numbers; ``#`` starts a comment, and a row without numbers ends a line."""
    lines: list[tuple[str, Vertices]] = []
    title, vertices = "", []
    separator = max(_SEPARATORS, key=text.count)
    for row in csv.reader(text.splitlines(), delimiter=separator):
        pair = _pair(row[:2])
        if pair is not None:
            vertices.append(pair)
            continue
        if vertices:
            lines.append((title, vertices))
            title, vertices = "", []
        title = _title(row) or title
    return [*lines, (title, vertices)] if vertices else lines


def _title(row: Sequence[str]) -> str:
    """What a row says about the line below it: HEPData names a table in ``#: name: …``."""
    if not row:
        return ""
    if row[0].startswith("#"):
        key, _, value = row[0].lstrip("#: ").partition(":")
        return value.strip() if key.strip() == "name" else ""
    return ""


def _pairs(rows: object) -> Vertices:
    found = (_pair(row) for row in _list(rows))
    return [pair for pair in found if pair is not None]


def _pair(row: object) -> list[float] | None:
    cells = row if isinstance(row, list) else []
    numbers = [_float(cell) for cell in cells[:2]]
    return [n for n in numbers if n is not None] if len(numbers) == 2 and None not in numbers else None


def _float(cell: object) -> float | None:
    if isinstance(cell, bool) or not isinstance(cell, int | float | str):
        return None
    try:
        value = float(cell)
    except (ValueError, OverflowError):
        return None
    return value if isfinite(value) else None


def _value(cell: object) -> object:
    return cell.get("value") if isinstance(cell, dict) else cell


def _at(cells: object, place: int) -> object:
    found = _list(cells)
    return found[place] if place < len(found) else None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
