"""Maximum-likelihood fits of one model, free or with the parameter of interest fixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from jax.typing import ArrayLike

from fitloom_core.errors import FitError, InputError, NoPOI
from fitloom_core.inference.batch import Lanes, Problem, fit_batch, stack
from fitloom_core.layout import ModelArrays
from fitloom_core.wire import Certificate

if TYPE_CHECKING:
    from fitloom_core.model import Model

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """A certified fit.

    Attributes:
        parameters: best-fit parameters in the order of ``names``.
        nll: -ln L at the minimum, with all constants.
        certificate: the evidence that it is a minimum.
    """

    names: tuple[str, ...]
    parameters: Vector
    nll: float
    certificate: Certificate

    @property
    def twice_nll(self) -> float:
        """-2 ln L at the minimum."""
        return 2 * self.nll


def fit(
    data: ArrayLike,
    model: Model,
    *,
    init_pars: Sequence[float] | None = None,
    par_bounds: Sequence[tuple[float, float]] | None = None,
    fixed_params: Sequence[bool] | None = None,
) -> Fit:
    """Maximise the likelihood.

    Args:
        data: main data followed by auxiliary data.
        init_pars, par_bounds, fixed_params: one for each parameter; the model's suggestions unless given.

    Raises:
        InputError: wrong lengths, or initial values outside of their bounds.
        FitError: the fit could not be certified.
    """
    init = _one_each(model, "init_pars", init_pars, model.config.suggested_init())
    bounds = np.reshape(_one_each(model, "par_bounds", par_bounds, model.config.suggested_bounds()), (-1, 2))
    fixed = _one_each(model, "fixed_params", fixed_params, model.config.suggested_fixed()).astype(bool)
    for name, value, (low, high) in zip(model.config.par_names, init, bounds, strict=True):
        if not low <= value <= high:
            raise InputError(f"initial value {value} of {name!r} is outside of its bounds [{low}, {high}]")
    problem, position = single_problem(model, data), model.config.structure.position
    arrays = problem.arrays
    arrays.lower[0, position], arrays.upper[0, position] = bounds.T
    arrays.fixed[0, position] = fixed
    z = np.zeros_like(problem.center)
    z[0, position] = (init - arrays.start[0, position]) / arrays.width[0, position]
    found = fit_batch(Lanes(problem, 1), problem.data, z, arrays.fixed)
    certificate = found.certificate(0)
    if not found.converged[0]:
        raise FitError(f"the fit could not be certified: {certificate}")
    theta = arrays.start[0] + arrays.width[0] * found.z[0]
    return Fit(tuple(model.config.par_names), theta[position], float(found.nll[0]), certificate)


def fixed_poi_fit(
    poi_val: float,
    data: ArrayLike,
    model: Model,
    *,
    init_pars: Sequence[float] | None = None,
    par_bounds: Sequence[tuple[float, float]] | None = None,
    fixed_params: Sequence[bool] | None = None,
) -> Fit:
    """Maximise the likelihood with the parameter of interest fixed at a value; otherwise as `fit`.

    Raises:
        NoPOI: the model has no parameter of interest.
    """
    index = model.config.poi_index
    if index is None:
        raise NoPOI("the model has no parameter of interest to fix; name one in the measurement, or give poi_name")
    init = list(model.config.suggested_init() if init_pars is None else init_pars)
    fixed = list(model.config.suggested_fixed() if fixed_params is None else fixed_params)
    bounds = list(model.config.suggested_bounds() if par_bounds is None else par_bounds)
    init[index], fixed[index] = poi_val, True
    bounds[index] = (min(bounds[index][0], poi_val), max(bounds[index][1], poi_val))
    return fit(data, model, init_pars=init, par_bounds=bounds, fixed_params=fixed)


def single_problem(model: Model, data: ArrayLike) -> Problem:
    """A batch of one."""
    arrays = stack([ModelArrays(*map(np.array, model.arrays))])
    fitted = model.fit_data(data)
    poi = 0 if model.config.poi_index is None else model.config.structure.position[model.config.poi_index]
    return Problem(
        arrays,
        model.settings,
        np.asarray(fitted.observed)[None],
        np.asarray(fitted.center)[None],
        np.array([poi], dtype=np.intp),
    )


def _one_each(model: Model, what: str, given: Sequence[Any] | None, default: Sequence[Any]) -> Vector:
    values = np.asarray(default if given is None else given, dtype=np.float64)
    if len(values) != model.config.npars:
        raise InputError(f"{what} has {len(values)} entries; the model has {model.config.npars} parameters")
    return values
