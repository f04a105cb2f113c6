"""Stylise the faces of a photo with domain-modulated StyleGAN2."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stylize.errors import StylizeError
    from stylize.models.domain import Domain
    from stylize.pipeline import Stylizer

# Large pages for large tensors, which PyTorch asks for only at its first allocation: a 1024 px picture touches over a
# gigabyte of fresh memory, and ordinary 4 KB pages cost as much time as a convolution.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

__all__ = ["Domain", "StylizeError", "Stylizer"]

_HOMES = {"Domain": "domain", "StylizeError": "errors", "Stylizer": "pipeline"}


def __getattr__(name: str) -> Any:
    # Looked up on first use: importing torch takes seconds, which `--help` should not cost.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
