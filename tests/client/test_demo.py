"""The demo pallet: what it promises, that it never changes, and that its contour looks as one should."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fitloom import demo
from fitloom.contour import compute
from fitloom.pallet import open_pallet
from fitloom_core.documents import digest
from fitloom_core.entry import run
from fitloom_core.wire import Background, FitOptions, FitResult, FitTask, Point, Reply, pack, point_id

Json = dict[str, Any]
TYPES = {"histosys", "lumi", "normfactor", "normsys", "shapefactor", "shapesys", "staterror"}


@pytest.fixture(scope="module")
def fitted() -> list[FitResult]:
    """Every point of the demo, fitted."""
    pallet = demo.pallet()
    (region,) = pallet.regions
    options = FitOptions()
    points = [
        Point(
            id=point_id(region.digest, list(point.patch), options),
            pallet=pallet.name,
            name=point.name,
            values=dict(point.values),
            patch=list(point.patch),
        )
        for point in region.points
    ]
    background = Background(digest=region.digest, content=pack(region.background))
    reply = Reply.from_bytes(run(FitTask(task="demo", background=background, points=points).to_bytes()))
    assert reply.error is None
    return reply.results


def test_the_demo_has_three_regions_all_modifier_types_and_a_hundred_points() -> None:
    (region,) = demo.pallet().regions
    channels = region.background["channels"]
    assert len(channels) == 3
    assert all(len(sample["data"]) == 5 for channel in channels for sample in channel["samples"])
    used = {
        modifier["type"] for channel in channels for sample in channel["samples"] for modifier in sample["modifiers"]
    }
    assert used == TYPES
    assert 90 <= len(region.points) <= 110
    assert len({point.name for point in region.points}) == len(region.points)


def test_a_signal_model_of_the_demo_has_about_forty_nuisance_parameters() -> None:
    model = _pyhf_model("gluino_2000_1000")[0]
    assert model.config.poi_name == demo.POI
    assert 38 <= model.config.npars - 1 <= 44


def test_the_demo_is_the_same_everywhere() -> None:
    assert digest(demo.background()) == "fb2320ed0c5c9a4111e266f19750c62d131c953ce3db6c8ecf303eab41debb15"
    assert demo.pallet().digest == demo.pallet().digest
    assert demo.signal(2000.0, 1000.0)["SR_boosted"] == (31.2324, 16.6488, 2.21132, 0.070298, 0.000514379)


def test_the_written_demo_is_a_published_pallet(tmp_path: Path) -> None:
    import pyhf

    folder = demo.write_pallet(tmp_path / "demo")
    (read,), (made,) = open_pallet(folder).regions, demo.pallet().regions
    assert read.digest == made.digest
    assert [(point.name, dict(point.values)) for point in read.points] == [
        (point.name, dict(point.values)) for point in made.points
    ]
    patchset = pyhf.PatchSet(json.loads((folder / "patchset.json").read_text()))
    patchset.verify(pyhf.Workspace(json.loads((folder / "BkgOnly.json").read_text())))


@pytest.mark.heavy
def test_every_point_of_the_demo_converges(fitted: list[FitResult]) -> None:
    assert {result.status for result in fitted} == {"converged"}


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["gluino_2000_1000", "gluino_1400_1375"])
def test_the_demos_numbers_are_those_of_pyhf(name: str, fitted: list[FitResult]) -> None:
    import pyhf

    model, data = _pyhf_model(name)
    observed, expected = pyhf.infer.hypotest(1.0, data, model, test_stat="qtilde", return_expected_set=True)
    (ours,) = [result for result in fitted if result.name == name]
    assert ours.cls_obs == pytest.approx(float(observed), abs=2e-4)
    assert ours.cls_exp == pytest.approx([float(value) for value in expected], abs=2e-4)


@pytest.mark.heavy
def test_the_contour_looks_like_a_search_for_gluinos(fitted: list[FitResult]) -> None:
    (region,) = compute(fitted, labels=demo.LABELS)["regions"]
    for name in ("observed", "expected", "expected_-1", "expected_+1"):
        (line,) = region["lines"][name]
        gluino, neutralino = np.array(line).T
        ends = sorted(zip(gluino, neutralino, strict=True), key=lambda place: place[1])
        assert ends[0][1] == 1.0, "starts at a massless neutralino"
        assert 1950 < ends[0][0] < 2350
        splitting = gluino - neutralino
        assert 20 < splitting.min() < 60, "ends at the diagonal"
        assert 1000 < neutralino.max() < 1500
    between = [place for place in region["lines"]["observed"][0] if place[1] < 800]
    expected = np.array(region["lines"]["expected"][0])
    distance = [abs(x - expected[np.abs(expected[:, 1] - y).argmin(), 0]) for x, y in between]
    assert max(distance) < 150, "fluctuated by about one sigma"


def _pyhf_model(name: str) -> tuple[Any, Any]:
    import pyhf

    patchset = pyhf.PatchSet(demo.patchset(demo.background()))
    workspace = pyhf.Workspace(patchset[name].apply(demo.background()))
    settings = {"normsys": {"interpcode": "code4"}, "histosys": {"interpcode": "code4p"}}
    model = workspace.model(modifier_settings=settings)
    return model, workspace.data(model)
