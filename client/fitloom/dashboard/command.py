"""``fitloom dashboard``: the live page of campaigns, running here, running elsewhere, or over."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from fitloom.dashboard.serve import HOST, Settings, serve
from fitloom_core.errors import InputError

if TYPE_CHECKING:
    from fitloom.dashboard.gate import Gate
    from fitloom.dashboard.overlay import Overlay

_SHARING = "Sharing it"

Campaigns = Annotated[
    list[Path], Argument(metavar="CAMPAIGN", help="Campaign folders; several can be compared.", show_default=False)
]
Host = Annotated[str, Option(metavar="ADDRESS", help="Address to listen on.")]
Port = Annotated[
    int | None,
    Option(
        min=0,
        max=65535,
        metavar="N",
        help="Port; 8765 or the next free one unless given, 0 takes any.",
        show_default=False,
    ),
]
Overlays = Annotated[
    list[Path] | None,
    Option(
        "--overlay",
        metavar="FILE",
        help="Published contour to draw as well (HEPData table, CSV, contour.json); repeatable.",
        show_default=False,
    ),
]
Groups = Annotated[
    list[str] | None,
    Option(
        "--group",
        metavar="UUID[:view|:fit]",
        help="Only members of this Globus group; repeatable.",
        show_default=False,
        rich_help_panel=_SHARING,
    ),
]
Insecure = Annotated[
    bool,
    Option(
        "--insecure", help="Serve to other machines without --group: everybody there sees it.", rich_help_panel=_SHARING
    ),
]
Hosts = Annotated[
    list[str] | None,
    Option(
        "--allow-host",
        metavar="NAME",
        help="Another name to answer to, such as that of a proxy; repeatable.",
        show_default=False,
        rich_help_panel=_SHARING,
    ),
]
RootPath = Annotated[
    str,
    Option(
        "--root-path",
        metavar="PATH",
        help="Path under which a proxy publishes the page.",
        show_default=False,
        rich_help_panel=_SHARING,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(dashboard)


def dashboard(
    campaigns: Campaigns,
    host: Host = HOST,
    port: Port = None,
    overlay: Overlays = None,
    group: Groups = None,
    insecure: Insecure = False,
    allow_host: Hosts = None,
    root_path: RootPath = "",
) -> None:
    """Show campaigns on a page that follows them live; it reads their folders and never touches a fit.

    From elsewhere: ssh -L 8765:localhost:8765 HOST, and open the printed address here.
    """
    settings = Settings(
        host=host,
        port=port,
        gate=open_gate(group or []),
        insecure=insecure,
        hosts=allow_host or (),
        root_path=root_path,
        overlays=read_overlays(overlay or []),
    )
    serve(campaigns, settings)


def open_gate(groups: Sequence[str]) -> Gate | None:
    """The gate of ``--group …``; None without a group."""
    if not groups:
        return None
    from fitloom.dashboard.group_gate import open_gate as open_group_gate

    return open_group_gate(groups)


def read_overlays(paths: Sequence[Path]) -> list[Overlay]:
    """Published contours from files.

    Raises:
        InputError: a file that cannot be read or holds no contour.
    """
    from fitloom.dashboard.overlay import parse

    found = []
    for path in paths:
        try:
            found.append(parse(path.read_bytes(), path.name))
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror}") from None
    return found
