"""Campaign folders for tests of the page: written as a driver writes them, with results of an invented search.

The numbers come from a formula, not from fits: CLs falls where the cross-section is high, smoothly, so that a contour
has a known place and thousands of points cost nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import erf, exp, hypot, sqrt
from pathlib import Path
from statistics import NormalDist
from typing import Any

from fitloom import journal
from fitloom_core.wire import Certificate, Failure, FitResult

Json = dict[str, Any]
LABELS = ("m_gluino", "m_neutralino1")


@dataclass(frozen=True)
class Planned:
    """A point to be fitted."""

    id: str
    name: str
    values: Mapping[str, float | str]
    region: str | None = None


def grid(columns: int = 12, rows: int = 9, region: str | None = None) -> list[Planned]:
    """A triangular grid of gluino and neutralino masses."""
    found = []
    for i in range(columns):
        for j in range(rows):
            heavy, light = 1000 + 1600 * i / (columns - 1), 1 + 2000 * j / (rows - 1)
            if light < heavy - 50:
                name = f"GG_{heavy:.0f}_{light:.0f}"
                values = {"m_gluino": round(heavy, 3), "m_neutralino1": round(light, 3)}
                found.append(Planned(f"{region or ''}-{name}", name, values, region))
    return found


def three_labels() -> list[Planned]:
    """Points with three labels: planes at a fixed lightest mass and at a fixed mass difference."""
    found = []
    for heavy in range(600, 1500, 100):
        for middle in range(200, heavy, 150):
            for light in (60, middle - 130):
                if light > 0:
                    name = f"sbottom_{heavy}_{middle}_{light}"
                    values = {"m_sbottom": float(heavy), "m_neutralino2": float(middle), "m_neutralino1": float(light)}
                    found.append(Planned(name, name, values))
    return found


def fitted(point: Planned, *, attempt: int = 1, worker: str = "node07:4242", pallet: str = "gluinos") -> FitResult:
    """A converged result: Z falls with the distance from the origin of the plane."""
    x, y, *_ = (float(value) for value in point.values.values() if not isinstance(value, str))
    shift = {None: 0.0, "boosted": 0.15, "compressed": -0.25}.get(point.region, 0.0)
    z = 5.2 - hypot((x - 600) / 420, y / 520) * (1 + shift * (y / 1000 - 0.7))
    exp_z = [z + 2.0, z + 1.0, z, z - 1.0, z - 2.0]
    return FitResult(
        pallet=pallet,
        region=point.region,
        name=point.name,
        values=dict(point.values),
        id=point.id,
        status="converged",
        mu=1.0,
        test_stat="qtilde",
        cls_obs=_cls(z - 0.35),
        cls_exp=[_cls(value) for value in exp_z],
        mu_hat=0.04 + 0.1 * exp(-z),
        q=max(0.0, z) ** 2,
        q_asimov=max(0.0, z + 0.2) ** 2,
        nll_free=131.7301 + z / 100,
        nll_fixed=131.7301 + z / 100 + z * z / 2,
        certificate=Certificate(kkt=3e-11, edm=1e-14, positive_definite=True, iterations=6),
        seconds=0.012 + 0.004 * (x % 7),
        worker=worker,
        attempt=attempt,
    )


def failed(point: Planned, *, attempt: int = 3, code: str = "worker_lost", message: str = "") -> FitResult:
    """A point that could not be fitted."""
    text = (
        message or "the worker died three times with this point alone; look at its patch for yields that are not finite"
    )
    return FitResult(
        pallet="gluinos", region=point.region, name=point.name, values=dict(point.values), id=point.id, status="failed",
        mu=1.0, test_stat="qtilde", error=Failure(code=code, message=text), worker="node09:77", attempt=attempt,
    )  # fmt: skip


def doubtful(point: Planned) -> FitResult:
    """A point whose fit did not converge."""
    certificate = Certificate(kkt=0.02, edm=1e-3, positive_definite=False, iterations=200)
    return fitted(point).model_copy(update={"status": "not_converged", "certificate": certificate})


@dataclass
class Folder:
    """A campaign folder that a test writes as a driver would."""

    path: Path
    points: Sequence[Planned]
    labels: Sequence[str] = LABELS
    name: str = "gluinos"
    seq: int = field(default=0)

    def __post_init__(self) -> None:
        """Write campaign.json."""
        self.path.mkdir(parents=True, exist_ok=True)
        regions: dict[str | None, list[Json]] = {}
        for point in self.points:
            entry = {"id": point.id, "name": point.name, "values": dict(point.values)}
            regions.setdefault(point.region, []).append(entry)
        document = {
            "schema": "1",
            "fitloom": "0.1.0",
            "pallet": {"name": self.name, "source": "demo", "digest": "d" * 64, "labels": list(self.labels)},
            "regions": [{"name": name, "digest": "b" * 64, "points": entries} for name, entries in regions.items()],
            "options": {"mu": 1.0, "test_stat": "qtilde", "calculator": "asymptotics"},
            "created": "2026-11-22T15:00:00+00:00",
        }
        (self.path / journal.CAMPAIGN_FILE).write_text(json.dumps(document))

    def attach(self, attached: bool = True) -> None:
        """A driver that beats now, or none."""
        path = self.path / journal.DRIVER_FILE
        now = time.time()
        record = {"pid": 4242, "host": "login03", "started": now - 5, "heartbeat": now}
        path.write_text(json.dumps(record)) if attached else path.unlink(missing_ok=True)

    def log(self, event: str, *, at: float | None = None, **details: Any) -> None:
        """One line of the event log."""
        self.log_all([{"event": event, **({"t": at} if at else {}), **details}])

    def log_all(self, events: Iterable[Json]) -> None:
        """Several lines of the event log, in one write."""
        lines = []
        for event in events:
            self.seq += 1
            lines.append(json.dumps({"seq": self.seq, "t": time.time(), **event}) + "\n")
        with (self.path / journal.EVENTS_FILE).open("a") as stream:
            stream.write("".join(lines))

    def record(self, *results: FitResult) -> None:
        """Records of the journal, each with its line in the event log."""
        with (self.path / journal.RESULTS_FILE).open("a") as stream:
            stream.write("".join(json.dumps(result.to_record()) + "\n" for result in results))
        self.log_all(
            {"event": "result", "points": [result.id], "pool": "local", "attempt": result.attempt} for result in results
        )

    def start(self, pools: Sequence[str] = ("local",)) -> None:
        """The first lines of a run."""
        self.log("planned", points=[point.id for point in self.points])
        for pool in pools:
            self.log("pool_up", pool=pool, message="2 workers")

    def finish(self, results: Iterable[FitResult]) -> Folder:
        """A whole run."""
        self.start()
        self.record(*results)
        self.log("finished")
        return self


def batches(points: Sequence[Planned], size: int) -> Iterator[Sequence[Planned]]:
    """Tasks of some points each."""
    for start in range(0, len(points), size):
        yield points[start : start + size]


def _cls(z: float) -> float:
    """CLs whose Z is this one."""
    return min(1.0, max(1e-12, 1 - NormalDist().cdf(z))) if z < 8 else 0.5 * (1 - erf(8 / sqrt(2)))
