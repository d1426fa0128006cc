"""Plans: ids are the wire's, tasks read back as what they were made from."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitloom.pallet import Pallet, PalletPoint, Region, open_pallet
from fitloom.plan import encode_task, failed_record, make_plan
from fitloom_core.wire import FitOptions, FitTask, pack, point_id, unpack
from small_pallets import PLANE, patch, write_loose, write_patchset

OPTIONS = FitOptions()


@pytest.fixture
def plan(tmp_path):
    return make_plan(open_pallet(write_patchset(tmp_path / "p")), OPTIONS)


def test_a_points_id_is_that_of_the_wire(plan):
    (region,) = plan.pallet.regions
    for point, planned in zip(region.points, plan.points, strict=True):
        assert planned.id == point_id(region.digest, point.patch, OPTIONS)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(value=json_values, mu=st.floats(0, 10))
def test_ids_and_patches_survive_whatever_a_patch_holds(value, mu):
    operations = [{"op": "add", "path": "/channels/0/samples/0", "value": value}]
    region = Region(None, {}, "d" * 64, (PalletPoint("a", {"m": 1}, operations),))
    options = FitOptions(mu=mu)
    (planned,) = make_plan(Pallet("p", "p", "e" * 64, ("m",), (region,)), options).points
    assert planned.id == point_id("d" * 64, operations, options)
    task = FitTask.from_bytes(encode_task("t1", "d" * 64, None, [planned], options.model_dump_json()))
    assert task.points[0].patch == operations
    assert task.options == options


def test_a_task_reads_back_as_what_it_was_made_from(plan):
    content = pack(plan.background(plan.points[0].background))
    raw = encode_task("t1", plan.points[0].background, content, plan.points[:2], plan.options.model_dump_json())
    task = FitTask.from_bytes(raw)
    assert task.task == "t1"
    assert [point.name for point in task.points] == ["signal_200_100", "signal_200_200"]
    assert task.points[0].patch == patch(200, 100)
    assert task.points[0].values == {"m1": 200, "m2": 100}
    assert unpack(task.background.content) == plan.pallet.regions[0].background


def test_the_order_of_points_does_not_change_their_ids(tmp_path):
    ids = [
        {point.name: point.id for point in make_plan(open_pallet(write_loose(tmp_path / n, points)), OPTIONS).points}
        for n, points in (("a", PLANE), ("b", PLANE[::-1]))
    ]
    assert ids[0] == ids[1]


def test_other_options_are_another_campaign(plan):
    other = make_plan(plan.pallet, FitOptions(mu=2.0))
    assert other.digest != plan.digest
    assert not other.by_id.keys() & plan.by_id.keys()


def test_a_patch_under_two_names_is_one_unit_of_work(tmp_path):
    folder = write_loose(tmp_path / "p", [(200, 100)])
    (folder / "patch.twin_200_100.json").write_text(json.dumps(patch(200, 100)))
    plan = make_plan(open_pallet(folder), OPTIONS)
    assert len(plan.points) == 2
    assert len(list(plan.units())) == 1


def test_a_point_that_cannot_be_read_is_no_unit_of_work(tmp_path):
    folder = write_loose(tmp_path / "p", PLANE[:3])
    (folder / "patch.bad_1_2.json").write_text("[")
    plan = make_plan(open_pallet(folder), OPTIONS)
    assert (len(plan.points), len(list(plan.units()))) == (4, 3)


def test_the_document_says_what_was_asked(plan):
    document = json.loads(json.dumps(plan.document()))
    assert document["pallet"]["labels"] == ["m1", "m2"]
    assert document["options"]["mu"] == 1.0
    assert [point["name"] for point in document["regions"][0]["points"]] == [point.name for point in plan.points]


def test_a_failed_record_has_a_reason_and_no_numbers(plan):
    record = failed_record(plan.points[0], OPTIONS, "task_lost", "gone", 3).to_record()
    assert record["error"] == {"code": "task_lost", "message": "gone"}
    assert record["attempt"] == 3
    assert "cls_obs" not in record
