"""What the SDK, the service, the endpoint and its workers can say instead of an answer, and what each means for us.

===========  ==========================================================================================
``stream``   the connection that brings results is gone; the results are not: collect them again
``busy``     the service cannot take tasks just now: send again a little later
``starting`` the endpoint is between two lives: greet it again, then send again
``lost``     this task came to nothing: the campaign's policy says whether its points are sent again
``down``     no other task would fare better: the pool is down, and a person may have to do something
===========  ==========================================================================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from fitloom_core.errors import ExecutorError, FitloomError, TaskLost, TimeLimit, WorkerDied

Kind = Literal["stream", "busy", "starting", "lost", "down"]


@dataclass(frozen=True)
class Trouble:
    """A failure, what kind it is, and the sentence for whoever reads it."""

    kind: Kind
    error: FitloomError


def judge(error: BaseException, endpoint: str) -> Trouble:
    """Say what an exception of the SDK means."""
    from globus_compute_sdk.errors import TaskExecutionFailed
    from globus_sdk import GlobusAPIError, NetworkError
    from pika.exceptions import AMQPError
    from requests import RequestException

    if isinstance(error, GlobusAPIError):
        return _refused(error.http_status, f"{error.code or ''} {error.text or ''}", endpoint)
    if isinstance(error, NetworkError | RequestException):
        return Trouble("busy", ExecutorError(f"Globus Compute cannot be reached from here: {_line(error)}"))
    if isinstance(error, TaskExecutionFailed):
        return _failed(error.remote_data, endpoint)
    if isinstance(error, AMQPError) or _STREAM.search(str(error)):
        return Trouble("stream", ExecutorError(f"the stream of results broke off ({_line(error)})"))
    if "Malformed or unexpected data" in str(error):
        return Trouble("lost", TaskLost(f"endpoint {endpoint} sent a result that is not JSON; it was not opened"))
    return Trouble("lost", TaskLost(f"{type(error).__name__}: {_line(error)}"))


def _refused(status: int, text: str, endpoint: str) -> Trouble:
    """The web service said no."""
    message = f"Globus Compute answered {status}: {_line(text)}"
    if status == 401:
        message = "the login to Globus Compute has ended; log in again with `fitloom login --compute --force`"
    elif "FUNCTION_NOT_PERMITTED" in text or "not permitted on endpoint" in text:
        return _forbidden(endpoint)
    elif status == 403:
        message = f"you may not use endpoint {endpoint}; ask whoever runs it to let you in ({_line(text)})"
    elif status == 404:
        message = (
            f"Globus Compute knows no endpoint {endpoint}, or not the function registered for it; "
            "compare the id with `globus-compute-endpoint list` where the endpoint runs"
        )
    elif status == 413:
        message = "a submission was over the 10 MB that Globus Compute takes; make batches smaller (`--batch`)"
        return Trouble("lost", TaskLost(message))
    elif status == 429 or status >= 500:
        return Trouble("busy", ExecutorError(f"Globus Compute cannot take tasks now (it answered {status})"))
    return Trouble("down", ExecutorError(message))


def _failed(text: str, endpoint: str) -> Trouble:
    """The endpoint or a worker said no: the first sentence below whose sign is in the text."""
    for sign, kind, sentence in _SIGNS:
        if found := re.search(sign, text, re.DOTALL):
            message = sentence.format(endpoint=endpoint, found=_line(found[1]) if found.groups() else "")
            return Trouble(kind, _ERRORS.get(sign, _OF_KIND[kind])(message))
    return Trouble("lost", TaskLost(f"a worker of endpoint {endpoint} failed: {_line(text, last=True)}"))


def _forbidden(endpoint: str) -> Trouble:
    message = (
        f"endpoint {endpoint} does not allow fitloom's function; whoever runs it can, with "
        "`fitloom-endpoint configure` or by adding the function's id to allowed_functions"
    )
    return Trouble("down", ExecutorError(message))


def _line(what: object, *, last: bool = False) -> str:
    """A text in one line of bearable length; its last line only, where a traceback ends in it."""
    lines = [line.strip() for line in str(what).strip().splitlines() if line.strip()] or [type(what).__name__]
    return " ".join((lines[-1] if last else " ".join(lines)).split())[:400]


_STREAM = re.compile("SDK thread quit unexpectedly|Unable to sustain channel")

_WORKER_DIED = r"WorkerLost|ManagerLost|BrokenProcessPool|terminated abruptly"
_TIME_LIMIT = r"AppTimeout"

_SIGNS: tuple[tuple[str, Kind, str], ...] = (
    (r"Another instance of this endpoint is running", "starting", "endpoint {endpoint} is being started again"),
    (r"Command too old or skew", "starting", "the clocks of endpoint {endpoint} and of the service differ by minutes"),
    (
        r"ValidationError\)(.*?)(?:Failed validating|$)",
        "down",
        "endpoint {endpoint} does not accept these options of its template: {found}; "
        "look them up in its user_config_schema.json",
    ),
    (
        r"UndefinedError\)(.*?)(?:\]|$)",
        "down",
        "endpoint {endpoint} wants an option that was not given: {found}; give it with --set config=…",
    ),
    (
        r"untrusted identity|Identity failed to map|local user does not exist",
        "down",
        "endpoint {endpoint} has no account for your Globus identity; ask whoever runs it to map it to one",
    ),
    (
        r"(Unable to start user endpoint|Failed to start or unexpected error.*|unexpected error; this is due.*)",
        "down",
        "endpoint {endpoint} cannot start: {found}; its endpoint.log says more to whoever runs it",
    ),
    (
        r"No module named '?fitloom",
        "down",
        "the workers of endpoint {endpoint} have no fitloom; install it (`pip install fitloom`) in the environment "
        "that the endpoint's worker_init activates",
    ),
    (
        r"not permitted on endpoint",
        "down",
        "endpoint {endpoint} does not allow fitloom's function; whoever runs it can, with `fitloom-endpoint configure`",
    ),
    (
        r"DeserializationError|Deserialization failed",
        "down",
        "endpoint {endpoint} accepts neither plain source nor JSON; its engine's allowed_serializers must name both",
    ),
    (
        _WORKER_DIED,
        "lost",
        "the worker of endpoint {endpoint} that had this task ended: out of memory, its job's time was over, or it "
        "runs another Python than the endpoint's manager",
    ),
    (_TIME_LIMIT, "lost", "endpoint {endpoint} stopped a task that took longer than its GC_TASK_TIMEOUT"),
    (r"MaxResultSizeExceeded", "lost", "a reply was over the 10 MB that Globus Compute carries; make batches smaller"),
)

_ERRORS: dict[str, type[FitloomError]] = {_WORKER_DIED: WorkerDied, _TIME_LIMIT: TimeLimit}
_OF_KIND: dict[Kind, type[FitloomError]] = {
    "stream": ExecutorError,
    "busy": ExecutorError,
    "starting": ExecutorError,
    "lost": TaskLost,
    "down": ExecutorError,
}
