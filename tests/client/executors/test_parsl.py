"""The Parsl pool: its settings and presets, and real workers of the High Throughput Executor."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from fitloom.executors import Pool
from fitloom.executors.parsl import open_pool, slots
from fitloom.executors.parsl_config import build, pinning, read_settings
from fitloom_core.entry import run
from fitloom_core.errors import ExecutorError, InputError, MissingExtra
from fitloom_core.wire import Reply

CONFIG = """
from parsl import Config
from parsl.executors import HighThroughputExecutor
from parsl.providers import LocalProvider

config = Config(
    executors=[
        HighThroughputExecutor(
            label="mine",
            max_workers_per_node=3,
            provider=LocalProvider(max_blocks=2, worker_init="export MINE=1"),
        )
    ],
    run_dir={run_dir!r},
)
"""


def provider_of(**settings: Any) -> Any:
    (executor,) = build(read_settings(settings)).executors
    return executor.provider


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"workers": 0}, "workers = 0: .*greater than 0"),
        ({"walltime": "1 hour"}, "walltime = '1 hour'"),
        ({"worker": 3}, r"no setting 'worker' \(= 3\); there are: name, config, workers"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_settings(settings)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "is neither a preset .local, slurm, pbs, htcondor, kubernetes. nor a file"),
        ("x = 1", "defines no `config = parsl.Config"),
        ("config = 1", "defines no `config = parsl.Config"),
        ("import nonsense_of_mine", "cannot be used: ModuleNotFoundError: No module named 'nonsense_of_mine'"),
    ],
)
def test_a_config_file_that_cannot_be_used_is_named(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "site.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=message):
        build(read_settings({"config": str(path)}))


def test_a_config_file_is_used_with_its_threads_pinned(tmp_path: Path) -> None:
    path = tmp_path / "site.py"
    path.write_text(CONFIG.format(run_dir=str(tmp_path)))
    config = build(read_settings({"config": str(path), "threads": 2}))
    (executor,) = config.executors
    assert executor.provider.worker_init == f"{pinning(2)}\nexport MINE=1"
    assert slots(config) == 6


def test_pinning_leaves_what_a_site_has_set() -> None:
    script = f"{pinning(1)}\necho $OMP_NUM_THREADS $MKL_NUM_THREADS"
    done = subprocess.run(
        ["bash", "-euc", script], env={"OMP_NUM_THREADS": "4"}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["4", "1"]


def test_the_slurm_preset_asks_for_what_was_said() -> None:
    provider = provider_of(
        config="slurm", partition="short", account="atlas", nodes=2, blocks=3, workers=8, walltime="02:00:00"
    )
    assert (provider.partition, provider.account, provider.walltime) == ("short", "atlas", "02:00:00")
    assert (provider.nodes_per_block, provider.max_blocks) == (2, 3)
    assert slots(build(read_settings({"config": "slurm", "nodes": 2, "blocks": 3, "workers": 8}))) == 48


def test_the_pbs_preset_asks_for_what_was_said() -> None:
    provider = provider_of(config="pbs", queue="prod", account="atlas", workers=8, options="#PBS -l place=pack")
    assert (provider.queue, provider.account, provider.cpus_per_node) == ("prod", "atlas", 8)
    assert "#PBS -l place=pack" in provider.scheduler_options


def test_the_htcondor_preset_asks_for_what_was_said() -> None:
    provider = provider_of(config="htcondor", cores=4, memory=8, worker_init="source venv/bin/activate")
    assert (provider.cores_per_slot, provider.mem_per_slot) == (4, 8)
    assert "source venv/bin/activate" in provider.worker_init


def test_the_kubernetes_preset_needs_an_image() -> None:
    with pytest.raises(InputError, match="kubernetes needs image"):
        build(read_settings({"config": "kubernetes"}))


def test_a_queue_may_take_long_and_a_machine_may_not() -> None:
    assert read_settings({}).lease_seconds == 600
    assert read_settings({"config": "slurm"}).lease_seconds > 24 * 3600
    assert read_settings({"config": "slurm", "lease": 60}).lease_seconds == 60


def test_without_parsl_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "parsl", None)
    with pytest.raises(MissingExtra, match=r"pip install 'fitloom\[parsl\]'"):
        open_pool({})


def test_the_command_line_does_not_pay_for_parsl() -> None:
    code = "import sys, fitloom.executors.parsl; print('parsl' in sys.modules, 'jax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    opened = open_pool({"workers": 2})
    yield opened
    opened.close()


def descendants() -> list[psutil.Process]:
    """Our living processes that belong to Parsl, wherever they hang: its local jobs are detached."""
    ours = [one for one in psutil.process_iter(["cmdline", "status"]) if one.info["status"] != psutil.STATUS_ZOMBIE]
    return [one for one in ours if any("fitloom-parsl-" in word for word in one.info["cmdline"] or ())]


@pytest.mark.heavy
def test_a_worker_answers_in_bytes(pool: Pool) -> None:
    reply = Reply.from_bytes(pool.executor.submit(run, b"no task").result(120))
    assert reply.error is not None
    assert reply.error.code == "invalid_task"


@pytest.mark.heavy
def test_a_worker_has_one_thread(pool: Pool) -> None:
    assert pool.executor.submit(os.getenv, "OMP_NUM_THREADS").result(60) == "1"
    assert "multi_thread_eigen=false" in str(pool.executor.submit(os.getenv, "XLA_FLAGS").result(60))


@pytest.mark.heavy
def test_no_more_tasks_run_than_there_are_workers(pool: Pool) -> None:
    futures = [pool.executor.submit(subprocess.run, ["sleep", "0.5"]) for _ in range(4)]
    assert [future.running() for future in futures] == [True, True, False, False]
    for future in futures:
        future.result(60)


@pytest.mark.heavy
def test_a_worker_that_dies_loses_its_task_and_is_replaced(pool: Pool) -> None:
    lost = pool.executor.submit(subprocess.run, "kill -9 $PPID", shell=True)
    error = lost.exception(60)
    assert type(error).__name__ == "WorkerLost"
    assert not isinstance(error, ExecutorError)
    assert len({pool.executor.submit(os.getpid).result(60) for _ in range(3)}) >= 1


@pytest.mark.heavy
def test_two_pools_live_side_by_side_and_leave_nothing_behind(pool: Pool) -> None:
    before = {process.pid for process in descendants()}
    other = open_pool({"workers": 1, "name": "other"})
    slow = other.executor.submit(subprocess.run, ["sleep", "60"])
    assert other.executor.submit(os.getpid) is not None
    assert pool.executor.submit(os.getpid).result(60)
    other.close()
    with pytest.raises(ExecutorError, match="closed before this task was done"):
        slow.result(1)
    with pytest.raises(ExecutorError, match="closed"):
        other.executor.submit(os.getpid)
    deadline = time.monotonic() + 15
    while {process.pid for process in descendants()} - before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not {process.pid for process in descendants()} - before
    assert not Path(other.describe["run_dir"]).exists()


@pytest.mark.heavy
def test_a_pool_whose_jobs_fail_says_why(tmp_path: Path) -> None:
    path = tmp_path / "site.py"
    path.write_text(CONFIG.format(run_dir=str(tmp_path)).replace("export MINE=1", "echo no such module >&2; exit 3"))
    with pytest.raises(ExecutorError, match=r"can start no workers: .*EXIT CODE: 3 .*no such module"):
        open_pool({"config": str(path)})


@pytest.mark.heavy
def test_a_pool_that_lost_its_interchange_is_down_instead_of_silent() -> None:
    before = psutil.Process().children()
    opened = open_pool({"workers": 1})
    slow = opened.executor.submit(subprocess.run, ["sleep", "60"])
    interchange = next(one for one in psutil.Process().children() if one not in before and "HTEX int" in one.name())
    interchange.send_signal(signal.SIGKILL)
    with pytest.raises(ExecutorError, match="interchange, which hands tasks to the workers, has died"):
        slow.result(30)
    begin = time.monotonic()
    opened.close()
    assert time.monotonic() - begin < 10


def test_the_module_is_found_by_its_kind() -> None:
    assert importlib.import_module("fitloom.executors.parsl").open_pool is open_pool
