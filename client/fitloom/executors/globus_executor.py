"""A `concurrent.futures.Executor` on a Globus Compute endpoint that loses no task without saying so.

::

    submit ──> waiting ──batch by bytes──> link ──> flying ──> answered
                  ^                                    │
                  ├── the endpoint is starting anew <──┤     greet it again, then send again
                  ├── the service is busy <────────────┤     wait, then send again
                  └── the stream of results broke off ─┘     collect the results; nothing is sent again
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any

from fitloom.executors.globus_canary import Canaries, Patience, error_of, wait_for
from fitloom.executors.globus_ledger import Heritage, Ledger
from fitloom.executors.globus_link import LARGEST_SUBMISSION, MOST_TASKS, Link, Text, size_on_the_wire, task_id
from fitloom.executors.globus_parcel import Parcel, when_all
from fitloom.executors.globus_troubles import judge
from fitloom_core.errors import ExecutorError, FitloomError, InputError, TaskLost

log = logging.getLogger("fitloom.executors.globus")

_TICK = 0.1
_LINGER = 0.02
_MOST_BREAKS = 5
_MOST_REFUSALS = 6


class GlobusExecutor(Executor):
    """Runs `fitloom_core.entry.run`, and nothing else, on an endpoint."""

    def __init__(
        self, link: Link, ledger: Ledger, endpoint: str, *, patience: Patience, accept: Callable[[dict[str, Any]], None]
    ) -> None:
        """Nothing is sent yet.

        Args:
            link: the way to the endpoint.
            ledger: what was and is sent.
            endpoint: what to call it in messages.
            patience: how long to wait for what.
            accept: looks at what a worker says of itself; raises if that one is not to be used.
        """
        self._link = link
        self._ledger = ledger
        self._endpoint = endpoint
        self._patience = patience
        self._closing = threading.Event()
        self._canaries = Canaries(link, endpoint, patience, accept, self._closing)
        self._heritage = Heritage({}, {})
        self._news = threading.Condition()
        self._waiting: deque[Parcel] = deque()
        self._flying: set[Parcel] = set()
        self._orphans: list[Parcel] = []
        self._breaks = 0
        self._refusals = 0
        self._fate: FitloomError | None = None
        self._thread = threading.Thread(target=self._run, name=f"globus-{endpoint[:8]}", daemon=True)

    def start(self) -> dict[str, Any]:
        """Collect what an earlier driver sent, greet a worker, and take tasks from then on; what the worker said.

        Raises:
            ExecutorError: nobody answers, or who answers cannot be used.
        """
        if self._ledger.earlier:
            self._heritage = self._inherit()
        told = self._canaries.greet()
        self._thread.start()
        return told

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Send a task; the future holds the reply's bytes, `TaskLost`, or `ExecutorError` when the pool is down.

        Raises:
            InputError: something else than the one function that endpoints run.
            ExecutorError: the pool is down or closed.
        """
        if (fn.__module__, fn.__name__) != ("fitloom_core.entry", "run") or len(args) != 1 or kwargs:
            raise InputError(f"an endpoint runs fitloom_core.entry.run(task) only, not {fn.__module__}.{fn.__name__}")
        if self._fate is not None or self._closing.is_set():
            raise self._fate or ExecutorError("this pool is closed")
        parcel = Parcel(args[0])
        if size_on_the_wire(parcel.text) > LARGEST_SUBMISSION:
            parcel.fail(
                TaskLost(f"{len(parcel.text)} characters; Globus Compute takes 10 MB: send fewer points a task")
            )
        elif claimed := self._heritage.claim(parcel.points):
            parcel.sent(time.monotonic())
            self._move(parcel, flying=True)
            when_all(claimed, partial(self._inherited, parcel))
        else:
            self._enqueue(parcel)
        return parcel.answer

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for what is out if asked to, then stop the SDK's threads; what has no answer is lost to this pool."""
        while wait and not cancel_futures and self._fate is None and self._open_parcels():
            time.sleep(_TICK)
        if self._closing.is_set():
            return
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join(10)
        self._link.close()
        self._end(ExecutorError("the pool was closed before this task was done"))

    # The thread that sends.

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                parcels = self._next_batch()
                if self._orphans:
                    self._collect()
                if parcels:
                    self._send(parcels)
                for parcel in self._canaries.look_after(self._open_flying()):
                    self._close(parcel, TaskLost("the endpoint has lost it: what was sent later has come back"))
        except FitloomError as error:
            self._end(error)
        except Exception as error:
            log.debug("the sending thread ends", exc_info=error)
            self._end(ExecutorError(judge(error, self._endpoint).error.message))

    def _next_batch(self) -> list[Parcel]:
        """Parcels that together fit into one submission; none if there is something else to do."""
        with self._news:
            if not self._waiting:
                self._news.wait(_TICK)
        if self._waiting:
            time.sleep(_LINGER)  # tasks come in handfuls, and the service counts submissions
        batch: list[Parcel] = []
        room = LARGEST_SUBMISSION
        with self._news:
            while self._waiting and len(batch) < MOST_TASKS:
                room -= size_on_the_wire(self._waiting[0].text)
                if room < 0:
                    break
                parcel = self._waiting.popleft()
                if parcel.open:
                    parcel.sent(time.monotonic())
                    self._flying.add(parcel)
                    batch.append(parcel)
        return batch

    def _send(self, parcels: Sequence[Parcel]) -> None:
        if not self._canaries.greeted:
            self._canaries.greet()
        carriers = self._link.send([parcel.text for parcel in parcels])
        for parcel, carrier in zip(parcels, carriers, strict=True):
            self._hand_over(parcel, carrier)
        deadline = time.monotonic() + self._patience.canary
        wait_for(lambda: all(carrier.done() or task_id(carrier) for carrier in carriers), deadline, self._closing)
        accepted = [(task_id(carrier), parcel.points) for parcel, carrier in zip(parcels, carriers, strict=True)]
        self._ledger.add((identity, points) for identity, points in accepted if identity is not None)
        self._refusals = 0 if any(identity for identity, _ in accepted) else self._refusals + 1
        if self._refusals > _MOST_REFUSALS:
            raise ExecutorError(
                f"Globus Compute refuses all submissions: {judge(_first_error(carriers), self._endpoint).error}"
            )
        if self._refusals:
            self._closing.wait(self._patience.retry * 2 ** (self._refusals - 1))

    def _hand_over(self, parcel: Parcel, carrier: Text) -> None:
        parcel.carrier = carrier
        parcel.sent(time.monotonic())
        self._move(parcel, flying=True)
        carrier.add_done_callback(partial(self._arrived, parcel))

    def _collect(self) -> None:
        """After the stream of results broke off: the service has kept them."""
        self._breaks += 1
        if self._breaks > _MOST_BREAKS:
            raise ExecutorError(
                f"the stream of results broke off {self._breaks} times in a row; is the way to Globus's message broker "
                "(ports 443, 5671, 5672) open? What has been sent is collected when the campaign is started again"
            )
        with self._news:
            orphans, self._orphans = self._orphans, []
        known = self._link.reload()
        log.info("the stream of results broke off; %d tasks are collected again", len(orphans))
        for parcel in orphans:
            carrier = known.get(task_id(parcel.carrier) or "")
            if carrier is None:
                self._close(parcel, TaskLost("the service does not know this task any more"))
            else:
                self._hand_over(parcel, carrier)

    def _inherit(self) -> Heritage:
        """What the service still has of an earlier driver's tasks."""
        try:
            return Heritage(self._ledger.earlier, self._link.reload())
        except Exception as error:
            why = judge(error, self._endpoint).error
            log.warning("nothing of the earlier run can be collected (%s); its open points are sent anew", why)
            return Heritage({}, {})

    # What comes back, in threads of the SDK.

    def _arrived(self, parcel: Parcel, carrier: Text) -> None:
        error = error_of(carrier)
        if error is None:
            self._canaries.heard(parcel.sent_at)
            self._breaks = 0
            self._move(parcel, flying=False)
            parcel.deliver(carrier.result())
            return
        trouble = judge(error, self._endpoint)
        if carrier.cancelled() or trouble.kind == "busy":
            self._again(parcel) if task_id(carrier) is None else self._orphan(parcel)
        elif trouble.kind == "stream":
            self._orphan(parcel)
        elif trouble.kind == "starting":
            self._canaries.greeted = False
            self._again(parcel)
        else:
            self._close(parcel, trouble.error)
            if trouble.kind == "down":
                self._end(trouble.error)

    def _inherited(self, parcel: Parcel, texts: list[object]) -> None:
        """Earlier tasks have answered for some of a parcel's points; the others are sent."""
        self._move(parcel, flying=False)
        if parcel.open and not parcel.inherit(texts):
            self._enqueue(parcel)

    # Where parcels are.

    def _enqueue(self, parcel: Parcel) -> None:
        with self._news:
            self._waiting.append(parcel)
            self._news.notify_all()
        if self._fate is not None:
            parcel.fail(self._fate)

    def _again(self, parcel: Parcel) -> None:
        self._move(parcel, flying=False)
        self._enqueue(parcel)

    def _orphan(self, parcel: Parcel) -> None:
        with self._news:
            self._orphans.append(parcel)
            self._news.notify_all()

    def _move(self, parcel: Parcel, *, flying: bool) -> None:
        with self._news:
            (self._flying.add if flying else self._flying.discard)(parcel)

    def _close(self, parcel: Parcel, error: FitloomError) -> None:
        self._move(parcel, flying=False)
        parcel.fail(error)

    def _end(self, error: FitloomError) -> None:
        self._fate = self._fate or error
        for parcel in self._open_parcels():
            parcel.fail(self._fate)

    def _open_flying(self) -> list[Parcel]:
        with self._news:
            return [parcel for parcel in self._flying if parcel.open]

    def _open_parcels(self) -> list[Parcel]:
        with self._news:
            return [parcel for parcel in {*self._waiting, *self._flying, *self._orphans} if parcel.open]


def _first_error(carriers: Sequence[Text]) -> BaseException:
    errors = (error_of(carrier) for carrier in carriers if carrier.done())
    return next((error for error in errors if error is not None), TimeoutError("no answer to a submission"))
