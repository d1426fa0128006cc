"""The ways pallets are laid out in folders: which files are backgrounds, patchsets and loose patches.

Three are in use: ``BkgOnly.json`` beside ``patchset.json``; the layout of 2019, ``BkgOnly.json`` beside many
``patch.NAME.json``; and several of either, one a folder (``RegionA/…``) or one a prefix (``slepton_bkgonly.json``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from fitloom_core.errors import InvalidPallet

_BACKGROUND = re.compile(r"(?P<prefix>.*?)[._-]?(?:bkg|background)(?:[._-]?only)?\.json", re.IGNORECASE)
_PATCHSET = re.compile(r"(?P<prefix>.*?)[._-]?patch[._-]?sets?(?:[._-].*)?\.json", re.IGNORECASE)
_LOOSE = re.compile(r"patch[._-](?P<name>.+)\.json", re.IGNORECASE)


@dataclass
class Found:
    """One region: the paths of its background and of its patches."""

    name: str | None
    background: str
    prefix: str
    patchsets: list[str] = field(default_factory=list)
    loose: list[tuple[str, str]] = field(default_factory=list)
    """Name and path of each loose patch."""


def is_pallet_file(path: str) -> bool:
    """Whether a file belongs to a pallet, by its name."""
    name = PurePosixPath(path).name
    return any(pattern.fullmatch(name) for pattern in (_BACKGROUND, _PATCHSET, _LOOSE))


def find_regions(paths: Iterable[str], source: str) -> list[Found]:
    """Sort the files of a pallet into its regions.

    Raises:
        InvalidPallet: no background, a background without patches, or patches whose background is not clear.
    """
    ordered = sorted(paths)
    regions = [Found(None, path, match["prefix"]) for path in ordered if (match := _background(path))]
    if not regions:
        raise InvalidPallet(f"{source} holds no background workspace; a pallet has a BkgOnly.json beside its patches")
    for path in ordered:
        _attach(path, regions)
    for region in regions:
        if not region.patchsets and not region.loose:
            raise InvalidPallet(f"{source}: {region.background} has no patchset.json or patch.*.json beside it")
    return _named(regions)


def _background(path: str) -> re.Match[str] | None:
    name = PurePosixPath(path).name
    return None if _PATCHSET.fullmatch(name) or _LOOSE.fullmatch(name) else _BACKGROUND.fullmatch(name)


def _attach(path: str, regions: Sequence[Found]) -> None:
    """Give a patch file to the background in its folder, or in the nearest folder above."""
    name = PurePosixPath(path).name
    if match := _PATCHSET.fullmatch(name):
        _owner(path, match["prefix"], regions).patchsets.append(path)
    elif match := _LOOSE.fullmatch(name):
        _owner(path, "", regions).loose.append((match["name"], path))


def _owner(path: str, prefix: str, regions: Sequence[Found]) -> Found:
    for folder in PurePosixPath(path).parents:
        near = [region for region in regions if PurePosixPath(region.background).parent == folder]
        if len(near) > 1:
            near = [region for region in near if region.prefix.casefold() == prefix.casefold()]
            if len(near) != 1:
                raise InvalidPallet(
                    f"{path} lies beside several backgrounds; give each its own folder, or the same prefix"
                )
        if near:
            return near[0]
    raise InvalidPallet(f"{path} has no BkgOnly.json beside it or in a folder above")


def _named(regions: list[Found]) -> list[Found]:
    """Name regions by what tells them apart: their folders, and their prefixes within one folder."""
    if len(regions) == 1:
        return regions
    parts: Mapping[str, tuple[str, ...]] = {
        region.background: (*PurePosixPath(region.background).parent.parts, *filter(None, [region.prefix]))
        for region in regions
    }
    shared = _shared(list(parts.values()))
    for region in regions:
        region.name = "/".join(parts[region.background][shared:]) or "main"
    return regions


def _shared(names: Sequence[tuple[str, ...]]) -> int:
    """How many leading parts all names have in common."""
    columns = list(zip(*names, strict=False))
    return next((depth for depth, column in enumerate(columns) if len(set(column)) > 1), len(columns))
