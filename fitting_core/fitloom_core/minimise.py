"""Batched bounded minimisation of the deviance with certificates.

Every fit of a batch takes damped Newton steps together in one compiled loop:

1. expand the deviance at z (value, exact gradient and Hessian);
2. hold what is fixed and what sits on a bound with the gradient pushing outwards (active set);
3. solve (H + lambda) d = -g on the rest, bin-local parameters first: with the blocks
   [S C^T; C L] of H, (S - C^T L^-1 C) d_S = -g_S + C^T L^-1 g_L, and L is block-diagonal in bins;
4. step to the projection of z + d on the bounds if -2 ln L falls, else raise lambda and try again.

Where the Hessian is indefinite its Cholesky factor does not exist; then the part of it that can be
indefinite is left out (Fisher scoring) for one step.

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
from fitloom_core.likelihood import Expansion, FitData, deviance, expand, log_saturated, theta_of

EDM_GOAL = 1e-14
KKT_GOAL = 1e-6
RIDGE = 1e-13


class Outcome(NamedTuple):
    """Where a fit ended and the evidence that it is a minimum."""

    z: Float[Array, "free"]
    """Parameters as pulls, internal order."""
    value: Float[Array, ""]
    """Deviance at z."""
    kkt: Float[Array, ""]
    """Largest component of the projected gradient."""
    edm: Float[Array, ""]
    """Estimated distance of the deviance to its minimum, g H^-1 g / 2."""
    positive_definite: Bool[Array, ""]
    """Whether the Hessian is positive definite on the free parameters."""
    iterations: Int[Array, ""]
    converged: Bool[Array, ""]
    nll: Float[Array, ""]
    """-ln L at z, with all constants."""
    expected: Float[Array, "bin"]
    """Expected rates at z: the main part of an Asimov data set."""


class _State(NamedTuple):
    z: Float[Array, "free"]
    damping: Float[Array, ""]
    exact: Float[Array, ""]
    value: Float[Array, ""]
    kkt: Float[Array, ""]
    edm: Float[Array, ""]
    positive_definite: Bool[Array, ""]
    iterations: Int[Array, ""]
    converged: Bool[Array, ""]
    stuck: Bool[Array, ""]


def minimise(
    arrays: ModelArrays,
    settings: Settings,
    data: FitData,
    z: Float[Array, "free"],
    hold: Float[Array, "free"],
    damping: Float[Array, ""],
    limit: Int[Array, ""],
) -> Outcome:
    """Minimise the deviance of one model from z, with the parameters marked in ``hold`` fixed where they are.

    Args:
        damping: initial damping lambda, 0 for plain Newton steps.
        limit: number of expansions at most.
    """
    model = prepare(arrays, settings)
    lower = (arrays.lower - arrays.start) / arrays.width
    upper = (arrays.upper - arrays.start) / arrays.width
    held = (hold > 0) | (arrays.fixed > 0) | (lower == upper)
    false = jnp.zeros((), bool)
    infinite = jnp.full((), jnp.inf)
    start = _State(
        jnp.where(held, z, jnp.clip(z, lower, upper)), damping, jnp.ones(()), infinite, infinite, infinite, false, jnp.zeros((), int), false, false
    )

    def running(state: _State) -> Bool[Array, ""]:
        return ~state.converged & ~state.stuck & (state.iterations < limit)

    def iterate(state: _State) -> _State:
        return _iterate(model, settings, data, lower, upper, held, state)

    end = jax.lax.while_loop(running, iterate, start)
    nll = end.value / 2 - log_saturated(arrays, data)
    expected = rates(model, settings, theta_of(arrays, end.z)).total
    return Outcome(end.z, end.value, end.kkt, end.edm, end.positive_definite, end.iterations, end.converged, nll, expected)


def _iterate(
    model: Prepared,
    settings: Settings,
    data: FitData,
    lower: Float[Array, "free"],
    upper: Float[Array, "free"],
    held: Bool[Array, "free"],
    state: _State,
) -> _State:
    z, damping = state.z, state.damping
    at = expand(model, settings, data, z)
    outwards = ((z <= lower) & (at.gradient > 0)) | ((z >= upper) & (at.gradient < 0))
    free = ~held & ~outwards & ~_idle(at)
    kkt = jnp.max(jnp.where(free, jnp.abs(at.gradient), 0.0))
    step, exists = newton_step(at, free, state.exact, damping)
    decrease = -(at.gradient * jnp.where(free, step, 0.0)).sum() / 2
    plain = exists & (damping == 0) & (state.exact > 0)
    done = plain & (kkt < KKT_GOAL) & (decrease < EDM_GOAL)
    trial = jnp.clip(z + step, lower, upper)
    trial = jnp.where(held, z, trial)
    moved = trial - z
    change = deviance(model, settings, data, trial) - at.value
    expected = (at.gradient * moved).sum()
    noise = 1e-12 * (1 + jnp.abs(at.value))
    good = exists & jnp.isfinite(change) & ((change <= 1e-4 * jnp.minimum(expected, 0.0)) | ((jnp.abs(change) <= noise) & (decrease < 1e-9)))
    accept = good & ~done
    lowered = jnp.where(damping > 0.1, damping / 10, 0.0)
    raised = jnp.where(exists | (state.exact == 0), jnp.maximum(10 * damping, 1.0), damping)
    return _State(
        z=jnp.where(accept, trial, z),
        damping=jnp.where(done, damping, jnp.where(accept, lowered, raised)),
        exact=jnp.where(accept | done | exists, 1.0, 0.0),
        value=at.value,
        kkt=kkt,
        edm=jnp.where(exists, decrease, jnp.inf),
        positive_definite=plain,
        iterations=state.iterations + 1,
        converged=done,
        stuck=(~done & (damping > 1e12)) | ~jnp.isfinite(at.value),
    )


def _idle(at: Expansion) -> Bool[Array, "free"]:
    """Parameters that act on nothing: no gradient and no curvature."""
    diagonal = jnp.concatenate(
        [
            jnp.diagonal(at.fisher.shared + at.curvature.shared),
            jnp.diagonal(at.fisher.local + at.curvature.local, axis1=-2, axis2=-1).ravel(),
        ]
    )
    return (at.gradient == 0) & (diagonal == 0)


def newton_step(
    at: Expansion, free: Bool[Array, "free"], exact: Float[Array, ""], damping: Float[Array, ""]
) -> tuple[Float[Array, "free"], Bool[Array, ""]]:
    """Solve (H + damping) d = -g on the free parameters; the second result says whether H + damping is positive definite.

    Args:
        exact: 1 for the exact Hessian, 0 for its expected-information part.
    """
    shared, mixed, local = jax.tree.map(lambda fisher, rest: fisher + exact * rest, at.fisher, at.curvature)
    on, on_local = _parts(mixed, free.astype(float))
    gradient, gradient_local = _parts(mixed, at.gradient * free)
    mixed = mixed * on_local[..., None] * on
    local = _masked(local, on_local, damping)
    half_local, exists_local = _factor(local)
    eliminated = _solve_small(half_local, jnp.concatenate([mixed, gradient_local[..., None]], axis=-1))
    schur = _masked(shared, on, damping) - jnp.einsum("bkp,bkq->pq", mixed, eliminated[..., :-1])
    half = jnp.linalg.cholesky(schur)
    rhs = -gradient + jnp.einsum("bkp,bk->p", mixed, eliminated[..., -1])
    step = cho_solve((half, True), rhs)
    step_local = -(eliminated[..., -1] + jnp.einsum("bkp,p->bk", eliminated[..., :-1], step))
    whole = jnp.concatenate([step, step_local.ravel()])
    exists = exists_local & jnp.isfinite(half[-1, -1]) & jnp.all(jnp.isfinite(whole))
    return jnp.where(exists & free, whole, 0.0), exists


def _parts(mixed: Float[Array, "bin loc par"], vector: Float[Array, "free"]) -> tuple[Float[Array, "par"], Float[Array, "bin loc"]]:
    """The global and the bin-local part of an internal vector."""
    pars = mixed.shape[-1]
    return vector[:pars], vector[pars:].reshape(mixed.shape[:2])


def _masked(matrix: Float[Array, "*b n n"], on: Float[Array, "*b n"], damping: Float[Array, ""]) -> Float[Array, "*b n n"]:
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
    """`minimise` for a batch: every leaf has a leading batch axis."""
    return jax.vmap(lambda a, d, s, h, l: minimise(a, settings, d, s, h, l, limit))(arrays, data, z, hold, damping)
