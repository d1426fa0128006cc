"""Logging in to the page in a real browser: in, out, not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fitloom.dashboard.group_gate import open_gate
from globus_auth import FITTERS, READERS, SERVER, SERVER_SECRET, GlobusAuth, Someone
from written_campaigns import driving, fitted, grid

from .waiting import CAMPAIGN, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

POINTS = grid(6, 5)


@pytest.fixture
def globus() -> Iterator[GlobusAuth]:
    with GlobusAuth() as stand_in:
        stand_in.people = {
            "reader": Someone("reader@example.org", {READERS: ("member", "active")}),
            "fitter": Someone("fitter@example.org", {FITTERS: ("member", "active")}),
            "stranger": Someone("stranger@example.org"),
        }
        yield stand_in


@pytest.fixture
def address(
    globus: GlobusAuth, serve: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The page of a campaign at work, for two groups."""
    monkeypatch.setenv("FITLOOM_GATE_CLIENT_ID", SERVER)
    monkeypatch.setenv("FITLOOM_GATE_CLIENT_SECRET", SERVER_SECRET)
    with driving(tmp_path / "run", POINTS) as driver:
        driver.plan()
        driver.record(*map(fitted, POINTS[:20]))
        yield serve(tmp_path / "run", gate=open_gate([READERS, f"{FITTERS}:fit"])).url


def log_in(visit: Callable[..., Page], globus: GlobusAuth, address: str, who: str) -> Page:
    globus.logged_in = who
    page = visit(address, wait=False)
    page.get_by_role("link", name="Log in").click()
    return page


def test_a_visitor_is_asked_to_log_in_and_then_sees_the_page(
    visit: Callable[..., Page], globus: GlobusAuth, address: str, artefact: Callable[..., Path]
) -> None:
    page = visit(address, wait=False)
    page.get_by_text("You are not logged in.").wait_for()
    artefact(page, "login-asked")
    globus.logged_in = "reader"
    page.get_by_role("link", name="Log in").click()
    until(page, f"{CAMPAIGN}?.contour")
    assert page.url == address
    assert "reader@example.org" in page.locator("#who").inner_text()
    assert page.get_by_role("button", name="Stop").is_disabled()
    artefact(page, "login-reader")


def test_a_reload_needs_no_second_login_and_log_out_ends_it(
    visit: Callable[..., Page], globus: GlobusAuth, address: str
) -> None:
    page = log_in(visit, globus, address, "reader")
    until(page, f"{CAMPAIGN}?.contour")
    page.reload()
    until(page, f"{CAMPAIGN}?.contour")
    page.get_by_role("link", name="Log out").click()
    page.get_by_text("You are logged out.").wait_for()
    page.get_by_role("link", name="Go to the page").click()
    page.get_by_text("You are not logged in.").wait_for()


def test_scripts_cannot_read_the_session(visit: Callable[..., Page], globus: GlobusAuth, address: str) -> None:
    page = log_in(visit, globus, address, "reader")
    until(page, f"{CAMPAIGN}?.contour")
    assert page.evaluate("document.cookie") == ""
    assert any("fitloom_session" in one["name"] for one in page.context.cookies())


def test_a_fitter_stops_the_run_from_the_page(
    visit: Callable[..., Page], globus: GlobusAuth, address: str, tmp_path: Path
) -> None:
    page = log_in(visit, globus, address, "fitter")
    until(page, f"{CAMPAIGN}?.contour")
    page.get_by_role("button", name="Stop").click()
    for _ in range(50):
        if wishes := list((tmp_path / "run" / "requests").glob("*.json")):
            break
        page.wait_for_timeout(100)
    assert json.loads(wishes[0].read_text())["by"] == "fitter@example.org"


def test_a_stranger_is_told_so(
    visit: Callable[..., Page], globus: GlobusAuth, address: str, artefact: Callable[..., Path]
) -> None:
    page = log_in(visit, globus, address, "stranger")
    page.get_by_text("stranger@example.org is in none of the groups that may enter here").wait_for()
    artefact(page, "login-stranger")


def test_a_member_who_left_is_told_so_by_the_running_page(
    visit: Callable[..., Page], globus: GlobusAuth, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fitloom_core.access.REMEMBER_SECONDS", 0.0)
    page = log_in(visit, globus, address, "reader")
    until(page, f"{CAMPAIGN}?.contour")
    globus.people["reader"].groups.clear()
    page.reload()
    page.get_by_text("is in none of the groups that may enter here").wait_for()
