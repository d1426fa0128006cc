"""What a viewer sees of a campaign: its journal and its event log, reduced. No clock, no disk.

The journal is the truth about results; the event log says what happens to a point before its result and
between attempts. The two files are read independently, so either may run ahead of the other: a point shows
what the log says is in progress only while every record it has is known to the log too.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from pydantic import ValidationError

from fitloom_core.wire import FitResult

Json = dict[str, Any]

FIELDS = (
    "point", "state", "attempt", "cls_obs", "cls_exp", "mu_hat", "q", "q_asimov", "nll_free", "nll_fixed",
    "kkt", "edm", "positive_definite", "iterations", "seconds", "worker", "pool", "time", "code", "message",
    "held",
)  # fmt: skip
"""The columns of a row, in order: what the page gets of one point each time the point changes."""

MAX_TEXT = 2000
MAX_ERRORS = 500
_LIFE = {
    "planned": "waiting", "sent": "sent", "running": "running", "result": "done", "retry": "retrying",
    "task_failed": "retrying",
}  # fmt: skip
_IN_PROGRESS = ("sent", "running", "retrying")


@dataclass(slots=True)
class Point:
    """One planned point and the latest that is known of it."""

    index: int
    id: str
    name: str
    region: str | None
    values: dict[str, float | str]
    life: str = "waiting"
    attempt: int = 1
    pool: str | None = None
    time: float | None = None
    held: bool = False
    """Somebody does not want it sent."""
    result: FitResult | None = None
    records: int = 0
    """Records of the journal that were of this point."""
    answers: int = 0
    """Lines of the event log that told of one."""

    @property
    def state(self) -> str:
        """``waiting``, ``sent``, ``running``, ``retrying``, ``converged``, ``not_converged`` or ``failed``."""
        if self.result is None:
            return "running" if self.life == "done" else self.life
        again = self.life in _IN_PROGRESS and self.records <= self.answers
        return self.life if again else self.result.status

    def row(self) -> list[Any]:
        """The point's row, in the order of `FIELDS`."""
        head = [self.index, self.state]
        result = self.result
        if result is None:
            return [*head, self.attempt, *[None] * 13, self.pool, self.time, None, None, self.held]
        exp = None if result.cls_exp is None else [_number(value) for value in result.cls_exp]
        fit = [result.cls_obs, exp, result.mu_hat, result.q, result.q_asimov, result.nll_free, result.nll_fixed]
        proof = result.certificate
        certificate = [None] * 4 if proof is None else [proof.kkt, proof.edm, proof.positive_definite, proof.iterations]
        failure = [None, None] if result.error is None else [result.error.code, text(result.error.message)]
        row = [*head, max(self.attempt, result.attempt), *fit, *certificate, result.seconds, text(result.worker)]
        return [*map(_number, row), self.pool, self.time, *failure, self.held]

    def plan(self) -> list[Any]:
        """What never changes: index, id, name, region and values."""
        return [self.index, self.id, text(self.name), self.region, {k: _number(v) for k, v in self.values.items()}]


@dataclass(slots=True)
class Pool:
    """An executor as the event log tells of it."""

    name: str
    up: bool = True
    since: float | None = None
    message: str = ""
    slots: int | None = None
    done: int = 0
    failed: int = 0
    last: float | None = None


@dataclass(slots=True)
class Worker:
    """A worker as its results tell of it."""

    name: str
    done: int = 0
    seconds: float = 0.0
    last: float | None = None


@dataclass
class CampaignState:
    """All points of a campaign, its executors and workers, and what went wrong."""

    points: list[Point] = field(default_factory=list)
    pools: dict[str, Pool] = field(default_factory=dict)
    workers: dict[str, Worker] = field(default_factory=dict)
    errors: deque[Json] = field(default_factory=lambda: deque(maxlen=MAX_ERRORS))
    results_seen: int = 0
    events_seen: int = 0
    started: float | None = None
    """When the present (or last) driver planned its points."""
    last: float | None = None
    """When the last result arrived."""
    phase: str = ""
    """What the driver was told last: ``planned``, ``going``, ``stopped``, ``finished``."""
    finished_in: Counter[int] = field(default_factory=Counter)
    """Results by the second they arrived in."""
    _by_id: dict[str, list[Point]] = field(default_factory=dict)
    """The points of an id: more than one where a pallet holds the same patch under several names."""
    _tasks: dict[str, set[int]] = field(default_factory=dict)
    _logged_results: bool = False

    @classmethod
    def planned(cls, campaign: Json) -> CampaignState:
        """The state before anything happened: the points that ``campaign.json`` lists."""
        state = cls()
        for region in campaign.get("regions", ()):
            for point in region.get("points", ()):
                state._add(str(point["id"]), str(point["name"]), region.get("name"), dict(point.get("values", {})))
        return state

    def results(self) -> list[FitResult]:
        """The last result of each point that has one, in the order of the plan."""
        return [point.result for point in self.points if point.result is not None]

    def apply_results(self, records: Iterable[Json], arrived: float | None = None) -> set[int]:
        """Take records of the journal; which points changed. ``arrived`` dates them where there is no event log."""
        changed = set()
        for record in records:
            self.results_seen += 1
            try:
                result = FitResult.from_record(record)
            except ValidationError:
                continue
            point = self._point_of(result)
            point.result = result
            point.records += 1
            self._count_worker(result, arrived)
            if not self._logged_results and arrived is not None:
                point.time = arrived
                self._count_finished(arrived, 1)
            changed.add(point.index)
        return changed

    def apply_events(self, events: Iterable[Json]) -> tuple[set[int], list[Json]]:
        """Take lines of the event log; which points changed, and the errors among the lines."""
        changed: set[int] = set()
        errors = []
        for event in events:
            self.events_seen += 1
            kind, moment = str(event.get("event")), _time(event.get("t"))
            moved = self._move_points(event, kind, moment)
            changed |= moved
            self._note_pool(event, kind, moment, moved)
            changed |= self._hold(event, kind)
            self._note_phase(event, kind, moment)
            if error := _error_of(event, kind, moment):
                errors.append(error)
        self.errors.extend(errors)
        return changed, errors

    def indices(self, ids: Iterable[Any]) -> set[int]:
        """The points of these ids."""
        return {point.index for key in ids if isinstance(key, str) for point in self._by_id.get(key, ())}

    def touched(self, event: Json) -> set[int]:
        """The points that a line of the event log is about; that a task runs is said of the task alone."""
        task = event.get("task")
        if isinstance(task, str) and "points" not in event:
            return self._tasks.get(task, set())
        return self.indices(points_of(event))

    def _add(self, key: str, name: str, region: str | None, values: dict[str, float | str]) -> Point:
        point = Point(len(self.points), key, name, region, values)
        self.points.append(point)
        self._by_id.setdefault(key, []).append(point)
        return point

    def _point_of(self, result: FitResult) -> Point:
        """The point that a result is of; one that nobody planned is added."""
        known = self._by_id.get(result.id, ())
        same = (point for point in known if (point.region, point.name) == (result.region, result.name))
        return next(same, None) or self._add(result.id, result.name, result.region, result.values)

    def _move_points(self, event: Json, kind: str, moment: float | None) -> set[int]:
        life = _LIFE.get(kind)
        if life is None:
            return set()
        indices = self.touched(event)
        self._note_task(event, kind, indices)
        for index in indices:
            point = self.points[index]
            point.life = life
            point.answers += kind == "result"
            point.attempt = _attempt(event, point.attempt)
            point.time = moment if moment is not None and kind != "planned" else point.time
            point.pool = _pool(event) or point.pool
        if kind == "result" and moment is not None:
            self._logged_results = True
            self._count_finished(moment, len(indices))
        return indices

    def _hold(self, event: Json, kind: str) -> set[int]:
        """Points that are held back, or let go again; none named means all of them."""
        if kind not in ("stopped", "started"):
            return set()
        named = self.indices(points_of(event))
        if kind == "started" and not named:
            named = {point.index for point in self.points if point.held}
        for index in named:
            self.points[index].held = kind == "stopped"
        return named

    def _note_task(self, event: Json, kind: str, indices: set[int]) -> None:
        task = event.get("task")
        if not isinstance(task, str):
            return
        if kind == "sent":
            self._tasks[task] = indices
        elif kind == "task_failed":
            self._tasks.pop(task, None)
        elif kind == "result" and task in self._tasks:
            self._tasks[task] = self._tasks[task] - indices
            if not self._tasks[task]:
                del self._tasks[task]

    def _note_pool(self, event: Json, kind: str, moment: float | None, moved: set[int]) -> None:
        """What an executor did; a result says only of which points, and those know where they were sent."""
        name = _pool(event) or next((self.points[index].pool for index in moved), None)
        if name is None:
            return
        pool = self.pools.setdefault(name, Pool(name, since=moment))
        if kind in ("pool_up", "pool_down"):
            pool.up, pool.since, pool.message = kind == "pool_up", moment, text(event.get("message") or "")
            pool.slots = event["slots"] if isinstance(event.get("slots"), int) else pool.slots
        elif kind == "result":
            pool.done, pool.last = pool.done + len(moved), moment
        elif kind == "task_failed":
            pool.failed += 1

    def _note_phase(self, event: Json, kind: str, moment: float | None) -> None:
        if kind == "planned" and self.phase != "planned":
            self.started = moment
        if kind in ("planned", "finished") or (kind == "stopped" and not points_of(event)):
            self.phase = kind
        elif kind == "started" or self.phase == "planned":
            self.phase = "going"

    def _count_finished(self, moment: float, number: int) -> None:
        self.finished_in[int(moment)] += number
        self.last = moment if self.last is None else max(self.last, moment)

    def _count_worker(self, result: FitResult, arrived: float | None) -> None:
        worker = self.workers.setdefault(result.worker, Worker(text(result.worker)))
        worker.done += 1
        worker.seconds += result.seconds
        worker.last = arrived if arrived is not None else worker.last


def points_of(event: Json) -> Sequence[Any]:
    """The ids a line of the event log is about."""
    ids = event.get("points")
    return ids if isinstance(ids, list) else ()


def text(value: object) -> str:
    """A string of a sane length."""
    string = value if isinstance(value, str) else str(value)
    return string if len(string) <= MAX_TEXT else string[:MAX_TEXT] + "…"


def _error_of(event: Json, kind: str, moment: float | None) -> Json | None:
    if kind not in ("task_failed", "pool_down"):
        return None
    return {
        "time": moment,
        "event": kind,
        "code": text(event.get("code") or kind),
        "message": text(event.get("message") or ""),
        "pool": _pool(event),
        "attempt": _attempt(event, 1),
        "points": [key for key in points_of(event)[:20] if isinstance(key, str)],
        "count": len(points_of(event)),
    }


def _pool(event: Json) -> str | None:
    name = event.get("pool")
    return text(name) if isinstance(name, str) and name else None


def _attempt(event: Json, otherwise: int) -> int:
    attempt = event.get("attempt")
    return attempt if isinstance(attempt, int) else otherwise


def _time(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and isfinite(value) else None


def _number(value: Any) -> Any:
    return None if isinstance(value, float) and not isfinite(value) else value
