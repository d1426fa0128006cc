"""What comes in over HTTP: bodies read within limits of size and time, and only of the types that are taken."""

from __future__ import annotations

import asyncio
import contextlib
import zlib

from fastapi import Request

from fitloom_core import wire
from fitloom_endpoint.service import Refused
from fitloom_endpoint.settings import Settings


def expect(request: Request, *media_types: str) -> None:
    """Let a request pass whose body is of one of these types.

    A browser sends only forms and plain text to a foreign address unasked, so this also keeps web pages out.

    Raises:
        Refused: another type, or none.
    """
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in media_types:
        raise Refused(415, "unsupported_type", f"a body of type {given or 'none'!r}: send {' or '.join(media_types)}")


async def read_task(raw: bytes) -> wire.FitTask:
    """Parse and check a task beside the event loop.

    Raises:
        InvalidTask: the bytes are no task, or of an unknown schema.
    """
    return await asyncio.to_thread(wire.FitTask.from_bytes, raw)


async def read_body(request: Request, settings: Settings) -> bytes:
    """A request's body, unpacked where it came with ``Content-Encoding: gzip``.

    Raises:
        Refused: too large, too slow, or of an encoding that is not known.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise Refused(415, "unsupported_encoding", f"a body in encoding {encoding!r}: send gzip, or none")
    try:
        async with asyncio.timeout(settings.body_seconds):
            raw = await _read(request, settings.body_limit)
    except TimeoutError:
        message = f"the body did not arrive within {settings.body_seconds:g} s: send fewer points a task"
        raise Refused(408, "too_slow", message) from None
    return await asyncio.to_thread(_gunzip, raw, settings.body_limit) if encoding == "gzip" else raw


async def discard_body(request: Request, settings: Settings) -> None:
    """Read a refused request's body and forget it: a client that is still sending would not see the answer."""
    length = 0
    with contextlib.suppress(Exception):
        async with asyncio.timeout(min(5.0, settings.body_seconds)):
            async for chunk in request.stream():
                length += len(chunk)
                if length > settings.body_limit:
                    return


async def _read(request: Request, limit: int) -> bytes:
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise _too_large(int(announced), limit)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise _too_large(len(body), limit)
    return bytes(body)


def _gunzip(raw: bytes, limit: int) -> bytes:
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        body = unpacker.decompress(raw, limit + 1)
    except zlib.error as error:
        raise Refused(400, "invalid_task", f"the body is not gzip, as its Content-Encoding says: {error}") from None
    if len(body) > limit:
        raise _too_large(len(body), limit)
    if not unpacker.eof:
        raise Refused(400, "invalid_task", "the gzip body ends in the middle: send it again")
    return body


def _too_large(size: int, limit: int) -> Refused:
    return Refused(
        413, "too_large", f"a body of {size} bytes or more is over the limit of {limit}: send fewer points a task"
    )
