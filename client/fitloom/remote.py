"""Pallets from where they live: DOIs, HEPData records and resources, any http(s) address.

::

    doi:10.17182/hepdata.89408.v3/r2           a file by its DOI
    doi:10.17182/hepdata.89408.v3              a record by its DOI: its likelihood
    hepdata:ins1748602, hepdata:89408          the same by its INSPIRE or HEPData number
    https://www.hepdata.net/record/…           a record's or a resource's page
    https://…                                  any archive

What was fetched is kept (see `fitloom.cache`) and asked for again with its ETag, so a second run
costs one short request, and none with ``offline``.
"""

from __future__ import annotations

import io
import json
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import platformdirs
import requests

from fitloom import content, hepdata, transfer
from fitloom.cache import Cache, Entry, sha256_of
from fitloom.meter import meter
from fitloom.transfer import Limits, Progress, ServerAway
from fitloom_core.errors import FetchError

_log = logging.getLogger("fitloom")
_ARCHIVE = "application/x-tar, application/zip, application/gzip;q=0.9, */*;q=0.5"
_DOI = re.compile(r"^10\.\d{4,9}/\S+$")
_MAX_RECORD_BYTES = 64 << 20


@dataclass(frozen=True)
class Settings:
    """Where things are asked for and kept."""

    hepdata: str = "https://www.hepdata.net"
    doi: str = "https://doi.org"
    cache: Path = field(default_factory=lambda: platformdirs.user_cache_path("fitloom"))
    offline: bool = False
    limits: Limits = field(default_factory=Limits)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """The defaults, changed by FITLOOM_CACHE, _OFFLINE, _MAX_DOWNLOAD, _HEPDATA_URL and _DOI_URL."""
        given = cls()
        limit = environment.get("FITLOOM_MAX_DOWNLOAD", "")
        if limit and not limit.isdigit():
            raise FetchError(f"FITLOOM_MAX_DOWNLOAD is '{limit}'; give it a number of bytes")
        return replace(
            given,
            hepdata=environment.get("FITLOOM_HEPDATA_URL", given.hepdata).rstrip("/"),
            doi=environment.get("FITLOOM_DOI_URL", given.doi).rstrip("/"),
            cache=Path(environment["FITLOOM_CACHE"]) if environment.get("FITLOOM_CACHE") else given.cache,
            offline=environment.get("FITLOOM_OFFLINE", "").lower() in ("1", "true", "yes", "on"),
            limits=replace(given.limits, max_bytes=int(limit)) if limit else given.limits,
        )


@dataclass(frozen=True)
class Download:
    """A file that was fetched, or was there already."""

    path: Path
    sha256: str
    size: int
    url: str
    fresh: bool
    """Whether it was fetched now rather than found in the cache."""


def is_remote(source: str) -> bool:
    """Whether a pallet's source is something to download."""
    return source.startswith(("http://", "https://", "doi:", "hepdata:"))


def download(source: str, *, offline: bool = False, progress: Progress | None = None) -> Path:
    """Fetch a source, or find it in the cache; the path of the archive or JSON file.

    On a terminal a line shows how far it is, unless ``progress`` says it elsewhere.

    Raises:
        FetchError: it is not there, cannot be reached, or is no archive.
    """
    if progress is not None:
        return fetch(source, offline=offline, progress=progress).path
    with meter(source) as drawn:
        return fetch(source, offline=offline, progress=drawn).path


def fetch(
    source: str, *, offline: bool = False, progress: Progress | None = None, settings: Settings | None = None
) -> Download:
    """As `download`, with the digest and where the file came from.

    Raises:
        FetchError: it is not there, cannot be reached, or is no archive.
    """
    given = settings or Settings.from_environment()
    cache = Cache(given.cache)
    known = cache.find(source)
    if offline or given.offline:
        return _found(cache, known) if known else _not_kept(source, given)
    try:
        with transfer.session(given.limits) as session:
            return _fetch(_Job(source, given, cache, known, session, progress))
    except ServerAway as error:
        if known is None:
            raise
        _log.warning("%s; using the copy fetched before (sha256 %s)", error, known.sha256)
        return _found(cache, known)
    except OSError as error:
        raise FetchError(f"{source} cannot be kept in {given.cache}: {error}; set FITLOOM_CACHE elsewhere") from None


@dataclass(frozen=True)
class _Job:
    """One source on its way."""

    source: str
    given: Settings
    cache: Cache
    known: Entry | None
    """What the source was when it was last fetched."""
    session: requests.Session
    progress: Progress | None


def _fetch(job: _Job) -> Download:
    url = _address(job)
    for _ in range(3):  # a DOI may lead to a record's page, that to a resource's page, that to the file
        got = _fetch_url(job, url)
        if isinstance(got, Download):
            return got
        url = _behind_page(job, got)
    raise FetchError(f"{job.source} leads from one page to the next ({url}); give the address of the archive itself")


def _address(job: _Job) -> str:
    """Where to ask for a source first."""
    source, given = job.source, job.given
    if source.startswith("doi:"):
        name = source.removeprefix("doi:").removeprefix(f"{given.doi}/")
        if not _DOI.match(name):
            raise FetchError(f"'{source}' is no DOI; write doi:10.17182/hepdata.89408.v3/r2")
        return f"{given.doi}/{name}"
    if source.startswith("hepdata:"):
        return _likelihood(job, hepdata.parse_name(source.removeprefix("hepdata:")))
    if not is_remote(source):
        raise FetchError(f"'{source}' is nothing to download; give an http(s) address, doi:… or hepdata:ins…")
    if record := hepdata.find_record(source, given.hepdata):
        return _likelihood(job, record)
    return hepdata.find_file(source, given.hepdata) or source


def _behind_page(job: _Job, page: str) -> str:
    """The address of the file that a web page stands for."""
    if record := hepdata.find_record(page, job.given.hepdata):
        return _likelihood(job, record)
    if (file := hepdata.find_file(page, job.given.hepdata)) and file != page:
        return file
    raise FetchError(f"{job.source} is a web page ({page}), no archive; give the address that its download button has")


def _likelihood(job: _Job, record: hepdata.Record) -> str:
    url = record.url(job.given.hepdata)
    with transfer.get(job.session, url, {"Accept": "application/json"}, job.given.limits) as response:
        document = _json(response, url)
    return hepdata.choose_likelihood(document, record, base=job.given.hepdata, doi_base=job.given.doi)


def _json(response: requests.Response, url: str) -> Mapping[str, Any]:
    body = io.BytesIO()
    try:
        transfer.save(response, body, Limits(max_bytes=_MAX_RECORD_BYTES), None)
        document = json.loads(body.getvalue())
    except transfer.BodyTruncated as error:
        raise ServerAway(f"{error}; try again") from None
    except ValueError:
        raise FetchError(f"{url} answered no JSON but {response.headers.get('Content-Type', 'something')}") from None
    if not isinstance(document, dict):
        raise FetchError(f"{url} answered JSON that is no record")
    return document


def _fetch_url(job: _Job, url: str) -> Download | str:
    """The file at an address, or the address of the web page that was there instead."""
    headers = {"Accept": _ARCHIVE} | (_conditions(job.known) if job.known and job.known.url == url else {})
    attempt = 0
    while True:
        attempt += 1
        try:
            return _try_url(job, url, headers)
        except transfer.BodyTruncated as error:
            if not transfer.again(attempt, job.given.limits):
                raise ServerAway(f"{error}, {attempt} times; try again later") from None


def _try_url(job: _Job, url: str, headers: Mapping[str, str]) -> Download | str:
    limits = job.given.limits
    with transfer.get(job.session, url, headers, limits) as response, job.cache.writing() as stream:
        if response.status_code == requests.codes.not_modified and job.known:
            return _found(job.cache, job.known)
        if content.is_page(response):
            return response.url
        transfer.save(response, stream, limits, job.progress)
        stream.flush()
        return _keep(job, Path(stream.name), response, url)


def _keep(job: _Job, partial: Path, response: requests.Response, url: str) -> Download:
    suffix = content.suffix(partial, response)
    if not transfer.has_length(response) and not content.is_whole(partial, suffix):
        raise transfer.BodyTruncated(f"{response.url} ended in the middle, after {partial.stat().st_size} bytes")
    entry = Entry(
        source=job.source,
        url=url,
        sha256=sha256_of(partial),
        size=partial.stat().st_size,
        name=content.file_name(response, suffix),
        etag=response.headers.get("ETag"),
        last_modified=response.headers.get("Last-Modified"),
    )
    path = job.cache.keep(partial, entry)
    return Download(path, entry.sha256, entry.size, response.url, fresh=True)


def _found(cache: Cache, known: Entry) -> Download:
    return Download(cache.path(known), known.sha256, known.size, known.url, fresh=False)


def _not_kept(source: str, given: Settings) -> Download:
    raise FetchError(
        f"{source} is not in the cache ({given.cache}) and fitloom is offline; "
        "run `fitloom fetch` with a network first, or unset FITLOOM_OFFLINE"
    )


def _conditions(known: Entry) -> dict[str, str]:
    wanted = {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified}
    return {header: value for header, value in wanted.items() if value}
