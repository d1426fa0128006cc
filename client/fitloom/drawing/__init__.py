"""What a figure of a contour shows, drawn on matplotlib axes: the plane or the scan, its lines, bands and hull."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fitloom.drawing.labels import draw_labels, legend_height, percent
from fitloom.drawing.markers import draw_points, draw_states
from fitloom.drawing.palette import BAND, DASHED, EXPECTED, INNER, OBSERVED, OUTER, QUIET, region_colors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Json = dict[str, Any]
Box = tuple[float, float, float, float]
"""x and y of the lower left corner, x and y of the upper right one."""


def draw_plane(axes: Axes, contour: Json, heading: str | None) -> None:
    """The mass plane: band, lines, points with their CLs, and the part that no point covers."""
    *others, main = contour["regions"]
    box = _box(contour["regions"])
    x0, y0, x1, y1 = box
    y2 = y0 + (y1 - y0) / (1 - legend_height(contour))
    axes.set(xlim=(x0, x1), ylim=(y0, y2))
    _draw_uncovered(axes, main["hull"], box)
    _draw_diagonal(axes, contour, box)
    _draw_regions(axes, others)
    _draw_main(axes, main)
    draw_points(axes, main["points"], (x0, y0, x1, y2))
    draw_states(axes, contour["regions"])
    draw_labels(axes, contour, heading)


def draw_scan(axes: Axes, contour: Json, heading: str | None) -> None:
    """CLs along one label, where a pallet has no plane."""
    *others, main = contour["regions"]
    x0, _, x1, _ = _box(contour["regions"])
    lowest, highest = _scan_limits(contour)
    axes.set(xlim=(x0, x1), yscale="log", ylim=(lowest, highest))
    axes.axhline(contour["level"], color=QUIET, lw=1)
    axes.annotate(
        percent(contour["level"]),
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
    draw_states(axes, contour["regions"], instead=1.5 * lowest)
    draw_labels(axes, contour, heading)


def _scan_limits(contour: Json) -> tuple[float, float]:
    """From below the lowest CLs to where 1 is just under the legend, on a logarithmic axis."""
    lines = [line for region in contour["regions"] for drawn in region["lines"].values() for line in drawn]
    lowest = max(min((y for line in lines for _, y in line), default=0.01) / 3, 1e-8)
    room = legend_height(contour)
    return lowest, float(3 * lowest ** (-room / (1 - room)))


def _box(regions: Iterable[Json]) -> Box:
    """The points with a small margin around them, but nothing below zero that need not be."""
    places = [(point["x"], point["y"]) for region in regions for point in region["points"]]
    known = np.array([(x, y) for x, y in places if y is not None] or [(0.0, 0.0), (1.0, 1.0)])
    low, high = known.min(axis=0), known.max(axis=0)
    margin = np.where(high > low, 0.04 * (high - low), np.maximum(np.abs(high) * 0.1, 0.5))
    bottom = np.where((low >= 0) & (low < margin), 0.0, low - margin)
    return float(bottom[0]), float(bottom[1]), float(high[0] + margin[0]), float(high[1] + margin[1])


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
    for region, color in zip(regions, region_colors(), strict=False):
        _draw_lines(axes, region["lines"]["expected"], color=color, ls=(0, (4, 2)), lw=0.9, zorder=3)
        _draw_lines(axes, region["lines"]["observed"], color=color, ls="-", lw=1.3, zorder=4)


def _draw_lines(axes: Axes, lines: Iterable[Sequence[Sequence[float]]], **style: Any) -> None:
    for line in lines:
        x, y = np.array(line).T
        axes.plot(x, y, solid_capstyle="butt", **style)


def _path(rings: Iterable[Sequence[Sequence[float]]]) -> Any:
    """One path of closed rings; where they run against each other, they cut holes."""
    from matplotlib.path import Path

    return Path.make_compound_path(*(Path(np.array(ring), closed=True) for ring in rings))
