"""The hypernetwork: its shape, its file, and the numbers of the official code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from golden_numbers import HERE, draw_weights

from stylize.checkpoints import save_checkpoint
from stylize.errors import CheckpointError
from stylize.hypernet import HyperNet, HyperNetConfig, from_official

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
