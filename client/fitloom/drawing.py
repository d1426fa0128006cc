"""What a figure of a contour shows, drawn on matplotlib axes: lines, bands, points, hull, labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from fitloom.titles import title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Json = dict[str, Any]
Box = tuple[float, float, float, float]
"""x and y of the lower left corner, x and y of the upper right one."""

OBSERVED, EXPECTED, BAND = "#b2182b", "#08306b", "#6baed6"
QUIET = "#6b6b6b"
REGIONS = ("#009e73", "#e69f00", "#cc79a7", "#7b3294", "#a6761d", "#1b7837")
"""Colours that stay apart for colour-blind eyes, and from those of the main lines."""
NUMBERED = 150
"""Up to this many points carry their CLs as a number; more are dots coloured by it."""
STATES = {"not_converged": ("o", "white", "Not certified"), "failed": ("x", QUIET, "No result")}
"""How points look that do not count: marker, face, words."""
DASHED = (0, (5, 2))
INNER, OUTER = 0.45, 0.22
"""Opacity of the two bands."""
TOP, ROW, COLUMNS = 0.965, 0.046, 2
"""Top of the heading and height of a row of the legend, as shares of the axes' height."""
LEGEND: dict[str, Any] = {
    "fontsize": 10,
    "borderpad": 0.4,
    "columnspacing": 1.6,
    "handletextpad": 0.7,
    "labelspacing": 0.35,
}
NUMBER_SIZE = (0.040, 0.020)
"""Room of one number, as a share of the width and height of the axes."""


def draw_plane(axes: Axes, contour: Json, heading: str | None) -> None:
    """The mass plane: band, lines, points with their CLs, and the part that no point covers."""
    *others, main = contour["regions"]
    box = _box(contour["regions"])
    x0, y0, x1, y1 = box
    y2 = y0 + (y1 - y0) / (1 - _legend_height(contour))
    axes.set(xlim=(x0, x1), ylim=(y0, y2))
    _draw_uncovered(axes, main["hull"], box)
    _draw_diagonal(axes, contour, box)
    _draw_regions(axes, others)
    _draw_main(axes, main)
    _draw_points(axes, main["points"], (x0, y0, x1, y2))
    _label(axes, contour, heading)


def draw_scan(axes: Axes, contour: Json, heading: str | None) -> None:
    """CLs along one label, where a pallet has no plane."""
    *others, main = contour["regions"]
    x0, _, x1, _ = _box(contour["regions"])
    found = [
        y for region in contour["regions"] for line in region["lines"].values() for piece in line for _, y in piece
    ]
    axes.set(xlim=(x0, x1), yscale="log", ylim=(max(min(found, default=0.01) / 3, 1e-8), 50.0))
    axes.axhline(contour["level"], color=QUIET, lw=1)
    axes.annotate(
        f"{1 - contour['level']:.0%} CL",
        (1.0, contour["level"]),
        (-4, 3),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        ha="right",
        color=QUIET,
        size=10,
    )
    _draw_regions(axes, others)
    _draw_main(axes, main)
    _draw_states(axes, [{**point, "y": point["y"] or contour["level"]} for point in main["points"]])
    _label(axes, contour, heading)


def _box(regions: Iterable[Json]) -> Box:
    """The points with a small margin around them, but nothing below zero that need not be."""
    places = [(point["x"], point["y"]) for region in regions for point in region["points"]]
    known = np.array([(x, y) for x, y in places if y is not None] or [(0.0, 0.0), (1.0, 1.0)])
    low, high = known.min(axis=0), known.max(axis=0)
    margin = np.where(high > low, 0.04 * (high - low), np.maximum(np.abs(high) * 0.1, 0.5))
    bottom = np.where((low >= 0) & (low < margin), 0.0, low - margin)
    return float(bottom[0]), float(bottom[1]), float(high[0] + margin[0]), float(high[1] + margin[1])


def _legend_height(contour: Json) -> float:
    """What the heading and the legend take of the axes' height."""
    return 1.03 - TOP + 0.05 + ROW * ceil(len(_legend(contour)) / COLUMNS)


def _draw_uncovered(axes: Axes, hull: Sequence[Sequence[float]], box: Box) -> None:
    """Hatches what lies outside the convex hull of the points: nothing is known there."""
    from matplotlib.patches import PathPatch

    if len(hull) < 3:
        return
    x0, y0, x1, y1 = box
    frame = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
    path = _path([frame, [*hull, hull[0]][::-1]])
    axes.add_patch(PathPatch(path, facecolor="none", edgecolor="#dddddd", hatch="////", lw=0, zorder=0))


def _draw_diagonal(axes: Axes, contour: Json, box: Box) -> None:
    """Where the two masses are equal, if no point is above: the edge of what a decay can do."""
    first, second = contour["axes"]
    places = [(point["x"], point["y"]) for region in contour["regions"] for point in region["points"]]
    if not places or first["unit"] != "GeV" or second["unit"] != "GeV" or any(y > x for x, y in places):
        return
    low, high = max(box[0], box[1]), min(box[2], box[3])
    if low < high:
        axes.plot([low, high], [low, high], color=QUIET, lw=0.8, ls=(0, (1, 2)), zorder=1)


def _draw_main(axes: Axes, region: Json) -> None:
    """The two bands, the expected line and the observed one, each with its entry in the legend."""
    from matplotlib.patches import PathPatch

    for width, alpha in (("2", OUTER), ("1", INNER)):
        if rings := region.get("bands", {}).get(width):
            axes.add_patch(PathPatch(_path(rings), facecolor=BAND, alpha=alpha, lw=0, zorder=2))
    _draw_lines(axes, region["lines"]["expected"], color=EXPECTED, ls=DASHED, lw=1.6, zorder=5)
    _draw_lines(axes, region["lines"]["observed"], color=OBSERVED, ls="-", lw=2.2, zorder=6)


def _draw_regions(axes: Axes, regions: Sequence[Json]) -> None:
    for region, color in zip(regions, _cycle(REGIONS), strict=False):
        _draw_lines(axes, region["lines"]["expected"], color=color, ls=(0, (4, 2)), lw=0.9, zorder=3)
        _draw_lines(axes, region["lines"]["observed"], color=color, ls="-", lw=1.3, zorder=4)


def _draw_lines(axes: Axes, lines: Iterable[Sequence[Sequence[float]]], **style: Any) -> None:
    for line in lines:
        x, y = np.array(line).T
        axes.plot(x, y, solid_capstyle="butt", **style)


def _draw_points(axes: Axes, points: Sequence[Json], box: Box) -> None:
    done = [point for point in points if point["status"] == "converged"]
    if len(done) <= NUMBERED:
        x, y = _coordinates(done)
        axes.plot(x, y, ls="none", marker=".", ms=2, color=QUIET, zorder=3, clip_on=False)
        for point in _uncrowded(done, box):
            axes.annotate(
                _number(point["cls_obs"]),
                (point["x"], point["y"]),
                (0, 2),
                textcoords="offset points",
                ha="center",
                size=5.5,
                color="#444444",
                zorder=7,
            )
    else:
        _draw_dots(axes, done)
    _draw_states(axes, points)


def _draw_dots(axes: Axes, points: Sequence[Json]) -> None:
    from matplotlib.colors import LogNorm

    x, y = _coordinates(points)
    values = np.clip([point["cls_obs"] for point in points], 1e-4, 1.0)
    size = float(np.clip(6000 / len(points), 1.5, 16))
    dots = axes.scatter(x, y, c=values, s=size, cmap="cividis", norm=LogNorm(1e-4, 1), lw=0, zorder=1.5)
    bar = axes.figure.colorbar(dots, ax=axes, pad=0.02, aspect=30, extend="min")
    bar.set_label(r"Observed $\mathrm{CL}_{s}$")


def _draw_states(axes: Axes, points: Sequence[Json]) -> None:
    """Points without a result, and those whose numbers are not to be trusted."""
    for status, (marker, face, _) in STATES.items():
        x, y = _coordinates([point for point in points if point["status"] == status])
        if len(x):
            style: dict[str, Any] = {"mfc": face, "mec": "black", "mew": 1.0, "ms": 5}
            axes.plot(x, y, ls="none", marker=marker, zorder=8, clip_on=False, **style)


def _coordinates(points: Sequence[Json]) -> tuple[list[float], list[float]]:
    placed = [(point["x"], point["y"]) for point in points if point["y"] is not None]
    return [x for x, _ in placed], [y for _, y in placed]


def _uncrowded(points: Sequence[Json], box: Box) -> Iterator[Json]:
    """Those points whose number does not run into one that is there already."""
    width, height = (box[2] - box[0]) * NUMBER_SIZE[0], (box[3] - box[1]) * NUMBER_SIZE[1]
    taken: list[tuple[float, float]] = []
    for point in points:
        if all(abs(point["x"] - x) > width or abs(point["y"] - y) > height for x, y in taken):
            taken.append((point["x"], point["y"]))
            yield point


def _number(cls: float) -> str:
    return f"{cls:.3f}" if 0.01 <= cls < 0.095 else f"{cls:.2f}"


def _label(axes: Axes, contour: Json, heading: str | None) -> None:
    first, second = contour["axes"]
    for put, axis in ((axes.set_xlabel, first), (axes.set_ylabel, second)):
        unit = f" [{axis['unit']}]" if axis["unit"] else ""
        put((axis["tex"] or _one_line(axis["title"])) + unit, parse_math=bool(axis["tex"]))
    style: dict[str, Any] = {"transform": axes.transAxes, "va": "top", "zorder": 9, "parse_math": False}
    axes.text(0.03, TOP, _one_line(heading or "fitloom"), weight="bold", size=14, **style)
    axes.text(0.97, TOP - 0.006, _conditions(contour["where"]), ha="right", size=11, **style)
    handles, texts = zip(*_legend(contour), strict=True)
    legend = axes.legend(handles, texts, loc="upper left", bbox_to_anchor=(0.015, TOP - 0.045), ncols=COLUMNS, **LEGEND)
    for text in legend.get_texts():
        text.set_parse_math(False)


def _conditions(where: Mapping[str, float | str]) -> str:
    parts = []
    for key, value in where.items():
        shown = title(key)
        unit = f" {shown.unit}" if shown.unit else ""
        parts.append(f"{shown.text} = {value}" if isinstance(value, str) else f"{shown.text} = {value:g}{unit}")
    return _one_line(", ".join(parts))


def _legend(contour: Json) -> list[tuple[Any, str]]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    *others, main = contour["regions"]
    best = ", best expected region" if others else ""
    expected = Line2D([], [], color=EXPECTED, lw=1.6, ls=DASHED)
    entries: list[tuple[Any, str]] = [
        (Line2D([], [], color=OBSERVED, lw=2.2), f"Observed limit, {_percent(contour['level'])} CL{best}"),
        ((Patch(fc=BAND, alpha=INNER), expected), "Expected limit ±1σ"),
        (Patch(fc=BAND, alpha=OUTER), "Expected limit ±2σ"),
    ]
    for region, color in zip(others, _cycle(REGIONS), strict=False):
        entries.append((Line2D([], [], color=color, lw=1.3), _one_line(region["region"] or "")))
    if any(point["status"] == "converged" for point in main["points"]):
        dot = Line2D([], [], ls="none", marker=".", ms=4, color=QUIET)
        entries.append((dot, "Points with their observed CLs"))
    for status, (marker, face, text) in STATES.items():
        if count := sum(point["status"] == status for point in main["points"]):
            handle = Line2D([], [], ls="none", marker=marker, mfc=face, mec="black", ms=5)
            entries.append((handle, f"{text} ({count})"))
    return entries


def _percent(level: float) -> str:
    return f"{100 * (1 - level):.4g}%"


def _path(rings: Iterable[Sequence[Sequence[float]]]) -> Any:
    """One path of closed rings; where they run against each other, they cut holes."""
    from matplotlib.path import Path

    return Path.make_compound_path(*(Path(np.array(ring), closed=True) for ring in rings))


def _cycle(colors: Sequence[str]) -> Iterator[str]:
    while True:
        yield from colors


def _one_line(text: str) -> str:
    """A name as one printable line of bearable length."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return line if len(line) <= 60 else line[:57] + "..."
