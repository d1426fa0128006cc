"""Pallets and workspaces of any size, generated and the same everywhere, for timing.

python tests/benchmarks/generate.py grid FOLDER --points 10000   the demo's search with as many signals as asked for
python tests/benchmarks/generate.py thousand FILE                1,000 parameters, 300 bins, 20 samples
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from itertools import count, islice
from math import exp, sqrt
from pathlib import Path
from random import Random
from typing import Any

from fitloom import demo

Json = dict[str, Any]

CHANNELS, BINS, BACKGROUNDS = 15, 20, 19
SHAPES, NORMALISATIONS, FREE = 200, 194, 4
TOUCHED = 5
"""Samples that one systematic uncertainty acts on."""


def write_grid(folder: Path, points: int) -> Path:
    """The demo's background with this many signals all over its mass plane, as a published pallet."""
    folder.mkdir(parents=True, exist_ok=True)
    workspace = demo.background()
    (folder / "BkgOnly.json").write_text(json.dumps(workspace))
    (folder / "patchset.json").write_text(json.dumps(demo.patchset(workspace, islice(_masses(), points))))
    return folder


def write_thousand(path: Path) -> Path:
    """`thousand` as a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(thousand()))
    return path


def thousand() -> Json:
    """A workspace with its signal: 1,000 parameters, 300 bins, 20 samples, data near mu = 0."""
    random = Random(1000)
    systematics = _systematics(random)
    channels = [_channel(random, f"channel_{index:02d}", systematics) for index in range(CHANNELS)]
    return {
        "version": "1.0.0",
        "channels": channels,
        "observations": [{"name": channel["name"], "data": _observed(random, channel)} for channel in channels],
        "measurements": [{"name": "measurement", "config": {"poi": "mu", "parameters": [_LUMI]}}],
    }


_LUMI = {"name": "lumi", "inits": [1.0], "auxdata": [1.0], "sigmas": [0.02], "bounds": [[0.9, 1.1]]}


def _masses() -> Iterator[demo.Masses]:
    """Places spread evenly over the triangle of the demo, without an end (the R2 sequence), each once."""
    seen = set()
    for index in count(1):
        gluino = 1000 + round(1600 * (index * 0.7548776662466927 % 1))
        neutralino = 1 + round(1775 * (index * 0.5698402909980532 % 1))
        if neutralino <= gluino - 25 and (gluino, neutralino) not in seen:
            seen.add((gluino, neutralino))
            yield float(gluino), float(neutralino)


def _systematics(random: Random) -> list[tuple[str, str, frozenset[int], float]]:
    """Type, name, the samples it acts on, and its relative size."""
    kinds = [("histosys", f"shape_{i:03d}") for i in range(SHAPES)]
    kinds += [("normsys", f"norm_{i:03d}") for i in range(NORMALISATIONS)]
    return [
        (kind, name, frozenset(random.sample(range(BACKGROUNDS), TOUCHED)), random.uniform(0.01, 0.06))
        for kind, name in kinds
    ]


def _channel(random: Random, name: str, systematics: list[tuple[str, str, frozenset[int], float]]) -> Json:
    samples = [_background(random, name, index, systematics) for index in range(BACKGROUNDS)]
    return {"name": name, "samples": [*samples, _signal(random, name)]}


def _background(
    random: Random, channel: str, index: int, systematics: list[tuple[str, str, frozenset[int], float]]
) -> Json:
    size, slope = random.uniform(5, 60), random.uniform(0.05, 0.2)
    data = [_short(size * exp(-slope * b) * random.uniform(0.9, 1.1) + 0.05) for b in range(BINS)]
    modifiers = [_modifier(random, kind, name, data, width) for kind, name, on, width in systematics if index in on]
    modifiers.append({"name": "lumi", "type": "lumi", "data": None})
    if index < FREE:
        modifiers.append({"name": f"free_{index}", "type": "normfactor", "data": None})
    if index == BACKGROUNDS - 1:
        modifiers.append(
            {"name": f"estimate_{channel}", "type": "shapesys", "data": [_short(0.3 * value) for value in data]}
        )
    else:
        modifiers.append(_staterror(channel, data))
    return {"name": f"background_{index:02d}", "data": data, "modifiers": modifiers}


def _signal(random: Random, channel: str) -> Json:
    peak = random.uniform(8, 16)
    data = [_short(4 * exp(-(((b - peak) / 4) ** 2)) + 0.01) for b in range(BINS)]
    modifiers: list[Json] = [
        {"name": "mu", "type": "normfactor", "data": None},
        {"name": "lumi", "type": "lumi", "data": None},
        _staterror(channel, data),
    ]
    return {"name": "signal", "data": data, "modifiers": modifiers}


def _modifier(random: Random, kind: str, name: str, data: list[float], width: float) -> Json:
    if kind == "normsys":
        return {"name": name, "type": kind, "data": {"hi": _short(1 + width), "lo": _short(1 - 0.9 * width)}}
    tilts = [width * (2 * b / (BINS - 1) - 1) * random.uniform(0.8, 1.2) for b in range(BINS)]
    high = [_short(value * (1 + tilt)) for value, tilt in zip(data, tilts, strict=True)]
    low = [_short(value * (1 - 0.9 * tilt)) for value, tilt in zip(data, tilts, strict=True)]
    return {"name": name, "type": kind, "data": {"hi_data": high, "lo_data": low}}


def _staterror(channel: str, data: list[float]) -> Json:
    return {"name": f"stat_{channel}", "type": "staterror", "data": [_short(0.1 * sqrt(value)) for value in data]}


def _observed(random: Random, channel: Json) -> list[float]:
    """The background, fluctuated about as a Poisson number is."""
    columns = zip(*(sample["data"] for sample in channel["samples"][:-1]), strict=True)
    totals = [sum(column) for column in columns]
    return [
        float(max(0, round(total + sqrt(total) * (sum(random.random() for _ in range(12)) - 6)))) for total in totals
    ]


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def main() -> None:
    """Write what was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("grid", "thousand"))
    parser.add_argument("path", type=Path)
    parser.add_argument("--points", type=int, default=1000, help="signals of a grid (1000)")
    arguments = parser.parse_args()
    if arguments.what == "grid":
        write_grid(arguments.path, arguments.points)
    else:
        write_thousand(arguments.path)


if __name__ == "__main__":
    main()
