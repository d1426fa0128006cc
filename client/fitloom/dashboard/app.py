"""The web application: the page and its files, behind the shield and the gate; the data is in `api`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from fitloom.dashboard import api
from fitloom.dashboard.assets import assets
from fitloom.dashboard.events import Feed
from fitloom.dashboard.gate import Gate, KeyGate
from fitloom.dashboard.overlay import Overlay
from fitloom.dashboard.shield import Limits, Shield
from fitloom.dashboard.watch import Watch
from fitloom_core.access import AccessRefused
from fitloom_core.errors import FitloomError, InputError

_pages = APIRouter(include_in_schema=False)


def create_app(
    campaigns: Sequence[str | Path],
    *,
    gate: Gate | None = None,
    root_path: str = "",
    hosts: Iterable[str] = (),
    limits: Limits | None = None,
    overlays: Sequence[Overlay] = (),
) -> FastAPI:
    """The application for some campaign folders.

    Args:
        campaigns: Folders to show, in this order.
        gate: Who may see and act; None lets all see, and act whoever has the key of a fresh `KeyGate`.
        root_path: The path under which a reverse proxy publishes the page, such as ``/fits``.
        hosts: Names this server answers to besides ``localhost`` and plain addresses.
        limits: Sizes and rates.
        overlays: Published contours to draw from the start.
    """
    feeds = [Feed(Watch(folder)) for folder in campaigns]
    board = api.Board(feeds, gate or KeyGate(), limits or Limits(), list(overlays))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        board.close()

    app = FastAPI(
        title="fitloom dashboard",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        exception_handlers={FitloomError: _refusal},
    )
    app.state.board = board
    app.include_router(_pages)
    app.include_router(api.router)
    if (routes := board.gate.router()) is not None:
        app.include_router(routes)
    app.add_middleware(Shield, hosts=list(hosts), limits=limits, root_path=root_path.rstrip("/"))
    return app


@_pages.get("/")
def page(request: Request) -> Response:
    """The page itself; it holds no data."""
    root = request.scope.get("root_path", "")
    if root and request.scope["path"] == root:
        return RedirectResponse(root + "/")
    return assets()["index.html"].answer(request)


@_pages.get("/static/{name:path}")
def static(name: str, request: Request) -> Response:
    """A file of the page."""
    asset = assets().get(name)
    if asset is None:
        raise HTTPException(404, "no such file")
    return asset.answer(request)


async def _refusal(_: Request, error: Exception) -> Response:
    """What was wrong with the input, who may not enter, or that the campaign cannot be read now."""
    if isinstance(error, AccessRefused):
        return JSONResponse(error.document(), error.status, error.headers())
    status = 400 if isinstance(error, InputError) else 503
    code = error.code if isinstance(error, FitloomError) else "internal"
    return JSONResponse({"detail": str(error), "code": code}, status)
