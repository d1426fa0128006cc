"""Every route of the page's server, fuzzed: answers are among those it promises, and strangers get only a 401."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance, unsupported_method

from fitloom.dashboard import api
from fitloom.dashboard.app import create_app
from fitloom.dashboard.group_gate import GroupGate
from fitloom.dashboard.shield import Limits
from fitloom_core.access import Keeper, parse_rules
from fitloom_core.globus_directory import GlobusDirectory
from globus_auth import FITTERS, SERVER, SERVER_SECRET, GlobusAuth, Someone
from written_campaigns import driving, failed, fitted, grid

pytestmark = [pytest.mark.network, pytest.mark.heavy]

POINTS = grid(3, 3)
UNLIMITED = Limits(
    per_second=1e6, burst=1e6, costly_per_second=1e6, costly_burst=1e6, changes_per_second=1e6, changes_burst=1e6
)
OPEN = {"/login", "/login/callback", "/logout"}
FUZZ = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def gate() -> GroupGate:
    directory = GlobusDirectory(SERVER, SERVER_SECRET, timeout=2)
    return GroupGate(Keeper(parse_rules([f"{FITTERS}:fit"]), directory), directory)


DOCUMENT = create_app([], gate=gate()).openapi()
schema = schemathesis.openapi.from_dict(DOCUMENT)


@dataclass(frozen=True)
class Page:
    """A running campaign's page behind a gate, and a token that opens it."""

    url: str
    token: str


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folder = tmp_path_factory.mktemp("page") / "run"
    with (
        pytest.MonkeyPatch.context() as patch,
        GlobusAuth() as globus,
        driving(folder, POINTS) as driver,
    ):
        patch.setattr(api, "GATED_STREAM_SECONDS", 0.05)  # event streams end, so that they can be read to their end
        driver.plan()
        driver.record(failed(POINTS[0]), *map(fitted, POINTS[1:]))
        globus.people["fitter"] = Someone("fitter@example.org", {FITTERS: ("member", "active")})
        app = create_app([folder], gate=gate(), limits=UNLIMITED)
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield Page(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", globus.issue("fitter"))
        app.state.board.close()
        server.should_exit = True
        thread.join(20)


@schema.parametrize()
@FUZZ
def test_every_answer_to_a_member_is_one_that_the_document_promises(case: schemathesis.Case, served: Page) -> None:
    headers = {"Authorization": f"Bearer {served.token}"}
    # A query that fits the schema may still name no point, no label and no campaign.
    case.call_and_validate(
        base_url=served.url,
        headers=headers,
        timeout=60,
        allow_redirects=False,
        excluded_checks=[positive_data_acceptance, unsupported_method],
    )


@schema.exclude(path=sorted(OPEN)).parametrize()
@FUZZ
def test_a_stranger_learns_nothing_whatever_is_asked(case: schemathesis.Case, served: Page) -> None:
    case.headers.pop("authorization", None)
    answer = case.call(base_url=served.url, timeout=60)
    # A body that cannot be read is refused before anybody is asked for.
    unreadable = b"json_invalid" in answer.content or b"error parsing the body" in answer.content
    assert answer.status_code in (401, 405) or unreadable, (answer.status_code, answer.text[:500])
    assert b"gluino" not in answer.content


def test_every_route_is_documented_or_holds_no_data() -> None:
    assert {path for path in DOCUMENT["paths"] if not path.startswith("/api/")} == OPEN
