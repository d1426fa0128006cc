"""Random fault schedules against the campaign: whatever is lost, late or doubled, every point has one record."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import hypothesis.strategies as st
from hypothesis import HealthCheck, given, settings

from fitloom.campaign import Campaign, Unit
from fitloom.lifecycle import (
    Answered,
    Cancel,
    Event,
    Finished,
    GiveUp,
    Keep,
    Log,
    PoolDown,
    PoolUp,
    Reopen,
    Running,
    Send,
    Stalled,
    TaskFailed,
    Tick,
    Verdict,
    replay,
)

LEASE = 30.0
FAULTS = [
    "answer",
    "answer",
    "answer",
    "lose",
    "late",
    "twice",
    "part",
    "garbage",
    "forget",
    "kill",
    "lacks_background",
    "begin",
    "wait",
]


@dataclass
class World:
    """A driver and its pools, made of nothing but lists: it does what the campaign says, and goes wrong on command."""

    campaign: Campaign
    poison: set[str]
    pools: list[str]
    now: float = 0.0
    sent: dict[str, Send] = field(default_factory=dict)
    late: list[Send] = field(default_factory=list)
    down: list[str] = field(default_factory=list)
    records: Counter[str] = field(default_factory=Counter)
    log: list[dict[str, object]] = field(default_factory=list)
    finished: int = 0
    stalled: bool = False

    def tell(self, event: Event) -> None:
        self.now += 0.1
        for instruction in self.campaign.handle(event, self.now):
            match instruction:
                case Send():
                    assert instruction.task not in self.sent
                    self.sent[instruction.task] = instruction
                case Cancel():
                    self.sent.pop(instruction.task, None)
                case Keep():
                    assert instruction.point not in self.poison
                    self.records[instruction.point] += 1
                case GiveUp():
                    self.records[instruction.point] += 1
                case Reopen():
                    self.down.append(instruction.pool)
                case Log():
                    self.log.append({"event": instruction.event, **instruction.details})
                case Finished():
                    self.finished += 1
                case Stalled():
                    self.stalled = True

    def answer(self, send: Send, points: tuple[str, ...] | None = None) -> None:
        """A reply as a worker gives it; a poison point takes its whole task with it."""
        if self.poison & set(send.points):
            self.tell(TaskFailed(send.task, "task_lost", "the worker died"))
        else:
            self.tell(Answered(send.task, {point: Verdict("converged") for point in points or send.points}))

    def go_wrong(self, how: str, which: int) -> None:
        if how == "wait":
            self.now += LEASE / 2
            self.tell(Tick())
        elif how == "kill":
            pool = self.pools[which % len(self.pools)]
            self.tell(PoolDown(pool, "killed"))
        elif how == "late" and self.late:
            self.answer(self.late.pop(which % len(self.late)))
        elif self.sent:
            self.go_wrong_with(how, self.sent[list(self.sent)[which % len(self.sent)]])
        self.reopen()

    def go_wrong_with(self, how: str, send: Send) -> None:
        if how == "begin":
            self.tell(Running(send.task))
            return
        del self.sent[send.task]
        if how == "answer":
            self.answer(send)
        elif how == "twice":
            self.answer(send)
            self.answer(send)
        elif how == "part":
            self.answer(send, send.points[::2])
        elif how == "garbage":
            self.tell(TaskFailed(send.task, "bad_reply", "not JSON"))
        elif how == "lacks_background":
            self.tell(TaskFailed(send.task, "background_needed", "unknown digest"))
        elif how == "lose":
            self.tell(TaskFailed(send.task, "task_lost", "gone"))
        else:
            self.late.append(send)

    def reopen(self) -> None:
        for pool in self.down:
            self.tell(PoolUp(pool, slots=2, lease=LEASE))
        self.down.clear()

    def settle(self) -> None:
        """From here on nothing goes wrong any more, but what is poison stays so."""
        for _ in range(3000):
            if self.finished:
                return
            if self.sent:
                self.go_wrong_with("answer", next(iter(self.sent.values())))
            else:
                self.now = max(self.now, min(self.campaign.wake_at, self.now + LEASE))
                self.tell(Tick())
            self.reopen()
        raise AssertionError(f"never finished: {self.campaign.counts}")


schedules = st.lists(st.tuples(st.sampled_from(FAULTS), st.integers(0, 50)), max_size=120)


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    points=st.integers(1, 40),
    poison=st.sets(st.integers(0, 39), max_size=2),
    batch=st.integers(1, 16),
    pools=st.integers(1, 3),
    schedule=schedules,
)
def test_no_fault_schedule_loses_or_doubles_a_point(
    points: int, poison: set[int], batch: int, pools: int, schedule: list[tuple[str, int]]
) -> None:
    units = [Unit(f"p{number}", f"b{number % 2}") for number in range(points)]
    names = [f"pool{number}" for number in range(pools)]
    world = World(Campaign(units, batch=batch), {f"p{number}" for number in poison if number < points}, names)
    world.tell(Tick())
    world.log.insert(0, {"event": "planned", "points": [unit.id for unit in units]})
    for name in names:
        world.tell(PoolUp(name, slots=2, lease=LEASE))
    for how, which in schedule:
        world.go_wrong(how, which)
    if not world.stalled:
        world.settle()
        assert world.records == Counter({unit.id: 1 for unit in units})
        assert world.finished == 1
    assert max(world.records.values(), default=0) <= 1
    assert replay(world.log) == world.campaign.states
