"""Tasks and replies as compressed text, for carriers that take only JSON: what crosses a Globus Compute endpoint.

An endpoint runs registered functions. Ours is three lines of plain source, the same for every release, so that it can
be the only one which an endpoint allows::

    def fitloom_run(task):
        from fitloom_core.envelope import answer

        return answer(task)

`answer` takes a sealed `wire.FitTask` and returns a sealed `wire.Reply`; to `HELLO` it says who it is. No JAX is
imported before a task arrives.
"""

from __future__ import annotations

import base64
import json
import os
import platform
import socket
import zlib
from importlib.metadata import PackageNotFoundError, version

from fitloom_core import wire
from fitloom_core.errors import InvalidTask
from fitloom_core.staging import Staging

REMOTE_NAME = "fitloom_run"
REMOTE_SOURCE = f"""\
def {REMOTE_NAME}(task):
    from fitloom_core.envelope import answer

    return answer(task)
"""

HELLO = "hello"

_GZIP = 16 + zlib.MAX_WBITS


def seal(raw: bytes) -> str:
    """Bytes as gzip in base64."""
    compressor = zlib.compressobj(6, wbits=_GZIP)
    return base64.b64encode(compressor.compress(raw) + compressor.flush()).decode()


def unseal(text: str, limit: int = wire.MAX_TASK_BYTES) -> bytes:
    """The bytes that `seal` sealed, at most ``limit`` of them.

    Raises:
        InvalidTask: not gzip in base64, cut short, or too large.
    """
    try:
        inflater = zlib.decompressobj(wbits=_GZIP)
        raw = inflater.decompress(base64.b64decode(text, validate=True), limit + 1)
    except (ValueError, zlib.error) as error:
        raise InvalidTask(f"not a sealed task or reply: {error}") from None
    if len(raw) > limit:
        raise InvalidTask(f"a sealed task or reply of more than {limit} bytes; send fewer points a task")
    if not inflater.eof:
        raise InvalidTask("a sealed task or reply that is cut short")
    return raw


def answer(text: str) -> str:
    """What a worker says to a sealed task; or, to `HELLO`, who it is."""
    if text == HELLO:
        return json.dumps(hello())
    from fitloom_core import entry

    try:
        raw = unseal(text)
    except InvalidTask as error:
        failure = wire.Failure(code=error.code, message=error.message)
        return seal(wire.Reply(task="", worker=entry.worker_name(), error=failure).to_bytes())

    folder = os.environ.get("FITLOOM_STAGING")
    return seal(Staging(folder).run(raw, entry.run) if folder else entry.run(raw))


def hello() -> dict[str, str | int]:
    """What a client asks before it sends tasks: versions and the process that would fit."""
    return {
        "fitloom": release(),
        "schema": wire.SCHEMA_VERSION,
        "python": platform.python_version(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
    }


def release() -> str:
    """The version of fitloom that is installed here."""
    try:
        return version("fitloom")
    except PackageNotFoundError:
        return "unknown"
