"""Colours, strokes and sizes of a figure; colours stay apart for colour-blind eyes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle

OBSERVED, EXPECTED, BAND = "#b2182b", "#08306b", "#6baed6"
QUIET = "#6b6b6b"
REGIONS = ("#009e73", "#e69f00", "#cc79a7", "#7b3294", "#a6761d", "#1b7837")
INNER, OUTER = 0.45, 0.22
"""Opacity of the two bands."""
DASHED = (0, (5, 2))
STATES = {"not_converged": ("o", "white", "Not certified"), "failed": ("x", QUIET, "No result")}
"""How points look that do not count: marker, face, words."""
NUMBERED = 150
"""Up to this many points show their CLs as a number; more are dots coloured by it."""


def region_colors() -> Iterator[str]:
    """A colour for one region after another."""
    return cycle(REGIONS)
