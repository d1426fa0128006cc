"""`fitloom dashboard` and `fitloom plot --html` as processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from written_campaigns import finished, fitted, grid

POINTS = grid(8, 6)


def test_the_dashboard_is_served_until_it_is_interrupted(tmp_path: Path) -> None:
    folder = finished(tmp_path / "run", POINTS)
    command = [sys.executable, "-m", "fitloom", "dashboard", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        assert requests.get(address, timeout=10).status_code == 200
        process.terminate()
        _, errors = process.communicate(timeout=20)
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nowhere"], "is no campaign folder"),
        (["run", "--host", "0.0.0.0"], "spell out --insecure"),
        (["run", "--overlay", "nothing.csv"], "cannot read nothing.csv"),
        (["run", "--overlay", "run/campaign.json"], "no line of two numbers"),
        (["run", "--group", "not-a-group"], "not-a-group"),
        (["run", "--host", "192.0.2.7", "--insecure"], "cannot serve on 192.0.2.7"),
        ([], "missing argument"),
    ],
)
def test_what_cannot_be_served_is_refused_with_a_sentence(
    tmp_path: Path, cli: Any, arguments: list[str], reason: str
) -> None:
    finished(tmp_path / "run", POINTS)
    done = cli("dashboard", *arguments)
    assert done.returncode == 2
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


def test_a_report_is_written_as_one_file(tmp_path: Path, cli: Any) -> None:
    finished(tmp_path / "run", POINTS, [fitted(point) for point in POINTS[:20]])
    done = cli("plot", "run", "--html", "report.html")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "report.html").read_text()
    assert "Content-Security-Policy" in text
    assert "http://" not in text.replace("http://www.w3.org/", "")
    assert "https://" not in text
    assert cli("plot", "run").returncode == 2


def test_reading_and_drawing_need_no_jax() -> None:
    code = (
        "import sys, fitloom.dashboard.app, fitloom.dashboard.report, fitloom.dashboard.command; "
        "sys.exit('jax' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
