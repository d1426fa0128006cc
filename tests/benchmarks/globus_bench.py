"""What a task costs on a Globus Compute endpoint beside a no-op of the same engine, both through the whole stack."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from table import Row

from fitloom.executors import open_pool
from fitloom_core import entry
from fitloom_core.envelope import HELLO, REMOTE_NAME, REMOTE_SOURCE

TASKS = 200


def bench(endpoint: str, options: dict[str, Any], workers: int = 2) -> list[Row]:
    """Two rows: a no-op by the SDK alone, and a task without points through fitloom's executor."""
    bare = _no_ops(endpoint, options)
    ours = _empty_tasks(endpoint, options, workers)
    note = f"{TASKS} tasks, {workers} workers, {options.get('engine', 'GlobusComputeEngine')}"
    return [
        Row("executors", "globus: a no-op by the SDK alone", 1e3 * bare, "ms", note=note),
        Row("executors", "globus: an empty task", 1e3 * ours, "ms", 2e3 * bare, note),
    ]


def _no_ops(endpoint: str, options: dict[str, Any]) -> float:
    from globus_compute_sdk import Executor
    from globus_compute_sdk.serialize import ComputeSerializer, JSONData

    executor = Executor(
        endpoint,
        task_group_id=uuid.uuid4(),
        user_endpoint_config=options,
        serializer=ComputeSerializer(strategy_data=JSONData()),
        result_serializers=[JSONData],
    )
    function = executor.register_source_code(REMOTE_SOURCE, REMOTE_NAME)
    try:
        return _each(lambda: executor.submit_to_registered_function(function, (HELLO,)))
    finally:
        executor.shutdown()


def _empty_tasks(endpoint: str, options: dict[str, Any], workers: int) -> float:
    pool = open_pool("globus", {"endpoint": endpoint, "config": options, "workers": workers})
    task = {"schema": "1", "task": "empty", "background": {"digest": "0" * 64, "content": None}, "points": []}
    raw = json.dumps(task).encode()
    try:
        return _each(lambda: pool.executor.submit(entry.run, raw))
    finally:
        pool.close()


def _each(submit: Callable[[], Future[Any]]) -> float:
    """Seconds a task, the workers being warm."""
    _wait([submit() for _ in range(8)])
    begin = time.perf_counter()
    _wait([submit() for _ in range(TASKS)])
    return (time.perf_counter() - begin) / TASKS


def _wait(futures: Sequence[Future[Any]]) -> None:
    for future in futures:
        future.result(timeout=300)
