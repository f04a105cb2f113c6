"""StyleFeatureEditor with its generator and e4e, built in moments: random weights, 32 px."""

from __future__ import annotations

from pathlib import Path

import torch
from tiny import CLIP
from torch import Tensor

from stylize.models.checkpoints import save_checkpoint
from stylize.models.e4e import E4e, E4eConfig
from stylize.models.generator import Generator, GeneratorConfig
from stylize.models.sfe import Sfe, SfeConfig
from stylize.models.text_image import TextImageModel
from stylize.pipeline import Stylizer

GENERATOR = GeneratorConfig(32, (8, 8, 8, 8), z_dim=16, w_dim=16, mapping_layers=2)
CONFIG = SfeConfig(128, 64, (8, 8, 8, 8), (1, 2, 2, 1), num_ws=8, w_dim=16, features=8, depth=2, inject=5)
E4E = E4eConfig(resolution=64, widths=(16, 16, 32, 32), blocks=(1, 1, 2, 1), num_ws=8, w_dim=16)


def draws(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def parts(config: SfeConfig = CONFIG) -> tuple[Sfe, Generator]:
    """(encoder, the generator that it serves), the same every time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = Generator(GENERATOR).eval().requires_grad_(False)
        generator.config = GeneratorConfig(**{**GENERATOR.to_dict(), "inject": config.inject})
        generator.w_avg.normal_()
        sfe = Sfe(config, generator)
        if config.editor:
            sfe.e4e = E4e(E4E)
            sfe.e4e.latent_avg.normal_()
            generator.edit = sfe.edit
    return sfe.eval().requires_grad_(False), generator


def save_parts(folder: Path, config: SfeConfig = CONFIG) -> Path:
    """Writes generator and encoders into ``folder``; returns the path of StyleFeatureEditor's file."""
    sfe, generator = parts(config)
    settings: dict[str, object] = {"config": GENERATOR.to_dict()}
    save_checkpoint(folder / "generator.safetensors", generator.state_dict(), settings)
    tensors = {name: tensor for name, tensor in sfe.state_dict().items() if not name.startswith("e4e.")}
    save_checkpoint(folder / "encoder_sfe.safetensors", tensors, {"kind": "sfe", "config": config.to_dict()})
    if sfe.e4e is not None:
        settings = {"kind": "e4e", "config": E4E.to_dict()}
        save_checkpoint(folder / "encoder.safetensors", sfe.e4e.state_dict(), settings)
    return folder / "encoder_sfe.safetensors"


def as_published(sfe: Sfe) -> dict[str, Tensor]:
    """Its tensors under the names of the editor's file."""
    names = {"editor.": "encoder.", "inverter.": "inverter."}
    return {
        theirs + name.removeprefix(own): tensor
        for own, theirs in names.items()
        for name, tensor in sfe.state_dict().items()
        if name.startswith(own)
    }


def load_model(folder: Path) -> Stylizer:
    """The model that ``save_parts`` wrote, with a text-image model."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_checkpoint(folder / "clip.safetensors", TextImageModel(CLIP).model.state_dict(), {"config": CLIP})
    return Stylizer.load(str(folder), "cpu")
