"""pyhf on a few points: reads jobs from stdin, writes one timed record a line. Runs in the peer's own environment.

A point is timed as a user meets it: patch the background, build the model, test the hypothesis with its band.
"""

from __future__ import annotations

import json
import sys
import time

import pyhf

SETTINGS = {"normsys": {"interpcode": "code4"}, "histosys": {"interpcode": "code4p"}}


def test(background: dict, patch: list) -> tuple[float, list[float]]:
    """Observed CLs and its five expected values at mu = 1."""
    workspace = pyhf.Workspace(background)
    model = workspace.model(patches=[patch], modifier_settings=SETTINGS)
    observed, expected = pyhf.infer.hypotest(
        1.0, workspace.data(model), model, test_stat="qtilde", return_expected_set=True
    )
    return float(observed), [float(value) for value in expected]


def main() -> None:
    """Fit every job that stands on stdin."""
    backend = sys.argv[1]
    pyhf.set_backend(backend, pyhf.optimize.scipy_optimizer())
    jobs = json.load(sys.stdin)
    for job in jobs["points"]:
        start = time.perf_counter()
        observed, expected = test(jobs["backgrounds"][job["region"]], job["patch"])
        seconds = time.perf_counter() - start
        record = {"region": job["region"], "name": job["name"], "seconds": seconds, "cls_obs": observed}
        print(json.dumps({**record, "cls_exp": expected}), flush=True)


if __name__ == "__main__":
    main()
