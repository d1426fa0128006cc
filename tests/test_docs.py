"""The documentation is true: marked blocks run, generated pages are current, links lead somewhere."""

from __future__ import annotations

import doctest
import importlib.util
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^<!-- test -->\n```(console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s#]+)(?:#[^)]*)?\)")


@dataclass(frozen=True)
class Step:
    """One command or program of a page, and what it should print."""

    command: list[str]
    expected: str


def steps(page: Path) -> list[Step]:
    """What a page shows and says is testable, in order. A console block without output may print anything."""
    found: list[Step] = []
    for kind, text in BLOCK.findall(page.read_text()):
        found += [Step([sys.executable, "-c", text], "")] if kind == "python" else _console(text)
    return found


def _console(text: str) -> Iterator[Step]:
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield Step(["bash", "-euo", "pipefail", "-c", command], output)


def agrees(expected: str, output: str) -> bool:
    """Whether an output is as shown, where ``...`` stands for anything."""
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    return not expected.strip() or doctest.OutputChecker().check_output(expected, output, options)


@pytest.mark.docs
@pytest.mark.parametrize("document", [page for page in PAGES if steps(page)], ids=lambda page: page.name)
def test_what_a_page_shows_runs(document: Path, tmp_path: Path):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "COLUMNS": "100", "NO_COLOR": "1"}
    for step in steps(document):
        done = subprocess.run(
            step.command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        shown = f"{shlex.join(step.command)}\n{done.stdout}{done.stderr}"
        assert done.returncode == 0, shown
        assert agrees(step.expected, done.stdout), shown


@pytest.mark.parametrize("document", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_inside_the_repository_lead_somewhere(document: Path):
    links = [link for link in LINK.findall(_prose(document.read_text())) if not re.match(r"[a-z]+:", link)]
    broken = [link for link in links if not (document.parent / link).exists()]
    assert not broken


def test_the_readme_begins_with_the_picture_and_the_two_commands():
    start = (ROOT / "README.md").read_text()[:900]
    assert re.search(r"!\[[^\]]+\]\(docs/_static/demo\.png\)", start)
    assert "make demo" in start
    assert "make test" in start


def test_generated_pages_are_current():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for path, text in module.generated().items():
        assert path.read_text() == text, f"{path.relative_to(ROOT)} is out of date: run `make schema`"


def test_every_make_target_is_explained():
    targets = re.findall(r"^([a-z-]+):(?!=)(.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"demo", "test", "lint", "docs", "bench"} <= {name for name, _ in targets}
    assert all("##" in rest for name, rest in targets if name not in ("help",))


def _prose(text: str) -> str:
    return re.sub(r"^```.*?^```$|`[^`\n]+`", "", text, flags=re.MULTILINE | re.DOTALL)
