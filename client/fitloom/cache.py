"""Downloads kept on disk: files named by their sha256, and for each source what it last was.

::

    <cache>/files/<sha256>/<name>           a download, never changed once it is there
    <cache>/sources/<sha256 of source>.json the source, its address, ETag, digest and size

Files are written beside their final place, hashed, and moved there in one step, so two processes
may fetch the same thing at once and a download cut short is never taken for a whole one.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Entry:
    """What a source was when it was last fetched."""

    source: str
    url: str
    """Where the content came from; the address a conditional request goes to."""
    sha256: str
    size: int
    name: str
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True)
class Cache:
    """A folder of downloads."""

    folder: Path

    def find(self, source: str) -> Entry | None:
        """What is kept for a source, if its file is still there and still has its digest."""
        try:
            entry = Entry(**json.loads(self._index(source).read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return entry if self._intact(entry) else None

    def path(self, entry: Entry) -> Path:
        """Where an entry's file lies."""
        return self.folder / "files" / entry.sha256 / entry.name

    @contextmanager
    def writing(self) -> Iterator[IO[bytes]]:
        """A temporary file in the cache, gone at the end unless `keep` has moved it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".partial-", dir=self.folder)
        os.close(handle)
        try:
            with open(name, "wb") as stream:  # not os.fdopen: the stream's name must be the path
                yield stream
        finally:
            with suppress(FileNotFoundError):
                os.unlink(name)

    def keep(self, partial: Path, entry: Entry) -> Path:
        """Move a finished download to its place and remember its source."""
        target = self.path(entry)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(partial, target)
        self.remember(entry)
        return target

    def remember(self, entry: Entry) -> None:
        """Write down what a source is now."""
        index = self._index(entry.source)
        index.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".partial-", dir=index.parent)
        with os.fdopen(handle, "w") as stream:
            json.dump(asdict(entry), stream, indent=1)
        os.replace(name, index)

    def _index(self, source: str) -> Path:
        return self.folder / "sources" / f"{hashlib.sha256(source.encode()).hexdigest()}.json"

    def _intact(self, entry: Entry) -> bool:
        path = self.path(entry)
        with suppress(OSError):
            return path.stat().st_size == entry.size and sha256_of(path) == entry.sha256
        return False


def sha256_of(path: Path) -> str:
    """The sha256 of a file, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
