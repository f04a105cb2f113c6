"""Finds the fixed patterns of a generator, its tilings and screens, in a picture: each shows itself where it lies, and
not a few pixels beside."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from stylize.models.generator import SCREEN_STEP, Generator
from stylize.models.layers import piece_means

BESIDE = ((3, 5), (-5, 2), (6, -7), (-2, -3))  # px at 256 px
MARGIN = 7  # px at 256 px: the furthest of these
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
    margin = MARGIN * scale
    inner = config.resolution - 2 * margin
    places = [(margin + down * scale, margin + right * scale) for down, right in [(0, 0), *BESIDE]]

    def parts(maps: Tensor) -> list[Tensor]:
        """The middle of maps (..., R, R), and parts of that size beside it."""
        return [maps[..., top : top + inner, left : left + inner] for top, left in places]

    shares = pictures.new_zeros(config.share_count)
    middle = parts(pictures)[0]
    for number in range(config.tilings):
        own, *beside = (
            (middle - piece_means(middle, labels)).square().mean().item() for labels in parts(generator.tilings[number])
        )
        shares[number] = own < TILED * sum(beside) / len(beside)
    detail = parts(_fine(pictures))[0].flatten(2).transpose(1, 2)  # (N, pixels, 3)
    energy = detail.square().sum().clamp(min=1e-9)
    for number in range(config.screens):
        screen = generator.screens[number : number + 1] * SCREEN_STEP
        own, *beside = (
            ((torch.linalg.qr(lines.flatten(2)[0].T)[0].T @ detail).square().sum() / energy).item()
            for lines in parts(_fine(screen - generator.convs[-1].get_parameter("patterns")))
        )
        shares[config.tilings + number] = own > max(beside) + SCREENED
    return shares
