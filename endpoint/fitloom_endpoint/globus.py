"""Write a Globus Compute endpoint that does one thing: run fitloom's function, on what its batch system gives it.

Four files in the endpoint's folder, all to be read and changed::

    config.yaml                    who may run what: the one function
    user_config_template.yaml.j2   how workers are started; no downloads, nothing but plain source and JSON
    user_config_schema.json        what users may choose, and nothing else
    user_environment.yaml          the environment that processes of users start with

Globus Compute's own template fetches an installer and builds an environment on each worker; compute nodes often
cannot, and should not. Here the workers use an environment in which fitloom is installed once.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent, indent
from typing import Any
from uuid import UUID

from fitloom_core.envelope import REMOTE_NAME, REMOTE_SOURCE, release
from fitloom_core.errors import AuthError, ExecutorError, InputError, MissingExtra
from fitloom_endpoint.globus_sites import SITES, Choice, Json, Site

CONFIG, TEMPLATE, SCHEMA = "config.yaml", "user_config_template.yaml.j2", "user_config_schema.json"
ENVIRONMENT = "user_environment.yaml"


@dataclass(frozen=True)
class Wanted:
    """What whoever runs the endpoint says of it."""

    site: str = "local"
    function: UUID | None = None
    """The registered function; without one, any function may run there."""
    worker_init: str = ""
    """Shell lines that make fitloom's environment the current one, such as ``source /shared/fitloom/bin/activate``."""
    workers: int = 4
    """Workers a node, one thread each, or one a GPU; users may ask for fewer."""
    blocks: int = 4
    """Jobs at once, at most; users may ask for fewer."""
    gpus: int = 0
    """GPUs a node; each worker has one to itself."""
    time_limit: int = 3600
    """Seconds that a worker gives a task."""
    heartbeat: int = 30
    """Seconds between signs of life; a crashed endpoint process is replaced after three of them."""
    path: str = "/usr/local/bin:/usr/bin:/bin"
    """PATH of the processes that are started for users; leads to `globus-compute-endpoint`."""
    email: str | None = None
    """Whom to write to; an endpoint that root runs must say."""
    defaults: Mapping[str, str] = field(default_factory=dict)
    """Of the site's choices, by name."""


def configure(folder: Path, wanted: Wanted, *, force: bool = False) -> list[Path]:
    """Write an endpoint's files; what was written.

    Raises:
        InputError: the folder holds an endpoint already, or the site cannot be set up so.
    """
    site = _site(wanted)
    choices = _choices(site, wanted)
    if (folder / TEMPLATE).exists() and not force:
        raise InputError(f"{folder} holds an endpoint already; choose another name, or write over it with --force")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    texts = {
        CONFIG: _config(folder.name, wanted),
        TEMPLATE: _template(site, choices, wanted),
        SCHEMA: json.dumps(_schema(site, choices, wanted), indent=2) + "\n",
        ENVIRONMENT: f"# What processes of users start with.\nPATH: {wanted.path}\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    return [folder / name for name in texts]


def endpoint_folder(name: str) -> Path:
    """Where `globus-compute-endpoint` looks for an endpoint of this name."""
    root = os.environ.get("GLOBUS_COMPUTE_USER_DIR")
    return (Path(root) if root else Path.home() / ".globus_compute") / name


def register(group: UUID | None = None, *, public: bool = False) -> UUID:
    """Register fitloom's function with Globus Compute; its id. It is yours, and those may run it whom you name.

    Raises:
        MissingExtra: the SDK is not installed.
        AuthError: nobody is logged in.
        ExecutorError: the service refused.
    """
    try:
        from globus_compute_sdk import Client
        from globus_compute_sdk.sdk.auth.globus_app import get_globus_app
        from globus_sdk import ComputeClientV3, GlobusAPIError, NetworkError, UserApp
    except ImportError:
        raise MissingExtra("a Globus Compute endpoint needs: pip install 'fitloom[endpoint]'") from None
    app = get_globus_app()
    scopes = ComputeClientV3.scopes.resource_server, ComputeClientV3.default_scope_requirements
    app.add_scope_requirements(dict([scopes]))
    if isinstance(app, UserApp) and app.login_required():
        raise AuthError("log in first: globus-compute-endpoint login")
    description = f"fitloom {release()}: fits of published likelihoods; JSON in, JSON out"
    try:
        client = Client(authorizer=app.get_authorizer(scopes[0]))
        known = client.register_source_code(
            REMOTE_SOURCE, REMOTE_NAME, description=description, public=public, group=group
        )
    except (GlobusAPIError, NetworkError) as error:
        raise ExecutorError(f"Globus Compute did not register the function: {error}") from None
    return UUID(known)


def _site(wanted: Wanted) -> Site:
    try:
        return SITES[wanted.site]
    except KeyError:
        raise InputError(f"no site is called {wanted.site!r}; there are: {', '.join(SITES)}") from None


def _choices(site: Site, wanted: Wanted) -> dict[str, Choice]:
    """The site's choices with the defaults that were given."""
    unknown = [name for name in wanted.defaults if name not in site.choices]
    if unknown:
        known = ", ".join(site.choices) or "none"
        raise InputError(f"{wanted.site} has no choice {unknown[0]!r}; there are: {known}")
    chosen = {
        name: Choice(choice.key, choice.schema, _checked(name, choice, wanted.defaults.get(name)))
        for name, choice in site.choices.items()
    }
    missing = [name for name in site.reserved if chosen[name].default is None]
    if missing:
        raise InputError(f"{wanted.site} needs {missing[0]}: give --set {missing[0]}=…")
    return chosen


def _checked(name: str, choice: Choice, text: str | None) -> str | int | None:
    if text is None:
        return choice.default
    schema = choice.schema
    if schema["type"] == "integer":
        if text.isdecimal() and schema["minimum"] <= int(text) <= schema["maximum"]:
            return int(text)
        raise InputError(f"{name} = {text!r} is no number from {schema['minimum']} to {schema['maximum']}")
    if re.fullmatch(schema["pattern"], text):
        return text
    raise InputError(f"{name} = {text!r} does not look like {schema['pattern']}")


def _config(name: str, wanted: Wanted) -> str:
    allowed = "" if wanted.function is None else f"allowed_functions:\n  - {wanted.function}\n"
    email = "" if wanted.email is None else f"email: {wanted.email}\n"
    head = "# Only fitloom's function may run here; a new release of fitloom does not need a new one.\n"
    return f"{head}display_name: {name}\n{email}{allowed}heartbeat_period: {wanted.heartbeat}\n"


def _template(site: Site, choices: Mapping[str, Choice], wanted: Wanted) -> str:
    engine = {
        "max_workers_per_node": _choice("workers_per_node", wanted.gpus or wanted.workers),
        "available_accelerators": str(wanted.gpus) if wanted.gpus else None,
        "encrypted": json.dumps(site.shared_files),
        "max_retries_on_system_failure": "0  # fitloom sends lost points again itself, in smaller batches",
    }
    provider = {
        choice.key: json.dumps(choice.default) if name in site.reserved else _choice(name, choice.default)
        for name, choice in choices.items()
    }
    provider |= {key: json.dumps(value) for key, value in site.fixed.items()}
    provider["max_blocks"] = _choice("blocks", wanted.blocks)
    head = dedent(f"""\
        # Written by `fitloom-endpoint configure` for {wanted.site}. Users choose what user_config_schema.json names.
        heartbeat_period: {wanted.heartbeat}
        idle_heartbeats_soft: {max(1, 600 // wanted.heartbeat)}  # ends after ten minutes without work
        idle_heartbeats_hard: {172800 // wanted.heartbeat}
        engine:
          type: GlobusComputeEngine
          label: fitloom
          job_status_kwargs: {{max_idletime: 300}}
          allowed_serializers:
            - globus_compute_sdk.serialize.concretes.PureSourceTextInspect
            - globus_compute_sdk.serialize.concretes.JSONData
        """)
    body = _lines(engine) + f"provider:\n  type: {site.provider}\n" + indent(_lines(provider), "  ")
    return head + indent(body + "  worker_init: |\n" + indent(_worker_init(site, wanted), "    "), "  ")


def _worker_init(site: Site, wanted: Wanted) -> str:
    """What workers need: the environment, a thread each, and places to share what is staged and compiled."""
    place = "$HOME/.cache/fitloom" if site.shared_files else "${TMPDIR:-/tmp}/fitloom"
    lines = [
        *wanted.worker_init.strip().splitlines(),
        "export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NPROC=1",
        f'export FITLOOM_STAGING="${{FITLOOM_STAGING:-{place}/staging}}"',
        f'export FITLOOM_COMPILATION_CACHE="${{FITLOOM_COMPILATION_CACHE:-{place}/programs}}"',
        f"export GC_TASK_TIMEOUT={wanted.time_limit}",
    ]
    if wanted.gpus:
        lines.append("export XLA_PYTHON_CLIENT_PREALLOCATE=false")
    else:
        lines.append('export JAX_PLATFORMS=cpu XLA_FLAGS="--xla_cpu_multi_thread_eigen=false"')
    return "\n".join(lines) + "\n"


def _schema(site: Site, choices: Mapping[str, Choice], wanted: Wanted) -> Json:
    most = wanted.gpus or wanted.workers
    properties: dict[str, Any] = {n: choice.schema for n, choice in choices.items() if n not in site.reserved}
    properties["workers_per_node"] = {"type": "integer", "minimum": 1, "maximum": most}
    properties["blocks"] = {"type": "integer", "minimum": 1, "maximum": wanted.blocks}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


def _choice(name: str, default: str | int | None) -> str:
    """A user's choice as the template reads it: texts arrive quoted, and `null` leaves a parameter out."""
    text = "null" if default is None else json.dumps(default)
    return f"{{{{ {name} | default('{text}') }}}}"


def _lines(settings: Mapping[str, str | None]) -> str:
    return "".join(f"{key}: {value}\n" for key, value in settings.items() if value is not None)
