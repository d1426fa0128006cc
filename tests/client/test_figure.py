"""Figures: files of each kind that open, the same bytes each time, and no name that breaks them."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from fitloom.contour import compute
from fitloom.figure import draw, make
from fitloom_core.errors import InputError
from fitloom_core.wire import FitResult
from mass_planes import LABELS, grid, hill, result, results

Json = dict[str, Any]
HOSTILE = ("$x$", "a_b^{", r"\frac\foo", "<b>&\"'", "名前 🙂 é", "new\nline\x00\u2028", "%" * 500, "")


def texts(contour: Json, title: str | None = None) -> list[str]:
    """Everything that a figure says, in its legend and elsewhere."""
    from matplotlib.text import Text

    figure = make(contour, title)
    found = [text.get_text() for text in figure.findobj(Text)]
    return [text for text in found if text]


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_a_figure_of_each_kind_is_written_and_opens(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"contour.{kind}"
    assert draw(compute(results(), labels=LABELS), [path], title="A search") == [path]
    if kind == "png":
        from PIL import Image

        with Image.open(path) as image:
            assert image.size == (1200, 900)
            assert len(image.convert("RGB").getcolors(1 << 20) or []) > 100
    elif kind == "pdf":
        assert path.read_bytes().startswith(b"%PDF-")
        assert path.read_bytes().rstrip().endswith(b"%%EOF")
    else:
        assert ElementTree.parse(path).getroot().tag.endswith("svg")


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_the_same_contour_gives_the_same_bytes(kind: str, tmp_path: Path) -> None:
    contour = compute(results(places=grid(6, 5)), labels=LABELS)
    first, second = draw(contour, [tmp_path / f"a.{kind}", tmp_path / f"b.{kind}"])
    draw(contour, [second])
    assert first.read_bytes() == second.read_bytes()


def test_another_suffix_is_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot draw 'contour.gif': the name has to end in .png, .pdf, .svg"):
        draw(compute([], labels=LABELS), [tmp_path / "contour.png", tmp_path / "contour.gif"])
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_folder_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        draw(compute([], labels=LABELS), [tmp_path / "missing" / "contour.png"])


@pytest.mark.parametrize(
    "found",
    [
        [],
        results(places=[(1000.0, 100.0)]),
        [result(place, 0.0, status="failed") for place in grid(3, 3)],
        [result(place, hill(*place), status="not_converged") for place in grid(3, 3)],
        results(places=[(500.0 + 100 * i, 10.0 + 50 * i) for i in range(5)]),
        results(places=grid(30, 20)),
        [*results(region="A"), *results(lambda x, y: hill(x, y) - 1, region="B"), *results(lambda x, y: 0, region="C")],
        [entry.model_copy(update={"values": {"m": i}}) for i, entry in enumerate(results(places=grid(3, 3)))],
        [entry.model_copy(update={"values": {}}) for entry in results(places=grid(3, 2))],
    ],
    ids=["none", "one", "all failed", "none certified", "a line", "many", "regions", "one label", "no label"],
)
def test_there_is_a_figure_whatever_there_is_to_draw(found: list[FitResult], tmp_path: Path) -> None:
    labels = tuple(found[0].values) if found else LABELS
    (path,) = draw(compute(found, labels=labels), [tmp_path / "contour.png"])
    assert path.stat().st_size > 5000


@pytest.mark.parametrize("name", HOSTILE, ids=repr)
def test_no_name_or_label_breaks_a_figure(name: str, tmp_path: Path) -> None:
    label = name or "empty"
    found = [
        result(place, hill(*place), region=region, labels=(label, "m_x_y"), more={f"{name}!": name})
        for place in grid(5, 4)
        for region in (name, f"{name}2")
    ]
    contour = compute(found, labels=(label, "m_x_y", f"{name}!"))
    paths = draw(contour, [tmp_path / f"contour.{kind}" for kind in ("png", "pdf", "svg")], title=name)
    assert all(path.stat().st_size > 5000 for path in paths)


def test_the_figure_says_what_is_drawn_and_what_is_missing() -> None:
    found = [*results(region="A"), *results(lambda x, y: 0.0, region="B")]
    found += [result((1001.0, 1.0), 0.0, region="A", status="failed")]
    found += [result((1002.0, 1.0 + i), 1.0, region="B", status="not_converged") for i in range(2)]
    said = texts(compute(found, labels=LABELS), title="A search")
    for words in (
        "A search",
        "95% CL limits",
        "Observed, best expected region",
        "Expected ±1σ",
        "A",
        "B (no point excluded)",
        "Not certified (2)",
        "No result (1)",
        r"$m(\tilde{g})$ [GeV]",
    ):
        assert words in said


def test_without_a_title_a_figure_has_the_pallets_name() -> None:
    assert "generated" in texts(compute(results(places=grid(3, 3)), labels=LABELS))


def test_other_labels_are_named_with_their_values() -> None:
    found = [result(place, hill(*place), more={"m_neutralino2": 60.0, "decay": "$b"}) for place in grid(4, 4)]
    said = texts(compute(found, labels=(*LABELS, "m_neutralino2", "decay")))
    assert r"95% CL limits, $m(\tilde{\chi}^{0}_{2})$ = 60 GeV, decay = \$b" in said


def test_numbers_beside_points_do_not_run_into_each_other() -> None:
    crowd = [*grid(5, 5), *((1000.0 + i, 500.0) for i in range(40))]
    said = texts(compute(results(lambda x, y: 0.0, places=crowd), labels=LABELS))
    assert 20 < said.count("0.50") < 30


def test_drawing_needs_no_window_no_latex_and_not_the_whole_of_mplhep(tmp_path: Path) -> None:
    code = (
        "import json, sys; from fitloom.figure import draw; "
        "draw(json.load(sys.stdin), [sys.argv[1]]); "
        "print([name for name in ('matplotlib.pyplot', 'mplhep', 'jax', 'scipy') if name in sys.modules])"
    )
    import json

    document = json.dumps(compute(results(), labels=LABELS))
    command = [sys.executable, "-c", code, str(tmp_path / "contour.png")]
    done = subprocess.run(command, input=document, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "[]", "")


def test_a_users_own_settings_of_matplotlib_stay_as_they_are(tmp_path: Path) -> None:
    import matplotlib

    with matplotlib.rc_context({"text.usetex": True, "font.size": 31.0}):
        draw(compute(results(places=grid(4, 4)), labels=LABELS), [tmp_path / "contour.png"])
        assert matplotlib.rcParams["text.usetex"] is True
        assert matplotlib.rcParams["font.size"] == 31.0
