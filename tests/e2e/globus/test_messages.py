"""What a person is told when an endpoint cannot be used, by the real SDK, service and endpoint saying so."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fitloom.executors import Pool, open_pool
from fitloom.executors.globus_link import LARGEST_SUBMISSION
from fitloom_core.entry import run
from fitloom_core.errors import AuthError, ExecutorError, InputError, TaskLost
from fitloom_core.wire import Reply
from globus_harness import Endpoint, Stack

pytestmark = [pytest.mark.globus, pytest.mark.xdist_group("globus")]

Settings = Callable[..., dict[str, Any]]


def task_of(kilobytes: int) -> bytes:
    """A task whose one point has a patch of noise, which no compression makes smaller than three quarters."""
    patch = [{"op": "add", "path": "/noise", "value": os.urandom(500 * kilobytes).hex()}]
    point = {"id": uuid.uuid4().hex, "pallet": "noise", "name": "noise", "patch": patch}
    background = {"digest": "0" * 64, "content": None}
    document = {"schema": "1", "task": uuid.uuid4().hex, "background": background, "points": [point]}
    return json.dumps(document).encode()


@pytest.fixture
def pool(settings: Settings) -> Any:
    opened = open_pool("globus", settings("threads"))
    yield opened
    opened.close()


def test_an_endpoint_that_nobody_knows(settings: Settings) -> None:
    unknown = str(uuid.uuid4())
    with pytest.raises(ExecutorError, match=f"knows no endpoint {unknown}.*globus-compute-endpoint list"):
        open_pool("globus", settings("threads", endpoint=unknown))


def test_an_endpoint_that_is_not_running(stack: Stack, endpoint: Endpoint, settings: Settings) -> None:
    site = stack.service.books.sites[endpoint.id]
    period, site.period = site.period, 0  # the last word of a daemon that ends
    try:
        with pytest.raises(ExecutorError, match=f"endpoint {endpoint.id} is offline.*globus-compute-endpoint start"):
            open_pool("globus", settings("threads"))
    finally:
        site.period = period


def test_a_function_that_the_endpoint_does_not_allow(stack: Stack, endpoint: Endpoint, settings: Settings) -> None:
    registration = stack.service.books.sites[endpoint.id].registration
    registration["allowed_functions"] = [str(uuid.uuid4()), str(uuid.uuid4())]
    try:
        with pytest.raises(ExecutorError, match=r"allows 2 functions, none of .*fitloom-endpoint configure"):
            open_pool("globus", settings("threads"))
        with pytest.raises(ExecutorError, match=r"does not allow fitloom's function.*allowed_functions"):
            open_pool("globus", settings("threads", function=str(register(stack))))
    finally:
        del registration["allowed_functions"]


def test_an_option_that_the_template_does_not_know(settings: Settings) -> None:
    with pytest.raises(ExecutorError, match="does not accept these options of its template: 'warp' is not one of"):
        open_pool("globus", settings("warp"))


def test_a_worker_that_does_not_answer_in_time(settings: Settings) -> None:
    cold = {"engine": "htex", "instance": "late"}
    with pytest.raises(ExecutorError, match=r"no worker .* answered in 1 s: its job may be waiting in a queue"):
        open_pool("globus", settings("htex", config=cold, start_seconds=1))


def test_nobody_logged_in(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GLOBUS_COMPUTE_CLIENT_ID")
    monkeypatch.delenv("GLOBUS_COMPUTE_CLIENT_SECRET")
    monkeypatch.setenv("GLOBUS_COMPUTE_USER_DIR", str(tmp_path))
    with pytest.raises(AuthError, match="not logged in to Globus Compute: run `fitloom login"):
        open_pool("globus", settings("threads"))


def test_a_task_that_is_too_large_for_the_service_fails_alone(pool: Pool) -> None:
    with pytest.raises(TaskLost, match="Globus Compute takes 10 MB"):
        pool.executor.submit(run, task_of(15_000)).result(30)
    assert small_reply(pool).error is not None


def test_many_large_tasks_are_sent_in_submissions_that_the_service_takes(stack: Stack, pool: Pool) -> None:
    before = len(stack.service.submissions)
    replies = [pool.executor.submit(run, task_of(1000)) for _ in range(30)]
    assert all(Reply.from_bytes(reply.result(120)).error is not None for reply in replies)
    sizes = stack.service.submissions[before:]
    assert sum(sizes) > 2 * LARGEST_SUBMISSION
    assert max(sizes) < 10_000_000


def test_only_the_one_function_can_be_submitted(pool: Pool) -> None:
    with pytest.raises(InputError, match=r"runs fitloom_core.entry.run\(task\) only"):
        pool.executor.submit(os.getcwd)


def test_a_pool_that_is_closed_says_so(settings: Settings) -> None:
    closed = open_pool("globus", settings("threads"))
    closed.close()
    with pytest.raises(ExecutorError, match="closed"):
        closed.executor.submit(run, task_of(1))


def small_reply(pool: Pool) -> Reply:
    return Reply.from_bytes(pool.executor.submit(run, task_of(1)).result(30))


def register(stack: Stack) -> uuid.UUID:
    source = {"function_name": "fitloom_run", "function_code": "def fitloom_run(task):\n    return task\n"}
    return uuid.UUID(stack.service.register_function({**source, "serialized": False}).id)
