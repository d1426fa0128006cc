"""How a campaign stands: what ``fitloom show`` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fitloom.journal import read_campaign, read_results
from fitloom.lock import read_driver
from fitloom.outcome import full_name
from fitloom.tables import shown, table
from fitloom_core.wire import FitResult

Json = dict[str, Any]

LEVEL = 0.05
EXTREMES = 3
STATUSES = ("converged", "not_converged", "failed")


def overview(folder: str | Path) -> Json:
    """A campaign in numbers: counts by region, the extremes, every failure.

    Raises:
        JournalError: no campaign is there.
    """
    campaign, results = read_campaign(folder), read_results(folder)
    regions = [_region(region["name"], len(region["points"]), results) for region in campaign["regions"]]
    converged = sorted((result for result in results if result.status == "converged"), key=_cls)
    return {
        "campaign": str(folder),
        "pallet": campaign["pallet"],
        "options": campaign["options"],
        "created": campaign["created"],
        "driver": read_driver(folder),
        "planned": sum(region["planned"] for region in regions),
        "counts": dict(Counter(result.status for result in results)),
        "regions": regions,
        "lowest": [_point(result) for result in converged[:EXTREMES]],
        "highest": [_point(result) for result in converged[::-1][:EXTREMES]],
        "uncertified": [_point(result) for result in results if result.status == "not_converged"],
        "failures": [_failure(result) for result in results if result.error is not None],
    }


def render(found: Json) -> str:
    """The overview as text for people."""
    options = found["options"]
    parts = [
        f"{found['campaign']}: {shown(found['pallet']['name'])} from {shown(found['pallet']['source'])}",
        f"mu = {options['mu']:g}, {options['test_stat']}, {options['calculator']}; {_progress(found)}",
        table(
            ["region", "points", "converged", "not converged", "failed", "left", "excluded", "expected"],
            [
                [row[key] for key in ("name", "planned", *STATUSES, "left", "excluded", "expected")]
                for row in found["regions"]
            ],
        ),
        _listed("lowest CLs", found["lowest"]),
        _listed("highest CLs", found["highest"]),
        _listed("not converged, not to be trusted", found["uncertified"]),
        _failed(found["failures"]),
    ]
    return "\n\n".join(filter(None, parts))


def _region(name: str | None, planned: int, results: Sequence[FitResult]) -> Json:
    mine = [result for result in results if result.region == name]
    counts: Counter[str] = Counter(result.status for result in mine)
    good = [result for result in mine if result.status == "converged"]
    return {
        "name": name,
        "planned": planned,
        **{status: counts[status] for status in STATUSES},
        "left": max(0, planned - len(mine)),
        "excluded": sum(_cls(result) < LEVEL for result in good),
        "expected": sum(_median(result) < LEVEL for result in good),
    }


def _progress(found: Json) -> str:
    left = sum(region["left"] for region in found["regions"])
    state = "complete" if not left else f"{left} of {found['planned']} points left"
    driver = found["driver"]
    return f"{state}, being run by process {driver['pid']} on {shown(driver['host'])}" if driver else state


def _listed(title: str, points: Sequence[Json]) -> str:
    rows = [[point["name"], point["cls_obs"], point["expected"], point["kkt"]] for point in points]
    return table([title, "observed", "expected", "kkt"], rows) if rows else ""


def _failed(failures: Sequence[Json]) -> str:
    rows = [[failure["name"], failure["code"], failure["message"]] for failure in failures]
    return table(["failed", "code", "reason"], rows) if rows else ""


def _point(result: FitResult) -> Json:
    return {
        "name": full_name(result),
        "values": result.values,
        "cls_obs": result.cls_obs,
        "expected": result.cls_exp[2] if result.cls_exp else None,
        "kkt": result.certificate.kkt if result.certificate else None,
    }


def _failure(result: FitResult) -> Json:
    assert result.error is not None
    return {"name": full_name(result), "code": result.error.code, "message": result.error.message}


def _cls(result: FitResult) -> float:
    return 1.0 if result.cls_obs is None else result.cls_obs


def _median(result: FitResult) -> float:
    return 1.0 if not result.cls_exp else result.cls_exp[2]
