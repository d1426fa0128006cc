"""Points of a campaign: the same numbers in any company, failures that stay alone, nothing that raises."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from fitloom_core import entry
from fitloom_core.documents import digest
from fitloom_core.inference.points import Background, fit_points
from fitloom_core.wire import Background as Sent
from fitloom_core.wire import FitOptions, FitTask, Point, Reply, pack

NAMES = (
    "sbottom_1300_205_60",
    "sbottom_600_500_60",
    "sbottom_900_230_100",
    "sbottom_1500_850_60",
    "sbottom_500_495_60",
)


def background_of(workspace: Any) -> Background:
    return Background(workspace.document, digest(workspace.document))


def task_of(workspace: Any, patches: dict[str, Any], content: bool = True, **options: Any) -> FitTask:
    """A task of these patches."""
    key = digest(workspace.document)
    return FitTask(
        task="t",
        background=Sent(digest=key, content=pack(workspace.document) if content else None),
        points=[Point(id=name, pallet="p", name=name, patch=patch) for name, patch in patches.items()],
        options=FitOptions(**options),
    )


def numbers(outcome: dict[str, Any]) -> np.ndarray:
    return np.array([outcome["cls_obs"], *outcome["cls_exp"]])


def test_numbers_do_not_depend_on_company_or_order(sbottom: Any) -> None:
    patches = [sbottom.patch("RegionA", name) for name in NAMES]
    background = background_of(sbottom("RegionA"))
    together = fit_points(background, patches, FitOptions())
    reversed_order = fit_points(background, patches[::-1], FitOptions())[::-1]
    alone = [fit_points(background_of(sbottom("RegionA")), [patch], FitOptions())[0] for patch in patches]
    for one, two, three in zip(together, reversed_order, alone, strict=True):
        assert one["status"] == "converged"
        np.testing.assert_allclose(numbers(one), numbers(two), atol=1e-9)
        np.testing.assert_allclose(numbers(one), numbers(three), atol=1e-9)


@pytest.mark.heavy
def test_every_published_point_with_a_signal_is_certified(sbottom: Any, erjr: Any) -> None:
    statuses: dict[str, int] = {}
    for region in ("RegionA", "RegionB", "RegionC"):
        patches = sbottom.patches(region)
        for name, outcome in zip(
            patches, fit_points(background_of(sbottom(region)), list(patches.values()), FitOptions()), strict=True
        ):
            statuses[outcome["status"]] = statuses.get(outcome["status"], 0) + 1
            if outcome["status"] == "failed":
                assert (region, name, outcome["error"]["code"]) == ("RegionB", "sbottom_1500_1495_60", "no_poi")
    assert statuses == {"converged": 649, "failed": 1}
    outcomes = fit_points(background_of(erjr), [patch.operations for patch in erjr.patchset], FitOptions())
    assert [outcome["status"] for outcome in outcomes] == ["converged"] * 66


def test_erjr_has_the_converged_cls(erjr: Any, reference: dict[str, Any]) -> None:
    names = list(reference["eRJR"])
    outcomes = fit_points(background_of(erjr), [erjr.patchset[name].operations for name in names], FitOptions())
    for name, outcome in zip(names, outcomes, strict=True):
        expected = reference["eRJR"][name]
        assert outcome["status"] == "converged"
        np.testing.assert_allclose(numbers(outcome), [expected["cls_obs"], *expected["cls_exp"]], atol=1e-7)


def test_a_bad_point_is_a_failure_of_its_own(sbottom: Any) -> None:
    good = sbottom.patch("RegionA", NAMES[0])
    bad = {
        "nowhere": [{"op": "remove", "path": "/channels/99"}],
        "no channels": [{"op": "replace", "path": "/channels", "value": []}],
        "not a number": [{"op": "replace", "path": "/channels/0/samples/0/data/0", "value": float("nan")}],
        "unknown type": [{"op": "replace", "path": "/channels/0/samples/0/modifiers/0/type", "value": "normsyss"}],
    }
    outcomes = fit_points(background_of(sbottom("RegionA")), [good, *bad.values(), good], FitOptions())
    assert [outcome["status"] for outcome in outcomes] == ["converged", *["failed"] * len(bad), "converged"]
    assert all(outcome["error"]["message"] for outcome in outcomes[1:-1])
    np.testing.assert_allclose(numbers(outcomes[0]), numbers(outcomes[-1]), atol=1e-12)


def test_a_task_gives_one_record_a_point_in_its_order(sbottom: Any) -> None:
    patches = {name: sbottom.patch("RegionA", name) for name in NAMES[:2]}
    reply = Reply.from_bytes(entry.run(task_of(sbottom("RegionA"), patches).to_bytes()))
    assert reply.error is None
    assert [result.name for result in reply.results] == list(patches)
    record = json.loads(entry.run(task_of(sbottom("RegionA"), patches).to_bytes()))["results"][0]
    assert record["status"] == "converged"
    assert "error" not in record
    assert record["certificate"]["positive_definite"] is True


def test_a_background_travels_once(sbottom: Any) -> None:
    patches = {NAMES[0]: sbottom.patch("RegionC", next(iter(sbottom.patches("RegionC"))))}
    entry.forget_backgrounds()
    asked = Reply.from_bytes(entry.run(task_of(sbottom("RegionC"), patches, content=False).to_bytes()))
    assert asked.error is not None
    assert asked.error.code == "background_needed"
    assert Reply.from_bytes(entry.run(task_of(sbottom("RegionC"), patches).to_bytes())).error is None
    assert Reply.from_bytes(entry.run(task_of(sbottom("RegionC"), patches, content=False).to_bytes())).error is None


def test_bytes_that_are_no_task_are_refused_not_raised(sbottom: Any) -> None:
    good = task_of(sbottom("RegionA"), {}).to_bytes()
    wrong_digest = good.replace(digest(sbottom("RegionA").document).encode(), b"0" * 64)
    for raw in (b"", b"{", b"[]", b"\xff", good.replace(b'"schema":"1"', b'"schema":"99"'), good[:-20], wrong_digest):
        reply = Reply.from_bytes(entry.run(raw))
        assert reply.error is not None
        assert reply.error.message


def test_discovery_and_other_options_reach_the_fit(sbottom: Any) -> None:
    patch = sbottom.patch("RegionA", NAMES[0])
    background = background_of(sbottom("RegionA"))
    q0 = fit_points(background, [patch], FitOptions(test_stat="q0"))[0]
    half = fit_points(background, [patch], FitOptions(mu=0.5))[0]
    linear = fit_points(background, [patch], FitOptions(histosys="code0", normsys="code1"))[0]
    assert q0["cls_obs"] == pytest.approx(0.5, abs=0.5)
    assert half["q_asimov"] < fit_points(background, [patch], FitOptions())[0]["q_asimov"]
    assert linear["cls_obs"] != half["cls_obs"]


def test_points_whose_signals_have_other_names_share_one_structure(sbottom: Any) -> None:
    background = background_of(sbottom("RegionA"))
    patches = list(sbottom.patches("RegionA").values())[:40]
    laid = [background.lay_out(patch, FitOptions()) for patch in patches]
    samples = {block.sample for one in laid for _, _, blocks in one.channels for block in blocks}
    assert len(samples - set(sbottom("RegionA").samples)) == len(patches)
    assert len({id(one.structure) for one in laid}) <= 2


@pytest.mark.heavy
@pytest.mark.parametrize("region", ["RegionA", "RegionB", "RegionC"])
def test_numbers_do_not_depend_on_where_fits_start(region: str, sbottom: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    background = background_of(sbottom(region))
    patches = list(sbottom.patches(region).values())[::3]
    warm = fit_points(background, patches, FitOptions())

    def elsewhere(laid: Any, settings: Any) -> np.ndarray:
        shaken = np.random.default_rng(3).standard_normal(laid.structure.dims.free)
        return np.where(laid.structure.template.fixed > 0, 0.0, shaken)

    monkeypatch.setattr(background, "start", elsewhere)
    for one, two in zip(warm, fit_points(background, patches, FitOptions()), strict=True):
        assert one["status"] == two["status"]
        if one["status"] == "converged":
            np.testing.assert_allclose(numbers(one), numbers(two), atol=1e-9)
