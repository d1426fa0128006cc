"""Choosing a plane of a pallet with any number of labels, on the masses of a published search."""

from __future__ import annotations

import random
import re
import tarfile
from pathlib import Path

import pytest

from fitloom.plane import choose, parse_where
from fitloom_core.errors import InputError

LABELS = ("m_sbottom", "m_neutralino2", "m_neutralino1")
Values = dict[str, float | str]


@pytest.fixture(scope="module")
def masses(shared_data: Path) -> list[Values]:
    with tarfile.open(shared_data / "sbottom-ins1748602.tar.gz") as archive:
        names = [re.search(r"sbottom_(\d+)_(\d+)_(\d+)", name) for name in archive.getnames()]
    return [dict(zip(LABELS, map(float, name.groups()), strict=True)) for name in names if name]


def test_the_default_is_the_plane_with_the_most_points(masses: list[Values]) -> None:
    plane = choose(masses, labels=LABELS)
    assert plane.axes == ("m_sbottom", "m_neutralino2")
    assert plane.where == {"m_neutralino1": 60}


def test_the_note_says_what_was_chosen_and_what_else_there_is(masses: list[Values]) -> None:
    assert choose(masses, labels=LABELS).note == (
        "m_sbottom and m_neutralino2 where m_neutralino1 = 60: 131 of 218 points;"
        " 86 more with --where m_neutralino2-m_neutralino1=130"
    )


def test_a_difference_of_labels_can_be_held(masses: list[Values]) -> None:
    plane = choose(masses, labels=LABELS, where={"m_neutralino2-m_neutralino1": 130})
    assert plane.axes == ("m_sbottom", "m_neutralino2")
    assert sum(plane.coordinates(values) is not None for values in masses) == 3 * 86 - 1


def test_axes_that_are_asked_for_are_taken_and_the_rest_is_chosen(masses: list[Values]) -> None:
    plane = choose(masses, labels=LABELS, axes=("m_neutralino2", "m_neutralino1"))
    assert plane.axes == ("m_neutralino2", "m_neutralino1")
    assert set(plane.where) == {"m_sbottom"}


def test_the_choice_does_not_depend_on_the_order_of_the_points(masses: list[Values]) -> None:
    shuffled = random.Random(1).sample(masses, len(masses))
    assert choose(shuffled, labels=LABELS) == choose(masses, labels=LABELS)


def test_two_labels_need_no_choice_and_no_note() -> None:
    plane = choose([{"a": i, "b": i * i} for i in range(5)], labels=("a", "b"))
    assert (plane.axes, plane.where, plane.note) == (("a", "b"), {}, "")


def test_a_label_of_words_is_held_and_never_an_axis() -> None:
    points = [{"decay": decay, "a": i, "b": j} for decay in ("bb", "tt") for i in range(3) for j in range(3)]
    plane = choose([*points, {"decay": "tt", "a": 9, "b": 9}], labels=("decay", "a", "b"))
    assert (plane.axes, plane.where) == (("a", "b"), {"decay": "tt"})


def test_a_campaign_without_results_has_its_two_labels_as_axes() -> None:
    assert choose([], labels=("a", "b")).axes == ("a", "b")


@pytest.mark.parametrize(
    ("axes", "where", "message"),
    [
        (("a", "x"), {}, "no label 'x' to draw along; the labels are a, b, c"),
        (("a", "a"), {}, "two different axes"),
        (("a", "b", "c"), {}, "two different axes"),
        (None, {"x": 1}, "no label 'x' to hold"),
        (None, {"a-x": 1}, "no label 'a-x' to hold"),
        (("a", "b"), {"a": 1}, "'a' is an axis and held at 1 as well"),
        (None, {"c": 7}, "no point has c = 7: c takes 0, 1"),
        (None, {"a-b": 70}, "no point has a-b = 70"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(
    axes: tuple[str, ...] | None, where: Values, message: str
) -> None:
    points = [{"a": i, "b": j, "c": k} for i in range(3) for j in range(3) for k in range(2)]
    with pytest.raises(InputError, match=re.escape(message)):
        choose(points, labels=("a", "b", "c"), axes=axes, where=where)


def test_conditions_are_read_from_the_command_line() -> None:
    assert parse_where(["m=60", "a - b = 1e2", "decay=bb"]) == {"m": 60.0, "a - b": 100.0, "decay": "bb"}
    for wrong in ("m", "=3", "m="):
        with pytest.raises(InputError, match="write LABEL=VALUE"):
            parse_where([wrong])
