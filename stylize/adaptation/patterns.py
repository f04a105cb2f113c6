"""Finds the fixed patterns of a generator, its tilings and screens, in a picture: each shows itself where it lies, and
not a few pixels beside."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from stylize.models.generator import SCREEN_STEP, Generator
from stylize.models.layers import piece_means

BESIDE = ((3, 5), (-5, 2), (6, -7), (-2, -3))  # px at 256 px
COARSE = 8  # px: coarser structure is not compared with screens
TILED = 0.7  # of the squared spread within pieces that lie beside: a picture with the tiling has less
SCREENED = 0.015  # of the energy of the detail: by how much more a screen explains in its place, if the picture has it


def _fine(pictures: Tensor) -> Tensor:
    return pictures - F.interpolate(F.avg_pool2d(pictures, COARSE), scale_factor=COARSE, mode="bilinear")


@torch.no_grad()
def found(generator: Generator, pictures: Tensor) -> Tensor:
    """Which tilings, then which screens, all pictures (N, 3, R, R) have: 1 or 0 each, (share_count,)."""
    config = generator.config
    scale = max(1, config.resolution // 256)
    moves = [(down * scale, right * scale) for down, right in BESIDE]
    shares = pictures.new_zeros(config.share_count)
    for number in range(config.tilings):
        own, *beside = (
            (pictures - piece_means(pictures, labels)).square().mean().item()
            for labels in (generator.tilings[number].roll(move, (0, 1)) for move in [(0, 0), *moves])
        )
        shares[number] = own < TILED * sum(beside) / len(beside)
    detail = _fine(pictures).movedim(1, 3)  # (N, R, R, 3)
    energy = detail.square().sum().clamp(min=1e-9)
    for number in range(config.screens):
        lines = _fine(
            generator.screens[number : number + 1] * SCREEN_STEP - generator.convs[-1].get_parameter("patterns")
        )
        basis = torch.linalg.qr(lines.flatten(2)[0].T)[0]  # (R * R, patterns), orthonormal
        own, *beside = (
            ((basis.T @ detail.roll(move, (1, 2)).flatten(1, 2)).square().sum() / energy).item()
            for move in [(0, 0), *moves]
        )
        shares[config.tilings + number] = own > max(beside) + SCREENED
    return shares
