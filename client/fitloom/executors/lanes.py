"""Threads that wait for servers. Unlike those of a ThreadPoolExecutor they never keep the program from ending."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

_Job = tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]


class Lanes:
    """So many calls at once; the others wait in order."""

    def __init__(self, count: int, name: str) -> None:
        """Start the threads, which do nothing yet."""
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{index}", daemon=True) for index in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, call: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """The future of a call."""
        future: Future[Any] = Future()
        self._jobs.put((future, call, arguments))
        return future

    def close(self, *, cancel: bool) -> None:
        """Take no more work; what has not begun is done all the same, or cancelled."""
        if cancel:
            with suppress(Empty):
                while True:
                    job = self._jobs.get_nowait()
                    if job is not None:
                        job[0].cancel()
        for _ in self._threads:
            self._jobs.put(None)

    def wait(self) -> None:
        """Wait until every thread has come to its end."""
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, call, arguments = job
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(call(*arguments))
            except BaseException as error:
                future.set_exception(error)
