"""The encoder of the mini model: an aligned picture to W+.

A residual network without normalisation; its code is one w for the whole picture plus an offset per row, as in
e4e (Tov et al. 2021), so that codes stay near the w that the mapping network makes.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylize.generator import Linear, leaky_relu


@dataclass(frozen=True)
class EncoderConfig:
    """``widths``: channels at resolution / 4, / 8, ... down to 4 px; ``blocks``: residual blocks at each."""

    resolution: int = 128
    widths: tuple[int, ...] = (64, 128, 256, 256)
    blocks: tuple[int, ...] = (1, 2, 2, 1)
    code: int = 48
    num_ws: int = 12
    w_dim: int = 256

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))
        object.__setattr__(self, "blocks", tuple(self.blocks))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Conv(nn.Module):
    """3x3 convolution with equalised learning rate, then leaky ReLU."""

    def __init__(self, c_in: int, c_out: int, stride: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(c_out, c_in, 3, 3))
        self.bias = nn.Parameter(torch.zeros(c_out))
        self.gain, self.stride = 1 / math.sqrt(c_in * 9), stride

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv2d(x, (self.weight * self.gain).to(x.dtype), stride=self.stride, padding=1)
        return leaky_relu(x, self.bias)


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(Conv(width, width), Conv(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.body(x)) * math.sqrt(0.5)


class Encoder(nn.Module):
    """Pictures (N, 3, R, R) in [-1, 1] -> W+ (N, num_ws, w_dim)."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = [Conv(48, config.widths[0])]
        for level, (width, blocks) in enumerate(zip(config.widths, config.blocks, strict=True)):
            if level:
                layers.append(Conv(config.widths[level - 1], width, stride=2))
            layers += [Residual(width) for _ in range(blocks)]
        self.body = nn.Sequential(*layers, Conv(config.widths[-1], config.code))
        self.base = Linear(16 * config.code, config.w_dim)
        self.offsets = Linear(16 * config.code, config.num_ws * config.w_dim)
        nn.init.zeros_(self.offsets.weight)

    def maps(self, pictures: Tensor) -> list[Tensor]:
        """Its features of the pictures, layer by layer from fine to coarse."""
        maps = [F.pixel_unshuffle(pictures, 4).contiguous(memory_format=torch.channels_last)]
        for layer in self.body:
            maps.append(layer(maps[-1]))
        return maps[1:]

    def codes(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """(w (N, w_dim), offsets (N, num_ws, w_dim)); their sum is the W+ that ``forward`` gives."""
        x = self.maps(pictures)[-1].flatten(1).float()
        return self.base(x), self.offsets(x).view(-1, self.config.num_ws, self.config.w_dim)

    def forward(self, pictures: Tensor) -> Tensor:
        w, offsets = self.codes(pictures)
        return w[:, None] + offsets
