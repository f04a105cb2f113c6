"""A model of every kind that is built in moments: random weights, 32 px."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.trust.tiny import CLIP, ENCODER, GENERATOR, save_tiny_model
from stylize.faces.parts import PARTS
from stylize.models.domain import Domain
from stylize.pipeline import Stylizer

__all__ = [
    "CLIP",
    "ENCODER",
    "GENERATOR",
    "load_tiny_model",
    "load_tiny_model_with_style",
    "of_parts",
    "save_tiny_model",
]


def load_tiny_model_with_style(folder: Path) -> Stylizer:
    """The same with one ready style, "pencil sketch"."""
    stylizer = load_tiny_model(folder)
    config = stylizer.generator.config
    vector = torch.randn(config.domain_dim, generator=torch.Generator().manual_seed(0))
    domain = Domain(vector, tuple(config.domain_sizes), "pre_demod", stylizer.fingerprint, "pencil sketch")
    domain.save(folder / "domains" / "pencil sketch.safetensors")
    (folder / "domains" / "previews").mkdir()
    stylizer.sample(1)[0].save(folder / "domains" / "previews" / "pencil sketch.webp")
    return stylizer


def load_tiny_model(folder: Path) -> Stylizer:
    return Stylizer.load(str(save_tiny_model(folder)), "cpu")


def of_parts(stylizer: Stylizer) -> Stylizer:
    """The same with a generator that has scales for the parts of a face."""
    generator = stylizer.generator
    generator.config = replace(generator.config, inject=4, parts=len(PARTS))
    return stylizer
