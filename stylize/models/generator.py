"""StyleGAN2 with domain modulation, without per-sample weights and without custom ops.

Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020), skip architecture;
Alanov, Titov, Vetrov, "HyperDomainNet" (2022) for the domain vector.

The published form builds one weight per sample, ``w'' = demod(s_i w)``. Both scalings factor out of the convolution, so
the same function is computed here with the shared weight:

    y = rsqrt(sum_{i,k} (s_i w)^2 + eps) * conv(w, s_i x)

A domain vector ``d`` scales the input channels of every 3x3 convolution by ``1 + d``: before the demodulation
(``pre_demod``, the paper) or after it (``post_demod``, the official code).

A photo's features may enter at one place (``GeneratorConfig.inject``), as in StyleFeatureEditor (Bobkov, Titov, Alanov,
Vetrov 2024). They are added to the generator's own, so that the effect of a domain vector below that place is kept: ``F
+ H(w, d) - H(w, 0)`` for the features F of the photo and H of the generator. If the encoder has a feature editor
(``stylize.models.sfe``), its output for F and the change replaces the generator's own features.

Without gradients the computation is arranged for speed: everything that depends on the weights alone is cached, and
where pictures are larger than weights, each sample's weights are scaled instead of its pictures.

A generator may have ``tilings``: fixed divisions of the picture into pieces, such as squares or triangles. Before the
last convolution, its features and RGB are moved towards their mean over each piece. It may also have ``screens``, as
printers call patterns of lines and dots: learned sets of patterns, towards which those of the last convolution are
moved. The last numbers of a domain vector, its shares, say how far, one for each tiling and each screen. The source's
shares are 0.

It may treat the ``parts`` of a face differently, such as skin and background: a domain vector then has numbers e_k for
each part in the convolutions from ``inject`` on, and a code holds the parts' shares m_k in every pixel. The input
channels are scaled by 1 + d + sum_k m_k e_k.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylize.errors import CheckpointError, DomainError
from stylize.models.checkpoints import fingerprint, load_checkpoint, load_into
from stylize.models.code import Code
from stylize.models.layers import (
    Mapping,
    ModulatedConv,
    Noise,
    Order,
    ToRGB,
    Window,
    cut,
    normal,
    piece_means,
    upsample,
)

FAINT = 0.1  # a smaller share found by a network or a training means none
SCREEN_STEP = 1 / 16  # of the patterns of screens, which are stored as int8
ONE_AT_A_TIME = 512  # px: on a CPU, pictures this large are drawn one by one, since several overflow its caches


def fast_dtype(device: torch.device) -> torch.dtype:
    """The fastest dtype for convolutions on the device: bfloat16 if it has units for it, else float32."""
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = device.type == "cpu" and (torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())
    return torch.bfloat16 if fast else torch.float32


def limited(shares: Tensor) -> Tensor:
    """Shares limited to 0..1. Unlike those of ``clamp``, gradients at 1 are kept."""
    shares = F.relu(shares)
    return shares - (shares - 1).clamp(min=0).detach()


def without_faint(vector: Tensor, count: int) -> Tensor:
    """A domain vector (domain_dim,) whose last ``count`` numbers, the shares, are at most 1, and 0 if they are below
    FAINT: each costs time wherever it is drawn."""
    numbers, shares = vector.split([len(vector) - count, count])
    return torch.cat([numbers, limited(shares) * (shares >= FAINT)])


def used(shares: Tensor) -> list[int]:
    """Which of the shares (N, count) are not 0 in all rows."""
    numbers: list[int] = shares.any(0).nonzero().flatten().tolist()
    return numbers


@dataclass(frozen=True)
class GeneratorConfig:
    """Settings that rebuild a generator. ``channels`` are the widths at 4, 8, ... ``resolution`` px.

    ``inject``: the index of the convolution before which a photo's features may enter, counted from 0; 0 for none.
    ``patterns``: learned position channels added to the input of the second convolution of each resolution, for
    patterns that stay still while faces change; () for none. ``rgb_from``: the lowest resolution that contributes RGB.
    ``tilings``: the number of fixed divisions into pieces. ``screens``: the number of further sets of patterns of the
    last convolution. ``parts``: the number of parts of a face that have scales of their own from ``inject`` on.
    """

    resolution: int = 1024
    channels: tuple[int, ...] = (512, 512, 512, 512, 512, 256, 128, 64, 32)
    z_dim: int = 512
    w_dim: int = 512
    mapping_layers: int = 8
    inject: int = 0
    patterns: tuple[int, ...] = ()
    rgb_from: int = 4
    tilings: int = 0
    screens: int = 0
    parts: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))
        object.__setattr__(self, "patterns", tuple(self.patterns))
        if 4 * 2 ** (len(self.channels) - 1) != self.resolution:
            raise ValueError(f"{len(self.channels)} widths do not make a {self.resolution} px generator")
        if self.patterns and len(self.patterns) != len(self.channels):
            raise ValueError(f"{len(self.patterns)} numbers of patterns do not fit {len(self.channels)} resolutions")
        if not (0 <= self.tilings <= 100 and 0 <= self.screens <= 100):
            raise ValueError(f"{self.tilings} and {self.screens} are not numbers of tilings and screens")
        if self.screens and not (self.patterns and self.patterns[-1]):
            raise ValueError("screens need patterns of the last convolution")
        if not 0 <= self.parts <= 10 or (self.parts and not self.inject):
            raise ValueError(f"{self.parts} is no number of parts, or there is no place for features")
        if not 0 <= self.inject < 2 * len(self.channels) - 1:
            raise ValueError(f"there is no convolution {self.inject} in a {self.resolution} px generator")

    @classmethod
    def official(cls, resolution: int = 1024, channel_multiplier: int = 2) -> GeneratorConfig:
        """The widths of the published StyleGAN2 (config-f: multiplier 2)."""
        levels = range(2, int(math.log2(resolution)) + 1)
        return cls(resolution, tuple(min(512, 16384 * channel_multiplier // 2**level) for level in levels))

    @property
    def num_ws(self) -> int:
        """Rows of W+: 18 at 1024 px."""
        return 2 * len(self.channels)

    @property
    def conv_widths(self) -> list[tuple[int, int]]:
        """(input, output) channels of each 3x3 convolution: 17 of them at 1024 px."""
        placed = self.patterns or (0,) * len(self.channels)
        pairs = [(self.channels[0] + placed[0], self.channels[0])]
        for (below, width), extra in zip(pairwise(self.channels), placed[1:], strict=True):
            pairs += [(below, width), (width + extra, width)]
        return pairs

    @property
    def features_shape(self) -> tuple[int, int, int]:
        """(C, h, h) of a photo's features, if they have a place."""
        level = self.inject // 2  # the resolution of that convolution's input
        return self.channels[level], 4 * 2**level, 4 * 2**level

    @property
    def draws_windows(self) -> bool:
        """Whether windows of pictures can be drawn: where a photo's features enter, there is no RGB yet."""
        return self.inject > 0 and self.features_shape[1] <= self.rgb_from

    @property
    def domain_sizes(self) -> list[int]:
        """Input channels of each convolution, then the numbers of the parts and of the shares, if there are any: the
        layout of a domain vector, sum 6,048 at 1024 px."""
        whole = [c_in for c_in, _ in self.conv_widths]
        return whole + [count for count in (sum(self.part_sizes), self.share_count) if count]

    @property
    def part_sizes(self) -> list[int]:
        """The numbers that the parts of a face have for each convolution from ``inject`` on; none without parts."""
        return [self.parts * c_in for c_in, _ in self.conv_widths[self.inject :]] if self.parts else []

    @property
    def domain_dim(self) -> int:
        return sum(self.domain_sizes)

    @property
    def share_count(self) -> int:
        """The number of shares in a domain vector: one for each tiling and each screen."""
        return self.tilings + self.screens

    @property
    def shares(self) -> slice:
        """Where a domain vector has its shares: of the tilings, then of the screens."""
        return slice(self.domain_dim - self.share_count, self.domain_dim)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Generator(nn.Module):
    """z -> w -> picture. The picture is float32 RGB, nominally in [-1, 1], not clamped.

    ``edit``: an encoder's feature editor for codes with an inversion, see ``Sfe.edit``.
    """

    w_avg: Tensor
    tilings: Tensor
    screens: Tensor
    edit: Callable[[Code, Tensor | None, Order, Noise, torch.dtype], tuple[Tensor, Tensor | None]] | None = None

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.mapping = Mapping(config.z_dim, config.w_dim, config.mapping_layers)
        self.const = nn.Parameter(normal(1, config.channels[0], 4, 4))
        self.convs = nn.ModuleList(
            ModulatedConv(
                c_in,
                c_out,
                config.w_dim,
                4 * 2 ** ((i + 1) // 2),
                up=i % 2 == 1,
                patterns=config.patterns[i // 2] if config.patterns and i % 2 == 0 else 0,
            )
            for i, (c_in, c_out) in enumerate(config.conv_widths)
        )
        skipped = int(math.log2(config.rgb_from // 4))
        self.to_rgbs = nn.ModuleList(ToRGB(width, config.w_dim) for width in config.channels[skipped:])
        self.register_buffer("w_avg", torch.zeros(config.w_dim))
        side = config.resolution
        if config.tilings:  # the number of each pixel's piece
            self.register_buffer("tilings", torch.zeros(config.tilings, side, side, dtype=torch.int16))
        if config.screens:  # in steps of SCREEN_STEP
            count = config.patterns[-1]
            self.register_buffer("screens", torch.zeros(config.screens, count, side, side, dtype=torch.int8))

    @classmethod
    def load(cls, path: str | Path) -> Generator:
        """Loads a file with ``config`` in its settings; the weights are memory-mapped, not copied.

        Raises CheckpointError.
        """
        tensors, settings = load_checkpoint(path)
        try:
            with torch.device("meta"):  # no random initial weights, since the file replaces them
                generator = cls(GeneratorConfig(**settings["config"]))
        except (KeyError, TypeError, ValueError):
            raise CheckpointError("{} is not a generator; use a file that contains one.", Path(path).name) from None
        load_into(generator, tensors, Path(path).name)
        if generator.config.tilings and generator.tilings.min() < 0:
            raise CheckpointError("{} is damaged: its tilings have pieces below 0.", Path(path).name)
        return generator

    def map(self, z: Tensor, truncation_psi: float = 1.0) -> Tensor:
        """z (N, z_dim) -> ws (N, num_ws, w_dim), pulled towards ``w_avg`` by ``truncation_psi``."""
        w = torch.lerp(self.w_avg, self.mapping(z), truncation_psi) if truncation_psi != 1 else self.mapping(z)
        return w[:, None].expand(-1, self.config.num_ws, -1)

    def split(self, domain: Tensor | None) -> Sequence[Tensor | None]:
        """Splits a domain vector (domain_dim,) or (N, domain_dim) into one (1 or N, c_in) piece per convolution, and,
        if there are any, the numbers of the parts (1 or N, sum of ``part_sizes``) and the shares (1 or N, tilings +
        screens).

        Raises DomainError if its length does not fit this generator.
        """
        if domain is None:
            return [None] * len(self.config.domain_sizes)
        if domain.shape[-1] != self.config.domain_dim:
            raise DomainError(
                "The domain vector has {} numbers but this {} px generator takes {}; use a domain made for it.",
                domain.shape[-1],
                self.config.resolution,
                self.config.domain_dim,
            )
        return domain.reshape(-1, self.config.domain_dim).split(self.config.domain_sizes, dim=1)

    def synthesis(
        self,
        code: Code | Tensor,
        domain: Tensor | None = None,
        order: Order = "pre_demod",
        noise: Noise = "const",
        dtype: torch.dtype = torch.float32,
        resolution: int | None = None,
        window: Window | None = None,
    ) -> Tensor:
        """Pictures (N, 3, R, R) from codes; a tensor is W+ (N, num_ws, w_dim) without features.

        domain: (domain_dim,) for all, (N, domain_dim), or None for the source; a vector of zeros equals the source bit
        for bit. order: see the module. noise: the stored noise, fresh noise, or none. dtype: of the convolutions; RGB
        is summed in float32. resolution: stop there (a power of two from 4), for progressive training. window: draw
        only that part, in pixels of the features (see ``draws_windows``); the code's features must be cropped to it.
        """
        code = code if isinstance(code, Code) else Code(code)
        here = code.device.type == "cpu" and not torch.is_grad_enabled() and not torch.compiler.is_compiling()
        if here and len(code) > 1 and (resolution or self.config.resolution) >= ONE_AT_A_TIME:
            own = [domain] * len(code) if domain is None or domain.ndim == 1 else domain.split(1)
            pictures = (
                self.synthesis(one, vector, order, noise, dtype, resolution, window)
                for one, vector in zip(code, own, strict=True)
            )
            return torch.cat(list(pictures))
        if code.inversion is not None:
            assert self.edit is not None, "a code of another model"
            return self.upper(*self.edit(code, domain, order, noise, dtype), code.ws, domain, order, noise)
        lower, rgb = self.lower(code.ws, domain, order, noise, dtype, resolution)
        if rgb is not None and rgb.shape[-1] == resolution:
            return rgb
        lower = cut(lower, window)
        if code.features is not None:
            lower = lower + code.features.to(lower.dtype)
        return self.upper(lower, rgb, code.ws, domain, order, noise, resolution, window, code.parts)

    def lower(
        self,
        ws: Tensor,
        domain: Tensor | None = None,
        order: Order = "pre_demod",
        noise: Noise = "const",
        dtype: torch.dtype = torch.float32,
        resolution: int | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """(features, RGB so far) at the place where a photo's features enter, or at the end if there is none."""
        x = self.const.to(dtype).expand(len(ws), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        return self.run(x, None, ws, domain, order, noise, range(self.config.inject or len(self.convs)), resolution)

    def upper(
        self,
        features: Tensor,
        rgb: Tensor | None,
        ws: Tensor,
        domain: Tensor | None = None,
        order: Order = "pre_demod",
        noise: Noise = "const",
        resolution: int | None = None,
        window: Window | None = None,
        parts: Tensor | None = None,
    ) -> Tensor:
        """The rest after ``lower``: pictures from features (N, C, h, h) and the RGB so far; parts (N, P, R, R)."""
        convs = range(self.config.inject or len(self.convs), len(self.convs))
        features = features.contiguous(memory_format=torch.channels_last)
        _, rgb = self.run(features, rgb, ws, domain, order, noise, convs, resolution, window, parts)
        assert rgb is not None
        return rgb

    def run(
        self,
        x: Tensor,
        rgb: Tensor | None,
        ws: Tensor,
        domain: Tensor | None,
        order: Order,
        noise: Noise,
        convs: range,
        resolution: int | None = None,
        window: Window | None = None,
        parts: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Runs some of the convolutions, from features x and RGB to features and RGB."""
        pieces, skipped = self.split(domain), len(self.config.channels) - len(self.to_rgbs)
        added = self.for_parts(pieces[len(self.convs)]) if parts is not None and self.config.parts else None
        if parts is not None and window is not None:
            parts = cut(parts, window.times(self.config.resolution // self.config.features_shape[1]))
        for i in convs:
            size = 4 * 2 ** ((i + 1) // 2)
            here = window.times(size // self.config.features_shape[1]) if window else None
            if i % 2 == 0 and rgb is not None:
                rgb = upsample(rgb)
            parted = None if parts is None or added is None else (parts, added[i - self.config.inject])
            placed = None
            if i == len(self.convs) - 1 and self.config.share_count and (shares := pieces[-1]) is not None:
                held, screened = limited(shares).split([self.config.tilings, self.config.screens], 1)
                x = self.hold(x, held, here)
                rgb = None if rgb is None else self.hold(rgb, held, here)
                placed = self.screen(screened, here)
            x = self.convs[i](x, ws[:, i], pieces[i], order, noise, here, placed, parted)
            if i % 2 == 0 and i // 2 >= skipped:  # the last convolution of a resolution adds to the RGB
                skip = self.to_rgbs[i // 2 - skipped](x, ws[:, i + 1])
                rgb = skip if rgb is None else rgb + skip
                if size == resolution:
                    break
        return x, rgb

    def for_parts(self, numbers: Tensor | None) -> Sequence[Tensor] | None:
        """What each convolution from ``inject`` on has for the parts, (1 or N, parts * c_in); None if
        that is zero, which costs one synchronisation with a GPU."""
        if numbers is None or not (numbers.requires_grad or numbers.any()):
            return None
        return numbers.split(self.config.part_sizes, 1)

    def hold(self, x: Tensor, shares: Tensor, window: Window | None = None) -> Tensor:
        """x (N, C, H, W) moved towards its mean over each piece of the tilings, by shares (1 or N, tilings) of 0 to 1.

        A share of 0 costs nothing and gets no gradient.
        """
        for number in used(shares):
            labels = cut(self.tilings[None, number : number + 1], window)[0, 0]
            share = shares[:, number].view(-1, 1, 1, 1).to(x.dtype)
            held = share.expand(len(x), 1, 1, 1).flatten().nonzero().flatten()
            if len(held) == len(x):
                x = torch.lerp(x, piece_means(x, labels), share)
            else:
                own = x[held]
                x = x.index_copy(0, held, torch.lerp(own, piece_means(own, labels), share[held]))
        return x

    def screen(self, shares: Tensor, window: Window | None = None) -> Tensor | None:
        """The patterns (1 or N, P, R, R) of the last convolution, or a window of them, moved towards each screen by
        shares (1 or N, screens) of 0 to 1; None for the convolution's own. A screen without a share costs nothing and
        gets no gradient."""
        patterns = None
        for number in used(shares):
            own = cut(self.convs[-1].get_parameter("patterns"), window)
            screen = cut(self.screens[number : number + 1], window)
            away = shares[:, number].view(-1, 1, 1, 1) * (screen * SCREEN_STEP - own)
            patterns = (own if patterns is None else patterns) + away
        return patterns

    @torch.no_grad()
    def update_w_avg(self, generator: torch.Generator, samples: int = 4096) -> None:
        """Sets ``w_avg``, the centre of truncation, to the mean w of ``samples`` random z."""
        z = torch.randn(samples, self.config.z_dim, generator=generator)
        self.w_avg.copy_(self.mapping(z.to(self.w_avg.device)).mean(0))

    def fingerprint(self) -> str:
        """16 hexadecimal digits that identify these weights; a domain records them."""
        return fingerprint(self)
