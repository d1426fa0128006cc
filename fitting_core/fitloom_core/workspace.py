"""Workspaces: HistFactory's JSON documents, their measurements, and the models and data in them.

Documents stay the plain JSON that was read and are never changed; what is made from them shares their
parts.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from fitloom_core.documents import Json, digest, load_json
from fitloom_core.errors import InvalidMeasurement, InvalidModel
from fitloom_core.patching import apply_patch
from fitloom_core.patchset import Patch, PatchSet
from fitloom_core.validation import Known, validate_model_spec, validate_sample, validate_workspace

if TYPE_CHECKING:
    from fitloom_core.model import Model

__all__ = [
    "Patch",
    "PatchSet",
    "Workspace",
    "apply_patch",
    "digest",
    "load_json",
    "model_spec",
    "validate_sample",
    "validate_workspace",
]

log = logging.getLogger(__name__)

Operations = Sequence[Mapping[str, Any]] | Patch
_OF_MEASUREMENT: Final = "of the measurement"


def model_spec(document: Json, measurement: str | int | None = None) -> Json:
    """What a model is built from: the workspace's channels, and one measurement's parameters and POI.

    The POI is None where the measurement says "".

    Raises:
        InvalidMeasurement: the workspace has no such measurement.
    """
    chosen = choose_measurement(document, measurement)["config"]
    return {"channels": document["channels"], "parameters": chosen["parameters"], "poi": chosen["poi"] or None}


def choose_measurement(document: Json, choice: str | int | None = None) -> Json:
    """A measurement by name, by index, or the first one.

    Raises:
        InvalidMeasurement: there is no such measurement.
    """
    measurements: list[Json] = document["measurements"]
    names = [measurement["name"] for measurement in measurements]
    if choice is None:
        return measurements[0]
    if isinstance(choice, str):
        if choice in names:
            return measurements[names.index(choice)]
        raise InvalidMeasurement(f"no measurement {choice!r}; the workspace has {', '.join(names)}")
    if 0 <= choice < len(names):
        return measurements[choice]
    raise InvalidMeasurement(f"no measurement of index {choice}; the workspace has {len(names)}, counted from 0")


class Workspace:
    """A workspace: channels of samples with their modifiers, observations and measurements.

    ::

        workspace = Workspace.from_file("BkgOnly.json")
        model = workspace.model(patches=[patch])
        data = workspace.data(model)

    Raises:
        InvalidSpecification: not of the schema's form; the message has the path in the document.
        InvalidModel: names that clash or lengths that differ (`InvalidModifier` for those of a modifier).
    """

    def __init__(self, document: Json, *, known: Known | None = None) -> None:
        validate_workspace(document, known)
        self.document = document

    @classmethod
    def from_file(cls, path: Path | str) -> Workspace:
        """Read a workspace. Raises also `UnreadableDocument`."""
        return cls(load_json(path))

    @property
    def version(self) -> str:
        """Version of the workspace's schema."""
        return str(self.document["version"])

    @property
    def channels(self) -> list[str]:
        """Names of the channels, sorted."""
        return sorted(self.channel_nbins)

    @cached_property
    def channel_nbins(self) -> dict[str, int]:
        """Number of bins of each channel."""
        return {channel["name"]: len(channel["samples"][0]["data"]) for channel in self.document["channels"]}

    @property
    def samples(self) -> list[str]:
        """Names of the samples of all channels, sorted."""
        return sorted({sample["name"] for channel in self.document["channels"] for sample in channel["samples"]})

    @property
    def modifiers(self) -> list[tuple[str, str]]:
        """Names and types of the modifiers of all samples, sorted."""
        samples = (sample for channel in self.document["channels"] for sample in channel["samples"])
        return sorted({(modifier["name"], modifier["type"]) for sample in samples for modifier in sample["modifiers"]})

    @property
    def measurements(self) -> list[str]:
        """Names of the measurements, in the document's order."""
        return [measurement["name"] for measurement in self.document["measurements"]]

    @cached_property
    def observations(self) -> dict[str, list[float]]:
        """Observed counts of each channel."""
        return {observation["name"]: observation["data"] for observation in self.document["observations"]}

    def get_measurement(self, measurement: str | int | None = None) -> Json:
        """A measurement by name, by index, or the first one (with a warning if there are several).

        Raises:
            InvalidMeasurement: there is no such measurement.
        """
        self._warn_of_several(measurement)
        return choose_measurement(self.document, measurement)

    def digest(self, algorithm: str = "sha256") -> str:
        """The workspace's digest, equal to pyhf's."""
        return digest(self.document, algorithm)

    def patched(self, patch: Operations) -> Workspace:
        """The whole workspace with a patch applied; only what the patch brings is checked.

        Raises:
            InvalidPatch: the patch does not apply. Otherwise as `Workspace`.
        """
        return Workspace(apply_patch(self.document, _operations(patch)), known=self._known)

    def model(
        self,
        measurement: str | int | None = None,
        patches: Sequence[Operations] = (),
        *,
        poi_name: str | Literal["of the measurement"] | None = _OF_MEASUREMENT,
        modifier_settings: Mapping[str, Mapping[str, str]] | None = None,
        clip_sample_data: float | None = None,
        clip_bin_data: float | None = None,
    ) -> Model:
        """The model of one measurement.

        Args:
            measurement: by name or index; the first one unless given.
            patches: applied in turn to the model's specification, so they reach /channels and /parameters only;
                use `patched` for patches of the whole workspace.
            poi_name: parameter of interest; the measurement's unless given, None for a model without one.
            modifier_settings: interpolation codes, as {"normsys": {"interpcode": "code4"}, …}.
            clip_sample_data: lower limit of each sample's rate in each bin.
            clip_bin_data: lower limit of each bin's total rate.
        """
        from fitloom_core.model import Model

        self._warn_of_several(measurement)
        spec = model_spec(self.document, measurement)
        poi = spec.pop("poi")
        for patch in patches:
            spec = apply_patch(spec, _operations(patch))
        validate_model_spec(spec, self._known)
        return Model(
            spec,
            poi_name=poi if poi_name == _OF_MEASUREMENT else poi_name,
            modifier_settings=modifier_settings,
            clip_sample_data=clip_sample_data,
            clip_bin_data=clip_bin_data,
        )

    def data(self, model: Model, include_auxdata: bool = True) -> list[float]:
        """Observed counts in the model's channel order, followed by the model's auxiliary data unless left out.

        Raises:
            InvalidModel: the model has a channel that the workspace does not observe.
        """
        missing = [name for name in model.config.channels if name not in self.observations]
        if missing:
            raise InvalidModel(
                f"no observation of the model's channel {missing[0]!r}; "
                f"the workspace observes {', '.join(self.observations)}"
            )
        counts = [float(count) for name in model.config.channels for count in self.observations[name]]
        return counts + list(model.config.auxdata) if include_auxdata else counts

    def _warn_of_several(self, measurement: str | int | None) -> None:
        names = self.measurements
        if measurement is None and len(names) > 1:
            log.warning("the workspace has %d measurements (%s); taking the first", len(names), ", ".join(names))

    @cached_property
    def _known(self) -> Known:
        return Known(self.document)

    def __repr__(self) -> str:
        bins = sum(self.channel_nbins.values())
        return f"Workspace({len(self.channels)} channels, {bins} bins, {len(self.samples)} samples)"


def _operations(patch: Operations) -> Sequence[Mapping[str, Any]]:
    return patch.operations if isinstance(patch, Patch) else patch
