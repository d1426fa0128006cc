"""How JAX is set up: float64, the compilation cache, devices. Import this before any other numerics.

Float64 is not a preference: Poisson constraints of published workspaces reach tau = 1e12, and the
difference of two minima of -2 ln L must be good to 1e-9 for CLs to be good to 1e-8.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import jax
from filelock import FileLock
from platformdirs import user_cache_path

jax.config.update("jax_enable_x64", True)

LONGEST_COMPILATION = 120.0
"""Seconds after which another process's compilation is not waited for any more."""
CACHE_VARIABLE = "FITLOOM_COMPILATION_CACHE"


def cache_folder() -> Path | None:
    """Where compiled programs are kept: one folder a processor type and JAX version.

    ``FITLOOM_COMPILATION_CACHE`` names another place, or switches the cache off when it is ``off``.
    """
    asked = os.environ.get(CACHE_VARIABLE, "")
    if asked.lower() == "off":
        return None
    base = Path(asked) if asked else user_cache_path("fitloom") / "compiled"
    return base / f"jax-{jax.__version__}-{_processor()}"


def enable_compilation_cache() -> Path | None:
    """Switch the persistent compilation cache on; None where it is off or cannot be written."""
    folder = cache_folder()
    if folder is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        return None
    if not os.access(folder, os.W_OK):
        return None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return folder


@contextmanager
def compiling(program: object) -> Iterator[None]:
    """Wait while another process compiles: it uses all cores, and what it keeps may be what is wanted here.

    Nobody waits for a program that was compiled before and is only loaded; ``program`` says by its `repr` which it is.
    """
    folder = jax.config.values["jax_compilation_cache_dir"]
    if folder is None:
        yield
        return
    stamp = Path(folder) / f"{hashlib.sha256(repr(program).encode()).hexdigest()[:32]}.compiled"
    with ExitStack() as held:
        if not stamp.exists():
            with suppress(OSError, NotImplementedError):  # no locks there, or not in time: both compile
                lock = FileLock(Path(folder) / "compiling.lock", timeout=LONGEST_COMPILATION, poll_interval=0.01)
                held.enter_context(lock)
        yield
        with suppress(OSError):
            stamp.touch()


def on_accelerator() -> bool:
    """Whether the default device is something else than a CPU."""
    return str(jax.default_backend()) != "cpu"


def _processor() -> str:
    """A short name of the processor's instruction set: programs compiled for one may crash on another."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        flags = next(line for line in lines if line.startswith(("flags", "Features")))
    except (OSError, StopIteration):
        flags = platform.processor()
    return f"{platform.machine()}-{hashlib.sha256(flags.encode()).hexdigest()[:8]}"
