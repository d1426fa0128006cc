"""Fixtures every test may use: real likelihoods, reference numbers, the command line as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("fitloom", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("fitloom"), derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "fitloom")
"""New examples are looked for at people's desks; a change that has nothing to do with them must not fail by chance."""

ROOT = Path(__file__).resolve().parent.parent
Cli = Callable[..., subprocess.CompletedProcess[str]]


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--no-skips``: a skipped test fails the run, for machines that must have everything."""
    parser.addoption("--no-skips", action="store_true", help="fail when any test was skipped")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run with ``--no-skips`` that skipped something."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not session.config.getoption("--no-skips"):
        return
    if reporter.stats.get("skipped") and session.exitstatus == pytest.ExitCode.OK:
        reporter.write_line("--no-skips: tests were skipped on a machine that must have everything", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _beside(variable: str, name: str) -> Path:
    given = os.environ.get(variable)
    folder = Path(given) if given else ROOT.parent / "shared" / name
    if not folder.is_dir():
        pytest.skip(f"no real likelihoods in {folder}: set {variable} to the folder that holds them")
    return folder


@pytest.fixture(scope="session")
def repo() -> Path:
    """The repository's root."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of published pallets (FITLOOM_DATA, or ../shared/data); skips where there is none."""
    return _beside("FITLOOM_DATA", "data")


@pytest.fixture(scope="session")
def reference() -> dict[str, Any]:
    """Converged values found by independent programs (FITLOOM_REFERENCE, or ../shared/reference)."""
    text = (_beside("FITLOOM_REFERENCE", "reference") / "converged.json").read_text()
    converged: dict[str, Any] = json.loads(text)
    return converged


@pytest.fixture
def x64() -> Iterator[None]:
    """JAX in double precision for the length of a test."""
    import jax

    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Run ``python -m fitloom …`` as a process of its own, in an empty folder: `cli("digest", path)`.

    Keywords: ``cwd``, ``env`` (added to the environment), ``stdin`` (text), ``timeout`` in seconds, ``module``.
    """

    def run(
        *arguments: str | Path,
        cwd: Path = tmp_path,
        env: dict[str, str] | None = None,
        stdin: str | None = None,
        timeout: float = 300,
        module: str = "fitloom",
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", module, *map(str, arguments)]
        environment = {**os.environ, "COLUMNS": "120", "NO_COLOR": "1", **(env or {})}
        return subprocess.run(
            command, cwd=cwd, env=environment, input=stdin, timeout=timeout, capture_output=True, text=True, check=False
        )

    return run
