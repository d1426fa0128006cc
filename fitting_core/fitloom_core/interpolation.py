"""Interpolation between the -1, 0 and +1 sigma templates: codes 0, 1, 2, 4 and 4p, each with its formula.

Additive codes (histosys). With the shifts up = I+ - I0 and down = I0 - I-, every code is

    Delta(alpha) = S alpha + Q h(alpha),    S = (up + down)/2,  Q = (up - down)/2

and only the even function h differs; a template enters linearly:

    code0    h = |alpha|
    code2    h = alpha^2 inside [-1, 1], 2|alpha| - 1 outside (ROOT's continuous extrapolation)
    code4p   h = alpha^2 (15 - 10 alpha^2 + 3 alpha^4)/8 inside, |alpha| outside

Multiplicative codes (normsys), with U = I+/I0 and D = I-/I0:

    code1    U^alpha for alpha > 0, D^-alpha otherwise
    code4    as code1 outside [-1, 1]; inside 1 + sum a_i alpha^i, i = 1..6, with value, slope and
             curvature continuous at +-1

Sources: HistFactory (CERN-OPEN-2012-016), pyhf's interpolators, RooFit's FlexibleInterpVar.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

ADDITIVE_CODES = ("code0", "code2", "code4p")
MULTIPLICATIVE_CODES = ("code1", "code4")


class Jet(NamedTuple):
    """A function's value with its first and second derivative."""

    value: Float[Array, "..."]
    first: Float[Array, "..."]
    second: Float[Array, "..."]


def even_part(code: str, alpha: Float[Array, "..."]) -> Jet:
    """The even function h of an additive code, with its derivatives."""
    size, sign = jnp.abs(alpha), jnp.where(alpha > 0, 1.0, -1.0)
    zero, one = jnp.zeros_like(alpha), jnp.ones_like(alpha)
    if code == "code0":
        return Jet(size, sign, zero)
    inside = size <= 1
    square = alpha * alpha
    if code == "code2":
        return Jet(
            jnp.where(inside, square, 2 * size - 1),
            jnp.where(inside, 2 * alpha, 2 * sign),
            jnp.where(inside, 2 * one, zero),
        )
    return Jet(
        jnp.where(inside, square * (15 + square * (3 * square - 10)) / 8, size),
        jnp.where(inside, alpha * (15 + square * (9 * square - 20)) / 4, sign),
        jnp.where(inside, (15 + square * (45 * square - 60)) / 4, zero),
    )


class Factors(NamedTuple):
    """Coefficients of multiplicative factors, made once per model: logarithms of U and D and the a_i."""

    log_hi: Float[Array, "*shape"]
    log_lo: Float[Array, "*shape"]
    hi_is_zero: Float[Array, "*shape"]
    lo_is_zero: Float[Array, "*shape"]
    poly: tuple[Float[Array, "*shape"], ...]


def prepare_factors(code: str, hi: Float[Array, "*shape"], lo: Float[Array, "*shape"]) -> Factors:
    """Coefficients from the factors at +1 and -1 sigma (hi, lo >= 0; U ln U is taken as 0 at 0, as ROOT does)."""
    log_hi, log_lo = jnp.log(jnp.where(hi > 0, hi, 1.0)), jnp.log(jnp.where(lo > 0, lo, 1.0))
    return Factors(log_hi, log_lo, hi <= 0, lo <= 0, _poly(hi, lo, log_hi, log_lo) if code == "code4" else ())


def _poly(
    hi: Float[Array, "*shape"],
    lo: Float[Array, "*shape"],
    log_hi: Float[Array, "*shape"],
    log_lo: Float[Array, "*shape"],
) -> tuple[Float[Array, "*shape"], ...]:
    """a_1 .. a_6 of code4 from half sums S and half differences A of U and D and their log-derivatives."""
    hi1, lo1 = hi * log_hi, lo * log_lo
    hi2, lo2 = hi1 * log_hi, lo1 * log_lo
    s0, a0 = (hi + lo) / 2, (hi - lo) / 2
    s1, a1 = (hi1 - lo1) / 2, (hi1 + lo1) / 2
    s2, a2 = (hi2 + lo2) / 2, (hi2 - lo2) / 2
    return (
        (15 * a0 - 7 * s1 + a2) / 8,
        (-24 + 24 * s0 - 9 * a1 + s2) / 8,
        (-5 * a0 + 5 * s1 - a2) / 4,
        (12 - 12 * s0 + 7 * a1 - s2) / 4,
        (3 * a0 - 3 * s1 + a2) / 8,
        (-8 + 8 * s0 - 5 * a1 + s2) / 8,
    )


def factor(factors: Factors, alpha: Float[Array, "..."]) -> Jet:
    """The multiplicative factor at alpha (broadcast against the coefficients), with its derivatives."""
    above = alpha > 0
    log = jnp.where(above, factors.log_hi, -factors.log_lo)
    vanishes = jnp.where(above, factors.hi_is_zero, factors.lo_is_zero)
    value = jnp.where(vanishes, 0.0, jnp.exp(alpha * log))
    outside = Jet(value, value * log, value * log * log)
    if not factors.poly:
        return outside
    inside = jnp.abs(alpha) < 1
    return Jet(*(jnp.where(inside, p, e) for p, e in zip(_horner(factors.poly, alpha), outside, strict=True)))


def _horner(a: tuple[Float[Array, "..."], ...], x: Float[Array, "..."]) -> Jet:
    """1 + sum a_i x^i with its derivatives."""
    a1, a2, a3, a4, a5, a6 = a
    return Jet(
        1 + x * (a1 + x * (a2 + x * (a3 + x * (a4 + x * (a5 + x * a6))))),
        a1 + x * (2 * a2 + x * (3 * a3 + x * (4 * a4 + x * (5 * a5 + x * (6 * a6))))),
        2 * a2 + x * (6 * a3 + x * (12 * a4 + x * (20 * a5 + x * (30 * a6)))),
    )
