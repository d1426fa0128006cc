"""Expected rates from parameters: pure functions of arrays, for jit, vmap and differentiation.

In bin b the sample in slot m is expected at

    nu_bm = (nominal_bm + sum_p Delta_bmp(theta_p)) * prod_p f_gmp(theta_p) * prod_k gamma_bk

with additive shifts Delta (histosys), factors f common to the bins of a group g (normsys, normfactor,
lumi) and bin-local factors gamma (staterror, shapesys, shapefactor). The bin expects the sum over m.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from fitloom_core.interpolation import Factors, Jet, even_part, factor, prepare_factors
from fitloom_core.layout import ModelArrays

TINY = 1e-30
"""Stands for a factor of exactly zero where logarithmic derivatives are formed; never enters a rate."""


class Settings(NamedTuple):
    """What of a model is compiled in: interpolation codes and clipping."""

    histosys: str = "code4p"
    normsys: str = "code4"
    clip_sample_data: float | None = None
    clip_bin_data: float | None = None


class Prepared(NamedTuple):
    """A model with all that does not depend on parameters computed: made once a fit."""

    arrays: ModelArrays
    odd: Float[Array, "bin slot par"]
    even: Float[Array, "bin slot par"]
    factors: Factors


class Rates(NamedTuple):
    """The pieces of the expected rates at one parameter point."""

    additive: Float[Array, "bin slot"]
    """Nominal plus histosys shifts."""
    factor: Float[Array, "bin slot"]
    """Product of all factors."""
    sample: Float[Array, "bin slot"]
    """Expected rate of each sample, clipped if asked for."""
    total: Float[Array, "bin"]
    """Expected rate of each bin, clipped if asked for."""
    even: Jet
    """h(alpha) of the additive interpolation."""
    factors: Jet
    """Each factor of the group with its derivatives [group slot par]."""


def prepare(arrays: ModelArrays, settings: Settings) -> Prepared:
    """Compute interpolation coefficients."""
    up, down = jnp.asarray(arrays.up), jnp.asarray(arrays.down)
    return Prepared(
        arrays, (up + down) / 2, (up - down) / 2, prepare_factors(settings.normsys, arrays.norm_hi, arrays.norm_lo)
    )


def split(arrays: ModelArrays, vector: Float[Array, "free"]) -> tuple[Float[Array, "par"], Float[Array, "bin loc"]]:
    """The global and the bin-local part of an internal vector."""
    pars = arrays.up.shape[-1]
    return vector[:pars], vector[pars:].reshape(arrays.local.shape[0], arrays.local.shape[2])


@partial(jax.jit, static_argnames=("settings",))  # one program all the same, traced once instead of three times
def rates(model: Prepared, settings: Settings, theta: Float[Array, "free"]) -> Rates:
    """Expected rates at the parameters theta (internal order)."""
    arrays = model.arrays
    alpha, gamma = split(arrays, theta)
    even = even_part(settings.histosys, alpha)
    additive = arrays.nominal + model.odd @ alpha + model.even @ even.value
    norm = factor(model.factors, alpha)
    factors = Jet(norm.value + arrays.scale * (alpha - 1), norm.first + arrays.scale, norm.second)
    product = product_of(arrays, factors.value, gamma)
    sample = additive * product
    if settings.clip_sample_data is not None:
        sample = jnp.where(arrays.present > 0, jnp.maximum(sample, settings.clip_sample_data), 0.0)
    total = sample.sum(axis=-1)
    if settings.clip_bin_data is not None:
        total = jnp.where(arrays.present.max(axis=-1) > 0, jnp.maximum(total, settings.clip_bin_data), 0.0)
    return Rates(additive, product, sample, total, even, factors)


def product_of(
    arrays: ModelArrays, factors: Float[Array, "group slot par"], gamma: Float[Array, "bin loc"]
) -> Float[Array, "bin slot"]:
    """Product of a sample's factors, those of its group and those of its bin."""
    own = jnp.prod(1 + arrays.local * (gamma[:, None, :] - 1), axis=-1)
    return (arrays.bin_group @ jnp.prod(factors, axis=-1)) * own


def away_from_zero(value: Float[Array, "..."]) -> Float[Array, "..."]:
    """The value, moved by `TINY` where it is smaller than that; its derivative is kept."""
    return value + jnp.where(jnp.abs(value) < TINY, TINY, 0.0)
