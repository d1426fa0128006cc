"""Fitting as a service for particle physics: whole signal grids of published likelihoods, in seconds.

::

    import fitloom
    campaign = fitloom.run("doi:10.17182/hepdata.89408.v3/r2", plot="contour.png")
    for result in campaign:
        print(result.name, result.cls_obs)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fitloom.api import Campaign, fetch, open_campaign, run
    from fitloom.pallet import Pallet, open_pallet
    from fitloom_core.errors import FitloomError
    from fitloom_core.wire import FitOptions, FitResult

__version__: str

__all__ = [
    "Campaign",
    "FitOptions",
    "FitResult",
    "FitloomError",
    "Pallet",
    "__version__",
    "fetch",
    "open_campaign",
    "open_pallet",
    "run",
]

_WHERE = {
    "Campaign": "fitloom.api",
    "FitOptions": "fitloom_core.wire",
    "FitResult": "fitloom_core.wire",
    "FitloomError": "fitloom_core.errors",
    "Pallet": "fitloom.pallet",
    "fetch": "fitloom.api",
    "open_campaign": "fitloom.api",
    "open_pallet": "fitloom.pallet",
    "run": "fitloom.api",
}


def __getattr__(name: str) -> Any:
    """Load what is asked for, when it is asked for: ``import fitloom`` itself costs nothing."""
    if name == "__version__":
        from importlib.metadata import version

        return version("fitloom")
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'fitloom' has no attribute {name!r}")
