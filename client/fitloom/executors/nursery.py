"""Imported once, by the process that workers are forked from: the numerics, and nothing done with them.

JAX starts threads when it first makes a device, and a process with threads must not be forked; importing makes none
once BLAS is told to keep to one.
"""

import gc
import os

from fitloom.executors.local import ONE_THREAD

os.environ.update(ONE_THREAD)  # read when the numerics are imported
gc.disable()  # looking for garbage takes a fifth of the time of importing

import fitloom_core.entry  # noqa: E402
import fitloom_core.inference.points  # noqa: E402, F401  (what the entry imports when it is called)

gc.freeze()
gc.enable()
