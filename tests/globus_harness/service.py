"""The stand-in web service: the routes that the SDK and the endpoint daemon need, around the books and the relay."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from globus_compute_common.messagepack import pack, unpack
from globus_compute_common.messagepack.message_types import EPStatusReport
from globus_compute_common.messagepack.message_types import Task as TaskMessage

from globus_harness.books import Books, Function, Json, Site, failure, new_id, publish_info, user_endpoint_id
from globus_harness.relay import Message, Relay

PORT = 5000
"""Where the SDK looks for the service in its environment "local"."""

MAX_REQUEST = 10 * 1000 * 1000
"""The hosted service's limit for one submission, single or batch."""

IDENTITY = "11111111-2222-4333-8444-555555555555"
RESOURCE_SERVERS = {"facd7ccc-c5f4-42aa-916b-a0e270e2c2a9": "funcx_service", "groups.api": "groups.api.globus.org"}


class Service:
    """Accepts functions, endpoints and tasks over HTTP; hands tasks and results on through the relay."""

    def __init__(self, relay: Relay, broker_url: str, results_url: str) -> None:
        self.books = Books()
        self.relay = relay
        self.broker_url = broker_url
        self.results_url = results_url
        self.submissions: list[int] = []
        """Size of each submission's body in bytes."""
        self._lock = threading.RLock()
        config = uvicorn.Config(routes(self), port=PORT, log_level="warning", ws="none", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, name="service", daemon=True)

    def start(self) -> None:
        """Serve until `stop`."""
        self._thread.start()
        deadline = time.monotonic() + 20
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise RuntimeError(f"the stand-in service did not start on port {PORT}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Answer what is under way, then close the port."""
        self._server.should_exit = True
        self._thread.join(10)

    def register_function(self, document: Json) -> Function:
        """Keep a function; bare source is wrapped as the SDK's serializer of plain text would."""
        code = document["function_code"]
        if not document.get("serialized", True):
            text = f"st\n{document['function_name']}:{code}"
            code = f"{len(text)}\n{text}"
        function = Function(new_id(), document["function_name"], code, document.get("description") or "")
        with self._lock:
            self.books.functions[function.id] = function
        return function

    def register_endpoint(self, document: Json, endpoint: str) -> Json:
        """Keep an endpoint, make its queues, and say where they are."""
        commands, heartbeats = f"{endpoint}.commands", f"{endpoint}.heartbeats"
        with self._lock:
            self.books.sites[endpoint] = Site(endpoint, document)
        self.relay.declare([commands])
        self.relay.declare([heartbeats], self._hear)
        return {
            "endpoint_id": endpoint,
            "command_queue_info": {"connection_url": self.broker_url, "queue": commands},
            "heartbeat_queue_info": self._publish_info(heartbeats),
        }

    def wait_until_online(self, endpoint: str, seconds: float) -> None:
        """Wait for the first heartbeat of an endpoint."""
        deadline = time.monotonic() + seconds
        while not self.books.sites[endpoint].online:
            if time.monotonic() > deadline:
                raise RuntimeError(f"endpoint {endpoint} sent no heartbeat in {seconds:g} s")
            time.sleep(0.02)

    def submit(self, endpoint: str, document: Json) -> Json:
        """Have a user endpoint started, and send it the tasks of one submission."""
        options = document.get("user_endpoint_config")
        group = document.get("task_group_id") or new_id()
        user_endpoint = user_endpoint_id(endpoint, options)
        tasks, results, heartbeats = (f"{user_endpoint}.{name}" for name in ("tasks", "results", "heartbeats"))
        self.relay.declare([tasks, f"tg.{group}"])
        self.relay.declare([results], self._settle)
        self.relay.declare([heartbeats], self._hear)
        self._ask_for(endpoint, user_endpoint, options, document.get("user_runtime"))
        sent: dict[str, list[str]] = {}
        for function, payloads in document["tasks"].items():
            sent[function] = [self._send(function, payload, group, user_endpoint, document) for payload in payloads]
        return {"request_id": new_id(), "task_group_id": group, "endpoint_id": endpoint, "tasks": sent}

    def _send(self, function: str, payload: str, group: str, user_endpoint: str, document: Json) -> str:
        with self._lock:
            task = self.books.add_task(group, user_endpoint)
        headers = {
            "task_uuid": task.id,
            "function_uuid": function,
            "resource_specification": json.dumps(document.get("resource_specification")),
            "result_serializers": document.get("result_serializers") or [],
        }
        message = TaskMessage(task_id=task.id, task_buffer=self.books.functions[function].code + payload)
        self.relay.publish(Message(f"{user_endpoint}.tasks", pack(message), headers))
        return task.id

    def _ask_for(self, endpoint: str, user_endpoint: str, options: Json | None, runtime: Json | None) -> None:
        info = {
            "task_queue_info": self._publish_info(f"{user_endpoint}.tasks"),
            "result_queue_info": self._publish_info(f"{user_endpoint}.results"),
            "heartbeat_queue_info": self._publish_info(f"{user_endpoint}.heartbeats"),
        }
        kwargs = {
            "name": f"uep.{user_endpoint}",
            "user_opts": options or {},
            "user_runtime": runtime or {},
            "amqp_creds": {"endpoint_id": user_endpoint, **info},
        }
        identity = {"sub": IDENTITY, "id": IDENTITY, "username": "physicist@example.org", "status": "used"}
        command = {
            "command": "cmd_start_endpoint",
            "args": [],
            "kwargs": kwargs,
            "globus_effective_identity": IDENTITY,
            "globus_username": identity["username"],
            "globus_identity_set": [identity],
        }
        body = json.dumps(command).encode()
        self.relay.publish(Message(f"{endpoint}.commands", body, content_type="application/json"))

    def _settle(self, body: bytes) -> None:
        with self._lock:
            task = self.books.finish(body)
        if task is not None:
            self.relay.publish(Message(f"tg.{task.group}", body))

    def _hear(self, body: bytes) -> None:
        report = unpack(body)
        if not isinstance(report, EPStatusReport):
            return
        endpoint, state = str(report.endpoint_id), report.global_state
        with self._lock:
            failed = self.books.waiting(endpoint) if "error" in state else []
            site = self.books.sites.get(endpoint)
            if site is not None and "error" not in state:  # a child that ends badly speaks in its daemon's name
                site.heartbeat, site.period = time.time(), float(state.get("heartbeat_period", 0))
        for task in failed:
            self._settle(failure(task, str(state["error"])))

    def _publish_info(self, queue: str) -> Json:
        return publish_info(self.broker_url, queue)


def routes(service: Service) -> FastAPI:
    """The web API; shapes are those that the SDK's own test data have."""
    app = FastAPI(openapi_url=None)
    books = service.books

    def site(endpoint: str) -> Site:
        found = books.sites.get(endpoint)
        return found if found is not None else _refuse(404, "ENDPOINT_NOT_FOUND", f"Endpoint {endpoint} not found")

    def function_of(function: str) -> Function:
        found = books.functions.get(function)
        return found if found is not None else _refuse(404, "FUNCTION_NOT_FOUND", f"Function {function} not found")

    @app.exception_handler(HTTPException)
    def refused(_request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse(error.detail, status_code=error.status_code)

    @app.get("/v2/version")
    def version() -> Json:
        return {"api": "1.0.0", "min_sdk_version": "2.0.0", "min_ep_version": "2.0.0"}

    @app.post("/v3/functions")
    def register_function(document: Json) -> Json:
        return {"function_uuid": service.register_function(document).id}

    @app.get("/v2/functions/{function}")
    def get_function(function: str) -> Json:
        return function_of(function).to_json()

    @app.post("/v3/endpoints")
    def register_endpoint(document: Json) -> Json:
        return service.register_endpoint(document, new_id())

    @app.put("/v3/endpoints/{endpoint}")
    def update_endpoint(endpoint: str, document: Json) -> Json:
        return service.register_endpoint(document, endpoint)

    @app.get("/v2/endpoints/{endpoint}/status")
    def endpoint_status(endpoint: str) -> Json:
        return {"status": "online" if site(endpoint).online else "offline", "details": {}}

    @app.get("/v3/endpoints/{endpoint}/allowed_functions")
    def allowed_functions(endpoint: str) -> Json:
        allowed = site(endpoint).allowed
        return {"endpoint_id": endpoint, "restricted": allowed is not None, "functions": allowed or []}

    @app.post("/v3/endpoints/{endpoint}/submit")
    async def submit(endpoint: str, request: Request) -> Json:
        body = await request.body()
        if len(body) > MAX_REQUEST:
            _refuse(413, "REQUEST_ENTITY_TOO_LARGE", f"Request of {len(body)} bytes is over {MAX_REQUEST}")
        service.submissions.append(len(body))
        document = json.loads(body)
        allowed = site(endpoint).allowed
        for function in document["tasks"]:
            function_of(function)
            if allowed is not None and function not in allowed:
                reason = f"Function {function} not permitted on endpoint {endpoint}"
                _refuse(403, "FUNCTION_NOT_PERMITTED", reason)
        return await run_in_threadpool(service.submit, endpoint, document)

    @app.get("/v2/get_amqp_result_connection_url")
    def results_queue() -> Json:
        return {"queue_prefix": "tg.", "connection_url": service.results_url}

    @app.get("/v2/taskgroup/{group}")
    def task_group(group: str) -> Json:
        return {"taskgroup_id": group, "tasks": [{"id": task} for task in books.groups.get(group, [])]}

    @app.post("/v2/batch_status")
    def batch_status(document: Json) -> Json:
        known = [books.tasks[task] for task in document["task_ids"] if task in books.tasks]
        return {"response": "batch", "results": {task.id: task.to_json() for task in known}}

    @app.get("/v2/tasks/{task}")
    def get_task(task: str) -> Json:
        return books.tasks[task].to_json() if task in books.tasks else _refuse(404, "TASK_NOT_FOUND", task)

    @app.post("/v2/oauth2/token")
    async def token(request: Request) -> Json:
        scopes = str((await request.form()).get("scope", "")).split()
        first, *others = [_token(server, granted) for server, granted in _by_server(scopes).items()]
        return {**first, "other_tokens": others}

    @app.get("/v2/oauth2/userinfo")
    def userinfo() -> Json:
        return {"sub": IDENTITY, "identity_set": [{"sub": IDENTITY, "username": "physicist@example.org"}]}

    return app


def _refuse(status: int, code: str, reason: str) -> Any:
    detail = {"status": "Failed", "code": code, "reason": reason, "error_args": [], "http_status_code": status}
    raise HTTPException(status, detail)


def _by_server(scopes: list[str]) -> dict[str, list[str]]:
    granted: dict[str, list[str]] = {}
    for scope in scopes:
        servers = (server for key, server in RESOURCE_SERVERS.items() if key in scope)
        granted.setdefault(next(servers, "auth.globus.org"), []).append(scope)
    return granted


def _token(server: str, scopes: list[str]) -> Json:
    return {
        "access_token": f"token-{new_id()}",
        "scope": " ".join(scopes),
        "resource_server": server,
        "expires_in": 172800,
        "token_type": "Bearer",
    }
