"""The encoders, by the kind that their files name. To add one, register a function:

    @encoder("mine")
    def mine(config: dict[str, Any], generator: Generator) -> nn.Module: ...

It returns a module that maps pictures (N, 3, R, R) in [-1, 1] to W+ (N, num_ws, w_dim) or to a ``Code``. The module has
a ``config`` with ``resolution`` (R), ``num_ws`` and ``w_dim``, and may have a ``title``. It may be created on the
device "meta": loading the file fills it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from stylize.errors import CheckpointError
from stylize.models.checkpoints import load_checkpoint, load_into
from stylize.models.e4e import E4e, E4eConfig, ReStyle
from stylize.models.generator import Generator
from stylize.models.mini_encoder import Encoder, EncoderConfig
from stylize.models.sfe import Sfe, SfeConfig

BASE = "encoder.safetensors"  # in a model's folder
SFE_ENCODER = "encoder_sfe.safetensors"  # preferred if present
DESTYLE = "destyle.safetensors"  # what adapts the mini encoder to drawings, if present
Make = Callable[[dict[str, Any], Generator], nn.Module]
ENCODERS: dict[str, Make] = {}


def encoder(kind: str) -> Callable[[Make], Make]:
    """Registers the function that builds encoders for files of that kind."""

    def register(make: Make) -> Make:
        ENCODERS[kind] = make
        return make

    return register


@encoder("mini")
def _mini(config: dict[str, Any], generator: Generator) -> nn.Module:
    return Encoder(EncoderConfig(**config))


@encoder("e4e")
def _e4e(config: dict[str, Any], generator: Generator) -> nn.Module:
    return E4e(E4eConfig(**config))


@encoder("restyle_psp")
def _restyle_psp(config: dict[str, Any], generator: Generator) -> nn.Module:
    return ReStyle(E4eConfig(**config), "psp", generator.synthesis)


@encoder("restyle_e4e")
def _restyle_e4e(config: dict[str, Any], generator: Generator) -> nn.Module:
    return ReStyle(E4eConfig(**config), "e4e", generator.synthesis)


@encoder("sfe")
def _sfe(config: dict[str, Any], generator: Generator) -> nn.Module:
    return Sfe(SfeConfig(**config), generator)


def find_encoder(folder: Path) -> Path | None:
    """The file of the best encoder in a model's folder."""
    return next((folder / name for name in (SFE_ENCODER, BASE) if (folder / name).is_file()), None)


def load_encoder(path: Path, generator: Generator) -> nn.Module:
    """Loads the encoder that the file's settings name, and tells the generator where and how its features enter.

    StyleFeatureEditor takes e4e from BASE beside its own file. Raises CheckpointError.
    """
    tensors, settings = load_checkpoint(path)
    with _settings_of(path), torch.device("meta"):  # the file fills it: no initial weights needed
        kind = settings.get("kind", "mini")
        if kind not in ENCODERS:
            raise ValueError(f"the kind {kind!r}")
        made = ENCODERS[kind](settings["config"], generator)
    config: Any = made.config
    with _settings_of(path):
        target = replace(generator.config, inject=config.inject) if isinstance(made, Sfe) else generator.config
    features = getattr(config, "features", 0)
    if (
        (config.num_ws, config.w_dim) != (target.num_ws, target.w_dim)
        or (features and (not target.inject or features != target.features_shape[0]))
        or (isinstance(made, Sfe) and made.config.side != target.features_shape[1])
    ):
        raise CheckpointError("The encoder and the generator in {} do not match.", path.parent)
    load_into(made, tensors, path.name)
    if isinstance(made, Encoder) and (beside := path.with_name(DESTYLE)).is_file():
        destyle = load_checkpoint(beside)[0].get("destyle")
        if destyle is None or destyle.shape != (made.destyle_dim,):
            raise CheckpointError("{} does not fit the encoder beside it; train it again.", beside)
        made.destyle = destyle
    if isinstance(made, Sfe) and made.editor is not None:
        beside = path.with_name(BASE)
        base = load_encoder(beside, generator) if beside.is_file() and beside != path else None
        if not isinstance(base, E4e) or base.config.resolution != made.config.small:
            raise CheckpointError("{} needs the encoder e4e as {} beside it; download e4e-ffhq.", path.name, BASE)
        made.e4e, generator.edit = base, made.edit
    generator.config = target
    return made


@contextmanager
def _settings_of(path: Path) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError("{} has settings unknown to this version ({}).", path.name, error) from None
