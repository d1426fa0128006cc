"""JSON documents: reading them without surprises, and the digest that pyhf gives them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import orjson

from fitloom_core.errors import InputError, InvalidSpecification, UnreadableDocument

Json = dict[str, Any]

MAX_DOCUMENT_BYTES = 256 * 1024 * 1024
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def load_json(source: Path | str | bytes, *, name: str | None = None) -> Any:
    """The JSON document in a file, or in bytes that were read already.

    Strict where Python's parser is not: NaN, Infinity, a key given twice and half a surrogate pair are
    refused, because other programs would read something else.

    Args:
        source: a file's path (also as a string), or the document's bytes.
        name: what messages call the document; the path unless given.

    Raises:
        UnreadableDocument: missing, empty, truncated, too large, not UTF-8, not JSON, nested too deep.
    """
    if isinstance(source, bytes):
        name = name or "the document"
        raw = source
    else:
        name = name or str(source)
        raw = _read(Path(source), name)
    return _parse(raw.removeprefix(BYTE_ORDER_MARK), name)


def digest(document: Any, algorithm: str = "sha256") -> str:
    """The digest of a document, equal to pyhf's: of its JSON with sorted keys, Python's separators and UTF-8.

    >>> digest({"b": 1.0, "a": [1, "μ"]}, "md5")
    '56a7e5ec3d56f0ff66841852dff79118'

    Raises:
        InputError: an algorithm that hashlib does not have.
        InvalidSpecification: a document that has no JSON text.
    """
    if algorithm not in hashlib.algorithms_available or algorithm.startswith("shake"):
        raise InputError(f"{algorithm!r} is no digest algorithm; use one of md5, sha1, sha256, sha512")
    try:
        text = json.dumps(document, sort_keys=True, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidSpecification(f"a document that cannot be written as JSON has no digest: {error}") from None
    return hashlib.new(algorithm, text, usedforsecurity=False).hexdigest()


def canonical(document: Any) -> str:
    """JSON text with sorted keys and no spaces: the same for the same content."""
    try:
        return orjson.dumps(document, option=orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONEncodeError:  # whole numbers beyond 64 bits, half surrogate pairs, very deep nesting
        return json.dumps(document, sort_keys=True, separators=(",", ":"))


def _read(path: Path, name: str) -> bytes:
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_DOCUMENT_BYTES + 1)
    except FileNotFoundError:
        raise UnreadableDocument(f"{name}: there is no such file; check the path") from None
    except IsADirectoryError:
        raise UnreadableDocument(f"{name}: is a folder; give the JSON file inside it") from None
    except (OSError, ValueError) as error:
        raise UnreadableDocument(f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(raw) > MAX_DOCUMENT_BYTES:
        raise UnreadableDocument(
            f"{name}: over {MAX_DOCUMENT_BYTES >> 20} MiB, too large for a workspace; check the file"
        )
    return raw


def _parse(raw: bytes, name: str) -> Any:
    if not raw.strip():
        raise UnreadableDocument(f"{name}: is empty; a JSON document is needed")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        reason = f"byte {raw[error.start]:#04x} at offset {error.start} is not UTF-8"
        raise UnreadableDocument(f"{name}: is not JSON: {reason}{_hint(raw)}") from None
    try:
        document = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(document, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise UnreadableDocument(f"{name}: {_syntax_error(error, text)}{_hint(raw)}") from None
    except UnicodeEncodeError:
        raise UnreadableDocument(f"{name}: a string holds half a surrogate pair (\\ud…); correct the escape") from None
    except RecursionError:
        raise UnreadableDocument(f"{name}: is nested too deep to be a workspace or patchset; check the file") from None
    except ValueError as error:
        raise UnreadableDocument(f"{name}: {error}") from None
    return document


def _unique_keys(pairs: list[tuple[str, Any]]) -> Json:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise ValueError(f"the key {twice!r} is given twice in one object; keep one of them")
    return result


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON; a finite number is needed")


def _syntax_error(error: json.JSONDecodeError, text: str) -> str:
    if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
        return f"ends in the middle of the JSON (line {error.lineno}); the file is truncated, get it again"
    return f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"


def _hint(raw: bytes) -> str:
    """What a file that is no JSON is most likely to be."""
    if raw[:2] == b"\x1f\x8b" or raw[:4] == b"PK\x03\x04":
        return "; it is a compressed archive, unpack it or give it to a command that reads archives"
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "; it is UTF-16, save it as UTF-8"
    if raw.lstrip()[:1] == b"<":
        return "; it starts like HTML or XML"
    return ""
