"""An endpoint for members of Globus groups: the real globus-sdk on both sides, and a stand-in of Globus."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from globus_sdk.gare import to_gare

from endpoint_server import EndpointServer, task
from fitloom.executors.http import open_pool
from fitloom_core import entry, wire
from fitloom_core.errors import ExecutorError, InputError
from fitloom_endpoint.settings import Settings
from globus_auth import FITTERS, READERS, SCOPE, SERVER, SERVER_SECRET, SERVICE, SERVICE_SECRET, GlobusAuth, Someone

pytestmark = pytest.mark.network

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def globus() -> Iterator[GlobusAuth]:
    with GlobusAuth() as stand_in:
        stand_in.people = {
            "fitter": Someone("fitter@example.org", {FITTERS: ("member", "active")}),
            "reader": Someone("reader@example.org", {READERS: ("member", "active")}),
            "stranger": Someone("stranger@example.org"),
            SERVICE: Someone("service", {FITTERS: ("member", "active")}, identity=SERVICE),
        }
        yield stand_in


@pytest.fixture(scope="module")
def guarded(globus) -> Iterator[EndpointServer]:
    """An endpoint that lets two groups in, and has a token beside."""
    env = {
        "FITLOOM_GATE_CLIENT_ID": SERVER,
        "FITLOOM_GATE_CLIENT_SECRET": SERVER_SECRET,
        "FITLOOM_TOKEN": "a-token-nobody-guesses",
    }
    groups = ("--group", FITTERS, "--group", f"{READERS}:view")
    with EndpointServer("--workers", "1", *groups, env=env) as server:
        yield server


def fit(server, token):
    headers = {**JSON, "authorization": f"Bearer {token}"}
    return requests.post(f"{server.url}/v1/fit", data=task(1).to_bytes(), headers=headers, timeout=60)


def look(server, token):
    return requests.get(f"{server.url}/v1/version", headers={"authorization": f"Bearer {token}"}, timeout=60)


def test_who_sends_nothing_is_told_what_is_wanted(guarded):
    answer = requests.get(f"{guarded.url}/v1/version", timeout=60)
    assert answer.status_code == 401
    assert f'scope="{SCOPE}"' in answer.headers["www-authenticate"]
    assert wire.Reply.from_bytes(answer.content).error is not None


@pytest.mark.parametrize(
    ("who", "looking", "fitting"), [("fitter", 200, 200), ("reader", 200, 403), ("stranger", 403, 403)]
)
def test_a_group_opens_what_it_is_for(guarded, globus, who, looking, fitting):
    token = globus.issue(who)
    assert look(guarded, token).status_code == looking
    assert fit(guarded, token).status_code == fitting


def test_the_endpoints_own_token_opens_all(guarded):
    assert fit(guarded, "a-token-nobody-guesses").status_code == 200


def test_a_token_made_up_opens_nothing(guarded):
    assert fit(guarded, "Ag" + 40 * "x").status_code == 401


def test_a_missing_consent_is_told_so_that_the_sdk_asks_for_it(guarded, globus):
    answer = fit(guarded, globus.issue("fitter", scope="openid"))
    gare = to_gare(answer.json())
    assert answer.status_code == 403
    assert gare.code == wire.Reply.from_bytes(answer.content).error.code == "ConsentRequired"
    assert gare.authorization_parameters.required_scopes == [SCOPE]


def test_probes_are_open(guarded):
    assert requests.get(f"{guarded.url}/readyz", timeout=5).status_code == 200


def test_the_executor_logs_in_by_itself(guarded, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FITLOOM_CLIENT_ID", SERVICE)
    monkeypatch.setenv("FITLOOM_CLIENT_SECRET", SERVICE_SECRET)
    monkeypatch.delenv("FITLOOM_TOKEN", raising=False)
    pool = open_pool({"urls": [guarded.url]})
    try:
        reply = wire.Reply.from_bytes(pool.executor.submit(entry.run, task(2).to_bytes()).result(60))
    finally:
        pool.close()
    assert [result.status for result in reply.results] == ["converged", "converged"]


def test_who_is_not_logged_in_is_told_how_to(guarded, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("FITLOOM_TOKEN", raising=False)
    monkeypatch.delenv("FITLOOM_CLIENT_ID", raising=False)
    with pytest.raises(InputError, match="FITLOOM_CLIENT_ID"):
        open_pool({"urls": [guarded.url]})
    monkeypatch.setenv("FITLOOM_CLIENT_ID", SERVICE)
    monkeypatch.setenv("FITLOOM_CLIENT_SECRET", "wrong")
    with pytest.raises(ExecutorError, match="Globus groups"):
        open_pool({"urls": [guarded.url]})


def test_groups_are_enough_to_listen_beyond_this_machine():
    assert Settings(host="0.0.0.0", groups=(FITTERS,)).check()


def test_a_group_that_is_none_ends_the_start(cli):
    said = cli("serve", "--group", "my-group", module="fitloom_endpoint")
    assert said.returncode == 2
    assert "no group's UUID" in said.stderr
