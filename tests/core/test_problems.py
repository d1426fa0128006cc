"""How messages name a place in a document and show a value."""

from __future__ import annotations

import doctest

import pytest

from fitloom_core import problems
from fitloom_core.problems import pointer, shown, structure_problems
from fitloom_core.schema import SAMPLE


def test_a_place_is_named_by_its_json_pointer() -> None:
    assert pointer(()) == ""
    assert pointer(("channels", 0, "a/b", "c~d")) == "/channels/0/a~1b/c~0d"


def test_the_examples_are_right() -> None:
    assert doctest.testmod(problems).failed == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        ("mu", "'mu'"),
        ([1, 2, 3, 4, 5], "[1, 2, 3, 4, ...]"),
        ({"a": {"b": {"c": 1}}}, "{'a': {'b': {...}}}"),
    ],
)
def test_a_value_is_shown_on_one_short_line(value: object, text: str) -> None:
    assert shown(value) == text


def test_a_value_is_shown_short_whatever_its_size() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    for value in (
        "x" * 10_000,
        list(range(10_000)),
        {str(key): key for key in range(10_000)},
        deep,
        10**4000,
        10**5000,
    ):
        assert len(shown(value)) < 200


def test_each_problem_is_a_sentence_that_starts_with_its_place() -> None:
    sample = {"name": 3, "data": [1.0, None], "modifiers": [{"name": "mu", "type": "normfactor", "data": []}]}
    assert structure_problems(SAMPLE, sample, ("channels", 2)) == [
        "/channels/2/name: must be a string, not 3",
        "/channels/2/data/1: must be a number, not None",
        "/channels/2/modifiers/0/data: must be null, not []",
    ]
    assert structure_problems(SAMPLE, {"name": "a", "data": [0], "modifiers": []}) == []
