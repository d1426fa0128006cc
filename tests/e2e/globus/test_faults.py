"""Faults between a driver and its workers, in the middle of a campaign of real points: none is lost or doubled."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fitloom.journal import read_events, read_results
from fitloom.plan import Plan
from fitloom_core.wire import FitResult
from globus_harness import Endpoint, Stack
from globus_harness.campaign import check, fit, sent_points, start_driver

pytestmark = [pytest.mark.heavy, pytest.mark.globus, pytest.mark.xdist_group("globus")]

Settings = Callable[..., dict[str, Any]]


def once(fault: Callable[[], object], at: int = 4) -> Callable[[int], None]:
    """Let a fault happen when so many results are there."""
    done: list[object] = []

    def after(results: int) -> None:
        if results >= at and not done:
            done.append(fault())

    return after


def test_a_driver_that_is_killed_is_resumed_and_nothing_is_sent_twice(
    pallet: Path, plan: Plan, calm: dict[str, FitResult], settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "campaign"
    driver = start_driver(pallet, folder, settings("threads"), tmp_path / "driver.out")
    deadline = time.monotonic() + 120
    while not 4 <= len(results_in(folder)) < sum(sent_points(folder).values()) and time.monotonic() < deadline:
        time.sleep(0.01)
    driver.send_signal(signal.SIGKILL)
    driver.wait(10)
    before = results_in(folder)
    assert 4 <= len(before) < len(plan.points), (tmp_path / "driver.out").read_text()
    fit(plan, folder, settings("threads"))
    check(folder, calm)
    assert set(sent_points(folder).values()) == {1}


def test_an_endpoint_process_that_is_killed_is_started_again(
    endpoint: Endpoint, plan: Plan, calm: dict[str, FitResult], settings: Settings, tmp_path: Path
) -> None:
    fit(plan, tmp_path, settings("threads"), after=once(endpoint.kill_user_endpoint))
    check(tmp_path, calm)


def test_a_worker_that_is_killed_takes_no_point_along(
    endpoint: Endpoint, plan: Plan, calm: dict[str, FitResult], settings: Settings, tmp_path: Path
) -> None:
    def kill_when_tasks_are_out() -> None:
        while not sent_points(tmp_path):
            time.sleep(0.05)
        endpoint.kill_busy_worker()  # they are cold: they import JAX now

    killer = threading.Thread(target=kill_when_tasks_are_out, daemon=True)
    killer.start()
    fit(plan, tmp_path, settings("htex", config={"engine": "htex", "instance": "cold"}))
    killer.join()
    check(tmp_path, calm)
    assert any(event["event"] == "task_failed" for event in read_events(tmp_path))


def test_a_broker_that_is_restarted_brings_all_results(
    stack: Stack, plan: Plan, calm: dict[str, FitResult], settings: Settings, tmp_path: Path
) -> None:
    fit(plan, tmp_path, settings("threads"), after=once(stack.restart_broker))
    check(tmp_path, calm)


def test_a_stream_of_results_that_breaks_off_is_not_a_failure_of_the_fits(
    stack: Stack,
    plan: Plan,
    calm: dict[str, FitResult],
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from globus_compute_sdk.sdk import executor

    monkeypatch.setattr(executor.random, "uniform", lambda low, high: low)  # the SDK waits up to 10 s, five times over
    fit(plan, tmp_path, settings("threads"), after=once(stack.proxy.cut_after_delivery))
    assert stack.proxy.cuts
    check(tmp_path, calm)
    assert set(sent_points(tmp_path).values()) == {1}


def results_in(folder: Path) -> list[FitResult]:
    return read_results(folder) if folder.exists() else []
