"""One driver a campaign: a lock on the folder, and ``driver.json`` that says who holds it.

The operating system's file lock decides, because it ends with the process, however that ends. Where a file system has
none, or the other process runs on another host, a heartbeat that is younger than ten seconds decides.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fitloom_core.errors import CampaignLocked, JournalError

DRIVER_FILE = "driver.json"
LOCK_FILE = ".driver.lock"
BEAT_EVERY = 2.0
ALIVE_FOR = 10.0


def read_driver(folder: str | Path) -> dict[str, Any] | None:
    """Who is writing a campaign now: process, host, since when; None where nobody is."""
    try:
        driver = json.loads((Path(folder) / DRIVER_FILE).read_bytes())
        return driver if time.time() - float(driver["heartbeat"]) < ALIVE_FOR else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextmanager
def driver_lock(folder: Path) -> Iterator[None]:
    """Hold a campaign folder as its only driver.

    Raises:
        CampaignLocked: another driver holds it.
        JournalError: the folder cannot be written.
    """
    try:
        lock = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise JournalError(f"cannot write in {folder}: {error.strerror}; choose another folder with --output") from None
    try:
        _acquire(lock, folder)
        with _heartbeat(folder):
            yield
    finally:
        os.close(lock)


def _acquire(lock: int, folder: Path) -> None:
    other = read_driver(folder)
    try:
        import fcntl

        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        taken = other is not None and other.get("host") != socket.gethostname()
    except BlockingIOError:
        taken = True
    except (ImportError, OSError):
        taken = other is not None
    if taken:
        who = f"process {other.get('pid')} on {other.get('host')}" if other else "another process"
        raise CampaignLocked(
            f"{folder} is being written by another fitloom ({who}); "
            "wait for it or stop it, or choose another folder with --output"
        )


@contextmanager
def _heartbeat(folder: Path) -> Iterator[None]:
    """Keep ``driver.json`` fresh while the lock is held."""
    document = {"pid": os.getpid(), "host": socket.gethostname(), "started": time.time()}
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT_EVERY):
            _write(folder, {**document, "heartbeat": time.time()})

    _write(folder, {**document, "heartbeat": time.time()})
    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        with contextlib.suppress(OSError):
            (folder / DRIVER_FILE).unlink()


def _write(folder: Path, document: dict[str, Any]) -> None:
    """A full disk costs a heartbeat, not the campaign."""
    partial = folder / f".{DRIVER_FILE}.{os.getpid()}"
    with contextlib.suppress(OSError):
        try:
            partial.write_text(json.dumps(document))
            partial.replace(folder / DRIVER_FILE)
        finally:
            partial.unlink(missing_ok=True)
