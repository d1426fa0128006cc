"""Published pallets: every patch applies as jsonpatch says, validates, and costs what it changes."""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonpatch
import pytest

from fitloom_core.patchset import PatchSet
from fitloom_core.workspace import Workspace, load_json

SECONDS_A_PATCH = 0.003
"""Processor time: ten times what it takes, so that a busy machine passes and a deep copy somewhere does not."""


def _members(archive: Path, suffix: str) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.name.endswith(suffix):
                stream = tar.extractfile(member)
                assert isinstance(stream, io.BufferedReader)
                yield member.name, stream.read()


@pytest.mark.parametrize(("name", "patches"), [("sbottom-RegionA", 217), ("eRJR", 66)])
def test_published_patchsets_verify_and_apply(shared_data: Path, name: str, patches: int) -> None:
    documents = {path: load_json(raw, name=path) for path, raw in _members(shared_data / f"{name}.tar.gz", ".json")}
    background, patchset = Workspace(documents["BkgOnly.json"]), PatchSet(documents["patchset.json"])
    assert len(patchset) == patches
    patchset.verify(background)
    for index, patch in enumerate(patchset):
        patched = patchset.apply(background, patch.values, verify=False)
        assert patchset[patch.name] is patchset[list(patch.values)]
        if index % 8 == 0:  # jsonpatch copies everything
            assert patched.document == jsonpatch.apply_patch(background.document, patch.operations)


@pytest.mark.parametrize(("region", "patches"), [("RegionA", 217), ("RegionB", 218), ("RegionC", 215)])
def test_published_loose_patches_apply_at_the_cost_of_what_they_change(
    shared_data: Path, region: str, patches: int, capsys: pytest.CaptureFixture[str]
) -> None:
    documents: dict[str, Any] = {
        Path(path).name: json.loads(raw)
        for path, raw in _members(shared_data / "sbottom-ins1748602.tar.gz", ".json")
        if f"{region}/" in path
    }
    background = Workspace(documents.pop("BkgOnly.json"))
    assert len(documents) == patches
    before = background.digest()
    start = time.process_time()
    for operations in documents.values():
        background.patched(operations)
    seconds = (time.process_time() - start) / patches
    with capsys.disabled():
        print(f"\n{region}: {seconds * 1e6:.0f} us a patch, applied and validated")
    assert seconds < SECONDS_A_PATCH
    assert background.digest() == before
