"""What happens to a campaign, and what it then wants done: events, instructions, and the log of both.

The life of a point::

    waiting ──> sent ──> running ──> done | failed
       ^          │         │
       └─ retrying <────────┘          lost, overdue, refused, or asked for by a person
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["waiting", "sent", "running", "retrying", "done", "failed"]
OPEN: frozenset[State] = frozenset({"waiting", "sent", "running", "retrying"})
QUEUED: frozenset[State] = frozenset({"waiting", "retrying"})


# Events: what the driver saw.


@dataclass(frozen=True)
class PoolUp:
    """A pool is there and takes tasks."""

    pool: str
    slots: int
    lease: float = 600.0
    max_bytes: int | None = None


@dataclass(frozen=True)
class PoolDown:
    """A pool is gone, and with it what it had in hand; or it could not even be opened."""

    pool: str
    message: str = ""
    never_up: bool = False


@dataclass(frozen=True)
class Running:
    """A worker has begun a task; its lease starts anew."""

    task: str


@dataclass(frozen=True)
class Verdict:
    """What a reply says of one point: a record to keep, or a failure with its code."""

    status: str
    code: str | None = None
    message: str = ""


@dataclass(frozen=True)
class Answered:
    """A worker's reply to a task."""

    task: str
    verdicts: Mapping[str, Verdict]


@dataclass(frozen=True)
class TaskFailed:
    """A task came to nothing: lost on the way, refused as a whole, too large to send."""

    task: str
    code: str
    message: str = ""
    refused: bool = False


@dataclass(frozen=True)
class Stop:
    """A person wants these points (none named: all) not to be sent."""

    points: tuple[str, ...] = ()


@dataclass(frozen=True)
class Start:
    """A person lets these points (none named: all) be sent again."""

    points: tuple[str, ...] = ()


@dataclass(frozen=True)
class Retry:
    """A person wants these points fitted again (none named: all that failed)."""

    points: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tick:
    """Nothing but time has passed."""


Event = PoolUp | PoolDown | Running | Answered | TaskFailed | Stop | Start | Retry | Tick


# Instructions: what the driver is to do.


@dataclass(frozen=True)
class Send:
    """Hand a task to a pool."""

    task: str
    pool: str
    points: tuple[str, ...]
    background: str
    with_content: bool
    """Whether the background's content must travel too."""


@dataclass(frozen=True)
class Cancel:
    """Nobody waits for this task any more; cancel it if it has not begun."""

    task: str


@dataclass(frozen=True)
class Keep:
    """Write the record that this task's reply has for a point."""

    point: str
    task: str
    attempt: int


@dataclass(frozen=True)
class GiveUp:
    """Write a failed record for a point that no worker could answer for."""

    point: str
    code: str
    message: str
    attempt: int


@dataclass(frozen=True)
class Reopen:
    """Close what is left of a pool, and open it again after some seconds."""

    pool: str
    after: float


@dataclass(frozen=True)
class Stalled:
    """Points are left and no pool is; the campaign cannot go on by itself."""

    message: str


@dataclass(frozen=True)
class Finished:
    """Every point has a record."""


@dataclass(frozen=True)
class Log:
    """Add a line to the event log."""

    event: str
    details: Mapping[str, Any] = field(default_factory=dict)


Instruction = Send | Cancel | Keep | GiveUp | Reopen | Stalled | Finished | Log


def replay(records: Iterable[Mapping[str, Any]]) -> dict[str, State]:
    """The state of every point, from the lines of the event log alone."""
    states: dict[str, State] = {}
    tasks: dict[str, list[str]] = {}
    for record in records:
        event, points = record.get("event"), list(record.get("points", ()))
        if event == "planned":
            states.update(dict.fromkeys(points, "waiting"))
            states.update(dict.fromkeys(record.get("done", ()), "done"))
            states.update(dict.fromkeys(record.get("failed", ()), "failed"))
        elif event == "sent":
            tasks[record["task"]] = points
            states.update(dict.fromkeys(points, "sent"))
        elif event == "running":
            begun = [point for point in tasks.get(record["task"], ()) if states.get(point) == "sent"]
            states.update(dict.fromkeys(begun, "running"))
        elif event == "retry":
            states.update(dict.fromkeys(points, "retrying"))
        elif event == "result":
            states.update(dict.fromkeys(points, "failed" if record.get("status") == "failed" else "done"))
    return states
