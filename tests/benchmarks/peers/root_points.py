"""ROOT on a few points: reads jobs from stdin, writes one timed record a line. Runs in the peer's own environment.

Four fits give qtilde at mu = 1 and its Asimov value: free, at mu, at 0 (which makes the Asimov data and
is their free fit), and at mu on the Asimov data. Asymptotic formulae then give CLs and its band.
"""

from __future__ import annotations

import copy
import json
import math
import sys
import time
import warnings
from typing import Any

import jsonpatch

warnings.simplefilter("ignore")
import ROOT  # noqa: E402
from histfactory import build  # noqa: E402


class Fit:
    """Minimises -ln L of one data set, from where the parameters stand."""

    def __init__(self, config: Any, data: Any) -> None:
        self.poi = config.GetParametersOfInterest().first()
        self.nll = config.GetPdf().createNLL(
            data,
            Constrain=config.GetNuisanceParameters(),
            GlobalObservables=config.GetGlobalObservables(),
            EvalBackend="cpu",
            Offset="initial",
        )
        self.minimizer = ROOT.RooMinimizer(self.nll)
        self.minimizer.setPrintLevel(-1)
        self.minimizer.setEps(0.01)
        self.minimizer.setStrategy(int(sys.argv[1]) if len(sys.argv) > 1 else 1)

    def at(self, mu: float | None) -> float:
        """The minimum with the POI at mu, or free."""
        self.poi.setConstant(mu is not None)
        if mu is not None:
            self.poi.setVal(mu)
        status = self.minimizer.minimize("Minuit2", "migrad")
        if status not in (0, 1):
            print(f"minuit status {status}", file=sys.stderr)
        return float(self.nll.getVal())


def test(background: dict[str, Any], patch: list[Any]) -> tuple[float, list[float]]:
    """Observed CLs and its five expected values at mu = 1."""
    spec = jsonpatch.apply_patch({"channels": copy.deepcopy(background["channels"])}, patch)
    observations = {entry["name"]: entry["data"] for entry in background["observations"]}
    workspace = build(spec["channels"], observations, background["measurements"][0]["config"])
    config, data = workspace.obj("ModelConfig"), workspace.data("obsData")
    config.GetParametersOfInterest().first().setRange(0, 10)
    observed = Fit(config, data)
    free, mu_hat = observed.at(None), observed.poi.getVal()
    fixed, null = observed.at(1.0), observed.at(0.0)
    q_observed = max(0.0, 2 * (fixed - min(free, null))) if mu_hat <= 1 else 0.0
    calculator = ROOT.RooStats.AsymptoticCalculator
    parameters = config.GetPdf().getParameters(data)
    globals_ = ROOT.RooArgSet()
    asimov_data = calculator.MakeAsimovData(config, parameters, globals_)
    config.GetGlobalObservables().assign(globals_)
    asimov = Fit(config, asimov_data)
    background_only = asimov.nll.getVal()
    q_asimov = max(0.0, 2 * (asimov.at(1.0) - background_only))
    return cls(q_observed, q_asimov)


def cls(q: float, q_asimov: float) -> tuple[float, list[float]]:
    """CLs of qtilde and its five expected values, by the asymptotic formulae."""
    root, asimov = math.sqrt(q), math.sqrt(q_asimov)
    distance = root - asimov if root <= asimov else (q - q_asimov) / (2 * asimov)
    return _ratio(distance, asimov), [_ratio(sigma, asimov) for sigma in (2, 1, 0, -1, -2)]


def _ratio(distance: float, asimov: float) -> float:
    return math.erfc((distance + asimov) / math.sqrt(2)) / math.erfc(distance / math.sqrt(2))


def main() -> None:
    """Fit every job that stands on stdin."""
    ROOT.gErrorIgnoreLevel = ROOT.kError
    ROOT.RooMsgService.instance().setGlobalKillBelow(ROOT.RooFit.ERROR)
    jobs = json.load(sys.stdin)
    for job in jobs["points"]:
        start = time.perf_counter()
        observed, expected = test(jobs["backgrounds"][job["region"]], job["patch"])
        seconds = time.perf_counter() - start
        record = {"region": job["region"], "name": job["name"], "seconds": seconds, "cls_obs": observed}
        print(json.dumps({**record, "cls_exp": expected}), flush=True)


if __name__ == "__main__":
    main()
