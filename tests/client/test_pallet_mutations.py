"""Damaged pallets, hundreds of them: each is read, or refused with an error of ours."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fitloom.pallet import open_pallet
from fitloom_core.errors import FitloomError
from small_pallets import PLANE, write_loose, write_patchset

KINDS = {"tar": ".tar", "gztar": ".tar.gz", "bztar": ".tar.bz2", "xztar": ".tar.xz", "zip": ".zip"}


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The same small pallet in every kind of archive."""
    folder = tmp_path_factory.mktemp("archives")
    write_loose(folder / "p" / "A", PLANE[:3])
    write_patchset(folder / "p" / "B", PLANE[:3])
    made = {kind: shutil.make_archive(str(folder / kind), kind, root_dir=folder / "p") for kind in KINDS}
    return {kind: Path(path).read_bytes() for kind, path in made.items()}


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(sorted(KINDS)),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=20),
    kept=st.floats(0, 1),
)
def test_a_damaged_archive_is_read_or_refused(kind, flips, kept, archives, tmp_path):
    content = bytearray(archives[kind][: max(1, round(len(archives[kind]) * kept))])
    for where, mask in flips:
        content[int(where * len(content))] ^= mask
    (tmp_path / "damaged").write_bytes(content)
    try:
        pallet = open_pallet(tmp_path / "damaged")
    except FitloomError as refused:
        message = refused.message
        assert str(tmp_path) in message or ".json" in message
    else:
        assert all(region.points for region in pallet.regions)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    file=st.sampled_from(["BkgOnly.json", "patchset.json", "patch.signal_200_100.json"]),
    where=st.floats(0, 1, exclude_max=True),
    put=st.sampled_from(["", "null", "-1", "[", "{}", '"x"', "NaN", "1e999", "\\ud800", "[" * 2000, "\x00", "é"]),
    cut=st.integers(0, 40),
)
def test_a_damaged_document_is_read_or_refused(file, where, put, cut, tmp_path):
    shutil.rmtree(tmp_path / "p", ignore_errors=True)
    folder = (write_loose if file.startswith("patch.") else write_patchset)(tmp_path / "p", PLANE[:3])
    text = (folder / file).read_text()
    at = int(where * len(text))
    (folder / file).write_text(text[:at] + put + text[at + cut :], encoding="utf-8", errors="surrogatepass")
    try:
        pallet = open_pallet(folder)
    except FitloomError as refused:
        message = refused.message
        assert ".json" in message
    else:
        assert all(region.points for region in pallet.regions)
