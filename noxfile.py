"""`nox`: lint, tests on each Python, docs; `nox -s tests-3.12` for one of them."""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "tests", "docs"]


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types and layers."""
    session.install("-e", ".[lint]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports")


@nox.session(python=["3.11", "3.12"])
def tests(session: nox.Session) -> None:
    """Every test that is quick; `nox -s tests -- -m heavy` for the others."""
    session.install("-e", ".[test]")
    chosen = session.posargs or ["-m", "not heavy"]
    session.run("python", "-m", "pytest", "-n", "2", "--dist", "loadgroup", *chosen)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, warnings being errors."""
    session.install("-e", ".[docs,web]")
    session.run("sphinx-build", "-W", "--keep-going", "-b", "html", "docs", "docs/_build/html")


@nox.session
def wheel(session: nox.Session) -> None:
    """The wheel holds the three packages and nothing else."""
    session.install("build", "check-wheel-contents")
    session.run("python", "-m", "build", "--outdir", "dist", ".")
    session.run("check-wheel-contents", "--toplevel", "fitloom,fitloom_core,fitloom_endpoint", "dist")
