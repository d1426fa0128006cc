"""``fitloom doctor``: what is wrong on this machine, in one screen."""

from __future__ import annotations

from typing import Annotated

import typer

UNHEALTHY = 1


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a screen.")] = False,
) -> int:
    """Say in one screen what is wrong on this machine; exit status 1 if something must be mended."""
    from fitloom_core.diagnose import examine

    report = examine()
    typer.echo(report.to_json() if as_json else report.to_text())
    return 0 if report.healthy else UNHEALTHY
