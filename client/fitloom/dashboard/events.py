"""Server-sent events of one campaign: one poller for all viewers, frames encoded once, contours pushed.

A viewer's stream carries
``frame``    what changed, with the position as its id (only this one counts for resuming),
``run``      the run panel,
``contour``  the lines of the plane that this viewer looks at,
``beat``     nothing, so that a viewer notices a dead connection,
``reset``    start over: the folder holds another campaign, or the position is of no use.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress

from fastapi.sse import ServerSentEvent

from fitloom.dashboard.contours import ContourDesk, View
from fitloom.dashboard.watch import Frame, Position, Watch, encode
from fitloom_core.errors import FitloomError

TICK = 0.1
"""Seconds between two looks at the journals: a viewer gets at most one frame in that time."""
RUN_INTERVAL = 1.0
BEAT_INTERVAL = 10.0
RETRY_MS = 1000
_KEPT_EVENTS = 200


class Feed:
    """One campaign for all its viewers: reads while somebody looks, and rests otherwise."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.desk = ContourDesk(watch)
        self.viewers = 0
        self.closing = False
        self.ended = False
        self.run = ""
        self.beat = 0
        self._views: Counter[View] = Counter()
        self._tick = asyncio.Event()
        self._poller: asyncio.Task[None] | None = None
        self._drawing: asyncio.Task[object] | None = None
        self._encoded: dict[Position, ServerSentEvent] = {}

    async def stream(self, start: Position, view: View, seconds: float | None = None) -> AsyncIterator[ServerSentEvent]:
        """The events from a position on, until the viewer leaves or the stream has lasted ``seconds``."""
        end = None if seconds is None else time.monotonic() + seconds
        position, run, contour, beat = start, "", None, self.beat
        with self._watched(view):
            yield ServerSentEvent(comment="hello", retry=RETRY_MS)
            while True:
                tick, last = self._tick, self.ended or (end is not None and time.monotonic() >= end)
                frames = self.watch.recent(position)
                if frames is None:
                    frames = await asyncio.to_thread(self.watch.since, position)
                if frames is None:
                    yield ServerSentEvent(event="reset", raw_data="{}")
                    return
                for frame in frames:
                    position = frame.end
                    yield self._event(frame)
                if self.run != run:
                    run = self.run
                    yield ServerSentEvent(event="run", raw_data=run)
                drawn = self.desk.latest(view)
                if drawn is not None and drawn.lines != contour:
                    contour = drawn.lines
                    yield ServerSentEvent(event="contour", raw_data=contour)
                if self.beat != beat:
                    beat = self.beat
                    yield ServerSentEvent(event="beat", raw_data="{}")
                if last:
                    return
                await _either(tick, end)

    def close(self) -> None:
        """End all streams, once they have told what the journals hold now."""
        self.closing = True

    def _event(self, frame: Frame) -> ServerSentEvent:
        """A frame as an event; viewers at the same place share one object."""
        event = self._encoded.get(frame.end)
        if event is None or event.raw_data is not frame.data:
            event = ServerSentEvent(event="frame", id=str(frame.end), raw_data=frame.data)
            self._encoded[frame.end] = event
            while len(self._encoded) > _KEPT_EVENTS:
                del self._encoded[next(iter(self._encoded))]
        return event

    @contextmanager
    def _watched(self, view: View) -> Iterator[None]:
        self.viewers += 1
        self._views[view] += 1
        if self._poller is None or self._poller.done():
            self._poller = asyncio.get_running_loop().create_task(self._poll())
        try:
            yield
        finally:
            self.viewers -= 1
            self._views[view] -= 1
            self._views += Counter()

    async def _poll(self) -> None:
        run_due = beat_due = 0.0
        last = False
        while self.viewers and not last:
            begin, last = time.monotonic(), self.closing
            try:
                await asyncio.to_thread(self.watch.refresh)
                if last or begin >= run_due:
                    self.run = encode(await asyncio.to_thread(self.watch.summary))
                    run_due = begin + RUN_INTERVAL
            except (FitloomError, OSError) as error:
                self.run = encode({"problem": str(error)})
            if begin >= beat_due:
                self.beat, beat_due = self.beat + 1, begin + BEAT_INTERVAL
            self._draw_due()
            self._wake()
            if not last:
                await asyncio.sleep(max(TICK - (time.monotonic() - begin), TICK / 4))
        if last:
            await self._draw_last()
            self.ended = True
            self._wake()

    def _wake(self) -> None:
        """Let every stream send what is new."""
        tick, self._tick = self._tick, asyncio.Event()
        tick.set()

    async def _draw_last(self) -> None:
        """The final contour of each view."""
        for view in list(self._views):
            with suppress(FitloomError):
                await asyncio.to_thread(self.desk.draw, view)

    def _draw_due(self) -> None:
        if self._drawing is not None and not self._drawing.done():
            return
        view = next((view for view in self._views if self.desk.due(view)), None)
        if view is not None:
            self._drawing = asyncio.get_running_loop().create_task(asyncio.to_thread(self.desk.draw, view))
            self._drawing.add_done_callback(_swallow)


async def _either(tick: asyncio.Event, end: float | None) -> None:
    """Wait for the next tick, or for the end of the stream."""
    try:
        await asyncio.wait_for(tick.wait(), None if end is None else max(0.0, end - time.monotonic()))
    except TimeoutError:
        return


def _swallow(task: asyncio.Task[object]) -> None:
    """A contour that cannot be drawn is tried again with the next results."""
    if not task.cancelled():
        task.exception()
