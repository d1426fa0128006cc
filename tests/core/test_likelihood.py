"""The likelihood against pyhf's at fixed parameters, on generated and on published workspaces."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pyhf
import pytest
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st

from fitloom_core import Model, Workspace
from strategies import workspaces

QUICK = (Phase.explicit, Phase.reuse, Phase.generate)
"""No shrinking: a model of every size would be compiled on the way."""
GAMMA_FLOOR = 1e-10
CODES = st.tuples(st.sampled_from(["code0", "code4p"]), st.sampled_from(["code1", "code4"]))


def both(
    document: dict[str, Any], histosys: str = "code4p", normsys: str = "code4", **clips: float
) -> tuple[Any, Any, Any]:
    """pyhf's model, ours and the data of a workspace's first measurement; pyhf has no model without parameters."""
    codes = {"histosys": {"interpcode": histosys}, "normsys": {"interpcode": normsys}}
    theirs_from = pyhf.Workspace(copy.deepcopy(document))
    acting = {
        modifier["name"]
        for channel in document["channels"]
        for sample in channel["samples"]
        for modifier in sample["modifiers"]
    }
    if not acting:
        reject()
    poi = next((name for name in [document["measurements"][0]["config"]["poi"]] if name in acting), None)
    theirs = theirs_from.model(measurement_index=0, modifier_settings=codes, poi_name=poi, **clips)
    workspace = Workspace(document)
    ours = workspace.model(0, poi_name=poi, modifier_settings=codes, **clips)
    return theirs, ours, workspace.data(ours)


def random_parameters(model: Model, seed: int, spread: float = 1.0) -> np.ndarray:
    """Parameters spread by their pre-fit uncertainties around the initial values, inside of the bounds.

    Gammas stay off their floor of 1e-10: there a pull, which is what the core holds, tells them to 1e-6 only.
    """
    rng = np.random.default_rng(seed)
    where = model.config.structure.position
    width, fixed = np.asarray(model.arrays.width)[where], np.asarray(model.arrays.fixed)[where]
    low, high = np.array(model.config.suggested_bounds()).T
    moved = np.array(model.config.suggested_init()) + spread * width * rng.standard_normal(len(where)) * (1 - fixed)
    return np.clip(moved, np.where(low == GAMMA_FLOOR, 0.01, low), high)


def rounding(data: Any) -> float:
    """How well pyhf's sum of n ln(lambda) - lambda - ln n! is known: a few last digits of its terms."""
    n = np.abs(np.asarray(data))
    return float(4 * np.finfo(float).eps * (n * np.log1p(n) + n + 1).sum())


def assert_same_likelihood(theirs: Any, ours: Model, data: Any, seed: int, rtol: float = 1e-12) -> None:
    """Order, data, expectations and ln L agree at random parameters."""
    assert ours.config.par_order == theirs.config.par_order
    assert ours.config.auxdata_order == theirs.config.auxdata_order
    np.testing.assert_allclose(ours.config.auxdata, theirs.config.auxdata, rtol=1e-14)
    np.testing.assert_allclose(ours.config.suggested_init(), theirs.config.suggested_init())
    np.testing.assert_allclose(ours.config.suggested_bounds(), theirs.config.suggested_bounds())
    assert ours.config.suggested_fixed() == list(theirs.config.suggested_fixed())
    for spread in (0.0, 0.3, 1.0):
        pars = random_parameters(ours, seed, spread)
        np.testing.assert_allclose(ours.expected_data(pars), theirs.expected_data(pars), rtol=1e-11, atol=1e-11)
        expected = float(theirs.logpdf(pars, np.array(data))[0])
        if (np.asarray(ours.expected_data(pars, include_auxdata=False)) < 0).any():
            continue  # no likelihood; pyhf gives one where nothing was seen
        if np.isfinite(expected):
            np.testing.assert_allclose(float(ours.logpdf(pars, data)), expected, rtol=rtol, atol=rounding(data))
        else:
            assert not np.isfinite(float(ours.logpdf(pars, data)))


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), phases=QUICK)
@given(workspaces(), CODES, st.integers(0, 2**31))
def test_generated_workspaces_have_pyhfs_likelihood(
    document: dict[str, Any], codes: tuple[str, str], seed: int
) -> None:
    theirs, ours, data = both(document, *codes)
    assert_same_likelihood(theirs, ours, data, seed)


@pytest.mark.heavy
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck), phases=QUICK)
@given(workspaces(), CODES, st.integers(0, 2**31))
def test_many_generated_workspaces_have_pyhfs_likelihood(
    document: dict[str, Any], codes: tuple[str, str], seed: int
) -> None:
    theirs, ours, data = both(document, *codes)
    assert_same_likelihood(theirs, ours, data, seed)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), phases=QUICK)
@given(
    workspaces(with_poi=True, max_channels=1),
    st.integers(0, 2**31),
    st.sampled_from([{"clip_sample_data": 30.0}, {"clip_bin_data": 90.0}]),
)
def test_clipping_is_pyhfs(document: dict[str, Any], seed: int, clips: dict[str, float]) -> None:
    """In one channel: in several, pyhf raises samples of other channels to the limit too."""
    theirs, ours, data = both(document, **clips)
    assert_same_likelihood(theirs, ours, data, seed)


@pytest.mark.parametrize("region", ["RegionA", "RegionB", "RegionC"])
def test_published_backgrounds_have_pyhfs_likelihood(region: str, sbottom: Any) -> None:
    theirs, ours, data = both(sbottom(region).document)
    for seed in range(5):
        assert_same_likelihood(theirs, ours, data, seed)


def test_a_constraint_of_tau_1e12_is_pyhfs_as_far_as_pyhf_can_tell(erjr: Any) -> None:
    """pyhf writes it as lambda - a ln lambda of size 1e13, which rounds ln L at 1e-3: no more can be compared."""
    theirs, ours, data = both(erjr.document)
    assert np.max(np.asarray(ours.arrays.tau)) > 1e11
    for seed in range(3):
        pars = random_parameters(ours, seed)
        np.testing.assert_allclose(float(ours.logpdf(pars, data)), float(theirs.logpdf(pars, data)[0]), atol=2e-2)


def test_a_zero_normfactor_leaves_the_other_samples_alone(sbottom: Any) -> None:
    model = sbottom("RegionA").patched(sbottom.patch("RegionA", "sbottom_1300_205_60")).model()
    pars = np.array(model.config.suggested_init())
    pars[model.config.poi_index] = 0.0
    background = sbottom("RegionA").model(poi_name=None)
    by_sample = np.asarray(model.expected_actualdata(pars, by_sample=True))
    signal = [row for row, name in enumerate(model.config.samples) if name not in background.config.samples]
    assert np.abs(by_sample[signal]).max() < 1e-20
    assert by_sample.sum() > 1
    np.testing.assert_allclose(by_sample.sum(axis=0), model.expected_actualdata(pars), rtol=1e-12)
