"""A model of every kind that is built in moments: random weights, 32 px."""

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
