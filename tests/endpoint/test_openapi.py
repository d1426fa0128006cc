"""Every route of the OpenAPI document, fuzzed: answers are among those it promises, whatever is sent."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from fitloom_endpoint.http import create_app
from fitloom_endpoint.settings import Settings

pytestmark = pytest.mark.heavy

DOCUMENT = create_app(Settings()).openapi()
schema = schemathesis.openapi.from_dict(DOCUMENT)


@schema.parametrize()
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_the_document_promises(case, endpoint):
    # A body that fits the schema may still be refused: no schema says which text is a digest or a packed workspace.
    case.call_and_validate(base_url=endpoint.url, timeout=60, excluded_checks=[positive_data_acceptance])


def test_every_route_is_documented():
    assert set(DOCUMENT["paths"]) == {
        "/",
        "/healthz",
        "/metrics",
        "/readyz",
        "/v1/backgrounds/{digest}",
        "/v1/fit",
        "/v1/version",
    }


def test_with_a_token_the_document_says_so():
    guarded = create_app(Settings(token="a-token-nobody-guesses")).openapi()
    assert guarded["components"]["securitySchemes"] == {"token": {"type": "http", "scheme": "bearer"}}
    assert guarded["paths"]["/healthz"]["get"]["security"] == []
