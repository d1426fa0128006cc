"""One sample of one channel as arrays: what a patch adds costs only the blocks it changes.

A block is made once for each sample object and kept for as long as the sample object lives, so the
samples of a background workspace are laid out once, whatever the number of signal patches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fitloom_core.errors import InvalidModifier

Vector = npt.NDArray[np.float64]
Names = tuple[str, ...]

TYPES = ("histosys", "lumi", "normfactor", "normsys", "shapefactor", "shapesys", "staterror")
"""The modifier types in the order in which pyhf lays out their parameters."""


@dataclass(frozen=True, eq=False)
class Block:
    """A sample's yields and modifiers in one channel.

    ``up`` and ``down`` are the shifts I+ - I0 and I0 - I- of each histosys, one row a bin; ``hi`` and
    ``lo`` the factors of each normsys; ``uncertainty`` the absolute uncertainties of each shapesys and
    staterror by its name.
    """

    sample: str
    nominal: Vector
    names: Mapping[str, Names]
    up: Vector
    down: Vector
    hi: Vector
    lo: Vector
    uncertainty: Mapping[str, Vector]

    @property
    def key(self) -> tuple[Any, ...]:
        """What decides the structure of a model: its modifiers' names and its size, no values nor its own name."""
        return (len(self.nominal), *self.names.values())


class BlockCache:
    """Blocks by the identity of their sample objects."""

    def __init__(self) -> None:
        self._blocks: dict[int, tuple[Any, Block]] = {}

    def keep(self, channels: Sequence[Mapping[str, Any]]) -> None:
        """Make and keep the blocks of all samples of these channels."""
        for channel in channels:
            for sample in channel["samples"]:
                self._blocks[id(sample)] = (sample, make_block(sample, channel["name"]))

    def block(self, sample: Mapping[str, Any], channel: str) -> Block:
        """The block of a sample: the kept one, or a new one."""
        kept = self._blocks.get(id(sample))
        return kept[1] if kept is not None else make_block(sample, channel)


def make_block(sample: Mapping[str, Any], channel: str) -> Block:
    """Lay out one sample.

    Raises:
        InvalidModifier: template or uncertainty lengths differ from the sample's.
    """
    nominal = np.asarray(sample["data"], dtype=np.float64)
    where = f"sample {sample['name']!r} of channel {channel!r}"
    by_type: dict[str, dict[str, Any]] = {kind: {} for kind in TYPES}
    for modifier in sorted(sample["modifiers"], key=lambda modifier: str(modifier["name"])):
        if modifier["name"] in by_type[modifier["type"]]:
            raise InvalidModifier(f"{where} has the {modifier['type']} {modifier['name']!r} twice; keep one of them")
        by_type[modifier["type"]][modifier["name"]] = modifier["data"]
    histosys, normsys = by_type["histosys"].values(), by_type["normsys"].values()
    high = _templates([data["hi_data"] for data in histosys], nominal, where)
    low = _templates([data["lo_data"] for data in histosys], nominal, where)
    return Block(
        sample=str(sample["name"]),
        nominal=nominal,
        names={kind: tuple(found) for kind, found in by_type.items()},
        up=high - nominal[:, None],
        down=nominal[:, None] - low,
        hi=np.array([data["hi"] for data in normsys], dtype=np.float64),
        lo=np.array([data["lo"] for data in normsys], dtype=np.float64),
        uncertainty={
            name: _templates([data], nominal, where)[:, 0]
            for kind in ("shapesys", "staterror")
            for name, data in by_type[kind].items()
        },
    )


def _templates(rows: Sequence[Sequence[float]], nominal: Vector, where: str) -> Vector:
    """Templates as columns, one row a bin."""
    for row in rows:
        if len(row) != len(nominal):
            raise InvalidModifier(f"{where} has {len(nominal)} bins, but a modifier of it has {len(row)} values")
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(nominal)).T
