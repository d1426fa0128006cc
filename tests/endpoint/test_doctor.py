"""What `fitloom-endpoint doctor` says about a node."""

from __future__ import annotations

import json
import socket

import pytest

from fitloom_core.diagnose import Finding, Report


@pytest.fixture(scope="module")
def free_port():
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]


def test_a_sound_node_is_told_so_in_one_screen(cli, free_port):
    said = cli("doctor", "--port", free_port, module="fitloom_endpoint")
    assert said.returncode == 0, said.stdout + said.stderr
    assert said.stdout.strip().endswith("Fits can run here.")
    assert len(said.stdout.splitlines()) <= 24
    for name in ("python", "jax", "float64", "compiled programs", "cores", "memory", "disk", "port", "http"):
        assert name in said.stdout


def test_a_port_that_is_taken_is_wrong_and_says_what_to_do(cli):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said = cli("doctor", "--port", taken.getsockname()[1], "--json", module="fitloom_endpoint")
    assert said.returncode == 1
    report = json.loads(said.stdout)
    port = next(finding for finding in report["findings"] if finding["name"] == "port")
    assert report["healthy"] is False
    assert port["level"] == "wrong"
    assert "--port" in port["advice"]


def test_a_broken_jax_is_found_without_breaking_the_doctor(cli, free_port):
    said = cli("doctor", "--port", free_port, module="fitloom_endpoint", env={"JAX_PLATFORMS": "no-such-device"})
    assert said.returncode == 1
    assert "WRONG  jax" in said.stdout
    assert "Traceback" not in said.stdout + said.stderr


def test_a_cache_that_cannot_be_written_is_noted(cli, free_port, tmp_path):
    (tmp_path / "file").write_text("")
    env = {"FITLOOM_COMPILATION_CACHE": str(tmp_path / "file" / "cache")}
    said = cli("doctor", "--port", free_port, module="fitloom_endpoint", env=env)
    assert said.returncode == 0
    assert "cannot be written" in said.stdout


def test_a_report_names_what_must_be_mended():
    report = Report((Finding("jax", "wrong", "missing", "install it"), Finding("disk", "ok", "plenty")))
    assert not report.healthy
    assert "install it" in report.to_text()
    assert report.to_text().endswith("To be mended first: jax.")
