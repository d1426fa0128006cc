"""The wheel holds what the repository holds: three packages, their types and their data files."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

COMPONENTS = ("client", "endpoint", "fitting_core")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, repo: Path) -> set[str]:
    """Names of the files in a wheel that was just built."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=repo, check=True, capture_output=True, timeout=120)
    (built,) = folder.glob("*.whl")
    return {name for name in zipfile.ZipFile(built).namelist() if not name.endswith("/")}


def test_the_wheel_holds_the_three_packages_and_nothing_else(wheel: set[str]):
    top = {name.partition("/")[0] for name in wheel if ".dist-info/" not in name}
    assert top == {"fitloom", "fitloom_core", "fitloom_endpoint"}


def test_every_file_of_the_packages_is_in_the_wheel(wheel: set[str], repo: Path):
    command = ["git", "ls-files", "-z", *COMPONENTS]
    listed = subprocess.run(command, cwd=repo, check=True, capture_output=True, text=True).stdout.split("\0")
    expected = {name.partition("/")[2] for name in listed if name and (repo / name).exists()}
    assert expected <= wheel


def test_each_extra_that_another_names_exists(repo: Path):
    project = tomllib.loads((repo / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for requirements in extras.values():
        for requirement in requirements:
            if requirement.startswith("fitloom["):
                assert set(requirement.removeprefix("fitloom[").rstrip("]").split(",")) <= set(extras)


def test_citation_and_package_agree_on_the_version(repo: Path):
    version = tomllib.loads((repo / "pyproject.toml").read_text())["project"]["version"]
    assert f"version: {version}\n" in (repo / "CITATION.cff").read_text()
