"""A task on its way: its text, its points, and the answers that earlier tasks have for some of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any

from fitloom.executors.globus_link import Text
from fitloom_core.envelope import seal, unseal
from fitloom_core.errors import InvalidTask, TaskLost
from fitloom_core.wire import SCHEMA_VERSION

Json = dict[str, Any]


class Parcel:
    """One task of the driver: open until it has an answer."""

    def __init__(self, task: bytes) -> None:
        """Read a task's points.

        Raises:
            InvalidTask: the bytes are no task.
        """
        try:
            self._document: Json = json.loads(task)
            self.points = tuple(str(point["id"]) for point in self._document["points"])
            self._name = str(self._document["task"])
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidTask(f"not a fit task: {error!r}") from None
        self.text = seal(task)
        self.answer: Future[bytes] = Future()
        self.carrier: Text | None = None
        """The task of the service that carries it now."""
        self.sent_at = 0.0
        self.vouched_at: float | None = None
        """When a canary that was sent later came back."""
        self._inherited: dict[str, Json] = {}

    @property
    def open(self) -> bool:
        """Whether somebody still waits for its answer."""
        return not self.answer.done()

    def sent(self, now: float) -> None:
        """It has left, at this time."""
        self.sent_at, self.vouched_at = now, None

    def deliver(self, text: object) -> None:
        """Take a worker's sealed reply as the answer."""
        try:
            if not isinstance(text, str):
                raise InvalidTask(f"the endpoint answered with a {type(text).__name__}, not a text")
            reply = unseal(text)
            self._settle(self._merged(reply) if self._inherited else reply)
        except InvalidTask as error:
            self.fail(TaskLost(f"the reply cannot be read: {error}"))

    def fail(self, error: BaseException) -> None:
        """Answer with an error."""
        with suppress(InvalidStateError):
            self.answer.set_exception(error)

    def inherit(self, texts: Sequence[object]) -> bool:
        """Take over what earlier tasks answered for these points; whether that is the whole answer."""
        for text in texts:
            self._inherited.update(_records(text))
        self._inherited = {point: self._inherited[point] for point in self.points if point in self._inherited}
        if len(self._inherited) == len(self.points):
            self._settle(self._reply([]))
            return True
        left = [point for point in self._document["points"] if point["id"] not in self._inherited]
        self.text = seal(json.dumps({**self._document, "points": left}).encode())
        return False

    def _settle(self, reply: bytes) -> None:
        with suppress(InvalidStateError):
            self.answer.set_result(reply)

    def _merged(self, reply: bytes) -> bytes:
        document = json.loads(reply)
        return reply if document.get("error") else self._reply(document.get("results", []), document.get("worker", ""))

    def _reply(self, results: Sequence[Json], worker: str = "") -> bytes:
        records = [*self._inherited.values(), *results]
        document = {"schema": SCHEMA_VERSION, "task": self._name, "worker": worker, "results": records, "error": None}
        return json.dumps(document).encode()


def when_all(futures: Sequence[Text], then: Callable[[list[object]], None]) -> None:
    """Call ``then`` with what the futures hold, once all are done; what failed is left out."""
    left, lock = list(futures), threading.Lock()

    def one_more(future: Text) -> None:
        with lock:
            left.remove(future)
            last = not left
        if last:
            then([future.result() for future in futures if not future.cancelled() and future.exception() is None])

    for future in futures:
        future.add_done_callback(one_more)


def _records(text: object) -> dict[str, Json]:
    """The records of an earlier reply by their points; none where it was no good one."""
    with suppress(InvalidTask, ValueError, KeyError, TypeError):
        document = json.loads(unseal(text)) if isinstance(text, str) else {}
        return {str(record["id"]): record for record in document["results"] if record["status"] != "failed"}
    return {}
