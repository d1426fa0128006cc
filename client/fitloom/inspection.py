"""What is in a workspace: what ``fitloom inspect`` prints. Reads the document only; no numerics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from fitloom.tables import table
from fitloom_core.workspace import Workspace

Json = dict[str, Any]

_CONSTRAINTS = {
    "normfactor": "free",
    "shapefactor": "free",
    "normsys": "Gaussian",
    "histosys": "Gaussian",
    "lumi": "Gaussian",
    "staterror": "Gaussian",
    "shapesys": "Poisson",
}
_ONE_PER_BIN = ("shapefactor", "shapesys", "staterror")


def inspect(workspace: Workspace) -> Json:
    """Channels, samples, modifiers, parameters and measurements of a workspace."""
    document = workspace.document
    return {
        "digest": workspace.digest(),
        "channels": [_channel(channel, workspace.observations) for channel in document["channels"]],
        "samples": workspace.samples,
        "modifiers": dict(sorted(Counter(kind for _, kind, _ in _modifiers(document)).items())),
        "parameters": _parameters(document),
        "measurements": [
            {"name": measurement["name"], "poi": measurement["config"]["poi"]}
            for measurement in document["measurements"]
        ],
    }


def render(found: Json) -> str:
    """The inspection as text for people."""
    channels = [
        [one["name"], one["bins"], one["samples"], one["expected"], one["observed"]] for one in found["channels"]
    ]
    parameters = [[one["name"], ", ".join(one["types"]), one["constraint"], one["size"]] for one in found["parameters"]]
    return "\n\n".join(
        [
            f"digest {found['digest']}",
            table(["channel", "bins", "samples", "expected", "observed"], channels),
            table(["sample"], [[name] for name in found["samples"]]),
            table(["parameter", "modifiers", "constraint", "size"], parameters),
            table(
                ["measurement", "parameter of interest"], [[one["name"], one["poi"]] for one in found["measurements"]]
            ),
        ]
    )


def _channel(channel: Json, observations: dict[str, list[float]]) -> Json:
    observed = observations.get(channel["name"])
    return {
        "name": channel["name"],
        "bins": len(channel["samples"][0]["data"]),
        "samples": len(channel["samples"]),
        "expected": float(sum(sum(sample["data"]) for sample in channel["samples"])),
        "observed": None if observed is None else float(sum(observed)),
    }


def _modifiers(document: Json) -> Iterator[tuple[str, str, int]]:
    """Name, type and number of parameters of every modifier, as often as it is written."""
    for channel in document["channels"]:
        for sample in channel["samples"]:
            for modifier in sample["modifiers"]:
                size = len(sample["data"]) if modifier["type"] in _ONE_PER_BIN else 1
                yield modifier["name"], modifier["type"], size


def _parameters(document: Json) -> list[Json]:
    """Parameter sets by name; a staterror shared by several samples or channels is one set."""
    types: dict[str, set[str]] = {}
    sizes: dict[str, int] = {}
    for name, kind, size in _modifiers(document):
        types.setdefault(name, set()).add(kind)
        sizes[name] = max(size, sizes.get(name, 0))
    return [
        {"name": name, "types": sorted(kinds), "constraint": _constraint(kinds), "size": sizes[name]}
        for name, kinds in sorted(types.items())
    ]


def _constraint(kinds: set[str]) -> str:
    found = {_CONSTRAINTS[kind] for kind in kinds}
    return next((constraint for constraint in ("Gaussian", "Poisson") if constraint in found), "free")
