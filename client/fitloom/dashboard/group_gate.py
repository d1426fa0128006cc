"""The gate of ``--group``: members of Globus groups see the page, and those who may fit may act.

Programs send a bearer token. People log in at Globus by authorization code with PKCE and get a
session; their membership is asked for again every minute.
"""

from __future__ import annotations

import base64
import hashlib
import html
import os
import secrets
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from fitloom.dashboard.gate import Visitor
from fitloom.dashboard.sessions import Sessions
from fitloom_core.access import AccessRefused, Keeper, Member, Role, Visit, parse_rules, settings_of
from fitloom_core.globus_directory import GlobusDirectory, Login

Text = Annotated[str, Query(max_length=2048)]
_LOGIN_ANSWERS: dict[int | str, dict[str, str]] = {
    400: {"description": "this browser began no such login"},
    401: {"description": "the login failed at Globus"},
    403: {"description": "no member, or consent was not given"},
    503: {"description": "Globus cannot be asked now"},
}


class GroupGate:
    """Lets members in: by their session, or by the Globus token that they send."""

    login: str | None = "login"

    def __init__(self, keeper: Keeper, directory: GlobusDirectory) -> None:
        self._keeper = keeper
        self._directory = directory
        self._sessions = Sessions()

    def visitor(self, request: Request) -> Visitor:
        """The member behind a request.

        Raises:
            AccessRefused: 401, 403 or 503.
        """
        header = request.headers.get("authorization")
        session = self._sessions.of(request) if header is None else None
        if session is None:
            member = self._keeper.check_bearer(header, _need(request), _visit(request))
            return Visitor(member.name, member.may_fit)
        member = self._admit(session.login, request, _need(request))
        return Visitor(member.name, member.may_fit, session.token)

    def router(self) -> APIRouter:
        """Login, its way back, logout."""
        router = APIRouter(tags=["login"])
        router.add_api_route("/login", self._begin, status_code=303, response_class=RedirectResponse)
        answers, page = _LOGIN_ANSWERS, HTMLResponse
        router.add_api_route("/login/callback", self._callback, responses=answers, response_class=page)
        router.add_api_route("/logout", self._end, response_class=page)
        return router

    def _begin(self, request: Request) -> Response:
        """Go to Globus to log in."""
        state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
        digest = hashlib.sha256(verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        response = RedirectResponse(self._directory.authorize_url(_way_back(request), state, challenge), 303)
        self._sessions.remember_login(request, response, state, verifier)
        return response

    def _callback(self, request: Request, code: Text = "", state: Text = "", error: Text = "") -> Response:
        """Come back from Globus: a session, or the reason why there is none."""
        response: Response = RedirectResponse(str(request.base_url), 303)
        verifier = self._sessions.recall_login(request, response, state)
        if verifier is None:
            return _say(400, "This browser began no login here, or took longer than ten minutes.", request)
        if error or not code:
            return _say(403, f"Globus did not log you in ({error or 'no code'}).", request)
        try:
            login = self._directory.exchange(code, _way_back(request), verifier)
        except AccessRefused as refusal:
            return _say(refusal.status, refusal.message, request)
        try:
            self._admit(login, request)
        except AccessRefused as refusal:
            self._directory.revoke(login.groups_token)
            return _say(refusal.status, refusal.message, request)
        self._sessions.begin(login, request, response)
        return response

    def _end(self, request: Request) -> Response:
        """Log out here, and have Globus end the token. A foreign page cannot: the cookie is same-site."""
        response = _say(200, "You are logged out.", request)
        session = self._sessions.end(request, response)
        if session is not None:
            self._keeper.forget(session.login.groups_token)
            self._directory.revoke(session.login.groups_token)
        return response

    def _admit(self, login: Login, request: Request, need: Role = "view") -> Member:
        return self._keeper.check_session(login.person, login.groups_token, need, _visit(request))


def open_gate(groups: Sequence[str]) -> GroupGate:
    """The gate of these groups (``UUID``, ``UUID:view``, ``UUID:fit``).

    Raises:
        InputError: a group that cannot be read, or no Globus client of this server's own.
    """
    rules = parse_rules(groups)
    directory = GlobusDirectory(*settings_of(os.environ))
    return GroupGate(Keeper(rules, directory), directory)


def _way_back(request: Request) -> str:
    """The redirect URI; it must be registered with the server's client at Globus."""
    return f"{str(request.base_url).rstrip('/')}/login/callback"


def _need(request: Request) -> Role:
    """What a request takes: to ask a campaign's driver for something, the role that may fit."""
    return "fit" if request.method == "POST" and request.url.path.endswith("/requests") else "view"


def _visit(request: Request) -> Visit:
    return Visit(request.method, request.url.path, request.client.host if request.client else "")


def _say(status: int, sentence: str, request: Request) -> HTMLResponse:
    """A page of one sentence, in the page's own style."""
    page = html.escape(str(request.base_url), quote=True)
    head = f'<meta charset="utf-8"><title>fitloom</title><link rel="stylesheet" href="{page}static/style.css">'
    said = f'<p>{html.escape(sentence)}</p><p><a class="action" href="{page}">Go to the page</a></p>'
    return HTMLResponse(f'<!doctype html><html lang="en">{head}<div class="gate">{said}</div></html>', status)
