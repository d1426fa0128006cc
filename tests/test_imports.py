"""What imports may cost and what is public: reading and drawing results never loads JAX."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

LIGHT = [
    "fitloom",
    "fitloom.campaign",
    "fitloom.cli",
    "fitloom.contour",
    "fitloom.driver",
    "fitloom.figure",
    "fitloom.journal",
    "fitloom.pallet",
    "fitloom.progress",
    "fitloom.dashboard.app",
    "fitloom_core",
    "fitloom_core.access",
    "fitloom_core.errors",
    "fitloom_core.wire",
    "fitloom_core.workspace",
    "fitloom_endpoint.cli",
    "fitloom_endpoint.http",
]

PUBLIC = {
    "fitloom": {
        "Campaign",
        "FitOptions",
        "FitResult",
        "FitloomError",
        "Pallet",
        "__version__",
        "fetch",
        "open_campaign",
        "open_pallet",
        "run",
    },
    "fitloom_core": {"Model", "PatchSet", "Workspace", "fit", "fixed_poi_fit", "hypotest"},
}
"""What is added here is a promise; what is taken away breaks somebody's program."""


def loaded_by(statement: str) -> set[str]:
    """Top-level packages in a fresh interpreter after a statement."""
    program = f"import sys\n{statement}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("module", LIGHT)
def test_a_module_that_only_reads_or_draws_loads_no_jax(module):
    assert not {"jax", "jaxlib"} & loaded_by(f"import {module}")


@pytest.mark.parametrize("module", ["fitloom", "fitloom_core", "fitloom.cli"])
def test_starting_up_loads_no_plotting_and_no_executor(module):
    heavy = {"matplotlib", "mplhep", "scipy", "parsl", "globus_compute_sdk", "fastapi", "pyhf"}
    assert not heavy & loaded_by(f"import {module}")


@pytest.mark.parametrize("command", ["fitloom", "fitloom_endpoint"])
def test_help_loads_no_jax(command):
    run = f"runpy.run_module({command!r}, run_name='__main__')"
    statement = (
        f"import runpy\nsys.argv = [{command!r}, '--help']\ntry: {run}\nexcept SystemExit as end: assert not end.code"
    )
    assert not {"jax", "jaxlib", "matplotlib"} & loaded_by(statement)


@pytest.mark.parametrize("package", PUBLIC)
def test_the_public_names_are_the_ones_agreed(package):
    module = importlib.import_module(package)
    assert set(module.__all__) == PUBLIC[package]
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_numerics_are_in_double_precision_once_they_are_loaded():
    assert "jax" in loaded_by("import fitloom_core.backend, jax; assert jax.config.jax_enable_x64")


def test_every_package_says_that_it_is_typed(repo: Path):
    project = tomllib.loads((repo / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert len(packages) == 3
    for package in packages:
        assert (repo / package / "py.typed").is_file()


def test_every_file_says_first_what_lives_there(repo: Path):
    files = [path for folder in ("client", "endpoint", "fitting_core") for path in (repo / folder).rglob("*.py")]
    silent = [path.relative_to(repo) for path in files if not re.match(r'"""[^"\s]', path.read_text())]
    assert not silent


def test_component_folders_are_no_packages(repo: Path):
    for folder in ("client", "endpoint", "fitting_core"):
        assert not (repo / folder / "__init__.py").exists()
