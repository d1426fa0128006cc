"""What a workspace must be, and what is said of one that is not."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
from hypothesis import given

from fitloom_core.errors import InputError, InvalidModel, InvalidModifier, InvalidSpecification
from fitloom_core.validation import (
    Known,
    model_spec_problems,
    validate_model_spec,
    validate_sample,
    validate_workspace,
    workspace_problems,
)
from strategies import workspaces

Json = dict[str, Any]


@pytest.fixture
def document() -> Json:
    """Two channels, all modifier types."""
    modifiers = [
        {"name": "h", "type": "histosys", "data": {"hi_data": [11.0, 21], "lo_data": [9.0, 19]}},
        {"name": "lumi", "type": "lumi", "data": None},
        {"name": "mu", "type": "normfactor", "data": None},
        {"name": "n", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}},
        {"name": "f", "type": "shapefactor", "data": None},
        {"name": "u", "type": "shapesys", "data": [1.0, 0]},
        {"name": "s", "type": "staterror", "data": [1.0, 2.0]},
    ]
    lumi = {"name": "lumi", "inits": [1.0], "auxdata": [1.0], "sigmas": [0.02], "bounds": [[0.9, 1.1]], "fixed": False}
    return {
        "channels": [
            {"name": "SR", "samples": [{"name": "signal", "data": [10.0, 20], "modifiers": modifiers}]},
            {
                "name": "CR",
                "samples": [
                    {"name": "top", "data": [-1.5], "modifiers": []},
                    {"name": "fakes", "data": [0], "modifiers": []},
                ],
            },
        ],
        "observations": [{"name": "CR", "data": [3]}, {"name": "SR", "data": [10, 20.5]}],
        "measurements": [{"name": "meas", "config": {"poi": "mu", "parameters": [lumi]}}],
        "version": "1.0.0",
    }


def _set(document: Json, path: str, value: object) -> None:
    """Set the value at a path; for a path that ends in "!" the key is removed."""
    *above, last = path.removesuffix("!").strip("/").split("/")
    container: Any = document
    for part in above:
        container = container[int(part) if isinstance(container, list) else part]
    key: Any = int(last) if isinstance(container, list) else last
    if path.endswith("!"):
        del container[key]
    else:
        container[key] = value


def test_a_document_of_every_modifier_type_is_valid(document: Json) -> None:
    assert workspace_problems(document) == []


def test_negative_yields_are_valid_as_weights_may_be_negative(document: Json) -> None:
    document["channels"][0]["samples"][0]["data"] = [-10.0, 20.0]
    assert workspace_problems(document) == []


def test_observations_of_removed_channels_may_stay(document: Json) -> None:
    del document["channels"][1]
    assert workspace_problems(document) == []


@given(workspaces())
def test_generated_workspaces_are_valid(generated: Json) -> None:
    assert workspace_problems(generated) == []


MODIFIER = "/channels/0/samples/0/modifiers"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("/version", "1.0.1", "/version: must be '1.0.0', not '1.0.1'"),
        ("/version!", 0, "top level: the key 'version' is missing; add it"),
        ("/channels", [], "/channels: has 0 entries; at least 1 needed"),
        ("/channels", {}, "/channels: must be a list, not {}"),
        ("/channels/1", 7, "/channels/1: must be an object, not 7"),
        ("/channels/1/name", 7, "/channels/1/name: must be a string, not 7"),
        ("/channels/1/name", "\ud800", "/channels/1/name: must be a string of whole Unicode characters"),
        ("/channels/1/samples", [], "/channels/1/samples: has 0 entries"),
        ("/channels/1/colour", "red", "/channels/1/colour: there is no key of this name here; remove it"),
        ("/channels/1/samples/1/data!", 0, "/channels/1/samples/1: the key 'data' is missing"),
        ("/channels/1/samples/1/data", [], "/channels/1/samples/1/data: has 0 entries"),
        ("/channels/1/samples/1/data/0", math.nan, "/channels/1/samples/1/data/0: must be a finite number, not nan"),
        ("/channels/1/samples/1/data/0", math.inf, "/channels/1/samples/1/data/0: must be a finite number, not inf"),
        ("/channels/1/samples/1/data/0", True, "/channels/1/samples/1/data/0: must be a number, not True"),
        ("/channels/1/samples/1/data/0", "3", "/channels/1/samples/1/data/0: must be a number, not '3'"),
        (
            f"{MODIFIER}/3/type",
            "normsyst",
            "/channels/0/samples/0/modifiers/3/type: 'normsyst' is no modifier type; "
            "use one of histosys, lumi, normfactor, normsys, shapefactor, shapesys, staterror",
        ),
        (f"{MODIFIER}/3/type", 4, f"{MODIFIER}/3/type: 4 is no modifier type"),
        (f"{MODIFIER}/3/type", [], f"{MODIFIER}/3/type: [] is no modifier type"),
        (f"{MODIFIER}/3/type!", 0, f"{MODIFIER}/3: the key 'type' is missing; add it, one of histosys"),
        (f"{MODIFIER}/3", "n", f"{MODIFIER}/3: must be an object, not 'n'"),
        (f"{MODIFIER}/3/data/hi", None, f"{MODIFIER}/3/data/hi: must be a number, not None"),
        (f"{MODIFIER}/3/data/up", 1.0, f"{MODIFIER}/3/data/up: there is no key of this name"),
        (f"{MODIFIER}/2/data", {}, f"{MODIFIER}/2/data: must be null, not {{}}"),
        (f"{MODIFIER}/1/name", "Lumi", f"{MODIFIER}/1/name: must be 'lumi', not 'Lumi'"),
        (f"{MODIFIER}/0/data", None, f"{MODIFIER}/0/data: must be an object, not None"),
        ("/observations/1/data/0", "many", "/observations/1/data/0: must be a number"),
        ("/measurements/0/config/poi", None, "/measurements/0/config/poi: must be a string, not None"),
        (
            "/measurements/0/config/parameters/0/bounds/0",
            [1.0],
            "/measurements/0/config/parameters/0/bounds/0: has 1 entries; at least 2 needed",
        ),
        (
            "/measurements/0/config/parameters/0/fixed",
            1,
            "/measurements/0/config/parameters/0/fixed: must be true or false, not 1",
        ),
    ],
)
def test_a_wrong_form_is_named_by_its_path(document: Json, path: str, value: object, message: str) -> None:
    _set(document, path, value)
    with pytest.raises(InvalidSpecification) as caught:
        validate_workspace(document)
    assert str(caught.value).startswith(message)


def test_an_integer_beyond_floating_point_is_no_number(document: Json) -> None:
    for value in (10**400, 10**5000):
        document["channels"][0]["samples"][0]["data"][1] = value
        with pytest.raises(InvalidSpecification, match="/channels/0/samples/0/data/1: must be a number, not"):
            validate_workspace(document)


@pytest.mark.parametrize("document", [None, [], 3, "workspace", {}])
def test_what_is_no_object_with_the_keys_is_refused(document: object) -> None:
    with pytest.raises(InvalidSpecification, match="top level"):
        validate_workspace(document)


@pytest.mark.parametrize(
    ("path", "value", "error", "message"),
    [
        ("/channels/1/name", "SR", InvalidModel, "/channels/1: channel 'SR' stands at /channels/0 already; rename one"),
        (
            "/channels/1/samples/1/name",
            "top",
            InvalidModel,
            "/channels/1/samples/1: sample 'top' stands at /channels/1/samples/0 in channel 'CR' already",
        ),
        (
            "/channels/1/samples/1/data",
            [1, 2],
            InvalidModel,
            "/channels/1/samples/1/data: sample 'fakes' has 2 bins and sample 'top' of the same channel 1",
        ),
        (
            f"{MODIFIER}/5",
            {"name": "s", "type": "staterror", "data": [1, 1]},
            InvalidModel,
            f"{MODIFIER}/6: sample 'signal' has the staterror 's' twice",
        ),
        (
            f"{MODIFIER}/0/data/hi_data",
            [1.0],
            InvalidModifier,
            f"{MODIFIER}/0/data/hi_data: histosys 'h' has 1 entries for a sample of 2 bins",
        ),
        (
            f"{MODIFIER}/5/data",
            [1, 2, 3],
            InvalidModifier,
            f"{MODIFIER}/5/data: shapesys 'u' has 3 entries for a sample of 2 bins",
        ),
        (
            f"{MODIFIER}/6/data/1",
            -0.1,
            InvalidModifier,
            f"{MODIFIER}/6/data/1: staterror 's' has the negative uncertainty -0.1",
        ),
        (
            f"{MODIFIER}/3/data/lo",
            -0.2,
            InvalidModifier,
            f"{MODIFIER}/3/data/lo: normsys 'n' has the negative factor -0.2",
        ),
        (
            "/observations/0/data/0",
            -1,
            InvalidSpecification,
            "/observations/0/data/0: channel 'CR' observes -1 events; counts cannot be negative",
        ),
        (
            "/observations/0/data",
            [1, 2],
            InvalidSpecification,
            "/observations/0/data: 2 counts for channel 'CR', which has 1 bins",
        ),
        ("/observations/0!", 0, InvalidSpecification, "/channels/1: channel 'CR' has no entry in /observations"),
        (
            "/observations/0/name",
            "SR",
            InvalidSpecification,
            "/observations/1: observation 'SR' stands at /observations/0 already",
        ),
        (
            "/measurements/0/config/parameters/0/bounds/0",
            [2.0, 1.0],
            InvalidModel,
            "/measurements/0/config/parameters/0/bounds/0: bounds [2.0, 1.0] of 'lumi' are upside down",
        ),
        (
            "/measurements/0/config/parameters/0/sigmas/0",
            0,
            InvalidModel,
            "/measurements/0/config/parameters/0/sigmas/0: standard deviation 0 of 'lumi' must be above zero",
        ),
    ],
)
def test_what_does_not_fit_together_is_named_by_its_path(
    document: Json, path: str, value: object, error: type[InputError], message: str
) -> None:
    _set(document, path, value)
    with pytest.raises(error) as caught:
        validate_workspace(document)
    assert type(caught.value) is error
    assert str(caught.value).startswith(message)


def test_two_measurements_or_parameter_configurations_of_one_name_are_refused(document: Json) -> None:
    measurements = document["measurements"]
    parameters = measurements[0]["config"]["parameters"]
    with pytest.raises(InvalidSpecification, match="/measurements/1: measurement 'meas' stands at /measurements/0"):
        validate_workspace({**document, "measurements": measurements * 2})
    parameters.append({"name": "lumi", "fixed": True})
    with pytest.raises(InvalidModel, match="/measurements/0/config/parameters/1: parameter 'lumi' stands at"):
        validate_workspace(document)


def test_a_histosys_and_a_normsys_may_have_one_name(document: Json) -> None:
    document["channels"][0]["samples"][0]["modifiers"][3]["name"] = "h"
    assert workspace_problems(document) == []


def test_all_problems_are_listed_and_the_first_is_raised_with_their_number(document: Json) -> None:
    del document["channels"][0]["name"]
    document["channels"][1]["samples"][0]["data"] = "many"
    document["observations"][1]["data"][0] = -3
    problems = [str(problem) for problem in workspace_problems(document)]
    assert [problem.split(":")[0] for problem in problems] == [
        "/channels/0",
        "/channels/1/samples/0/data",
        "/observations/1/data/0",
    ]
    with pytest.raises(InvalidSpecification, match=r"^/channels/0: .* \(and 2 more\)$"):
        validate_workspace(document)


def test_known_parts_are_not_looked_at_again_and_new_ones_are(document: Json) -> None:
    known = Known(document)
    broken = copy.deepcopy(document["channels"][1]["samples"][0])
    del broken["data"]
    patched = {**document, "channels": [document["channels"][0], {"name": "CR", "samples": [broken]}]}
    document["channels"][0]["samples"][0]["data"].append("not looked at")
    problems = workspace_problems(patched, known)
    assert [str(problem) for problem in problems] == ["/channels/1/samples/0: the key 'data' is missing; add it"]


def test_a_sample_is_checked_by_itself(document: Json) -> None:
    sample = document["channels"][0]["samples"][0]
    validate_sample(sample)
    sample["modifiers"][3]["data"]["hi"] = -1
    with pytest.raises(InvalidModifier, match=r"^/channels/4/samples/0/modifiers/3/data/hi: "):
        validate_sample(sample, ("channels", 4, "samples", 0))


def test_a_model_specification_has_channels_and_perhaps_parameters(document: Json) -> None:
    spec = {"channels": document["channels"], "parameters": document["measurements"][0]["config"]["parameters"]}
    validate_model_spec(spec)
    validate_model_spec({"channels": document["channels"]})
    with pytest.raises(InvalidSpecification, match="/observations: there is no key of this name here"):
        validate_model_spec({**spec, "observations": []})
    spec["parameters"].append({"name": "mu", "inits": [1], "limits": [0, 1]})
    assert [str(problem) for problem in model_spec_problems(spec)] == [
        "/parameters/1/limits: there is no key of this name here; remove it or correct its spelling"
    ]
