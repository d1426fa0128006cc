"""`fitloom.run` and what it returns."""

from __future__ import annotations

import json
import time

import pytest

import fitloom
from fitloom.plan import make_plan
from fitloom_core.errors import CampaignLocked, CampaignMismatch, InputError, JournalError
from small_pallets import PLANE, write_patchset


@pytest.fixture
def pallet(tmp_path):
    return write_patchset(tmp_path / "search")


def test_results_come_as_the_campaign_is_iterated_over(pallet, tmp_path):
    campaign = fitloom.run(pallet, output=tmp_path / "c", workers=1, plot=tmp_path / "contour.png")
    names = [result.name for result in campaign]
    assert len(names) == len(set(names)) == len(PLANE)
    assert [result.name for result in campaign] == names
    assert len(campaign.wait()) == len(PLANE)
    assert (tmp_path / "contour.png").stat().st_size > 1000
    assert json.loads((tmp_path / "c" / "contour.json").read_text())["axes"][0]["label"] == "m1"


def test_a_second_run_takes_everything_from_the_journal(pallet, tmp_path):
    first = fitloom.run(pallet, output=tmp_path / "c", workers=1).wait()
    begin = time.monotonic()
    second = fitloom.run(pallet, output=tmp_path / "c", workers=1).wait()
    assert second == first
    assert time.monotonic() - begin < 5


def test_a_campaign_can_be_opened_again(pallet, tmp_path):
    fitted = fitloom.run(pallet, output=tmp_path / "c", workers=1).wait()
    campaign = fitloom.open_campaign(tmp_path / "c")
    assert list(campaign) == fitted
    assert f"{len(PLANE)} points: {len(PLANE)} converged" in repr(campaign)
    campaign.plot(tmp_path / "later.pdf", axes=["m2", "m1"])
    assert (tmp_path / "later.pdf").read_bytes().startswith(b"%PDF")
    assert campaign.contour()["level"] == 0.05


def test_leaving_a_block_early_ends_the_campaign_and_keeps_what_was_fitted(pallet, tmp_path):
    with fitloom.run(pallet, output=tmp_path / "c", workers=1, batch=1) as campaign:
        first = next(iter(campaign))
    kept = campaign.results
    assert first in kept
    assert len(fitloom.run(pallet, output=tmp_path / "c", workers=1).wait()) == len(PLANE)
    lines = (tmp_path / "c" / "results.jsonl").read_text().splitlines()
    assert len(lines) == len(PLANE)


def test_the_folder_is_called_by_pallet_and_options(pallet, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one, two = fitloom.run(pallet, workers=1), fitloom.run(pallet, workers=1, mu=2.0)
    one.wait()
    two.wait()
    assert one.folder != two.folder
    assert one.folder.name.startswith("fitloom-search-")


def test_what_is_wrong_is_raised_by_run_itself(pallet, tmp_path):
    with pytest.raises(InputError, match=r"mu = -1\.0 cannot be used"):
        fitloom.run(pallet, output=tmp_path / "c", mu=-1.0)
    with pytest.raises(InputError, match="no executor is called"):
        fitloom.run(pallet, output=tmp_path / "c", executor="dask")
    fitloom.run(pallet, output=tmp_path / "c", workers=1).wait()
    with pytest.raises(CampaignMismatch):
        fitloom.run(pallet, output=tmp_path / "c", mu=2.0)
    with pytest.raises(JournalError):
        fitloom.open_campaign(tmp_path / "nowhere")


def test_a_campaign_that_is_running_is_not_run_again(pallet, tmp_path):
    with fitloom.run(pallet, output=tmp_path / "c", workers=1, batch=1) as campaign:
        next(iter(campaign))
        if campaign.results != len(PLANE):
            try:
                fitloom.run(pallet, output=tmp_path / "c", workers=1)
            except CampaignLocked as error:
                assert "is being written by another fitloom" in error.message  # noqa: PT017


def test_what_goes_wrong_while_it_runs_is_raised_to_who_waits(pallet, tmp_path):
    campaign = fitloom.run(
        pallet, output=tmp_path / "c", executor="http", settings={"http": {"urls": ["http://127.0.0.1:9"]}}
    )
    with pytest.raises(fitloom.FitloomError, match=r"127\.0\.0\.1:9"):
        campaign.wait()
    with pytest.raises(fitloom.FitloomError):
        list(campaign)


def test_fetch_says_where_a_pallet_is_and_refuses_what_is_none(pallet, tmp_path):
    assert fitloom.fetch(str(pallet)) == pallet
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no background workspace"):
        fitloom.fetch(str(tmp_path / "empty"))


def test_the_digest_of_a_plan_is_that_of_pallet_and_options(pallet):
    opened = fitloom.open_pallet(pallet)
    digests = {make_plan(opened, fitloom.FitOptions(mu=mu)).digest for mu in (1.0, 1.0, 2.0)}
    assert len(digests) == 2
