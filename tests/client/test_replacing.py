"""Files that are written whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from fitloom.replacing import replacing


def test_a_file_is_there_once_it_is_complete(tmp_path: Path):
    path = tmp_path / "contour.json"
    path.write_text("old")
    with replacing(path) as stream:
        stream.write("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_a_file_that_fails_half_way_leaves_the_old_one_alone(tmp_path: Path):
    path = tmp_path / "contour.json"
    path.write_text("old")
    with pytest.raises(TypeError), replacing(path) as stream:
        stream.write(b"half")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_others_may_read_what_they_may_read_of_any_new_file(tmp_path: Path):
    with replacing(tmp_path / "figure.png", "wb") as stream:
        stream.write(b"\x89PNG")
    (tmp_path / "plain").touch()
    assert (tmp_path / "figure.png").stat().st_mode == (tmp_path / "plain").stat().st_mode
