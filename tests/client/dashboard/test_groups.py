"""Who may see the page and who may act: the real server and globus-sdk, a stand-in of Globus Auth and Groups."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from globus_sdk.gare import to_gare
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fitloom.auth import Server, find_server
from fitloom.dashboard.gate import TOKEN_HEADER
from fitloom.dashboard.group_gate import open_gate
from fitloom.dashboard.serve import Served, Settings, serving
from fitloom_core.errors import InputError
from globus_auth import FITTERS, READERS, SCOPE, SERVER, SERVER_SECRET, GlobusAuth, Someone
from written_campaigns import driving, finished, fitted, grid

POINTS = grid(3, 3)
DATA = ("session", "campaigns", "overlays", "campaigns/0/snapshot", "campaigns/0/events", "campaigns/0/contour.json")
pytestmark = pytest.mark.network


@pytest.fixture
def globus() -> Iterator[GlobusAuth]:
    with GlobusAuth() as stand_in:
        stand_in.people = {
            "reader": Someone("reader@example.org", {READERS: ("member", "active")}),
            "fitter": Someone("fitter@example.org", {FITTERS: ("member", "active")}),
            "stranger": Someone("stranger@example.org"),
        }
        yield stand_in


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return finished(tmp_path / "run", POINTS, [*map(fitted, POINTS)])


@pytest.fixture
def served(globus: GlobusAuth, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """The page of a campaign that the two groups may see, and one of them change."""
    monkeypatch.setenv("FITLOOM_GATE_CLIENT_ID", SERVER)
    monkeypatch.setenv("FITLOOM_GATE_CLIENT_SECRET", SERVER_SECRET)
    with serving([folder], Settings(port=0, gate=open_gate([READERS, f"{FITTERS}:fit"]))) as page:
        yield page


@pytest.fixture
def web() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


def log_in(web: requests.Session, served: Served, globus: GlobusAuth, who: str) -> requests.Response:
    globus.logged_in = who
    return web.get(served.url + "login", timeout=10)


def get(web: requests.Session, served: Served, name: str, **headers: str) -> requests.Response:
    with web.get(f"{served.url}api/{name}", headers=headers, timeout=10, stream=True) as answer:
        if "event-stream" not in answer.headers.get("Content-Type", ""):
            answer.content  # noqa: B018 - read it
        return answer


def cookie_of(answer: requests.Response, name: str) -> SimpleCookie:
    found = SimpleCookie()
    for line in answer.raw.headers.getlist("Set-Cookie"):
        if line.startswith(name):
            found.load(line)
    return found


# Before a login.


def test_the_address_has_no_key_in_it(served: Served) -> None:
    assert "#" not in served.url


@pytest.mark.parametrize("name", DATA)
def test_nothing_is_seen_without_a_login(served: Served, web: requests.Session, name: str) -> None:
    answer = get(web, served, name)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == f'Bearer scope="{SCOPE}"'


def test_the_page_itself_holds_nothing_and_opens(served: Served, web: requests.Session) -> None:
    assert web.get(served.url, timeout=10).status_code == 200
    assert web.get(served.url + "static/app.js", timeout=10).status_code == 200


def test_the_command_line_learns_from_the_refusal_what_to_log_in_for(served: Served) -> None:
    assert find_server(served.url) == Server(SERVER, SCOPE)


# Logging in.


def test_a_member_logs_in_and_sees(served: Served, globus: GlobusAuth, web: requests.Session) -> None:
    landed = log_in(web, served, globus, "reader")
    assert landed.url == served.url
    session = get(web, served, "session").json()
    assert (session["name"], session["may_act"], session["login"]) == ("reader@example.org", False, "login")
    assert all(get(web, served, name).status_code == 200 for name in DATA)


def test_the_login_goes_by_pkce_and_asks_for_no_more_than_name_and_groups(
    served: Served, web: requests.Session
) -> None:
    answer = web.get(served.url + "login", allow_redirects=False, timeout=10)
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert query["code_challenge_method"] == ["S256"]
    assert len(query["code_challenge"][0]) == 43
    assert query["scope"][0].split() == [
        "openid",
        "profile",
        "urn:globus:auth:scope:groups.api.globus.org:view_my_groups_and_memberships",
    ]
    assert query["redirect_uri"] == [served.url + "login/callback"]


def test_cookies_are_for_this_page_and_not_for_scripts(
    served: Served, globus: GlobusAuth, web: requests.Session
) -> None:
    landed = log_in(web, served, globus, "reader")
    begun, _, back = landed.history
    (login,) = cookie_of(begun, "fitloom_login").values()
    (session,) = cookie_of(back, "fitloom_session").values()
    assert login["httponly"]
    assert session["httponly"]
    assert (login["samesite"], session["samesite"]) == ("lax", "strict")
    assert int(login["max-age"]) == 600


def test_over_https_cookies_never_travel_in_the_clear(served: Served, web: requests.Session) -> None:
    proxied = {"X-Forwarded-Proto": "https"}
    answer = web.get(served.url + "login", headers=proxied, allow_redirects=False, timeout=10)
    (login,) = cookie_of(answer, "fitloom_login").values()
    assert login["secure"]
    assert parse_qs(urlsplit(answer.headers["Location"]).query)["redirect_uri"][0].startswith("https://")


def test_no_token_reaches_the_browser(served: Served, globus: GlobusAuth, web: requests.Session) -> None:
    landed = log_in(web, served, globus, "fitter")
    seen = "".join(str(answer.headers) + answer.text for answer in [*landed.history, landed])
    seen += get(web, served, "session").text
    assert not any(token in seen for token in globus.tokens)
    assert SERVER_SECRET not in seen


def test_a_stranger_is_told_so_and_gets_no_session(served: Served, globus: GlobusAuth, web: requests.Session) -> None:
    landed = log_in(web, served, globus, "stranger")
    assert landed.status_code == 403
    assert "stranger@example.org is in none of the groups" in landed.text
    assert not any(name.startswith("fitloom_session") for name in web.cookies.keys())  # noqa: SIM118
    assert not any(issued.active for issued in globus.tokens.values())


def test_a_hostile_name_stays_text(served: Served, globus: GlobusAuth, web: requests.Session) -> None:
    globus.people["stranger"].username = "<script>alert(1)</script>"
    assert "<script>" not in log_in(web, served, globus, "stranger").text


def test_who_shows_no_groups_cannot_enter(served: Served, globus: GlobusAuth, web: requests.Session) -> None:
    globus.people["reader"].consents = False
    landed = log_in(web, served, globus, "reader")
    assert landed.status_code == 403
    assert "log in again and agree" in landed.text


def test_a_denied_login_says_so(served: Served, web: requests.Session) -> None:
    begun = web.get(served.url + "login", allow_redirects=False, timeout=10)
    state = parse_qs(urlsplit(begun.headers["Location"]).query)["state"][0]
    back = {"error": "<b>access_denied", "state": state}
    answer = web.get(f"{served.url}login/callback?{urlencode(back)}", timeout=10)
    assert answer.status_code == 403
    assert "did not log you in (&lt;b&gt;access_denied)" in answer.text


def test_a_login_that_this_browser_did_not_begin_is_refused(
    served: Served, globus: GlobusAuth, web: requests.Session
) -> None:
    with requests.Session() as attacker:
        begun = attacker.get(served.url + "login", allow_redirects=False, timeout=10)
    back = globus.visit(begun.headers["Location"], "fitter")
    assert web.get(back, timeout=10).status_code == 400
    web.get(served.url + "login", allow_redirects=False, timeout=10)
    assert web.get(back, timeout=10).status_code == 400


def test_a_code_without_its_verifier_is_worth_nothing(
    served: Served, globus: GlobusAuth, web: requests.Session
) -> None:
    begun = web.get(served.url + "login", allow_redirects=False, timeout=10)
    back = globus.visit(begun.headers["Location"], "fitter")
    globus.codes[parse_qs(urlsplit(back).query)["code"][0]]["code_challenge"] = "another"
    answer = web.get(back, timeout=10)
    assert answer.status_code == 401
    assert "the login failed at Globus" in answer.text


def test_a_code_counts_once(served: Served, globus: GlobusAuth, web: requests.Session) -> None:
    begun = web.get(served.url + "login", allow_redirects=False, timeout=10)
    back = globus.visit(begun.headers["Location"], "reader")
    cookies = dict(web.cookies)
    assert web.get(back, timeout=10).status_code == 200
    assert requests.get(back, cookies=cookies, timeout=10).status_code == 401


def test_when_globus_is_down_the_login_says_later(served: Served, globus: GlobusAuth, web: requests.Session) -> None:
    begun = web.get(served.url + "login", allow_redirects=False, timeout=10)
    back = globus.visit(begun.headers["Location"], "reader")
    globus.down = -1
    assert web.get(back, timeout=30).status_code == 503


# With a session.


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_fuzzed_cookie_is_nobody(served: Served, globus: GlobusAuth, data: st.DataObject) -> None:
    with requests.Session() as web:
        log_in(web, served, globus, "reader")
        name, value = next((name, value) for name, value in web.cookies.items() if "session" in name)
    position = data.draw(st.integers(0, len(value) - 1))
    kind = data.draw(st.sampled_from(["flip", "cut", "grow", "invent"]))
    letter = data.draw(st.sampled_from("abcXYZ012-_."))
    fuzzed = {
        "flip": value[:position] + letter + value[position + 1 :],
        "cut": value[:position],
        "grow": value + letter,
        "invent": data.draw(st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=300)),
    }[kind]
    answer = requests.get(f"{served.url}api/session", cookies={name: fuzzed}, timeout=10)
    assert answer.status_code == (200 if fuzzed == value else 401)


def test_a_session_of_another_page_is_nobody_here(
    served: Served, globus: GlobusAuth, folder: Path, web: requests.Session
) -> None:
    with serving([folder], Settings(port=0, gate=open_gate([READERS]))) as other:
        log_in(web, other, globus, "reader")
        assert get(web, other, "session").status_code == 200
        assert get(web, served, "session").status_code == 401


def test_a_member_who_leaves_is_out_after_a_minute(
    served: Served, globus: GlobusAuth, web: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fitloom_core.access.REMEMBER_SECONDS", 0.0)
    log_in(web, served, globus, "reader")
    assert get(web, served, "session").status_code == 200
    globus.people["reader"].groups.clear()
    answer = get(web, served, "session")
    assert (answer.status_code, answer.json()["code"]) == (403, "not_a_member")


def test_a_session_ends_with_its_token(served: Served, globus: GlobusAuth, web: requests.Session) -> None:
    globus.token_seconds = 1
    log_in(web, served, globus, "reader")
    import time

    time.sleep(1.2)
    assert get(web, served, "session").status_code == 401


def test_when_globus_goes_down_a_session_is_answered_later_not_let_in(
    served: Served, globus: GlobusAuth, web: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fitloom_core.access.REMEMBER_SECONDS", 0.0)
    log_in(web, served, globus, "reader")
    globus.down = -1
    answer = get(web, served, "session")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")


def test_logout_ends_the_session_and_the_token(served: Served, globus: GlobusAuth, web: requests.Session) -> None:
    log_in(web, served, globus, "reader")
    kept = dict(web.cookies)
    assert "logged out" in web.get(served.url + "logout", timeout=10).text
    assert get(web, served, "session").status_code == 401
    assert requests.get(f"{served.url}api/session", cookies=kept, timeout=10).status_code == 401
    assert not any(issued.active for issued in globus.tokens.values())


def test_every_login_has_a_number_of_its_own(served: Served, globus: GlobusAuth) -> None:
    values = set()
    for _ in range(3):
        with requests.Session() as web:
            log_in(web, served, globus, "reader")
            values |= {value for name, value in web.cookies.items() if "session" in name}
    assert len(values) == 3


# Acting.


def stop(web: requests.Session, served: Served, **headers: str) -> requests.Response:
    document = {"action": "stop", "points": []}
    return web.post(f"{served.url}api/campaigns/0/requests", json=document, headers=headers, timeout=10)


def test_a_viewer_may_not_act(
    served: Served,
    globus: GlobusAuth,
    folder: Path,
    web: requests.Session,
    caplog: pytest.LogCaptureFixture,
) -> None:
    log_in(web, served, globus, "reader")
    token = get(web, served, "session").json()["token"]
    caplog.set_level(logging.INFO, "fitloom.audit")
    with driving(folder, POINTS):
        assert stop(web, served, **{TOKEN_HEADER: token}).status_code == 403
    assert json.loads(caplog.records[-1].getMessage())["reason"] == "may_not_fit"
    assert not list(folder.glob("requests/*.json"))


def test_a_fitter_acts_under_their_name(
    served: Served, globus: GlobusAuth, folder: Path, web: requests.Session
) -> None:
    log_in(web, served, globus, "fitter")
    token = get(web, served, "session").json()["token"]
    with driving(folder, POINTS):
        assert stop(web, served, **{TOKEN_HEADER: token}).ok
        (wish,) = folder.glob("requests/*.json")
        assert json.loads(wish.read_text())["by"] == "fitter@example.org"


@pytest.mark.parametrize("header", [{}, {TOKEN_HEADER: "guess"}])
def test_a_forged_request_with_the_cookie_alone_is_refused(
    served: Served, globus: GlobusAuth, folder: Path, web: requests.Session, header: dict[str, str]
) -> None:
    log_in(web, served, globus, "fitter")
    with driving(folder, POINTS):
        assert stop(web, served, **header).status_code == 403


# Programs.


def test_a_program_sees_with_its_token(served: Served, globus: GlobusAuth, web: requests.Session) -> None:
    bearer = {"Authorization": f"Bearer {globus.issue('reader')}"}
    session = get(web, served, "session", **bearer).json()
    assert (session["name"], session["may_act"], session["token"]) == ("reader@example.org", False, None)


def test_a_program_acts_with_its_token_alone(
    served: Served, globus: GlobusAuth, folder: Path, web: requests.Session
) -> None:
    with driving(folder, POINTS):
        assert stop(web, served, Authorization=f"Bearer {globus.issue('fitter')}").ok
        assert stop(web, served, Authorization=f"Bearer {globus.issue('reader')}").status_code == 403


def test_a_bad_token_is_not_saved_by_a_good_cookie(served: Served, globus: GlobusAuth, web: requests.Session) -> None:
    log_in(web, served, globus, "fitter")
    assert get(web, served, "session", Authorization="Bearer made-up").status_code == 401


def test_a_missing_consent_is_an_answer_that_the_sdk_acts_on(
    served: Served, globus: GlobusAuth, web: requests.Session
) -> None:
    bearer = {"Authorization": f"Bearer {globus.issue('reader', scope='openid')}"}
    answer = get(web, served, "campaigns", **bearer)
    gare = to_gare(answer.json())
    assert answer.status_code == 403
    assert gare is not None
    assert gare.authorization_parameters.required_scopes == [SCOPE]


def test_decisions_are_written_down(
    served: Served, globus: GlobusAuth, web: requests.Session, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fitloom.audit")
    log_in(web, served, globus, "reader")
    get(web, served, "campaigns")
    with requests.Session() as nobody:
        get(nobody, served, "campaigns")
    lines = [json.loads(one.getMessage()) for one in caplog.records if one.name == "fitloom.audit"]
    assert ("allow", "/api/campaigns", "reader@example.org") in {
        (line["decision"], line["path"], line.get("name")) for line in lines
    }
    assert ("deny", "/api/campaigns", 401) in {(line["decision"], line["path"], line.get("status")) for line in lines}
    assert not any(token in caplog.text for token in globus.tokens)


def test_groups_without_a_client_of_the_server_s_own_are_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("FITLOOM_GATE_CLIENT_ID", raising=False)
    with pytest.raises(InputError, match="FITLOOM_GATE_CLIENT_ID"):
        open_gate([READERS])
