"""Pallets: layouts, regions, labels, digests; what is damaged is named, what is bad stands alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from fitloom.layouts import find_regions
from fitloom.pallet import first_label, open_pallet, values_of
from fitloom_core.errors import (
    DigestMismatch,
    InputError,
    InvalidPallet,
    InvalidPatchSet,
    InvalidSpecification,
    UnreadableDocument,
)
from small_pallets import PLANE, background, name, patch, patchset, write_loose, write_patchset


def test_a_patchset_beside_its_background(tmp_path):
    pallet = open_pallet(write_patchset(tmp_path / "search"))
    assert pallet.name == "search"
    assert pallet.labels == ("m1", "m2")
    (region,) = pallet.regions
    assert region.name is None
    assert region.background == background()
    assert {point.name for point in region.points} == {name(*values) for values in PLANE}
    first = region.points[0]
    assert (first.name, first.values, first.patch) == ("signal_200_100", {"m1": 200, "m2": 100}, patch(200, 100))


def test_loose_patches_give_the_same_points(tmp_path):
    today, loose = open_pallet(write_patchset(tmp_path / "a")), open_pallet(write_loose(tmp_path / "b"))
    assert [(one.name, one.values, one.text) for one in loose.regions[0].points] == [
        (one.name, one.values, one.text) for one in today.regions[0].points
    ]


def test_points_are_ordered_by_the_numbers_in_their_names(tmp_path):
    points = open_pallet(write_loose(tmp_path / "p", [(1000, 1), (200, 10), (200, 9)])).regions[0].points
    assert [point.name for point in points] == ["signal_200_9", "signal_200_10", "signal_1000_1"]


def test_several_regions_are_named_by_their_folders(tmp_path):
    for region in ("A", "B"):
        write_patchset(tmp_path / "deep" / "likelihoods" / f"Region{region}")
    pallet = open_pallet(tmp_path / "deep")
    assert [region.name for region in pallet.regions] == ["RegionA", "RegionB"]
    chosen = open_pallet(tmp_path / "deep", regions=["RegionB"])
    assert [region.name for region in chosen.regions] == ["RegionB"]
    assert chosen.digest == pallet.digest


def test_a_region_that_is_not_there_is_named_with_those_that_are(tmp_path):
    for region in ("A", "B"):
        write_patchset(tmp_path / f"Region{region}")
    with pytest.raises(InputError, match="no region 'RegionC'; it has: RegionA, RegionB"):
        open_pallet(tmp_path, regions=["RegionC"])


def test_regions_may_differ_by_the_prefix_of_their_files(tmp_path):
    for prefix in ("ewk", "slep"):
        (tmp_path / f"{prefix}_bkgonly.json").write_text(json.dumps(background()))
        (tmp_path / f"{prefix}_patchset.json").write_text(json.dumps(patchset()))
    assert [region.name for region in open_pallet(tmp_path).regions] == ["ewk", "slep"]


def test_patches_in_a_folder_of_their_own_belong_to_the_background_above(tmp_path):
    (found,) = find_regions(["x/BkgOnly.json", "x/patches/patch.a_1.json", "x/patches/patch.b_2.json"], "x")
    assert found.name is None
    assert found.loose == [("a_1", "x/patches/patch.a_1.json"), ("b_2", "x/patches/patch.b_2.json")]


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["patchset.json"], "no background workspace"),
        (["BkgOnly.json"], "no patchset.json"),
        (["a/BkgOnly.json", "patch.x_1.json"], "has no BkgOnly.json beside it"),
        (["a_bkgonly.json", "b_bkgonly.json", "patch.x_1.json"], "beside several backgrounds"),
    ],
)
def test_files_that_make_no_pallet_are_refused(paths, message):
    with pytest.raises(InvalidPallet, match=message):
        find_regions(paths, "somewhere")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("sbottom_1300_205_60", {"m1": 1300, "m2": 205, "m3": 60}),
        ("C1N2_Wh_hbb_750_100", {"m1": 750, "m2": 100}),
        ("stau_0p5_120.5", {"m1": 0.5, "m2": 120.5}),
        ("nothing", {}),
    ],
)
def test_values_come_from_the_numbers_in_a_name(name, values):
    assert values_of(name) == values


@pytest.mark.parametrize(
    ("names", "label"),
    [
        (["sbottom_1300_205_60", "sbottom_1400_210_60"], "m_sbottom"),
        (["sbottom_1300_205", "gluino_1300_205"], "m1"),
        (["signal_200_100"], "m1"),
        (["mass_200_100"], "m1"),
        (["a_200_100"], "m1"),
        ([], "m1"),
    ],
)
def test_the_first_number_is_the_mass_of_the_particle_in_all_names(names, label):
    assert first_label(names) == label


def test_loose_patches_named_by_a_particle_have_its_label(tmp_path):
    folder = write_loose(tmp_path)
    for path in folder.glob("patch.*.json"):
        path.rename(path.with_name(path.name.replace("signal", "gluino")))
    assert open_pallet(folder).labels == ("m_gluino", "m2")


def test_labels_name_the_numbers(tmp_path):
    assert open_pallet(write_loose(tmp_path / "l"), labels=["m_a", "m_b"]).labels == ("m_a", "m_b")
    assert open_pallet(write_patchset(tmp_path / "p"), labels=["m_a", "m_b"]).labels == ("m_a", "m_b")


@pytest.mark.parametrize("write", [write_loose, write_patchset])
def test_too_few_labels_are_refused(write, tmp_path):
    with pytest.raises(InputError, match="1"):
        open_pallet(write(tmp_path / "p"), labels=["m_a"])


def test_a_glob_chooses_points_by_name_or_region(tmp_path):
    write_patchset(tmp_path / "RegionA")
    write_patchset(tmp_path / "RegionB")
    names = [point.name for region in open_pallet(tmp_path, points="*_200_*").regions for point in region.points]
    assert names == ["signal_200_100", "signal_200_200", "signal_200_300"] * 2
    assert [region.name for region in open_pallet(tmp_path, points="RegionB/*").regions] == ["RegionB"]
    with pytest.raises(InputError, match="names look like 'signal_200_100'"):
        open_pallet(tmp_path, points="gluino*")


def test_a_background_that_is_not_the_patchsets_is_refused_unless_told_otherwise(tmp_path):
    folder = write_patchset(tmp_path / "p")
    (folder / "BkgOnly.json").write_text(json.dumps(background((52.0, 29.0))))
    with pytest.raises(DigestMismatch, match=r"BkgOnly\.json is not the background"):
        open_pallet(folder)
    assert len(open_pallet(folder, verify=False).regions[0].points) == len(PLANE)


def test_a_damaged_loose_patch_stands_alone(tmp_path):
    folder = write_loose(tmp_path / "p")
    (folder / "patch.signal_200_100.json").write_text('[{"op": "add", ')
    points = open_pallet(folder).regions[0].points
    (bad,) = [point for point in points if point.problem is not None]
    assert bad.name == "signal_200_100"
    assert bad.problem.code == "unreadable"
    assert "patch.signal_200_100.json" in bad.problem.message
    assert len(points) == len(PLANE)


@pytest.mark.parametrize(
    ("file", "content", "error"),
    [
        ("BkgOnly.json", "{", UnreadableDocument),
        ("BkgOnly.json", "[]", UnreadableDocument),
        ("BkgOnly.json", '{"channels": 3}', InvalidSpecification),
        ("patchset.json", "nonsense", UnreadableDocument),
        ("patchset.json", "{}", InvalidSpecification),
        ("patchset.json", json.dumps({**patchset(), "patches": []}), InvalidPatchSet),
    ],
)
def test_a_file_that_spoils_the_whole_pallet_is_named(file, content, error, tmp_path):
    folder = write_patchset(tmp_path / "p")
    (folder / file).write_text(content)
    with pytest.raises(error, match=file.replace(".", r"\.")):
        open_pallet(folder)


def test_two_patches_of_one_name_are_refused(tmp_path):
    folder = write_loose(tmp_path / "p", [(200, 100)])
    shutil.copytree(folder, folder / "again", ignore=shutil.ignore_patterns("Bkg*"))
    with pytest.raises(InvalidPallet, match=r"two patches .* are called 'signal_200_100'"):
        open_pallet(folder)


def test_the_digest_is_of_the_content_whatever_it_came_in(tmp_path):
    folder = write_patchset(tmp_path / "p")
    archived = shutil.make_archive(str(tmp_path / "q"), "gztar", root_dir=folder)
    nested = shutil.make_archive(str(tmp_path / "r"), "zip", root_dir=tmp_path, base_dir="p")
    digests = {open_pallet(source).digest for source in (folder, archived, nested)}
    assert len(digests) == 1
    assert open_pallet(write_loose(tmp_path / "other")).digest not in digests


@pytest.mark.parametrize("source", ["./p", "p/", "p/../p"])
def test_a_pallet_is_called_by_its_folder_however_it_is_written(source, tmp_path, monkeypatch):
    write_patchset(tmp_path / "p")
    monkeypatch.chdir(tmp_path)
    assert open_pallet(source).name == "p"


def test_the_demo_is_a_pallet():
    demo = open_pallet("demo")
    assert demo.name == "demo"
    assert len(demo.regions[0].points) > 50


def test_the_published_layouts_agree(shared_data: Path):
    old = open_pallet(shared_data / "sbottom-ins1748602.tar.gz")
    new = open_pallet(shared_data / "sbottom-RegionA.tar.gz")
    assert [(region.name, len(region.points)) for region in old.regions] == [
        ("RegionA", 217),
        ("RegionB", 218),
        ("RegionC", 215),
    ]
    assert [(one.name, one.text) for one in old.regions[0].points] == [
        (one.name, one.text) for one in new.regions[0].points
    ]
    assert old.regions[0].digest == new.regions[0].digest
    assert new.regions[0].points[0].values.keys() == {"m_sbottom", "m_neutralino2", "m_neutralino1"}
