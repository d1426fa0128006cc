"""What the benchmarks fit is what they say it is."""

from __future__ import annotations

from pathlib import Path

from benchmarks import generate
from fitloom.pallet import open_pallet
from fitloom_core.documents import digest
from fitloom_core.workspace import Workspace


def test_the_large_workspace_has_a_thousand_parameters_three_hundred_bins_and_twenty_samples() -> None:
    document = generate.thousand()
    model = Workspace(document).model()
    assert model.config.npars == 1000
    assert model.config.nmaindata == 300
    assert {len(channel["samples"]) for channel in document["channels"]} == {20}
    assert digest(document) == "6bed09f47a4ae72c8bb0bb568861be8c2b65fd7040dcd24088310ec11a80c3a8"


def test_a_grid_has_as_many_points_as_asked_for_each_once(tmp_path: Path) -> None:
    (region,) = open_pallet(generate.write_grid(tmp_path / "grid", 500)).regions
    assert len(region.points) == 500
    assert len({tuple(point.values.values()) for point in region.points}) == 500


def test_a_larger_grid_holds_the_smaller_one(tmp_path: Path) -> None:
    small, large = (open_pallet(generate.write_grid(tmp_path / str(n), n)).regions[0] for n in (20, 40))
    assert {point.name for point in small.points} < {point.name for point in large.points}
