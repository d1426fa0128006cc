"""What a campaign leaves behind, and how it is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fitloom import inspection, overview
from fitloom.driver import Driver
from fitloom.journal import open_journal, read_results
from fitloom.outcome import contour_of, failures, summary, write_outcome
from fitloom.pallet import open_pallet
from fitloom.plan import make_plan
from fitloom.pools import PoolSource
from fitloom.tables import shown, table
from fitloom_core.errors import InputError
from fitloom_core.wire import FitOptions
from fitloom_core.workspace import Workspace
from small_pallets import PLANE, background, write_loose


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished campaign with one point that failed."""
    folder = tmp_path_factory.mktemp("overview")
    write_loose(folder / "p")
    (folder / "p" / "patch.hostile\x1b[31m_1_2.json").write_text("[]")
    plan = make_plan(open_pallet(folder / "p"), FitOptions())
    with open_journal(folder / "c", plan.document()) as journal:
        list(Driver(plan, [PoolSource("local", {"workers": 1})], journal).results())
    return folder / "c"


def test_the_overview_counts_and_names_what_matters(campaign):
    found = overview.overview(campaign)
    assert found["counts"] == {"converged": len(PLANE), "failed": 1}
    assert found["planned"] == len(PLANE) + 1
    assert found["regions"][0]["left"] == 0
    assert found["lowest"][0]["cls_obs"] <= found["highest"][0]["cls_obs"]
    assert found["failures"][0]["code"] == "no_poi"
    assert json.loads(json.dumps(found)) == found


def test_the_overview_is_printed_without_what_would_steer_a_terminal(campaign):
    text = overview.render(overview.overview(campaign))
    assert "complete" in text
    assert "no_poi" in text
    assert "\x1b" not in text


def test_a_summary_has_one_line(campaign):
    results = read_results(campaign)
    assert summary(results, len(results)) == f"{len(PLANE) + 1} points: {len(PLANE)} converged, 1 failed"
    converged = [result for result in results if result.status == "converged"]
    assert summary(converged[:2], 13) == "13 points: 2 converged, 11 not fitted yet"
    assert summary([], 3) == "3 points: 3 not fitted yet"
    (line,) = failures(results)
    assert "\x1b" not in line
    assert line.endswith("patch adds no signal, or the measurement names another parameter")


def test_the_outcome_is_a_contour_and_figures(campaign, tmp_path):
    write_outcome(campaign, [tmp_path / "deep" / "c.svg"])
    assert (tmp_path / "deep" / "c.svg").read_text().startswith("<?xml")
    assert json.loads((campaign / "contour.json").read_text()) == json.loads(json.dumps(contour_of(campaign)))


def test_axes_that_do_not_fit_are_refused(campaign):
    with pytest.raises(InputError, match="m9"):
        contour_of(campaign, axes=["m1", "m9"])


def test_an_inspection_says_what_is_in_a_workspace():
    found = inspection.inspect(Workspace(background()))
    (channel,) = found["channels"]
    assert channel == {"name": "SR", "bins": 2, "samples": 1, "expected": 80.0, "observed": 80.0}
    assert found["parameters"] == [{"name": "bkg_norm", "types": ["normsys"], "constraint": "Gaussian", "size": 1}]
    assert found["measurements"] == [{"name": "main", "poi": "mu"}]
    assert "bkg_norm" in inspection.render(found)


def test_tables_cut_nothing_off():
    assert table(["a", "b"], [["x" * 50, 1.23456789], ["y", None]]).splitlines()[1] == f"{'x' * 50}  1.23457"
    assert shown("a\nb") == "a\N{REPLACEMENT CHARACTER}b"
