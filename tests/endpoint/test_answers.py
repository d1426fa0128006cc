"""Streams whose client does not read."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager

import pytest

from fitloom_endpoint.answers import Stream


def test_a_client_that_takes_nothing_loses_its_place():
    given_back = []

    async def lines():
        yield b"{}\n"

    async def receive():
        await asyncio.Event().wait()

    async def send_to_nobody(_message):
        await asyncio.Event().wait()

    @contextmanager
    def occupied():
        try:
            yield
        finally:
            given_back.append("yes")

    stream = Stream(lines(), occupied(), patience=0.05)
    with pytest.raises((TimeoutError, ExceptionGroup)):
        asyncio.run(stream({"type": "http", "asgi": {"spec_version": "2.3"}}, receive, send_to_nobody))
    assert given_back == ["yes"]
