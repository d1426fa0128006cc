"""The Globus Compute executor without a service: settings, messages, the ledger, and what an answer is made of."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from fitloom.executors.globus import check_worker, open_pool, read_settings
from fitloom.executors.globus_ledger import Heritage, Ledger
from fitloom.executors.globus_parcel import Parcel, when_all
from fitloom.executors.globus_troubles import judge
from fitloom_core.envelope import hello, seal
from fitloom_core.errors import ExecutorError, InputError, InvalidTask, TaskLost, TimeLimit, WorkerDied
from fitloom_core.wire import Reply

ENDPOINT = uuid.UUID("11111111-2222-4333-8444-555555555555")


# Settings.


def test_an_endpoint_is_all_that_must_be_said() -> None:
    given = read_settings({"endpoint": str(ENDPOINT)})
    assert (given.endpoint, given.config, given.ledger) == (ENDPOINT, {}, None)


def test_options_of_the_template_may_be_json_text(tmp_path: Path) -> None:
    given = read_settings(
        {"endpoint": str(ENDPOINT), "config": '{"partition": "long"}', "folder": tmp_path, "name": "a/b"}
    )
    assert given.config == {"partition": "long"}
    assert given.ledger == tmp_path / "globus-a_b.jsonl"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "endpoint is missing"),
        ({"endpoint": "cluster"}, "endpoint = 'cluster'"),
        ({"endpoint": str(ENDPOINT), "wrokers": 3}, "there are: name, endpoint, config"),
        ({"endpoint": str(ENDPOINT), "lease_seconds": 0}, "lease_seconds = 0"),
        ({"endpoint": str(ENDPOINT), "config": "{"}, "config = '{'"),
    ],
)
def test_settings_that_cannot_be_used_are_named(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        open_pool(settings)


# The handshake.


def test_a_worker_of_this_release_is_welcome() -> None:
    check_worker(hello(), endpoint="e")


def test_a_worker_of_another_schema_is_never_used() -> None:
    with pytest.raises(ExecutorError, match="speak schema '2'"):
        check_worker({**hello(), "schema": "2"}, endpoint="e", any_version=True)


def test_a_worker_of_another_release_is_used_only_when_that_is_meant() -> None:
    other = {**hello(), "fitloom": "9.9.9"}
    with pytest.raises(ExecutorError, match=r"have fitloom 9\.9\.9"):
        check_worker(other, endpoint="e")
    check_worker(other, endpoint="e", any_version=True)


# What goes wrong.


def failed(text: str) -> Exception:
    from globus_compute_sdk.errors import TaskExecutionFailed

    return TaskExecutionFailed(text)


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (RuntimeError("SDK thread quit unexpectedly."), "stream", "broke off"),
        (RuntimeError("Unable to sustain channel after 3 attempts in 3 seconds."), "stream", "broke off"),
        (failed("Another instance of this endpoint is running.  (Perhaps …)"), "starting", "started again"),
        (failed("ModuleNotFoundError: No module named 'fitloom_core'"), "down", "pip install fitloom"),
        (failed("Function 3f… not permitted on endpoint 11…"), "down", "fitloom-endpoint configure"),
        (
            failed("parsl.executors.high_throughput.errors.WorkerLost: Task failure due to loss"),
            "lost",
            "out of memory",
        ),
        (failed("parsl.app.errors.AppTimeout"), "lost", "GC_TASK_TIMEOUT"),
        (failed("MaxResultSizeExceeded(11331996, 10485760)"), "lost", "batches smaller"),
        (failed("Ignoring start request for untrusted identity."), "down", "no account for your Globus identity"),
        (failed("Unable to start user endpoint process for me [exit code: 83; (OSError) no]"), "down", "cannot start"),
        (failed("Traceback …\nZeroDivisionError: division by zero"), "lost", "ZeroDivisionError: division by zero"),
        (ValueError("something new"), "lost", "ValueError: something new"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_failure_is_told_apart_and_explained(error: Exception, kind: str, said: str) -> None:
    trouble = judge(error, "11…")
    assert trouble.kind == kind
    assert said in trouble.error.message


def test_a_worker_that_died_and_one_that_took_too_long_are_told_apart() -> None:
    assert isinstance(judge(failed("…WorkerLost: …"), "e").error, WorkerDied)
    assert isinstance(judge(failed("…AppTimeout…"), "e").error, TimeLimit)


# The ledger.


def test_a_new_driver_finds_the_group_and_what_was_sent(tmp_path: Path) -> None:
    path = tmp_path / "globus-globus.jsonl"
    first = Ledger(path, ENDPOINT, {"partition": "long"})
    first.add([("t1", ["a", "b"]), ("t2", ["c"])])
    second = Ledger(path, ENDPOINT, {"partition": "long"})
    assert second.group == first.group
    assert second.earlier == {"t1": frozenset("ab"), "t2": frozenset("c")}


@pytest.mark.parametrize(("endpoint", "options"), [(uuid.uuid4(), {}), (ENDPOINT, {"partition": "short"})])
def test_another_endpoint_or_other_options_have_a_group_of_their_own(
    tmp_path: Path, endpoint: uuid.UUID, options: dict[str, Any]
) -> None:
    path = tmp_path / "ledger.jsonl"
    first = Ledger(path, ENDPOINT, {})
    first.add([("t1", ["a"])])
    other = Ledger(path, endpoint, options)
    assert other.group != first.group
    assert other.earlier == {}


def test_a_line_that_a_dying_driver_cut_short_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    Ledger(path, ENDPOINT, {}).add([("t1", ["a"])])
    path.write_text(path.read_text() + '{"id": "t2", "poi')
    assert Ledger(path, ENDPOINT, {}).earlier == {"t1": frozenset("a")}


def test_a_ledger_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "none" / "ledger.jsonl", ENDPOINT, {})
    ledger.add([("t1", ["a"])])
    assert ledger.earlier == {}


# What earlier tasks have, and what is made of it.


def task(*points: str) -> bytes:
    document = {"schema": "1", "task": "new", "background": {"digest": "d", "content": None}}
    return json.dumps({**document, "points": [{"id": point, "patch": []} for point in points]}).encode()


def reply(*points: str, status: str = "converged") -> str:
    records = [
        {"id": point, "pallet": "p", "name": point, "status": status, "mu": 1.0, "test_stat": "qtilde"}
        for point in points
    ]
    document = {"schema": "1", "task": "old", "worker": "w", "results": records, "error": None}
    return seal(json.dumps(document).encode())


def points_of(text: str) -> list[str]:
    from fitloom_core.envelope import unseal

    return [point["id"] for point in json.loads(unseal(text))["points"]]


def answered(parcel: Parcel) -> Reply:
    return Reply.from_bytes(parcel.answer.result(0))


def test_a_reply_is_the_answer() -> None:
    parcel = Parcel(task("a"))
    parcel.deliver(reply("a"))
    assert [result.id for result in answered(parcel).results] == ["a"]


@pytest.mark.parametrize("rubbish", [None, 3, "rubbish", {"a": 1}])
def test_a_reply_that_cannot_be_read_is_a_lost_task(rubbish: object) -> None:
    parcel = Parcel(task("a"))
    parcel.deliver(rubbish)
    with pytest.raises(TaskLost, match="cannot be read"):
        parcel.answer.result(0)


@pytest.mark.parametrize("rubbish", [b"", b"[]", b'{"points": 3}', b'{"points": [{}], "task": "t"}'])
def test_bytes_that_are_no_task_are_refused(rubbish: bytes) -> None:
    with pytest.raises(InvalidTask, match="not a fit task"):
        Parcel(rubbish)


def test_an_answer_nobody_waits_for_any_more_hurts_nobody() -> None:
    parcel = Parcel(task("a"))
    parcel.answer.cancel()
    parcel.deliver(reply("a"))
    parcel.fail(TaskLost("late"))
    assert not parcel.open


def test_points_that_earlier_tasks_answered_are_not_sent_again() -> None:
    parcel = Parcel(task("a", "b", "c"))
    assert not parcel.inherit([reply("a", "x"), "rubbish", reply("b", status="failed")])
    assert points_of(parcel.text) == ["b", "c"]
    parcel.deliver(reply("b", "c"))
    assert [result.id for result in answered(parcel).results] == ["a", "b", "c"]
    assert answered(parcel).task == "new"


def test_earlier_tasks_can_be_the_whole_answer() -> None:
    parcel = Parcel(task("a", "b"))
    assert parcel.inherit([reply("a"), reply("b")])
    assert {result.id for result in answered(parcel).results} == {"a", "b"}


def test_a_refusal_of_the_rest_is_passed_on_as_it_is() -> None:
    parcel = Parcel(task("a", "b"))
    parcel.inherit([reply("a")])
    refusal = {"schema": "1", "task": "new", "worker": "w", "results": []}
    error = {"code": "background_needed", "message": "send it"}
    parcel.deliver(seal(json.dumps({**refusal, "error": error}).encode()))
    assert answered(parcel).error is not None


def test_each_point_is_claimed_once_and_failed_tasks_are_no_heritage() -> None:
    pending: Future[str] = Future()
    failing: Future[str] = Future()
    failing.set_exception(TaskLost("gone"))
    heritage = Heritage(
        {"t1": frozenset("ab"), "t2": frozenset("c"), "t3": frozenset("d")}, {"t1": pending, "t2": failing}
    )
    assert heritage.claim(["a", "c", "d"]) == [pending]
    assert heritage.claim(["a"]) == []
    assert heritage.claim(["b"]) == [pending]


def test_what_is_waited_for_comes_once_all_are_done() -> None:
    futures: list[Future[str]] = [Future(), Future(), Future()]
    heard: list[list[object]] = []
    hear: Callable[[list[object]], None] = heard.append
    when_all(futures, hear)
    futures[0].set_result("one")
    futures[1].set_exception(TaskLost("gone"))
    assert heard == []
    futures[2].cancel()
    assert heard == [["one"]]
