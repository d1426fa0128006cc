"""Globus Auth and Globus Groups on this machine: their routes and shapes, for the real globus-sdk.

Use::

    with GlobusAuth() as globus:
        globus.people["ada"] = Someone("ada@example.org", groups={GROUP: "member"})
        token = globus.issue("ada", scope=…)

Shapes are those of the SDK's own test data and of docs.globus.org. What a test may break is a field:
`down`, `refuse_us`, `consents`, `slow`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

Json = dict[str, Any]

GROUPS_SCOPE = "urn:globus:auth:scope:groups.api.globus.org:view_my_groups_and_memberships"
SERVER = "5e51dc0d-0000-4000-8000-00000000f17a"
"""The client id of the server under test."""
SERVER_SECRET = "the-server-s-secret"
NATIVE = "9a7172e0-0000-4000-8000-00000000c11e"
"""The client id of the command line."""
SERVICE = "5e7f1ce0-0000-4000-8000-00000000b075"
SERVICE_SECRET = "the-service-s-secret"
SCOPE = f"https://auth.globus.org/scopes/{SERVER}/fit"
READERS = "11111111-aaaa-4bbb-8ccc-000000000001"
FITTERS = "22222222-aaaa-4bbb-8ccc-000000000002"
_SECRETS = {SERVER: SERVER_SECRET, SERVICE: SERVICE_SECRET}


@dataclass
class Someone:
    """A person: linked identities, and groups with role and status."""

    username: str
    groups: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Group to (role, status)."""
    identity: str = field(default_factory=lambda: str(uuid.uuid4()))
    linked: list[str] = field(default_factory=list)
    consents: bool = True
    """Whether they agreed that the server sees their groups."""


@dataclass
class Issued:
    """A token and what it is good for."""

    who: str
    scope: str
    audience: list[str]
    expires: float
    active: bool = True
    client: str = NATIVE


class GlobusAuth:
    """The stand-in, on a free port of the loopback interface."""

    def __init__(self) -> None:
        self.people: dict[str, Someone] = {}
        self.tokens: dict[str, Issued] = {}
        self.refresh: dict[str, tuple[str, list[str]]] = {}
        self.codes: dict[str, Json] = {}
        self.names: dict[str, str] = {READERS: "Readers of the grid", FITTERS: "Fitters"}
        self.logged_in = ""
        """Who sits at the browser that goes to the login page."""
        self.down = 0
        """Answer this many requests (negative: all) with 503."""
        self.refuse_us = False
        """Answer the server's own client with 401."""
        self.token_seconds = 3600
        self.seen: Counter[str] = Counter()
        self.url = ""
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._server = uvicorn.Server(
            uvicorn.Config(_routes(self), port=0, log_level="warning", ws="none", lifespan="off")
        )
        self._thread = threading.Thread(target=self._server.run, name="globus-auth", daemon=True)
        self._before: dict[str, str | None] = {}

    def __enter__(self) -> GlobusAuth:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        for name, value in self.environment().items():
            self._before[name] = os.environ.get(name)
            os.environ[name] = value
        return self

    def __exit__(self, *_: object) -> None:
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._server.should_exit = True
        self._thread.join(10)

    def environment(self) -> dict[str, str]:
        """What sends the SDK here."""
        return {"GLOBUS_SDK_SERVICE_URL_AUTH": f"{self.url}/", "GLOBUS_SDK_SERVICE_URL_GROUPS": f"{self.url}/"}

    def issue(self, who: str, scope: str = SCOPE, audience: str = SERVER, seconds: float | None = None) -> str:
        """A token, as a login would give it."""
        token = "Ag" + secrets.token_urlsafe(40)
        expires = time.time() + (self.token_seconds if seconds is None else seconds)
        self.tokens[token] = Issued(who, scope, [audience, "auth.globus.org"], expires)
        return token

    def visit(self, url: str, who: str) -> str:
        """Log in at an authorize URL as somebody; the address that the browser is sent to."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        return self.authorize(query, who)

    def authorize(self, query: Json, who: str) -> str:
        """The redirect after a login: a code, or what was wrong."""
        code = secrets.token_urlsafe(20)
        self.codes[code] = {**query, "who": who}
        back = {"code": code, "state": query.get("state", "")}
        return f"{query['redirect_uri']}?{urlencode(back)}"

    def grant(self, who: str, client: str, scopes: list[str], *, refresh: bool) -> Json:
        """A token response: one token for each resource server."""
        granted = [self._token(who, client, server, ours, refresh) for server, ours in _by_server(scopes).items()]
        first, *others = granted
        answer = {**first, "other_tokens": others, "state": "_default"}
        if "openid" in scopes:
            answer["id_token"] = self._id_token(who, client)
        return answer

    def _token(self, who: str, client: str, server: str, scopes: list[str], refresh: bool) -> Json:
        token = self.issue(who, " ".join(scopes), server)
        self.tokens[token].client = client
        answer = {
            "access_token": token,
            "scope": " ".join(scopes),
            "resource_server": server,
            "expires_in": int(self.token_seconds),
            "token_type": "Bearer",
        }
        if refresh:
            answer["refresh_token"] = "Re" + secrets.token_urlsafe(40)
            self.refresh[answer["refresh_token"]] = (who, scopes)
        return answer

    def _id_token(self, who: str, client: str) -> str:
        person, now = self.people[who], int(time.time())
        claims = {"sub": person.identity, "iss": self.url, "aud": client, "iat": now, "exp": now + 600, "at_hash": "x"}
        claims |= {"preferred_username": person.username}
        return jwt.encode(claims, self._key, algorithm="RS512")

    def jwk(self) -> Json:
        """The public key that signs id tokens."""
        numbers = self._key.public_key().public_numbers()

        def text(number: int) -> str:
            raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
            return base64.urlsafe_b64encode(raw).decode().rstrip("=")

        return {"kty": "RSA", "alg": "RS512", "use": "sig", "n": text(numbers.n), "e": text(numbers.e)}


def _by_server(scopes: list[str]) -> dict[str, list[str]]:
    granted: dict[str, list[str]] = {}
    for scope in scopes:
        if scope == GROUPS_SCOPE:
            server = "groups.api.globus.org"
        elif scope.startswith("https://auth.globus.org/scopes/"):
            server = scope.split("/")[4]
        else:
            server = "auth.globus.org"
        granted.setdefault(server, []).append(scope.partition("[")[0])
    return granted


def _routes(globus: GlobusAuth) -> FastAPI:
    app = FastAPI(openapi_url=None)

    @app.middleware("http")
    async def trouble(request: Request, go_on: Callable[[Request], Any]) -> Response:
        globus.seen[request.url.path] += 1
        if globus.down:
            globus.down -= 1
            return _error(503, "SERVICE_UNAVAILABLE")
        answer: Response = await go_on(request)
        return answer

    @app.get("/.well-known/openid-configuration")
    def configuration() -> Json:
        jwks = f"{globus.url}/jwk.json"
        return {"issuer": globus.url, "jwks_uri": jwks, "id_token_signing_alg_values_supported": ["RS512"]}

    @app.get("/jwk.json")
    def keys() -> Json:
        return {"keys": [globus.jwk()]}

    @app.get("/v2/oauth2/authorize")
    def authorize(request: Request) -> Response:
        return RedirectResponse(globus.authorize(dict(request.query_params), globus.logged_in))

    @app.post("/v2/oauth2/token")
    async def token(request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        client = _client(request, form)
        if client is None or (globus.refuse_us and client == SERVER):
            return JSONResponse({"error": "invalid_client"}, 401)
        match form.get("grant_type"):
            case "authorization_code":
                return _code(globus, form, client)
            case "refresh_token":
                return _refresh(globus, form, client)
            case "client_credentials":
                globus.people.setdefault(client, Someone(f"{client}@clients.auth.globus.org", identity=client))
                return JSONResponse(globus.grant(client, client, form["scope"].split(), refresh=False))
            case "urn:globus:auth:grant_type:dependent_token":
                return _dependent(globus, form)
        return JSONResponse({"error": "unsupported_grant_type"}, 400)

    @app.post("/v2/oauth2/token/introspect")
    async def introspect(request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        if _client(request, form) != SERVER or globus.refuse_us:
            return _error(401, "UNAUTHORIZED")
        return JSONResponse(_claims(globus, form["token"]))

    @app.post("/v2/oauth2/token/revoke")
    async def revoke(request: Request) -> Json:
        gone = str((await request.form()).get("token", ""))
        globus.refresh.pop(gone, None)
        if gone in globus.tokens:
            globus.tokens[gone].active = False
        return {"active": False}

    @app.get("/v2/oauth2/userinfo")
    def userinfo(request: Request) -> Response:
        issued = _bearer(globus, request, "auth.globus.org")
        if issued is None:
            return _error(401, "UNAUTHORIZED")
        person = globus.people[issued.who]
        return JSONResponse({"sub": person.identity, "preferred_username": person.username, "name": person.username})

    @app.get("/v2/groups/my_groups")
    def my_groups(request: Request, statuses: str = "") -> Response:
        issued = _bearer(globus, request, "groups.api.globus.org")
        if issued is None:
            return _error(401, "AUTHENTICATION_ERROR")
        person = globus.people[issued.who]
        return JSONResponse(
            [
                _group(globus, person, group, role, status)
                for group, (role, status) in person.groups.items()
                if not statuses or status in statuses.split(",")
            ]
        )

    return app


def _code(globus: GlobusAuth, form: Json, client: str) -> Response:
    asked = globus.codes.pop(form.get("code", ""), None)
    if asked is None or asked["client_id"] != client or asked["redirect_uri"] != form.get("redirect_uri"):
        return JSONResponse({"error": "invalid_grant"}, 401)
    if challenge := asked.get("code_challenge"):
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).decode().rstrip("=") != challenge:
            return JSONResponse({"error": "invalid_grant", "error_description": "PKCE"}, 401)
    scopes = asked["scope"].split()
    if not globus.people[asked["who"]].consents:
        scopes = [scope for scope in scopes if scope != GROUPS_SCOPE]
    return JSONResponse(globus.grant(asked["who"], client, scopes, refresh=asked.get("access_type") == "offline"))


def _refresh(globus: GlobusAuth, form: Json, client: str) -> Response:
    known = globus.refresh.get(form.get("refresh_token", ""))
    if known is None:
        return JSONResponse({"error": "invalid_grant"}, 400)
    who, scopes = known
    answer = globus.grant(who, client, scopes, refresh=False)
    return JSONResponse(answer | {"refresh_token": form["refresh_token"]})


def _dependent(globus: GlobusAuth, form: Json) -> Response:
    issued = globus.tokens.get(form.get("token", ""))
    if issued is None or not issued.active:
        return JSONResponse({"error": "invalid_grant"}, 401)
    if not globus.people[issued.who].consents:
        unapproved = {"error": "dependent_consent_required", "errors": [{"unapproved_scopes": [GROUPS_SCOPE]}]}
        return JSONResponse(unapproved, 403)
    return JSONResponse([globus._token(issued.who, SERVER, "groups.api.globus.org", form["scope"].split(), False)])


def _claims(globus: GlobusAuth, token: str) -> Json:
    issued = globus.tokens.get(token)
    if issued is None or not issued.active or issued.expires < time.time():
        return {"active": False}
    person = globus.people[issued.who]
    return {
        "active": True,
        "token_type": "Bearer",
        "scope": issued.scope,
        "client_id": issued.client,
        "username": person.username,
        "sub": person.identity,
        "identity_set": [person.identity, *person.linked],
        "exp": int(issued.expires),
        "iat": int(time.time()) - 5,
        "nbf": int(time.time()) - 5,
        "aud": issued.audience,
        "iss": "https://auth.globus.org",
    }


def _group(globus: GlobusAuth, person: Someone, group: str, role: str, status: str) -> Json:
    owner = person.linked[0] if person.linked else person.identity
    membership = {"group_id": group, "identity_id": owner, "username": person.username, "role": role, "status": status}
    return {
        "id": group,
        "name": globus.names.get(group, group),
        "group_type": "regular",
        "my_memberships": [membership],
    }


def _bearer(globus: GlobusAuth, request: Request, audience: str) -> Issued | None:
    issued = globus.tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))
    good = issued is not None and issued.active and issued.expires > time.time() and audience in issued.audience
    return issued if good else None


def _client(request: Request, form: Json) -> str | None:
    """The client that asks: Basic authentication for those with a secret, client_id for the command line."""
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    if kind != "Basic":
        return NATIVE if form.get("client_id") == NATIVE else None
    client, _, secret = base64.b64decode(given).decode().partition(":")
    return client if _SECRETS.get(client) == secret else None


def _error(status: int, code: str) -> JSONResponse:
    detail = {"status": str(status), "code": code, "title": code, "detail": code, "id": str(uuid.uuid4())}
    return JSONResponse(json.loads(json.dumps({"errors": [detail], "error_description": code})), status)
