"""Published workspaces and their patches, read once."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from fitloom_core import PatchSet, Workspace


class Sbottom:
    """The regions of the sbottom search: `sbottom("RegionA")`, `sbottom.patches("RegionA")`."""

    def __init__(self, archive: Path) -> None:
        self._documents: dict[str, Any] = {}
        with tarfile.open(archive) as tar:
            for member in tar.getmembers():
                stream = tar.extractfile(member) if member.name.endswith(".json") else None
                if stream is not None:
                    self._documents["/".join(Path(member.name).parts[-2:])] = json.load(stream)

    def __call__(self, region: str) -> Workspace:
        return Workspace(self._documents[f"{region}/BkgOnly.json"])

    def patch(self, region: str, name: str) -> list[dict[str, Any]]:
        """One signal patch."""
        patch: list[dict[str, Any]] = self._documents[f"{region}/patch.{name}.json"]
        return patch

    def patches(self, region: str) -> dict[str, list[dict[str, Any]]]:
        """All signal patches of a region by name."""
        head = f"{region}/patch."
        return {key[len(head) : -5]: self._documents[key] for key in sorted(self._documents) if key.startswith(head)}


@pytest.fixture(scope="session")
def sbottom(shared_data: Path) -> Sbottom:
    """ATLAS-SUSY-2018-31 as published."""
    return Sbottom(shared_data / "sbottom-ins1748602.tar.gz")


class Erjr(Workspace):
    """The three-lepton search's background with its patchset."""

    patchset: PatchSet


@pytest.fixture(scope="session")
def erjr(shared_data: Path) -> Erjr:
    """ATLAS-SUSY-2018-06 as published: Poisson constraints with tau up to 1e12."""
    with tarfile.open(shared_data / "eRJR.tar.gz") as tar:
        files = {Path(name).name: json.load(tar.extractfile(name)) for name in tar.getnames() if name.endswith(".json")}  # type: ignore[arg-type]
    workspace = Erjr(files["BkgOnly.json"])
    workspace.patchset = PatchSet(files["patchset.json"])
    return workspace
