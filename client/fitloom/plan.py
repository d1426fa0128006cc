"""What a campaign is to fit: every point with its id and its wire text, ready to be put into tasks.

A patch is turned into JSON text once. The text is hashed for the id and spliced into the tasks, so that what is sent
is byte for byte what was hashed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from fitloom.backlog import Unit
from fitloom.pallet import Pallet, PalletPoint, Region, Value
from fitloom_core.documents import canonical
from fitloom_core.wire import SCHEMA_VERSION, Failure, FitOptions, FitResult

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PlannedPoint:
    """One point of a campaign."""

    id: str
    pallet: str
    region: str | None
    name: str
    values: Mapping[str, Value]
    background: str
    """Digest of its background."""
    patch: str
    """The patch as canonical JSON text."""
    problem: Failure | None = None
    """Why it cannot be fitted."""

    def wire(self) -> str:
        """The point as a task holds it."""
        head = {"id": self.id, "pallet": self.pallet, "region": self.region, "name": self.name, "values": self.values}
        return f'{json.dumps(head)[:-1]}, "patch": {self.patch}}}'


@dataclass(frozen=True)
class Plan:
    """All points of a pallet under one set of options."""

    pallet: Pallet
    options: FitOptions
    points: tuple[PlannedPoint, ...]

    @cached_property
    def by_id(self) -> dict[str, list[PlannedPoint]]:
        """The points of each id: more than one where a pallet holds the same patch under several names."""
        index: dict[str, list[PlannedPoint]] = {}
        for point in self.points:
            index.setdefault(point.id, []).append(point)
        return index

    @cached_property
    def digest(self) -> str:
        """sha256 of the pallet's content and the options: what the campaign's folder is called by."""
        text = f"{self.pallet.digest} {canonical(self.options.model_dump())}"
        return hashlib.sha256(text.encode()).hexdigest()

    def units(self) -> Iterator[Unit]:
        """The points as the campaign sees them, one an id; those that cannot be fitted are left out."""
        for identity, (point, *_) in self.by_id.items():
            if point.problem is None:
                yield Unit(identity, point.background, len(point.patch) + 512)

    def background(self, digest: str) -> Json:
        """The background workspace of a digest."""
        return next(region.background for region in self.pallet.regions if region.digest == digest)

    def document(self) -> Json:
        """What is written to ``campaign.json``."""
        from fitloom import __version__

        pallet = self.pallet
        return {
            "schema": SCHEMA_VERSION,
            "fitloom": __version__,
            "pallet": {
                "name": pallet.name,
                "source": pallet.source,
                "digest": pallet.digest,
                "labels": list(pallet.labels),
            },
            "regions": [self._region(region) for region in pallet.regions],
            "options": self.options.model_dump(),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }

    def _region(self, region: Region) -> Json:
        points = [
            {"id": point.id, "name": point.name, "values": point.values}
            for point in self.points
            if point.region == region.name
        ]
        return {"name": region.name, "digest": region.digest, "points": points}


def make_plan(pallet: Pallet, options: FitOptions) -> Plan:
    """Give every point of a pallet its id, region by region, in the order of their names."""
    text = canonical(options.model_dump())
    points = (_planned(pallet.name, region, point, text) for region in pallet.regions for point in region.points)
    return Plan(pallet, options, tuple(points))


def _planned(pallet: str, region: Region, point: PalletPoint, options: str) -> PlannedPoint:
    """The id is `fitloom_core.wire.point_id`, of texts that are there already."""
    identity = hashlib.sha256(f'["{region.digest}",{point.text},{options}]'.encode()).hexdigest()
    return PlannedPoint(
        identity, pallet, region.name, point.name, point.values, region.digest, point.text, point.problem
    )


def encode_task(task: str, background: str, content: str | None, points: Iterable[PlannedPoint], options: str) -> bytes:
    """A task as `fitloom_core.wire.FitTask` reads it.

    Args:
        task: its id.
        background: digest of the background.
        content: the background as `fitloom_core.wire.pack` gives it, or None where the worker has it.
        points: the points.
        options: the options as JSON text.
    """
    head = json.dumps(
        {"schema": SCHEMA_VERSION, "task": task, "background": {"digest": background, "content": content}}
    )
    body = ", ".join(point.wire() for point in points)
    return f'{head[:-1]}, "points": [{body}], "options": {options}}}'.encode()


def failed_record(point: PlannedPoint, options: FitOptions, code: str, message: str, attempt: int) -> FitResult:
    """The record of a point that no worker gave one for."""
    return FitResult(
        pallet=point.pallet,
        region=point.region,
        name=point.name,
        values=dict(point.values),
        id=point.id,
        status="failed",
        mu=options.mu,
        test_stat=options.test_stat,
        error=Failure(code=code, message=message),
        attempt=attempt,
    )
