"""CloudEvents sent to a running endpoint, as a Knative broker sends them."""

from __future__ import annotations

import json

import pytest
import requests

from endpoint_server import task
from fitloom_core import wire
from fitloom_endpoint.cloudevents import REPLY_TYPE, STRUCTURED, TASK_TYPE

ATTRIBUTES = {"specversion": "1.0", "type": TASK_TYPE, "source": "/tests", "id": "42"}
BINARY = {"content-type": "application/json", **{f"ce-{name}": value for name, value in ATTRIBUTES.items()}}


def post(endpoint, body, headers):
    return requests.post(f"{endpoint.url}/", data=body, headers=headers, timeout=60)


def test_a_binary_event_is_answered_by_a_binary_event(endpoint):
    answer = post(endpoint, task(5).to_bytes(), BINARY)
    assert answer.status_code == 200
    assert answer.headers["ce-type"] == REPLY_TYPE
    assert answer.headers["ce-fitloomtask"] == "42"
    assert len(wire.Reply.from_bytes(answer.content).results) == 5


def test_a_structured_event_is_answered_by_a_structured_event(endpoint):
    event = {**ATTRIBUTES, "datacontenttype": "application/json", "data": json.loads(task(5).to_bytes())}
    answer = post(endpoint, json.dumps(event), {"content-type": STRUCTURED})
    document = answer.json()
    assert answer.headers["content-type"].startswith(STRUCTURED)
    assert document["type"] == REPLY_TYPE
    assert document["fitloomtask"] == "42"
    assert len(wire.Reply.from_bytes(json.dumps(document["data"]).encode()).results) == 5


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", {"content-type": "application/json"}, 400),
        (b"{}", {**BINARY, "ce-type": "com.example.order"}, 400),
        (b"{}", BINARY, 400),
        (b"[]", {"content-type": "application/cloudevents-batch+json"}, 415),
        (json.dumps(ATTRIBUTES).encode(), {"content-type": STRUCTURED}, 400),
    ],
)
def test_what_is_no_event_with_a_task_is_refused(endpoint, body, headers, status):
    answer = post(endpoint, body, headers)
    assert answer.status_code == status
    assert wire.Reply.from_bytes(answer.content).error is not None
