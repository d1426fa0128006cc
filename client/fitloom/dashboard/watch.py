"""Follows one campaign folder and cuts what is new into frames that every viewer shares.

A position is the byte offsets of both journals, ``<generation>.<results>.<events>``: the id of a server-sent
event. Whoever comes back with a position gets exactly the lines written since, once. The generation changes
when the folder holds another campaign, and then a viewer starts over.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import deque
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from fitloom import journal
from fitloom.dashboard.planes import offered
from fitloom.dashboard.state import FIELDS, CampaignState, Json
from fitloom.dashboard.summary import summarise
from fitloom.lock import read_driver
from fitloom.titles import title
from fitloom_core.wire import FitResult

KEPT_FRAMES = 100
"""Frames kept for viewers a little behind; who is further behind gets one frame read from the files."""
MAX_SLICE_BYTES = 16 * 1024 * 1024
"""Who is further behind than this starts over from a snapshot, which is smaller."""


class Position(NamedTuple):
    """How far a viewer has read."""

    generation: str
    results: int
    events: int

    def __str__(self) -> str:
        return f"{self.generation}.{self.results}.{self.events}"

    @classmethod
    def parse(cls, raw: str | None) -> Position | None:
        """The position that `str` wrote, or None for anything else."""
        parts = (raw or "").split(".")
        if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 16 for part in parts[1:]):
            return None
        return cls(parts[0], int(parts[1]), int(parts[2]))


@dataclass(frozen=True)
class Frame:
    """What changed between two positions, as JSON ready to send."""

    start: Position
    end: Position
    data: str


class Watch:
    """One campaign folder, read as it grows. Thread-safe: any thread may call `refresh`."""

    position: Position
    state: CampaignState

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._lock = Lock()
        self._load(journal.read_campaign(self.folder))
        self.refresh()

    def refresh(self) -> None:
        """Read what is new in both journals; start over when the folder holds another campaign."""
        with self._lock:
            if self._replaced():
                self._load(journal.read_campaign(self.folder))
            start = self.position
            first = not start.results and not start.events
            events, events_end = journal.tail(self.folder / journal.EVENTS_FILE, start.events)
            records, results_end = journal.tail(self.folder / journal.RESULTS_FILE, start.results)
            end = Position(start.generation, results_end, events_end)
            if end == start:
                return
            known = len(self.state.points)
            changed, errors = self.state.apply_events(events)
            changed |= self.state.apply_results(records, None if first else time.time())
            self._frames.append(self._frame(start, end, (len(records), len(events)), changed, errors, known))
            self.position = end

    def recent(self, position: Position) -> list[Frame] | None:
        """The frames from a position on, if they are still kept. Never waits."""
        kept = list(self._frames)
        if position == (kept[-1].end if kept else self.position):
            return []
        return next((kept[place:] for place, frame in enumerate(kept) if frame.start == position), None)

    def since(self, position: Position) -> list[Frame] | None:
        """The frames from a position on, or None when the position is of no use and the viewer must start over."""
        with self._lock:
            frames = self.recent(position)
            return self._catch_up(position) if frames is None else frames

    def snapshot(self) -> Json:
        """Everything a viewer needs to start from, with the position to go on from."""
        with self._lock:
            return {
                "at": str(self.position),
                "campaign": self.facts(),
                "titles": {label: title(label)._asdict() for label in self.labels},
                "planes": self.planes,
                "fields": FIELDS,
                "plan": [point.plan() for point in self.state.points],
                "rows": [point.row() for point in self.state.points],
                "errors": list(self.state.errors),
                "run": summarise(self.state, time.time(), self.driver()),
            }

    def brief(self) -> Json:
        """One line about the campaign, for a list of several."""
        facts, summary = self.facts(), self.summary()
        names = {key: facts[key] for key in ("name", "folder", "created", "labels", "regions")}
        return {**names, **{key: summary[key] for key in ("total", "done", "counts", "phase", "attached")}}

    def summary(self) -> Json:
        """The run panel as of now."""
        with self._lock:
            return summarise(self.state, time.time(), self.driver())

    @property
    def version(self) -> str:
        """Changes whenever results arrive."""
        return f"{self.position.generation}.{self.position.results}"

    def results(self) -> tuple[str, list[FitResult]]:
        """The last result of each point, and their `version`."""
        with self._lock:
            return self.version, self.state.results()

    @property
    def labels(self) -> list[str]:
        """The labels of the pallet's points."""
        return [str(label) for label in self.campaign.get("pallet", {}).get("labels", ())]

    def driver(self) -> Json | None:
        """The record of the driver attached to this campaign, or None."""
        record = read_driver(self.folder)
        return None if record is None else {key: record.get(key) for key in ("pid", "host", "started")}

    def _load(self, campaign: Json) -> None:
        self.campaign = campaign
        self.state = CampaignState.planned(campaign)
        self.planes = offered([point.values for point in self.state.points], self.labels)
        self.position = Position(self._generation(), 0, 0)
        self._frames: deque[Frame] = deque(maxlen=KEPT_FRAMES)

    def _generation(self) -> str:
        path = self.folder / journal.CAMPAIGN_FILE
        self._stamp = _stamp(path)
        return hashlib.sha256(path.read_bytes()).hexdigest()[:8]

    def _replaced(self) -> bool:
        shrunk = any(
            _size(self.folder / name) < offset
            for name, offset in (
                (journal.RESULTS_FILE, self.position.results),
                (journal.EVENTS_FILE, self.position.events),
            )
        )
        if shrunk:
            return True
        stamp = _stamp(self.folder / journal.CAMPAIGN_FILE)
        if stamp in (self._stamp, None):
            return False
        before = self.position.generation
        return self._generation() != before

    def facts(self) -> Json:
        pallet = self.campaign.get("pallet", {})
        return {
            "name": pallet.get("name", self.folder.name),
            "source": pallet.get("source"),
            "digest": pallet.get("digest"),
            "labels": self.labels,
            "regions": [region.get("name") for region in self.campaign.get("regions", ())],
            "options": self.campaign.get("options", {}),
            "created": self.campaign.get("created"),
            "fitloom": self.campaign.get("fitloom"),
            "folder": self.folder.name,
        }

    def _frame(
        self, start: Position, end: Position, seen: tuple[int, int], changed: set[int], errors: list[Json], known: int
    ) -> Frame:
        document = {
            "from": str(start),
            "to": str(end),
            "results": seen[0],
            "events": seen[1],
            "plan": [point.plan() for point in self.state.points[known:]],
            "rows": [self.state.points[index].row() for index in sorted(changed)],
            "errors": errors,
        }
        return Frame(start, end, encode(document))

    def _catch_up(self, position: Position) -> list[Frame] | None:
        """One frame for the lines between a position and now, read again from the files."""
        end = self.position
        behind = (end.results - position.results, end.events - position.events)
        if position.generation != end.generation or min(behind) < 0 or sum(behind) > MAX_SLICE_BYTES:
            return None
        records = _slice(self.folder / journal.RESULTS_FILE, position.results, end.results)
        events = _slice(self.folder / journal.EVENTS_FILE, position.events, end.events)
        if records is None or events is None:
            return None
        changed = self.state.indices(record.get("id") for record in records)
        changed = changed.union(*(self.state.touched(event) for event in events))
        replay = CampaignState()
        _, errors = replay.apply_events(events)
        return [self._frame(position, end, (len(records), len(events)), changed, errors, self._planned())]

    def _planned(self) -> int:
        return sum(len(region.get("points", ())) for region in self.campaign.get("regions", ()))


def encode(document: object) -> str:
    """JSON in as few bytes as it takes; the numbers that JSON does not know become null."""
    try:
        return json.dumps(document, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    except ValueError:
        return json.dumps(_finite(document), separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _slice(path: Path, start: int, end: int) -> list[Json] | None:
    """The records between two offsets, or None where the first is not the start of a line."""
    if start == end:
        return []
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, start - 1))
            if start and stream.read(1) != b"\n":
                return None
            chunk = stream.read(end - start)
    except OSError:
        return None
    return [record for line in chunk.splitlines() if (record := _parse(line)) is not None]


def _parse(line: bytes) -> Json | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
