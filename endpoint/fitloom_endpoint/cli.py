"""``fitloom-endpoint``: serve fits over HTTP, configure a Globus Compute endpoint, say what is wrong on a node."""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from typer import Option

from fitloom_core.errors import FitloomError, InputError

app = typer.Typer(
    name="fitloom-endpoint",
    help="Where fits run: an HTTP endpoint, or a Globus Compute endpoint, on this node.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def serve(
    host: Annotated[
        str, Option(envvar="FITLOOM_HOST", help="Address to listen on; other than loopback wants a token.")
    ] = "127.0.0.1",
    port: Annotated[int, Option(envvar="FITLOOM_PORT", min=0, max=65535)] = 8000,
    token: Annotated[
        str | None,
        Option(
            envvar="FITLOOM_TOKEN", help="What clients must send; better given as FITLOOM_TOKEN.", show_default=False
        ),
    ] = None,
    group: Annotated[
        list[str] | None,
        Option(
            help="A Globus group whose members may send tasks (repeatable; UUID:view may only look).",
            show_default=False,
        ),
    ] = None,
    insecure: Annotated[bool, Option("--insecure", help="Listen beyond this machine without a token.")] = False,
    workers: Annotated[
        int, Option(envvar="FITLOOM_WORKERS", min=0, help="Worker processes; 0: one a core, or one a GPU.")
    ] = 0,
    device: Annotated[
        str, Option(envvar="FITLOOM_DEVICE", help="cpu, gpu, or auto: a GPU where there is one.")
    ] = "auto",
    queue: Annotated[int, Option(min=0, help="Tasks that may wait; one more is answered 429.")] = 16,
    batch: Annotated[int, Option(min=1, help="Points fitted together.")] = 32,
    time_limit: Annotated[float, Option(help="Seconds one batch may take.")] = 900.0,
    body_limit: Annotated[int, Option(help="MiB of a request.")] = 64,
    worker_memory: Annotated[int, Option(help="MiB above which a worker is replaced after its task.")] = 4096,
    drain: Annotated[float, Option(help="Seconds that running tasks are given after SIGTERM.")] = 600.0,
    cache: Annotated[
        Path | None, Option(envvar="FITLOOM_COMPILATION_CACHE", help="Folder of compiled programs.", show_default=False)
    ] = None,
    tls_certificate: Annotated[Path | None, Option(exists=True, dir_okay=False, show_default=False)] = None,
    tls_key: Annotated[Path | None, Option(exists=True, dir_okay=False, show_default=False)] = None,
) -> None:
    """Serve fits over HTTP: POST /v1/fit, CloudEvents on /, /healthz, /readyz, /metrics."""
    from fitloom_endpoint.server import serve as run
    from fitloom_endpoint.settings import MEBIBYTE, Settings

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    run(
        Settings(
            host=host,
            port=port,
            token=token or None,
            groups=tuple(group or ()),
            insecure=insecure,
            workers=workers,
            device=device,
            queue=queue,
            batch=batch,
            time_limit=time_limit,
            body_limit=body_limit * MEBIBYTE,
            worker_memory=worker_memory * MEBIBYTE,
            drain_seconds=drain,
            cache=cache,
            tls_certificate=tls_certificate,
            tls_key=tls_key,
        )
    )


@app.command()
def configure(
    name: Annotated[str, typer.Argument(help="What to call the endpoint.")],
    site: Annotated[str, Option(help="local, slurm, pbs, htcondor or kubernetes.")] = "local",
    worker_init: Annotated[
        str, Option(help="Shell lines that make fitloom's environment the current one on a worker.", show_default=False)
    ] = "",
    workers: Annotated[int, Option(min=1, help="Workers a node, at most.")] = 4,
    blocks: Annotated[int, Option(min=1, help="Jobs at once, at most.")] = 4,
    gpus: Annotated[int, Option(min=0, help="GPUs a node, one a worker.")] = 0,
    choices: Annotated[
        list[str] | None,
        Option("--set", metavar="NAME=VALUE", help="Default of a choice, as partition=short; repeatable."),
    ] = None,
    function: Annotated[
        UUID | None, Option(help="The registered function, where there is one already.", show_default=False)
    ] = None,
    group: Annotated[
        UUID | None, Option(help="Globus group whose members may run the function.", show_default=False)
    ] = None,
    public: Annotated[bool, Option("--public", help="Anybody who may use the endpoint may run the function.")] = False,
    time_limit: Annotated[int, Option(min=1, help="Seconds that a worker gives a task.")] = 3600,
    heartbeat: Annotated[int, Option(min=5, help="Seconds between the endpoint's signs of life.")] = 30,
    email: Annotated[str | None, Option(help="Whom to write to about it.", show_default=False)] = None,
    folder: Annotated[
        Path | None, Option(help="Where to write; by default where Globus Compute looks.", show_default=False)
    ] = None,
    force: Annotated[bool, Option("--force", help="Write over an endpoint of this name.")] = False,
) -> None:
    """Write a Globus Compute endpoint that runs fitloom's function and nothing else."""
    from fitloom_endpoint.globus import Wanted, endpoint_folder, register
    from fitloom_endpoint.globus import configure as write

    target = (folder or endpoint_folder(name).parent) / name
    defaults = dict(_named(choice) for choice in choices or [])
    wanted = Wanted(
        site=site,
        function=function,
        worker_init=worker_init,
        workers=workers,
        blocks=blocks,
        gpus=gpus,
        time_limit=time_limit,
        heartbeat=heartbeat,
        path=f"{Path(sys.executable).parent}:{Wanted.path}",
        email=email or ("root@localhost" if os.getuid() == 0 else None),
        defaults=defaults,
    )
    if function is None:
        write(target, wanted, force=force)  # says what is wrong before anything is registered
        wanted = replace(wanted, function=register(group, public=public))
    for path in write(target, wanted, force=force or function is None):
        typer.echo(path)
    typer.echo(f"function {wanted.function}; start it with: globus-compute-endpoint start {name}", err=True)


@app.command()
def doctor(
    port: Annotated[int, Option(min=1, max=65535, help="The port `serve` is going to use.")] = 8000,
    as_json: Annotated[bool, Option("--json", help="One JSON object instead of a screen.")] = False,
) -> None:
    """Say in one screen what is wrong on this node; exit status 1 if something must be mended."""
    from fitloom_endpoint.doctor import examine

    report = examine(port)
    typer.echo(report.to_json() if as_json else report.to_text())
    raise typer.Exit(0 if report.healthy else 1)


def _named(choice: str) -> tuple[str, str]:
    name, separator, value = choice.partition("=")
    if not separator:
        raise InputError(f"--set {choice}: write NAME=VALUE, as partition=short")
    return name.strip(), value.strip()


def main() -> None:
    """Run the command line; errors of ours are a sentence on stderr and exit status 2."""
    try:
        app()
    except FitloomError as error:
        typer.echo(f"fitloom-endpoint: {error.message}", err=True)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
