"""All that crosses the wire: tasks to workers, results back. JSON only, versioned; imports no JAX.

A task is a batch of points that share one background workspace. The background travels once, as
gzip in base64, and is known by its digest afterwards::

    {"schema": "1", "task": "<id>", "background": {"digest": "<sha256>", "content": "<base64>" | null},
     "points": [{"id": …, "pallet": …, "region": …, "name": …, "values": {…}, "patch": [<RFC 6902>]}, …],
     "options": {"mu": 1.0, "test_stat": "qtilde", …}}

A reply carries one record a point, in the task's order, or says which background the worker lacks::

    {"schema": "1", "task": "<id>", "worker": "…", "results": [<record>, …], "error": null}
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fitloom_core.documents import canonical
from fitloom_core.errors import InvalidTask

SCHEMA_VERSION: Literal["1"] = "1"
MAX_TASK_BYTES = 64 * 1024 * 1024
MAX_BACKGROUND_BYTES = 256 * 1024 * 1024
MAX_POINTS = 4096

Json = dict[str, Any]
Status = Literal["converged", "not_converged", "failed"]
TestStat = Literal["qtilde", "q", "q0"]


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FitOptions(_Wire):
    """What is computed at each point; the same for all points of a campaign."""

    mu: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    """Tested value of the parameter of interest (the signal strength)."""
    test_stat: TestStat = "qtilde"
    """Test statistic: ``qtilde`` (limits), ``q`` (limits, no bound at zero), ``q0`` (discovery)."""
    calculator: Literal["asymptotics"] = "asymptotics"
    measurement: str | None = None
    """Measurement of the workspace; None takes the first."""
    histosys: Literal["code0", "code2", "code4p"] = "code4p"
    normsys: Literal["code1", "code4"] = "code4"
    clip_sample_data: float | None = None
    clip_bin_data: float | None = None


class Background(_Wire):
    """A background workspace by its digest, with its gzipped JSON in base64 unless the worker has it."""

    digest: str
    content: str | None = None


class Point(_Wire):
    """One signal hypothesis: its id, names and JSON patch."""

    id: str
    pallet: str
    region: str | None = None
    name: str
    values: dict[str, int | float | str] = {}
    patch: list[Json]


class FitTask(_Wire):
    """What one worker is given at once: a batch of points that share a background."""

    schema_: Annotated[Literal["1"], Field(alias="schema")] = SCHEMA_VERSION
    task: str
    background: Background
    points: Annotated[list[Point], Field(max_length=MAX_POINTS)]
    options: FitOptions = FitOptions()

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    def to_bytes(self) -> bytes:
        """The task as JSON bytes."""
        return self.model_dump_json(by_alias=True).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> FitTask:
        """Parse and check a task.

        Raises:
            InvalidTask: the bytes are no task of a schema that this version knows.
        """
        if len(raw) > MAX_TASK_BYTES:
            limit = f"the limit of {MAX_TASK_BYTES}; send fewer points a task"
            raise InvalidTask(f"a task of {len(raw)} bytes is over {limit}")
        try:
            return cls.model_validate_json(raw)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = "/".join(str(part) for part in first["loc"]) or "top level"
            raise InvalidTask(f"not a fit task (schema {SCHEMA_VERSION}): at {where}: {first['msg']}") from None


class Certificate(_Wire):
    """Evidence that a minimum was reached: the worst of the fits behind a result."""

    kkt: float
    """Largest component of the projected gradient of -2 ln L, in units of the pre-fit widths."""
    edm: float
    """Estimated distance of -2 ln L to its minimum."""
    positive_definite: bool
    """Whether the Hessian is positive definite on the free parameters."""
    iterations: int
    """Newton iterations of all fits of the test together."""


class Failure(_Wire):
    """Why a point has no numbers: a stable code and a sentence for people."""

    code: str
    message: str


class FitResult(_Wire):
    """The record of one point: one line of the journal."""

    schema_: Annotated[Literal["1"], Field(alias="schema")] = SCHEMA_VERSION
    pallet: str
    region: str | None = None
    name: str
    values: dict[str, int | float | str] = {}
    id: str
    status: Status
    mu: float
    test_stat: TestStat
    cls_obs: float | None = None
    cls_exp: list[float] | None = None
    """-2, -1, 0, +1, +2 sigma, ascending."""
    mu_hat: float | None = None
    q: float | None = None
    q_asimov: float | None = None
    nll_free: float | None = None
    nll_fixed: float | None = None
    certificate: Certificate | None = None
    error: Failure | None = None
    seconds: float = 0.0
    worker: str = ""
    attempt: int = 1

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    def to_record(self) -> Json:
        """The record as it stands in the journal: numbers or an error, never both empty."""
        drop = {"error"} if self.error is None else set(_NUMBERS)
        return self.model_dump(by_alias=True, exclude=drop)

    @classmethod
    def from_record(cls, record: Json) -> FitResult:
        """Parse one record of a journal or reply."""
        return cls.model_validate(record)


_NUMBERS = ("cls_obs", "cls_exp", "mu_hat", "q", "q_asimov", "nll_free", "nll_fixed", "certificate")


class Reply(_Wire):
    """What a worker sends back for one task."""

    schema_: Annotated[Literal["1"], Field(alias="schema")] = SCHEMA_VERSION
    task: str
    worker: str = ""
    results: list[FitResult] = []
    error: Failure | None = None
    """Set when the whole task was refused, with code ``background_needed`` when only the content is missing."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    def to_bytes(self) -> bytes:
        """The reply as JSON bytes."""
        document = {
            "schema": self.schema_,
            "task": self.task,
            "worker": self.worker,
            "results": [result.to_record() for result in self.results],
            "error": None if self.error is None else self.error.model_dump(),
        }
        return json.dumps(document).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Reply:
        """Parse a reply.

        Raises:
            InvalidTask: the bytes are no reply.
        """
        try:
            return cls.model_validate_json(raw)
        except ValidationError as error:
            raise InvalidTask(f"not a reply of a fitloom worker: {error.error_count()} errors") from None


def pack(document: Json) -> str:
    """A JSON document as gzip in base64: the ``content`` of a background."""
    return base64.b64encode(gzip.compress(json.dumps(document, separators=(",", ":")).encode(), mtime=0)).decode()


def unpack(content: str) -> Json:
    """The document that `pack` packed, at most `MAX_BACKGROUND_BYTES` large.

    Raises:
        InvalidTask: not gzip in base64, not a JSON object, or too large.
    """
    import io

    try:
        with gzip.open(io.BytesIO(base64.b64decode(content, validate=True))) as stream:
            raw = stream.read(MAX_BACKGROUND_BYTES + 1)
        if len(raw) > MAX_BACKGROUND_BYTES:
            raise InvalidTask(f"a background of more than {MAX_BACKGROUND_BYTES} bytes")
        document = json.loads(raw)
    except (ValueError, OSError, EOFError) as error:
        raise InvalidTask(f"the background's content is not gzipped JSON in base64: {error}") from None
    if not isinstance(document, dict):
        raise InvalidTask("the background's content is not a JSON object")
    return document


def point_id(background: str, patch: Sequence[Json], options: FitOptions) -> str:
    """sha256 of background digest, patch and options: the key of resume and dedupe."""
    text = canonical([background, list(patch), options.model_dump()])
    return hashlib.sha256(text.encode()).hexdigest()
