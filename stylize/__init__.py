"""Stylise the faces of a photo with domain-modulated StyleGAN2."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stylize.errors import StylizeError
    from stylize.look import Look
    from stylize.models.domain import Domain
    from stylize.pipeline import Stylizer

__version__ = "2.0.0"
__all__ = ["Domain", "Look", "StylizeError", "Stylizer"]

_HOMES = {"Domain": "models.domain", "Look": "look", "StylizeError": "errors", "Stylizer": "pipeline"}


def __getattr__(name: str) -> Any:
    # Looked up on first use: importing torch takes seconds, which `--help` should not cost.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
