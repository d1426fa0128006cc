"""Backgrounds kept in a folder that the workers of one endpoint share, so that each travels to the endpoint once.

A file is named by the digest of the workspace in it. A task cannot name any other file: what is no digest is not
looked for, and what a file holds is checked against its digest by the fit itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from pathlib import Path

from fitloom_core.wire import MAX_BACKGROUND_BYTES

_DIGEST = re.compile(r"[0-9a-f]{64}")


class Staging:
    """A folder of packed backgrounds; one that cannot be used stages nothing and hurts nobody."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def complete(self, task: bytes) -> bytes:
        """The task with its background's content, if that is here; content that comes along is kept."""
        try:
            document = json.loads(task)
            background = document["background"]
            digest, content = background["digest"], background.get("content")
        except (ValueError, KeyError, TypeError, AttributeError):
            return task  # whoever runs it says what is wrong with it
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            return task
        if isinstance(content, str):
            self.keep(digest, content)
            return task
        background["content"] = self.find(digest)
        return task if background["content"] is None else json.dumps(document).encode()

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
