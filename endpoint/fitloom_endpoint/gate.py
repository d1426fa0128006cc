"""Who may send tasks: whoever has the endpoint's token, or a member of its Globus groups."""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
from collections.abc import Sequence

from fastapi import Request

from fitloom_core.access import AccessRefused, Keeper, Role, Visit, open_keeper
from fitloom_endpoint.service import Refused
from fitloom_endpoint.settings import Settings

log = logging.getLogger("fitloom.endpoint")

LOOKING = ("GET", "HEAD", "OPTIONS")


class Gate:
    """Lets requests in; without token and groups it lets everybody in."""

    def __init__(self, token: str | None, keeper: Keeper | None = None) -> None:
        """A token, a keeper who knows the groups, both or neither."""
        self._token = None if token is None else token.encode()
        self._keeper = keeper

    @property
    def closed(self) -> bool:
        """Whether anything at all is asked for."""
        return self._token is not None or self._keeper is not None

    async def admit(self, request: Request) -> None:
        """Let a request pass.

        Raises:
            Refused: it brings nothing that opens the gate.
        """
        header = request.headers.get("authorization")
        if not self.closed or self._is_token(header):
            return
        if self._keeper is None:
            message = "this endpoint wants its token: send 'Authorization: Bearer <token>'"
            raise Refused(401, "unauthorised", message, headers={"WWW-Authenticate": "Bearer"})
        need: Role = "view" if request.method in LOOKING else "fit"
        client = request.client.host if request.client else ""
        visit = Visit(request.method, request.url.path, client)
        try:
            await asyncio.to_thread(self._keeper.check_bearer, header, need, visit)
        except AccessRefused as refusal:
            # A missing consent is told as the SDK of Globus understands it, and asks for it by itself.
            more = refusal.document() if refusal.required_scopes else None
            raise Refused(
                refusal.status, refusal.reason, refusal.message, headers=refusal.headers(), more=more
            ) from None

    def _is_token(self, header: str | None) -> bool:
        scheme, _, given = (header or "").partition(" ")
        # Compared as bytes in constant time: neither length of match nor odd characters tell anything.
        same = hmac.compare_digest(given.strip().encode("utf-8", "replace"), self._token or b"")
        return self._token is not None and scheme.lower() == "bearer" and same


def open_gate(settings: Settings) -> Gate:
    """The gate that the settings ask for; for groups it asks Globus as the client that the environment names.

    Raises:
        InputError: a group that cannot be read, or no client of our own at Globus.
    """
    return Gate(settings.token, _keeper(settings.groups))


def _keeper(groups: Sequence[str]) -> Keeper | None:
    return open_keeper(groups, os.environ, plain="fit") if groups else None
