"""What others add without touching a file of the package: an encoder of their own, and a model of parts at hand."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import CLIP, GENERATOR, save_tiny_model
from torch import Tensor, nn

from stylize.errors import StylizeError
from stylize.look import Look
from stylize.models import encoders
from stylize.models.checkpoints import save_checkpoint
from stylize.models.domain import Domain
from stylize.models.encoders import encoder
from stylize.models.generator import Generator
from stylize.models.hypernet import HyperNet, HyperNetConfig
from stylize.models.text_image import TextImageModel
from stylize.pipeline import Stylizer


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> type[nn.Module]:
    monkeypatch.setattr(encoders, "ENCODERS", dict(encoders.ENCODERS))

    # This much is an encoder:
    @dataclass
    class Config:
        resolution: int
        num_ws: int
        w_dim: int

    class Toy(nn.Module):
        def __init__(self, config: Config) -> None:
            super().__init__()
            self.config, self.linear = config, nn.Linear(3, config.num_ws * config.w_dim)

        def forward(self, pictures: Tensor) -> Tensor:
            w: Tensor = self.linear(pictures.mean((2, 3)))
            return w.view(-1, self.config.num_ws, self.config.w_dim)

    @encoder("toy")
    def make(config: dict[str, Any], generator: Generator) -> nn.Module:
        return Toy(Config(**config))

    return Toy


def test_an_encoder_of_another_kind_is_read_from_its_file(toy: Any, tmp_path: Path, astronaut: Image.Image) -> None:
    config = {"resolution": 16, "num_ws": GENERATOR.num_ws, "w_dim": GENERATOR.w_dim}
    folder = save_tiny_model(tmp_path)
    made = encoders.ENCODERS["toy"](config, Generator(GENERATOR))
    settings = {"kind": "toy", "config": asdict(made.config)}  # type: ignore[call-overload]
    save_checkpoint(folder / "encoder.safetensors", made.state_dict(), settings)
    stylizer = Stylizer.load(str(folder), "cpu")
    assert isinstance(stylizer.encoder, toy)
    face = stylizer.faces(astronaut)[0]
    assert stylizer.render(face, None).size == face.crop.size


def test_a_model_is_made_of_the_parts_at_hand(toy: Any, tmp_path: Path, astronaut: Image.Image) -> None:
    torch.manual_seed(0)
    generator = Generator(GENERATOR)
    sizes, fingerprint = tuple(GENERATOR.domain_sizes), generator.fingerprint()
    sepia = Domain(torch.randn(sum(sizes)), sizes, "pre_demod", fingerprint, "sepia")
    stylizer = Stylizer(
        generator,
        encoders.ENCODERS["toy"]({"resolution": 16, "num_ws": GENERATOR.num_ws, "w_dim": 16}, generator),
        clips=[TextImageModel(CLIP)],
        hypernet=HyperNet(HyperNetConfig(sizes, 16, 8, 8, 2), generator=fingerprint),
        domains={"sepia": sepia},
        directions={"smile": torch.randn(GENERATOR.w_dim)},
        name="mine",
        device="cpu",
    )
    assert (stylizer.ready(), stylizer.edits()) == (["sepia"], ["smile"])
    face = stylizer.faces(astronaut)[0]
    look = Look(stylizer.domain("sepia"), detail=0.0, edits={"smile": 3.0})
    plain, drawn = stylizer.render(face, None, detail=0.0), stylizer.render(face, look)
    assert not np.array_equal(np.asarray(plain), np.asarray(drawn))
    assert stylizer.domain("a pencil sketch").generator == fingerprint
    preview = stylizer.preview("sepia")
    assert isinstance(preview, Image.Image)
    assert preview.size == (32, 32)
    with pytest.raises(StylizeError, match="mine model was not loaded from a folder"):
        _ = stylizer.folder


def test_a_generator_alone_samples() -> None:
    stylizer = Stylizer(Generator(GENERATOR), device="cpu")
    assert (stylizer.ready(), stylizer.edits(), stylizer.has_encoder, stylizer.has_hypernet) == ([], [], False, False)
    assert stylizer.sample(1)[0].size == (32, 32)
