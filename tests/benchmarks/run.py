"""`make bench`: speed and memory of whole processes, each beside its peers on the same points, in one run.

python tests/benchmarks/run.py                 everything
python tests/benchmarks/run.py --only sbottom  one section
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

import dashboard_bench
import executors
import generated
import http_bench
import pallets
from table import Row, show, write

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("FITLOOM_DATA") or ROOT.parent / "shared" / "data")
WORK = ROOT / ".bench"


def _sbottom() -> list[Row]:
    archive = DATA / "sbottom-ins1748602.tar.gz"
    return pallets.bench("sbottom", archive, pallets.SBOTTOM, 2, WORK / "sbottom")


def _erjr() -> list[Row]:
    return pallets.bench("erjr", DATA / "eRJR.tar.gz", pallets.ERJR, 4, WORK / "erjr")


SECTIONS: dict[str, Callable[[], list[Row]]] = {
    "sbottom": _sbottom,
    "erjr": _erjr,
    "thousand": lambda: generated.thousand(WORK / "thousand"),
    "executors": lambda: executors.bench(DATA / "sbottom-ins1748602.tar.gz", WORK / "executors"),
    "grid": lambda: generated.grid(WORK / "grid"),
    "http": lambda: http_bench.bench(WORK / "http"),
    "dashboard": dashboard_bench.bench,
    "gpu": lambda: generated.gpu(WORK / "gpu", DATA / "sbottom-ins1748602.tar.gz"),
}


def main() -> int:
    """Measure what was asked for; the exit status is 1 when a goal was missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", action="append", choices=SECTIONS, help="a section (repeatable); all otherwise")
    parser.add_argument("--json", type=Path, default=ROOT / "bench.json", help="where the numbers are written")
    arguments = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    rows: list[Row] = []
    for name in arguments.only or SECTIONS:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        rows += SECTIONS[name]()
    show(rows)
    write(rows, arguments.json)
    missed = [row for row in rows if row.reached is False]
    print(f"{len(rows)} numbers in {arguments.json}; {len(missed)} goals missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
