"""CloudEvents in and out, binary and structured."""

from __future__ import annotations

import base64
import json

import pytest

from fitloom_core.errors import InvalidTask
from fitloom_endpoint import cloudevents
from fitloom_endpoint.cloudevents import REPLY_TYPE, STRUCTURED, TASK_TYPE

BINARY = {
    "content-type": "application/json",
    "ce-specversion": "1.0",
    "ce-type": TASK_TYPE,
    "ce-source": "/tests",
    "ce-id": "7",
}
ENVELOPE = {"specversion": "1.0", "type": TASK_TYPE, "source": "/tests", "id": "7"}


def structured(**more):
    return json.dumps({**ENVELOPE, **more}).encode()


def test_a_binary_events_body_is_the_task():
    event = cloudevents.parse(BINARY, b'{"task": 1}')
    assert (event.id, event.structured, event.task) == ("7", False, b'{"task": 1}')


def test_header_names_may_be_of_any_case_and_values_are_percent_decoded():
    event = cloudevents.parse(
        {**{name.title(): value for name, value in BINARY.items()}, "Ce-Id": "%E2%82%AC%20uro"}, b""
    )
    assert event.id == "€ uro"


def test_a_structured_events_data_is_the_task():
    event = cloudevents.parse({"content-type": f"{STRUCTURED}; charset=utf-8"}, structured(data={"task": 1}))
    assert event.structured
    assert json.loads(event.task) == {"task": 1}


def test_a_structured_event_may_carry_its_task_in_base64():
    event = cloudevents.parse({"content-type": STRUCTURED}, structured(data_base64=base64.b64encode(b"{}").decode()))
    assert event.task == b"{}"


@pytest.mark.parametrize("text", ["not base64!", "ª_Úã", "AAA"])
def test_data_that_is_not_base64_is_refused(text):
    with pytest.raises(InvalidTask, match="data_base64"):
        cloudevents.parse({"content-type": STRUCTURED}, structured(data_base64=text))


def test_extension_attributes_are_let_through():
    assert cloudevents.parse({**BINARY, "ce-traceparent": "00-abc"}, b"").id == "7"


@pytest.mark.parametrize("missing", ["specversion", "type", "source", "id"])
def test_what_an_event_must_have_is_named_when_it_is_missing(missing):
    headers = {name: value for name, value in BINARY.items() if name != f"ce-{missing}"}
    with pytest.raises(InvalidTask, match=missing):
        cloudevents.parse(headers, b"{}")


@pytest.mark.parametrize("attribute", [{"type": "com.example.order"}, {"specversion": "0.3"}, {"id": ""}])
def test_an_event_that_is_no_task_is_refused(attribute):
    with pytest.raises(InvalidTask, match=next(iter(attribute))):
        cloudevents.parse({"content-type": STRUCTURED}, structured(**attribute))


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"text"'])
def test_what_is_no_event_at_all_is_refused(body):
    with pytest.raises(InvalidTask, match="not a CloudEvent"):
        cloudevents.parse({"content-type": STRUCTURED}, body)


def test_the_reply_to_a_binary_event_is_binary_and_names_it():
    body, headers = cloudevents.reply(cloudevents.parse({**BINARY, "ce-id": "%E2%82%AC"}, b"{}"), b'{"results": []}')
    assert body == b'{"results": []}'
    assert headers["ce-type"] == REPLY_TYPE
    assert headers["ce-fitloomtask"] == "%E2%82%AC"
    assert headers["content-type"] == "application/json"


def test_the_reply_to_a_structured_event_is_structured_and_names_it():
    event = cloudevents.parse({"content-type": STRUCTURED}, structured(data={}))
    body, headers = cloudevents.reply(event, b'{"results": []}')
    document = json.loads(body)
    assert headers == {"content-type": STRUCTURED}
    assert document["data"] == {"results": []}
    assert document["fitloomtask"] == "7"
    assert {"specversion", "type", "source", "id", "datacontenttype"} <= set(document)
