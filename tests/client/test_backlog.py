"""The backlog: even batches, one background each, failures last, nobody held up."""

from __future__ import annotations

import pytest

from fitloom.backlog import TASK_OVERHEAD, Backlog, Batch, Unit


def backlog(count: int, batch: int, size: int = 0, settled: frozenset[str] = frozenset()) -> Backlog:
    made = Backlog(batch, lambda point: point not in settled)
    made.add(Unit(f"p{number}", "b", size) for number in range(count))
    return made


def take(made: Backlog, pool: str = "a", others: tuple[str, ...] = (), **given) -> Batch | None:
    return made.take(pool, others, **{"idle": True, "limit": None, "now": 0.0, **given})


def sizes(made: Backlog, **given) -> list[int]:
    found = []
    while (batch := take(made, **given)) is not None:
        found.append(len(batch.points))
    return found


@pytest.mark.parametrize(("count", "expected"), [(1, [1]), (32, [32]), (33, [17, 16]), (70, [24, 23, 23])])
def test_batches_are_even(count, expected):
    assert sizes(backlog(count, 32)) == expected


def test_a_batch_has_points_of_one_background():
    made = Backlog(10, lambda point: True)
    made.add([Unit("a1", "a"), Unit("b1", "b"), Unit("a2", "a")])
    assert [batch.points for batch in (take(made), take(made))] == [("a1", "a2"), ("b1",)]


def test_a_task_stays_below_the_bytes_that_a_pool_carries():
    assert sizes(backlog(10, 10, size=1000), limit=TASK_OVERHEAD + 3500) == [3, 3, 3, 1]


def test_a_point_that_is_too_large_still_goes_alone():
    assert sizes(backlog(2, 10, size=10**9), limit=1000) == [1, 1]


def test_settled_points_are_skipped():
    made = backlog(4, 10, settled=frozenset({"p0", "p2"}))
    made.put_back([Batch(("p2",)), Batch(("p3",))])
    assert [take(made).points, take(made).points, take(made)] == [("p1", "p3"), ("p3",), None]


def test_failures_wait_behind_fresh_points():
    made = backlog(1, 10)
    made.put_back([Batch(("p9",))])
    assert [take(made).points, take(made).points] == [("p0",), ("p9",)]


def test_a_delay_is_kept():
    made = backlog(0, 10)
    made.put_back([Batch(("p1",), not_before=5.0)])
    assert take(made, now=4.9) is None
    assert take(made, now=5.0).points == ("p1",)


def test_a_pool_is_avoided_only_where_another_is_up():
    made = backlog(0, 10)
    made.put_back([Batch(("p1",), avoid=frozenset({"a"}))])
    assert take(made, pool="a", others=("b",)) is None
    assert take(made, pool="a", others=()).points == ("p1",)


def test_an_isolated_batch_waits_for_an_idle_pool():
    made = backlog(0, 10)
    made.put_back([Batch(("p1",), isolated=True)])
    assert take(made, idle=False) is None
    assert take(made, idle=True).points == ("p1",)


@pytest.mark.parametrize(("count", "halves"), [(1, [1]), (2, [1, 1]), (5, [3, 2])])
def test_halves(count, halves):
    points = tuple(f"p{number}" for number in range(count))
    found = Batch(points, isolated=True).halves()
    assert [len(half.points) for half in found] == halves
    assert sum((half.points for half in found), ()) == points
    assert all(half.isolated for half in found)


def test_points_on_hold_are_not_sent_until_released():
    made = backlog(3, 1)
    made.put_back([Batch(("p8", "p9"))])
    made.hold(["p0", "p9"])
    assert sizes(made) == [1, 1, 1]
    made.release(["p0", "p9", "p1"])
    assert {take(made).points, take(made).points} == {("p0",), ("p9",)}
