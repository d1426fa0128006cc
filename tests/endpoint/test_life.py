"""An endpoint's life: warm before ready, workers that die, a graceful end, and no process left behind."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from endpoint_server import EndpointServer, task
from fitloom_core import wire

pytestmark = pytest.mark.heavy

JSON = {"content-type": "application/json"}


def fit(server, points=3, first=0, **headers):
    body = task(points, first=first).to_bytes()
    return requests.post(f"{server.url}/v1/fit", data=body, headers={**JSON, **headers}, timeout=120)


def eventually(condition, patience=60.0):
    deadline = time.monotonic() + patience
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def is_gone(pid):
    status = Path(f"/proc/{pid}/status")
    return not status.exists() or "State:\tZ" in status.read_text()


def status_of(server, path):
    try:
        return requests.get(server.url + path, timeout=5).status_code
    except requests.ConnectionError:
        return None


def test_it_is_alive_before_it_is_ready_and_refuses_until_then():
    cold = EndpointServer("--workers", "1").start()
    try:
        assert eventually(lambda: status_of(cold, "/healthz") == 200)
        if status_of(cold, "/readyz") == 503:
            assert fit(cold).status_code in (200, 503)
        assert cold.wait_until_ready()
        assert fit(cold).status_code == 200
    finally:
        cold.kill()


def test_a_worker_that_is_killed_idle_is_replaced_and_no_task_is_lost(serve):
    server = serve("--workers", "1")
    (before,) = server.workers()
    os.kill(before, signal.SIGKILL)
    assert eventually(lambda: fit(server).status_code == 200)
    assert server.workers() != [before]


def test_a_worker_that_is_killed_at_work_costs_its_task_only(serve):
    server = serve("--workers", "1", "--batch", "1")
    with ThreadPoolExecutor(1) as pool:
        lost = pool.submit(fit, server, 3000)
        time.sleep(1.0)
        os.kill(server.workers()[0], signal.SIGKILL)
        answer = lost.result()
    assert answer.status_code == 500
    assert wire.Reply.from_bytes(answer.content).error.code == "worker_died"
    assert server.wait_until_ready()
    assert fit(server).status_code == 200


def test_a_stream_whose_worker_is_killed_keeps_what_was_done_and_says_what_happened(serve):
    server = serve("--workers", "1", "--batch", "1")
    with ThreadPoolExecutor(1) as pool:
        cut = pool.submit(fit, server, 3000, accept="application/x-ndjson")
        time.sleep(1.0)
        os.kill(server.workers()[0], signal.SIGKILL)
        *records, summary = cut.result().text.splitlines()
    assert len(records) > 10
    assert '"code":"worker_died"' in summary


def test_on_sigterm_running_tasks_are_finished_and_new_ones_sent_elsewhere(serve):
    server = serve("--workers", "1", "--batch", "1")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(fit, server, 3000)
        time.sleep(1.0)
        server.terminate()
        assert eventually(lambda: status_of(server, "/readyz") == 503, 5)
        assert status_of(server, "/healthz") == 200
        refused = fit(server)
        assert refused.status_code == 503
        assert wire.Reply.from_bytes(refused.content).error.code == "draining"
        assert "retry-after" in refused.headers
        answer = running.result()
    assert len(wire.Reply.from_bytes(answer.content).results) == 3000
    assert server.process.wait(20) in (0, -signal.SIGTERM)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_its_server(serve, how):
    server = serve("--workers", "2")
    assert eventually(lambda: len(server.workers()) == 2)
    pids = server.workers()
    server.process.send_signal(how)
    server.process.wait(30)
    assert eventually(lambda: all(is_gone(pid) for pid in pids), 20)


def test_a_worker_that_has_grown_too_large_is_replaced_after_its_task(serve):
    server = serve("--workers", "1", "--worker-memory", "1")
    assert fit(server).status_code == 200
    page = requests.get(f"{server.url}/metrics", timeout=5).text
    assert 'fitloom_workers_replaced_total{reason="memory"} 1.0' in page
    assert server.wait_until_ready()
