"""Gradient and Hessian of the deviance against automatic differentiation and finite differences."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fitloom_core import Model, Workspace
from fitloom_core.expectation import Settings, prepare
from fitloom_core.likelihood import FitData, Hessian, deviance, expand
from strategies import workspaces


def dense(hessian: Hessian) -> np.ndarray:
    """The whole matrix from its blocks."""
    pars, (bins, locs) = hessian.shared.shape[0], hessian.mixed.shape[:2]
    whole = np.zeros((pars + bins * locs,) * 2)
    whole[:pars, :pars] = hessian.shared
    for b in range(bins):
        own = slice(pars + b * locs, pars + (b + 1) * locs)
        whole[own, :pars], whole[:pars, own] = hessian.mixed[b], hessian.mixed[b].T
        whole[own, own] = hessian.local[b]
    return whole


def random_pulls(model: Model, seed: int) -> np.ndarray:
    """Pulls around the initial values, padding and fixed parameters at zero, rates positive."""
    z = np.zeros(model.config.structure.dims.free)
    moved = 0.2 * np.random.default_rng(seed).standard_normal(model.config.npars)
    z[model.config.structure.position] = moved * (1 - np.array(model.config.suggested_fixed()))
    return z


def compare(model: Model, data: FitData, z: np.ndarray, chosen: Settings) -> None:
    """Analytic derivatives agree with JAX's, and the gradient with central differences at 1e-7."""
    prepared, where = prepare(model.arrays, chosen), model.config.structure.position
    where = where[np.abs(z[where]) > 1e-4]  # codes 0 and 1 have a kink at zero, where fixed parameters stay
    found = expand(prepared, chosen, data, jnp.asarray(z))
    value = jax.jit(lambda at: deviance(prepared, chosen, data, at))
    assert np.isfinite(found.value)
    np.testing.assert_allclose(found.value, value(z), rtol=1e-13)
    gradient, hessian = jax.grad(value)(z), jax.hessian(value)(z)
    whole = dense(jax.tree.map(jnp.add, found.fisher, found.curvature))
    scale = 1 + np.abs(whole).max()
    np.testing.assert_allclose(found.gradient[where], gradient[where], atol=1e-11 * scale)
    np.testing.assert_allclose(whole[np.ix_(where, where)], hessian[np.ix_(where, where)], atol=1e-10 * scale)
    for index in where[:: max(1, len(where) // 8)]:
        step = np.zeros_like(z)
        step[index] = 1e-5
        difference = (value(z + step) - value(z - step)) / 2e-5
        np.testing.assert_allclose(found.gradient[index], difference, atol=1e-7 * scale)


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck), phases=(Phase.generate,))
@given(
    workspaces(with_poi=True),
    st.integers(0, 2**31),
    st.sampled_from([Settings(), Settings("code0", "code1"), Settings("code2", "code4"), Settings(clip_bin_data=50.0)]),
)
def test_generated_models_have_exact_derivatives(document: dict[str, Any], seed: int, chosen: Settings) -> None:
    workspace = Workspace(document)
    model = workspace.model(0)
    compare(model, model.fit_data(workspace.data(model)), random_pulls(model, seed), chosen)


@pytest.mark.parametrize("region", ["RegionA", "RegionB", "RegionC"])
def test_published_models_have_exact_derivatives(region: str, sbottom: Any) -> None:
    name = next(iter(sbottom.patches(region)))
    workspace = sbottom(region).patched(sbottom.patch(region, name))
    model = workspace.model()
    data = model.fit_data(workspace.data(model))
    for seed in range(2):
        compare(model, data, random_pulls(model, seed), model.settings)


def test_derivatives_are_exact_where_the_poi_is_zero(sbottom: Any) -> None:
    workspace = sbottom("RegionA").patched(sbottom.patch("RegionA", "sbottom_1300_205_60"))
    model = workspace.model()
    z = random_pulls(model, 1)
    z[model.config.structure.position[model.config.poi_index]] = -1.0
    compare(model, model.fit_data(workspace.data(model)), z, model.settings)


def test_the_model_is_differentiable_with_respect_to_its_own_arrays(sbottom: Any) -> None:
    workspace = sbottom("RegionA")
    model = workspace.model(poi_name=None)
    data, pars = jnp.asarray(workspace.data(model)), jnp.asarray(model.config.suggested_init())
    slope = jax.grad(lambda one: one.logpdf(pars, data))(model)

    def shifted(by: float) -> float:
        arrays = model.arrays._replace(nominal=model.arrays.nominal.at[0, 0].add(by))
        moved = jax.tree.unflatten(jax.tree.structure(model), jax.tree.leaves(arrays))
        return float(moved.logpdf(pars, data))

    np.testing.assert_allclose(slope.arrays.nominal[0, 0], (shifted(1e-4) - shifted(-1e-4)) / 2e-4, rtol=1e-6)
