"""Says where a document does not have its schema's form: one sentence a problem, with the path and the value."""

from __future__ import annotations

import reprlib
from typing import Any

from pydantic import TypeAdapter, ValidationError

from fitloom_core.schema import MODIFIER_TYPES, OPERATIONS

Loc = tuple[int | str, ...]
"""Where something stands in a document: its keys and list indices from the top."""


def structure_problems(schema: TypeAdapter[Any], value: object, where: Loc = ()) -> list[str]:
    """What is wrong with the form of a value, a sentence each that starts with the path in the document."""
    try:
        schema.validate_python(value)
    except ValidationError as error:
        return [_sentence(where, dict(entry)) for entry in error.errors(include_url=False)]
    return []


def pointer(where: Loc) -> str:
    """The JSON pointer of a place in a document.

    >>> pointer(("channels", 0, "a/b"))
    '/channels/0/a~1b'
    """
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in where)


def shown(value: object) -> str:
    """A value as a message shows it, on one line and not too long."""
    try:
        return _SHORT.repr(value)
    except ValueError:
        return f"a very large {type(value).__name__}"


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60
_SHORT.maxlevel, _SHORT.maxdict, _SHORT.maxlist = 2, 3, 4

_TAGGED = {"modifiers": "type", "patch": "op"}
_FORMS = {
    "dict_type": "must be an object",
    "model_attributes_type": "must be an object",
    "list_type": "must be a list",
    "string_type": "must be a string",
    "string_unicode": "must be a string of whole Unicode characters",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "none_required": "must be null",
}


def _sentence(top: Loc, error: dict[str, Any]) -> str:
    kind, context, value = error["type"], error.get("ctx", {}), error["input"]
    loc = _untagged(top + error["loc"])
    if kind == "missing":
        return f"{_place(loc[:-1])}: the key {loc[-1]!r} is missing; add it"
    if kind == "extra_forbidden":
        return f"{_place(loc)}: there is no key of this name here; remove it or correct its spelling"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _tag_sentence(loc, context, value)
    if kind == "literal_error":
        return f"{_place(loc)}: must be {context['expected']}, not {shown(value)}"
    if kind == "string_pattern_mismatch":
        return f"{_place(loc)}: must match {context['pattern']}, not {shown(value)}"
    if kind in ("too_short", "too_long"):
        limit = "at least" if kind == "too_short" else "at most"
        wanted = context.get("min_length", context.get("max_length"))
        return f"{_place(loc)}: has {context['actual_length']} entries; {limit} {wanted} needed"
    if kind == "value_error":
        return f"{_place(loc)}: {context['error']}, not {shown(value)}"
    return f"{_place(loc)}: {_FORMS.get(kind, error['msg'])}, not {shown(value)}"


def _place(where: Loc) -> str:
    return pointer(where) or "top level"


def _untagged(loc: Loc) -> Loc:
    """Pydantic's location without the tags of the unions it went through."""
    return tuple(
        part
        for index, part in enumerate(loc)
        if not (index >= 2 and loc[index - 2] in _TAGGED and isinstance(loc[index - 1], int))
    )


def _tag_sentence(loc: Loc, context: dict[str, Any], value: object) -> str:
    key = str(context["discriminator"]).strip("'")
    allowed = ", ".join(MODIFIER_TYPES if key == "type" else OPERATIONS)
    if not isinstance(value, dict) or key not in value:
        return f"{_place(loc)}: the key {key!r} is missing; add it, one of {allowed}"
    what = "modifier type" if key == "type" else "patch operation"
    return f"{_place((*loc, key))}: {shown(value[key])} is no {what}; use one of {allowed}"
