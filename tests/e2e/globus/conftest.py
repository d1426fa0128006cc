"""The Globus Compute stack for every test here: one broker, one service, one endpoint, for the whole session."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from globus_harness import Broker, Endpoint, Stack, port_is_free


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack, with this process's environment pointing at it; skips with the reason why it cannot be there."""
    if missing := Broker.missing():
        pytest.skip(missing)
    if not port_is_free():
        pytest.skip("port 5000 is taken, and the Globus SDK's local environment knows no other")
    folder = tmp_path_factory.mktemp("globus")
    running = Stack(folder, worker_environment(folder))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment.items():
            patch.setenv(name, value)
        try:
            running.start()
            yield running
        finally:
            running.stop()


@pytest.fixture(scope="session")
def endpoint(stack: Stack) -> Endpoint:
    """An endpoint that runs any engine, chosen by the option "engine"."""
    return stack.add_endpoint("site")


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
        "OMP_NUM_THREADS": "1",
        "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    }
