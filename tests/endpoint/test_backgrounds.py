"""Backgrounds held by digest within a bound."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitloom_core.errors import DigestMismatch, InvalidTask
from fitloom_core.wire import unpack
from fitloom_core.workspace import digest
from fitloom_endpoint.backgrounds import Backgrounds, check_and_pack

WORKSPACE = {"channels": [], "observations": [], "measurements": [], "version": "1.0.0"}


def test_the_least_recently_used_goes_first():
    held = Backgrounds(limit=10)
    held.put("a", "1234")
    held.put("b", "1234")
    assert held.get("a") == "1234"
    held.put("c", "1234")
    assert "b" not in held
    assert "a" in held
    assert "c" in held


def test_one_that_is_larger_than_all_the_room_is_not_held():
    held = Backgrounds(limit=3)
    held.put("a", "12")
    held.put("b", "1234")
    assert "a" in held
    assert "b" not in held


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.text(max_size=8))))
def test_the_bound_holds_whatever_is_put(puts):
    held = Backgrounds(limit=16)
    for key, content in puts:
        held.put(key, content)
        assert held.bytes <= 16
    assert held.bytes == sum(len(held.get(key) or "") for key in "abcdef")


def test_a_workspace_is_packed_under_its_digest():
    packed = check_and_pack(digest(WORKSPACE), json.dumps(WORKSPACE, indent=2).encode())
    assert unpack(packed) == WORKSPACE


def test_another_workspace_than_its_digest_says_is_refused():
    with pytest.raises(DigestMismatch, match=digest(WORKSPACE)):
        check_and_pack("0" * 64, json.dumps(WORKSPACE).encode())


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b"3"])
def test_what_is_no_json_object_is_refused(body):
    with pytest.raises(InvalidTask):
        check_and_pack("0" * 64, body)
