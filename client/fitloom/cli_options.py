"""The options of the commands, each said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from fitloom_core.errors import InputError

_FIT = "What is fitted"
_CONTOUR = "The contour"
_WHERE = "Where it is fitted"

PalletSource = Annotated[
    str,
    Argument(
        metavar="PALLET",
        help="A directory, a tar or zip archive, a URL, doi:…, hepdata:ins…, or demo.",
        show_default=False,
    ),
]
CampaignFolder = Annotated[Path, Argument(metavar="CAMPAIGN", help="A campaign folder.", show_default=False)]
WorkspaceFile = Annotated[
    str, Argument(metavar="WORKSPACE", help="A workspace, or - for standard input.", show_default=False)
]

Output = Annotated[
    Path | None,
    Option(
        "--output",
        "-o",
        metavar="DIR",
        help="The campaign folder; ./fitloom-PALLET-DIGEST unless given.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, Option("--json", help="JSON on standard output, and nothing else there.")]
NoResume = Annotated[bool, Option("--no-resume", help="Start afresh; what the folder holds is set aside.")]
Offline = Annotated[bool, Option("--offline", help="Use only what was downloaded before.")]
Dashboard = Annotated[
    str | None,
    Option(metavar="[HOST:PORT]", help="Serve the live page while the campaign runs.", show_default=False),
]

Mu = Annotated[float, Option(metavar="VALUE", help="Tested value of the parameter of interest.", rich_help_panel=_FIT)]
TestStat = Annotated[str, Option(metavar="NAME", help="Test statistic: qtilde, q or q0.", rich_help_panel=_FIT)]
Calculator = Annotated[str, Option(metavar="NAME", help="How p-values are found: asymptotics.", rich_help_panel=_FIT)]
Measurement = Annotated[
    str | None,
    Option(
        metavar="NAME",
        help="Measurement of the workspace; the first unless given.",
        show_default=False,
        rich_help_panel=_FIT,
    ),
]
Points = Annotated[str, Option(metavar="GLOB", help="Fit only points of such names.", rich_help_panel=_FIT)]
Regions = Annotated[
    list[str] | None,
    Option(
        "--region", metavar="NAME", help="Fit only this region; repeatable.", show_default=False, rich_help_panel=_FIT
    ),
]
Labels = Annotated[
    str,
    Option(metavar="A,B,…", help="Names for the numbers of each point.", show_default=False, rich_help_panel=_FIT),
]
NoVerify = Annotated[
    bool, Option("--no-verify", help="Take a background whose digest does not match.", rich_help_panel=_FIT)
]

Plots = Annotated[
    list[Path] | None,
    Option(
        "--plot",
        metavar="FILE",
        help="Draw it: .png, .pdf or .svg; repeatable.",
        show_default=False,
        rich_help_panel=_CONTOUR,
    ),
]
Axes = Annotated[
    str, Option(metavar="A,B", help="The two labels of its plane.", show_default=False, rich_help_panel=_CONTOUR)
]
Where = Annotated[
    list[str] | None,
    Option(
        metavar="LABEL=VALUE",
        help="What another label is held at; repeatable.",
        show_default=False,
        rich_help_panel=_CONTOUR,
    ),
]

Executors = Annotated[
    list[str] | None,
    Option(
        "--executor",
        metavar="NAME",
        help="local, parsl, globus or http; repeatable, to use several at once.",
        show_default=False,
        rich_help_panel=_WHERE,
    ),
]
Workers = Annotated[
    int | None,
    Option(
        min=1,
        metavar="N",
        help="Workers (local, parsl, globus); one a core unless given.",
        show_default=False,
        rich_help_panel=_WHERE,
    ),
]
BatchSize = Annotated[
    int, Option(min=1, max=4096, metavar="N", help="Most points of one task.", rich_help_panel=_WHERE)
]
Urls = Annotated[
    list[str] | None,
    Option(
        "--url",
        metavar="URL",
        help="Address of a fitloom endpoint (http); repeatable.",
        show_default=False,
        rich_help_panel=_WHERE,
    ),
]
Endpoint = Annotated[
    str | None,
    Option(
        metavar="UUID", help="Id of a Globus Compute endpoint (globus).", show_default=False, rich_help_panel=_WHERE
    ),
]
ParslConfig = Annotated[
    str | None,
    Option(
        "--parsl",
        metavar="CONFIG",
        help="A preset or a Python file (parsl).",
        show_default=False,
        rich_help_panel=_WHERE,
    ),
]
Settings = Annotated[
    list[str] | None,
    Option(
        "--set",
        metavar="NAME=VALUE",
        help="Any other setting of an executor, as EXECUTOR.NAME=VALUE where several are used; repeatable.",
        show_default=False,
        rich_help_panel=_WHERE,
    ),
]
Config = Annotated[
    Path | None,
    Option(
        "--config", metavar="FILE", help="A TOML file that lists executors.", show_default=False, rich_help_panel=_WHERE
    ),
]


def split(text: str) -> list[str]:
    """``A,B`` as its parts; nothing as none.

    Raises:
        InputError: an empty part.
    """
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    if not all(parts):
        raise InputError(f"not a list of names: {text!r}; write A,B without gaps")
    return parts
