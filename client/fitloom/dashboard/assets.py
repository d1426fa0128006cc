"""The page's own files, read once: nothing on the disk is ever opened by a name from a request."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

FOLDER = Path(__file__).parent / "static"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}


@dataclass(frozen=True)
class Asset:
    """One file of the page, as it is and as it travels."""

    name: str
    content: bytes
    packed: bytes | None
    media: str
    etag: str

    def answer(self, request: Request) -> Response:
        """The file, packed where the browser takes that, or 304 where it has it."""
        from starlette.responses import Response

        headers = {"ETag": self.etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if request.headers.get("if-none-match") == self.etag:
            return Response(status_code=304, headers=headers)
        if self.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(self.packed, media_type=self.media, headers={**headers, "Content-Encoding": "gzip"})
        return Response(self.content, media_type=self.media, headers=headers)


@cache
def assets() -> dict[str, Asset]:
    """All files of the page by their path under ``static``."""
    files = sorted(path for path in FOLDER.rglob("*") if path.suffix in TYPES)
    return {path.relative_to(FOLDER).as_posix(): _read(path) for path in files}


def _read(path: Path) -> Asset:
    content = path.read_bytes()
    packed = None if path.suffix == ".woff2" else gzip.compress(content, 9, mtime=0)
    etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    return Asset(path.relative_to(FOLDER).as_posix(), content, packed, TYPES[path.suffix], etag)
