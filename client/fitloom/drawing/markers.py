"""The points of a figure: with their CLs, coloured by it where they are many, and those that have none to trust."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fitloom.drawing.palette import NUMBERED, QUIET, STATES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Json = dict[str, Any]
Box = tuple[float, float, float, float]

NUMBER_SIZE = (0.040, 0.020)
"""Room of one number, as a share of the width and height of the axes."""


def draw_points(axes: Axes, points: Sequence[Json], box: Box) -> None:
    """The points that have numbers to trust, within the axes' ``box``."""
    done = certified(points)
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
                zorder=2.5,
            )
    else:
        _draw_dots(axes, done)


def _draw_dots(axes: Axes, points: Sequence[Json]) -> None:
    from matplotlib.colors import LogNorm

    x, y = _coordinates(points)
    values = np.clip([point["cls_obs"] for point in points], 1e-4, 1.0)
    size = float(np.clip(6000 / len(points), 1.5, 16))
    dots = axes.scatter(x, y, c=values, s=size, cmap="cividis", norm=LogNorm(1e-4, 1), lw=0, zorder=1.5)
    bar = axes.figure.colorbar(dots, ax=axes, pad=0.02, aspect=30, extend="min")
    bar.set_label(r"Observed $\mathrm{CL}_{s}$")


def certified(points: Sequence[Json]) -> list[Json]:
    """The points that count."""
    return [point for point in points if point["status"] == "converged"]


def draw_states(axes: Axes, regions: Sequence[Json], instead: float | None = None) -> None:
    """Points without a result, and those whose numbers are not to be trusted; those without a y go to ``instead``."""
    for status, (marker, face, _) in STATES.items():
        points = in_state(regions, status)
        x, y = _coordinates([{**point, "y": instead if point["y"] is None else point["y"]} for point in points])
        if len(x):
            style: dict[str, Any] = {"mfc": face, "mec": "black", "mew": 1.0, "ms": 5}
            axes.plot(x, y, ls="none", marker=marker, zorder=8, clip_on=False, **style)


def in_state(regions: Sequence[Json], status: str) -> list[Json]:
    """The points of this status in any region (the combination may have found better ones at their places)."""
    own = [region for region in regions if not region.get("combined")]
    return [point for region in own for point in region["points"] if point["status"] == status]


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
