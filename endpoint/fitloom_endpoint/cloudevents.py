"""CloudEvents 1.0 over HTTP, binary and structured: how Knative delivers a task and takes the reply.

Binary, the attributes are headers and the body is the task::

    ce-specversion: 1.0
    ce-type: org.fitloom.task.v1
    ce-source: /campaign/42
    ce-id: 7
    content-type: application/json

Structured, ``application/cloudevents+json`` holds both::

    {"specversion": "1.0", "type": "org.fitloom.task.v1", "source": "/campaign/42", "id": "7", "data": {…}}
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, unquote

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fitloom_core.errors import InvalidTask
from fitloom_core.wire import Json

TASK_TYPE = "org.fitloom.task.v1"
REPLY_TYPE = "org.fitloom.reply.v1"
STRUCTURED = "application/cloudevents+json"
SOURCE = "/fitloom-endpoint"


class Envelope(BaseModel):
    """The attributes of an event that carries a task; extension attributes may be added."""

    model_config = ConfigDict(extra="allow", frozen=True)

    specversion: Literal["1.0"]
    type: Literal["org.fitloom.task.v1"]
    source: str = Field(min_length=1)
    id: str = Field(min_length=1)
    datacontenttype: str | None = None
    data: Json | None = None
    data_base64: str | None = None


@dataclass(frozen=True)
class Event:
    """A task as it arrived: whose it is, and in which mode its reply goes back."""

    id: str
    structured: bool
    task: bytes


def parse(headers: Mapping[str, str], body: bytes) -> Event:
    """The task in an event.

    Raises:
        InvalidTask: no CloudEvent, not version 1.0, or of a type that is no task.
    """
    structured = _media_type(headers) == STRUCTURED
    attributes = body if structured else json.dumps(_from_headers(headers)).encode()
    try:
        envelope = Envelope.model_validate_json(attributes)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = "/".join(str(part) for part in first["loc"]) or "top level"
        raise InvalidTask(f"not a CloudEvent of type {TASK_TYPE}: at {where}: {first['msg']}") from None
    return Event(envelope.id, structured, _data(envelope) if structured else body)


def reply(event: Event, answer: bytes) -> tuple[bytes, dict[str, str]]:
    """Body and headers of the event that answers another, in the same mode."""
    attributes = {
        "specversion": "1.0",
        "type": REPLY_TYPE,
        "source": SOURCE,
        "id": str(uuid.uuid4()),
        "fitloomtask": event.id,
    }
    if event.structured:
        document = {**attributes, "datacontenttype": "application/json", "data": json.loads(answer)}
        return json.dumps(document).encode(), {"content-type": STRUCTURED}
    headers = {f"ce-{name}": value for name, value in attributes.items()}
    return answer, {**headers, "ce-fitloomtask": _printable(event.id), "content-type": "application/json"}


def _from_headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower()[3:]: unquote(value) for name, value in headers.items() if name.lower().startswith("ce-")}


def _data(envelope: Envelope) -> bytes:
    if envelope.data is not None:
        return json.dumps(envelope.data).encode()
    try:
        return base64.b64decode(envelope.data_base64 or "", validate=True)
    except ValueError as error:
        raise InvalidTask(f"the event's data_base64 is not base64: {error}") from None


def _media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _printable(text: str) -> str:
    """Text that may stand in a header: the rest percent-encoded, as the HTTP binding asks."""
    return quote(text, safe="!#$&'()*+,/:;=?@[]~ ")
