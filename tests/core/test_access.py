"""Who gets in: the real globus-sdk against a stand-in of Globus Auth and Groups, every refusal."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from globus_sdk.gare import to_gare
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fitloom_core.access import AccessRefused, Keeper, Member, Role, Visit, open_keeper, parse_rules
from fitloom_core.errors import InputError
from fitloom_core.globus_directory import GlobusDirectory
from globus_auth import FITTERS, GROUPS_SCOPE, READERS, SCOPE, SERVER, SERVER_SECRET, GlobusAuth, Someone

pytestmark = pytest.mark.network

VISIT = Visit("GET", "/api/campaigns", "127.0.0.1")


@pytest.fixture
def globus() -> Iterator[GlobusAuth]:
    with GlobusAuth() as stand_in:
        stand_in.people = {
            "reader": Someone("reader@example.org", {READERS: ("member", "active")}),
            "fitter": Someone("fitter@example.org", {READERS: ("member", "active"), FITTERS: ("admin", "active")}),
            "stranger": Someone("stranger@example.org", {"33333333-aaaa-4bbb-8ccc-000000000003": ("admin", "active")}),
        }
        yield stand_in


class Clock:
    """Seconds that pass when a test says so, from now on."""

    def __init__(self) -> None:
        self.passed = 0.0

    def __call__(self) -> float:
        return time.time() + self.passed


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keeper(globus: GlobusAuth, clock: Clock) -> Keeper:
    return Keeper(parse_rules([READERS, f"{FITTERS}:fit"]), GlobusDirectory(SERVER, SERVER_SECRET), clock=clock)


Enter = Callable[..., Member]


@pytest.fixture
def enter(keeper: Keeper) -> Enter:
    def bearer(token: str, need: Role = "view") -> Member:
        return keeper.check_bearer(f"Bearer {token}", need, VISIT)

    return bearer


def refused(enter: Enter, token: str, need: Role = "view") -> AccessRefused:
    with pytest.raises(AccessRefused) as caught:
        enter(token, need)
    return caught.value


def test_a_member_may_see(globus: GlobusAuth, enter: Enter) -> None:
    member = enter(globus.issue("reader"))
    assert (member.name, member.may_fit) == ("reader@example.org", False)


def test_a_member_of_a_group_with_the_role_may_fit(globus: GlobusAuth, enter: Enter) -> None:
    assert enter(globus.issue("fitter"), "fit").may_fit


def test_a_viewer_may_not_fit(globus: GlobusAuth, enter: Enter) -> None:
    refusal = refused(enter, globus.issue("reader"), "fit")
    assert (refusal.status, refusal.reason) == (403, "may_not_fit")


def test_a_stranger_is_told_their_own_name(globus: GlobusAuth, enter: Enter) -> None:
    refusal = refused(enter, globus.issue("stranger"))
    assert (refusal.status, refusal.reason) == (403, "not_a_member")
    assert "stranger@example.org is in none of the groups" in refusal.message


@pytest.mark.parametrize("status", ["invited", "pending", "rejected", "removed", "left", "declined"])
def test_a_membership_that_is_not_active_does_not_count(globus: GlobusAuth, enter: Enter, status: str) -> None:
    globus.people["reader"].groups[READERS] = ("member", status)
    assert refused(enter, globus.issue("reader")).reason == "not_a_member"


def test_an_unknown_role_in_the_group_does_not_count(globus: GlobusAuth, enter: Enter) -> None:
    globus.people["reader"].groups[READERS] = ("observer", "active")
    assert refused(enter, globus.issue("reader")).reason == "not_a_member"


def test_a_membership_of_a_linked_identity_counts(globus: GlobusAuth, enter: Enter) -> None:
    globus.people["reader"].linked = ["44444444-aaaa-4bbb-8ccc-000000000004"]
    assert enter(globus.issue("reader")).name == "reader@example.org"


@pytest.mark.parametrize(
    "header", [None, "", "Basic abc", "Bearer", "Bearer ", "Bearer a b", "Bearer é", "bearer \x00"]
)
def test_what_is_no_bearer_token_is_refused_without_asking_globus(
    globus: GlobusAuth, keeper: Keeper, header: str | None
) -> None:
    with pytest.raises(AccessRefused) as caught:
        keeper.check_bearer(header, "view", VISIT)
    assert caught.value.status == 401
    assert caught.value.headers() == {"WWW-Authenticate": f'Bearer scope="{SCOPE}"'}
    assert not globus.seen


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(token=st.text(max_size=200) | st.from_regex(r"[A-Za-z0-9._~+/-]{1,100}", fullmatch=True))
def test_a_made_up_token_is_refused(keeper: Keeper, token: str) -> None:
    with pytest.raises(AccessRefused) as caught:
        keeper.check_bearer(f"Bearer {token}", "view", VISIT)
    assert caught.value.status == 401


def test_a_token_one_letter_off_is_refused(globus: GlobusAuth, enter: Enter) -> None:
    token = globus.issue("reader")
    enter(token)
    for position in (0, 20, len(token) - 1):
        other = token[:position] + ("x" if token[position] != "x" else "y") + token[position + 1 :]
        assert refused(enter, other).status == 401


def test_an_expired_token_is_refused(globus: GlobusAuth, enter: Enter) -> None:
    assert refused(enter, globus.issue("reader", seconds=-1)).status == 401


def test_a_revoked_token_is_refused(globus: GlobusAuth, enter: Enter) -> None:
    token = globus.issue("reader")
    globus.tokens[token].active = False
    assert refused(enter, token).reason == "bad_token"


def test_a_token_for_another_service_is_refused(globus: GlobusAuth, enter: Enter) -> None:
    refusal = refused(enter, globus.issue("reader", audience="transfer.api.globus.org"))
    assert (refusal.status, refusal.reason) == (401, "wrong_audience")


def test_a_token_without_our_scope_is_answered_so_that_the_sdk_can_ask_for_it(globus: GlobusAuth, enter: Enter) -> None:
    refusal = refused(enter, globus.issue("reader", scope="openid profile"))
    assert refusal.status == 403
    gare = to_gare(refusal.document())
    assert gare is not None
    assert gare.code == "ConsentRequired"
    assert gare.authorization_parameters.required_scopes == [SCOPE]


def test_a_scope_that_only_begins_like_ours_is_not_ours(globus: GlobusAuth, enter: Enter) -> None:
    assert refused(enter, globus.issue("reader", scope=f"{SCOPE}s")).reason == "ConsentRequired"


def test_who_did_not_agree_to_show_their_groups_is_asked_to(globus: GlobusAuth, enter: Enter) -> None:
    globus.people["reader"].consents = False
    refusal = refused(enter, globus.issue("reader"))
    gare = to_gare(refusal.document())
    assert refusal.status == 403
    assert gare is not None
    assert gare.authorization_parameters.required_scopes == [f"{SCOPE}[{GROUPS_SCOPE}]"]


def test_when_globus_is_down_nobody_gets_in(globus: GlobusAuth, enter: Enter) -> None:
    token = globus.issue("fitter")
    globus.down = -1
    refusal = refused(enter, token)
    assert (refusal.status, refusal.reason) == (503, "unavailable")
    assert refusal.headers() == {"Retry-After": "10"}
    globus.down = 0
    assert enter(token).may_fit


def test_one_hiccup_of_globus_is_not_noticed(globus: GlobusAuth, enter: Enter) -> None:
    token = globus.issue("reader")
    globus.down = 1
    assert enter(token)


def test_when_globus_cannot_be_reached_nobody_gets_in(
    globus: GlobusAuth, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOBUS_SDK_SERVICE_URL_AUTH", "http://127.0.0.1:9/")
    assert refused(enter, globus.issue("reader")).status == 503


def test_a_server_that_globus_does_not_know_says_so_in_its_log(
    globus: GlobusAuth, enter: Enter, caplog: pytest.LogCaptureFixture
) -> None:
    globus.refuse_us = True
    assert refused(enter, globus.issue("reader")).status == 503
    assert "Globus Auth refuses this server's client: 401" in caplog.text


def test_a_membership_is_believed_for_a_minute(globus: GlobusAuth, enter: Enter, clock: Clock) -> None:
    token = globus.issue("reader")
    enter(token)
    globus.people["reader"].groups.clear()
    clock.passed = 59
    assert enter(token)
    assert globus.seen["/v2/groups/my_groups"] == 1
    clock.passed = 61
    assert refused(enter, token).reason == "not_a_member"


def test_a_membership_is_never_believed_past_the_token_s_end(globus: GlobusAuth, enter: Enter, clock: Clock) -> None:
    token = globus.issue("reader", seconds=20)
    enter(token)
    globus.tokens[token].active = False
    clock.passed = 15
    assert enter(token)
    clock.passed = 21
    assert refused(enter, token).status == 401


@pytest.mark.parametrize("why", ["not_a_member", "ConsentRequired"])
def test_a_new_member_waits_ten_seconds_at_most(globus: GlobusAuth, enter: Enter, clock: Clock, why: str) -> None:
    token = globus.issue("stranger")
    globus.people["stranger"].consents = why != "ConsentRequired"
    assert refused(enter, token).reason == why
    globus.people["stranger"] = globus.people["reader"]
    assert refused(enter, token).reason == why
    clock.passed = 11
    assert enter(token)


def test_many_requests_at_once_ask_globus_once(globus: GlobusAuth, enter: Enter) -> None:
    token, members = globus.issue("reader"), list[Member]()
    threads = [threading.Thread(target=lambda: members.append(enter(token))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(members) == 20
    assert globus.seen["/v2/oauth2/token/introspect"] == 1


def test_every_decision_is_a_line_without_secrets(
    globus: GlobusAuth, enter: Enter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fitloom.audit")
    good, bad = globus.issue("fitter"), "made-up"
    enter(good, "fit")
    refused(enter, bad)
    allowed, denied = (json.loads(one.getMessage()) for one in caplog.records if one.name == "fitloom.audit")
    assert (allowed["decision"], allowed["name"], allowed["may_fit"]) == ("allow", "fitter@example.org", True)
    assert (denied["decision"], denied["status"], denied["reason"]) == ("deny", 401, "bad_token")
    assert allowed["path"] == "/api/campaigns"
    everything = "\n".join(one.getMessage() for one in caplog.records)
    assert good not in everything
    assert SERVER_SECRET not in everything
    assert not any(token in everything for token in globus.tokens)


def test_nothing_remembered_holds_a_token(globus: GlobusAuth, keeper: Keeper, enter: Enter) -> None:
    token = globus.issue("reader")
    enter(token)
    assert token not in repr(vars(keeper))


@pytest.mark.parametrize("text", ["readers", "1234", f"{READERS}:admin", f"{READERS}:fit:view", ""])
def test_a_group_that_cannot_be_read_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(InputError, match="--group"):
        parse_rules([text])


def test_a_plain_group_means_what_the_server_says() -> None:
    assert [rule.role for rule in parse_rules([READERS, f"{READERS}:fit", f"{READERS}:view"])] == [
        "view",
        "fit",
        "view",
    ]
    assert parse_rules([READERS], plain="fit")[0].role == "fit"


def test_groups_need_the_server_s_own_client() -> None:
    with pytest.raises(InputError, match="FITLOOM_GATE_CLIENT_ID and FITLOOM_GATE_CLIENT_SECRET"):
        open_keeper([READERS], {"FITLOOM_GATE_CLIENT_ID": SERVER})
    found = {"FITLOOM_GATE_CLIENT_ID": SERVER, "FITLOOM_GATE_CLIENT_SECRET": SERVER_SECRET}
    assert open_keeper([READERS], found).scope == SCOPE
