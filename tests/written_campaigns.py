"""Campaign folders for tests of the page: written by the journal itself, with results of an invented search.

The numbers come from a formula, not from fits: CLs falls where the cross-section is high, smoothly, so that a contour
has a known place and thousands of points cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import exp, hypot
from pathlib import Path
from statistics import NormalDist
from typing import Any

from fitloom.journal import Journal, open_journal
from fitloom_core.wire import Certificate, Failure, FitResult

Json = dict[str, Any]
LABELS = ("m_gluino", "m_neutralino1")
LOST = "the worker died three times with this point alone; look for yields that are not finite in its patch"


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
                found.append(Planned(f"{region or ''}-{i}-{j}", name, values, region))
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


def fitted(point: Planned, *, attempt: int = 1, worker: str = "node07:4242", shift: float = 0.0) -> FitResult:
    """A converged result: Z falls with the distance from the origin of the plane, and ``shift`` moves it."""
    x, y, *_ = (float(value) for value in point.values.values() if not isinstance(value, str))
    tilt = {"boosted": 0.15, "compressed": -0.25}.get(point.region or "", 0.0)
    z = 5.2 + shift - hypot((x - 600) / 420, y / 520) * (1 + tilt * (y / 1000 - 0.7))
    return FitResult(
        pallet="gluinos",
        region=point.region,
        name=point.name,
        values=dict(point.values),
        id=point.id,
        status="converged",
        mu=1.0,
        test_stat="qtilde",
        cls_obs=_cls(z - 0.35),
        cls_exp=[_cls(z + sigma) for sigma in (2.0, 1.0, 0.0, -1.0, -2.0)],
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


def failed(point: Planned, *, attempt: int = 3, code: str = "worker_lost", message: str = LOST) -> FitResult:
    """A point that could not be fitted."""
    return FitResult(
        pallet="gluinos",
        region=point.region,
        name=point.name,
        values=dict(point.values),
        id=point.id,
        status="failed",
        mu=1.0,
        test_stat="qtilde",
        error=Failure(code=code, message=message),
        worker="node09:77",
        attempt=attempt,
    )


def doubtful(point: Planned) -> FitResult:
    """A point whose fit did not converge."""
    certificate = Certificate(kkt=0.02, edm=1e-3, positive_definite=False, iterations=200)
    return fitted(point).model_copy(update={"status": "not_converged", "certificate": certificate})


def campaign_json(points: Iterable[Planned], labels: Sequence[str] = LABELS, name: str = "gluinos") -> Json:
    """What was asked, as a driver writes it."""
    regions: dict[str | None, list[Json]] = {}
    for point in points:
        entry = {"id": point.id, "name": point.name, "values": dict(point.values)}
        regions.setdefault(point.region, []).append(entry)
    return {
        "schema": "1",
        "fitloom": "0.1.0",
        "pallet": {"name": name, "source": "demo", "digest": "d" * 64, "labels": list(labels)},
        "regions": [{"name": region, "digest": "b" * 64, "points": entries} for region, entries in regions.items()],
        "options": {"mu": 1.0, "test_stat": "qtilde", "calculator": "asymptotics"},
        "created": "2026-11-22T15:00:00+00:00",
    }


class Driver:
    """Writes a campaign folder through the real journal, as a driver would while it is attached."""

    def __init__(self, folder: Path, journal: Journal, points: Sequence[Planned]) -> None:
        self.folder, self.journal, self.points = folder, journal, points

    def plan(self, pools: Sequence[str] = ("local",)) -> None:
        """The first lines of a run."""
        self.log("planned", points=[point.id for point in self.points])
        for pool in pools:
            self.log("pool_up", pool=pool, message="2 workers")

    def log(self, event: str, **details: Any) -> None:
        """One line of the event log."""
        self.journal.log([(event, details)])

    def send(self, points: Sequence[Planned], task: str = "t1", pool: str = "local", attempt: int = 1) -> None:
        """A task goes out and begins."""
        self.log("sent", task=task, pool=pool, points=[point.id for point in points], attempt=attempt)
        self.log("running", task=task, pool=pool)

    def record(self, *results: FitResult, pool: str = "local") -> None:
        """Results, each with its line in the event log."""
        self.journal.keep(results)
        self.journal.log(
            ("result", {"points": [r.id], "pool": pool, "attempt": r.attempt, "status": r.status}) for r in results
        )


@contextmanager
def driving(
    folder: Path, points: Sequence[Planned], labels: Sequence[str] = LABELS, name: str = "gluinos"
) -> Iterator[Driver]:
    """A campaign folder with a driver attached for the length of the block."""
    with open_journal(folder, campaign_json(points, labels, name)) as journal:
        yield Driver(folder, journal, points)


def finished(
    folder: Path,
    points: Sequence[Planned],
    results: Iterable[FitResult] | None = None,
    labels: Sequence[str] = LABELS,
    name: str = "gluinos",
) -> Path:
    """A campaign folder whose run is over."""
    with driving(folder, points, labels, name) as driver:
        driver.plan()
        driver.record(*(results if results is not None else map(fitted, points)))
        driver.log("finished")
    return folder


def _cls(z: float) -> float:
    """The CLs whose significance is z."""
    return min(1.0, max(1e-12, 1 - NormalDist().cdf(z)))
