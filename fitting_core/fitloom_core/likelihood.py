"""Poisson and constraint terms in cancellation-free form, with exact gradient and Hessian.

The objective is the deviance, -2 ln L less its value for a saturated model:

    D(z) = sum_b 2 d(n_b, nu_b) + sum_normal c (z - a)^2 + sum_poisson 2 d(tau gamma_a, tau gamma)
    d(n, nu) = n (x - log1p(x)),  x = (nu - n)/n          (nu for n = 0)

where gamma_a is the value at which the constraint of the auxiliary data peaks, so that gamma - gamma_a
= width (z - a) is formed without cancellation: tau reaches 1e12 in published workspaces, and
lambda - a ln lambda would round -2 ln L at 1e-3.

Derivatives use the structure of the rates. With logarithmic derivatives g_p = f_p'/f_p of the factors,
shifts D_p = dDelta_p/dtheta_p and E the product of all factors of a sample,

    d nu        = E (D_p + A g_p)
    d^2 nu      = E (D_p g_q + g_p D_q + A g_p g_q)                         p != q
    d^2 nu      = E (Delta_p'' + 2 D_p g_p + A f_p''/f_p)                   p == q

so the Hessian is a sum of outer products of a few vectors per group plus one per bin, plus a diagonal;
bin-local parameters couple to one bin only and are eliminated by a Schur complement (see `minimise`).
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax.scipy.special import gammaln, xlogy
from jaxtyping import Array, Float

from fitloom_core.expectation import Prepared, Settings, away_from_zero, product_of, rates, split
from fitloom_core.layout import ModelArrays, Numbers


class FitData(NamedTuple):
    """Data of one fit; a batch has a leading axis."""

    observed: Numbers
    """Counts [bin]."""
    center: Numbers
    """Pulls at which the constraints peak [free]."""


class Hessian(NamedTuple):
    """A symmetric matrix by its blocks: global, local-global, local within each bin."""

    shared: Float[Array, "par par"]
    mixed: Float[Array, "bin loc par"]
    local: Float[Array, "bin loc loc"]


class Expansion(NamedTuple):
    """Deviance with gradient and Hessian in pulls z.

    ``fisher`` is the expected-information part of the Hessian, never indefinite; ``curvature`` the rest.
    """

    value: Float[Array, ""]
    gradient: Float[Array, "free"]
    fisher: Hessian
    curvature: Hessian


def theta_of(arrays: ModelArrays, z: Float[Array, "free"]) -> Float[Array, "free"]:
    """Parameters from pulls."""
    return arrays.start + arrays.width * z


def half_deviance(n: Float[Array, "*n"], nu: Float[Array, "*n"], difference: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """n (x - log1p(x)) with x = (nu - n)/n from nu - n; nu for n = 0; infinite where nu < 0, or nu = 0 < n.

    Far from n the logarithm is taken of nu/n itself, where 1 + x would have lost its digits.
    """
    some, inside = n > 0, jnp.where(n > 0, nu > 0, nu >= 0)
    scale, moved = jnp.where(some, n, 1.0), jnp.where(inside, difference, 0.0)
    near = jnp.abs(moved) < 0.5 * scale
    x = jnp.where(near, moved, 0.0) / scale
    log = jnp.log(jnp.where(inside, jnp.where(some, nu, 1.0), 1.0)) - jnp.log(scale)
    return jnp.where(
        inside, jnp.where(some & near, n * (x - jnp.log1p(x)), moved - jnp.where(some, n * log, 0.0)), jnp.inf
    )


def deviance(model: Prepared, settings: Settings, data: FitData, z: Float[Array, "free"]) -> Float[Array, ""]:
    """-2 ln L less its saturated value; infinite where a bin expects nothing or less but has seen something."""
    return deviance_at(model, settings, data, theta_of(model.arrays, z), z - data.center)


def deviance_at(
    model: Prepared, settings: Settings, data: FitData, theta: Float[Array, "free"], pull: Float[Array, "free"]
) -> Float[Array, ""]:
    """`deviance` from parameters and their distance to the constraints' peaks, each as exact as it is known."""
    return _value(model.arrays, data, rates(model, settings, theta).total, theta, pull)


def _value(
    arrays: ModelArrays,
    data: FitData,
    total: Float[Array, "bin"],
    theta: Float[Array, "free"],
    pull: Float[Array, "free"],
) -> Float[Array, ""]:
    main = half_deviance(data.observed, total, total - data.observed).sum()
    poisson = half_deviance(arrays.tau * _peak(arrays, data), arrays.tau * theta, arrays.tau * arrays.width * pull)
    return 2 * main + (arrays.normal * pull * pull).sum() + 2 * jnp.where(arrays.tau > 0, poisson, 0.0).sum()


def log_saturated(arrays: ModelArrays, data: FitData) -> Float[Array, ""]:
    """ln L of a model that expects exactly the data: what the deviance leaves out of -2 ln L."""
    sigma = arrays.width / jnp.sqrt(jnp.where(arrays.normal > 0, arrays.normal, 1.0))
    normal = jnp.where(arrays.normal > 0, -jnp.log(sigma) - 0.5 * jnp.log(2 * jnp.pi), 0.0)
    poisson = jnp.where(arrays.tau > 0, _log_poisson_peak(arrays.tau * _peak(arrays, data)), 0.0)
    return _log_poisson_peak(data.observed).sum() + normal.sum() + poisson.sum()


def _log_poisson_peak(n: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """ln Pois(n | n); by Stirling's series where n ln n - n - ln n! would cancel."""
    large = jnp.maximum(n, 1e3)
    series = -0.5 * jnp.log(2 * jnp.pi * large) - 1 / (12 * large) + 1 / (360 * large**3)
    return jnp.where(n > 1e3, series, xlogy(n, n) - n - gammaln(n + 1))


def _peak(arrays: ModelArrays, data: FitData) -> Float[Array, "free"]:
    return theta_of(arrays, data.center)


def expand(model: Prepared, settings: Settings, data: FitData, z: Float[Array, "free"]) -> Expansion:
    """Value, gradient and Hessian of the deviance at z."""
    arrays = model.arrays
    theta = theta_of(arrays, z)
    width, width_local = split(arrays, arrays.width)
    _, gamma = split(arrays, theta)
    rate = rates(model, settings, theta)
    n, nu = data.observed, rate.total
    ratio = jnp.where(n > 0, n / nu, 0.0)
    slope, bend = 2 * (1 - ratio), 2 * ratio / jnp.where(n > 0, nu, 1.0)
    factors, gamma = away_from_zero(rate.factors.value), away_from_zero(gamma)
    product = product_of(arrays, factors, gamma)
    product, slope, bend = _unclipped(settings, rate.additive * product, product, nu, slope, bend)

    shift = (model.odd + model.even * rate.even.first) * width
    log_slope = rate.factors.first / factors * width
    row = product[..., None] * (
        shift + rate.additive[..., None] * jnp.einsum("bg,gmp->bmp", arrays.bin_group, log_slope)
    )
    sums = jnp.einsum("bkm,bmp->bkp", _with_ones(arrays.local), row)
    jacobian, touched = sums[:, 0], sums[:, 1:]
    per_gamma = width_local / gamma
    sample = product * rate.additive
    jacobian_local = per_gamma * jnp.einsum("bmk,bm->bk", arrays.local, sample)

    pull = z - data.center
    pull_gradient, pull_hessian = _constraints(arrays, theta, data, pull)
    diagonal, diagonal_local = split(arrays, pull_hessian)
    gradient = jnp.concatenate([slope @ jacobian, (slope[:, None] * jacobian_local).ravel()]) + pull_gradient

    weight = slope[:, None] * product
    by_group = jnp.einsum("bg,bm,bmp->gmp", arrays.bin_group, weight, shift)
    amount = jnp.einsum("bg,bm->gm", arrays.bin_group, weight * rate.additive)[..., None]
    half = jnp.einsum("gmp,gmq->pq", log_slope, by_group + 0.5 * amount * log_slope)
    own = jnp.einsum("bm,bmp->p", weight, model.even) * rate.even.second * width**2 + (
        2 * by_group * log_slope + amount * rate.factors.second / factors * width**2
    ).sum(axis=(0, 1))
    pars, locs = width.shape[0], gamma.shape[1]
    identity, identity_local = jnp.eye(pars), jnp.eye(locs)
    curvature = Hessian(
        (half + half.T) * (1 - identity) + own * identity,
        slope[:, None, None] * per_gamma[..., None] * touched,
        jnp.einsum("b,bk,bl,bm,bmk,bml->bkl", slope, per_gamma, per_gamma, sample, arrays.local, arrays.local)
        * (1 - identity_local),
    )
    fisher = Hessian(
        jnp.einsum("bp,b,bq->pq", jacobian, bend, jacobian) + diagonal * identity,
        jnp.einsum("bk,b,bp->bkp", jacobian_local, bend, jacobian),
        jnp.einsum("bk,b,bl->bkl", jacobian_local, bend, jacobian_local) + diagonal_local[..., None] * identity_local,
    )
    return Expansion(_value(arrays, data, nu, theta, pull), gradient, fisher, curvature)


def _unclipped(
    settings: Settings,
    sample: Float[Array, "bin slot"],
    product: Float[Array, "bin slot"],
    nu: Float[Array, "bin"],
    slope: Float[Array, "bin"],
    bend: Float[Array, "bin"],
) -> tuple[Float[Array, "bin slot"], Float[Array, "bin"], Float[Array, "bin"]]:
    """Where clipping holds a rate, its derivatives vanish."""
    if settings.clip_sample_data is not None:
        product = jnp.where(sample >= settings.clip_sample_data, product, 0.0)
    if settings.clip_bin_data is not None:
        free = nu > settings.clip_bin_data
        slope, bend = jnp.where(free, slope, 0.0), jnp.where(free, bend, 0.0)
    return product, slope, bend


def _with_ones(local: Float[Array, "bin slot loc"]) -> Float[Array, "bin loc1 slot"]:
    """All samples, then the samples of each local parameter."""
    every = jnp.ones((local.shape[0], 1, local.shape[1]))
    return jnp.concatenate([every, jnp.swapaxes(local, 1, 2)], axis=1)


def _constraints(
    arrays: ModelArrays, theta: Float[Array, "free"], data: FitData, pull: Float[Array, "free"]
) -> tuple[Float[Array, "free"], Float[Array, "free"]]:
    """Gradient and diagonal Hessian of the constraint terms in pulls."""
    safe = away_from_zero(theta)
    stiffness = 2 * arrays.tau * arrays.width**2 / safe
    return (
        2 * arrays.normal * pull + stiffness * pull,
        2 * arrays.normal + stiffness * _peak(arrays, data) / safe,
    )
