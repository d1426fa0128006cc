"""Who you are to Globus Compute: the login, the endpoint as the service knows it, and the registered function."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import platformdirs
from globus_compute_sdk import Client
from globus_compute_sdk.sdk.auth.globus_app import get_globus_app
from globus_sdk import ComputeClientV3, GlobusAPIError, GlobusApp, GlobusSDKUsageError, NetworkError, UserApp

from fitloom.executors.globus_troubles import judge
from fitloom_core.envelope import REMOTE_NAME, REMOTE_SOURCE, release
from fitloom_core.errors import AuthError, ExecutorError

LOGIN = "not logged in to Globus Compute: run `fitloom login --compute`, or set GLOBUS_COMPUTE_CLIENT_ID and _SECRET"
_SERVER = ComputeClientV3.scopes.resource_server


def connect() -> Client:
    """A client of the service, logged in; it never starts to ask for a login by itself.

    Raises:
        AuthError: nobody is logged in.
        ExecutorError: the service cannot be reached, or wants another version of the SDK.
    """
    try:
        app = _app()
        if isinstance(app, UserApp) and app.login_required():
            raise AuthError(LOGIN)
        return Client(authorizer=app.get_authorizer(_SERVER))
    except (GlobusSDKUsageError, ValueError) as error:
        raise AuthError(f"{LOGIN} ({error})") from None
    except (GlobusAPIError, NetworkError) as error:
        raise ExecutorError(judge(error, "").error.message) from None
    except Exception as error:
        if type(error).__name__ != "VersionMismatch":
            raise
        raise ExecutorError(
            f"Globus Compute wants another version of its SDK: {error!r}; pip install --upgrade it"
        ) from None


def login(*, force: bool = False) -> None:
    """Log in to Globus Compute, where its SDK and its endpoints look for it.

    Raises:
        AuthError: the login was not completed.
    """
    try:
        app = _app()
        if force or app.login_required():
            app.login(force=force)
    except (GlobusSDKUsageError, GlobusAPIError, NetworkError, ValueError) as error:
        raise AuthError(f"the login to Globus Compute was not completed: {error}") from None


def _app() -> GlobusApp:
    app = get_globus_app()
    app.add_scope_requirements({_SERVER: ComputeClientV3.default_scope_requirements})
    return app


def check_endpoint(client: Client, endpoint: UUID) -> int | None:
    """Make sure that an endpoint is online; the number of its workers, if it reports them.

    Raises:
        ExecutorError: it is not there, not yours to use, or offline.
    """
    status = _ask(endpoint, client.get_endpoint_status, endpoint)
    if status.get("status") != "online":
        raise ExecutorError(
            f"endpoint {endpoint} is {status.get('status', 'unknown')}; whoever runs it can start it with "
            "`globus-compute-endpoint start`"
        )
    workers = (status.get("details") or {}).get("total_workers")
    return workers if isinstance(workers, int) and workers > 0 else None


def find_function(client: Client, endpoint: UUID) -> str:
    """The id of fitloom's function: the one that an endpoint allows, or one of yours, registered once a release.

    Raises:
        ExecutorError: the endpoint allows functions, but none of fitloom.
    """
    allowed = _ask(endpoint, client.get_allowed_functions, endpoint)
    if not allowed.get("restricted"):
        return _registered(client, endpoint)
    functions = [str(function) for function in allowed.get("functions") or ()]
    for function in functions:
        with suppress(GlobusAPIError):
            if client.get_function(function).get("function_name") == REMOTE_NAME:
                return function
    if len(functions) == 1:
        return functions[0]  # not ours to look at; its hello will tell
    raise ExecutorError(
        f"endpoint {endpoint} allows {len(functions)} functions, none of which is known as fitloom's; whoever runs it "
        "can allow it with `fitloom-endpoint configure`, or tell you its id for the setting function"
    )


def _registered(client: Client, endpoint: UUID) -> str:
    """A function registered earlier by this user for this release, or a new one."""
    shelf = Shelf(Path(platformdirs.user_cache_dir("fitloom")) / "globus-functions.json")
    key = f"{client.web_service_address} {release()} {hashlib.sha256(REMOTE_SOURCE.encode()).hexdigest()[:16]}"
    if (known := shelf.get(key)) is not None:
        with suppress(GlobusAPIError):  # somebody else's login, or deleted
            client.get_function(known)
            return known
    function = str(
        _ask(endpoint, client.register_source_code, REMOTE_SOURCE, REMOTE_NAME, description=f"fitloom {release()}")
    )
    shelf.put(key, function)
    return function


class Shelf:
    """A small JSON file of names and values; losing it costs nothing but doing something twice."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, key: str) -> str | None:
        """The value of a name."""
        value = self._read().get(key)
        return value if isinstance(value, str) else None

    def put(self, key: str, value: str) -> None:
        """Keep a value."""
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            beside = self._path.with_suffix(".part")
            beside.write_text(json.dumps({**self._read(), key: value}))
            beside.replace(self._path)

    def _read(self) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            document = json.loads(self._path.read_text())
            if isinstance(document, dict):
                return document
        return {}


def _ask(endpoint: UUID, question: Any, *arguments: Any, **details: Any) -> Any:
    try:
        return question(*arguments, **details)
    except (GlobusAPIError, NetworkError) as error:
        raise ExecutorError(judge(error, str(endpoint)).error.message) from None
