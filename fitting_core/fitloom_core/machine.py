"""What this machine lends to fits: its cores, the share of them that a container allows, its GPUs, threads."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NPROC")
"""The variables that set how many threads a process computes with, read when the numerics are imported; ``NPROC`` is
XLA's."""


def cores() -> list[int]:
    """The cores that this process may use, which in a batch job are fewer than the machine has."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def cpu_share() -> float | None:
    """Cores' worth of time that the control group allows; None without such a limit."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return None if quota == "max" else float(quota) / float(period)
    except (OSError, ValueError):
        return None


def usable_cores() -> int:
    """How many workers can be busy at once."""
    own, share = len(cores()), cpu_share()
    return own if share is None else max(1, min(own, int(share)))


def visible_gpus() -> int:
    """NVIDIA GPUs that JAX could use here, found without importing it."""
    if not any(importlib.util.find_spec(f"jax_cuda{version}_plugin") for version in (12, 13)):
        return 0
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is not None:
        return len([name for name in allowed.split(",") if name.strip() not in ("", "-1")])
    return len(list(Path("/proc/driver/nvidia/gpus").glob("*")))
