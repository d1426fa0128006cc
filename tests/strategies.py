"""Hypothesis strategies: valid workspaces of every modifier type, sharing rule and parameter configuration.

``workspaces()`` gives small documents with positive yields that pyhf can build a model from too. Names say
what is drawn: ``mu`` and ``free_*`` normfactors, ``norm_*`` normsys, ``shape_*`` histosys, ``both_*`` a
histosys and a normsys of one name, ``factor_*`` shapefactor, ``poisson_*`` shapesys, ``stat_*`` staterror.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]
Draw = Callable[..., Any]

MAX_CHANNELS = 3
MAX_SAMPLES = 3
MAX_BINS = 3

yields = st.floats(0.5, 500.0)
relative = st.floats(0.01, 0.4)
variations = st.one_of(st.just(1.0), st.floats(0.6, 1.4))
counts = st.one_of(st.integers(0, 500), st.floats(0.0, 500.0, allow_subnormal=False))


@st.composite
def workspaces(
    draw: Draw,
    *,
    max_channels: int = MAX_CHANNELS,
    max_samples: int = MAX_SAMPLES,
    max_bins: int = MAX_BINS,
    with_poi: bool | None = None,
) -> Json:
    """A valid workspace.

    Args:
        draw: hypothesis gives it.
        max_channels, max_samples, max_bins: sizes at most.
        with_poi: True for a measurement with the POI ``mu``, False for one without, None for either.
    """
    channels = draw(_bare_channels(max_channels, max_samples, max_bins))
    has_poi = draw(st.booleans()) if with_poi is None else with_poi
    if has_poi:
        for sample in _some_samples(draw, [sample for channel in channels for sample in channel["samples"]]):
            sample["modifiers"].append(_plain("mu", "normfactor"))
    _add_scalar_modifiers(draw, channels)
    _add_shapefactors(draw, channels)
    _add_shapesys(draw, channels)
    _add_staterrors(draw, channels)
    return {
        "channels": channels,
        "observations": [
            {"name": channel["name"], "data": _list(draw, counts, channel)}
            for channel in draw(st.permutations(channels))
        ],
        "measurements": draw(_measurement_lists(channels, "mu" if has_poi else "")),
        "version": "1.0.0",
    }


@st.composite
def signal_patches(draw: Draw, document: Json) -> list[Json]:
    """A patch that adds a signal scaled by ``mu`` to some channels and may remove the last channel."""
    names = range(len(document["channels"]))
    chosen = sorted(draw(st.sets(st.sampled_from(names), min_size=1)))
    operations = []
    for index in chosen:
        channel = document["channels"][index]
        modifiers = [_plain("mu", "normfactor")]
        if draw(st.booleans()):
            modifiers.append(_normsys(draw, "norm_signal"))
        signal = {"name": "signal", "data": _list(draw, yields, channel), "modifiers": modifiers}
        place = draw(st.sampled_from(["-", 0, len(channel["samples"])]))
        operations.append({"op": "add", "path": f"/channels/{index}/samples/{place}", "value": signal})
    if len(names) > 1 and chosen != [len(names) - 1] and draw(st.booleans()):
        operations.append({"op": "remove", "path": f"/channels/{len(names) - 1}"})
    return operations


@st.composite
def patchsets(draw: Draw, document: Json, digest: str, *, max_patches: int = 4) -> Json:
    """A patchset of signal patches for a workspace of this sha256 digest."""
    mass_pairs = st.tuples(st.integers(100, 2000), st.integers(1, 99))
    masses = draw(st.lists(mass_pairs, min_size=1, max_size=max_patches, unique=True))
    return {
        "metadata": {
            "references": {"hepdata": "ins1234567"},
            "digests": {"sha256": digest},
            "labels": ["m_heavy", "m_light"],
            "description": "generated",
        },
        "patches": [
            {
                "metadata": {"name": f"signal_{heavy}_{light}", "values": [heavy, light]},
                "patch": draw(signal_patches(document)),
            }
            for heavy, light in masses
        ],
        "version": "1.0.0",
    }


@st.composite
def _bare_channels(draw: Draw, max_channels: int, max_samples: int, max_bins: int) -> list[Json]:
    """Channels whose samples have no modifiers yet; a sample may be missing in some channels."""
    names = draw(st.permutations(["SR", "CR_top", "VR"]))[: draw(st.integers(1, max_channels))]
    samples = draw(st.permutations(["top", "Zjets", "signal_like", "fakes"]))[: draw(st.integers(1, max_samples))]
    channels = []
    for name in names:
        bins = draw(st.integers(1, max_bins))
        present = [sample for sample in samples if draw(st.integers(0, 3))] or samples[:1]
        channels.append(
            {
                "name": name,
                "samples": [
                    {"name": sample, "data": draw(st.lists(yields, min_size=bins, max_size=bins)), "modifiers": []}
                    for sample in present
                ],
            }
        )
    return channels


def _add_scalar_modifiers(draw: Draw, channels: list[Json]) -> None:
    """Modifiers of one parameter, each on any samples of any channels."""
    for name, kinds in _SCALARS.items():
        for channel in channels:
            for sample in channel["samples"]:
                sample["modifiers"] += [make(draw, name, sample) for make in kinds if draw(st.integers(0, 2)) == 0]


def _add_shapefactors(draw: Draw, channels: list[Json]) -> None:
    """One shapefactor a channel on some of its samples, or one of that name on channels of the same length."""
    shared = draw(st.booleans())
    for channel in channels:
        name = f"factor_{_bins(channel)}_bins" if shared else f"factor_{channel['name']}"
        if draw(st.integers(0, 3)) == 0:
            for sample in _some_samples(draw, channel["samples"]):
                sample["modifiers"].append(_plain(name, "shapefactor"))


def _add_shapesys(draw: Draw, channels: list[Json]) -> None:
    """Shapesys of names of their own; an uncertainty of zero holds its parameter."""
    for channel in channels:
        for sample in channel["samples"]:
            if draw(st.integers(0, 2)) == 0:
                name = f"poisson_{channel['name']}_{sample['name']}"
                sample["modifiers"].append({"name": name, "type": "shapesys", "data": _uncertainties(draw, sample)})


def _add_staterrors(draw: Draw, channels: list[Json]) -> None:
    """A staterror a channel on some of its samples, or one name over all channels on a sample they all have."""
    everywhere = set.intersection(*[{sample["name"] for sample in channel["samples"]} for channel in channels])
    if everywhere and draw(st.integers(0, 3)) == 0:
        chosen = draw(st.sets(st.sampled_from(sorted(everywhere)), min_size=1))
        for channel in channels:
            _declare_staterror(draw, "stat_all", [sample for sample in channel["samples"] if sample["name"] in chosen])
        return
    for channel in channels:
        if draw(st.booleans()):
            _declare_staterror(draw, f"stat_{channel['name']}", _some_samples(draw, channel["samples"]))


def _declare_staterror(draw: Draw, name: str, samples: list[Json]) -> None:
    for sample in samples:
        sample["modifiers"].append({"name": name, "type": "staterror", "data": _uncertainties(draw, sample)})


@st.composite
def _measurement_lists(draw: Draw, channels: list[Json], poi: str) -> list[Json]:
    names = draw(st.sampled_from([["nominal"], ["nominal", "alternative"]]))
    return [{"name": name, "config": {"poi": poi, "parameters": draw(_parameter_lists(channels))}} for name in names]


@st.composite
def _parameter_lists(draw: Draw, channels: list[Json]) -> list[Json]:
    """Configurations of some parameter sets (always of lumi, which has no defaults), and one that fits nothing."""
    lists = []
    for name, (kind, size) in sorted(_parameter_sets(channels).items()):
        if kind == "lumi" or draw(st.integers(0, 2)) == 0:
            lists.append({"name": name, **draw(_parameter(kind, size))})
    if draw(st.booleans()):
        lists.append({"name": "of_no_modifier", "fixed": True})
    return list(draw(st.permutations(lists)))


@st.composite
def _parameter(draw: Draw, kind: str, size: int) -> Json:
    """What may be configured of a parameter set; every key is optional except for lumi's."""
    config: Json = {}

    def offer(key: str, value: st.SearchStrategy[Any], needed: bool = False) -> None:
        if needed or draw(st.booleans()):
            config[key] = [draw(value) for _ in range(size)]

    needed = kind == "lumi"
    if kind in ("histosys", "normsys"):
        offer("inits", st.floats(-1.0, 1.0))
        offer("bounds", st.just([-4.0, 4.0]))
        offer("auxdata", st.floats(-1.0, 1.0))
    else:
        offer("inits", st.floats(0.8, 1.2), needed)
        offer("bounds", st.tuples(st.floats(0.1, 0.5), st.floats(2.0, 5.0)).map(list), needed)
    if kind in ("lumi", "shapesys", "staterror"):
        offer("auxdata", st.floats(0.9, 1.1), needed)
    if kind == "shapesys":
        offer("factors", st.floats(5.0, 50.0))
    if kind in ("lumi", "staterror"):
        offer("sigmas", st.floats(0.01, 0.1), needed)
    if draw(st.integers(0, 3)) == 0:
        config["fixed"] = draw(st.booleans())
    return config


def _parameter_sets(channels: list[Json]) -> dict[str, tuple[str, int]]:
    """Type and number of parameters of each name; of a shared name, the one whose configuration fits both."""
    sets: dict[str, tuple[str, int]] = {}
    for channel in channels:
        modifiers = [modifier for sample in channel["samples"] for modifier in sample["modifiers"]]
        declared = sorted({(modifier["name"], modifier["type"]) for modifier in modifiers})
        for name, kind in declared:
            size = _bins(channel) if kind in ("shapefactor", "shapesys", "staterror") else 1
            before = sets[name][1] if kind == "staterror" and name in sets else 0
            sets[name] = (kind, before + size)
    return sets


def _plain(name: str, kind: str) -> Json:
    return {"name": name, "type": kind, "data": None}


def _normsys(draw: Draw, name: str) -> Json:
    return {"name": name, "type": "normsys", "data": {"hi": draw(variations), "lo": draw(variations)}}


def _histosys(draw: Draw, name: str, sample: Json) -> Json:
    shifted = {key: [content * draw(variations) for content in sample["data"]] for key in ("hi_data", "lo_data")}
    return {"name": name, "type": "histosys", "data": shifted}


def _uncertainties(draw: Draw, sample: Json) -> list[float]:
    return [content * draw(st.one_of(relative, relative, st.just(0.0))) for content in sample["data"]]


_SCALARS: dict[str, list[Callable[[Draw, str, Json], Json]]] = {
    "lumi": [lambda draw, name, sample: _plain(name, "lumi")],
    "free_k": [lambda draw, name, sample: _plain(name, "normfactor")],
    "norm_a": [lambda draw, name, sample: _normsys(draw, name)],
    "norm_b": [lambda draw, name, sample: _normsys(draw, name)],
    "shape_a": [_histosys],
    "shape_b": [_histosys],
    "both_a": [_histosys, lambda draw, name, sample: _normsys(draw, name)],
}


def _bins(channel: Json) -> int:
    return len(channel["samples"][0]["data"])


def _list(draw: Draw, values: st.SearchStrategy[Any], channel: Json) -> list[Any]:
    return list(draw(st.lists(values, min_size=_bins(channel), max_size=_bins(channel))))


def _some_samples(draw: Draw, samples: list[Json]) -> list[Json]:
    chosen = draw(st.sets(st.integers(0, len(samples) - 1), min_size=1))
    return [samples[index] for index in sorted(chosen)]
