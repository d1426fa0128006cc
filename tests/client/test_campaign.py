"""The campaign, step by step: what it answers to each thing that can happen."""

from __future__ import annotations

from fitloom.campaign import Campaign, Unit
from fitloom.lifecycle import (
    Answered,
    Cancel,
    Finished,
    GiveUp,
    Keep,
    Log,
    PoolDown,
    PoolUp,
    Reopen,
    Retry,
    Running,
    Send,
    Stalled,
    Start,
    Stop,
    TaskFailed,
    Tick,
    Verdict,
)

GOOD = Verdict("converged")


def campaign(points: int = 4, batch: int = 2, slots: int = 1, pools: tuple[str, ...] = ("a",), **given):
    """A campaign with its pools up, and the tasks sent to them."""
    made = Campaign([Unit(f"p{number}", "b") for number in range(points)], batch=batch, **given)
    sent = [task for pool in pools for task in sends(made.handle(PoolUp(pool, slots, lease=100.0), 0.0))]
    return made, sent


def only(kind, instructions):
    return [one for one in instructions if isinstance(one, kind)]


def sends(instructions):
    return only(Send, instructions)


def good(send: Send) -> Answered:
    return Answered(send.task, dict.fromkeys(send.points, GOOD))


def test_a_pool_gets_one_task_more_than_it_has_slots():
    _, sent = campaign(points=20, batch=2, slots=2)
    assert [send.points for send in sent] == [("p0", "p1"), ("p2", "p3"), ("p4", "p5")]


def test_pools_that_are_up_together_share_the_points():
    made = Campaign([Unit(f"p{number}", "b") for number in range(20)], batch=2)
    made.handle(Stop(), 0.0)
    made.handle(PoolUp("a", 2), 0.0)
    made.handle(PoolUp("b", 2), 0.0)
    assert [send.pool for send in sends(made.handle(Start(), 0.0))] == ["a", "b", "a", "b", "a", "b"]


def test_an_answer_is_kept_and_the_next_task_sent():
    made, sent = campaign(points=8)
    out = made.handle(good(sent[0]), 1.0)
    assert only(Keep, out) == [Keep("p0", sent[0].task, 1), Keep("p1", sent[0].task, 1)]
    assert [send.points for send in sends(out)] == [("p4", "p5")]
    assert made.states["p0"] == "done"


def test_the_background_travels_until_a_worker_has_answered():
    made, sent = campaign(points=8)
    assert [send.with_content for send in sent] == [True, True]
    (third,) = sends(made.handle(good(sent[0]), 1.0))
    assert not third.with_content


def test_a_worker_that_lacks_the_background_gets_it_and_no_failure_is_counted():
    made, sent = campaign(points=6)
    (third,) = sends(made.handle(good(sent[0]), 1.0))
    out = made.handle(TaskFailed(third.task, "background_needed", refused=True), 2.0)
    (again,) = sends(out)
    assert again.points == third.points
    assert again.with_content


def test_the_first_answer_wins():
    made, (task,) = campaign(points=2)
    halves = sends(made.handle(Tick(), 100.0))
    late = made.handle(good(task), 101.0)
    assert [keep.point for keep in only(Keep, late)] == ["p0", "p1"]
    assert {cancel.task for cancel in only(Cancel, late)} == {half.task for half in halves}
    assert only(Finished, late)
    for half in halves:
        assert made.handle(good(half), 102.0) == []


def test_a_task_without_an_answer_is_sent_again_in_halves_when_its_lease_is_over():
    made, (task,) = campaign(points=2)
    assert made.wake_at == 100.0
    out = made.handle(Tick(), 100.0)
    assert only(Cancel, out) == [Cancel(task.task)]
    assert [send.points for send in sends(out)] == [("p0",), ("p1",)]
    assert made.states == {"p0": "sent", "p1": "sent"}


def test_a_lease_begins_anew_when_a_worker_begins():
    made, (task,) = campaign(points=2)
    made.handle(Running(task.task), 60.0)
    assert made.states["p0"] == "running"
    assert made.wake_at == 160.0


def test_a_bad_point_ends_up_alone_and_its_neighbours_unharmed():
    made, sent = campaign(points=8, batch=8)
    records, now, open_tasks = [], 0.0, list(sent)
    while not made.finished:
        now += 100.0
        if open_tasks:
            send = open_tasks.pop(0)
            bad = "p5" in send.points
            out = made.handle(TaskFailed(send.task, "task_lost", "died") if bad else good(send), now)
        else:
            out = made.handle(Tick(), now)
        for reopened in only(Reopen, out):
            out += made.handle(PoolUp(reopened.pool, 1, lease=1e9), now)
        open_tasks += sends(out)
        records += only(Keep, out) + only(GiveUp, out)
    assert sorted(record.point for record in records) == [f"p{number}" for number in range(8)]
    (given_up,) = only(GiveUp, records)
    assert (given_up.point, given_up.code, given_up.message) == ("p5", "task_lost", "died")


def test_a_record_that_says_failed_is_kept_where_the_point_is_to_blame():
    made, (task,) = campaign(points=2)
    out = made.handle(Answered(task.task, {"p0": Verdict("failed", "no_poi", "no signal"), "p1": GOOD}), 1.0)
    assert {keep.point for keep in only(Keep, out)} == {"p0", "p1"}
    assert made.states == {"p0": "failed", "p1": "done"}


def test_a_record_that_says_failed_is_tried_again_where_the_worker_is_to_blame():
    made, (task,) = campaign(points=2)
    out = made.handle(Answered(task.task, {"p0": Verdict("failed", "internal", "bug"), "p1": GOOD}), 1.0)
    assert [send.points for send in sends(out)] == [("p0",)]


def test_points_that_a_reply_lacks_are_sent_again():
    made, (task,) = campaign(points=2)
    made.handle(Answered(task.task, {"p0": GOOD}), 1.0)
    assert made.states == {"p0": "done", "p1": "retrying"}
    assert [send.points for send in sends(made.handle(Tick(), made.wake_at))] == [("p1",)]


def test_what_a_pool_had_in_hand_goes_elsewhere_when_it_dies():
    made, sent = campaign(points=4, pools=("a",))
    made.handle(PoolUp("b", 1), 0.0)
    out = made.handle(PoolDown("a", "gone"), 1.0)
    assert only(Reopen, out) == [Reopen("a", 0.5)]
    assert {send.pool for send in sends(out)} == {"b"}
    assert sends(out)[0].points == sent[0].points


def test_a_failed_task_avoids_its_pool_while_another_is_up():
    made, sent = campaign(points=1, pools=("a", "b"))
    made.handle(TaskFailed(sent[0].task, "task_lost"), 1.0)
    (again,) = sends(made.handle(Tick(), made.wake_at))
    assert (sent[0].pool, again.pool) == ("a", "b")


def test_a_pool_that_never_answered_and_loses_every_task_counts_as_down():
    made, sent = campaign(points=20, batch=1, slots=2)
    out = [one for send in sent for one in made.handle(TaskFailed(send.task, "task_lost", "no module jax"), 1.0)]
    (down,) = [one for one in only(Log, out) if one.event == "pool_down"]
    assert down.details["message"] == "3 tasks in a row came to nothing, the last: no module jax"
    assert only(Reopen, out)
    assert not only(GiveUp, out)


def test_a_campaign_without_pools_says_so_once():
    made, _ = campaign()
    stalls = []
    for death in range(50):
        out = made.handle(PoolDown("a", "gone", never_up=death > 0), float(death))
        stalls += only(Stalled, out)
    assert [stall.message for stall in stalls] == ["no executor is left, and 4 points are"]


def test_results_of_earlier_runs_are_not_fitted_again():
    _, sent = campaign(points=4, done={"p0"}, failed={"p1"})
    assert [send.points for send in sent] == [("p2", "p3")]


def test_answers_to_an_earlier_drivers_tasks_are_welcome():
    made = Campaign([Unit("p0", "b"), Unit("p1", "b")])
    out = made.handle(Answered("of-before", {"p0": GOOD, "unknown": GOOD}), 0.0)
    assert only(Keep, out) == [Keep("p0", "of-before", 1)]


def test_a_stopped_campaign_sends_nothing_until_it_is_started():
    made, sent = campaign(points=8)
    made.handle(Stop(), 0.5)
    assert made.paused
    assert not sends(made.handle(good(sent[0]), 1.0))
    assert sends(made.handle(Start(), 2.0))


def test_points_can_be_stopped_one_by_one():
    made, sent = campaign(points=6, batch=1)
    made.handle(Stop(("p3",)), 0.5)
    (after_first,) = sends(made.handle(good(sent[0]), 1.0))
    (after_second,) = sends(made.handle(good(sent[1]), 2.0))
    assert [after_first.points, after_second.points] == [("p2",), ("p4",)]
    made.handle(Start(("p3",)), 3.0)
    (after_third,) = sends(made.handle(good(after_first), 4.0))
    (after_fourth,) = sends(made.handle(good(after_second), 5.0))
    assert [after_third.points, after_fourth.points] == [("p5",), ("p3",)]


def test_a_person_can_have_failed_points_fitted_again():
    made, (task,) = campaign(points=1)
    out = made.handle(Answered(task.task, {"p0": Verdict("failed", "no_poi", "")}), 1.0)
    assert only(Finished, out)
    (again,) = sends(made.handle(Retry(), 2.0))
    out = made.handle(good(again), 3.0)
    assert only(Keep, out) == [Keep("p0", again.task, 2)]
    assert only(Finished, out)


def test_everything_that_happens_is_logged():
    made = Campaign([Unit("p0", "b")])
    events = [one.event for one in made.handle(PoolUp("a", 1), 0.0) if isinstance(one, Log)]
    events += [one.event for one in made.handle(Running("t1"), 1.0) if isinstance(one, Log)]
    events += [one.event for one in made.handle(Answered("t1", {"p0": GOOD}), 2.0) if isinstance(one, Log)]
    assert events == ["pool_up", "sent", "running", "result", "finished"]
