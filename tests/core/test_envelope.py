"""Sealed tasks and replies, and the backgrounds that workers of one endpoint share."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path

import pytest

from fitloom_core import wire
from fitloom_core.envelope import HELLO, REMOTE_NAME, REMOTE_SOURCE, answer, seal, unseal
from fitloom_core.errors import InvalidTask
from fitloom_core.staging import Staging

DIGEST = "ab" * 32


def task(content: str | None, digest: str = DIGEST) -> bytes:
    background = wire.Background(digest=digest, content=content)
    return wire.FitTask(task="t1", background=background, points=[]).to_bytes()


def content_of(raw: bytes) -> str | None:
    return wire.FitTask.from_bytes(raw).background.content


@pytest.mark.parametrize("raw", [b"", b"x", b"{}" * 100_000, bytes(range(256))])
def test_what_is_sealed_comes_back(raw: bytes) -> None:
    text = seal(raw)
    assert text.isascii()
    assert unseal(text) == raw


def test_a_seal_is_the_same_every_time() -> None:
    assert seal(b"same") == seal(b"same")


@pytest.mark.parametrize(
    "text", ["", "%%%", "aGVsbG8=", base64.b64encode(gzip.compress(b"hello", mtime=0)[:-4]).decode()], ids=str
)
def test_what_is_no_sealed_task_is_refused(text: str) -> None:
    with pytest.raises(InvalidTask):
        unseal(text)


def test_a_seal_that_inflates_beyond_the_limit_is_refused_without_inflating_it() -> None:
    with pytest.raises(InvalidTask, match="more than 1000 bytes"):
        unseal(seal(bytes(50_000_000)), limit=1000)


def test_a_worker_says_who_it_is() -> None:
    told = json.loads(answer(HELLO))
    assert told["schema"] == wire.SCHEMA_VERSION
    assert told["fitloom"][0].isdigit()
    assert told["python"].startswith("3.")
    assert isinstance(told["pid"], int)


def test_a_worker_answers_rubbish_with_a_reply() -> None:
    reply = wire.Reply.from_bytes(unseal(answer("rubbish")))
    assert reply.error is not None
    assert reply.error.code == "invalid_task"


def test_the_registered_source_is_the_function_that_answers() -> None:
    names: dict[str, object] = {}
    exec(REMOTE_SOURCE, names)
    function = names[REMOTE_NAME]
    assert callable(function)
    assert json.loads(function(HELLO))["schema"] == wire.SCHEMA_VERSION


class Worker:
    """Stands where the fit is: notes what it is given, and answers well or with an error."""

    def __init__(self, error: wire.Failure | None = None) -> None:
        self.error = error
        self.given: list[bytes] = []

    def __call__(self, raw: bytes) -> bytes:
        self.given.append(raw)
        return wire.Reply(task="t1", error=self.error).to_bytes()


def test_a_background_that_came_once_is_there_for_every_worker(tmp_path: Path) -> None:
    first, second = Worker(), Worker()
    Staging(tmp_path / "new").run(task("packed"), first)
    Staging(tmp_path / "new").run(task(None), second)
    assert first.given == [task("packed")]
    assert content_of(second.given[0]) == "packed"


def test_a_background_that_a_worker_refused_is_not_kept(tmp_path: Path) -> None:
    Staging(tmp_path).run(task("forged"), Worker(wire.Failure(code="digest_mismatch", message="another one")))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("raw", [task(None), b"", b"[]", b"{}", b'{"background": 3}', b'{"background": {"digest": 3}}'])
def test_what_needs_nothing_from_the_folder_passes_untouched(tmp_path: Path, raw: bytes) -> None:
    worker = Worker()
    Staging(tmp_path).run(raw, worker)
    assert worker.given == [raw]


@pytest.mark.parametrize("digest", ["../../etc/passwd", "", DIGEST.upper(), DIGEST + "\n"])
def test_a_digest_that_is_none_touches_no_file(tmp_path: Path, digest: str) -> None:
    Staging(tmp_path).run(task("packed", digest), Worker())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_hurts_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    worker = Worker()
    Staging(tmp_path / "file").run(task("packed"), worker)
    Staging(tmp_path / "file").run(task(None), worker)
    assert worker.given == [task("packed"), task(None)]
