"""The layers of StyleGAN2: modulated convolutions, the mapping network and what they are made of."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Order = Literal["pre_demod", "post_demod"]
Noise = Literal["const", "random", "none"]
EPS = 1e-8
SQRT2 = math.sqrt(2.0)


def leaky_relu(x: Tensor, bias: Tensor | None = None) -> Tensor:
    """``sqrt(2) * leaky_relu(x + bias, 0.2)``: keeps the variance of a unit normal."""
    if bias is not None:
        x = x + bias.view(1, -1, *[1] * (x.ndim - 2)).to(x.dtype)
    return F.leaky_relu(x, 0.2) * SQRT2


def normal(*shape: int, std: float = 1.0) -> Tensor:
    """Random initial values, or none on "meta", where a file will provide them: there torch.randn and any arithmetic
    load PyTorch's compiler, which takes 3 s and 200 MB."""
    empty = torch.get_default_device().type == "meta"
    return torch.empty(shape) if empty else torch.randn(shape) * std


class Linear(nn.Module):
    """Linear layer with equalised learning rate: the weight is scaled at run time (Karras et al. 2018)."""

    def __init__(self, c_in: int, c_out: int, bias: float = 0.0, lr_multiplier: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(normal(c_out, c_in, std=1 / lr_multiplier))
        self.bias = nn.Parameter(torch.full((c_out,), bias))
        self.weight_gain = lr_multiplier / math.sqrt(c_in)
        self.bias_gain = lr_multiplier

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x * self.weight_gain, self.weight, self.bias * self.bias_gain)


class Mapping(nn.Module):
    """z (N, z_dim) -> w (N, w_dim): normalised to unit second moment, then leaky-ReLU layers."""

    def __init__(self, z_dim: int, w_dim: int, layers: int) -> None:
        super().__init__()
        sizes = [z_dim] + [w_dim] * layers
        self.layers = nn.ModuleList(Linear(a, b, lr_multiplier=0.01) for a, b in pairwise(sizes))

    def forward(self, z: Tensor) -> Tensor:
        x = z * torch.rsqrt(z.square().mean(1, keepdim=True) + EPS)
        for layer in self.layers:
            x = leaky_relu(layer(x))
        return x


def fir_kernel(gain: float, device: torch.device | None = None) -> Tensor:
    """The separable low-pass [1, 3, 3, 1], normalised, as a (4, 4) kernel times ``gain``."""
    i = torch.arange(4.0, device=device)  # computed on the device: copying to it would synchronise
    taps = (1.0 + i * (3.0 - i)) / 8.0
    return torch.outer(taps, taps) * gain


def blur(x: Tensor, gain: float, bias: Tensor | None = None) -> Tensor:
    """Depth-wise FIR filter of x (N, C, H, W); shrinks it by one pixel."""
    channels = x.shape[1]
    weight = fir_kernel(gain, x.device).to(x.dtype).expand(channels, 1, 4, 4)
    return F.conv2d(x, weight, bias, padding=1, groups=channels)


def upsample(x: Tensor) -> Tensor:
    """Doubles x (N, C, H, W) with the FIR kernel (gain 4), zeros outside: the RGB skip path.

    Inserting zeros and filtering with [1, 3, 3, 1] / 4 is bilinear interpolation.
    """
    return F.interpolate(F.pad(x, (1, 1, 1, 1)), scale_factor=2, mode="bilinear")[:, :, 2:-2, 2:-2]


def upsampling_kernel(weight: Tensor) -> Tensor:
    """Merges a transposed convolution (Ci, Co, 3, 3) and the FIR filter into one kernel (Ci, Co, 6, 6), stride 2,
    padding 2."""
    c_in, c_out, _, _ = weight.shape
    fir = fir_kernel(4.0, weight.device)[None, None]
    return F.conv2d(weight.reshape(-1, 1, 3, 3), fir, padding=3).view(c_in, c_out, 6, 6)


def add_outer_(x: Tensor, pattern: Tensor) -> Tensor:
    """x (N, C, H, W) += pattern (1 or N, 1, H, W), as a matrix product, which is far faster than add_ in bfloat16."""
    if not x.is_contiguous(memory_format=torch.channels_last):
        return x.add_(pattern)
    rows = x.permute(0, 2, 3, 1).view(-1, x.shape[1])
    rows.addmm_(pattern.expand(len(x), -1, -1, -1).reshape(-1, 1), x.new_ones(1, x.shape[1]))
    return x


class Window(NamedTuple):
    """A square part of pictures, in pixels, to train on at lower cost. ``top`` and ``left``: its corner."""

    top: int
    left: int
    side: int

    def times(self, factor: int) -> Window:
        return Window(*(factor * number for number in self))


def cut(x: Tensor, window: Window | None) -> Tensor:
    """The part of x (N, C, H, W), or all of it for None."""
    if window is None:
        return x
    top, left, side = window
    rows = x.permute(0, 2, 3, 1)[:, top : top + side, left : left + side]  # so that gradients are channels_last too
    return rows.permute(0, 3, 1, 2)


def piece_means(x: Tensor, labels: Tensor) -> Tensor:
    """x (N, C, H, W) with every pixel replaced by the mean over its piece; labels (H, W), the pieces' numbers."""
    n, channels, height, width = x.shape
    labels = labels.flatten().long()
    pieces = int(labels.max()) + 1
    places = (labels + pieces * torch.arange(n, device=x.device)[:, None]).view(-1, 1)
    rows = x.permute(0, 2, 3, 1).reshape(-1, channels).float()
    sums = rows.new_zeros(n * pieces, channels).scatter_add(0, places.expand(-1, channels), rows)
    counts = labels.bincount(minlength=pieces).clamp(min=1).repeat(n)[:, None]
    means = (sums / counts)[places[:, 0]].view(n, height, width, channels)
    return means.permute(0, 3, 1, 2).to(x.dtype)


def part_scales(whole: Tensor, parts: Tensor, added: Tensor, x: Tensor) -> Tensor:
    """Scales of x (N, C, H, W): those of the whole picture (1 or N, C), and what its parts, shares (N, P, R, R), add to
    them (1 or N, P * C)."""
    n, channels, height, width = x.shape
    shares = F.adaptive_avg_pool2d(parts.to(x.dtype), (height, width)).flatten(2).transpose(1, 2)
    added = added.view(len(added), -1, channels).to(x.dtype).expand(n, -1, -1)
    scales = torch.baddbmm(whole[:, None].to(x.dtype), shares, added)
    return scales.view(n, height, width, channels).permute(0, 3, 1, 2)


class Prepared(NamedTuple):
    """Everything that depends on a convolution's weight alone, and the weight (with its version) it was computed
    from."""

    source: Tensor
    version: int
    kernel: Tensor  # (Co, Ci, 3, 3), up-sampling (Ci, Co, 3, 3) or (Ci, Co, 6, 6)
    energy: Tensor  # (Co, Ci): sum_k (gain w)^2


class ModulatedConv(nn.Module):
    """3x3 modulated convolution, optionally doubling the resolution, then noise, bias and leaky ReLU."""

    noise: Tensor

    def __init__(self, c_in: int, c_out: int, w_dim: int, resolution: int, up: bool, patterns: int = 0) -> None:
        super().__init__()
        self.weight = nn.Parameter(normal(c_out, c_in, 3, 3))
        self.affine = Linear(w_dim, c_in, bias=1.0)
        self.noise_strength = nn.Parameter(torch.zeros(1))
        self.bias = nn.Parameter(torch.zeros(c_out))
        if patterns:  # the last of the input channels
            self.patterns = nn.Parameter(normal(1, patterns, resolution, resolution))
        self.register_buffer("noise", normal(1, 1, resolution, resolution))
        self.gain = 1.0 / math.sqrt(c_in * 9)
        self.up = up
        self.large = resolution**2 > 9 * c_out  # pictures have more pixels than the weight has numbers
        self.prepared: dict[torch.dtype, Prepared] = {}

    def forward(
        self,
        x: Tensor,
        w: Tensor,
        domain: Tensor | None,
        order: Order,
        noise: Noise,
        window: Window | None = None,
        placed: Tensor | None = None,
        parted: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """x (N, Ci, H, W), w (N, w_dim), domain (1 or N, Ci); window: the position of x, in pixels of the output;
        placed (1 or N, P, H, W), patterns in place of its own; parted: shares (N, P, R, R) of a picture's parts, and
        what each adds to the domain (1 or N, P * Ci); the demodulation is that of the domain alone."""
        if hasattr(self, "patterns"):
            placed = cut(self.patterns, window) if placed is None else placed
            placed = placed.expand(len(x), -1, -1, -1).to(x.dtype)
            x = torch.cat([x, placed], 1).contiguous(memory_format=torch.channels_last)
        style = self.affine(w)
        scale = style if domain is None else style * (1.0 + domain)
        norm = scale if order == "pre_demod" else style
        if parted is not None and domain is not None:
            x, scale = x * part_scales(1.0 + domain, *parted, x), style
        fast = not torch.is_grad_enabled()  # no intermediate is needed again: compute in place
        kernel, energy = self.prepare(x.dtype) if fast else self.weigh(x.dtype)
        demod = torch.rsqrt(norm.square() @ energy.t() + EPS)  # (N,Co)
        # sqrt(2) lrelu(x) = lrelu(sqrt(2) x): the gain is folded into the small factors.
        scale, demod, bias = scale * self.gain, demod * SQRT2, (self.bias * SQRT2).to(x.dtype)
        if fast and self.large:
            factors = torch.einsum("ni,no->nio" if self.up else "ni,no->noi", scale, demod)
            kernels = (kernel * factors[:, :, :, None, None]).to(x.dtype)
            parts = [self.convolve(x[i : i + 1], kernels[i], bias) for i in range(len(x))]
            x = torch.cat(parts) if len(parts) > 1 else parts[0]
        else:
            x = self.convolve(x * scale[:, :, None, None].to(x.dtype), kernel)
            x = torch.addcmul(bias.view(1, -1, 1, 1), x, demod[:, :, None, None].to(x.dtype))
        if noise != "none":
            pattern = cut(self.noise, window) if noise == "const" else torch.randn_like(x[:, :1], dtype=torch.float32)
            pattern = (pattern * (self.noise_strength * SQRT2)).to(x.dtype)
            x = add_outer_(x, pattern) if fast else x + pattern
        return F.leaky_relu(x, 0.2, inplace=fast)

    def convolve(self, x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
        """The convolution alone, including any up-sampling."""
        kernel = kernel.contiguous(memory_format=torch.channels_last)
        if not self.up:
            return F.conv2d(x, kernel, bias, padding=1)
        if kernel.shape[-1] == 6:
            return F.conv_transpose2d(x, kernel, bias, stride=2, padding=2)
        return blur(F.conv_transpose2d(x, kernel, stride=2), 4.0, bias)

    def weigh(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """(kernel in dtype, energy), differentiable in the weight."""
        weight = self.weight.transpose(0, 1) if self.up else self.weight
        return weight.to(dtype), (self.weight * self.gain).square().sum((2, 3))

    @torch.no_grad()
    def arrange(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """(kernel in the fastest layout, energy). A large layer's kernel stays in float32."""
        kernel, energy = self.weigh(torch.float32 if self.large else dtype)
        # A 6x6 kernel is four times the arithmetic of 3x3 and blur, but saves passes over wide pictures.
        if self.up and self.large and dtype != torch.float32 and len(self.weight) < 128:
            kernel = upsampling_kernel(kernel)
        return kernel.contiguous(memory_format=torch.channels_last), energy

    def prepare(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """``arrange``, cached until the weight changes."""
        if torch.compiler.is_compiling():
            return self.arrange(dtype)
        kept, weight = self.prepared.get(dtype), self.weight.detach()
        if kept and kept.source.data_ptr() == weight.data_ptr() and kept.version == weight._version:
            return kept.kernel, kept.energy
        with torch.inference_mode(False):
            kernel, energy = self.arrange(dtype)
        self.prepared[dtype] = Prepared(weight, weight._version, kernel, energy)
        return kernel, energy


class ToRGB(nn.Module):
    """1x1 modulated convolution to RGB, without demodulation."""

    def __init__(self, c_in: int, w_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(normal(3, c_in, 1, 1))
        self.affine = Linear(w_dim, c_in, bias=1.0)
        self.bias = nn.Parameter(torch.zeros(3))
        self.gain = 1.0 / math.sqrt(c_in)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        style = self.affine(w) * self.gain
        kernel = (style[:, None] * self.weight.flatten(1)).to(x.dtype)  # (N,3,Ci): smaller than the picture
        rgb = x.permute(0, 2, 3, 1).flatten(1, 2) @ kernel.transpose(1, 2)  # (N,HW,3)
        rgb = rgb.float() + self.bias
        return rgb.view(len(x), *x.shape[2:], 3).permute(0, 3, 1, 2)
