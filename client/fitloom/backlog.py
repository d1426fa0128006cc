"""Points that wait to be sent: fresh ones by background, and batches that failed and are due again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import ceil

TASK_OVERHEAD = 4096
"""Bytes of a task beside its points and its background."""


@dataclass(frozen=True)
class Unit:
    """A point as the campaign sees it: its id, its background, and how many bytes it adds to a task."""

    id: str
    background: str
    size: int = 0


@dataclass(frozen=True)
class Batch:
    """Points of one background that are sent together."""

    points: tuple[str, ...]
    not_before: float = 0.0
    avoid: frozenset[str] = frozenset()
    """Pools on which they failed; taken only where no other is up."""
    isolated: bool = False
    """Whether they must have a pool to themselves."""
    with_content: bool = False
    """Whether the worker said that it lacks the background."""

    def halves(self) -> list[Batch]:
        """The batch as two, or as it is where it has one point."""
        middle = ceil(len(self.points) / 2)
        cuts = sorted({0, middle, len(self.points)})
        return [replace(self, points=self.points[start:end]) for start, end in pairwise(cuts)]


@dataclass
class Backlog:
    """What is left to send; fresh points go first, so that failures hold nobody up."""

    batch: int
    queued: Callable[[str], bool]
    """Whether a point still waits; one that a late answer has settled meanwhile is skipped."""
    fresh: dict[str, deque[Unit]] = field(default_factory=dict)
    again: list[Batch] = field(default_factory=list)
    held: dict[str, Unit | None] = field(default_factory=dict)

    def add(self, units: Iterable[Unit]) -> None:
        """Points that were never sent."""
        for unit in units:
            self.fresh.setdefault(unit.background, deque()).append(unit)

    def put_back(self, batches: Iterable[Batch]) -> None:
        """Batches that are to be sent again."""
        self.again += batches

    def take(self, pool: str, others: Collection[str], *, idle: bool, limit: int | None, now: float) -> Batch | None:
        """The next batch for a pool.

        Args:
            pool: its name.
            others: names of the other pools that are up.
            idle: whether it has nothing in hand.
            limit: most bytes of a task that it carries.
            now: the time.
        """
        return self._take_fresh(limit) or self._take_again(pool, others, idle, now)

    def hold(self, points: Collection[str]) -> None:
        """Put points aside until they are released."""
        chosen = set(points)
        for queue in self.fresh.values():
            self.held |= {unit.id: unit for unit in queue if unit.id in chosen}
        self.fresh = {key: deque(unit for unit in queue if unit.id not in chosen) for key, queue in self.fresh.items()}
        self.held |= {point: None for batch in self.again for point in batch.points if point in chosen}
        self.again = [replace(batch, points=tuple(p for p in batch.points if p not in chosen)) for batch in self.again]

    def release(self, points: Iterable[str]) -> None:
        """Let points that were put aside be sent again."""
        for point in [point for point in points if point in self.held]:
            unit = self.held.pop(point)
            if unit is None:
                self.again.append(Batch((point,)))
            else:
                self.add([unit])

    def _take_fresh(self, limit: int | None) -> Batch | None:
        for background in list(self.fresh):
            queue = self.fresh[background]
            points = self._draw(queue, limit)
            if not queue:
                del self.fresh[background]
            if points:
                return Batch(points)
        return None

    def _draw(self, queue: deque[Unit], limit: int | None) -> tuple[str, ...]:
        """As many points as make even batches of those that are left: 70 points in batches of 32 go as 24, 23, 23."""
        count = ceil(len(queue) / max(1, ceil(len(queue) / self.batch)))
        points: list[str] = []
        size = TASK_OVERHEAD
        while queue and len(points) < count:
            if not self.queued(queue[0].id):
                queue.popleft()
                continue
            size += queue[0].size
            if points and limit is not None and size > limit:
                break
            points.append(queue.popleft().id)
        return tuple(points)

    def _take_again(self, pool: str, others: Collection[str], idle: bool, now: float) -> Batch | None:
        batches = [replace(batch, points=tuple(filter(self.queued, batch.points))) for batch in self.again]
        self.again = [batch for batch in batches if batch.points]
        for position, batch in enumerate(self.again):
            if batch.not_before > now or (pool in batch.avoid and set(others) - batch.avoid):
                continue
            if batch.isolated and not idle:
                return None
            return self.again.pop(position)
        return None
