"""CLs from test statistics: the asymptotic formulae, on NumPy arrays of any shape.

With s = sqrt(q) observed and A = sqrt(q_A) from the Asimov data set,

    q, q0     t = s - A
    qtilde    t = s - A for s <= A, else (q - q_A)/(2A)
    CLsb = Phi(-(t + A)),  CLb = Phi(-t),  CLs = CLsb/CLb;  for q0 the p-value p0 = CLsb
    band      t = N for N = +2 … -2 standard deviations of the background: CLs = Phi(-(N + A))/Phi(-N)

Source: Cowan, Cranmer, Gross, Vitells, EPJC 71 (2011) 1554 (arXiv:1007.1727).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import log_ndtr

Vector = npt.NDArray[np.float64]

SIGMAS = np.array([2.0, 1.0, 0.0, -1.0, -2.0])
"""Upward fluctuations of the test statistic first: their CLs ascend."""


class CLs(NamedTuple):
    """Observed value and the expected band (-2, -1, 0, 1, 2 standard deviations, ascending, on the last axis)."""

    observed: Vector
    expected: Vector
    clsb: Vector
    clb: Vector


def asymptotic_cls(q: Vector, q_asimov: Vector, test_stat: str) -> CLs:
    """CLs (p0 for q0) from the observed and the Asimov test statistic."""
    s, a = np.sqrt(np.maximum(q, 0.0)), np.sqrt(np.maximum(q_asimov, 0.0))
    t = s - a
    if test_stat == "qtilde":
        beyond = (s > a) & (a > 0)
        t = np.where(beyond, (s * s - a * a) / (2 * np.where(beyond, a, 1.0)), t)
    log_sb, log_b = log_ndtr(-(t + a)), log_ndtr(-t)
    band_sb = log_ndtr(-(SIGMAS + a[..., None]))
    if test_stat == "q0":
        return CLs(np.exp(log_sb), np.exp(band_sb), np.exp(log_sb), np.exp(log_b))
    return CLs(np.exp(log_sb - log_b), np.exp(band_sb - log_ndtr(-SIGMAS)), np.exp(log_sb), np.exp(log_b))
