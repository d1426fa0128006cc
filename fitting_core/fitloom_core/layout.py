"""Workspace to flat arrays: where each bin, sample and parameter stands (host side, NumPy).

A model is a grid of bins and slots: the samples of a channel stand in the slots of its bins. Parameters
come in two kinds, because the Hessian is cheap only if its structure is kept:

* global parameters (histosys, normsys, normfactor, lumi) act on many bins. Multiplicative ones have
  the same factor in all bins of a *group* (a channel), so their work is done per group, not per bin;
* bin-local parameters (staterror, shapesys, shapefactor of one channel) multiply samples of one bin
  only, so they are eliminated bin by bin before the global system is solved.

Inside, a parameter is z = (theta - start) / width, its pull in units of the pre-fit uncertainty, and the
internal vector is the global parameters followed by the bin-local ones, ``bin * loc + k``. The public
order is pyhf's; `Structure.position` translates. Arrays are padded to a few sizes, so that models that
differ a little share one compiled program; padding is fixed parameters and empty bins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fitloom_core.blocks import Block, BlockCache, Vector
from fitloom_core.errors import InvalidModel, InvalidModifier
from fitloom_core.parameters import Channel, ParameterSet, parameter_sets

Numbers = Any
"""An array of NumPy or JAX, or a tracer: the leaves of a model."""


class ModelArrays(NamedTuple):
    """One model as arrays; a batch has a leading axis on every leaf.

    Axes: ``bin``, ``slot`` (samples of the bin's channel), ``group`` (bins with common factors), ``par``
    (global parameters), ``loc`` (local parameters of a bin), ``free`` (all, internal order).
    """

    nominal: Numbers
    """Yields [bin slot]."""
    up: Numbers
    """Histosys shift at +1 sigma, I+ - I0 [bin slot par]."""
    down: Numbers
    """Histosys shift at -1 sigma, I0 - I- [bin slot par]."""
    norm_hi: Numbers
    """Normsys factor at +1 sigma, 1 where none [group slot par]."""
    norm_lo: Numbers
    """Normsys factor at -1 sigma, 1 where none [group slot par]."""
    scale: Numbers
    """1 where the parameter itself is a factor: normfactor, lumi, shared shapefactor [group slot par]."""
    bin_group: Numbers
    """1 where a bin belongs to a group [bin group]."""
    local: Numbers
    """1 where a local parameter multiplies the sample [bin slot loc]."""
    present: Numbers
    """1 where a sample stands in the slot [bin slot]."""
    start: Numbers
    """Suggested initial values [free]."""
    width: Numbers
    """Pre-fit uncertainties, 1 for unconstrained parameters [free]."""
    lower: Numbers
    """Lower bounds [free]."""
    upper: Numbers
    """Upper bounds [free]."""
    fixed: Numbers
    """1 where a parameter is held [free]."""
    normal: Numbers
    """(width / sigma)^2 of a Gaussian constraint, 0 where none [free]."""
    tau: Numbers
    """tau of a Poisson constraint Pois(a | tau gamma), 0 where none [free]."""
    center: Numbers
    """Parameter value at which the constraint of the nominal auxiliary data peaks [free]."""


@dataclass(frozen=True)
class Dims:
    """Padded sizes: what a compiled program is specialised to."""

    bins: int
    slots: int
    groups: int
    pars: int
    locs: int

    @property
    def free(self) -> int:
        """Length of the internal parameter vector."""
        return self.pars + self.bins * self.locs

    def union(self, other: Dims) -> Dims:
        """The smallest size that holds both."""
        return Dims(*(max(pair) for pair in zip(_sizes(self), _sizes(other), strict=True)))


def _sizes(dims: Dims) -> tuple[int, ...]:
    return (dims.bins, dims.slots, dims.groups, dims.pars, dims.locs)


def shapes(dims: Dims) -> ModelArrays:
    """The shape of each array of a model of these sizes."""
    b, m, g, p, k, n = (*_sizes(dims), dims.free)
    return ModelArrays(
        *[(b, m), (b, m, p), (b, m, p), (g, m, p), (g, m, p), (g, m, p), (b, g), (b, m, k), (b, m)], *[(n,)] * 8
    )


def empty(dims: Dims, batch: tuple[int, ...] = ()) -> ModelArrays:
    """Arrays of a model without samples: no yields, every parameter fixed, no constraint."""
    filling = ModelArrays(0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 2, 1, 0, 0, 1)
    return ModelArrays(
        *(np.full(batch + shape, value, dtype=np.float64) for shape, value in zip(shapes(dims), filling, strict=True))
    )


@dataclass(frozen=True, eq=False)
class Structure:
    """All of a model but its values: names, order, sizes, and where each thing stands.

    Attributes:
        channels: names of the channels in order, ``bins_of`` their slices of the main data.
        sets: the parameter sets in the order of the parameter vector.
        position: internal index of each parameter of the public vector.
        dims: the padded sizes.
    """

    channels: tuple[str, ...]
    bins_of: tuple[slice, ...]
    groups_of: tuple[slice, ...]
    sets: tuple[ParameterSet, ...]
    slices: Mapping[str, slice]
    names: tuple[str, ...]
    position: npt.NDArray[np.intp]
    column: Mapping[str, int]
    dims: Dims
    template: ModelArrays = field(repr=False)
    aux_index: npt.NDArray[np.intp] = field(repr=False)
    cells: Mapping[str, tuple[tuple[int, int], ...]] = field(repr=False)
    users: Mapping[str, tuple[tuple[int, int], ...]] = field(repr=False)

    @property
    def bins(self) -> int:
        """Number of bins of the main data."""
        return self.bins_of[-1].stop


KEPT_STRUCTURES = 32
"""Points of one background have one structure or a few; where each has its own, old ones are forgotten."""


class Layout:
    """Structures by what decides them, and blocks by their sample: laid out once for a whole campaign."""

    def __init__(self) -> None:
        self.cache = BlockCache()
        self._structures: dict[Any, Structure] = {}

    def lay_out(self, spec: Mapping[str, Any], dims: Dims | None = None) -> tuple[Structure, tuple[Channel, ...]]:
        """Structure and blocks of a model specification (``channels`` and ``parameters``), of the given size at least.

        Raises:
            InvalidModel: no channels, or what `parameter_sets` raises.
        """
        channels = self._channels(spec["channels"])
        configs = spec.get("parameters") or []
        key = (tuple((name, *(block.key for block in blocks)) for name, _, blocks in channels), _freeze(configs), dims)
        structure = self._structures.get(key)
        if structure is None:
            structure = self._structures[key] = make_structure(channels, configs, dims)
            if len(self._structures) > KEPT_STRUCTURES:
                del self._structures[next(iter(self._structures))]
        return structure, channels

    def _channels(self, documents: Sequence[Mapping[str, Any]]) -> tuple[Channel, ...]:
        if not documents:
            raise InvalidModel("the model has no channels left; a signal patch must leave at least one")
        found = []
        for document in sorted(documents, key=lambda channel: str(channel["name"])):
            name = str(document["name"])
            samples = sorted(document["samples"], key=lambda sample: str(sample["name"]))
            if not samples:
                raise InvalidModel(f"channel {name!r} has no samples")
            blocks = tuple(self.cache.block(sample, name) for sample in samples)
            found.append((name, len(blocks[0].nominal), blocks))
        return tuple(found)


def _freeze(value: Any) -> Any:
    if isinstance(value, Mapping):
        return tuple((key, _freeze(value[key])) for key in sorted(value))
    return tuple(map(_freeze, value)) if isinstance(value, list | tuple) else value


def make_structure(
    channels: Sequence[Channel], configs: Sequence[Mapping[str, Any]], at_least: Dims | None = None
) -> Structure:
    """Decide where everything stands."""
    sets = parameter_sets(channels, configs)
    stops = np.cumsum([bins for _, bins, _ in channels])
    bins_of = tuple(slice(int(stop) - bins, int(stop)) for stop, (_, bins, _) in zip(stops, channels, strict=True))
    users = _users(channels)
    cells, locs = _cells(sets, users, bins_of, int(stops[-1]))
    groups_of = _groups(channels, sets, cells, bins_of)
    column = _columns(sets, cells)
    pars = sum(one.size for one in sets if one.name in column)
    raw = Dims(int(stops[-1]), max(len(blocks) for _, _, blocks in channels), groups_of[-1].stop, pars, locs)
    dims = pad(raw) if at_least is None else pad(raw).union(at_least)
    offsets = np.cumsum([0, *(one.size for one in sets)])
    structure = Structure(
        channels=tuple(name for name, _, _ in channels),
        bins_of=bins_of,
        groups_of=groups_of,
        sets=sets,
        slices={one.name: slice(int(a), int(b)) for one, a, b in zip(sets, offsets[:-1], offsets[1:], strict=True)},
        names=tuple(name for one in sets for name in one.names),
        position=_positions(sets, column, cells, dims),
        column=column,
        dims=dims,
        template=empty(dims),
        aux_index=np.flatnonzero(np.repeat([one.constraint != "none" for one in sets], [one.size for one in sets])),
        cells=cells,
        users=users,
    )
    _fill_template(structure, channels)
    return structure


def pad(dims: Dims) -> Dims:
    """Round sizes up to a few, so that similar models share a compiled program."""
    return Dims(
        _step(dims.bins, (8, 16, 32, 64, 128)),
        _step(dims.slots, (2, 4, 6, 8, 10, 12, 16, 24, 32)),
        _step(dims.groups, (4, 8, 16, 32, 64, 128)),
        _step(dims.pars, (8, 16, 32, 48, 64, 80, 96, 112, 128)),
        _step(dims.locs, (1, 2, 4, 6, 8, 12, 16, 24, 32)),
    )


def _step(size: int, steps: tuple[int, ...]) -> int:
    """The next step, or above the last the next multiple of half of it."""
    half = steps[-1] // 2
    return next((step for step in steps if size <= step), -(-size // half) * half)


def _users(channels: Sequence[Channel]) -> dict[str, tuple[tuple[int, int], ...]]:
    """For each name of a bin-wise modifier the (channel, slot) pairs it acts on."""
    users: dict[str, list[tuple[int, int]]] = {}
    for c, (_, _, blocks) in enumerate(channels):
        for m, block in enumerate(blocks):
            for kind in ("shapefactor", "shapesys", "staterror"):
                for name in block.names[kind]:
                    users.setdefault(name, []).append((c, m))
    return {name: tuple(pairs) for name, pairs in users.items()}


def _cells(
    sets: Sequence[ParameterSet], users: Mapping[str, Sequence[tuple[int, int]]], bins_of: Sequence[slice], bins: int
) -> tuple[dict[str, tuple[tuple[int, int], ...]], int]:
    """The (bin, k) cell of each component of each bin-local set, and how many k there are."""
    used = [0] * bins
    cells = {}
    for one in sets:
        channels = sorted({c for c, _ in users.get(one.name, ())})
        if not channels or ("shapefactor" in one.kinds and len(channels) > 1):
            continue
        mine = []
        for b in (b for c in channels for b in range(bins_of[c].start, bins_of[c].stop)):
            mine.append((b, used[b]))
            used[b] += 1
        cells[one.name] = tuple(mine)
    return cells, max(used)


def _groups(
    channels: Sequence[Channel], sets: Sequence[ParameterSet], cells: Mapping[str, Any], bins_of: Sequence[slice]
) -> tuple[slice, ...]:
    """Groups of each channel: one, or one a bin where a shapefactor is shared between channels."""
    shared = {one.name for one in sets if "shapefactor" in one.kinds and one.name not in cells}
    sizes = [
        bins if any(shared.intersection(block.names["shapefactor"]) for block in blocks) else 1
        for _, bins, blocks in channels
    ]
    stops = np.cumsum(sizes)
    return tuple(slice(int(stop) - size, int(stop)) for stop, size in zip(stops, sizes, strict=True))


def _columns(sets: Sequence[ParameterSet], cells: Mapping[str, Any]) -> dict[str, int]:
    """First global column of each set that is not bin-local."""
    column, offset = {}, 0
    for one in sets:
        if one.name not in cells:
            column[one.name] = offset
            offset += one.size
    return column


def _positions(
    sets: Sequence[ParameterSet], column: Mapping[str, int], cells: Mapping[str, Sequence[tuple[int, int]]], dims: Dims
) -> npt.NDArray[np.intp]:
    found: list[int] = []
    for one in sets:
        if one.name in column:
            found += range(column[one.name], column[one.name] + one.size)
        else:
            found += (dims.pars + b * dims.locs + k for b, k in cells[one.name])
    return np.array(found, dtype=np.intp)


def _fill_template(structure: Structure, channels: Sequence[Channel]) -> None:
    """What does not depend on values: incidence of factors, groups and local parameters; parameter defaults."""
    arrays = structure.template
    for c, (_, bins, blocks) in enumerate(channels):
        span, groups = structure.bins_of[c], structure.groups_of[c]
        one_group = groups.stop - groups.start == 1
        for i in range(bins):
            arrays.bin_group[span.start + i, groups.start if one_group else groups.start + i] = 1
        for m, block in enumerate(blocks):
            arrays.present[span, m] = 1
            for name in (*block.names["normfactor"], *block.names["lumi"]):
                arrays.scale[groups, m, structure.column[name]] = 1
            for name in block.names["shapefactor"]:
                if name in structure.column:
                    for i in range(bins):
                        arrays.scale[groups.start + i, m, structure.column[name] + i] = 1
    for name, cells in structure.cells.items():
        slots = {c: [m for at, m in structure.users[name] if at == c] for c, _ in structure.users[name]}
        for b, k in cells:
            c = next(c for c, span in enumerate(structure.bins_of) if span.start <= b < span.stop)
            arrays.local[b, slots.get(c, []), k] = 1
    for one in structure.sets:
        where = structure.position[structure.slices[one.name]]
        arrays.start[where] = one.inits
        arrays.lower[where], arrays.upper[where] = np.array(one.bounds).T
        arrays.fixed[where] = bool(one.fixed)
        if one.constraint == "normal":
            arrays.normal[where] = 1
            arrays.width[where] = 1.0 if one.sigmas is None else one.sigmas
        arrays.center[where] = _center(one)


def _center(one: ParameterSet) -> Any:
    """Where a constraint peaks: the auxiliary data, for Poisson constraints over tau (set with the values)."""
    if one.constraint == "normal" and one.auxdata is not None:
        return one.auxdata
    return 0.0 if one.kinds[0] in ("histosys", "normsys") else 1.0


def fill(structure: Structure, channels: Sequence[Channel], arrays: ModelArrays) -> None:
    """Write a model's values into a copy of its structure's template."""
    for c, (_, _, blocks) in enumerate(channels):
        for m, block in enumerate(blocks):
            fill_block(structure, c, m, block, arrays)
    fill_constraints(structure, channels, arrays)


def fill_block(structure: Structure, c: int, m: int, block: Block, arrays: ModelArrays) -> None:
    """Write one sample's yields, shifts and factors."""
    span, groups, column = structure.bins_of[c], structure.groups_of[c], structure.column
    arrays.nominal[span, m] = block.nominal
    if block.names["histosys"]:
        columns = [column[name] for name in block.names["histosys"]]
        arrays.up[span, m][:, columns] = block.up
        arrays.down[span, m][:, columns] = block.down
    if block.names["normsys"]:
        columns = [column[name] for name in block.names["normsys"]]
        arrays.norm_hi[groups, m][:, columns] = block.hi
        arrays.norm_lo[groups, m][:, columns] = block.lo


def fill_constraints(structure: Structure, channels: Sequence[Channel], arrays: ModelArrays) -> None:
    """Widths and tau of the constraints that depend on yields: staterror and shapesys."""
    for one in structure.sets:
        if one.kinds[0] == "staterror":
            _fill_staterror(structure, channels, one, arrays)
        elif one.kinds[0] == "shapesys":
            _fill_shapesys(structure, channels, one, arrays)


def _fill_staterror(structure: Structure, channels: Sequence[Channel], one: ParameterSet, arrays: ModelArrays) -> None:
    """sigma_b = sqrt(sum unc^2) / sum nominal over the declaring samples; a bin with sigma 0 is fixed at 1."""
    users = structure.users[one.name]
    sigmas = []
    for c in sorted({c for c, _ in users}):
        blocks = [channels[c][2][m] for at, m in users if at == c]
        total = np.sum([block.nominal for block in blocks], axis=0)
        with np.errstate(over="ignore"):
            variance = np.sum([block.uncertainty[one.name] ** 2 for block in blocks], axis=0)
            sigmas.append(np.sqrt(variance) / np.where(total > 0, total, np.inf))
    sigma = _finite(one, np.concatenate(sigmas))
    free = sigma > 0
    where = structure.position[structure.slices[one.name]]
    arrays.width[where] = np.where(free, sigma, 1.0) if one.sigmas is None else one.sigmas
    arrays.fixed[where] = ~free if one.fixed is None else one.fixed


def _fill_shapesys(structure: Structure, channels: Sequence[Channel], one: ParameterSet, arrays: ModelArrays) -> None:
    """tau_b = (nominal / unc)^2; a bin without yield or uncertainty is fixed at 1 with tau 1."""
    ((c, m),) = structure.users[one.name]
    block = channels[c][2][m]
    uncertainty = block.uncertainty[one.name]
    free = (block.nominal > 0) & (uncertainty > 0)
    with np.errstate(over="ignore"):
        tau = _finite(one, np.where(free, (block.nominal / np.where(free, uncertainty, 1.0)) ** 2, 1.0))
    auxdata = tau if one.auxdata is None else np.array(one.auxdata)
    if one.factors is not None:
        tau = np.array(one.factors)
    where = structure.position[structure.slices[one.name]]
    arrays.tau[where] = tau
    arrays.width[where] = np.minimum(1.0, 1.0 / np.sqrt(tau))
    arrays.fixed[where] = ~free if one.fixed is None else one.fixed
    arrays.center[where] = auxdata / tau


def _finite(one: ParameterSet, values: Vector) -> Vector:
    if not np.isfinite(values).all():
        raise InvalidModifier(
            f"the uncertainties of {one.name!r} are out of all proportion to the yields: a constraint of {values} "
            "cannot be computed; correct the yields or the uncertainties"
        )
    return values
