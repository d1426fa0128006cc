"""Parsl: workers on this machine, or in jobs of Slurm, PBS, HTCondor, Kubernetes and others.

Parsl's High Throughput Executor starts pilot jobs that hold workers; each imports fitloom once and
then fits task after task. A worker or a job that dies loses its task, which is the retry policy's
business; jobs that cannot be started at all mean that the pool is down.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from fitloom.executors import Pool, Settings
from fitloom.executors.parsl_config import ParslSettings, build, read_settings
from fitloom_core.errors import ExecutorError, MissingExtra

if TYPE_CHECKING:
    from parsl import Config
    from parsl.app.python import PythonApp
    from parsl.dataflow.dflow import DataFlowKernel

_log = logging.getLogger("fitloom")
_P = ParamSpec("_P")
_T = TypeVar("_T")


def open_pool(settings: Settings) -> Pool:
    """Start Parsl; its workers come when the batch system gives them.

    Raises:
        InputError: a setting, preset or file that cannot be used.
        MissingExtra: Parsl is not installed.
        ExecutorError: Parsl cannot be started.
    """
    given = read_settings(settings)
    _need_parsl()
    config = build(given)
    executor = ParslExecutor(config)
    return Pool(
        name=given.name,
        executor=executor,
        slots=slots(config),
        lease_seconds=given.lease_seconds,
        describe={"kind": "parsl", "config": given.config, "run_dir": config.run_dir},
        close=partial(_close, executor, given, Path(config.run_dir)),
    )


def slots(config: Config) -> int:
    """How many workers a configuration can have at once."""
    return max(1, sum(_slots(executor) for executor in config.executors))


class ParslExecutor(Executor):
    """A `concurrent.futures.Executor` on a Parsl of its own, so several can live in one process.

    Its futures never hang: they fail with `ExecutorError` when Parsl is closed or can start no jobs.
    """

    def __init__(self, config: Config) -> None:
        from parsl.dataflow.dflow import DataFlowKernel

        try:
            self._kernel: DataFlowKernel = DataFlowKernel(config)
        except Exception as error:
            raise ExecutorError(f"Parsl cannot be started: {type(error).__name__}: {error}") from error
        self._labels = [executor.label for executor in config.executors]
        self._apps: dict[Callable[..., Any], PythonApp] = {}
        self._open: set[Future[Any]] = set()
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Send a call to a worker."""
        if self._closed:
            raise ExecutorError("this Parsl pool is closed")
        try:
            inner = self._app(fn)(*args, **kwargs)
        except Exception as error:
            raise ExecutorError(f"Parsl takes no more tasks: {error}") from error
        outer: Future[_T] = Future()
        with self._lock:
            self._open.add(outer)
        inner.add_done_callback(partial(self._hand_over, outer))
        return outer

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers and their jobs; what is not done fails."""
        if self._closed:
            return
        self._closed = True
        if wait and not cancel_futures:
            self._kernel.wait_for_current_tasks()
        self._kernel.cleanup()
        with self._lock:
            left = list(self._open)
        for future in left:
            _fail(future, ExecutorError("the Parsl pool was closed before this task was done"))

    def _app(self, fn: Callable[..., Any]) -> PythonApp:
        from parsl.app.python import PythonApp

        if fn not in self._apps:
            self._apps[fn] = PythonApp(  # type: ignore[no-untyped-call]
                fn, data_flow_kernel=self._kernel, executors=self._labels, cache=False
            )
        return self._apps[fn]

    def _hand_over(self, outer: Future[Any], inner: Future[Any]) -> None:
        with self._lock:
            self._open.discard(outer)
        error = inner.exception()
        if error is not None:
            _fail(outer, translate(error))
        elif outer.set_running_or_notify_cancel():
            outer.set_result(inner.result())


def translate(error: BaseException) -> BaseException:
    """An error of Parsl as the driver knows it: `ExecutorError` when no other task would fare better."""
    from parsl.errors import ParslError
    from parsl.executors.errors import BadStateException, ScalingFailed
    from parsl.executors.high_throughput.errors import VersionMismatch

    if isinstance(error, BadStateException | ScalingFailed):
        return ExecutorError(f"Parsl can start no workers: {_in_a_line(error)}")
    if isinstance(error, VersionMismatch):
        return ExecutorError(f"the workers run another version of Python or Parsl: {_in_a_line(error)}")
    if isinstance(error, ModuleNotFoundError) and str(error.name).split(".")[0] in ("fitloom", "fitloom_core"):
        return ExecutorError(
            "the workers' Python has no fitloom; activate the right environment in the setting worker_init "
            "(for instance `source /shared/venv/bin/activate`)"
        )
    if isinstance(error, ParslError):
        return RuntimeError(_in_a_line(error))
    return error


def _slots(executor: Any) -> int:
    """Workers of one of Parsl's executors: a node's, times its nodes, times its blocks."""
    workers: Any = getattr(executor, "max_workers_per_node", None) or getattr(executor, "max_threads", 1)
    provider = getattr(executor, "provider", None)
    nodes = getattr(provider, "nodes_per_block", 1) * getattr(provider, "max_blocks", 1)
    cores = getattr(provider, "cores_per_node", None) or 1
    return int(cores if workers in (None, float("inf")) else workers) * int(nodes)


def _fail(future: Future[Any], error: BaseException) -> None:
    with suppress(RuntimeError):  # it was cancelled or answered at this very moment
        if future.set_running_or_notify_cancel():
            future.set_exception(error)


def _close(executor: ParslExecutor, settings: ParslSettings, run_dir: Path) -> None:
    executor.shutdown(cancel_futures=True)
    if settings.config == "local" and settings.run_dir is None:
        shutil.rmtree(run_dir, ignore_errors=True)


def _in_a_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:500]


def _need_parsl() -> None:
    try:
        import parsl  # noqa: F401
    except ImportError:
        raise MissingExtra("the parsl executor needs Parsl: pip install 'fitloom[parsl]'") from None
