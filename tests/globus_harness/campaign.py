"""Campaigns of real points on an endpoint: run here or in a process of their own, and held against a calm run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fitloom.driver import Driver
from fitloom.journal import open_journal, read_results
from fitloom.pallet import open_pallet
from fitloom.plan import Plan, make_plan
from fitloom.pools import PoolSource
from fitloom_core.wire import FitOptions, FitResult

REGION = "RegionB"
POINTS = "sbottom_9*_*"
BATCH = 2

NUMBERS = {"cls_obs": 1e-9, "q": 1e-9, "q_asimov": 1e-9, "nll_free": 1e-9, "nll_fixed": 1e-9, "mu_hat": 1e-5}
"""How close a number must be to the calm run's. Where -2 ln L is flat in mu, its minimum says little of mu_hat."""


def plan_of(pallet: Path) -> Plan:
    """Eighteen points of a real pallet."""
    return make_plan(open_pallet(str(pallet), regions=(REGION,), points=POINTS), FitOptions())


def fit(
    plan: Plan,
    folder: Path,
    settings: Mapping[str, Any],
    *,
    kind: str = "globus",
    after: Callable[[int], None] = lambda _: None,
) -> list[FitResult]:
    """Run a campaign to its end; ``after`` hears how many results there are."""
    results = []
    with open_journal(folder, plan.document()) as journal:
        for result in Driver(plan, [PoolSource(kind, settings)], journal, batch=BATCH).results():
            results.append(result)
            after(len(results))
    return results


def start_driver(pallet: Path, folder: Path, settings: Mapping[str, Any], out: Path) -> subprocess.Popen[bytes]:
    """The same campaign by the command line, in a process of its own, which can be killed."""
    command = [sys.executable, "-m", "fitloom", "run", str(pallet), "--region", REGION, "--points", POINTS]
    command += ["--output", str(folder), "--batch", str(BATCH), "--executor", "globus"]
    for name, value in settings.items():
        command += ["--set", f"{name}={json.dumps(value) if isinstance(value, dict) else value}"]
    with out.open("wb") as stream:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)


def check(folder: Path, calm: Mapping[str, FitResult]) -> None:
    """Every point exactly once in the journal, with the numbers of the calm run."""
    lines = (folder / "results.jsonl").read_text().splitlines()
    times = Counter(json.loads(line)["id"] for line in lines)
    assert set(times) == set(calm)
    assert set(times.values()) == {1}
    for result in read_results(folder):
        wanted = calm[result.id]
        assert result.status == wanted.status, (result.name, result.error)
        for name, close in NUMBERS.items():
            _check_close(getattr(result, name), getattr(wanted, name), close, f"{result.name} {name}")
        for number, other in zip(result.cls_exp or [], wanted.cls_exp or [], strict=True):
            _check_close(number, other, NUMBERS["cls_obs"], f"{result.name} cls_exp")


def sent_points(folder: Path) -> Counter[str]:
    """How often each point was sent, by the ledger."""
    counts: Counter[str] = Counter()
    for path in folder.glob("globus-*.jsonl"):
        for line in path.read_text().splitlines()[1:]:
            counts.update(json.loads(line)["points"])
    return counts


def _check_close(number: float, other: float, close: float, what: str) -> None:
    assert abs(number - other) <= close * max(1.0, abs(other)), f"{what}: {number!r}, calm {other!r}"
