"""Requests to a campaign's driver: files in the campaign folder, which the driver reads and deletes."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from fitloom import journal

MAX_WAITING = 100
"""Requests that may lie in a folder unread; more means that nobody reads them."""


class Wish(BaseModel):
    """What a visitor asks the driver to do: to points, or with an empty list to all of them."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["stop", "start", "retry"]
    points: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=20_000)] = []


def drop(folder: Path, wish: Wish, by: str) -> str:
    """Leave a request for the driver; its id. Written beside and moved, so that the driver never reads half of it."""
    inbox = folder / journal.REQUESTS_FOLDER
    inbox.mkdir(exist_ok=True)
    key = str(uuid.uuid4())
    half = inbox / f".{key}.part"
    half.write_text(json.dumps({"action": wish.action, "points": wish.points, "by": by}))
    os.replace(half, inbox / f"{key}.json")
    return key


def waiting(folder: Path) -> int:
    """How many requests the driver has not taken yet."""
    return sum(1 for _ in (folder / journal.REQUESTS_FOLDER).glob("*.json"))
