"""The Globus Compute stack for every test here: one broker, one service, one endpoint, for the whole session."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fitloom.plan import Plan
from fitloom_core.wire import FitResult
from globus_harness import Broker, Endpoint, Stack, port_is_free
from globus_harness.campaign import fit, plan_of


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack; skips with the reason why it cannot be there."""
    if missing := Broker.missing():
        pytest.skip(missing)
    if not port_is_free():
        pytest.skip("port 5000 is taken, and the Globus SDK's local environment knows no other")
    folder = tmp_path_factory.mktemp("globus")
    running = Stack(folder, worker_environment(folder))
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(autouse=True)
def _environment(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process's environment, pointing at the stack for as long as a test runs."""
    for name, value in stack.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def endpoint(stack: Stack) -> Endpoint:
    """An endpoint that runs any engine, chosen by the option "engine"."""
    return stack.add_endpoint("site")


@pytest.fixture(scope="session")
def pallet(shared_data: Path) -> Path:
    """The published sbottom likelihoods."""
    return shared_data / "sbottom-ins1748602.tar.gz"


@pytest.fixture(scope="session")
def plan(pallet: Path) -> Plan:
    """Eighteen of its points."""
    return plan_of(pallet)


@pytest.fixture(scope="session")
def calm(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> dict[str, FitResult]:
    """What this machine alone makes of them."""
    results = fit(plan, tmp_path_factory.mktemp("calm"), {"workers": 1}, kind="local")
    return {result.id: result for result in results}


@pytest.fixture
def settings(endpoint: Endpoint) -> Callable[..., dict[str, Any]]:
    """Settings of a pool on the endpoint, with little patience: `settings("threads", lease_seconds=5)`."""

    def of(engine: str, **others: Any) -> dict[str, Any]:
        short = {"start_seconds": 90, "silence_seconds": 2, "straggler_seconds": 4, "canary_seconds": 60}
        return {"endpoint": endpoint.id, "config": {"engine": engine}, "workers": 2, **short, **others}

    return of


@pytest.fixture
def group() -> uuid.UUID:
    """A task group of the test's own: the SDK shares one between all executors of a process otherwise."""
    return uuid.uuid4()


def worker_environment(folder: Path) -> dict[str, str]:
    """What workers need to be quick on a small machine: one thread, and programs compiled once for all of them."""
    return {
        "FITLOOM_COMPILATION_CACHE": os.environ.get("FITLOOM_COMPILATION_CACHE", str(folder / "programs")),
        "FITLOOM_STAGING": str(folder / "staging"),
        "JAX_PLATFORMS": "cpu",
        "NPROC": "1",
        "OMP_NUM_THREADS": "1",
        "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    }
