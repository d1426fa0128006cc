"""Titles of axes: known labels as physicists write them, others as they are."""

from __future__ import annotations

import pytest

from fitloom.titles import title


@pytest.mark.parametrize(
    ("label", "text", "tex", "unit"),
    [
        ("m_sbottom", "m(b̃)", r"$m(\tilde{b})$", "GeV"),
        ("mn2", "m(χ̃⁰₂)", r"$m(\tilde{\chi}^{0}_{2})$", "GeV"),
        ("m_neutralino1", "m(χ̃⁰₁)", r"$m(\tilde{\chi}^{0}_{1})$", "GeV"),
        ("mC1", "m(χ̃±₁)", r"$m(\tilde{\chi}^{\pm}_{1})$", "GeV"),
        ("m_Gluino", "m(g̃)", r"$m(\tilde{g})$", "GeV"),
        ("mass_stop", "m(t̃)", r"$m(\tilde{t})$", "GeV"),
        ("mLSP", "m(χ̃⁰₁)", r"$m(\tilde{\chi}^{0}_{1})$", "GeV"),
        ("m_zprime", "m(Z′)", r"$m(Z^{\prime})$", "GeV"),
        ("tan_beta", "tan β", r"$\tan\beta$", ""),
        ("m_top", "m_top", None, ""),
        ("x_1", "x_1", None, ""),
        ("$x$", "$x$", None, ""),
        ("mn2-mn1", "m(χ̃⁰₂) − m(χ̃⁰₁)", r"$m(\tilde{\chi}^{0}_{2}) - m(\tilde{\chi}^{0}_{1})$", "GeV"),
        ("mn2-$y", "m(χ̃⁰₂) − $y", None, ""),
    ],
)
def test_a_label_has_a_title(label: str, text: str, tex: str | None, unit: str) -> None:
    assert title(label) == (text, tex, unit)
