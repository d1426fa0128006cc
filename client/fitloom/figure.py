"""Figures of a contour for a paper or a slide: .png, .pdf and .svg, in the style of mplhep.

matplotlib is imported when the first figure is drawn, and only what a figure needs of it: no pyplot, no window, no
LaTeX. Names and labels that come from a pallet are drawn letter by letter and never read as TeX.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from fitloom.replacing import replacing
from fitloom_core.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Json = dict[str, Any]

FORMATS = (".png", ".pdf", ".svg")
SIZE = (8.0, 6.0)
"""In inches."""
DPI = 150
FONTS = ("texgyreheros-regular", "texgyreheros-italic", "texgyreheros-bold", "texgyreheros-bolditalic")

_ONE_AT_A_TIME = Lock()
"""matplotlib's settings belong to the whole process."""


def draw(contour: Json, paths: Iterable[str | Path], title: str | None = None) -> list[Path]:
    """Draw a contour document (see `fitloom.contour.compute`) into files; the suffix says which kind.

    Raises:
        InputError: a suffix that is none of `FORMATS`.
    """
    targets = [check_path(path) for path in paths]
    if targets:
        with _style(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            figure = make(contour, title)
            for target in targets:
                _save(figure, target)
    return targets


def check_path(path: str | Path) -> Path:
    """The path, if its suffix is one that can be drawn.

    Raises:
        InputError: it is not.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"cannot draw {path.name!r}: the name has to end in {', '.join(FORMATS)}")
    return path


def make(contour: Json, title: str | None = None) -> Figure:
    """The figure itself, for those who want to add to it."""
    from matplotlib.figure import Figure

    from fitloom.drawing import draw_plane, draw_scan

    figure = Figure(figsize=SIZE, dpi=DPI)
    axes = figure.add_subplot()
    (draw_scan if contour.get("kind") == "scan" else draw_plane)(axes, contour, title)
    return figure


def _save(figure: Figure, path: Path) -> None:
    """Readers of the file see the old figure or the new one; the same contour gives the same bytes."""
    kind = path.suffix.lower().lstrip(".")
    metadata = {"png": {"Software": None}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}[kind]
    quickly: Any = {"pil_kwargs": {"compress_level": 3}} if kind == "png" else {}
    with replacing(path, "wb") as stream:
        figure.savefig(stream, format=kind, metadata=metadata, **quickly)


@contextmanager
def _style() -> Iterator[None]:
    """mplhep's ATLAS style with its fonts, and letters it lacks from DejaVu."""
    import matplotlib

    _add_fonts()
    with _ONE_AT_A_TIME, matplotlib.rc_context():
        matplotlib.rcdefaults()
        settings: Any = matplotlib.rcParams
        settings.update(_mplhep_style())
        settings.update(
            {
                "font.family": ["TeX Gyre Heros", "DejaVu Sans"],
                "axes.autolimit_mode": "data",
                "text.usetex": False,
                "hatch.linewidth": 0.5,
                "axes.labelpad": 4,
                "axes.labelsize": 16,
                "xtick.labelsize": 13,
                "ytick.labelsize": 13,
                "xtick.major.size": 9,
                "xtick.minor.size": 4.5,
                "ytick.major.size": 9,
                "ytick.minor.size": 4.5,
                "figure.subplot.left": 0.115,
                "figure.subplot.right": 0.97,
                "figure.subplot.bottom": 0.105,
                "figure.subplot.top": 0.97,
                "svg.hashsalt": "fitloom",
                "svg.fonttype": "path",
            }
        )
        yield


def _mplhep_style() -> dict[str, Any]:
    """The style's own file, read by itself: importing the whole of mplhep takes as long as drawing the figure."""
    package = find_spec("mplhep")
    file = Path(package.origin).parent / "styles" / "atlas.py" if package and package.origin else None
    spec = spec_from_file_location("_mplhep_atlas", file) if file and file.exists() else None
    if spec is None or spec.loader is None:
        from mplhep.styles import ATLAS

        return dict(ATLAS)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return dict(module.ATLAS)


def _add_fonts() -> None:
    from matplotlib import font_manager

    known = {Path(entry.fname).stem for entry in font_manager.fontManager.ttflist}
    package = find_spec("mplhep_data")
    if package and package.origin:
        for file in sorted(Path(package.origin).parent.glob("fonts/*/texgyreheros-*.otf")):
            if file.stem in FONTS and file.stem not in known:
                font_manager.fontManager.addfont(file)
