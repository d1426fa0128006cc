"""What the schema cannot say of a workspace: names that clash, lengths that differ, signs that make no sense.

Each function takes documents of the right form and yields errors that say where.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from fitloom_core.documents import Json
from fitloom_core.errors import InputError, InvalidModel, InvalidModifier, InvalidSpecification
from fitloom_core.problems import Loc, pointer, shown


def sample_problems(sample: Json, where: Loc) -> Iterator[InputError]:
    """Modifiers declared twice, and modifiers whose data do not fit the sample."""
    bins = len(sample["data"])
    declared: set[tuple[str, str]] = set()
    for index, modifier in enumerate(sample["modifiers"]):
        kind, key = modifier["type"], (modifier["name"], modifier["type"])
        if key in declared:
            place = pointer((*where, "modifiers", index))
            yield InvalidModel(
                f"{place}: sample {sample['name']!r} has the {kind} {modifier['name']!r} twice; merge or rename them"
            )
        declared.add(key)
        check = _MODIFIER_CHECKS.get(kind)
        fault = check(modifier["data"], bins) if check else None
        if fault:
            place = pointer((*where, "modifiers", index, "data", *fault[0]))
            yield InvalidModifier(f"{place}: {kind} {modifier['name']!r} {fault[1]}")


def channel_problems(channel: Json, where: Loc) -> Iterator[InputError]:
    """Samples of one name, and samples of different lengths."""
    samples = channel["samples"]
    yield from _twice("sample", samples, (*where, "samples"), InvalidModel, f" in channel {channel['name']!r}")
    bins = len(samples[0]["data"])
    for index, sample in enumerate(samples):
        if len(sample["data"]) != bins:
            place = pointer((*where, "samples", index, "data"))
            yield InvalidModel(
                f"{place}: sample {sample['name']!r} has {len(sample['data'])} bins and sample "
                f"{samples[0]['name']!r} of the same channel {bins}; give all samples of a channel the same bins"
            )


def channels_problems(channels: Sequence[Json], where: Loc = ("channels",)) -> Iterator[InputError]:
    """Channels of one name."""
    yield from _twice("channel", channels, where, InvalidModel)


def observation_problems(observation: Json, where: Loc) -> Iterator[InputError]:
    """Counts below zero."""
    index = _negative(observation["data"])
    if index is not None:
        yield InvalidSpecification(
            f"{pointer((*where, 'data', index))}: channel {observation['name']!r} observes "
            f"{shown(observation['data'][index])} events; counts cannot be negative"
        )


def observations_problems(document: Json) -> Iterator[InputError]:
    """Observations of one name, channels without observation, observations of another length than their channel."""
    observations = document["observations"]
    yield from _twice("observation", observations, ("observations",), InvalidSpecification)
    observed = {observation["name"]: index for index, observation in enumerate(observations)}
    for index, channel in enumerate(document["channels"]):
        name, bins = channel["name"], len(channel["samples"][0]["data"])
        if name not in observed:
            place = pointer(("channels", index))
            yield InvalidSpecification(f"{place}: channel {name!r} has no entry in /observations; add its counts")
            continue
        counts = len(observations[observed[name]]["data"])
        if counts != bins:
            place = pointer(("observations", observed[name], "data"))
            yield InvalidSpecification(
                f"{place}: {counts} counts for channel {name!r}, which has {bins} bins; give one a bin"
            )


def measurements_problems(measurements: Sequence[Json]) -> Iterator[InputError]:
    """Measurements of one name."""
    yield from _twice("measurement", measurements, ("measurements",), InvalidSpecification)


def parameters_problems(parameters: Sequence[Json], where: Loc) -> Iterator[InputError]:
    """Parameter configurations of one name, bounds in the wrong order, standard deviations not above zero."""
    yield from _twice("parameter", parameters, where, InvalidModel)
    for index, parameter in enumerate(parameters):
        for entry, (low, high) in enumerate(parameter.get("bounds", ())):
            if low > high:
                place = pointer((*where, index, "bounds", entry))
                yield InvalidModel(
                    f"{place}: bounds [{low!r}, {high!r}] of {parameter['name']!r} are upside down; give [low, high]"
                )
        for entry, sigma in enumerate(parameter.get("sigmas", ())):
            if sigma <= 0:
                place = pointer((*where, index, "sigmas", entry))
                yield InvalidModel(f"{place}: standard deviation {sigma!r} of {parameter['name']!r} must be above zero")


Fault = tuple[Loc, str] | None


def _histosys_fault(data: Json, bins: int) -> Fault:
    for key in ("hi_data", "lo_data"):
        if len(data[key]) != bins:
            return (key,), f"has {len(data[key])} entries for a sample of {bins} bins; give one a bin"
    return None


def _normsys_fault(data: Json, bins: int) -> Fault:
    for key in ("hi", "lo"):
        if data[key] < 0:
            return (
                key,
            ), f"has the negative factor {data[key]!r}, which cannot be interpolated; it must not be below zero"
    return None


def _uncertainty_fault(data: list[float], bins: int) -> Fault:
    if len(data) != bins:
        return (), f"has {len(data)} entries for a sample of {bins} bins; give one a bin"
    index = _negative(data)
    if index is not None:
        return (index,), f"has the negative uncertainty {data[index]!r}; uncertainties are absolute and not below zero"
    return None


_MODIFIER_CHECKS: dict[str, Callable[[Any, int], Fault]] = {
    "histosys": _histosys_fault,
    "normsys": _normsys_fault,
    "shapesys": _uncertainty_fault,
    "staterror": _uncertainty_fault,
}


def _negative(numbers: Sequence[float]) -> int | None:
    """The index of the first number below zero."""
    if min(numbers) >= 0:
        return None
    return next(index for index, number in enumerate(numbers) if number < 0)


def _twice(
    what: str, items: Iterable[Json], where: Loc, error: type[InputError], inside: str = ""
) -> Iterator[InputError]:
    first: dict[str, int] = {}
    for index, item in enumerate(items):
        name = item["name"]
        if name in first:
            yield error(
                f"{pointer((*where, index))}: {what} {name!r} stands at {pointer((*where, first[name]))}{inside} "
                "already; rename one of them"
            )
        first.setdefault(name, index)
