"""Patchsets: form, names and values, digests, and applying their patches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyhf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitloom_core.errors import (
    DigestMismatch,
    InvalidPatchSet,
    InvalidSpecification,
    UnknownPatch,
    UnreadableDocument,
)
from fitloom_core.patchset import PatchSet
from fitloom_core.workspace import Workspace, digest
from strategies import patchsets, workspaces

Json = dict[str, Any]


@pytest.fixture
def background() -> Workspace:
    """One channel of one bin."""
    sample = {"name": "top", "data": [50.0], "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]}
    return Workspace(
        {
            "channels": [{"name": "SR", "samples": [sample]}],
            "observations": [{"name": "SR", "data": [52]}],
            "measurements": [{"name": "meas", "config": {"poi": "mu", "parameters": []}}],
            "version": "1.0.0",
        }
    )


@pytest.fixture
def document(background: Workspace) -> Json:
    """Two patches of two labels for the background."""

    def patch(name: str, values: list[float | str], yields: float) -> Json:
        signal = {"name": "signal", "data": [yields], "modifiers": []}
        operation = {"op": "add", "path": "/channels/0/samples/-", "value": signal}
        return {"metadata": {"name": name, "values": values, "note": "extra keys stay"}, "patch": [operation]}

    return {
        "metadata": {
            "references": {"hepdata": "ins1234567"},
            "digests": {"sha256": background.digest(), "md5": background.digest("md5")},
            "labels": ["mass", "model"],
            "description": "two signals",
            "publisher": "nobody",
        },
        "patches": [patch("light", [100, "A"], 5.0), patch("heavy", [900.5, "A"], 0.5)],
        "version": "1.0.0",
    }


def test_patches_are_found_by_name_and_by_values(document: Json) -> None:
    patchset = PatchSet(document)
    heavy = patchset["heavy"]
    assert heavy is patchset[900.5, "A"] is patchset[[900.5, "A"]]
    assert (heavy.name, heavy.values, heavy.metadata["note"]) == ("heavy", (900.5, "A"), "extra keys stay")
    assert patchset[100.0, "A"].name == "light"
    assert "heavy" in patchset
    assert (900.5, "B") not in patchset
    assert {"a": 1} not in patchset


def test_patches_come_in_the_document_s_order(document: Json) -> None:
    patchset = PatchSet(document)
    assert [patch.name for patch in patchset] == ["light", "heavy"]
    assert len(patchset) == 2
    assert repr(patchset) == "PatchSet(2 patches of mass, model)"


def test_what_the_patches_have_in_common_is_at_hand(document: Json) -> None:
    patchset = PatchSet(document)
    assert patchset.labels == ["mass", "model"]
    assert patchset.references == {"hepdata": "ins1234567"}
    assert patchset.description == "two signals"
    assert patchset.metadata["publisher"] == "nobody"
    assert patchset.version == "1.0.0"


@pytest.mark.parametrize("key", ["none", (1, "A"), [1], 7, {"a": 1}])
def test_an_unknown_patch_is_named_with_what_there_is(document: Json, key: Any) -> None:
    with pytest.raises(UnknownPatch, match=r"no patch with .* among the 2 .*light, heavy.*values of mass, model"):
        PatchSet(document)[key]


def test_a_patch_applies_to_its_background_only(document: Json, background: Workspace) -> None:
    patchset = PatchSet(document)
    patched = patchset.apply(background, "light")
    assert patched.samples == ["signal", "top"]
    assert background.samples == ["top"]
    other = Workspace({**background.document, "observations": [{"name": "SR", "data": [53]}]})
    with pytest.raises(
        DigestMismatch, match=rf"sha256 digest is {other.digest()}, expected {background.digest()}; take"
    ):
        patchset.apply(other, "light")
    assert patchset.apply(other, "light", verify=False).samples == ["signal", "top"]


def test_every_digest_must_match(document: Json, background: Workspace) -> None:
    document["metadata"]["digests"]["md5"] = "0" * 32
    with pytest.raises(DigestMismatch, match=f"md5 digest is {background.digest('md5')}, expected {'0' * 32}"):
        PatchSet(document).verify(background.document)
    document["metadata"]["digests"] = {"sha256": background.digest().upper()}
    PatchSet(document).verify(background)


def test_an_empty_patchset_is_refused(document: Json) -> None:
    with pytest.raises(InvalidPatchSet, match="the patchset is empty; a campaign needs at least one patch"):
        PatchSet({**document, "patches": []})


def _entry(document: Json, index: int) -> Json:
    metadata: Json = document["patches"][index]["metadata"]
    return metadata


def test_names_and_values_that_clash_are_refused(document: Json) -> None:
    _entry(document, 1)["name"] = "light"
    with pytest.raises(InvalidPatchSet, match=r"^/patches/1/metadata/name: a second patch of name 'light'"):
        PatchSet(document)
    _entry(document, 1).update(name="heavy", values=[100.0, "A"])
    with pytest.raises(InvalidPatchSet, match=r"^/patches/1/metadata/values: patch 'heavy' has the same values"):
        PatchSet(document)
    _entry(document, 1)["values"] = [3]
    with pytest.raises(InvalidPatchSet, match=r"'heavy' has 1 values for the 2 labels mass, model"):
        PatchSet(document)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("metadata"), "top level: the key 'metadata' is missing"),
        (lambda d: d.update(version="2.0.0"), "/version: must be '1.0.0', not '2.0.0'"),
        (lambda d: d["metadata"].update(labels=[]), "/metadata/labels: has 0 entries"),
        (lambda d: d["metadata"].update(labels=["m A", "b"]), "/metadata/labels/0: must match"),
        (lambda d: d["metadata"].update(digests={}), "/metadata/digests: must hold a digest, md5 or sha256, not {}"),
        (lambda d: d["metadata"].update(digests={"md5": "x"}), "/metadata/digests/md5: must match"),
        (lambda d: d["metadata"].update(digests={"sha1": "x"}), "/metadata/digests/sha1: there is no key of this name"),
        (lambda d: d["metadata"].update(references={"hepdata": "ins1"}), "/metadata/references/hepdata: must match"),
        (lambda d: _entry(d, 0).update(name="a b"), "/patches/0/metadata/name: must match"),
        (
            lambda d: _entry(d, 0).update(values=[True, 1]),
            "/patches/0/metadata/values/0: must be a finite number or a string, not True",
        ),
        (
            lambda d: _entry(d, 0).update(values=[float("nan"), 1]),
            "/patches/0/metadata/values/0: must be a finite number or a string, not nan",
        ),
        (lambda d: d["patches"][1].update(patch={}), "/patches/1/patch: must be a list"),
        (lambda d: d["patches"][1]["patch"][0].update(op="put"), "/patches/1/patch/0/op: 'put' is no patch operation"),
        (lambda d: d["patches"][1]["patch"][0].pop("value"), "/patches/1/patch/0: the key 'value' is missing"),
    ],
)
def test_a_wrong_form_is_named_by_its_path(document: Json, change: Any, message: str) -> None:
    change(document)
    with pytest.raises(InvalidSpecification) as caught:
        PatchSet(document)
    assert str(caught.value).startswith(f"not a patchset: {message}")


def test_patchsets_are_read_from_files(document: Json, tmp_path: Path) -> None:
    path = tmp_path / "patchset.json"
    path.write_text(json.dumps(document))
    assert len(PatchSet.from_file(path)) == 2
    path.write_text(json.dumps(document)[:-5])
    with pytest.raises(UnreadableDocument, match="truncated"):
        PatchSet.from_file(path)


@given(st.data())
def test_patched_workspaces_are_those_of_pyhf(data: st.DataObject) -> None:
    document = data.draw(workspaces(with_poi=True))
    patchset = PatchSet(data.draw(patchsets(document, digest(document))))
    background, peer = Workspace(document), pyhf.PatchSet(patchset.document)
    for patch in patchset:
        expected = peer.apply(pyhf.Workspace(document), patch.name)
        assert patchset.apply(background, patch.values).document == dict(expected)
