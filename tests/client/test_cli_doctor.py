"""`fitloom doctor` says what is wrong on this machine."""

from __future__ import annotations

import json


def test_a_sound_machine_is_told_so(cli):
    said = cli("doctor")
    assert said.returncode == 0, said.stderr
    assert said.stdout.strip().endswith("Fits can run here.")
    assert "float64" in said.stdout


def test_what_is_wrong_is_an_exit_status_and_stands_in_the_json(cli):
    said = cli("doctor", "--json", env={"JAX_PLATFORMS": "no-such-device"})
    report = json.loads(said.stdout)
    assert said.returncode == 1
    assert report["healthy"] is False
    assert next(finding["level"] for finding in report["findings"] if finding["name"] == "jax") == "wrong"
