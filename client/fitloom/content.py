"""What a downloaded file is: judged by its content, not by what the server calls it."""

from __future__ import annotations

import json
import lzma
import re
import tarfile
import zipfile
import zlib
from email.message import Message
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests

from fitloom_core.errors import FetchError

_COMPRESSED = {b"\x1f\x8b": ".tar.gz", b"BZ": ".tar.bz2", b"\xfd7": ".tar.xz"}
_MAX_READ_THROUGH = 8 << 30
_BROKEN = (tarfile.TarError, EOFError, OSError, ValueError, zlib.error, lzma.LZMAError)


def is_page(response: requests.Response) -> bool:
    """Whether a web page came instead of a file."""
    return response.headers.get("Content-Type", "").lower().startswith(("text/html", "application/xhtml"))


def suffix(path: Path, response: requests.Response) -> str:
    """The file name's ending that a file's content deserves.

    Raises:
        FetchError: neither an archive nor JSON.
    """
    with path.open("rb") as stream:
        head = stream.read(512)
    if zipfile.is_zipfile(path):
        return ".zip"
    if head.lstrip()[:1] in (b"{", b"["):
        return ".json"
    if _is_tar(path):
        return _COMPRESSED.get(head[:2], ".tar")
    raise FetchError(
        f"{response.url} is neither an archive (tar, zip) nor JSON: {path.stat().st_size} bytes of "
        f"{response.headers.get('Content-Type', 'no content type')}, beginning {head[:16]!r}"
    )


def is_whole(path: Path, ending: str) -> bool:
    """Whether a file of unannounced length reads to its end.

    A zip's directory is its end, and `suffix` has found it.
    """
    try:
        if ending == ".json":
            json.loads(path.read_bytes())
        elif ending != ".zip":
            with tarfile.open(path) as archive:
                return _reads_through(archive)
    except _BROKEN:
        return False
    return True


def file_name(response: requests.Response, ending: str) -> str:
    """A safe file name from what the server calls it, with the ending its content deserves."""
    header = Message()
    header["Content-Disposition"] = response.headers.get("Content-Disposition", "")
    given = header.get_filename() or unquote(urlsplit(response.url).path)
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", given.replace("\\", "/").rsplit("/", 1)[-1]).strip("._-")[:120] or "pallet"
    known = (".tar.gz", ".tgz") if ending == ".tar.gz" else (ending,)
    return name if name.lower().endswith(known) else f"{name}{ending}"


def _is_tar(path: Path) -> bool:
    try:
        return tarfile.is_tarfile(path)
    except _BROKEN:
        return False


def _reads_through(archive: tarfile.TarFile) -> bool:
    """Whether every member is there; what unpacks to far too much is left to who unpacks it."""
    size = 0
    for member in archive:
        size += member.size
        if size > _MAX_READ_THROUGH:
            break
    return True
