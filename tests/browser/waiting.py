"""Waiting for the page: playwright's own way evaluates strings inside the page, which the page's policy forbids."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

CAMPAIGN = "globalThis.fitloom?.board.campaign"


def until(page: Page, expression: str, arg: Any = None, seconds: float = 20.0) -> Any:
    """The value of a JavaScript expression as soon as it is true."""
    end = time.monotonic() + seconds
    while not (value := page.evaluate(expression, arg)):
        assert time.monotonic() < end, f"not within {seconds} s: {expression}"
        page.wait_for_timeout(30)
    return value
