"""Endpoints to talk to: one that most tests share, and one made as a test wants it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from endpoint_server import EndpointServer


@pytest.fixture(scope="package")
def endpoint() -> Iterator[EndpointServer]:
    """An endpoint with two workers, small batches and no token."""
    with EndpointServer("--workers", "2", "--batch", "4") as server:
        yield server


@pytest.fixture
def serve() -> Iterator[Callable[..., EndpointServer]]:
    """Start an endpoint with these options, for this test alone."""
    servers: list[EndpointServer] = []

    def start(*options: str, env: dict[str, str] | None = None) -> EndpointServer:
        servers.append(EndpointServer(*options, env=env).start())
        return servers[-1].wait_until_ready()

    yield start
    for server in servers:
        server.kill()
