"""The JSON schema of workspaces, model specifications, patches and patchsets, version 1.0.0.

The types mirror the documents, nothing is converted: a document stays the plain JSON that was read.
`fitloom_core.problems` says where a document does not have the form.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired, Union

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    with_config,
)
from typing_extensions import TypedDict

MODIFIER_TYPES = ("histosys", "lumi", "normfactor", "normsys", "shapefactor", "shapesys", "staterror")
OPERATIONS = ("add", "replace", "test", "remove", "move", "copy")

_CLOSED = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
_OPEN = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)

# The length limit makes pydantic look at the characters, so that half a surrogate pair is refused.
Text = Annotated[str, Field(max_length=1_000_000)]
Word = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_]+$")]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Numbers = Annotated[list[Number], Field(min_length=1)]
Interval = Annotated[list[Number], Field(min_length=2, max_length=2)]


@with_config(_CLOSED)
class HistosysData(TypedDict):
    """The sample's yields at plus and minus one standard deviation."""

    hi_data: Numbers
    lo_data: Numbers


@with_config(_CLOSED)
class NormsysData(TypedDict):
    """The factors on the sample's yields at plus and minus one standard deviation."""

    hi: Number
    lo: Number


@with_config(_CLOSED)
class Histosys(TypedDict):
    """A correlated shape uncertainty."""

    name: Text
    type: Literal["histosys"]
    data: HistosysData


@with_config(_CLOSED)
class Lumi(TypedDict):
    """The luminosity, whose parameter must be called lumi."""

    name: Literal["lumi"]
    type: Literal["lumi"]
    data: None


@with_config(_CLOSED)
class Normfactor(TypedDict):
    """A free normalisation."""

    name: Text
    type: Literal["normfactor"]
    data: None


@with_config(_CLOSED)
class Normsys(TypedDict):
    """A normalisation uncertainty."""

    name: Text
    type: Literal["normsys"]
    data: NormsysData


@with_config(_CLOSED)
class Shapefactor(TypedDict):
    """A free factor for each bin."""

    name: Text
    type: Literal["shapefactor"]
    data: None


@with_config(_CLOSED)
class Shapesys(TypedDict):
    """An uncorrelated shape uncertainty, absolute, with a Poisson constraint a bin."""

    name: Text
    type: Literal["shapesys"]
    data: Numbers


@with_config(_CLOSED)
class Staterror(TypedDict):
    """A statistical uncertainty, absolute, shared by the samples of a channel."""

    name: Text
    type: Literal["staterror"]
    data: Numbers


Modifier = Annotated[
    Union[Histosys, Lumi, Normfactor, Normsys, Shapefactor, Shapesys, Staterror],  # noqa: UP007 (pydantic reads it)
    Field(discriminator="type"),
]


@with_config(_CLOSED)
class Sample(TypedDict):
    """One process in one channel: its nominal yields and what modifies them."""

    name: Text
    data: Numbers
    modifiers: list[Modifier]


@with_config(_CLOSED)
class ChannelShell(TypedDict):
    """A channel whose samples are looked at one by one."""

    name: Text
    samples: Annotated[list[Any], Field(min_length=1)]


@with_config(_CLOSED)
class Observation(TypedDict):
    """The observed counts of one channel."""

    name: Text
    data: Numbers


@with_config(_CLOSED)
class Parameter(TypedDict):
    """What a measurement says of one parameter set, key by key in place of the default."""

    name: Text
    inits: NotRequired[Numbers]
    bounds: NotRequired[Annotated[list[Interval], Field(min_length=1)]]
    auxdata: NotRequired[Numbers]
    factors: NotRequired[Numbers]
    sigmas: NotRequired[Numbers]
    fixed: NotRequired[bool]


@with_config(_CLOSED)
class MeasurementConfig(TypedDict):
    """The parameter of interest ("" for none) and the parameters' settings."""

    poi: Text
    parameters: list[Parameter]


@with_config(_CLOSED)
class Measurement(TypedDict):
    """One way to fit the workspace."""

    name: Text
    config: MeasurementConfig


@with_config(_CLOSED)
class WorkspaceShell(TypedDict):
    """A workspace whose parts are looked at one by one."""

    channels: Annotated[list[Any], Field(min_length=1)]
    measurements: Annotated[list[Any], Field(min_length=1)]
    observations: Annotated[list[Any], Field(min_length=1)]
    version: Literal["1.0.0"]


@with_config(_CLOSED)
class ModelShell(TypedDict):
    """A model specification whose parts are looked at one by one."""

    channels: Annotated[list[Any], Field(min_length=1)]
    parameters: NotRequired[list[Any]]


@with_config(_OPEN)
class ValueOperation(TypedDict):
    """A patch operation that carries a value."""

    op: Literal["add", "replace", "test"]
    path: Text
    value: Any


@with_config(_OPEN)
class RemoveOperation(TypedDict):
    """A patch operation that needs a path only."""

    op: Literal["remove"]
    path: Text


# "from" is a keyword of Python, which is why this one is not a class.
FromOperation = TypedDict("FromOperation", {"op": Literal["move", "copy"], "path": Text, "from": Text})
FromOperation.__pydantic_config__ = _OPEN  # type: ignore[attr-defined]

Operation = Annotated[
    Union[ValueOperation, RemoveOperation, FromOperation],  # noqa: UP007 (pydantic reads it)
    Field(discriminator="op"),
]


def _one_sentence(value: Any, number_or_text: ValidatorFunctionWrapHandler) -> Any:
    try:
        return number_or_text(value)
    except ValidationError:
        raise ValueError("must be a finite number or a string") from None


Value = Annotated[Number | Text, WrapValidator(_one_sentence)]


@with_config(_OPEN)
class PatchMetadata(TypedDict):
    """A patch's name and its value for each label."""

    name: Word
    values: list[Value]


@with_config(_CLOSED)
class PatchEntry(TypedDict):
    """One patch of a patchset."""

    metadata: PatchMetadata
    patch: list[Operation]


@with_config(_CLOSED)
class References(TypedDict):
    """Where the analysis is published."""

    hepdata: Annotated[str, Field(pattern="^ins[0-9]{7}$")]


def _not_empty(digests: Mapping[str, str]) -> Mapping[str, str]:
    if not digests:
        raise ValueError("must hold a digest, md5 or sha256")
    return digests


@with_config(_CLOSED)
class Digests(TypedDict):
    """Digests of the background workspace that the patches are for."""

    md5: NotRequired[Annotated[str, Field(pattern="^[a-f0-9]{32}$")]]
    sha256: NotRequired[Annotated[str, Field(pattern="^[a-fA-F0-9]{64}$")]]


@with_config(_OPEN)
class PatchSetMetadata(TypedDict):
    """What the patches of a patchset have in common."""

    references: References
    digests: Annotated[Digests, AfterValidator(_not_empty)]
    labels: Annotated[list[Word], Field(min_length=1)]
    description: Text


@with_config(_CLOSED)
class PatchSetDocument(TypedDict):
    """A patchset."""

    patches: Annotated[list[PatchEntry], Field(min_length=1)]
    metadata: PatchSetMetadata
    version: Literal["1.0.0"]


WORKSPACE: TypeAdapter[Any] = TypeAdapter(WorkspaceShell)
MODEL: TypeAdapter[Any] = TypeAdapter(ModelShell)
CHANNEL: TypeAdapter[Any] = TypeAdapter(ChannelShell)
SAMPLE: TypeAdapter[Any] = TypeAdapter(Sample)
OBSERVATION: TypeAdapter[Any] = TypeAdapter(Observation)
MEASUREMENT: TypeAdapter[Any] = TypeAdapter(Measurement)
PARAMETER: TypeAdapter[Any] = TypeAdapter(Parameter)
OPERATION_LIST: TypeAdapter[Any] = TypeAdapter(list[Operation])
PATCHSET: TypeAdapter[Any] = TypeAdapter(PatchSetDocument)
