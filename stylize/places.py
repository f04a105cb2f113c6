"""Where weights and examples lie: beside the package in a checkout, inside it once it is installed."""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parent if (PACKAGE.parent / "weights" / "mini").is_dir() else None
WEIGHTS = (CHECKOUT or PACKAGE) / "weights"
EXAMPLES = sorted(((CHECKOUT or PACKAGE) / "examples").glob("*.jpg"))  # photos that the page offers
PARTS = ("generator", "encoder", "clip")  # files that make the full model complete


def model_folder(model: str) -> Path:
    """Where a model lies: "mini", "full" (the variable STYLIZE_FULL names another folder), or a folder itself."""
    if model == "full":
        return Path(os.environ.get("STYLIZE_FULL") or (WEIGHTS / "full" if CHECKOUT else _cache() / "full"))
    return WEIGHTS / model if "/" not in model and (WEIGHTS / model).is_dir() else Path(model)


def default_model() -> str:
    """The variable STYLIZE_MODEL, else full where all its files are present, else mini."""
    complete = all((model_folder("full") / f"{part}.safetensors").is_file() for part in PARTS)
    return os.environ.get("STYLIZE_MODEL") or ("full" if complete else "mini")


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stylize"


def use_large_pages() -> None:
    """Asks PyTorch for large pages of memory, which it looks for at its first allocation: a 1024 px picture touches
    over a gigabyte of fresh memory, and ordinary 4 KB pages cost as much time as a convolution. For programs, before
    any tensor is made; importing the package sets nothing."""
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
