"""A real browser on the real server: Debian's chromium, driven by playwright."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fitloom.dashboard.serve import Served, Settings, serving

from .waiting import CAMPAIGN, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

ARTEFACTS = Path(__file__).resolve().parent.parent / "artefacts"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
Serve = Callable[..., Served]
Open = Callable[..., "Page"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder wants the browser."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where the browser is."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    pytest.skip("no chromium: apt-get install chromium")


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """The browser, started once."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield found
        found.close()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve campaign folders on a free port until the test ends."""
    with ExitStack() as stack:

        def start(*folders: Path, **settings: Any) -> Served:
            return stack.enter_context(serving(folders, Settings(**{"port": 0, **settings})))

        yield start


@pytest.fixture
def visit(browser: Browser) -> Iterator[Open]:
    """Open an address as a new visitor; the test fails on any error that the page reports."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def open_(
        address: str,
        *,
        width: int = 1280,
        height: int = 900,
        wait: bool = True,
        allow: str = "net::ERR",
        **context: Any,
    ) -> Page:
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **context))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if _is_ours(message, allow) else None)
        page.goto(address)
        if wait:
            until(page, f"{CAMPAIGN}?.contour !== null && {CAMPAIGN}?.contour !== undefined")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not errors


@pytest.fixture
def artefact(request: pytest.FixtureRequest) -> Callable[[Page, str], Path]:
    """Keep a picture of a page among the artefacts."""
    ARTEFACTS.mkdir(exist_ok=True)

    def keep(page: Page, name: str, **options: Any) -> Path:
        path = ARTEFACTS / f"{name}.png"
        page.wait_for_timeout(150)
        page.screenshot(path=path, **options)
        return path

    return keep


def _is_ours(message: Any, allow: str) -> bool:
    """Errors of the page: not those that a test provokes, nor refused requests, of which the page itself tells."""
    return message.type == "error" and allow not in message.text and "Failed to load resource" not in message.text
