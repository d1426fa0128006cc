"""The table of places where fits run, and the tidiness of all deployment files."""

from __future__ import annotations

import re
import shlex

import pytest


def rows(deploy):
    table = (deploy / "README.md").read_text()
    return re.findall(r"^\| .* \| \[([\w-]+)\]\(([\w-]+/README\.md)\) \| (.*) \|$", table, re.MULTILINE)


def test_every_folder_stands_in_the_table(deploy):
    folders = {path.name for path in deploy.iterdir() if path.is_dir()}
    assert folders <= {name for name, _, _ in rows(deploy)}


def test_every_row_leads_to_a_readme_that_shows_its_command(deploy):
    for _, readme, command in rows(deploy):
        text = (deploy / readme).read_text()
        for code in re.findall(r"`([^`]+)`", command):
            assert code in text, f"{readme} does not show {code}"


def test_every_file_that_a_command_names_is_here(repo, deploy):
    for _, _, command in rows(deploy):
        for code in re.findall(r"`([^`]+)`", command):
            named = [word for word in shlex.split(code) if word.startswith("deploy/")]
            assert all((repo / word).exists() for word in named), code


def test_yamllint_finds_nothing(repo, deploy, tool):
    found = tool("yamllint", "-c", repo / ".yamllint", "--strict", deploy)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("pattern", ["*.md", "*.yaml", "*.sh", "*.sub"])
def test_no_file_speaks_of_an_image_that_floats(deploy, pattern):
    for path in deploy.rglob(pattern):
        assert ":latest" not in path.read_text(), path
