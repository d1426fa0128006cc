"""A campaign as viewers see it: the same whatever the order in which its two files are read."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fitloom.dashboard.state import FIELDS, CampaignState
from fitloom.dashboard.summary import rate, strip, summarise
from written_campaigns import campaign_json, doubtful, failed, fitted, grid

POINTS = grid(6, 5)
DRIVER = {"pid": 1, "host": "here", "started": 0.0}


def planned() -> CampaignState:
    return CampaignState.planned(campaign_json(POINTS))


def event(kind: str, at: float = 100.0, **details: Any) -> dict[str, Any]:
    return {"seq": 1, "t": at, "event": kind, **details}


def states(state: CampaignState) -> list[str]:
    return [point.state for point in state.points]


def test_a_point_goes_from_waiting_over_sent_and_running_to_its_result() -> None:
    state, point = planned(), POINTS[0]
    assert states(state) == ["waiting"] * len(POINTS)
    state.apply_events([event("sent", task="t", pool="local", points=[point.id], attempt=1)])
    assert state.points[0].state == "sent"
    state.apply_events([event("running", task="t", pool="local")])
    assert state.points[0].state == "running"
    state.apply_results([fitted(point).to_record()])
    assert state.points[0].state == "converged"


def test_a_result_that_comes_before_its_events_stays() -> None:
    state, point = planned(), POINTS[0]
    state.apply_results([fitted(point).to_record()])
    sent = event("sent", task="t", pool="local", points=[point.id], attempt=1)
    state.apply_events([sent, event("running", task="t"), event("result", points=[point.id], pool="local", attempt=1)])
    assert state.points[0].state == "converged"


def test_a_later_attempt_shows_until_its_result_is_there() -> None:
    state, point = planned(), POINTS[0]
    state.apply_results([failed(point, attempt=1).to_record()])
    state.apply_events([event("result", points=[point.id], attempt=1), event("retry", points=[point.id])])
    assert state.points[0].state == "retrying"
    state.apply_events([event("sent", task="t", pool="a", points=[point.id], attempt=1)])
    assert state.points[0].state == "sent"
    state.apply_results([fitted(point, attempt=2).to_record()])
    assert state.points[0].state == "converged"


CHUNKS = st.lists(st.integers(0, 20), max_size=12)


@given(CHUNKS, CHUNKS)
@settings(max_examples=200, deadline=None)
def test_reading_the_files_in_any_rhythm_ends_the_same(event_chunks: list[int], record_chunks: list[int]) -> None:
    events, records = [event("planned", points=[p.id for p in POINTS])], []
    for number, point in enumerate(POINTS):
        task = f"t{number}"
        events += [event("sent", task=task, pool="a", points=[point.id], attempt=1), event("running", task=task)]
        outcome = (fitted, doubtful, failed)[number % 3](point)
        records.append(outcome.to_record())
        events.append(event("result", task=task, pool="a", points=[point.id], attempt=outcome.attempt))
    state = planned()
    for some_events, some_records in zip_longest([*event_chunks, 1000], [*record_chunks, 1000], fillvalue=0):
        state.apply_events(events[:some_events])
        state.apply_results(records[:some_records])
        del events[:some_events], records[:some_records]
    assert states(state) == [("converged", "not_converged", "failed")[i % 3] for i in range(len(POINTS))]
    assert state.results_seen == len(POINTS)
    assert sum(state.finished_in.values()) == len(POINTS)


def test_a_run_is_paused_and_resumed() -> None:
    state = planned()
    state.apply_events([event("planned", points=[p.id for p in POINTS]), event("stopped", points=[POINTS[0].id])])
    assert summarise(state, 0.0, DRIVER)["phase"] == "running"
    state.apply_events([event("stopped", points=[])])
    assert summarise(state, 0.0, DRIVER)["phase"] == "paused"
    state.apply_events([event("started", points=[])])
    assert summarise(state, 0.0, DRIVER)["phase"] == "running"


def test_points_are_held_back_and_let_go() -> None:
    state = planned()
    first, second = POINTS[0].id, POINTS[1].id
    changed, _ = state.apply_events([event("stopped", points=[first, second]), event("started", points=[first])])
    assert changed == {0, 1}
    assert [point.held for point in state.points[:3]] == [False, True, False]
    changed, _ = state.apply_events([event("started", points=[])])
    assert changed == {1}
    assert not any(point.held for point in state.points)


def test_a_row_has_a_value_for_each_field_whatever_the_state() -> None:
    state = planned()
    state.apply_results([fitted(POINTS[0]).to_record(), failed(POINTS[1]).to_record()])
    rows = [point.row() for point in state.points[:3]]
    assert [len(row) for row in rows] == [len(FIELDS)] * 3
    assert dict(zip(FIELDS, rows[0], strict=True))["cls_obs"] == fitted(POINTS[0]).cls_obs
    assert dict(zip(FIELDS, rows[1], strict=True))["code"] == "worker_lost"


def test_garbage_in_the_files_is_passed_over() -> None:
    state = planned()
    state.apply_results([{}, {"id": 3}, {"status": "converged"}])
    state.apply_events([{}, {"event": None}, event("sent", points="all", attempt="x"), {"event": "result", "t": "now"}])
    assert states(state) == ["waiting"] * len(POINTS)
    assert summarise(state, 0.0, None)["done"] == 0


def test_a_result_that_nobody_planned_is_added() -> None:
    state = CampaignState.planned(campaign_json(POINTS[:3]))
    state.apply_results([fitted(POINTS[5]).to_record()])
    assert [point.name for point in state.points][-1] == POINTS[5].name


def test_points_of_one_id_and_several_names_all_follow_its_events() -> None:
    twins = [POINTS[0], type(POINTS[0])(POINTS[0].id, "twin", POINTS[0].values)]
    state = CampaignState.planned(campaign_json(twins))
    state.apply_events([event("sent", task="t", pool="a", points=[POINTS[0].id], attempt=1)])
    assert states(state) == ["sent", "sent"]
    state.apply_results([fitted(twins[1]).to_record()])
    assert states(state) == ["sent", "converged"]


def test_the_summary_counts_and_foretells() -> None:
    state = planned()
    state.apply_events([event("planned", 100.0, points=[p.id for p in POINTS]), event("pool_up", 100.0, pool="a")])
    for second in range(10):
        state.apply_results([fitted(POINTS[second]).to_record()])
        state.apply_events([event("result", 101.0 + second, pool="a", points=[POINTS[second].id], attempt=1)])
    found = summarise(state, 110.5, DRIVER)
    assert found["done"] == 10
    assert found["phase"] == "running"
    assert found["rate"] == rate(state, 110.5, 10)
    assert 0.9 < found["rate"] < 1.1
    assert abs(found["eta"] - (len(POINTS) - 10) / found["rate"]) < 1e-9
    assert found["pools"][0]["done"] == 10
    assert sum(found["strip"]["counts"]) == 10


def test_the_strip_stays_short_for_a_run_of_days() -> None:
    state = planned()
    state.apply_events([event("planned", 0.0, points=[])])
    state.finished_in.update(dict.fromkeys(range(0, 400000, 50), 1))
    found = strip(state, 400_000.0)
    assert len(found["counts"]) <= 121
    assert sum(found["counts"]) == 8000


def test_without_a_driver_nothing_is_in_flight() -> None:
    state = planned()
    state.apply_events(
        [event("pool_up", pool="a"), event("sent", task="t", pool="a", points=[POINTS[0].id], attempt=1)]
    )
    assert summarise(state, 0.0, DRIVER)["pools"][0]["flying"] == 1
    found = summarise(state, 0.0, None)
    assert found["pools"][0] == {**found["pools"][0], "flying": 0, "health": "idle"}
    assert found["phase"] == "stopped"
