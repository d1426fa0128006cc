"""Patchsets: the named signal patches of a background workspace, as published on HEPData."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fitloom_core import schema
from fitloom_core.documents import Json, digest, load_json
from fitloom_core.errors import DigestMismatch, InvalidPatchSet, InvalidSpecification, UnknownPatch
from fitloom_core.problems import shown, structure_problems

if TYPE_CHECKING:
    from fitloom_core.workspace import Workspace

Values = tuple[float | str, ...]


@dataclass(frozen=True)
class Patch:
    """One signal hypothesis: a name, a value for each of the patchset's labels, and a JSON patch."""

    name: str
    values: Values
    operations: list[Json] = field(repr=False)
    metadata: Json = field(repr=False, default_factory=dict)


class PatchSet:
    """The patches of one background workspace, by name or by values.

    ::

        patchset = PatchSet.from_file("patchset.json")
        patchset["sbottom_1300_205_60"] is patchset[1300, 205, 60]
        workspace = patchset.apply(background, "sbottom_1300_205_60")

    Raises:
        InvalidSpecification: not of the schema's form; the message has the path in the document.
        InvalidPatchSet: no patches, names or values that clash, values that are not one for each label.
    """

    def __init__(self, document: object) -> None:
        if isinstance(document, dict) and document.get("patches") == []:
            raise InvalidPatchSet("/patches: the patchset is empty; a campaign needs at least one patch")
        problems = structure_problems(schema.PATCHSET, document)
        if problems:
            more = f" (and {len(problems) - 1} more)" if problems[1:] else ""
            raise InvalidSpecification(f"not a patchset: {problems[0]}{more}")
        assert isinstance(document, dict)
        self.document: Json = document
        self.patches = tuple(_patch(entry) for entry in document["patches"])
        self._index = _index(self.patches, self.labels)

    @classmethod
    def from_file(cls, path: Path | str) -> PatchSet:
        """Read a patchset. Raises also `UnreadableDocument`."""
        return cls(load_json(path))

    @property
    def metadata(self) -> Json:
        """References, digests, labels and description, and what else the publisher put there."""
        metadata: Json = self.document["metadata"]
        return metadata

    @property
    def labels(self) -> list[str]:
        """What the values of each patch mean, for example the masses of a signal."""
        return list(self.metadata["labels"])

    @property
    def digests(self) -> dict[str, str]:
        """Digests of the background workspace, by algorithm."""
        return dict(self.metadata["digests"])

    @property
    def references(self) -> dict[str, str]:
        """Where the analysis is published."""
        return dict(self.metadata["references"])

    @property
    def description(self) -> str:
        """The publisher's description."""
        return str(self.metadata["description"])

    @property
    def version(self) -> str:
        """Version of the patchset's schema."""
        return str(self.document["version"])

    def __len__(self) -> int:
        return len(self.patches)

    def __iter__(self) -> Iterator[Patch]:
        return iter(self.patches)

    def __contains__(self, key: object) -> bool:
        try:
            self[key]  # type: ignore[index]
        except UnknownPatch:
            return False
        return True

    def __getitem__(self, key: str | Sequence[float | str]) -> Patch:
        """The patch of a name, or of a tuple or list of values.

        Raises:
            UnknownPatch: there is none.
        """
        try:
            return self._index[tuple(key) if isinstance(key, list) else key]  # type: ignore[index]
        except (KeyError, TypeError):
            some = ", ".join(patch.name for patch in self.patches[:3])
            what = "name" if isinstance(key, str) else "values"
            raise UnknownPatch(
                f"no patch with {what} {shown(key)} among the {len(self)} of this patchset ({some}, …); "
                f"give a name, or values of {', '.join(self.labels)}"
            ) from None

    def __repr__(self) -> str:
        return f"PatchSet({len(self)} patches of {', '.join(self.labels)})"

    def verify(self, workspace: Workspace | Json) -> None:
        """Check that a background workspace is the one that these patches were made for.

        Raises:
            DigestMismatch: some digest differs.
        """
        document = workspace if isinstance(workspace, dict) else workspace.document
        for algorithm, expected in self.digests.items():
            got = digest(document, algorithm)
            if got != expected.lower():
                raise DigestMismatch(
                    f"the background workspace is not the one this patchset was made for: its {algorithm} digest is "
                    f"{got}, expected {expected}; take both files from the same publication"
                )

    def apply(self, workspace: Workspace, key: str | Sequence[float | str], *, verify: bool = True) -> Workspace:
        """The background workspace with one patch applied to it.

        Raises:
            DigestMismatch: unless `verify` is False, when the workspace is another one.
            UnknownPatch: there is no such patch.
            InvalidPatch: the patch does not apply.
        """
        if verify:
            self.verify(workspace)
        return workspace.patched(self[key])


def _patch(entry: Mapping[str, Any]) -> Patch:
    metadata = entry["metadata"]
    return Patch(metadata["name"], tuple(metadata["values"]), entry["patch"], metadata)


def _index(patches: Sequence[Patch], labels: Sequence[str]) -> dict[str | Values, Patch]:
    index: dict[str | Values, Patch] = {}
    for position, patch in enumerate(patches):
        where = f"/patches/{position}/metadata"
        if len(patch.values) != len(labels):
            raise InvalidPatchSet(
                f"{where}/values: patch {patch.name!r} has {len(patch.values)} values for the {len(labels)} labels "
                f"{', '.join(labels)}; give one a label"
            )
        if patch.name in index:
            raise InvalidPatchSet(f"{where}/name: a second patch of name {patch.name!r}; rename one of them")
        if patch.values in index:
            raise InvalidPatchSet(
                f"{where}/values: patch {patch.name!r} has the same values {shown(list(patch.values))} as patch "
                f"{index[patch.values].name!r}; give each its own"
            )
        index[patch.name] = index[patch.values] = patch
    return index
