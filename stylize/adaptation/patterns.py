"""Finds the fixed patterns of a generator, its tilings and screens, in a picture: each shows itself where it lies, and
not a few pixels beside."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from stylize.models.generator import SCREEN_STEP, Generator
from stylize.models.layers import Window, cut, piece_means

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
    margin = max(abs(move) for moves in BESIDE for move in moves)
    side = config.resolution // scale - 2 * margin
    here, *beside = (Window(margin + down, margin + right, side).times(scale) for down, right in ((0, 0), *BESIDE))

    def spread(labels: Tensor) -> float:
        """The mean square of what the pieces' means leave of the pictures' middle."""
        return (middle - piece_means(middle, labels[0, 0])).square().mean().item()

    def explained(lines: Tensor, window: Window) -> float:
        """The share of the detail's energy, in a part of the pictures, that orthonormal lines explain."""
        part = cut(detail, window).flatten(2).transpose(1, 2)  # (N, pixels, 3)
        return ((lines.T @ part).square().sum() / part.square().sum().clamp(min=1e-9)).item()

    shares = pictures.new_zeros(config.share_count)
    middle, detail = cut(pictures, here), _fine(pictures)
    for number in range(config.tilings):
        tiling = generator.tilings[None, number : number + 1]
        usual = sum(spread(cut(tiling, window)) for window in beside) / len(beside)
        shares[number] = spread(cut(tiling, here)) < TILED * usual
    for number in range(config.screens):
        screen = generator.screens[number : number + 1] * SCREEN_STEP - generator.convs[-1].get_parameter("patterns")
        lines = torch.linalg.qr(cut(_fine(screen), here).flatten(2)[0].T)[0]  # (pixels, patterns)
        usual = sum(explained(lines, window) for window in beside) / len(beside)
        shares[config.tilings + number] = explained(lines, here) > usual + SCREENED
    return shares
