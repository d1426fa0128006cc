"""The command line: parses, calls the library, says what went wrong in one line. ``fitloom --help`` imports no JAX."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Annotated

import typer
from pydantic import ValidationError

from fitloom import cli_auth, cli_campaigns, cli_doctor, cli_run, cli_workspaces
from fitloom.dashboard import command as cli_dashboard
from fitloom.exits import INTERRUPTED, UNUSABLE
from fitloom_core.errors import FitloomError

app = typer.Typer(
    name="fitloom",
    help="Fit whole signal grids of published likelihoods, on this machine or far away.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        from fitloom import __version__

        typer.echo(f"fitloom {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Fit whole signal grids of published likelihoods, on this machine or far away."""


cli_run.register(app)
cli_campaigns.register(app)
cli_dashboard.register(app)
cli_workspaces.register(app)
cli_auth.register(app)
cli_doctor.register(app)


def run(arguments: Sequence[str]) -> int:
    """Run one command; its exit status: 0, 2 (unusable usage or input), 3 (some points failed), 130 (interrupted)."""
    logging.basicConfig(format="fitloom: %(levelname)s: %(message)s", level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # whoever sends a request says better what became of it
    try:
        status = app(_with_default_address(arguments), standalone_mode=False, prog_name="fitloom")
    except FitloomError as error:
        return _refuse(error.message)
    except typer.TyperException as error:
        return _refuse_usage(error)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads: do not fail again while closing
        return INTERRUPTED
    except Exception as error:
        if "FITLOOM_DEBUG" in os.environ:
            raise
        return _refuse(f"{type(error).__name__}: {error}. This is a fault of fitloom; FITLOOM_DEBUG=1 shows where")
    return status if isinstance(status, int) else 0


def _refuse(message: str) -> int:
    print(f"fitloom: error: {message}", file=sys.stderr)
    return UNUSABLE


def _refuse_usage(error: typer.TyperException) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        print(error.format_message(), file=sys.stderr)
        return UNUSABLE
    command = context.command_path if context is not None else "fitloom"
    message = _wrong_value(error) or _nearest(error) or error.format_message().rstrip(".?")
    return _refuse(f"{message[:1].lower()}{message[1:]}; see '{command} --help'")


def _wrong_value(error: typer.TyperException) -> str:
    """Which value an option cannot take, and what it can."""
    option, cause = getattr(error, "param", None), error.__cause__
    if option is None or not isinstance(cause, ValidationError):
        return ""
    (fault, *_) = cause.errors()
    expected = fault["msg"].removeprefix("Input should be ").partition(", unable")[0]
    return f"{option.opts[0]} {fault['input']} cannot be used: it should be {expected}"


def _nearest(error: typer.TyperException) -> str:
    """What a mistyped option may have been meant to be."""
    written, known = getattr(error, "option_name", ""), getattr(error, "possibilities", None)
    if not known:
        return ""
    best = max(known, key=lambda option: SequenceMatcher(None, option, written).ratio())
    return f"no such option {written}; did you mean {best}"


def _with_default_address(arguments: Sequence[str]) -> list[str]:
    """``--dashboard`` may stand alone; it gets the empty address then: an option has a value always or never."""
    given = list(arguments)
    for position, word in enumerate(given):
        following = given[position + 1] if position + 1 < len(given) else ""
        if word == "--dashboard" and not re.fullmatch(r"(\[?[\w.:-]*\]?:)?\d+", following):
            given[position] = "--dashboard=:"
    return given
