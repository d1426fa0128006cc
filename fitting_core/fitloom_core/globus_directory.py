"""Who is behind a token, as Globus Auth and Globus Groups say.

A bearer token is introspected (active, in time, meant for us, with our scope), exchanged for a
dependent token for Groups, and that asked for the groups in which the person is active. The page's
login goes by authorization code with PKCE. Needs globus-sdk.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from fitloom_core.access import AccessRefused, Person
from fitloom_core.errors import MissingExtra

try:
    import globus_sdk
    from globus_sdk.gare import to_gare
    from globus_sdk.scopes import GroupsScopes, Scope
    from globus_sdk.transport import RequestsTransport, RetryConfig
except ImportError:
    raise MissingExtra("checking groups needs globus-sdk: pip install 'fitloom[globus]'") from None

GROUPS_SERVER = "groups.api.globus.org"
GROUPS_SCOPE = str(GroupsScopes.view_my_groups_and_memberships)
_ROLES = frozenset({"member", "manager", "admin"})
_log = logging.getLogger("fitloom.access")


@dataclass(frozen=True)
class Login:
    """What a login on the page gave: who, and the token that tells their groups."""

    person: Person
    groups_token: str


def open_directory(client_id: str, client_secret: str) -> GlobusDirectory:
    """Globus, asked as the client of this server."""
    return GlobusDirectory(client_id, client_secret)


class GlobusDirectory:
    """Globus Auth and Groups. Safe to use from many threads: each has clients of its own."""

    def __init__(self, client_id: str, client_secret: str, *, scope: str | None = None, timeout: float = 10.0) -> None:
        self.client_id = client_id
        self.scope = scope or f"https://auth.globus.org/scopes/{client_id}/fit"
        self._secret = client_secret
        self._timeout = timeout
        self._mine = threading.local()

    def person(self, token: str) -> Person:
        """Who a bearer token was given to, with their groups."""
        claims = self._introspect(token)
        groups_token = self._dependent_token(token)
        return _person(claims, self._groups(groups_token), _identities(claims))

    def person_again(self, person: Person, groups_token: str) -> Person:
        """The same person with the groups of now."""
        return replace(person, groups=_active(self._groups(groups_token), None))

    def authorize_url(self, redirect_uri: str, state: str, challenge: str) -> str:
        """Where a browser logs in; ``challenge`` is the S256 of a verifier that only we know."""
        client = self._auth
        client.oauth2_start_flow(redirect_uri, ["openid", "profile", GROUPS_SCOPE], state=state)
        pkce = {"code_challenge": challenge, "code_challenge_method": "S256"}
        return client.oauth2_get_authorize_url(query_params=pkce)

    def exchange(self, code: str, redirect_uri: str, verifier: str) -> Login:
        """Who logged in, from the code that the browser came back with.

        Raises:
            AccessRefused: the code is no good, consent is missing, or Globus cannot be asked.
        """
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        with _answers({400, 401, 403}, 401, "login_failed", "the login failed at Globus; try again"):
            tokens = self._auth.oauth2_token(form | {"code_verifier": verifier}).by_resource_server
            ours = tokens["auth.globus.org"]["access_token"]
            info = self._userinfo(ours).data
        self.revoke(ours)
        if GROUPS_SERVER not in tokens:
            raise self._consent_required()
        token, expires = tokens[GROUPS_SERVER]["access_token"], tokens[GROUPS_SERVER]["expires_at_seconds"]
        claims = {**info, "username": info.get("preferred_username"), "exp": expires}
        return Login(_person(claims, self._groups(token), None), token)

    def revoke(self, token: str) -> None:
        """Have Globus end a token; a failure is logged, for the token ends by itself."""
        try:
            self._auth.oauth2_revoke_token(token)
        except globus_sdk.GlobusError as error:
            _log.warning("a token could not be revoked: %s", type(error).__name__)

    @property
    def _auth(self) -> globus_sdk.ConfidentialAppAuthClient:
        if not hasattr(self._mine, "auth"):
            self._mine.auth = globus_sdk.ConfidentialAppAuthClient(self.client_id, self._secret, **self._manners())
        client: globus_sdk.ConfidentialAppAuthClient = self._mine.auth
        return client

    def _manners(self) -> dict[str, Any]:
        """Wait a little and try once more: somebody waits for the answer."""
        transport = RequestsTransport(http_timeout=self._timeout)
        return {"transport": transport, "retry_config": RetryConfig(max_retries=1, max_sleep=1)}

    def _introspect(self, token: str) -> Mapping[str, Any]:
        with _answers({400, 401, 403}, 503, "misconfigured", "this server may not ask Globus Auth; tell who runs it"):
            claims = self._auth.oauth2_token_introspect(token, include="identity_set,session_info").data
        now = time.time()
        in_time = _number(claims.get("nbf")) <= now + 60 and now < _number(claims.get("exp"))
        if not (claims.get("active") and claims.get("sub") and in_time):
            raise AccessRefused(401, "bad_token", "the token is not valid, or has expired; log in again")
        if self.client_id not in _strings(claims.get("aud")):
            raise AccessRefused(401, "wrong_audience", "the token is meant for another service")
        if self.scope not in str(claims.get("scope", "")).split():
            raise AccessRefused(
                403, "ConsentRequired", f"the token lacks the scope {self.scope}: log in again", [self.scope]
            )
        return claims  # type: ignore[no-any-return]

    def _dependent_token(self, token: str) -> str:
        try:
            with _answers({400, 401, 403}, 401, "bad_token", "the token is no longer valid; log in again"):
                granted = self._auth.oauth2_get_dependent_tokens(token, scope=GROUPS_SCOPE)
        except AccessRefused as refusal:
            if refusal.__cause__ is None or to_gare(refusal.__cause__) is None:  # type: ignore[arg-type]
                raise
            raise self._consent_required() from None
        try:
            return str(granted.by_resource_server[GROUPS_SERVER]["access_token"])
        except KeyError:
            raise self._consent_required() from None

    def _consent_required(self) -> AccessRefused:
        wanted = str(Scope(self.scope).with_dependency(Scope(GROUPS_SCOPE)))
        message = "you have not yet agreed that this service may see your groups: log in again and agree"
        return AccessRefused(403, "ConsentRequired", message, [wanted])

    def _groups(self, token: str) -> list[Mapping[str, Any]]:
        authorizer = globus_sdk.AccessTokenAuthorizer(token)
        with (
            globus_sdk.GroupsClient(authorizer=authorizer, **self._manners()) as groups,
            _answers({401, 403}, 401, "expired", "your login has ended; log in again"),
        ):
            return list(groups.get_my_groups(statuses="active"))

    def _userinfo(self, token: str) -> globus_sdk.GlobusHTTPResponse:
        authorizer = globus_sdk.AccessTokenAuthorizer(token)
        with globus_sdk.AuthClient(authorizer=authorizer, **self._manners()) as auth:
            return auth.userinfo()


@contextmanager
def _answers(statuses: set[int], status: int, reason: str, message: str) -> Iterator[None]:
    """Turn what Globus answers into a refusal; what is no answer at all is 503."""
    try:
        yield
    except globus_sdk.GlobusAPIError as error:
        if error.http_status in statuses:
            if status == 503:
                _log.error("Globus Auth refuses this server's client: %s %s", error.http_status, error.code)
            raise AccessRefused(status, reason, message) from error
        raise _unavailable() from error
    except (globus_sdk.GlobusError, ValueError, KeyError, TypeError, AttributeError) as error:
        _log.warning("Globus cannot be asked: %s", type(error).__name__)
        raise _unavailable() from error


def _unavailable() -> AccessRefused:
    return AccessRefused(503, "unavailable", "Globus cannot be asked who you are; try again in a moment")


def _person(claims: Mapping[str, Any], groups: Iterable[Mapping[str, Any]], identities: set[str] | None) -> Person:
    identity = str(claims["sub"])
    name = str(claims.get("username") or identity)
    return Person(identity, name, _active(groups, identities), float(claims["exp"]))


def _identities(claims: Mapping[str, Any]) -> set[str]:
    """The identity that a token was given to, and those linked to it."""
    return {str(claims["sub"]), *_strings(claims.get("identity_set"))}


def _active(groups: Iterable[Mapping[str, Any]], identities: set[str] | None) -> frozenset[str]:
    """The groups in which one of the identities (None: any) is an active member."""

    def counts(membership: Mapping[str, Any]) -> bool:
        ours = identities is None or str(membership.get("identity_id")) in identities
        return ours and membership.get("status") == "active" and membership.get("role") in _ROLES

    return frozenset(str(group["id"]) for group in groups if any(map(counts, group.get("my_memberships") or [])))


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _strings(value: object) -> list[str]:
    return [value] if isinstance(value, str) else [str(one) for one in value] if isinstance(value, list) else []
