"""The executor of HTTP endpoints: one or several addresses, tasks to the least busy, on to others when one is gone.

Settings: ``urls`` (addresses, or ``{"url": …, "token": …}``), ``token`` (else FITLOOM_TOKEN), ``timeout`` in
seconds for an answer, ``patience`` (how often to come back when told to wait), ``workers`` (tasks at once, where one
address stands for several replicas), ``name``.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Executor, Future
from typing import Any
from urllib.parse import urlsplit

from fitloom.executors import Pool, Settings
from fitloom.executors.http_endpoint import Endpoint, Unavailable
from fitloom.executors.lanes import Lanes
from fitloom_core import wire
from fitloom_core.errors import ExecutorError, InputError, TaskLost

log = logging.getLogger("fitloom.executors.http")

DEFAULT_TIMEOUT = 960.0
PATIENCE_ALONE = 30
PATIENCE_IN_COMPANY = 3
"""How often a busy endpoint is asked again: seldom, where others may be free."""
BACKGROUNDS_KEPT = 16


def open_pool(settings: Settings) -> Pool:
    """A pool of all endpoints that answer and speak our schema.

    Raises:
        InputError: no address, or one that is none.
        ExecutorError: none of the endpoints can be used.
    """
    timeout = float(settings.get("timeout", DEFAULT_TIMEOUT))
    addresses = _addresses(settings)
    patience = int(settings.get("patience", PATIENCE_ALONE if len(addresses) == 1 else PATIENCE_IN_COMPANY))
    endpoints = _greet_all([Endpoint(url, token, seconds=timeout, patience=patience) for url, token in addresses])
    offers = [endpoint.offer for endpoint in endpoints if endpoint.offer is not None]
    slots = int(settings.get("workers") or sum(offer.workers for offer in offers))
    executor = HttpExecutor(endpoints, lanes=2 * slots)
    return Pool(
        name=str(settings.get("name", "http")),
        executor=executor,
        slots=slots,
        max_task_bytes=min((offer.max_body_bytes for offer in offers), default=None),
        lease_seconds=timeout,
        describe={"kind": "http", "endpoints": [endpoint.describe() for endpoint in endpoints]},
        close=executor.close,
    )


class HttpExecutor(Executor):
    """Runs `fitloom_core.entry.run`, and nothing else, on endpoints."""

    def __init__(self, endpoints: list[Endpoint], *, lanes: int) -> None:
        """Spread tasks over these endpoints, so many at once."""
        self._endpoints = endpoints
        self._choosing = threading.Lock()
        self._backgrounds: OrderedDict[str, str] = OrderedDict()
        self._lanes = Lanes(lanes, "fitloom-http")

    @property
    def bytes_sent(self) -> int:
        """Bytes of all requests so far."""
        return sum(endpoint.bytes_sent for endpoint in self._endpoints)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Send a task; the future holds the reply's bytes.

        Raises:
            InputError: something else than the one function that endpoints run.
        """
        if (fn.__module__, fn.__name__) != ("fitloom_core.entry", "run") or len(args) != 1 or kwargs:
            raise InputError(
                f"an HTTP endpoint runs fitloom_core.entry.run(task) only, not {fn.__module__}.{fn.__name__}"
            )
        return self._lanes.submit(self._run, args[0])

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Send nothing more; what has been sent is waited for if asked to."""
        self._lanes.close(cancel=cancel_futures)
        if wait:
            self._lanes.wait()

    def close(self) -> None:
        """Drop what waits, give up what is being answered, and close the connections."""
        self.shutdown(wait=False, cancel_futures=True)
        for endpoint in self._endpoints:
            endpoint.close()

    def _run(self, raw: bytes) -> bytes:
        task = wire.FitTask.from_bytes(raw)
        content = self._content(task.background)
        troubles: dict[str, Exception] = {}
        while (endpoint := self._choose(troubles)) is not None:
            try:
                return endpoint.fit(task, content).to_bytes()
            except (Unavailable, ExecutorError) as error:
                log.warning("%s; its tasks go elsewhere", error)
                troubles[endpoint.url] = error
                endpoint.rest()
            finally:
                self._done(endpoint)
        message = "; ".join(map(str, troubles.values()))
        if any(isinstance(trouble, Unavailable) and not trouble.gone for trouble in troubles.values()):
            raise TaskLost(f"every HTTP endpoint is busy or gone: {message}")
        raise ExecutorError(f"no HTTP endpoint is left: {message}")

    def _choose(self, tried: Collection[str]) -> Endpoint | None:
        """The least busy endpoint that has not been tried; one that rests only when no other is left."""
        with self._choosing:
            left = [endpoint for endpoint in self._endpoints if endpoint.url not in tried]
            if not left:
                return None
            chosen = min(left, key=lambda endpoint: (endpoint.resting, endpoint.in_flight / endpoint.workers))
            chosen.in_flight += 1
            return chosen

    def _done(self, endpoint: Endpoint) -> None:
        with self._choosing:
            endpoint.in_flight -= 1

    def _content(self, background: wire.Background) -> str | None:
        """The background's content; kept, because each endpoint wants it once and the driver sends it once."""
        with self._choosing:
            if background.content is not None:
                self._backgrounds[background.digest] = background.content
            content = self._backgrounds.get(background.digest)
            if content is not None:
                self._backgrounds.move_to_end(background.digest)
            while len(self._backgrounds) > BACKGROUNDS_KEPT:
                self._backgrounds.popitem(last=False)
            return content


def _greet_all(endpoints: list[Endpoint]) -> list[Endpoint]:
    """Those that will do, and those that may answer later; a warning for each that does not answer as it should."""
    kept, troubles = [], []
    for endpoint in endpoints:
        try:
            endpoint.greet()
            kept.append(endpoint)
        except Unavailable as error:
            endpoint.rest()
            kept.append(endpoint)
            troubles.append(str(error))
        except ExecutorError as error:
            troubles.append(str(error))
    if all(endpoint.offer is None for endpoint in kept):
        raise ExecutorError("; ".join(troubles))
    for trouble in troubles:
        log.warning("%s; going on without it", trouble)
    return kept


def _addresses(settings: Settings) -> list[tuple[str, str | None]]:
    given = settings.get("urls") or settings.get("url") or ()
    entries = given.split(",") if isinstance(given, str) else list(given)
    common = settings.get("token") or os.environ.get("FITLOOM_TOKEN") or None
    addresses = dict(_address(entry, common) for entry in entries)
    if not addresses:
        raise InputError("the http executor needs the address of an endpoint, such as https://host:8000")
    return list(addresses.items())


def _address(entry: str | Mapping[str, Any], token: str | None) -> tuple[str, str | None]:
    url = str(entry if isinstance(entry, str) else entry.get("url", "")).strip().rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"{url!r} is no address of an HTTP endpoint: give one such as https://host:8000")
    own = None if isinstance(entry, str) else entry.get("token")
    return url, own or token
