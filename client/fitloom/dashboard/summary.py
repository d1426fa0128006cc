"""The run in numbers: how far, how fast, how long still, who works on it, and the strip of throughput."""

from __future__ import annotations

from collections import Counter
from typing import Any

from fitloom.dashboard.state import CampaignState, Json

STATES = ("waiting", "sent", "running", "retrying", "converged", "not_converged", "failed")
RATE_WINDOW = 30
"""Seconds over which the present rate is taken."""
STRIP_BINS = 120
_WIDTHS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400)
_SHOWN_WORKERS = 200


def summarise(state: CampaignState, now: float, driver: Json | None) -> Json:
    """The run panel: ``driver`` is the attached driver's record, or None."""
    counts = Counter(point.state for point in state.points)
    flying = Counter(point.pool for point in state.points if point.state in ("sent", "running"))
    total = len(state.points)
    done = counts["converged"] + counts["not_converged"] + counts["failed"]
    end = now if driver is not None or state.last is None else state.last
    speed = rate(state, end, done)
    going = driver is not None and done < total
    return {
        "total": total,
        "done": done,
        "counts": {name: counts[name] for name in STATES},
        "phase": _phase(state, driver, done, total),
        "attached": driver is not None,
        "driver": driver,
        "started": state.started,
        "elapsed": None if state.started is None else max(0.0, end - state.started),
        "rate": speed,
        "eta": (total - done) / speed if going and speed else None,
        "strip": strip(state, end),
        "pools": _pools(state, flying, driver is not None),
        "workers": _workers(state),
        "results_seen": state.results_seen,
        "events_seen": state.events_seen,
    }


def rate(state: CampaignState, now: float, done: int) -> float | None:
    """Results a second: over the last half minute, or since the start where that is shorter or empty."""
    if state.started is None or not done:
        return None
    elapsed = max(1.0, now - state.started)
    window = min(float(RATE_WINDOW), elapsed)
    recent = sum(n for second, n in state.finished_in.items() if now - window <= second <= now)
    if recent:
        return recent / window
    since_start = sum(n for second, n in state.finished_in.items() if second >= int(state.started))
    return since_start / elapsed or None


def strip(state: CampaignState, now: float) -> Json:
    """Results by time since this run started, in at most `STRIP_BINS` bins of a round width."""
    if state.started is None:
        return {"start": None, "width": 1, "counts": []}
    span = max(1.0, now - state.started)
    width = next((w for w in _WIDTHS if span / w <= STRIP_BINS), int(span / STRIP_BINS) + 1)
    counts = [0] * (int(span // width) + 1)
    for second, number in state.finished_in.items():
        place = int((second - int(state.started)) // width)
        if 0 <= place < len(counts):
            counts[place] += number
    return {"start": state.started, "width": width, "counts": counts}


def _phase(state: CampaignState, driver: Json | None, done: int, total: int) -> str:
    if done >= total:
        return "finished"
    if driver is not None:
        return "paused" if state.phase == "stopped" else "running"
    return "waiting" if not state.events_seen and not done else "stopped"


def _pools(state: CampaignState, flying: Counter[str | None], attached: bool) -> list[Json]:
    return [
        {
            "name": pool.name,
            "health": ("up" if pool.up else "down") if attached or not pool.up else "idle",
            "since": pool.since,
            "message": pool.message,
            "slots": pool.slots,
            "done": pool.done,
            "failed": pool.failed,
            "flying": flying[pool.name] if attached else 0,
            "last": pool.last,
        }
        for pool in state.pools.values()
    ]


def _workers(state: CampaignState) -> list[dict[str, Any]]:
    busiest = sorted(state.workers.values(), key=lambda worker: -worker.done)[:_SHOWN_WORKERS]
    return [{"name": w.name, "done": w.done, "mean": w.seconds / w.done, "last": w.last} for w in busiest]
