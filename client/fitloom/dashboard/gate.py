"""Who may see and who may act: the seam that a group gate fills, and the gate of a page on loopback."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from typing import Protocol

from fastapi import APIRouter, HTTPException, Request

TOKEN_HEADER = "X-Fitloom-Token"


@dataclass(frozen=True)
class Visitor:
    """Who asks: a name for the journal, whether they may change a run, and the token such a request must carry."""

    name: str
    may_act: bool
    token: str | None = None


class Gate(Protocol):
    """Decides who a request is from."""

    login: str | None
    """Where a visitor logs in, relative to the page; None where nobody has to."""

    def visitor(self, request: Request) -> Visitor:
        """Who the request is from.

        Raises:
            HTTPException: 401 not logged in, 403 not a member, 503 cannot be decided now.
        """

    def router(self) -> APIRouter | None:
        """The gate's own routes, such as those of a login."""


class KeyGate:
    """Everybody who reaches the page may see it; who has the key of its address may act.

    The key stands behind the ``#`` of the address that is printed at the start: it is never sent with a page
    request, never logged, and other users of the same machine do not know it.
    """

    login: str | None = None

    def __init__(self, key: str | None = None) -> None:
        self.key = key or secrets.token_urlsafe(24)

    def visitor(self, request: Request) -> Visitor:
        """Anybody; whoever sends the key may act."""
        given = request.headers.get(TOKEN_HEADER, "")
        knows = hmac.compare_digest(given.encode("utf-8", "replace"), self.key.encode())
        return Visitor("key" if knows else "anybody", knows, self.key if knows else None)

    def router(self) -> APIRouter | None:
        """No routes."""
        return None


def require_action(visitor: Visitor, request: Request) -> None:
    """Refuse to change anything for a visitor who may not, or without the token that only our page knows.

    Raises:
        HTTPException: 403.
    """
    if not visitor.may_act:
        raise HTTPException(
            403, "you may look at this campaign but not change it: open the address that the server printed"
        )
    given = request.headers.get(TOKEN_HEADER, "")
    if visitor.token is not None and not hmac.compare_digest(given.encode("utf-8", "replace"), visitor.token.encode()):
        raise HTTPException(403, f"the request lacks its {TOKEN_HEADER}: reload the page and try again")
