"""This machine: one worker in this process, or several in processes of their own.

A process runs all of its XLA programs on one pool of threads, where two at once are no faster than one after the
other, and where programs that factorise matrices can wait for each other for ever (jaxlib 0.10). So each of several
workers is a process, with its threads pinned to one.

Workers are forked from a process that has imported the numerics and done nothing with them. It is started first of all
and imports while the pallet is read; from then on a worker starts in milliseconds.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from multiprocessing.context import BaseContext
from types import ModuleType
from typing import Any

from fitloom.executors import Pool
from fitloom_core.errors import InputError
from fitloom_core.machine import THREADS, usable_cores, visible_gpus

LEASE = 3600.0
"""Generous: the time also passes while a task waits for its turn, and a fit is bounded by itself."""
ONE_THREAD = dict.fromkeys(THREADS, "1")
"""What pins a worker to one thread."""
NURSERY = "fitloom.executors.nursery"


def open_pool(settings: Mapping[str, Any]) -> Pool:
    """Workers on this machine.

    Settings: ``workers`` (one a core, or one where there is a GPU), ``processes`` (true: also for one worker),
    ``lease_seconds``, ``name``.

    Raises:
        InputError: a setting that cannot be used.
    """
    workers = _workers(settings.get("workers"))
    processes = workers > 1 or bool(settings.get("processes"))
    executor = _processes(workers) if processes else ThreadPoolExecutor(1, thread_name_prefix="fit")
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


def warm_up(workers: Any = None) -> None:
    """Begin to import the numerics, for so many workers, while something else is being read."""
    if _workers(workers) == 1:
        threading.Thread(target=_import_numerics, name="warm-up", daemon=True).start()
    else:
        _context()


def _import_numerics() -> None:
    with suppress(Exception):  # whoever needs it next gets the real message
        import fitloom_core.entry
        import fitloom_core.inference.points  # noqa: F401  (what the entry imports when it is called)


def _workers(given: Any) -> int:
    if given is None:
        return 1 if visible_gpus() else usable_cores()
    with suppress(TypeError, ValueError):
        if int(given) > 0:
            return int(given)
    raise InputError(f"workers must be a whole number of at least 1, not {given!r}")


def _context() -> BaseContext:
    """Workers are forked from the nursery where forking is safe, else started afresh."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver, resource_tracker

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([NURSERY])
    resource_tracker.ensure_running()  # by itself it would let Ctrl-C through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # that is for this process to answer
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return context


class _Workers(ProcessPoolExecutor):
    """Worker processes that do not import the program that starts them, which need not be safe to import.

    Python has them do so to find what it defines; what runs here is ours. Workers are started when tasks are submitted.
    """

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            return super().submit(function, *arguments, **named)
        finally:
            sys.modules["__main__"] = main


def _processes(workers: int) -> Executor:
    """Worker processes, on their way at once. They have this process's environment as it is now, not the nursery's."""
    executor = _Workers(workers, mp_context=_context(), initializer=partial(_start_worker, dict(os.environ)))
    for _ in range(workers):
        executor.submit(os.getpid)
    return executor


def _start_worker(environment: Mapping[str, str]) -> None:
    """Inside a fresh worker process, before anything numeric is done."""
    os.environ.update({**environment, **ONE_THREAD})
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
    """Whatever is at work is not waited for."""
    processes = list((getattr(executor, "_processes", None) or {}).values())  # the executor forgets them
    executor.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()
