"""Writes the generated pages: commands, modules, the wire schema; each from the code itself.

`python docs/generate.py` writes them; a test asserts that what is committed is what it would write.
"""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

HERE = Path(__file__).resolve().parent
PACKAGES = [HERE.parent / name for name in ("fitting_core/fitloom_core", "client/fitloom", "endpoint/fitloom_endpoint")]
PROGRAMS = {"fitloom": "fitloom.cli", "fitloom-endpoint": "fitloom_endpoint.cli"}
SCHEMAS = {"fit-task": "FitTask", "fit-result": "FitResult", "reply": "Reply"}


def generated() -> dict[Path, str]:
    """Every generated file with its text."""
    files = {HERE / "reference" / f"{program}.md": commands(program, module) for program, module in PROGRAMS.items()}
    files[HERE / "reference" / "modules.md"] = modules()
    files |= {HERE / "schema" / f"{name}.json": schema(model) for name, model in SCHEMAS.items()}
    return files


def schema(model: str) -> str:
    """The JSON Schema of a wire model."""
    document = getattr(importlib.import_module("fitloom_core.wire"), model).model_json_schema(by_alias=True)
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **document}, indent=1) + "\n"


def modules() -> str:
    """Every module with its first line, which says what lives there."""
    parts = ["# Modules", "What lives where: the first line of every file."]
    for package in PACKAGES:
        rows = [f"| `{path.relative_to(package.parent)}` | {_first_line(path)} |" for path in _files(package)]
        parts += [f"## {package.name}", "\n".join(["| | |", "| --- | --- |", *rows])]
    return "\n\n".join(parts) + "\n"


def _files(package: Path) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z", "*.py"], cwd=package, check=True, capture_output=True, text=True)
    return sorted(package / name for name in listed.stdout.split("\0") if name and (package / name).exists())


def _first_line(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    return _cell(text.partition("\n\n")[0]).replace("``", "`")


def commands(program: str, module: str) -> str:
    """One page with every command of a program, its arguments and options."""
    root = typer.main.get_command(importlib.import_module(module).app)
    parts = [f"# `{program}`", _paragraphs(root.help)]
    for path, command in _walk(root, program):
        parts += [f"## `{path}`", _paragraphs(command.help), *_table(command)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _walk(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    for name, child in sorted(getattr(command, "commands", {}).items()):
        if child.hidden:
            continue
        if getattr(child, "commands", None):
            yield from _walk(child, f"{path} {name}")
        else:
            yield f"{path} {name}", child


def _table(command: Any) -> list[str]:
    shown = [option for option in command.params if not getattr(option, "hidden", False) and option.name != "help"]
    if not shown:
        return []
    rows = [f"| {_names(option)} | {_cell(getattr(option, 'help', None))}{_default(option)} |" for option in shown]
    return ["\n".join(["| | |", "| --- | --- |", *rows])]


def _names(option: Any) -> str:
    if not option.opts[0].startswith("-"):
        name = (option.metavar or option.name.upper()).rstrip("…")
        return f"`{name}{'…' if option.nargs == -1 else ''}`"
    *others, last = [*option.opts, *option.secondary_opts]
    value = "" if option.is_flag else f" {_cell(option.metavar or option.name.upper())}"
    return ", ".join(f"`{name}`" for name in [*others, last + value])


def _default(option: Any) -> str:
    default = option.default
    silent = not getattr(option, "show_default", True) or not option.opts[0].startswith("-")
    if silent or default in (None, False, "", [], ()) or callable(default):
        return ""
    return f" Default: `{getattr(default, 'value', default)}`."


def _paragraphs(text: str | None) -> str:
    return (text or "").replace("\f", "").strip()


def _cell(text: str | None) -> str:
    return " ".join(_paragraphs(text).split()).replace("|", "\\|")


def main() -> None:
    """Write every generated file."""
    for path, text in generated().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        print(path.relative_to(HERE.parent))


if __name__ == "__main__":
    main()
