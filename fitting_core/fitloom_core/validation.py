"""Whole workspaces and model specifications checked part by part, so that known parts are skipped.

A campaign has thousands of patched workspaces that share almost all of their objects with the background
(`fitloom_core.patching`). `Known` remembers the objects of a document that passed; a patched document is
then checked only where it holds new ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import TypeAdapter

from fitloom_core import consistency, schema
from fitloom_core.documents import Json
from fitloom_core.errors import InputError, InvalidSpecification
from fitloom_core.problems import Loc, structure_problems


class Known:
    """The objects of a document that was found valid; it must not be changed afterwards."""

    def __init__(self, document: Json) -> None:
        self._document = document  # keeps the objects alive, so that no id is used twice
        channels = document["channels"]
        parts = [*channels, *document.get("observations", ()), *document.get("measurements", ())]
        parts += [sample for channel in channels for sample in channel["samples"]]
        self._ids = frozenset(id(part) for part in parts)

    def __contains__(self, part: object) -> bool:
        return id(part) in self._ids


def validate_workspace(document: object, known: Known | None = None) -> None:
    """Check a workspace; parts that are known to be valid are not looked at again.

    Raises:
        InvalidSpecification: not of the schema's form, or observations and channels that do not fit.
        InvalidModel: names that clash, or samples of different lengths in a channel.
        InvalidModifier: a modifier whose data do not fit its sample.
    """
    _raise_first(workspace_problems(document, known))


def validate_model_spec(spec: object, known: Known | None = None) -> None:
    """Check a model specification: channels, and parameters where given. Raises as `validate_workspace`."""
    _raise_first(model_spec_problems(spec, known))


def validate_sample(sample: object, where: Loc = ()) -> None:
    """Check one sample by itself. Raises as `validate_workspace`."""
    _raise_first(_sample_problems(sample, where))


def workspace_problems(document: object, known: Known | None = None) -> list[InputError]:
    """Everything wrong with a workspace, an error each that says where; empty for a valid one."""
    problems = _form(schema.WORKSPACE, document, ())
    if problems or not isinstance(document, dict):
        return problems
    problems += _channel_list_problems(document["channels"], known)
    for index, observation in _new(document["observations"], known):
        problems += _part_problems(
            schema.OBSERVATION, observation, ("observations", index), consistency.observation_problems
        )
    for index, measurement in _new(document["measurements"], known):
        problems += _measurement_problems(measurement, ("measurements", index))
    if problems:
        return problems
    return [
        *consistency.channels_problems(document["channels"]),
        *consistency.observations_problems(document),
        *consistency.measurements_problems(document["measurements"]),
    ]


def model_spec_problems(spec: object, known: Known | None = None) -> list[InputError]:
    """Everything wrong with a model specification."""
    problems = _form(schema.MODEL, spec, ())
    if problems or not isinstance(spec, dict):
        return problems
    problems += _channel_list_problems(spec["channels"], known)
    parameters = spec.get("parameters", [])
    for index, parameter in enumerate(parameters):
        problems += _form(schema.PARAMETER, parameter, ("parameters", index))
    if problems:
        return problems
    return [
        *consistency.channels_problems(spec["channels"]),
        *consistency.parameters_problems(parameters, ("parameters",)),
    ]


def _channel_list_problems(channels: list[Any], known: Known | None) -> list[InputError]:
    problems: list[InputError] = []
    for index, channel in _new(channels, known):
        problems += _channel_problems(channel, ("channels", index), known)
    return problems


def _channel_problems(channel: Any, where: Loc, known: Known | None) -> list[InputError]:
    problems = _form(schema.CHANNEL, channel, where)
    if problems:
        return problems
    for index, sample in _new(channel["samples"], known):
        problems += _sample_problems(sample, (*where, "samples", index))
    # a sample of the wrong form has no name or length to compare
    if any(isinstance(problem, InvalidSpecification) for problem in problems):
        return problems
    return [*problems, *consistency.channel_problems(channel, where)]


def _sample_problems(sample: Any, where: Loc) -> list[InputError]:
    return _part_problems(schema.SAMPLE, sample, where, consistency.sample_problems)


def _measurement_problems(measurement: Any, where: Loc) -> list[InputError]:
    problems = _form(schema.MEASUREMENT, measurement, where)
    if problems:
        return problems
    return list(consistency.parameters_problems(measurement["config"]["parameters"], (*where, "config", "parameters")))


def _part_problems(form: TypeAdapter[Any], part: Any, where: Loc, rules: Any) -> list[InputError]:
    return _form(form, part, where) or list(rules(part, where))


def _form(form: TypeAdapter[Any], part: object, where: Loc) -> list[InputError]:
    return [InvalidSpecification(problem) for problem in structure_problems(form, part, where)]


def _new(parts: Iterable[Any], known: Known | None) -> Iterator[tuple[int, Any]]:
    return ((index, part) for index, part in enumerate(parts) if known is None or part not in known)


def _raise_first(problems: list[InputError]) -> None:
    if not problems:
        return
    first, more = problems[0], len(problems) - 1
    raise type(first)(f"{first}" + (f" (and {more} more)" if more else ""))
