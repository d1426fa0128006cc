"""The page's modules by themselves: titles, numbers, ticks, the filter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from fitloom.dashboard.serve import Settings, serving
from fitloom.titles import title
from written_campaigns import finished, grid

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Page]:
    """Any page: its modules can be imported in it."""
    folder = finished(tmp_path_factory.mktemp("modules") / "run", grid(6, 5))
    with serving([folder], Settings(port=0)) as served:
        found = browser.new_page()
        found.goto(served.url)
        yield found
        found.close()


def call(page: Page, module: str, expression: str, argument: Any = None) -> Any:
    """The value of an expression with the names of a module at hand as ``m``."""
    source = f"async (argument) => {{ const m = await import('./static/{module}'); return ({expression}); }}"
    return page.evaluate(source, argument)


def test_every_title_of_a_particle_is_typeset(page: Page) -> None:
    names = ("m_sbottom", "m_neutralino2", "mn1", "m_chargino1", "gluino", "m_zprime", "m0", "m12", "tanb", "dm")
    labels = [*names, "m_gluino-m_neutralino1", "m_med", "m_phi", "m_slepton", "m_graviton"]
    for label in labels:
        document = title(label)._asdict()
        assert document["tex"], label
        found = call(page, "tex.js", "m.titled(argument).querySelector('math') !== null", document)
        assert found, f"{label}: {document['tex']}"


@pytest.mark.parametrize("tex", ["$", "${$", "$}$", "$\\unknown{x}$", "$x^$", "$\\mathrm$", "$_$", "$\\tilde$"])
def test_tex_that_cannot_be_read_leaves_the_text(page: Page, tex: str) -> None:
    shown = call(page, "tex.js", "m.titled(argument).textContent", {"text": "plain", "tex": tex, "unit": "GeV"})
    assert "plain" in shown or "math" in tex


def test_scripts_and_accents_are_put_together(page: Page) -> None:
    document = {"text": "x", "tex": r"$m(\tilde{\chi}^{0}_{1})$", "unit": "GeV"}
    markup = call(page, "tex.js", "m.titled(argument).innerHTML", document)
    assert "<msubsup><mover" in markup
    assert markup.endswith("[GeV]")


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.05, "0.0500"), (0.5, "0.500"), (1, "1.000"), (3.2e-7, "3.2×10⁻⁷"), (0, "0.0000"), (None, "–")],
)
def test_values_of_cls_are_written_in_three_digits(page: Page, value: float | None, shown: str) -> None:
    assert call(page, "format.js", "m.cls(argument)", value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.0123, "0.012 s"), (4.26, "4.3 s"), (59.7, "1 min 00 s"), (3725, "1 h 02 min"), (9e4, "1 d 1 h")],
)
def test_lengths_of_time_are_written_for_people(page: Page, seconds: float, shown: str) -> None:
    assert call(page, "format.js", "m.duration(argument)", seconds) == shown


def test_ticks_are_round_and_within_the_axis(page: Page) -> None:
    for low, high in ((1000, 2600), (-160, 2160), (0, 1.02), (0.001, 0.0042), (1e6, 1e6 + 5)):
        found = call(page, "scale.js", "m.ticks(argument[0], argument[1], 6)", [low, high])
        assert 2 <= len(found) <= 14
        assert all(low <= tick <= high for tick in found)


def test_the_filter_knows_words_states_and_comparisons(page: Page) -> None:
    point = (
        "{name: 'GG_1000_1', region: 'A', worker: 'node7', state: 'not_converged', values: {m: 1000}, cls_obs: 0.04}"
    )
    campaign = "{stateOf: (point) => point.state, facts: {labels: ['m']}}"
    for text, kept in {
        "": True, "gg_1000": True, "node7 A": True, "-node7": False, "not_converged": True, "converged": False,
        "cls<0.05": True, "cls_obs<=0.04": True, "m=1000": True, "m>1000": False, "mu_hat>0": False, "m>=9 m<9": False,
    }.items():  # fmt: skip
        assert call(page, "filter.js", f"m.matcher(argument, {campaign}).test({point})", text) is kept, text
    problem = call(page, "filter.js", f"m.matcher('x>1', {campaign}).problem")
    assert problem.startswith("cannot compare x: known are cls_obs, ")
