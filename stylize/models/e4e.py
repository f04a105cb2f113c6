"""The encoders of the full model: e4e and ReStyle, an aligned face to W+.

Tov et al., "Designing an Encoder for StyleGAN Image Manipulation" (2021); Alaluf et al., "ReStyle" (2021);
the backbone is ArcFace's IR-SE-50 (Deng et al. 2019; Hu et al. 2018 for squeeze and excitation). Names of the
parameters are those of the published checkpoints without their prefix ``encoder.``. For inference only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylize.models.layers import Linear

Flavour = Literal["psp", "e4e"]
COARSE, MIDDLE = 3, 7  # e4e: rows of W+ below 3 come from the last map, below 7 from the one before it
SQUEEZE = 16


@dataclass(frozen=True)
class E4eConfig:
    """``widths``: channels at resolution / 2, / 4, / 8, / 16; ``blocks``: residual blocks at each."""

    resolution: int = 256
    widths: tuple[int, ...] = (64, 128, 256, 512)
    blocks: tuple[int, ...] = (3, 4, 14, 3)
    num_ws: int = 18
    w_dim: int = 512

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))
        object.__setattr__(self, "blocks", tuple(self.blocks))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class SqueezeExcitation(nn.Module):
    """Scales the channels by weights computed from their means."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(width, width // SQUEEZE, 1, bias=False)
        self.fc2 = nn.Conv2d(width // SQUEEZE, width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.fc2(F.relu(self.fc1(x.mean((2, 3), keepdim=True)))))


class Bottleneck(nn.Module):
    """Residual block of IR-SE-50; the second convolution carries the stride."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.shortcut_layer: nn.Module = nn.MaxPool2d(1, stride)  # no parameters: every stride-th pixel
        if c_in != c_out:
            self.shortcut_layer = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(c_in),
            nn.Conv2d(c_in, c_out, 3, 1, 1, bias=False),
            nn.PReLU(c_out),
            nn.Conv2d(c_out, c_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(c_out),
            SqueezeExcitation(c_out),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.res_layer(x) + self.shortcut_layer(x)


class StyleHead(nn.Module):
    """A map (N, c_in, S, S) -> a row of W+ (N, w_dim): strided convolutions down to one pixel."""

    def __init__(self, c_in: int, w_dim: int, size: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(int(math.log2(size))):
            layers += [nn.Conv2d(c_in, w_dim, 3, 2, 1), nn.LeakyReLU()]
            c_in = w_dim
        self.convs = nn.Sequential(*layers)
        self.linear = Linear(w_dim, w_dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.convs(x).flatten(1))


class Backbone(nn.Module):
    """IR-SE-50: an input (N, c_in, R, R) -> a map per stage. Codes are offsets to ``latent_avg`` (num_ws, w_dim)."""

    latent_avg: Tensor

    def __init__(self, config: E4eConfig, c_in: int) -> None:
        super().__init__()
        self.config = config
        width = config.widths[0]
        self.input_layer = nn.Sequential(
            nn.Conv2d(c_in, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.PReLU(width)
        )
        blocks = []
        for c_out, count in zip(config.widths, config.blocks, strict=True):
            for i in range(count):
                blocks.append(Bottleneck(width, c_out, 1 if i else 2))
                width = c_out
        self.body = nn.ModuleList(blocks)
        self.register_buffer("latent_avg", torch.zeros(config.num_ws, config.w_dim))

    def stages(self, x: Tensor) -> list[Tensor]:
        """The last map of every stage, at R / 2, R / 4, R / 8, R / 16."""
        x = self.input_layer(x)
        maps, blocks = [], iter(self.body)
        for count in self.config.blocks:
            for _ in range(count):
                x = next(blocks)(x)
            maps.append(x)
        return maps


class E4e(Backbone):
    """Pictures (N, 3, R, R) in [-1, 1] -> W+ (N, num_ws, w_dim): one w, and an offset for each further row."""

    title = "e4e"

    def __init__(self, config: E4eConfig) -> None:
        super().__init__(config, 3)
        last, width = config.resolution // 16, config.widths[-1]
        self.latlayer1 = nn.Conv2d(config.widths[-2], width, 1)
        self.latlayer2 = nn.Conv2d(config.widths[-3], width, 1)
        self.styles = nn.ModuleList(
            StyleHead(width, config.w_dim, last * (1 if row < COARSE else 2 if row < MIDDLE else 4))
            for row in range(config.num_ws)
        )

    def maps(self, pictures: Tensor) -> list[Tensor]:
        """Feature maps of the pictures, from fine to coarse."""
        return self.stages(pictures)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.latent_avg + self.offsets(pictures)

    def offsets(self, pictures: Tensor) -> Tensor:
        """W+ (N, num_ws, w_dim) relative to ``latent_avg``."""
        _, fine, middle, coarse = self.stages(pictures)
        pyramid = [coarse]
        for skip in (self.latlayer1(middle), self.latlayer2(fine)):
            up = F.interpolate(pyramid[-1], size=skip.shape[-2:], mode="bilinear", align_corners=True)
            pyramid.append(up + skip)
        rows = [head(pyramid[(row >= COARSE) + (row >= MIDDLE)]) for row, head in enumerate(self.styles)]
        return offsets_to_rows(rows)


class ReStyle(Backbone):
    """Pictures (N, 3, R, R) in [-1, 1] -> W+, refined in ``STEPS`` steps from the picture and the current
    reconstruction.

    draw: W+ -> pictures of any size, the generator's synthesis. flavour: each row corrected on its own (psp), or one w
    with offsets (e4e).
    """

    STEPS = 5
    title = "ReStyle"

    def __init__(self, config: E4eConfig, flavour: Flavour, draw: Callable[[Tensor], Tensor]) -> None:
        super().__init__(config, 6)
        self.flavour, self.draw = flavour, draw
        self.styles = nn.ModuleList(
            StyleHead(config.widths[-1], config.w_dim, config.resolution // 16) for _ in range(config.num_ws)
        )

    def maps(self, pictures: Tensor) -> list[Tensor]:
        """Feature maps of the pictures at the first step, beside the mean face, from fine to coarse."""
        return self.stages(torch.cat([pictures, self._pooled(self.latent_avg[None]).expand_as(pictures)], 1))

    def forward(self, pictures: Tensor) -> Tensor:
        ws = self.latent_avg.expand(len(pictures), -1, -1)
        drawn = self._pooled(self.latent_avg[None]).expand_as(pictures)
        for step in range(self.STEPS):
            if step:
                drawn = self._pooled(ws)
            coarse = self.stages(torch.cat([pictures, drawn], 1))[-1]
            rows = [head(coarse) for head in self.styles]
            ws = ws + (torch.stack(rows, 1) if self.flavour == "psp" else offsets_to_rows(rows))
        return ws

    def _pooled(self, ws: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(self.draw(ws), self.config.resolution)


def offsets_to_rows(rows: list[Tensor]) -> Tensor:
    """One w and offsets to it -> W+ (N, rows, w_dim)."""
    return torch.stack([rows[0], *(rows[0] + row for row in rows[1:])], 1)
