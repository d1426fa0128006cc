"""Runs a campaign: the one place where its clock, its pools, its journal and its wishes meet.

The driver turns what happens into events for `fitloom.campaign.Campaign`, and does what the campaign answers. Results
are in the journal before anybody hears of them.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from fitloom import lifecycle as life
from fitloom.campaign import DEFAULT_BATCH, Campaign
from fitloom.journal import Journal
from fitloom.lifecycle import Event, Instruction
from fitloom.plan import Plan, PlannedPoint, encode_task, failed_record
from fitloom.pools import NotOpened, Opened, Pools, PoolSource, is_pool_lost
from fitloom.retry import is_transient
from fitloom_core.errors import ExecutorError, FitloomError, InvalidTask, TaskLost
from fitloom_core.wire import FitResult, Reply, pack

Json = dict[str, Any]

LOOK_EVERY = 0.5
"""Seconds between looks at the requests of others."""
_Wish = life.Stop | life.Start | life.Retry
_WISHES: dict[str, type[_Wish]] = {"stop": life.Stop, "start": life.Start, "retry": life.Retry}


@dataclass(frozen=True)
class _Ended:
    """A task's future has ended, well or not."""

    task: str
    future: Future[bytes]


class Driver:
    """Fits what a plan asks for and the journal does not hold yet.

    ::

        with open_journal(folder, plan.document()) as journal:
            driver = Driver(plan, [PoolSource("local")], journal)
            for result in driver.results(): ...
    """

    def __init__(
        self, plan: Plan, sources: Sequence[PoolSource], journal: Journal, *, batch: int = DEFAULT_BATCH
    ) -> None:
        self.plan = plan
        self.journal = journal
        self.stored = [result for result in journal.stored if result.id in plan.by_id]
        """Results of this plan that the journal holds from earlier runs."""
        done, failed = _settled(self.stored)
        self.campaign = Campaign(plan.units(), batch=batch, done=done, failed=failed, run=f"{uuid.uuid4().hex[:8]}-")
        self._inbox: SimpleQueue[_Ended | Opened | NotOpened | life.Tick | None] = SimpleQueue()
        self._pools = Pools([source.at_home_in(journal.folder) for source in sources], self._inbox.put)
        self._unopened = {source.name for source in sources}
        self._ever_open = False
        self._trouble = ""
        self._futures: dict[str, tuple[str, Future[bytes]]] = {}
        self._begun: set[str] = set()
        self._records: dict[str, dict[str, FitResult]] = {}
        self._contents: dict[str, str] = {}
        self._options = plan.options.model_dump_json()
        self._look_at = 0.0
        self._done = False

    def stop(self) -> None:
        """End as soon as possible, from another thread; what is journaled stays, and the campaign can be resumed."""
        self._inbox.put(None)

    def results(self) -> Iterator[FitResult]:
        """Run to the end; each result when it is in the journal.

        Raises:
            ExecutorError: no executor is left, and points are.
            InputError: an executor's settings cannot be used.
            JournalError: the journal cannot be written any more.
        """
        self.journal.requests()  # what was asked of an earlier driver is none of ours
        self._log_plan()
        yield from self._write(self._without_fit())
        if self.campaign.finished:
            self.journal.log([("finished", {})])
            return
        try:
            self._pools.open_all()
            while not self._done:
                for event in self._events():
                    yield from self._do(self.campaign.handle(event, time.monotonic()))
                self._records.clear()
        finally:
            self._pools.close()

    # From the world to events.

    def _events(self) -> Iterator[Event]:
        """Wait for something to happen, and say what."""
        yield from self._wishes()
        wait = min(LOOK_EVERY, max(0.0, self.campaign.wake_at - time.monotonic()))
        try:
            message = self._inbox.get(timeout=wait)
        except Empty:
            message = life.Tick()
        yield from self._begun_tasks()
        match message:
            case None:
                self._done = True
            case life.Tick():
                yield message
            case Opened(name, pool):
                self._ever_open = True
                yield life.PoolUp(name, pool.slots, pool.lease_seconds, pool.max_task_bytes)
            case NotOpened(name, error):
                yield self._not_opened(name, error)
            case _Ended(task, future):
                if (event := self._ended(task, future)) is not None:
                    yield event

    def _wishes(self) -> Iterator[Event]:
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_EVERY
        for request in self.journal.requests():
            points = request.get("points") or ()
            if request.get("action") in _WISHES and isinstance(points, list | tuple):
                yield _WISHES[request["action"]](tuple(map(str, points)))

    def _begun_tasks(self) -> Iterator[Event]:
        for task, (_, future) in list(self._futures.items()):
            if task not in self._begun and future.running():
                self._begun.add(task)
                yield life.Running(task)

    def _not_opened(self, name: str, error: Exception) -> Event:
        """Settings that are wrong end the run; so does an executor that was never there, where it is the only one."""
        self._trouble = f"{name}: {error}"
        if isinstance(error, FitloomError) and not isinstance(error, ExecutorError):
            raise error
        self._unopened.discard(name)
        if not self._unopened and not self._ever_open:
            raise (
                error if isinstance(error, ExecutorError) else ExecutorError(f"cannot start executor {self._trouble}")
            ) from error
        return life.PoolDown(name, str(error), never_up=True)

    def _ended(self, task: str, future: Future[bytes]) -> Event | None:
        pool, current = self._futures.pop(task, ("", None))
        self._begun.discard(task)
        try:
            reply = Reply.from_bytes(future.result())
        except CancelledError:
            return None
        except InvalidTask as error:
            return life.TaskFailed(task, "bad_reply", str(error))
        except Exception as error:
            return self._lost(task, pool if current is future else "", error)
        if reply.error is not None:
            return life.TaskFailed(task, reply.error.code, reply.error.message, refused=True)
        if reply.task != task:
            return life.TaskFailed(task, "bad_reply", f"the reply is for task {reply.task!r}")
        self._records[task] = {result.id: result for result in reply.results}
        return life.Answered(task, {result.id: _verdict(result) for result in reply.results})

    def _lost(self, task: str, pool: str, error: Exception) -> Event:
        message = str(error) or type(error).__name__
        if pool and is_pool_lost(error):
            self._trouble = f"{pool}: {message}"
            return life.PoolDown(pool, message)
        if isinstance(error, TaskLost):
            return life.TaskFailed(task, error.code, message)
        return life.TaskFailed(task, "task_lost", f"{type(error).__name__}: {message}")

    # From instructions to the world.

    def _do(self, instructions: Sequence[Instruction]) -> Iterator[FitResult]:
        """Journal first, then keep the lanes full, then the log; the caller hears last."""
        results = self._write([result for one in instructions for result in self._settled_by(one)])
        failures = [
            failure for one in instructions if isinstance(one, life.Send) and (failure := self._send(one)) is not None
        ]
        self.journal.log((one.event, one.details) for one in instructions if isinstance(one, life.Log))
        for one in instructions:
            self._act(one)
        yield from results
        for failure in failures:
            yield from self._do(self.campaign.handle(failure, time.monotonic()))

    def _act(self, instruction: Instruction) -> None:
        match instruction:
            case life.Cancel(task):
                _, future = self._futures.pop(task, ("", None))
                if future is not None:
                    future.cancel()
            case life.Reopen(pool, after):
                self._futures = {task: entry for task, entry in self._futures.items() if entry[0] != pool}
                self._pools.open(pool, after)
            case life.Stalled(message):
                why = self._trouble or "none could be reached"
                raise ExecutorError(f"{message} ({why}). What was fitted is kept; the same command goes on from there")
            case life.Finished():
                self._done = True

    def _settled_by(self, instruction: Instruction) -> list[FitResult]:
        match instruction:
            case life.Keep(point, task, attempt):
                return [_named(self._records[task][point], planned, attempt) for planned in self.plan.by_id[point]]
            case life.GiveUp(point, code, message, attempt):
                options = self.plan.options
                return [failed_record(planned, options, code, message, attempt) for planned in self.plan.by_id[point]]
            case _:
                return []

    def _send(self, send: life.Send) -> Event | None:
        points = [self.plan.by_id[point][0] for point in send.points]
        content = self._content(send.background) if send.with_content else None
        task = encode_task(send.task, send.background, content, points, self._options)
        try:
            limit = self._pools.limit(send.pool)
            if limit is not None and len(task) > limit:
                return life.TaskFailed(
                    send.task, "too_large", f"a task of {len(task)} bytes; {send.pool} carries {limit}"
                )
            future = self._pools.submit(send.pool, task)
        except KeyError:
            return life.PoolDown(send.pool, "closed")
        except Exception as error:
            return self._lost(send.task, send.pool, error)
        self._futures[send.task] = (send.pool, future)
        future.add_done_callback(lambda future: self._inbox.put(_Ended(send.task, future)))
        return None

    def _content(self, background: str) -> str:
        if background not in self._contents:
            self._contents[background] = pack(self.plan.background(background))
        return self._contents[background]

    def _write(self, results: list[FitResult]) -> list[FitResult]:
        if results:
            self.journal.keep(results)
        return results

    # At the start.

    def _log_plan(self) -> None:
        states = self.campaign.states
        details = {state: [point for point, its in states.items() if its == state] for state in ("done", "failed")}
        details["failed"] += [point.id for point in self.plan.points if point.problem is not None]
        self.journal.log([("planned", {"points": list(self.plan.by_id), **details})])

    def _without_fit(self) -> list[FitResult]:
        """Records that need no worker: points that cannot be fitted, and patches fitted under another name."""
        stored = {result.id: result for result in self.stored}
        known = {(result.id, result.region, result.name) for result in self.stored}
        open_points = {point for point, state in self.campaign.states.items() if state in life.OPEN}
        records = []
        for point in self.plan.points:
            if (point.id, point.region, point.name) in known:
                continue
            if point.problem is not None:
                records.append(failed_record(point, self.plan.options, point.problem.code, point.problem.message, 1))
            elif point.id in stored and point.id not in open_points:
                records.append(_named(stored[point.id], point, stored[point.id].attempt))
        return records


def _settled(stored: Sequence[FitResult]) -> tuple[set[str], set[str]]:
    """Which stored results stand: all but those that failed for a reason that may be gone by now."""
    done = {result.id for result in stored if result.status != "failed"}
    failed = {result.id for result in stored if result.error is not None and not is_transient(result.error.code)}
    return done, failed - done


def _verdict(result: FitResult) -> life.Verdict:
    if result.error is None:
        return life.Verdict(result.status)
    return life.Verdict(result.status, result.error.code, result.error.message)


def _named(result: FitResult, point: PlannedPoint, attempt: int) -> FitResult:
    """A worker's record under the point's own names, whatever the worker called it."""
    names = {"pallet": point.pallet, "region": point.region, "name": point.name, "values": dict(point.values)}
    return result.model_copy(update={**names, "attempt": attempt})
