"""Hypothesis tests of one model or of a batch: four fits, warm-started, then the asymptotic formulae.

The fits of a test of mu are, with mu_A = 0 (1 for q0):

1. data, POI fixed at mu_A: gives the Asimov data set, expected counts and auxiliary data at this fit;
2. data, POI free;
3. data, POI fixed at mu;
4. Asimov data, POI fixed at mu.

The Asimov data set's own free fit is fit 1: its deviance is zero, which no other can beat. Fits 2 to 4 start
where fit 1 ended.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from jax.typing import ArrayLike

from fitloom_core.errors import FitError, InputError, NoPOI
from fitloom_core.inference.asymptotics import CLs, asymptotic_cls
from fitloom_core.inference.batch import Fits, Lanes, Problem, fit_batch
from fitloom_core.likelihood import FitData
from fitloom_core.wire import Certificate, TestStat

if TYPE_CHECKING:
    from fitloom_core.model import Model

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class BatchTests:
    """Tests of a batch of models; every array has one entry a model."""

    cls: CLs
    mu_hat: Vector
    q: Vector
    q_asimov: Vector
    nll_free: Vector
    nll_fixed: Vector
    fits: tuple[Fits, ...]

    @property
    def converged(self) -> npt.NDArray[np.bool_]:
        """Whether all fits of a test are certified."""
        certified: npt.NDArray[np.bool_] = np.all([fit.converged for fit in self.fits], axis=0)
        return certified

    def certificate(self, index: int) -> Certificate:
        """The worst of the fits of one test."""
        each = [fit.certificate(index) for fit in self.fits]
        return Certificate(
            kkt=max(one.kkt for one in each),
            edm=max(one.edm for one in each),
            positive_definite=all(one.positive_definite for one in each),
            iterations=sum(one.iterations for one in each),
        )


def hypotest_batch(
    problem: Problem, mu: float, test_stat: TestStat, start: Vector | None = None, width: int = 1
) -> BatchTests:
    """Test mu in every model of a batch.

    Args:
        start: where to start the first fit, as pulls; the suggested initial values unless given.
        width: how many models to fit at once.
    """
    if test_stat == "qtilde":
        problem = _bounded_at_zero(problem)
    tested, mu_asimov = (0.0, 1.0) if test_stat == "q0" else (mu, 0.0)
    lanes, hold = Lanes(problem, width), problem.hold_poi()
    first = problem.suggested if start is None else start
    reference = fit_batch(lanes, problem.data, problem.with_poi(first, mu_asimov), hold)
    free = fit_batch(lanes, problem.data, reference.z, np.zeros_like(hold))
    moved = problem.with_poi(reference.z, tested)
    fixed = fit_batch(lanes, problem.data, moved, hold)
    asimov = fit_batch(lanes, FitData(reference.expected, reference.z), moved, hold)
    mu_hat = problem.poi_values(free.z)
    one_sided = mu_hat >= tested if test_stat == "q0" else mu_hat <= tested
    q = np.where(one_sided, np.maximum(fixed.value - free.value, 0.0), 0.0)
    q_asimov = np.maximum(asimov.value, 0.0)
    cls = asymptotic_cls(q, q_asimov, test_stat)
    return BatchTests(cls, mu_hat, q, q_asimov, free.nll, fixed.nll, (reference, free, fixed, asimov))


def _bounded_at_zero(problem: Problem) -> Problem:
    """The tilde in qtilde: the parameter of interest is not below zero."""
    rows = np.arange(problem.size)
    lower = problem.arrays.lower.copy()
    lower[rows, problem.poi] = np.maximum(lower[rows, problem.poi], 0.0)
    return replace(problem, arrays=problem.arrays._replace(lower=lower))


@dataclass(frozen=True)
class HypoTest:
    """A hypothesis test of one model.

    Attributes:
        cls_obs: observed CLs (p0 for q0), ``cls_exp`` its expected values at -2 … +2 standard deviations.
        clsb, clb: the p-values behind it.
        certificate: the worst of its fits.
    """

    mu: float
    test_stat: TestStat
    cls_obs: float
    cls_exp: tuple[float, ...]
    clsb: float
    clb: float
    mu_hat: float
    q: float
    q_asimov: float
    nll_free: float
    nll_fixed: float
    certificate: Certificate


def hypotest(mu: float, data: ArrayLike, model: Model, *, test_stat: TestStat = "qtilde") -> HypoTest:
    """Test the hypothesis that the parameter of interest is mu, with asymptotic formulae.

    Args:
        mu: tested value (for q0 the background-only hypothesis is tested whatever mu).
        data: main data followed by auxiliary data, as `Workspace.data` gives them.
        test_stat: ``qtilde`` or ``q`` for limits, ``q0`` for a discovery.

    Raises:
        NoPOI: the model has no parameter of interest.
        InputError: the parameter of interest is fixed in the model, or an unknown test statistic.
        FitError: some fit could not be certified.
    """
    from fitloom_core.inference.fits import single_problem

    if test_stat not in ("qtilde", "q", "q0"):
        raise InputError(f"test statistic {test_stat!r}; choose qtilde, q or q0")
    if model.config.poi_index is None:
        raise NoPOI("the model has no parameter of interest; name one in the measurement, or give poi_name")
    if model.config.suggested_fixed()[model.config.poi_index]:
        raise InputError(f"the parameter of interest {model.config.poi_name!r} is fixed in the model; free it first")
    tests = hypotest_batch(single_problem(model, data), mu, test_stat)
    if not tests.converged[0]:
        raise FitError(f"a fit of the test of mu = {mu} could not be certified: {tests.certificate(0)}")
    return HypoTest(
        mu=0.0 if test_stat == "q0" else mu,
        test_stat=test_stat,
        cls_obs=float(tests.cls.observed[0]),
        cls_exp=tuple(float(value) for value in tests.cls.expected[0]),
        clsb=float(tests.cls.clsb[0]),
        clb=float(tests.cls.clb[0]),
        mu_hat=float(tests.mu_hat[0]),
        q=float(tests.q[0]),
        q_asimov=float(tests.q_asimov[0]),
        nll_free=float(tests.nll_free[0]),
        nll_fixed=float(tests.nll_fixed[0]),
        certificate=tests.certificate(0),
    )
