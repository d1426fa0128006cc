"""`Model`: the likelihood of one workspace, with pyhf's conventions and order, as a JAX pytree.

A model's leaves are its arrays, so ``jax.grad(lambda m: m.logpdf(pars, data))(model)`` differentiates with
respect to yields and templates; parameters and data are vectors in pyhf's order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

import fitloom_core.backend  # noqa: F401  (float64 before the first array)
from fitloom_core.errors import InputError, InvalidModel, NoPOI
from fitloom_core.expectation import Settings, prepare, rates
from fitloom_core.interpolation import ADDITIVE_CODES, MULTIPLICATIVE_CODES
from fitloom_core.layout import Layout, ModelArrays, Structure, fill
from fitloom_core.likelihood import FitData, deviance_at, log_saturated, theta_of
from fitloom_core.parameters import ParameterSet


@dataclass(frozen=True)
class ModelConfig:
    """What a model has and in which order, named as in pyhf."""

    structure: Structure
    slots: tuple[tuple[str, ...], ...]
    poi_name: str | None
    auxdata: list[float]
    _start: tuple[float, ...]
    _fixed: tuple[bool, ...]

    @property
    def channels(self) -> list[str]:
        """Channel names, sorted: the order of the main data."""
        return list(self.structure.channels)

    @property
    def samples(self) -> list[str]:
        """Names of all samples, sorted."""
        return sorted({name for names in self.slots for name in names})

    @property
    def channel_nbins(self) -> dict[str, int]:
        """Number of bins of each channel."""
        return {name: span.stop - span.start for name, span in self.channel_slices.items()}

    @property
    def channel_slices(self) -> dict[str, slice]:
        """Each channel's part of the main data."""
        return dict(zip(self.structure.channels, self.structure.bins_of, strict=True))

    @property
    def modifiers(self) -> list[tuple[str, str]]:
        """Names and types of the modifiers, sorted."""
        return sorted((one.name, kind) for one in self.structure.sets for kind in one.kinds)

    @property
    def parameters(self) -> list[str]:
        """Names of the parameter sets, sorted (not the order of the parameter vector)."""
        return sorted(one.name for one in self.structure.sets)

    @property
    def par_order(self) -> list[str]:
        """Names of the parameter sets in the order of the parameter vector."""
        return [one.name for one in self.structure.sets]

    @property
    def par_names(self) -> list[str]:
        """A name for each component of the parameter vector."""
        return list(self.structure.names)

    @property
    def auxdata_order(self) -> list[str]:
        """Names of the constrained parameter sets in the order of the auxiliary data."""
        return [one.name for one in self.structure.sets if one.constraint != "none"]

    @property
    def npars(self) -> int:
        """Length of the parameter vector."""
        return len(self.structure.names)

    @property
    def nmaindata(self) -> int:
        """Number of bins."""
        return self.structure.bins

    @property
    def nauxdata(self) -> int:
        """Length of the auxiliary data."""
        return len(self.auxdata)

    @property
    def poi_index(self) -> int | None:
        """Where the parameter of interest stands in the parameter vector."""
        return None if self.poi_name is None else self.par_slice(self.poi_name).start

    def par_slice(self, name: str) -> slice:
        """A parameter set's part of the parameter vector.

        Raises:
            InputError: no parameter set of that name.
        """
        try:
            return self.structure.slices[name]
        except KeyError:
            raise InputError(f"no parameter {name!r}; the model has {', '.join(self.parameters)}") from None

    def param_set(self, name: str) -> ParameterSet:
        """A parameter set by name."""
        self.par_slice(name)
        return next(one for one in self.structure.sets if one.name == name)

    def suggested_init(self) -> list[float]:
        """Start values, one for each parameter."""
        return list(self._start)

    def suggested_bounds(self) -> list[tuple[float, float]]:
        """Allowed ranges, one for each parameter."""
        return [bounds for one in self.structure.sets for bounds in one.bounds]

    def suggested_fixed(self) -> list[bool]:
        """Whether each parameter is held at its start value."""
        return list(self._fixed)


@jax.tree_util.register_pytree_node_class
class Model:
    """The likelihood of a model specification.

    Args:
        spec: ``channels`` and ``parameters`` as in a workspace (checked: `Workspace.model` makes them).
        poi_name: the parameter of interest, None for none.
        modifier_settings: interpolation codes, ``{"normsys": {"interpcode": "code4"}, "histosys":
            {"interpcode": "code4p"}}``; types left out keep these defaults.
        clip_sample_data, clip_bin_data: lower limits of each sample's and each bin's rate.

    Raises:
        NoPOI: the parameter of interest acts on nothing.
        InvalidModel: see `fitloom_core.errors`.
    """

    config: ModelConfig
    settings: Settings
    arrays: ModelArrays

    def __init__(
        self,
        spec: Mapping[str, Any],
        *,
        poi_name: str | None = None,
        modifier_settings: Mapping[str, Mapping[str, str]] | None = None,
        clip_sample_data: float | None = None,
        clip_bin_data: float | None = None,
    ) -> None:
        structure, channels = Layout().lay_out(spec)
        arrays = ModelArrays(*(array.copy() for array in structure.template))
        fill(structure, channels, arrays)
        check_poi(structure, poi_name)
        self.settings = _settings(modifier_settings, clip_sample_data, clip_bin_data)
        self.config = ModelConfig(
            structure,
            tuple(tuple(block.sample for block in blocks) for _, _, blocks in channels),
            poi_name,
            [float(a) for a in nominal_auxdata(structure, arrays)],
            tuple(float(value) for value in arrays.start[structure.position]),
            tuple(bool(value) for value in arrays.fixed[structure.position]),
        )
        self.arrays = jax.tree.map(jnp.asarray, arrays)

    def expected_actualdata(self, pars: ArrayLike, *, by_sample: bool = False) -> Float[Array, "..."]:
        """Expected counts of each bin; by sample with one row for each of ``config.samples``."""
        by_slot = _expected(self.arrays, self.settings, self._internal(pars))
        if not by_sample:
            return by_slot[0][: self.config.nmaindata]
        rows = []
        for sample in self.config.samples:
            slots = np.full(self.config.nmaindata, -1)
            for names, span in zip(self.config.slots, self.config.structure.bins_of, strict=True):
                slots[span] = names.index(sample) if sample in names else -1
            rows.append(jnp.where(slots >= 0, by_slot[1][np.arange(len(slots)), slots], 0.0))
        return jnp.stack(rows)

    def expected_auxdata(self, pars: ArrayLike) -> Float[Array, "aux"]:
        """Expected auxiliary data: alpha, lambda, tau gamma or gamma."""
        index = self.config.structure.aux_index
        tau = self.arrays.tau[self.config.structure.position[index]]
        expected: Array = jnp.asarray(pars)[index] * jnp.where(tau > 0, tau, 1.0)
        return expected

    def expected_data(self, pars: ArrayLike, include_auxdata: bool = True) -> Float[Array, "data"]:
        """Expected counts of each bin, followed by the expected auxiliary data."""
        main = self.expected_actualdata(pars)
        return jnp.concatenate([main, self.expected_auxdata(pars)]) if include_auxdata else main

    def logpdf(self, pars: ArrayLike, data: ArrayLike) -> Float[Array, ""]:
        """ln L with all constants, the data being main data followed by auxiliary data."""
        value: Array = _logpdf(self.arrays, self.settings, self.fit_data(data), self._internal(pars))
        return value

    def fit_data(self, data: ArrayLike) -> FitData:
        """A data vector as the fit sees it: padded counts, and where each constraint peaks.

        Raises:
            InputError: a vector of the wrong length.
        """
        data, structure = jnp.asarray(data), self.config.structure
        expected = self.config.nmaindata + self.config.nauxdata
        if data.shape != (expected,):
            raise InputError(
                f"data of shape {data.shape}; the model needs {self.config.nmaindata} counts followed by "
                f"{self.config.nauxdata} auxiliary data"
            )
        observed = jnp.zeros(structure.dims.bins).at[: structure.bins].set(data[: structure.bins])
        where = structure.position[structure.aux_index]
        tau = self.arrays.tau[where]
        peak = data[structure.bins :] / jnp.where(tau > 0, tau, 1.0)
        center = self.arrays.center.at[where].set(peak)
        return FitData(observed, (center - self.arrays.start) / self.arrays.width)

    def _internal(self, pars: ArrayLike) -> Float[Array, "free"]:
        pars = jnp.asarray(pars, dtype=float)
        if pars.shape != (self.config.npars,):
            raise InputError(f"parameters of shape {pars.shape}; the model has {self.config.npars}")
        internal: Array = self.arrays.start.at[self.config.structure.position].set(pars)
        return internal

    def tree_flatten(self) -> tuple[tuple[ModelArrays], tuple[_Same, Settings]]:
        """Leaves and structure, for JAX."""
        return (self.arrays,), (_Same(self.config), self.settings)

    @classmethod
    def tree_unflatten(cls, aux: Any, children: tuple[ModelArrays]) -> Model:
        """A model from its leaves, for JAX."""
        model = object.__new__(cls)
        model.config, model.settings, model.arrays = aux[0].config, aux[1], children[0]
        return model

    def __repr__(self) -> str:
        return f"Model({self.config.npars} parameters, {self.config.nmaindata} bins, POI {self.config.poi_name})"


@dataclass(frozen=True, eq=False)
class _Same:
    """A configuration that compares by identity: what JAX needs of static data."""

    config: ModelConfig

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.config is self.config

    def __hash__(self) -> int:
        return id(self.config)


@partial(jax.jit, static_argnames="settings")
def _logpdf(arrays: ModelArrays, settings: Settings, data: FitData, theta: Float[Array, "free"]) -> Float[Array, ""]:
    pull = (theta - theta_of(arrays, data.center)) / arrays.width
    return log_saturated(arrays, data) - deviance_at(prepare(arrays, settings), settings, data, theta, pull) / 2


@partial(jax.jit, static_argnames="settings")
def _expected(
    arrays: ModelArrays, settings: Settings, theta: Float[Array, "free"]
) -> tuple[Float[Array, "bin"], Float[Array, "bin slot"]]:
    rate = rates(prepare(arrays, settings), settings, theta)
    return rate.total, rate.sample


def nominal_auxdata(structure: Structure, arrays: ModelArrays) -> Any:
    """Auxiliary data of a model: its constraints' peaks, times tau for Poisson constraints."""
    where = structure.position[structure.aux_index]
    return arrays.center[where] * np.where(arrays.tau[where] > 0, arrays.tau[where], 1.0)


def check_poi(structure: Structure, poi_name: str | None) -> None:
    """Check that the parameter of interest is one parameter of the model.

    Raises:
        NoPOI: it acts on nothing.
        InvalidModel: it is a set of several.
    """
    if poi_name is None:
        return
    one = next((one for one in structure.sets if one.name == poi_name), None)
    if one is None:
        raise NoPOI(
            f"the parameter of interest {poi_name!r} acts on no sample of the model; "
            "the patch adds no signal, or the measurement names another parameter"
        )
    if not one.scalar:
        raise InvalidModel(f"the parameter of interest {poi_name!r} is a set of {one.size} parameters; it must be one")


def _settings(
    modifier_settings: Mapping[str, Mapping[str, str]] | None, clip_sample: float | None, clip_bin: float | None
) -> Settings:
    codes = {"histosys": ADDITIVE_CODES[-1], "normsys": MULTIPLICATIVE_CODES[-1]}
    codes |= {kind: entry["interpcode"] for kind, entry in (modifier_settings or {}).items() if kind in codes}
    for kind, allowed in (("histosys", ADDITIVE_CODES), ("normsys", MULTIPLICATIVE_CODES)):
        if codes[kind] not in allowed:
            raise InputError(f"interpolation {codes[kind]!r} for {kind}; choose from {', '.join(allowed)}")
    return Settings(codes["histosys"], codes["normsys"], clip_sample, clip_bin)
