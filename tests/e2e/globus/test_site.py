"""An endpoint as `fitloom-endpoint configure` writes it, run: our function only, and a no to everything else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from globus_compute_sdk import Client, Executor
from globus_compute_sdk.serialize import ComputeSerializer, JSONData

from fitloom.executors import open_pool
from fitloom.plan import Plan
from fitloom_core.envelope import HELLO
from fitloom_core.errors import ExecutorError
from fitloom_core.wire import FitResult
from globus_harness import Endpoint, Stack
from globus_harness.campaign import check, fit

pytestmark = [pytest.mark.heavy, pytest.mark.globus, pytest.mark.xdist_group("globus")]

OTHER = "def other(x):\n    return x\n"


@pytest.fixture(scope="module")
def site(stack: Stack) -> Endpoint:
    """An endpoint on this machine, configured by one command that also registers the function."""
    program = Path(sys.executable).parent / "fitloom-endpoint"
    options = ["--site", "local", "--workers", "2", "--heartbeat", "5", "--folder", str(stack.root)]
    environment = {**os.environ, **stack.environment}
    subprocess.run([program, "configure", "fits", *options], check=True, timeout=60, env=environment)
    return stack.run_endpoint(Endpoint(stack.root, "fits", stack.environment))


@pytest.fixture
def settings(site: Endpoint) -> Callable[..., dict[str, Any]]:
    def of(**config: Any) -> dict[str, Any]:
        return {"endpoint": site.id, "config": config, "workers": 2, "start_seconds": 90}

    return of


def test_a_campaign_finds_the_function_and_has_the_numbers_of_this_machine(
    plan: Plan, calm: dict[str, FitResult], settings: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    fit(plan, tmp_path, settings())
    check(tmp_path, calm)


def test_another_function_is_refused_by_the_service(site: Endpoint) -> None:
    with pytest.raises(Exception, match="not permitted on endpoint"):
        run_other(site, Client().register_source_code(OTHER, "other"))


def test_another_function_is_refused_by_the_endpoint_itself(site: Endpoint, stack: Stack) -> None:
    allowed = stack.service.books.sites[site.id].registration.pop("allowed_functions")
    try:
        assert "not permitted on endpoint" in answer_to_other(site, stack)
    finally:
        stack.service.books.sites[site.id].registration["allowed_functions"] = allowed


def test_pickled_arguments_are_refused(site: Endpoint, stack: Stack) -> None:
    (allowed,) = stack.service.books.sites[site.id].allowed or []
    executor = Executor(site.id, task_group_id=uuid.uuid4(), serializer=ComputeSerializer())
    error = executor.submit_to_registered_function(allowed, (HELLO,)).exception(60)
    executor.shutdown()
    assert "DillDataBase64" in str(error)
    assert "not allowed" in str(error).lower() or "disabled" in str(error).lower()


def test_an_option_that_users_may_not_choose_is_explained(settings: Callable[..., dict[str, Any]]) -> None:
    with pytest.raises(ExecutorError, match=r"does not accept these options of its template: .*worker_init"):
        open_pool("globus", settings(worker_init="curl https://example.org | sh"))


def answer_to_other(site: Endpoint, stack: Stack) -> str:
    """What the endpoint sends back, read at the service: the SDK stumbles over this answer and waits for ever."""
    client = Client()
    batch = client.create_batch(result_serializers=["globus_compute_sdk.serialize.concretes.JSONData"])
    function = client.register_source_code(OTHER, "other")
    batch.add(function, ("x",))
    ((task,),) = client.batch_run(site.id, batch)["tasks"].values()
    deadline = time.monotonic() + 60
    while (result := stack.service.books.tasks[task].result) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return "" if result is None else str(result.data)


def run_other(site: Endpoint, function: str) -> object:
    serializer = ComputeSerializer(strategy_data=JSONData())
    executor = Executor(site.id, task_group_id=uuid.uuid4(), serializer=serializer, result_serializers=[JSONData])
    try:
        return executor.submit_to_registered_function(function, ("x",)).result(60)
    finally:
        executor.shutdown(cancel_futures=True)
