"""Points of a background workspace tested together: patches in, numbers or a failure each out.

The background is validated and laid out once; a patch costs only the samples it brings. Every test starts at
the fit of the background alone in the point's channels, which depends on nothing but the background, so
that a point's numbers do not depend on its neighbours.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import fitloom_core.backend  # noqa: F401  (float64 before the first array)
from fitloom_core.backend import enable_compilation_cache
from fitloom_core.documents import digest
from fitloom_core.errors import DigestMismatch, FitloomError, InputError, InvalidModel, NoPOI
from fitloom_core.expectation import Settings
from fitloom_core.inference.batch import Lanes, Problem, fit_batch, lane_count, stack
from fitloom_core.inference.hypotest import BatchTests, hypotest_batch
from fitloom_core.layout import (
    KEPT_STRUCTURES,
    Dims,
    Layout,
    ModelArrays,
    Structure,
    fill,
    fill_block,
    fill_constraints,
)
from fitloom_core.model import check_poi
from fitloom_core.parameters import Channel
from fitloom_core.patching import apply_patch
from fitloom_core.validation import Known, validate_workspace
from fitloom_core.wire import FitOptions, Json
from fitloom_core.workspace import model_spec

Vector = npt.NDArray[np.float64]
Outcome = dict[str, Any]
"""The fields of a record that a test gives: numbers, or an error."""


class Laid(NamedTuple):
    """A point whose model is laid out."""

    structure: Structure
    channels: tuple[Channel, ...]
    observed: Vector
    poi: str
    spec: Json


class Background:
    """A background workspace, validated and laid out.

    Raises:
        InputError: a document that is no valid workspace.
        DigestMismatch: not the document of this digest.
    """

    def __init__(self, document: Json, key: str) -> None:
        validate_workspace(document)
        found = digest(document)
        if found != key:
            raise DigestMismatch(f"the background's digest is {found}, the task says {key}; send the right document")
        enable_compilation_cache()
        self.document = document
        self.known = Known(document)
        self.layout = Layout()
        self.layout.cache.keep(document["channels"])
        self.lock = threading.Lock()
        self._starts: dict[Any, Mapping[str, float]] = {}
        self._filled: dict[Structure, tuple[tuple[Channel, ...], ModelArrays]] = {}

    def lay_out(self, patch: Sequence[Json], options: FitOptions) -> Laid:
        """Apply a patch and lay the model out.

        Raises:
            InputError: the patch does not apply, or what it makes is no valid model.
            NoPOI: nothing is left that the parameter of interest acts on.
        """
        document = apply_patch(self.document, patch)
        validate_workspace(document, self.known)
        spec = model_spec(document, options.measurement)
        poi = spec.pop("poi")
        if poi is None:
            raise NoPOI("the measurement has no parameter of interest; name one to test it")
        structure, channels = self.layout.lay_out(spec)
        check_poi(structure, poi)
        counts = {observation["name"]: observation["data"] for observation in document["observations"]}
        observed = np.concatenate([np.asarray(counts[name], dtype=np.float64) for name in structure.channels])
        _check_background(structure, channels, observed)
        return Laid(structure, channels, observed, poi, spec)

    def at_least(self, laid: Laid, dims: Dims) -> Laid:
        """The same point in larger arrays."""
        if laid.structure.dims == dims:
            return laid
        structure, channels = self.layout.lay_out(laid.spec, dims)
        return laid._replace(structure=structure, channels=channels)

    def arrays(self, laid: Laid) -> ModelArrays:
        """A point's arrays: a copy of the last point's of this structure, with the blocks that differ filled anew."""
        structure, channels = laid.structure, laid.channels
        kept = self._filled.get(structure)
        if kept is None:
            arrays = ModelArrays(*(array.copy() for array in structure.template))
            fill(structure, channels, arrays)
            self._filled[structure] = (channels, arrays)
            if len(self._filled) > KEPT_STRUCTURES:
                del self._filled[next(iter(self._filled))]
            return arrays
        arrays = ModelArrays(*(array.copy() for array in kept[1]))
        for c, (before, now) in enumerate(zip(kept[0], channels, strict=True)):
            for m, (old, new) in enumerate(zip(before[2], now[2], strict=True)):
                if old is not new:
                    fill_block(structure, c, m, new, arrays)
        fill_constraints(structure, channels, arrays)
        return arrays

    def start(self, laid: Laid, settings: Settings) -> Vector:
        """Where a point's first fit starts: the background's own fit in the point's channels, as pulls."""
        key = (laid.structure.channels, laid.structure.dims, settings, laid.poi)
        if key not in self._starts:
            self._starts[key] = self._background_fit(laid, settings)
        fitted, structure = self._starts[key], laid.structure
        z = np.zeros(structure.dims.free)
        for name, position in zip(structure.names, structure.position, strict=True):
            z[position] = fitted.get(name, 0.0)
        return z

    def _background_fit(self, laid: Laid, settings: Settings) -> Mapping[str, float]:
        """Pulls of the background-only fit by name; none where it has no such channels or no certified fit."""
        kept = [channel for channel in self.document["channels"] if channel["name"] in laid.structure.channels]
        if [channel["name"] for channel in kept] == [] or len(kept) != len(laid.structure.channels):
            return {}
        structure, channels = self.layout.lay_out({**laid.spec, "channels": kept}, laid.structure.dims)
        if structure.dims != laid.structure.dims or structure.bins != laid.structure.bins:
            return {}
        arrays = ModelArrays(*(array.copy() for array in structure.template))
        fill(structure, channels, arrays)
        observed = np.zeros((1, structure.dims.bins))
        observed[0, : structure.bins] = laid.observed
        stacked = stack([arrays])
        problem = Problem(stacked, settings, observed, _center(stacked), np.zeros(1, dtype=np.intp))
        hold = np.zeros_like(problem.center)
        z = problem.suggested
        if laid.poi in structure.slices:
            problem = replace(problem, poi=structure.position[structure.slices[laid.poi]])
            z, hold = problem.with_poi(z, 0.0), problem.hold_poi()
        found = fit_batch(Lanes(problem, lane_count(problem)), problem.data, z, hold)
        if not found.converged[0]:
            return {}
        return dict(zip(structure.names, found.z[0, structure.position].tolist(), strict=True))


def fit_points(background: Background, patches: Sequence[Sequence[Json]], options: FitOptions) -> list[Outcome]:
    """Test every patch; each gets its numbers or its failure, whatever happens to the others."""
    outcomes: list[Outcome] = [{} for _ in patches]
    laid: dict[int, Laid] = {}
    with background.lock:
        for index, patch in enumerate(patches):
            try:
                laid[index] = background.lay_out(patch, options)
            except FitloomError as error:
                outcomes[index] = failure(error.code, error.message)
            except RecursionError:
                outcomes[index] = failure(InputError.code, "the patched workspace is nested too deeply")
        settings = Settings(options.histosys, options.normsys, options.clip_sample_data, options.clip_bin_data)
        problem, start = _problem(background, laid, settings) if laid else (None, None)
    if problem is not None:
        tests = hypotest_batch(problem, options.mu, options.test_stat, start, lane_count(problem))
        for row, index in enumerate(laid):
            outcomes[index] = _outcome(tests, row)
    return outcomes


def failure(code: str, message: str) -> Outcome:
    """A failed point's fields."""
    return {"status": "failed", "error": {"code": code, "message": message}}


def _problem(background: Background, laid: dict[int, Laid], settings: Settings) -> tuple[Problem, Vector]:
    """Stack the points that could be laid out."""
    dims = next(iter(laid.values())).structure.dims
    for one in laid.values():
        dims = dims.union(one.structure.dims)
    points = [background.at_least(one, dims) for one in laid.values()]
    arrays = stack([background.arrays(point) for point in points])
    observed = np.zeros((len(points), dims.bins))
    for row, point in zip(observed, points, strict=True):
        row[: len(point.observed)] = point.observed
    poi = np.array([point.structure.position[point.structure.slices[point.poi]][0] for point in points], dtype=np.intp)
    start = np.stack([background.start(point, settings) for point in points])
    return Problem(arrays, settings, observed, _center(arrays), poi), start


def _center(arrays: ModelArrays) -> Vector:
    return np.asarray((arrays.center - arrays.start) / arrays.width, dtype=np.float64)


def _check_background(structure: Structure, channels: Sequence[Channel], observed: Vector) -> None:
    for (name, _, blocks), span in zip(channels, structure.bins_of, strict=True):
        total = np.sum([block.nominal for block in blocks], axis=0)
        empty = (total <= 0) & (observed[span] > 0)
        if empty.any():
            bin_ = int(np.argmax(empty))
            raise InvalidModel(
                f"bin {bin_} of channel {name!r} expects {total[bin_]:g} events but has {observed[span][bin_]:g}: "
                "its likelihood is zero; leave the bin out, or correct its yields"
            )


def _outcome(tests: BatchTests, row: int) -> Outcome:
    one = {"cls_obs": tests.cls.observed, "mu_hat": tests.mu_hat, "q": tests.q, "q_asimov": tests.q_asimov}
    one |= {"nll_free": tests.nll_free, "nll_fixed": tests.nll_fixed}
    numbers = {key: float(values[row]) for key, values in one.items()}
    band, certificate = [float(value) for value in tests.cls.expected[row]], tests.certificate(row)
    if not np.isfinite([certificate.kkt, certificate.edm, *band, *numbers.values()]).all():
        return failure("not_finite", "the likelihood is zero or undefined wherever the fit looked; check its yields")
    return {
        "status": "converged" if tests.converged[row] else "not_converged",
        "certificate": certificate,
        "cls_exp": band,
        **numbers,
    }
