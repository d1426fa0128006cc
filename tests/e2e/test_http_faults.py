"""Campaigns of published points over HTTP endpoints that fail: every point once, and the numbers of a calm run."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import socket
import time
from collections import Counter

import pytest
import requests
from pytest_httpserver import HTTPServer
from werkzeug import Response

from endpoint_server import EndpointServer
from fitloom.driver import Driver
from fitloom.journal import open_journal
from fitloom.pallet import open_pallet
from fitloom.plan import make_plan
from fitloom.pools import PoolSource
from fitloom_core import wire

pytestmark = pytest.mark.heavy

BATCH = 4
FAULTY_CALLS = {1, 2, 5, 7, 8, 9}
PATIENCE = 5.0
HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "content-encoding", "date", "server"}


@pytest.fixture(scope="module")
def plan(shared_data):
    """Some forty points of a published search."""
    pallet = open_pallet(shared_data / "sbottom-RegionA.tar.gz", points="sbottom_1[0-3]*_60")
    return make_plan(pallet, wire.FitOptions())


@pytest.fixture(scope="module")
def endpoint():
    """A real endpoint."""
    with EndpointServer("--workers", "1") as server:
        yield server


def run_campaign(plan, folder, *sources, when=None):
    """Run a campaign to its end, and do something when so many results are there; every record of its journal."""
    with open_journal(folder, plan.document()) as journal:
        for count, _ in enumerate(Driver(plan, sources, journal, batch=BATCH).results(), start=1):
            if when is not None and count in when:
                when[count]()
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def calm(plan, endpoint, tmp_path_factory):
    """The same campaign where nothing goes wrong."""
    records = run_campaign(plan, tmp_path_factory.mktemp("calm"), http(endpoint.url))
    assert len(records) == len(plan.by_id) > 30
    return {record["id"]: record for record in records}


def http(*urls, **settings):
    return PoolSource("http", {"urls": list(urls), **settings})


def assert_as_calm(records, calm):
    assert Counter(record["id"] for record in records) == Counter(calm.keys())
    for record in records:
        expected = calm[record["id"]]
        assert record["status"] == expected["status"] == "converged"
        assert record["cls_obs"] == pytest.approx(expected["cls_obs"], abs=1e-9)
        assert record["cls_exp"] == pytest.approx(expected["cls_exp"], abs=1e-9)


class FaultyFront:
    """Stands before a real endpoint, and on some calls to fit answers as told instead of passing the answer on."""

    def __init__(self, endpoint, fault):
        self._endpoint = endpoint
        self._fault = fault
        self._calls = itertools.count(1)
        self.faults = 0
        self._server = HTTPServer(threaded=True)
        self._server.expect_request("/v1/fit").respond_with_handler(self._fit)
        self._server.expect_request("/").respond_with_handler(self._pass_on)
        self._server.expect_request("/healthz").respond_with_handler(self._pass_on)
        self._server.expect_request("/v1/version").respond_with_handler(self._pass_on)
        self._server.expect_request(re.compile("^/v1/backgrounds/.*")).respond_with_handler(self._pass_on)

    def __enter__(self):
        self._server.start()
        self.url = self._server.url_for("").rstrip("/")
        return self

    def __exit__(self, *_exception):
        self._server.stop()

    def _fit(self, request):
        answer = self._pass_on(request)
        if next(self._calls) not in FAULTY_CALLS:
            return answer
        self.faults += 1
        return self._fault(request, answer)

    def _pass_on(self, request):
        headers = {name: value for name, value in request.headers if name.lower() != "host"}
        answer = requests.request(
            request.method, self._endpoint.url + request.path, data=request.data, headers=headers, timeout=120
        )
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}
        return Response(answer.content, answer.status_code, kept)


def internal_error(_request, _answer):
    return Response("Internal Server Error", 500)


def unavailable(_request, _answer):
    return Response("no healthy upstream", 503, {"retry-after": "1"})


def garbage(_request, _answer):
    return Response("\x00\x01 this is no JSON {", 200, content_type="application/x-ndjson")


def half_a_line(_request, answer):
    return Response(answer.data[: answer.data.index(b"\n") * 3 // 2], 200, content_type="application/x-ndjson")


def no_summary(_request, answer):
    return Response(b"".join(answer.data.splitlines(keepends=True)[:2]), 200, content_type="application/x-ndjson")


def nothing(request, _answer):
    request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    return Response("")


def too_late(_request, answer):
    time.sleep(2 * PATIENCE)
    return answer


FAULTS = [internal_error, unavailable, garbage, half_a_line, no_summary, nothing, too_late]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_campaign_survives_an_endpoint_that_answers(fault, plan, endpoint, calm, tmp_path):
    with FaultyFront(endpoint, fault) as front:
        records = run_campaign(plan, tmp_path / "campaign", http(front.url, timeout=PATIENCE))
    assert front.faults == len(FAULTY_CALLS)
    assert_as_calm(records, calm)


def test_an_endpoint_that_only_fails_beside_one_that_works(plan, endpoint, calm, tmp_path, monkeypatch):
    monkeypatch.setattr(f"{__name__}.FAULTY_CALLS", range(10**9))
    with FaultyFront(endpoint, internal_error) as front:
        sources = [http(front.url, name="broken"), http(endpoint.url, name="sound")]
        records = run_campaign(plan, tmp_path / "campaign", *sources)
    assert_as_calm(records, calm)


@pytest.mark.parametrize("pools", [1, 2], ids=["in-one-pool", "in-two-pools"])
def test_when_one_of_two_endpoints_is_killed_the_campaign_goes_on(pools, plan, endpoint, calm, tmp_path):
    with EndpointServer("--workers", "1", "--batch", "1") as mortal:
        urls = [mortal.url, endpoint.url]
        sources = [http(*urls)] if pools == 1 else [http(url, name=f"pool-{index}") for index, url in enumerate(urls)]
        records = run_campaign(plan, tmp_path / "campaign", *sources, when={6: mortal.kill})
    assert_as_calm(records, calm)


def test_an_endpoint_that_is_restarted_is_found_again(plan, calm, tmp_path):
    with EndpointServer("--workers", "1", "--batch", "1") as first:
        second = EndpointServer("--workers", "1", port=first.port)

        def restart():
            first.kill()
            second.start()

        try:
            records = run_campaign(plan, tmp_path / "campaign", http(first.url), when={6: restart})
        finally:
            second.kill()
    assert second.process is not None
    assert_as_calm(records, calm)


def test_workers_killed_in_the_middle_of_tasks_cost_no_point(plan, calm, tmp_path):
    with EndpointServer("--workers", "2", "--batch", "1") as server:

        def kill_one():
            os.kill(server.workers()[0], signal.SIGKILL)

        records = run_campaign(
            plan, tmp_path / "campaign", http(server.url), when={4: kill_one, 12: kill_one, 20: kill_one}
        )
    assert_as_calm(records, calm)
