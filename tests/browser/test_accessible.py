"""Everybody can use the page: axe-core finds nothing on any view, light or dark, wide or narrow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from written_campaigns import doubtful, driving, failed, finished, fitted, grid, three_labels

if TYPE_CHECKING:
    from playwright.sync_api import Page

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A campaign with everything that can go wrong, one with several planes, and one with regions."""
    root = tmp_path_factory.mktemp("axe")
    points = grid()
    with driving(root / "a", points) as driver:
        driver.plan(["local", "slurm"])
        driver.send(points[:30])
        driver.record(doubtful(points[0]), failed(points[1]), *map(fitted, points[2:60]))
        driver.log("task_failed", task="t1", pool="local", code="task_lost", message="gone", points=[points[70].id])
        driver.log("pool_down", pool="slurm", code="executor", message="offline")
    three = finished(root / "b", three_labels(), labels=("m_sbottom", "m_neutralino2", "m_neutralino1"))
    regions = finished(root / "c", [point for region in ("x", "y") for point in grid(6, 5, region)])
    return [root / "a", three, regions]


@pytest.mark.heavy
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_axe_finds_nothing_on_any_view(folders: list[Path], serve: Any, visit: Any, scheme: str, width: int) -> None:
    page = visit(serve(*folders).url + "&selected=5&compare=1&numbers=1", color_scheme=scheme, width=width)
    _check(page, "points")
    for tab in ("Errors", "Workers"):
        page.get_by_role("tab", name=tab).click()
        _check(page, tab)
    page.get_by_text("Compare", exact=True).click()
    _check(page, "compare")
    page.keyboard.press("Escape")
    page.get_by_text("Download", exact=True).click()
    _check(page, "download")
    page.keyboard.press("Escape")
    page.locator("#campaign").select_option("2")
    page.wait_for_timeout(500)
    page.locator("#each").check()
    _check(page, "regions")


def test_axe_finds_nothing_at_first_sight(folders: list[Path], serve: Any, visit: Any) -> None:
    _check(visit(serve(folders[0]).url), "first")


def test_axe_finds_nothing_for_a_projector(folders: list[Path], serve: Any, visit: Any) -> None:
    page = visit(serve(folders[1]).url, width=1920, height=1080)
    page.keyboard.press("p")
    page.wait_for_timeout(200)
    _check(page, "projector")


def test_every_control_is_reached_by_tab(folders: list[Path], serve: Any, visit: Any) -> None:
    page = visit(serve(*folders).url)
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
    for control in ("campaign", "present", "theme", "Compare", "Download", "stage", "tab-points", "filter", "points"):
        assert control in reached


def _check(page: Page, view: str) -> None:
    axe = pytest.importorskip("axe_playwright_python", reason="pip install axe-playwright-python")
    page.evaluate((Path(axe.__file__).parent / "axe.min.js").read_text())
    found = page.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)
    assert not [f"{view}: {rule['id']}: {_nodes(rule)}" for rule in found["violations"]]


def _nodes(rule: Any) -> list[tuple[Any, str]]:
    return [(node["target"], node.get("failureSummary", "")) for node in rule["nodes"][:3]]
