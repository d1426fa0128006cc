"""The container files: linted, and checked against what they copy and which variables the endpoint reads."""

from __future__ import annotations

import re
from fnmatch import fnmatch

import pytest
from typer.main import get_command

from fitloom_endpoint.cli import app

FILES = ["Containerfile", "Containerfile.gpu"]


def lines_of(deploy, name):
    text = (deploy / "container" / name).read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("name", FILES)
def test_hadolint_finds_nothing(deploy, tool, name):
    found = tool("hadolint", deploy / "container" / name)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("name", FILES)
def test_what_is_copied_is_there_and_not_ignored(repo, deploy, name):
    ignored = [line for line in (repo / ".containerignore").read_text().splitlines() if not line.startswith("#")]
    copied = [
        word for line in lines_of(deploy, name) if re.match(r"COPY (?!--from)", line) for word in line.split()[1:-1]
    ]
    assert {"pyproject.toml", "client", "endpoint", "fitting_core"} <= set(copied)
    for path in copied:
        assert (repo / path).exists()
        assert any(fnmatch(path, rule[1:]) for rule in ignored if rule.startswith("!"))


@pytest.mark.parametrize("name", FILES)
def test_the_variables_are_ones_that_serve_reads(deploy, name):
    variables = set(re.findall(r"\b(FITLOOM_[A-Z_]+)=", " ".join(lines_of(deploy, name))))
    options = get_command(app).commands["serve"].params
    assert variables <= {option.envvar for option in options if option.envvar}


@pytest.mark.parametrize("name", FILES)
def test_the_image_runs_as_nobody_in_particular_and_holds_no_token(deploy, name):
    lines = lines_of(deploy, name)
    assert "USER 10001" in lines
    assert not any("FITLOOM_TOKEN=" in line for line in lines)


def test_the_gpu_image_differs_only_where_it_must(deploy):
    cpu, gpu = ({*lines_of(deploy, name)} for name in FILES)
    changed = " ".join(gpu - cpu)
    assert "jax[cuda" in changed
    assert "FITLOOM_DEVICE=gpu" in changed
    assert len(gpu - cpu) == 3


def test_make_says_what_it_would_run(repo, tool):
    import subprocess

    command = ["make", "-n", "-f", "deploy/container/Makefile", "run", "ENGINE=podman"]
    printed = subprocess.run(command, cwd=repo, capture_output=True, text=True, check=True).stdout
    assert "podman build -f deploy/container/Containerfile" in printed
    assert "-p 127.0.0.1:8000:8000" in printed
