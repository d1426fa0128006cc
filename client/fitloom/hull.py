"""Convex hulls of points in a plane, and what of a line or an area lies inside one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Line = Array
"""Vertices, one a row. A ring ends where it starts."""


def convex_hull(points: Array) -> Array:
    """Corners of the convex hull, counter-clockwise (Andrew's monotone chain)."""
    ordered: list[tuple[float, float]] = sorted({(float(x), float(y)) for x, y in points})
    if len(ordered) < 3:
        return np.array(ordered).reshape(-1, 2)
    lower, upper = _chain(ordered), _chain(ordered[::-1])
    return np.array(lower[:-1] + upper[:-1])


def _chain(ordered: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    chain: list[tuple[float, float]] = []
    for point in ordered:
        while len(chain) > 1 and _turn(chain[-2], chain[-1], point) <= 1e-12:
            chain.pop()
        chain.append(point)
    return chain


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def area(ring: Array) -> float:
    """Area of a polygon, positive where it runs counter-clockwise."""
    x, y = ring[:, 0], ring[:, 1]
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2)


def _edges(hull: Array) -> tuple[Array, Array]:
    """Inward unit normals and offsets of a hull's edges: ``normal . x >= offset`` inside."""
    along = np.roll(hull, -1, axis=0) - hull
    normals = np.stack([-along[:, 1], along[:, 0]], axis=1) / np.hypot(along[:, 0], along[:, 1])[:, None]
    return normals, np.sum(normals * hull, axis=1)


def outside(places: Array, hull: Array) -> Array:
    """How far places lie beyond the hull's worst edge; negative inside."""
    normals, offsets = _edges(hull)
    return np.asarray(np.max(offsets - places @ normals.T, axis=1))


def onto(places: Array, hull: Array) -> Array:
    """The nearest places of the hull, a hair inside it."""
    start, along = hull, np.roll(hull, -1, axis=0) - hull
    share = np.einsum("pei,ei->pe", places[:, None] - start, along) / np.sum(along**2, axis=1)
    nearest = start + np.clip(share, 0.0, 1.0)[..., None] * along
    best = np.argmin(np.sum((nearest - places[:, None]) ** 2, axis=2), axis=1)
    centre = hull.mean(axis=0)
    return np.asarray(centre + (1 - 1e-9) * (nearest[np.arange(len(places)), best] - centre))


def cut_line(line: Line, hull: Array) -> list[Line]:
    """The pieces of a line inside a convex hull (Cyrus-Beck, segment by segment)."""
    normals, offsets = _edges(hull)
    depth = line @ normals.T - offsets
    start, end = depth[:-1], depth[1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = start / (start - end)
    enters = np.max(np.where((start < 0) & (end >= 0), crossing, 0.0), axis=1)
    leaves = np.min(np.where((start >= 0) & (end < 0), crossing, 1.0), axis=1)
    inside = ~np.any((start < 0) & (end < 0), axis=1) & (enters < leaves)
    pieces: list[list[Array]] = []
    for i in np.flatnonzero(inside):
        step = line[i + 1] - line[i]
        first, last = line[i] + enters[i] * step, line[i] + leaves[i] * step
        if enters[i] > 0 or not pieces or i == 0 or not inside[i - 1] or leaves[i - 1] < 1:
            pieces.append([first])
        pieces[-1].append(last)
    return _joined([np.array(piece) for piece in pieces])


def _joined(pieces: list[Line]) -> list[Line]:
    """A ring that was cut open elsewhere than at its own start comes as first and last piece: one line."""
    if len(pieces) > 1 and np.array_equal(pieces[0][0], pieces[-1][-1]):
        return [np.vstack([pieces[-1], pieces[0][1:]]), *pieces[1:-1]]
    return pieces


def cut_ring(ring: Line, hull: Array) -> Line:
    """The part of a filled ring inside a convex hull (Sutherland-Hodgman), closed."""
    for normal, offset in zip(*_edges(hull), strict=True):
        if len(ring) == 0:
            break
        following = np.roll(ring, -1, axis=0)
        here, there = ring @ normal - offset, following @ normal - offset
        crosses = (here >= 0) != (there >= 0)
        share = np.where(crosses, here / np.where(crosses, here - there, 1.0), 0.0)
        candidates = np.stack([ring, ring + share[:, None] * (following - ring)], axis=1).reshape(-1, 2)
        ring = candidates[np.stack([here >= 0, crosses], axis=1).reshape(-1)]
    return np.vstack([ring, ring[:1]]) if len(ring) else ring
