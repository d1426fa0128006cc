"""Reading JSON documents, and their digests."""

from __future__ import annotations

import doctest
import json
from pathlib import Path
from typing import Any

import pyhf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitloom_core import documents
from fitloom_core.documents import digest, load_json
from fitloom_core.errors import InputError, InvalidSpecification, UnreadableDocument

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def test_a_file_is_read_by_path_and_by_string(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"a": [1, 2.5, "μ"]}', encoding="utf-8")
    assert load_json(path) == load_json(str(path)) == load_json(path.read_bytes()) == {"a": [1, 2.5, "μ"]}


def test_a_byte_order_mark_is_tolerated() -> None:
    assert load_json(b"\xef\xbb\xbf{}") == {}


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b'{"channels": [', "truncated"),
        (b'{"channels": "SR', "truncated"),
        (b'{"channels": 1', "truncated"),
        (b"{'a': 1}", "line 1, column 2"),
        (b'{"a": 1,}', "is not JSON"),
        (b"<!DOCTYPE html>", "HTML"),
        (b"\x1f\x8b\x08\x00", "compressed archive"),
        (b"PK\x03\x04", "compressed archive"),
        ("{}".encode("utf-16"), "UTF-16"),
        (b'{"a": "\xff"}', "0xff at offset 7 is not UTF-8"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": [-Infinity]}', "-Infinity is not JSON"),
        (b'{"a": 1, "b": 2, "a": 3}', "'a' is given twice"),
        (b'{"a": "\\ud800"}', "half a surrogate pair"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"a": ' * 100_000, "nested too deep"),
        (b"9" * 5000, "digits"),
    ],
)
def test_bytes_that_are_no_document_are_refused_with_the_reason(raw: bytes, says: str) -> None:
    with pytest.raises(UnreadableDocument, match=says) as caught:
        load_json(raw, name="signal.json")
    assert str(caught.value).startswith("signal.json: ")


def test_paths_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDocument, match=r"missing\.json: there is no such file"):
        load_json(tmp_path / "missing.json")
    with pytest.raises(UnreadableDocument, match="is a folder"):
        load_json(tmp_path)
    with pytest.raises(UnreadableDocument, match="cannot be read"):
        load_json("name\0with\0nothing")


def test_endless_files_are_read_no_further_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_DOCUMENT_BYTES", 1 << 20)
    with pytest.raises(UnreadableDocument, match="over 1 MiB"):
        load_json("/dev/zero")


@given(json_values, st.sampled_from(["sha256", "md5", "sha512"]))
def test_digests_are_those_of_pyhf(document: Any, algorithm: str) -> None:
    assert digest(document, algorithm) == pyhf.utils.digest(document, algorithm=algorithm)


@given(json_values)
def test_what_is_written_is_read_back(document: Any) -> None:
    assert load_json(json.dumps(document).encode()) == document


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_give_a_document_or_a_typed_error(raw: bytes) -> None:
    try:
        load_json(raw)
    except UnreadableDocument as error:
        assert str(error).startswith("the document: ")  # noqa: PT017 (either outcome is right)


def test_the_examples_are_right() -> None:
    assert doctest.testmod(documents).failed == 0


def test_a_digest_is_of_known_algorithms_and_of_json_only() -> None:
    with pytest.raises(InputError, match="'crc32' is no digest algorithm"):
        digest({}, "crc32")
    with pytest.raises(InputError, match="shake"):
        digest({}, "shake_128")
    with pytest.raises(InvalidSpecification, match="cannot be written as JSON"):
        digest({"a": {1, 2}})
    with pytest.raises(InvalidSpecification, match="cannot be written as JSON"):
        digest({"a": "\ud800"})
