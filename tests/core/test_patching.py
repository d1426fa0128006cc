"""JSON patches, copy-on-write: the answers are jsonpatch's, and nothing that was given is changed."""

from __future__ import annotations

import copy
from typing import Any

import jsonpatch
import jsonpointer
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fitloom_core.errors import InvalidPatch
from fitloom_core.patching import apply_patch

Json = dict[str, Any]

keys = st.sampled_from(["a", "b", "0", "-"])
scalars = st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "x"])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=8
)
documents = st.dictionaries(keys, values, min_size=1, max_size=4)
tokens = st.sampled_from(["a", "b", "0", "1", "2", "-", "01", "-1", "", "~0", "~"])
paths = st.lists(tokens, max_size=4).map(lambda parts: "".join("/" + part for part in parts)) | st.just("no slash")
operations = st.one_of(
    st.fixed_dictionaries({"op": st.sampled_from(["add", "replace", "test"]), "path": paths, "value": values}),
    st.fixed_dictionaries({"op": st.just("remove"), "path": paths}),
    st.fixed_dictionaries({"op": st.sampled_from(["move", "copy"]), "path": paths, "from": paths}),
)


@pytest.fixture
def document() -> Json:
    """Two channels of two samples."""
    return {
        "channels": [
            {"name": "SR", "samples": [{"name": "top", "data": [1]}, {"name": "Z", "data": [2]}]},
            {"name": "CR", "samples": [{"name": "top", "data": [3]}, {"name": "Z", "data": [4]}]},
        ],
        "version": "1.0.0",
    }


def test_what_a_patch_does_not_touch_is_shared_and_the_input_stays(document: Json) -> None:
    before = copy.deepcopy(document)
    signal = {"name": "signal", "data": [5]}
    patched = apply_patch(document, [{"op": "add", "path": "/channels/1/samples/1", "value": signal}])
    assert document == before
    assert patched["channels"][0] is document["channels"][0]
    assert patched["channels"][1]["samples"][0] is document["channels"][1]["samples"][0]
    assert [sample["name"] for sample in patched["channels"][1]["samples"]] == ["top", "signal", "Z"]
    assert patched["channels"][1]["samples"][1] is signal


def test_all_six_operations_apply_in_turn(document: Json) -> None:
    patch = [
        {"op": "test", "path": "/version", "value": "1.0.0"},
        {"op": "copy", "from": "/channels/0/samples/0", "path": "/channels/1/samples/-"},
        {"op": "replace", "path": "/channels/1/samples/2/name", "value": "copied"},
        {"op": "move", "from": "/channels/0", "path": "/channels/1"},
        {"op": "remove", "path": "/channels/1/samples/1"},
    ]
    patched = apply_patch(document, patch)
    assert [channel["name"] for channel in patched["channels"]] == ["CR", "SR"]
    assert [[sample["name"] for sample in channel["samples"]] for channel in patched["channels"]] == [
        ["top", "Z", "copied"],
        ["top"],
    ]
    assert document["channels"][0]["samples"][0]["name"] == "top"


def test_a_value_that_the_patch_itself_changes_later_is_not_changed_in_the_patch(document: Json) -> None:
    patch: list[Json] = [
        {"op": "add", "path": "/channels/0/samples/0", "value": {"name": "signal", "data": [1]}},
        {"op": "replace", "path": "/channels/0/samples/0/data/0", "value": 7},
    ]
    before = copy.deepcopy(patch)
    assert apply_patch(document, patch) == apply_patch(document, patch)
    assert patch == before


def test_a_move_that_shifts_its_own_target_changes_copies_only() -> None:
    document = {"list": [1, {}, {"c": 1}]}
    patched = apply_patch(document, [{"op": "move", "from": "/list/0", "path": "/list/1/moved"}])
    assert patched == {"list": [{}, {"c": 1, "moved": 1}]}
    assert document == {"list": [1, {}, {"c": 1}]}


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        ({"op": "add", "path": "/channels/9/samples/0", "value": {}}, "add '/channels/9/samples/0'.*out of bounds"),
        ({"op": "add", "path": "/channels/0/samples/9", "value": {}}, "can't insert outside of list"),
        ({"op": "remove", "path": "/measurements"}, "remove '/measurements'.*non-existent"),
        ({"op": "replace", "path": "/channels/0/data", "value": 1}, "non-existent"),
        ({"op": "test", "path": "/version", "value": "2"}, "not equal to tested value"),
        (
            {"op": "move", "from": "/channels", "path": "/channels/0"},
            "move '/channels/0' from '/channels'.*into itself",
        ),
        ({"op": "copy", "from": "/nothing", "path": "/channels/0"}, "copy '/channels/0' from '/nothing'"),
        ({"op": "add", "path": "channels", "value": 1}, "must start with /"),
        ({"op": "remove", "path": ""}, "remove ''"),
        ({"op": "add", "path": "/version/0", "value": 1}, "add '/version/0'"),
    ],
)
def test_an_operation_that_does_not_apply_is_named(document: Json, operation: Json, message: str) -> None:
    fine = {"op": "test", "path": "/version", "value": "1.0.0"}
    with pytest.raises(
        InvalidPatch,
        match=rf"^operation 1 \(counted from 0\), .*{message}.*; check that the patch was made for this workspace",
    ):
        apply_patch(document, [fine, operation])


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ({"op": "add"}, "/patch: must be a list"),
        ([3], "/patch/0: must be an object, not 3"),
        ([{"path": "/a"}], "/patch/0: the key 'op' is missing; add it, one of add, replace, test, remove, move, copy"),
        ([{"op": "spoil", "path": "/a"}], "/patch/0/op: 'spoil' is no patch operation; use one of add"),
        ([{"op": "remove"}], "/patch/0: the key 'path' is missing"),
        ([{"op": "remove", "path": 3}], "/patch/0/path: must be a string, not 3"),
        ([{"op": "add", "path": "/a"}], "/patch/0: the key 'value' is missing"),
        ([{"op": "move", "path": "/a"}], "/patch/0: the key 'from' is missing"),
    ],
)
def test_what_is_no_patch_is_refused_with_the_place(document: Json, patch: Any, message: str) -> None:
    with pytest.raises(InvalidPatch) as caught:
        apply_patch(document, patch)
    assert str(caught.value).startswith(f"not a JSON patch: {message}")


@given(documents, st.lists(operations, max_size=4))
@example({"a": [0, {}, {}]}, [{"op": "move", "from": "/a/0", "path": "/a/1/b"}])
@example({"a": [[], []]}, [{"op": "copy", "from": "/a/0", "path": "/a/-"}, {"op": "add", "path": "/a/2/0", "value": 1}])
def test_any_patch_does_what_jsonpatch_does_and_changes_nothing_it_was_given(document: Json, patch: list[Json]) -> None:
    before = copy.deepcopy((document, patch))
    try:
        expected = jsonpatch.apply_patch(document, patch)
    except (
        jsonpatch.JsonPatchException,
        jsonpointer.JsonPointerException,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
    ):
        with pytest.raises(InvalidPatch):
            apply_patch(document, patch)
    else:
        assert apply_patch(document, patch) == expected
    assert (document, patch) == before
