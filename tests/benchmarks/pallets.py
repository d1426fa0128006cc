"""Published pallets: the whole of `fitloom run`, cold and warm, beside the peers on a sample of the same points."""

from __future__ import annotations

import json
import random
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure import Run, measure
from peering import PEERS, Timing, time_peer
from table import MB, Row

from fitloom.pallet import open_pallet

COMPILED = "FITLOOM_COMPILATION_CACHE"
Json = dict[str, Any]


@dataclass(frozen=True)
class Goals:
    """What a pallet's run should stay under, and how many times faster than a peer it should be."""

    cold: float
    warm: float
    memory: float | None = None
    """In MB."""
    ratios: tuple[tuple[str, float, float], ...] = ()
    """Peer, ratio cold, ratio warm."""


SBOTTOM = Goals(cold=15, warm=6, memory=1500, ratios=(("pyhf 0.7.6 numpy", 200, 500), ("ROOT", 80, 200)))
ERJR = Goals(cold=8, warm=3)


def bench(section: str, archive: Path, goals: Goals, per_region: int, work: Path) -> list[Row]:
    """Rows of one pallet: its run with an empty and a filled compilation cache, and each peer's ratio."""
    cold, warm = _cold_and_warm(archive, work)
    records = _journal(work / "warm")
    points = len(records)
    rows = [
        Row(section, f"{points} points, empty compilation cache", cold.seconds, "s", goals.cold, _status(cold)),
        Row(section, f"{points} points, filled compilation cache", warm.seconds, "s", goals.warm, _status(warm)),
        Row(section, "peak memory", max(cold.peak_bytes, warm.peak_bytes) / MB, "MB", goals.memory),
    ]
    if not points:
        return rows
    jobs = sample(archive, per_region)
    for peer in PEERS:
        timing = time_peer(peer, jobs, work.parent)
        rows += _ratios(section, timing, cold.seconds / points, warm.seconds / points, goals)
        rows += _agreement(section, timing, records)
    return rows


def sample(archive: Path, per_region: int) -> Json:
    """The same few points for every peer: chosen once, at random, from each region."""
    regions = open_pallet(str(archive)).regions
    chosen = {region.name or "": random.Random(7).sample(list(region.points), per_region) for region in regions}
    return {
        "backgrounds": {region.name or "": region.background for region in regions},
        "points": [
            {"region": region, "name": point.name, "patch": point.patch}
            for region, points in chosen.items()
            for point in points
        ],
    }


def _cold_and_warm(archive: Path, work: Path) -> tuple[Run, Run]:
    cache = work / "compiled"
    shutil.rmtree(work, ignore_errors=True)
    runs = []
    for name in ("cold", "warm", "warm"):
        folder = work / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        command = [sys.executable, "-m", "fitloom", "run", archive.resolve(), "--output", folder / "campaign"]
        command += ["--plot", folder / "contour.png"]
        runs.append(measure(command, cwd=folder, environment={COMPILED: str(cache)}))
    return runs[0], min(runs[1:], key=lambda run: run.seconds)


def _journal(folder: Path) -> list[Json]:
    path = folder / "campaign" / "results.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _status(run: Run) -> str:
    return "" if run.status in (0, 3) else f"exit status {run.status}: {run.output.strip()[-120:]}"


def _ratios(section: str, timing: Timing, cold: float, warm: float, goals: Goals) -> list[Row]:
    goal_cold, goal_warm = next(((c, w) for name, c, w in goals.ratios if timing.peer.startswith(name)), (None, None))
    each = timing.seconds
    rows = [Row(section, f"{timing.peer}: a point", each, "s", note=timing.note or f"{len(timing.records)} points")]
    if each is not None:
        rows.append(Row(section, f"{timing.peer}: ratio, cold", each / cold, "x", goal_cold))
        rows.append(Row(section, f"{timing.peer}: ratio, warm", each / warm, "x", goal_warm))
    return rows


def _agreement(section: str, timing: Timing, records: list[Json]) -> list[Row]:
    ours = {(entry["region"] or "", entry["name"]): entry.get("cls_obs") for entry in records}
    pairs = [(ours.get((entry["region"], entry["name"])), entry["cls_obs"]) for entry in timing.records]
    distances = [abs(mine - theirs) for mine, theirs in pairs if mine is not None]
    return [Row(section, f"{timing.peer}: largest difference in CLs", max(distances), "")] if distances else []
