"""Real runs: the page follows a driver of its own process, steers it, and shows what the journal holds."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .waiting import CAMPAIGN, until

FITLOOM = [sys.executable, "-m", "fitloom"]
DRAWN = "document.querySelector('[data-line=observed]').getAttribute('d')"


@contextmanager
def fitloom(*arguments: str | Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A fitloom process, ended with the block."""
    with (
        log.open("wb") as stream,
        subprocess.Popen([*FITLOOM, *map(str, arguments)], stdout=stream, stderr=stream) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()


def address(log: Path, process: subprocess.Popen[bytes]) -> str:
    """The page's address, as soon as it is printed."""
    end = time.monotonic() + 60
    while "http://" not in (text := log.read_text()):
        assert process.poll() is None, text
        assert time.monotonic() < end, text
        time.sleep(0.05)
    return "http://" + text.partition("http://")[2].split()[0]


def test_a_run_of_the_demo_is_followed_from_its_own_process(tmp_path: Path, visit: Any, artefact: Any) -> None:
    arguments = ("run", "demo", "--output", tmp_path / "run", "--dashboard", "127.0.0.1:0", "--workers", "1")
    with fitloom(*arguments, "--batch", "4", log=tmp_path / "log") as process:
        page = visit(address(tmp_path / "log", process), wait=False)
        until(page, f"{CAMPAIGN}?.run.attached")
        until(page, f"{CAMPAIGN}.run.results_seen > 0", seconds=60)
        artefact(page, "demo-running")
        assert process.wait(120) == 0
    records = (tmp_path / "run" / "results.jsonl").read_text().splitlines()
    assert 0 < page.evaluate(f"{CAMPAIGN}.tally.results") <= len(records)
    until(page, f"{CAMPAIGN}.status === 'reconnecting'")


@pytest.mark.heavy
def test_a_run_elsewhere_grows_point_by_point_and_the_contour_moves(tmp_path: Path, visit: Any, artefact: Any) -> None:
    folder = tmp_path / "run"
    with fitloom("run", "demo", "--output", folder, "--workers", "1", "--batch", "1", log=tmp_path / "log") as run:
        while not (folder / "campaign.json").exists():
            assert run.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.02)
        with fitloom("dashboard", folder, "--port", "0", log=tmp_path / "page") as server:
            page = visit(address(tmp_path / "page", server), wait=False)
            until(page, f"{CAMPAIGN}?.contour", seconds=60)
            shapes, totals = set(), set()
            while run.poll() is None:
                shapes.add(page.evaluate(DRAWN))
                totals.add(page.evaluate("document.querySelector('.done').textContent"))
            records = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
            until(page, f"{CAMPAIGN}.tally.results === {len(records)}")
            until(page, f"{CAMPAIGN}.run.phase === 'finished'")
            shown = page.evaluate(f"Object.fromEntries({CAMPAIGN}.points.map((point) => [point.id, point.cls_obs]))")
            page.wait_for_timeout(1500)
            artefact(page, "demo-finished")
    assert len(shapes) > 1
    assert len(totals) > 2
    assert shown == {record["id"]: record["cls_obs"] for record in records}


@pytest.mark.heavy
def test_a_run_is_stopped_resumed_and_a_point_fitted_again_from_the_page(tmp_path: Path, visit: Any) -> None:
    folder = tmp_path / "run"
    arguments = ("run", "demo", "--output", folder, "--dashboard", "127.0.0.1:0", "--workers", "1", "--batch", "1")
    with fitloom(*arguments, log=tmp_path / "log") as process:
        page = visit(address(tmp_path / "log", process), wait=False)
        until(page, f"{CAMPAIGN}?.run.attached")
        page.locator("[data-action=stop]:enabled").click()
        until(page, f"{CAMPAIGN}.run.phase === 'paused'", seconds=60)
        page.wait_for_timeout(3000)
        stopped = page.evaluate(f"{CAMPAIGN}.tally.results")
        page.wait_for_timeout(1000)
        assert page.evaluate(f"{CAMPAIGN}.tally.results") == stopped < 99
        page.locator("[data-action=start]").click()
        assert process.wait(120) == 0
    records = (folder / "results.jsonl").read_text().splitlines()
    assert len({json.loads(line)["id"] for line in records}) == 99


@pytest.mark.heavy
def test_a_run_of_sbottom_is_followed_in_every_plane(
    tmp_path: Path, shared_data: Path, visit: Any, artefact: Any
) -> None:
    folder = tmp_path / "run"
    labels = "m_sbottom,m_neutralino2,m_neutralino1"
    source = shared_data / "sbottom-ins1748602.tar.gz"
    slow = ("--workers", "1", "--batch", "4")
    with fitloom("run", source, "--labels", labels, "--output", folder, *slow, log=tmp_path / "log") as run:
        while not (folder / "campaign.json").exists():
            assert run.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.05)
        with fitloom("dashboard", folder, "--port", "0", log=tmp_path / "page") as server:
            page = visit(address(tmp_path / "page", server), wait=False)
            until(page, f"{CAMPAIGN}?.contour", seconds=60)
            shapes = set()
            while run.poll() is None:
                shapes.add(page.evaluate(DRAWN))
                page.wait_for_timeout(100)
            until(page, f"{CAMPAIGN}.run.phase === 'finished'", seconds=30)
            assert len(shapes) > 2
            assert page.evaluate(f"{CAMPAIGN}.tally.results") == 650
            page.wait_for_timeout(3000)
            artefact(page, "sbottom-combined")
            for plane in range(page.locator("#slice option").count()):
                page.locator("#slice").select_option(str(plane))
                page.wait_for_timeout(1500)
                assert page.evaluate(f"{CAMPAIGN}.contour.regions.length") == 4
            page.locator("#slice").select_option("1")
            page.locator("#each").check()
            page.wait_for_timeout(1500)
            artefact(page, "sbottom-difference")
