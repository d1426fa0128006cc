"""Tasks that only say hello: whether an endpoint is alive, who works there, and which tasks it has lost.

An endpoint's own heartbeat goes on while it takes tasks and answers none, and a task that was in hand when its
process died is never heard of again. So a canary goes first; and one goes after a task that has been out for long.
If it comes back, and the task that was sent before it still does not, that task is lost. If nothing comes back, the
endpoint is down.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from math import inf
from typing import Any

from fitloom.executors.globus_link import Link, Text, read_hello
from fitloom.executors.globus_parcel import Parcel
from fitloom.executors.globus_troubles import judge
from fitloom_core.envelope import HELLO
from fitloom_core.errors import ExecutorError

_LOOK_EVERY = 0.01
_FIRST_INTERVAL = 10.0
_LONGEST_INTERVAL = 600.0


@dataclass(frozen=True)
class Patience:
    """How long to wait for what, in seconds."""

    start: float = 600.0
    """For the first sign of life: its job may have to wait in a batch system's queue."""
    silence: float = 60.0
    """For a task, before a canary is sent after it."""
    straggler: float = 60.0
    """For a task whose canary has come back; longer where tasks take long."""
    canary: float = 600.0
    """For any answer, once a canary is out."""
    retry: float = 2.0
    """Before an endpoint that is starting is greeted again, or a busy service asked again."""


class Canaries:
    """Greets an endpoint and looks after the tasks that are out."""

    def __init__(
        self,
        link: Link,
        endpoint: str,
        patience: Patience,
        accept: Callable[[dict[str, Any]], None],
        closing: threading.Event,
    ) -> None:
        """Send nothing yet.

        Args:
            link: the way to the endpoint.
            endpoint: what to call it in messages.
            patience: how long to wait for what.
            accept: looks at what a worker says of itself; raises if that one is not to be used.
            closing: ends every waiting.
        """
        self._link = link
        self._endpoint = endpoint
        self._patience = patience
        self._accept = accept
        self._closing = closing
        self._out: list[tuple[Text, float]] = []
        self._heard_at = time.monotonic()
        self._longest = 0.0
        self.greeted = False

    def heard(self, sent_at: float) -> None:
        """A task that was sent then has been answered now."""
        self._heard_at = time.monotonic()
        self._longest = max(self._longest, self._heard_at - sent_at)

    def greet(self) -> dict[str, Any]:
        """Send canaries until a worker answers; what it said.

        One is not enough: a submission is also what makes the service start an endpoint, and one that comes while an
        endpoint is ending is neither answered nor starts anything.

        Raises:
            ExecutorError: nobody answers, or who answers cannot be used.
        """
        now = time.monotonic()
        deadline, interval = now + self._patience.start, min(_FIRST_INTERVAL, self._patience.start / 4)
        self._out = [self._canary(now)]
        message = "its job may be waiting in a queue (raise start_seconds), or it cannot start workers"
        while time.monotonic() < deadline and not self._closing.is_set():
            last = self._out[-1][1]
            if not wait_for(self._any_back, min(deadline, last + interval), self._closing):
                self._out.append(self._canary(time.monotonic()))
                interval = min(2 * interval, _LONGEST_INTERVAL)
                continue
            told, trouble = self._take_one()
            if told is not None:
                self.greeted = True
                return told
            message = trouble
            self._closing.wait(self._patience.retry)
            self._out.append(self._canary(time.monotonic()))
        raise ExecutorError(f"no worker of endpoint {self._endpoint} answered in {self._patience.start:g} s: {message}")

    def look_after(self, flying: Sequence[Parcel]) -> list[Parcel]:
        """Send a canary after tasks that take long, and conclude from it; the tasks that are lost.

        Raises:
            ExecutorError: the endpoint answers nothing any more.
        """
        now = time.monotonic()
        while self._any_back():
            self._conclude(flying, now)
        first, last = (self._out[0][1], self._out[-1][1]) if self._out else (now, -inf)
        if now - max(first, self._heard_at) > self._patience.canary:
            raise ExecutorError(
                f"endpoint {self._endpoint} takes tasks, but for {self._patience.canary:g} s it has answered "
                "nothing, not even who it is; whoever runs it should restart it (its log may say ACCESS_REFUSED)"
            )
        silence = self._patience.silence
        overdue = any(parcel.vouched_at is None and now - parcel.sent_at > silence for parcel in flying)
        if overdue and now - last > silence:
            self._out.append(self._canary(now))
        grace = max(self._patience.straggler, 3 * self._longest)
        return [parcel for parcel in flying if parcel.vouched_at is not None and now - parcel.vouched_at > grace]

    def _conclude(self, flying: Sequence[Parcel], now: float) -> None:
        """A canary is back: what was sent before it should be, too."""
        sent_at = next(sent for canary, sent in self._out if canary.done())
        told, _ = self._take_one()
        if told is None:
            self.greet()
            return
        self._out.clear()
        for parcel in flying:
            if parcel.vouched_at is None and parcel.sent_at < sent_at:
                parcel.vouched_at = now

    def _take_one(self) -> tuple[dict[str, Any] | None, str]:
        """What the first canary that is back says, or why it says nothing."""
        canary, sent_at = next(entry for entry in self._out if entry[0].done())
        self._out.remove((canary, sent_at))
        error = error_of(canary)
        if error is None:
            told = read_hello(canary.result())
            self._accept(told)
            self._heard_at = time.monotonic()
            return told, ""
        trouble = judge(error, self._endpoint)
        if trouble.kind == "down":
            raise trouble.error
        return None, trouble.error.message

    def _canary(self, now: float) -> tuple[Text, float]:
        return self._link.send([HELLO])[0], now

    def _any_back(self) -> bool:
        return any(canary.done() for canary, _ in self._out)


def error_of(future: Text) -> BaseException | None:
    """What a future that is done holds instead of a result."""
    return CancelledError("cancelled") if future.cancelled() else future.exception()


def wait_for(condition: Callable[[], bool], deadline: float, closing: threading.Event) -> bool:
    """Wait until something is so; False when it is not by then, or all is being closed."""
    while not condition():
        if closing.wait(_LOOK_EVERY) or time.monotonic() > deadline:
            return condition()
    return True
