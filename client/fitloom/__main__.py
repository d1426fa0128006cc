"""The ``fitloom`` command, and ``python -m fitloom``: workers are on their way before anything else is imported."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from fitloom.exits import INTERRUPTED

NOT_HERE = {"--executor", "--config", "--url", "--endpoint", "--parsl", "-h", "--help"}
"""Options that say, or may say, that nothing is fitted on this machine."""


def main() -> None:
    """Run the command; ends the process with the exit status of the contract."""
    status: list[int] = []
    atexit.register(_end, status)  # the first to be registered is the last to be called
    try:
        _begin_early(sys.argv[1:])
        from fitloom import cli

        status.append(cli.run(sys.argv[1:]))
    except KeyboardInterrupt:
        status.append(INTERRUPTED)
    if "jax" in sys.modules and "multiprocessing.resource_tracker" not in sys.modules:
        _end(status)  # a fit may be at work in a thread that nobody waits for
    sys.exit(status[0])


def _end(status: Sequence[int]) -> None:
    """End without taking millions of small objects apart one by one."""
    if status:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status[0])


def _begin_early(arguments: Sequence[str]) -> None:
    """Begin to import the numerics, where they will be needed here."""
    words = [part for word in arguments for part in word.split("=", 1)]
    if arguments[:1] != ["run"] or not NOT_HERE.isdisjoint(words):
        return
    from fitloom.executors.local import collect_rarely, warm_up
    from fitloom_core.errors import InputError

    collect_rarely()
    with suppress(InputError):  # said when the option is read
        warm_up(words[words.index("--workers") + 1] if "--workers" in words[:-1] else None)


if __name__ == "__main__":
    main()
