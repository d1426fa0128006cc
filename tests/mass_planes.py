"""Results over mass planes whose contours are known: for tests of contours, figures and whatever draws them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import erfc, sqrt

from fitloom_core.wire import Failure, FitResult, Status

Plane = Callable[[float, float], float]
Place = tuple[float, float]

LABELS = ("m_gluino", "m_neutralino1")
LEVEL = 1.6448536269514722
"""Z where CLs is 0.05."""


def hill(x: float, y: float) -> float:
    """Z over the plane: its contour is an ellipse around (800, 200)."""
    return 3.2 - ((x - 800) / 500) ** 2 - ((y - 200) / 400) ** 2


def grid(columns: int = 16, rows: int = 14) -> list[Place]:
    """Evenly spaced, 500 to 2000 and 0 to 1300."""
    return [(500 + 1500 * i / (columns - 1), 1300 * j / (rows - 1)) for i in range(columns) for j in range(rows)]


def result(
    place: Place,
    z: float,
    *,
    region: str | None = None,
    status: Status = "converged",
    expected: float | None = None,
    labels: tuple[str, str] = LABELS,
    more: dict[str, float | str] | None = None,
) -> FitResult:
    """A result with this observed Z (and expected one, the same if not given); a band of one sigma in Z."""
    name = f"point_{place[0]:g}_{place[1]:g}"
    median = z if expected is None else expected
    numbers = {
        "cls_obs": cls_of(z),
        "cls_exp": [cls_of(median - shift) for shift in (-2, -1, 0, 1, 2)],
        "mu_hat": 0.0,
        "q": 1.0,
        "q_asimov": 1.0,
    }
    failure = {"error": Failure(code="no_poi", message="the signal adds nothing")}
    return FitResult(
        pallet="generated",
        region=region,
        name=name,
        values={labels[0]: place[0], labels[1]: place[1], **(more or {})},
        id=f"{region}/{name}/{more}",
        status=status,
        mu=1.0,
        test_stat="qtilde",
        **(failure if status == "failed" else numbers),  # type: ignore[arg-type]
    )


def results(plane: Plane = hill, places: Iterable[Place] | None = None, region: str | None = None) -> list[FitResult]:
    """A converged result at each place."""
    return [result(place, plane(*place), region=region) for place in (grid() if places is None else places)]


def cls_of(z: float) -> float:
    """The CLs whose ``Phi^-1(1 - CLs)`` is z."""
    return erfc(z / sqrt(2)) / 2
