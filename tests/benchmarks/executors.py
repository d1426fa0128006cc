"""The same campaign on every executor, two workers each: start-up, fitting time, cost of a task, bytes on the wire.

The last rows are the published pattern on the same Globus stack: one task a patch, the whole workspace in each, and
the model rebuilt by pyhf every time.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import globus_bench
from table import Row

import fitloom.pools
from fitloom.driver import Driver
from fitloom.executors import Pool, open_pool
from fitloom.journal import open_journal
from fitloom.pallet import open_pallet
from fitloom.plan import Plan, make_plan
from fitloom.pools import PoolSource
from fitloom_core import entry
from fitloom_core.wire import FitOptions

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the stand-in services of the tests

WORKERS = 2
EMPTY_TASKS = 200
PATTERN_POINTS = 12
SECTION = "executors"


@dataclass(frozen=True)
class Lap:
    """One campaign on one executor."""

    start_up: float
    """From asking for the pool until it is there."""
    fitting: float
    """From the campaign's begin until its last result, the workers being warm."""
    results: int
    empty: float | None
    """Seconds a task, of tasks with nothing in them."""
    sent: int
    """Bytes that went to the workers, 0 where the executor does not count them."""


def bench(archive: Path, work: Path) -> list[Row]:
    """Rows of every executor."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    plan = make_plan(open_pallet(str(archive)), FitOptions())
    local = lap(plan, "local", {"workers": WORKERS, "processes": True}, work)
    rows = _rows("local, processes", local, None)
    rows += _rows("parsl", lap(plan, "parsl", {"workers": WORKERS}, work), local)
    with _http_endpoint() as url:
        rows += _rows("http", lap(plan, "http", {"urls": [url]}, work), local)
    return rows + _globus(plan, local, work)


def lap(plan: Plan, kind: str, settings: Mapping[str, Any], work: Path, sent: Callable[[], int] | None = None) -> Lap:
    """Run the campaign twice on one pool, and time the second, when its workers are warm."""
    begin = time.perf_counter()
    pool = open_pool(kind, settings)
    start_up = time.perf_counter() - begin
    count = sent or (lambda: getattr(pool.executor, "bytes_sent", 0))
    try:
        empty = _empty_tasks(pool)
        _campaign(plan, pool, work / f"{kind}-cold")
        before, begin = count(), time.perf_counter()
        results = _campaign(plan, pool, work / f"{kind}-warm")
        return Lap(start_up, time.perf_counter() - begin, results, empty, count() - before)
    finally:
        pool.close()


def _campaign(plan: Plan, pool: Pool, folder: Path) -> int:
    """Fit everything on a pool that is open already and stays so; how many results there are."""
    kept = replace(pool, close=lambda: None)
    with (
        mock.patch.object(fitloom.pools, "open_pool", return_value=kept),
        open_journal(folder, plan.document()) as journal,
    ):
        return sum(1 for _ in Driver(plan, [PoolSource(pool.name, {"name": pool.name})], journal).results())


def _empty_tasks(pool: Pool) -> float | None:
    """Seconds a task when a worker has nothing to do; None where the executor looks into a task before it is sent."""
    if pool.name in ("http", "globus"):
        return None
    for future in [pool.executor.submit(entry.run, b"") for _ in range(WORKERS)]:
        future.result()
    begin = time.perf_counter()
    for future in [pool.executor.submit(entry.run, b"") for _ in range(EMPTY_TASKS)]:
        future.result()
    return (time.perf_counter() - begin) / EMPTY_TASKS


@contextmanager
def _http_endpoint() -> Iterator[str]:
    from endpoint_server import EndpointServer

    with EndpointServer("--workers", str(WORKERS)) as server:
        yield server.url


def _globus(plan: Plan, local: Lap, work: Path) -> list[Row]:
    from globus_harness import Broker, Stack, port_is_free

    if (missing := Broker.missing()) or not port_is_free():
        return [Row(SECTION, "globus: fitting", None, "s", note=missing or "port 5000 is taken")]
    (work / "stack").mkdir()
    stack = Stack(work / "stack", {"OMP_NUM_THREADS": "1", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"})
    os.environ.update(stack.environment)
    try:
        stack.start()
        endpoint = stack.add_endpoint("site")
        settings = {"endpoint": endpoint.id, "config": {"engine": "htex"}, "workers": WORKERS}
        done = lap(plan, "globus", settings, work, lambda: sum(stack.service.submissions))
        rows = _rows("globus", done, local) + globus_bench.bench(endpoint.id, {"engine": "htex"}, WORKERS)
        return rows + _published_pattern(plan, endpoint.id, done.fitting / done.results)
    finally:
        stack.stop()


def fit_with_pyhf(workspace, patch):  # type: ignore[no-untyped-def]
    """The published pattern's function; its text is what travels."""
    import pyhf

    built = pyhf.Workspace(workspace)
    model = built.model(patches=[patch])
    return float(pyhf.infer.hypotest(1.0, built.data(model), model, test_stat="qtilde"))


def _published_pattern(plan: Plan, endpoint: str, ours: float) -> list[Row]:
    from globus_compute_sdk import Executor
    from globus_compute_sdk.serialize import ComputeSerializer, JSONData, PureSourceTextInspect

    serializer = ComputeSerializer(strategy_code=PureSourceTextInspect(), strategy_data=JSONData())
    region = plan.pallet.regions[0]
    points = region.points[: PATTERN_POINTS + WORKERS]
    options = {"engine": "htex"}
    with Executor(endpoint_id=endpoint, serializer=serializer, user_endpoint_config=options, batch_size=8) as executor:
        for future in [executor.submit(fit_with_pyhf, region.background, point.patch) for point in points[:WORKERS]]:
            future.result(timeout=300)
        begin = time.perf_counter()
        futures = [executor.submit(fit_with_pyhf, region.background, point.patch) for point in points[WORKERS:]]
        for future in futures:
            future.result(timeout=300)
        each = (time.perf_counter() - begin) / len(futures)
    return [
        Row(SECTION, "globus, a task a patch, pyhf: a point", each, "s", note=f"{len(futures)} points, workers warm"),
        Row(SECTION, "globus, a task a patch, pyhf: ratio", each / ours, "x"),
    ]


def _rows(name: str, lap: Lap, local: Lap | None) -> list[Row]:
    goal = None if local is None or name == "http" else local.fitting + 10
    rows: Sequence[Row | None] = (
        Row(SECTION, f"{name}: start-up", lap.start_up, "s"),
        Row(SECTION, f"{name}: fitting", lap.fitting, "s", goal, f"{lap.results} points, {WORKERS} workers, warm"),
        Row(SECTION, f"{name}: an empty task", 1e3 * lap.empty, "ms") if lap.empty is not None else None,
        Row(SECTION, f"{name}: sent a point", lap.sent / lap.results / 1e3, "kB", 15) if lap.sent else None,
    )
    return [row for row in rows if row is not None]
