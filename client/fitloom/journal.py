"""The campaign folder: what was asked, the journal of results, the log of events.

::

    campaign.json    what was asked: pallet, planned points, options, versions
    results.jsonl    the journal: one record a line, appended and flushed as points finish
    events.jsonl     what happened to each point, in order; `fitloom.lifecycle.replay` reads it
    contour.json     observed and expected lines
    driver.json      who is writing now; requests/ takes wishes to it

The journal is the truth. It is only ever appended to; a reader takes the last record of each point and ignores a last
line that is cut off. Nothing is ever destroyed: starting afresh sets the old files aside.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fitloom.lock import DRIVER_FILE as DRIVER_FILE
from fitloom.lock import driver_lock
from fitloom_core.errors import CampaignMismatch, JournalError
from fitloom_core.wire import SCHEMA_VERSION, FitResult

Json = dict[str, Any]

CAMPAIGN_FILE = "campaign.json"
RESULTS_FILE = "results.jsonl"
EVENTS_FILE = "events.jsonl"
CONTOUR_FILE = "contour.json"
REQUESTS_FOLDER = "requests"
SYNC_EVERY = 0.5
"""Seconds between forced writes to the disk; a crash of the machine, not of the program, can lose so much."""


def read_campaign(folder: str | Path) -> Json:
    """What was asked: pallet, planned points, options, versions.

    Raises:
        JournalError: the folder holds no campaign, or one of a schema that this version does not know.
    """
    path = Path(folder) / CAMPAIGN_FILE
    try:
        document = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise JournalError(f"{folder} is no campaign folder: it has no {CAMPAIGN_FILE}") from None
    except (OSError, ValueError) as error:
        raise JournalError(f"cannot read {path}: {error}") from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA_VERSION:
        raise JournalError(f"{path} is of a schema that this version of fitloom does not know; update fitloom")
    return document


def read_results(folder: str | Path) -> list[FitResult]:
    """The results of a campaign, one a point: of several records of a point the last one."""
    records, _ = tail(Path(folder) / RESULTS_FILE, 0)
    latest: dict[tuple[Any, ...], FitResult] = {}
    for record in records:
        with contextlib.suppress(ValueError):
            result = FitResult.from_record(record)
            latest[result.id, result.region, result.name] = result
    return list(latest.values())


def read_events(folder: str | Path) -> list[Json]:
    """The event log of a campaign, in order."""
    return tail(Path(folder) / EVENTS_FILE, 0)[0]


def tail(path: str | Path, offset: int) -> tuple[list[Json], int]:
    """The complete lines of a JSON-lines file from a byte offset on, and the offset to go on from.

    A file that is not there (yet) is empty; a last line that is cut off waits for the next call.
    """
    try:
        with Path(path).open("rb") as stream:
            stream.seek(offset)
            chunk = stream.read()
    except FileNotFoundError:
        return [], offset
    except OSError as error:
        raise JournalError(f"cannot read {path}: {error}") from None
    end = chunk.rfind(b"\n") + 1
    return [record for line in chunk[:end].splitlines() if (record := _parse(line)) is not None], offset + end


def write_json(path: Path, document: Any) -> None:
    """Write a document whole or not at all.

    Raises:
        JournalError: it cannot be written; what was there before still is.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("w", encoding="utf-8") as stream:
            json.dump(document, stream, separators=(",", ":"))
            stream.write("\n")
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise JournalError(
            f"cannot write {path}: {error.strerror}; make room or choose another folder with --output"
        ) from None


class LineLog:
    """An append-only file of JSON lines; a line is in it whole or not at all."""

    def __init__(self, path: Path) -> None:
        """Open for appending; a last line that was cut off is completed or removed."""
        self.path = path
        self.lines = 0
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            self._size = self._repair()
        except OSError as error:
            raise JournalError(f"cannot write {path}: {error.strerror}; choose another folder with --output") from None
        self._synced = time.monotonic()

    def append(self, records: Iterable[Mapping[str, Any]], *, sync: bool = False) -> None:
        """Append records.

        Raises:
            JournalError: the disk is full or gone; what was written before is as it was.
        """
        lines = [json.dumps(record).encode() + b"\n" for record in records]
        try:
            self._write(b"".join(lines))
            if sync and time.monotonic() - self._synced > SYNC_EVERY:
                self._sync()
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise JournalError(
                f"cannot write {self.path}: {error.strerror}; its {self.lines} lines are safe: "
                "make room and run the same command again"
            ) from None
        self._size += sum(map(len, lines))
        self.lines += len(lines)

    def close(self) -> None:
        """Force everything to the disk and close."""
        with contextlib.suppress(OSError):
            self._sync()
        os.close(self._file)

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._file, data) :]

    def _sync(self) -> None:
        os.fsync(self._file)
        self._synced = time.monotonic()

    def _repair(self) -> int:
        content = self.path.read_bytes()
        end = content.rfind(b"\n") + 1
        self.lines = content.count(b"\n")
        if _parse(content[end:]) is not None:
            self._write(b"\n")
            self.lines += 1
            return len(content) + 1
        os.ftruncate(self._file, end)
        return end


class Journal:
    """A campaign folder that this process writes; made by `open_journal`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stored = read_results(folder)
        """The results that were there when it was opened."""
        self._results = LineLog(folder / RESULTS_FILE)
        self._events = LineLog(folder / EVENTS_FILE)

    def keep(self, results: Sequence[FitResult]) -> None:
        """Append results; they are flushed when this returns."""
        self._results.append((result.to_record() for result in results), sync=True)

    def log(self, entries: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Append lines to the event log: what happened, and to what."""
        now = round(time.time(), 3)
        start = self._events.lines + 1
        self._events.append(
            {"seq": seq, "t": now, "event": event, **details} for seq, (event, details) in enumerate(entries, start)
        )

    def requests(self) -> list[Json]:
        """What others asked of the driver since the last call, oldest first."""
        try:
            paths = sorted((self.folder / REQUESTS_FOLDER).glob("*.json"), key=lambda path: path.stat().st_mtime)
        except OSError:
            return []
        return [request for path in paths if (request := _take_request(path)) is not None]

    def write_contour(self, contour: Json) -> None:
        """Write ``contour.json``."""
        write_json(self.folder / CONTOUR_FILE, contour)

    def close(self) -> None:
        """Force everything to the disk."""
        self._results.close()
        self._events.close()


@contextmanager
def open_journal(folder: str | Path, campaign: Json, *, resume: bool = True) -> Iterator[Journal]:
    """Open a campaign folder for writing, with nobody else writing it.

    Args:
        folder: made if it is not there.
        campaign: what is asked, as `fitloom.plan.Plan.document` gives it.
        resume: whether to go on with what the folder holds; otherwise that is set aside.

    Raises:
        CampaignLocked: another driver writes it.
        CampaignMismatch: it holds another campaign.
        JournalError: it cannot be written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise JournalError(f"cannot make the folder {folder}: {error.strerror}; choose another with --output") from None
    with driver_lock(folder):
        if not resume:
            _set_aside(folder)
        before = read_campaign(folder) if (folder / CAMPAIGN_FILE).exists() else None
        together = campaign if before is None else merge_campaigns(folder, before, campaign)
        if together != before:
            write_json(folder / CAMPAIGN_FILE, together)
        journal = Journal(folder)
        try:
            yield journal
        finally:
            journal.close()


def merge_campaigns(folder: Path, before: Json, now: Json) -> Json:
    """What a folder holds and what is asked now, as one: the same pallet and options, perhaps more points.

    Raises:
        CampaignMismatch: they are different campaigns.
    """
    differences = [
        f"{what} is {there!r} there and {here!r} here" for what, there, here in _compared(before, now) if there != here
    ]
    if differences:
        raise CampaignMismatch(
            f"{folder} holds another campaign: {'; '.join(differences)}. "
            "Choose another folder with --output, or start afresh with --no-resume"
        )
    regions = {region["name"]: region for region in before["regions"]}
    for region in now["regions"]:
        known = regions.setdefault(region["name"], {**region, "points": []})
        ids = {(point["id"], point["name"]) for point in known["points"]}
        more = [point for point in region["points"] if (point["id"], point["name"]) not in ids]
        regions[region["name"]] = {**known, "points": known["points"] + more}
    return {**before, "regions": list(regions.values())}


def _compared(before: Json, now: Json) -> Iterator[tuple[str, Any, Any]]:
    yield "the pallet's digest", before["pallet"]["digest"][:16], now["pallet"]["digest"][:16]
    yield "labels", ",".join(before["pallet"]["labels"]), ",".join(now["pallet"]["labels"])
    for name in sorted(before["options"].keys() | now["options"].keys()):
        yield name, before["options"].get(name), now["options"].get(name)


def _set_aside(folder: Path) -> None:
    files = [folder / name for name in (CAMPAIGN_FILE, RESULTS_FILE, EVENTS_FILE)]
    files += sorted(folder.glob("globus-*.jsonl"))  # what was sent there is not to be collected either
    number = 1
    while any(file.with_name(f"{file.name}.bak-{number}").exists() for file in files):
        number += 1
    try:
        for file in files:
            if file.exists():
                file.rename(file.with_name(f"{file.name}.bak-{number}"))
    except OSError as error:
        raise JournalError(f"cannot set {file} aside: {error.strerror}; choose another folder with --output") from None


def _take_request(path: Path) -> Json | None:
    try:
        request = _parse(path.read_bytes())
        path.unlink()
    except OSError:
        return None
    return request


def _parse(line: bytes) -> Json | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
