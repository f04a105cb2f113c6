"""A photo's features: where they enter, what a domain vector still does, and encoders of one's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny import load_tiny_model, save_tiny_model
from torch import Tensor, nn

from stylize.errors import CheckpointError
from stylize.models.checkpoints import load_checkpoint, save_checkpoint
from stylize.models.code import Code, cat
from stylize.models.domain import Domain
from stylize.models.encoders import ENCODERS, encoder
from stylize.models.generator import SCREEN_STEP, Generator, GeneratorConfig, limited
from stylize.models.layers import Window, cut
from stylize.models.mini_encoder import Encoder, EncoderConfig
from stylize.pipeline import Stylizer

CONFIG = GeneratorConfig(
    32, (10, 8, 6, 4), z_dim=16, w_dim=16, mapping_layers=2, inject=4, patterns=(0, 0, 3, 2), rgb_from=16
)
ENCODER = EncoderConfig(
    64, small=32, widths=(8, 8), blocks=(1, 1), code=4, num_ws=8, w_dim=16, map_widths=(8, 12), place=2, features=6
)


def generator(**changes: Any) -> Generator:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Generator(replace(CONFIG, **changes)).eval().requires_grad_(False)


def draws(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_codes_are_indexed_joined_and_blended() -> None:
    plain, rich = Code(draws(3, 8, 16)), Code(draws(2, 8, 16, seed=2), draws(2, 6, 16, 16))
    both = cat([plain, rich])
    assert len(both) == 5
    assert both.features is not None
    assert not both.features[:3].any()
    torch.testing.assert_close(both[3:].features, rich.features)
    assert [len(part) for part in both.split(2)] == [2, 2, 1]
    assert all(len(one) == 1 for one in both)
    half = plain[:2].lerp(rich, 0.5)
    assert rich.features is not None
    torch.testing.assert_close(half.features, rich.features / 2)
    torch.testing.assert_close(half.ws, (plain.ws[:2] + rich.ws) / 2)
    assert cat([plain, plain]).features is None


def test_layout_follows_from_the_settings() -> None:
    assert CONFIG.features_shape == (6, 16, 16)
    assert CONFIG.domain_sizes == [10, 10, 8, 8, 6 + 3, 6, 4 + 2]
    assert len(generator().to_rgbs) == 2
    assert CONFIG.draws_windows
    assert not replace(CONFIG, rgb_from=8).draws_windows
    full = replace(GeneratorConfig(), inject=9)
    assert full.features_shape == (512, 64, 64)
    for wrong in ({"inject": 7}, {"patterns": (1,)}):
        with pytest.raises(ValueError, match=r"convolution 7|numbers of patterns"):
            GeneratorConfig(32, (8, 8, 8, 8), **wrong)


@pytest.mark.parametrize("grad", [False, True])
def test_features_are_added_to_the_generators_own(grad: bool) -> None:
    g, ws, d = generator(), draws(2, 8, 16), 0.3 * draws(CONFIG.domain_dim)
    with torch.set_grad_enabled(grad):
        own, rgb = g.lower(ws, d)
        assert rgb is None
        features = draws(2, *CONFIG.features_shape)
        injected = g.synthesis(Code(ws, features), d)
        torch.testing.assert_close(injected, g.upper(own + features, None, ws, d))
        assert torch.equal(g.synthesis(Code(ws, torch.zeros_like(features)), d), g.synthesis(ws, d))
        source = g.synthesis(Code(ws, features))
        assert torch.equal(g.synthesis(Code(ws, features), torch.zeros(CONFIG.domain_dim)), source)
    assert (injected - source).abs().max() > 0.01


def test_a_photos_features_replace_the_generators_own_where_its_code_says_the_difference() -> None:
    """F + H(w, d) - H(w, 0): at strength 0 exactly the photo's."""
    g, ws, wanted = generator(), draws(1, 8, 16), draws(1, *CONFIG.features_shape)
    code = Code(ws, wanted - g.lower(ws)[0])
    torch.testing.assert_close(g.synthesis(code), g.upper(wanted, None, ws), atol=1e-5, rtol=1e-5)


def test_a_window_is_drawn_as_the_whole_is() -> None:
    g, code = generator(), Code(draws(2, 8, 16), draws(2, 6, 16, 16))
    whole = g.synthesis(code)
    window = Window(4, 2, 10)
    assert code.features is not None
    part = g.synthesis(code.cut(window), window=window)
    inner = Window(6, 6, 8)  # what the borders do not reach
    torch.testing.assert_close(cut(part, inner), cut(cut(whole, window.times(2)), inner), atol=1e-5, rtol=1e-5)


def test_a_window_is_drawn_with_its_part_of_the_screen() -> None:
    g, code = generator(screens=2), Code(draws(2, 8, 16), draws(2, 6, 16, 16))
    g.screens.copy_((64 * draws(2, 2, 32, 32)).round().clamp(-127, 127))
    vectors = torch.zeros(2, g.config.domain_dim)
    vectors[0, -2], vectors[1, -1] = 1.0, 0.5
    vectors.requires_grad_(True)
    whole, window = g.synthesis(code, vectors), Window(4, 2, 10)
    assert code.features is not None
    part = g.synthesis(code.cut(window), vectors, window=window)
    inner = Window(6, 6, 8)  # what the borders do not reach
    torch.testing.assert_close(cut(part, inner), cut(cut(whole, window.times(2)), inner), atol=1e-5, rtol=1e-5)
    part.square().sum().backward()
    assert vectors.grad is not None
    assert (vectors.grad[:, -2:] != 0).tolist() == [[True, False], [False, True]]  # none without a share


def of_parts(count: int = 2) -> tuple[Generator, Code]:
    """A generator with scales for two parts, and codes of pictures whose left is one part, the right the other."""
    shares = torch.zeros(count, 2, 32, 32)
    shares[:, 0, :, :16], shares[:, 1, :, 16:] = 1.0, 1.0
    return generator(parts=2), Code(draws(count, 8, 16), draws(count, 6, 16, 16), parts=shares)


def test_every_part_has_scales_of_its_own() -> None:
    """After the demodulation, a part's numbers do there what a vector does everywhere."""
    g, code = of_parts()
    config = g.config
    assert config.part_sizes == [2 * c_in for c_in, _ in config.conv_widths[config.inject :]]
    assert config.domain_sizes == [*CONFIG.domain_sizes, sum(config.part_sizes)]
    fine = [draws(c_in, seed=3 + k) for k, (c_in, _) in enumerate(config.conv_widths[config.inject :])]
    whole = torch.cat([torch.zeros(sum(c_in for c_in, _ in config.conv_widths[: config.inject])), *fine])
    plain = torch.zeros(config.domain_dim)
    everywhere, left = plain.clone(), plain.clone()
    everywhere[: len(whole)] = whole
    left[len(whole) :] = torch.cat([torch.cat([one, torch.zeros(len(one))]) for one in fine])
    source, changed, mine = (g.synthesis(code, one, "post_demod") for one in (plain, everywhere, left))
    assert torch.equal(source, g.synthesis(code))
    torch.testing.assert_close(mine[..., :8], changed[..., :8], atol=1e-5, rtol=1e-5)  # what the seam does not reach
    torch.testing.assert_close(mine[..., 24:], source[..., 24:], atol=1e-5, rtol=1e-5)
    assert (mine - changed)[..., 16:].abs().mean() > 0.01
    assert torch.equal(g.synthesis(Code(code.ws, code.features), left), g.synthesis(Code(code.ws, code.features)))
    fine_level = Domain(left, tuple(config.domain_sizes), "post_demod", "", name="left").scaled(coarse=0, medium=0)
    assert torch.equal(fine_level.vector, left)


def test_the_scales_of_parts_are_learned_on_windows() -> None:
    g, code = of_parts()
    vectors = (0.3 * draws(2, g.config.domain_dim)).requires_grad_(True)
    whole, window = g.synthesis(code, vectors), Window(4, 2, 10)
    with torch.no_grad():
        torch.testing.assert_close(g.synthesis(code, vectors), whole, atol=1e-5, rtol=1e-5)
    part, inner = g.synthesis(code.cut(window), vectors, window=window), Window(6, 6, 8)
    torch.testing.assert_close(cut(part, inner), cut(cut(whole, window.times(2)), inner), atol=1e-5, rtol=1e-5)
    start = torch.zeros(g.config.domain_dim, requires_grad=True)  # zeros get gradients too
    g.synthesis(code, start).square().sum().backward()
    assert start.grad is not None
    assert bool(start.grad[-sum(g.config.part_sizes) :].any())


def test_codes_keep_their_parts() -> None:
    code = of_parts()[1]
    assert code.parts is not None
    kept = code[:1].with_ws(draws(1, 8, 16)).to("cpu").detach().parts
    assert kept is not None
    assert torch.equal(kept, code.parts[:1])
    joined = cat([code, Code(code.ws)])
    assert joined.parts is not None
    assert not joined.parts[2:].any()
    torch.testing.assert_close(code.lerp(Code(code.ws), 0.25).parts, 0.75 * code.parts)
    assert Code(code.ws).lerp(Code(code.ws), 0.5).parts is None


def tiled() -> Generator:
    """A generator with two tilings: squares of 4 px, and the halves of the picture."""
    g, place = generator(tilings=2), torch.arange(32)
    g.tilings.copy_(torch.stack([place[:, None] // 4 * 8 + place // 4, (place // 16).expand(32, 32)]))
    return g


def test_a_vector_says_how_far_each_piece_becomes_its_mean() -> None:
    g, x = tiled(), draws(2, 3, 32, 32)
    squares = x.view(2, 3, 8, 4, 8, 4).mean((3, 5), keepdim=True).expand(2, 3, 8, 4, 8, 4).reshape(x.shape)
    torch.testing.assert_close(g.hold(x, torch.tensor([[1.0, 0.0]])), squares)
    torch.testing.assert_close(g.hold(x, torch.tensor([[0.0, 0.0], [0.5, 0.0]]))[1], (x + squares)[1] / 2)
    torch.testing.assert_close(g.hold(x, limited(torch.tensor([[2.0, -3.0]]))), squares)  # strengths beyond 0 and 1
    halves = g.hold(x, torch.tensor([[0.0, 1.0]]))
    torch.testing.assert_close(halves[:, :, :, :16], x[:, :, :, :16].mean((2, 3), keepdim=True).expand(2, 3, 32, 16))
    assert g.hold(x, torch.zeros(1, 2)) is x
    part = g.hold(cut(x, window := Window(8, 4, 12)), torch.tensor([[1.0, 0.0]]), window)
    torch.testing.assert_close(part, cut(squares, window))


def test_the_numbers_of_tilings_come_last_and_change_nothing_at_zero() -> None:
    g, plain, code = tiled(), generator(), Code(draws(2, 8, 16), draws(2, 6, 16, 16))
    assert g.config.domain_sizes == [*CONFIG.domain_sizes, 2]
    vector = 0.3 * draws(g.config.domain_dim)
    vector[-2:] = 0
    torch.testing.assert_close(g.synthesis(code, vector), plain.synthesis(code, vector[:-2]))
    assert torch.equal(g.synthesis(code, torch.zeros(g.config.domain_dim)), g.synthesis(code))
    vector = vector + torch.cat([torch.zeros(CONFIG.domain_dim), torch.tensor([1.0, 0.0])])
    vector.requires_grad_(True)
    g.synthesis(code, vector).square().sum().backward()
    assert vector.grad is not None
    assert vector.grad[-2]
    assert not vector.grad[-1]  # without a share
    held = replace(Domain(vector, tuple(g.config.domain_sizes), "pre_demod", ""), name="squares").scaled(fine=0)
    assert not held.vector[-2:].any()


def test_a_damaged_tiling_is_refused(tmp_path: Path) -> None:
    tensors = tiled().state_dict()
    tensors["tilings"] = tensors["tilings"] - 40
    save_checkpoint(tmp_path / "g.safetensors", tensors, {"config": replace(CONFIG, tilings=2).to_dict()})
    with pytest.raises(CheckpointError, match="pieces below 0"):
        Generator.load(tmp_path / "g.safetensors")
    with pytest.raises(ValueError, match="numbers of tilings"):
        generator(tilings=-1)


def test_a_vector_says_how_far_the_last_patterns_become_a_screen() -> None:
    g, code = generator(tilings=1, screens=2), Code(draws(2, 8, 16), draws(2, 6, 16, 16))
    assert g.config.domain_sizes == [*CONFIG.domain_sizes, 3]
    assert g.config.shares == slice(CONFIG.domain_dim, CONFIG.domain_dim + 3)
    g.screens.copy_((64 * draws(2, 2, 32, 32)).round().clamp(-127, 127))
    patterns, (first, second) = g.convs[-1].get_parameter("patterns"), g.screens * SCREEN_STEP
    own = patterns.clone()
    assert g.screen(torch.zeros(1, 2)) is None
    torch.testing.assert_close(g.screen(torch.tensor([[1.0, 0.0]])), first[None])
    both = torch.stack([(own[0] + second) / 2, first])
    torch.testing.assert_close(g.screen(torch.tensor([[0.0, 0.5], [1.0, 0.0]])), both)
    torch.testing.assert_close(g.screen(torch.ones(1, 2)), first + second - own)
    vector = torch.zeros(2, g.config.domain_dim)
    vector[1, -1] = 2.0  # strengths beyond 1
    drawn, plain = g.synthesis(code, vector), g.synthesis(code)
    torch.testing.assert_close(drawn[0], plain[0])
    patterns.copy_(second[None])
    torch.testing.assert_close(drawn[1], g.synthesis(code)[1])
    with pytest.raises(ValueError, match="need patterns"):
        generator(screens=1, patterns=())


def test_the_encoders_map_of_a_part_is_part_of_its_map() -> None:
    torch.manual_seed(0)
    net, pictures = Encoder(replace(ENCODER, map_widths=(8,))).eval(), draws(1, 3, 64, 64)
    code = net(pictures)
    assert net.map is not None
    assert code.features is not None
    assert code.features.shape == (1, 6, 16, 16)
    window = Window(1, 2, 14)
    part = net.map(cut(pictures, window.times(4)), net.codes(pictures)[0], window)
    torch.testing.assert_close(cut(part, Window(6, 6, 2)), cut(cut(code.features, window), Window(6, 6, 2)))


@pytest.fixture
def rich(tmp_path: Path) -> Stylizer:
    """A tiny model with features."""
    save_tiny_model(tmp_path)
    torch.manual_seed(0)
    save_checkpoint(tmp_path / "generator.safetensors", generator().state_dict(), {"config": CONFIG.to_dict()})
    save_checkpoint(tmp_path / "encoder.safetensors", Encoder(ENCODER).state_dict(), {"config": ENCODER.to_dict()})
    return Stylizer.load(str(tmp_path), "cpu")


def test_a_model_with_features_draws_photos_with_them_and_samples_without(rich: Stylizer) -> None:
    code = rich.encode(draws(5, 3, 64, 64).clamp(-1, 1))
    assert code.features is not None
    assert len(code) == 5
    assert rich.as_photos(rich.sample_ws(3)).features is not None
    assert rich.draw(code).shape == (5, 3, 32, 32)
    assert (rich.draw(code) - rich.draw(code.ws)).abs().max() > 0.01
    assert len(rich.sample(2)) == 2


def test_an_encoder_of_another_width_is_told(rich: Stylizer) -> None:
    other = replace(ENCODER, features=5)
    save_checkpoint(rich.folder / "encoder.safetensors", Encoder(other).state_dict(), {"config": other.to_dict()})
    with pytest.raises(CheckpointError, match="do not match"):
        Stylizer.load(str(rich.folder), "cpu")


def test_an_encoder_of_ones_own_is_one_function(tmp_path: Path) -> None:
    class Mean(nn.Module):
        def __init__(self, config: dict[str, Any]) -> None:
            super().__init__()
            self.config, self.scale = SimpleNamespace(**config), nn.Parameter(torch.ones(1))

        def forward(self, pictures: Tensor) -> Tensor:
            mean = pictures.mean((1, 2, 3)) * self.scale
            return mean.view(-1, 1, 1).expand(-1, self.config.num_ws, self.config.w_dim)

    @encoder("mean")
    def mean(config: dict[str, Any], generator: Generator) -> nn.Module:
        return Mean(config)

    stylizer = load_tiny_model(tmp_path)
    own = {"resolution": 32, "num_ws": stylizer.generator.config.num_ws, "w_dim": 16}
    save_checkpoint(tmp_path / "encoder.safetensors", Mean(own).state_dict(), {"kind": "mean", "config": own})
    try:
        code = Stylizer.load(str(tmp_path), "cpu").encode(torch.ones(1, 3, 32, 32))
        assert torch.equal(code.ws, torch.ones(1, 8, 16))
    finally:
        ENCODERS.pop("mean")
    assert load_checkpoint(tmp_path / "encoder.safetensors")[1]["kind"] == "mean"
    with pytest.raises(CheckpointError, match="the kind 'mean'"):
        Stylizer.load(str(tmp_path), "cpu")
