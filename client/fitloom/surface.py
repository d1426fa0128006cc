"""A smooth surface through scattered points of a plane, and its level lines. NumPy only up to `EXACT` points.

Up to `EXACT` points the surface is the thin-plate spline, which bends least of all surfaces through the points::

    f(x) = a + b . x + sum_i w_i phi(|x - x_i|),    phi(r) = r^2 ln r

It has no length to choose, so it is as good on an even grid as on points that crowd along a diagonal. Above, where
its cubic cost would be felt and the points are dense anyway, each Delaunay triangle carries a cubic patch
(Clough-Tocher).

Everything happens on the unit square; nothing is said outside the convex hull of the points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from fitloom.hull import Array, Line, area, convex_hull, cut_line, cut_ring, onto, outside

EXACT = 400
"""The largest number of points that a thin-plate spline is solved for."""
NODES = 121
"""Nodes of the grid on each axis: the level lines are straight between its cells' edges."""
SAME_PLACE = 1e-6
"""Points nearer than this (in units of the axis) are one point, with the mean of their values."""
FLAT = 1e-6
"""A hull with a smaller area (of the unit square) is a line."""


@dataclass(frozen=True)
class Surface:
    """Several quantities over one set of points: a column of ``values`` each."""

    points: Array
    """``(n, 2)``, on the unit square."""
    values: Array
    """``(n, columns)``."""

    @classmethod
    def through(cls, points: Array, values: Array) -> Surface:
        """The surface through these points; points at the same place are averaged."""
        if len(points) == 0:
            return cls(np.empty((0, 2)), np.empty((0, values.shape[1] if values.ndim == 2 else 0)))
        key = np.round(points / SAME_PLACE)
        _, first, inverse, counts = np.unique(key, axis=0, return_index=True, return_inverse=True, return_counts=True)
        sums = np.zeros((len(first), values.shape[1]))
        np.add.at(sums, inverse.reshape(-1), values)
        return cls(points[first], sums / counts[:, None])

    @cached_property
    def hull(self) -> Array:
        """Corners of the convex hull, counter-clockwise; the two ends where all points lie on a line."""
        return convex_hull(self.points)

    @property
    def flat(self) -> bool:
        """Whether there are too few points, or all on one line, so that no surface is defined."""
        return len(self.hull) < 3 or area(self.hull) < FLAT

    @cached_property
    def grid(self) -> Array:
        """The quantities on the nodes, ``(columns, NODES, NODES)`` (y, then x); NaN more than a cell outside."""
        axis = np.linspace(0.0, 1.0, NODES)
        nodes = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
        near = outside(nodes, self.hull) < 1.5 / (NODES - 1)
        found = np.full((len(nodes), self.values.shape[1]), np.nan)
        found[near] = self.at(nodes[near])
        return found.T.reshape(-1, NODES, NODES)

    def at(self, places: Array) -> Array:
        """The quantities at these places, ``(places, columns)``; just beyond the hull the surface is continued."""
        return self._interpolant(places)

    @cached_property
    def _interpolant(self) -> Callable[[Array], Array]:
        if len(self.points) <= EXACT:
            return thin_plate(self.points, self.values)
        return _triangulated(self.points, self.values, self.hull)

    def lines(self, column: int, level: float) -> list[Line]:
        """Where a quantity takes the level, cut at the hull; empty where no surface is defined."""
        if self.flat:
            return []
        return [piece for line in self._generator(column).lines(level) for piece in cut_line(line, self.hull)]

    def above(self, column: int, level: float) -> list[Line]:
        """The area where a quantity is above the level, as rings (outer ones counter-clockwise, holes clockwise)."""
        if self.flat:
            return []
        rings = []
        for points, offsets in zip(*self._generator(column).filled(level, np.inf), strict=True):
            rings += [cut_ring(points[a:b], self.hull) for a, b in pairwise(offsets)]
        return [ring for ring in rings if len(ring) > 3]

    def _generator(self, column: int) -> Any:
        from contourpy import FillType, LineType, contour_generator

        axis = np.linspace(0.0, 1.0, NODES)
        values = np.ma.masked_invalid(self.grid[column])
        kinds: dict[str, Any] = {"line_type": LineType.Separate, "fill_type": FillType.OuterOffset}
        return contour_generator(axis, axis, values, name="serial", corner_mask=True, **kinds)


def thin_plate(points: Array, values: Array) -> Callable[[Array], Array]:
    """The thin-plate spline through ``values`` (one column each) at ``points``."""
    count = len(points)
    plane = np.column_stack([np.ones(count), points])
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _kernel(points, points)
    system[:count, count:] = plane
    system[count:, :count] = plane.T
    solution = np.linalg.solve(system, np.vstack([values, np.zeros((3, values.shape[1]))]))
    weights, trend = solution[:count], solution[count:]

    def spline(places: Array) -> Array:
        return np.asarray(_kernel(places, points) @ weights + trend[0] + places @ trend[1:])

    return spline


def _kernel(left: Array, right: Array) -> Array:
    """``r^2 ln r``, zero at ``r = 0``."""
    squared = (left[:, None, 0] - right[None, :, 0]) ** 2 + (left[:, None, 1] - right[None, :, 1]) ** 2
    return np.asarray(0.5 * squared * np.log(np.maximum(squared, 1e-300)))


def _triangulated(points: Array, values: Array, hull: Array) -> Callable[[Array], Array]:
    from scipy.interpolate import CloughTocher2DInterpolator

    patches = CloughTocher2DInterpolator(points, values)

    def interpolate(places: Array) -> Array:
        found = np.asarray(patches(places))
        missing = np.isnan(found[:, 0])
        found[missing] = patches(onto(places[missing], hull))
        return found

    return interpolate
