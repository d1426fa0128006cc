"""The routes of a running endpoint: fits in one reply or as a stream, backgrounds, health, metrics, refusals."""

from __future__ import annotations

import gzip
import json
import socket
import time

import pytest
import requests

from endpoint_server import BACKGROUND, DIGEST, point, task
from fitloom_core import entry, wire

JSON = {"content-type": "application/json"}
NDJSON = {**JSON, "accept": "application/x-ndjson"}


def post(endpoint, body, headers=JSON, path="/v1/fit", **options):
    return requests.post(endpoint.url + path, data=body, headers=headers, timeout=120, **options)


def code_of(answer):
    return wire.Reply.from_bytes(answer.content).error.code


def metric(endpoint, line):
    page = requests.get(f"{endpoint.url}/metrics", timeout=10).text
    return next((float(row.rpartition(" ")[2]) for row in page.splitlines() if row.startswith(line)), 0.0)


@pytest.fixture(scope="module")
def expected():
    """What the one function answers in this process."""
    reply = wire.Reply.from_bytes(entry.run(task(10).to_bytes()))
    return {result.id: result for result in reply.results}


def same(result, other):
    return result.status == other.status and result.cls_obs == pytest.approx(other.cls_obs, abs=1e-9)


def test_a_reply_holds_every_point_in_the_tasks_order(endpoint, expected):
    answer = post(endpoint, task(10).to_bytes())
    reply = wire.Reply.from_bytes(answer.content)
    assert answer.status_code == 200
    assert reply.task == "t1"
    assert [result.name for result in reply.results] == [f"signal_{index}" for index in range(10)]
    assert all(same(result, expected[result.id]) for result in reply.results)


def test_a_stream_holds_every_point_once_and_then_a_summary(endpoint, expected):
    answer = post(endpoint, task(10).to_bytes(), NDJSON)
    *records, last = [json.loads(line) for line in answer.text.splitlines()]
    results = [wire.FitResult.from_record(record) for record in records]
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert {result.id for result in results} == set(expected)
    assert len(results) == 10
    assert all(same(result, expected[result.id]) for result in results)
    assert last["summary"]["points"] == 10
    assert last["summary"]["error"] is None


def test_a_stream_begins_before_the_last_point_is_done(endpoint):
    with post(endpoint, task(400, first=1000).to_bytes(), NDJSON, stream=True) as answer:
        began = time.monotonic()
        lines = answer.iter_lines()
        next(lines)
        first = time.monotonic() - began
        assert len(list(lines)) == 400
        assert first < 0.5 * (time.monotonic() - began)


def test_a_task_may_come_compressed(endpoint):
    answer = post(endpoint, gzip.compress(task(2).to_bytes()), {**JSON, "content-encoding": "gzip"})
    assert len(wire.Reply.from_bytes(answer.content).results) == 2


def test_a_bad_point_is_a_failed_record_and_leaves_the_others_alone(endpoint):
    good = task(2)
    bad = point(5).model_copy(update={"id": "bad", "patch": [{"op": "remove", "path": "/channels/7"}]})
    reply = wire.Reply.from_bytes(
        post(endpoint, good.model_copy(update={"points": [*good.points, bad]}).to_bytes()).content
    )
    assert [result.status for result in reply.results] == ["converged", "converged", "failed"]
    assert reply.results[2].error.code == "invalid_patch"


def test_a_task_without_points_is_answered(endpoint):
    reply = wire.Reply.from_bytes(post(endpoint, task(0).to_bytes()).content)
    assert reply.results == []
    assert reply.error is None


# Backgrounds.


def test_a_background_that_is_not_held_is_asked_for(endpoint):
    unknown = task(1).model_copy(update={"background": wire.Background(digest="f" * 64)})
    answer = post(endpoint, unknown.to_bytes())
    assert answer.status_code == 409
    assert code_of(answer) == "background_needed"


def test_a_staged_background_serves_tasks_without_content(endpoint):
    address = f"{endpoint.url}/v1/backgrounds/{DIGEST}"
    staged = requests.put(address, data=json.dumps(BACKGROUND), headers=JSON, timeout=10)
    assert staged.status_code in (200, 201)
    assert requests.put(address, data=json.dumps(BACKGROUND), headers=JSON, timeout=10).status_code == 200
    assert requests.get(address, timeout=10).json() == {"digest": DIGEST}
    assert post(endpoint, task(3, content=False).to_bytes()).status_code == 200


def test_a_background_under_a_wrong_digest_is_refused_and_not_held(endpoint):
    address = f"{endpoint.url}/v1/backgrounds/{'e' * 64}"
    assert requests.put(address, data=json.dumps(BACKGROUND), headers=JSON, timeout=10).status_code == 422
    assert requests.get(address, timeout=10).status_code == 404


def test_content_under_a_wrong_digest_cannot_poison_what_others_fit_on(endpoint):
    background = wire.Background(digest="d" * 64, content=wire.pack(BACKGROUND))
    answer = post(endpoint, task(1).model_copy(update={"background": background}).to_bytes())
    assert answer.status_code == 422
    assert code_of(answer) == "digest_mismatch"


# Refusals.


@pytest.mark.parametrize("change", [{"schema": "2"}, {"file": "/etc/passwd"}, {"points": "all"}, {"module": "os"}])
def test_a_task_of_another_schema_or_with_more_in_it_is_refused(endpoint, change):
    document = {**json.loads(task(1).to_bytes()), **change}
    answer = post(endpoint, json.dumps(document))
    assert answer.status_code == 400
    assert code_of(answer) == "invalid_task"
    assert next(iter(change)) in answer.text


def test_a_background_cannot_be_a_file_or_an_address(endpoint):
    for digest in ("/etc/passwd", "../../x", "https://example.org/workspace.json"):
        document = {**json.loads(task(1).to_bytes()), "background": {"digest": digest, "content": None}}
        assert post(endpoint, json.dumps(document)).status_code in (400, 409)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\x00\xff", b'{"schema": "1"}', b"[" * 100_000])
def test_what_is_no_task_is_refused(endpoint, body):
    answer = post(endpoint, body)
    assert answer.status_code == 400
    assert code_of(answer) == "invalid_task"


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "", "application/octet-stream"]
)
def test_a_browser_cannot_be_made_to_send_a_task(endpoint, media_type):
    assert post(endpoint, task(1).to_bytes(), {"content-type": media_type}).status_code == 415


def test_without_a_token_only_loopback_names_are_answered(endpoint):
    answer = requests.get(f"{endpoint.url}/v1/version", headers={"host": "attacker.example"}, timeout=10)
    assert answer.status_code == 400


def test_bytes_that_are_not_gzip_though_they_say_so_are_refused(endpoint):
    assert post(endpoint, b"{}", {**JSON, "content-encoding": "gzip"}).status_code == 400
    cut = gzip.compress(task(1).to_bytes())[:-9]
    assert post(endpoint, cut, {**JSON, "content-encoding": "gzip"}).status_code == 400
    assert post(endpoint, b"{}", {**JSON, "content-encoding": "br"}).status_code == 415


def test_an_unknown_address_is_answered_in_the_wires_own_words(endpoint):
    answer = requests.get(f"{endpoint.url}/v2/fit", timeout=10)
    assert answer.status_code == 404
    assert code_of(answer) == "no_such_route"
    assert requests.get(f"{endpoint.url}/v1/fit", timeout=10).headers["allow"] == "POST"


# Limits.


def test_a_body_over_the_limit_is_refused_announced_or_not(serve):
    small = serve("--workers", "1", "--body-limit", "1")
    too_much = b" " * (1024 * 1024 + 1)
    assert post(small, too_much).status_code == 413
    assert post(small, (too_much[:65536] for _ in range(20))).status_code == 413
    assert post(small, gzip.compress(too_much), {**JSON, "content-encoding": "gzip"}).status_code == 413
    assert post(small, task(1).to_bytes()).status_code == 200


def test_what_does_not_fit_into_the_queue_is_sent_away_for_a_while(serve):
    narrow = serve("--workers", "1", "--queue", "0", "--batch", "1")
    with post(narrow, task(3000).to_bytes(), NDJSON, stream=True) as busy:
        lines = busy.iter_lines()
        next(lines)
        refused = post(narrow, task(1).to_bytes())
        assert refused.status_code == 429
        assert code_of(refused) == "busy"
        assert 1 <= int(refused.headers["retry-after"]) <= 30
    patience = time.monotonic() + 30
    while post(narrow, task(1).to_bytes()).status_code == 429 and time.monotonic() < patience:
        time.sleep(0.2)
    assert post(narrow, task(1).to_bytes()).status_code == 200


def test_a_client_that_goes_away_frees_its_place(serve):
    narrow = serve("--workers", "1", "--queue", "0", "--batch", "1")
    body = task(3000).to_bytes()
    with socket.create_connection(("127.0.0.1", narrow.port)) as connection:
        head = f"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        connection.sendall(f"POST /v1/fit HTTP/1.1\r\n{head}\r\n\r\n".encode() + body)
        time.sleep(0.5)
    patience = time.monotonic() + 30
    while metric(narrow, "fitloom_in_flight ") and time.monotonic() < patience:
        time.sleep(0.1)
    assert metric(narrow, "fitloom_in_flight ") == 0


def test_a_task_over_the_time_limit_costs_its_worker_and_nothing_else(serve):
    hasty = serve("--workers", "1", "--batch", "4096", "--time-limit", "0.05")
    answer = post(hasty, task(2000).to_bytes())
    assert answer.status_code == 504
    assert code_of(answer) == "time_limit"
    assert metric(hasty, 'fitloom_workers_replaced_total{reason="time_limit"}') == 1
    assert hasty.wait_until_ready()


# The token.


def test_a_token_is_wanted_by_all_but_the_probes(serve):
    token = "a-token-nobody-guesses"
    guarded = serve("--workers", "1", env={"FITLOOM_TOKEN": token})
    with_token = {**JSON, "authorization": f"Bearer {token}"}
    for headers in (JSON, {**JSON, "authorization": "Bearer wrong"}, {**JSON, "authorization": f"Basic {token}"}):
        answer = post(guarded, task(1).to_bytes(), headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    for path in ("/v1/version", "/metrics", f"/v1/backgrounds/{DIGEST}"):
        assert requests.get(guarded.url + path, timeout=10).status_code == 401
    for path in ("/healthz", "/readyz"):
        assert requests.get(guarded.url + path, timeout=10).status_code == 200
    assert post(guarded, task(1).to_bytes(), with_token).status_code == 200


def test_beyond_loopback_it_does_not_start_without_a_token(cli):
    said = cli("serve", "--host", "0.0.0.0", module="fitloom_endpoint")
    assert said.returncode == 2
    assert "FITLOOM_TOKEN" in said.stderr
    assert "Traceback" not in said.stderr


# Health and figures.


def test_versions_and_limits_are_told_before_the_first_task(endpoint):
    told = requests.get(f"{endpoint.url}/v1/version", timeout=10).json()
    assert told["schema"] == wire.SCHEMA_VERSION
    assert told["workers"] == 2
    assert told["device"] == "cpu"


def test_points_and_failures_are_counted(endpoint):
    points = metric(endpoint, 'fitloom_points_total{status="converged"}')
    refused = metric(endpoint, 'fitloom_refused_total{code="invalid_task"}')
    post(endpoint, task(6).to_bytes())
    post(endpoint, b"{}")
    assert metric(endpoint, 'fitloom_points_total{status="converged"}') == points + 6
    assert metric(endpoint, 'fitloom_refused_total{code="invalid_task"}') == refused + 1
    assert metric(endpoint, "fitloom_workers ") == 2
    assert metric(endpoint, "fitloom_backgrounds ") >= 1
    assert metric(endpoint, "fitloom_worker_memory_bytes ") > 1e8
