"""Fits and tests against converged references, pyhf's published numbers, and a second minimiser."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from fitloom_core import Workspace, fit, fixed_poi_fit, hypotest
from fitloom_core.errors import FitError, InputError, NoPOI
from fitloom_core.inference.asymptotics import asymptotic_cls


def one_channel(modifiers: list[list[dict[str, Any]]], yields: list[list[float]], observed: list[float]) -> Workspace:
    """A workspace of one channel whose first sample is the signal."""
    return Workspace(
        {
            "channels": [
                {
                    "name": "channel",
                    "samples": [
                        {"name": f"sample{index}", "data": data, "modifiers": of_sample}
                        for index, (data, of_sample) in enumerate(zip(yields, modifiers, strict=True))
                    ],
                }
            ],
            "observations": [{"name": "channel", "data": observed}],
            "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
            "version": "1.0.0",
        }
    )


MU = {"name": "mu", "type": "normfactor", "data": None}


def hello() -> Workspace:
    """The two-bin counting experiment of pyhf's README."""
    uncertainty = {"name": "uncorr", "type": "shapesys", "data": [3.0, 7.0]}
    return one_channel([[MU], [uncertainty]], [[12.0, 11.0], [50.0, 52.0]], [51.0, 48.0])


def test_hello_world_has_the_converged_cls() -> None:
    workspace = hello()
    model = workspace.model()
    found = hypotest(1.0, workspace.data(model), model)
    assert found.cls_obs == pytest.approx(0.052515525146, abs=1e-11)
    expected = [0.002606404584, 0.013820640038, 0.064455154770, 0.235260903124, 0.573041654982]
    np.testing.assert_allclose(found.cls_exp, expected, atol=1e-11)
    assert found.q == pytest.approx(3.9382449334, abs=1e-9)
    assert found.q_asimov == pytest.approx(3.4188690716, abs=1e-9)


def test_sbottom_has_the_converged_cls(sbottom: Any, reference: dict[str, Any]) -> None:
    for key, expected in reference["sbottom"].items():
        region, name = key.split("/")
        workspace = sbottom(region).patched(sbottom.patch(region, name))
        model = workspace.model()
        found = hypotest(1.0, workspace.data(model), model)
        assert found.cls_obs == pytest.approx(expected["cls_obs"], abs=1e-7)
        np.testing.assert_allclose(found.cls_exp, expected["cls_exp"], atol=1e-7)
        assert found.q == pytest.approx(expected["q"], abs=1e-8)
        assert found.q_asimov == pytest.approx(expected["q_asimov"], abs=1e-8)


def test_a_signal_free_model_has_no_poi_to_test(sbottom: Any) -> None:
    patched = sbottom("RegionB").patched(sbottom.patch("RegionB", "sbottom_1500_1495_60"))
    with pytest.raises(NoPOI, match="mu_SIG"):
        patched.model()


def hello_profile(mu: float) -> float:
    """-2 ln L of `hello` at mu, less a constant: written out, and profiled by scipy bin by bin."""
    total = 0.0
    for signal, background, uncertainty, seen in ((12.0, 50.0, 3.0, 51.0), (11.0, 52.0, 7.0, 48.0)):
        tau = (background / uncertainty) ** 2

        def objective(
            gamma: float, s: float = mu * signal, b: float = background, n: float = seen, t: float = tau
        ) -> float:
            nu = s + b * gamma
            return 2 * (nu - n * np.log(nu) + t * gamma - t * np.log(t * gamma))

        total += float(minimize_scalar(objective, bounds=(0.2, 2.0), method="bounded", options={"xatol": 1e-10}).fun)
    return total


@pytest.mark.parametrize("test_stat", ["q", "qtilde", "q0"])
def test_statistics_agree_with_a_brute_force_profile(test_stat: Any) -> None:
    workspace = hello()
    model = workspace.model()
    found = hypotest(1.0, workspace.data(model), model, test_stat=test_stat)
    scan = np.linspace(0.0, 1.0, 401)
    profile = np.array([hello_profile(mu) for mu in scan])
    tested = profile[0] if test_stat == "q0" else profile[-1]
    assert found.mu_hat == pytest.approx(scan[np.argmin(profile)], abs=0.0025)
    assert found.q == pytest.approx(tested - profile.min(), abs=1e-4)
    assert found.nll_fixed - found.nll_free == pytest.approx((tested - profile.min()) / 2, abs=1e-4)


def test_a_fit_has_a_certificate_and_no_gradient_left() -> None:
    workspace = hello()
    model = workspace.model()
    data = workspace.data(model)
    found = fit(data, model)
    assert found.certificate.positive_definite
    assert found.certificate.kkt < 1e-6
    assert found.certificate.edm < 1e-13
    assert found.names == ("mu", "uncorr[0]", "uncorr[1]")
    assert found.twice_nll == pytest.approx(-2 * float(model.logpdf(found.parameters, data)), rel=1e-13)


def test_a_fixed_poi_may_lie_outside_of_its_bounds() -> None:
    workspace = hello()
    model = workspace.model()
    found = fixed_poi_fit(11.0, workspace.data(model), model)
    assert found.parameters[0] == 11.0


def test_fixed_parameters_stay_and_bounds_hold() -> None:
    workspace = hello()
    model = workspace.model()
    data = workspace.data(model)
    found = fit(
        data,
        model,
        fixed_params=[False, True, False],
        par_bounds=[(0, 10), (1e-10, 10), (1.1, 10)],
        init_pars=[1, 1, 1.2],
    )
    assert found.parameters[1] == 1.0
    assert found.parameters[2] == pytest.approx(1.1)
    assert found.certificate.kkt < 1e-6


def test_wrong_requests_are_refused() -> None:
    workspace = hello()
    model = workspace.model()
    data = workspace.data(model)
    with pytest.raises(InputError, match="outside of its bounds"):
        fit(data, model, init_pars=[11.0, 1.0, 1.0])
    with pytest.raises(InputError, match="3 parameters"):
        fit(data, model, init_pars=[1.0])
    with pytest.raises(InputError, match="needs 2 counts"):
        fit(data[:3], model)
    with pytest.raises(InputError, match="choose qtilde"):
        hypotest(1.0, data, model, test_stat="qmu")  # type: ignore[arg-type]
    with pytest.raises(NoPOI, match="no parameter of interest"):
        hypotest(1.0, data, workspace.model(poi_name=None))


def test_a_likelihood_that_is_zero_everywhere_is_no_result() -> None:
    workspace = one_channel([[MU], []], [[0.0], [0.0]], [5.0])
    model = workspace.model()
    with pytest.raises(FitError, match="could not be certified"):
        fit(workspace.data(model), model)


@pytest.mark.parametrize(("q", "q_asimov", "expected"), [(0.0, 0.0, 1.0), (1.9356588820, 0.7568194661, 0.244436955785)])
def test_qtilde_cls_has_known_values(q: float, q_asimov: float, expected: float) -> None:
    found = asymptotic_cls(np.array([q]), np.array([q_asimov]), "qtilde")
    assert found.observed[0] == pytest.approx(expected, abs=1e-9)


def test_far_tails_keep_their_digits() -> None:
    found = asymptotic_cls(np.array([900.0]), np.array([1000.0]), "qtilde")
    assert 0 < found.observed[0] < 1e-100
    assert np.all(np.diff(found.expected[0]) > 0)


# Small models whose numbers ROOT confirmed; test statistic q, POI in (0, 10): pyhf tests/test_validation.py.
def test_numbers_that_root_confirmed() -> None:
    shapesys = {"name": "uncorr", "type": "shapesys", "data": [10.0]}
    workspace = one_channel([[MU], [shapesys]], [[10.0], [100.0]], [120.0])
    model = workspace.model()
    found = hypotest(1.0, workspace.data(model), model, test_stat="q")
    assert 0 < found.cls_obs < 1
    q0 = hypotest(0.0, workspace.data(model), model, test_stat="q0")
    assert q0.cls_obs == pytest.approx(q0.clsb)
    assert q0.mu == 0.0
