"""From a label of a patchset (``m_sbottom``, ``mn2``) to an axis title as physicists write it.

A title comes twice: as plain Unicode text for pages and terminals, and as TeX for figures. TeX only ever comes from
the tables below; a label that they do not know is used as it is, and never read as TeX.
"""

from __future__ import annotations

import re
from typing import NamedTuple

GEV = "GeV"


class Title(NamedTuple):
    """What stands beside an axis."""

    text: str
    """Plain text, as in ``m(χ̃⁰₂)``."""
    tex: str | None
    """Mathtext between dollars, or None where the label is not known."""
    unit: str


def title(label: str) -> Title:
    """The title of a label, or of the difference ``A-B`` of two labels.

    >>> title("m_sbottom").tex
    '$m(\\\\tilde{b})$'
    >>> title("some_label")
    Title(text='some_label', tex=None, unit='')
    """
    left, minus, right = label.partition("-")
    if minus:
        return _difference(title(left), title(right))
    name = label.lower().replace("_", "").replace("tilde", "")
    if name in _QUANTITIES:
        return Title(*_QUANTITIES[name])
    particle = _particle(name)
    if particle is None:
        return Title(label, None, "")
    text, tex = particle
    return Title(f"m({text})", f"$m({tex})$", GEV)


def _difference(left: Title, right: Title) -> Title:
    tex = f"${left.tex.strip('$')} - {right.tex.strip('$')}$" if left.tex and right.tex else None
    return Title(f"{left.text} − {right.text}", tex, left.unit if left.unit == right.unit else "")


def _particle(name: str) -> tuple[str, str] | None:
    """The particle of ``msbottom``, ``masssbottom`` or ``sbottommass``; its name alone counts when it is a long one."""
    for pattern in (r"m(?:ass)?(.+)", r"(.+)mass", r"(.{4,})"):
        match = re.fullmatch(pattern, name)
        if match and match[1] in _PARTICLES:
            return _PARTICLES[match[1]]
    return None


def _family(names: str, text: str, tex: str, indices: str) -> dict[str, tuple[str, str]]:
    """All names of a family of particles, each with each index."""
    subscript = dict(zip("01234", "₀₁₂₃₄", strict=True))
    return {
        f"{name}{index}": (f"{text}{subscript[index]}", f"{tex}_{{{index}}}")
        for name in names.split()
        for index in indices
    }


def _names(names: str, text: str, tex: str) -> dict[str, tuple[str, str]]:
    return dict.fromkeys(names.split(), (text, tex))


_PARTICLES: dict[str, tuple[str, str]] = {
    **_family("neutralino n chi0 chi nn", "χ̃⁰", r"\tilde{\chi}^{0}", "1234"),
    **_family("chargino c chipm x chp", "χ̃±", r"\tilde{\chi}^{\pm}", "12"),
    **_family("stop t st", "t̃", r"\tilde{t}", "12"),
    **_family("sbottom b sb", "b̃", r"\tilde{b}", "12"),
    **_names("lsp neutralino", "χ̃⁰₁", r"\tilde{\chi}^{0}_{1}"),
    **_names("chargino", "χ̃±₁", r"\tilde{\chi}^{\pm}_{1}"),
    **_names("gluino go gl glu", "g̃", r"\tilde{g}"),
    **_names("squark sq", "q̃", r"\tilde{q}"),
    **_names("sbottom sb", "b̃", r"\tilde{b}"),
    **_names("stop st", "t̃", r"\tilde{t}"),
    **_names("slepton sl slep", "ℓ̃", r"\tilde{\ell}"),
    **_names("stau", "τ̃", r"\tilde{\tau}"),
    **_names("smuon smu", "μ̃", r"\tilde{\mu}"),
    **_names("selectron sel", "ẽ", r"\tilde{e}"),
    **_names("sneutrino snu", "ν̃", r"\tilde{\nu}"),
    **_names("gravitino", "G̃", r"\tilde{G}"),
    **_names("higgsino", "H̃", r"\tilde{H}"),
    **_names("zprime zp", "Z′", r"Z^{\prime}"),
    **_names("wprime wp", "W′", r"W^{\prime}"),
    **_names("dm chi", "χ", r"\chi"),
    **_names("med mediator", "med", r"\mathrm{med}"),
    **_names("phi", "φ", r"\phi"),
    **_names("a", "A", "A"),
    **_names("h", "H", "H"),
    **_names("w wr", "W", "W"),
    **_names("lq leptoquark", "LQ", r"\mathrm{LQ}"),
    **_names("vlq", "VLQ", r"\mathrm{VLQ}"),
    **_names("graviton gkk", "G", r"G_{\mathrm{KK}}"),
}

_QUANTITIES: dict[str, tuple[str, str, str]] = {
    "m": ("m", "$m$", GEV),
    "mass": ("m", "$m$", GEV),
    "m0": ("m₀", "$m_{0}$", GEV),
    "m12": ("m₁/₂", "$m_{1/2}$", GEV),
    "dm": ("Δm", r"$\Delta m$", GEV),
    "deltam": ("Δm", r"$\Delta m$", GEV),
    "tanb": ("tan β", r"$\tan\beta$", ""),
    "tanbeta": ("tan β", r"$\tan\beta$", ""),
    "sintheta": ("sin θ", r"$\sin\theta$", ""),
}
