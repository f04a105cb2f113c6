"""Detail transfer: the model's change applied to the photo itself, at the photo's own resolution.

In every window of the small pictures, fits the affine colour map from the reconstruction to the stylised picture (like
the guided filter: He, Sun, Tang 2010), from the whole picture down to small windows. Its smoothed coefficients are
enlarged and applied to the photo, which keeps its hair, wrinkles and identity. ``sharpened`` makes up for
missing detail where there is no photo.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

RADII = (16 / 128, 4 / 128)  # of the windows, as shares of the picture's side
RIDGE = 0.01  # colour variance at which a window counts as much as the larger one around it
FAINT = 0.06  # a smaller residual counts as the generator's noise
FINER = 0.5  # the amount at which the photo only adds detail finer than the model's own picture
NOISE = 1e-5  # less detail than this, as the square of a colour, is none
GAIN = 4.0  # the most by which an octave of a soft photo's contrast is raised
LARGEST_FIT = 128  # px: the maps are smooth, so larger pictures are fitted at this size


def box_mean(x: Tensor, radius: int) -> Tensor:
    """Mean over windows of (2 radius + 1)^2 px, ignoring what is outside the picture; (N, C, H, W) -> the same."""
    rows, columns = (windows(side, radius, x) for side in x.shape[-2:])
    return rows @ x @ columns.t()


def windows(side: int, radius: int, like: Tensor) -> Tensor:
    """(side, side): each row averages over at most ``radius`` px around. Multiplying by it is far faster than pooling
    with windows this large."""
    place = torch.arange(side, device=like.device)
    inside = ((place[:, None] - place).abs() <= radius).to(like.dtype)
    return inside / inside.sum(1, keepdim=True)


def inverse(a: Tensor) -> Tensor:
    """Inverse of symmetric 3x3 matrices (N, 3, 3, H, W) by cofactors: far faster than a batched solve."""
    (xx, xy, xz), (_, yy, yz), (_, _, zz) = (row.unbind(1) for row in a.unbind(1))
    c = torch.stack([yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy], 1)
    d = torch.stack([c[:, 1], xx * zz - xz * xz, xy * xz - xx * yz], 1)
    e = torch.stack([c[:, 2], d[:, 2], xx * yy - xy * xy], 1)
    determinant = xx * c[:, 0] + xy * c[:, 1] + xz * c[:, 2]
    return torch.stack([c, d, e], 1) / determinant[:, None, None]


def times(a: Tensor, b: Tensor) -> Tensor:
    """Product of 3x3 matrices (N, 3, 3, H, W) at every pixel."""
    return torch.stack([(a[:, i, :, None] * b).sum(1) for i in range(3)], 1)


def affine_maps(source: Tensor, target: Tensor) -> Tensor:
    """(N, 12, H, W): at every pixel the 3x3 matrix (row by row) and the offset that best map source to target.

    Each window's matrix is pulled by ``RIDGE`` towards that of the larger window around it: a flat window says nothing
    about contrast, and a matrix pulled towards zero would erase the photo's detail there.
    """
    side = source.shape[-1]
    eye = torch.eye(3, device=source.device)[None, :, :, None, None]
    matrix = torch.zeros_like(eye)
    for radius in (None, *(max(1, round(share * side)) for share in RADII)):

        def mean(x: Tensor, radius: int | None = radius) -> Tensor:
            if radius is None:
                return x.mean((-2, -1), keepdim=True)
            return box_mean(x.flatten(1, -3), radius).view(x.shape)

        mean_s, mean_t = mean(source), mean(target)
        var = mean(source[:, :, None] * source[:, None]) - mean_s[:, :, None] * mean_s[:, None]
        cov = mean(target[:, :, None] * source[:, None]) - mean_t[:, :, None] * mean_s[:, None]
        matrix = times(cov + RIDGE * matrix, inverse(var + RIDGE * eye))
    shift = mean_t - (matrix * mean_s[:, None]).sum(2)
    return box_mean(torch.cat([matrix.flatten(1, 2), shift], 1), max(1, round(RADII[-1] * side)))


def apply_matrix(maps: Tensor, picture: Tensor) -> Tensor:
    """Applies the linear part of affine colour maps (N, 12, H, W) to a picture (N, 3, H, W) or a difference of two."""
    matrix = maps[:, :9].unflatten(1, (3, 3))
    return torch.stack([(matrix[:, i] * picture).sum(1) for i in range(3)], 1)


def apply_maps(maps: Tensor, picture: Tensor) -> Tensor:
    """Applies affine colour maps (N, 12, H, W) to a picture (N, 3, H, W)."""
    return apply_matrix(maps, picture).add_(maps[:, 9:])


@torch.no_grad()
def fit_change(source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The change from ``source`` to ``target``, both (N, 3, h, w) in [-1, 1]: the affine colour maps (N, 12, s, s), and
    the residual (N, 3, s, s), such as drawn lines and painted lips; s is at most LARGEST_FIT."""
    if source.shape[-1] > LARGEST_FIT:
        source, target = (F.interpolate(x, size=(LARGEST_FIT,) * 2, mode="area") for x in (source, target))
    maps = affine_maps(source, target)
    return maps, F.softshrink(target - apply_maps(maps, source), FAINT)


def surviving(source: Tensor, target: Tensor, maps: Tensor) -> Tensor:
    """(N, 1, s, s) in [0, 1]: the share of the finest detail of ``source`` under the colour maps that ``target`` still
    shows, in small windows. It is low where a style draws flat areas or pieces.

    source, target: (N, 3, h, w) in [-1, 1]; maps: (N, 12, s, s).
    """

    def finest(x: Tensor) -> Tensor:
        return x - F.interpolate(F.avg_pool2d(x, 2), size=x.shape[-2:], mode="bilinear")

    expected = apply_matrix(F.interpolate(maps, size=source.shape[-2:], mode="bilinear"), finest(source))
    products = torch.stack([(expected * finest(target)).sum(1), expected.square().sum(1)], 1)
    products = F.interpolate(products, size=maps.shape[-2:], mode="area")
    found, sought = box_mean(products, max(1, round(RADII[-1] * maps.shape[-1]))).split(1, 1)
    return (found / (sought + NOISE)).clamp(0, 1)


def share_of_photo(amount: float) -> float:
    """The share of the photo under the change in the result, at a detail ``amount``; the rest is the model's
    picture."""
    return max(0.0, (amount - FINER) / (1 - FINER))


@torch.no_grad()
def transfer_detail(photo: Tensor, source: Tensor, target: Tensor, amount: float = 1.0) -> Tensor:
    """The aligned photo, changed as ``source`` changes into ``target``.

    photo (1, 3, H, W); source, target (1, 3, h, w): G(w; 0) and G(w; d); all in [-1, 1]. amount: 0 gives the model's
    own picture, enlarged; up to ``FINER`` the photo adds detail finer than the model's pixels, in the colours of the
    domain and where that keeps fine detail (``surviving``); up to 1 the change is applied to more and more of the
    photo, which then keeps all its detail. Returns (1, 3, H, W) in [-1, 1].
    """
    size = photo.shape[-2:]

    def enlarged(x: Tensor) -> Tensor:
        return F.interpolate(x, size=size, mode="bicubic", antialias=True)

    own = enlarged(target)
    if amount == 0:
        return own.clamp(-1, 1)
    maps, drawn = fit_change(source, target)
    wide, share = F.interpolate(maps, size=size, mode="bilinear"), share_of_photo(amount)
    if share < 1:
        strength = F.interpolate(surviving(source, target, maps), size=size, mode="bilinear") * min(1.0, amount / FINER)
        fine = photo - enlarged(F.interpolate(photo, size=target.shape[-2:], mode="area"))
        own = (own + apply_matrix(wide, fine) * strength).clamp_(-1, 1)
    if share == 0:
        return own
    kept = apply_maps(wide, photo).add_(F.interpolate(drawn, size=size, mode="bicubic")).clamp_(-1, 1)
    return torch.lerp(own, kept, share)


def keep_colours(picture: Image.Image, photo: Image.Image) -> Image.Image:
    """The picture with the photo's own colours: lightness L of the picture, a and b of the photo, in CIE L*a*b*.

    Colours outside the gamut at that lightness are clipped. The photo may have any size.
    """
    if photo.size != picture.size:
        photo = photo.resize(picture.size, Image.Resampling.LANCZOS)
    drawn, own = (
        cv2.cvtColor(np.asarray(p.convert("RGB"), dtype=np.float32) / 255, cv2.COLOR_RGB2LAB) for p in (picture, photo)
    )
    drawn[..., 1:] = own[..., 1:]
    rgb = cv2.cvtColor(drawn, cv2.COLOR_LAB2RGB)
    return Image.fromarray(np.rint(rgb.clip(0, 1) * 255).astype(np.uint8))


def octave(x: Tensor) -> tuple[Tensor, Tensor]:
    """Splits pictures (N, C, S, S) into half the size and the finest band of their Laplacian pyramid."""
    coarse = F.avg_pool2d(x, 2)
    return coarse, x - F.interpolate(coarse, scale_factor=2.0, mode="bilinear")


def sharpened(pictures: Tensor, usual: Tensor, octaves: int = 5) -> Tensor:
    """Pictures (N, 3, S, S) with as much contrast in each octave of a Laplacian pyramid as the ``usual`` ones (M, 3, S,
    S) have on average, but no less than their own and at most GAIN times as much."""
    if not octaves:
        return pictures
    (coarse, band), (usual_coarse, usual_band) = octave(pictures), octave(usual)
    gain = (usual_band.abs().mean() / band.abs().mean((1, 2, 3), keepdim=True).clamp(min=1e-4)).clamp(1, GAIN)
    coarse = F.interpolate(sharpened(coarse, usual_coarse, octaves - 1), scale_factor=2.0, mode="bilinear")
    return (coarse + gain * band).clamp(-1, 1)
