"""The campaign folder: what was asked, the journal of results, the log of events.

The journal (``results.jsonl``) is the truth. It is only ever appended to; a reader takes the last record
of each point and ignores a last line that is cut off.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fitloom_core.errors import JournalError
from fitloom_core.wire import FitResult

Json = dict[str, Any]

CAMPAIGN_FILE = "campaign.json"
RESULTS_FILE = "results.jsonl"
EVENTS_FILE = "events.jsonl"
CONTOUR_FILE = "contour.json"
DRIVER_FILE = "driver.json"
REQUESTS_FOLDER = "requests"


def read_campaign(folder: str | Path) -> Json:
    """What was asked: pallet, planned points, options, versions.

    Raises:
        JournalError: the folder holds no campaign, or one of a schema that this version does not know.
    """
    path = Path(folder) / CAMPAIGN_FILE
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise JournalError(f"{folder} is no campaign folder: it has no {CAMPAIGN_FILE}") from None
    except (OSError, ValueError) as error:
        raise JournalError(f"cannot read {path}: {error}") from None
    if not isinstance(document, dict) or document.get("schema") != "1":
        raise JournalError(f"{path} is of a schema that this version of fitloom does not know; update fitloom")
    return document


def read_results(folder: str | Path) -> list[FitResult]:
    """The results of a campaign, one a point: of several records of a point the last one."""
    records, _ = tail(Path(folder) / RESULTS_FILE, 0)
    latest = {record["id"]: record for record in records if "id" in record}
    return [FitResult.from_record(record) for record in latest.values()]


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


def _parse(line: bytes) -> Json | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
