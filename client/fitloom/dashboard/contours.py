"""Contours of one campaign for its viewers: computed once a view and version, by the one contour code."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Any

from fitloom.dashboard.state import Json
from fitloom.dashboard.watch import Watch, encode
from fitloom.plane import Plane, choose
from fitloom_core.errors import InputError

KEPT_VIEWS = 32
MIN_INTERVAL = 0.5
"""Seconds between two computations of one view while results arrive."""
REST = 1.0
"""After a computation its view rests this many times as long as it took, so that fits keep the processor."""


@dataclass(frozen=True)
class View:
    """Which plane: the labels on the axes (None: as the contour code chooses) and the values of the others."""

    axes: tuple[str, str] | None = None
    where: tuple[tuple[str, float | str], ...] = ()

    @classmethod
    def parse(cls, x: str | None, y: str | None, where: str | None) -> View:
        """The view that a query asks for.

        Raises:
            InputError: one axis without the other, or conditions that are no JSON object of values.
        """
        if bool(x) != bool(y):
            raise InputError("a plane has two labels: give both x and y, or neither")
        return cls((x, y) if x and y else None, tuple(sorted(_where(where).items())))


@dataclass(frozen=True)
class Drawn:
    """The contour of a view as of one version of the results."""

    version: str
    document: Json
    lines: str
    """What the page is sent."""

    @property
    def lines_only(self) -> Json:
        """The document without the points, which the page has."""
        return _without_points(self.document)


class ContourDesk:
    """Computes contours of one campaign, one at a time, and keeps the latest of each view."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._drawn: OrderedDict[View, Drawn] = OrderedDict()
        self._not_before: dict[View, float] = {}
        self._planes: dict[tuple[str, View], Plane] = {}
        self._lock = Lock()

    def plane(self, view: View) -> Plane:
        """The plane of a view, chosen from all planned points so that it stays while results arrive.

        Raises:
            InputError: labels or conditions that this campaign has not.
        """
        key = (self._watch.position.generation, view)
        if key not in self._planes:
            points = [point.values for point in self._watch.state.points]
            plane = choose(points, labels=self._watch.labels, axes=view.axes, where=dict(view.where))
            if len(self._planes) >= KEPT_VIEWS:
                self._planes.clear()
            self._planes[key] = plane
        return self._planes[key]

    def latest(self, view: View) -> Drawn | None:
        """The latest contour of a view, however old."""
        return self._drawn.get(view)

    def due(self, view: View) -> bool:
        """Whether there are new results for a view and its turn has come."""
        drawn = self._drawn.get(view)
        new = drawn is None or drawn.version != self._watch.version
        return new and time.monotonic() >= self._not_before.get(view, 0.0)

    def draw(self, view: View) -> Drawn:
        """The contour of a view as of now."""
        with self._lock:
            version, results = self._watch.results()
            drawn = self._drawn.get(view)
            if drawn is None or drawn.version != version:
                begin = time.monotonic()
                self._not_before[view] = begin + MIN_INTERVAL
                drawn = self._compute(view, version, results)
                took = time.monotonic() - begin
                self._not_before[view] = begin + max(MIN_INTERVAL, (1 + REST) * took)
                self._keep(view, drawn)
            return drawn

    def _compute(self, view: View, version: str, results: list[Any]) -> Drawn:
        from fitloom import contour

        document = contour.compute(results, labels=self._watch.labels, plane=self.plane(view))
        return Drawn(version, document, encode({**_without_points(document), "version": version}))

    def _keep(self, view: View, drawn: Drawn) -> None:
        self._drawn[view] = drawn
        self._drawn.move_to_end(view)
        while len(self._drawn) > KEPT_VIEWS:
            old, _ = self._drawn.popitem(last=False)
            self._not_before.pop(old, None)


def _without_points(document: Json) -> Json:
    regions = [{key: value for key, value in region.items() if key != "points"} for region in document["regions"]]
    return {**document, "regions": regions}


def _where(raw: str | None) -> dict[str, float | str]:
    if not raw:
        return {}
    try:
        chosen = json.loads(raw)
    except ValueError:
        raise InputError('where is no JSON object of labels and values, such as {"m_N1": 60}') from None
    if not isinstance(chosen, dict) or not all(_is_value(value) for value in chosen.values()):
        raise InputError('where is no JSON object of labels and values, such as {"m_N1": 60}')
    return chosen


def _is_value(value: object) -> bool:
    if isinstance(value, str):
        return True
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
