"""While a run goes on: points appear, the contour moves, and a connection that breaks loses nothing."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from written_campaigns import doubtful, driving, failed, finished, fitted, grid

from .proxy import cuttable
from .waiting import CAMPAIGN, until


def test_points_appear_and_the_contour_moves_while_results_arrive(
    tmp_path: Path, serve: Any, visit: Any, artefact: Any
) -> None:
    points = grid()
    with driving(tmp_path / "run", points) as driver:
        driver.plan()
        driver.send(points[:40])
        page = visit(serve(tmp_path / "run").url)
        until(page, f"{CAMPAIGN}.run.counts.running === 40")
        assert page.locator("[data-line=observed]").get_attribute("d") == ""

        driver.record(*map(fitted, points[:40]))
        until(page, "document.querySelector('[data-line=observed]').getAttribute('d').length > 100")
        early = page.locator("[data-line=observed]").get_attribute("d")
        assert page.locator(".done").inner_text() == "40"
        artefact(page, "live-early")

        driver.record(*(fitted(point, shift=-0.4) for point in points[40:]))
        until(page, f"document.querySelector('.done').textContent === '{len(points)}'")
        until(page, "d => document.querySelector('[data-line=observed]').getAttribute('d') !== d", arg=early)
        artefact(page, "live-late")


def test_each_state_of_a_point_is_shown(tmp_path: Path, serve: Any, visit: Any, artefact: Any) -> None:
    points = grid(8, 6)
    with driving(tmp_path / "run", points) as driver:
        driver.plan(["slurm", "globus"])
        driver.send(points[:20], "t1", "slurm")
        driver.record(doubtful(points[0]), failed(points[1]), *map(fitted, points[2:14]), pool="slurm")
        driver.log(
            "task_failed",
            task="t1",
            pool="slurm",
            code="task_lost",
            message="the manager is gone",
            points=[points[19].id],
        )
        driver.log("retry", points=[points[19].id], attempt=2)
        driver.log("pool_down", pool="globus", code="executor", message="the endpoint is offline")
        page = visit(serve(tmp_path / "run").url)
        until(page, f"{CAMPAIGN}.run.counts.retrying === 1")
        counts = page.evaluate(f"{CAMPAIGN}.run.counts")
        waiting = {"waiting": len(points) - 20, "sent": 0, "running": 5, "retrying": 1}
        assert counts == {**waiting, "converged": 12, "not_converged": 1, "failed": 1}
        assert page.locator(".pools .up").inner_text().startswith("slurm")
        assert "the endpoint is offline" in page.locator(".pools .down").inner_text()
        page.get_by_role("tab", name="Errors").click()
        errors = page.locator("#panel-errors").inner_text()
        assert "worker_lost" in errors
        assert "the manager is gone" in errors
        artefact(page, "states")


def test_without_a_driver_nothing_is_in_flight_and_nothing_can_be_asked(tmp_path: Path, serve: Any, visit: Any) -> None:
    points = grid(6, 5)
    with driving(tmp_path / "run", points) as driver:
        driver.plan()
        driver.send(points[:10])
    page = visit(serve(tmp_path / "run").url)
    assert page.locator(".counts").inner_text().split() == [str(len(points)), "waiting"]
    assert page.locator(".run .action:enabled").count() == 0
    assert "No driver is attached" in page.locator(".why-not").inner_text()


def test_with_the_key_a_visitor_stops_the_run_and_retries_a_point(tmp_path: Path, serve: Any, visit: Any) -> None:
    points = grid(6, 5)
    with driving(tmp_path / "run", points) as driver:
        driver.plan()
        driver.record(failed(points[0]))
        served = serve(tmp_path / "run")
        page = visit(served.url)
        assert "key=" not in page.url
        page.locator("[data-action=stop]").click()
        page.get_by_text("Asked the driver").wait_for()
        page.locator("#points tr[data-point='0']").click()
        page.locator("[data-action=retry-point]").click()
        page.wait_for_timeout(300)
        asked = driver.journal.requests()
        assert [(wish["action"], wish["points"]) for wish in asked] == [("stop", []), ("retry", [points[0].id])]

        page.locator("#filter").fill("waiting m_gluino>2000")
        rows = page.evaluate("fitloom.table.rows.map((point) => point.id)")
        page.get_by_text("These points", exact=True).click()
        page.locator("[data-action=stop-rows]").click()
        page.wait_for_timeout(300)
        assert driver.journal.requests() == [{"action": "stop", "points": rows, "by": "key"}]
        driver.log("stopped", points=rows)
        until(page, f"{CAMPAIGN}.points.filter((point) => point.held).length === {len(rows)}")
        page.locator("#points tr[data-point]").first.click()
        assert "held back" in page.locator("#detail").inner_text()
        assert page.locator("[data-action=start-point]").is_enabled()

        stranger = visit(served.plain_url)
        assert stranger.locator("[data-action=stop]").is_disabled()
        assert "open the address that the server printed" in stranger.locator(".why-not").inner_text()


def test_a_connection_cut_again_and_again_loses_and_doubles_nothing(tmp_path: Path, serve: Any, visit: Any) -> None:
    points = grid(30, 25)
    with driving(tmp_path / "run", points) as driver:
        driver.plan()
        served = serve(tmp_path / "run")
        with cuttable(urlsplit(served.url).port or 0) as proxy:
            page = visit(f"http://127.0.0.1:{proxy.port}/", wait=False)
            until(page, f"{CAMPAIGN}?.status === 'live'")
            page.evaluate(_LISTEN)
            for start in range(0, len(points), 20):
                driver.record(*map(fitted, points[start : start + 20]))
                if start % 100 == 40:
                    proxy.cut()
                    until(page, f"{CAMPAIGN}.status === 'reconnecting'")
                elif start % 100 == 80:
                    proxy.mend()
                page.wait_for_timeout(60)
            proxy.mend()
            until(page, f"{CAMPAIGN}.tally.results === {len(points)}", seconds=60)
            seen = page.evaluate("globalThis.seen")
            tally = page.evaluate(f"{CAMPAIGN}.tally")
    lines = len((tmp_path / "run" / "events.jsonl").read_text().splitlines())
    assert tally == {**tally, "results": len(points), "events": lines, "refused": 0, "snapshots": 1}
    assert all(earlier["to"] == later["from"] for earlier, later in pairwise(seen))
    assert sum(frame["results"] for frame in seen) == len(points)
    assert page.evaluate(f"{CAMPAIGN}.points.every((point) => point.state === 'converged')")


def test_a_restarted_server_is_found_again(tmp_path: Path, serve: Any, visit: Any) -> None:
    points = grid(8, 6)
    with driving(tmp_path / "run", points) as driver:
        driver.plan()
        first = serve(tmp_path / "run")
        with cuttable(urlsplit(first.url).port or 0) as proxy:
            page = visit(f"http://127.0.0.1:{proxy.port}/", wait=False)
            until(page, f"{CAMPAIGN}?.status === 'live'")
            proxy.cut()
            driver.record(*map(fitted, points))
            proxy.target = urlsplit(serve(tmp_path / "run").url).port or 0
            proxy.mend()
            until(page, f"{CAMPAIGN}.tally.results === {len(points)}", seconds=30)


def test_a_campaign_started_afresh_in_the_same_folder_starts_the_page_over(
    tmp_path: Path, serve: Any, visit: Any
) -> None:
    folder = finished(tmp_path / "run", grid(6, 5))
    page = visit(serve(folder).url)
    assert page.locator(".done").inner_text() == page.locator(".total").inner_text().split()[1]
    for name in ("campaign.json", "results.jsonl", "events.jsonl"):
        (folder / name).rename(folder / f"{name}.bak-1")
    with driving(folder, grid(9, 7)) as driver:
        driver.plan()
        driver.record(*map(fitted, driver.points[:3]))
        until(page, "document.querySelector('.done').textContent === '3'")
        assert page.evaluate(f"{CAMPAIGN}.points.length") == len(driver.points)


def test_points_added_to_a_campaign_later_appear(tmp_path: Path, serve: Any, visit: Any) -> None:
    points = grid(8, 6)
    folder = finished(tmp_path / "run", points[:20])
    page = visit(serve(folder).url)
    with driving(folder, points) as driver:
        driver.plan()
        driver.record(*map(fitted, points[20:]))
        until(page, f"{CAMPAIGN}.run.done === {len(points)}")


def test_a_truncated_last_line_waits_until_it_is_whole(tmp_path: Path, serve: Any, visit: Any) -> None:
    points = grid(6, 5)
    with driving(tmp_path / "run", points) as driver:
        driver.plan()
        driver.record(*map(fitted, points[:5]))
        page = visit(serve(tmp_path / "run").url)
        line = json.dumps(fitted(points[5]).to_record()).encode() + b"\n"
        with (tmp_path / "run" / "results.jsonl").open("ab", buffering=0) as stream:
            stream.write(line[:100])
            page.wait_for_timeout(400)
            assert page.evaluate(f"{CAMPAIGN}.tally.results") == 5
            stream.write(line[100:])
        until(page, f"{CAMPAIGN}.tally.results === 6")


_LISTEN = """() => {
  globalThis.seen = [];
  const campaign = globalThis.fitloom.board.campaign;
  const apply = campaign.apply.bind(campaign);
  campaign.apply = (frame) => {
    globalThis.seen.push({ from: frame.from, to: frame.to, results: frame.results });
    return apply(frame);
  };
}"""
