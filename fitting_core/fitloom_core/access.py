"""Who may see and who may fit: members of Globus groups; decided, remembered a minute, written down.

::

    request ── bearer token or session ──> Keeper ── not remembered ──> Globus Auth and Groups
                                             │
                                             └── Member, or AccessRefused: 401, 403, 503

What is remembered is kept by the sha256 of the token and never past the token's end. When Globus
cannot be asked the answer is 503: never yes. Every decision is one line of the log ``fitloom.audit``.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from fitloom_core.errors import AuthError, InputError

Role = Literal["view", "fit"]

REMEMBER_SECONDS = 60.0
"""How long a membership is believed without asking again."""
REMEMBER_REFUSAL_SECONDS = 10.0
"""How long a refusal is: short, so that who was just added to a group need not wait."""
_REMEMBERED = 4096
_STRIPES = 32
_TOKEN = re.compile(r"^[A-Za-z0-9._~+/-]{1,4096}=*$")
_audit_log = logging.getLogger("fitloom.audit")
_audit_log.setLevel(logging.INFO)  # whatever the level of everything else


@dataclass(frozen=True)
class Rule:
    """A group whose members may see, or see and fit."""

    group: str
    role: Role


@dataclass(frozen=True)
class Person:
    """Somebody that Globus Auth knows, and the groups they are active in."""

    identity: str
    name: str
    groups: frozenset[str]
    expires: float
    """When the token, and all that follows from it, ends (seconds since 1970)."""


@dataclass(frozen=True)
class Member:
    """A person whom the rules let in."""

    identity: str
    name: str
    may_fit: bool
    expires: float


@dataclass(frozen=True)
class Visit:
    """What is asked for and from where, for the log."""

    method: str
    path: str
    client: str


class AccessRefused(AuthError):
    """No entry: 401 (who are you), 403 (not you), 503 (cannot be decided now)."""

    def __init__(self, status: int, reason: str, message: str, required_scopes: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.required_scopes = tuple(required_scopes)
        self.scope = ""
        """The scope that a token must carry here."""

    def document(self) -> dict[str, Any]:
        """The body of the answer; for a missing consent one that the SDK of Globus understands and acts on."""
        body: dict[str, Any] = {"code": self.reason, "detail": self.message}
        if self.required_scopes:
            parameters = {"session_message": self.message, "required_scopes": list(self.required_scopes)}
            body["authorization_parameters"] = parameters
        return body

    def headers(self) -> dict[str, str]:
        """The headers of the answer; a 401 says which token is wanted."""
        if self.status == 401:
            return {"WWW-Authenticate": f'Bearer scope="{self.scope}"' if self.scope else "Bearer"}
        return {"Retry-After": "10"} if self.status == 503 else {}


class Directory(Protocol):
    """Who is behind a token. `fitloom_core.globus_directory` asks Globus."""

    scope: str
    """The scope that a token must carry."""

    def person(self, token: str) -> Person:
        """Who a bearer token was given to.

        Raises:
            AccessRefused: it is no good here, consent is missing, or Globus cannot be asked.
        """

    def person_again(self, person: Person, groups_token: str) -> Person:
        """The same person with the groups of now.

        Raises:
            AccessRefused: the token has ended, or Globus cannot be asked.
        """


def parse_rules(texts: Iterable[str], plain: Role = "view") -> tuple[Rule, ...]:
    """The rules of ``--group UUID``, ``UUID:view`` and ``UUID:fit``; ``plain`` is what a bare UUID grants.

    Raises:
        InputError: no UUID, or no such role.
    """
    return tuple(_parse_rule(text, plain) for text in texts)


def _parse_rule(text: str, plain: Role) -> Rule:
    group, _, role = text.partition(":")
    try:
        known = str(uuid.UUID(group))
    except ValueError:
        raise InputError(f"--group {text!r}: {group!r} is no group's UUID; see app.globus.org/groups") from None
    match role or plain:
        case "view":
            return Rule(known, "view")
        case "fit":
            return Rule(known, "fit")
    raise InputError(f"--group {text!r}: there is no role {role!r}; write {known}, {known}:view or {known}:fit")


class Keeper:
    """Lets members of the groups in. Safe to use from many threads."""

    def __init__(self, rules: Sequence[Rule], directory: Directory, *, clock: Callable[[], float] = time.time) -> None:
        if not rules:
            raise InputError("a gate without a group lets nobody in; give --group")
        self._rules = tuple(rules)
        self._directory = directory
        self._clock = clock
        self._remembered: OrderedDict[str, tuple[float, Person | AccessRefused]] = OrderedDict()
        self._lock = threading.Lock()
        self._stripes = [threading.Lock() for _ in range(_STRIPES)]

    @property
    def scope(self) -> str:
        """The scope that bearer tokens must carry."""
        return self._directory.scope

    def check_bearer(self, authorization: str | None, need: Role, visit: Visit) -> Member:
        """The member who sent an ``Authorization: Bearer …`` header.

        Raises:
            AccessRefused: nobody we know, no member, or not decidable now.
        """
        with _Audited(visit, need, self.scope) as audit:
            token = _bearer(authorization)
            audit.key = fingerprint(token)
            return audit.allow(self._admit(audit.key, need, lambda: self._directory.person(token)))

    def check_session(self, person: Person, groups_token: str, need: Role, visit: Visit) -> Member:
        """The member who logged in on the page, with the groups of now.

        Raises:
            AccessRefused: no member any more, the login has ended, or not decidable now.
        """
        with _Audited(visit, need, self.scope) as audit:
            audit.key = fingerprint(groups_token)
            if person.expires <= self._clock():
                raise AccessRefused(401, "expired", "your login has ended; log in again")
            ask = lambda: self._directory.person_again(person, groups_token)  # noqa: E731
            return audit.allow(self._admit(audit.key, need, ask))

    def forget(self, token: str) -> None:
        """Remember a token no more (after a logout)."""
        with self._lock:
            self._remembered.pop(fingerprint(token), None)

    def _admit(self, key: str, need: Role, ask: Callable[[], Person]) -> Member:
        person = self._known(key, ask)
        roles = {rule.role for rule in self._rules if rule.group in person.groups}
        if not roles:
            raise AccessRefused(403, "not_a_member", f"{person.name} is in none of the groups that may enter here")
        if need == "fit" and "fit" not in roles:
            raise AccessRefused(403, "may_not_fit", f"{person.name} may look, but is in no group that may fit")
        return Member(person.identity, person.name, "fit" in roles, person.expires)

    def _known(self, key: str, ask: Callable[[], Person]) -> Person:
        """What is remembered of a token, or what Globus says; one question at a time for one token."""
        with self._stripes[int(key[:8], 16) % _STRIPES]:
            answer = self._recall(key)
            if answer is None:
                try:
                    answer = ask()
                except AccessRefused as refusal:
                    if refusal.status != 503:
                        self._remember(key, refusal, self._clock() + REMEMBER_REFUSAL_SECONDS)
                    raise
                known = any(rule.group in answer.groups for rule in self._rules)
                seconds = REMEMBER_SECONDS if known else REMEMBER_REFUSAL_SECONDS
                self._remember(key, answer, min(self._clock() + seconds, answer.expires))
        if isinstance(answer, AccessRefused):
            raise answer.with_traceback(None)
        return answer

    def _recall(self, key: str) -> Person | AccessRefused | None:
        with self._lock:
            until, answer = self._remembered.get(key, (0.0, None))
            return answer if self._clock() < until else None

    def _remember(self, key: str, answer: Person | AccessRefused, until: float) -> None:
        with self._lock:
            self._remembered[key] = (until, answer)
            self._remembered.move_to_end(key)
            if len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)


class _Audited:
    """One decision: a line in the log, whichever way it goes."""

    def __init__(self, visit: Visit, need: Role, scope: str) -> None:
        self.key = ""
        self._scope = scope
        self._line: dict[str, Any] = {
            "event": "access",
            "need": need,
            "method": visit.method,
            "path": visit.path[:200],
            "client": visit.client,
        }

    def allow(self, member: Member) -> Member:
        self._line |= {"name": member.name, "identity": member.identity, "may_fit": member.may_fit}
        return member

    def __enter__(self) -> _Audited:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._line["token"] = self.key[:12]
        self._line["decision"] = "allow" if error is None else "error"
        if isinstance(error, AccessRefused):
            error.scope = self._scope
            self._line |= {"decision": "deny", "status": error.status, "reason": error.reason}
        _audit_log.info("%s", json.dumps(self._line))


def fingerprint(token: str) -> str:
    """The sha256 of a token: what is remembered and logged in its place."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _bearer(authorization: str | None) -> str:
    if not authorization:
        raise AccessRefused(401, "no_token", "log in, or send a Globus token as Authorization: Bearer …")
    kind, _, token = authorization.partition(" ")
    if kind.lower() != "bearer" or not _TOKEN.match(token):
        raise AccessRefused(401, "bad_token", "the Authorization header holds no bearer token")
    return token


def settings_of(environment: Mapping[str, str]) -> tuple[str, str]:
    """The server's own client at Globus Auth, from FITLOOM_GATE_CLIENT_ID and FITLOOM_GATE_CLIENT_SECRET.

    Raises:
        InputError: one is missing.
    """
    found = environment.get("FITLOOM_GATE_CLIENT_ID", ""), environment.get("FITLOOM_GATE_CLIENT_SECRET", "")
    if not all(found):
        raise InputError(
            "--group needs this server's own Globus client: register one at app.globus.org/settings/developers "
            "and set FITLOOM_GATE_CLIENT_ID and FITLOOM_GATE_CLIENT_SECRET"
        )
    return found


def open_keeper(groups: Iterable[str], environment: Mapping[str, str], plain: Role = "view") -> Keeper:
    """The keeper of ``--group …``, asking Globus as the client that the environment names.

    Raises:
        InputError: a group that cannot be read, or no client.
        MissingExtra: globus-sdk is not installed.
    """
    rules = parse_rules(groups, plain)
    client_id, secret = settings_of(environment)
    from fitloom_core.globus_directory import open_directory

    return Keeper(rules, open_directory(client_id, secret))
