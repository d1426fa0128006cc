"""Fetching pallets, against a local server that answers as HEPData and doi.org do."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from fitloom.remote import Download, Settings, download, fetch, is_remote
from fitloom.transfer import Limits
from fitloom_core.errors import FetchError

pytestmark = pytest.mark.network

QUICK = Limits(attempts=3, back_off=0.01, longest_wait=1, connect=2, read=2)
WORKSPACE = json.dumps({"channels": [], "observations": [], "measurements": [], "version": "1.0.0"}).encode()


def tar(mode: str) -> bytes:
    """An archive of one background workspace, padded so that half of it is not all of it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in (("BkgOnly.json", WORKSPACE), ("padding", os.urandom(200_000))):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("BkgOnly.json", WORKSPACE)
    return buffer.getvalue()


ARCHIVE = tar("w:gz")
PAGE = b"<!doctype html><title>HEPData</title>"


@dataclass
class HepData:
    """HEPData and doi.org in one: their addresses, redirects, pages and JSON; and ways to misbehave."""

    url: str = ""
    archive: bytes = ARCHIVE
    analyses: list[dict[str, Any]] = field(default_factory=list)
    resources: list[dict[str, Any]] = field(default_factory=list)
    trouble: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """Statuses, with headers, that the next requests for the file get."""
    cut: int = 0
    """How many answers break off in the middle."""
    announced: bool = True
    """Whether answers say how long they are."""
    html_only: bool = False
    """Whether the landing page ignores the Accept header."""
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def counts(self) -> Counter[str]:
        return Counter(path for path, _ in self.seen)

    def record(self) -> dict[str, Any]:
        analyses = self.analyses or [
            {"type": "rivet", "analysis": "https://rivet.hepforge.org/analyses/ATLAS_2019_I1748602"},
            {"type": "HistFactory", "analysis": f"{self.url}/record/resource/997020?landing_page=true"},
        ]
        return {
            "recid": 89408,
            "version": 3,
            "record": {"title": "Search for bottom-squark pair production", "analyses": analyses},
            "resources_with_doi": self.resources,
        }

    def answer(self, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(path)
        query = parse_qs(parts.query)
        if parts.path == "/10.17182/hepdata.89408.v3/r2":
            return 302, {"Location": f"{self.url}/record/resource/997020?landing_page=true"}, b""
        if parts.path == "/10.17182/hepdata.89408.v3":
            return 302, {"Location": f"{self.url}/record/89408?version=3"}, b""
        if parts.path in ("/record/ins1748602", "/record/89408"):
            return self._record(query)
        if parts.path == "/record/resource/997020":
            wants_file = "view" in query or (not self.html_only and "application/x-tar" in headers.get("accept", ""))
            return self._file(headers) if wants_file else (200, {"Content-Type": "text/html; charset=utf-8"}, PAGE)
        if parts.path == "/files/likelihood.bin":
            return self._file(headers)
        if parts.path == "/circle":
            return 302, {"Location": f"{self.url}/circle"}, b""
        return 404, {"Content-Type": "text/html"}, PAGE

    def _record(self, query: dict[str, list[str]]) -> tuple[int, dict[str, str], bytes]:
        if query.get("format") == ["json"]:
            return 200, {"Content-Type": "application/json"}, json.dumps(self.record()).encode()
        return 200, {"Content-Type": "text/html; charset=utf-8"}, PAGE

    def _file(self, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        if self.trouble:
            status, more = self.trouble.pop(0)
            return status, {"Content-Type": "text/html", **more}, PAGE
        tag = f'"{hashlib.sha256(self.archive).hexdigest()[:16]}"'
        if headers.get("if-none-match") == tag:
            return 304, {"ETag": tag}, b""
        name = 'attachment; filename="../../HEPData likelihood v3.tar.gz"'
        kind = "application/octet-stream"
        return 200, {"Content-Type": kind, "ETag": tag, "Content-Disposition": name}, self.archive


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hepdata: HepData

    def do_GET(self) -> None:
        hepdata = self.hepdata
        hepdata.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        status, headers, body = hepdata.answer(*hepdata.seen[-1])
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if hepdata.announced:
            self.send_header("Content-Length", str(len(body)))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        if hepdata.cut and len(body) > 100_000:
            hepdata.cut -= 1
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
            return
        self.wfile.write(body)
        self.close_connection = not hepdata.announced

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hepdata() -> Iterator[HepData]:
    stand_in = HepData()
    handler = type("Handler", (_Handler,), {"hepdata": stand_in})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        stand_in.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield stand_in
        server.shutdown()
        thread.join()


Get = Callable[..., Download]


@pytest.fixture
def get(hepdata: HepData, tmp_path: Path) -> Get:
    """`fetch` with the stand-in's addresses and a cache of the test's own."""

    def fetch_here(source: str, *, offline: bool = False, limits: Limits = QUICK, **more: Any) -> Download:
        given = Settings(hepdata.url, hepdata.url, tmp_path / "cache", offline, limits)
        return fetch(source, settings=given, **more)

    return fetch_here


def partials(folder: Path) -> list[Path]:
    return list(folder.rglob(".partial-*"))


@pytest.mark.parametrize(
    "source",
    [
        "doi:10.17182/hepdata.89408.v3/r2",
        "doi:10.17182/hepdata.89408.v3",
        "hepdata:ins1748602",
        "hepdata:89408",
        "hepdata:ins1748602?version=3",
        "{url}/10.17182/hepdata.89408.v3/r2",
        "{url}/record/ins1748602",
        "{url}/record/89408?version=3",
        "{url}/record/resource/997020?landing_page=true",
        "{url}/record/resource/997020?view=true",
        "{url}/record/resource/997020",
        "{url}/files/likelihood.bin",
    ],
)
@pytest.mark.parametrize("html_only", [False, True])
def test_every_way_to_name_a_likelihood_leads_to_its_archive(
    hepdata: HepData, get: Get, source: str, html_only: bool
) -> None:
    hepdata.html_only = html_only
    got = get(source.format(url=hepdata.url))
    assert got.path.read_bytes() == ARCHIVE
    assert got.sha256 == hashlib.sha256(ARCHIVE).hexdigest()
    assert got.fresh


def test_a_version_asked_for_is_asked_of_hepdata(hepdata: HepData, get: Get) -> None:
    get("hepdata:ins1748602?version=2")
    assert "/record/ins1748602?format=json&light=true&version=2" in hepdata.counts()


def test_requests_say_who_asks_and_want_archives(hepdata: HepData, get: Get) -> None:
    get("doi:10.17182/hepdata.89408.v3/r2")
    _, headers = hepdata.seen[-1]
    assert headers["user-agent"].startswith("fitloom/")
    assert "+https://" in headers["user-agent"]
    assert "application/x-tar, application/zip" in headers["accept"]


@pytest.mark.parametrize(
    ("content", "ending"),
    [
        (tar("w"), ".tar"),
        (tar("w:gz"), ".tar.gz"),
        (tar("w:bz2"), ".tar.bz2"),
        (tar("w:xz"), ".tar.xz"),
        (zipped(), ".zip"),
        (WORKSPACE, ".json"),
    ],
    ids=["tar", "gzip", "bzip2", "xz", "zip", "json"],
)
def test_any_archive_is_known_by_its_content(hepdata: HepData, get: Get, content: bytes, ending: str) -> None:
    hepdata.archive = content
    assert get(f"{hepdata.url}/files/likelihood.bin").path.name.endswith(ending)


def test_a_name_from_the_server_cannot_leave_the_cache(hepdata: HepData, get: Get, tmp_path: Path) -> None:
    path = get("hepdata:89408").path
    assert path.name == "HEPData_likelihood_v3.tar.gz"
    assert path.is_relative_to(tmp_path / "cache")


def test_a_second_fetch_asks_whether_anything_changed_and_keeps_the_file(hepdata: HepData, get: Get) -> None:
    first = get("hepdata:ins1748602")
    second = get("hepdata:ins1748602")
    assert second.path == first.path
    assert not second.fresh
    assert "if-none-match" in hepdata.seen[-1][1]


def test_a_changed_file_is_fetched_again(hepdata: HepData, get: Get) -> None:
    first = get("hepdata:ins1748602")
    hepdata.archive = tar("w:gz")
    second = get("hepdata:ins1748602")
    assert second.fresh
    assert second.path.read_bytes() == hepdata.archive
    assert first.path.read_bytes() == ARCHIVE


def test_a_kept_file_that_was_damaged_is_fetched_again(hepdata: HepData, get: Get) -> None:
    first = get("hepdata:ins1748602")
    first.path.write_bytes(ARCHIVE[:-1] + b"?")
    assert get("hepdata:ins1748602").path.read_bytes() == ARCHIVE


def test_offline_finds_what_was_fetched_without_a_request(hepdata: HepData, get: Get) -> None:
    first = get("hepdata:ins1748602")
    before = len(hepdata.seen)
    assert get("hepdata:ins1748602", offline=True).path == first.path
    assert len(hepdata.seen) == before


def test_offline_says_when_something_was_never_fetched(get: Get) -> None:
    with pytest.raises(FetchError, match=r"is not in the cache .* and fitloom is offline"):
        get("hepdata:ins1748602", offline=True)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_says_later_is_asked_again(hepdata: HepData, get: Get, status: int) -> None:
    hepdata.trouble = [(status, {}), (status, {"Retry-After": "0"})]
    assert get("hepdata:ins1748602").path.read_bytes() == ARCHIVE


def test_retry_after_is_waited_for(hepdata: HepData, get: Get) -> None:
    import time

    hepdata.trouble = [(429, {"Retry-After": "1"})]
    begin = time.monotonic()
    get("hepdata:ins1748602")
    assert time.monotonic() - begin >= 1


@pytest.mark.parametrize(("status", "why"), [(429, "too many requests"), (503, "down or busy")])
def test_a_server_that_keeps_saying_later_ends_in_a_clear_message(
    hepdata: HepData, get: Get, status: int, why: str
) -> None:
    hepdata.trouble = [(status, {})] * 10
    with pytest.raises(FetchError, match=f"answered {status}: .*{why}"):
        get("hepdata:ins1748602")
    assert hepdata.counts()["/record/resource/997020?view=true"] == QUICK.attempts


def test_the_kept_copy_stands_in_for_a_busy_server(
    hepdata: HepData, get: Get, caplog: pytest.LogCaptureFixture
) -> None:
    first = get("hepdata:ins1748602")
    hepdata.trouble = [(503, {})] * 10
    assert get("hepdata:ins1748602").path == first.path
    assert "using the copy fetched before" in caplog.text


def test_the_kept_copy_does_not_hide_that_a_record_is_gone(hepdata: HepData, get: Get) -> None:
    get("hepdata:ins1748602")
    hepdata.trouble = [(410, {})]
    with pytest.raises(FetchError, match="answered 410: it was removed"):
        get("hepdata:ins1748602")


def test_a_record_that_is_not_there_is_named(get: Get) -> None:
    with pytest.raises(FetchError, match=r"ins99.* answered 404: .*check the identifier"):
        get("hepdata:ins99")


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    given = Settings(cache=tmp_path, limits=QUICK)
    with pytest.raises(FetchError, match=r"127\.0\.0\.1:9/x\.tar cannot be reached: .*refused"):
        fetch("http://127.0.0.1:9/x.tar", settings=given)


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_that_broke_off_is_fetched_again(hepdata: HepData, get: Get, announced: bool) -> None:
    hepdata.cut, hepdata.announced = 2, announced
    assert get("hepdata:ins1748602").path.read_bytes() == ARCHIVE


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_that_always_breaks_off_is_never_kept(
    hepdata: HepData, get: Get, tmp_path: Path, announced: bool
) -> None:
    hepdata.cut, hepdata.announced = 100, announced
    with pytest.raises(FetchError, match=r"(broke off|ended in the middle).* 3 times"):
        get("hepdata:ins1748602")
    assert not (tmp_path / "cache" / "files").exists()
    assert not partials(tmp_path)


def test_a_circle_of_redirects_is_left(hepdata: HepData, get: Get) -> None:
    with pytest.raises(FetchError, match="redirects in a circle"):
        get(f"{hepdata.url}/circle")


def test_a_web_page_is_not_taken_for_an_archive(hepdata: HepData, get: Get) -> None:
    hepdata.trouble = [(200, {})] * 3
    with pytest.raises(FetchError, match=r"is a web page .* download button"):
        get(f"{hepdata.url}/files/likelihood.bin")


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7 " + bytes(600), gzip.compress(b"not a tar", mtime=0)])
def test_what_is_no_archive_is_refused_by_its_content(hepdata: HepData, get: Get, content: bytes) -> None:
    hepdata.archive = content
    with pytest.raises(FetchError, match=r"neither an archive .* nor JSON"):
        get(f"{hepdata.url}/files/likelihood.bin")


@pytest.mark.parametrize("announced", [True, False])
def test_more_than_the_limit_is_refused(hepdata: HepData, get: Get, tmp_path: Path, announced: bool) -> None:
    hepdata.announced = announced
    with pytest.raises(FetchError, match=r"larger than the limit .*FITLOOM_MAX_DOWNLOAD"):
        get("hepdata:ins1748602", limits=Limits(attempts=2, back_off=0.01, max_bytes=100_000))
    assert not partials(tmp_path)


def test_a_record_without_likelihood_says_so(hepdata: HepData, get: Get) -> None:
    hepdata.analyses = [{"type": "rivet", "analysis": "https://rivet.hepforge.org"}]
    with pytest.raises(FetchError, match="holds no HistFactory likelihood; see http"):
        get("hepdata:ins1748602")


def test_a_record_with_several_likelihoods_lists_them(hepdata: HepData, get: Get) -> None:
    hepdata.analyses = [
        {"type": "HistFactory", "analysis": f"{hepdata.url}/record/resource/{n}?landing_page=true", "filename": name}
        for n, name in ((1, "a.tar.gz"), (2, "b.tar.gz"))
    ]
    hepdata.resources = [{"filename": "b.tar.gz", "description": "", "doi": "10.17182/hepdata.89408.v3/r2"}]
    with pytest.raises(FetchError, match="holds 2 likelihoods") as caught:
        get("hepdata:ins1748602")
    assert f"{hepdata.url}/record/resource/1?view=true   a.tar.gz" in str(caught.value)
    assert "doi:10.17182/hepdata.89408.v3/r2   b.tar.gz" in str(caught.value)


def test_an_old_record_is_searched_for_what_looks_like_a_likelihood(hepdata: HepData, get: Get) -> None:
    hepdata.analyses = [{"type": "rivet", "analysis": "https://rivet.hepforge.org"}]
    hepdata.resources = [
        {"filename": "code.cxx", "description": "pyhf example", "doi": "10.17182/hepdata.89408.v3/r1"},
        {"filename": "all.tar.gz", "description": "Archive of likelihoods", "doi": "10.17182/hepdata.89408.v3/r2"},
    ]
    assert get("hepdata:ins1748602").path.read_bytes() == ARCHIVE


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("hepdata:1748602ins", "names no HEPData record"),
        ("doi:hepdata.89408", "is no DOI"),
        ("ftp://hepdata.net/x", "is nothing to download"),
    ],
)
def test_what_names_nothing_is_refused_before_any_request(
    hepdata: HepData, get: Get, source: str, message: str
) -> None:
    with pytest.raises(FetchError, match=message):
        get(source)
    assert not hepdata.seen


def test_progress_is_told_in_bytes(hepdata: HepData, get: Get) -> None:
    told: list[tuple[int, int | None]] = []
    get("hepdata:ins1748602", progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (len(ARCHIVE), len(ARCHIVE))
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_a_cache_that_cannot_be_written_is_named(hepdata: HepData, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    given = Settings(hepdata.url, hepdata.url, tmp_path / "file" / "cache", False, QUICK)
    with pytest.raises(FetchError, match=r"cannot be kept in .*file/cache.*FITLOOM_CACHE"):
        fetch("hepdata:ins1748602", settings=given)


@pytest.mark.heavy
def test_processes_that_fetch_the_same_thing_at_once_all_get_it_whole(hepdata: HepData, tmp_path: Path) -> None:
    code = "import sys, fitloom.remote; print(fitloom.remote.download('hepdata:ins1748602'))"
    addresses = {"FITLOOM_HEPDATA_URL": hepdata.url, "FITLOOM_DOI_URL": hepdata.url}
    environment = {**os.environ, **addresses, "FITLOOM_CACHE": str(tmp_path / "cache")}
    started = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    paths = [process.communicate(timeout=60)[0].strip() for process in started]
    assert len(set(paths)) == 1
    assert Path(paths[0]).read_bytes() == ARCHIVE
    assert not partials(tmp_path)


def test_download_takes_its_settings_from_the_environment(
    hepdata: HepData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FITLOOM_HEPDATA_URL", hepdata.url + "/")
    monkeypatch.setenv("FITLOOM_CACHE", str(tmp_path / "here"))
    path = download("hepdata:ins1748602")
    assert path.is_relative_to(tmp_path / "here")
    monkeypatch.setenv("FITLOOM_OFFLINE", "1")
    before = len(hepdata.seen)
    assert download("hepdata:ins1748602") == path
    assert len(hepdata.seen) == before


def test_only_addresses_are_remote() -> None:
    assert all(is_remote(one) for one in ("doi:10.1/x", "hepdata:1", "http://x", "https://x"))
    assert not any(is_remote(one) for one in ("demo", "./pallet", "doi", "C:/x"))


@pytest.mark.heavy
def test_the_command_line_fetches_a_record_and_then_needs_no_network(
    hepdata: HepData, shared_data: Path, cli: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    hepdata.archive = (shared_data / "sbottom-RegionA.tar.gz").read_bytes()
    addresses = {"FITLOOM_HEPDATA_URL": hepdata.url, "FITLOOM_DOI_URL": hepdata.url}
    environment = {**addresses, "FITLOOM_CACHE": str(tmp_path / "cache")}
    source = "doi:10.17182/hepdata.89408.v3/r2"
    fetched = cli("fetch", source, env=environment)
    assert fetched.returncode == 0, fetched.stderr
    assert str(tmp_path / "cache") in fetched.stdout
    before = len(hepdata.seen)
    command = ("run", source, "--offline", "--points", "sbottom_1300_205_60", "--json")
    done = cli(*command, env=environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "converged"
    assert len(hepdata.seen) == before


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_shows_how_far_a_download_is(hepdata: HepData, tmp_path: Path, terminal: bool) -> None:
    code = "import fitloom.remote; fitloom.remote.download('hepdata:89408')"
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "FITLOOM_CACHE": str(tmp_path)}
    environment["FITLOOM_HEPDATA_URL"] = hepdata.url
    ours, theirs = os.openpty() if terminal else os.pipe()
    with subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # how a terminal says that its other end is closed
            while block := os.read(ours, 4096):
                shown += block
    os.close(ours)
    assert process.returncode == 0
    assert (b"fetching hepdata:89408" in shown) == terminal
    assert terminal or not shown


def test_the_command_line_says_why_nothing_came(
    hepdata: HepData, cli: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    environment = {"FITLOOM_HEPDATA_URL": hepdata.url, "FITLOOM_CACHE": str(tmp_path / "cache")}
    done = cli("fetch", "hepdata:ins1", env=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert "answered 404: there is nothing at this address" in done.stderr
    assert "Traceback" not in done.stderr
