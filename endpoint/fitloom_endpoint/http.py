"""The fit function over HTTP: a plain POST, a stream of records, CloudEvents; health, readiness, metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Path, Request, Response
from fastapi.responses import JSONResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware

from fitloom_endpoint import cloudevents, intake, openapi
from fitloom_endpoint.answers import HANDLERS, JSON, NDJSON, Stream, collect, lines, while_connected
from fitloom_endpoint.gate import Gate, open_gate
from fitloom_endpoint.intake import expect, read_task
from fitloom_endpoint.pool import Workers
from fitloom_endpoint.service import FitService, Refused
from fitloom_endpoint.settings import Settings
from fitloom_endpoint.worker import place_workers

Digest = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="sha256 digest of the workspace, as pyhf makes it")]


def create_app(settings: Settings) -> FastAPI:
    """The application of one endpoint; its workers start and end with it."""
    workers = Workers(
        place_workers(settings.workers, settings.device, settings.cache),
        time_limit=settings.time_limit,
        memory_limit=settings.worker_memory,
    )
    service = FitService(settings, workers)
    gate = open_gate(settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        workers.start()
        yield
        await workers.close()

    app = FastAPI(
        title="fitloom endpoint", version=service.about()["fitloom"], lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.state.service = service
    if settings.on_loopback and not gate.closed:
        # Without a token, a page in this machine's browser must not reach us under a name of its own.
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=["localhost", "127.0.0.1", "[::1]", "::1"])
    app.state.routes = []
    for router in (_open_routes(service), _guarded_routes(service, gate)):
        app.include_router(router)
        app.state.routes += router.routes
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)
    openapi.describe(app, with_token=gate.closed)
    return app


def _open_routes(service: FitService) -> APIRouter:
    """What a container platform asks before it knows any token."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz", responses=openapi.HEALTH)
    async def healthz() -> JSONResponse:
        """Whether the server runs."""
        return JSONResponse({"ok": True})

    @router.get("/readyz", responses=openapi.READINESS)
    async def readyz() -> JSONResponse:
        """Whether tasks are welcome: a worker is warm, and the server is not shutting down."""
        reason = service.not_ready()
        return JSONResponse({"ready": reason is None, "reason": reason}, 200 if reason is None else 503)

    return router


def _guarded_routes(service: FitService, gate: Gate) -> APIRouter:
    """All that is for those whom the gate lets in."""
    router = APIRouter(dependencies=[Depends(gate.admit)], tags=["fit"], responses=openapi.UNAUTHORISED)

    @router.post("/v1/fit", responses=openapi.FIT, openapi_extra=openapi.FIT_BODY, response_class=Response)
    async def fit(request: Request) -> Response:
        """Fit the points of a task; one reply, or with ``Accept: application/x-ndjson`` a record a line."""
        expect(request, JSON)
        with ExitStack() as stack:
            place = stack.enter_context(service.admission())
            task = await read_task(place.weigh(await intake.read_body(request, service.settings)))
            content = await service.background(task.background)
            if NDJSON in request.headers.get("accept", ""):
                return Stream(lines(service, task, content), stack.pop_all(), service.settings.body_seconds)
            answer = await while_connected(request, collect(service, task, content))
            return Response(answer.to_bytes(), media_type=JSON)

    @router.post("/", responses=openapi.EVENT, openapi_extra=openapi.EVENT_BODY, response_class=Response)
    async def event(request: Request) -> Response:
        """Fit the task in a CloudEvent (binary or structured); the reply is a CloudEvent in the same mode."""
        expect(request, JSON, cloudevents.STRUCTURED)
        with service.admission() as place:
            body = place.weigh(await intake.read_body(request, service.settings))
            arrived = cloudevents.parse(request.headers, body)
            task = await read_task(arrived.task)
            content = await service.background(task.background)
            answer = await while_connected(request, collect(service, task, content))
            document, headers = cloudevents.reply(arrived, answer.to_bytes())
            return Response(document, headers=headers)

    @router.put("/v1/backgrounds/{digest}", responses=openapi.STAGE, openapi_extra=openapi.STAGE_BODY)
    async def stage(digest: Digest, request: Request) -> JSONResponse:
        """Stage a background workspace under its digest; tasks may then leave its content out."""
        expect(request, JSON)
        with service.admission():
            fresh = await service.stage(digest, await intake.read_body(request, service.settings))
        return JSONResponse({"digest": digest}, 201 if fresh else 200)

    @router.get("/v1/backgrounds/{digest}", responses=openapi.STAGED)
    async def staged(digest: Digest) -> JSONResponse:
        """Whether a background is held."""
        if digest not in service.backgrounds:
            raise Refused(404, "background_needed", f"this endpoint does not hold the background {digest}")
        return JSONResponse({"digest": digest})

    @router.get("/v1/version", responses=openapi.VERSION)
    async def version() -> JSONResponse:
        """Versions, wire schema, workers and limits: what a client checks before its first task."""
        return JSONResponse(service.about())

    @router.get("/metrics", responses=openapi.METRICS, response_class=Response)
    async def metrics() -> Response:
        """Counters for Prometheus."""
        return Response(service.metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router
