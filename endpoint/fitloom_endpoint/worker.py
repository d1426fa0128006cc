"""Inside one worker process: threads and device pinned, warmed up, one task at a time.

JAX, XLA and BLAS read their environment once, when they are imported. So nothing here imports them
before `initialise` has set it, and each worker is a freshly started process.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fitloom_core import wire
from fitloom_core.errors import InputError
from fitloom_core.machine import THREADS, cores, cpu_share, usable_cores, visible_gpus


@dataclass(frozen=True)
class Placement:
    """Where one worker runs: its threads, the cores it is bound to if any, its GPU if any."""

    index: int
    threads: int = 1
    cores: tuple[int, ...] = ()
    gpu: int | None = None
    cache: Path | None = None
    """Where compiled programs are kept; None takes the user's cache folder."""


def place_workers(workers: int, device: str = "auto", cache: Path | None = None) -> list[Placement]:
    """Share this node between workers: one a GPU, or one a core, unless told how many.

    Cores are dealt out in blocks of neighbours. Under a container's quota of time nobody is bound to cores: the
    neighbouring containers see the same ones and would choose the same.

    Raises:
        InputError: a GPU is asked for and none is visible.
    """
    gpus = 0 if device == "cpu" else visible_gpus()
    if device == "gpu" and not gpus:
        raise InputError("--device gpu, but no NVIDIA GPU is visible to JAX's CUDA plugin: see fitloom-endpoint doctor")
    own, usable, bound = cores(), usable_cores(), cpu_share() is None
    count = workers or gpus or usable
    return [
        Placement(
            index,
            threads=max(1, usable // count),
            cores=_share(own, index, count) if bound else (),
            gpu=index % gpus if gpus else None,
            cache=cache,
        )
        for index in range(count)
    ]


def environment(placement: Placement, current: Mapping[str, str]) -> dict[str, str]:
    """The variables that pin a worker's threads and device; a person's own XLA flags are kept."""
    pinned = dict.fromkeys(THREADS, str(placement.threads))
    if placement.threads == 1:
        flags = current.get("XLA_FLAGS", "")
        pinned["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()
    if placement.gpu is None:
        pinned["JAX_PLATFORMS"] = "cpu"
    else:
        pinned["CUDA_VISIBLE_DEVICES"] = _visible_gpu(placement.gpu, current)
        pinned["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    if placement.cache is not None:
        pinned["FITLOOM_COMPILATION_CACHE"] = str(placement.cache)
    return pinned


def initialise(placement: Placement) -> None:
    """Make this process a worker; runs once, before anything numeric is imported."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent drains
    _end_with_parent()
    os.environ.update(environment(placement, os.environ))
    if placement.cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, placement.cores)


def warm_up() -> dict[str, str]:
    """Import the numerics, set the device up and fit a one-bin model; says what this worker runs on.

    Raises:
        RuntimeError: the small fit did not converge: this worker must not be given real ones.
    """
    import jax

    from fitloom_core import backend, entry

    backend.enable_compilation_cache()
    reply = wire.Reply.from_bytes(entry.run(small_task().to_bytes()))
    if reply.error is not None or reply.results[0].status != "converged":
        raise RuntimeError(f"the warm-up fit went wrong: {reply.to_bytes().decode()}")
    return {"device": str(jax.default_backend()), "jax": jax.__version__}


def run(task: bytes) -> tuple[bytes, int]:
    """Run one task; its reply, and this process's resident bytes afterwards."""
    from fitloom_core import entry

    return entry.run(task), resident_bytes()


def resident_bytes() -> int:
    """Memory this process holds; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def small_task() -> wire.FitTask:
    """A counting experiment with one uncertain background: the smallest task that uses every part."""
    background = json.loads(_SMALL_BACKGROUND)
    from fitloom_core.workspace import digest

    name = digest(background)
    options = wire.FitOptions()
    point = wire.Point(
        id=wire.point_id(name, _SMALL_PATCH, options), pallet="warm-up", name="one-bin", patch=_SMALL_PATCH
    )
    packed = wire.Background(digest=name, content=wire.pack(background))
    return wire.FitTask(task="warm-up", background=packed, points=[point], options=options)


def _share(cores: list[int], index: int, workers: int) -> tuple[int, ...]:
    if workers >= len(cores):
        return (cores[index % len(cores)],)
    return tuple(cores[len(cores) * index // workers : len(cores) * (index + 1) // workers])


def _visible_gpu(index: int, current: Mapping[str, str]) -> str:
    """The index-th of the GPUs that a batch system has left visible."""
    visible = [name for name in current.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return visible[index] if index < len(visible) else str(index)


def _end_with_parent() -> None:
    """End this process when its parent dies: a worker without a server would wait for ever."""
    import multiprocessing
    from multiprocessing.connection import wait

    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch(sentinel: int) -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, args=(parent.sentinel,), name="parent-watch", daemon=True).start()


_SMALL_BACKGROUND = """
{
  "version": "1.0.0",
  "channels": [{"name": "bin", "samples": [{
    "name": "background", "data": [50.0],
    "modifiers": [{"name": "rate", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}}]}]}],
  "observations": [{"name": "bin", "data": [52.0]}],
  "measurements": [{"name": "warm-up", "config": {"poi": "mu", "parameters": []}}]
}
"""
_SMALL_PATCH: list[wire.Json] = [
    {
        "op": "add",
        "path": "/channels/0/samples/0",
        "value": {
            "name": "signal",
            "data": [10.0],
            "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
        },
    }
]
