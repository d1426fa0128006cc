"""Backgrounds kept in a folder that the workers of one endpoint share, so that each travels to the endpoint once.

A file is named by the digest of the workspace in it. A task cannot name any other file: what is no digest is not
looked for. Only a background that a worker has just fitted with, and so has checked against its digest, is kept.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fitloom_core.wire import MAX_BACKGROUND_BYTES

_DIGEST = re.compile(r"[0-9a-f]{64}")


class Staging:
    """A folder of packed backgrounds; one that cannot be used stages nothing and hurts nobody."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def run(self, task: bytes, fit: Callable[[bytes], bytes]) -> bytes:
        """The reply of ``fit`` to a task, with the background's content from here if the task comes without."""
        digest, content, document = _background(task)
        if digest is None or document is None:
            return fit(task)  # it says what is wrong with the task
        if content is not None:
            reply = fit(task)
            if json.loads(reply)["error"] is None:
                self.keep(digest, content)
            return reply
        document["background"]["content"] = self.find(digest)
        return fit(task if document["background"]["content"] is None else json.dumps(document).encode())

    def find(self, digest: str) -> str | None:
        """The packed background of a digest, or None."""
        path = self.folder / f"{digest}.txt"
        with contextlib.suppress(OSError, ValueError):
            if path.stat().st_size <= MAX_BACKGROUND_BYTES:
                return path.read_text("ascii")
        return None

    def keep(self, digest: str, content: str) -> None:
        """Keep a packed background unless it is here; written beside and moved, so that nobody reads half of it."""
        path = self.folder / f"{digest}.txt"
        if path.exists():
            return
        with contextlib.suppress(OSError, UnicodeEncodeError):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor, name = tempfile.mkstemp(dir=self.folder, suffix=".part")
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(content)
            Path(name).replace(path)


def _background(task: bytes) -> tuple[str | None, str | None, dict[str, Any] | None]:
    """Digest and content of a task's background, and the task; nothing where it is none."""
    try:
        document = json.loads(task)
        digest, content = document["background"]["digest"], document["background"].get("content")
    except (ValueError, KeyError, TypeError, AttributeError):
        return None, None, None
    if isinstance(digest, str) and _DIGEST.fullmatch(digest) and isinstance(content, str | None):
        return digest, content, document
    return None, None, None
