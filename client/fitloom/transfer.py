"""One HTTP GET done well: back-off, time limits, size limits, bodies that end too early.

Statuses that mean "later" (429, 500, 502, 503, 504) and connections that fail are tried again by
urllib3, which waits as long as ``Retry-After`` says or twice as long each time. A body that is
shorter than announced is fetched again from the start.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import IO

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from fitloom_core.errors import FetchError

Progress = Callable[[int, int | None], None]
"""Called with the bytes received so far and their number in all, where the server says it."""

BLOCK = 1 << 18
_LATER = (429, 500, 502, 503, 504)
_WHY = {
    401: "the server wants a login",
    403: "the server refuses",
    404: "there is nothing at this address; check the identifier and its version",
    406: "the server has no archive at this address",
    410: "it was removed",
    429: "too many requests; wait some minutes and try again",
    500: "the server is in trouble; try again later",
    502: "the server is in trouble; try again later",
    503: "the server is down or busy; try again later",
    504: "the server is in trouble; try again later",
}


@dataclass(frozen=True)
class Limits:
    """How long and how often to try, and how much to accept."""

    attempts: int = 5
    back_off: float = 0.5
    """Seconds before the second attempt; doubled each time."""
    longest_wait: int = 60
    """The most that a server's ``Retry-After`` can make us wait, in seconds."""
    connect: float = 15
    read: float = 60
    max_bytes: int = 2 << 30


def user_agent() -> str:
    """Who asks: name, version and where to read about it."""
    try:
        release = version("fitloom")
    except PackageNotFoundError:
        release = "0"
    return f"fitloom/{release} (+https://pypi.org/project/fitloom/)"


@contextmanager
def session(limits: Limits) -> Iterator[requests.Session]:
    """A session that waits and tries again."""
    retry = Retry(
        total=limits.attempts - 1,
        backoff_factor=limits.back_off,
        backoff_max=limits.longest_wait,
        status_forcelist=_LATER,
        allowed_methods=("GET",),
        raise_on_status=False,
        retry_after_max=limits.longest_wait,
    )
    with requests.Session() as opened:
        opened.max_redirects = 10
        opened.headers.update({"User-Agent": user_agent(), "Accept-Encoding": "identity"})
        opened.mount("https://", HTTPAdapter(max_retries=retry))
        opened.mount("http://", HTTPAdapter(max_retries=retry))
        yield opened


@contextmanager
def get(opened: requests.Session, url: str, headers: Mapping[str, str], limits: Limits) -> Iterator[requests.Response]:
    """A response whose status is good (or 304), its body not read yet.

    Raises:
        FetchError: the server says no.
        ServerAway: it cannot be reached, or says "later" each time.
    """
    try:
        response = opened.get(url, headers=dict(headers), stream=True, timeout=(limits.connect, limits.read))
    except requests.TooManyRedirects:
        raise FetchError(f"{url} redirects in a circle") from None
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema):
        raise FetchError(f"'{url}' is no http(s) address, or redirects to one that is not") from None
    except requests.RequestException as error:
        raise ServerAway(f"{url} cannot be reached: {_reason(error)}; check the network or use a local copy") from None
    with response:
        if response.status_code != requests.codes.not_modified:
            _refuse_bad_status(response, url)
        yield response


def save(response: requests.Response, stream: IO[bytes], limits: Limits, progress: Progress | None) -> None:
    """Write a response's body to a stream.

    Raises:
        FetchError: more than the limit.
        BodyTruncated: the body ended before its announced length, or the connection broke.
    """
    total = _announced(response)
    if total is not None and total > limits.max_bytes:
        raise _too_large(response.url, total, limits)
    done = 0
    try:
        for block in response.iter_content(BLOCK):
            done += len(block)
            if done > limits.max_bytes:
                raise _too_large(response.url, done, limits)
            stream.write(block)
            if progress is not None:
                progress(done, total)
    except requests.RequestException as error:
        raise BodyTruncated(f"{response.url} broke off after {done} of {total or 'unknown'} bytes") from error


class ServerAway(FetchError):
    """A server that cannot be reached or has no time: a copy fetched before may stand in."""


class BodyTruncated(Exception):
    """A body that ended too early: worth another attempt."""


def has_length(response: requests.Response) -> bool:
    """Whether a body that ends too early would have been noticed."""
    return _announced(response) is not None or response.headers.get("Transfer-Encoding", "").lower() == "chunked"


def again(attempt: int, limits: Limits) -> bool:
    """Wait before another attempt at a body; false when all are used up."""
    if attempt >= limits.attempts:
        return False
    time.sleep(min(limits.back_off * 2 ** (attempt - 1), limits.longest_wait))
    return True


def _refuse_bad_status(response: requests.Response, url: str) -> None:
    status = response.status_code
    if 200 <= status < 300:
        return
    why = _WHY.get(status, response.reason or "no reason given")
    via = "" if response.url == url else f" (redirected to {response.url})"
    kind = ServerAway if status in _LATER else FetchError
    raise kind(f"{url}{via} answered {status}: {why}")


def _announced(response: requests.Response) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdigit() else None


def _too_large(url: str, size: int, limits: Limits) -> FetchError:
    return FetchError(
        f"{url} is larger than the limit ({size} bytes, {limits.max_bytes} allowed); "
        "raise it with FITLOOM_MAX_DOWNLOAD (bytes) if this is the file you mean"
    )


def _reason(error: BaseException) -> str:
    """The innermost reason of a chain of wrapped errors, in a line."""
    inner: BaseException | None = error
    while inner is not None:
        error, inner = inner, getattr(inner, "reason", None) or (inner.args[0] if inner.args else None)
        if not isinstance(inner, BaseException):
            break
    return " ".join(str(error).split())[:200]
