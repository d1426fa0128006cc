"""Contours: a known curve is found again, whatever the order, and nothing is made up where nothing is known."""

from __future__ import annotations

import json
import random
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitloom.contour import COMBINED, LINES, compute, significance, write
from mass_planes import LABELS, LEVEL, cls_of, grid, hill, result, results

Json = dict[str, Any]


def region(contour: Json, name: str | None = None) -> Json:
    return next(entry for entry in contour["regions"] if entry["region"] == name)


def vertices(contour: Json, line: str = "observed", name: str | None = None) -> np.ndarray:
    return np.array([vertex for piece in region(contour, name)["lines"][line] for vertex in piece])


def height(contour: Json, line: str = "observed") -> np.ndarray:
    """The known surface along a line."""
    return np.array([hill(x, y) for x, y in vertices(contour, line)])


def test_a_known_contour_is_found_to_a_small_part_of_a_sigma() -> None:
    contour = compute(results(), labels=LABELS)
    assert len(region(contour)["lines"]["observed"]) == 1
    assert np.abs(height(contour) - LEVEL).max() < 0.02


@pytest.mark.parametrize(
    ("line", "shift"), [("expected_-2", 2), ("expected_-1", 1), ("expected", 0), ("expected_+1", -1)]
)
def test_each_line_of_the_band_lies_where_its_own_cls_takes_the_level(line: str, shift: int) -> None:
    contour = compute(results(), labels=LABELS)
    assert np.abs(height(contour, line) + shift - LEVEL).max() < 0.02


def test_many_points_give_the_same_contour_as_few() -> None:
    many = compute(results(places=grid(60, 50)), labels=LABELS)
    assert np.abs(height(many) - LEVEL).max() < 0.005


def test_another_level_gives_another_contour() -> None:
    contour = compute(results(), labels=LABELS, level=0.32)
    assert contour["level"] == 0.32
    assert np.abs(height(contour) - 0.46769879911450823).max() < 0.02


def test_the_contour_does_not_depend_on_the_order_of_the_results() -> None:
    found = [*results(region="A"), *results(lambda x, y: hill(y, x), region="B")]
    contour = compute(found, labels=LABELS)
    for seed in range(3):
        random.Random(seed).shuffle(found)
        assert compute(found, labels=LABELS) == contour


def test_the_lines_stay_inside_the_convex_hull_and_end_on_it() -> None:
    triangle = [(x, y) for x, y in grid(22, 20) if y < 0.8 * (x - 500)]
    contour = compute(results(places=triangle), labels=LABELS)
    hull = np.array(region(contour)["hull"])
    edges = np.roll(hull, -1, axis=0) - hull
    normals = np.stack([-edges[:, 1], edges[:, 0]], axis=1) / np.hypot(*edges.T)[:, None]

    for name in LINES:
        for line in region(contour)["lines"][name]:
            inside = np.array(
                [min(float((place - a) @ n) for a, n in zip(hull, normals, strict=True)) for place in line]
            )
            assert inside.min() > -1e-3
            closed = line[0] == line[-1]
            assert closed or (abs(inside[0]) < 1e-3 and abs(inside[-1]) < 1e-3)


def test_the_bands_enclose_what_lies_between_their_lines() -> None:
    from matplotlib.path import Path as Outline

    contour = compute(results(), labels=LABELS)
    for width in (1, 2):
        rings = [Outline(np.array(ring)) for ring in region(contour)["bands"][str(width)]]
        for x, y in [
            (500, 0),
            (800, 200),
            (1100, 300),
            (1200, 500),
            (1500, 300),
            (1500, 800),
            (1900, 1200),
            (1950, 50),
        ]:
            inside = sum(ring.contains_point((x + 1, y + 1)) for ring in rings) % 2 == 1
            assert inside == (abs(hill(x, y) - LEVEL) < width), (width, x, y)


def test_points_that_failed_or_are_not_certified_are_listed_and_never_enter_the_surface() -> None:
    clean = results()
    bad = result((1210.0, 480.0), -30.0, status="not_converged")
    failed = result((1000.0, 333.0), 0.0, status="failed")
    contour, reference = compute([*clean, bad, failed], labels=LABELS), compute(clean, labels=LABELS)
    assert region(contour)["lines"] == region(reference)["lines"]
    listed = {point["name"]: point for point in region(contour)["points"]}
    assert listed[bad.name]["status"] == "not_converged"
    assert listed[failed.name]["status"] == "failed"
    assert listed[failed.name]["cls_obs"] is None


@pytest.mark.parametrize("wrong", [{"cls_obs": nan}, {"cls_obs": None}, {"cls_exp": [0.1, 0.2]}, {"cls_exp": None}])
def test_a_result_without_its_numbers_is_not_trusted_whatever_it_says(wrong: Json) -> None:
    broken = result((1000.0, 333.0), 2.0).model_copy(update=wrong)
    contour = compute([*results(), broken], labels=LABELS)
    assert [point["status"] for point in region(contour)["points"] if point["name"] == broken.name] == ["not_converged"]
    json.dumps(region(contour)["lines"], allow_nan=False)


def test_cls_of_exactly_zero_and_one_stay_finite() -> None:
    z = significance(np.array([0.0, 1.0, 0.05]))
    assert np.isfinite(z).all()
    assert z[2] == pytest.approx(LEVEL)


def test_a_plane_of_zeros_and_ones_still_has_a_contour() -> None:
    found = [result(place, 0.0).model_copy(update=_flat(float(place[0] > 1200))) for place in grid()]
    x = vertices(compute(found, labels=LABELS))[:, 0]
    assert 1100 < x.min() <= x.max() < 1300


def _flat(cls: float) -> Json:
    return {"cls_obs": cls, "cls_exp": [cls] * 5}


@pytest.mark.parametrize(
    "places",
    [
        [],
        [(1000.0, 100.0)],
        [(1000.0, 100.0), (1500.0, 600.0)],
        [(500.0 + 100 * i, 10.0 + 50 * i) for i in range(12)],
        [(500.0 + 100 * i, 100.0 + 1e-6 * (i % 2)) for i in range(12)],
    ],
    ids=["none", "one", "two", "a slope", "almost level"],
)
def test_too_few_points_or_points_on_a_line_give_no_contour_but_the_points(places: list[tuple[float, float]]) -> None:
    contour = compute(results(places=places), labels=LABELS)
    assert len(region(contour)["points"]) == len(places)
    assert all(line == [] for line in region(contour)["lines"].values())
    assert region(contour)["reason"]


def test_points_that_differ_in_one_label_only_give_cls_along_it() -> None:
    contour = compute(results(places=[(500.0 + 100 * i, 100.0) for i in range(12)]), labels=LABELS)
    assert contour["kind"] == "scan"
    assert len(vertices(contour)) == 12


def test_three_points_are_enough() -> None:
    corners = [result((500.0, 0.0), 3.0), result((1500.0, 0.0), 0.0), result((500.0, 1000.0), 3.0)]
    x = vertices(compute(corners, labels=LABELS))[:, 0]
    assert x[0] == pytest.approx(500 + 1000 * (3 - LEVEL) / 3, abs=1e-3)


def test_points_at_one_place_are_averaged() -> None:
    twice = [result((1500.0, 0.0), z, more={"spin": str(z)}) for z in (-0.5, 0.5)]
    corners = [result((500.0, 0.0), 3.0), result((500.0, 1000.0), 3.0)]
    contour = compute([*corners, *twice], labels=LABELS)
    assert vertices(contour)[0, 0] == pytest.approx(500 + 1000 * (3 - LEVEL) / 3, abs=1e-3)


def test_nothing_excluded_and_everything_excluded_are_told_apart() -> None:
    nothing = compute(results(lambda x, y: 0.1), labels=LABELS)
    everything = compute(results(lambda x, y: 9.0), labels=LABELS)
    assert region(nothing)["reason"] == "no point excluded"
    assert region(everything)["reason"] == "all points excluded"


def test_the_combination_takes_the_region_with_the_best_expected_cls_at_each_point() -> None:
    places = grid(8, 6)
    left = [result(place, 0.0, region="left", expected=3.0 if place[0] < 1200 else 1.0) for place in places]
    right = [result(place, 4.0, region="right", expected=2.0) for place in places]
    combined = region(compute([*left, *right], labels=LABELS), COMBINED)
    assert {point["region"] for point in combined["points"] if point["x"] < 1200} == {"left"}
    assert {point["region"] for point in combined["points"] if point["x"] > 1200} == {"right"}
    assert len(combined["points"]) == len(places)


def test_the_combination_prefers_a_region_that_converged() -> None:
    place = (1000.0, 100.0)
    found = [result(place, 9.0, region="A", status="not_converged"), result(place, 0.1, region="B")]
    failed = (1200.0, 100.0)
    found += [result(failed, 0.0, region=name, status="failed") for name in "AB"]
    combined = region(compute(found, labels=LABELS), COMBINED)
    assert [(point["region"], point["status"]) for point in combined["points"]] == [("B", "converged"), ("A", "failed")]


def test_one_region_has_no_combination() -> None:
    assert [entry["region"] for entry in compute(results(region="SR"), labels=LABELS)["regions"]] == ["SR"]


def test_a_later_attempt_that_converged_replaces_the_first() -> None:
    first = result((1000.0, 100.0), -3.0, status="not_converged")
    second = first.model_copy(update={"status": "converged", "attempt": 2, "cls_obs": cls_of(2.0)})
    for order in ([first, second], [second, first]):
        points = region(compute(order, labels=LABELS))["points"]
        assert [(point["status"], point["cls_obs"]) for point in points] == [("converged", cls_of(2.0))]


def test_one_label_gives_cls_along_it() -> None:
    found = [result((500.0 + 100 * i, 0.0), 3 - 0.5 * i) for i in range(6)]
    contour = compute(found, labels=("m_gluino",))
    assert contour["kind"] == "scan"
    assert [axis["label"] for axis in contour["axes"]] == ["m_gluino", "CLs"]
    assert region(contour)["lines"]["observed"] == [[[500.0 + 100 * i, cls_of(3 - 0.5 * i)] for i in range(6)]]


def test_no_label_at_all_numbers_the_points() -> None:
    contour = compute(results(places=grid(3, 3)), labels=())
    assert contour["kind"] == "scan"
    assert [point["x"] for point in region(contour)["points"]] == list(range(9))


def test_a_contour_is_written_as_strict_json_and_read_back(tmp_path: Path) -> None:
    contour = compute([*results(), result((1000.0, 333.0), 0.0, status="failed")], labels=LABELS)
    path = write(contour, tmp_path / "contour.json")
    assert json.loads(path.read_text()) == contour
    write({**contour, "note": "again"}, path)
    assert json.loads(path.read_text())["note"] == "again"
    assert list(tmp_path.iterdir()) == [path]


def test_a_contour_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = write({"schema": "1"}, tmp_path / "contour.json")
    with pytest.raises(ValueError, match="JSON"):
        write({"schema": nan}, path)
    assert json.loads(path.read_text()) == {"schema": "1"}
    assert list(tmp_path.iterdir()) == [path]


def test_the_document_has_every_key_that_readers_rely_on() -> None:
    contour = compute(results(), labels=LABELS)
    assert contour["schema"] == "1"
    assert contour["axes"][0] == {"label": "m_gluino", "title": "m(g̃)", "tex": r"$m(\tilde{g})$", "unit": "GeV"}
    assert set(contour) == {"schema", "pallet", "kind", "level", "axes", "where", "note", "regions"}
    assert set(region(contour)) == {"region", "lines", "bands", "hull", "reason", "points"}
    assert set(region(contour)["lines"]) == set(LINES)
    names = {"id", "name", "x", "y", "cls_obs", "cls_exp", "status", "region"}
    assert all(set(point) == names for point in region(contour)["points"])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(-1e4, 1e4),
            st.floats(-1e4, 1e4),
            st.floats(0, 1),
            st.sampled_from(["converged", "failed", "not_converged"]),
        ),
        max_size=30,
    )
)
def test_whatever_the_points_there_is_a_document_that_json_can_hold(
    points: list[tuple[float, float, float, str]],
) -> None:
    found = []
    for i, (x, y, cls, status) in enumerate(points):
        entry = result((x, y), 1.0, status=status, more={"n": str(i)})  # type: ignore[arg-type]
        found.append(entry.model_copy(update=_flat(cls)) if status != "failed" else entry)
    contour = compute(found, labels=LABELS)
    json.dumps(contour, allow_nan=False)
    assert len(region(contour)["points"]) == len(points)
