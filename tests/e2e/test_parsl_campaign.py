"""Campaigns of real points on Parsl's workers: the same values as here, whatever is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from fitloom.driver import Driver
from fitloom.journal import open_journal, read_results
from fitloom.pallet import open_pallet
from fitloom.plan import make_plan
from fitloom.pools import PoolSource
from fitloom_core.wire import FitOptions, FitResult

pytestmark = pytest.mark.heavy

POINTS = "sbottom_1[34]00_*"
BATCH = 4
SCRIPT = """
import sys
from pathlib import Path
from fitloom.driver import Driver
from fitloom.journal import open_journal
from fitloom.pallet import open_pallet
from fitloom.plan import make_plan
from fitloom.pools import PoolSource
from fitloom_core.wire import FitOptions

plan = make_plan(open_pallet(sys.argv[1], points=sys.argv[3]), FitOptions())
with open_journal(Path(sys.argv[2]), plan.document()) as journal:
    for result in Driver(plan, [PoolSource("parsl", {"workers": 2})], journal, batch=int(sys.argv[4])).results():
        print(result.id, flush=True)
"""

Campaign = Callable[..., list[FitResult]]


@pytest.fixture(scope="module")
def archive(shared_data: Path) -> Path:
    return shared_data / "sbottom-RegionA.tar.gz"


@pytest.fixture(scope="module")
def calm(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, FitResult]:
    """The campaign's results as one thread of this process finds them."""
    return by_id(run(archive, tmp_path_factory.mktemp("calm"), PoolSource("local", {"workers": 1})))


def run(
    archive: Path, folder: Path, source: PoolSource, watch: Callable[[FitResult], None] = lambda _: None
) -> list[FitResult]:
    plan = make_plan(open_pallet(archive, points=POINTS), FitOptions())
    with open_journal(folder, plan.document()) as journal:
        for result in Driver(plan, [source], journal, batch=BATCH).results():
            watch(result)
    return read_results(folder)


def by_id(results: list[FitResult]) -> dict[str, FitResult]:
    return {result.id: result for result in results}


def assert_same(found: list[FitResult], calm: dict[str, FitResult]) -> None:
    assert {result.id for result in found} == set(calm)
    for result in found:
        expected = calm[result.id]
        assert result.status == "converged"
        assert result.cls_obs == pytest.approx(expected.cls_obs, abs=1e-9)
        assert result.cls_exp == pytest.approx(expected.cls_exp, abs=1e-9)


def assert_once(folder: Path, calm: dict[str, FitResult]) -> None:
    """Every point has exactly one line in the journal."""
    lines = [json.loads(line)["id"] for line in (folder / "results.jsonl").read_text().splitlines()]
    assert Counter(lines) == Counter(calm.keys())


def test_parsl_finds_what_this_process_finds(archive: Path, calm: dict[str, FitResult], tmp_path: Path) -> None:
    found = run(archive, tmp_path / "c", PoolSource("parsl", {"workers": 2}))
    assert_same(found, calm)
    assert_once(tmp_path / "c", calm)
    assert str(os.getpid()) not in {result.worker.rpartition(":")[2] for result in found}


def test_a_worker_killed_mid_task_costs_nothing_but_time(
    archive: Path, calm: dict[str, FitResult], tmp_path: Path
) -> None:
    killed: list[int] = []

    def kill_once(result: FitResult) -> None:
        if not killed:
            killed.append(int(result.worker.rpartition(":")[2]))
            os.kill(killed[0], signal.SIGKILL)

    found = run(archive, tmp_path / "c", PoolSource("parsl", {"workers": 1}), kill_once)
    assert_same(found, calm)
    assert_once(tmp_path / "c", calm)
    assert len({result.worker for result in found}) == 2
    assert "WorkerLost" in (tmp_path / "c" / "events.jsonl").read_text()


def test_a_killed_driver_is_resumed_where_it_was(archive: Path, calm: dict[str, FitResult], tmp_path: Path) -> None:
    folder = tmp_path / "c"
    script = [sys.executable, "-c", SCRIPT, str(archive), str(folder), POINTS, str(BATCH)]
    driver = subprocess.Popen(script, stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    driver.stdout.readline()
    family = psutil.Process(driver.pid).children(recursive=True)
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    before = len(read_results(folder))
    assert 0 < before < len(calm)
    assert_ends(family, 10)

    done = subprocess.run(script, capture_output=True, text=True, timeout=240, check=True)
    assert len(done.stdout.split()) == len(calm) - before
    assert_same(read_results(folder), calm)
    assert_once(folder, calm)


def assert_ends(processes: list[psutil.Process], seconds: float) -> None:
    """What a killed driver had started ends by itself."""
    deadline = time.monotonic() + seconds
    while alive := [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]:
        assert time.monotonic() < deadline, alive
        time.sleep(0.2)
