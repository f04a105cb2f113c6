"""The mini model's encoder: an aligned picture to W+ and a feature map.

W+ comes from a residual network without normalisation, as one w for the whole picture plus an offset per row, as in e4e
(Tov et al. 2021), so that codes stay near the w that the mapping network makes. The map comes from a U-Net (Ronneberger
et al. 2015) that is convolutional except for its position channels, so that it can be trained on parts of pictures; w
tells it about the whole. As in StyleFeatureEditor (Bobkov et al. 2024) the map holds what W+ cannot.

The encoder reads photographs. To read a drawing, ``destyle`` adapts it as a domain vector adapts the generator: its
numbers scale the input channels of every convolution by 1 + d, and are added to the biases.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from stylize.models.code import Code
from stylize.models.layers import SQRT2, Linear, Window, cut, normal

BLURRED = 32  # px: eyes and mouth are still seen, strokes are not


@dataclass(frozen=True)
class EncoderConfig:
    """``resolution`` of the input pictures. W+ is computed from them at ``small`` px (0: full size): ``widths`` are the
    channels at small / 4, small / 8, ... down to 4 px, ``blocks`` the residual blocks at each.

    ``map_widths``: channels of the U-Net at resolution / 4, / 8, ..., () for W+ alone; ``place``: its position
    channels; ``features``: channels of its map, which has resolution / 4 px.
    """

    resolution: int = 128
    small: int = 0
    widths: tuple[int, ...] = (64, 128, 256, 256)
    blocks: tuple[int, ...] = (1, 2, 2, 1)
    code: int = 48
    num_ws: int = 12
    w_dim: int = 256
    map_widths: tuple[int, ...] = ()
    place: int = 12
    features: int = 0

    def __post_init__(self) -> None:
        for name in ("widths", "blocks", "map_widths"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Conv(nn.Module):
    """3x3 convolution with equalised learning rate, then leaky ReLU."""

    def __init__(self, c_in: int, c_out: int, stride: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(normal(c_out, c_in, 3, 3))
        self.bias = nn.Parameter(torch.zeros(c_out))
        self.gain, self.stride = 1 / math.sqrt(c_in * 9), stride

    def forward(self, x: Tensor) -> Tensor:
        # sqrt(2) lrelu(x) = lrelu(sqrt(2) x): the gain is folded into the small factors.
        weight, bias = (self.weight * (self.gain * SQRT2)).to(x.dtype), (self.bias * SQRT2).to(x.dtype)
        return F.leaky_relu(F.conv2d(x, weight, bias, self.stride, padding=1), 0.2)


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(Conv(width, width), Conv(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.body(x)) * math.sqrt(0.5)


class FeatureMap(nn.Module):
    """Pictures (N, 3, R, R) and their w (N, w_dim) -> features (N, C, R/4, R/4); also for parts of pictures."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        widths, size = config.map_widths, config.resolution // 4
        self.place = nn.Parameter(normal(1, config.place, size, size))
        self.first = Conv(48 + config.place, widths[0])
        self.blocks = nn.ModuleList(Residual(width) for width in widths)
        self.down = nn.ModuleList(Conv(a, b, stride=2) for a, b in pairwise(widths))
        self.whole = nn.ModuleList(Linear(config.w_dim, width) for width in widths)
        self.up = nn.ModuleList(Conv(b, a) for a, b in pairwise(widths))
        self.after = nn.ModuleList(Residual(width) for width in widths)
        self.last = nn.Conv2d(widths[0], config.features, 3, padding=1, bias=False)

    def forward(self, pictures: Tensor, w: Tensor, window: Window | None = None) -> Tensor:
        x = F.pixel_unshuffle(pictures, 4)
        place = cut(self.place, window).to(x.dtype).expand(len(x), -1, -1, -1)
        x = self.first(torch.cat([x, place], 1).contiguous(memory_format=torch.channels_last))
        kept = []
        for level, block in enumerate(self.blocks):
            if level:
                x = self.down[level - 1](x)
            x = block(x)
            kept.append(x)
        for level in reversed(range(len(kept))):
            if level < len(kept) - 1:
                x = kept[level] + self.up[level](F.interpolate(x, scale_factor=2, mode="bilinear"))
            x = self.after[level](x + self.whole[level](w)[:, :, None, None].to(x.dtype))
        return F.conv2d(x, self.last.weight.to(x.dtype), padding=1)


class Encoder(nn.Module):
    """Pictures (N, 3, R, R) in [-1, 1] -> codes: W+ (N, num_ws, w_dim), and features if it has a feature map."""

    title = "mini"
    destyle: Tensor | None  # (destyle_dim,)

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
        self.map = FeatureMap(config) if config.map_widths else None
        self.register_buffer("destyle", None, persistent=False)

    def maps(self, pictures: Tensor) -> list[Tensor]:
        """Intermediate features on the way to W+, from fine to coarse."""
        if self.config.small and pictures.shape[-1] != self.config.small:
            pictures = F.interpolate(pictures, size=self.config.small, mode="area")
        maps = [F.pixel_unshuffle(pictures, 4).contiguous(memory_format=torch.channels_last)]
        for layer in self.body:
            maps.append(layer(maps[-1]))
        return maps[1:]

    def codes(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """(w (N, w_dim), offsets (N, num_ws, w_dim)); their sum is W+."""
        x = self.maps(pictures)[-1].flatten(1).float()
        return self.base(x), self.offsets(x).view(-1, self.config.num_ws, self.config.w_dim)

    def forward(self, pictures: Tensor, window: Window | None = None, dtype: torch.dtype = torch.float32) -> Code:
        """window: the part, in pixels of the features, that is encoded into them; W+ is of the whole picture."""
        w, offsets = self.codes(pictures.to(dtype))
        if self.map is None:
            return Code(w[:, None] + offsets)
        part = cut(pictures, window and window.times(4)).to(dtype)
        return Code(w[:, None] + offsets, self.map(part, w, window).float())

    @property
    def destyle_dim(self) -> int:
        return sum(self._destyle_sizes())

    def _destyle_sizes(self) -> list[int]:
        """How many numbers of ``destyle`` belong to each convolution's input, and to each bias."""
        sizes = []
        for module in self.modules():
            if isinstance(module, Conv):
                sizes.append(module.weight.shape[1])
            if isinstance(module, (Conv, Linear)):
                sizes.append(len(module.bias))
        return sizes

    def destyled(
        self, pictures: Tensor, destyle: Tensor, window: Window | None = None, dtype: torch.dtype = torch.float32
    ) -> Code:
        """Codes of the photos of which pictures (N, 3, R, R) in any style may have been made. Differentiable in
        ``destyle`` (destyle_dim,).

        The pictures are blurred to BLURRED px before, so that no strokes are taken for features.
        """
        numbers = iter(destyle.split(self._destyle_sizes()))
        changed = {}
        for name, module in self.named_modules():
            if isinstance(module, Conv):
                changed[f"{name}.weight"] = module.weight * (1 + next(numbers))[None, :, None, None]
            if isinstance(module, (Conv, Linear)):
                changed[f"{name}.bias"] = module.bias + next(numbers)
        small = F.interpolate(pictures, size=BLURRED, mode="area")
        soft = F.interpolate(small, size=pictures.shape[-1], mode="bicubic").clamp(-1, 1)
        code: Code = functional_call(self, changed, (soft, window, dtype))
        return code
