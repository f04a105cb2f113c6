"""The generator against numbers that the official code made with random weights (HyperDomainNet, 2986493c6de3).

Only outputs are stored; the weights are drawn again from key names and a seed. A thinned copy of the 64 px numbers
lies in tests/golden; the rest is in ../shared/golden, whose README says how all of it was made.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from golden_numbers import HERE, draw_weights
from torch import Tensor

from stylize.convert.generators import from_rosinality
from stylize.models.checkpoints import load_into
from stylize.models.domain import Domain
from stylize.models.generator import Generator, GeneratorConfig
from stylize.models.layers import Order

TOLERANCE = {64: 2e-5, 256: 2e-5, 1024: 3e-5}  # of the largest value of the picture
POINTS = {"tl": (0, 0), "mid": (1, 1), "br": (2, 2)}  # the dense 16 x 16 patches, in halves of what is free


@lru_cache(maxsize=1)
def official(folder: Path, resolution: int) -> tuple[Generator, Tensor, Mapping[str, np.ndarray]]:
    """(generator, domain vector, numbers)."""
    numbers = dict(np.load(folder / f"generator_{resolution}.npz"))
    weights = from_rosinality(draw_weights(folder / f"manifest_generator_{resolution}.json"))
    generator = Generator(GeneratorConfig.official(resolution)).eval().requires_grad_(False)
    load_into(generator, weights | {"w_avg": torch.from_numpy(numbers["mean_latent"])}, "the golden generator")
    heads = draw_weights(folder / f"manifest_parameterization_{resolution}.json")
    domain = torch.cat([heads[f"heads.conv_{i}.params_in"].flatten() for i in range(len(heads))])
    return generator, domain, numbers


@torch.no_grad()
def picture(case: str, generator: Generator, domain: Tensor, numbers: Mapping[str, np.ndarray]) -> Tensor:
    """What a golden case asks for, by its name."""
    w, w_plus = (torch.from_numpy(numbers[name]) for name in ("w", "w_plus"))
    if "_wplus" in case:
        ws = torch.lerp(generator.w_avg, w_plus, 0.7) if case.endswith("trunc07") else w_plus
    elif "_z_" in case:
        ws = generator.map(torch.from_numpy(numbers["z"][:1]), truncation_psi=0.7)
    else:
        rows = w if "batch2" in case or "per_sample" in case else w[:1]
        ws = rows[:, None].expand(-1, generator.config.num_ws, -1)
    if "demod" not in case:
        return generator.synthesis(ws)
    order: Order = "post_demod" if "post" in case else "pre_demod"
    vector = torch.from_numpy(numbers["per_sample_offsets"]) if "per_sample" in case else domain
    return generator.synthesis(ws, vector, order)


def check(folder: Path, resolution: int, cases: int) -> None:
    generator, domain, numbers = official(folder, resolution)
    with torch.no_grad():
        w = generator.mapping(torch.from_numpy(numbers["z"]))
    assert float((w - torch.from_numpy(numbers["w_of_z"])).abs().max()) <= 1e-5 * np.abs(numbers["w_of_z"]).max()
    strides = {name: int(stride) for name, stride in (k.split("__s") for k in numbers if re.search(r"__s\d+$", k))}
    assert len(strides) == cases
    for case, stride in strides.items():
        made = picture(case, generator, domain, numbers)
        allowed = TOLERANCE[resolution] * float(np.abs(numbers[f"{case}__s{stride}"]).max())
        views = {f"s{stride}": made[:, :, ::stride, ::stride]}
        for name, (top, left) in POINTS.items():
            half = (resolution - 16) // 2
            views[name] = made[:, :, top * half : top * half + 16, left * half : left * half + 16]
        views["mean"] = made.mean((2, 3))
        views["std"] = made.std((2, 3), correction=0)
        for name, view in views.items():
            if f"{case}__{name}" in numbers:
                error = float((view - torch.from_numpy(numbers[f"{case}__{name}"])).abs().max())
                assert error <= allowed, f"{case}__{name} is off by {error:.2e}, allowed {allowed:.2e}"


@pytest.mark.slow
def test_64_px_thinned() -> None:
    check(HERE, 64, cases=11)


@pytest.mark.slow
def test_64_px(shared: Path) -> None:
    check(shared / "golden", 64, cases=11)


@pytest.mark.slow
def test_256_px(shared: Path) -> None:
    check(shared / "golden", 256, cases=9)


@pytest.mark.slow
def test_1024_px(shared: Path) -> None:
    check(shared / "golden", 1024, cases=6)


@torch.no_grad()
def test_a_rosinality_file(shared: Path) -> None:
    folder = shared / "golden"
    file = torch.load(folder / "checkpoints" / "rosinality_32_ch16_w64.pt", weights_only=True)
    numbers = np.load(folder / "checkpoints_expected.npz")
    generator = Generator(GeneratorConfig(32, (16,) * 4, z_dim=64, w_dim=64)).eval()
    load_into(generator, from_rosinality(file["g_ema"]) | {"w_avg": file["latent_avg"].flatten()}, "the file")
    z, w_plus = (torch.from_numpy(numbers[f"rosinality_32_ch16_w64/{name}"]) for name in ("z", "w_plus"))
    for case, ws in (("img_wplus", w_plus), ("img_z_trunc07", generator.map(z, 0.7))):
        expected = torch.from_numpy(numbers[f"rosinality_32_ch16_w64/{case}"])
        error = (generator.synthesis(ws) - expected).abs().max() / expected.abs().max()
        assert error <= 2e-5, f"{case} is off by {error:.2e}"


@torch.no_grad()
@pytest.mark.slow
def test_a_one_shot_domain_with_style_rows(shared: Path) -> None:
    folder = shared / "golden"
    generator, vector, _ = official(folder, 1024)
    numbers = {name: torch.from_numpy(array) for name, array in np.load(folder / "inferencer_im2im_1024.npz").items()}
    sizes = tuple(generator.config.domain_sizes)
    domain = Domain(vector, sizes, "post_demod", "f" * 16, style=numbers["style_latents"][0])
    ws = torch.lerp(generator.w_avg, numbers["w"], 0.7)[:, None].expand(-1, 18, -1)
    mixed = domain.mixed_in(ws, 1.0)
    expected = numbers["mixed_w_plus_trunc07"]
    assert float((mixed - expected).abs().max()) <= 1e-5 * float(expected.abs().max())
    for case, made in (
        ("img_src_trunc07", generator.synthesis(ws)),
        ("img_trg_trunc07", generator.synthesis(mixed, domain.vector, domain.order)),
    ):
        expected = numbers[f"{case}__s8"]
        assert float((made[:, :, ::8, ::8] - expected).abs().max()) <= 5e-5 * float(expected.abs().max()), case


@torch.no_grad()
def test_the_two_orders_cannot_be_confused() -> None:
    generator, domain, numbers = official(HERE, 64)
    a, b = (picture(f"img_{order}_demod_w", generator, domain, numbers) for order in ("post", "pre"))
    assert math.sqrt(float((a - b).square().sum() / a.square().sum())) > 0.05
