"""A campaign as a pure state machine: events go in, instructions come out; no clock, disk or network.

The driver tells what happened and when, and does what the answer says::

    campaign = Campaign(units, batch=32)
    campaign.handle(PoolUp("local", slots=2), now=0.0)      # [Log(pool_up), Send("t1", …), Send("t2", …), …]
    campaign.handle(Answered("t1", verdicts), now=1.2)      # [Keep("a1f…", "t1", 1), …, Send("t4", …)]

Promises, whatever the order of events: every point gets exactly one record (the first answer wins), a task without an
answer is sent again when its lease runs out, a batch that fails is halved until the bad point stands alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil, inf
from typing import Any

from fitloom import lifecycle as life
from fitloom.backlog import Backlog, Batch, Unit
from fitloom.lifecycle import OPEN, QUEUED, Event, Instruction, State
from fitloom.retry import POOL_DEATHS, SILENT_TASKS, backoff, decide

__all__ = ["DEFAULT_BATCH", "Campaign", "Unit"]

DEFAULT_BATCH = 32


@dataclass
class _Point:
    unit: Unit
    state: State = "waiting"
    task: str | None = None
    """The task that is to answer for it now."""
    attempt: int = 0
    failures: int = 0
    alone: int = 0
    """Failures that can be nobody else's fault."""


@dataclass
class _Task:
    batch: Batch
    pool: str
    deadline: float
    with_content: bool
    overdue: bool = False
    """Nobody waits for it any more, but an answer is still welcome."""


@dataclass
class _Pool:
    slots: int
    lease: float
    max_bytes: int | None
    tasks: set[str] = field(default_factory=set)
    holds: set[str] = field(default_factory=set)
    """Backgrounds that its workers have seen."""
    up: bool = True
    coming: bool = False
    """Down, and about to be opened again."""
    proven: bool = False
    """Whether it ever answered; failures of one that never did are its own."""
    silent: int = 0
    deaths: int = 0

    @property
    def depth(self) -> int:
        """Tasks kept in flight: the slots, and a few more so that no lane waits for the driver."""
        return self.slots + ceil(self.slots / 2)


class Campaign:
    """All points of a pallet under one set of options, and what became of each."""

    def __init__(
        self,
        units: Iterable[Unit],
        *,
        batch: int = DEFAULT_BATCH,
        done: Collection[str] = (),
        failed: Collection[str] = (),
        run: str = "t",
    ) -> None:
        """Plan a campaign.

        Args:
            units: its points, in the order in which they are sent.
            batch: most points of a task.
            done: points that have a result already.
            failed: points that have a failure on record, which is to stand.
            run: what the ids of this run's tasks begin with.
        """
        self._points = {unit.id: _Point(unit) for unit in units}
        for point in self._points.values():
            if point.unit.id in done or point.unit.id in failed:
                point.state = "done" if point.unit.id in done else "failed"
        self._backlog = Backlog(batch, lambda identity: self._points[identity].state in QUEUED)
        self._backlog.add(point.unit for point in self._points.values() if point.state == "waiting")
        self._open = sum(point.state in OPEN for point in self._points.values())
        self._tasks: dict[str, _Task] = {}
        self._pools: dict[str, _Pool] = {}
        self._out: list[Instruction] = []
        self._run = run
        self._sent = 0
        self._paused = False
        self._concluded = False

    @property
    def states(self) -> dict[str, State]:
        """The state of every point."""
        return {identity: point.state for identity, point in self._points.items()}

    @property
    def counts(self) -> Counter[State]:
        """How many points are in each state."""
        return Counter(point.state for point in self._points.values())

    @property
    def finished(self) -> bool:
        """Whether every point has a record."""
        return self._open == 0

    @property
    def paused(self) -> bool:
        """Whether a person has stopped it."""
        return self._paused

    @property
    def total(self) -> int:
        """How many points there are."""
        return len(self._points)

    @property
    def wake_at(self) -> float:
        """When something is due even if nothing happens: a lease that ends, a delay that is over."""
        leases = [task.deadline for task in self._tasks.values() if not task.overdue]
        delays = [batch.not_before for batch in self._backlog.again if batch.not_before]
        return min(leases + delays, default=inf)

    def handle(self, event: Event, now: float) -> list[Instruction]:
        """Take an event in; what is to be done now, in this order."""
        self._out = []
        self._HANDLERS[type(event)](self, event, now)
        self._expire(now)
        self._dispatch(now)
        self._conclude()
        return self._out

    # Events.

    def _pool_up(self, event: life.PoolUp, now: float) -> None:
        before = self._pools.get(event.pool)
        if before is not None and before.up:
            self._lose_pool(event.pool, "opened anew", now)
        pool = _Pool(event.slots, event.lease, event.max_bytes)
        if before is not None:
            pool.proven, pool.deaths = before.proven, before.deaths
        self._pools[event.pool] = pool
        self._concluded = self.finished
        self._log("pool_up", pool=event.pool, slots=event.slots)

    def _pool_down(self, event: life.PoolDown, now: float) -> None:
        pool = self._pools.setdefault(event.pool, _Pool(0, inf, None, up=False, coming=True))
        if pool.up != event.never_up:
            self._lose_pool(event.pool, event.message, now)

    def _running(self, event: life.Running, now: float) -> None:
        task = self._tasks.get(event.task)
        if task is None or task.overdue:
            return
        task.deadline = now + self._pools[task.pool].lease
        for point in self._waiting_for(event.task, task):
            point.state = "running"
        self._log("running", task=event.task, pool=task.pool)

    def _answered(self, event: life.Answered, now: float) -> None:
        task = self._forget(event.task)
        pool = task and self._pools[task.pool]
        if task and pool and event.verdicts:
            pool.silent, pool.deaths, pool.proven = 0, 0, True
            pool.holds.add(self._points[task.batch.points[0]].unit.background)
        for identity, verdict in event.verdicts.items():
            point = self._points.get(identity)
            if point is None or point.state not in OPEN:
                continue
            if verdict.status != "failed":
                self._keep(point, event.task, "done", status=verdict.status)
            elif task and point.task == event.task:
                self._failed_alone(point, event.task, task.pool, verdict, now)
        if task:
            missing = [point for point in self._waiting_for(event.task, task) if point.unit.id not in event.verdicts]
            self._failed(missing, event.task, task, "bad_reply", "the reply lacks these points", now)

    def _task_failed(self, event: life.TaskFailed, now: float) -> None:
        task = self._forget(event.task)
        if task is None:
            return
        mine = self._waiting_for(event.task, task)
        if event.code == "background_needed" and not task.with_content:
            self._queue(mine, [Batch(_ids(mine), isolated=task.batch.isolated, with_content=True)])
            return
        self._failed(mine, event.task, task, event.code, event.message, now, refused=event.refused)
        if not task.overdue and event.code != "too_large" and not self._pools[task.pool].proven:
            self._suspect(task.pool, event.message, now)

    def _stop(self, event: life.Stop, now: float) -> None:
        self._paused = self._paused or not event.points
        self._backlog.hold(event.points)
        self._log("stopped", points=list(event.points))

    def _start(self, event: life.Start, now: float) -> None:
        self._paused = self._paused and bool(event.points)
        self._backlog.release(event.points or tuple(self._points))
        self._log("started", points=list(event.points))

    def _retry(self, event: life.Retry, now: float) -> None:
        chosen = event.points or [identity for identity, point in self._points.items() if point.state == "failed"]
        points = [self._points[identity] for identity in dict.fromkeys(chosen) if identity in self._points]
        points = [point for point in points if point.state not in OPEN]
        for point in points:
            point.failures = point.alone = 0
        self._open += len(points)
        self._concluded = self._concluded and not points
        self._queue(points, [Batch((point.unit.id,)) for point in points])

    def _tick(self, event: life.Tick, now: float) -> None:
        """Leases are looked at after every event."""

    _HANDLERS: dict[type, Callable[[Campaign, Any, float], None]] = {  # noqa: RUF012
        life.PoolUp: _pool_up,
        life.PoolDown: _pool_down,
        life.Running: _running,
        life.Answered: _answered,
        life.TaskFailed: _task_failed,
        life.Stop: _stop,
        life.Start: _start,
        life.Retry: _retry,
        life.Tick: _tick,
    }

    # What failed.

    def _failed_alone(self, point: _Point, task: str, pool: str, verdict: life.Verdict, now: float) -> None:
        """A record that says failed: kept, unless it was the worker's fault."""
        code = verdict.code or "internal"
        point.failures, point.alone = point.failures + 1, point.alone + 1
        decision = decide(code, failures=point.failures, alone=point.alone, refused=False)
        if not decision.again:
            self._keep(point, task, "failed", status="failed", code=code, message=verdict.message)
            return
        self._log("task_failed", task=task, pool=pool, points=[point.unit.id], code=code, message=verdict.message)
        self._queue([point], [Batch((point.unit.id,), now + decision.after, frozenset({pool}), decision.isolate)])

    def _failed(
        self,
        points: Sequence[_Point],
        name: str,
        task: _Task,
        code: str,
        message: str,
        now: float,
        refused: bool = False,
    ) -> None:
        """Points whose task came to nothing: sent again as the policy says, or given up."""
        if not points:
            return
        self._log("task_failed", task=name, pool=task.pool, points=list(_ids(points)), code=code, message=message)
        alone = len(task.batch.points) == 1 and (code != "pool_down" or task.batch.isolated)
        for point in points:
            point.failures, point.alone = point.failures + 1, point.alone + alone
        failures = max(point.failures for point in points)
        decision = decide(code, failures=failures, alone=max(point.alone for point in points), refused=refused)
        if not decision.again:
            for point in points:
                self._give_up(point, code, message, task.pool)
            return
        batch = Batch(_ids(points), now + decision.after, task.batch.avoid | {task.pool}, decision.isolate)
        self._queue(points, batch.halves() if decision.split else [batch])

    def _give_up(self, point: _Point, code: str, message: str, pool: str) -> None:
        self._out.append(life.GiveUp(point.unit.id, code, message, point.attempt))
        self._pools[pool].deaths = 0
        self._settle(point, "failed", status="failed", code=code, message=message)

    def _lose_pool(self, name: str, message: str, now: float) -> None:
        pool = self._pools[name]
        pool.up, pool.coming = False, False
        pool.deaths += 1
        tasks, pool.tasks = sorted(pool.tasks), set()
        pool.holds.clear()
        self._log("pool_down", pool=name, message=message)
        for task_name in tasks:
            task = self._tasks[task_name]
            task.overdue = True
            self._failed(self._waiting_for(task_name, task), task_name, task, "pool_down", message, now)
        if pool.deaths <= POOL_DEATHS:
            pool.coming = True
            self._out.append(life.Reopen(name, backoff(0.5, pool.deaths)))

    def _suspect(self, name: str, message: str, now: float) -> None:
        """Count a failure against a pool; after several without an answer in between it is down."""
        pool = self._pools[name]
        pool.silent += 1
        if pool.up and pool.silent >= SILENT_TASKS:
            self._lose_pool(name, f"{pool.silent} tasks in a row came to nothing, the last: {message}", now)

    def _expire(self, now: float) -> None:
        for name, task in list(self._tasks.items()):
            if task.overdue or task.deadline > now:
                continue
            pool = self._pools[task.pool]
            task.overdue = True
            pool.tasks.discard(name)
            message = f"no answer within {pool.lease:g} s"
            self._out.append(life.Cancel(name))
            self._failed(self._waiting_for(name, task), name, task, "timeout", message, now)
            self._suspect(task.pool, message, now)

    # What is sent, and what is settled.

    def _dispatch(self, now: float) -> None:
        """Give every pool one task at a time until none takes more."""
        busy = not self._paused
        while busy:
            fed = [self._feed(name, pool, now) for name, pool in self._pools.items()]
            busy = any(fed)

    def _feed(self, name: str, pool: _Pool, now: float) -> bool:
        if not pool.up or len(pool.tasks) >= pool.depth or any(self._tasks[task].batch.isolated for task in pool.tasks):
            return False
        others = [other for other in self._pools if other != name and self._pools[other].up]
        batch = self._backlog.take(name, others, idle=not pool.tasks, limit=pool.max_bytes, now=now)
        if batch is None:
            return False
        self._send(name, pool, batch, now)
        return True

    def _send(self, name: str, pool: _Pool, batch: Batch, now: float) -> None:
        self._sent += 1
        task = f"{self._run}{self._sent}"
        background = self._points[batch.points[0]].unit.background
        with_content = batch.with_content or background not in pool.holds
        self._tasks[task] = _Task(batch, name, now + pool.lease, with_content)
        pool.tasks.add(task)
        for identity in batch.points:
            point = self._points[identity]
            point.state, point.task, point.attempt = "sent", task, point.attempt + 1
        attempt = max(self._points[identity].attempt for identity in batch.points)
        self._log("sent", task=task, pool=name, points=list(batch.points), attempt=attempt)
        self._out.append(life.Send(task, name, batch.points, background, with_content))

    def _queue(self, points: Sequence[_Point], batches: Sequence[Batch]) -> None:
        for point in points:
            point.state, point.task = "retrying", None
        self._backlog.put_back(batches)
        if points:
            self._log("retry", points=list(_ids(points)))

    def _keep(self, point: _Point, task: str, state: State, **details: str) -> None:
        self._out.append(life.Keep(point.unit.id, task, max(point.attempt, 1)))
        self._settle(point, state, task=task, **details)

    def _settle(self, point: _Point, state: State, **details: str) -> None:
        other, point.task, point.state = point.task, None, state
        self._open -= 1
        self._log("result", points=[point.unit.id], attempt=point.attempt, **details)
        if other in self._tasks and not self._waiting_for(other, self._tasks[other]):
            self._forget(other)
            self._out.append(life.Cancel(other))

    def _conclude(self) -> None:
        if self._concluded:
            return
        if self.finished:
            self._concluded = True
            self._out += [life.Cancel(task) for task in self._tasks]
            self._log("finished")
            self._out.append(life.Finished())
        elif self._pools and not any(pool.up or pool.coming for pool in self._pools.values()):
            self._concluded = True
            self._out.append(life.Stalled(f"no executor is left, and {self._open} points are"))

    # Small things.

    def _waiting_for(self, name: str, task: _Task) -> list[_Point]:
        """The points of a task that no other task and no answer has taken over."""
        return [point for identity in task.batch.points if (point := self._points[identity]).task == name]

    def _forget(self, task: str) -> _Task | None:
        entry = self._tasks.pop(task, None)
        if entry is not None:
            self._pools[entry.pool].tasks.discard(task)
        return entry

    def _log(self, event: str, **details: Any) -> None:
        self._out.append(life.Log(event, details))


def _ids(points: Iterable[_Point]) -> tuple[str, ...]:
    return tuple(point.unit.id for point in points)
