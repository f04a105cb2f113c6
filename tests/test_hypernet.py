"""The hypernetwork: its shape, its file, and the numbers of the official code."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from golden_numbers import HERE, draw_weights
from tiny import load_tiny_model

from stylize.errors import CheckpointError, PromptError
from stylize.images import to_image
from stylize.models.checkpoints import save_checkpoint
from stylize.models.domain import interpolate
from stylize.models.hypernet import HyperNet, HyperNetConfig, from_official
from stylize.pipeline import Stylizer
from stylize.prompts.vocabulary import HELD_OUT
from stylize.training.filters import truth

TINY = HyperNetConfig(sizes=(8, 8, 4), embedding=16, width=12, inner=10, depth=2)


def test_it_starts_at_the_source_domain() -> None:
    net = HyperNet(TINY).eval()
    vectors = net(torch.randn(5, 16))
    assert vectors.shape == (5, 20)
    assert vectors.abs().max() < 0.01


def test_a_file_gives_everything_back(tmp_path: Path) -> None:
    net = HyperNet(TINY, "post_demod", "0123456789abcdef", "mini", {"domains": 3}).eval()
    net.save(tmp_path / "a.safetensors")
    back = HyperNet.load(tmp_path / "a.safetensors")
    assert (back.config, back.order, back.generator, back.clip, back.settings) == (
        TINY, "post_demod", "0123456789abcdef", "mini", {"domains": 3},
    )  # fmt: skip
    embeddings = torch.randn(3, 16)
    assert torch.equal(net(embeddings), back(embeddings))
    assert torch.allclose(back(embeddings * 7), back(embeddings), atol=1e-7)


def test_faint_shares_are_left_out() -> None:
    net = HyperNet(replace(TINY, shares=3)).eval()
    bias = net.get_parameter("heads.2.1.bias")
    with torch.no_grad():
        bias.copy_(torch.tensor([0.05, 0.05, 0.5, -0.05]))
    vector = net.domain(torch.randn(16), "a mosaic").vector
    torch.testing.assert_close(vector[-4:], torch.tensor([0.05, 0.0, 0.5, 0.0]), atol=0.02, rtol=0)
    assert vector[-3] == vector[-1] == 0


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a.safetensors", {"x": torch.zeros(2)}, {"format": "other"})
    with pytest.raises(CheckpointError, match="not a hypernetwork"):
        HyperNet.load(tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match="residual_channelin"):
        from_official({"other": torch.zeros(2)})


def check(manifest: Path, embeddings: np.ndarray, expected: np.ndarray) -> None:
    net = from_official(draw_weights(manifest))
    vectors = net(torch.from_numpy(embeddings)).numpy()
    assert np.abs(vectors - expected).max() <= 1e-5 * np.abs(expected).max()


def test_the_narrow_mapper_gives_the_official_numbers() -> None:
    numbers = np.load(HERE / "mapper_narrow.npz")
    check(HERE / "manifest_tiny_mapper_narrow.json", numbers["embeddings"], numbers["offsets_48"])


def test_the_published_size_gives_the_official_numbers(shared: Path) -> None:
    numbers = np.load(shared / "golden" / "mapper_depth4.npz")
    check(shared / "golden" / "manifest_mapper_depth4.json", numbers["embeddings"], numbers["offsets_6048"])


@pytest.fixture(scope="module")
def mini() -> Stylizer:
    return Stylizer.load("mini", "cpu")


@torch.no_grad()
@pytest.mark.parametrize(("colour", "style"), [("blue", "charcoal drawing"), ("golden", "mosaic"), ("silver", "neon")])
def test_a_description_that_was_never_trained_comes_near_its_truth(mini: Stylizer, colour: str, style: str) -> None:
    assert (colour, style) in HELD_OUT
    codes = mini.as_photos(mini.sample_ws(4, seed=3))
    source, drawn = mini.draw(codes), mini.draw(codes, mini.instant(f"a {colour} {style}"))
    true = truth(source, style, colour)
    assert float((drawn - true).abs().mean()) < 0.6 * float((source - true).abs().mean())


def test_a_picture_asks_as_words_do(mini: Stylizer) -> None:
    codes = mini.as_photos(mini.sample_ws(2, seed=5))
    source = mini.draw(codes)
    reference = to_image(truth(source[:1], "blueprint")[0])
    drawn, true = mini.draw(codes[1:], mini.instant(reference)), truth(source[1:], "blueprint")
    assert float((drawn - true).abs().mean()) < 0.6 * float((source[1:] - true).abs().mean())


def test_words_that_the_model_does_not_know_are_named(mini: Stylizer) -> None:
    with pytest.raises(PromptError, match="'qwertz'"):
        mini.instant("qwertz")
    assert mini.domain("a zombie drawn in charcoal").ingredients().keys() == {"zombie", "charcoal drawing"}


@torch.no_grad()
def test_a_walk_between_two_answers_is_smooth(mini: Stylizer) -> None:
    ws, a, b = mini.sample_ws(1, seed=1), mini.instant("a pencil sketch"), mini.instant("a bronze statue")
    pictures = [mini.draw(ws, interpolate(a, b, t / 20)) for t in range(21)]
    steps = [float((x - y).abs().mean()) for x, y in pairwise(pictures)]
    assert max(steps) < 3 * float((pictures[0] - pictures[-1]).abs().mean()) / 20
    assert max(steps) < 0.12


def test_a_hypernetwork_of_another_generator_is_refused(tmp_path: Path) -> None:
    stylizer = load_tiny_model(tmp_path)
    assert not stylizer.has_hypernet
    with pytest.raises(CheckpointError, match="no hypernetwork"):
        stylizer.instant("a pencil sketch")
    config = HyperNetConfig(tuple(stylizer.generator.config.domain_sizes), 16, 8, 8, 2)
    HyperNet(config, generator="f" * 16).save(tmp_path / "hypernet.safetensors")
    with pytest.raises(CheckpointError, match="not for"):
        Stylizer.load(str(tmp_path), "cpu").instant("a pencil sketch")
    HyperNet(config, generator=stylizer.fingerprint).save(tmp_path / "hypernet.safetensors")
    assert Stylizer.load(str(tmp_path), "cpu").instant("a pencil sketch").generator == stylizer.fingerprint
