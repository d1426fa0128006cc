"""Globus Compute (formerly funcX): fits on an endpoint anywhere, with nothing but a Globus login.

Tasks travel as JSON texts through Globus's service to the one function that fitloom registers; the endpoint's workers
have fitloom installed. `globus_executor` keeps track of the tasks, `globus_link` speaks with the SDK, `globus_canary`
watches the endpoint, and `globus_troubles` turns whatever goes wrong into a sentence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from fitloom.executors import Pool, Settings
from fitloom_core.envelope import release
from fitloom_core.errors import ExecutorError, InputError, MissingExtra
from fitloom_core.wire import SCHEMA_VERSION

if TYPE_CHECKING:
    from fitloom.executors.globus_canary import Patience

Seconds = Annotated[float, Field(gt=0)]

LARGEST_TASK = 6_000_000
"""Bytes of a task that certainly fit into a submission once they are sealed as text."""


class GlobusSettings(BaseModel):
    """What can be said about a Globus Compute pool."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "globus"
    endpoint: UUID
    """The endpoint's id, as `globus-compute-endpoint list` shows it."""
    config: dict[str, Any] = {}
    """Options of the endpoint's template: partition, walltime and so on, as its administrator allows them."""
    workers: Annotated[int, Field(gt=0)] | None = None
    """Tasks that run there at once; by default what the endpoint reports, or 4."""
    function: UUID | None = None
    """The registered function; by default the endpoint's only one of fitloom, or one registered for you."""
    folder: Path | None = None
    """The campaign's folder: where it is kept which tasks were sent, to be collected after an interruption."""
    any_version: bool = False
    """Use workers that have another version of fitloom."""
    lease_seconds: Seconds = 3600.0
    """A task without an answer for so long counts as lost, whatever else is known."""
    start_seconds: Seconds = 600.0
    """For the first worker to answer; more where jobs wait long in a queue."""
    silence_seconds: Seconds = 60.0
    """For a task, before it is asked whether the endpoint is still there."""
    straggler_seconds: Seconds = 60.0
    """For a task that a later one has overtaken, before it counts as lost."""
    canary_seconds: Seconds = 600.0
    """For an endpoint that answers nothing, before it counts as down."""
    amqp_port: int | None = None
    """443, 5671 or 5672: where a firewall leaves only one of them open."""

    @field_validator("config", mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        return json.loads(value) if isinstance(value, str) else value

    @property
    def patience(self) -> Patience:
        """How long to wait for what."""
        from fitloom.executors.globus_canary import Patience

        return Patience(self.start_seconds, self.silence_seconds, self.straggler_seconds, self.canary_seconds)

    @property
    def ledger(self) -> Path | None:
        """Where the ledger of this pool lies."""
        name = re.sub(r"[^\w.-]", "_", self.name)
        return None if self.folder is None else self.folder / f"globus-{name}.jsonl"


def open_pool(settings: Settings) -> Pool:
    """Log in, find the endpoint and the function, and wait until a worker has said hello.

    Raises:
        InputError: a setting that cannot be used.
        MissingExtra: the SDK is not installed.
        AuthError: nobody is logged in.
        ExecutorError: the endpoint cannot be used, and why.
    """
    given = read_settings(settings)
    need_sdk()
    from fitloom.executors.globus_account import check_endpoint, connect, find_function
    from fitloom.executors.globus_executor import GlobusExecutor
    from fitloom.executors.globus_ledger import Ledger
    from fitloom.executors.globus_link import Link

    client = connect()
    reported = check_endpoint(client, given.endpoint)
    function = str(given.function or find_function(client, given.endpoint))
    ledger = Ledger(given.ledger, given.endpoint, given.config)
    link = Link(client, given.endpoint, ledger.group, function, options=given.config, amqp_port=given.amqp_port)
    endpoint = str(given.endpoint)
    accept = partial(check_worker, endpoint=endpoint, any_version=given.any_version)
    executor = GlobusExecutor(link, ledger, endpoint, patience=given.patience, accept=accept)
    try:
        told = executor.start()
    except BaseException:
        executor.shutdown(cancel_futures=True)
        raise
    return Pool(
        name=given.name,
        executor=executor,
        slots=given.workers or reported or 4,
        max_task_bytes=LARGEST_TASK,
        lease_seconds=given.lease_seconds,
        describe={
            "kind": "globus",
            "endpoint": endpoint,
            "function": function,
            "group": str(ledger.group),
            "worker": told,
        },
        close=partial(executor.shutdown, cancel_futures=True),
    )


def read_settings(settings: Mapping[str, Any]) -> GlobusSettings:
    """Check what was said about a Globus Compute pool.

    Raises:
        InputError: a setting that does not exist or is missing, or a value that does not fit.
    """
    try:
        return GlobusSettings.model_validate(dict(settings))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        if first["type"] == "missing":
            raise InputError(
                f"globus: {where} is missing: give the id that `globus-compute-endpoint list` shows"
            ) from None
        known = ", ".join(GlobusSettings.model_fields)
        raise InputError(f"globus: {where} = {first['input']!r}: {first['msg'].lower()}; there are: {known}") from None


def check_worker(told: Mapping[str, Any], *, endpoint: str, any_version: bool = False) -> None:
    """Make sure that a worker speaks our schema, and is of our release unless told not to mind.

    Raises:
        ExecutorError: it does not, or is not.
    """
    if told.get("schema") != SCHEMA_VERSION:
        raise ExecutorError(
            f"the workers of endpoint {endpoint} speak schema {told.get('schema')!r} (fitloom {told.get('fitloom')}), "
            f"this is schema {SCHEMA_VERSION!r} (fitloom {release()}); install the same release on both sides"
        )
    if told.get("fitloom") != release() and not any_version:
        raise ExecutorError(
            f"the workers of endpoint {endpoint} have fitloom {told.get('fitloom')} (Python {told.get('python')}), "
            f"this is fitloom {release()}; install the same release on both sides, or set any_version if that is meant"
        )


def need_sdk() -> None:
    """Make sure that the SDK is installed.

    Raises:
        MissingExtra: it is not.
    """
    try:
        import globus_compute_sdk  # noqa: F401
    except ImportError:
        raise MissingExtra("the globus executor needs Globus Compute's SDK: pip install 'fitloom[globus]'") from None
