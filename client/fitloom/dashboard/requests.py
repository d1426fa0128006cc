"""Requests to a campaign's driver: files in the campaign folder, which the driver reads and deletes."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from fitloom import journal
from fitloom_core.errors import JournalError

MAX_WAITING = 100
"""Requests that may lie in a folder unread; more means that nobody reads them."""


class Wish(BaseModel):
    """What a visitor asks the driver to do: to points, or with an empty list to all of them."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["stop", "start", "retry"]
    points: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=20_000)] = []


def drop(folder: Path, wish: Wish, by: str) -> str:
    """Leave a request for the driver; its id.

    Raises:
        JournalError: the folder cannot be written by this process.
    """
    inbox = folder / journal.REQUESTS_FOLDER
    try:
        inbox.mkdir(exist_ok=True)
    except OSError as error:
        raise JournalError(f"cannot leave a request in {folder}: {error.strerror}") from None
    key = str(uuid.uuid4())
    journal.write_json(inbox / f"{key}.json", {"action": wish.action, "points": wish.points, "by": by})
    return key


def waiting(folder: Path) -> int:
    """How many requests the driver has not taken yet."""
    return sum(1 for _ in (folder / journal.REQUESTS_FOLDER).glob("*.json"))
