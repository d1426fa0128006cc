"""Parsl configurations: presets for the usual batch systems, or a file of one's own.

A preset is one block of workers a node, on ``nodes`` nodes a job, in up to ``blocks`` jobs::

    local        workers on this machine
    slurm        sbatch: partition, account, qos, constraint, walltime
    pbs          qsub (PBS Pro): queue, account, walltime
    htcondor     condor_submit: cores and memory of a slot, requirements as options
    kubernetes   pods: image, namespace

A file is Python that defines ``config``, a `parsl.Config`, as Parsl's own documentation shows them.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fitloom_core.errors import InputError
from fitloom_core.machine import THREADS

if TYPE_CHECKING:
    from parsl import Config
    from parsl.executors import HighThroughputExecutor
    from parsl.providers.base import ExecutionProvider

_WEEK = 7 * 24 * 3600.0


class ParslSettings(BaseModel):
    """What can be said about a Parsl pool."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "parsl"
    config: str = "local"
    """A preset, or the path of a Python file that defines ``config``."""
    workers: Annotated[int, Field(gt=0)] | None = None
    """Workers a node; by default one a core."""
    threads: Annotated[int, Field(gt=0)] = 1
    """Threads a worker may use."""
    nodes: Annotated[int, Field(gt=0)] = 1
    """Nodes a job."""
    blocks: Annotated[int, Field(gt=0)] = 1
    """Jobs at once, at most."""
    walltime: Annotated[str, Field(pattern=r"^\d+:\d\d:\d\d$")] = "01:00:00"
    partition: str | None = None
    account: str | None = None
    queue: str | None = None
    qos: str | None = None
    constraint: str | None = None
    cores: Annotated[int, Field(gt=0)] | None = None
    """Cores of a node or slot."""
    memory: Annotated[float, Field(gt=0)] | None = None
    """Memory of a node or slot, in GB."""
    exclusive: bool = False
    options: str = ""
    """Lines for the head of the batch script, as the batch system wants them."""
    worker_init: str = ""
    """Shell lines that run before the workers: ``module load``, ``source venv/bin/activate``."""
    address: str | None = None
    """Address of this machine as the workers see it; by default all of its addresses are tried."""
    image: str | None = None
    """Container image of the workers' pods (kubernetes)."""
    namespace: str = "default"
    encrypted: bool | None = None
    """Encrypt what goes to and from the workers; needs a file system that they share."""
    run_dir: Path | None = None
    """Where Parsl keeps its logs and job scripts; on a cluster, a place that the nodes see."""
    lease: Annotated[float, Field(gt=0)] | None = None
    """Seconds after which a task without answer counts as lost."""

    @property
    def is_file(self) -> bool:
        """Whether ``config`` is a path rather than a preset."""
        return self.config not in PRESETS

    @property
    def workers_per_node(self) -> int:
        """Workers a node: as asked, or one for each ``threads`` cores."""
        return self.workers or max(1, (self.cores or os.cpu_count() or 1) // self.threads)

    @property
    def lease_seconds(self) -> float:
        """Long on a cluster: a task may wait for hours in the queue, and its job's walltime ends it anyway."""
        return self.lease or (600.0 if self.config == "local" else _WEEK)


def read_settings(settings: Mapping[str, Any]) -> ParslSettings:
    """Check what was said about a Parsl pool.

    Raises:
        InputError: a setting that does not exist, or a value that does not fit.
    """
    try:
        return ParslSettings.model_validate(dict(settings))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = ", ".join(ParslSettings.model_fields)
            raise InputError(f"parsl has no setting {where!r} (= {first['input']!r}); there are: {known}") from None
        raise InputError(f"parsl: {where} = {first['input']!r}: {first['msg'].lower()}") from None


def build(settings: ParslSettings) -> Config:
    """The Parsl configuration that the settings ask for, its workers' threads pinned.

    Raises:
        InputError: the file cannot be used, or a preset lacks something that it needs.
    """
    config = _from_file(Path(settings.config)) if settings.is_file else PRESETS[settings.config](settings)
    for executor in config.executors:
        _prepare(executor, settings.threads)
    return config


def _from_file(path: Path) -> Config:
    from parsl import Config

    if not path.is_file():
        raise InputError(f"parsl: '{path}' is neither a preset ({', '.join(PRESETS)}) nor a file")
    config = getattr(_execute(path), "config", None)
    if not isinstance(config, Config):
        raise InputError(f"parsl: {path} defines no `config = parsl.Config(…)`")
    return config


def _execute(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"fitloom_parsl_config_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"parsl: {path} is no Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InputError(f"parsl: {path} cannot be used: {type(error).__name__}: {error}") from error
    return module


def _prepare(executor: Any, threads: int) -> None:
    """Pin the workers' threads, unless their environment says otherwise, and let the broker end with us."""
    from parsl.executors.high_throughput.executor import DEFAULT_INTERCHANGE_LAUNCH_CMD

    provider = getattr(executor, "provider", None)
    if provider is not None and isinstance(getattr(provider, "worker_init", None), str):
        provider.worker_init = f"{pinning(threads)}\n{provider.worker_init}"
    if getattr(executor, "interchange_launch_cmd", None) == DEFAULT_INTERCHANGE_LAUNCH_CMD:
        executor.interchange_launch_cmd = [sys.executable, "-m", "fitloom.executors.interchange"]


def pinning(threads: int) -> str:
    """Shell lines that give each worker its number of threads, unless something is set already."""
    flags = f"--xla_cpu_multi_thread_eigen={str(threads > 1).lower()}"
    lines = [f'export {name}="${{{name}:-{threads}}}"' for name in THREADS]
    return "\n".join([*lines, f'export XLA_FLAGS="${{XLA_FLAGS:-{flags}}}"'])


def _local(settings: ParslSettings) -> Config:
    from parsl.providers import LocalProvider

    provider = LocalProvider(  # type: ignore[no-untyped-call]
        init_blocks=1, min_blocks=1, max_blocks=1, worker_init=_our_python()
    )
    executor = _executor(settings, provider, address="127.0.0.1", heartbeat_period=2, heartbeat_threshold=30)
    return _config(settings, executor, strategy="none")


def _slurm(settings: ParslSettings) -> Config:
    from parsl.launchers import SrunLauncher
    from parsl.providers import SlurmProvider

    provider = SlurmProvider(
        partition=settings.partition,
        account=settings.account,
        qos=settings.qos,
        constraint=settings.constraint,
        cores_per_node=settings.cores,
        mem_per_node=_whole_gigabytes(settings.memory),
        exclusive=settings.exclusive,
        scheduler_options=settings.options,
        launcher=SrunLauncher(),
        **_batch(settings),
    )
    return _config(settings, _executor(settings, provider))


def _pbs(settings: ParslSettings) -> Config:
    from parsl.launchers import MpiExecLauncher, SimpleLauncher
    from parsl.providers import PBSProProvider

    provider = PBSProProvider(  # type: ignore[no-untyped-call]
        account=settings.account,
        queue=settings.queue,
        cpus_per_node=settings.cores or settings.workers_per_node * settings.threads,
        scheduler_options=settings.options,
        launcher=MpiExecLauncher() if settings.nodes > 1 else SimpleLauncher(),
        **_batch(settings),
    )
    return _config(settings, _executor(settings, provider))


def _htcondor(settings: ParslSettings) -> Config:
    from parsl.launchers import SimpleLauncher
    from parsl.providers import CondorProvider

    provider = CondorProvider(
        cores_per_slot=settings.cores or settings.workers_per_node * settings.threads,
        mem_per_slot=settings.memory,
        project=settings.account or "",
        scheduler_options=settings.options,
        launcher=SimpleLauncher(),
        **_batch(settings),
    )
    return _config(settings, _executor(settings, provider))


def _kubernetes(settings: ParslSettings) -> Config:
    from parsl.errors import OptionalModuleMissing
    from parsl.providers import KubernetesProvider

    if settings.image is None:
        raise InputError("parsl: kubernetes needs image: the container image of the workers, with fitloom in it")
    cores = settings.cores or settings.workers_per_node * settings.threads
    memory = f"{settings.memory or 2 * settings.workers_per_node:g}Gi"
    try:
        provider = KubernetesProvider(
            image=settings.image,
            namespace=settings.namespace,
            max_cpu=cores,
            init_cpu=cores,
            max_mem=memory,
            init_mem=memory,
            run_as_non_root=True,
            pod_name="fitloom-worker",
            nodes_per_block=1,
            init_blocks=1,
            max_blocks=settings.blocks * settings.nodes,
            worker_init=settings.worker_init,
        )
    except OptionalModuleMissing:
        raise InputError("parsl: kubernetes needs a package of its own: pip install kubernetes") from None
    except Exception as error:  # the kubernetes package's own, which may not be installed
        raise InputError(f"parsl: the Kubernetes cluster cannot be used: {error}") from error
    # Pods share no file system with this machine, so they cannot read the keys of an encrypted executor.
    return _config(settings, _executor(settings, provider, encrypted=bool(settings.encrypted)))


PRESETS: Mapping[str, Callable[[ParslSettings], Config]] = {
    "local": _local,
    "slurm": _slurm,
    "pbs": _pbs,
    "htcondor": _htcondor,
    "kubernetes": _kubernetes,
}


def _batch(settings: ParslSettings) -> dict[str, Any]:
    """What every batch system is told alike."""
    return {
        "nodes_per_block": settings.nodes,
        "init_blocks": 1,
        "min_blocks": 0,
        "max_blocks": settings.blocks,
        "walltime": settings.walltime,
        "worker_init": f"{_our_python()}\n{settings.worker_init}",
    }


def _executor(settings: ParslSettings, provider: ExecutionProvider, **more: Any) -> HighThroughputExecutor:
    from parsl.executors import HighThroughputExecutor
    from parsl.jobs.error_handlers import windowed_error_handler

    given: dict[str, Any] = {
        "label": "fitloom",
        "provider": provider,
        "address": settings.address,
        "max_workers_per_node": settings.workers_per_node,
        "cores_per_worker": 1e-6,  # their number is given: it does not follow from the cores
        "heartbeat_period": 10,
        "heartbeat_threshold": 60,
        "encrypted": settings.encrypted is not False,
        "block_error_handler": windowed_error_handler if settings.config != "local" else True,
    }
    return HighThroughputExecutor(**(given | more))


def _config(settings: ParslSettings, executor: HighThroughputExecutor, strategy: str = "simple") -> Config:
    from parsl import Config

    return Config(
        executors=[executor],
        run_dir=str(settings.run_dir or _run_dir(settings)),
        strategy=strategy,
        usage_tracking=0,
        retries=0,  # the campaign's own policy decides
        initialize_logging=settings.config != "local",
    )


def _run_dir(settings: ParslSettings) -> Path:
    """A place for job scripts and logs: gone with a local pool, in the user's cache (which nodes see) otherwise."""
    if settings.config == "local":
        return Path(tempfile.mkdtemp(prefix="fitloom-parsl-"))
    return platformdirs.user_cache_path("fitloom") / "parsl"


def _our_python() -> str:
    """Workers find the Python that runs here first, where they see the same file system."""
    return f'export PATH="{Path(sys.executable).parent}:$PATH"'


def _whole_gigabytes(memory: float | None) -> int | None:
    return None if memory is None else max(1, round(memory))
