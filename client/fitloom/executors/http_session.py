"""HTTP connections for the executor: a token that stays ours, retries that wait as told, an end at any time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse
from urllib3.util.retry import Retry

LONGEST_WAIT = 120
"""Seconds that a Retry-After is obeyed at most."""
CONNECT_SECONDS = 10.0
RENEW_SECONDS = 60.0


class Closed(requests.RequestException):
    """The session was closed while a request waited to be sent again."""


class Session:
    """Requests to one server; `close` also ends those that wait or are being answered. Safe between threads."""

    def __init__(self, credentials: Credentials, *, patience: int, user_agent: str) -> None:
        """Show these credentials; come back ``patience`` times when told 429 or 503."""
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._answering: set[requests.Response] = set()
        self._session = requests.Session()
        self._session.auth = credentials
        self._session.headers["user-agent"] = user_agent
        adapter = HTTPAdapter(max_retries=_Patience.of(patience, self._closed), pool_maxsize=64)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def request(self, method: str, url: str, *, seconds: float, **options: Any) -> requests.Response:
        """An answer whose body is still on its way; redirects are not followed. `done` must be called with it."""
        times = (CONNECT_SECONDS, seconds)
        answer = self._session.request(method, url, timeout=times, stream=True, allow_redirects=False, **options)
        with self._lock:
            self._answering.add(answer)
        if self._closed.is_set():
            _cut(answer)
        return answer

    def done(self, answer: requests.Response) -> None:
        """Give an answer's connection back."""
        with self._lock:
            self._answering.discard(answer)
        answer.close()

    def close(self) -> None:
        """End everything that is under way."""
        self._closed.set()
        with self._lock:
            for answer in self._answering:
                _cut(answer)
        self._session.close()


class Credentials(requests.auth.AuthBase):
    """What a request says it comes from: a token, a login that is renewed, or nothing.

    Set as `auth`, so that a ~/.netrc cannot put something else in its place.
    """

    def __init__(self, token: str | None = None) -> None:
        """Begin with a token or with nothing."""
        self._header = None if token is None else f"Bearer {token}"
        self._ask: Callable[[], str] | None = None
        self._good_until = 0.0
        self._lock = threading.Lock()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return self._header is None and self._ask is None

    def renew_from(self, ask: Callable[[], str]) -> None:
        """Take the header from a login from now on, and look again every minute whether it is still that one."""
        self._ask = ask

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put the header into a request."""
        header = self._current()
        if header is not None:
            request.headers["Authorization"] = header
        return request

    def _current(self) -> str | None:
        with self._lock:
            if self._ask is not None and time.monotonic() > self._good_until:
                self._header = self._ask()
                self._good_until = time.monotonic() + RENEW_SECONDS
            return self._header


class _Patience(Retry):
    """urllib3's retries, asleep only until the session is closed."""

    closed: threading.Event

    @classmethod
    def of(cls, times: int, closed: threading.Event) -> _Patience:
        retry = cls(
            total=None,
            connect=2,
            read=0,
            other=0,
            redirect=0,
            status=times,
            status_forcelist=(429, 503),
            allowed_methods=None,
            backoff_factor=0.5,
            backoff_max=30,
            backoff_jitter=0.5,
            raise_on_status=False,
        )
        retry.closed = closed
        return retry

    def new(self, **changes: Any) -> _Patience:
        fresh = super().new(**changes)
        fresh.closed = self.closed
        return fresh

    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        asked = self.get_retry_after(response) if response is not None else None
        if self.closed.wait(min(asked or self.get_backoff_time(), LONGEST_WAIT)):
            raise Closed("closed while waiting to send a task again")


def _cut(answer: requests.Response) -> None:
    """Wake the thread that reads this answer; it finds the stream at its end."""
    with suppress(Exception):  # it may have ended by itself this very moment
        answer.raw.shutdown()
