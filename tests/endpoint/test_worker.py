"""How a node is shared between workers, and what a worker's process is told."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from fitloom_core import machine
from fitloom_core.errors import InputError
from fitloom_core.wire import FitTask
from fitloom_endpoint import worker
from fitloom_endpoint.worker import Placement, environment, place_workers, small_task


@pytest.fixture
def node(monkeypatch):
    """A node of so many cores, with or without a container's quota."""

    def make(cores, quota=None, gpus=0):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(cores)))
        for module in (worker, machine):
            monkeypatch.setattr(module, "cpu_share", lambda: quota)
        monkeypatch.setattr(worker, "visible_gpus", lambda: gpus)

    return make


def test_by_default_there_is_a_worker_a_core(node):
    node(4)
    assert [place.cores for place in place_workers(0)] == [(0,), (1,), (2,), (3,)]


def test_fewer_workers_get_blocks_of_neighbouring_cores(node):
    node(8)
    places = place_workers(2)
    assert [place.cores for place in places] == [(0, 1, 2, 3), (4, 5, 6, 7)]
    assert [place.threads for place in places] == [4, 4]


def test_every_core_is_used_when_they_do_not_divide_evenly(node):
    node(7)
    assert sorted(core for place in place_workers(3) for core in place.cores) == list(range(7))


def test_more_workers_than_cores_share_them(node):
    node(2)
    assert [place.cores for place in place_workers(5)] == [(0,), (1,), (0,), (1,), (0,)]


def test_a_containers_quota_sets_the_number_and_binds_nobody(node):
    node(64, quota=4.0)
    places = place_workers(0)
    assert len(places) == 4
    assert all(place.cores == () and place.threads == 1 for place in places)


def test_there_is_a_worker_a_gpu(node):
    node(16, gpus=2)
    assert [place.gpu for place in place_workers(0)] == [0, 1]
    assert [place.gpu for place in place_workers(0, "cpu")] == [None] * 16


def test_asking_for_a_gpu_where_there_is_none_says_so(node):
    node(4)
    with pytest.raises(InputError, match="no NVIDIA GPU"):
        place_workers(0, "gpu")


def test_one_thread_means_one_thread_everywhere_and_keeps_a_persons_flags():
    told = environment(Placement(0, threads=1), {"XLA_FLAGS": "--xla_dump_to=/tmp/x"})
    assert told["OMP_NUM_THREADS"] == told["OPENBLAS_NUM_THREADS"] == told["NPROC"] == "1"
    assert told["XLA_FLAGS"] == "--xla_dump_to=/tmp/x --xla_cpu_multi_thread_eigen=false"
    assert told["JAX_PLATFORMS"] == "cpu"


def test_a_gpu_worker_sees_its_own_of_the_gpus_it_was_left():
    told = environment(Placement(1, threads=4, gpu=1), {"CUDA_VISIBLE_DEVICES": "3,5"})
    assert told["CUDA_VISIBLE_DEVICES"] == "5"
    assert "JAX_PLATFORMS" not in told
    assert "XLA_FLAGS" not in told


def test_nothing_numeric_is_imported_before_the_environment_is_set():
    imports = "import sys, fitloom_endpoint.worker, fitloom_endpoint.server"
    program = f"{imports}; print(sorted({{'jax', 'numpy'}} & set(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_the_warm_up_task_is_a_task():
    assert FitTask.from_bytes(small_task().to_bytes()).points[0].name == "one-bin"


def test_resident_memory_is_read_off_this_process():
    assert 10 * 1024**2 < worker.resident_bytes() < 100 * 1024**3
