"""Documents spoiled at one random place: a key, entry, type, value or name that is lost, doubled or changed."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Any

HALF_A_PAIR = "\ud800"
JUNK: list[Any] = [
    *[None, True, False, [], {}, [[]], [1.0], ["a"], {"a": 1}, [0.0] * 50],
    *[0, 1, -1, -0.5, 1e308, 1e-320, math.nan, math.inf, -math.inf, 10**400],
    *["", "x", "lumi", "mu", "histosys", "normsys", "staterror", HALF_A_PAIR],
]


def mutate(document: Any, random: Random) -> Any:
    """A copy of the document with one change somewhere in it; parts that did not change are shared."""
    if isinstance(document, dict | list) and document and random.random() < 0.85:
        copy = document.copy()
        key = random.choice(list(copy) if isinstance(copy, dict) else range(len(copy)))
        copy[key] = mutate(copy[key], random)
        return copy
    return random.choice(_CHANGES.get(type(document), [_junk]))(document, random)


def stress(document: Any, random: Random) -> Any:
    """A copy of the document with one number or name replaced by an extreme or another name in use."""
    for _ in range(20):  # a walk may end where there is nothing to change
        document, changed = _stress(document, random)
        if changed:
            break
    return document


def _stress(document: Any, random: Random) -> tuple[Any, bool]:
    if isinstance(document, dict | list) and document:
        copy = document.copy()
        key = random.choice(list(copy) if isinstance(copy, dict) else range(len(copy)))
        copy[key], changed = _stress(copy[key], random)
        return copy, changed
    if type(document) in _EXTREMES:
        return random.choice(_EXTREMES[type(document)]), True
    return document, False


def _junk(_: Any, random: Random) -> Any:
    return random.choice(JUNK)


def _loses_one(document: Any, random: Random) -> Any:
    if not document:
        return None
    lost = random.randrange(len(document))
    if isinstance(document, dict):
        return {key: value for index, (key, value) in enumerate(document.items()) if index != lost}
    return [value for index, value in enumerate(document) if index != lost]


def _doubles_one(document: list[Any], random: Random) -> list[Any]:
    return [*document, random.choice(document)] if document else [None]


def _gains_junk(document: list[Any], random: Random) -> list[Any]:
    index = random.randint(0, len(document))
    return [*document[:index], random.choice(JUNK), *document[index:]]


def _gains_key(document: dict[str, Any], random: Random) -> dict[str, Any]:
    return {**document, random.choice(["extra", "name", "data", "fixed", ""]): random.choice(JUNK)}


def _renames_key(document: dict[str, Any], random: Random) -> dict[str, Any]:
    renamed = random.choice(list(document) or [""])
    return {(key.upper() if key == renamed else key): value for key, value in document.items()}


def _swaps_two(document: dict[str, Any], random: Random) -> dict[str, Any]:
    keys = list(document)
    random.shuffle(keys)
    return dict(zip(keys, document.values(), strict=True))


def _empties(document: Any, _: Random) -> Any:
    return type(document)()


def _negates(document: Any, _: Random) -> Any:
    return -document


def _becomes_text(document: Any, _: Random) -> Any:
    return str(document)


def _is_misspelt(document: str, _: Random) -> str:
    return document.upper() if document.islower() else document + "_"


_NUMBERS = [0, 0.0, 1, -1, -3.5, 1e-12, 1e-300, 1e-320, 1e12, 1e200, 1e308, -1e308, 2**70]
_NAMES = [
    "mu",
    "lumi",
    "both_a",
    "norm_a",
    "shape_a",
    "free_k",
    "stat_SR",
    "stat_all",
    "factor_SR",
    "SR",
    "VR",
    "top",
    "",
]
_EXTREMES: dict[type, list[Any]] = {float: _NUMBERS, int: _NUMBERS, str: _NAMES, bool: [True, False]}

_CHANGES: dict[type, list[Callable[[Any, Random], Any]]] = {
    dict: [_junk, _loses_one, _gains_key, _renames_key, _swaps_two, _empties],
    list: [_junk, _loses_one, _doubles_one, _gains_junk, _empties],
    float: [_junk, _negates, _becomes_text],
    int: [_junk, _negates, _becomes_text],
    str: [_junk, _is_misspelt, _empties],
}
