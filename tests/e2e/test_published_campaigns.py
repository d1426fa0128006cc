"""Whole published searches through the command line: the reference's numbers, whatever the workers and batches."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fitloom.journal import read_results
from fitloom_core.wire import FitResult

pytestmark = pytest.mark.heavy

NO_SIGNAL = "RegionB/sbottom_1500_1495_60"


def fit(archive: Path, folder: Path, *options: str) -> tuple[int, dict[str, FitResult]]:
    """Run a campaign as a process; its exit status and its results by region and name."""
    command = [sys.executable, "-m", "fitloom", "run", str(archive), "--output", str(folder), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode in (0, 3), done.stderr
    results = read_results(folder)
    assert len(results) == len((folder / "results.jsonl").read_text().splitlines())
    return done.returncode, {f"{one.region}/{one.name}" if one.region else one.name: one for one in results}


def assert_reference(results: dict[str, FitResult], reference: dict[str, Any]) -> None:
    for name, expected in reference.items():
        assert results[name].cls_obs == pytest.approx(expected["cls_obs"], abs=1e-7)
        assert results[name].cls_exp == pytest.approx(expected["cls_exp"], abs=1e-7)


def assert_same(found: dict[str, FitResult], calm: dict[str, FitResult]) -> None:
    assert found.keys() == calm.keys()
    for name, one in found.items():
        assert one.status == calm[name].status
        if one.error is None:
            assert one.cls_obs == pytest.approx(calm[name].cls_obs, abs=1e-9)
            assert one.cls_exp == pytest.approx(calm[name].cls_exp, abs=1e-9)


@pytest.fixture(scope="module")
def sbottom(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Path, dict[str, FitResult]]:
    """The whole sbottom search as one worker fits it."""
    folder = tmp_path_factory.mktemp("sbottom") / "c"
    status, results = fit(shared_data / "sbottom-ins1748602.tar.gz", folder, "--workers", "1", "--json")
    return status, folder, results


def test_all_sbottom_points_converge_but_the_one_without_a_signal(sbottom, reference):
    status, folder, results = sbottom
    assert status == 3
    assert len(results) == 650
    failed = {name: one for name, one in results.items() if one.status != "converged"}
    assert failed.keys() == {NO_SIGNAL}
    assert failed[NO_SIGNAL].error.code == "no_poi"
    assert_reference(results, reference["sbottom"])
    contour = json.loads((folder / "contour.json").read_text())
    assert [region["region"] for region in contour["regions"]] == ["RegionA", "RegionB", "RegionC", "combined"]


def test_all_erjr_points_converge(shared_data, reference, tmp_path):
    status, results = fit(shared_data / "eRJR.tar.gz", tmp_path / "c")
    assert status == 0
    assert len(results) == 66
    assert {one.status for one in results.values()} == {"converged"}
    assert_reference(results, {name: one for name, one in reference["eRJR"].items() if name in results})


@pytest.mark.parametrize(
    "options",
    [("--workers", "1"), ("--workers", "2", "--batch", "7"), ("--workers", "3")],
    ids=["in-process", "small-batches", "processes"],
)
def test_numbers_do_not_depend_on_workers_or_batches(options, sbottom, shared_data, tmp_path):
    _, results = fit(shared_data / "sbottom-ins1748602.tar.gz", tmp_path / "c", *options)
    assert_same(results, sbottom[2])


def test_todays_layout_of_a_region_gives_the_same_numbers(sbottom, shared_data, tmp_path):
    status, results = fit(shared_data / "sbottom-RegionA.tar.gz", tmp_path / "c")
    assert status == 0
    mine = {name.removeprefix("RegionA/"): one for name, one in sbottom[2].items() if name.startswith("RegionA/")}
    assert_same(results, mine)
    assert {name: one.id for name, one in results.items()} == {name: one.id for name, one in mine.items()}
