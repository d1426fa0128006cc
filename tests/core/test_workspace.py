"""Workspaces: what is in them, choosing a measurement, patching, models and data."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyhf
import pytest
from hypothesis import given

from fitloom_core.errors import InvalidMeasurement, InvalidPatch, InvalidSpecification, UnreadableDocument
from fitloom_core.workspace import Workspace, digest, model_spec
from strategies import workspaces

Json = dict[str, Any]


@pytest.fixture
def document() -> Json:
    """Two channels and two measurements."""

    def sample(name: str, yields: list[float], *modifiers: str) -> Json:
        return {
            "name": name,
            "data": yields,
            "modifiers": [{"name": modifier, "type": "normfactor", "data": None} for modifier in modifiers],
        }

    def measurement(name: str, poi: str, parameters: list[Json]) -> Json:
        return {"name": name, "config": {"poi": poi, "parameters": parameters}}

    return {
        "channels": [
            {"name": "SR", "samples": [sample("signal", [1.0, 2.0], "mu"), sample("top", [10.0, 20.0], "k")]},
            {"name": "CR", "samples": [sample("top", [30.0], "k")]},
        ],
        "observations": [{"name": "SR", "data": [11, 22]}, {"name": "CR", "data": [33]}],
        "measurements": [measurement("first", "mu", [{"name": "mu", "inits": [0.5]}]), measurement("second", "", [])],
        "version": "1.0.0",
    }


def test_a_workspace_says_what_is_in_it(document: Json) -> None:
    workspace = Workspace(document)
    assert workspace.channels == ["CR", "SR"]
    assert workspace.channel_nbins == {"SR": 2, "CR": 1}
    assert workspace.samples == ["signal", "top"]
    assert workspace.modifiers == [("k", "normfactor"), ("mu", "normfactor")]
    assert workspace.measurements == ["first", "second"]
    assert workspace.observations == {"SR": [11, 22], "CR": [33]}
    assert workspace.version == "1.0.0"
    assert repr(workspace) == "Workspace(2 channels, 3 bins, 2 samples)"


@given(workspaces())
def test_a_workspace_says_what_pyhf_says(document: Json) -> None:
    workspace, peer = Workspace(document), pyhf.Workspace(document)
    assert workspace.channels == peer.channels
    assert workspace.samples == peer.samples
    assert workspace.modifiers == peer.modifiers
    assert workspace.channel_nbins == peer.channel_nbins
    assert workspace.measurements == peer.measurement_names
    assert workspace.observations == peer.observations
    assert workspace.digest() == pyhf.utils.digest(peer)


def test_a_workspace_is_read_from_a_file(document: Json, tmp_path: Path) -> None:
    path = tmp_path / "BkgOnly.json"
    path.write_text(json.dumps(document))
    assert Workspace.from_file(path).digest() == digest(document)
    path.write_text(json.dumps([document]))
    with pytest.raises(InvalidSpecification, match="top level: must be an object"):
        Workspace.from_file(path)
    with pytest.raises(UnreadableDocument, match="there is no such file"):
        Workspace.from_file(tmp_path / "BkgOnyl.json")


def test_a_measurement_is_chosen_by_name_or_index(document: Json) -> None:
    workspace = Workspace(document)
    assert workspace.get_measurement("second")["name"] == "second"
    assert workspace.get_measurement(1)["name"] == "second"
    with pytest.raises(InvalidMeasurement, match="no measurement 'third'; the workspace has first, second"):
        workspace.get_measurement("third")
    for index in (2, -1):
        with pytest.raises(InvalidMeasurement, match=f"no measurement of index {index}; the workspace has 2"):
            workspace.get_measurement(index)


def test_the_first_of_several_measurements_is_taken_with_a_warning(
    document: Json, caplog: pytest.LogCaptureFixture
) -> None:
    assert Workspace(document).get_measurement()["name"] == "first"
    assert caplog.messages == ["the workspace has 2 measurements (first, second); taking the first"]
    caplog.clear()
    del document["measurements"][1]
    assert Workspace(document).get_measurement()["name"] == "first"
    assert caplog.messages == []


def test_a_model_is_specified_by_channels_and_one_measurement(document: Json) -> None:
    spec = model_spec(document, "first")
    assert spec == {"channels": document["channels"], "parameters": [{"name": "mu", "inits": [0.5]}], "poi": "mu"}
    assert model_spec(document, "second")["poi"] is None


def test_a_patched_workspace_shares_what_did_not_change(document: Json) -> None:
    workspace = Workspace(document)
    patched = workspace.patched([{"op": "remove", "path": "/channels/1"}])
    assert patched.channels == ["SR"]
    assert patched.document["channels"][0] is document["channels"][0]
    assert workspace.channels == ["CR", "SR"]


def test_what_a_patch_brings_is_checked(document: Json) -> None:
    workspace = Workspace(document)
    bad = {"name": "bad", "data": [1.0, "2"], "modifiers": []}
    with pytest.raises(InvalidSpecification, match=r"^/channels/0/samples/1/data/1: must be a number, not '2'"):
        workspace.patched([{"op": "add", "path": "/channels/0/samples/1", "value": bad}])
    with pytest.raises(InvalidSpecification, match=r"^/channels/0: channel 'SR' has no entry in /observations"):
        workspace.patched([{"op": "remove", "path": "/observations/0"}])
    with pytest.raises(InvalidPatch, match=r"^operation 0 \(counted from 0\), remove '/channels/7', does not apply"):
        workspace.patched([{"op": "remove", "path": "/channels/7"}])


def test_reading_and_patching_need_no_numerics() -> None:
    code = "import sys, fitloom_core.workspace; sys.exit('jax' in sys.modules or 'scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
