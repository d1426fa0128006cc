"""A pallet (background workspaces and their signal patches), from wherever it is kept."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from fitloom.archive import read_files
from fitloom.layouts import Found, find_regions, is_pallet_file
from fitloom.titles import title
from fitloom_core.documents import canonical
from fitloom_core.errors import (
    DigestMismatch,
    FitloomError,
    InputError,
    InvalidPallet,
    InvalidPatch,
    UnreadableDocument,
)
from fitloom_core.wire import Failure

Json = dict[str, Any]
Value = float | str

REMOTE = ("http://", "https://", "doi:", "hepdata:")
DEMO = "demo"

_NUMBER = re.compile(r"\d+(?:[p.]\d+)?")


class PalletPoint:
    """One signal hypothesis: the name, the values of the labels and the JSON patch.

    The patch is kept as canonical JSON text (a tenth of the memory, and what is hashed and sent);
    ``patch`` parses it again. ``problem`` says why a point cannot be fitted although the rest of its pallet can.
    """

    __slots__ = ("name", "problem", "text", "values")

    def __init__(
        self, name: str, values: Mapping[str, Value], patch: Sequence[Json], problem: Failure | None = None
    ) -> None:
        self.name = name
        self.values = dict(values)
        self.text = canonical(list(patch))
        self.problem = problem

    @property
    def patch(self) -> list[Json]:
        """The RFC 6902 operations."""
        operations: list[Json] = json.loads(self.text)
        return operations

    def __repr__(self) -> str:
        return f"PalletPoint({self.name!r}, {self.values!r}, <{len(self.text)} bytes of patch>)"


@dataclass(frozen=True)
class Region:
    """One background workspace with the points that patch it."""

    name: str | None
    """None where a pallet has only one."""
    background: Json
    digest: str
    points: tuple[PalletPoint, ...]


@dataclass(frozen=True)
class Pallet:
    """Everything that one campaign fits."""

    name: str
    source: str
    digest: str
    labels: tuple[str, ...]
    regions: tuple[Region, ...]


def open_pallet(
    source: str | Path,
    *,
    regions: Sequence[str] = (),
    labels: Sequence[str] = (),
    points: str = "*",
    verify: bool = True,
    offline: bool = False,
) -> Pallet:
    """Read a pallet from a directory, an archive, a URL, a DOI, a HEPData record, or ``demo``.

    Args:
        source: where the pallet is.
        regions: names of the regions to keep; none means all.
        labels: names for the numbers of each point, instead of the pallet's own, or of m_sbottom, m2, … (m1, m2, …
            where the points are not named by a particle)
        points: a glob on the points' names, or on ``region/name``.
        verify: refuse a background that is not the one its patchset was made from.
        offline: use only what was downloaded before.

    Raises:
        InputError: the source is no pallet that can be fitted; its subclasses say why.
    """
    pallet = _demo() if str(source) == DEMO else _read(str(source), labels, verify, offline)
    return select(pallet, regions=regions, points=points)


def select(pallet: Pallet, *, regions: Sequence[str] = (), points: str = "*") -> Pallet:
    """The part of a pallet that was asked for.

    Raises:
        InputError: no region or no point has such a name.
    """
    names = [region.name for region in pallet.regions]
    for name in regions:
        if name not in names:
            known = ", ".join(str(known) for known in names if known is not None) or "none, it has only one region"
            raise InputError(f"the pallet has no region {name!r}; it has: {known}")
    kept = [_matching(region, points) for region in pallet.regions if not regions or region.name in regions]
    kept = [region for region in kept if region.points]
    if not kept:
        example = pallet.regions[0].points[0].name
        raise InputError(f"no point's name matches {points!r}; names look like {example!r}")
    return Pallet(pallet.name, pallet.source, pallet.digest, pallet.labels, tuple(kept))


def _matching(region: Region, pattern: str) -> Region:
    def matches(point: PalletPoint) -> bool:
        return fnmatchcase(point.name, pattern) or fnmatchcase(f"{region.name}/{point.name}", pattern)

    if pattern == "*":
        return region
    return Region(region.name, region.background, region.digest, tuple(filter(matches, region.points)))


def _demo() -> Pallet:
    from fitloom.demo import pallet

    return pallet()


def _read(source: str, labels: Sequence[str], verify: bool, offline: bool) -> Pallet:
    path = Path(source)
    if source.startswith(REMOTE):
        from fitloom.remote import download

        path = Path(download(source, offline=offline))
    elif not path.exists():
        raise UnreadableDocument(
            f"{source} is not there; give a directory, an archive, a URL, doi:…, hepdata:ins… or demo"
        )
    files = read_files(path, is_pallet_file)
    found = find_regions(files, source)
    first = first_label([name for one in found for name, _ in one.loose])
    regions = tuple(_region(one, files, labels, first, verify) for one in found)
    known = _labels_of(regions)
    return Pallet(_name_of(source), source, _digest_of(files), known, regions)


def _name_of(source: str) -> str:
    """A short name that is safe in a path: the DOI's or URL's last part, or the file's name."""
    text = source.split("?")[0].rstrip("/")
    if source.startswith(REMOTE):
        text = text.removeprefix("hepdata:").split("10.17182/")[-1].removeprefix("https://").removeprefix("http://")
        text = text.replace("/", "-") if source.startswith(("doi:", "hepdata:")) else text.rsplit("/", 1)[-1]
    else:
        text = Path(os.path.abspath(text or "/")).name
    stem = re.sub(r"\.(tar(\.\w+)?|tgz|tbz2?|txz|zip|json)$", "", text)
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-.") or "pallet"


def _digest_of(files: Mapping[str, bytes]) -> str:
    """sha256 of what the files hold, whatever folder or archive they came in."""
    common = len(os.path.commonpath([os.path.dirname(path) for path in files]))
    lines = sorted(
        f"{path[common:].lstrip('/')} {hashlib.sha256(content).hexdigest()}" for path, content in files.items()
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _labels_of(regions: Iterable[Region]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(label for region in regions for point in region.points for label in point.values))


def _region(found: Found, files: Mapping[str, bytes], labels: Sequence[str], first: str, verify: bool) -> Region:
    from fitloom_core.workspace import digest, validate_workspace

    background = _parse_object(found.background, files[found.background])
    _naming(found.background, validate_workspace, background)
    points: list[PalletPoint] = []
    for path in found.patchsets:
        points += _patchset_points(path, files[path], found.background, background, labels, verify)
    points += [_loose_point(path, name, files[path], labels, first) for name, path in found.loose]
    _refuse_twice_named(points, found.background)
    return Region(found.name, background, digest(background), tuple(sorted(points, key=_natural)))


def _parse_object(path: str, raw: bytes) -> Json:
    from fitloom_core.workspace import load_json

    document = load_json(raw, name=path)
    if not isinstance(document, dict):
        raise UnreadableDocument(f"{path} holds a JSON {type(document).__name__} where an object is expected")
    return document


def _parse_patch(path: str, raw: bytes) -> list[Json]:
    """The operations of one loose patch: parsed the fast way, and carefully where that fails, for the message."""
    from fitloom_core.workspace import load_json

    try:
        operations = json.loads(raw, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        operations = load_json(raw, name=path)
    if not isinstance(operations, list):
        raise InvalidPatch(f"{path} is no JSON patch: it holds a {type(operations).__name__}, not a list of operations")
    if not all(isinstance(operation, dict) for operation in operations):
        raise InvalidPatch(f"{path} is no JSON patch: each operation must be an object with op and path")
    return operations


def _refuse_constant(constant: str) -> None:
    raise ValueError(constant)


def _naming(path: str, check: Any, *arguments: Any) -> Any:
    """Run a check; whatever it refuses, say in which file."""
    try:
        return check(*arguments)
    except FitloomError as error:
        raise type(error)(f"{path}: {error}") from None


def _patchset_points(
    path: str, raw: bytes, background_path: str, background: Json, labels: Sequence[str], verify: bool
) -> list[PalletPoint]:
    from fitloom_core.workspace import PatchSet

    patchset = _naming(path, PatchSet, _parse_object(path, raw))
    if verify:
        try:
            patchset.verify(background)
        except DigestMismatch as error:
            raise DigestMismatch(f"{background_path} is not the background that {path} was made for: {error}") from None
    names = tuple(labels) or tuple(patchset.labels)
    if len(names) != len(patchset.labels):
        raise InputError(
            f"{path} has {len(patchset.labels)} labels ({', '.join(patchset.labels)}), --labels gives {len(names)}"
        )
    return [
        PalletPoint(patch.name, dict(zip(names, patch.values, strict=True)), patch.operations) for patch in patchset
    ]


def _loose_point(path: str, name: str, raw: bytes, labels: Sequence[str], first: str) -> PalletPoint:
    """A point of the 2019 layout; one that is damaged becomes a failed record and leaves the others alone."""
    values = values_of(name, labels, first)
    try:
        return PalletPoint(name, values, _parse_patch(path, raw))
    except InputError as error:
        stand_in = [{"unreadable": hashlib.sha256(raw).hexdigest()}]
        return PalletPoint(name, values, stand_in, Failure(code=error.code, message=str(error)))


def first_label(names: Iterable[str]) -> str:
    """The label of the first number in the names of loose patches: the mass of the particle that all begin with.

    >>> first_label(["sbottom_1300_205_60", "sbottom_1400_210_60"])
    'm_sbottom'
    >>> first_label(["signal_200_100"])
    'm1'
    """
    words = {name.partition("_")[0] for name in names}
    label = f"m_{words.pop()}" if len(words) == 1 else ""
    return label if len(label) > 5 and title(label).tex else "m1"


def values_of(name: str, labels: Sequence[str] = (), first: str = "m1") -> dict[str, Value]:
    """The numbers in a point's name, labelled m1 (or ``first``), m2, … unless told otherwise.

    >>> values_of("sbottom_1300_205_60")
    {'m1': 1300, 'm2': 205, 'm3': 60}
    """
    texts = [part for part in name.split("_") if _NUMBER.fullmatch(part)]
    if labels and len(labels) != len(texts):
        raise InvalidPallet(f"--labels gives {len(labels)} labels, the name {name!r} holds {len(texts)} numbers")
    names = labels or [first, *(f"m{position}" for position in range(2, len(texts) + 1))]
    return {label: _number(text) for label, text in zip(names, texts, strict=False)}


def _number(text: str) -> float:
    value = float(text.replace("p", "."))
    return int(value) if value.is_integer() else value


def _refuse_twice_named(points: Sequence[PalletPoint], where: str) -> None:
    seen: set[str] = set()
    for point in points:
        if point.name in seen:
            raise InvalidPallet(f"two patches of {where} are called {point.name!r}; names must differ")
        seen.add(point.name)


def _natural(point: PalletPoint) -> list[tuple[int, float, str]]:
    """Sort key: numbers in a name by size, the rest as text."""
    parts = re.split(r"(\d+)", point.name)
    return [(0, float(part), "") if part.isdigit() else (1, 0.0, part) for part in parts]
