"""Commands on campaign folders and pallets: ``plot``, ``show``, ``fetch``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from fitloom import cli_options as given
from fitloom_core.errors import InputError


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (plot, show, fetch):
        app.command()(command)


def plot(
    campaign: given.CampaignFolder,
    output: Annotated[
        list[Path] | None,
        Option("--output", "-o", help="Figure to draw: .png, .pdf or .svg; repeatable.", show_default=False),
    ] = None,
    html: Annotated[
        Path | None,
        Option("--html", metavar="FILE", help="Write the live page, as it is now, as one file.", show_default=False),
    ] = None,
    axes: given.Axes = "",
    where: given.Where = None,
) -> None:
    """Draw the exclusion contour of a campaign, finished or not."""
    from fitloom.figure import check_path
    from fitloom.outcome import contour_of, draw
    from fitloom.plane import parse_where

    if not output and html is None:
        raise InputError("nothing to draw: give -o FILE (.png, .pdf or .svg), or --html FILE")
    if html is not None:
        from fitloom.dashboard.report import write_report

        write_report([campaign], html)
    paths = [check_path(path) for path in output or []]
    if not paths:
        return
    contour = contour_of(campaign, axes=given.split(axes), where=parse_where(where or []))
    if contour.get("note"):
        print(f"fitloom: {contour['note']}", file=sys.stderr)
    try:
        draw(campaign, contour, paths)
    except OSError as error:
        raise InputError(f"cannot write {error.filename or paths[0]}: {error.strerror}") from None


def show(campaign: given.CampaignFolder, as_json: given.AsJson = False) -> None:
    """How a campaign stands: counts, the best and the worst points, every failure with its reason."""
    from fitloom.overview import overview, render

    found = overview(campaign)
    if as_json:
        print(json.dumps(found))
    else:
        print(render(found))


def fetch(
    source: given.PalletSource,
    output: Annotated[
        Path | None, Option("--output", "-o", help="Folder to unpack it into.", show_default=False)
    ] = None,
    offline: given.Offline = False,
) -> None:
    """Get a pallet, see that it is one, and print where it is."""
    from fitloom import api
    from fitloom.archive import extract

    path = api.fetch(source, offline=offline)
    if output is None:
        print(path)
        return
    try:
        extract(path, output)
    except OSError as error:
        raise InputError(f"cannot write in {output}: {error.strerror}") from None
    print(output)
