"""Parameter sets: which parameters a model has, in which order, with their defaults and sharing rules.

Order and defaults are pyhf's, so that parameter vectors can be exchanged: types in the order of
`fitloom_core.blocks.TYPES`, inside a type by first encounter walking sorted channels, samples and
modifiers (staterror: by name).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from fitloom_core.blocks import TYPES, Block
from fitloom_core.errors import InvalidModel, InvalidModifier, InvalidNameReuse

Constraint = Literal["normal", "poisson", "none"]
Channel = tuple[str, int, tuple[Block, ...]]
"""A channel as the layout sees it: name, number of bins, the blocks of its samples in order."""


@dataclass(frozen=True)
class ParameterSet:
    """The parameters of one modifier name.

    Attributes:
        name: the modifier name that all its uses share.
        kinds: the modifier types that use it (histosys and normsys may share a name).
        size: number of parameters (one for scalars, bins for the others).
        constraint: density of the auxiliary data, if any.
        inits, bounds, fixed: start values, allowed ranges and whether they are held, one each.
        auxdata, sigmas, factors: what a user's configuration puts in place of the defaults; None where the
            defaults of the type hold (they may depend on the yields).
    """

    name: str
    kinds: tuple[str, ...]
    size: int
    scalar: bool
    constraint: Constraint
    inits: tuple[float, ...]
    bounds: tuple[tuple[float, float], ...]
    fixed: bool | None = None
    auxdata: tuple[float, ...] | None = None
    sigmas: tuple[float, ...] | None = None
    factors: tuple[float, ...] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the single parameters: ``mu``, or ``stat[0]``, ``stat[1]``, …"""
        return (self.name,) if self.scalar else tuple(f"{self.name}[{index}]" for index in range(self.size))


def parameter_sets(channels: Sequence[Channel], configs: Sequence[Mapping[str, Any]]) -> tuple[ParameterSet, ...]:
    """The parameter sets of a model in the order of its parameter vector.

    Raises:
        InvalidNameReuse: one name for two types that cannot share a parameter.
        InvalidModifier: a shapesys name used twice, or a lumi that is not called lumi.
        InvalidModel: a parameter configuration that does not fit.
    """
    found = _first_encounters(channels)
    _check_sharing(found, channels)
    sizes = _sizes(channels)
    sets: dict[str, ParameterSet] = {}
    for kind in TYPES:
        for name in found[kind]:
            kinds = (*sets[name].kinds, kind) if name in sets else (kind,)
            sets[name] = replace(_default(name, kind, sizes.get(name, 1)), kinds=kinds)
    configured = _by_name(configs)
    return tuple(_configure(one, configured.get(one.name)) for one in sets.values())


def _first_encounters(channels: Sequence[Channel]) -> dict[str, dict[str, None]]:
    """Modifier names by type, each list in the order of the parameter vector."""
    found: dict[str, dict[str, None]] = {kind: {} for kind in TYPES}
    for _, _, blocks in channels:
        for block in blocks:
            for kind, names in block.names.items():
                found[kind].update(dict.fromkeys(names))
    found["staterror"] = dict.fromkeys(sorted(found["staterror"]))
    return found


def _check_sharing(found: Mapping[str, Mapping[str, None]], channels: Sequence[Channel]) -> None:
    owner: dict[str, str] = {}
    for kind in TYPES:
        for name in found[kind]:
            other = owner.setdefault(name, kind)
            if other != kind and (other, kind) != ("histosys", "normsys"):
                raise InvalidNameReuse(
                    f"the name {name!r} is used by a {other} and by a {kind}, which cannot share a parameter; "
                    "rename one of them"
                )
    for name in found["lumi"]:
        if name != "lumi":
            raise InvalidModifier(f"a lumi modifier must be called 'lumi', not {name!r}")
    seen: set[str] = set()
    for channel, _, blocks in channels:
        for block in blocks:
            for name in block.names["shapesys"]:
                if name in seen:
                    raise InvalidModifier(
                        f"the shapesys {name!r} of sample {block.sample!r} in channel {channel!r} is used before; "
                        "a shapesys belongs to one sample of one channel, so give each its own name"
                    )
                seen.add(name)


def _sizes(channels: Sequence[Channel]) -> dict[str, int]:
    """Number of parameters of the sets that have one for each bin."""
    sizes: dict[str, int] = {}
    for _, bins, blocks in channels:
        for name in {name for block in blocks for name in block.names["staterror"]}:
            sizes[name] = sizes.get(name, 0) + bins
        for block in blocks:
            sizes.update(dict.fromkeys(block.names["shapesys"], bins))
            sizes.update({name: max(bins, sizes.get(name, 0)) for name in block.names["shapefactor"]})
    return sizes


def _default(name: str, kind: str, size: int) -> ParameterSet:
    if kind in ("histosys", "normsys"):
        return ParameterSet(name, (kind,), 1, True, "normal", (0.0,), ((-5.0, 5.0),))
    if kind == "lumi":
        return ParameterSet(name, (kind,), 1, True, "normal", (np.nan,), ((np.nan, np.nan),))
    if kind == "normfactor":
        return ParameterSet(name, (kind,), 1, True, "none", (1.0,), ((0.0, 10.0),))
    if kind == "shapefactor":
        return ParameterSet(name, (kind,), size, False, "none", (1.0,) * size, ((0.0, 10.0),) * size)
    constraint: Constraint = "poisson" if kind == "shapesys" else "normal"
    return ParameterSet(name, (kind,), size, False, constraint, (1.0,) * size, ((1e-10, 10.0),) * size)


def _by_name(configs: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    names = [config["name"] for config in configs]
    for name in names:
        if names.count(name) > 1:
            raise InvalidModel(f"the parameter {name!r} is configured {names.count(name)} times; keep one of them")
    return dict(zip(names, configs, strict=True))


_ALLOWED = {
    "normal": {"inits", "bounds", "auxdata", "sigmas", "fixed"},
    "poisson": {"inits", "bounds", "auxdata", "factors", "fixed"},
    "none": {"inits", "bounds", "fixed"},
}


def _configure(one: ParameterSet, config: Mapping[str, Any] | None) -> ParameterSet:
    """Put a user's configuration in place of the defaults, key by key."""
    given = {key: value for key, value in (config or {}).items() if key != "name" and value is not None}
    allowed = _ALLOWED[one.constraint] - ({"sigmas"} if one.kinds[0] in ("histosys", "normsys") else set())
    for key in sorted(given.keys() - allowed):
        raise InvalidModel(
            f"the {one.kinds[0]} parameter {one.name!r} has no {key!r} to configure, only {', '.join(sorted(allowed))}"
        )
    for key in given.keys() - {"fixed"}:
        if len(given[key]) != one.size:
            raise InvalidModel(f"{key} of parameter {one.name!r} has {len(given[key])} values; it needs {one.size}")
    lists = {key: tuple(float(value) for value in given[key]) for key in given.keys() - {"fixed", "bounds"}}
    bounds = {"bounds": tuple((float(low), float(high)) for low, high in given["bounds"])} if "bounds" in given else {}
    done = replace(one, **lists, **bounds, fixed=given.get("fixed"))  # type: ignore[arg-type]
    _check(done)
    return done


def _check(one: ParameterSet) -> None:
    missing = [key for key in ("auxdata", "sigmas") if "lumi" in one.kinds and getattr(one, key) is None]
    missing += ["inits"] * bool(np.isnan(one.inits).any()) + ["bounds"] * bool(np.isnan(one.bounds).any())
    if missing:
        raise InvalidModel(f"the lumi parameter needs {', '.join(missing)} in the measurement's parameters")
    for low, high in one.bounds:
        if not low <= high:
            raise InvalidModel(f"bounds [{low}, {high}] of parameter {one.name!r} are the wrong way round")
    for key in ("sigmas", "factors"):
        values = getattr(one, key)
        if values is not None and min(values) <= 0:
            raise InvalidModel(f"{key} of parameter {one.name!r} must be positive, not {min(values)}")
