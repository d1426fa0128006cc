"""The dashboard's data: snapshots, event streams, contours, files; and requests to a campaign's driver."""

from __future__ import annotations

import gzip
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from fitloom import journal
from fitloom.dashboard import downloads, overlay
from fitloom.dashboard.contours import View
from fitloom.dashboard.events import Feed
from fitloom.dashboard.gate import Gate, KeyGate, Visitor, require_action
from fitloom.dashboard.report import report
from fitloom.dashboard.requests import MAX_WAITING, Wish, drop, waiting
from fitloom.dashboard.shield import Limits
from fitloom.dashboard.state import Json
from fitloom.dashboard.watch import Position, encode

GATED_STREAM_SECONDS = 60.0
"""With a gate a stream ends after this long and the browser comes back: who lost access is let in no more."""
_SNAPSHOT_AGE = 1.0


@dataclass
class Board:
    """What the application serves and by which rules."""

    feeds: list[Feed]
    gate: Gate
    limits: Limits
    overlays: list[overlay.Overlay]
    snapshots: dict[int, tuple[float, bytes]] = field(default_factory=dict)
    """Of each campaign, when its snapshot was made and the packed snapshot."""

    def close(self) -> None:
        """End all event streams."""
        for feed in self.feeds:
            feed.close()


def board(request: Request) -> Board:
    """The application's board."""
    found: Board = request.app.state.board
    return found


def visitor(request: Request) -> Visitor:
    """Who asks, as the application's gate decides."""
    return board(request).gate.visitor(request)


def chosen(n: int, request: Request) -> Feed:
    """The campaign of a request's path."""
    feeds = board(request).feeds
    if not 0 <= n < len(feeds):
        raise HTTPException(404, f"no campaign {n}: this server shows {len(feeds)}, counted from 0")
    return feeds[n]


Known = Annotated[Visitor, Depends(visitor)]
Chosen = Annotated[Feed, Depends(chosen)]
Label = Annotated[str | None, Query(max_length=200)]
Where = Annotated[str | None, Query(max_length=2000, description="JSON object: values of the labels off the axes")]


def viewed(campaign: Chosen, x: Label = None, y: Label = None, where: Where = None) -> View:
    """The plane that a request asks for."""
    view = View.parse(x, y, where)
    campaign.desk.plane(view)
    return view


def room(request: Request) -> None:
    """Refuse one event stream too many."""
    if sum(feed.viewers for feed in board(request).feeds) >= board(request).limits.streams:
        raise HTTPException(503, "too many viewers; try again later", headers={"Retry-After": "30"})


Viewed = Annotated[View, Depends(viewed)]
_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"description": "unusable input"},
    401: {"description": "not logged in"},
    403: {"description": "not allowed"},
    404: {"description": "no such campaign"},
    413: {"description": "too large"},
    421: {"description": "not a name of this server"},
    429: {"description": "too many requests"},
    503: {"description": "not now"},
}


def _files(*kinds: str) -> dict[int | str, dict[str, Any]]:
    """What a route says that answers with a file of one of these types."""
    return {200: {"content": {kind: {} for kind in kinds}}}


router = APIRouter(prefix="/api", dependencies=[Depends(visitor)], responses=_REFUSALS)


@router.get("/session")
def session(who: Known, request: Request) -> Json:
    """Who the visitor is and what they may do."""
    return {"name": who.name, "may_act": who.may_act, "token": who.token, "login": board(request).gate.login}


@router.get("/campaigns")
def campaigns(request: Request) -> list[Json]:
    """The campaigns this server shows."""
    found = []
    for n, feed in enumerate(board(request).feeds):
        feed.watch.refresh()
        found.append({"n": n, **feed.watch.brief()})
    return found


@router.get("/overlays")
def overlays(request: Request) -> list[Json]:
    """The published contours the server was started with."""
    return [given.to_json() for given in board(request).overlays]


@router.get("/campaigns/{n}/snapshot", response_class=Response, responses=_files("application/json"))
def snapshot(n: int, campaign: Chosen, request: Request) -> Response:
    """Everything about a campaign, with the position to take up its events from."""
    kept = board(request).snapshots
    made, packed = kept.get(n, (0.0, b""))
    if not packed or time.monotonic() - made > _SNAPSHOT_AGE:
        campaign.watch.refresh()
        packed = gzip.compress(encode(campaign.watch.snapshot()).encode(), 5)
        kept[n] = (time.monotonic(), packed)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(packed, media_type="application/json", headers={"Content-Encoding": "gzip"})
    return Response(gzip.decompress(packed), media_type="application/json")


@router.get("/campaigns/{n}/events", response_class=EventSourceResponse, dependencies=[Depends(room)])
async def events(
    campaign: Chosen,
    view: Viewed,
    request: Request,
    since: Annotated[str | None, Query(max_length=64, description="a snapshot's `at`")] = None,
    last_event_id: Annotated[str | None, Header(max_length=64)] = None,
) -> AsyncIterator[ServerSentEvent]:
    """What happens from a position on: that of ``Last-Event-ID``, else of ``since``, else from the beginning."""
    position = Position.parse(last_event_id) or Position.parse(since)
    start = position or campaign.watch.position._replace(results=0, events=0)
    seconds = None if isinstance(board(request).gate, KeyGate) else GATED_STREAM_SECONDS
    async for event in campaign.stream(start, view, seconds):
        yield event


@router.get("/campaigns/{n}/contour.json", response_class=Response, responses=_files("application/json"))
def contour(campaign: Chosen, view: Viewed) -> Response:
    """Observed and expected lines of a plane, with its points: the same document as ``contour.json`` of a campaign."""
    campaign.watch.refresh()
    return _file(encode(campaign.desk.draw(view).document), "application/json", _stem(campaign) + "-contour.json")


@router.get("/campaigns/{n}/figure.{form}", response_class=Response, responses=_files(*downloads.FIGURES.values()))
def figure(campaign: Chosen, view: Viewed, form: Literal["png", "pdf", "svg"]) -> Response:
    """The figure of a plane as `fitloom plot` draws it."""
    campaign.watch.refresh()
    content = downloads.figure(campaign.desk.draw(view).document, form)
    return _file(content, downloads.FIGURES[form], f"{_stem(campaign)}-contour.{form}")


@router.get("/campaigns/{n}/results.jsonl", response_class=Response, responses=_files("application/x-ndjson"))
def results(campaign: Chosen) -> Response:
    """The journal: every record as it was written."""
    campaign.watch.refresh()
    lines = downloads.complete_lines(campaign.watch.folder / journal.RESULTS_FILE, campaign.watch.position.results)
    return StreamingResponse(lines, media_type="application/x-ndjson", headers=_named(_stem(campaign) + ".jsonl"))


@router.get("/campaigns/{n}/results.csv", response_class=Response, responses=_files("text/csv"))
def table(campaign: Chosen) -> Response:
    """The last result of each point as a table."""
    campaign.watch.refresh()
    return _file(downloads.table(campaign.watch), "text/csv; charset=utf-8", _stem(campaign) + ".csv")


@router.get("/campaigns/{n}/report.html", response_class=Response, responses=_files("text/html"))
def whole_page(campaign: Chosen, request: Request) -> Response:
    """This page as one file that opens from disk."""
    campaign.watch.refresh()
    content = report([campaign.watch], board(request).overlays)
    return _file(content, "text/html; charset=utf-8", _stem(campaign) + ".html")


@router.post("/campaigns/{n}/requests", status_code=202, responses={409: {"description": "no driver attached"}})
def ask(campaign: Chosen, who: Known, wish: Wish, request: Request) -> Json:
    """Ask the driver to stop, start or retry points; it answers through the journal."""
    require_action(who, request)
    watch = campaign.watch
    if watch.driver() is None:
        raise HTTPException(409, "no driver is attached to this campaign: start it again with fitloom run")
    unknown = len(set(wish.points)) - len(watch.state.indices(wish.points))
    if unknown:
        raise HTTPException(400, f"{unknown} of the ids are no points of this campaign; reload the page")
    if waiting(watch.folder) >= MAX_WAITING:
        raise HTTPException(429, "the driver has not taken earlier requests yet; try again in a moment")
    return {"request": drop(watch.folder, wish, who.name)}


@router.post("/overlay", openapi_extra={"requestBody": {"content": {"application/octet-stream": {}}}})
async def parse_overlay(request: Request, name: Annotated[str, Query(max_length=200)] = "published") -> Json:
    """The lines of a published contour, sent as it is: a HEPData table (JSON or CSV), a CSV or a contour.json."""
    return overlay.parse(await request.body(), name).to_json()


def _stem(campaign: Feed) -> str:
    name = str(campaign.watch.facts()["name"])
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in name).lstrip(".")
    return safe[:80] or "campaign"


def _named(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def _file(content: bytes | str, media: str, name: str) -> Response:
    return Response(content, media_type=media, headers=_named(name))
