"""The pallet of ``fitloom run demo``: a made-up gluino search, generated here and the same everywhere.

Gluinos are produced in pairs and each decays to two quarks and the lightest neutralino. Two signal regions look for
them, one for large mass splittings (binned in effective mass) and one for small ones (binned in missing transverse
momentum); a control region measures the multijet background. The yields are invented, but fall as real ones do: the
cross-section with the gluino's mass, the acceptance with the mass splitting.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from math import erf, exp, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fitloom.pallet import Pallet

Json = dict[str, Any]
Masses = tuple[float, float]

LABELS = ("m_gluino", "m_neutralino1")
POI = "mu_SIG"
LUMINOSITY = 139.0
"""In inverse femtobarn."""

EFFECTIVE_MASS = (1600.0, 2200.0, 2800.0, 3400.0, 4000.0, 5200.0)
MISSING_MOMENTUM = (300.0, 450.0, 600.0, 800.0, 1000.0, 1400.0)
"""Bin edges of the signal regions, in GeV."""

BACKGROUND: dict[str, dict[str, tuple[float, ...]]] = {
    "CR_multijet": {
        "top": (300.0, 130.0, 52.0, 20.0, 7.0),
        "wz": (150.0, 60.0, 25.0, 10.0, 4.0),
        "diboson": (12.0, 5.0, 2.0, 1.0, 0.4),
        "multijet": (1500.0, 520.0, 170.0, 55.0, 18.0),
    },
    "SR_boosted": {
        "top": (62.0, 21.0, 7.5, 2.6, 0.9),
        "wz": (48.0, 20.0, 8.2, 3.4, 1.5),
        "diboson": (7.0, 3.2, 1.4, 0.6, 0.3),
        "multijet": (6.0, 2.2, 0.8, 0.3, 0.12),
    },
    "SR_compressed": {
        "top": (180.0, 70.0, 24.0, 8.5, 2.8),
        "wz": (110.0, 48.0, 19.0, 7.4, 2.9),
        "diboson": (14.0, 6.5, 2.8, 1.2, 0.5),
        "multijet": (45.0, 13.0, 3.8, 1.2, 0.35),
    },
}
OBSERVED = {
    "CR_multijet": (1987, 698, 259, 80, 32),
    "SR_boosted": (129, 49, 21, 9, 3),
    "SR_compressed": (338, 149, 46, 21, 6),
}
"""Drawn once from the background, then written down, so that the numbers never depend on a random generator."""

NORMALISATION: dict[str, tuple[tuple[str, ...], float, float]] = {
    "trigger": (("top", "wz", "diboson", "signal"), 0.98, 1.02),
    "pileup": (("top", "wz", "diboson", "signal"), 0.985, 1.012),
    "lepton_veto": (("top", "wz"), 0.97, 1.03),
    "btag": (("top",), 0.94, 1.05),
    "wz_xsec": (("wz",), 0.92, 1.08),
    "diboson_xsec": (("diboson",), 0.75, 1.3),
    "sig_isr": (("signal",), 0.92, 1.09),
    "sig_pdf": (("signal",), 0.93, 1.07),
    "jes": (("top", "wz", "diboson", "signal"), 0.97, 1.035),
}
"""normsys: samples, lo, hi. ``jes`` is a histosys as well: norm and shape share one parameter."""

SHAPE: dict[str, tuple[tuple[str, ...], float, float]] = {
    "jes": (("top", "wz", "diboson", "signal"), -0.02, 0.02),
    "jer": (("top", "wz", "diboson", "signal"), 0.01, 0.008),
    "met_soft": (("top", "wz"), 0.01, -0.006),
    "top_shower": (("top",), 0.05, 0.03),
    "top_radiation": (("top",), -0.03, 0.025),
    "wz_scale": (("wz",), 0.04, 0.03),
}
"""histosys: samples, relative change of the first bin, and what each further bin adds to it."""


def pallet() -> Pallet:
    """The demo pallet: three regions of five bins, about forty nuisance parameters, a hundred points."""
    from fitloom.pallet import Pallet, PalletPoint, Region
    from fitloom_core.workspace import digest

    workspace = background()
    points = tuple(
        PalletPoint(_name(*masses), dict(zip(LABELS, masses, strict=True)), _patch(*masses)) for masses in mass_points()
    )
    key = digest(workspace)
    return Pallet("demo", "demo", digest(patchset(workspace)), LABELS, (Region(None, workspace, key, points),))


def write_pallet(folder: str | Path) -> Path:
    """Write the demo as ``BkgOnly.json`` and ``patchset.json``, as pallets are published; returns the folder."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    workspace = background()
    for name, document in (("BkgOnly.json", workspace), ("patchset.json", patchset(workspace))):
        (folder / name).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return folder


def background() -> Json:
    """The background-only workspace."""
    return {
        "version": "1.0.0",
        "channels": [
            {"name": channel, "samples": [_background_sample(channel, name, data) for name, data in samples.items()]}
            for channel, samples in BACKGROUND.items()
        ],
        "observations": [{"name": channel, "data": list(data)} for channel, data in OBSERVED.items()],
        "measurements": [{"name": "NormalMeasurement", "config": {"poi": POI, "parameters": _parameters()}}],
    }


def patchset(workspace: Json, masses: Iterable[Masses] | None = None) -> Json:
    """A patchset of the signals at the given masses, by default the demo's hundred."""
    from fitloom_core.workspace import digest

    return {
        "metadata": {
            "name": "demo",
            "description": "A made-up search for gluinos, generated by fitloom",
            "digests": {"sha256": digest(workspace)},
            "labels": list(LABELS),
            "references": {"hepdata": "ins0000000"},
        },
        "patches": patches(mass_points() if masses is None else masses),
        "version": "1.0.0",
    }


def patches(masses: Iterable[Masses]) -> list[Json]:
    """The patches that add a signal of these (gluino, neutralino) masses to the background workspace."""
    return [{"metadata": {"name": _name(*point), "values": list(point)}, "patch": _patch(*point)} for point in masses]


def mass_points() -> list[Masses]:
    """The demo's points: a coarse grid, and lines along the diagonal where the acceptance changes fast."""
    columns = (*range(1000, 2001, 200), 2100, 2200, 2300, 2400, 2600)
    grid = [
        (gluino, neutralino)
        for gluino in columns
        for neutralino in (1, *range(200, 1601, 200))
        if neutralino <= gluino - 200
    ]
    diagonal = [(gluino, gluino - splitting) for gluino in range(1000, 1801, 200) for splitting in (25, 100)]
    return [(float(gluino), float(neutralino)) for gluino, neutralino in sorted(grid + diagonal)]


def cross_section(gluino: float) -> float:
    """Cross-section of gluino pairs at 13 TeV in fb: a parabola in the logarithm, near the published values."""
    tev = gluino / 1000
    return exp(12.9 - 7.446 * tev + 0.501 * tev**2)


def signal(gluino: float, neutralino: float) -> dict[str, tuple[float, ...]]:
    """Expected signal events per bin of each signal region."""
    produced = LUMINOSITY * cross_section(gluino)
    visible = gluino - neutralino**2 / gluino
    boosted = 0.5 * _rise(visible, at=1000.0, width=170.0)
    soft = _rise(visible, at=520.0, width=170.0) * (1 - 0.7 * _rise(visible, at=1500.0, width=300.0))
    compressed = 0.006 + 0.10 * soft
    mass, width = 0.95 * visible + 500, 0.22 * visible + 150
    momentum = 190 + 0.16 * visible
    return {
        "SR_boosted": _binned(EFFECTIVE_MASS, produced * boosted, lambda edge: _gauss_cdf(edge, mass, width)),
        "SR_compressed": _binned(
            MISSING_MOMENTUM, produced * compressed, lambda edge: 1 - exp(-(edge - 300) / momentum)
        ),
    }


def _rise(x: float, *, at: float, width: float) -> float:
    return 1 / (1 + exp(-(x - at) / width))


def _gauss_cdf(x: float, mean: float, width: float) -> float:
    return (1 + erf((x - mean) / (width * sqrt(2)))) / 2


def _binned(edges: Sequence[float], total: float, cdf: Callable[[float], float]) -> tuple[float, ...]:
    """The events of each bin; the last one keeps the overflow."""
    values = [*(cdf(edge) for edge in edges[:-1]), 1.0]
    return tuple(_short(total * max(high - low, 1e-6)) for low, high in pairwise(values))


def _name(gluino: float, neutralino: float) -> str:
    return f"gluino_{gluino:g}_{neutralino:g}"


def _patch(gluino: float, neutralino: float) -> list[Json]:
    channels = list(BACKGROUND)
    return [
        {
            "op": "add",
            "path": f"/channels/{channels.index(channel)}/samples/-",
            "value": _signal_sample(channel, data),
        }
        for channel, data in signal(gluino, neutralino).items()
    ]


def _background_sample(channel: str, name: str, data: Sequence[float]) -> Json:
    modifiers: list[Json] = [*_systematics(name, data)]
    if name == "top":
        modifiers.append({"name": "mu_top", "type": "normfactor", "data": None})
    if name == "multijet":
        modifiers.append(_multijet(channel, data))
    else:
        modifiers.append(_simulation_statistics(channel, data, events=40))
    if name in ("wz", "diboson"):
        modifiers.append({"name": "lumi", "type": "lumi", "data": None})
    return {"name": name, "data": list(data), "modifiers": modifiers}


def _multijet(channel: str, data: Sequence[float]) -> Json:
    """Measured bin by bin in the control region; taken with an uncertainty of its own where that has no reach."""
    if channel == "SR_boosted":
        return {"name": "multijet_estimate", "type": "shapesys", "data": [_short(0.4 * value) for value in data]}
    return {"name": "multijet_transfer", "type": "shapefactor", "data": None}


def _signal_sample(channel: str, data: Sequence[float]) -> Json:
    modifiers = [
        {"name": POI, "type": "normfactor", "data": None},
        {"name": "lumi", "type": "lumi", "data": None},
        *_systematics("signal", data),
        _simulation_statistics(channel, data, events=15),
    ]
    return {"name": "signal", "data": list(data), "modifiers": modifiers}


def _systematics(sample: str, data: Sequence[float]) -> list[Json]:
    norms = [
        {"name": name, "type": "normsys", "data": {"lo": low, "hi": high}}
        for name, (samples, low, high) in NORMALISATION.items()
        if sample in samples
    ]
    shapes = [
        {"name": name, "type": "histosys", "data": _shifted(data, first, slope)}
        for name, (samples, first, slope) in SHAPE.items()
        if sample in samples
    ]
    return [*norms, *shapes]


def _shifted(data: Sequence[float], first: float, slope: float) -> Mapping[str, list[float]]:
    """Templates one sigma up and down; the lower one a little closer, as real ones seldom are symmetric."""
    shifts = [first + slope * index for index in range(len(data))]
    return {
        "hi_data": [_short(value * (1 + shift)) for value, shift in zip(data, shifts, strict=True)],
        "lo_data": [_short(value * (1 - 0.85 * shift)) for value, shift in zip(data, shifts, strict=True)],
    }


def _simulation_statistics(channel: str, data: Sequence[float], *, events: float) -> Json:
    """A sample simulated with this many events for each one expected, and never fewer than 25 in a bin."""
    return {
        "name": f"staterror_{channel}",
        "type": "staterror",
        "data": [_short(value / sqrt(max(events * value, 25))) for value in data],
    }


def _parameters() -> list[Json]:
    return [
        {"name": "lumi", "inits": [1.0], "auxdata": [1.0], "sigmas": [0.017], "bounds": [[0.915, 1.085]]},
        {"name": POI, "inits": [1.0], "bounds": [[0.0, 10.0]]},
    ]


def _short(value: float) -> float:
    """Six digits: the files stay readable, and their digests do not hang on the last bit of a machine's ``exp``."""
    return float(f"{value:.6g}")
