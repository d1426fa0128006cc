"""Streams whose client does not read."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

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
    scope = {"type": "http", "asgi": {"spec_version": "2.3"}}
    with ThreadPoolExecutor(1) as elsewhere:  # browser tests leave a loop running in this thread
        ended = elsewhere.submit(lambda: asyncio.run(stream(scope, receive, send_to_nobody))).exception()
    assert isinstance(ended, TimeoutError | ExceptionGroup)
    assert given_back == ["yes"]
