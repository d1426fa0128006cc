"""The page as one file that opens from disk: data, style, modules and typeface inside, nothing fetched.

The modules become one script, each in a function of its own so that their names stay apart; the file's content security
policy allows exactly this script and this style, by their hashes, and no connection to anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fitloom.dashboard.assets import assets
from fitloom.dashboard.contours import ContourDesk, View
from fitloom.dashboard.overlay import Overlay
from fitloom.dashboard.watch import Watch, encode

Json = dict[str, Any]

_ENTRY = "app.js"
_FONT = "vendor/atkinson-hyperlegible-next/latin-wght-normal.woff2"
_IMPORT = re.compile(r"^import \{([^}]*)\} from '\./([\w.]+)';\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) )", re.MULTILINE)
_EXPORTED = re.compile(r"^export (?:async )?(?:function|class|const) (\w+)", re.MULTILINE)


def write_report(campaigns: Sequence[str | Path], path: str | Path, overlays: Sequence[Overlay] = ()) -> Path:
    """Write the page of some campaigns, as they are now, to one HTML file."""
    target = Path(path)
    target.write_text(report([Watch(folder) for folder in campaigns], overlays), encoding="utf-8")
    return target


def report(watches: Sequence[Watch], overlays: Sequence[Overlay] = ()) -> str:
    """The page with everything in it."""
    style, script = _style(), _script()
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
    )
    data = encode(_data(watches, overlays)).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    icon = base64.b64encode(assets()["icon.svg"].content).decode()
    page = assets()["index.html"].content.decode()
    page = re.sub(r"<link rel=\"preload\"[^>]*>\n", "", page)
    page = page.replace('href="static/icon.svg"', f'href="data:image/svg+xml;base64,{icon}"')
    page = page.replace('<link rel="stylesheet" href="static/style.css">', f"<style>{style}</style>")
    page = page.replace('<script type="module" src="static/app.js"></script>', "")
    page = page.replace(
        '<meta charset="utf-8">',
        f'<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{policy}">',
    )
    inside = (
        f'<script type="application/json" id="fitloom-data">{data}</script>\n<script type="module">{script}</script>\n'
    )
    return page.replace("</body>", inside + "</body>")


def _data(watches: Sequence[Watch], overlays: Sequence[Overlay]) -> Json:
    return {
        "campaigns": [{"n": n, **watch.brief()} for n, watch in enumerate(watches)],
        "snapshots": [watch.snapshot() for watch in watches],
        "contours": [_contours(watch) for watch in watches],
        "overlays": [overlay.to_json() for overlay in overlays],
    }


def _contours(watch: Watch) -> list[Json]:
    """The contour of every plane that the page offers."""
    desk = ContourDesk(watch)
    found = []
    for plane in watch.planes:
        axes = plane["axes"]
        view = View(tuple(axes) if len(axes) == 2 else None, tuple(sorted(plane["where"].items())))
        found.append({"view": plane, "contour": desk.draw(view).lines_only})
    return found


def _style() -> str:
    font = base64.b64encode(assets()[_FONT].content).decode()
    return assets()["style.css"].content.decode().replace(f'url("{_FONT}")', f'url("data:font/woff2;base64,{font}")')


def _script() -> str:
    """All modules in the order in which they need each other."""
    order: list[str] = []
    _collect(_ENTRY, order)
    bundled = ["'use strict';", "const modules = {};"]
    bundled += [_wrapped(name) for name in order]
    script = "\n".join(bundled)
    if "</script" in script.lower():
        raise AssertionError("a module of the page holds a closing script tag, which ends the script of a report")
    return script


def _collect(name: str, order: list[str]) -> None:
    for _, needed in _IMPORT.findall(_source(name)):
        if needed not in order:
            _collect(needed, order)
    if name not in order:
        order.append(name)


def _wrapped(name: str) -> str:
    source = _source(name)
    exported = ", ".join(_EXPORTED.findall(source))
    body = _IMPORT.sub(lambda found: f"const {{{found[1]}}} = modules['{found[2]}'];\n", source)
    return f"modules['{name}'] = (() => {{\n{_EXPORT.sub('', body)}\nreturn {{ {exported} }};\n}})();"


def _source(name: str) -> str:
    return assets()[name].content.decode()


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
