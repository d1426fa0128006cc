"""A campaign of real points through the whole stack; `test_site` does the same with the engine that we configure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fitloom.plan import Plan
from fitloom_core.wire import FitResult
from globus_harness import Stack
from globus_harness.campaign import check, fit, sent_points

pytestmark = [pytest.mark.heavy, pytest.mark.globus, pytest.mark.xdist_group("globus")]

Settings = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("engine", ["threads", "processes"])
def test_a_campaign_has_the_numbers_of_this_machine(
    plan: Plan, calm: dict[str, FitResult], settings: Settings, engine: str, tmp_path: Path
) -> None:
    fit(plan, tmp_path, settings(engine))
    check(tmp_path, calm)
    assert set(sent_points(tmp_path).values()) == {1}


def test_a_background_travels_once_and_a_point_takes_few_bytes(
    stack: Stack, plan: Plan, calm: dict[str, FitResult], settings: Settings, tmp_path: Path
) -> None:
    before = len(stack.service.submissions)
    fit(plan, tmp_path, settings("threads"))
    check(tmp_path, calm)
    assert sum(stack.service.submissions[before:]) / len(calm) < 15_000
