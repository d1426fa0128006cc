"""Where tasks are run: every executor is a `Pool` around a `concurrent.futures.Executor`.

Each module here (``local``, ``parsl``, ``globus``, ``http``) offers ``open_pool(settings) -> Pool``. The driver
knows nothing else of them: it calls ``pool.executor.submit(fitloom_core.entry.run, task_bytes)`` and
waits for a ``Future[bytes]``. A future that raises means that the task is lost; an `ExecutorError`,
from ``submit`` or from a future, means that the whole pool is down.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, cast

from fitloom_core.errors import InputError

KINDS = ("local", "parsl", "globus", "http")

Settings = Mapping[str, Any]


def _nothing() -> None:
    """Close a pool that holds nothing."""


@dataclass(frozen=True)
class Pool:
    """One executor, and what the driver needs to know to keep it busy."""

    name: str
    """Unique in a campaign; stands in the event log and on the page."""
    executor: Executor
    slots: int
    """Tasks that run at once; the driver keeps a few more in flight."""
    max_task_bytes: int | None = None
    """Largest task the way to the workers carries; None means no limit of its own."""
    lease_seconds: float = 600.0
    """A task without an answer for so long counts as lost and is sent again."""
    describe: Mapping[str, Any] = field(default_factory=dict)
    """What a person may want to know: kind, endpoint, workers, version."""
    close: Callable[[], None] = _nothing
    """Give the workers back; called once, also after a failure."""


def open_pool(kind: str, settings: Settings) -> Pool:
    """Open the pool of an executor kind with its own settings.

    Raises:
        InputError: no such kind, or settings that cannot be used.
        MissingExtra: the kind needs a package that is not installed.
        ExecutorError: the executor cannot be reached.
    """
    if kind not in KINDS:
        raise InputError(f"no executor is called {kind!r}; choose one of {', '.join(KINDS)}")
    module = importlib.import_module(f"fitloom.executors.{kind}")
    return cast("Callable[[Settings], Pool]", module.open_pool)(settings)
