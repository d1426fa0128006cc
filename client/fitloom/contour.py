"""From the results of a campaign to exclusion contours: the one place where they are made.

The figure, the page and ``contour.json`` all draw what `compute` returns. At each point CLs is turned into
``Z = Phi^-1(1 - CLs)``, which is nearly linear in the signal strength where CLs bends exponentially; a smooth
surface goes through the points' Z (`fitloom.surface`), and the contour is where it takes the value of the level.
Only converged points enter the surface; the others are listed with their status, to be drawn as what they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import floor, log10
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from fitloom.hull import Array, Line
from fitloom.plane import Plane, Value, choose
from fitloom.points import PlacedPoint, best_expected, latest, placed, region_names
from fitloom.replacing import replacing
from fitloom.surface import Surface
from fitloom.titles import Title, title
from fitloom_core.wire import FitResult

Json = dict[str, Any]

SCHEMA_VERSION = "1"
LEVEL = 0.05
COMBINED = "combined"
LINES = ("observed", "expected", "expected_-2", "expected_-1", "expected_+1", "expected_+2")
SMALLEST, LARGEST = 1e-23, 1 - 1e-12
"""CLs is kept between these, where its Z is 10 and -7: so far away the exact value does not move the contour any more,
but a CLs that was rounded to 0 would."""
SAME_VALUE = 1e-6
"""Values of a label that differ by less than this share of their size do not make an axis."""

_COLUMN = {"observed": 0, "expected_-2": 1, "expected_-1": 2, "expected": 3, "expected_+1": 4, "expected_+2": 5}


def compute(
    results: Iterable[FitResult],
    *,
    labels: Sequence[str],
    axes: Sequence[str] | None = None,
    where: Mapping[str, Value] | None = None,
    level: float = LEVEL,
    plane: Plane | None = None,
) -> Json:
    """The contour document of these results, in whatever order they come (the content of ``contour.json``).

    ``axes`` and ``where`` choose the plane (see `fitloom.plane.choose`). Where results are still coming, choose it
    from all planned points and give it as ``plane``, so that it stays the same.

    Raises:
        InputError: axes or conditions that do not fit the labels or leave no point.
    """
    results = latest(results)
    if plane is None:
        plane = choose([result.values for result in results], labels=labels, axes=axes, where=where)
    points = placed(results, plane)
    scale = _Scale.of(points) if len(plane.axes) == 2 else None
    names = region_names(results)
    regions = [_region(name, [point for point in points if point.region == name], scale, level) for name in names]
    if len(regions) > 1:
        regions.append({**_region(COMBINED, best_expected(points), scale, level), "combined": True})
    return {
        "schema": SCHEMA_VERSION,
        "pallet": ", ".join(sorted({result.pallet for result in results})),
        "kind": "scan" if scale is None else "plane",
        "level": level,
        "axes": _axes(plane),
        "where": plane.where,
        "note": plane.note,
        "regions": regions,
    }


def write(contour: Json, path: str | Path) -> Path:
    """Write a contour document; readers see the old file or the new one, never half of one."""
    path = Path(path)
    with replacing(path) as stream:
        json.dump(contour, stream, separators=(",", ":"), allow_nan=False)
    return path


@dataclass(frozen=True)
class _Scale:
    """The box of the plane, taken to the unit square and back."""

    low: Array
    span: Array

    @classmethod
    def of(cls, points: Sequence[PlacedPoint]) -> _Scale:
        places = _places(points)
        if len(places) == 0:
            return cls(np.zeros(2), np.ones(2))
        low, span = places.min(axis=0), np.ptp(places, axis=0)
        varies = span > SAME_VALUE * np.abs(places).max(axis=0)
        return cls(low, np.where(varies, span, 1.0))

    def to_unit(self, places: Array) -> Array:
        return np.asarray((places - self.low) / self.span)

    def from_unit(self, line: Line) -> list[list[float]]:
        """In the units of the axes, to a ten-millionth of their spans."""
        first, second = (7 - floor(log10(span)) for span in self.span.tolist())
        return [[round(x, first), round(y, second)] for x, y in (self.low + line * self.span).tolist()]


def _axes(plane: Plane) -> list[Json]:
    axes = [{"label": label, **_titles(title(label))} for label in plane.axes]
    if not axes:
        axes = [{"label": "", **_titles(Title("point", None, ""))}]
    if len(axes) == 1:
        axes.append({"label": "CLs", **_titles(Title("CLs", r"$\mathrm{CL}_{s}$", ""))})
    return axes


def _titles(shown: Title) -> Json:
    return {"title": shown.text, "tex": shown.tex, "unit": shown.unit}


def _region(name: str | None, points: Sequence[PlacedPoint], scale: _Scale | None, level: float) -> Json:
    used = [point for point in points if point.status == "converged"]
    drawn = _scan(used) if scale is None else _contours(used, scale, level)
    return {"region": name, **drawn, "points": [point.record() for point in points]}


def _contours(points: Sequence[PlacedPoint], scale: _Scale, level: float) -> Json:
    """Lines and bands of one region in a plane."""
    surface = Surface.through(scale.to_unit(_places(points)), significance(_numbers(points)))
    height = NormalDist().inv_cdf(1 - level)
    lines = {name: surface.lines(_COLUMN[name], height) for name in LINES}
    bands = {width: _band(surface, width, height) for width in ("1", "2")}
    return {
        "lines": {name: [scale.from_unit(line) for line in found] for name, found in lines.items()},
        "bands": {width: [scale.from_unit(ring) for ring in rings] for width, rings in bands.items()},
        "hull": scale.from_unit(surface.hull),
        "reason": None if lines["observed"] else _reason(surface, height),
    }


def _reason(surface: Surface, height: float) -> str:
    """Why there is no observed contour."""
    if surface.flat:
        return "needs three converged points off one line"
    return "all points excluded" if np.all(surface.values[:, 0] > height) else "no point excluded"


def _band(surface: Surface, width: str, height: float) -> list[Line]:
    """Rings around the area between the -n and the +n sigma line, to be filled by the even-odd or the winding rule."""
    wide = surface.above(_COLUMN[f"expected_-{width}"], height)
    narrow = surface.above(_COLUMN[f"expected_+{width}"], height)
    return [*wide, *(ring[::-1] for ring in narrow)]


def _scan(points: Sequence[PlacedPoint]) -> Json:
    """CLs along the only axis, where there is no plane; lines join the points."""
    x, numbers = np.array([point.x for point in points]), _numbers(points)
    curves = {name: np.column_stack([x, numbers[:, column]]).tolist() for name, column in _COLUMN.items()}
    bands = {width: curves[f"expected_-{width}"] + curves[f"expected_+{width}"][::-1] for width in ("1", "2")}
    drawn = len(points) > 1
    return {
        "lines": {name: [curves[name]] if drawn else [] for name in LINES},
        "bands": {width: [ring] if drawn else [] for width, ring in bands.items()},
        "hull": [],
        "reason": None if drawn else "needs two converged points",
    }


def significance(cls: Array) -> Array:
    """``Z = Phi^-1(1 - CLs)``, finite also where CLs is exactly 0 or 1.

    >>> significance(np.array([0.05, 0.5])).round(3).tolist()
    [1.645, 0.0]
    """
    inverse = NormalDist().inv_cdf
    kept = np.clip(cls, SMALLEST, LARGEST)
    return np.array([-inverse(value) for value in kept.ravel().tolist()]).reshape(cls.shape)


def _numbers(points: Sequence[PlacedPoint]) -> Array:
    return np.array([point.numbers for point in points], dtype=float).reshape(-1, len(LINES))


def _places(points: Sequence[PlacedPoint]) -> Array:
    return np.array([(point.x, point.y) for point in points], dtype=float).reshape(-1, 2)
