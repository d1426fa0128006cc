"""The command line as a whole: help, typos, campaigns shown and drawn, pallets fetched."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from fitloom.cli import _with_default_address
from small_pallets import PLANE, write_patchset

COMMANDS = ["run", "plot", "show", "fetch", "validate", "fit", "hypotest", "inspect", "digest", "patchset"]


def test_help_names_every_command(cli):
    done = cli("--help")
    assert done.returncode == 0
    assert all(f" {command} " in done.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, cli):
    done = cli(command, "--help")
    assert done.returncode == 0
    assert "Usage: fitloom" in done.stdout


def test_the_version_is_printed(cli):
    assert cli("--version").stdout.startswith("fitloom 0.")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rnu", "demo"], "did you mean 'run'"),
        (["run", "demo", "--plots", "x"], "did you mean --plot"),
        (["run", "demo", "--mu", "abc"], "--mu abc cannot be used: it should be a valid number"),
        (["run", "demo", "--workers", "0"], "--workers 0 cannot be used: it should be greater than or equal to 1"),
        (["run"], "missing argument"),
        (["show"], "missing argument"),
    ],
)
def test_typing_errors_are_answered_with_what_may_have_been_meant(words, message, cli):
    done = cli(*words)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("fitloom: error: ")
    assert message.lower() in line.lower()
    assert "--help" in line


@pytest.mark.parametrize(
    ("words", "read"),
    [
        (["run", "x", "--dashboard"], ["run", "x", "--dashboard=:"]),
        (["run", "--dashboard", "pallet"], ["run", "--dashboard=:", "pallet"]),
        (["run", "--dashboard", "0.0.0.0:80", "x"], ["run", "--dashboard", "0.0.0.0:80", "x"]),
        (["run", "--dashboard", "8000", "x"], ["run", "--dashboard", "8000", "x"]),
        (["run", "--dashboard", "--json", "x"], ["run", "--dashboard=:", "--json", "x"]),
        (["run", "--dashboard=:9", "x"], ["run", "--dashboard=:9", "x"]),
    ],
)
def test_the_dashboards_address_may_be_left_out(words, read):
    assert _with_default_address(words) == read


def test_a_campaign_is_shown_and_drawn(cli, tmp_path):
    write_patchset(tmp_path / "p")
    assert cli("run", "p", "--output", "c").returncode == 0
    shown = cli("show", "c")
    assert shown.returncode == 0
    assert "complete" in shown.stdout
    found = json.loads(cli("show", "c", "--json").stdout)
    assert found["counts"] == {"converged": len(PLANE)}
    drawn = cli("plot", "c", "-o", "a.png", "-o", "b.svg")
    assert drawn.returncode == 0
    assert (tmp_path / "a.png").exists()
    assert (tmp_path / "b.svg").exists()
    assert cli("plot", "c", "-o", "x.gif").returncode == 2
    assert cli("plot", "c", "-o", "x.png", "--axes", "m1,m9").returncode == 2


@pytest.mark.parametrize("command", [["show"], ["plot", "-o", "x.png"]])
def test_a_folder_without_a_campaign_is_refused(command, cli):
    done = cli(command[0], ".", *command[1:])
    assert done.returncode == 2
    assert "no campaign folder" in done.stderr


def test_a_pallet_is_fetched_from_an_archive(cli, tmp_path: Path):
    folder = write_patchset(tmp_path / "p")
    archive = shutil.make_archive(str(tmp_path / "a"), "gztar", root_dir=folder)
    assert cli("fetch", archive).stdout.strip() == archive
    assert cli("fetch", archive, "-o", "out").stdout.strip() == "out"
    assert (tmp_path / "out" / "patchset.json").read_bytes() == (folder / "patchset.json").read_bytes()
    assert cli("fetch", tmp_path / "out").returncode == 0
    assert cli("fetch", "nowhere").returncode == 2
