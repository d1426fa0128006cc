"""This machine: threads of this process, or processes of their own where more workers are wanted.

JAX gives Python's lock back while compiled code runs, so threads fit side by side and share one compiled program
and one background. Processes cost a start of two seconds each and pay from about four workers on; each has its
threads pinned.

Side by side only works when XLA has no threads of its own: with a pool of N of them, N programs at once can each hold
one and wait for another for ever (seen with jaxlib 0.10: Cholesky factors are computed on that pool). With one, a
program runs in the thread that called it. XLA reads this from the environment when JAX is imported.
"""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

from fitloom.executors import Pool
from fitloom_core.errors import InputError

_log = logging.getLogger("fitloom")

MOST_THREADS = 4
"""Up to so many workers are threads of this process unless settings say otherwise."""
LEASE = 3600.0
"""Generous: the time also passes while a task waits for its turn, and a fit is bounded by itself."""

_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NPROC": "1",
}
"""What pins a worker to one thread; ``NPROC`` is XLA's."""


def open_pool(settings: Mapping[str, Any]) -> Pool:
    """Workers on this machine.

    Settings: ``workers`` (one a core), ``processes`` (true or false), ``lease_seconds``, ``name``.

    Raises:
        InputError: a setting that cannot be used.
    """
    workers = _workers(settings.get("workers"))
    processes = settings.get("processes")
    processes = workers > MOST_THREADS if processes is None else bool(processes)
    executor = _processes(workers) if processes else _threads(workers)
    return Pool(
        name=str(settings.get("name") or "local"),
        executor=executor,
        slots=workers,
        lease_seconds=float(settings.get("lease_seconds") or LEASE),
        describe={"kind": "local", "workers": workers, "processes": processes},
        close=partial(_close, executor),
    )


def collect_rarely() -> None:
    """Let Python look for garbage in cycles less often, in a process that is all ours.

    Workspaces and patches are millions of small lists and dictionaries and none is in a cycle; looking again and again
    costs a third of the time of reading and laying them out.
    """
    gc.set_threshold(100_000, 20, 100)


def warm_up(workers: int | None = None) -> threading.Thread:
    """Begin to import the numerics, for so many workers, while something else is being read."""
    _leave_threads_to_us(_workers(workers))
    thread = threading.Thread(target=_import_numerics, name="warm-up", daemon=True)
    thread.start()
    return thread


def _import_numerics() -> None:
    with suppress(Exception):  # whoever needs it next gets the real message
        import fitloom_core.entry
        import fitloom_core.inference.points  # noqa: F401  (what the entry imports when it is called)


def _workers(given: Any) -> int:
    if given is None:
        return _cores()
    with suppress(TypeError, ValueError):
        if int(given) > 0:
            return int(given)
    raise InputError(f"workers must be a whole number of at least 1, not {given!r}")


def _cores() -> int:
    """Cores that this process may use, which in a batch job are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _leave_threads_to_us(workers: int) -> None:
    if workers > 1 and "jax" not in sys.modules:
        os.environ.setdefault("NPROC", "1")


def _threads(workers: int) -> Executor:
    """Threads; only one at a time fits where JAX was imported before it could be told to keep to one thread."""
    _leave_threads_to_us(workers)
    side_by_side = os.environ.get("NPROC") == "1"
    if workers > 1 and not side_by_side:
        _log.warning(
            "JAX was imported before fitloom.run: fitting in one thread; "
            "set NPROC=1 before the import, or ask for processes"
        )
    return ThreadPoolExecutor(workers if side_by_side else 1, thread_name_prefix="fit")


def _processes(workers: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)


def _start_worker() -> None:
    """Inside a fresh worker process, before anything numeric is imported."""
    os.environ.update(_ONE_THREAD)
    collect_rarely()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _import_numerics()


def _end_with_parent() -> None:
    """A worker whose driver was killed must not stay behind."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _close(executor: Executor) -> None:
    executor.shutdown(wait=False, cancel_futures=True)
    for process in list((getattr(executor, "_processes", None) or {}).values()):
        process.terminate()
