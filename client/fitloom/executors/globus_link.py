"""One task group on one endpoint, through the SDK: send texts, collect what was sent before, close for good.

What the SDK leaves to its callers is done here. An executor of it dies with the first submission that fails, and is
replaced. Its thread that receives results does not survive every reconnection: `reload` ends a dead one, or tasks
would be given to it that it never answers for. That thread outlives ``shutdown`` and holds the interpreter for half a
minute when the service is gone: `close` ends it. Nothing but JSON is sent, and nothing but JSON is opened.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import Any
from uuid import UUID

from globus_compute_sdk import Client, Executor
from globus_compute_sdk.sdk.executor import _RESULT_WATCHERS
from globus_compute_sdk.serialize import ComputeSerializer, JSONData, PureSourceTextInspect

LARGEST_SUBMISSION = 9_500_000
"""Characters of all tasks of one submission; the service refuses more than 10 MB, and the SDK counts tasks only."""

MOST_TASKS = 128
"""Tasks of one submission."""

# The service takes 20 requests in 10 seconds. The SDK's own brake for submissions of few tasks lets 4 through in 16
# seconds and then waits 4 seconds before each: too slow for a handful of workers.
_BURST_LIMIT, _BURST_SECONDS = 8, 5

Text = Future[str]


class Link:
    """The one consumer of a task group's results."""

    def __init__(
        self,
        client: Client,
        endpoint: UUID,
        group: UUID,
        function: str,
        *,
        options: Mapping[str, Any] | None = None,
        amqp_port: int | None = None,
    ) -> None:
        """Nothing is sent yet.

        Args:
            client: the SDK's client, logged in.
            endpoint: where tasks go.
            group: the task group; nobody else may collect its results meanwhile.
            function: id of the registered function.
            options: options of the endpoint's template.
            amqp_port: 443, 5671 or 5672 where a firewall leaves only one of them.
        """
        client.fx_serializer = ComputeSerializer(
            strategy_code=PureSourceTextInspect,
            strategy_data=JSONData,
            allowed_deserializer_types=[PureSourceTextInspect, JSONData],
        )
        _leave_the_telling_to_us()
        self.group = group
        self.function = function
        self._make: Callable[[], Executor] = lambda: Executor(
            endpoint,
            client=client,
            task_group_id=group,
            user_endpoint_config=dict(options) if options else None,
            amqp_port=amqp_port,
            batch_size=MOST_TASKS,
            api_burst_limit=_BURST_LIMIT,
            api_burst_window_s=_BURST_SECONDS,
            result_serializers=[JSONData],
        )
        self._executor = self._make()

    def send(self, texts: Iterable[str]) -> list[Text]:
        """Submit a task for each text; the futures get a ``task_id`` when the service has them."""
        if self._executor._stopped:
            self._executor = self._make()
        try:
            return [self._submit(text) for text in texts]
        except RuntimeError:  # it died between two submissions: those before are cancelled or have failed
            self._executor = self._make()
            return [self._submit(text) for text in texts]

    def reload(self) -> dict[str, Text]:
        """Every task of the group by its id: answered, or to be answered from now on.

        Raises:
            GlobusAPIError: the service does not know the group, or does not answer.
        """
        watcher = _RESULT_WATCHERS.get(self.group)
        if watcher is not None and (watcher._time_to_stop or not watcher.is_alive()):
            watcher.join(5)
            _RESULT_WATCHERS.pop(self.group, None)
        if self._executor._stopped:
            self._executor = self._make()
        return {str(future.task_id): future for future in self._executor.reload_tasks()}

    def close(self) -> None:
        """Send and receive nothing more."""
        self._executor.shutdown(wait=False, cancel_futures=True)  # type: ignore[no-untyped-call]
        self._executor._task_submitter.join(5)
        watcher = _RESULT_WATCHERS.get(self.group)
        if watcher is not None:
            watcher.shutdown(wait=False, cancel_futures=True)  # type: ignore[no-untyped-call]
            watcher.join(5)

    def _submit(self, text: str) -> Text:
        future: Text = self._executor.submit_to_registered_function(self.function, (text,))
        return future


def _leave_the_telling_to_us() -> None:
    """The SDK logs a traceback for each hiccup of a connection; what came of it is said once, as a sentence."""
    for name in ("globus_compute_sdk", "pika"):
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.CRITICAL)


def task_id(future: Text | None) -> str | None:
    """The service's id of a task, once it has one."""
    identity = getattr(future, "task_id", None)
    return None if identity is None else str(identity)


def size_on_the_wire(text: str) -> int:
    """Characters that a text takes in a submission."""
    return len(text) + 64


def read_hello(text: str) -> dict[str, Any]:
    """What a worker said of itself; empty where it said something else."""
    with contextlib.suppress(ValueError):
        told = json.loads(text)
        if isinstance(told, dict):
            return told
    return {}
