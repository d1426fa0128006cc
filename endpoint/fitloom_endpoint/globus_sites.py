"""What a Globus Compute endpoint asks of each batch system, and what its users may choose there.

A choice has a JSON schema, which Globus Compute checks before it renders the template, and a default. Texts that end in
job scripts are letters, digits and a few signs: nothing that a shell or a batch system would read as more than a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

_END = r"$(?!\n)"  # Python's $ alone lets a line break through
_NAME: Json = {"type": "string", "pattern": rf"^[A-Za-z0-9_.:@+-]{{1,64}}{_END}"}
_WALLTIME: Json = {"type": "string", "pattern": rf"^\d{{1,3}}:[0-5]\d:[0-5]\d{_END}"}
_IMAGE: Json = {"type": "string", "pattern": rf"^[A-Za-z0-9_.:/@-]{{1,256}}{_END}"}
_NAMESPACE: Json = {"type": "string", "pattern": rf"^[a-z0-9-]{{1,63}}{_END}"}
_MEMORY: Json = {"type": "string", "pattern": rf"^\d{{1,6}}[MG]i{_END}"}


@dataclass(frozen=True)
class Choice:
    """One option of the template: where it goes, what it may be, what it is otherwise."""

    key: str
    """The provider's parameter."""
    schema: Json
    default: str | int | None = None
    """None leaves the parameter out."""


@dataclass(frozen=True)
class Site:
    """A batch system as Parsl's provider for it wants it."""

    provider: str
    choices: Mapping[str, Choice] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    shared_files: bool = True
    """Whether jobs see the endpoint's home: needed for encryption, and to share what is staged and compiled."""
    reserved: tuple[str, ...] = ()
    """Choices of whoever runs the endpoint, not of its users; they must be made."""


def _whole(most: int, least: int = 1) -> Json:
    return {"type": "integer", "minimum": least, "maximum": most}


_ON_A_CLUSTER = {
    "walltime": Choice("walltime", _WALLTIME, "01:00:00"),
    "nodes": Choice("nodes_per_block", _whole(64), 1),
}
_FROM_A_LOGIN_NODE = {"init_blocks": 0, "min_blocks": 0, "cmd_timeout": 120}

SITES: Mapping[str, Site] = {
    "local": Site("LocalProvider", fixed={"init_blocks": 0, "min_blocks": 0}),
    "slurm": Site(
        "SlurmProvider",
        choices={
            "partition": Choice("partition", _NAME),
            "account": Choice("account", _NAME),
            "qos": Choice("qos", _NAME),
            "constraint": Choice("constraint", _NAME),
            **_ON_A_CLUSTER,
            "cores": Choice("cores_per_node", _whole(1024)),
            "memory": Choice("mem_per_node", _whole(4096)),
            "gpus": Choice("gpus_per_node", _whole(16)),
        },
        fixed={**_FROM_A_LOGIN_NODE, "exclusive": False, "launcher": {"type": "SrunLauncher"}},
    ),
    "pbs": Site(
        "PBSProProvider",
        choices={
            "queue": Choice("queue", _NAME),
            "account": Choice("account", _NAME),
            **_ON_A_CLUSTER,
            "cores": Choice("cpus_per_node", _whole(1024), 1),
        },
        fixed=_FROM_A_LOGIN_NODE,
    ),
    "htcondor": Site(
        "CondorProvider",
        choices={
            "project": Choice("project", _NAME),
            "walltime": Choice("walltime", _WALLTIME, "01:00:00"),
            "cores": Choice("cores_per_slot", _whole(256), 4),
            "memory": Choice("mem_per_slot", _whole(1024), 8),
        },
        fixed=_FROM_A_LOGIN_NODE,
        shared_files=False,
    ),
    "kubernetes": Site(
        "KubernetesProvider",
        choices={
            "image": Choice("image", _IMAGE),
            "namespace": Choice("namespace", _NAMESPACE, "default"),
            "cores": Choice("max_cpu", _whole(256), 4),
            "memory": Choice("max_mem", _MEMORY, "8Gi"),
        },
        fixed={"init_blocks": 0, "min_blocks": 0, "run_as_non_root": True, "user_id": "1000", "group_id": "1000"},
        shared_files=False,
        reserved=("image", "namespace"),
    ),
}
"""Batch systems by their names on the command line."""
