"""What a stranger may have written into a pallet or a file never becomes more than text; the page obeys its policy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from written_campaigns import LABELS, Planned, driving, failed, finished, fitted, grid

from .waiting import CAMPAIGN, until

NASTY = '<img src=x onerror="window.hurt=1">'
SCRIPT = "</script><script>window.hurt=1</script>"


def _hostile() -> list[Planned]:
    points = grid(6, 5)
    return [
        Planned(f"{point.id}{NASTY}", f"{NASTY}{i}{SCRIPT}", point.values, point.region)
        for i, point in enumerate(points)
    ]


def test_hostile_names_are_text_everywhere(tmp_path: Path, serve: Any, visit: Any, artefact: Any) -> None:
    points = _hostile()
    with driving(tmp_path / "run", points, name=f"{NASTY} pallet") as driver:
        driver.plan([NASTY])
        driver.send(points[:3], pool=NASTY)
        driver.record(
            failed(points[0], code=NASTY, message=SCRIPT), fitted(points[1], worker=NASTY), *map(fitted, points[2:])
        )
        driver.log("task_failed", pool=NASTY, code=NASTY, message=SCRIPT, points=[points[3].id])
        page = visit(serve(tmp_path / "run").plain_url + "#selected=0")
        for tab in ("Errors", "Workers", "Points"):
            page.get_by_role("tab", name=tab).click()
        page.locator("#stage").focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(300)
        assert NASTY in page.locator("#detail h2").inner_text()
        assert page.evaluate("window.hurt") is None
        assert page.locator("img, iframe, object, embed, script:not([src])").count() == 0
        until(page, "document.title.includes('<img')")
        artefact(page, "hostile")


def test_hostile_names_are_text_in_a_report_too(tmp_path: Path, serve: Any, visit: Any) -> None:
    from fitloom.dashboard.report import write_report

    folder = finished(tmp_path / "run", _hostile(), name=SCRIPT)
    report = write_report([folder], tmp_path / "report.html")
    page = visit(report.as_uri())
    assert SCRIPT in page.locator("#points").inner_text()
    assert page.evaluate("window.hurt") is None


def test_hostile_labels_are_text_in_axis_titles(tmp_path: Path, serve: Any, visit: Any) -> None:
    label = "x<script>1</script>"
    points = [Planned(p.id, p.name, {label: p.values[LABELS[0]], "y&amp;": p.values[LABELS[1]]}) for p in grid(6, 5)]
    page = visit(serve(finished(tmp_path / "run", points, labels=(label, "y&amp;"))).url)
    assert page.locator(".axis-title.x").inner_text() == label
    assert page.locator(".axis-title.y").inner_text() == "y&amp;"


def test_the_policy_stops_a_script_that_got_in(tmp_path: Path, serve: Any, visit: Any) -> None:
    page = visit(serve(finished(tmp_path / "run", grid(6, 5))).url, allow="Content Security Policy")
    violations = page.evaluate("""async () => {
      const found = [];
      addEventListener('securitypolicyviolation', (event) => found.push(event.effectiveDirective));
      const div = document.createElement('div');
      div.setAttribute('onclick', 'window.hurt = 1');
      document.body.append(div);
      div.click();
      await new Promise((done) => setTimeout(done, 200));
      return found;
    }""")
    assert violations == ["script-src-attr"]
    assert page.evaluate("window.hurt") is None


def test_the_page_is_not_framed(tmp_path: Path, serve: Any, visit: Any) -> None:
    served = serve(finished(tmp_path / "run", grid(6, 5)))
    (tmp_path / "frame.html").write_text(f'<iframe src="{served.plain_url}"></iframe>')
    page = visit((tmp_path / "frame.html").as_uri(), wait=False, allow="Content Security Policy")
    page.wait_for_timeout(500)
    assert len(page.frames) == 2
    assert page.frames[1].locator("main").count() == 0


def test_a_report_opens_from_disk_and_asks_nobody(tmp_path: Path, visit: Any, artefact: Any) -> None:
    from fitloom.dashboard.report import write_report

    folder = finished(tmp_path / "run", grid())
    newer = finished(tmp_path / "newer", grid(), [fitted(point, shift=0.4) for point in grid()], name="newer")
    report = write_report([folder, newer], tmp_path / "report.html")
    page = visit(report.as_uri())
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.locator("#campaign").select_option("1")
    until(page, f"{CAMPAIGN}.facts.name === 'newer'")
    page.get_by_text("Compare", exact=True).click()
    page.get_by_label("gluinos").check()
    until(page, "document.querySelectorAll('[data-other]').length >= 2")
    assert page.locator("#status").inner_text() == "report"
    assert page.locator(".run .actions").is_hidden()
    assert not [url for url in asked if not url.startswith(("file:", "blob:", "data:"))]
    page.locator(".menu", has_text="Download").locator("summary").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Contour, JSON").click()
    assert b'"lines"' in Path(download.value.path()).read_bytes()
    artefact(page, "report")
