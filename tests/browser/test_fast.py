"""The page under load: a thousand lines a second, fifty viewers, and how soon something is seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.dashboard_bench import OBSERVE, Load, feed, measure
from written_campaigns import driving, finished, grid


@pytest.fixture(scope="module")
def load(chromium: str) -> Load:
    """Ten seconds of it, after the other tests' browser: one process of playwright at a time."""
    return measure(8, 1000, 50)


@pytest.mark.heavy
def test_fifty_viewers_each_get_every_line_once(load: Load) -> None:
    assert len(load.lines_received) == 50
    assert set(load.lines_received) == {load.lines_written}


@pytest.mark.heavy
def test_the_server_keeps_its_memory(load: Load) -> None:
    early, late = load.server_mb
    assert late < early + 60


@pytest.mark.heavy
def test_the_server_needs_less_than_one_processor(load: Load) -> None:
    assert load.server_cpu < 0.9


def test_something_is_seen_within_a_second_and_weighs_little(tmp_path: Path, serve: Any, visit: Any) -> None:
    served = serve(finished(tmp_path / "run", grid()))
    visit(served.url)  # what the first visitor ever pays for: imports, the first contour
    page = visit(served.url)
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    assert paint < 1000
    entries = "performance.getEntriesByType('resource').filter((entry) => entry.name.includes('/static/'))"
    weight = page.evaluate(f"{entries}.reduce((sum, entry) => sum + entry.encodedBodySize, 0)")
    assert 20_000 < weight < 150_000


@pytest.mark.heavy
def test_the_page_stays_responsive_while_a_thousand_lines_a_second_arrive(
    tmp_path: Path, serve: Any, visit: Any
) -> None:
    points = grid(45, 40)
    with driving(tmp_path / "run", points) as driver:
        driver.plan()
        page = visit(serve(tmp_path / "run").url)
        page.evaluate(OBSERVE)
        lines = feed(driver, points, 8, 1000, lambda wait: page.wait_for_timeout(wait * 1000))
        tally = "fitloom.board.campaign.tally"
        page.wait_for_timeout(1500)
        assert page.evaluate(f"{tally}.results + {tally}.events") == lines
        assert page.evaluate(f"{tally}.refused") == 0
        blocks = page.evaluate("globalThis.blocks")
    assert sum(block > 100 for block in blocks) <= 1, blocks
