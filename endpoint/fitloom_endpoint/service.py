"""The fit service behind the routes: admission, batches, backgrounds, results as they finish."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from itertools import islice
from typing import Any

from fitloom_core import wire
from fitloom_core.errors import FitloomError, TaskLost
from fitloom_endpoint.backgrounds import Backgrounds, check, check_and_pack
from fitloom_endpoint.metrics import Metrics, Reading, counter, gauge
from fitloom_endpoint.pool import Workers
from fitloom_endpoint.settings import Settings

BACKGROUND_NEEDED = "background_needed"
BODIES_AT_ONCE = 4
"""So many bodies of the largest size are held in memory; smaller ones only take up places."""


class Refused(FitloomError):
    """A request that is not served; carries the HTTP status that says so."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """Refuse with a status, a stable code, a sentence, and what else the answer's head and body should say."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})
        self.more = dict(more or {})


class Place:
    """What one task takes up."""

    def __init__(self, service: FitService) -> None:
        """A place that is empty as yet."""
        self._service = service
        self.bytes = 0

    def weigh(self, body: bytes) -> bytes:
        """Count a body towards what is held in memory at once."""
        self.bytes += len(body)
        self._service.bytes_in_flight += len(body)
        return body


class FitService:
    """Takes tasks in, spreads their batches over the workers and hands replies out."""

    def __init__(self, settings: Settings, workers: Workers) -> None:
        """Serve with these workers within the limits of the settings."""
        self.settings = settings
        self.workers = workers
        self.backgrounds = Backgrounds(settings.backgrounds)
        self.metrics = Metrics()
        self.metrics.watch(self._readings)
        self.in_flight = 0
        self.bytes_in_flight = 0
        self.draining = False
        self._typical_seconds = 1.0

    @property
    def capacity(self) -> int:
        """Tasks that are let in at once: one a worker, and the queue."""
        return len(self.workers) + self.settings.queue

    @contextmanager
    def admission(self) -> Iterator[Place]:
        """One task's place, from before its body is read until its answer is out.

        Raises:
            Refused: draining, no worker yet, or no place left.
        """
        self._check_open()
        if self.in_flight >= self.capacity or self.bytes_in_flight >= BODIES_AT_ONCE * self.settings.body_limit:
            message = f"{self.in_flight} tasks run or wait, which is all that this endpoint takes; try again later"
            raise Refused(429, "busy", message, headers={"Retry-After": str(self._wait_estimate())})
        place = Place(self)
        self.in_flight += 1
        began = time.monotonic()
        try:
            yield place
        finally:
            self.in_flight -= 1
            self.bytes_in_flight -= place.bytes
            seconds = time.monotonic() - began
            self.metrics.seconds.observe(seconds)
            self._typical_seconds += 0.2 * (seconds - self._typical_seconds)

    def not_ready(self) -> str | None:
        """Why tasks should go elsewhere; None when they are welcome."""
        if self.draining:
            return "shutting down: running tasks are finished, new ones are not taken"
        if not self.workers.alive:
            return "not ready: no worker is warm yet; if this lasts, the endpoint's log says why"
        return None

    async def stage(self, digest: str, workspace: bytes) -> bool:
        """Hold a background; True when it is new here.

        Raises:
            InvalidTask: not a JSON object.
            DigestMismatch: another workspace than the digest says.
        """
        if digest in self.backgrounds:
            return False
        self.backgrounds.put(digest, await asyncio.to_thread(check_and_pack, digest, workspace))
        return True

    async def background(self, wanted: wire.Background) -> str:
        """The packed background of a task, which is held from now on if the task brought it.

        Raises:
            Refused: neither brought nor held.
            InvalidTask: brought, but no packed JSON object.
            DigestMismatch: brought under another workspace's digest.
        """
        held = self.backgrounds.get(wanted.digest)
        if held is not None:
            return held
        if wanted.content is None:
            message = f"this endpoint does not hold the background {wanted.digest}: stage it, or send its content"
            raise Refused(409, BACKGROUND_NEEDED, message)
        await asyncio.to_thread(check, wanted.digest, wanted.content)
        self.backgrounds.put(wanted.digest, wanted.content)
        return wanted.content

    async def fit(self, task: wire.FitTask, content: str) -> AsyncIterator[wire.Reply]:
        """Replies to a task's batches as they finish, in whatever order that is.

        Raises:
            Refused: a worker refused the task.
            TaskLost: a worker was lost; batches already answered stay answered.
        """
        batches = _batches(task, self.settings.batch)
        running = {
            asyncio.ensure_future(self._fit_batch(batch, content)) for batch in islice(batches, len(self.workers))
        }
        try:
            while running:
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                running |= {
                    asyncio.ensure_future(self._fit_batch(batch, content)) for batch in islice(batches, len(done))
                }
                for job in sorted(done, key=_has_failed):
                    self.metrics.count(job.result().results)
                    yield job.result()
        finally:
            for job in running:
                job.cancel()

    def about(self) -> wire.Json:
        """What a client checks before it sends the first task."""
        return {
            "fitloom": metadata.version("fitloom"),
            "schema": wire.SCHEMA_VERSION,
            "workers": len(self.workers),
            "queue": self.settings.queue,
            "batch": self.settings.batch,
            "max_body_bytes": self.settings.body_limit,
            "max_points": wire.MAX_POINTS,
            "time_limit": self.settings.time_limit,
            **self.workers.about,
        }

    async def _fit_batch(self, batch: wire.FitTask, content: str) -> wire.Reply:
        digest = batch.background.digest
        reply = await self._ask(batch, content)
        if reply.error is not None and reply.error.code == BACKGROUND_NEEDED:
            # The worker has dropped it since: its cache of backgrounds is bounded.
            reply = wire.Reply.from_bytes(await self.workers.run(digest, lambda _known: _with(batch, content)))
        if reply.error is not None:
            raise Refused(422, reply.error.code, reply.error.message)
        if [result.id for result in reply.results] != [point.id for point in batch.points]:
            raise TaskLost(f"a worker answered {len(reply.results)} points, not the {len(batch.points)} it was given")
        return reply

    async def _ask(self, batch: wire.FitTask, content: str) -> wire.Reply:
        def compose(known: bool) -> bytes:
            return _with(batch, None if known else content)

        return wire.Reply.from_bytes(await self.workers.run(batch.background.digest, compose))

    def _check_open(self) -> None:
        if (trouble := self.not_ready()) is not None:
            raise Refused(503, "draining" if self.draining else "not_ready", trouble, headers={"Retry-After": "5"})

    def _wait_estimate(self) -> int:
        """Seconds until a place should be free: at least one, at most half a minute."""
        waiting = max(1, self.in_flight - len(self.workers))
        return round(min(30.0, max(1.0, self._typical_seconds * waiting / max(1, self.workers.alive))))

    def _readings(self) -> Iterable[Reading]:
        yield gauge("in_flight", "Tasks running or waiting.", self.in_flight)
        yield gauge("in_flight_bytes", "Bytes of their bodies.", self.bytes_in_flight)
        yield gauge("workers", "Worker processes that are warm.", self.workers.alive)
        yield gauge("worker_memory_bytes", "Resident memory of the workers.", self.workers.memory)
        yield gauge("backgrounds", "Staged backgrounds held.", len(self.backgrounds))
        yield gauge("backgrounds_bytes", "Bytes of staged backgrounds (compressed).", self.backgrounds.bytes)
        yield counter("workers_replaced", "Workers replaced.", "reason", self.workers.replaced.items())


def _batches(task: wire.FitTask, size: int) -> Iterator[wire.FitTask]:
    """A task cut into batches of at most so many points; never none, so that an empty task is answered too."""
    for start in range(0, max(1, len(task.points)), size):
        yield task.model_copy(update={"points": task.points[start : start + size]})


def _with(task: wire.FitTask, content: str | None) -> bytes:
    """A task's bytes with its background's content, or without it."""
    background = wire.Background(digest=task.background.digest, content=content)
    return task.model_copy(update={"background": background}).to_bytes()


def _has_failed(job: asyncio.Task[wire.Reply]) -> bool:
    return job.exception() is not None
