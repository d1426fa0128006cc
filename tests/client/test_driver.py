"""The driver with real workers: resumed, stopped, retried, several pools, workers that are killed."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import uuid
from collections import Counter
from pathlib import Path

import pytest

from fitloom.driver import Driver
from fitloom.journal import REQUESTS_FOLDER, open_journal, read_events, read_results
from fitloom.lifecycle import replay
from fitloom.pallet import open_pallet
from fitloom.plan import Plan, make_plan
from fitloom.pools import PoolSource
from fitloom_core.errors import ExecutorError, InputError
from fitloom_core.wire import FitOptions, FitResult
from small_pallets import PLANE, patch, write_loose, write_patchset

HERE = PoolSource("local", {"workers": 1})


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return make_plan(open_pallet(write_patchset(tmp_path / "pallet")), FitOptions())


def run(plan: Plan, folder: Path, *sources: PoolSource, batch: int = 5, until: int | None = None) -> list[FitResult]:
    """Run to the end, or until so many results have come; the results of this run."""
    found = []
    with open_journal(folder, plan.document()) as journal:
        results = Driver(plan, sources or (HERE,), journal, batch=batch).results()
        for result in results:
            found.append(result)
            if len(found) == until:
                results.close()
                break
    return found


def numbers(results: list[FitResult]) -> dict[str, float | None]:
    return {result.name: result.cls_obs for result in results}


def test_every_point_is_fitted_once_and_journaled(plan, tmp_path):
    results = run(plan, tmp_path / "c")
    assert Counter(result.id for result in results) == Counter(point.id for point in plan.points)
    assert {result.status for result in results} == {"converged"}
    assert numbers(read_results(tmp_path / "c")) == numbers(results)
    assert set(replay(read_events(tmp_path / "c")).values()) == {"done"}
    assert results[0].values == {"m1": 200, "m2": 100}


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_numbers_do_not_depend_on_the_batch(batch, plan, tmp_path):
    found = numbers(run(plan, tmp_path / "a", batch=batch))
    assert found == pytest.approx(numbers(run(plan, tmp_path / "b", batch=5)), abs=1e-9)


def test_what_is_in_the_journal_is_not_fitted_again(plan, tmp_path):
    first = run(plan, tmp_path / "c", batch=2, until=4)
    second = run(plan, tmp_path / "c", batch=2)
    assert len(first) == 4
    lines = (tmp_path / "c" / "results.jsonl").read_text().splitlines()
    assert len(lines) == len(PLANE)
    assert len(second) <= len(PLANE) - 4
    assert run(plan, tmp_path / "c") == []


def test_two_pools_share_a_campaign(plan, tmp_path):
    pools = [PoolSource("local", {"workers": 1, "name": name}) for name in ("one", "two")]
    results = run(plan, tmp_path / "c", *pools, batch=1)
    assert len(results) == len(PLANE)
    sent = Counter(event["pool"] for event in read_events(tmp_path / "c") if event["event"] == "sent")
    assert set(sent) == {"one", "two"}


def test_a_campaign_goes_on_when_one_of_its_pools_cannot_be_opened(plan, tmp_path):
    nowhere = PoolSource("http", {"urls": ["http://127.0.0.1:9"]})
    assert len(run(plan, tmp_path / "c", HERE, nowhere)) == len(PLANE)


def test_an_only_pool_that_cannot_be_opened_ends_the_run(plan, tmp_path):
    with pytest.raises(ExecutorError, match=r"127\.0\.0\.1:9"):
        run(plan, tmp_path / "c", PoolSource("http", {"urls": ["http://127.0.0.1:9"]}))


def test_settings_that_cannot_be_used_end_the_run(plan, tmp_path):
    with pytest.raises(InputError, match="workers must be a whole number of at least 1, not 'many'"):
        run(plan, tmp_path / "c", PoolSource("local", {"workers": "many"}))


def test_two_pools_of_one_name_are_refused(plan, tmp_path):
    with pytest.raises(InputError, match="share a name"):
        run(plan, tmp_path / "c", HERE, HERE)


def test_a_point_that_cannot_be_fitted_is_a_record_and_the_others_are_fitted(tmp_path):
    folder = write_loose(tmp_path / "p")
    (folder / "patch.truncated_1_2.json").write_text("[{")
    (folder / "patch.empty_1_3.json").write_text("[]")
    (folder / "patch.wrong_1_4.json").write_text('[{"op": "remove", "path": "/channels/7"}]')
    results = run(make_plan(open_pallet(folder), FitOptions()), tmp_path / "c", batch=100)
    failed = {result.name: result.error.code for result in results if result.error is not None}
    assert failed == {"truncated_1_2": "unreadable", "empty_1_3": "no_poi", "wrong_1_4": "invalid_patch"}
    assert sum(result.status == "converged" for result in results) == len(PLANE)
    assert run(make_plan(open_pallet(folder), FitOptions()), tmp_path / "c") == []
    states = replay(read_events(tmp_path / "c"))
    assert {result.name: states[result.id] for result in results if result.error} == dict.fromkeys(failed, "failed")


def test_one_patch_under_two_names_is_fitted_once_and_recorded_twice(tmp_path):
    folder = write_loose(tmp_path / "p", PLANE[:2])
    plan = make_plan(open_pallet(folder), FitOptions())
    run(plan, tmp_path / "c")
    (folder / "patch.twin_200_100.json").write_text(json.dumps(patch(200, 100)))
    twins = make_plan(open_pallet(folder), FitOptions())
    for target in ("d", "e"):
        both = {result.name: result for result in run(twins, tmp_path / target)}
        assert both["twin_200_100"].cls_obs == both["signal_200_100"].cls_obs
        assert both["twin_200_100"].id == both["signal_200_100"].id
    assert len(read_results(tmp_path / "d")) == 3


def ask(folder: Path, action: str, *points: str) -> None:
    (folder / REQUESTS_FOLDER).mkdir(exist_ok=True)
    partial = folder / f"{uuid.uuid4()}.part"
    partial.write_text(json.dumps({"action": action, "points": list(points)}))
    partial.rename(folder / REQUESTS_FOLDER / f"{uuid.uuid4()}.json")


@pytest.mark.heavy
def test_others_can_stop_and_start_a_campaign(tmp_path):
    folder, found = tmp_path / "c", []
    many = [(100 * x, y) for x in range(2, 12) for y in range(1, 101)]
    plan = make_plan(open_pallet(write_patchset(tmp_path / "many", many)), FitOptions())
    with open_journal(folder, plan.document()) as journal:
        driver = Driver(plan, [HERE], journal, batch=1)
        thread = threading.Thread(target=lambda: found.extend(driver.results()))
        thread.start()
        _wait_for(lambda: driver.campaign.counts["sent"])
        ask(folder, "stop")
        _wait_for(lambda: driver.campaign.paused)
        _wait_for(lambda: not driver.campaign.counts["sent"] + driver.campaign.counts["running"])
        held = driver.campaign.counts
        assert held["waiting"] > 0
        time.sleep(1)
        assert driver.campaign.counts == held
        ask(folder, "start")
        thread.join(60)
    assert len(found) == len(many)


def test_wishes_are_heard_while_results_stream_in(tmp_path):
    many = [(100 * x, y) for x in range(2, 12) for y in range(1, 101)]
    plan = make_plan(open_pallet(write_patchset(tmp_path / "many", many)), FitOptions())
    with open_journal(tmp_path / "c", plan.document()) as journal:
        driver = Driver(plan, [HERE], journal, batch=1)
        for count, _ in enumerate(driver.results()):
            if count == 0:
                ask(tmp_path / "c", "stop")
            if driver.campaign.paused:
                driver.stop()
        assert driver.campaign.counts["waiting"] > 0


def test_wishes_that_an_earlier_driver_left_are_dropped(plan, tmp_path):
    (tmp_path / "c").mkdir()
    ask(tmp_path / "c", "stop")
    assert len(run(plan, tmp_path / "c")) == len(PLANE)
    assert list((tmp_path / "c" / REQUESTS_FOLDER).iterdir()) == []


def test_a_driver_can_be_stopped_from_another_thread(plan, tmp_path):
    with open_journal(tmp_path / "c", plan.document()) as journal:
        driver = Driver(plan, [HERE], journal, batch=1)
        found = []
        for result in driver.results():
            found.append(result)
            driver.stop()
        assert 0 < len(found) < len(PLANE)
        assert not driver.campaign.finished
    assert len(run(plan, tmp_path / "c")) == len(PLANE) - len(found)


@pytest.mark.heavy
def test_a_worker_process_that_is_killed_costs_nothing(plan, tmp_path):
    calm = numbers(run(plan, tmp_path / "calm"))
    folder = tmp_path / "c"
    with open_journal(folder, plan.document()) as journal:
        driver = Driver(plan, [PoolSource("local", {"workers": 2, "processes": True})], journal, batch=1)
        killed: list[int] = []
        for result in driver.results():
            if not killed:
                killed.append(int(result.worker.rpartition(":")[2]))
                os.kill(killed[0], signal.SIGKILL)
    results = read_results(folder)
    assert numbers(results) == pytest.approx(calm, abs=1e-9)
    assert len((folder / "results.jsonl").read_text().splitlines()) == len(PLANE)
    events = Counter(event["event"] for event in read_events(folder))
    assert events["pool_down"] >= 1
    assert events["pool_up"] >= 2


def _wait_for(condition, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "never happened"
        time.sleep(0.05)


@pytest.mark.parametrize(
    "value",
    [
        "1e999",
        "-1e999",
        "[]",
        "null",
        "{}",
        '"x"',
        "[[1]]",
        "-5",
        "0",
        "true",
        "1e-320",
        "123456789012345678901234567890",
    ],
)
def test_whatever_a_patch_holds_it_harms_no_other_point(value, tmp_path):
    folder = write_loose(tmp_path / "p", PLANE[:3])
    good = (folder / "patch.signal_200_100.json").read_text()
    spoiled = {
        "data": good.replace("19.0", value),
        "modifier": good.replace('"data": null', f'"data": {value}'),
        "operation": good.replace('"value": {', f'"value": {value}, "x": {{'),
        "path": good.replace('"/channels/0/samples/-"', value),
        "list": f"[{value}]",
    }
    for number, (what, text) in enumerate(spoiled.items()):
        (folder / f"patch.{what}_1_{number}.json").write_text(text)
    results = {one.name: one for one in run(make_plan(open_pallet(folder), FitOptions()), tmp_path / "c", batch=100)}
    assert len(results) == 3 + len(spoiled)
    assert {one.status for one in results.values() if one.name.startswith("signal")} == {"converged"}
    for one in results.values():
        assert one.status != "failed" or one.error.code not in ("internal", "task_lost", "bad_reply"), one.error
