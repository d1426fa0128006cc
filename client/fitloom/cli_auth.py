"""``fitloom login``, ``logout`` and ``whoami``."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Option

if TYPE_CHECKING:
    from fitloom.auth import Identity


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(login)
    app.command()(logout)
    app.command()(whoami)


def login(
    servers: Annotated[
        list[str] | None,
        Option("--for", help="A dashboard's or endpoint's address (or client id) to log in for, repeatable."),
    ] = None,
    no_browser: Annotated[
        bool, Option("--no-browser", help="Print an address and ask for the code that it shows.")
    ] = False,
    force: Annotated[bool, Option("--force", help="Log in again, for instance as somebody else.")] = False,
    compute: Annotated[
        bool, Option("--compute", help="Log in to Globus Compute instead, for `fitloom run --endpoint`.")
    ] = False,
) -> None:
    """Log in with Globus, and agree to what servers that check groups need."""
    if compute:
        _log_in_to_compute(force)
        return
    from fitloom import auth

    found = [auth.find_server(address) for address in servers or []]
    _show(auth.login(found, browser=not no_browser, force=force))


def _log_in_to_compute(force: bool) -> None:
    from fitloom.executors.globus import need_sdk

    need_sdk()
    from fitloom.executors.globus_account import login as log_in

    log_in(force=force)
    typer.echo("logged in to Globus Compute")


def logout() -> None:
    """Have Globus end all tokens of fitloom, and forget them."""
    from fitloom import auth

    auth.logout()
    typer.echo("logged out")


def whoami(as_json: Annotated[bool, Option("--json", help="One JSON object.")] = False) -> None:
    """Who is logged in, and the groups they are in: what `--group` on a server goes by."""
    from fitloom import auth

    identity = auth.whoami()
    if as_json:
        typer.echo(json.dumps(asdict(identity)))
    else:
        _show(identity)


def _show(identity: Identity) -> None:
    typer.echo(f"{identity.username}  ({identity.id})")
    if not identity.groups:
        typer.echo("in no group; app.globus.org/groups shows those that can be joined")
    width = max((len(group.name) for group in identity.groups), default=0)
    for group in identity.groups:
        typer.echo(f"  {group.name:<{width}}  {group.role:<7}  {group.id}")
