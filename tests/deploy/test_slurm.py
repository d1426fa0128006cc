"""Slurm: the job script and the Parsl preset on a real Slurm of one node."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fitloom.driver import Driver
from fitloom.executors.parsl_config import build, read_settings
from fitloom.journal import open_journal, read_results
from fitloom.pallet import open_pallet
from fitloom.plan import make_plan
from fitloom.pools import PoolSource
from fitloom_core.wire import FitOptions, FitResult
from slurm_cluster import SlurmCluster, why_not

FEW, MANY = "sbottom_1300_[45]*", "sbottom_1*"
TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def folder(repo: Path) -> Path:
    return repo / "deploy" / "slurm"


def test_the_scripts_are_clean(folder: Path) -> None:
    program = shutil.which("shellcheck") or pytest.skip("no shellcheck: apt-get install shellcheck")
    scripts = [folder / "endpoint.sbatch", folder / "addresses.sh"]
    done = subprocess.run([program, *map(str, scripts)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_job_script_says_what_is_missing(folder: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "FITLOOM_TOKEN_FILE": str(tmp_path / "none")}
    script = ["bash", str(folder / "endpoint.sbatch")]
    done = subprocess.run(script, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"no token in {tmp_path / 'none'}: (umask 077; " in done.stderr


def test_the_parsl_configuration_is_one(folder: Path, tmp_path: Path) -> None:
    path = folder / "parsl_config.py"
    ast.parse(path.read_text())
    (executor,) = build(read_settings({"config": str(path)})).executors
    assert executor.provider.worker_init.rstrip().endswith("source /shared/fitloom/bin/activate")


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    if reason := why_not():
        pytest.skip(reason)
    with SlurmCluster(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


@pytest.fixture
def here(slurm: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slurm's commands, called from this process, talk to the test's Slurm."""
    for name in ("SLURM_CONF", "PATH"):
        monkeypatch.setenv(name, slurm.environment[name])


@pytest.mark.slurm
@pytest.mark.heavy
@pytest.mark.usefixtures("here")
def test_without_an_endpoint_there_is_no_address_but_a_sentence(folder: Path, tmp_path: Path) -> None:
    script = [str(folder / "addresses.sh")]
    environment = {**os.environ, "FITLOOM_ADDRESSES": str(tmp_path)}
    done = subprocess.run(script, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("no endpoint is ready yet")


@pytest.fixture(scope="module")
def archive(shared_data: Path) -> Path:
    return shared_data / "sbottom-RegionA.tar.gz"


def run(
    archive: Path,
    folder: Path,
    source: PoolSource,
    watch: Callable[[FitResult], None] = lambda _: None,
    points: str = FEW,
) -> list[FitResult]:
    plan = make_plan(open_pallet(archive, points=points), FitOptions())
    with open_journal(folder, plan.document()) as journal:
        for result in Driver(plan, [source], journal, batch=2).results():
            watch(result)
    found = read_results(folder)
    assert len(found) == len(plan.points) > 3
    assert all(result.status == "converged" for result in found)
    return found


def preset(tmp_path: Path) -> PoolSource:
    settings = {"config": "slurm", "partition": "short", "workers": 1, "run_dir": str(tmp_path / "parsl")}
    return PoolSource("parsl", settings | {"address": "127.0.0.1"})


@pytest.mark.slurm
@pytest.mark.heavy
@pytest.mark.usefixtures("here")
def test_a_campaign_runs_in_jobs_of_slurm_and_leaves_none(slurm: SlurmCluster, archive: Path, tmp_path: Path) -> None:
    jobs: list[str] = []
    run(archive, tmp_path / "c", preset(tmp_path), lambda _: jobs.append(slurm.run("squeue", "--noheader")))
    assert any("short" in line for line in jobs)
    eventually(lambda: not slurm.run("squeue", "--noheader").strip())


@pytest.mark.slurm
@pytest.mark.heavy
@pytest.mark.usefixtures("here")
def test_a_campaign_goes_on_when_its_job_is_taken_away(slurm: SlurmCluster, archive: Path, tmp_path: Path) -> None:
    taken: list[str] = []

    def take_away(_: FitResult) -> None:
        if not taken:
            taken.append(slurm.run("squeue", "--noheader", "--format=%A").strip())
            slurm.run("scancel", taken[0])

    found = run(archive, tmp_path / "c", preset(tmp_path), take_away, MANY)
    assert taken[0]
    assert len({result.worker for result in found}) == 2


@pytest.mark.slurm
@pytest.mark.heavy
@pytest.mark.usefixtures("here")
def test_an_endpoint_in_a_job_serves_a_campaign_and_takes_its_address_away(
    slurm: SlurmCluster, archive: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text(TOKEN)
    monkeypatch.setenv("FITLOOM_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("FITLOOM_ADDRESSES", str(tmp_path / "addresses"))
    monkeypatch.setenv("FITLOOM_ENDPOINT", str(Path(sys.executable).parent / "fitloom-endpoint"))
    options = ["--cpus-per-task=1", "--mem=2G", f"--output={tmp_path}/%j.out", "--parsable"]
    job = command("sbatch", *options, str(folder / "endpoint.sbatch"))

    eventually(lambda: (tmp_path / "addresses" / job).exists(), 120)
    url = command(str(folder / "addresses.sh"))
    host = command("hostname", "-f")
    assert url.startswith(f"http://{host}:")
    settings = {"urls": [url.replace(host, "127.0.0.1")], "token": TOKEN}
    run(archive, tmp_path / "c", PoolSource("http", settings))

    command("scancel", "--signal=TERM", "--batch", job)
    eventually(lambda: not slurm.run("squeue", "--noheader").strip(), 60)
    assert not list((tmp_path / "addresses").iterdir())
    assert TOKEN not in (tmp_path / f"{job}.out").read_text()


def command(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def eventually(true: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.3)
