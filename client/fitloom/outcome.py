"""What a campaign leaves behind: the contour, the figures, and a few sentences for people."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from fitloom.journal import CONTOUR_FILE, read_campaign, read_results
from fitloom.tables import shown
from fitloom_core.errors import InputError, JournalError
from fitloom_core.wire import FitResult

Json = dict[str, Any]


def import_ahead(plots: Sequence[Path]) -> None:
    """Import what the end needs while the fits run, in a thread; matplotlib alone takes most of a second."""
    names = ["fitloom.contour", "contourpy"]
    if plots:
        names += ["fitloom.figure", "fitloom.drawing", "matplotlib.figure", "matplotlib.backends.backend_agg"]

    def work() -> None:
        for name in names:
            with suppress(Exception):  # whoever needs it gets the real message
                import_module(name)

    threading.Thread(target=work, name="warm-up-ending", daemon=True).start()


def contour_of(
    folder: str | Path, *, axes: Sequence[str] | None = None, where: Mapping[str, float | str] | None = None
) -> Json:
    """The contour document of a campaign folder, from its journal (see `fitloom.contour.compute`).

    Raises:
        JournalError: no campaign is there.
        InputError: axes or conditions that do not fit its labels.
    """
    from fitloom.contour import compute
    from fitloom.plane import choose

    campaign = read_campaign(folder)
    labels = campaign["pallet"]["labels"]
    planned = [point["values"] for region in campaign["regions"] for point in region["points"]]
    plane = choose(planned, labels=labels, axes=axes or None, where=where or None)
    return compute(read_results(folder), labels=labels, plane=plane)


def check_plane(
    labels: Sequence[str], points: Iterable[Mapping[str, Any]], axes: Sequence[str], where: Mapping[str, Any]
) -> None:
    """Refuse axes and conditions that do not fit, before anything is fitted.

    Raises:
        InputError: they do not fit.
    """
    from fitloom.plane import choose

    if axes or where:
        choose(list(points), labels=labels, axes=axes or None, where=where or None)


def write_outcome(
    folder: Path, plots: Sequence[Path], *, axes: Sequence[str] = (), where: Mapping[str, float | str] | None = None
) -> str:
    """Write ``contour.json`` and the figures of a campaign; what was chosen or left out, in a sentence.

    A pallet whose points have no plane (no numbers in their names) has no contour; that is only an error where a figure
    was asked for.
    """
    from fitloom.contour import write

    try:
        contour = contour_of(folder, axes=axes, where=where)
    except InputError as error:
        if plots or axes or where:
            raise
        return f"no contour: {error}"
    try:
        write(contour, folder / CONTOUR_FILE)
        draw(folder, contour, plots)
    except OSError as error:
        raise JournalError(f"cannot write {error.filename or folder}: {error.strerror}; the results are safe") from None
    return str(contour.get("note") or "")


def draw(folder: Path, contour: Json, paths: Sequence[Path]) -> None:
    """Draw figures of a contour."""
    if not paths:
        return
    from fitloom import figure

    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
    figure.draw(contour, paths)


def summary(results: Sequence[FitResult], planned: int) -> str:
    """How a campaign went, in one line: how many points, how many of each status, and the first that failed."""
    counts = Counter(result.status for result in results)
    parts = [
        f"{counts[status]} {status.replace('_', ' ')}"
        for status in ("converged", "not_converged", "failed")
        if counts[status]
    ]
    if len(results) < planned:
        parts.append(f"{planned - len(results)} not fitted yet")
    return f"{planned} points: {', '.join(parts) or 'none fitted'}"


def failures(results: Iterable[FitResult]) -> list[str]:
    """A line for each failed point, safe for a terminal: its name, the code and the message."""
    return [
        shown(f"{full_name(result)}: {result.error.code}: {result.error.message}")
        for result in results
        if result.error is not None
    ]


def full_name(result: FitResult) -> str:
    """The point's name, with its region's where there are several."""
    return result.name if result.region is None else f"{result.region}/{result.name}"
