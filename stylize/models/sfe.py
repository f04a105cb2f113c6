"""StyleFeatureEditor: feature-space inversion for the full model, which keeps the detail of a photo that W+ cannot
hold.

Bobkov, Titov, Alanov, Vetrov, "The Devil is in the Details: StyleFeatureEditor for Detail-Rich StyleGAN Inversion and
High Quality Image Editing" (CVPR 2024). With x the picture at 256 px, H(w; d) the generator's own 64 px features under
a domain vector d (``Generator.lower``), and U the generator's picture from features (``Generator.upper``):

    w, P    = backbone(x)                           W+ and a feature map
    F       = fuser([P, H(w; 0)])                   the photo's features
    picture = U(editor([F, 0]), w)                  the inversion
    D       = H(v; 0) - H(v + e; d),  v = e4e(x)    the change: before minus after, as the editor was trained
    picture = U(editor([F, D]), w + e; d)           the edit e, or the domain d, or both

The editor's map replaces the generator's own before ``GeneratorConfig.inject``; the RGB of the lower half is already
drawn there. Parameter names are those of the published checkpoints. For inference: BatchNorm is not trained, but
gradients pass through to a domain vector.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylize.models.code import Code, Inversion
from stylize.models.e4e import E4e
from stylize.models.generator import Generator
from stylize.models.layers import Noise, Order

POOLED = 3  # px on a side, to which each stage is pooled for the rows of W+


@dataclass(frozen=True)
class SfeConfig:
    """``resolution`` of the input pictures, ``small`` the size at which they are read. ``widths``: channels of the
    stages, ``blocks``: residual blocks in each, ``strides``: how much each shrinks the picture.

    ``features``: channels of the map, which has the size of the third stage; ``depth``: residual blocks of fuser and
    editor; ``inject``: see ``GeneratorConfig``. ``editor``: whether there is one, or the inverter alone.
    """

    resolution: int = 1024
    small: int = 256
    widths: tuple[int, ...] = (64, 128, 256, 512)
    blocks: tuple[int, ...] = (3, 4, 14, 3)
    strides: tuple[int, ...] = (2, 2, 1, 2)
    num_ws: int = 18
    w_dim: int = 512
    features: int = 512
    depth: int = 5
    inject: int = 9
    editor: bool = True

    def __post_init__(self) -> None:
        for name in ("widths", "blocks", "strides"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not len(self.widths) == len(self.blocks) == len(self.strides) == 4:
            raise ValueError("there are not four stages")
        if not all(type(stride) is int and stride > 0 for stride in self.strides):
            raise ValueError(f"there are no strides {self.strides}")

    @property
    def side(self) -> int:
        """Pixels on a side of the map."""
        return self.small // math.prod(self.strides[:3])

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Conv(nn.Conv2d):
    """Computes in the dtype of its input."""

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return F.conv2d(x, self.weight.to(x.dtype), bias, self.stride, self.padding)


class PReLU(nn.PReLU):
    """One slope per channel; computes in the dtype of its input."""

    def forward(self, x: Tensor) -> Tensor:
        return F.prelu(x, self.weight.to(x.dtype))


def conv3x3(c_in: int, c_out: int, stride: int = 1) -> Conv:
    return Conv(c_in, c_out, 3, stride, 1, bias=False)


def branch(c_in: int, c_out: int) -> nn.Sequential:
    """BatchNorm, convolution, BatchNorm, PReLU, convolution, BatchNorm."""
    return nn.Sequential(
        nn.BatchNorm2d(c_in),
        conv3x3(c_in, c_out),
        nn.BatchNorm2d(c_out),
        PReLU(c_out),
        conv3x3(c_out, c_out),
        nn.BatchNorm2d(c_out),
    )


class Block(nn.Module):
    """Residual block of ArcFace's iResNet (Duta et al. 2020); the second convolution carries the stride."""

    def __init__(self, c_in: int, c_out: int, stride: int, first: bool) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(c_in), conv3x3(c_in, c_out)
        self.bn2, self.prelu = nn.BatchNorm2d(c_out), PReLU(c_out)
        self.conv2, self.bn3 = conv3x3(c_out, c_out, stride), nn.BatchNorm2d(c_out)
        self.downsample: nn.Module = nn.Identity()
        if first:
            self.downsample = nn.Sequential(Conv(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x: Tensor) -> Tensor:
        out = self.prelu(self.bn2(self.conv1(self.bn1(x))))
        return self.bn3(self.conv2(out)) + self.downsample(x)


class Backbone(nn.Module):
    """Pictures (N, 3, S, S) -> (offsets to the mean w (N, num_ws, w_dim), map (N, C, S/4, S/4))."""

    def __init__(self, config: SfeConfig) -> None:
        super().__init__()
        width, widths = config.widths[0], config.widths
        self.conv = nn.Sequential(conv3x3(3, width), nn.BatchNorm2d(width), PReLU(width))
        stages = []
        for (c_in, c_out), count, stride in zip(pairwise((width, *widths)), config.blocks, config.strides, strict=True):
            rest = [Block(c_out, c_out, 1, first=False) for _ in range(count - 1)]
            stages.append(nn.Sequential(Block(c_in, c_out, stride, first=True), *rest))
        self.block_1, self.block_2, self.block_3, self.block_4 = stages
        self.content_layer = branch(widths[2], config.features)
        self.styles = nn.ModuleList(nn.Linear(sum(widths) * POOLED**2, config.w_dim) for _ in range(config.num_ws))

    def stages(self, x: Tensor) -> list[Tensor]:
        """The last map of every stage, from fine to coarse."""
        maps = [self.conv(x)]
        for block in (self.block_1, self.block_2, self.block_3, self.block_4):
            maps.append(block(maps[-1]))
        return maps[1:]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.stages(x)
        seen = torch.cat([F.adaptive_avg_pool2d(stage.float(), POOLED) for stage in maps], 1).flatten(1)
        return torch.stack([head(seen) for head in self.styles], 1), self.content_layer(maps[2])


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = branch(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Joiner(nn.Module):
    """Merges two maps (N, C, h, h) into one: used as fuser and as editor."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.conv = Conv(2 * width, width, 1)
        self.body = nn.Sequential(*(Residual(width) for _ in range(depth)))

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        joined = torch.cat([a, b], 1).contiguous(memory_format=torch.channels_last)
        return self.body(self.conv(joined))


class Inverter(nn.Module):
    """Backbone and fuser. On its own it is a smaller encoder: its map replaces the generator's own, and the effect of a
    domain vector is added, F + H(w; d) - H(w; 0)."""

    def __init__(self, config: SfeConfig) -> None:
        super().__init__()
        self.fs_backbone = Backbone(config)
        self.fuser = Joiner(config.features, config.depth)


class Sfe(nn.Module):
    """Pictures (N, 3, R, R) in [-1, 1] -> codes for ``generator``, whose ``config.inject`` must match.

    ``e4e`` is set after loading, since it has its own file. ``dtype``: of the convolutions; the heads of W+ use
    float32.
    """

    generator: Generator

    def __init__(self, config: SfeConfig, generator: Generator) -> None:
        super().__init__()
        self.config, self.dtype = config, torch.float32
        self.inverter = Inverter(config)
        self.editor = Joiner(config.features, config.depth) if config.editor else None
        self.e4e: E4e | None = None
        self.__dict__["generator"] = generator  # not a submodule: it is moved and saved elsewhere

    @property
    def title(self) -> str:
        return "StyleFeatureEditor" if self.config.editor else "StyleFeatureEditor, inverter alone"

    def small(self, pictures: Tensor) -> Tensor:
        """Pictures at the input size, without a low-pass, as in training."""
        size = self.config.small
        if pictures.shape[-1] == size:
            return pictures
        return F.interpolate(pictures, size=(size, size), mode="bilinear", align_corners=False)

    def maps(self, pictures: Tensor) -> list[Tensor]:
        """Feature maps of the pictures, from fine to coarse."""
        return self.inverter.fs_backbone.stages(self.small(pictures))

    def forward(self, pictures: Tensor) -> Code:
        x, mean = self.small(pictures), self.generator.w_avg
        offsets, seen = self.inverter.fs_backbone(x.to(self.dtype).contiguous(memory_format=torch.channels_last))
        ws = offsets + mean
        own, _ = self.generator.lower(ws, dtype=self.dtype)
        fused = self.inverter.fuser(seen, own)
        if self.editor is None or self.e4e is None:
            return Code(ws, (fused - own).float())
        before = self.e4e.offsets(x) + mean
        base, _ = self.generator.lower(before, dtype=self.dtype)
        return Code(ws, None, Inversion(fused, before, before, self.editor(fused, torch.zeros_like(fused)), base))

    def change(self, inversion: Inversion, after: Tensor) -> Tensor:
        """D in the module's equations, (N, C, h, h), from H(v + e; d)."""
        base = inversion.base
        if base is None or base.dtype != after.dtype:
            base, _ = self.generator.lower(inversion.before, dtype=after.dtype)
        return base - after

    def edit(
        self, code: Code, domain: Tensor | None, order: Order, noise: Noise, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor | None]:
        """What enters the upper half: features (N, C, h, h), and the RGB of the lower half. Without an edit, and with a
        domain (domain_dim,) or (N, domain_dim) that changes nothing, the features are ``still``, bit for bit."""
        inversion = code.inversion
        assert self.editor is not None
        assert inversion is not None
        changed = (inversion.after != inversion.before).flatten(1).any(1)
        if domain is not None:
            changed = changed | (domain.reshape(-1, domain.shape[-1]) != 0).any(1)
        if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (domain, inversion.after)):
            changed = torch.ones_like(changed)  # a vector in training may start at zero
        fused, still = inversion.fused.to(dtype), inversion.still
        if still is None and not bool(changed.all()):
            still = self.editor(fused, torch.zeros_like(fused))
        if not bool(changed.any()):
            assert still is not None
            return still.to(dtype), self.generator.lower(code.ws, domain, order, noise, dtype)[1]
        # w for the RGB and v for the change go through the lower half in one batch.
        twice = domain if domain is None or domain.ndim == 1 else torch.cat([domain, domain])
        drawn, rgb = self.generator.lower(torch.cat([code.ws, inversion.after]), twice, order, noise, dtype)
        edited = self.editor(fused, self.change(inversion, drawn[len(code) :]))
        if still is not None:
            edited = torch.where(changed[:, None, None, None], edited, still.to(dtype))
        return edited, None if rgb is None else rgb[: len(code)]
