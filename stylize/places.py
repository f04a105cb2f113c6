"""Paths of weights and examples, beside the package in a checkout and inside it once installed; and atomic writes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stylize.errors import StylizeError

PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parent if (PACKAGE.parent / "weights" / "mini").is_dir() else None
WEIGHTS_FOLDER = (CHECKOUT or PACKAGE) / "weights"
EXAMPLES = sorted(((CHECKOUT or PACKAGE) / "examples").glob("*.jpg"))  # photos that the page offers
REQUIRED_FILES = ("generator", "encoder", "clip")  # files that make the full model complete


def model_folder(model: str) -> Path:
    """The folder of a model: "mini", "full" (STYLIZE_FULL can name another folder), or a folder itself."""
    if model == "full":
        return Path(os.environ.get("STYLIZE_FULL") or (WEIGHTS_FOLDER / "full" if CHECKOUT else _cache() / "full"))
    return WEIGHTS_FOLDER / model if "/" not in model and (WEIGHTS_FOLDER / model).is_dir() else Path(model)


def default_model() -> str:
    """STYLIZE_MODEL, else full if all its files are present, else mini."""
    complete = all((model_folder("full") / f"{part}.safetensors").is_file() for part in REQUIRED_FILES)
    return os.environ.get("STYLIZE_MODEL") or ("full" if complete else "mini")


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stylize"


def use_large_pages() -> None:
    """Makes PyTorch use large memory pages, which it checks for at its first allocation: a 1024 px picture touches over
    a gigabyte of fresh memory, and ordinary 4 KB pages cost as much time as a convolution. To be called by programs
    before any tensor is made; importing the package changes nothing."""
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")


@contextmanager
def atomic_write(path: Path, kind: type[StylizeError] = StylizeError) -> Iterator[Path]:
    """A temporary path to write to, with the same suffix, renamed to ``path`` at the end, so that the file appears
    whole or not at all even if the process is killed. Raises an error of that ``kind`` if the disk is full or the place
    not writable."""
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        raise kind(
            "{} cannot be written ({}); free some space or choose another place.", path, error.strerror
        ) from None
    finally:
        with suppress(OSError):
            part.unlink()
