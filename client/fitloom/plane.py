"""Which plane is drawn: two labels as axes, and the values at which the others are held.

A pallet with three labels is no plane, but holds some: the published sbottom search has 131 points where the lightest
neutralino weighs 60 GeV, and 87 others, 86 of them where the two neutralinos differ by 130 GeV. The default is the
plane with the most points; a condition may hold a label, ``m_neutralino1=60``, or the difference of two,
``m_neutralino2-m_neutralino1=130``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from math import isclose, isfinite

from fitloom_core.errors import InputError

Value = float | str
Values = Mapping[str, Value]
Where = Mapping[str, Value]

WORTH_A_HINT = 10
"""A plane that was not chosen is named in the note when it has this many points."""


@dataclass(frozen=True)
class Plane:
    """Two axes (or one, where there is no second), the conditions, and a sentence that says what was chosen."""

    axes: tuple[str, ...]
    where: dict[str, Value]
    note: str

    def coordinates(self, values: Values) -> tuple[float, ...] | None:
        """Where a point lies on the axes; None when it is not in the plane."""
        if not matches(values, self.where):
            return None
        found = [number(values.get(axis)) for axis in self.axes]
        return tuple(x for x in found if x is not None) if None not in found else None


def choose(
    points: Iterable[Values], *, labels: Sequence[str], axes: Sequence[str] | None = None, where: Where | None = None
) -> Plane:
    """The plane to draw: what is asked for, and the most points for what is left open.

    Give it the values of every planned point rather than of those that are done, and the plane stays the same while a
    campaign runs.

    Raises:
        InputError: an axis or a condition that these labels do not have, or a condition that no point meets.
    """
    points = _distinct(points)
    conditions = {key: _as_value(value) for key, value in (where or {}).items()}
    _check(labels, axes, conditions)
    inside = [values for values in points if matches(values, conditions)]
    if points and not inside:
        raise InputError(_nothing_there(points, conditions))
    best = _best(inside, labels, axes, conditions)
    asked = axes is not None or bool(conditions)
    return Plane(best.axes, best.where, _note(best, points, labels, asked=asked))


def parse_where(texts: Iterable[str]) -> dict[str, Value]:
    """``["m_neutralino1=60"]`` as a mapping; what reads as a number is one.

    Raises:
        InputError: a text without ``=``.
    """
    found: dict[str, Value] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise InputError(f"not a condition: {text!r}; write LABEL=VALUE, for example m_neutralino1=60")
        found[key.strip()] = _as_value(value.strip())
    return found


def number(value: Value | None) -> float | None:
    """A finite number, or None."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value):
        return float(value)
    return None


def matches(values: Values, where: Where) -> bool:
    """Whether a point meets every condition."""
    return all(_same(_lookup(values, key), wanted) for key, wanted in where.items())


@dataclass(frozen=True)
class _Candidate:
    axes: tuple[str, ...]
    where: dict[str, Value]
    count: int


def _best(points: Sequence[Values], labels: Sequence[str], axes: Sequence[str] | None, where: Where) -> _Candidate:
    candidates = [
        candidate for pair in _pairs(points, labels, axes, where) for candidate in _slices(points, labels, pair, where)
    ]
    flat = max(candidates, key=lambda candidate: candidate.count, default=None)
    if flat is not None and flat.count >= 3:
        return flat
    if axes is None:
        free = labels if len(points) < 2 else _varying(points, labels)
        axes = [label for label in free if label not in where][:2]
    return _Candidate(tuple(axes), dict(where), _extent(points, tuple(axes)))


def _pairs(
    points: Sequence[Values], labels: Sequence[str], axes: Sequence[str] | None, where: Where
) -> list[tuple[str, ...]]:
    if axes is not None:
        return [tuple(axes)]
    free = [label for label in _varying(points, labels) if label not in where]
    return list(combinations(free, 2))


def _slices(
    points: Sequence[Values], labels: Sequence[str], axes: tuple[str, ...], where: Where
) -> Iterator[_Candidate]:
    """The pair's planes: one for each combination of values of the labels that are neither axis nor held already."""
    held = _held(labels, axes, where)
    others = [label for label in labels if label not in held]
    groups: dict[tuple[Value, ...], list[Values]] = {}
    for values in points:
        if all(label in values for label in others):
            groups.setdefault(tuple(values[label] for label in others), []).append(values)
    for key in sorted(groups, key=lambda key: [(isinstance(value, str), value) for value in key]):
        chosen = {**where, **dict(zip(others, key, strict=True))}
        yield _Candidate(axes, chosen, _extent(groups[key], axes))


def _held(labels: Sequence[str], axes: Sequence[str], where: Where) -> set[str]:
    """Axes, labels with a condition, and labels that a condition on a difference ties to one of those."""
    held = {*axes, *where}
    pairs = [_operands(key) for key in where if key not in labels]
    for _ in pairs:
        for pair in pairs:
            if held.intersection(pair):
                held.update(pair)
    return held


def _extent(points: Sequence[Values], axes: Sequence[str]) -> int:
    """How many places on the axes; none when one axis does not vary, for then there is no plane."""
    places = {tuple(number(values.get(axis)) for axis in axes) for values in points}
    places = {place for place in places if None not in place}
    if any(len({place[i] for place in places}) < 2 for i in range(len(axes))):
        return 0
    return len(places)


def _varying(points: Sequence[Values], labels: Sequence[str]) -> list[str]:
    return [label for label in labels if len({number(values.get(label)) for values in points} - {None}) > 1]


def _note(chosen: _Candidate, points: Sequence[Values], labels: Sequence[str], *, asked: bool) -> str:
    if len(chosen.axes) < 2:
        return "no two labels vary: CLs is drawn along " + (chosen.axes[0] if chosen.axes else "the points")
    if len(labels) == 2 and not chosen.where:
        return ""
    conditions = " and ".join(f"{key} = {_text(value)}" for key, value in chosen.where.items())
    slice_ = f" where {conditions}" if conditions else ""
    note = f"{chosen.axes[0]} and {chosen.axes[1]}{slice_}: {chosen.count} of {len(points)} points"
    hint = "" if asked else _hint(chosen, points, labels)
    return note + hint


def _hint(chosen: _Candidate, points: Sequence[Values], labels: Sequence[str]) -> str:
    """Names the largest other plane: where the points that are left out share a label or a difference of two labels."""
    rest = [values for values in points if not matches(values, chosen.where)]
    keys = [*labels, *(f"{a}-{b}" for a, b in permutations(labels, 2))]
    counts = Counter((key, value) for key in keys for values in rest if (value := _lookup(values, key)) is not None)
    positive = {key: count for key, count in counts.items() if isinstance(key[1], str) or key[1] >= 0}
    if not positive:
        return ""
    (key, value), count = max(positive.items(), key=lambda item: item[1])
    return f"; {count} more with --where {key}={_text(value)}" if count >= WORTH_A_HINT else ""


def _check(labels: Sequence[str], axes: Sequence[str] | None, where: Where) -> None:
    known = f"the labels are {', '.join(labels) or '(none)'}"
    if axes is not None and (len(axes) > 2 or len(set(axes)) != len(axes)):
        raise InputError(f"a plane has two different axes, not {','.join(axes)!r}; give two, as in --axes A,B; {known}")
    for axis in axes or ():
        if axis not in labels:
            raise InputError(f"no label {axis!r} to draw along; {known}")
        if axis in where:
            raise InputError(f"{axis!r} is an axis and held at {_text(where[axis])} as well; drop one of the two")
    for key in where:
        if key not in labels and not set(_operands(key)) <= set(labels):
            raise InputError(f"no label {key!r} to hold; {known}, and a difference is written {_example(labels)}")


def _example(labels: Sequence[str]) -> str:
    return f"{labels[1]}-{labels[0]}=VALUE" if len(labels) > 1 else "A-B=VALUE"


def _nothing_there(points: Sequence[Values], where: Where) -> str:
    conditions = " and ".join(f"{key} = {_text(value)}" for key, value in where.items())
    parts = []
    for key in where:
        found = {value for values in points if (value := _lookup(values, key)) is not None}
        counts = Counter(_lookup(values, key) for values in points)
        common = [value for value, _ in counts.most_common(8) if value is not None]
        shown = ", ".join(_text(value) for value in common)
        parts.append(f"{key} takes {shown}{' and others' if len(found) > len(common) else ''}")
    return f"no point has {conditions}: {'; '.join(parts)}"


def _distinct(points: Iterable[Values]) -> list[Values]:
    """Each set of values once, in an order that does not depend on theirs: the regions of a pallet repeat them."""
    unique = {tuple(sorted((key, str(value)) for key, value in values.items())): values for values in points}
    return [unique[key] for key in sorted(unique)]


def _lookup(values: Values, key: str) -> Value | None:
    """The value of a label, or of the difference ``A-B`` of two."""
    if key in values:
        return values[key]
    left, right = (number(values.get(name)) for name in _operands(key))
    return None if left is None or right is None else left - right


def _operands(key: str) -> tuple[str, str]:
    left, _, right = key.partition("-")
    return left.strip(), right.strip()


def _same(value: Value | None, wanted: Value) -> bool:
    if isinstance(value, str) or isinstance(wanted, str):
        return str(value) == str(wanted)
    return value is not None and isclose(value, wanted, rel_tol=1e-9, abs_tol=1e-9)


def _as_value(value: Value) -> Value:
    try:
        return float(value)
    except ValueError:
        return value


def _text(value: Value) -> str:
    return value if isinstance(value, str) else f"{value:g}"
