"""The losses against numbers of the official code (HyperDomainNet, 2986493c6de3), and their properties.

Part of the numbers lies in tests/golden; the rest is in ../shared/golden, whose README says how all of it was made.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from stylize.adaptation.losses import (
    clip_within_loss,
    convex_hull,
    directional_loss,
    dirichlet,
    domain_norm,
    global_loss,
    indomain_loss,
    part_statistics,
    resample,
    resampled,
    statistics_loss,
    tt_direction_loss,
)
from stylize.models.generator import GeneratorConfig

HERE = Path(__file__).parent / "golden"
TOLERANCE = 1e-6


def check_embedding_losses(numbers: dict[str, Tensor]) -> set[str]:
    """The names of the losses that were compared."""
    moved, source = numbers["trg_encoded"], numbers["src_encoded"]
    seen = set()
    for key, expected in numbers.items():
        if not key.startswith("loss_") or "offsets" in key or "DirectLoss" in key:
            continue
        name, kind = key.removeprefix("loss_").split("__")
        t, t0 = numbers[f"trg_emb__{kind}"], numbers[f"src_emb__{kind}"]
        if t.ndim == 3:  # (batch, templates, D)
            t, t0 = t.mean(1), t0.mean(1)
        value = {
            "direction": partial(directional_loss, moved, source, t - t0),
            "indomain": partial(indomain_loss, moved, source),
            "tt_direction": partial(tt_direction_loss, moved, t),
            "clip_within": partial(clip_within_loss, moved, source, t, t0),
            "global": partial(global_loss, moved, t),
        }[name]()
        assert abs(value.item() - expected.item()) < TOLERANCE, key
        seen.add(name)
    return seen


def offsets(config: GeneratorConfig, seed: int, batch: int = 1) -> Tensor:
    """Domain vectors (batch, domain_dim) as the golden numbers were made with."""
    return torch.cat(
        [
            torch.from_numpy(
                np.random.default_rng(seed + i).standard_normal((batch, 1, size, 1, 1), dtype=np.float32)
                * np.float32(0.2)
            ).view(batch, size)
            for i, size in enumerate(config.domain_sizes)
        ],
        1,
    )


def load(folder: Path) -> dict[str, Tensor]:
    return {name: torch.from_numpy(array) for name, array in np.load(folder / "losses.npz").items()}


@pytest.fixture(scope="module")
def numbers() -> dict[str, Tensor]:
    return load(HERE)


def test_losses_agree_with_the_official_code(numbers: dict[str, Tensor]) -> None:
    assert check_embedding_losses(numbers) == {"direction", "indomain", "tt_direction", "clip_within", "global"}


def test_losses_with_79_templates_and_their_sum_agree_with_the_official_code(shared: Path) -> None:
    numbers = load(shared / "golden")
    check_embedding_losses(numbers)
    moved, source = numbers["trg_encoded"], numbers["src_encoded"]
    total = 2.0 * domain_norm(offsets(GeneratorConfig.official(), 7200), GeneratorConfig.official().domain_sizes)
    for kind in ("each_T79", "each_T1"):
        t, t0 = numbers[f"trg_emb__{kind}"].mean(1), numbers[f"src_emb__{kind}"].mean(1)
        total += directional_loss(moved, source, t - t0) + 0.4 * tt_direction_loss(moved, t)
        total += 0.5 * indomain_loss(moved, source)
    assert total.item() == pytest.approx(numbers["loss_DirectLoss__total"].item(), rel=1e-6)
    hull = convex_hull(numbers["trg_emb__each_T79"], numbers["alphas"])[:, ::13]
    assert (hull - numbers["convex_hull__each_T79"]).abs().max() < TOLERANCE


@pytest.mark.parametrize(
    ("case", "resolution", "seed", "batch"), [("cin_1024", 1024, 7200, 1), ("cin_64_batch4", 64, 7300, 4)]
)
def test_domain_norm_agrees_with_the_official_code(
    numbers: dict[str, Tensor], case: str, resolution: int, seed: int, batch: int
) -> None:
    config = GeneratorConfig.official(resolution)
    vector = offsets(config, seed, batch)
    for power in (1, 2):
        key = f"loss_offsets_l{power}__{case}"
        if key in numbers:
            value = domain_norm(vector, config.domain_sizes, power).item()
            assert value == pytest.approx(numbers[key].item(), rel=1e-6)


def test_hull_and_resampling_agree_with_the_official_code(numbers: dict[str, Tensor]) -> None:
    t = numbers["trg_emb__flat_4"]
    assert (convex_hull(t, numbers["alphas"]) - numbers["convex_hull_small__flat_4"]).abs().max() < TOLERANCE
    moved = resample(t, 2 * numbers["resample_rand_like"] - 1, numbers["resample_rand"] * 0.05 + 0.95)
    assert (moved - numbers["resample_batch_vectors_095"]).abs().max() < TOLERANCE


def test_random_parts_are_seeded_and_within_their_bounds() -> None:
    t = F.normalize(torch.randn(6, 3, 32), dim=-1)
    first, again = (resampled(t, torch.Generator().manual_seed(3), bound=0.9) for _ in range(2))
    assert torch.equal(first, again)
    cosines = F.cosine_similarity(first, t, dim=-1)
    assert cosines.min() > 0.9 - 1e-5
    assert cosines.max() < 1 + 1e-5
    weights = dirichlet(4, 2000, torch.Generator().manual_seed(0))
    assert torch.allclose(weights.sum(1), torch.ones(2000))
    assert (weights.mean(0) - 0.25).abs().max() < 0.02
    assert weights.var(0).mean().item() == pytest.approx(0.25 * 0.75 / 3, rel=0.1)  # Dirichlet(1/2) of four


def test_directional_loss_is_blind_to_size_and_place() -> None:
    source, direction = torch.randn(4, 8), torch.randn(8)
    assert directional_loss(source + 0.3 * direction, source, direction).item() < 1e-6
    assert abs(directional_loss(source - direction, source, direction).item() - 2) < 1e-6


def test_consistency_is_zero_for_one_picture_and_for_a_common_turn() -> None:
    source = F.normalize(torch.randn(5, 8), dim=-1)
    turn, _ = torch.linalg.qr(torch.randn(8, 8))
    assert indomain_loss(source @ turn, source).item() < 1e-10
    assert indomain_loss(-source[:1], source[:1]).item() == 0
    assert tt_direction_loss(source[:1], source[:1]).item() == 0
    assert tt_direction_loss(source, torch.ones(5, 8)).item() == 1  # equal domains have no direction


def test_statistics_of_parts_are_blind_to_place_and_see_tones_and_strokes() -> None:
    rng = torch.Generator().manual_seed(0)
    pictures = torch.randn(2, 3, 64, 64, generator=rng).clamp(-1, 1)
    parts = torch.zeros(2, 3, 64, 64)
    parts[:, 0, :, :32], parts[:, 1, :, 32:] = 1.0, 1.0  # the third part is nowhere
    wanted = part_statistics(pictures, parts)
    assert wanted[0].shape[0] == 3
    assert wanted[1].tolist() == [0.5, 0.5, 0.0]
    assert statistics_loss(pictures.flip(2), parts, wanted).item() < 0.01
    tinted = pictures.clone()
    tinted[:, 0, :, :32] += 0.5  # one channel of one part
    assert statistics_loss(tinted, parts, wanted) > 5 * statistics_loss(pictures.flip(2), parts, wanted)
    assert statistics_loss(pictures / 2, parts, wanted) > 0.05  # half the strokes
    assert statistics_loss(pictures, None, part_statistics(pictures, None)).item() < 1e-6
