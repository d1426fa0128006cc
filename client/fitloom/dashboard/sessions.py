"""Logins of the page: kept here, known to the browser by a signed cookie that says nothing.

The cookie holds a random number and its signature; who it stands for, and the token that tells their
groups, never leave the server. A restart forgets everybody, who then log in again.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response
from itsdangerous import BadData, URLSafeTimedSerializer

from fitloom_core.globus_directory import Login

SESSION_SECONDS = 12 * 3600
LOGIN_SECONDS = 600
"""How long somebody may take at Globus."""
_MOST = 10_000


@dataclass(frozen=True)
class Session:
    """Somebody who is logged in."""

    login: Login
    token: str
    """What a request that changes something must carry beside the cookie, against forged requests."""
    ends: float


class Sessions:
    """Everybody who is logged in; the oldest go when there are too many."""

    def __init__(self) -> None:
        key = secrets.token_bytes(32)
        self._seal = URLSafeTimedSerializer(key, salt="session")
        self._state_seal = URLSafeTimedSerializer(key, salt="login")
        # Cookies know no ports: pages on one host need names of their own.
        suffix = secrets.token_hex(4)
        self._name, self._state_name = f"fitloom_session_{suffix}", f"fitloom_login_{suffix}"
        self._open: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, request: Request) -> Session | None:
        """The session of a request's cookie."""
        key = self._key(request)
        with self._lock:
            session = self._open.get(key) if key else None
        return session if session and time.time() < session.ends else None

    def begin(self, login: Login, request: Request, response: Response) -> None:
        """Log somebody in under a fresh number."""
        key = secrets.token_urlsafe(32)
        ends = min(time.time() + SESSION_SECONDS, login.person.expires)
        with self._lock:
            self._open[key] = Session(login, secrets.token_urlsafe(24), ends)
            while len(self._open) > _MOST:
                self._open.popitem(last=False)
        seconds = max(1, int(ends - time.time()))
        self._set(request, response, self._name, self._seal.dumps(key), seconds, "strict")

    def end(self, request: Request, response: Response) -> Session | None:
        """Log out; the session that was."""
        response.delete_cookie(self._name, path=_path(request))
        key = self._key(request)
        with self._lock:
            return self._open.pop(key, None) if key else None

    def remember_login(self, request: Request, response: Response, state: str, verifier: str) -> None:
        """Keep what a login that has begun must come back with; Lax, because it comes back from another site."""
        sealed = str(self._state_seal.dumps({"state": state, "verifier": verifier}))
        self._set(request, response, self._state_name, sealed, LOGIN_SECONDS, "lax")

    def recall_login(self, request: Request, response: Response, state: str) -> str | None:
        """The verifier of the login that this browser began; None if it began none, or another."""
        response.delete_cookie(self._state_name, path=_path(request))
        begun = self._unseal(self._state_seal, request.cookies.get(self._state_name), LOGIN_SECONDS)
        if not isinstance(begun, dict) or not secrets.compare_digest(str(begun.get("state")).encode(), state.encode()):
            return None
        return str(begun["verifier"])

    def _key(self, request: Request) -> str | None:
        key = self._unseal(self._seal, request.cookies.get(self._name), SESSION_SECONDS)
        return key if isinstance(key, str) else None

    @staticmethod
    def _unseal(seal: URLSafeTimedSerializer, sealed: str | None, seconds: int) -> Any:
        if not sealed or len(sealed) > 4096:
            return None
        try:
            return seal.loads(sealed, max_age=seconds)
        except BadData:
            return None

    @staticmethod
    def _set(request: Request, response: Response, name: str, value: str, seconds: int, same_site: Any) -> None:
        secure = request.url.scheme == "https"
        response.set_cookie(
            name, value, max_age=seconds, path=_path(request), secure=secure, httponly=True, samesite=same_site
        )


def _path(request: Request) -> str:
    """The page's own path, so that a proxy's other pages do not get the cookie."""
    return str(request.scope.get("root_path") or "/")
