"""Batched bounded minimisation of the deviance with certificates.

Every fit of a batch takes damped Newton steps together in one compiled loop:

1. expand the deviance at z (value, exact gradient and Hessian);
2. hold what is fixed and what sits on a bound with the gradient pushing outwards (active set);
3. solve (H + lambda) d = -g on the rest, bin-local parameters first: with the blocks
   [S C^T; C L] of H, (S - C^T L^-1 C) d_S = -g_S + C^T L^-1 g_L, and L is block-diagonal in bins;
4. where z + d crosses bounds, go to these bounds and solve again for the rest;
5. take the step if -2 ln L falls, else raise lambda and try again.

Where H + lambda is indefinite its Cholesky factor does not exist; then the part of H that can be indefinite
is left out of this step (Fisher scoring).

For instance -2 ln L = (z - 3)^2 with z in [0, 1] ends at z = 1: the first step is cut at the bound, the
second expansion finds the gradient -4 pushing outwards, nothing is free, and the fit is certified.

Sources: Bertsekas, SIAM J. Control Optim. 20 (1982) 221 (projected Newton); Nielsen, IMM-REP-1999-05
(damping).
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import cho_solve
from jaxtyping import Array, Bool, Float, Int

from fitloom_core.expectation import Prepared, Settings, prepare, rates
from fitloom_core.layout import ModelArrays
from fitloom_core.likelihood import Expansion, FitData, Hessian, deviance, expand, log_saturated, theta_of

EDM_GOAL = 1e-14
KKT_GOAL = 1e-6
RIDGE = 1e-13


class Outcome(NamedTuple):
    """Where the fits of a batch ended and the evidence that these are minima."""

    z: Float[Array, "batch free"]
    """Parameters as pulls, internal order."""
    value: Float[Array, "batch"]
    """Deviance at z."""
    kkt: Float[Array, "batch"]
    """Largest component of the projected gradient."""
    edm: Float[Array, "batch"]
    """Estimated distance of the deviance to its minimum, g H^-1 g / 2."""
    positive_definite: Bool[Array, "batch"]
    """Whether the Hessian is positive definite on the free parameters."""
    iterations: Int[Array, "batch"]
    converged: Bool[Array, "batch"]
    nll: Float[Array, "batch"]
    """-ln L at z, with all constants."""
    expected: Float[Array, "batch bin"]
    """Expected rates at z: the main part of an Asimov data set."""


class _State(NamedTuple):
    z: Float[Array, "batch free"]
    damping: Float[Array, "batch"]
    value: Float[Array, "batch"]
    kkt: Float[Array, "batch"]
    edm: Float[Array, "batch"]
    positive_definite: Bool[Array, "batch"]
    iterations: Int[Array, "batch"]
    converged: Bool[Array, "batch"]
    stuck: Bool[Array, "batch"]


@partial(jax.jit, static_argnames=("settings",))
def minimise_batch(
    arrays: ModelArrays,
    settings: Settings,
    data: FitData,
    z: Float[Array, "batch free"],
    hold: Float[Array, "batch free"],
    damping: Float[Array, "batch"],
    limit: Int[Array, ""],
) -> Outcome:
    """Minimise the deviance of every model of a batch, from z.

    Args:
        arrays, data: with a leading batch axis on every leaf.
        hold: marks the parameters that stay where they are; those that the model fixes do anyway.
        damping: initial damping lambda, 0 for plain Newton steps.
        limit: number of expansions at most.
    """
    lower = (arrays.lower - arrays.start) / arrays.width
    upper = (arrays.upper - arrays.start) / arrays.width
    held = (hold > 0) | (arrays.fixed > 0) | (lower == upper)
    fit = _Fit(jax.vmap(lambda one: prepare(one, settings))(arrays), data, lower, upper, held)
    start = _start(jnp.where(held, z, jnp.clip(z, lower, upper)), damping)

    def running(state: _State) -> Bool[Array, "batch"]:
        return ~state.converged & ~state.stuck & (state.iterations < limit)

    def body(state: _State) -> _State:
        on = running(state)
        return jax.tree.map(lambda new, old: _where(on, new, old), _iterate(fit, settings, state), state)

    end = jax.lax.while_loop(lambda state: jnp.any(running(state)), body, start)
    nll = end.value / 2 - jax.vmap(log_saturated)(arrays, data)
    expected = jax.vmap(lambda model, at: rates(model, settings, theta_of(model.arrays, at)).total)(fit.model, end.z)
    return Outcome(
        end.z, end.value, end.kkt, end.edm, end.positive_definite, end.iterations, end.converged, nll, expected
    )


class _Fit(NamedTuple):
    """What stays the same during a fit, for a batch."""

    model: Prepared
    data: FitData
    lower: Float[Array, "batch free"]
    upper: Float[Array, "batch free"]
    held: Bool[Array, "batch free"]


def _start(z: Float[Array, "batch free"], damping: Float[Array, "batch"]) -> _State:
    infinite, no = jnp.full_like(damping, jnp.inf), jnp.zeros_like(damping, dtype=bool)
    return _State(
        z=z,
        damping=damping,
        value=infinite,
        kkt=infinite,
        edm=infinite,
        positive_definite=no,
        iterations=jnp.zeros_like(damping, dtype=int),
        converged=no,
        stuck=no,
    )


def _where(on: Bool[Array, "batch"], new: Array, old: Array) -> Array:
    return jnp.where(on.reshape(on.shape + (1,) * (new.ndim - 1)), new, old)


def _iterate(fit: _Fit, settings: Settings, state: _State) -> _State:
    """One damped Newton step of every fit."""
    z = state.z
    at = jax.vmap(lambda model, data, one: expand(model, settings, data, one))(fit.model, fit.data, z)
    outwards = ((z <= fit.lower) & (at.gradient > 0)) | ((z >= fit.upper) & (at.gradient < 0))
    free = ~fit.held & ~outwards & ~jax.vmap(_idle)(at)
    kkt = jnp.max(jnp.where(free, jnp.abs(at.gradient), 0.0), axis=-1)
    step, exists = _solve(at, at.gradient, free, state.damping)
    decrease = -(at.gradient * step).sum(axis=-1) / 2
    plain = exists & (state.damping == 0)
    done = plain & (kkt < KKT_GOAL) & (decrease < EDM_GOAL)

    moved = jnp.clip(z + _pinned(fit, state, at, free, step, exists), fit.lower, fit.upper) - z
    trial = jnp.where(fit.held, z, z + moved)
    value = jax.vmap(lambda model, data, one: deviance(model, settings, data, one))(fit.model, fit.data, trial)
    change, expected = value - at.value, (at.gradient * (trial - z)).sum(axis=-1)
    at_rounding = (jnp.abs(change) <= 1e-12 * (1 + jnp.abs(at.value))) & (decrease < 1e-9)
    good = jnp.isfinite(change) & ((change <= 1e-4 * jnp.minimum(expected, 0.0)) | at_rounding)
    accept = good & ~done
    lowered = jnp.where(state.damping > 1e-4, state.damping / 10, 0.0)
    raised = jnp.maximum(jnp.where(exists, 10.0, 100.0) * state.damping, 1e-3)
    return _State(
        # the last step is taken too: q_A is linear in errors of the fit that made the Asimov data
        z=_where(accept | done, trial, z),
        damping=jnp.where(done, state.damping, jnp.where(accept, lowered, raised)),
        value=at.value,
        kkt=kkt,
        edm=jnp.where(exists, decrease, jnp.inf),
        positive_definite=plain,
        iterations=state.iterations + 1,
        converged=done,
        stuck=(~done & (state.damping > 1e12)) | ~jnp.isfinite(at.value),
    )


def _solve(
    at: Expansion, gradient: Float[Array, "batch free"], free: Bool[Array, "batch free"], damping: Float[Array, "batch"]
) -> tuple[Float[Array, "batch free"], Bool[Array, "batch"]]:
    """Steps with the exact Hessian, or with the expected information where that is indefinite."""
    step, exists = _newton_steps(at, gradient, free, damping, jnp.ones_like(damping))

    def fisher(_: None) -> Float[Array, "batch free"]:
        return _where(exists, step, _newton_steps(at, gradient, free, damping, jnp.zeros_like(damping))[0])

    return jax.lax.cond(jnp.all(exists), lambda _: step, fisher, None), exists


def _pinned(
    fit: _Fit,
    state: _State,
    at: Expansion,
    free: Bool[Array, "batch free"],
    step: Float[Array, "batch free"],
    exists: Bool[Array, "batch"],
) -> Float[Array, "batch free"]:
    """Where a step would cross bounds, the step to these bounds, solved again for all other parameters.

    Cutting the step off instead would leave the others where they belong only with the bounds crossed.
    """
    z = state.z
    crosses = free & ((z + step < fit.lower) | (z + step > fit.upper))

    def again(_: None) -> Float[Array, "batch free"]:
        to_bound = jnp.where(crosses, jnp.clip(z + step, fit.lower, fit.upper) - z, 0.0)
        pull = jax.vmap(_hessian_times)(at, to_bound, exists.astype(float))
        rest = _solve(at, at.gradient + pull, free & ~crosses, state.damping)[0]
        return rest + to_bound

    return jax.lax.cond(jnp.any(crosses), again, lambda _: step, None)


def _hessian_times(at: Expansion, vector: Float[Array, "free"], exact: Float[Array, ""]) -> Float[Array, "free"]:
    shared, mixed, local = jax.tree.map(lambda fisher, rest: fisher + exact * rest, at.fisher, at.curvature)
    one, own = _parts(mixed, vector)
    first = shared @ one + jnp.einsum("bkp,bk->p", mixed, own)
    return jnp.concatenate([first, (mixed @ one + jnp.einsum("bkl,bl->bk", local, own)).ravel()])


def _idle(at: Expansion) -> Bool[Array, "free"]:
    """Parameters that act on nothing: no gradient and no curvature."""
    whole = jax.tree.map(jnp.add, at.fisher, at.curvature)
    shared, local = _diagonals(whole)
    return (at.gradient == 0) & (jnp.concatenate([shared, local.ravel()]) == 0)


def _diagonals(matrix: Hessian) -> tuple[Float[Array, "par"], Float[Array, "bin loc"]]:
    return jnp.diagonal(matrix.shared), jnp.diagonal(matrix.local, axis1=-2, axis2=-1)


def newton_step(
    at: Expansion,
    gradient: Float[Array, "free"],
    free: Bool[Array, "free"],
    damping: Float[Array, ""],
    exact: Float[Array, ""],
) -> tuple[Float[Array, "free"], Bool[Array, ""]]:
    """Solve (H + damping) d = -g on the free parameters; the second result says whether H is positive definite.

    Args:
        damping: in units of the expected information on each parameter alone.
        exact: 1 for the exact Hessian, 0 for its expected-information part.
    """
    scale, scale_local = _diagonals(at.fisher)
    shared, mixed, local = jax.tree.map(lambda fisher, rest: fisher + exact * rest, at.fisher, at.curvature)
    on, on_local = _parts(mixed, free.astype(float))
    gradient, gradient_local = _parts(mixed, gradient * free)
    mixed = mixed * on_local[..., None] * on
    local = _masked(local, on_local, damping * scale_local)
    half_local, exists_local = _factor(local)
    eliminated = _solve_small(half_local, jnp.concatenate([mixed, gradient_local[..., None]], axis=-1))
    schur = _masked(shared, on, damping * scale) - jnp.einsum("bkp,bkq->pq", mixed, eliminated[..., :-1])
    half = jnp.linalg.cholesky(schur)
    rhs = -gradient + jnp.einsum("bkp,bk->p", mixed, eliminated[..., -1])
    step = cho_solve((half, True), rhs)
    step_local = -(eliminated[..., -1] + jnp.einsum("bkp,p->bk", eliminated[..., :-1], step))
    whole = jnp.concatenate([step, step_local.ravel()])
    exists = exists_local & jnp.isfinite(half[-1, -1]) & jnp.all(jnp.isfinite(whole))
    return jnp.where(exists & free, whole, 0.0), exists


_newton_steps = jax.jit(jax.vmap(newton_step))
"""Of a batch. Compiled into one program all the same; the inner `jit` only has it traced once."""


def _parts(
    mixed: Float[Array, "bin loc par"], vector: Float[Array, "free"]
) -> tuple[Float[Array, "par"], Float[Array, "bin loc"]]:
    """The global and the bin-local part of an internal vector."""
    pars = mixed.shape[-1]
    return vector[:pars], vector[pars:].reshape(mixed.shape[:2])


def _masked(
    matrix: Float[Array, "*b n n"], on: Float[Array, "*b n"], damping: Float[Array, "*b n"]
) -> Float[Array, "*b n n"]:
    """The matrix on the free parameters, the identity elsewhere, damped, with a ridge at rounding level."""
    identity = jnp.eye(matrix.shape[-1])
    kept = matrix * on[..., :, None] * on[..., None, :]
    diagonal = jnp.diagonal(kept, axis1=-2, axis2=-1)
    return kept + identity * (RIDGE * jnp.abs(diagonal) + damping * on + (1 - on))[..., None, :]


def _factor(local: Float[Array, "bin loc loc"]) -> tuple[Float[Array, "bin loc loc"], Bool[Array, ""]]:
    """Cholesky factors of each bin's block; for one local parameter the block itself."""
    if local.shape[-1] == 1:
        return local, jnp.all(local > 0)
    half = jnp.linalg.cholesky(local)
    return half, jnp.all(jnp.isfinite(half))


def _solve_small(half: Float[Array, "bin loc loc"], rhs: Float[Array, "bin loc n"]) -> Float[Array, "bin loc n"]:
    return rhs / half if half.shape[-1] == 1 else cho_solve((half, True), rhs)
