"""The open executors of a running campaign: opened, reopened and closed in threads, because all three may take long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fitloom.executors import Pool, open_pool
from fitloom_core.errors import ExecutorError, InputError

CLOSING_TIME = 60.0
KEEP_NOTES = ("globus",)


@dataclass(frozen=True)
class PoolSource:
    """How to open one pool: its kind and its settings."""

    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the pool is called in the campaign."""
        return str(self.settings.get("name") or self.kind)

    def at_home_in(self, folder: Path) -> PoolSource:
        """The same pool, told the campaign's folder if it keeps notes there of what it has sent."""
        return replace(self, settings={"folder": folder, **self.settings}) if self.kind in KEEP_NOTES else self


@dataclass(frozen=True)
class Opened:
    """A pool is there."""

    name: str
    pool: Pool


@dataclass(frozen=True)
class NotOpened:
    """A pool could not be opened."""

    name: str
    error: Exception


class Pools:
    """Every pool of a campaign by its name."""

    def __init__(self, sources: Sequence[PoolSource], post: Callable[[Opened | NotOpened], None]) -> None:
        """Nothing is opened yet; what comes of opening is posted."""
        self._sources = {source.name: source for source in sources}
        if len(self._sources) < len(sources):
            raise InputError(
                f"two executors share a name ({', '.join(source.name for source in sources)}); give each its own"
            )
        self._post = post
        self._open: dict[str, Pool] = {}
        self._closed = threading.Event()
        self._lock = threading.Lock()

    def open(self, name: str, after: float = 0.0) -> None:
        """Open a pool, in a thread, after some seconds; what was open under this name is closed."""
        threading.Thread(target=self._open_one, args=(name, after), name=f"open-{name}", daemon=True).start()

    def open_all(self) -> None:
        """Open every pool, at the same time."""
        for name in self._sources:
            self.open(name)

    def submit(self, name: str, task: bytes) -> Future[bytes]:
        """Hand a task to a pool; raises whatever its executor raises."""
        from fitloom_core.entry import run

        return self._open[name].executor.submit(run, task)

    def limit(self, name: str) -> int | None:
        """The largest task that a pool carries."""
        return self._open[name].max_task_bytes

    def close(self) -> None:
        """Close all, at the same time, and wait for them; an interrupt ends the waiting."""
        self._closed.set()
        with self._lock:
            pools, self._open = list(self._open.values()), {}
        threads = [threading.Thread(target=_close, args=(pool,), daemon=True) for pool in pools]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + CLOSING_TIME
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _open_one(self, name: str, after: float) -> None:
        with self._lock:
            before = self._open.pop(name, None)
        if before is not None:
            _close(before)
        if self._closed.wait(after) if after else self._closed.is_set():
            return
        source = self._sources[name]
        try:
            pool = open_pool(source.kind, {**source.settings, "name": name})
        except Exception as error:
            self._post(NotOpened(name, error))
            return
        with self._lock:
            if not self._closed.is_set():
                self._open[name] = pool
                self._post(Opened(name, pool))
                return
        _close(pool)


def _close(pool: Pool) -> None:
    with suppress(Exception):  # a pool that is broken may break again while it is closed
        pool.close()


def is_pool_lost(error: BaseException) -> bool:
    """Whether an error of a submission or future means that the pool is down, and not just one task lost."""
    from concurrent.futures import BrokenExecutor

    return isinstance(error, ExecutorError | BrokenExecutor)
