"""The published implementation of StyleGAN2 with domain modulation, in its plainest form: the reference for
comparisons.

Every sample gets its own convolution weights, run as one grouped convolution; up- and down-sampling is the "native"
upfirdn2d: inserting zeros, padding and a depth-wise filter (Karras et al. 2020, section 2.2 and appendix B). The domain
vector scales the input channels before (HyperDomainNet, the paper) or after (its code) the demodulation. It reads the
weights of a ``stylize.models.generator.Generator``.
"""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from stylize.models.generator import Generator
from stylize.models.layers import ModulatedConv, Order, ToRGB

FIR = torch.outer(torch.tensor([1.0, 3.0, 3.0, 1.0]), torch.tensor([1.0, 3.0, 3.0, 1.0])) / 64


def upfirdn2d(x: Tensor, kernel: Tensor, up: int, pad: tuple[int, int]) -> Tensor:
    """x (N, C, H, W): ``up - 1`` zeros after each pixel, ``pad`` on both sides of each axis, then the filter."""
    n, c, h, w = x.shape
    x = F.pad(x.reshape(n, c, h, 1, w, 1), (0, up - 1, 0, 0, 0, up - 1)).reshape(n, c, h * up, w * up)
    x = F.pad(x, (pad[0], pad[1], pad[0], pad[1]))
    n, c, h, w = x.shape
    return F.conv2d(x.reshape(n * c, 1, h, w), kernel.flip(0, 1)[None, None]).reshape(n, c, h - 3, w - 3)


def modulated_conv2d(
    x: Tensor, weight: Tensor, style: Tensor, domain: Tensor | None, order: Order, demodulate: bool, up: bool
) -> Tensor:  # x (N,Ci,H,W), weight (Co,Ci,k,k), style (N,Ci), domain (1 or N,Ci)
    n, c_in, h, w = x.shape
    c_out, _, k, _ = weight.shape
    kernel = weight[None] / math.sqrt(c_in * k * k) * style.reshape(n, 1, c_in, 1, 1)
    factor = None if domain is None else 1 + domain.reshape(-1, 1, c_in, 1, 1)
    if factor is not None and order == "pre_demod":
        kernel = kernel * factor
    if demodulate:
        kernel = kernel * torch.rsqrt(kernel.square().sum((2, 3, 4), keepdim=True) + 1e-8)
    if factor is not None and order == "post_demod":
        kernel = kernel * factor
    x = x.reshape(1, n * c_in, h, w)
    if up:
        kernel = kernel.transpose(1, 2).reshape(n * c_in, c_out, k, k)
        x = F.conv_transpose2d(x, kernel, stride=2, groups=n)
        return upfirdn2d(x.reshape(n, c_out, 2 * h + 1, 2 * w + 1), FIR.to(x) * 4, 1, (1, 1))
    x = F.conv2d(x, kernel.reshape(n * c_out, c_in, k, k), padding=k // 2, groups=n)
    return x.reshape(n, c_out, h, w)


def styled_conv(conv: ModulatedConv, x: Tensor, w: Tensor, domain: Tensor | None, order: Order) -> Tensor:
    if hasattr(conv, "patterns"):
        x = torch.cat([x, conv.patterns.expand(len(x), -1, -1, -1)], 1)
    x = modulated_conv2d(x, conv.weight, conv.affine(w), domain, order, demodulate=True, up=conv.up)
    x = x + conv.noise_strength * conv.noise
    return F.leaky_relu(x + conv.bias.reshape(1, -1, 1, 1), 0.2) * math.sqrt(2)


def to_rgb(layer: ToRGB, x: Tensor, w: Tensor, skip: Tensor | None) -> Tensor:
    rgb = modulated_conv2d(x, layer.weight, layer.affine(w), None, "pre_demod", demodulate=False, up=False)
    rgb = rgb + layer.bias.reshape(1, 3, 1, 1)
    return rgb if skip is None else rgb + upfirdn2d(skip, FIR.to(x) * 4, 2, (2, 1))


def synthesis(generator: Generator, ws: Tensor, domain: Tensor | None = None, order: Order = "pre_demod") -> Tensor:
    """W+ (N, num_ws, w_dim) and a domain vector (domain_dim,) or (N, domain_dim) -> pictures (N, 3, R, R), float32."""
    pieces, skipped = generator.split(domain), len(generator.config.channels) - len(generator.to_rgbs)
    x = generator.const.repeat(len(ws), 1, 1, 1)
    rgb = None
    for i, (conv, piece) in enumerate(zip(generator.convs, pieces, strict=True)):
        x = styled_conv(cast(ModulatedConv, conv), x, ws[:, i], piece, order)
        if i % 2 == 0 and i // 2 >= skipped:
            rgb = to_rgb(cast(ToRGB, generator.to_rgbs[i // 2 - skipped]), x, ws[:, i + 1], rgb)
    assert rgb is not None
    return rgb
