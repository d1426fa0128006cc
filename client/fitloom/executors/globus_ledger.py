"""What was sent to an endpoint and under which ids, kept in the campaign's folder so that a new driver can collect it.

::

    {"endpoint": "…", "options": {…}, "group": "…"}      the task group of this campaign on this endpoint
    {"id": "<task id of the service>", "points": ["<id>", …]}

The journal of results is the truth; this only saves fitting again what was being fitted when a driver died.
"""

from __future__ import annotations

import contextlib
import json
import logging
import uuid
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any
from uuid import UUID

_log = logging.getLogger("fitloom.executors.globus")


class Ledger:
    """The task group of a campaign and the tasks that it was sent; without a path, in memory only."""

    def __init__(self, path: Path | None, endpoint: UUID, options: Mapping[str, Any]) -> None:
        self._path = path
        self._head = {"endpoint": str(endpoint), "options": dict(options)}
        self.group = uuid.uuid4()
        self.earlier: dict[str, frozenset[str]] = {}
        """Points of each task that an earlier driver sent, by the service's id."""
        if not self._read():
            self.begin()

    def begin(self, group: UUID | None = None) -> None:
        """Start with a fresh task group, forgetting the old one."""
        self.group, self.earlier = group or uuid.uuid4(), {}
        self._write(json.dumps({**self._head, "group": str(self.group)}) + "\n", "w")

    def add(self, tasks: Iterable[tuple[str, Iterable[str]]]) -> None:
        """Note tasks that the service has accepted, each with its points."""
        lines = [json.dumps({"id": identity, "points": list(points)}) for identity, points in tasks]
        if lines:
            self._write("\n".join(lines) + "\n", "a")

    def _read(self) -> bool:
        if self._path is None:
            return False
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            head, *lines = self._path.read_text().splitlines()
            document = json.loads(head)
            if {key: document[key] for key in self._head} != self._head:
                return False
            self.group = UUID(document["group"])
            self.earlier = dict(filter(None, map(_entry, lines)))
            return True
        return False

    def _write(self, text: str, mode: str) -> None:
        if self._path is None:
            return
        try:
            with self._path.open(mode) as file:
                file.write(text)
        except OSError as error:
            _log.warning("cannot write %s (%s): after an interruption these points are fitted again", self._path, error)


class Heritage:
    """Tasks of an earlier driver that the service still has: each of their points may be claimed once."""

    def __init__(self, earlier: Mapping[str, frozenset[str]], futures: Mapping[str, Future[str]]) -> None:
        self._tasks = [
            (set(points), futures[identity])
            for identity, points in earlier.items()
            if identity in futures and not _failed(futures[identity])
        ]

    def claim(self, points: Iterable[str]) -> list[Future[str]]:
        """The futures that may answer for some of these points; the points are claimed with them."""
        wanted, claimed = set(points), []
        for left, future in reversed(self._tasks):
            if left & wanted:
                wanted -= left
                left -= left & set(points)
                claimed.append(future)
        self._tasks = [(left, future) for left, future in self._tasks if left]
        return claimed


def _entry(line: str) -> tuple[str, frozenset[str]] | None:
    with contextlib.suppress(ValueError, KeyError, TypeError):  # a line that a dying driver cut short
        document = json.loads(line)
        return str(document["id"]), frozenset(map(str, document["points"]))
    return None


def _failed(future: Future[str]) -> bool:
    return future.done() and (future.cancelled() or future.exception() is not None)
