"""The Globus Compute folders: exactly what the README's commands write."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

NOBODY = "00000000-0000-0000-0000-000000000000"
SITES = ["local", "slurm", "pbs", "htcondor", "kubernetes"]


@pytest.fixture(scope="module")
def commands(deploy: Path) -> dict[str, list[str]]:
    table = (deploy / "globus-compute/README.md").read_text()
    found = re.findall(r"\| `(fitloom-endpoint configure (\S+) [^`]*)` \|", table)
    return {name: shlex.split(command)[1:] for command, name in found}


def test_there_is_a_command_for_every_folder(deploy: Path, commands: dict[str, list[str]]) -> None:
    assert set(commands) == set(SITES) == {path.name for path in (deploy / "globus-compute").iterdir() if path.is_dir()}


@pytest.mark.parametrize("site", SITES)
def test_a_folder_is_what_its_command_writes(
    deploy: Path, commands: dict[str, list[str]], site: str, tmp_path: Path
) -> None:
    program = Path(sys.executable).parent / "fitloom-endpoint"
    options = ["--function", NOBODY, "--folder", str(tmp_path)]
    subprocess.run([program, *commands[site], *options], check=True, capture_output=True, timeout=60)
    written, shown = tmp_path / site, deploy / "globus-compute" / site
    for name in ("user_config_template.yaml.j2", "user_config_schema.json"):
        assert (written / name).read_text() == (shown / name).read_text(), name
    config = yaml.safe_load((written / "config.yaml").read_text())
    config.pop("email", None)  # an endpoint that root runs must say whom to write to
    assert config == yaml.safe_load((shown / "config.yaml").read_text())
