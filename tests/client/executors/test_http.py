"""The HTTP executor against endpoints that behave, misbehave, are busy, or are not there."""

from __future__ import annotations

import gzip
import json
import threading
import time
from concurrent.futures import wait

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from endpoint_server import DIGEST, EndpointServer, free_port, task
from fitloom.executors.http import open_pool
from fitloom_core import entry, wire
from fitloom_core.errors import ExecutorError, InputError, TaskLost, WorkerDied

VERSION = {"fitloom": "9.9", "schema": "1", "workers": 2, "time_limit": 60, "max_body_bytes": 1000000, "device": "cpu"}


@pytest.fixture(scope="module")
def endpoint():
    """A real endpoint."""
    with EndpointServer("--workers", "2", "--batch", "4") as server:
        yield server


@pytest.fixture
def open_http():
    """Open a pool, and close it after the test."""
    pools = []

    def opened(*urls, **settings):
        pools.append(open_pool({"urls": urls, **settings}))
        return pools[-1]

    yield opened
    for pool in pools:
        pool.close()


@pytest.fixture
def stand_in():
    """A server that greets as an endpoint does; a test says what it answers to a fit."""
    with HTTPServer(threaded=True) as server:
        server.expect_request("/v1/version").respond_with_json(VERSION)
        server.expect_request("/healthz").respond_with_json({"ok": True})
        server.expect_request(f"/v1/backgrounds/{DIGEST}", method="PUT").respond_with_json({"digest": DIGEST}, 201)
        yield server


def url_of(server):
    return server.url_for("").rstrip("/")


def submit(pool, wanted):
    return pool.executor.submit(entry.run, wanted.to_bytes())


def records(count):
    """Lines as an endpoint streams them."""
    return [
        json.dumps(
            wire.FitResult(
                pallet="test", name=point.name, id=point.id, status="converged", mu=1.0, test_stat="qtilde", cls_obs=0.5
            ).to_record()
        )
        for point in task(count).points
    ]


def summary(points, error=None):
    return json.dumps({"summary": {"task": "t1", "points": points, "failed": 0, "error": error}})


def fits(*lines):
    return Response("\n".join(lines), content_type="application/x-ndjson")


# An endpoint that behaves.


def test_the_pool_is_as_large_as_the_endpoint_says(endpoint, open_http):
    pool = open_http(endpoint.url)
    assert pool.slots == 2
    assert pool.describe["endpoints"][0]["url"] == endpoint.url
    assert pool.max_task_bytes == wire.MAX_TASK_BYTES


def test_a_task_comes_back_with_every_point_in_its_order(endpoint, open_http):
    reply = wire.Reply.from_bytes(submit(open_http(endpoint.url), task(11)).result(60))
    assert [result.id for result in reply.results] == [point.id for point in task(11).points]
    assert reply.task == "t1"
    assert reply.error is None


def test_a_background_is_sent_once_and_points_are_small_on_the_way(endpoint, open_http):
    pool = open_http(endpoint.url)
    submit(pool, task(4)).result(60)
    first = pool.executor.bytes_sent
    wait([submit(pool, task(4, content=False, name=f"t{index}")) for index in range(8)])
    assert pool.executor.bytes_sent - first < 8 * first


def test_a_background_that_nobody_knows_is_asked_for(endpoint, open_http):
    unknown = task(1).model_copy(update={"background": wire.Background(digest="a" * 64)})
    reply = wire.Reply.from_bytes(submit(open_http(endpoint.url), unknown).result(60))
    assert reply.error.code == "background_needed"


@pytest.mark.heavy
def test_an_endpoint_that_was_started_anew_gets_the_background_again(open_http):
    port = free_port()
    with EndpointServer("--workers", "1", port=port) as server:
        pool = open_http(server.url)
        submit(pool, task(2)).result(60)
    with EndpointServer("--workers", "1", port=port):
        reply = wire.Reply.from_bytes(submit(pool, task(2, content=False)).result(60))
    assert len(reply.results) == 2


def test_a_refusal_of_the_task_is_a_reply_that_says_why(endpoint, open_http):
    background = wire.Background(digest="b" * 64, content=wire.pack({"channels": "none"}))
    wrong = task(1).model_copy(update={"background": background})
    reply = wire.Reply.from_bytes(submit(open_http(endpoint.url), wrong).result(60))
    assert reply.error.code == "digest_mismatch"


def test_only_the_one_function_is_sent(endpoint, open_http):
    pool = open_http(endpoint.url)
    with pytest.raises(InputError, match=r"fitloom_core\.entry\.run"):
        pool.executor.submit(print, b"")


# Settings and the first hello.


@pytest.mark.parametrize("urls", [[], "", "endpoint:8000", ["ftp://host"], ["http://"]])
def test_what_is_no_address_is_refused(urls):
    with pytest.raises(InputError, match="address"):
        open_pool({"urls": urls})


def test_nobody_there_means_the_pool_cannot_be_opened():
    with pytest.raises(ExecutorError, match="does not answer"):
        open_pool({"urls": [f"http://127.0.0.1:{free_port()}"]})


def test_another_schema_is_refused_and_says_who_must_be_updated(httpserver):
    httpserver.expect_request("/v1/version").respond_with_json({**VERSION, "schema": "2"})
    with pytest.raises(ExecutorError, match="update this fitloom"):
        open_pool({"urls": [url_of(httpserver)]})


@pytest.mark.parametrize("page", ["<html>It works!</html>", "[]", '{"schema": "1"}', ""])
def test_a_server_that_is_no_endpoint_is_refused(httpserver, page):
    httpserver.expect_request("/v1/version").respond_with_data(page)
    with pytest.raises(ExecutorError, match="not as a fitloom endpoint"):
        open_pool({"urls": [url_of(httpserver)]})


def test_an_address_that_knows_no_such_route_is_refused(httpserver):
    httpserver.expect_request("/v1/version").respond_with_data("nothing here", 404)
    with pytest.raises(ExecutorError, match="no fitloom endpoint"):
        open_pool({"urls": [url_of(httpserver)]})


def test_a_redirect_is_not_followed_with_the_token(httpserver):
    httpserver.expect_request("/v1/version").respond_with_data("", 302, {"location": "http://elsewhere.example/"})
    with pytest.raises(ExecutorError, match=r"elsewhere\.example"):
        open_pool({"urls": [url_of(httpserver)], "token": "a-token-nobody-guesses"})


def test_a_wrong_token_is_named(open_http):
    token = "a-token-nobody-guesses"
    with EndpointServer("--workers", "1", env={"FITLOOM_TOKEN": token}) as server:
        with pytest.raises(ExecutorError, match="token"):
            open_http(server.url, token="another-token-entirely")
        assert open_http(server.url, token=token).slots == 1
        assert open_http({"url": server.url, "token": token}).slots == 1


def test_the_token_beats_a_netrc_file(httpserver, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine localhost login me password mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    httpserver.expect_request("/v1/version", headers={"authorization": "Bearer ours-and-no-other"}).respond_with_json(
        VERSION
    )
    open_pool({"urls": [url_of(httpserver)], "token": "ours-and-no-other"}).close()


# Endpoints that misbehave: each is one lost task, which the campaign sends again.


@pytest.mark.parametrize(
    "answer",
    [
        Response("Internal Server Error", 500),
        Response("Bad Gateway", 502),
        Response("<html>proxy</html>", 200, content_type="text/html"),
        fits("complete garbage"),
        fits(records(1)[0][:50]),
        fits("{}"),
        fits("3"),
        fits("null"),
        fits(json.dumps({"summary": "short"})),
        fits(json.dumps({"id": ["not", "a", "record"]})),
        fits(""),
        fits(),
        fits(summary(0, {"code": "internal", "message": "oops"})),
    ],
    ids=lambda answer: repr(answer.data[:20]),
)
def test_an_answer_that_cannot_be_used_is_a_lost_task(stand_in, open_http, answer):
    stand_in.expect_request("/v1/fit").respond_with_response(answer)
    with pytest.raises(TaskLost, match=r"127\.0\.0\.1|localhost"):
        submit(open_http(url_of(stand_in)), task(3)).result(60)


def test_a_lost_worker_is_called_by_its_name(stand_in, open_http):
    reply = wire.Reply(task="", error=wire.Failure(code="worker_died", message="it ran out of memory"))
    stand_in.expect_request("/v1/fit").respond_with_data(reply.to_bytes(), 500, content_type="application/json")
    with pytest.raises(WorkerDied, match="out of memory"):
        submit(open_http(url_of(stand_in)), task(3)).result(60)


@pytest.mark.parametrize("end", ["", '{"schema": "1", "pal', "garbage"])
def test_records_before_a_break_are_kept(stand_in, open_http, end):
    lines = records(3)
    stand_in.expect_request("/v1/fit").respond_with_response(fits(lines[2], lines[0], end))
    reply = wire.Reply.from_bytes(submit(open_http(url_of(stand_in)), task(3)).result(60))
    assert [result.id for result in reply.results] == [task(3).points[0].id, task(3).points[2].id]


def test_records_of_other_points_are_dropped(stand_in, open_http):
    stand_in.expect_request("/v1/fit").respond_with_response(fits(*records(5), summary(5)))
    reply = wire.Reply.from_bytes(submit(open_http(url_of(stand_in)), task(2)).result(60))
    assert [result.id for result in reply.results] == [point.id for point in task(2).points]


def test_a_busy_endpoint_is_asked_again_when_it_says(stand_in, open_http):
    stand_in.expect_oneshot_request("/v1/fit").respond_with_data("", 503)
    stand_in.expect_oneshot_request("/v1/fit").respond_with_data("", 429, {"retry-after": "1"})
    stand_in.expect_oneshot_request("/v1/fit").respond_with_response(fits(*records(2), summary(2)))
    began = time.monotonic()
    reply = wire.Reply.from_bytes(submit(open_http(url_of(stand_in)), task(2)).result(60))
    assert len(reply.results) == 2
    assert time.monotonic() - began >= 1.0


def test_an_endpoint_that_stays_busy_loses_the_task_but_is_not_down(stand_in, open_http):
    stand_in.expect_request("/v1/fit").respond_with_data("", 503)
    with pytest.raises(TaskLost, match="busy"):
        submit(open_http(url_of(stand_in), patience=1), task(2)).result(60)


def test_one_that_drops_its_background_gets_it_with_the_task(stand_in, open_http):
    seen = []

    def answer(request):
        seen.append(json.loads(gzip.decompress(request.data))["background"]["content"])
        if seen[-1] is None:
            needed = wire.Reply(task="", error=wire.Failure(code="background_needed", message="another replica"))
            return Response(needed.to_bytes(), 409, content_type="application/json")
        return fits(*records(1), summary(1))

    stand_in.expect_request("/v1/fit").respond_with_handler(answer)
    reply = wire.Reply.from_bytes(submit(open_http(url_of(stand_in)), task(1)).result(60))
    assert len(reply.results) == 1
    assert seen == [None, task(1).background.content]


# Several endpoints, and the end.


@pytest.mark.heavy
def test_when_one_of_two_is_killed_the_other_does_its_work(open_http):
    with EndpointServer("--workers", "1", "--batch", "1") as mortal, EndpointServer("--workers", "1") as survivor:
        pool = open_http(mortal.url, survivor.url)
        assert pool.slots == 2
        futures = [submit(pool, task(300, first=300 * index, name=f"t{index}")) for index in range(4)]
        time.sleep(0.3)
        mortal.kill()
        replies = [wire.Reply.from_bytes(future.result(120)) for future in futures]
    # A task that was being answered is cut off where the endpoint died; the campaign sends its other points again.
    assert all(reply.results for reply in replies)
    assert sum(len(reply.results) == 300 for reply in replies) >= 2


@pytest.mark.heavy
def test_when_none_is_left_the_pool_is_down(open_http):
    with EndpointServer("--workers", "1") as only:
        pool = open_http(only.url)
        submit(pool, task(1)).result(60)
    with pytest.raises(ExecutorError, match="no HTTP endpoint is left"):
        submit(pool, task(1)).result(60)


@pytest.mark.heavy
def test_an_endpoint_that_comes_later_joins_in(open_http):
    port = free_port()
    with EndpointServer("--workers", "1") as first:
        pool = open_http(first.url, f"http://127.0.0.1:{port}")
        with EndpointServer("--workers", "1", port=port):
            first.kill()
            assert wire.Reply.from_bytes(submit(pool, task(2)).result(60)).error is None


def test_closing_ends_tasks_that_wait_and_tasks_that_are_answered(stand_in):
    hang = threading.Event()

    def slow(_request):
        def lines():
            yield records(1)[0] + "\n"
            hang.wait(30)

        return Response(lines(), content_type="application/x-ndjson")

    stand_in.expect_oneshot_request("/v1/fit").respond_with_handler(slow)
    stand_in.expect_request("/v1/fit").respond_with_data("", 429, {"retry-after": "60"})
    pool = open_pool({"urls": [url_of(stand_in)]})
    futures = [submit(pool, task(2, name=f"t{index}")) for index in range(2)]
    time.sleep(0.5)
    began = time.monotonic()
    pool.close()
    wait(futures, 10)
    hang.set()
    assert all(future.done() for future in futures)
    assert time.monotonic() - began < 5
