"""Shared by all conversions: validating tensors and settings before using them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stylize.convert.unpickle import Array, Record
from stylize.errors import CheckpointError
from stylize.models.checkpoints import check_tensors, load_checkpoint, load_into, save_checkpoint
from stylize.models.generator import Generator, GeneratorConfig

MAX_LEVELS = 10  # resolutions of a generator: up to 2048 px
MAX_NUMBERS = 2**29  # of one model; e4e has 267 million

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class ConvertedWeights:
    """A converted generator, encoder, directions or part of LPIPS: tensors, and settings that describe them.

    ``note``: a sentence about what the file lacked and how that was replaced; "" if nothing was missing.
    """

    tensors: Tensors
    settings: dict[str, Any]
    note: str = ""

    def save(self, path: str | Path) -> None:
        save_checkpoint(path, self.tensors, self.settings)


@dataclass(frozen=True)
class Base:
    """The generator that domains belong to."""

    generator: Generator
    fingerprint: str

    @classmethod
    def load(cls, path: Path) -> Base:
        """Loads this project's file of a generator, or a folder with generator.safetensors. Raises CheckpointError."""
        path = path / "generator.safetensors" if path.is_dir() else path
        tensors, settings = load_checkpoint(path)
        try:
            config = GeneratorConfig(**settings["config"])
            if len(config.channels) > MAX_LEVELS or config.mapping_layers > len(tensors):
                raise ValueError("more layers than the file can hold")
            with torch.device("meta"):  # checks sizes before allocating memory
                generator = Generator(config)
        except Exception:  # invalid settings may raise anything
            raise CheckpointError("{} is not a generator of this project; convert one first.", path.name) from None
        load_into(generator, tensors, path.name)
        return cls(generator, generator.fingerprint())


def plain_tensors(state: Any, name: str) -> Tensors:
    """A state dict without the prefix ``module.`` of parallel training, NumPy arrays converted to tensors.

    Raises CheckpointError if it holds anything but numbers with plain names, or empty tensors.
    """
    items = state.items() if isinstance(state, dict) else [("", None)]
    tensors: dict[Any, Any] = {key: value.tensor if isinstance(value, Array) else value for key, value in items}
    if not all(printable(key) and isinstance(value, Tensor) and value.numel() for key, value in tensors.items()):
        raise CheckpointError("{} does not contain plain tensors for its weights; use another file.", name)
    return without_prefix(tensors, "module.")


def without_prefix(tensors: Mapping[str, Tensor], *prefixes: str) -> Tensors:
    """The tensors with any of the prefixes that all their names share removed."""
    for prefix in prefixes:
        if tensors and all(key.startswith(prefix) for key in tensors):
            tensors = {key.removeprefix(prefix): tensor for key, tensor in tensors.items()}
    return dict(tensors)


def part_of(tensors: Mapping[str, Tensor], prefix: str) -> Tensors:
    """The tensors whose names start with the prefix, without it and a following ``module.``."""
    held = {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}
    return without_prefix(held, "module.")


def finite(tensors: Tensors, name: str) -> Tensors:
    """Converts to float32, except BatchNorm's counters. Raises CheckpointError if there are too many numbers or
    non-finite ones."""
    if sum(tensor.numel() for tensor in tensors.values()) > MAX_NUMBERS:
        raise CheckpointError("{} has far more numbers than a model of its kind; use another file.", name)
    if odd := next((key for key, tensor in tensors.items() if tensor.is_complex()), None):
        raise CheckpointError("{} contains complex numbers in {}, which no model has; use another file.", name, odd)
    tensors = {k: t.long() if k.endswith("num_batches_tracked") else t.float() for k, t in tensors.items()}
    for key, tensor in tensors.items():
        if not bool(tensor.isfinite().all()):
            raise CheckpointError("{} is damaged: {} contains non-finite numbers; download it again.", name, key)
    return tensors


def checked(build: Callable[[], nn.Module], tensors: Tensors, name: str) -> Tensors:
    """``finite`` tensors, which must be exactly the module's. Raises CheckpointError."""
    try:
        with torch.device("meta"):
            expected = build().state_dict()
    except Exception:  # sizes from which no module can be built
        raise CheckpointError("{} has a different architecture than one of its kind; use another file.", name) from None
    check_tensors(expected, tensors, name)
    return finite(tensors, name)


def count(pattern: str, tensors: Tensors) -> int:
    return sum(bool(re.fullmatch(pattern, name)) for name in tensors)


def plain(settings: Any) -> dict[str, Any]:
    """The numbers and short texts in a dict, an argparse.Namespace or an OmegaConf container."""
    if isinstance(settings, Record):
        settings = settings.get("_content", settings)
    items = settings.items() if isinstance(settings, dict) else ()
    values = {key: value.get("_val") if isinstance(value, Record) else value for key, value in items}
    return {key: value for key, value in values.items() if printable(key) and (printable(value) or _number(value))}


def printable(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable() and len(value) < 1000


def shown(value: Any) -> str:
    return ascii(value[:60]) if isinstance(value, str) else "not told"


def _number(value: Any) -> bool:
    return value is None or isinstance(value, float) or (isinstance(value, int) and abs(value) < 2**63)
