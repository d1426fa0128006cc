"""What the page hands out as files: results as JSON lines and CSV, the figure."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock

from fitloom.dashboard.state import Json
from fitloom.dashboard.watch import Watch
from fitloom_core.wire import FitResult

FIGURES = {"png": "image/png", "pdf": "application/pdf", "svg": "image/svg+xml"}
_CHUNK = 1 << 16
_NUMBERS = ("cls_obs", "mu_hat", "q", "q_asimov", "nll_free", "nll_fixed")
_SIGMAS = ("cls_exp_-2", "cls_exp_-1", "cls_exp_0", "cls_exp_+1", "cls_exp_+2")
_drawing = Lock()


def complete_lines(path: Path, end: int) -> Iterator[bytes]:
    """A journal up to a byte offset that is the end of a line."""
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        return
    with stream:
        while end > 0 and (chunk := stream.read(min(_CHUNK, end))):
            end -= len(chunk)
            yield chunk


def table(watch: Watch) -> str:
    """The last result of each point as CSV, for spreadsheets too: no cell of ours is read as a formula."""
    labels = [str(label) for label in watch.campaign.get("pallet", {}).get("labels", ())]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    head = ["region", "name", *labels, "status", "mu", "test_stat", *_NUMBERS, *_SIGMAS]
    writer.writerow([_cell(text) for text in [*head, "kkt", "seconds", "worker", "attempt", "code", "message"]])
    for result in watch.results()[1]:
        writer.writerow([_cell(value) for value in _line(result, labels)])
    return out.getvalue()


def figure(document: Json, form: str) -> bytes:
    """The figure of a contour, drawn as `fitloom plot` draws it."""
    from fitloom import figure as drawer

    with _drawing, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"contour.{form}"
        drawer.draw(document, [path])
        return path.read_bytes()


def _line(result: FitResult, labels: Sequence[str]) -> list[object]:
    proof, error = result.certificate, result.error
    return [
        result.region,
        result.name,
        *(result.values.get(label) for label in labels),
        result.status,
        result.mu,
        result.test_stat,
        *(getattr(result, number) for number in _NUMBERS),
        *(result.cls_exp if result.cls_exp is not None else [None] * len(_SIGMAS)),
        None if proof is None else proof.kkt,
        result.seconds,
        result.worker,
        result.attempt,
        None if error is None else error.code,
        None if error is None else error.message,
    ]


def _cell(value: object) -> object:
    """Text that a spreadsheet would run as a formula gets an apostrophe in front."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    return "" if value is None else value
