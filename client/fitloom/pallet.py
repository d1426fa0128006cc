"""A pallet (background workspaces and their signal patches), from wherever it is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]
Value = float | str


@dataclass(frozen=True)
class PalletPoint:
    """One signal hypothesis: the name, the values of the labels and the JSON patch."""

    name: str
    values: Mapping[str, Value]
    patch: Sequence[Json]


@dataclass(frozen=True)
class Region:
    """One background workspace with the points that patch it."""

    name: str | None
    """None where a pallet has only one."""
    background: Json
    digest: str
    points: tuple[PalletPoint, ...]


@dataclass(frozen=True)
class Pallet:
    """Everything that one campaign fits."""

    name: str
    source: str
    digest: str
    labels: tuple[str, ...]
    regions: tuple[Region, ...]


def open_pallet(
    source: str | Path,
    *,
    regions: Sequence[str] = (),
    labels: Sequence[str] = (),
    points: str = "*",
    verify: bool = True,
) -> Pallet:
    """Read a pallet from a directory, an archive, a URL, a DOI, a HEPData record, or ``demo``."""
    raise NotImplementedError
