"""Commands on single files: ``validate``, ``inspect``, ``digest``, ``fit``, ``hypotest``, ``patchset …``."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from fitloom import cli_options as given
from fitloom_core.errors import InputError, InvalidSpecification, NoPOI

if TYPE_CHECKING:
    from fitloom_core.model import Model
    from fitloom_core.workspace import Patch, PatchSet, Workspace

Patches = Annotated[
    list[str] | None,
    Option(
        "--patch",
        metavar="FILE",
        help="A JSON patch, or PATCHSET:NAME for one of a patchset; repeatable.",
        show_default=False,
    ),
]
PatchSetFile = Annotated[
    str, Argument(metavar="PATCHSET", help="A patchset, or - for standard input.", show_default=False)
]
PatchName = Annotated[str, Option("--name", help="Name of the patch.", show_default=False)]
OutputFile = Annotated[
    Path | None, Option("--output", "-o", help="Where to write it; standard output unless given.", show_default=False)
]

patchset_app = typer.Typer(
    help="Look into a patchset, take patches out, apply them, verify its background.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (validate, inspect, digest, fit, hypotest):
        app.command()(command)
    app.add_typer(patchset_app, name="patchset")


def validate(
    file: Annotated[
        str, Argument(metavar="FILE", help="A workspace, a patchset, or - for standard input.", show_default=False)
    ],
    as_json: given.AsJson = False,
) -> None:
    """Check a workspace or a patchset; what is wrong is said with its path in the document."""
    from fitloom_core.workspace import PatchSet, Workspace

    document = read(file)
    kind = "patchset" if isinstance(document, dict) and "patches" in document else "workspace"
    if kind == "patchset":
        about = f"{len(PatchSet(document))} patches"
    else:
        workspace = Workspace(document)
        about = f"{len(workspace.channels)} channels, {len(workspace.modifiers)} modifiers"
    show(as_json, {"file": file, "kind": kind, "valid": True}, f"{file}: a valid {kind} ({about})")


def inspect(workspace: given.WorkspaceFile, patch: Patches = None, as_json: given.AsJson = False) -> None:
    """Channels, samples, modifiers, parameters and measurements of a workspace."""
    from fitloom import inspection

    found = inspection.inspect(read_workspace(workspace, patch or []))
    show(as_json, found, inspection.render(found))


def digest(
    workspace: given.WorkspaceFile,
    patch: Patches = None,
    algorithm: Annotated[
        list[str] | None, Option("--algorithm", "-a", help="Repeatable; sha256 unless given.", show_default=False)
    ] = None,
    as_json: given.AsJson = False,
) -> None:
    """The digest of a workspace, equal to pyhf's."""
    read_in = read_workspace(workspace, patch or [])
    found = {name: read_in.digest(name) for name in algorithm or ["sha256"]}
    show(as_json, found, "\n".join(f"{name}:{value}" for name, value in found.items()))


def fit(
    workspace: given.WorkspaceFile,
    patch: Patches = None,
    measurement: given.Measurement = None,
    mu: Annotated[float | None, Option(help="Fix the parameter of interest at this value.", show_default=False)] = None,
    as_json: given.AsJson = False,
) -> None:
    """Fit a workspace's model to its data: best-fit parameters, -ln L and the certificate."""
    import numpy as np

    from fitloom.tables import table
    from fitloom_core.backend import enable_compilation_cache
    from fitloom_core.inference import fits

    enable_compilation_cache()
    read_in = read_workspace(workspace, patch or [])
    model = _model_to_fit(read_in, measurement, free=mu is None)
    data = np.asarray(read_in.data(model))
    found = fits.fit(data, model) if mu is None else fits.fixed_poi_fit(mu, data, model)
    best = {name: float(value) for name, value in zip(found.names, found.parameters, strict=True)}
    report = {
        "parameters": best,
        "nll": found.nll,
        "twice_nll": found.twice_nll,
        "certificate": found.certificate.model_dump(),
    }
    show(as_json, report, f"{table(['parameter', 'best fit'], best.items())}\n\n{_minimum(report)}")


def _model_to_fit(workspace: Workspace, measurement: str | None, *, free: bool) -> Model:
    """The model; of a background alone, whose parameter of interest acts on nothing yet, the one without it."""
    try:
        return workspace.model(measurement)
    except NoPOI as error:
        if not free:
            raise
        typer.echo(f"fitloom: {error}; fitting without it", err=True)
        return workspace.model(measurement, poi_name=None)


def hypotest(
    workspace: given.WorkspaceFile,
    patch: Patches = None,
    measurement: given.Measurement = None,
    mu: given.Mu = 1.0,
    test_stat: given.TestStat = "qtilde",
    calculator: given.Calculator = "asymptotics",
    as_json: given.AsJson = False,
) -> None:
    """Test a signal strength: observed CLs and the five expected values."""
    import numpy as np

    from fitloom.api import make_options
    from fitloom.cli_run import asymptotics_only
    from fitloom.tables import table

    options = make_options(mu=mu, test_stat=test_stat, calculator=asymptotics_only(calculator), measurement=measurement)
    from fitloom_core.backend import enable_compilation_cache
    from fitloom_core.inference.hypotest import hypotest as test

    enable_compilation_cache()
    read_in = read_workspace(workspace, patch or [])
    model = read_in.model(measurement)
    found = test(options.mu, np.asarray(read_in.data(model)), model, test_stat=options.test_stat)
    report = {**dataclasses.asdict(found), "certificate": found.certificate.model_dump()}
    names = ["CLs observed", *(f"CLs expected {sigma:+d} sigma" for sigma in (-2, -1, 0, 1, 2)), "mu_hat"]
    rows = zip(names, [found.cls_obs, *found.cls_exp, found.mu_hat], strict=True)
    show(
        as_json,
        report,
        f"{table([f'mu = {found.mu:g}', found.test_stat], rows)}\n\n{_certificate(report['certificate'])}",
    )


@patchset_app.command("inspect")
def inspect_patchset(patchset: PatchSetFile, as_json: given.AsJson = False) -> None:
    """The patches of a patchset: names and values."""
    from fitloom.tables import table

    found = read_patchset(patchset)
    listed = {
        "description": found.description,
        "labels": found.labels,
        "references": found.references,
        "digests": found.digests,
        "patches": [{"name": patch.name, "values": list(patch.values)} for patch in found],
    }
    text = table(["patch", *found.labels], [[patch.name, *patch.values] for patch in found])
    show(as_json, listed, f"{found.description}\n\n{text}")


@patchset_app.command()
def extract(
    patchset: PatchSetFile,
    name: PatchName,
    output: OutputFile = None,
    with_metadata: Annotated[bool, Option("--with-metadata", help="With the patch's and patchset's metadata.")] = False,
) -> None:
    """Take one patch out, as a JSON patch."""
    found = read_patchset(patchset)
    patch = found[name]
    about = {**{key: value for key, value in found.metadata.items() if key != "labels"}, **patch.metadata}
    write(output, {"metadata": about, "patch": patch.operations} if with_metadata else patch.operations)


@patchset_app.command()
def apply(
    background: given.WorkspaceFile,
    patchset: PatchSetFile,
    name: PatchName,
    output: OutputFile = None,
    no_verify: given.NoVerify = False,
) -> None:
    """The background workspace with one patch applied."""
    document = read_workspace(background, [])
    write(output, read_patchset(patchset).apply(document, name, verify=not no_verify).document)


@patchset_app.command()
def verify(background: given.WorkspaceFile, patchset: PatchSetFile) -> None:
    """Check that a workspace is the one that the patchset was made for."""
    found = read_patchset(patchset)
    found.verify(read_workspace(background, []))
    print(f"{background} is the background of {patchset} ({', '.join(found.digests)})")


def read(file: str) -> Any:
    """A JSON document from a file or, for ``-``, from standard input."""
    from fitloom_core.workspace import load_json

    return load_json(sys.stdin.buffer.read(), name="standard input") if file == "-" else load_json(file)


def read_workspace(file: str, patches: list[str]) -> Workspace:
    """A workspace with patches applied in turn."""
    from fitloom_core.workspace import Workspace

    workspace = Workspace(_object(file))
    for patch in patches:
        workspace = workspace.patched(_read_patch(patch))
    return workspace


def read_patchset(file: str) -> PatchSet:
    """A patchset."""
    from fitloom_core.workspace import PatchSet

    return PatchSet(_object(file))


def show(as_json: bool, report: Any, text: str) -> None:
    """Print a report as one JSON object, or as text."""
    print(json.dumps(report) if as_json else text)


def write(output: Path | None, document: Any) -> None:
    """Write a JSON document to a file or to standard output."""
    text = json.dumps(document, indent=1)
    if output is None:
        print(text)
        return
    try:
        output.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write {output}: {error.strerror}") from None


def _object(file: str) -> dict[str, Any]:
    document = read(file)
    if not isinstance(document, dict):
        raise InvalidSpecification(f"{file}: holds a JSON {type(document).__name__}; an object is needed")
    return document


def _read_patch(text: str) -> Patch | list[dict[str, Any]]:
    """The operations of a patch file, or a patch of a patchset: ``patchset.json:NAME``."""
    file, colon, name = text.rpartition(":")
    if colon and not Path(text).exists():
        return read_patchset(file)[name]
    document = read(text)
    if isinstance(document, dict) and isinstance(document.get("patch"), list):
        document = document["patch"]
    if not isinstance(document, list):
        raise InvalidSpecification(f"{text}: no JSON patch; give a list of operations, or PATCHSET:NAME")
    return document


def _minimum(report: dict[str, Any]) -> str:
    return f"-2 ln L = {report['twice_nll']:.10g}; {_certificate(report['certificate'])}"


def _certificate(certificate: dict[str, Any]) -> str:
    return (
        f"certified: KKT {certificate['kkt']:.1e}, distance to minimum {certificate['edm']:.1e}, "
        f"{certificate['iterations']} iterations"
    )
