"""What goes out over HTTP: one reply, a stream of records, or a refusal; all of them in the wire's own words."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, suppress
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Message, Receive, Scope, Send

from fitloom_core import wire
from fitloom_core.errors import FitloomError, InputError, InvalidTask, TimeLimit
from fitloom_endpoint.intake import discard_body
from fitloom_endpoint.service import FitService, Refused

T = TypeVar("T")
Handler = Callable[[Request, Any], Awaitable[Response]]

log = logging.getLogger("fitloom.endpoint")

JSON = "application/json"
NDJSON = "application/x-ndjson"
CLIENT_GONE = 499

_INTERNAL = wire.Failure(code="internal", message="something went wrong in the endpoint; its log says what")


class Stream(StreamingResponse):
    """Lines as they are made; the task's place is given back whatever becomes of the client."""

    def __init__(self, lines: AsyncIterator[bytes], place: AbstractContextManager[Any], patience: float) -> None:
        """Send lines; a client that takes none of them for so many seconds is left."""
        super().__init__(lines, media_type=NDJSON, headers={"X-Accel-Buffering": "no", "Cache-Control": "no-store"})
        self._place = place
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the lines as an ASGI application does."""

        async def send_soon(message: Message) -> None:
            async with asyncio.timeout(self._patience):
                await send(message)

        with self._place:
            await super().__call__(scope, receive, send_soon)


async def lines(service: FitService, task: wire.FitTask, content: str) -> AsyncIterator[bytes]:
    """A record a line as points finish; the last line sums up, and says what went wrong if it did."""
    points, failed, worker = 0, 0, ""
    error: wire.Failure | None = None
    try:
        async for reply in service.fit(task, content):
            points, failed, worker = points + len(reply.results), failed + _failed(reply), reply.worker
            yield b"".join(_line(result.to_record()) for result in reply.results)
    except FitloomError as trouble:
        error = wire.Failure(code=trouble.code, message=trouble.message)
    except Exception:
        log.exception("a streamed task went wrong")
        error = _INTERNAL
    yield _line(
        {
            "summary": {
                "schema": wire.SCHEMA_VERSION,
                "task": task.task,
                "worker": worker,
                "points": points,
                "failed": failed,
                "error": None if error is None else error.model_dump(),
            }
        }
    )


async def collect(service: FitService, task: wire.FitTask, content: str) -> wire.Reply:
    """All batches in one reply, in the task's order."""
    replies = [reply async for reply in service.fit(task, content)]
    found = {result.id: result for reply in replies for result in reply.results}
    results = [found[point.id] for point in task.points]
    return wire.Reply(task=task.task, worker=replies[-1].worker, results=results)


async def while_connected(request: Request, work: Awaitable[T]) -> T:
    """The outcome of some work, which is given up when the one who asked for it has gone.

    Raises:
        Refused: the client closed the connection.
    """
    job, gone = asyncio.ensure_future(work), asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({job, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not job.done():
            raise Refused(CLIENT_GONE, "client_gone", "the client closed the connection before the answer was there")
        return job.result()
    finally:
        job.cancel()
        gone.cancel()


async def refuse(request: Request, trouble: Refused) -> Response:
    """A reply that carries no results but the reason, under the HTTP status that fits."""
    service: FitService = request.app.state.service
    service.metrics.refused.labels(trouble.code).inc()
    await discard_body(request, service.settings)
    reply = wire.Reply(task="", error=wire.Failure(code=trouble.code, message=trouble.message)).to_bytes()
    body = json.dumps({**json.loads(reply), **trouble.more}) if trouble.more else reply
    return Response(body, trouble.status, headers=trouble.headers, media_type=JSON)


async def _on_error(request: Request, trouble: FitloomError) -> Response:
    return await refuse(request, Refused(_status_of(trouble), trouble.code, trouble.message))


async def _on_bad_address(request: Request, trouble: RequestValidationError) -> Response:
    first = trouble.errors()[0]
    where = "/".join(str(part) for part in first["loc"])
    return await refuse(request, Refused(422, "bad_input", f"{where}: {first['msg']}"))


async def _on_routing(request: Request, trouble: HTTPException) -> Response:
    message = f"{request.method} {request.url.path}: {trouble.detail}"
    answer = await refuse(request, Refused(trouble.status_code, "no_such_route", message))
    if trouble.status_code == 405:
        answer.headers["Allow"] = ", ".join(_methods_of(request))
    return answer


async def _on_fault(request: Request, _trouble: Exception) -> Response:
    return await refuse(request, Refused(500, _INTERNAL.code, _INTERNAL.message))


HANDLERS: dict[type[Exception], Handler] = {
    Refused: refuse,
    FitloomError: _on_error,
    RequestValidationError: _on_bad_address,
    HTTPException: _on_routing,
    Exception: _on_fault,
}


def _methods_of(request: Request) -> list[str]:
    """All methods of the address, which may be spread over several routes."""
    fitting = [route for route in request.app.state.routes if route.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for route in fitting for method in getattr(route, "methods", None) or ()})


def _status_of(trouble: FitloomError) -> int:
    if isinstance(trouble, InvalidTask):
        return 400
    if isinstance(trouble, InputError):
        return 422
    return 504 if isinstance(trouble, TimeLimit) else 500


async def _disconnected(request: Request) -> None:
    with suppress(asyncio.CancelledError):
        while (await request.receive())["type"] != "http.disconnect":
            pass


def _failed(reply: wire.Reply) -> int:
    return sum(result.status == "failed" for result in reply.results)


def _line(document: wire.Json) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"
