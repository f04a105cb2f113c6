"""Mouths and eyes covered by something: a mask, a hand, a microphone, dark glasses.

A style paints lips and eyes where a face normally has them, so also on a cover. W+ alone can only describe bare faces:
where the photo differs from what the generator makes of W+, the part is covered, and the colour change of its
surroundings is used there instead of the style's own picture.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stylize.faces.detail import RIDGE, apply_maps, box_mean

# Landmarks of a part, its window, and the area styles paint: half width and half height, in widths of the part.
MOUTH = (slice(48, 68), (0.62, 0.42), (0.95, 0.7))
EYES = ((slice(36, 42), (0.75, 0.55), (1.3, 1.2)), (slice(42, 48), (0.75, 0.55), (1.3, 1.2)))
LIGHT = np.array([0.3, 0.59, 0.11], np.float32)  # of RGB
BLUR = 1.5 / 256  # of the picture's side: the generator draws no finer detail
COLOUR = 60.0  # levels of 255: this difference of mean colours counts as much as a correlation of one
UNLIKE, ALIKE = 0.1, 0.2  # similarity below which a part is covered, and above which it is visible
SPREAD = (0.2, 0.1, 0.05, 0.025)  # of the side: radii of the windows that spread the surroundings into a cover
MIN_PIECES = 0.02  # share of uncovered pixels at which a window counts as much as the larger one around it
TEXTURE = 3 / 256  # of the side: finer detail is the style's texture, such as the joints of a mosaic
STRONGEST = 1.0  # times the texture beside it: the most allowed


class Cover(NamedTuple):
    """Both (1, 1, R, R) in [0, 1]: the area around covered parts, and the part of the face beside them."""

    hidden: Tensor
    beside: Tensor


def similarity(photo: NDArray[np.float32], plain: NDArray[np.float32], points: NDArray[np.float64], part: Any) -> float:
    """Similarity of a part in two pictures (R, R, 3) of levels from 0 to 255: the correlation of their luminance minus
    the distance of their mean colours; at most 1. points: (68, 2) in unit coordinates. A part outside the picture
    counts as similar."""
    ids, (wide, high), _ = part
    side, own = len(photo), points[ids] * len(photo)
    middle, width = (own.min(0) + own.max(0)) / 2, float(np.ptp(own[:, 0]))
    left, top = (int(v) for v in middle - np.array([wide, high]) * width)
    right, bottom = (int(v) + 1 for v in middle + np.array([wide, high]) * width)
    if min(left, top) < 0 or max(right, bottom) > side or right - left < 4 or bottom - top < 4:
        return 1.0
    window = (slice(top, bottom), slice(left, right))
    lights = [cv2.GaussianBlur(picture @ LIGHT, (0, 0), BLUR * side) for picture in (photo, plain)]
    a, b = (light[window] - light[window].mean() for light in lights)
    correlation = float((a * b).mean() / np.sqrt((a * a).mean() * (b * b).mean() + 1e-3))
    return correlation - float(np.abs(photo[window].mean((0, 1)) - plain[window].mean((0, 1))).max()) / COLOUR


def hidden_shares(photo: Tensor, plain: Tensor, points: NDArray[np.float64]) -> NDArray[np.float32]:
    """The hidden share of mouth and eyes, (2,) in [0, 1].

    photo: the aligned face; plain: the generator's picture of its W+ alone, both (1, 3, R, R) in [-1, 1]; points: (68,
    2) landmarks in unit coordinates. Glasses count if they hide both eyes.
    """
    levels: Any
    bare: Any
    levels, bare = ((picture[0].permute(1, 2, 0).float().cpu().numpy() + 1) * 127.5 for picture in (photo, plain))
    alike = [similarity(levels, bare, points, MOUTH), max(similarity(levels, bare, points, eye) for eye in EYES)]
    return ((ALIKE - np.array(alike, np.float32)) / (ALIKE - UNLIKE)).clip(0, 1)


def cover(shares: NDArray[np.float32], points: NDArray[np.float64], side: int) -> Cover | None:
    """The cover of an aligned face of ``side`` px whose mouth and eyes are hidden by ``shares`` (2,); None if both are
    visible."""
    if not shares.any():
        return None
    axis = (np.arange(side, dtype=np.float32) + 0.5) / side
    hidden = np.zeros((side, side), np.float32)
    for share, parts in zip(shares, ((MOUTH,), EYES), strict=True):
        for ids, _, (wide, high) in parts:
            own = points[ids]
            (x, y), width = (own.min(0) + own.max(0)) / 2, float(np.ptp(own[:, 0]))
            away = np.hypot((axis[None] - x) / (wide * width), (axis[:, None] - y) / (high * width))
            hidden = np.maximum(hidden, share * ((1.15 - away) / 0.3).clip(0, 1).astype(np.float32))
    hull = cv2.convexHull((points.clip(0, 1) * side).astype(np.int32))
    face: Any = cv2.fillConvexPoly(np.zeros((side, side), np.float32), hull, 1.0)
    beside = np.maximum(face * (hidden == 0), 1e-6)
    return Cover(*(torch.from_numpy(plane)[None, None] for plane in (hidden, beside)))


@torch.no_grad()
def uncovered(source: Tensor, target: Tensor, cover: Cover) -> Tensor:
    """``target`` without what a style paints on covers. The source is put there instead, under the single colour map
    that best fits the rest of the face, plus the remaining change beside the cover, spread into it, plus the texture of
    ``target``.

    source, target (1, 3, R, R): G(w; 0) and G(w; d), in [-1, 1]. Returns the same shape, or ``target`` itself if
    nothing is hidden.
    """
    side, hidden, beside = source.shape[-1], cover.hidden.to(source), cover.beside.to(source)
    mapped = apply_maps(_one_map(source, target, beside), source)
    plain = mapped + _spread(target - mapped, beside)
    fine = target - box_mean(target, max(1, round(TEXTURE * side)))
    most = STRONGEST * _spread(fine.square(), beside).sqrt()
    return torch.lerp(target, (plain + fine.clamp(-most, most)).clamp_(-1, 1), hidden)


def _one_map(source: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """The affine colour map (1, 12, 1, 1) that best maps source to target, weighted by ``weight`` (1, 1, R, R)."""
    x, y, w = source[0].flatten(1), target[0].flatten(1), weight.flatten() / weight.sum()
    mean_x, mean_y = x @ w, y @ w
    x, y = x - mean_x[:, None], y - mean_y[:, None]
    ridge = RIDGE * torch.eye(3, device=x.device)
    matrix = torch.linalg.solve((x * w) @ x.t() + ridge, (x * w) @ y.t()).t()
    return torch.cat([matrix.flatten(), mean_y - matrix @ mean_x])[None, :, None, None]


def _spread(values: Tensor, weight: Tensor) -> Tensor:
    """Weighted means of (1, C, R, R) over ever smaller windows; where the weight vanishes, over the larger one."""
    means = (values * weight).sum((-2, -1), keepdim=True) / weight.sum()
    for share in SPREAD:
        radius = max(1, round(share * values.shape[-1]))
        means = (box_mean(values * weight, radius) + MIN_PIECES * means) / (box_mean(weight, radius) + MIN_PIECES)
    return box_mean(means, max(1, round(SPREAD[-1] * values.shape[-1])))
