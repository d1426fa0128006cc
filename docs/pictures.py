"""Makes the pictures of the live page in `how-to/dashboard.md`, from a run of the demo: `python docs/pictures.py`.

Half a run is shown by writing half of its results into a second campaign folder, as a driver would.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from fitloom.dashboard.serve import Settings, serving
from fitloom.journal import open_journal, read_campaign, read_results

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PICTURES = Path(__file__).resolve().parent / "_static"
COLOURS = 96
ARGUMENTS = ["--no-sandbox", "--disable-gpu"]


def main() -> None:
    """Write the pictures."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        whole, half = Path(folder) / "demo", Path(folder) / "half"
        subprocess.run([sys.executable, "-m", "fitloom", "run", "demo", "--output", whole], check=True)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        with running(whole, half), serving([half, whole], Settings(port=0)) as page:
            take(browser, page.url + "&selected=50", "page-running", width=1360, height=900)
            take(browser, page.plain_url + "#campaign=1&numbers=1", "page-dark", width=1360, height=900, dark=True)
            take(browser, page.plain_url + "#campaign=1", "page-phone", width=390, height=844)
        browser.close()


@contextmanager
def running(whole: Path, half: Path) -> Iterator[None]:
    """A second folder with half of the results, and a driver that is at work on more."""
    results = read_results(whole)
    ids = [result.id for result in results]
    done, doing = [*ids[::2], *ids[1:20:4]], ids[3:40:4]
    with open_journal(half, read_campaign(whole)) as journal:
        journal.log([("planned", {"points": ids}), ("pool_up", {"pool": "slurm", "slots": 64})])
        for number, result in enumerate(result for result in results if result.id in done):
            sent = {"task": str(number), "pool": "slurm", "points": [result.id], "attempt": 1}
            journal.log([("sent", sent)])
            journal.keep([result])
            journal.log([("result", {"points": [result.id], "attempt": 1})])
        journal.log(
            [("sent", {"task": "last", "pool": "slurm", "points": doing, "attempt": 1}), ("running", {"task": "last"})]
        )
        yield


def take(browser: Browser, address: str, name: str, *, width: int, height: int, dark: bool = False) -> None:
    """One picture of the page, with few colours so that it is small."""
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light")
    page.goto(address)
    page.wait_for_timeout(3000)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE).save(
        PICTURES / f"{name}.png", optimize=True
    )
    page.close()


if __name__ == "__main__":
    main()
