"""Results placed in a plane: one a point, in one order, and the best region of each place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Any

from fitloom.plane import Plane
from fitloom_core.wire import FitResult

_RANK = {"converged": 0, "not_converged": 1, "failed": 2}


@dataclass(frozen=True)
class PlacedPoint:
    """A result with its place in the plane; without a plane, ``y`` is its CLs, if it has one."""

    x: float
    y: float | None
    result: FitResult

    @property
    def region(self) -> str | None:
        return self.result.region

    @cached_property
    def status(self) -> str:
        """The result's status; one that misses a number is not to be trusted whatever it says."""
        if self.result.status == "converged" and self.numbers is None:
            return "not_converged"
        return self.result.status

    @cached_property
    def numbers(self) -> tuple[float, ...] | None:
        """Observed CLs and the five expected ones, if all six are there."""
        found = (self.result.cls_obs, *(self.result.cls_exp or ()))
        numbers = tuple(value for value in found if value is not None and isfinite(value))
        return numbers if len(numbers) == len(found) == 6 else None

    @property
    def order(self) -> tuple[Any, ...]:
        return (self.x, self.y or 0.0, self.region or "", self.result.name, self.result.id)

    def record(self) -> dict[str, Any]:
        """The point as it stands in a contour document."""
        result = self.result
        return {
            "id": result.id,
            "name": result.name,
            "x": self.x,
            "y": self.y,
            "cls_obs": result.cls_obs,
            "cls_exp": result.cls_exp,
            "status": self.status,
            "region": result.region,
        }


def latest(results: Iterable[FitResult]) -> list[FitResult]:
    """One result a point, the best of its attempts, in an order that does not depend on theirs."""
    best: dict[tuple[str, str], FitResult] = {}
    for result in results:
        key = (result.region or "", result.id)
        if key not in best or _merit(result) < _merit(best[key]):
            best[key] = result
    return [best[key] for key in sorted(best)]


def _merit(result: FitResult) -> tuple[Any, ...]:
    return (_RANK[result.status], -result.attempt, result.model_dump_json())


def region_names(results: Sequence[FitResult]) -> list[str | None]:
    return sorted({result.region for result in results}, key=lambda name: name or "") or [None]


def placed(results: Sequence[FitResult], plane: Plane) -> list[PlacedPoint]:
    """The points in the plane. Where there is no plane, x is the only axis, or the number of the point."""
    numbers = {name: float(index) for index, name in enumerate(sorted({result.name for result in results}))}
    points = []
    for result in results:
        place = plane.coordinates(result.values)
        if place is not None:
            x = place[0] if place else numbers[result.name]
            points.append(PlacedPoint(x, place[1] if len(place) > 1 else result.cls_obs, result))
    return sorted(points, key=lambda point: point.order)


def best_expected(points: Sequence[PlacedPoint]) -> list[PlacedPoint]:
    """At each place the region that was expected to exclude most; only where none converged, one that did not."""
    best: dict[tuple[Any, ...], PlacedPoint] = {}
    for point in points:
        key = _place_of(point)
        if key not in best or _strength(point) < _strength(best[key]):
            best[key] = point
    return sorted(best.values(), key=lambda point: point.order)


def _place_of(point: PlacedPoint) -> tuple[Any, ...]:
    return tuple(sorted((key, str(value)) for key, value in point.result.values.items())) or (point.result.name,)


def _strength(point: PlacedPoint) -> tuple[Any, ...]:
    expected = point.numbers[3] if point.numbers else 2.0
    return (_RANK[point.status], expected, *point.order)
