"""Workers on this machine: how many, where they run, and what they know."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from fitloom.executors import Pool, local
from fitloom_core.errors import InputError

PLAIN_SCRIPT = """
import fitloom

print("begun", flush=True)
campaign = fitloom.run("demo", points="gluino_1000_*", workers=2, output="campaign")
print(sum(result.status == "converged" for result in campaign), "converged", flush=True)
"""


@contextmanager
def opened(**settings: Any) -> Iterator[Pool]:
    """A pool, closed with the block."""
    pool = local.open_pool(settings)
    try:
        yield pool
    finally:
        pool.close()


def test_one_worker_is_this_process_and_several_are_others():
    with opened(workers=1) as pool:
        assert pool.executor.submit(os.getpid).result(60) == os.getpid()
    with opened(workers=2) as pool:
        assert pool.executor.submit(os.getpid).result(60) != os.getpid()
    with opened(workers=1, processes=True) as pool:
        assert pool.executor.submit(os.getpid).result(60) != os.getpid()


def test_a_worker_has_one_thread_and_the_environment_of_now(monkeypatch):
    with opened(workers=2) as pool:
        pool.executor.submit(os.getpid).result(60)
    monkeypatch.setenv("FITLOOM_SAID_LATER", "yes")
    with opened(workers=2) as pool:
        assert pool.executor.submit(os.getenv, "FITLOOM_SAID_LATER").result(60) == "yes"
        assert pool.executor.submit(os.getenv, "OMP_NUM_THREADS").result(60) == "1"


def test_there_is_a_worker_a_core_or_one_for_a_gpu(monkeypatch):
    monkeypatch.setattr(local, "usable_cores", lambda: 6)
    with opened() as pool:
        assert pool.slots == 6
    monkeypatch.setattr(local, "visible_gpus", lambda: 1)
    with opened() as pool:
        assert (pool.slots, pool.describe["processes"]) == (1, False)


@pytest.mark.parametrize("workers", [0, -1, "many", 1.5j])
def test_a_number_of_workers_that_is_none_is_refused(workers):
    with pytest.raises(InputError, match="whole number"):
        local.open_pool({"workers": workers})


def test_a_script_without_a_main_guard_is_not_run_again_by_its_workers(tmp_path: Path):
    (tmp_path / "script.py").write_text(PLAIN_SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.split("\n")
    assert said[0] == "begun"
    assert said[1].endswith(" converged")
    assert not said[1].startswith("0 ")
    assert said[2:] == [""]


def test_importing_for_workers_starts_no_threads():
    program = "import fitloom.executors.nursery, os; print(len(os.listdir('/proc/self/task')))"
    if not Path("/proc/self/task").is_dir():
        pytest.skip("this system does not list threads in /proc")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "1"


def test_closing_waits_for_nothing_that_is_at_work():
    with opened(workers=2) as pool:
        process = pool.executor.submit(os.getpid).result(60)
        pool.executor.submit(time.sleep, 600)
        pool.executor.submit(time.sleep, 600)
    end = time.monotonic() + 30
    while psutil.pid_exists(process):
        assert time.monotonic() < end
        time.sleep(0.02)
