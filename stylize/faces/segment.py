"""Separates people from the background with the network of MediaPipe's selfie segmentation (Google, Apache 2.0)."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from stylize.models.checkpoints import load_checkpoint, load_into
from stylize.places import WEIGHTS_FOLDER

NETWORK = WEIGHTS_FOLDER / "segment" / "selfie.safetensors"
SIDE = 256  # px of a picture and its mask
# Kernel, stride, inner width, squeeze width (0: none), output width, hard swish or not: MobileNetV3 (Howard et al.
# 2019), where a block is residual if it keeps size and width.
BLOCKS = (
    (3, 2, 16, 8, 16, False), (3, 2, 72, 0, 24, False), (3, 1, 88, 0, 24, False), (5, 2, 96, 24, 32, True),
    (5, 1, 128, 32, 32, True), (5, 1, 128, 32, 32, True), (5, 1, 96, 24, 32, True), (5, 1, 96, 24, 32, True),
)  # fmt: skip
BRIGHT = 0.9  # of white: a picture whose brightest parts are darker is brightened to this


class Conv(nn.Conv2d):
    """TensorFlow's padding: an odd pixel goes to the far sides."""

    def forward(self, x: Tensor) -> Tensor:
        if (extra := self.kernel_size[0] - self.stride[0]) > 0:
            x = F.pad(x, (extra // 2, extra - extra // 2) * 2)
        return super().forward(x)


class Gate(nn.Module):
    """Squeeze and excitation (Hu et al. 2018): one weight per channel, from the means of all."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.squeeze, self.excite = Conv(width, inner, 1), Conv(inner, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.excite(F.relu(self.squeeze(x.mean((2, 3), keepdim=True)))))


class Block(nn.Module):
    def __init__(self, before: int, kernel: int, stride: int, width: int, squeeze: int, out: int, hard: bool) -> None:
        super().__init__()
        self.expand = Conv(before, width, 1)
        self.depthwise = Conv(width, width, kernel, stride, groups=width)
        self.gate = Gate(width, squeeze) if squeeze else None
        self.project = Conv(width, out, 1)
        self.act = F.hardswish if hard else F.relu
        self.residual = stride == 1 and before == out

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.depthwise(self.act(self.expand(x))))
        y = self.project(y if self.gate is None else y * self.gate(y))
        return x + y if self.residual else y


class Finer(nn.Module):
    """Combines coarse features with those of twice the size."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.narrow, self.gate = Conv(before, width, 1), Gate(width, width)
        self.mix, self.depthwise = Conv(width, width, 1), Conv(width, width, 3, groups=width)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        y = self.narrow(F.interpolate(x, scale_factor=2.0, mode="bilinear"))
        y = F.relu(self.mix(skip * self.gate(skip + y) + y))
        return y + F.relu(self.depthwise(y))


class Segmenter(nn.Module):
    """Pictures (N, 3, SIDE, SIDE) in [0, 1] -> (N, 1, SIDE, SIDE) in [0, 1], one for people."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Conv(3, 16, 3, 2)
        widths = [16, *(block[4] for block in BLOCKS)]
        self.blocks = nn.ModuleList(Block(before, *block) for before, block in zip(widths, BLOCKS, strict=False))
        self.wide, self.wide_gate = Conv(32, 128, 1), Conv(32, 128, 1)
        self.finer = nn.ModuleList([Finer(128, 24), Finer(24, 16), Finer(16, 16)])
        self.last = nn.ConvTranspose2d(16, 1, 2, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.hardswish(self.stem(x))
        seen = [x]
        for block in self.blocks:
            x = block(x)
            seen.append(x)
        x = F.relu(self.wide(x)) * torch.sigmoid(self.wide_gate(x.mean((2, 3), keepdim=True)))
        for finer, skip in zip(self.finer, (seen[3], seen[1], seen[0]), strict=True):
            x = finer(x, skip)
        return torch.sigmoid(self.last(x))


@cache
def _segmenter() -> Segmenter:
    with torch.device("meta"):
        network = Segmenter()
    load_into(network, load_checkpoint(NETWORK)[0], NETWORK.name)
    return network.eval().requires_grad_(False)


@torch.no_grad()
def people(picture: Image.Image) -> NDArray[np.float32]:
    """(SIDE, SIDE) in [0, 1]: one for people in an RGB picture, which may be dark."""
    values: Any = np.asarray(picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)).astype(np.float32)
    lightest = max(1.0, float(np.percentile(values, 99)))
    values *= max(1.0, BRIGHT * 255 / lightest) / 255
    mask = _segmenter()(torch.from_numpy(values).permute(2, 0, 1)[None].clamp_(0, 1))
    return np.asarray(mask[0, 0], dtype=np.float32)
