"""What the tests of the deployment files share: kustomize, and where tools of the environment are."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

Documents = list[dict[str, Any]]


@pytest.fixture(scope="session")
def deploy(repo: Path) -> Path:
    """The folder of deployment files."""
    return repo / "deploy"


@pytest.fixture(scope="session")
def tool() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a tool that was installed beside this Python."""

    def run(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).parent / name), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    return run


@pytest.fixture(scope="session")
def render(deploy: Path, tool: Callable[..., subprocess.CompletedProcess[str]]) -> Callable[[str], Documents]:
    """The documents that `kubectl apply -k` would send for a folder of deploy/."""

    def documents(folder: str) -> Documents:
        rendered = tool("kubectl", "kustomize", deploy / folder)
        assert rendered.returncode == 0, rendered.stderr
        return list(yaml.safe_load_all(rendered.stdout))

    return documents
