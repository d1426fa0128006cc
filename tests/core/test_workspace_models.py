"""Models and data made from workspaces: patches, measurements, POI, and what is spoiled."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fitloom_core.errors import FitloomError, InvalidModel, InvalidPatch, InvalidSpecification, NoPOI
from fitloom_core.workspace import Workspace
from mutations import mutate, stress
from strategies import workspaces

Json = dict[str, Any]


@pytest.fixture
def document() -> Json:
    """A signal region and a control region, observed in another order."""

    def sample(name: str, yields: list[float], parameter: str) -> Json:
        return {"name": name, "data": yields, "modifiers": [{"name": parameter, "type": "normfactor", "data": None}]}

    stat = {"name": "stat", "type": "shapesys", "data": [3.0]}
    document: Json = {
        "channels": [
            {"name": "SR", "samples": [sample("signal", [1.0, 2.0], "mu"), sample("top", [10.0, 20.0], "k")]},
            {"name": "CR", "samples": [sample("top", [30.0], "k")]},
        ],
        "observations": [{"name": "SR", "data": [11, 22]}, {"name": "CR", "data": [33]}],
        "measurements": [
            {"name": "first", "config": {"poi": "mu", "parameters": [{"name": "mu", "inits": [0.5]}]}},
            {"name": "second", "config": {"poi": "", "parameters": []}},
        ],
        "version": "1.0.0",
    }
    document["channels"][1]["samples"][0]["modifiers"].append(stat)
    return document


def test_a_model_takes_parameters_and_poi_of_its_measurement(document: Json) -> None:
    workspace = Workspace(document)
    first, second = workspace.model("first"), workspace.model(1)
    assert first.config.poi_name == "mu"
    assert first.config.suggested_init()[first.config.par_slice("mu")] == [0.5]
    assert second.config.poi_name is None
    assert second.config.suggested_init()[second.config.par_slice("mu")] == [1.0]
    assert workspace.model("first", poi_name="k").config.poi_name == "k"
    assert workspace.model("first", poi_name=None).config.poi_name is None
    with pytest.raises(NoPOI):
        workspace.model("first", poi_name="nothing")


def test_data_are_the_counts_in_the_model_s_order_and_its_auxiliary_data(document: Json) -> None:
    workspace = Workspace(document)
    model = workspace.model("first")
    assert workspace.data(model) == [33, 11, 22, 100.0]
    assert workspace.data(model, include_auxdata=False) == [33, 11, 22]


def test_patches_of_a_model_reach_its_channels_and_parameters_only(document: Json) -> None:
    workspace = Workspace(document)
    fewer: Json = {"op": "remove", "path": "/channels/1"}
    held: Json = {"op": "add", "path": "/parameters/0/fixed", "value": True}
    model = workspace.model("first", [[fewer], [held]])
    assert model.config.channels == ["SR"]
    assert model.config.suggested_fixed()[model.config.par_slice("mu")] == [True]
    assert workspace.data(model) == [11, 22]
    with pytest.raises(InvalidPatch, match="/observations/0"):
        workspace.model("first", [[{"op": "remove", "path": "/observations/0"}]])
    with pytest.raises(InvalidSpecification, match="/observations: there is no key of this name here"):
        workspace.model("first", [[{"op": "add", "path": "/observations", "value": []}]])


def test_what_a_patch_brings_to_a_model_is_checked(document: Json) -> None:
    bad = {"name": "bad", "data": [1.0], "modifiers": []}
    with pytest.raises(InvalidModel, match=r"^/channels/0/samples/2/data: sample 'bad' has 1 bins"):
        Workspace(document).model("first", [[{"op": "add", "path": "/channels/0/samples/-", "value": bad}]])


def test_a_model_of_channels_that_are_not_observed_has_no_data(document: Json) -> None:
    workspace = Workspace(document)
    model = workspace.model("first", [[{"op": "replace", "path": "/channels/1/name", "value": "VR"}]])
    with pytest.raises(InvalidModel, match="no observation of the model's channel 'VR'; the workspace observes SR, CR"):
        workspace.data(model)


@pytest.mark.filterwarnings("ignore:.* encountered in:RuntimeWarning")  # numbers of 1e308 and 1e-320 among them
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(workspaces(max_channels=2, max_samples=2, max_bins=2), st.integers(0, 2**32))
def test_a_spoiled_workspace_gives_a_model_with_a_likelihood_or_a_typed_error(document: Json, seed: int) -> None:
    random = Random(seed)
    for change in (stress, stress, lambda document, random: stress(mutate(document, random), random)):
        try:
            workspace = Workspace(change(document, random))
            model = workspace.model(0)
            likelihood = model.logpdf(np.array(model.config.suggested_init()), np.array(workspace.data(model)))
        except FitloomError as error:
            assert error.code != "internal"  # noqa: PT017 (either outcome is right)
        else:
            assert likelihood.shape == ()
