"""Logging in with Globus: login, logout, whoami, and the token for a server that checks groups.

People log in through a browser (`globus_sdk.UserApp`); services have a secret (`globus_sdk.ClientApp`).
Tokens are kept and refreshed by globus-sdk, in the user's ``~/.globus/app``, readable by nobody else.

The client's id comes from FITLOOM_CLIENT_ID; with FITLOOM_CLIENT_SECRET it is a service's.
"""

from __future__ import annotations

import os
import re
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fitloom_core.errors import AuthError, InputError, MissingExtra

if TYPE_CHECKING:
    from globus_sdk import GlobusApp

APP_NAME = "fitloom"
_GROUPS_SERVER = "groups.api.globus.org"
_SCOPE = re.compile(r'scope="(?P<scope>https://auth\.globus\.org/scopes/(?P<id>[0-9a-f-]{36})/[a-z_]+)"')


@dataclass(frozen=True)
class Client:
    """The Globus client that fitloom is, for people or, with a secret, for a service."""

    id: str
    secret: str | None = field(default=None, repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Client:
        """FITLOOM_CLIENT_ID and, for a service, FITLOOM_CLIENT_SECRET.

        Raises:
            InputError: no id, or one that is no UUID.
        """
        given = environment.get("FITLOOM_CLIENT_ID", "")
        if not given:
            raise InputError(
                "FITLOOM_CLIENT_ID is not set: give it the id of your site's fitloom client at Globus, or register a "
                "native app at app.globus.org/settings/developers (one minute; the how-to on groups shows it)"
            )
        with suppress(ValueError):
            return cls(str(uuid.UUID(given)), environment.get("FITLOOM_CLIENT_SECRET") or None)
        raise InputError(f"FITLOOM_CLIENT_ID is {given!r}, which is no UUID")


@dataclass(frozen=True)
class Server:
    """A fitloom dashboard or endpoint that checks groups: its client at Globus and the scope it wants."""

    client_id: str
    scope: str


@dataclass(frozen=True)
class Group:
    """A group that somebody is an active member of."""

    id: str
    name: str
    role: str


@dataclass(frozen=True)
class Identity:
    """Who is logged in."""

    username: str
    id: str
    groups: tuple[Group, ...]


def find_server(address: str) -> Server:
    """The server at a URL, from how it refuses a request without token; or by its client id.

    Raises:
        InputError: not there, or no server that checks groups.
    """
    with suppress(ValueError):
        known = str(uuid.UUID(address))
        return Server(known, f"https://auth.globus.org/scopes/{known}/fit")
    if not address.startswith(("http://", "https://")):
        raise InputError(f"{address!r} is neither a server's address (https://…) nor its client id")
    match = _SCOPE.search(_challenge(address))
    if match is None:
        raise InputError(f"{address} asks for no Globus login; no token is needed there, or it wants one of its own")
    return Server(match["id"], match["scope"])


def login(
    servers: Sequence[Server] = (), *, browser: bool = True, force: bool = False, client: Client | None = None
) -> Identity:
    """Log in, unless that was done before; agree to what the servers need.

    Args:
        servers: Servers to get tokens for, beside what `whoami` needs.
        browser: Open a browser here; otherwise print an address and ask for the code that it shows.
        force: Log in again, for instance as somebody else.
        client: Instead of the environment's.

    Raises:
        AuthError: the login was not completed.
    """
    with _app(client or Client.from_environment(), servers, browser=browser) as app:
        if force:
            app.logout(sweep=True)
        app.login(force=force)
        return _identity(app)


def logout(client: Client | None = None) -> None:
    """Have Globus end all of our tokens, and forget them."""
    with _app(client or Client.from_environment()) as app:
        app.logout(sweep=True)


def whoami(client: Client | None = None) -> Identity:
    """Who is logged in, and in which groups they are active.

    Raises:
        AuthError: nobody is logged in, or the login has ended.
    """
    with _app(client or Client.from_environment()) as app:
        return _identity(app)


def authorization(server: Server, client: Client | None = None) -> str:
    """The ``Authorization`` header for a server, refreshed if need be.

    Raises:
        AuthError: not logged in for this server.
    """
    with _app(client or Client.from_environment(), [server]) as app:
        header = app.get_authorizer(server.client_id).get_authorization_header()
    if header is None:
        raise AuthError("no token for this server; run `fitloom login`")
    return header


@contextmanager
def _app(client: Client, servers: Sequence[Server] = (), *, browser: bool | None = None) -> Iterator[GlobusApp]:
    """The app of globus-sdk; what goes wrong with it is an `AuthError` that says what to do.

    ``browser`` None means that nobody is there to log in.
    """
    sdk = _sdk()
    from globus_sdk.scopes import GroupsScopes

    scopes: dict[str, Any] = {
        "auth.globus.org": ["openid", "profile"],
        _GROUPS_SERVER: [GroupsScopes.view_my_groups_and_memberships],
        **{server.client_id: [server.scope] for server in servers},
    }
    config = sdk.GlobusAppConfig(
        request_refresh_tokens=client.secret is None,
        token_validation_error_handler=None,
        login_flow_manager=None if client.secret else _flow(bool(browser)),
    )
    make: Callable[..., GlobusApp] = sdk.ClientApp if client.secret else sdk.UserApp
    more = {"client_secret": client.secret} if client.secret else {}
    with _clearly(), make(APP_NAME, client_id=client.id, scope_requirements=scopes, config=config, **more) as app:
        if client.secret:
            app.login()  # a service has nobody to ask
        yield app


def _flow(browser: bool) -> Any:
    from globus_sdk.login_flows import CommandLineLoginFlowManager, LocalServerLoginFlowManager

    return LocalServerLoginFlowManager if browser and not _is_remote() else CommandLineLoginFlowManager


def _is_remote() -> bool:
    """Whether a browser would not open on the screen before which the user sits."""
    screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or sys.platform in ("win32", "darwin")
    return "SSH_CONNECTION" in os.environ or not screen


def _identity(app: GlobusApp) -> Identity:
    sdk = _sdk()
    # With app=app this client would want the e-mail address as well, which is none of our business.
    with sdk.AuthClient(authorizer=app.get_authorizer("auth.globus.org")) as auth:
        info = auth.userinfo()
    with sdk.GroupsClient(app=app) as client:
        groups = sorted(_groups(client.get_my_groups(statuses="active")), key=_by_name)
    return Identity(str(info["preferred_username"]), str(info["sub"]), tuple(groups))


def _groups(memberships: Any) -> Iterator[Group]:
    for group in memberships:
        roles = [one["role"] for one in group["my_memberships"] if one["status"] == "active"]
        if roles:
            yield Group(str(group["id"]), str(group["name"]), max(roles, key=["member", "manager", "admin"].index))


def _by_name(group: Group) -> tuple[str, str]:
    return group.name.lower(), group.id


@contextmanager
def _clearly() -> Iterator[None]:
    """Errors of globus-sdk as sentences: what happened, and what to do."""
    sdk = _sdk()
    from globus_sdk.gare import to_gare
    from globus_sdk.login_flows import CommandLineLoginFlowEOFError, LocalServerLoginError
    from globus_sdk.token_storage.validating_token_storage import (
        ExpiredTokenError,
        MissingTokenError,
        UnmetScopeRequirementsError,
    )

    try:
        yield
    except (MissingTokenError, UnmetScopeRequirementsError) as error:
        missing = "you are not logged in" if isinstance(error, MissingTokenError) else "your login lacks a consent"
        raise AuthError(f"{missing}; run `fitloom login` (for a server: `fitloom login --for ADDRESS`)") from None
    except ExpiredTokenError as error:
        raise AuthError(f"your login expired on {error.expiration:%Y-%m-%d %H:%M}; run `fitloom login`") from None
    except (CommandLineLoginFlowEOFError, LocalServerLoginError) as error:
        raise AuthError(f"the login was not completed: {error}; try `fitloom login --no-browser`") from None
    except sdk.GlobusAPIError as error:
        gare = to_gare(error)
        if gare is not None:
            scopes = ", ".join(gare.authorization_parameters.required_scopes or ["more"])
            raise AuthError(f"Globus wants your consent to {scopes}; run `fitloom login --force`") from None
        raise AuthError(_refusal(error)) from None
    except sdk.NetworkError as error:
        raise AuthError(f"Globus cannot be reached ({type(error).__name__}); check the network") from None
    except sdk.GlobusError as error:
        raise AuthError(f"Globus login: {error}") from None


def _refusal(error: Any) -> str:
    if error.http_status in (400, 401) and "invalid_client" in str(error.text):
        return "Globus does not know this client; check FITLOOM_CLIENT_ID and FITLOOM_CLIENT_SECRET"
    if error.http_status in (400, 401, 403):
        return "your login has expired or was revoked; run `fitloom login --force`"
    return f"Globus answered {error.http_status}; try again later"


def _challenge(address: str) -> str:
    """What a server says that it wants from who sends no token."""
    import requests

    from fitloom.transfer import user_agent

    for path in ("/api/session", "/v1/version"):
        try:
            answer = requests.get(address.rstrip("/") + path, headers={"User-Agent": user_agent()}, timeout=15)
        except requests.RequestException as error:
            raise InputError(f"{address} cannot be reached ({type(error).__name__})") from None
        if answer.status_code == requests.codes.unauthorized:
            return answer.headers.get("WWW-Authenticate", "")
    return ""


def _sdk() -> Any:
    try:
        import globus_sdk
    except ImportError:
        raise MissingExtra("logging in needs globus-sdk: pip install 'fitloom[globus]'") from None
    return globus_sdk
