"""The likelihood, its minimiser and the statistics on it; what runs on every worker."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fitloom_core.inference.fits import fit, fixed_poi_fit
    from fitloom_core.inference.hypotest import hypotest
    from fitloom_core.model import Model
    from fitloom_core.patchset import PatchSet
    from fitloom_core.workspace import Workspace

__all__ = ["Model", "PatchSet", "Workspace", "fit", "fixed_poi_fit", "hypotest"]

_WHERE = {
    "Model": "fitloom_core.model",
    "PatchSet": "fitloom_core.patchset",
    "Workspace": "fitloom_core.workspace",
    "fit": "fitloom_core.inference.fits",
    "fixed_poi_fit": "fitloom_core.inference.fits",
    "hypotest": "fitloom_core.inference.hypotest",
}


def __getattr__(name: str) -> Any:
    """Load numerics only when they are asked for: importing JAX costs most of a second."""
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'fitloom_core' has no attribute {name!r}")
