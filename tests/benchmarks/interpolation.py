"""Which surface goes best through the points: a known one found again, and real points left out one by one.

python tests/benchmarks/interpolation.py [CAMPAIGN[:LABEL=VALUE] …]

The known surface is the demo's, from its yields alone. Errors are of Z, near the contour.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator
from math import erfc, sqrt
from pathlib import Path
from typing import Any

import numpy as np
from scipy.interpolate import CloughTocher2DInterpolator, LinearNDInterpolator, RBFInterpolator
from scipy.spatial import Delaunay

from fitloom import demo
from fitloom.contour import compute, significance
from fitloom.journal import read_campaign, read_results
from fitloom.plane import parse_where
from fitloom.surface import thin_plate

Array = Any
Method = Callable[[Array, Array], Callable[[Array], Array]]

LEVEL = 1.6448536269514722
METHODS: dict[str, Method] = {
    "thin plate (ours)": thin_plate,
    "Clough-Tocher": CloughTocher2DInterpolator,
    "Delaunay, linear": LinearNDInterpolator,
    "cubic RBF": lambda points, z: RBFInterpolator(points, z, kernel="cubic"),
    "thin plate, smoothed 0.01": lambda points, z: RBFInterpolator(points, z, smoothing=0.01),
    "multiquadric, eps 8": lambda points, z: RBFInterpolator(points, z, kernel="multiquadric", epsilon=8),
    "multiquadric, eps 4": lambda points, z: RBFInterpolator(points, z, kernel="multiquadric", epsilon=4),
    "multiquadric, eps 1": lambda points, z: RBFInterpolator(points, z, kernel="multiquadric", epsilon=1),
}


def main(arguments: list[str]) -> None:
    """Print a table for the known surface, without and with noise, and one for each campaign."""
    warnings.simplefilter("ignore")
    for noise in (0.0, 0.05):
        print(f"\nknown surface, signals fluctuated by {noise:.0%}")
        _report(lambda method, noise=noise: _known(method, noise))
    for argument in arguments:
        points, z = _campaign(argument)
        print(f"\n{argument}: {len(points)} points, each predicted from the others")
        _report(lambda method, points=points, z=z: _left_out(method, points, z))


def _report(study: Callable[[Method], Array]) -> None:
    print(f"{'':28s}{'median':>8s}{'rms':>8s}{'largest':>9s}{'seconds':>9s}")
    for name, method in METHODS.items():
        start = time.perf_counter()
        errors = study(method)
        seconds = time.perf_counter() - start
        print(f"{name:28s}{np.median(errors):8.3f}{np.sqrt(np.mean(errors**2)):8.3f}{errors.max():9.2f}{seconds:9.3f}")


def _known(method: Method, noise: float) -> Array:
    """Errors on a fine grid where the true Z is within a quarter of the level."""
    masses = np.array(demo.mass_points())
    low, span = masses.min(axis=0), np.ptp(masses, axis=0)
    random = np.random.default_rng(1)
    z = np.array([_truth(*place, factor=np.exp(noise * random.standard_normal())) for place in masses])
    points = (masses - low) / span
    places = np.array(list(_inside(points)))
    truth = np.array([_truth(*place) for place in places * span + low])
    near = np.abs(truth - LEVEL) < 0.25
    return np.abs(method(points, z[:, None])(places[near])[:, 0] - truth[near])


def _truth(gluino: float, neutralino: float, factor: float = 1.0) -> float:
    """Z of the median expected CLs, from the yields with 8 % uncertainty on the background."""
    total = 0.0
    for channel, signal in demo.signal(gluino, neutralino).items():
        background = np.sum(list(demo.BACKGROUND[channel].values()), axis=0)
        events = factor * np.array(signal)
        total += float(np.sum(events**2 / (background + events / 2 + (0.08 * background) ** 2)))
    return float(significance(np.array([erfc(sqrt(total / 2))]))[0])


def _inside(points: Array) -> Iterator[tuple[float, float]]:
    triangles, axis = Delaunay(points), np.linspace(0, 1, 90)
    return ((x, y) for x in axis for y in axis if triangles.find_simplex((x, y)) >= 0)


def _campaign(argument: str) -> tuple[Array, Array]:
    """The best points of a campaign's plane, on the unit square, with the Z of their median expected CLs."""
    folder, _, condition = argument.partition(":")
    results = read_results(Path(folder))
    labels = read_campaign(Path(folder))["pallet"]["labels"]
    contour = compute(results, labels=labels, where=parse_where([condition]) if condition else None)
    used = [point for point in contour["regions"][-1]["points"] if point["status"] == "converged"]
    places = np.array([(point["x"], point["y"]) for point in used])
    z = significance(np.array([point["cls_exp"][2] for point in used]))
    return (places - places.min(axis=0)) / np.ptp(places, axis=0), z


def _left_out(method: Method, points: Array, z: Array) -> Array:
    """Errors at points within two of the level that the others surround."""
    errors = []
    for i in np.flatnonzero(np.abs(z - LEVEL) < 2):
        others = np.delete(points, i, axis=0)
        if Delaunay(others).find_simplex(points[i]) >= 0:
            found = method(others, np.delete(z, i)[:, None])(points[i : i + 1])
            errors.append(abs(float(found[0, 0]) - z[i]))
    return np.array(errors)


if __name__ == "__main__":
    main(sys.argv[1:])
