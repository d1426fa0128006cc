"""What is right and wrong on this machine, for ``fitloom doctor`` and ``fitloom-endpoint doctor``.

JAX is looked at in a process of its own: a broken driver may hang or kill whoever imports it.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Any, Literal

from fitloom_core.machine import cores, cpu_share

Level = Literal["ok", "note", "wrong"]

PROBE_SECONDS = 120.0
LITTLE_MEMORY = 2 * 1024**3
LITTLE_DISK = 1024**3

EXTRAS: Mapping[str, str] = {"web": "uvicorn", "parsl": "parsl", "globus": "globus_compute_sdk"}
"""The optional parts of an installation, and the module whose presence tells."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: how it is, and what to do if that is not good."""

    name: str
    level: Level
    value: str
    advice: str = ""


@dataclass(frozen=True)
class Report:
    """All findings about one machine."""

    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing must be mended before fits can run."""
        return all(finding.level != "wrong" for finding in self.findings)

    def to_text(self) -> str:
        """One screen for people: what is wrong stands out, and says what to do."""
        width = max(len(finding.name) for finding in self.findings)
        return "\n".join([*(_line(finding, width) for finding in self.findings), "", self._verdict()])

    def to_json(self) -> str:
        """One JSON object for programs."""
        return json.dumps({"healthy": self.healthy, "findings": [asdict(finding) for finding in self.findings]})

    def _verdict(self) -> str:
        wrong = [finding.name for finding in self.findings if finding.level == "wrong"]
        return "Fits can run here." if not wrong else f"To be mended first: {', '.join(wrong)}."


def examine(extra: Iterable[Finding] = ()) -> Report:
    """Look at Python, JAX, the processor, memory, disk and what is installed; adds the findings given."""
    return Report((_python(), *_numerics(), _cores(), _memory(), _disk(), *_extras(), *extra))


def _line(finding: Finding, width: int) -> str:
    mark = {"ok": "ok   ", "note": "note ", "wrong": "WRONG"}[finding.level]
    advice = f"\n{'':{width + 8}}-> {finding.advice}" if finding.advice else ""
    return f"{mark}  {finding.name:{width}} {finding.value}{advice}"


def _python() -> Finding:
    value = f"fitloom {metadata.version('fitloom')}, Python {platform.python_version()}, {platform.machine()}"
    return Finding("python", "ok", value)


_PROBE = """
import json, os, time
from fitloom_core import backend
import jax, jax.numpy as jnp
folder = backend.cache_folder()
enabled = backend.enable_compilation_cache()
began = time.perf_counter()
total = float(jax.jit(lambda x: jnp.linalg.solve(x, x).sum())(jnp.eye(4)))
print(json.dumps({
    "jax": jax.__version__, "backend": jax.default_backend(), "devices": [str(d) for d in jax.devices()],
    "x64": str(jnp.ones(1).dtype) == "float64", "right": total == 4.0, "seconds": time.perf_counter() - began,
    "cache": None if folder is None else str(folder), "writable": enabled is not None,
    "entries": len(list(folder.glob("*-cache"))) if enabled else 0,
}))
"""


def _numerics() -> list[Finding]:
    try:
        probe = subprocess.run(
            [sys.executable, "-c", _PROBE], capture_output=True, text=True, timeout=PROBE_SECONDS, check=False
        )
        found: dict[str, Any] = json.loads(probe.stdout.strip().splitlines()[-1])
    except subprocess.TimeoutExpired:
        advice = "a GPU driver may hang: try again with JAX_PLATFORMS=cpu"
        return [Finding("jax", "wrong", f"no answer within {PROBE_SECONDS:g} s", advice)]
    except (OSError, ValueError, IndexError):
        complaint = (probe.stderr.strip().splitlines() or [f"exit status {probe.returncode}"])[-1]
        return [Finding("jax", "wrong", complaint, "reinstall with: pip install --force-reinstall fitloom jax")]
    return [_jax(found), _precision(found), _cache(found)]


def _jax(found: Mapping[str, Any]) -> Finding:
    value = f"{found['jax']} on {', '.join(found['devices'])}; a small program took {found['seconds']:.1f} s"
    if not found["right"]:
        return Finding(
            "jax", "wrong", f"{value} and gave a wrong answer", "try JAX_PLATFORMS=cpu, and look at the driver"
        )
    if found["backend"] == "cpu" and Path("/proc/driver/nvidia/gpus").is_dir():
        return Finding("jax", "note", value, "there is an NVIDIA GPU: pip install 'jax[cuda13]' lets fits use it")
    return Finding("jax", "ok", value)


def _precision(found: Mapping[str, Any]) -> Finding:
    if found["x64"]:
        return Finding("float64", "ok", "on")
    return Finding("float64", "wrong", "off", "unset JAX_ENABLE_X64=0: CLs need double precision")


def _cache(found: Mapping[str, Any]) -> Finding:
    if found["cache"] is None:
        advice = "unset FITLOOM_COMPILATION_CACHE=off to save some seconds at each start"
        return Finding("compiled programs", "note", "not kept", advice)
    if not found["writable"]:
        advice = "name a writable folder in FITLOOM_COMPILATION_CACHE, not shared with people you do not trust"
        return Finding("compiled programs", "note", f"{found['cache']} cannot be written", advice)
    return Finding("compiled programs", "ok", f"{found['entries']} in {found['cache']}")


def _cores() -> Finding:
    total = os.cpu_count() or 1
    usable = len(cores())
    share = cpu_share()
    value = f"{usable} of {total} usable" + ("" if share is None else f", limited to {share:g} by the container")
    if share is not None and share < usable:
        return Finding(
            "cores", "note", value, f"give --workers {max(1, int(share))}: more would only wait for each other"
        )
    return Finding("cores", "ok", value)


def _memory() -> Finding:
    free = _free_memory()
    if free is None:
        return Finding("memory", "note", "unknown on this system")
    value = f"{free / 1024**3:.1f} GiB available"
    if free < LITTLE_MEMORY:
        return Finding("memory", "note", value, "a worker takes about 1 GiB: start fewer workers")
    return Finding("memory", "ok", value)


def _disk() -> Finding:
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    value = f"{free / 1024**3:.1f} GiB free in {folder}"
    if free < LITTLE_DISK:
        return Finding("disk", "wrong", value, "free some space, or set TMPDIR to a larger disk")
    return Finding("disk", "ok", value)


def _extras() -> list[Finding]:
    there = [extra for extra, module in EXTRAS.items() if util.find_spec(module) is not None]
    missing = sorted(set(EXTRAS) - set(there))
    advice = "" if not missing else f"if you need them: pip install 'fitloom[{','.join(missing)}]'"
    return [Finding("extras", "note" if missing else "ok", ", ".join(there) or "none", advice)]


def _free_memory() -> int | None:
    """Bytes that are available: the machine's, or what the control group leaves if that is less."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, ValueError, StopIteration):
        return None
    try:
        group = Path("/sys/fs/cgroup")
        left = int((group / "memory.max").read_text()) - int((group / "memory.current").read_text())
    except (OSError, ValueError):
        return free
    return min(free, left)
