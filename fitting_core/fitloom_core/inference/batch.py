"""Fits of many models of one size: lanes of a compiled program, retired as they finish, retried if need be.

All models of a `Problem` share array shapes. They are fitted a few lanes at a time, first with a small
limit on iterations; what is not done then is gathered and goes on, so that lanes do not wait for their
slowest neighbour. What cannot be certified starts again elsewhere with heavier damping.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import numpy as np
import numpy.typing as npt

from fitloom_core.backend import compiling, on_accelerator
from fitloom_core.expectation import Settings
from fitloom_core.layout import KEPT_STRUCTURES, ModelArrays
from fitloom_core.likelihood import FitData
from fitloom_core.minimise import minimise_batch
from fitloom_core.wire import Certificate

Vector = npt.NDArray[np.float64]


class Fits(NamedTuple):
    """`minimise.Outcome` of a batch as NumPy arrays; every array has one entry a model."""

    z: Vector
    value: Vector
    kkt: Vector
    edm: Vector
    positive_definite: npt.NDArray[np.bool_]
    iterations: npt.NDArray[np.int_]
    converged: npt.NDArray[np.bool_]
    nll: Vector
    expected: Vector

    def certificate(self, index: int) -> Certificate:
        """The evidence that one fit reached its minimum."""
        return Certificate(
            kkt=float(self.kkt[index]),
            edm=float(self.edm[index]),
            positive_definite=bool(self.positive_definite[index]),
            iterations=int(self.iterations[index]),
        )


class Attempt(NamedTuple):
    """One way to try what is not certified yet."""

    start: str
    damping: float
    limit: int


ATTEMPTS = (
    Attempt("given", 0.0, 8),
    Attempt("on", 0.0, 60),
    Attempt("suggested", 1.0, 100),
    Attempt("on", 100.0, 300),
    Attempt("shaken", 10.0, 300),
)
"""In turn, until every lane is certified: on from where it stopped, afresh from the suggested initial
values, and from there shaken by half a standard deviation (always the same way)."""


@dataclass(frozen=True)
class Problem:
    """Models of one size, stacked, with their observed data.

    Attributes:
        arrays: NumPy arrays with a leading axis.
        observed: counts [batch bin].
        center: where the constraints of the observed auxiliary data peak, as pulls [batch free].
        poi: internal index of the parameter of interest of each model.
    """

    arrays: ModelArrays
    settings: Settings
    observed: Vector
    center: Vector
    poi: npt.NDArray[np.intp]

    @property
    def size(self) -> int:
        """Number of models."""
        return len(self.observed)

    @property
    def data(self) -> FitData:
        """The observed data."""
        return FitData(self.observed, self.center)

    @property
    def suggested(self) -> Vector:
        """Suggested initial values as pulls: zero by construction."""
        return np.zeros_like(self.center)

    def with_poi(self, z: Vector, value: float) -> Vector:
        """A copy of z with the parameter of interest at a value."""
        z, rows = z.copy(), np.arange(self.size)
        z[rows, self.poi] = (value - self.arrays.start[rows, self.poi]) / self.arrays.width[rows, self.poi]
        return z

    def poi_values(self, z: Vector) -> Vector:
        """The parameter of interest of each model at z."""
        rows = np.arange(self.size)
        return np.asarray(
            self.arrays.start[rows, self.poi] + self.arrays.width[rows, self.poi] * z[rows, self.poi], dtype=np.float64
        )

    def hold_poi(self) -> Vector:
        """1 for the parameter of interest, 0 elsewhere."""
        hold = np.zeros_like(self.center)
        hold[np.arange(self.size), self.poi] = 1
        return hold


class Lanes:
    """A problem's arrays on the device, by the chunks of lanes that are fitted together."""

    def __init__(self, problem: Problem, width: int) -> None:
        self.problem = problem
        self.width = width
        self._chunks: dict[tuple[int, ...], Any] = {}

    def __iter__(self) -> Iterator[npt.NDArray[np.intp]]:
        return self.chunks(np.arange(self.problem.size))

    def chunks(self, members: npt.NDArray[np.intp]) -> Iterator[npt.NDArray[np.intp]]:
        """The members in chunks; the last one is filled up with repetitions of its first."""
        for first in range(0, len(members), self.width):
            chunk = members[first : first + self.width]
            yield np.concatenate([chunk, np.repeat(chunk[:1], self.width - len(chunk))])

    def arrays(self, chunk: npt.NDArray[np.intp], keep: bool) -> Any:
        """The arrays of a chunk, kept on the device for its next fit if asked for."""
        key = tuple(chunk.tolist())
        found = self._chunks.get(key)
        if found is None:
            found = jax.device_put(ModelArrays(*(array[chunk] for array in self.problem.arrays)))
            if keep:
                self._chunks[key] = found
        return found


def lane_count(problem: Problem) -> int:
    """How many models to fit at once: enough to fill vectors, few enough to stay in the processor's cache.

    On a CPU it does not depend on the number of models, so that one program serves a whole campaign.
    """
    if on_accelerator():
        return min(1024, 1 << (problem.size - 1).bit_length())
    return 4 if problem.arrays.up[0].size <= 20_000 else 1


def fit_batch(lanes: Lanes, data: FitData, z: Vector, hold: Vector) -> Fits:
    """Fit every model from z with the parameters marked in ``hold`` fixed; the best attempt of each."""
    best: Fits | None = None
    pending = np.arange(lanes.problem.size)
    for attempt in ATTEMPTS:
        z = _start(attempt, lanes.problem, z, hold, best)
        for chunk in lanes.chunks(pending):
            found = _call(lanes, chunk, data, z, hold, attempt)
            best = _merge(best, found, chunk, lanes.problem.size)
        assert best is not None
        pending = pending[~best.converged[pending]]
        if not len(pending):
            break
    assert best is not None
    return best


def _start(attempt: Attempt, problem: Problem, z: Vector, hold: Vector, best: Fits | None) -> Vector:
    if attempt.start == "given" or best is None:
        return z
    if attempt.start == "on":
        return best.z
    shaken = 0.5 * np.random.default_rng(1).standard_normal(z.shape[1]) if attempt.start == "shaken" else 0.0
    return np.where(hold > 0, z, problem.suggested + shaken)


def _call(lanes: Lanes, chunk: npt.NDArray[np.intp], data: FitData, z: Vector, hold: Vector, attempt: Attempt) -> Fits:
    arrays = lanes.arrays(chunk, keep=attempt.start == "given")
    chosen = FitData(data.observed[chunk], data.center[chunk])
    damping = np.full(len(chunk), attempt.damping)
    limit = np.asarray(attempt.limit)
    settings, rest = lanes.problem.settings, (chosen, z[chunk], hold[chunk], damping, limit)
    _compile(settings, jax.tree.map(jax.typeof, (arrays, *rest)))
    return Fits(*map(np.asarray, minimise_batch(arrays, settings, *rest)))


@lru_cache(maxsize=KEPT_STRUCTURES)
def _compile(settings: Settings, types: tuple[Any, ...]) -> None:
    """Compile `minimise_batch` for arguments of these types; JAX finds the program again when it is called."""
    lowered = minimise_batch.lower(types[0], settings, *types[1:])
    with compiling((settings, types)):
        lowered.compile()


def _merge(best: Fits | None, found: Fits, chunk: npt.NDArray[np.intp], size: int) -> Fits:
    """Put a chunk's outcomes where they are better: certified, or with the lower deviance."""
    if best is None:
        best = Fits(*map(partial(_room, size), found))
        best.value[:] = np.inf
    known, iterations = best.value[chunk], best.iterations[chunk] + found.iterations
    with np.errstate(invalid="ignore"):
        better = found.converged | (found.value <= known) | ~np.isfinite(known)
    for leaf, new in zip(best, found, strict=True):
        leaf[chunk[better]] = new[better]
    best.iterations[chunk] = iterations
    return best


def _room(size: int, leaf: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.zeros((size, *leaf.shape[1:]), leaf.dtype)


def stack(models: Sequence[ModelArrays]) -> ModelArrays:
    """Models of one size on a leading axis."""
    return ModelArrays(*map(np.stack, zip(*models, strict=True)))
