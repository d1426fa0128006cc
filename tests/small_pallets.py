"""Pallets so small that a fit takes a millisecond: one channel of two bins, a signal on a plane of masses."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fitloom_core.workspace import digest

Json = dict[str, Any]
LABELS = ["m1", "m2"]
PLANE = [(100 * x, 100 * y) for x in range(2, 6) for y in range(1, 4)]


def background(observed: tuple[float, float] = (51.0, 29.0)) -> Json:
    """A workspace with one uncertain background."""
    uncertain = {"name": "bkg_norm", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}}
    sample = {"name": "background", "data": [50.0, 30.0], "modifiers": [uncertain]}
    return {
        "version": "1.0.0",
        "channels": [{"name": "SR", "samples": [sample]}],
        "observations": [{"name": "SR", "data": list(observed)}],
        "measurements": [{"name": "main", "config": {"poi": "mu", "parameters": []}}],
    }


def patch(m1: float, m2: float) -> list[Json]:
    """A signal that falls with the first mass and rises with the splitting."""
    rate = 4000 / m1 * (1 - 0.1 * m2 / m1)
    modifier = {"name": "mu", "type": "normfactor", "data": None}
    sample = {"name": "signal", "data": [rate, 0.7 * rate], "modifiers": [modifier]}
    return [{"op": "add", "path": "/channels/0/samples/-", "value": sample}]


def name(m1: float, m2: float) -> str:
    """A point's name."""
    return f"signal_{m1}_{m2}"


def patchset(points: Iterable[tuple[float, float]] = PLANE, of: Json | None = None) -> Json:
    """A patchset of today's layout."""
    return {
        "version": "1.0.0",
        "metadata": {
            "references": {"hepdata": "ins1234567"},
            "digests": {"sha256": digest(of or background())},
            "labels": LABELS,
            "description": "made up",
        },
        "patches": [
            {"metadata": {"name": name(*values), "values": list(values)}, "patch": patch(*values)} for values in points
        ],
    }


def write_patchset(folder: Path, points: Iterable[tuple[float, float]] = PLANE) -> Path:
    """``BkgOnly.json`` and ``patchset.json`` in a folder."""
    return _write(folder, {"BkgOnly.json": background(), "patchset.json": patchset(points)})


def write_loose(folder: Path, points: Iterable[tuple[float, float]] = PLANE) -> Path:
    """``BkgOnly.json`` and loose ``patch.NAME.json`` files in a folder, the layout of 2019."""
    patches = {f"patch.{name(*values)}.json": patch(*values) for values in points}
    return _write(folder, {"BkgOnly.json": background(), **patches})


def _write(folder: Path, documents: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for file, document in documents.items():
        (folder / file).write_text(json.dumps(document))
    return folder
