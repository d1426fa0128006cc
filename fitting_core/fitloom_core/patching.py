"""JSON patches (RFC 6902) applied copy-on-write.

A patch changes a few containers of a document of thousands. Those on the way to each change are copied,
everything else is shared with the document that was patched::

    before = {"channels": [a, b]}
    after = apply_patch(before, [{"op": "add", "path": "/channels/1/samples/0", "value": signal}])
    after["channels"][0] is a              # untouched
    after["channels"][1] is not b          # a copy of b, with signal in front of b's own samples

so a patch costs what it changes, and what is shared need not be checked again. Documents are never
changed in place, neither the input nor the patch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jsonpatch
import jsonpointer

from fitloom_core.documents import Json
from fitloom_core.errors import InvalidPatch
from fitloom_core.problems import structure_problems
from fitloom_core.schema import OPERATION_LIST


def apply_patch(document: Json, operations: Sequence[Mapping[str, Any]]) -> Json:
    """The document with the operations applied in turn; the input stays as it is.

    Raises:
        InvalidPatch: an operation that is malformed or does not apply; the message names it.
    """
    problems = structure_problems(OPERATION_LIST, operations, ("patch",))
    if problems:
        raise InvalidPatch(f"not a JSON patch: {problems[0]}")
    copied = _Copied()
    for index, operation in enumerate(operations):
        try:
            document = _apply_one(document, operation, copied)
        except _DOES_NOT_APPLY as error:
            raise InvalidPatch(_message(index, operation, error)) from None
    return document


_DOES_NOT_APPLY = (
    jsonpatch.JsonPatchException,
    jsonpointer.JsonPointerException,
    # what jsonpatch lets through for paths into numbers or strings, or onto the document itself
    AttributeError,
    IndexError,
    KeyError,
    RecursionError,
    TypeError,
    ValueError,
)


class _Copied:
    """The containers that belong to the patched document alone, kept alive so that no id is used twice."""

    def __init__(self) -> None:
        self._mine: dict[int, Any] = {}

    def own(self, container: Any) -> Any:
        """The container itself if it is a copy already, else a shallow copy of it."""
        if id(container) in self._mine or not isinstance(container, dict | list):
            return container
        copy = container.copy()
        self._mine[id(copy)] = copy
        return copy


def _apply_one(document: Any, operation: Mapping[str, Any], copied: _Copied) -> Any:
    kind, path = operation["op"], operation["path"]
    if kind == "test":
        return jsonpatch.apply_patch(document, [operation], in_place=True)
    if kind == "move":
        return _move(document, operation["from"], path, copied)
    document = _unshare(document, path, copied)
    if kind not in ("add", "replace"):
        return jsonpatch.apply_patch(document, [operation], in_place=True)
    # jsonpatch would copy the value deeply; it is put there afterwards, shared with the patch
    document = jsonpatch.apply_patch(document, [{"op": kind, "path": path, "value": None}], in_place=True)
    return _put(document, path, operation["value"])


def _move(document: Any, origin: str, path: str, copied: _Copied) -> Any:
    """In two steps, because the removal shifts what the target's path runs through."""
    source, target = jsonpointer.JsonPointer(origin), jsonpointer.JsonPointer(path)
    value = source.resolve(document)
    if source == target:
        return document
    if target.contains(source):
        raise jsonpatch.JsonPatchConflict("a value cannot be moved into itself")
    document = _apply_one(document, {"op": "remove", "path": origin}, copied)
    return _apply_one(document, {"op": "add", "path": path, "value": value}, copied)


def _unshare(document: Any, path: str, copied: _Copied) -> Any:
    """The document with every container above the path's target its own."""
    location = jsonpointer.JsonPointer(path)
    document = container = copied.own(document)
    for part in location.parts[:-1]:
        child = copied.own(location.walk(container, part))
        container[location.get_part(container, part)] = child
        container = child
    return document


def _put(document: Any, path: str, value: Any) -> Any:
    container, key = jsonpointer.JsonPointer(path).to_last(document)
    if key is None:
        return value
    container[-1 if key == "-" and isinstance(container, list) else key] = value
    return document


def _message(index: int, operation: Mapping[str, Any], error: Exception) -> str:
    origin = f" from {operation['from']!r}" if "from" in operation else ""
    reason = str(error) if isinstance(error, _DOES_NOT_APPLY[:2]) else f"{type(error).__name__}: {error}"
    return (
        f"operation {index} (counted from 0), {operation['op']} {operation['path']!r}{origin}, does not apply: "
        f"{reason[:200]}; check that the patch was made for this workspace"
    )
