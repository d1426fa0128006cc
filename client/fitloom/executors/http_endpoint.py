"""One fitloom endpoint over HTTP: its handshake, backgrounds staged once, tasks out and records back.

Requests wait and come back by themselves on 429 and 503, for as long as ``Retry-After`` says. An answer that is
cut off counts as far as it goes: complete records before the cut are kept.
"""

from __future__ import annotations

import base64
import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import requests
from pydantic import ValidationError

from fitloom.executors.http_session import Credentials, Session
from fitloom_core import wire
from fitloom_core.errors import AuthError, ExecutorError, FitloomError, TaskLost, TimeLimit, WorkerDied

NDJSON = "application/x-ndjson"
USER_AGENT = f"fitloom (wire schema {wire.SCHEMA_VERSION})"
PROBE_SECONDS = 10.0
GREETING_SECONDS = 120.0
"""An endpoint that was scaled to zero starts on the first request."""
REST_AFTER_FAILURE = 15.0
"""An endpoint that did not answer is left alone for so many seconds."""

_LOST: dict[str, type[TaskLost]] = {kind.code: kind for kind in (TimeLimit, WorkerDied)}


@dataclass(frozen=True)
class Offer:
    """What an endpoint says of itself."""

    version: str
    workers: int
    time_limit: float
    max_body_bytes: int
    device: str


class Unavailable(Exception):
    """The endpoint takes no task now; another one may."""

    def __init__(self, message: str, *, gone: bool) -> None:
        """Say why; ``gone`` when nobody answers, otherwise it is only busy."""
        super().__init__(message)
        self.gone = gone


class Endpoint:
    """One endpoint's address and what this client knows about it. Safe between threads."""

    def __init__(self, url: str, token: str | None, *, seconds: float, patience: int) -> None:
        """Talk to a base URL; wait ``seconds`` for an answer, and ``patience`` times when told to come back later."""
        self.url = url.rstrip("/")
        self.offer: Offer | None = None
        self.in_flight = 0
        self.bytes_sent = 0
        self._seconds = seconds
        self._credentials = Credentials(token)
        self._session = Session(self._credentials, patience=patience, user_agent=USER_AGENT)
        self._probe = Session(self._credentials, patience=0, user_agent=USER_AGENT)
        self._staging = threading.Lock()
        self._staged: set[str] = set()
        self._rest_until = 0.0

    @property
    def workers(self) -> int:
        """Tasks it runs at once, as far as is known."""
        return 1 if self.offer is None else self.offer.workers

    def describe(self) -> dict[str, Any]:
        """What a person may want to know of it."""
        return {"url": self.url} if self.offer is None else {"url": self.url, **asdict(self.offer)}

    @property
    def resting(self) -> bool:
        """Whether it is left alone for a while because it did not answer."""
        return time.monotonic() < self._rest_until

    def rest(self) -> None:
        """Leave it alone for a while; who answers there next may be another, without our backgrounds: greet again."""
        self._rest_until = time.monotonic() + REST_AFTER_FAILURE
        self._staged.clear()
        self.offer = None

    def greet(self) -> Offer:
        """Ask who is there, and make sure that both sides speak the same schema.

        Raises:
            Unavailable: nobody answers.
            ExecutorError: somebody answers who will not do.
        """
        try:
            if self._credentials.empty and self._checks_groups():
                self._credentials.renew_from(_login(self.url))
            with self._asking(self._session, "GET", "/v1/version", seconds=GREETING_SECONDS) as answer:
                self._check_status(answer)
                self.offer = _offer(self.url, answer)
                return self.offer
        except requests.RequestException as error:
            raise Unavailable(f"{self.url} does not answer: {_cause(error)}", gone=True) from None
        except AuthError as error:
            raise ExecutorError(f"{self.url} lets members of Globus groups in: {error.message}") from None

    def fit(self, task: wire.FitTask, content: str | None) -> wire.Reply:
        """Have a task fitted; a reply that was cut off holds the records that came through.

        Raises:
            TaskLost: no usable answer, but the endpoint is there.
            Unavailable: the endpoint is gone, or has been busy for all our patience.
            ExecutorError: the endpoint will not serve us at all.
        """
        if self.offer is None:
            self.greet()
        try:
            held = content is None or self._stage(task.background.digest, content)
            reply = self._send(task, None if held else content)
            if content is not None and _needs_background(reply):
                # Dropped since, or another replica behind the same address: this one gets it with the task.
                reply = self._send(task, content)
            return reply
        except AuthError as error:
            raise ExecutorError(f"{self.url}: {error.message}") from None
        except requests.RequestException as error:
            if self.answers():
                raise TaskLost(f"{self.url} lost a task: {_cause(error)}") from None
            raise Unavailable(f"{self.url} does not answer any more: {_cause(error)}", gone=True) from None

    def answers(self) -> bool:
        """Whether anybody is there."""
        try:
            with self._asking(self._probe, "GET", "/healthz", seconds=PROBE_SECONDS):
                return True
        except requests.RequestException:
            return False

    def close(self) -> None:
        """Close the connections; tasks that are being answered are given up."""
        self._session.close()
        self._probe.close()

    def _checks_groups(self) -> bool:
        with self._asking(self._session, "GET", "/v1/version", seconds=GREETING_SECONDS) as answer:
            return answer.status_code == 401 and "scope=" in answer.headers.get("www-authenticate", "")

    def _stage(self, digest: str, content: str) -> bool:
        """Bring a background to the endpoint, once; False if it does not take it: it says why when sent a task."""
        with self._staging:
            if digest not in self._staged:
                with self._sending("PUT", f"/v1/backgrounds/{digest}", base64.b64decode(content)) as answer:
                    self._check_status(answer)
                    if answer.ok:
                        self._staged.add(digest)
            return digest in self._staged

    def _send(self, task: wire.FitTask, content: str | None) -> wire.Reply:
        background = wire.Background(digest=task.background.digest, content=content)
        body = gzip.compress(task.model_copy(update={"background": background}).to_bytes(), 6, mtime=0)
        with self._sending("POST", "/v1/fit", body) as answer:
            self._check_status(answer)
            if not answer.ok:
                return self._refusal(task, answer)
            if not answer.headers.get("content-type", "").startswith(NDJSON):
                raise TaskLost(f"{self.url} answered {answer.headers.get('content-type')!r}, not {NDJSON}")
            return _gather(self.url, task, answer)

    @contextmanager
    def _sending(self, method: str, path: str, body: bytes) -> Iterator[requests.Response]:
        self.bytes_sent += len(body)
        headers = {"content-type": "application/json", "content-encoding": "gzip", "accept": NDJSON}
        with self._asking(self._session, method, path, seconds=self._seconds, data=body, headers=headers) as answer:
            yield answer

    @contextmanager
    def _asking(self, session: Session, method: str, path: str, **options: Any) -> Iterator[requests.Response]:
        answer = session.request(method, self.url + path, **options)
        try:
            yield answer
        finally:
            session.done(answer)

    def _check_status(self, answer: requests.Response) -> None:
        """Raise for what no other task would change."""
        if answer.status_code in (429, 503):
            raise Unavailable(f"{self.url} takes no task now: {_reason(answer).message}", gone=False)
        if answer.status_code in (401, 403):
            raise ExecutorError(f"{self.url} does not let us in: {_reason(answer).message} (FITLOOM_TOKEN is sent)")
        if answer.is_redirect:
            raise ExecutorError(f"{self.url} redirects to {answer.headers['location']}: give that address instead")
        if answer.status_code in (404, 405):
            raise ExecutorError(
                f"{answer.url} answers {answer.status_code}: there is no fitloom endpoint at {self.url}"
            )

    def _refusal(self, task: wire.FitTask, answer: requests.Response) -> wire.Reply:
        """The endpoint's refusal, where it concerns the task; a lost task where it concerns the endpoint."""
        reason = _reason(answer)
        if answer.status_code in (400, 409, 413, 422) and reason.code != "unknown":
            return wire.Reply(task=task.task, worker=self.url, error=reason)
        raise _LOST.get(reason.code, TaskLost)(f"{self.url} answered {answer.status_code}: {reason.message}")


def _login(url: str) -> Callable[[], str]:
    """Where the header for a server that checks groups comes from: the person's login with Globus."""
    from fitloom import auth

    server = auth.find_server(url)
    return lambda: auth.authorization(server)


def _offer(url: str, answer: requests.Response) -> Offer:
    try:
        said: dict[str, Any] = answer.json()
        schema = said["schema"]
        offer = Offer(
            version=str(said["fitloom"]),
            workers=max(1, int(said["workers"])),
            time_limit=float(said["time_limit"]),
            max_body_bytes=int(said["max_body_bytes"]),
            device=str(said.get("device", "not warm yet")),
        )
    except (ValueError, TypeError, KeyError, requests.RequestException):
        raise ExecutorError(
            f"{url} answers, but not as a fitloom endpoint does ({answer.status_code}): check the address"
        ) from None
    if schema != wire.SCHEMA_VERSION:
        older = "the endpoint" if str(schema) < wire.SCHEMA_VERSION else "this fitloom"
        versions = f"wire schema {schema}, this fitloom {wire.SCHEMA_VERSION}"
        raise ExecutorError(f"{url} (fitloom {offer.version}) speaks {versions}: update {older}")
    return offer


def _gather(url: str, task: wire.FitTask, answer: requests.Response) -> wire.Reply:
    """Records from their lines, up to the summary or to where the stream breaks off."""
    order = {point.id: index for index, point in enumerate(task.points)}
    found: dict[str, wire.FitResult] = {}
    trouble: FitloomError = TaskLost(f"{url} sent nothing")
    try:
        for line in answer.iter_lines(chunk_size=None):
            document = json.loads(line)
            if "summary" in document:
                trouble = _summary_trouble(url, document["summary"])
                break
            result = wire.FitResult.from_record(document)
            found[result.id] = result
            trouble = TaskLost(f"{url} stopped after {len(found)} of {len(order)} points")
    except (requests.RequestException, ValidationError, ValueError, TypeError, KeyError) as error:
        trouble = TaskLost(f"{url} broke off after {len(found)} of {len(order)} points: {_cause(error)}")
    ours = sorted((result for result in found.values() if result.id in order), key=lambda result: order[result.id])
    if not ours and order:
        raise trouble
    return wire.Reply(task=task.task, worker=url, results=ours)


def _summary_trouble(url: str, summary: dict[str, Any]) -> FitloomError:
    error = summary["error"] or {"code": "task_lost", "message": "no point was answered"}
    kind = _LOST.get(error["code"], TaskLost)
    return kind(f"{url}: {error['message']}")


def _needs_background(reply: wire.Reply) -> bool:
    return reply.error is not None and reply.error.code == "background_needed"


def _reason(answer: requests.Response) -> wire.Failure:
    """What the endpoint said; or that it was no fitloom endpoint that spoke, but something in between."""
    try:
        error = wire.Reply.from_bytes(answer.content).error
    except (FitloomError, requests.RequestException):
        error = None
    return error or wire.Failure(code="unknown", message=f"no reply of a fitloom endpoint: {answer.reason}")


def _cause(error: BaseException) -> str:
    """The innermost reason of a chain of network errors, which is the one people understand."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return str(reason or error) or type(error).__name__
