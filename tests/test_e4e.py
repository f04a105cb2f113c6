"""e4e and ReStyle: against the official numbers, and on tiny settings."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from golden_numbers import draw_weights
from test_golden import official
from torch import Tensor

from stylize.errors import CheckpointError
from stylize.models.checkpoints import load_into, save_checkpoint
from stylize.models.e4e import E4e, E4eConfig, Flavour, ReStyle
from stylize.models.encoders import load_encoder
from stylize.models.generator import Generator, GeneratorConfig

TINY = E4eConfig(resolution=32, widths=(16, 16, 32, 32), blocks=(1, 1, 2, 1), num_ws=8, w_dim=32)
GENERATOR = GeneratorConfig(32, (8, 8, 8, 8), z_dim=16, w_dim=32, mapping_layers=2)
TOLERANCE = 2e-5  # of the largest value of the code
# Of the lines "name (shape)" of all 621 parameters in e4e_ffhq_encode.pt, sorted, without their prefix.
OFFICIAL_NAMES = "af34bb362a5aaeb0ad03b1b5b6c70bd19ff3a96ab51a02066ef9f2233cc8d008"


def picture(numbers: Mapping[str, np.ndarray], name: str) -> Tensor:
    seed = int(numbers[name].flatten()[0])
    values = np.random.default_rng(seed).uniform(-1, 1, (1, 3, 256, 256)).astype(np.float32)
    return torch.from_numpy(values)


def empty() -> E4e:
    with torch.device("meta"):
        return E4e(E4eConfig()).eval().requires_grad_(False)


def error(found: Tensor, expected: np.ndarray) -> float:
    return float((found - torch.from_numpy(expected)).abs().max()) / float(np.abs(expected).max())


def test_names_and_shapes_are_the_official_ones() -> None:
    lines = [
        f"{name} {tuple(tensor.shape)}\n"
        for name, tensor in sorted(empty().state_dict().items())
        if name != "latent_avg"
    ]
    assert len(lines) == 621
    assert hashlib.sha256("".join(lines).encode()).hexdigest() == OFFICIAL_NAMES


@pytest.mark.slow
@torch.no_grad()
def test_e4e(shared: Path) -> None:
    numbers = dict(np.load(shared / "golden" / "e4e.npz"))
    drawn = draw_weights(shared / "golden" / "manifest_e4e.json")
    weights = {name.removeprefix("encoder."): tensor for name, tensor in drawn.items()}
    encoder = empty()
    load_into(encoder, weights | {"latent_avg": torch.from_numpy(numbers["latent_avg"])}, "golden")
    for seed, case in (("image_seed", "w_plus"), ("image_other_seed", "w_plus_other_image")):
        assert error(encoder(picture(numbers, seed)), numbers[case]) <= TOLERANCE


@pytest.mark.slow
@torch.no_grad()
def test_the_decoded_inversion(shared: Path) -> None:
    numbers = dict(np.load(shared / "golden" / "e4e.npz"))
    generator, _, _ = official(shared / "golden", 1024)
    small = F.adaptive_avg_pool2d(generator.synthesis(torch.from_numpy(numbers["w_plus"])), 256)
    views = {"s4": small[:, :, ::4, ::4], "tl": small[:, :, :16, :16], "mean": small.mean((2, 3))}
    views |= {"mid": small[:, :, 120:136, 120:136], "br": small[:, :, -16:, -16:]}
    views["std"] = small.std((2, 3), correction=0)
    allowed = 5e-5 * float(np.abs(numbers["decoded_256__s4"]).max())
    for name, view in views.items():
        assert float((view - torch.from_numpy(numbers[f"decoded_256__{name}"])).abs().max()) <= allowed, name


@pytest.mark.slow
@torch.no_grad()
def test_the_layout_of_the_published_file(shared: Path) -> None:
    numbers = np.load(shared / "golden" / "checkpoints_expected.npz")
    file = torch.load(shared / "golden" / "checkpoints" / "e4e_opts_dict.pt", weights_only=True)
    weights = {n.removeprefix("encoder."): t for n, t in file["state_dict"].items() if n.startswith("encoder.")}
    encoder = empty()
    load_into(encoder, weights | {"latent_avg": file["latent_avg"]}, "e4e_opts_dict.pt")
    assert error(encoder(picture(numbers, "e4e/image_seed")), numbers["e4e/w_plus"]) <= TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("flavour", ["psp", "e4e"])
@torch.no_grad()
def test_two_steps_of_restyle(flavour: Flavour, shared: Path) -> None:
    """Against the numbers of the official code (yuval-alaluf/restyle-encoder, 5e80276228cc)."""
    numbers = dict(np.load(shared / "golden" / f"restyle_{flavour}.npz"))
    drawn = draw_weights(shared / "golden" / f"manifest_restyle_{flavour}.json")
    seen: list[Tensor] = []
    with torch.device("meta"):
        encoder = ReStyle(E4eConfig(), flavour, lambda ws: seen.pop(0)).eval().requires_grad_(False)
    weights = {name.removeprefix("encoder."): tensor for name, tensor in drawn.items()}
    load_into(encoder, weights | {"latent_avg": torch.from_numpy(numbers["latent_avg"])}, "golden")
    for steps in (1, 2):
        seen[:] = [picture(numbers, "avg_image_seed"), picture(numbers, "y_hat_seed")]  # instead of drawn ones
        encoder.STEPS = steps
        assert error(encoder(picture(numbers, "image_seed")), numbers[f"step{steps}"]) <= TOLERANCE


def tiny_restyle(flavour: Flavour) -> tuple[ReStyle, Generator]:
    torch.manual_seed(0)
    generator = Generator(GENERATOR).eval().requires_grad_(False)
    encoder = ReStyle(TINY, flavour, generator.synthesis).eval().requires_grad_(False)
    encoder.latent_avg.normal_()
    return encoder, generator


@pytest.mark.parametrize("flavour", ["psp", "e4e"])
@torch.no_grad()
def test_restyle_corrects_what_its_own_picture_lacks(flavour: Flavour) -> None:
    encoder, generator = tiny_restyle(flavour)
    pictures = torch.rand(2, 3, 32, 32) * 2 - 1
    ws = encoder.latent_avg[None].repeat(2, 1, 1)  # the loop of the article, written out
    for _ in range(5):
        coarse = encoder.stages(torch.cat([pictures, generator.synthesis(ws)], 1))[-1]
        step = torch.stack([head(coarse) for head in encoder.styles], 1)
        if flavour == "e4e":
            step[:, 1:] += step[:, :1]
        ws = ws + step
    torch.testing.assert_close(encoder(pictures), ws, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(encoder(pictures[1:]), ws[1:], rtol=1e-4, atol=1e-4)  # one by one as in a batch


@torch.no_grad()
def test_a_generator_of_another_size_is_pooled() -> None:
    config = GeneratorConfig(64, (8,) * 5, z_dim=16, w_dim=32, mapping_layers=2)
    encoder = ReStyle(E4eConfig(32, TINY.widths, TINY.blocks, 10, 32), "e4e", Generator(config).eval().synthesis).eval()
    assert encoder(torch.zeros(1, 3, 32, 32)).shape == (1, 10, 32)


@pytest.mark.parametrize("kind", ["e4e", "restyle_psp", "restyle_e4e"])
@torch.no_grad()
def test_a_file_rebuilds_its_encoder(kind: str, tmp_path: Path) -> None:
    generator = Generator(GENERATOR).eval()
    encoder = E4e(TINY) if kind == "e4e" else tiny_restyle("psp" if kind == "restyle_psp" else "e4e")[0]
    encoder.draw = generator.synthesis
    path = tmp_path / "encoder.safetensors"
    save_checkpoint(path, encoder.state_dict(), {"kind": kind, "config": TINY.to_dict()})
    pictures = torch.rand(1, 3, 32, 32)
    again = load_encoder(path, generator).eval()
    torch.testing.assert_close(again(pictures), encoder.eval()(pictures))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "hyperstyle", "config": TINY.to_dict()}, "hyperstyle"),
        ({"kind": "e4e", "config": {"depth": 3}}, "depth"),
        ({"kind": "e4e"}, "settings"),
        ({"kind": "e4e", "config": {**TINY.to_dict(), "num_ws": 10}}, "do not match"),
        ({"kind": "restyle_psp", "config": TINY.to_dict()}, "different architecture"),
    ],
)
def test_files_that_do_not_fit_are_refused(settings: dict[str, object], message: str, tmp_path: Path) -> None:
    path = tmp_path / "encoder.safetensors"
    save_checkpoint(path, E4e(TINY).state_dict(), settings)
    with pytest.raises(CheckpointError, match=message):
        load_encoder(path, Generator(GENERATOR))
