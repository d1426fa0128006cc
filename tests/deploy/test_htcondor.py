"""The HTCondor files: the submit file as HTCondor reads it, and the job's script run for real."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.request

import pytest


@pytest.fixture(scope="module")
def submit(deploy):
    before = os.environ.get("CONDOR_CONFIG")
    os.environ["CONDOR_CONFIG"] = "/dev/null"
    htcondor2 = pytest.importorskip("htcondor2", reason="the HTCondor bindings have no wheel for this Python")
    if before is None:
        del os.environ["CONDOR_CONFIG"]
    return htcondor2.Submit((deploy / "htcondor/endpoint.sub").read_text())


def test_the_submit_file_names_files_that_are_here(submit, repo):
    assert (repo / submit["executable"]).stat().st_mode & 0o100
    assert submit["transfer_input_files"] == "deploy/htcondor/token"


def test_the_token_is_no_part_of_the_job_that_others_can_read(submit):
    assert "environment" not in submit
    assert "TOKEN" not in submit.get("arguments", "")


def test_the_token_is_never_committed(repo, deploy):
    assert "token" in (deploy / "htcondor/.gitignore").read_text().split()


def test_a_job_is_told_to_go_in_a_way_that_lets_it_finish(submit):
    assert submit["kill_sig"] == "SIGTERM"
    assert int(submit["job_max_vacate_time"]) > 600


@pytest.mark.parametrize("name", ["endpoint.sh", "addresses.sh"])
def test_shellcheck_finds_nothing(deploy, tool, name):
    found = tool("shellcheck", deploy / "htcondor" / name)
    assert found.returncode == 0, found.stdout


def test_the_job_serves_says_where_and_ends_when_told_to(deploy, tmp_path):
    import sys
    from pathlib import Path

    (tmp_path / "token").write_text("a-token-for-this-test")
    endpoint = Path(sys.executable).parent / "fitloom-endpoint"
    environment = {**os.environ, "_CONDOR_SCRATCH_DIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    job = subprocess.Popen(
        [deploy / "htcondor/endpoint.sh", endpoint],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert job.stdout is not None
        address = job.stdout.readline().strip()
        port = address.rpartition(":")[2]
        assert answers(f"http://127.0.0.1:{port}/healthz")
        job.send_signal(signal.SIGTERM)
        assert job.wait(30) in (0, 128 + signal.SIGTERM)
    finally:
        job.kill()
        job.communicate()


def answers(url, patience=30.0):
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return answer.status == 200
        except OSError:
            time.sleep(0.2)
    return False
