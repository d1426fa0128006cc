"""The harness itself: the unmodified SDK and endpoint, end to end, offline."""

from __future__ import annotations

import json
import uuid

import pytest
from globus_compute_sdk import Client, Executor
from globus_compute_sdk.serialize import ComputeSerializer, JSONData

from fitloom_core.envelope import HELLO, REMOTE_NAME, REMOTE_SOURCE
from globus_harness import Endpoint, Stack

pytestmark = [pytest.mark.globus, pytest.mark.xdist_group("globus")]


def open_executor(endpoint: Endpoint, group: uuid.UUID, engine: str) -> Executor:
    return Executor(
        endpoint.id,
        task_group_id=group,
        user_endpoint_config={"engine": engine},
        serializer=ComputeSerializer(strategy_data=JSONData()),
        result_serializers=[JSONData],
    )


def test_a_function_runs_and_answers_in_json(endpoint: Endpoint, group: uuid.UUID) -> None:
    executor = open_executor(endpoint, group, "threads")
    function = executor.register_source_code(REMOTE_SOURCE, REMOTE_NAME)
    answers = [executor.submit_to_registered_function(function, (HELLO,)) for _ in range(4)]
    assert {json.loads(answer.result(60))["schema"] for answer in answers} == {"1"}
    executor.shutdown()


def test_results_can_be_collected_again_by_their_group(endpoint: Endpoint, group: uuid.UUID) -> None:
    executor = open_executor(endpoint, group, "threads")
    function = executor.register_source_code(REMOTE_SOURCE, REMOTE_NAME)
    executor.submit_to_registered_function(function, (HELLO,)).result(60)
    executor.shutdown()
    (again,) = open_executor(endpoint, group, "threads").reload_tasks()
    assert json.loads(again.result(10))["schema"] == "1"


def test_an_option_that_the_schema_does_not_know_fails_the_task_with_a_sentence(
    endpoint: Endpoint, group: uuid.UUID
) -> None:
    executor = open_executor(endpoint, group, "warp")
    function = executor.register_source_code(REMOTE_SOURCE, REMOTE_NAME)
    error = executor.submit_to_registered_function(function, (HELLO,)).exception(60)
    assert "'warp' is not one of" in str(error)
    executor.shutdown()


def test_the_service_says_which_endpoints_are_there(stack: Stack, endpoint: Endpoint) -> None:
    client = Client()
    assert client.get_endpoint_status(endpoint.id)["status"] == "online"
    assert client.get_allowed_functions(endpoint.id) == {
        "endpoint_id": endpoint.id,
        "restricted": False,
        "functions": [],
    }
    assert stack.service.submissions
