"""Whoever comes back with a position gets exactly what was written since: no line lost, none twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fitloom import journal
from fitloom.dashboard.watch import Position, Watch
from fitloom_core.errors import JournalError
from written_campaigns import campaign_json, driving, failed, finished, fitted, grid

POINTS = grid(8, 6)


def lines(frames: Any) -> tuple[int, int]:
    documents = [json.loads(frame.data) for frame in frames]
    return sum(d["results"] for d in documents), sum(d["events"] for d in documents)


def test_frames_lead_from_the_beginning_to_the_end_of_both_files(tmp_path: Path) -> None:
    with driving(tmp_path / "run", POINTS) as driver:
        watch = Watch(tmp_path / "run")
        start = watch.position
        driver.plan()
        for point in POINTS[:10]:
            driver.record(fitted(point))
            watch.refresh()
        frames = watch.since(start)
        assert frames is not None
        assert [frame.start for frame in frames[1:]] == [frame.end for frame in frames[:-1]]
        assert frames[-1].end == watch.position
        assert lines(frames) == (10, 12)
        assert watch.since(watch.position) == []


@given(st.data())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_viewers_who_come_and_go_get_every_line_once(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("run")
    with driving(folder, POINTS) as driver:
        watch = Watch(folder)
        seen = [0, 0]
        position = watch.position
        for point in POINTS:
            driver.record(fitted(point))
            if data.draw(st.booleans(), label="server looks"):
                watch.refresh()
            if data.draw(st.integers(0, 9), label="server restarts") == 0:
                watch = Watch(folder)
            if data.draw(st.integers(0, 2), label="viewer is back") == 0:
                position = _read(watch, position, seen)
        watch.refresh()
        _read(watch, position, seen)
    assert seen == [len(POINTS), len(POINTS)]


def _read(watch: Watch, position: Position, seen: list[int]) -> Position:
    """What a viewer does: take up from its own position, which must never be refused."""
    frames = watch.since(Position.parse(str(position)) or position)
    assert frames is not None
    results, events = lines(frames)
    seen[0] += results
    seen[1] += events
    return frames[-1].end if frames else position


def test_who_is_far_behind_gets_one_frame_with_the_states_of_now(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with driving(folder, POINTS) as driver:
        watch = Watch(folder)
        start = watch.position
        driver.record(failed(POINTS[0], attempt=1))
        watch.refresh()
        for point in POINTS:
            driver.record(fitted(point, attempt=2))
            watch.refresh()
        for _ in range(200):
            driver.log("pool_up", pool="local")
            watch.refresh()
        frames = watch.since(start)
    assert frames is not None
    assert len(frames) == 1
    document = json.loads(frames[0].data)
    assert {row[1] for row in document["rows"]} == {"converged"}
    assert document["results"] == len(POINTS) + 1


@pytest.mark.parametrize(
    "raw", ["", "x", "1.2", "a.b.c", "g.-1.0", "g.1e3.0", "g.1.2.3", "g.٣.0", "g." + "9" * 30 + ".0", None]
)
def test_what_is_no_position_is_none(raw: str | None) -> None:
    assert Position.parse(raw) is None


def test_a_position_that_is_of_no_use_makes_a_viewer_start_over(tmp_path: Path) -> None:
    watch = Watch(finished(tmp_path / "run", POINTS))
    here = watch.position
    for wrong in (
        here._replace(generation="00000000"),
        here._replace(results=here.results + 1),
        here._replace(results=here.results - 5),
        here._replace(events=17),
    ):
        assert watch.since(wrong) is None


def test_a_line_that_is_cut_off_waits(tmp_path: Path) -> None:
    watch = Watch(finished(tmp_path / "run", POINTS, [fitted(POINTS[0])]))
    with (tmp_path / "run" / journal.RESULTS_FILE).open("ab") as stream:
        stream.write(b'{"schema": "1"')
    before = watch.position
    watch.refresh()
    assert watch.position == before


def test_a_folder_that_is_started_afresh_is_read_afresh(tmp_path: Path) -> None:
    folder = finished(tmp_path / "run", POINTS)
    watch = Watch(folder)
    before = watch.position
    for name in (journal.CAMPAIGN_FILE, journal.RESULTS_FILE, journal.EVENTS_FILE):
        (folder / name).unlink()
    finished(folder, POINTS[:5])
    watch.refresh()
    assert len(watch.state.points) == 5
    assert watch.since(before) is None


def test_numbers_that_json_does_not_know_become_null(tmp_path: Path) -> None:
    odd = fitted(POINTS[0]).model_copy(update={"mu_hat": float("nan"), "cls_exp": [0.1, float("inf"), 0.2, 0.3, 0.4]})
    watch = Watch(finished(tmp_path / "run", POINTS, [odd]))
    row = watch.snapshot()["rows"][0]
    assert row[5] is None
    assert row[4][1] is None


def test_a_driver_is_attached_only_while_it_beats(tmp_path: Path) -> None:
    with driving(tmp_path / "run", POINTS):
        watch = Watch(tmp_path / "run")
        assert watch.driver() is not None
    assert watch.driver() is None
    (tmp_path / "run" / "driver.json").write_text('{"heartbeat": "yesterday"}')
    assert watch.driver() is None


def test_a_folder_without_a_campaign_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"has no campaign\.json"):
        Watch(tmp_path)


def test_memory_does_not_grow_with_what_was_read(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with driving(folder, POINTS) as driver:
        watch = Watch(folder)
        for _ in range(300):
            driver.record(fitted(POINTS[0]))
            watch.refresh()
    assert len(watch._frames) <= 100
    assert len(watch.state.points) == len(POINTS)


def test_a_campaign_of_another_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / journal.CAMPAIGN_FILE).write_text(json.dumps({**campaign_json(POINTS), "schema": "99"}))
    with pytest.raises(JournalError, match="update fitloom"):
        Watch(tmp_path)
