"""Reading folders and archives that strangers made: safely, in one pass, whatever the file is called.

What a file is, its first bytes say: tar (plain, gzip, bzip2, xz) or zip. Nothing is read before its path
and size are known to be harmless: no absolute or ``..`` paths, no links or devices, no gigabytes of zeros.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from fitloom_core.errors import InvalidPallet, UnreadableDocument, UnsafeArchive

MAX_FILES = 100_000
MAX_FILE_BYTES = 256 * 1024**2
MAX_TOTAL_BYTES = 2 * 1024**3
MAX_RATIO = 500
"""Unpacked to packed size: JSON reaches 100, zeros 1000 and more."""
RATIO_COUNTS_FROM = 64 * 1024**2


def _open_plain(path: Path) -> IO[bytes]:
    return path.open("rb")


_MAGIC: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}


@dataclass(frozen=True)
class Member:
    """One regular file of a folder or archive, not read yet."""

    path: str
    size: int
    read: Callable[[], bytes]


def read_files(source: Path, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """The content of every wanted file of a folder or archive, by its path inside.

    Raises:
        UnreadableDocument: not there, truncated or damaged.
        InvalidPallet: neither a folder nor an archive.
        UnsafeArchive: it holds paths, links or sizes that no honest archive has.
    """
    return {member.path: member.read() for member in members(source) if wanted(member.path)}


def extract(source: Path, target: Path) -> list[str]:
    """Write every regular file of a folder or archive below ``target``; the paths written."""
    written = []
    for member in members(source):
        path = target / member.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(member.read())
        written.append(member.path)
    return written


def members(source: Path) -> Iterator[Member]:
    """The regular files of a folder or archive; each must be read before the next is asked for."""
    with _damage_named(source):
        if source.is_dir():
            found = _folder_members(source)
        elif zipfile.is_zipfile(source):
            found = _zip_members(source)
        else:
            found = _tar_members(source)
        budget = _Budget(source)
        for member in found:
            budget.spend(member)
            if not _is_clutter(member.path):
                yield replace(member, read=partial(_read, source, member))


def _read(source: Path, member: Member) -> bytes:
    with _damage_named(source):
        return member.read()


class _Budget:
    """Adds up what the headers announce, before anything is unpacked."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self.files = 0
        self.total = 0
        packed = source.stat().st_size
        self.limit = MAX_TOTAL_BYTES
        if not source.is_dir():
            self.limit = min(self.limit, max(RATIO_COUNTS_FROM, MAX_RATIO * packed))

    def spend(self, member: Member) -> None:
        self.files += 1
        self.total += member.size
        if self.files > MAX_FILES:
            raise UnsafeArchive(
                f"{self.source} holds more than {MAX_FILES} files: refused; give the folder of the pallet itself"
            )
        if member.size > MAX_FILE_BYTES or self.total > self.limit:
            raise UnsafeArchive(
                f"{self.source} would unpack to more than {_mega(min(self.limit, MAX_FILE_BYTES))} MB "
                f"(at {member.path!r}, {_mega(member.size)} MB): refused, far too large for a pallet"
            )


def _mega(size: int) -> int:
    return size // 1024**2


def _is_clutter(path: str) -> bool:
    """Whether a path is what macOS adds to archives, or hidden."""
    return any(part == "__MACOSX" or part.startswith(".") for part in PurePosixPath(path).parts)


@contextmanager
def _damage_named(source: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise UnreadableDocument(f"{error.filename or source} is not there; check the path") from None
    except PermissionError as error:
        raise UnreadableDocument(f"{error.filename or source} may not be read: permission denied") from None
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        raise UnreadableDocument(f"{source} is truncated or damaged ({error}); fetch it again") from None
    except (NotImplementedError, RuntimeError) as error:
        raise UnreadableDocument(f"{source} cannot be unpacked: {error}") from None


def _folder_members(source: Path) -> Iterator[Member]:
    for folder, subfolders, names in os.walk(source, onerror=_raise):
        subfolders[:] = sorted(name for name in subfolders if not _is_clutter(name))
        for name in sorted(names):
            path = Path(folder, name)
            if path.is_file():
                yield Member(path.relative_to(source).as_posix(), path.stat().st_size, path.read_bytes)


def _raise(error: OSError) -> None:
    raise error


def _zip_members(source: Path) -> Iterator[Member]:
    with zipfile.ZipFile(source) as archive:
        for info in archive.infolist():
            mode = info.external_attr >> 16
            if stat.S_ISLNK(mode):
                raise UnsafeArchive(f"{source} holds a link ({info.filename!r}): refused, a pallet needs none")
            path = _harmless(source, info.filename.replace("\\", "/"))
            if not info.is_dir():
                yield Member(path, info.file_size, lambda info=info: archive.read(info))  # type: ignore[misc]


def _tar_members(source: Path) -> Iterator[Member]:
    with _open_tar(source) as archive:
        for info in archive:
            path = _harmless(source, info.name)
            if info.issym() or info.islnk():
                raise UnsafeArchive(
                    f"{source} holds a link ({info.name!r} to {info.linkname!r}): refused, a pallet needs none"
                )
            if info.isfile():
                yield Member(path, info.size, lambda info=info: _content(archive, info))  # type: ignore[misc]
            elif not info.isdir():
                raise UnsafeArchive(f"{source} holds a device or pipe ({info.name!r}): refused, a pallet needs none")


@contextmanager
def _open_tar(source: Path) -> Iterator[tarfile.TarFile]:
    with source.open("rb") as head:
        magic = head.read(8)
    opener = next((opener for start, opener in _MAGIC.items() if magic.startswith(start)), None)
    with cast("IO[bytes]", (opener or _open_plain)(source)) as stream:
        try:
            bounded = cast("IO[bytes]", _Bounded(source, stream))
            archive = tarfile.open(fileobj=bounded, mode="r:")  # noqa: SIM115
        except tarfile.ReadError:
            if opener is None:
                raise InvalidPallet(_no_archive(source, magic)) from None
            raise
        with archive:
            yield archive


def _no_archive(source: Path, magic: bytes) -> str:
    if magic.lstrip()[:1] in (b"{", b"["):
        return f"{source} is one JSON document; give the folder or archive that holds BkgOnly.json and the patches"
    if not magic:
        return f"{source} is empty; fetch it again"
    return f"{source} is neither a folder nor a tar or zip archive; give one that holds BkgOnly.json and the patches"


class _Bounded:
    """A stream that refuses to read at once what only a forged header would ask for."""

    def __init__(self, source: Path, stream: IO[bytes]) -> None:
        self._source = source
        self._stream = stream
        self.seek = stream.seek
        self.tell = stream.tell

    def read(self, size: int = -1) -> bytes:
        if size > MAX_FILE_BYTES + tarfile.RECORDSIZE:
            raise UnsafeArchive(f"{self._source} has a header of {_mega(size)} MB: refused, far too large for a pallet")
        return self._stream.read(size)


def _content(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(info)
    content = b"" if stream is None else stream.read()
    if len(content) != info.size:
        raise EOFError(f"{info.name} ends after {len(content)} of {info.size} bytes")
    return content


def _harmless(source: Path, name: str) -> str:
    path = PurePosixPath(name)
    drive = len(name) > 1 and name[1] == ":"
    if path.is_absolute() or drive or ".." in path.parts or "\0" in name:
        raise UnsafeArchive(f"{source} holds the path {name!r}: refused, a pallet's paths stay inside its folder")
    return path.as_posix()
