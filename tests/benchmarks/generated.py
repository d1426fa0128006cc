"""Generated workspaces: a thousand parameters; grids of up to ten thousand points; the published grid on a GPU."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from generate import write_grid, write_thousand
from measure import Run, measure
from peering import PEERS, time_peer
from table import MB, Row

SIZES = (100, 1_000, 10_000)
PEER_PATIENCE = 240.0
Json = dict[str, Any]


def thousand(work: Path) -> list[Row]:
    """One test with its band of a workspace with 1,000 parameters, as a whole process, and the peers on the same."""
    path = write_thousand(_fresh(work) / "thousand.json")
    command = [sys.executable, "-m", "fitloom", "hypotest", path, "--json"]
    cache = {"FITLOOM_COMPILATION_CACHE": str(work / "compiled")}
    cold, warm = (measure(command, cwd=work, environment=cache) for _ in range(2))
    rows = [
        Row("thousand", "a test with its band, empty compilation cache", cold.seconds, "s", 10, _said(cold)),
        Row("thousand", "a test with its band, filled compilation cache", warm.seconds, "s", 10, _said(warm)),
        Row("thousand", "peak memory", cold.peak_bytes / MB, "MB", 2000),
    ]
    jobs = {"backgrounds": {"": json.loads(path.read_text())}, "points": [{"region": "", "name": "all", "patch": []}]}
    for peer in PEERS:
        timing = time_peer(peer, jobs, work.parent, timeout=PEER_PATIENCE)
        rows.append(Row("thousand", f"{timing.peer}: a test", timing.seconds, "s", note=timing.note))
    return rows


def grid(work: Path) -> list[Row]:
    """Cost per point and memory from a hundred to ten thousand points, with a filled compilation cache."""
    _run_grid(_fresh(work), SIZES[0])
    runs = {points: _run_grid(work, points) for points in SIZES}
    rows = [
        Row(
            "grid",
            f"{points} points",
            run.seconds,
            "s",
            note=f"{1e3 * run.seconds / points:.3g} ms a point, all counted",
        )
        for points, run in runs.items()
    ]
    few, some, many = (runs[points].seconds for points in SIZES)
    early, late = (some - few) / (SIZES[1] - SIZES[0]), (many - some) / (SIZES[2] - SIZES[1])
    growth = _growth(runs[SIZES[2]])
    return [
        *rows,
        Row("grid", "one point more, from 100 to 1,000", 1e3 * early, "ms"),
        Row("grid", "one point more, from 1,000 to 10,000", 1e3 * late, "ms", 1.25 * 1e3 * early),
        Row("grid", "peak memory of 10,000 points", runs[SIZES[2]].peak_bytes / MB, "MB"),
        Row("grid", "memory grown over the second half of 10,000 points", growth / MB, "MB", 100),
    ]


def gpu(work: Path, archive: Path) -> list[Row]:
    """The published grid in double precision on a GPU, where there is one."""
    if not _has_gpu():
        return [Row("gpu", "published grid", None, "s", note="JAX finds no GPU here")]
    _fresh(work)
    rows = []
    for batch in (32, 128, 512, 1024):
        command = [sys.executable, "-m", "fitloom", "run", archive.resolve(), "--workers", "1", "--batch", str(batch)]
        folder = work / str(batch)
        folder.mkdir()
        cache = {"FITLOOM_COMPILATION_CACHE": str(work / "compiled"), "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
        cold, warm = (
            measure([*command, "-o", folder / name], cwd=folder, environment=cache) for name in ("cold", "warm")
        )
        rows.append(Row("gpu", f"published grid, batches of {batch}, cold", cold.seconds, "s", note=_said(cold)))
        rows.append(Row("gpu", f"published grid, batches of {batch}, warm", warm.seconds, "s", note=_said(warm)))
    return rows


def _fresh(work: Path) -> Path:
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    return work


def _run_grid(work: Path, points: int) -> Run:
    folder = work / str(points)
    shutil.rmtree(folder, ignore_errors=True)
    pallet = write_grid(folder / "pallet", points)
    command = [sys.executable, "-m", "fitloom", "run", pallet, "--output", folder / "campaign"]
    return measure(command, cwd=folder, environment={"FITLOOM_COMPILATION_CACHE": str(work / "compiled")}, timeout=1200)


def _growth(run: Run) -> float:
    """How much more memory the last quarter took, on average, than the second."""
    sizes = [size for _, size in run.trace]
    quarter = max(1, len(sizes) // 4)
    second, last = sizes[quarter : 2 * quarter] or sizes, sizes[-quarter:]
    return sum(last) / len(last) - sum(second) / len(second)


def _said(run: Run) -> str:
    return "" if run.status in (0, 3) else f"exit status {run.status}: {run.output.strip()[-120:]}"


def _has_gpu() -> bool:
    program = "import jax; raise SystemExit(jax.default_backend() != 'gpu')"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).returncode == 0
