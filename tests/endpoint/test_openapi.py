"""Every route of the OpenAPI document, fuzzed: answers are among those it promises, whatever is sent."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import load_all_checks  # noqa: F401

pytestmark = pytest.mark.heavy


@pytest.fixture
def schema(endpoint):
    """The document as the running endpoint serves it."""
    return schemathesis.openapi.from_url(f"{endpoint.url}/openapi.json")


lazy = schemathesis.pytest.from_fixture("schema")


@lazy.parametrize()
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_the_document_promises(case, endpoint):
    case.call_and_validate(base_url=endpoint.url, timeout=60)
