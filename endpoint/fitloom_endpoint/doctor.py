"""What is wrong on this node, in one screen: what fitloom needs, and what an endpoint needs beside it."""

from __future__ import annotations

import socket
from importlib import metadata, util

from fitloom_core import diagnose
from fitloom_core.diagnose import Finding, Report
from fitloom_core.errors import InputError
from fitloom_core.machine import visible_gpus
from fitloom_endpoint.worker import place_workers


def examine(port: int) -> Report:
    """Look at this node as a place for an endpoint."""
    return diagnose.examine([_workers(), _port(port), _server(), _globus()])


def _workers() -> Finding:
    try:
        places = place_workers(0)
    except InputError as error:
        return Finding("workers", "wrong", "none can be placed", error.message)
    gpus = visible_gpus()
    return Finding("workers", "ok", f"{len(places)} by default, {f'one a GPU ({gpus})' if gpus else 'one a core'}")


def _port(port: int) -> Finding:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError as error:
            return Finding("port", "wrong", f"{port} cannot be used: {error.strerror}", "choose another with --port")
    return Finding("port", "ok", f"{port} is free")


def _server() -> Finding:
    missing = [name for name in ("fastapi", "uvicorn", "prometheus_client") if util.find_spec(name) is None]
    if missing:
        return Finding("http", "wrong", f"{', '.join(missing)} not installed", "pip install 'fitloom[web]'")
    return Finding("http", "ok", f"fastapi {metadata.version('fastapi')}, uvicorn {metadata.version('uvicorn')}")


def _globus() -> Finding:
    if util.find_spec("globus_compute_endpoint") is None:
        advice = "for a Globus Compute endpoint: pip install 'fitloom[endpoint]'"
        return Finding("globus compute", "note", "endpoint not installed", advice)
    return Finding("globus compute", "ok", f"endpoint {metadata.version('globus-compute-endpoint')}")
