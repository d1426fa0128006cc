"""Looking at a campaign: choosing, comparing, taking away; on any screen and by any input."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fitloom import contour, journal
from written_campaigns import doubtful, failed, finished, fitted, grid, three_labels

from .waiting import CAMPAIGN, until

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished campaign with every kind of result."""
    points = grid()
    results = [fitted(point) for point in points]
    results[10], results[33] = doubtful(points[10]), failed(points[33])
    return finished(tmp_path_factory.mktemp("view") / "run", points, results)


def place(page: Page, index: int) -> tuple[float, float]:
    """Where a point stands on the screen, by the scales that the drawing declares."""
    box = page.locator("#stage").bounding_box()
    front = page.locator("#stage svg.layer").last
    values = page.evaluate(f"i => Object.values({CAMPAIGN}.points[i].values)", index)
    assert box
    found = []
    for value, axis, corner in zip(values, ("data-x", "data-y"), (box["x"], box["y"]), strict=True):
        low, high, start, end = map(float, (front.get_attribute(axis) or "").split())
        found.append(corner + start + (value - low) / (high - low) * (end - start))
    return found[0], found[1]


def test_hover_tells_and_click_shows_everything_about_a_point(folder: Path, serve: Any, visit: Any) -> None:
    page = visit(serve(folder).url)
    page.mouse.move(*place(page, 20))
    name = page.evaluate(f"{CAMPAIGN}.points[20].name")
    assert name in page.locator(".tip").inner_text()
    page.mouse.click(*place(page, 20))
    detail = page.locator("#detail")
    assert detail.locator("h2").inner_text() == name
    text = detail.inner_text()
    for part in ("CLs observed", "median", "gradient left", "positive definite", "attempt", "node07:4242"):
        assert part in text
    assert page.locator("#points tr[aria-selected=true]").inner_text().find(name) > 0


def test_a_failed_point_says_why(folder: Path, serve: Any, visit: Any) -> None:
    page = visit(serve(folder).plain_url + "#selected=33")
    assert "worker died three times" in page.locator("#detail .failure").inner_text()


def test_arrows_go_from_point_to_point_and_are_announced(folder: Path, serve: Any, visit: Any) -> None:
    page = visit(serve(folder).url)
    page.locator("#stage").focus()
    page.keyboard.press("Home")
    first = page.evaluate("fitloom.board.selected.values")
    page.keyboard.press("ArrowRight")
    second = page.evaluate("fitloom.board.selected.values")
    assert second["m_gluino"] > first["m_gluino"]
    assert second["m_neutralino1"] == first["m_neutralino1"]
    page.keyboard.press("ArrowUp")
    assert page.evaluate("fitloom.board.selected.values")["m_neutralino1"] > second["m_neutralino1"]
    assert "CLs observed" in page.locator("[aria-live=polite]").inner_text()
    page.keyboard.press("Escape")
    assert page.evaluate("fitloom.board.selected") is None


def test_the_table_sorts_filters_and_goes_along(folder: Path, serve: Any, visit: Any) -> None:
    page = visit(serve(folder).url)
    page.locator("#points th[data-key=cls_obs] button").click()
    column = page.evaluate("fitloom.table.rows.map((point) => point.cls_obs ?? Infinity)")
    assert column == sorted(column)
    assert page.locator("#points th[data-key=cls_obs]").get_attribute("aria-sort") == "ascending"
    page.locator("#filter").fill("cls_obs<0.05 m_gluino>=1500 -failed")
    rows = page.evaluate("fitloom.table.rows.map((point) => [point.cls_obs, point.values.m_gluino, point.state])")
    assert rows
    assert all(cls < 0.05 and mass >= 1500 and state != "failed" for cls, mass, state in rows)
    page.locator("#filter").fill("nonsense>3")
    assert "cannot compare nonsense" in page.locator("#matches").inner_text()
    page.locator("#filter").fill("")
    page.locator("#points").focus()
    page.keyboard.press("End")
    page.wait_for_timeout(100)
    assert page.locator("#points tr[aria-selected=true]").is_visible()
    page.locator(".counts button", has_text="failed").click()
    assert page.evaluate("fitloom.table.rows.map((point) => point.state)") == ["failed"]


def test_the_address_keeps_what_is_chosen(folder: Path, serve: Any, visit: Any) -> None:
    page = visit(serve(folder).url)
    page.get_by_text("Expected", exact=True).click()
    page.locator("#numbers").check()
    page.locator("#filter").fill("failed")
    again = visit(page.evaluate("location.href"))
    assert again.locator("#quantity-expected").is_checked()
    assert again.locator("#numbers").is_checked()
    assert again.evaluate("fitloom.table.rows.length") == 1


def test_another_plane_shows_other_points_and_lines(tmp_path: Path, serve: Any, visit: Any, artefact: Any) -> None:
    labels = ("m_sbottom", "m_neutralino2", "m_neutralino1")
    page = visit(serve(finished(tmp_path / "run", three_labels(), labels=labels, name="sbottom")).url)
    before = page.evaluate("fitloom.plane.places.length"), page.evaluate(f"{CAMPAIGN}.contour.where")
    assert before[1] == {"m_neutralino1": 60}
    page.locator("#slice").select_option("1")
    until(page, f"'m_neutralino2-m_neutralino1' in {CAMPAIGN}.contour.where")
    assert page.locator(".axis-title.x").inner_text().endswith("[GeV]")
    assert page.locator("#note").inner_text().count("points") == 1
    artefact(page, "slice")


def test_regions_are_shown_alone_and_combined(tmp_path: Path, serve: Any, visit: Any, artefact: Any) -> None:
    points = [point for region in ("boosted", "compressed") for point in grid(10, 8, region)]
    page = visit(serve(finished(tmp_path / "run", points)).url)
    combined = page.locator("[data-line=observed]").get_attribute("d")
    page.locator("#each").check()
    until(page, "document.querySelectorAll('[data-region]').length === 2")
    artefact(page, "regions")
    page.locator("#region").select_option("boosted")
    until(page, "d => document.querySelector('[data-line=observed]').getAttribute('d') !== d", combined)
    page.mouse.click(*place(page, 3))
    assert "compressed" in page.locator("#detail .siblings").inner_text()


def test_two_campaigns_are_compared_point_by_point(
    folder: Path, tmp_path: Path, serve: Any, visit: Any, artefact: Any
) -> None:
    points = grid()
    newer = finished(tmp_path / "newer", points, [fitted(point, shift=0.3) for point in points], name="gluinos v2")
    page = visit(serve(folder, newer).url)
    page.get_by_text("Compare", exact=True).click()
    page.get_by_label("gluinos v2").check()
    until(page, "document.querySelectorAll('[data-other]').length >= 2")
    page.keyboard.press("Escape")
    page.mouse.click(*place(page, 20))
    assert "gluinos v2" in page.locator("#detail .siblings").inner_text()
    assert page.locator("#points th", has_text="− gluinos v2").count() == 1
    assert "gluinos v2" in page.locator("#legend").inner_text()
    artefact(page, "compare")


def test_a_published_contour_is_laid_over(folder: Path, tmp_path: Path, serve: Any, visit: Any, artefact: Any) -> None:
    table = {
        "name": "Observed limit",
        "headers": [{"name": "M(GLUINO) [GEV]"}, {"name": "M(NEUTRALINO) [GEV]"}],
        "values": [
            {"x": [{"value": 1200 + 100 * i}], "y": [{"group": 0, "value": str(1100 - 9 * i * i)}]} for i in range(11)
        ],
    }
    path = tmp_path / "HEPData-ins1-v1-Exclusion.json"
    path.write_text(json.dumps(table))
    page = visit(serve(folder).url)
    page.get_by_text("Compare", exact=True).click()
    page.locator("#overlay").set_input_files(path)
    page.get_by_text("one line added").wait_for()
    until(page, "document.querySelectorAll('#stage .line.other').length === 1")
    artefact(page, "overlay")
    path.write_text("{")
    page.locator("#overlay").set_input_files(path)
    page.get_by_text("not JSON").wait_for()


def test_files_are_taken_away(folder: Path, serve: Any, visit: Any) -> None:
    page = visit(serve(folder).url)

    def take(text: str) -> bytes:
        page.locator(".menu", has_text="Download").locator("summary").click()
        with page.expect_download() as download:
            page.get_by_role("link", name=text).click()
        page.keyboard.press("Escape")
        return Path(download.value.path()).read_bytes()

    assert take("Results, JSON lines") == (folder / "results.jsonl").read_bytes()
    rows = list(csv.DictReader(io.StringIO(take("Results, CSV").decode())))
    assert len(rows) == len(grid())
    assert {row["status"] for row in rows} == {"converged", "not_converged", "failed"}
    assert json.loads(take("Contour, JSON"))["regions"][0]["lines"]["observed"]
    assert take("Figure, PDF").startswith(b"%PDF")
    assert take("Figure, SVG").lstrip().startswith(b"<?xml")
    assert b"fitloom-data" in take("This page as one file")


def test_the_page_draws_the_vertices_of_the_figure_and_of_contour_json(folder: Path, serve: Any, visit: Any) -> None:
    page = visit(serve(folder).url)
    static = contour.compute(journal.read_results(folder), labels=["m_gluino", "m_neutralino1"])["regions"][0]
    front = page.locator("#stage svg.layer").last
    scales = [tuple(map(float, (front.get_attribute(axis) or "").split())) for axis in ("data-x", "data-y")]
    for kind, selector in (("observed", "[data-line=observed]"), ("expected", "[data-line=expected]")):
        drawn = _vertices(page.locator(selector).get_attribute("d") or "", scales)
        wanted = [vertex for line in static["lines"][kind] for vertex in line]
        assert len(drawn) == len(wanted) > 20
        for (x, y), (static_x, static_y) in zip(drawn, wanted, strict=True):
            assert abs(x - static_x) <= 1e-9 * abs(static_x)
            assert abs(y - static_y) <= 1e-9 * max(1.0, abs(static_y))
    for width in ("1", "2"):
        drawn = _vertices(page.locator(f"[data-band='{width}']").get_attribute("d") or "", scales)
        assert len(drawn) == sum(map(len, static["bands"][width]))


def _vertices(d: str, scales: list[tuple[float, ...]]) -> list[tuple[float, float]]:
    """A path's corners, back from pixels to the units of the axes."""
    corners = [tuple(map(float, pair.split())) for pair in re.split("[MLZ]", d) if pair.strip()]
    (x_low, x_high, left, right), (y_low, y_high, bottom, top) = scales
    return [
        (
            x_low + (x - left) * (x_high - x_low) / (right - left),
            y_low + (y - bottom) * (y_high - y_low) / (top - bottom),
        )
        for x, y in corners
    ]


def test_dragging_goes_closer_and_escape_goes_back(folder: Path, serve: Any, visit: Any) -> None:
    page = visit(serve(folder).url)
    box = page.locator("#stage").bounding_box()
    assert box
    whole = page.locator("#stage svg.layer").last.get_attribute("data-x")
    page.mouse.move(box["x"] + 200, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 400, box["y"] + 300, steps=5)
    page.mouse.up()
    page.wait_for_timeout(100)
    assert page.locator("#stage svg.layer").last.get_attribute("data-x") != whole
    page.get_by_role("button", name="Show all").click()
    page.wait_for_timeout(100)
    assert page.locator("#stage svg.layer").last.get_attribute("data-x") == whole


def test_dark_mode_follows_the_system_and_the_button(folder: Path, serve: Any, visit: Any, artefact: Any) -> None:
    page = visit(serve(folder).url, color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    artefact(page, "dark")
    page.locator("#theme").click()
    assert page.evaluate(ground) != dark
    page.locator("#theme").click()
    assert page.evaluate(ground) == dark
    page.reload()
    until(page, f"{CAMPAIGN}?.contour")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_a_phone_shows_everything_without_scrolling_sideways(
    folder: Path, serve: Any, visit: Any, artefact: Any
) -> None:
    page = visit(serve(folder).url, width=360, height=740, is_mobile=True, has_touch=True, device_scale_factor=2)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    x, y = place(page, 30)
    page.touchscreen.tap(x, y)
    assert page.locator("#detail h2").inner_text() == page.evaluate(f"{CAMPAIGN}.points[30].name")
    artefact(page, "phone", full_page=True)


def test_the_projector_view_fits_one_screen(folder: Path, serve: Any, visit: Any, artefact: Any) -> None:
    page = visit(serve(folder).url, width=1920, height=1080)
    page.keyboard.press("p")
    page.wait_for_timeout(300)
    assert page.locator("#points").is_hidden()
    assert page.evaluate("document.documentElement.scrollHeight") <= 1080
    assert page.evaluate("parseFloat(getComputedStyle(document.querySelector('.tick')).fontSize)") >= 20
    artefact(page, "projector")


@pytest.mark.heavy
def test_ten_thousand_points_are_shown_and_the_table_keeps_few_rows(
    tmp_path: Path, serve: Any, visit: Any, artefact: Any
) -> None:
    points = grid(120, 105)
    assert len(points) > 10_000
    page = visit(serve(finished(tmp_path / "run", points)).url)
    assert page.evaluate("fitloom.plane.places.length") == len(points)
    assert page.locator("#points tbody tr").count() < 60
    page.locator("#points").focus()
    page.keyboard.press("End")
    page.wait_for_timeout(150)
    assert page.locator(f"#points tr[data-point='{len(points) - 1}']").is_visible()
    artefact(page, "ten-thousand")


def test_a_single_label_is_drawn_as_a_scan(tmp_path: Path, serve: Any, visit: Any, artefact: Any) -> None:
    points = [point for point in grid(12, 2) if point.values["m_neutralino1"] == 1]
    page = visit(serve(finished(tmp_path / "run", points)).url)
    assert page.locator("[data-line=observed]").get_attribute("d")
    assert page.locator(".level").count() == 1
    artefact(page, "scan")
