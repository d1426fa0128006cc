"""Interpolation codes against their written formulae, pyhf's interpolators and finite differences."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pyhf.interpolators import get as pyhf_code

import fitloom_core.backend  # noqa: F401
from fitloom_core.interpolation import even_part, factor, prepare_factors

ALPHAS = np.array([-3.0, -1.5, -1.0, -0.999, -0.4, -1e-3, 0.0, 1e-3, 0.3, 0.999, 1.0, 1.2, 4.0])
SMOOTH = ALPHAS[~np.isin(np.abs(ALPHAS), (0.0, 1.0))]


def additive(code: str, up: float, down: float, alpha: np.ndarray) -> np.ndarray:
    """S alpha + Q h(alpha)."""
    even = even_part(code, jnp.asarray(alpha)).value
    return np.asarray((up + down) / 2 * alpha + (up - down) / 2 * even)


def pyhf_values(code: int | str, low: float, high: float, alpha: np.ndarray) -> np.ndarray:
    """pyhf's interpolation of one bin of nominal 1 at each alpha."""
    interpolator = pyhf_code(code)([[[[low], [1.0], [high]]]])
    return np.array([float(np.squeeze(interpolator(np.array([[a]])))) for a in alpha])


@pytest.mark.parametrize(("code", "number"), [("code0", 0), ("code4p", "4p")])
@pytest.mark.parametrize(("low", "high"), [(0.8, 1.3), (1.1, 1.2), (0.5, 0.9), (1.0, 1.0)])
def test_additive_codes_are_pyhfs(code: str, number: int | str, low: float, high: float) -> None:
    ours = additive(code, high - 1, 1 - low, ALPHAS)
    np.testing.assert_allclose(ours, pyhf_values(number, low, high, ALPHAS), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize(("low", "high"), [(0.8, 1.3), (1.1, 1.2)])
def test_code2_is_pyhfs_inside_and_continuous_at_one(low: float, high: float) -> None:
    inside = ALPHAS[np.abs(ALPHAS) < 1]
    np.testing.assert_allclose(
        additive("code2", high - 1, 1 - low, inside), pyhf_values(2, low, high, inside), rtol=1e-12, atol=1e-14
    )
    for edge in (-1.0, 1.0):
        near = additive("code2", high - 1, 1 - low, np.array([edge * (1 - 1e-9), edge, edge * (1 + 1e-9)]))
        np.testing.assert_allclose(near, near[1], atol=1e-8)


@pytest.mark.parametrize(("code", "number"), [("code1", 1), ("code4", 4)])
@pytest.mark.parametrize(("low", "high"), [(0.8, 1.3), (1.1, 1.2), (0.5, 0.9), (1.0, 1.0), (0.01, 3.0)])
def test_multiplicative_codes_are_pyhfs(code: str, number: int, low: float, high: float) -> None:
    factors = prepare_factors(code, jnp.asarray(high), jnp.asarray(low))
    ours = np.asarray(factor(factors, jnp.asarray(ALPHAS)).value)
    np.testing.assert_allclose(ours, pyhf_values(number, low, high, ALPHAS), rtol=1e-13)


def test_code4_with_a_factor_of_zero_is_finite_as_in_root() -> None:
    factors = prepare_factors("code4", jnp.asarray(1.2), jnp.asarray(0.0))
    values = factor(factors, jnp.asarray([-0.5, 0.0, 0.5, -1.0, -2.0])).value
    np.testing.assert_allclose(values, [0.3048, 1.0, 1.1937, 0.0, 0.0], atol=5e-5)


@pytest.mark.parametrize("code", ["code0", "code2", "code4p"])
def test_additive_derivatives_are_exact(code: str) -> None:
    jet = even_part(code, jnp.asarray(SMOOTH))
    first = jax.vmap(jax.grad(lambda a: even_part(code, a).value))(SMOOTH)
    second = jax.vmap(jax.grad(jax.grad(lambda a: even_part(code, a).value)))(SMOOTH)
    np.testing.assert_allclose(jet.first, first, atol=1e-12)
    np.testing.assert_allclose(jet.second, second, atol=1e-12)


@pytest.mark.parametrize("code", ["code1", "code4"])
def test_multiplicative_derivatives_are_exact(code: str) -> None:
    factors = prepare_factors(code, jnp.asarray(1.4), jnp.asarray(0.7))
    jet = factor(factors, jnp.asarray(SMOOTH))
    first = jax.vmap(jax.grad(lambda a: factor(factors, a).value))(SMOOTH)
    second = jax.vmap(jax.grad(jax.grad(lambda a: factor(factors, a).value)))(SMOOTH)
    np.testing.assert_allclose(jet.first, first, atol=1e-12)
    np.testing.assert_allclose(jet.second, second, atol=1e-12)


@pytest.mark.parametrize("code", ["code4"])
def test_code4_joins_its_exponentials_twice_differentiably(code: str) -> None:
    factors = prepare_factors(code, jnp.asarray(1.4), jnp.asarray(0.7))
    for edge in (-1.0, 1.0):
        inside, outside = (factor(factors, jnp.asarray(edge * (1 + step))) for step in (-1e-10, 1e-10))
        np.testing.assert_allclose(inside, outside, rtol=1e-8)
