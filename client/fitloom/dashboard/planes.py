"""The planes a viewer may choose from: the default one, and those that hold another label or a difference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

from fitloom.plane import Plane, Value, choose, number

Json = dict[str, Any]

MAX_PLANES = 24
WORTH_OFFERING = 4
"""A plane with fewer points has no contour worth looking at."""


def offered(points: Sequence[Mapping[str, Value]], labels: Sequence[str]) -> list[Json]:
    """Planes of these points as queries, the default first and then by how many points they hold.

    With two labels there is one plane. With more, a plane holds a label at a value, or a difference of two labels.
    """
    planes = [choose(points, labels=labels)]
    if len(labels) > 2:
        planes += [choose(points, labels=labels, where={key: value}) for key, value in _conditions(points, labels)]
    found: list[Json] = []
    for plane in planes:
        shown = {"axes": list(plane.axes), "where": plane.where, "count": _count(points, plane)}
        if not found or (shown not in found and len(plane.axes) == 2 and _count(points, plane) >= WORTH_OFFERING):
            found.append(shown)
    return found


def _conditions(points: Sequence[Mapping[str, Value]], labels: Sequence[str]) -> list[tuple[str, Value]]:
    """Values of labels, and of positive differences of labels, that the most points share."""
    counts: Counter[tuple[str, Value]] = Counter()
    for values in points:
        counts.update((label, values[label]) for label in labels if label in values)
        for a, b in permutations(labels, 2):
            left, right = number(values.get(a)), number(values.get(b))
            if left is not None and right is not None and left > right:
                counts[f"{a}-{b}", left - right] += 1
    common = [item for item in counts.most_common(MAX_PLANES) if item[1] >= WORTH_OFFERING]
    return [key for key, _ in common]


def _count(points: Sequence[Mapping[str, Value]], plane: Plane) -> int:
    return len({plane.coordinates(values) for values in points} - {None})
