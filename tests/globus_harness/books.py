"""What the stand-in service remembers: functions, endpoints, the user endpoints they start, tasks, task groups."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from globus_compute_common.messagepack import pack, unpack
from globus_compute_common.messagepack.message_types import Result, ResultErrorDetails

from globus_harness.relay import EXCHANGE

Json = dict[str, Any]


@dataclass
class Function:
    """A registered function: its code travels with every task."""

    id: str
    name: str
    code: str
    description: str = ""

    def to_json(self) -> Json:
        """As ``GET /v2/functions/{id}`` answers."""
        return {
            "function_uuid": self.id,
            "function_name": self.name,
            "function_code": self.code,
            "description": self.description,
            "metadata": {},
        }


@dataclass
class Site:
    """A registered endpoint: the daemon that starts user endpoint processes."""

    id: str
    registration: Json
    heartbeat: float = 0.0
    period: float = 0.0

    @property
    def allowed(self) -> list[str] | None:
        """The only functions that may run there, or None."""
        functions = self.registration.get("allowed_functions")
        return None if functions is None else [str(function) for function in functions]

    @property
    def online(self) -> bool:
        """Whether its daemon says that it runs; a period of zero is its last word."""
        return self.period > 0 and time.time() - self.heartbeat < 3 * self.period


@dataclass
class Task:
    """One task and, once it is done, its result exactly as the endpoint sent it."""

    id: str
    group: str
    user_endpoint: str
    result: Result | None = None

    def to_json(self) -> Json:
        """As ``GET /v2/tasks/{id}`` answers."""
        if self.result is None:
            return {"task_id": self.id, "status": "waiting-for-ep"}
        done = {"task_id": self.id, "completion_t": str(time.time()), "details": self.result.details}
        if self.result.is_error:
            return done | {"status": "failed", "exception": self.result.data}
        return done | {"status": "success", "result": self.result.data}


@dataclass
class Books:
    """Everything, in memory; one service, one set of books."""

    functions: dict[str, Function] = field(default_factory=dict)
    sites: dict[str, Site] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)

    def add_task(self, group: str, user_endpoint: str) -> Task:
        """A new task of a group, on its way to a user endpoint."""
        task = Task(new_id(), group, user_endpoint)
        self.tasks[task.id] = task
        self.groups.setdefault(group, []).append(task.id)
        return task

    def finish(self, body: bytes) -> Task | None:
        """Write a result down; None where it is no result of an open task (one delivered twice, say)."""
        message = unpack(body)
        task = self.tasks.get(str(message.task_id)) if isinstance(message, Result) else None
        if task is None or task.result is not None:
            return None
        task.result = message
        return task

    def waiting(self, user_endpoint: str) -> list[Task]:
        """The tasks of a user endpoint without a result."""
        return [task for task in self.tasks.values() if task.user_endpoint == user_endpoint and task.result is None]


def new_id() -> str:
    """A fresh UUID."""
    return str(uuid.uuid4())


def user_endpoint_id(site: str, options: Json | None) -> str:
    """One process for each endpoint and each set of options."""
    return str(uuid.uuid5(uuid.UUID(site), json.dumps(options or {}, sort_keys=True)))


def failure(task: Task, message: str) -> bytes:
    """The result of a task that could not even be started."""
    details = ResultErrorDetails(code="UserEndpointStartFailed", user_message=message)
    return pack(Result(task_id=uuid.UUID(task.id), data=message, error_details=details, task_statuses=[]))


def publish_info(url: str, queue: str) -> Json:
    """How an endpoint is to publish to a queue."""
    kwargs = {"exchange": EXCHANGE, "routing_key": queue, "mandatory": True, "properties": {"delivery_mode": 2}}
    return {"connection_url": url, "queue": queue, "exchange": EXCHANGE, "queue_publish_kwargs": kwargs}
