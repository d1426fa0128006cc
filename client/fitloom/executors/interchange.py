"""Parsl's interchange (the broker between driver and workers), ended when its driver is gone.

Parsl starts the interchange as a process of its own, and one whose driver was killed would wait for
ever. Here it watches its parent; its workers give up by themselves when they miss its heartbeat.
"""

from __future__ import annotations

import os
import runpy
import threading
import time


def main() -> None:
    """Run Parsl's interchange; its configuration comes on stdin."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    runpy.run_module("parsl.executors.high_throughput.interchange", run_name="__main__")


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)


if __name__ == "__main__":
    main()
