"""Thousands of spoiled documents: each is used or refused with a typed error, as pyhf's published schema says."""

from __future__ import annotations

import importlib.resources
import json
import re
from functools import cache
from random import Random
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitloom_core.errors import FitloomError, InputError, InvalidSpecification
from fitloom_core.patching import apply_patch
from fitloom_core.patchset import PatchSet
from fitloom_core.problems import structure_problems
from fitloom_core.schema import PATCHSET
from fitloom_core.validation import workspace_problems
from fitloom_core.workspace import Workspace, digest, model_spec
from mutations import mutate
from strategies import patchsets, workspaces

Json = dict[str, Any]

MUTATIONS = 40
"""Spoiled copies of each generated document; hypothesis generates a hundred."""

# Sentences about documents of the published form: the schema means two bounds but does not say so, and cannot
# say what does not fit together.
STRICTER = re.compile(
    r"/bounds/\d+: has \d+ entries|counts cannot be negative|has no entry in /observations|counts for channel|stands at"
)

seeds = st.integers(0, 2**32)


@cache
def _published(what: str) -> jsonschema_rs.Draft6Validator:
    """The JSON schema that pyhf publishes."""
    text = (importlib.resources.files("pyhf") / "schemas" / "1.0.0" / "defs.json").read_text()
    return jsonschema_rs.Draft6Validator({**json.loads(text), "$ref": f"#/definitions/{what}"})


def _is_json(document: object) -> bool:
    """Whether a file can hold the document: no NaN, Infinity, half surrogate pair, or number beyond float."""
    try:
        text = json.dumps(document, allow_nan=False, ensure_ascii=False)
        return bool(text.encode()) and "0" * 310 not in text
    except ValueError:
        return False


def _spoiled(document: Any, seed: int) -> list[Any]:
    random = Random(seed)
    return [mutate(document, random) for _ in range(MUTATIONS)]


@settings(deadline=None)
@given(workspaces(), seeds)
def test_the_form_of_a_workspace_is_that_of_the_published_schema(document: Json, seed: int) -> None:
    for spoiled in [document, *_spoiled(document, seed)]:
        problems = workspace_problems(spoiled)
        of_the_form = _is_json(spoiled) and _published("workspace").is_valid(spoiled)
        assert of_the_form or problems
        for problem in problems:
            on_form = isinstance(problem, InvalidSpecification) and not STRICTER.search(str(problem))
            assert not (on_form and of_the_form), problem


@settings(deadline=None)
@given(st.data(), seeds)
def test_the_form_of_a_patchset_is_that_of_the_published_schema(data: st.DataObject, seed: int) -> None:
    document = data.draw(workspaces(with_poi=True))
    patchset = data.draw(patchsets(document, digest(document)))
    for spoiled in [patchset, *_spoiled(patchset, seed)]:
        if _is_json(spoiled):
            problems = structure_problems(PATCHSET, spoiled)
            assert bool(problems) != _published("patchset").is_valid(spoiled), problems


@settings(deadline=None)
@given(workspaces(), seeds)
def test_a_spoiled_workspace_is_used_or_refused_with_a_typed_error(document: Json, seed: int) -> None:
    for spoiled in _spoiled(document, seed):
        try:
            workspace = Workspace(spoiled)
        except InputError as error:
            assert re.match(r"(/|top level)", str(error))  # noqa: PT017 (either outcome is right)
            continue
        assert digest(workspace.document) == workspace.digest()
        assert workspace.channels
        assert workspace.samples
        assert model_spec(spoiled, 0)["channels"] is spoiled["channels"]


@settings(deadline=None)
@given(st.data(), seeds)
def test_a_spoiled_patch_gives_what_its_workspace_gives_or_a_typed_error(data: st.DataObject, seed: int) -> None:
    document = data.draw(workspaces(with_poi=True))
    background = Workspace(document)
    entries = data.draw(patchsets(document, digest(document)))["patches"]
    for spoiled in _spoiled(entries[0]["patch"], seed):
        try:
            patched = background.patched(spoiled)
        except FitloomError as error:
            again = error
        else:
            assert workspace_problems(patched.document) == []
            continue
        # what is new is checked as if the whole document were
        with pytest.raises(type(again), match=re.escape(str(again))):
            Workspace(apply_patch(document, spoiled))


@settings(deadline=None)
@given(st.data(), seeds)
def test_a_spoiled_patchset_is_used_or_refused_with_a_typed_error(data: st.DataObject, seed: int) -> None:
    document = data.draw(workspaces(with_poi=True))
    background = Workspace(document)
    for spoiled in _spoiled(data.draw(patchsets(document, digest(document))), seed):
        try:
            for patch in PatchSet(spoiled):
                background.patched(patch)
        except InputError as error:
            assert str(error)  # noqa: PT017 (either outcome is right)
