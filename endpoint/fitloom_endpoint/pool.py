"""The worker processes of a server: each on its own, so that one lost, slow or fat worker is replaced alone.

A worker is a process pool of one. It is started by spawning (JAX threads do not survive a fork), warmed
up before it gets its first task, and replaced when it dies, overruns the time limit or has grown too large.
A task goes to a worker that already holds its background where one is free.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import os
import signal
from collections import Counter, OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fitloom_core.errors import TimeLimit, WorkerDied
from fitloom_endpoint import worker
from fitloom_endpoint.worker import Placement

T = TypeVar("T")

log = logging.getLogger("fitloom.endpoint")

WARM_UP_SECONDS = 600.0
LONGEST_PAUSE = 60.0
KNOWN_BACKGROUNDS = 64

Compose = Callable[[bool], bytes]
"""Makes a task's bytes; told whether the worker is thought to hold the background already."""


@dataclass(eq=False)
class Worker:
    """One worker process as the server sees it."""

    placement: Placement
    executor: ProcessPoolExecutor
    pid: int = 0
    memory: int = 0
    known: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def remember(self, digest: str) -> None:
        """Note that this worker has fitted on a background."""
        self.known[digest] = None
        self.known.move_to_end(digest)
        while len(self.known) > KNOWN_BACKGROUNDS:
            self.known.popitem(last=False)


class Workers:
    """Runs tasks on worker processes that are always warm before they are given one."""

    def __init__(self, places: Sequence[Placement], *, time_limit: float, memory_limit: int) -> None:
        """Prepare one worker a place; `start` starts them."""
        self._places = places
        self._time_limit = time_limit
        self._memory_limit = memory_limit
        self._idle: list[Worker] = []
        self._alive: dict[int, Worker] = {}
        self._freed = asyncio.Condition()
        self._jobs: set[asyncio.Task[Any]] = set()
        self.replaced: Counter[str] = Counter()
        """Workers replaced, by reason: ``worker_died``, ``time_limit``, ``memory``."""
        self.about: dict[str, str] = {}
        """What the workers run on: device and JAX version; empty before the first is warm."""

    def __len__(self) -> int:
        """Workers there should be."""
        return len(self._places)

    @property
    def alive(self) -> int:
        """Workers that are warm, busy or not."""
        return len(self._alive)

    @property
    def memory(self) -> int:
        """Resident bytes of all workers, as of their last tasks."""
        return sum(each.memory for each in self._alive.values())

    def start(self) -> None:
        """Start all workers in the background."""
        for place in self._places:
            self._spawn(self._bring_up(place))

    async def close(self) -> None:
        """End all workers, now."""
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        for each in self._alive.values():
            _end(each)
        self._alive.clear()
        self._idle.clear()

    async def run(self, digest: str, compose: Compose) -> bytes:
        """The reply to one task, from the next free worker.

        Raises:
            TimeLimit: the worker took too long, and was replaced.
            WorkerDied: the worker ended, and was replaced.
        """
        chosen = await self._take(digest)
        # Shielded: when the one who asked has gone, the worker still finishes and is given back.
        return await asyncio.shield(self._spawn(self._run(chosen, digest, compose)))

    async def _run(self, chosen: Worker, digest: str, compose: Compose) -> bytes:
        try:
            task = await asyncio.to_thread(compose, digest in chosen.known)
            async with asyncio.timeout(self._time_limit):
                reply, chosen.memory = await asyncio.wrap_future(chosen.executor.submit(worker.run, task))
        except TimeoutError:
            self._replace(chosen, TimeLimit.code)
            raise TimeLimit(
                f"a batch took longer than {self._time_limit:g} s and was given up; send fewer points"
            ) from None
        except BrokenExecutor:
            self._replace(chosen, WorkerDied.code)
            raise WorkerDied("the worker process ended before the batch was done, perhaps for lack of memory") from None
        except BaseException:
            await self._give_back(chosen)
            raise
        chosen.remember(digest)
        if chosen.memory > self._memory_limit:
            self._replace(chosen, "memory")
        else:
            await self._give_back(chosen)
        return reply

    async def _take(self, digest: str) -> Worker:
        async with self._freed:
            await self._freed.wait_for(lambda: self._idle)
            chosen = next((each for each in self._idle if digest in each.known), self._idle[0])
            self._idle.remove(chosen)
            return chosen

    async def _give_back(self, which: Worker) -> None:
        async with self._freed:
            self._idle.append(which)
            self._freed.notify_all()

    def _replace(self, which: Worker, reason: str) -> None:
        log.warning("worker %d (process %d) is replaced: %s", which.placement.index, which.pid, reason)
        self.replaced[reason] += 1
        self._alive.pop(which.placement.index, None)
        _end(which)
        self._spawn(self._bring_up(which.placement))

    async def _bring_up(self, place: Placement) -> None:
        """Start a worker and warm it up; again after a pause for as long as that fails."""
        pause = 1.0
        while (fresh := await self._try_to_start(place)) is None:
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        self._alive[place.index] = fresh
        await self._give_back(fresh)

    async def _try_to_start(self, place: Placement) -> Worker | None:
        context = multiprocessing.get_context("spawn")
        executor = ProcessPoolExecutor(1, mp_context=context, initializer=worker.initialise, initargs=(place,))
        fresh = Worker(place, executor)
        try:
            async with asyncio.timeout(WARM_UP_SECONDS):
                fresh.pid = await asyncio.wrap_future(executor.submit(os.getpid))
                self.about = await asyncio.wrap_future(executor.submit(worker.warm_up))
        except Exception:
            log.exception("worker %d does not start", place.index)
            _end(fresh)
            return None
        except asyncio.CancelledError:
            _end(fresh)
            raise
        log.info("worker %d (process %d) is warm on %s", place.index, fresh.pid, self.about["device"])
        return fresh

    def _spawn(self, work: Coroutine[object, object, T]) -> asyncio.Task[T]:
        job = asyncio.ensure_future(work)
        self._jobs.add(job)
        job.add_done_callback(self._done)
        return job

    def _done(self, job: asyncio.Task[Any]) -> None:
        self._jobs.discard(job)
        if not job.cancelled():
            job.exception()  # looked at, so that nobody warns of it when the one who asked has gone


def _end(which: Worker) -> None:
    """Kill a worker process; it holds nothing that is not elsewhere."""
    if which.pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(which.pid, signal.SIGKILL)
    which.executor.shutdown(wait=False, cancel_futures=True)
