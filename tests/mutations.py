"""Documents spoiled at one random place: a key or entry lost, doubled, renamed, or of another type or value."""

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


_CHANGES: dict[type, list[Callable[[Any, Random], Any]]] = {
    dict: [_junk, _loses_one, _gains_key, _renames_key, _swaps_two, _empties],
    list: [_junk, _loses_one, _doubles_one, _gains_junk, _empties],
    float: [_junk, _negates, _becomes_text],
    int: [_junk, _negates, _becomes_text],
    str: [_junk, _is_misspelt, _empties],
}
