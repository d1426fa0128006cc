"""Archives: the same files from every kind, and a refusal of what no honest archive holds."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from fitloom import archive
from fitloom.archive import extract, read_files
from fitloom_core.errors import InvalidPallet, UnreadableDocument, UnsafeArchive

FILES = {"a/BkgOnly.json": b"{}", "a/patch.x_1.json": b"[]", "README.md": b"hello"}


def tar(path: Path, *entries: tarfile.TarInfo | tuple[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as made:  # type: ignore[call-overload]
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                made.addfile(entry)
            else:
                info = tarfile.TarInfo(entry[0])
                info.size = len(entry[1])
                made.addfile(info, io.BytesIO(entry[1]))
    return path


def as_folder(path: Path) -> Path:
    for name, content in FILES.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def as_zip(path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in FILES.items():
            made.writestr(name, content)
    return path


KINDS: dict[str, Callable[[Path], Path]] = {
    "folder": as_folder,
    "zip": as_zip,
    "tar": lambda path: tar(path, *FILES.items()),
    "tar.gz": lambda path: tar(path, *FILES.items(), mode="w:gz"),
    "tar.bz2": lambda path: tar(path, *FILES.items(), mode="w:bz2"),
    "tar.xz": lambda path: tar(path, *FILES.items(), mode="w:xz"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_content_decides_what_a_file_is_and_not_its_name(kind, tmp_path):
    made = KINDS[kind](tmp_path / "download")
    assert read_files(made, lambda path: path.endswith(".json")) == {
        name: content for name, content in FILES.items() if name.endswith(".json")
    }


def test_what_macos_adds_is_left_out(tmp_path):
    made = tar(tmp_path / "a.tar", ("._BkgOnly.json", b"x"), ("__MACOSX/BkgOnly.json", b"x"), ("./BkgOnly.json", b"{}"))
    assert read_files(made, lambda path: True) == {"BkgOnly.json": b"{}"}


@pytest.mark.parametrize("name", ["/etc/passwd", "../up.json", "a/../../up.json", "C:/up.json"])
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_paths_that_lead_out_are_refused(name, kind, tmp_path):
    made = tmp_path / "made"
    if kind == "tar":
        tar(made, (name, b"{}"))
    else:
        with zipfile.ZipFile(made, "w") as archived:
            archived.writestr(zipfile.ZipInfo(name), b"{}")
    with pytest.raises(UnsafeArchive, match="refused"):
        read_files(made, lambda path: True)
    with pytest.raises(UnsafeArchive):
        extract(made, tmp_path / "out")
    assert not (tmp_path / "up.json").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(kind, tmp_path):
    info = tarfile.TarInfo("BkgOnly.json")
    info.type, info.linkname = kind, "/etc/passwd"
    with pytest.raises(UnsafeArchive, match="BkgOnly"):
        read_files(tar(tmp_path / "a.tar", info), lambda path: True)


def test_a_link_in_a_zip_is_refused(tmp_path):
    info = zipfile.ZipInfo("BkgOnly.json")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        made.writestr(info, "/etc/passwd")
    with pytest.raises(UnsafeArchive, match="link"):
        read_files(tmp_path / "a.zip", lambda path: True)


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_gigabytes_of_zeros_are_refused_before_they_are_unpacked(kind, tmp_path):
    zeros, made = bytes(100 * 1024**2), tmp_path / "bomb"
    if kind == "zip":
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archived:
            archived.writestr("BkgOnly.json", zeros)
    else:
        tar(made, ("BkgOnly.json", zeros), mode="w:gz")
    begin = time.perf_counter()
    with pytest.raises(UnsafeArchive, match="too large"):
        read_files(made, lambda path: True)
    assert time.perf_counter() - begin < 1


def test_a_header_that_announces_terabytes_is_refused_unread(tmp_path):
    info = tarfile.TarInfo("README.md")
    info.size = 10 * 1024**4
    (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(UnsafeArchive, match=r"README\.md"):
        read_files(tmp_path / "a.tar", lambda path: False)


def test_an_extended_header_of_gigabytes_is_refused_unread(tmp_path):
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 4 * 1024**3
    (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(UnsafeArchive, match="header"):
        read_files(tmp_path / "a.tar", lambda path: True)


def test_far_too_many_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_FILES", 10)
    made = tar(tmp_path / "a.tar", *[(f"{number}.md", b"") for number in range(11)])
    with pytest.raises(UnsafeArchive, match="more than 10 files"):
        read_files(made, lambda path: True)


@pytest.mark.parametrize("squeeze", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("kept", [0.5, 0.95])
def test_a_truncated_archive_says_so(squeeze, kept, tmp_path):
    import random

    noise = random.Random(1).randbytes(20_000)
    whole = squeeze(tar(tmp_path / "a.tar", ("BkgOnly.json", noise)).read_bytes())
    (tmp_path / "cut").write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(UnreadableDocument, match="truncated or damaged"):
        read_files(tmp_path / "cut", lambda path: True)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "empty"), (b'{"channels": []}', "one JSON document"), (b"<html>no</html>" * 100, "neither a folder nor")],
)
def test_what_is_no_archive_is_named(content, message, tmp_path):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(InvalidPallet, match=message):
        read_files(tmp_path / "file", lambda path: True)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UnreadableDocument, match="nowhere"):
        read_files(tmp_path / "nowhere", lambda path: True)


def test_an_archive_is_unpacked_below_its_target(tmp_path):
    written = extract(KINDS["tar.gz"](tmp_path / "a"), tmp_path / "out")
    assert sorted(written) == sorted(FILES)
    assert {name: (tmp_path / "out" / name).read_bytes() for name in FILES} == FILES
