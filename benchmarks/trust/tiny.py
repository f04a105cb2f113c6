"""Tiny models of every kind with random weights, built quickly, so that kills hit the work and not the waiting."""

from __future__ import annotations

from pathlib import Path

import torch

from stylize.models.checkpoints import save_checkpoint
from stylize.models.domain import Domain
from stylize.models.generator import Generator, GeneratorConfig
from stylize.models.mini_encoder import Encoder, EncoderConfig
from stylize.models.text_image import TextImageModel
from stylize.pipeline import Stylizer

GENERATOR = GeneratorConfig(32, (8, 8, 8, 8), z_dim=16, w_dim=16, mapping_layers=2)
ENCODER = EncoderConfig(32, widths=(8, 8), blocks=(1, 1), code=4, num_ws=GENERATOR.num_ws, w_dim=16)
CLIP = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "head_width": 32},
    "text_cfg": {"context_length": 32, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


def save_tiny_model(folder: Path) -> Path:
    """Writes generator, encoder and text-image model into ``folder``."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_checkpoint(
            folder / "generator.safetensors", Generator(GENERATOR).state_dict(), {"config": GENERATOR.to_dict()}
        )
        save_checkpoint(folder / "encoder.safetensors", Encoder(ENCODER).state_dict(), {"config": ENCODER.to_dict()})
        save_checkpoint(folder / "clip.safetensors", TextImageModel(CLIP).model.state_dict(), {"config": CLIP})
    return folder


def make(folder: Path) -> Stylizer:
    """Writes the model into ``folder``, with the ready styles "pencil sketch" and "sepia", and loads it."""
    folder.mkdir()
    stylizer, rng = Stylizer.load(str(save_tiny_model(folder)), "cpu"), torch.Generator().manual_seed(0)
    (folder / "domains" / "previews").mkdir(parents=True)
    for name in ("pencil sketch", "sepia"):
        vector = torch.randn(GENERATOR.domain_dim, generator=rng)
        domain = Domain(vector, tuple(GENERATOR.domain_sizes), "pre_demod", stylizer.fingerprint, name)
        domain.save(folder / "domains" / f"{name}.safetensors")
        stylizer.sample(1)[0].save(folder / "domains" / "previews" / f"{name}.webp")
    return stylizer
