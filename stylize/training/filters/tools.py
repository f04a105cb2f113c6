"""Small helpers of the style filters, for float32 RGB (H, W, 3) and masks (H, W), all in [0, 1]."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from stylize.faces.parts import Array, clip, grey, pixel_grid, step

Colour = tuple[float, float, float]

# The colour that each tint gives to middle grey.
TINTS: dict[str, Colour] = {
    "red": (0.86, 0.10, 0.12),
    "blue": (0.10, 0.32, 0.92),
    "green": (0.10, 0.62, 0.20),
    "golden": (0.93, 0.70, 0.08),
    "pink": (0.98, 0.45, 0.70),
    "purple": (0.52, 0.16, 0.78),
    "orange": (0.98, 0.48, 0.06),
    "teal": (0.05, 0.60, 0.60),
    "brown": (0.45, 0.25, 0.12),
    "silver": (0.62, 0.66, 0.72),
}
WHITE: Colour = (1.0, 1.0, 1.0)
BLACK: Colour = (0.0, 0.0, 0.0)


def flat(colour: Colour) -> Array:
    return np.asarray(colour, np.float32)


def moved(mask: Array, right: int, down: int = 0) -> Array:
    """A mask shifted by whole pixels, extending its border."""
    reach = max(abs(right), abs(down))
    height, width = mask.shape
    wide = np.pad(mask, reach, "edge")
    return wide[reach - down : reach - down + height, reach - right : reach - right + width]


def colour(rgb: Array) -> Colour:
    red, green, blue = (float(v) for v in rgb)
    return red, green, blue


def lerp(a: Array, b: Array, amount: Array | float) -> Array:
    weight = amount[..., None] if isinstance(amount, np.ndarray) else amount
    return a + (b - a) * weight


@lru_cache(maxsize=512)
def _table(stops: tuple[Colour, ...]) -> Array:
    places = np.linspace(0, 1, len(stops))
    table = np.stack([np.interp(np.linspace(0, 1, 512), places, c) for c in zip(*stops, strict=True)], 1)
    return table.astype(np.float32)


def ramp(tone: Array, *stops: Colour) -> Array:
    """Gradient map: maps tone 0..1 to evenly spaced colours."""
    return np.take(_table(stops), (clip(tone) * 511).astype(np.intp), axis=0)


def saturate(rgb: Array, amount: float) -> Array:
    return lerp(grey(rgb)[..., None], rgb, amount)


@lru_cache(maxsize=32)
def texture(size: int, kind: str) -> Array:
    """Zero-mean tileable textures; drawn once, and shifted by the seed."""
    rng = np.random.default_rng(7)
    white = rng.standard_normal((size, size)).astype(np.float32)
    s = size / 128

    def smooth(sigma: float, sigma_y: float | None = None) -> Array:
        out = cv2.GaussianBlur(np.tile(white, (3, 3)), (0, 0), sigma * s, sigmaY=(sigma_y or sigma) * s)
        out = out[size : 2 * size, size : 2 * size]
        return np.asarray(out / out.std(), np.float32)

    if kind == "grain":
        return white if s <= 1 else smooth(0.5)
    if kind == "cloud":
        return np.asarray((smooth(3) + 2 * smooth(8) + 3 * smooth(18)) / 4)
    if kind == "rough":
        return (smooth(0.8) + smooth(2)) / 1.5
    if kind == "brush":
        return smooth(5, 0.8)
    raise AssertionError(kind)


@lru_cache(maxsize=64)
def cells(size: int, step_px: float, jitter: float, variant: int) -> tuple[NDArray[np.intp], Array]:
    """Voronoi cells of a jittered grid: labels (size, size), and grout (1 on the borders)."""
    rng = np.random.default_rng(variant)
    n = int(np.ceil(128 / step_px)) + 4
    points = np.stack(np.meshgrid(np.arange(n) - 1.5, np.arange(n) - 1.5), -1) * step_px
    points += rng.uniform(-jitter, jitter, points.shape) * step_px
    x, y = pixel_grid(size)
    column, row = (x / step_px + 2).astype(int), (y / step_px + 2).astype(int)
    best = np.full((size, size), np.inf)
    second, label = best.copy(), np.zeros((size, size), np.intp)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            r, c = row + dy, column + dx
            centre = points[r, c]
            distance = np.hypot(x - centre[..., 0], y - centre[..., 1])
            closer = distance < best
            second = np.where(closer, best, np.minimum(second, distance))
            label = np.where(closer, r * n + c, label)
            best = np.where(closer, distance, best)
    _, label = np.unique(label, return_inverse=True)
    return label.reshape(size, size), np.float32(1) - step((second - best).astype(np.float32), 0.3, 1.3)


def cell_means(labels: NDArray[np.intp], rgb: Array) -> Array:
    """Fills every cell with its mean colour."""
    flat_labels = labels.ravel()
    count = np.maximum(np.bincount(flat_labels), 1)
    means = [np.bincount(flat_labels, rgb[..., c].ravel()) / count for c in range(rgb.shape[2])]
    return np.stack(means, 1).astype(np.float32)[labels]


ANGLES = 16  # orientations of strokes between 0 and pi


@lru_cache(maxsize=16)
def strokes(size: int, width: float, length: float) -> Array:
    """(ANGLES, S, S): noise of unit variance stretched to strokes in every orientation; it repeats four times."""
    tile = max(size // 4, 8)
    white = np.tile(np.random.default_rng(11).standard_normal((tile, tile)).astype(np.float32), (3, 3))
    reach = max(2, round(length * size / 128 * 1.5))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32) * (128 / size)
    bank = np.empty((ANGLES, size, size), np.float32)
    for i in range(ANGLES):
        c, s = np.cos(i * np.pi / ANGLES), np.sin(i * np.pi / ANGLES)
        kernel = np.exp(-(((x * c + y * s) / length) ** 2) * 2 - ((y * c - x * s) / width) ** 2 * 2)
        drawn = cv2.filter2D(white, -1, kernel)[tile : 2 * tile, tile : 2 * tile]
        drawn = (drawn - drawn.mean()) / drawn.std()
        bank[i] = np.tile(drawn, (-(-size // tile),) * 2)[:size, :size]
    return bank


@lru_cache(maxsize=4)
def swirls(size: int) -> tuple[Array, Array]:
    """Cosine and sine of twice the angle of a fixed field of eddies, used where the picture is flat."""
    x, y = pixel_grid(size)
    angle = np.zeros((size, size), np.float32)
    for cx, cy, turn in ((22, 24, 1), (104, 30, -1), (64, -10, 1), (12, 88, -1), (118, 92, 1)):
        near = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 1800)
        angle = angle + near * turn * (np.arctan2(y - cy, x - cx) + np.pi / 2 - 0.4)
    return np.cos(2 * angle), np.sin(2 * angle)


SPOTS = (2.9, 0.30)  # pitch and variation of the spots of pointillism


@lru_cache(maxsize=16)
def spots(size: int, step_px: float, jitter: float, variant: int) -> tuple[NDArray[np.intp], Array, Array]:
    """Cells around fixed spots: labels, the distance to the cell's spot, and a random number per cell, 0..2 pi."""
    labels, _ = cells(size, step_px, jitter, variant)
    x, y = pixel_grid(size)
    middle = cell_means(labels, np.dstack([x, y]))
    own = (np.sin(labels * 12.9898 + variant) * 43758.5453) % (2 * np.pi)
    return labels, np.hypot(x - middle[..., 0], y - middle[..., 1]).astype(np.float32), own.astype(np.float32)
