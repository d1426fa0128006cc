"""`run(bytes) -> bytes`: the one function every executor calls. JSON in, JSON out; it never raises.

A worker keeps the last few backgrounds by digest, validated and laid out, so that a task costs only what its
patches change.
"""

from __future__ import annotations

import os
import platform
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from fitloom_core.errors import FitloomError, InvalidTask
from fitloom_core.wire import Failure, FitResult, FitTask, Json, Point, Reply, unpack

if TYPE_CHECKING:
    from fitloom_core.inference.points import Background

KEPT_BACKGROUNDS = 8

_fitting = threading.Lock()
"""Threads take turns: JAX runs all programs of a process on one pool of threads, where two at once are no faster, and
where programs that factorise matrices can wait for each other for ever (jaxlib 0.10)."""
_keeping = threading.Lock()
_backgrounds: OrderedDict[str, Background] = OrderedDict()


def run(task: bytes) -> bytes:
    """Fit a task's points: `wire.FitTask` bytes in, `wire.Reply` bytes out.

    A task that cannot be used gives a reply with ``error``; a point that cannot be fitted gives a ``failed``
    record and does not touch the others. The code ``background_needed`` asks for the task again with the
    background's content.
    """
    worker = worker_name()
    try:
        parsed = FitTask.from_bytes(bytes(task))
    except FitloomError as error:
        return Reply(task="", worker=worker, error=Failure(code=error.code, message=error.message)).to_bytes()
    try:
        results = fit_task(parsed, worker)
    except FitloomError as error:
        return Reply(task=parsed.task, worker=worker, error=Failure(code=error.code, message=error.message)).to_bytes()
    return Reply(task=parsed.task, worker=worker, results=results).to_bytes()


class BackgroundNeeded(InvalidTask):
    """The task names a background that this worker does not have; send the task with its content."""

    code = "background_needed"


def fit_task(task: FitTask, worker: str) -> list[FitResult]:
    """Fit a parsed task's points, one record each in the task's order.

    Raises:
        BackgroundNeeded: the background's content is needed.
        FitloomError: the background cannot be used.
    """
    from fitloom_core.inference.points import Background, fit_points

    with _keeping:
        background = _background(task, Background)
    begin = time.perf_counter()
    with _fitting:
        outcomes = fit_points(background, [point.patch for point in task.points], task.options)
    seconds = (time.perf_counter() - begin) / max(1, len(task.points))
    return [
        _record(point, task, outcome, seconds, worker) for point, outcome in zip(task.points, outcomes, strict=True)
    ]


def forget_backgrounds() -> None:
    """Drop what this worker keeps."""
    with _keeping:
        _backgrounds.clear()


def worker_name() -> str:
    """Host, process and thread: who fitted."""
    return f"{platform.node()}:{os.getpid()}"


def _background(task: FitTask, make: Callable[[Json, str], Background]) -> Background:
    """The background of a task: the kept one, or a new one from its content."""
    key = task.background.digest
    if key in _backgrounds:
        _backgrounds.move_to_end(key)
        return _backgrounds[key]
    if task.background.content is None:
        raise BackgroundNeeded(f"this worker does not have the background {key}; send the task with its content")
    _backgrounds[key] = make(unpack(task.background.content), key)
    while len(_backgrounds) > KEPT_BACKGROUNDS:
        _backgrounds.popitem(last=False)
    return _backgrounds[key]


def _record(point: Point, task: FitTask, outcome: Json, seconds: float, worker: str) -> FitResult:
    common: Json = {
        "pallet": point.pallet,
        "region": point.region,
        "name": point.name,
        "values": point.values,
        "id": point.id,
        "mu": 0.0 if task.options.test_stat == "q0" else task.options.mu,
        "test_stat": task.options.test_stat,
        "seconds": seconds,
        "worker": worker,
    }
    return FitResult(**common, **outcome)
