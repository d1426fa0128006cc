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
from typing import Any

from fitloom.executors.globus_link import Link, Text, read_hello
from fitloom.executors.globus_parcel import Parcel
from fitloom.executors.globus_troubles import judge
from fitloom_core.envelope import HELLO
from fitloom_core.errors import ExecutorError

_LOOK_EVERY = 0.01


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
        self._out: tuple[Text, float] | None = None
        self._heard_at = time.monotonic()
        self._longest = 0.0
        self.greeted = False

    def heard(self, sent_at: float) -> None:
        """A task that was sent then has been answered now."""
        self._heard_at = time.monotonic()
        self._longest = max(self._longest, self._heard_at - sent_at)

    def greet(self) -> dict[str, Any]:
        """Send canaries until a worker answers; what it said.

        Raises:
            ExecutorError: nobody answers, or who answers cannot be used.
        """
        deadline = time.monotonic() + self._patience.start
        message = "its job may be waiting in a queue (raise start_seconds), or it cannot start workers"
        while time.monotonic() < deadline and not self._closing.is_set():
            canary = self._link.send([HELLO])[0]
            if not wait_for(canary.done, deadline, self._closing):
                break
            error = error_of(canary)
            if error is None:
                return self._welcome(canary)
            trouble = judge(error, self._endpoint)
            if trouble.kind == "down":
                raise trouble.error
            message = trouble.error.message
            self._closing.wait(self._patience.retry)
        raise ExecutorError(f"no worker of endpoint {self._endpoint} answered in {self._patience.start:g} s: {message}")

    def look_after(self, flying: Sequence[Parcel]) -> list[Parcel]:
        """Send a canary after tasks that take long, and conclude from it; the tasks that are lost.

        Raises:
            ExecutorError: the endpoint answers nothing any more.
        """
        now = time.monotonic()
        if self._out is not None:
            self._wait_for_canary(*self._out, flying, now)
        elif any(parcel.vouched_at is None and now - parcel.sent_at > self._patience.silence for parcel in flying):
            self._out = self._link.send([HELLO])[0], now
        grace = max(self._patience.straggler, 3 * self._longest)
        return [parcel for parcel in flying if parcel.vouched_at is not None and now - parcel.vouched_at > grace]

    def _wait_for_canary(self, canary: Text, sent_at: float, flying: Sequence[Parcel], now: float) -> None:
        if not canary.done():
            if now - max(sent_at, self._heard_at) > self._patience.canary:
                raise ExecutorError(
                    f"endpoint {self._endpoint} takes tasks, but for {self._patience.canary:g} s it has answered "
                    "nothing, not even who it is; whoever runs it should restart it (its log may say ACCESS_REFUSED)"
                )
            return
        self._out = None
        if (error := error_of(canary)) is None:
            self._welcome(canary)
            for parcel in flying:
                if parcel.vouched_at is None and parcel.sent_at < sent_at:
                    parcel.vouched_at = now
            return
        trouble = judge(error, self._endpoint)
        if trouble.kind == "down":
            raise trouble.error
        if trouble.kind == "starting":
            self.greeted = False
            self.greet()

    def _welcome(self, canary: Text) -> dict[str, Any]:
        told = read_hello(canary.result())
        self._accept(told)
        self.greeted = True
        self._heard_at = time.monotonic()
        return told


def error_of(future: Text) -> BaseException | None:
    """What a future that is done holds instead of a result."""
    return CancelledError("cancelled") if future.cancelled() else future.exception()


def wait_for(condition: Callable[[], bool], deadline: float, closing: threading.Event) -> bool:
    """Wait until something is so; False when it is not by then, or all is being closed."""
    while not condition():
        if closing.wait(_LOOK_EVERY) or time.monotonic() > deadline:
            return condition()
    return True
