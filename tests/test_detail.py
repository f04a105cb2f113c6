"""Detail transfer against changes whose truth is known: the same colour map on the sharp photo."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from stylize.faces.detail import FINER, inverse, keep_colours, sharpened, transfer_detail

SEPIA = torch.tensor([[0.39, 0.77, 0.19], [0.35, 0.69, 0.17], [0.27, 0.53, 0.13]])


def sharp(side: int = 256, seed: int = 0) -> Tensor:
    """A picture of large soft shapes, hard edges and fine strands, with correlated colours as a face has."""
    rng = torch.Generator().manual_seed(seed)
    soft = F.interpolate(torch.randn(1, 3, 8, 8, generator=rng), size=side, mode="bicubic")
    grey = F.interpolate(torch.randn(1, 1, 8, 8, generator=rng), size=side, mode="bicubic")
    edges = F.interpolate(torch.randn(1, 1, 12, 12, generator=rng).sign(), size=side)
    strands = F.interpolate(torch.randn(1, 1, side // 2, 8, generator=rng), size=side, mode="bilinear")
    return (0.06 * soft + 0.25 * grey + 0.25 * edges + 0.1 * strands).clamp(-1, 1)


def drawn(picture: Tensor, side: int = 128) -> Tensor:
    """What a soft generator makes of it: smaller and blurred."""
    small = F.interpolate(picture, size=side, mode="area")
    taps = torch.exp(-torch.arange(-6, 7).float().square() / 8)
    taps = (taps / taps.sum()).expand(3, 1, 1, -1)
    small = F.conv2d(F.pad(small, (6, 6, 0, 0), mode="reflect"), taps, groups=3)
    return F.conv2d(F.pad(small, (0, 0, 6, 6), mode="reflect"), taps.transpose(2, 3), groups=3)


def error(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().mean())


CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "nothing": lambda x: x,
    "negative": lambda x: -x,
    "sepia": lambda x: torch.einsum("oi,nihw->nohw", SEPIA, x) * 0.7,
    "grey": lambda x: x.mean(1, keepdim=True).expand_as(x),
    "more light": lambda x: x * 0.5 + 0.3,
    "half tinted": lambda x: torch.cat([x[..., :128], x[..., 128:] * torch.tensor([0.4, 0.6, 0.9]).view(3, 1, 1)], 3),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_change_is_carried_to_the_sharp_photo(name: str) -> None:
    photo = sharp()
    truth = CHANGES[name](photo)
    target = drawn(truth)
    own = transfer_detail(photo, drawn(photo), target, amount=0.0)
    kept = transfer_detail(photo, drawn(photo), target, amount=1.0)
    assert error(kept, truth) < 0.25 * error(own, truth)


def test_detail_survives_where_the_reconstruction_is_flat() -> None:
    photo = sharp() * 0.1  # so little contrast that a window alone could not tell a negative from a constant
    kept = transfer_detail(photo, drawn(photo), drawn(-photo))
    assert error(kept, -photo) < 0.5 * error(torch.zeros_like(photo), -photo)


def test_noise_of_the_generator_is_not_carried_over() -> None:
    photo = sharp()
    noise = 0.05 * torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    kept = transfer_detail(photo, drawn(photo), drawn(photo) + noise)
    assert error(kept, photo) < 0.3 * float(noise.abs().mean())


def test_amount_slides_from_the_models_picture_to_the_photos_detail() -> None:
    photo, target = sharp(), drawn(-sharp())
    own, fine, half, kept = (transfer_detail(photo, drawn(photo), target, amount) for amount in (0.0, 0.5, 0.75, 1.0))
    assert torch.equal(own, F.interpolate(target, size=256, mode="bicubic", antialias=True).clamp(-1, 1))
    torch.testing.assert_close(half, (fine + kept) / 2)
    errors = [error(transfer_detail(photo, drawn(photo), target, a / 4), -photo) for a in range(5)]
    assert errors == sorted(errors, reverse=True)


def test_the_photo_adds_only_what_is_finer_than_the_models_pixels() -> None:
    photo = sharp()
    small = F.avg_pool2d(photo, 2)
    own, fine = (transfer_detail(photo, small, small, amount) for amount in (0.0, FINER))
    assert error(fine, photo) < 0.2 * error(own, photo)
    target = torch.linspace(-0.5, 0.5, 128).expand(1, 3, 128, -1)
    plain = transfer_detail(photo, small, target, FINER)
    assert error(F.avg_pool2d(plain, 2), target) < 0.02


def test_the_photo_adds_little_where_the_style_draws_flat_pieces() -> None:
    photo = sharp()
    small = F.avg_pool2d(photo, 2)
    pieces = F.interpolate(F.avg_pool2d(small, 16), scale_factor=16)
    added = [error(*(transfer_detail(photo, small, target, a) for a in (0.0, FINER))) for target in (small, pieces)]
    assert added[1] < 0.15 * added[0]


@pytest.mark.parametrize(("photo_side", "model_side"), [(64, 128), (300, 128), (1024, 32), (96, 256)])
def test_any_sizes(photo_side: int, model_side: int) -> None:
    photo, source = sharp(photo_side), sharp(model_side, seed=1)
    out = transfer_detail(photo, source, -source)
    assert out.shape == photo.shape
    assert out.isfinite().all()
    assert out.abs().max() <= 1


@pytest.mark.parametrize("value", [-1.0, 0.0, 1.0])
def test_flat_pictures(value: float) -> None:
    flat = torch.full((1, 3, 128, 128), value)
    torch.testing.assert_close(transfer_detail(flat, flat, -flat), -flat, atol=1e-5, rtol=0)
    assert transfer_detail(sharp(), flat, sharp(128)).isfinite().all()


def test_inverse_of_nearly_singular_matrices() -> None:
    x = torch.randn(2, 3, 1, 5, 7, generator=torch.Generator().manual_seed(0)) * 0.7
    a = x * x.transpose(1, 2) + 0.01 * torch.eye(3)[None, :, :, None, None]
    expected = torch.linalg.inv(a.permute(0, 3, 4, 1, 2).double()).permute(0, 3, 4, 1, 2).float()
    torch.testing.assert_close(inverse(a), expected, rtol=0.01, atol=0.01 * float(expected.abs().max()))


def test_keeping_colours_takes_lightness_only() -> None:
    photo = Image.fromarray(np.random.default_rng(0).integers(60, 190, (40, 40, 3), dtype=np.uint8))
    assert np.abs(np.asarray(keep_colours(photo, photo), dtype=int) - np.asarray(photo)).max() <= 1
    grey = Image.new("RGB", (80, 80), (120, 120, 120))
    assert np.ptp(np.asarray(keep_colours(photo, grey), dtype=int), axis=2).max() <= 1


def test_sharpened_pictures_have_the_usual_contrast_and_keep_their_tones() -> None:
    rng = torch.Generator().manual_seed(0)
    usual = (torch.rand(4, 3, 64, 64, generator=rng) - 0.5) * 0.4
    soft = F.interpolate(F.avg_pool2d(usual[:1], 2), size=64, mode="bilinear") + 0.2
    made = sharpened(soft, usual)
    assert float(made.diff(dim=3).abs().mean() / soft.diff(dim=3).abs().mean()) > 1.5
    torch.testing.assert_close(made.mean((2, 3)), soft.mean((2, 3)), atol=0.02, rtol=0)
    assert made.abs().max() <= 1
    torch.testing.assert_close(sharpened(usual, usual * 0.5), usual, atol=1e-5, rtol=0)  # never softened
