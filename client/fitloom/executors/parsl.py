"""Parsl: workers on this machine, or in jobs of Slurm, PBS, HTCondor, Kubernetes and others.

Parsl's High Throughput Executor starts pilot jobs that hold workers; each imports fitloom once and
then fits task after task. A worker or a job that dies loses its task, which is the retry policy's
business; jobs that cannot be started at all mean that the pool is down.
"""

from __future__ import annotations

import atexit
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, InvalidStateError
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from fitloom.executors import Pool, Settings
from fitloom.executors.parsl_config import ParslSettings, build, read_settings
from fitloom_core.errors import ExecutorError, MissingExtra

if TYPE_CHECKING:
    from parsl import Config
    from parsl.app.python import PythonApp
    from parsl.dataflow.dflow import DataFlowKernel

CLOSING_SECONDS = 45.0
_P = ParamSpec("_P")
_T = TypeVar("_T")


def open_pool(settings: Settings) -> Pool:
    """Start Parsl and wait for its first worker, however long the batch system takes.

    Raises:
        InputError: a setting, preset or file that cannot be used.
        MissingExtra: Parsl is not installed.
        ExecutorError: Parsl cannot be started.
    """
    given = read_settings(settings)
    _need_parsl()
    config = build(given)
    executor = ParslExecutor(config)
    close = partial(_close, executor, given, Path(config.run_dir))
    atexit.register(close)  # jobs in a queue must not outlive us, even if they never started
    try:
        executor.wait_for_workers()
    except BaseException:
        close()
        raise
    return Pool(
        name=given.name,
        executor=executor,
        slots=slots(config),
        lease_seconds=given.lease_seconds,
        describe={"kind": "parsl", "config": given.config, "run_dir": config.run_dir},
        close=close,
    )


def slots(config: Config) -> int:
    """How many workers a configuration can have at once."""
    return max(1, sum(_slots(executor) for executor in config.executors))


class ParslExecutor(Executor):
    """A `concurrent.futures.Executor` on a Parsl of its own, so several can live in one process.

    Its futures never hang: they fail with `ExecutorError` when Parsl is closed, can start no jobs, or
    has lost its interchange (which Parsl itself would not notice).
    """

    def __init__(self, config: Config) -> None:
        from parsl.dataflow.dflow import DataFlowKernel

        try:
            self._kernel: DataFlowKernel = DataFlowKernel(config)
        except Exception as error:
            raise ExecutorError(f"Parsl cannot be started: {type(error).__name__}: {error}") from error
        self._executors: list[Any] = list(config.executors)
        self._slots = slots(config)
        self._labels = [executor.label for executor in self._executors]
        self._apps: dict[Callable[..., Any], PythonApp] = {}
        self._open: dict[Future[Any], None] = {}  # in the order in which they were sent
        self._lock = threading.Lock()
        self._closed = threading.Event()
        threading.Thread(target=self._watch, name="parsl-watch", daemon=True).start()

    def wait_for_workers(self) -> None:
        """Return when the first worker is there.

        Raises:
            ExecutorError: Parsl can start none, or was closed.
        """
        while not self._closed.wait(0.2):
            self._check()
            if any(map(_has_workers, self._executors)):
                return
        raise ExecutorError("this Parsl pool is closed")

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Send a call to a worker."""
        if self._closed.is_set():
            raise ExecutorError("this Parsl pool is closed")
        self._check()
        try:
            inner = self._app(fn)(*args, **kwargs)
        except Exception as error:
            raise ExecutorError(f"Parsl takes no more tasks: {error}") from error
        outer: Future[_T] = Future()
        with self._lock:
            self._open[outer] = None
        self._promote()
        inner.add_done_callback(partial(self._hand_over, outer))
        return outer

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers and their jobs; what is not done fails."""
        if self._closed.is_set():
            return
        self._closed.set()
        if wait and not cancel_futures:
            self._kernel.wait_for_current_tasks()
        self._clean_up()
        self._fail_all(ExecutorError("the Parsl pool was closed before this task was done"))

    def _clean_up(self) -> None:
        """Parsl's own end; it waits for ever for an interchange that is dead, so then the jobs go first."""
        orphans = [executor for executor in self._executors if _lost_interchange(executor)]
        for executor in orphans:
            with suppress(Exception):  # the scheduler may be gone as well
                executor.provider.cancel(list(executor.provider.resources))
        ending = threading.Thread(target=self._kernel.cleanup, name="parsl-cleanup", daemon=True)
        ending.start()
        ending.join(3.0 if orphans else CLOSING_SECONDS)

    def _check(self) -> None:
        for executor in self._executors:
            if getattr(executor, "bad_state_is_set", False):
                raise ExecutorError(f"Parsl can start no workers: {_in_a_line(executor.executor_exception)}")
            if _lost_interchange(executor):
                raise ExecutorError("Parsl's interchange, which hands tasks to the workers, has died")

    def _watch(self) -> None:
        while not self._closed.wait(1.0):
            try:
                self._check()
            except ExecutorError as error:
                self._fail_all(error)

    def _fail_all(self, error: ExecutorError) -> None:
        with self._lock:
            left = list(self._open)
            self._open.clear()
        for future in left:
            _settle(future, partial(future.set_exception, error))

    def _app(self, fn: Callable[..., Any]) -> PythonApp:
        from parsl.app.python import PythonApp

        if fn not in self._apps:
            self._apps[fn] = PythonApp(  # type: ignore[no-untyped-call]
                fn, data_flow_kernel=self._kernel, executors=self._labels, cache=False
            )
        return self._apps[fn]

    def _promote(self) -> None:
        """Parsl does not say what runs; its workers take tasks in order, so the first ones do."""
        with self._lock:
            for future in islice(self._open, self._slots):
                if not (future.running() or future.done()):
                    future.set_running_or_notify_cancel()

    def _hand_over(self, outer: Future[Any], inner: Future[Any]) -> None:
        with self._lock:
            self._open.pop(outer, None)
        error = inner.exception()
        if error is None:
            _settle(outer, lambda: outer.set_result(inner.result()))
        else:
            _settle(outer, lambda: outer.set_exception(translate(error)))
        self._promote()


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


def _lost_interchange(executor: Any) -> bool:
    interchange = getattr(executor, "interchange_proc", None)
    return interchange is not None and interchange.poll() is not None


def _has_workers(executor: Any) -> bool:
    """Whether a worker has said hello; executors without a say in this count as ready."""
    managers = getattr(executor, "connected_managers", None)
    return managers is None or any(manager["worker_count"] for manager in managers())


def _slots(executor: Any) -> int:
    """Workers of one of Parsl's executors: a node's, times its nodes, times its blocks."""
    workers: Any = getattr(executor, "max_workers_per_node", None) or getattr(executor, "max_threads", 1)
    provider = getattr(executor, "provider", None)
    nodes = getattr(provider, "nodes_per_block", 1) * getattr(provider, "max_blocks", 1)
    cores = getattr(provider, "cores_per_node", None) or 1
    return int(cores if workers in (None, float("inf")) else workers) * int(nodes)


def _settle(future: Future[Any], deliver: Callable[[], None]) -> None:
    """Answer a future, unless it was cancelled or answered already."""
    if future.done():
        return
    with suppress(RuntimeError, InvalidStateError):  # at this very moment
        if future.running() or future.set_running_or_notify_cancel():
            deliver()


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
