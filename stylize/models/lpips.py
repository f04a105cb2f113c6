"""LPIPS, a perceptual distance of pictures, version 0.1 on VGG16 (Simonyan and Zisserman 2015).

Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric" (2018).
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylize.models.checkpoints import load_checkpoint, load_into

WIDTHS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))  # of the convolutions between pools
MEAN = (-0.030, -0.088, -0.188)  # of ImageNet, for pictures in [-1, 1]
STD = (0.458, 0.448, 0.450)
FILES = ("vgg16.safetensors", "lpips.safetensors")  # the convolutions, and the weights of their channels


class Lpips(nn.Module):
    """d(a, b) = sum_l mean_hw sum_c w_lc (a_lc - b_lc)^2 for feature maps a_l, b_l with channels normalised to length 1
    (eq. 1)."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        widths = [width for stage in WIDTHS for width in stage]
        self.convs = nn.ModuleList(
            nn.Conv2d(c_in, c_out, 3, padding=1) for c_in, c_out in zip([3, *widths], widths, strict=False)
        )
        self.heads = nn.ParameterList(torch.zeros(stage[-1]) for stage in WIDTHS)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)

    @classmethod
    def load(cls, folder: Path) -> Lpips | None:
        """Loads the two ``FILES`` of a model's folder, frozen; None unless both exist. Raises CheckpointError."""
        paths = [folder / name for name in FILES]
        if not all(path.is_file() for path in paths):
            return None
        model = cls()
        load_into(model, {**load_checkpoint(paths[0])[0], **load_checkpoint(paths[1])[0]}, " and ".join(FILES))
        return model.eval().requires_grad_(False)

    def maps(self, pictures: Tensor) -> list[Tensor]:
        """The last map of every stage, with channels normalised to length 1; pictures (N, 3, R, R) in [-1, 1]."""
        x, convs, maps = (pictures - self.mean) / self.std, iter(self.convs), []
        for number, stage in enumerate(WIDTHS):
            if number:
                x = F.max_pool2d(x, 2)
            for _ in stage:
                x = F.relu(next(convs)(x))
            maps.append(F.normalize(x, dim=1, eps=1e-10))
        return maps

    def distance(self, a: list[Tensor], b: list[Tensor]) -> Tensor:
        """d (N,) of two outputs of ``maps``."""
        parts = [
            ((x - y).square() * head.view(1, -1, 1, 1)).sum(1).mean((1, 2))
            for x, y, head in zip(a, b, self.heads, strict=True)
        ]
        return torch.stack(parts).sum(0)
