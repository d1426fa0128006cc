"""The words of a figure: axis labels, heading, conditions, legend. What a pallet brings is never read as TeX."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import TYPE_CHECKING, Any

from fitloom.drawing.markers import certified, in_state
from fitloom.drawing.palette import (
    BAND,
    DASHED,
    EXPECTED,
    INNER,
    NUMBERED,
    OBSERVED,
    OUTER,
    QUIET,
    STATES,
    region_colors,
)
from fitloom.titles import title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Json = dict[str, Any]
Entry = tuple[Any, str]

TOP, ROW, ROWS = 0.965, 0.046, 3
"""Top of the heading, height of a row of the legend (as shares of the axes' height), and rows of a column."""
LEGEND: dict[str, Any] = {
    "fontsize": 10,
    "borderpad": 0.4,
    "columnspacing": 1.6,
    "handletextpad": 0.7,
    "labelspacing": 0.35,
}


def legend_height(contour: Json) -> float:
    """What the heading and the legend take of the axes' height."""
    count = len(_entries(contour))
    return 1.075 - TOP + ROW * ceil(count / ceil(count / ROWS))


def draw_labels(axes: Axes, contour: Json, heading: str | None) -> None:
    """Writes everything that a figure says in words."""
    first, second = contour["axes"]
    for put, axis in ((axes.set_xlabel, first), (axes.set_ylabel, second)):
        unit = f" [{axis['unit']}]" if axis["unit"] else ""
        put((axis["tex"] or _short(axis["title"])) + unit, parse_math=bool(axis["tex"]))
    place: dict[str, Any] = {"transform": axes.transAxes, "va": "top", "zorder": 9}
    heading = _short(heading or contour.get("pallet") or "fitloom")
    axes.text(0.03, TOP, heading, weight="bold", size=14, parse_math=False, **place)
    axes.text(0.97, TOP - 0.003, _conditions(contour), ha="right", size=12, **place)
    entries = _entries(contour)
    legend = axes.legend(
        *zip(*entries, strict=True),
        loc="upper left",
        bbox_to_anchor=(0.015, TOP - 0.045),
        ncols=ceil(len(entries) / ROWS),
        **LEGEND,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def percent(level: float) -> str:
    """The confidence level that belongs to a CLs: ``95% CL`` for 0.05."""
    return f"{100 * (1 - level):.4g}% CL"


def _conditions(contour: Json) -> str:
    """The confidence level and what the other labels are held at."""
    parts = [f"{percent(contour['level'])} limits"]
    for key, value in contour["where"].items():
        name, tex, unit = title(key)
        number = value if isinstance(value, str) else f"{value:g} {unit}".strip()
        parts.append(f"{tex or _literal(name)} = {_literal(number)}")
    return ", ".join(parts)


def _entries(contour: Json) -> list[Entry]:
    *others, main = contour["regions"]
    entries = [*_main_entries(main, ", best expected region" if others else "")]
    entries += [_region_entry(region, color) for region, color in zip(others, region_colors(), strict=False)]
    return entries + _point_entries(contour, main)


def _main_entries(main: Json, best: str) -> Iterator[Entry]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    reason = f" ({main['reason']})" if main.get("reason") else ""
    yield Line2D([], [], color=OBSERVED, lw=2.2), f"Observed{best}{reason}"
    expected = Line2D([], [], color=EXPECTED, lw=1.6, ls=DASHED)
    if main["bands"]["1"]:
        yield (Patch(fc=BAND, alpha=INNER), expected), "Expected ±1σ"
        yield Patch(fc=BAND, alpha=OUTER), "Expected ±2σ"
    elif main["lines"]["expected"]:
        yield expected, "Expected"


def _region_entry(region: Json, color: str) -> Entry:
    from matplotlib.lines import Line2D

    reason = f" ({region['reason']})" if region.get("reason") else ""
    return Line2D([], [], color=color, lw=1.3), _short(region["region"] or "", 28) + reason


def _point_entries(contour: Json, main: Json) -> list[Entry]:
    from matplotlib.lines import Line2D

    entries: list[Entry] = []
    if contour["kind"] == "plane" and 0 < len(certified(main["points"])) <= NUMBERED:
        dot = Line2D([], [], ls="none", marker=".", ms=4, color=QUIET)
        entries.append((dot, "Observed CLs of a point"))
    for status, (marker, face, words) in STATES.items():
        if count := len(in_state(contour["regions"], status)):
            handle = Line2D([], [], ls="none", marker=marker, mfc=face, mec="black", ms=5)
            entries.append((handle, f"{words} ({count})"))
    return entries


def _short(text: str, length: int = 60) -> str:
    """A name as one printable line of bearable length."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return line if len(line) <= length else line[: length - 1] + "…"


def _literal(text: str) -> str:
    """Text for where TeX is read, with its dollar signs as such."""
    return _short(text).replace("$", r"\$")
