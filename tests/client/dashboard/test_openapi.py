"""Every route, fuzzed from its own description: no request makes the server stumble."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from fitloom.dashboard.app import create_app
from fitloom.dashboard.serve import Served, Settings, serving
from fitloom.dashboard.shield import Limits
from written_campaigns import finished, grid

pytestmark = [pytest.mark.network, pytest.mark.heavy]
UNLIMITED = Limits(per_second=1e6, burst=1e6, changes_per_second=1e6, changes_burst=1e6)
DOCUMENT = create_app([]).openapi()
schema = schemathesis.openapi.from_dict(DOCUMENT).exclude(path_regex="events$")  # a stream has no end


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A page without limits of rate."""
    folder = finished(tmp_path_factory.mktemp("fuzz") / "run", grid(6, 5))
    with serving([folder], Settings(port=0, limits=UNLIMITED)) as page:
        yield page


@schema.parametrize()
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_the_document_promises(case: Any, served: Served) -> None:
    # What fits the schema may still be refused: no schema knows which campaigns and labels there are.
    case.call_and_validate(base_url=served.plain_url, timeout=60, excluded_checks=[positive_data_acceptance])


def test_the_document_names_every_route() -> None:
    paths = set(DOCUMENT["paths"])
    assert {
        "/api/session",
        "/api/campaigns",
        "/api/overlays",
        "/api/overlay",
        "/api/campaigns/{n}/snapshot",
        "/api/campaigns/{n}/events",
        "/api/campaigns/{n}/contour.json",
        "/api/campaigns/{n}/figure.{form}",
        "/api/campaigns/{n}/results.jsonl",
        "/api/campaigns/{n}/results.csv",
        "/api/campaigns/{n}/report.html",
        "/api/campaigns/{n}/requests",
    } <= paths
