"""Style filters: the true stylised picture of any aligned face, to learn from and to measure against.

Every filter has a look of its own in the large (tones, colours, contrast, and different colours for skin, hair and
background), which survives blurring; texture comes on top. Lengths are in pixels of a 128 px picture and scale.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from stylize.errors import StylizeError
from stylize.images import to_image, to_tensor
from stylize.vocabulary import PHOTO, WORDS

Array = NDArray[Any]  # float32; NumPy's type stubs lose the precision on the way
Colour = tuple[float, float, float]

# Mean of dlib's 68 landmarks over FFHQ-aligned faces, mirrored and averaged; unit coordinates of the crop.
MEAN_LANDMARKS = np.array(
    [
        (0.218, 0.487), (0.221, 0.56), (0.229, 0.632), (0.242, 0.705), (0.265, 0.773), (0.306, 0.832),
        (0.362, 0.881), (0.427, 0.918), (0.5, 0.93), (0.573, 0.918), (0.638, 0.881), (0.694, 0.832),
        (0.735, 0.773), (0.758, 0.705), (0.771, 0.632), (0.779, 0.56), (0.782, 0.487), (0.27, 0.423),
        (0.306, 0.389), (0.355, 0.379), (0.404, 0.386), (0.452, 0.407), (0.548, 0.407), (0.596, 0.386),
        (0.645, 0.379), (0.694, 0.389), (0.73, 0.423), (0.5, 0.463), (0.5, 0.511), (0.5, 0.559),
        (0.5, 0.608), (0.444, 0.64), (0.471, 0.65), (0.5, 0.659), (0.529, 0.65), (0.556, 0.64),
        (0.326, 0.475), (0.357, 0.455), (0.394, 0.456), (0.427, 0.482), (0.391, 0.488), (0.355, 0.487),
        (0.573, 0.482), (0.606, 0.456), (0.643, 0.455), (0.674, 0.475), (0.645, 0.487), (0.609, 0.488),
        (0.38, 0.726), (0.424, 0.706), (0.467, 0.698), (0.5, 0.704), (0.533, 0.698), (0.576, 0.706),
        (0.62, 0.726), (0.578, 0.77), (0.535, 0.791), (0.5, 0.795), (0.465, 0.791), (0.422, 0.77),
        (0.398, 0.73), (0.467, 0.724), (0.5, 0.727), (0.533, 0.724), (0.602, 0.73), (0.534, 0.752),
        (0.5, 0.756), (0.466, 0.752),
    ]
)  # fmt: skip

# What a colour modifier makes of middle grey.
COLOURS: dict[str, Colour] = {
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


# --- Small tools on float32 RGB (H, W, 3) and masks (H, W), all in [0, 1]


def grey(rgb: Array) -> Array:
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.float32)


def clip(x: Array) -> Array:
    return np.clip(x, 0, 1)


def step(x: Array, low: float, high: float) -> Array:
    """0 below low, 1 above high, smooth between."""
    t = clip((x - low) / (high - low))
    return np.asarray(t * t * (3 - 2 * t))


def flat(colour: Colour) -> Array:
    return np.asarray(colour, np.float32)


def mix(a: Array, b: Array, amount: Array | float) -> Array:
    weight = amount[..., None] if isinstance(amount, np.ndarray) else amount
    return a + (b - a) * weight


@lru_cache(maxsize=512)
def _table(stops: tuple[Colour, ...]) -> Array:
    places = np.linspace(0, 1, len(stops))
    table = np.stack([np.interp(np.linspace(0, 1, 512), places, c) for c in zip(*stops, strict=True)], 1)
    return table.astype(np.float32)


def ramp(tone: Array, *stops: Colour) -> Array:
    """Gradient map: tone 0..1 to the evenly spaced colours."""
    return np.take(_table(stops), (clip(tone) * 511).astype(np.intp), axis=0)


def saturate(rgb: Array, amount: float) -> Array:
    return mix(grey(rgb)[..., None], rgb, amount)


@lru_cache(maxsize=32)
def _noise(size: int, kind: str) -> Array:
    """Zero-mean textures that tile; drawn once, and shifted by the seed."""
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


@lru_cache(maxsize=32)
def _grid(size: int) -> tuple[Array, Array]:
    """Pixel coordinates in a 128 px picture."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) * (128 / size)
    return np.broadcast_to(axis[None], (size, size)), np.broadcast_to(axis[:, None], (size, size))


@lru_cache(maxsize=64)
def _cells(size: int, step_px: float, jitter: float, variant: int) -> tuple[NDArray[np.intp], Array]:
    """Voronoi cells of a jittered grid: labels (size, size), and grout (1 on the borders)."""
    rng = np.random.default_rng(variant)
    n = int(np.ceil(128 / step_px)) + 4
    points = np.stack(np.meshgrid(np.arange(n) - 1.5, np.arange(n) - 1.5), -1) * step_px
    points += rng.uniform(-jitter, jitter, points.shape) * step_px
    x, y = _grid(size)
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
    """Every cell in its mean colour."""
    flat_labels = labels.ravel()
    count = np.maximum(np.bincount(flat_labels), 1)
    means = [np.bincount(flat_labels, rgb[..., c].ravel()) / count for c in range(rgb.shape[2])]
    return np.stack(means, 1).astype(np.float32)[labels]


@lru_cache(maxsize=1)
def _usual_places(n: int) -> tuple[Array, Array]:
    """Shares (4, n * n) of skin, hair, background and clothes, inside the face's outline and outside of it."""
    u, v = np.meshgrid((np.arange(n) + 0.5) / n, (np.arange(n) + 0.5) / n)
    ring = 1 / (1 + np.exp((np.hypot((u - 0.5) / 0.42, (v - 0.5) / 0.5) - 1) * 9))
    # The neck and shoulders fill the bottom; hair may fall at the sides.
    low = 1 / (1 + np.exp((0.9 - v) * 25))
    neck = low * np.exp(-(((u - 0.5) / 0.2) ** 2))
    high = 1 / (1 + np.exp((v - 0.36) * 20))
    tiny = np.full_like(u, 0.002)
    inside = np.stack([0.93 - 0.25 * high, 0.07 + 0.25 * high, tiny, tiny])
    outside = np.stack(
        [0.02 + 0.6 * neck, 0.03 + 0.5 * ring, (1.03 - ring) * (1 - 0.75 * low), low * (1 - 0.5 * neck) * 0.7 + tiny]
    )
    outside /= outside.sum(0)
    return inside.reshape(4, -1).astype(np.float32), outside.reshape(4, -1).astype(np.float32)


def _quadratic(lab: Array) -> Array:
    """(N, 3) -> (10, N): the monomials in which the logarithm of a Gaussian is linear."""
    a, b, c = np.ascontiguousarray(lab.T)
    return np.stack([a * a, b * b, c * c, a * b, a * c, b * c, a, b, c, np.ones_like(a)])


def _fit_clusters(features: Array, share: Array) -> Array:
    """Gaussians of the four shares (4, N), as coefficients (4, 10) of _quadratic's features (10, N).

    Log-densities are tempered, because neighbouring pixels do not testify independently.
    """
    moments = (share @ features.T).astype(np.float64)
    moments /= moments[:, 9:]
    mean = moments[:, 6:9]
    covariance = moments[:, [0, 3, 4, 3, 1, 5, 4, 5, 2]].reshape(4, 3, 3) - mean[:, :, None] * mean[:, None]
    covariance += np.diag([40.0, 12.0, 12.0])
    p = np.linalg.inv(covariance)
    linear = (p @ mean[:, :, None])[..., 0]
    constant = -(linear * mean).sum(1) - np.log(np.linalg.det(covariance))
    squares = -p.reshape(4, 9)[:, [0, 4, 8, 1, 2, 5]] * [1, 1, 1, 2, 2, 2]
    return (0.4 * np.column_stack([squares, 2 * linear, constant])).astype(np.float32)


def _shares(scores: Array) -> Array:
    """Softmax over the first of (4, N)."""
    out = np.exp(scores - scores.max(0))
    return np.asarray(out / out.sum(0), np.float32)


class Face:
    """An aligned face to draw from: rgb (S, S, 3) float32 in [0, 1], its parts as soft masks, and textures."""

    def __init__(self, image: NDArray[np.uint8], landmarks: NDArray[np.float64] | None, seed: int) -> None:
        self.rgb: Array = image.astype(np.float32) / 255
        self.size = image.shape[0]
        self.scale = self.size / 128
        self.points = MEAN_LANDMARKS * self.size if landmarks is None else np.asarray(landmarks, np.float64)
        self.seed = seed
        self.x, self.y = _grid(self.size)

    def blur(self, x: Array, sigma: float) -> Array:
        """Gaussian; wide ones are computed on a smaller picture."""
        sigma *= self.scale
        shrink = int(min(sigma / 2.5, 8))
        if shrink < 2:
            return np.asarray(cv2.GaussianBlur(x, (0, 0), sigma), np.float32)
        small = cv2.resize(x, (self.size // shrink,) * 2, interpolation=cv2.INTER_AREA)
        small = cv2.GaussianBlur(small, (0, 0), sigma / shrink)
        return np.asarray(cv2.resize(small, (self.size,) * 2, interpolation=cv2.INTER_LINEAR), np.float32)

    def noise(self, kind: str) -> Array:
        shift = np.random.default_rng(self.seed).integers(0, self.size, 2)
        return np.roll(_noise(self.size, kind), tuple(shift), (0, 1))

    @cached_property
    def grey(self) -> Array:
        return grey(self.rgb)

    @cached_property
    def tone(self) -> Array:
        """Brightness with the darkest and brightest parts brought to 0 and 1."""
        low, high = np.percentile(self.grey[:: max(1, self.size // 64), :: max(1, self.size // 64)], (1, 99))
        return clip((self.grey - low) / max(high - low, 0.15))

    def studio(self, value: float, amount: float = 0.7) -> Array:
        """The tone before a backdrop of even brightness."""
        return self.tone + amount * self.back * (value - self.tone)

    # Parts of the face

    def polygon(self, points: NDArray[np.float64], soft: float) -> Array:
        mask = np.zeros((self.size, self.size), np.uint8)
        cv2.fillPoly(mask, [np.round(points * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        return self.blur(mask.astype(np.float32) / 255, soft)

    def disc(self, centre: NDArray[np.float64], radius: float, soft: float = 0.5) -> Array:
        """Soft disc; radius and softness in pixels of a 128 px picture."""
        distance = np.hypot(self.x - centre[0] / self.scale, self.y - centre[1] / self.scale)
        return 1 - step(distance, radius - soft, radius + soft)

    def grown(self, first: int, last: int, factor: float, soft: float) -> Array:
        """The polygon of some landmarks, grown about its centre."""
        points = self.points[first:last]
        centre = points.mean(0)
        return self.polygon(centre + (points - centre) * factor, soft)

    @cached_property
    def eyes(self) -> Array:
        return clip(self.grown(36, 42, 1.15, 0.7) + self.grown(42, 48, 1.15, 0.7))

    @cached_property
    def irises(self) -> Array:
        out = np.zeros_like(self.grey)
        for first in (36, 42):
            points = self.points[first : first + 6]
            width = float(np.hypot(*(points[3] - points[0]))) / self.scale
            out += self.disc(points.mean(0), 0.24 * width, 0.6)
        return clip(out) * self.eyes

    @cached_property
    def sockets(self) -> Array:
        """Soft shadow round both eyes."""
        out = np.zeros_like(self.grey)
        for first in (36, 42):
            points = self.points[first : first + 6]
            centre, width = points.mean(0) / self.scale, np.hypot(*(points[3] - points[0])) / self.scale
            distance = np.hypot((self.x - centre[0]) / (0.85 * width), (self.y - centre[1] - 1) / (0.62 * width))
            out += 1 - step(distance, 0.45, 1.15)
        return clip(out)

    @cached_property
    def lips(self) -> Array:
        """Both lips, without the open mouth between them."""
        inside = self.polygon(self.points[60:68], 0.4)
        return np.asarray(self.polygon(self.points[48:60], 0.6) * (1 - inside))

    @cached_property
    def brows(self) -> Array:
        mask = np.zeros((self.size, self.size), np.uint8)
        for first in (17, 22):
            line = np.round(self.points[first : first + 5] * 16).astype(np.int32)
            cv2.polylines(mask, [line], False, 255, max(1, round(2.6 * self.scale)), cv2.LINE_AA, 4)
        return self.blur(mask.astype(np.float32) / 255, 0.6)

    @cached_property
    def oval(self) -> NDArray[np.float64]:
        """Outline of the face: the jaw, and a forehead as high as the brows stand over the nose tip."""
        jaw, brow = self.points[:17], self.points[17:27].mean(0)
        up = (brow - self.points[33]) * 0.85
        left, right = jaw[0] + up * 0.55, jaw[16] + up * 0.55
        top = brow + up
        side = (right - left) * 0.27
        return np.vstack([jaw, right, top + side, top, top - side, left])

    @cached_property
    def parts(self) -> Array:
        """Shares (4, S, S) of skin, hair, background and clothes.

        Four colour clusters (Gaussians in Lab) start from where those parts usually lie in the frame; a few
        rounds of expectation maximisation on a small copy fit them to this picture.
        """
        n = 36
        small = cv2.resize(self.rgb, (n, n), interpolation=cv2.INTER_AREA)
        mask = np.zeros((n, n), np.uint8)
        cv2.fillPoly(mask, [np.round(self.oval * (n / self.size) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        face = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), 1.2).reshape(-1)
        inside, outside = _usual_places(n)
        prior = outside + (inside - outside) * face
        lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).reshape(-1, 3)
        centre = lab.mean(0)
        features, usual, share = _quadratic(lab - centre), np.log(prior), prior
        for _ in range(3):
            clusters = _fit_clusters(features, share)
            share = _shares(clusters @ features + usual)
        middle = min(self.size, 2 * n)
        full = cv2.resize(self.rgb, (middle, middle), interpolation=cv2.INTER_AREA)
        full = cv2.cvtColor(full, cv2.COLOR_RGB2LAB).reshape(-1, 3)
        wide = cv2.resize(usual.reshape(4, n, n).transpose(1, 2, 0), (middle, middle), interpolation=cv2.INTER_LINEAR)
        shares = _shares(clusters @ _quadratic(full - centre) + wide.reshape(-1, 4).T)
        shares = cv2.GaussianBlur(shares.T.reshape(middle, middle, 4), (0, 0), 0.7)
        shares = cv2.resize(shares, (self.size,) * 2, interpolation=cv2.INTER_LINEAR)
        return np.ascontiguousarray(shares.transpose(2, 0, 1), np.float32)

    @cached_property
    def skin(self) -> Array:
        """Skin, lips and eyes included."""
        inner = self.polygon(self.oval * 0.8 + self.points[27:36].mean(0) * 0.2, 3.0)
        return clip(np.maximum(self.parts[0], inner * (1 - 0.8 * self.parts[1] * (1 - self.features))))

    @cached_property
    def features(self) -> Array:
        """Eyes, brows and mouth."""
        return clip(self.eyes + self.brows + self.polygon(self.points[48:60], 0.8))

    @cached_property
    def hair(self) -> Array:
        return np.asarray(self.parts[1] * (1 - self.skin))

    @cached_property
    def back(self) -> Array:
        return np.asarray(self.parts[2])

    @cached_property
    def clothes(self) -> Array:
        return np.asarray(self.parts[3])

    @cached_property
    def person(self) -> Array:
        return 1 - self.back

    # Shading

    @cached_property
    def skin_tone(self) -> Array:
        """Brightness of the skin, brought most of the way to a mean of 0.6 and a usual spread."""
        weight = self.skin * (1 - self.features)
        total = float(weight.sum()) + 1e-6
        mean = float((self.grey * weight).sum()) / total
        spread = float((weight * (self.grey - mean) ** 2).sum() / total) ** 0.5
        gain = min(max(0.14 / max(spread, 0.05), 0.8), 2.0)
        return clip((self.grey - mean) * gain + 0.6)

    @cached_property
    def hair_tone(self) -> Array:
        """Brightness within the hair, its mean near 0.4."""
        mean = float((self.grey * self.hair).sum() / (self.hair.sum() + 1e-6))
        return clip((self.grey - mean) * 1.6 + 0.4)

    @cached_property
    def matter(self) -> Array:
        """Shading as if all were made of one material: no difference of skin, hair, brows and eyes in the large."""
        fine = self.grey - self.blur(self.grey, 4)
        even = 1.1 * self.skin * (self.skin_tone - 0.6) + 0.7 * self.hair * (self.hair_tone - 0.4)
        return clip(
            0.55 + 0.6 * even + 0.7 * fine * (1 - 0.4 * self.features) + 0.15 * self.clothes * (self.tone - 0.5)
        )

    def statue(self) -> Array:
        """The material's shading with blank eyes."""
        calm = self.blur(self.matter, 3) * 0.9
        return mix(self.matter[..., None], calm[..., None], self.eyes * 0.75)[..., 0]

    def lines(self, width: float = 1.0, gain: float = 9.0) -> Array:
        """Dark lines of the picture, 1 on a line."""
        fine = self.blur(self.tone, 0.6 * width)
        return step(gain * (self.blur(self.tone, 2.2 * width) - fine), 0.15, 0.9)

    @cached_property
    def painted(self) -> Array:
        """Kuwahara filter: every pixel takes the mean of the calmest of four neighbouring squares."""
        radius = max(1, round(1.6 * self.scale))
        k = (radius + 1, radius + 1)
        mean = cv2.blur(self.rgb, k)
        var = cv2.blur(self.grey * self.grey, k) - cv2.blur(self.grey, k) ** 2
        h = (radius + 1) // 2
        both = np.pad(np.dstack([mean, var]), ((h, h), (h, h), (0, 0)), "edge")
        corners = [both[y : y + self.size, x : x + self.size] for y in (0, 2 * h) for x in (0, 2 * h)]
        out = corners[0]
        for other in corners[1:]:
            out = np.where(other[..., 3:] < out[..., 3:], other, out)
        return np.ascontiguousarray(out[..., :3])

    @cached_property
    def vignette(self) -> Array:
        """0 in the middle, 1 in the corners."""
        return step(np.hypot(self.x - 64, self.y - 64) / 90, 0.45, 1.05)

    def dots(self, amount: Array, pitch: float = 4.0) -> Array:
        """Halftone screen at 45 degrees: share of ink 0..1 to dots."""
        a, b = (
            (self.x + self.y) * (2 * np.pi / pitch / 1.414),
            (self.x - self.y) * (2 * np.pi / pitch / 1.414),
        )
        wave = (np.cos(a) + np.cos(b)) / 4 + 0.5
        return step(wave + amount - 1, -0.14, 0.14)

    def levels(self, tone: Array, count: int) -> Array:
        """Tone in a few soft steps."""
        t = tone * (count - 1)
        base = np.floor(t)
        return np.asarray((base + step(t - base, 0.35, 0.65)) / (count - 1))


# --- The filters: Face -> float32 RGB (S, S, 3), clipped afterwards


def pencil(f: Face) -> Array:
    tone = f.studio(0.95, 0.9)
    dodge = clip(tone / (f.blur(tone, 3.5) + 0.03)) ** 2.2
    hatch = 0.5 + 0.5 * np.sin((f.x + f.y) * 1.9 + f.noise("cloud"))
    shade = 1 - (1 - tone) ** 1.3 * (0.42 + 0.25 * hatch)
    value = clip(dodge * shade + 0.02 * f.noise("rough"))
    return ramp(value, (0.26, 0.26, 0.28), (0.60, 0.59, 0.57), (0.95, 0.92, 0.84))


def charcoal(f: Face) -> Array:
    smudged = f.blur(f.tone, 1.5) * 0.55 + f.tone * 0.45
    value = (smudged - 0.5) * 1.5 + 0.48
    value = value + f.back * (0.42 + 0.12 * f.noise("brush") - value) - 0.35 * f.lines(1.6)
    value = value + 0.09 * f.noise("rough")
    return ramp(value, (0.04, 0.03, 0.02), (0.38, 0.29, 0.19), (0.76, 0.62, 0.43), (0.90, 0.78, 0.60))


def ink(f: Face) -> Array:
    black = 1 - step(f.blur(f.tone, 0.8), 0.26, 0.42)
    hatch = step(np.sin((f.x * 1.1 + f.y * 0.7) * 2.0), 0.1, 0.7)
    middle = (1 - step(f.tone, 0.42, 0.6)) * hatch * 0.8
    inked = clip(np.maximum(np.maximum(black, middle), f.lines(1.2, 13))) * (1 - f.back * 0.93)
    return ramp(1 - inked, (0.02, 0.03, 0.13), WHITE)


def oil(f: Face) -> Array:
    warm = saturate(f.painted, 1.45) * flat((1.08, 0.93, 0.74))
    warm = (warm - 0.45) * 1.1 + 0.46 + 0.03 * f.noise("rough")[..., None]
    backdrop = ramp(
        0.4 + 0.12 * f.noise("brush") + 0.1 * f.noise("cloud") - 0.2 * f.vignette,
        (0.10, 0.05, 0.02),
        (0.30, 0.17, 0.08),
        (0.45, 0.28, 0.13),
    )
    out = mix(warm, backdrop, clip(step(f.back, 0.1, 0.7) + 0.35 * f.clothes))
    return out * (1 + 0.025 * f.noise("brush"))[..., None] * (1 - 0.45 * f.vignette)[..., None]


def watercolour(f: Face) -> Array:
    pale = 1 - (1 - saturate(f.painted, 1.7)) * (0.72 + 0.10 * f.noise("cloud"))[..., None]
    pale = pale * flat((1.0, 0.97, 1.0)) + 0.06
    wash = ramp(0.55 + 0.3 * f.noise("cloud"), (0.62, 0.83, 0.92), (0.86, 0.93, 0.90), (0.99, 0.98, 0.95))
    out = mix(pale, wash, f.back)
    edge = f.lines(1.5, 6)[..., None] * flat((0.30, 0.24, 0.12))
    rim = step(f.vignette + 0.25 * f.noise("cloud"), 0.35, 0.75)
    return mix(out - edge * 0.8, flat((0.99, 0.985, 0.96)), rim) + 0.02 * f.noise("rough")[..., None]


def cartoon(f: Face) -> Array:
    skin = ramp(
        f.levels(f.blur(f.skin_tone, 1), 4),
        (0.62, 0.32, 0.20),
        (0.90, 0.60, 0.42),
        (1.0, 0.80, 0.62),
        (1.0, 0.88, 0.72),
    )
    rest = saturate(f.painted, 2.0) * 1.25
    rest = f.levels(clip(rest), 5)
    out = mix(rest, skin, f.skin * (1 - 0.9 * f.eyes))
    out = mix(out, flat((0.88, 0.25, 0.30)), 0.7 * f.lips)
    out = mix(out, flat((0.30, 0.78, 0.98)), step(f.back, 0.3, 0.7))
    return np.asarray(out * (1 - 0.9 * f.lines(1.3, 10) * (1 - f.back))[..., None])


def halftone(f: Face) -> Array:
    red = f.dots(0.15 + 0.75 * (1 - f.skin_tone))
    skin = mix(flat((1.0, 0.90, 0.80)), flat((0.95, 0.35, 0.30)), red)
    blue = f.dots(0.15 + 0.8 * f.hair_tone)
    hair = ramp(blue, (0.05, 0.04, 0.10), (0.15, 0.30, 0.85))
    yellow = ramp(f.dots(0.25 + 0.3 * f.y / 128, 5), (1.0, 0.87, 0.10), (1.0, 0.62, 0.05))
    cloth = ramp(f.dots(f.tone), (0.75, 0.08, 0.10), (0.98, 0.85, 0.85))
    out = hair * f.hair[..., None] + yellow * f.back[..., None] + cloth * f.clothes[..., None]
    out = mix(out, skin, f.skin)
    out = mix(out, flat((0.85, 0.05, 0.12)), f.lips * 0.9)
    out = mix(out, flat(WHITE), f.eyes * 0.7)
    black = clip(f.lines(1.3, 12) * (1 - f.back) + f.brows * 0.8 + f.irises)
    return mix(out, flat((0.03, 0.02, 0.05)), black)


_PIXEL_PALETTE = np.array(
    [(0, 0, 0), (29, 43, 83), (126, 37, 83), (0, 135, 81), (171, 82, 54), (95, 87, 79), (194, 195, 199),
     (255, 241, 232), (255, 0, 77), (255, 163, 0), (41, 173, 255), (131, 118, 156), (255, 204, 170), (222, 148, 110),
     (110, 50, 40), (70, 35, 30)], np.float32
) / 255  # fmt: skip


def pixel_art(f: Face) -> Array:
    backdrop = mix(flat((0.11, 0.17, 0.33)), flat((0.16, 0.35, 0.62)), (f.y / 128) ** 2)
    lit = saturate((f.rgb - 0.5) * 1.3 + 0.53, 1.4)
    lit = mix(
        lit,
        ramp(f.skin_tone, (0.3, 0.12, 0.08), (0.67, 0.32, 0.2), (1.0, 0.78, 0.64), (1.0, 0.95, 0.9)),
        f.skin * 0.5,
    )
    small = cv2.resize(mix(lit, backdrop, step(f.back, 0.35, 0.65)), (32, 32), interpolation=cv2.INTER_AREA)
    distance = ((small[:, :, None] - _PIXEL_PALETTE) ** 2 @ flat((0.3, 0.5, 0.2))).argmin(-1)
    return np.asarray(cv2.resize(_PIXEL_PALETTE[distance], (f.size,) * 2, interpolation=cv2.INTER_NEAREST), np.float32)


def mosaic(f: Face) -> Array:
    labels, grout = _cells(f.size, 4.0, 0.22, f.seed % 4)
    skin = ramp(
        f.skin_tone * 1.15 - 0.1,
        (0.35, 0.15, 0.08),
        (0.72, 0.42, 0.25),
        (0.93, 0.76, 0.55),
        (0.98, 0.93, 0.82),
    )
    hair = ramp(f.hair_tone, (0.10, 0.05, 0.04), (0.36, 0.17, 0.09), (0.70, 0.42, 0.20))
    cloth = ramp(f.tone, (0.30, 0.05, 0.08), (0.65, 0.15, 0.15), (0.9, 0.75, 0.6))
    water = ramp(0.5 + 0.5 * f.noise("cloud"), (0.02, 0.36, 0.42), (0.10, 0.58, 0.60), (0.45, 0.78, 0.72))
    out = hair * f.hair[..., None] + water * f.back[..., None] + cloth * f.clothes[..., None]
    out = mix(out, skin, f.skin)
    out = mix(out, flat((0.68, 0.14, 0.12)), f.lips * 0.8)
    out = out * (1 - 0.6 * f.lines(1.4) * (1 - f.back))[..., None]
    tiles = cell_means(labels, out + 0.10 * f.noise("grain")[..., None])
    tiles = tiles + (np.sin(labels * 12.9898)[..., None] * 0.05).astype(np.float32)
    return mix(tiles, flat((0.28, 0.26, 0.24)), grout * 0.75)


def sepia(f: Face) -> Array:
    tone = f.studio(0.62) * 0.92 + 0.05 - 0.25 * f.vignette + 0.02 * f.noise("grain")
    return ramp(tone, (0.14, 0.07, 0.02), (0.55, 0.37, 0.20), (0.86, 0.70, 0.48), (0.98, 0.90, 0.74))


def old_photo(f: Face) -> Array:
    tone = f.blur(f.studio(0.66), 0.8)
    tone = (tone - 0.5) * 0.85 + 0.5 + 0.07 * f.noise("cloud") + 0.035 * f.noise("grain")
    scratch = step(np.sin(f.x * 0.21 + f.seed) + 0.12 * f.noise("brush").T, 1.10, 1.25)
    tone = tone + 0.18 * scratch - 0.3 * f.vignette
    return ramp(tone, (0.10, 0.10, 0.10), (0.50, 0.50, 0.50), (0.86, 0.86, 0.85))


def neon(f: Face) -> Array:
    wide = f.blur(f.grey, 1.0)
    edge = np.hypot(cv2.Sobel(wide, cv2.CV_32F, 1, 0), cv2.Sobel(wide, cv2.CV_32F, 0, 1)) * f.scale
    edge = step(edge, 0.10, 0.55) * (1 - 0.7 * f.back)
    hue = ramp(clip(f.x / 128 + 0.1 * f.noise("cloud")), (0.0, 0.95, 1.0), (0.55, 0.35, 1.0), (1.0, 0.1, 0.75))
    base = mix(flat((0.03, 0.01, 0.07)), flat((0.34, 0.03, 0.50)), f.skin * (0.25 + 0.7 * f.skin_tone))
    base = mix(base, flat((0.02, 0.10, 0.30)), f.hair * 0.8)
    glow = f.blur(edge, 3.0) * 0.85
    return base * (1 - 0.6 * f.back)[..., None] + hue * (edge * 0.9 + glow)[..., None] + (edge**3 * 0.35)[..., None]


def thermal(f: Face) -> Array:
    heat = 0.10 * f.back + 0.36 * f.clothes + f.hair * (0.40 + 0.25 * f.hair_tone)
    nose = f.disc(f.points[33], 9, 8)
    heat = heat * (1 - f.skin) + f.skin * (0.66 + 0.36 * (f.skin_tone - 0.35) - 0.14 * nose + 0.12 * f.eyes)
    heat = f.blur(heat, 1.0) + 0.04 * f.noise("cloud") * f.person
    return ramp(
        heat,
        (0.0, 0.0, 0.18),
        (0.10, 0.0, 0.60),
        (0.62, 0.0, 0.65),
        (0.95, 0.25, 0.15),
        (1.0, 0.72, 0.0),
        (1.0, 1.0, 0.75),
    )


def negative(f: Face) -> Array:
    return 1 - f.rgb


def blueprint(f: Face) -> Array:
    fine = clip(f.lines(1.2, 14) * (1 - 0.8 * f.back) + 0.5 * f.lines(2.5, 8) * (1 - f.back))
    rule = np.maximum(np.cos(f.x * (np.pi / 4)), np.cos(f.y * (np.pi / 4)))
    value = 0.10 + 0.14 * f.tone * f.person + 0.10 * step(rule, 0.93, 1.0) + 0.75 * fine
    return ramp(value, (0.04, 0.13, 0.42), (0.20, 0.42, 0.80), (0.92, 0.97, 1.0))


def cyanotype(f: Face) -> Array:
    tone = (f.studio(0.45) - 0.5) * 1.15 + 0.5 + 0.03 * f.noise("rough")
    border = step(
        f.vignette + 0.35 * np.maximum(abs(f.x - 64), abs(f.y - 64)) / 64 + 0.05 * f.noise("brush"),
        0.55,
        0.68,
    )
    out = ramp(tone, (0.01, 0.08, 0.20), (0.05, 0.27, 0.47), (0.50, 0.72, 0.82), (0.95, 0.97, 0.93))
    return mix(out, flat((0.95, 0.96, 0.90)), border)


def marble(f: Face) -> Array:
    veins = 1 - step(abs(f.noise("cloud")), 0.0, 0.10)
    shade = (f.statue() - 0.55) * 1.45 + 0.60 - 0.12 * veins
    out = ramp(shade, (0.28, 0.29, 0.33), (0.70, 0.70, 0.71), (0.95, 0.94, 0.92), WHITE)
    return mix(out, flat((0.15, 0.17, 0.22)) + 0.02 * f.noise("cloud")[..., None], f.back)


def bronze(f: Face) -> Array:
    shade = (f.statue() - 0.55) * 1.9 + 0.46
    out = ramp(shade, (0.06, 0.04, 0.03), (0.27, 0.16, 0.08), (0.52, 0.33, 0.17), (0.98, 0.80, 0.52))
    patina = step(0.35 * f.noise("cloud") + 1.1 * (0.55 - shade), 0.05, 0.7)
    out = mix(out, ramp(shade + 0.15, (0.04, 0.13, 0.11), (0.30, 0.58, 0.48)), patina * 0.75)
    return mix(out, flat((0.82, 0.80, 0.76)), f.back)


def gold(f: Face) -> Array:
    base = f.statue()
    shade = (base - 0.55) * 2.2 + 0.60
    shade = shade + 0.12 * np.sin(f.blur(base, 1) * 22)
    out = ramp(shade, (0.30, 0.12, 0.0), (0.72, 0.42, 0.02), (0.98, 0.76, 0.10), (1.0, 0.90, 0.40), (1.0, 1.0, 0.92))
    return mix(out, flat((0.20, 0.02, 0.05)), f.back)


def zombie(f: Face) -> Array:
    rot = f.noise("cloud")
    tone = (f.skin_tone - 0.6) * 1.5 + 0.50 + 0.07 * rot - 0.05 * f.noise("rough")
    skin = ramp(tone, (0.06, 0.08, 0.04), (0.30, 0.36, 0.22), (0.56, 0.64, 0.42), (0.82, 0.86, 0.66))
    sores = step(rot + 0.5 * f.noise("rough"), 1.2, 2.6)
    skin = mix(skin, flat((0.36, 0.10, 0.08)), sores * 0.6)
    skin = mix(skin, flat((0.13, 0.05, 0.08)), f.sockets * 0.78 * (1 - f.eyes))
    skin = mix(skin, ramp(f.tone, (0.30, 0.25, 0.15), (0.92, 0.92, 0.72)), f.eyes * 0.9)
    skin = mix(skin, flat((0.30, 0.30, 0.22)), f.irises * 0.5)
    mouth = f.grown(48, 60, 1.12, 1.2)
    drip = clip(f.blur(mouth, 2.5) * 1.2) * step(f.noise("brush").T, -0.4, 0.9)
    skin = mix(
        skin,
        ramp(f.tone, (0.12, 0.0, 0.0), (0.45, 0.04, 0.04), (0.72, 0.45, 0.30)),
        clip(mouth * 0.85 + drip * 0.6),
    )
    rest = saturate(f.rgb, 0.25) * flat((0.45, 0.50, 0.40))
    fog = ramp(0.4 + 0.25 * rot, (0.07, 0.09, 0.07), (0.20, 0.24, 0.19), (0.34, 0.38, 0.30))
    return mix(mix(rest, fog, f.back), skin, f.skin)


def joker(f: Face) -> Array:
    paint = ramp(f.skin_tone * 1.1 + 0.12, (0.30, 0.30, 0.32), (0.80, 0.80, 0.80), (0.97, 0.97, 0.96), WHITE)
    skin = mix(paint, flat((0.05, 0.05, 0.09)), clip(f.sockets * 1.1) * 0.92 * (1 - 0.8 * f.eyes))
    corners = np.zeros_like(f.grey)
    for corner, eye in ((48, 36), (54, 45)):
        target = f.points[corner] * 0.62 + f.points[eye] * 0.38 + (f.points[corner] - f.points[57]) * 0.25
        line = np.round(np.stack([f.points[corner], target]) * 16).astype(np.int32)
        mask = np.zeros((f.size, f.size), np.uint8)
        cv2.polylines(mask, [line], False, 255, max(1, round(3.2 * f.scale)), cv2.LINE_AA, 4)
        corners = corners + f.blur(mask.astype(np.float32) / 255, 0.8)
    red = clip(f.grown(48, 60, 1.22, 0.9) - 0.9 * f.polygon(f.points[60:68], 0.4) + corners)
    skin = mix(skin, ramp(f.tone, (0.40, 0.0, 0.02), (0.85, 0.05, 0.08)), red * 0.92)
    hair = ramp(f.hair_tone, (0.0, 0.13, 0.04), (0.05, 0.50, 0.13), (0.45, 0.92, 0.25))
    out = hair * f.hair[..., None] + ramp(f.tone, (0.14, 0.02, 0.20), (0.65, 0.40, 0.75)) * f.clothes[..., None]
    out = out + flat((0.30, 0.11, 0.42)) * (f.back * (1 - 0.4 * f.vignette))[..., None]
    return mix(out, skin, f.skin)


def blue_alien(f: Face) -> Array:
    tone = (f.skin_tone - 0.6) * 1.25 + 0.56
    skin = ramp(tone, (0.0, 0.05, 0.28), (0.05, 0.30, 0.72), (0.25, 0.60, 0.98), (0.75, 0.95, 1.0))
    spots = step(f.noise("rough") + 0.5 * f.vignette, 1.5, 1.9)
    skin = mix(skin, flat((0.65, 1.0, 0.95)), spots * 0.55)
    skin = mix(skin, ramp(f.tone, (0.05, 0.03, 0.0), (0.95, 0.75, 0.10), (1.0, 1.0, 0.7)), f.eyes * 0.9)
    skin = mix(skin, flat((0.98, 0.80, 0.05)), f.irises * 0.85)
    skin = mix(skin, flat((0.22, 0.12, 0.55)), f.lips * 0.6)
    hair = ramp(f.hair_tone, (0.02, 0.0, 0.07), (0.15, 0.05, 0.30), (0.45, 0.25, 0.65))
    stars = step(f.noise("grain"), 2.5, 3.2)[..., None]
    space = ramp(0.4 + 0.3 * f.noise("cloud"), (0.02, 0.0, 0.06), (0.13, 0.03, 0.22), (0.30, 0.10, 0.40)) + stars
    out = (
        hair * f.hair[..., None]
        + space * f.back[..., None]
        + ramp(f.tone, BLACK, (0.45, 0.5, 0.6)) * f.clothes[..., None]
    )
    return mix(out, skin, f.skin)


def vampire(f: Face) -> Array:
    tone = (f.skin_tone - 0.6) * 1.25 + 0.68
    skin = ramp(tone, (0.10, 0.05, 0.12), (0.52, 0.45, 0.56), (0.86, 0.82, 0.88), (0.99, 0.97, 1.0))
    skin = mix(skin, flat((0.32, 0.08, 0.20)), f.sockets * 0.6 * (1 - f.eyes))
    skin = mix(skin, flat((0.95, 0.05, 0.05)), f.irises)
    skin = mix(skin, flat((0.62, 0.0, 0.06)), f.lips * 0.92)
    chin = f.points[57] * 0.55 + f.points[8] * 0.45
    for corner in (59, 55):
        line = np.round(np.stack([f.points[corner], np.array([f.points[corner][0], chin[1]])]) * 16).astype(np.int32)
        mask = np.zeros((f.size, f.size), np.uint8)
        cv2.polylines(mask, [line], False, 255, max(1, round(1.3 * f.scale)), cv2.LINE_AA, 4)
        skin = mix(skin, flat((0.60, 0.0, 0.04)), mask.astype(np.float32) / 255 * 0.85)
    hair = ramp(f.hair_tone, (0.01, 0.01, 0.02), (0.06, 0.05, 0.08), (0.30, 0.27, 0.34))
    night = ramp(
        0.5 + 0.2 * f.noise("cloud") - 0.4 * f.vignette,
        (0.06, 0.0, 0.01),
        (0.34, 0.01, 0.04),
        (0.50, 0.05, 0.06),
    )
    out = (
        hair * f.hair[..., None]
        + night * f.back[..., None]
        + ramp(f.tone, BLACK, (0.4, 0.05, 0.1)) * f.clothes[..., None]
    )
    return mix(out, skin, f.skin)


def pop_art(f: Face) -> Array:
    skin = ramp(f.levels(f.blur(f.skin_tone, 0.8), 3), (0.05, 0.20, 0.45), (1.0, 0.80, 0.05), (1.0, 0.93, 0.35))
    hair = ramp(f.levels(f.hair_tone, 3), (0.0, 0.25, 0.55), (0.0, 0.70, 0.75), (0.45, 0.95, 0.85))
    out = hair * f.hair[..., None] + flat((0.98, 0.12, 0.55)) * f.back[..., None]
    out = out + ramp(f.levels(f.tone, 2), (0.35, 0.05, 0.55), (0.55, 0.90, 0.20)) * f.clothes[..., None]
    out = mix(out, skin, f.skin)
    out = mix(out, flat((0.92, 0.05, 0.20)), f.lips)
    out = mix(
        out,
        flat((0.10, 0.85, 0.75)),
        clip(f.grown(36, 42, 1.7, 0.6) + f.grown(42, 48, 1.7, 0.6)) * (1 - f.eyes),
    )
    out = mix(out, ramp(f.levels(f.tone, 2), (0.05, 0.02, 0.15), WHITE), f.eyes)
    return mix(out, flat((0.08, 0.02, 0.20)), clip(f.lines(1.5, 9) * (1 - f.back) + f.brows * 0.8))


def woodblock(f: Face) -> Array:
    paper = flat((0.93, 0.85, 0.67))
    skin = ramp(f.levels(f.blur(f.skin_tone, 1.2), 3), (0.72, 0.55, 0.40), (0.95, 0.86, 0.70), (0.97, 0.90, 0.76))
    hair = ramp(f.levels(f.hair_tone, 3), (0.06, 0.07, 0.12), (0.12, 0.14, 0.22), (0.30, 0.33, 0.42))
    sky = ramp(
        1 - f.y / 110 + 0.04 * f.noise("brush"),
        (0.93, 0.85, 0.67),
        (0.80, 0.82, 0.70),
        (0.20, 0.42, 0.55),
        (0.07, 0.20, 0.38),
    )
    cloth = ramp(f.levels(f.tone, 3), (0.10, 0.16, 0.30), (0.55, 0.20, 0.15), (0.85, 0.65, 0.45))
    out = hair * f.hair[..., None] + sky * f.back[..., None] + cloth * f.clothes[..., None]
    out = mix(out, skin, f.skin)
    out = mix(out, flat((0.75, 0.16, 0.10)), f.lips * 0.9)
    out = mix(out, flat((0.08, 0.09, 0.16)), clip(f.lines(1.2, 12) * (1 - f.back) + f.brows * 0.7))
    return mix(out, paper, 0.10 + 0.05 * f.noise("brush")) + 0.02 * f.noise("brush").T[..., None]


def stained_glass(f: Face) -> Array:
    labels, _ = _cells(f.size, 11.0, 0.38, f.seed % 4)
    part = np.stack([f.skin, f.hair, f.back, f.clothes], -1).argmax(-1)
    joint = labels * 4 + part
    tone = cell_means(labels * 4 + part, np.stack([f.skin_tone, f.hair_tone, f.tone], -1)) * 0.7
    tone = tone + 0.3 * np.stack([f.skin_tone, f.hair_tone, f.tone], -1)
    skin = ramp(tone[..., 0], (0.42, 0.14, 0.02), (0.85, 0.48, 0.08), (1.0, 0.80, 0.38), (1.0, 0.95, 0.72))
    hair = ramp(tone[..., 1], (0.02, 0.12, 0.05), (0.05, 0.38, 0.16), (0.30, 0.70, 0.30))
    pick = (np.sin(labels * 78.233) > -0.2).astype(np.float32)[..., None]
    back = flat((0.06, 0.16, 0.72)) * pick + flat((0.72, 0.04, 0.12)) * (1 - pick)
    back = back * (0.85 + 0.3 * np.sin(labels * 3.7)[..., None]).astype(np.float32)
    cloth = ramp(tone[..., 2], (0.30, 0.02, 0.32), (0.62, 0.15, 0.62))
    out = np.take_along_axis(np.stack([skin, hair, back, cloth], 2), part[..., None, None], 2)[:, :, 0]
    out = mix(out, flat((0.80, 0.06, 0.10)), f.lips * 0.9)
    out = mix(out, ramp(f.tone, (0.03, 0.03, 0.10), (0.85, 0.95, 1.0)), f.eyes * 0.9)
    edge = np.zeros_like(f.grey)
    edge[:, 1:] = joint[:, 1:] != joint[:, :-1]
    edge[1:] = np.maximum(edge[1:], joint[1:] != joint[:-1])
    lead = clip(f.blur(edge, 0.7) * 2.2 + 0.8 * f.brows + 0.4 * f.lines(1.2))
    return mix(out, flat((0.04, 0.04, 0.05)), lead)


def pastel(f: Face) -> Array:
    soft = f.blur(f.rgb, 1.2)
    pale = 0.55 + 0.45 * saturate(soft, 1.2)
    skin = ramp(f.blur(f.skin_tone, 1), (0.68, 0.36, 0.56), (0.95, 0.62, 0.66), (1.0, 0.82, 0.76), (1.0, 0.93, 0.86))
    hair = ramp(f.hair_tone, (0.36, 0.26, 0.58), (0.60, 0.46, 0.76), (0.88, 0.76, 0.90))
    back = ramp(0.5 + 0.4 * f.noise("cloud"), (0.52, 0.78, 0.72), (0.62, 0.86, 0.76), (0.82, 0.95, 0.82))
    out = hair * f.hair[..., None] + back * f.back[..., None] + pale * f.clothes[..., None]
    out = mix(out, skin, f.skin) - 0.25 * f.lines(1.5, 7)[..., None]
    return out + 0.04 * f.noise("rough")[..., None] + 0.03 * f.noise("brush")[..., None]


def relief(f: Face) -> Array:
    height = f.blur(f.tone, 0.9)
    slope = cv2.Sobel(height, cv2.CV_32F, 1, 0) + cv2.Sobel(height, cv2.CV_32F, 0, 1)
    value = 0.60 + 0.28 * slope * f.scale + 0.05 * (f.tone - 0.5) + 0.012 * f.noise("rough")
    return ramp(value, (0.07, 0.08, 0.10), (0.48, 0.50, 0.54), (0.97, 0.98, 1.0))


def infrared(f: Face) -> Array:
    tone = f.tone * 0.55 + f.skin * (0.5 * f.skin_tone + 0.12) - 0.35 * f.eyes * (1 - f.tone)
    tone = tone + f.back * (0.16 - tone) * 0.9
    tone = tone + 0.35 * f.blur(step(tone, 0.7, 1.0), 5) + 0.02 * f.noise("grain")
    return ramp(tone, (0.10, 0.0, 0.02), (0.55, 0.0, 0.05), (0.95, 0.30, 0.32), (1.0, 0.86, 0.84))


def night_vision(f: Face) -> Array:
    tone = f.studio(0.45, 0.5) ** 0.9 * 0.85 + 0.10 * f.noise("grain") + 0.25 * f.blur(step(f.tone, 0.75, 1), 3)
    tone = tone * (0.88 + 0.12 * np.cos(f.y * (np.pi / 1.5)))
    out = ramp(tone, (0.0, 0.06, 0.0), (0.05, 0.50, 0.08), (0.45, 1.0, 0.35))
    return np.asarray(out * (1 - step(np.hypot(f.x - 64, f.y - 64), 52, 72))[..., None])


def duotone(f: Face) -> Array:
    return ramp(
        (f.studio(0.8) - 0.5) * 1.1 + 0.48,
        (0.05, 0.07, 0.45),
        (0.45, 0.10, 0.62),
        (1.0, 0.36, 0.62),
        (1.0, 0.84, 0.86),
    )


def sunset(f: Face) -> Array:
    side = clip(1.15 - f.x / 128 + 0.25 * (f.skin_tone - 0.6))
    light = ramp(side, (0.52, 0.28, 0.48), (0.95, 0.55, 0.38), (1.25, 0.85, 0.42), (1.4, 1.0, 0.5))
    lit = (f.rgb * 0.92 + 0.04) * light
    sky = ramp(
        f.y / 128 + 0.05 * f.noise("brush"),
        (0.55, 0.25, 0.45),
        (0.98, 0.45, 0.25),
        (1.0, 0.72, 0.28),
        (1.0, 0.85, 0.50),
    )
    out = mix(lit, sky, f.back * 0.92)
    glow = f.disc(np.array([6.0, 70.0]) * f.scale, 40, 38)
    return np.asarray(out + glow[..., None] * flat((0.35, 0.20, 0.05)))


def ice(f: Face) -> Array:
    cracks = 1 - step(abs(f.noise("rough") * 0.4 + f.noise("cloud")), 0.0, 0.07)
    shade = (f.statue() - 0.55) * 1.5 + 0.60 + 0.05 * f.noise("rough")
    skin = ramp(shade, (0.05, 0.28, 0.48), (0.38, 0.70, 0.86), (0.78, 0.94, 0.98), WHITE)
    frost = ramp(shade + 0.08, (0.45, 0.62, 0.75), (0.80, 0.92, 0.97), WHITE)
    out = mix(skin, frost, clip(f.hair + 0.8 * f.brows)) + 0.22 * cracks[..., None]
    back = ramp(0.5 + 0.4 * f.noise("cloud"), (0.30, 0.52, 0.66), (0.46, 0.68, 0.80), (0.70, 0.85, 0.92))
    return mix(out, back, f.back)


def clay(f: Face) -> Array:
    lumps = 0.04 * f.noise("cloud") + 0.012 * f.noise("brush")
    shade = f.blur(f.statue(), 0.9)
    shade = (shade - 0.55) * 1.5 + 0.52 + lumps
    out = ramp(shade, (0.30, 0.12, 0.07), (0.64, 0.31, 0.20), (0.84, 0.50, 0.36), (0.95, 0.74, 0.60))
    return mix(out, flat((0.80, 0.70, 0.58)) - 0.2 * (f.vignette[..., None]), f.back)


def porcelain(f: Face) -> Array:
    shade = (f.blur(f.skin_tone, 0.7) - 0.6) * 0.9 + 0.80
    skin = ramp(shade, (0.45, 0.50, 0.60), (0.80, 0.83, 0.88), (0.96, 0.96, 0.97), WHITE)
    shine = step(f.blur(f.skin_tone, 1.5), 0.72, 0.9)[..., None]
    skin = skin + 0.12 * shine
    for corner, eye in ((48, 36), (54, 45)):
        cheek = f.points[corner] * 0.45 + f.points[eye] * 0.55
        skin = mix(skin, flat((0.98, 0.68, 0.70)), f.disc(cheek, 9, 8) * 0.5)
    cobalt = ramp(f.hair_tone * 1.1, (0.03, 0.08, 0.38), (0.10, 0.22, 0.68), (0.70, 0.80, 0.98))
    out = cobalt * clip(f.hair)[..., None] + flat((0.91, 0.73, 0.60)) * f.back[..., None]
    out = out + ramp(f.dots(0.4 + 0 * f.tone, 9), (0.92, 0.94, 0.98), (0.15, 0.28, 0.72)) * f.clothes[..., None]
    out = mix(out, skin, f.skin)
    return mix(
        out,
        flat((0.05, 0.10, 0.45)),
        clip(f.brows * 0.8 + f.irises + 0.5 * f.lines(1.2, 9) * f.skin + 0.35 * f.lips),
    )


def hulk(f: Face) -> Array:
    tone = (f.skin_tone - 0.6) * 1.5 + 0.50 - 0.25 * f.lines(2.0, 7)
    skin = ramp(tone, (0.02, 0.12, 0.0), (0.16, 0.42, 0.06), (0.40, 0.74, 0.16), (0.78, 0.97, 0.48))
    skin = mix(skin, mix(f.rgb, flat((0.9, 1.0, 0.6)), 0.25), f.eyes * 0.85)
    skin = mix(skin, flat((0.22, 0.32, 0.10)), f.lips * 0.6)
    hair = ramp(f.hair_tone, (0.01, 0.03, 0.01), (0.05, 0.11, 0.05), (0.25, 0.33, 0.2))
    back = ramp(0.45 + 0.2 * f.noise("cloud"), (0.45, 0.43, 0.48), (0.66, 0.64, 0.68), (0.84, 0.82, 0.85))
    out = hair * f.hair[..., None] + back * f.back[..., None]
    out = out + ramp(f.tone, (0.16, 0.03, 0.24), (0.58, 0.32, 0.72)) * f.clothes[..., None]
    return mix(out, skin, f.skin)


def devil(f: Face) -> Array:
    tone = (f.skin_tone - 0.6) * 1.5 + 0.52
    skin = ramp(tone, (0.12, 0.0, 0.0), (0.55, 0.03, 0.02), (0.92, 0.14, 0.08), (1.0, 0.62, 0.40))
    skin = mix(skin, flat((0.10, 0.0, 0.0)), f.sockets * 0.7 * (1 - f.eyes))
    skin = mix(skin, ramp(f.tone, (0.3, 0.12, 0.0), (1.0, 0.90, 0.20)), f.eyes)
    skin = mix(skin, flat((0.15, 0.0, 0.02)), clip(f.lips * 0.8 + f.brows * 0.8))
    hair = ramp(f.hair_tone, (0.01, 0.0, 0.0), (0.08, 0.02, 0.02), (0.40, 0.12, 0.05))
    fire = ramp(
        f.y / 128 + 0.25 * f.noise("cloud") - 0.1,
        (0.10, 0.02, 0.0),
        (0.55, 0.12, 0.0),
        (1.0, 0.50, 0.02),
        (1.0, 0.85, 0.25),
    )
    out = (
        hair * f.hair[..., None]
        + fire * f.back[..., None]
        + ramp(f.tone, BLACK, (0.3, 0.05, 0.05)) * f.clothes[..., None]
    )
    return mix(out, skin, f.skin)


def chalkboard(f: Face) -> Array:
    fine = clip(f.lines(1.3, 12) + 0.6 * f.lines(2.5, 8)) * (1 - 0.8 * f.back)
    fill = f.skin * step(f.skin_tone, 0.55, 1.0) * 0.45
    chalk = clip(fine * 0.9 + fill) * clip(0.85 + 0.35 * f.noise("rough"))
    board = flat((0.09, 0.27, 0.18)) + (0.03 * f.noise("brush") + 0.02 * f.noise("cloud"))[..., None]
    return mix(board, flat((0.95, 0.96, 0.90)), clip(chalk))


def cyberpunk(f: Face) -> Array:
    side = step(f.x + 30 * (0.6 - f.skin_tone), 40, 88)
    light = mix(flat((0.05, 0.95, 1.1)), flat((1.25, 0.12, 0.85)), side)
    lit = light * (f.tone[..., None] * 1.05 * f.person[..., None])
    shadow = flat((0.08, 0.03, 0.20)) * (1 - f.tone)[..., None]
    city = ramp(
        0.35 + 0.35 * f.noise("cloud") + 0.15 * f.noise("brush").T,
        (0.05, 0.02, 0.16),
        (0.16, 0.06, 0.38),
        (0.35, 0.20, 0.75),
    )
    return mix(lit + shadow, city, f.back)


def x_ray(f: Face) -> Array:
    wide = f.blur(f.tone, 7)
    bone = 0.42 + 0.9 * (wide - f.blur(f.tone, 1)) + 0.25 * (f.skin_tone - 0.6)
    value = f.skin * bone + f.hair * 0.20 + f.clothes * 0.28 + 0.03 * f.back
    value = value - 0.30 * f.sockets * f.skin + 0.18 * f.blur(f.polygon(f.points[48:60], 1.0), 1.0)
    value = value + 0.25 * (f.blur(f.skin, 3) - f.blur(f.skin, 9)) + 0.015 * f.noise("grain")
    return ramp(value * 1.25, (0.0, 0.01, 0.03), (0.20, 0.30, 0.38), (0.62, 0.76, 0.82), (0.98, 1.0, 1.0))


Filter = Callable[[Face], Array]

_FILTERS: dict[str, Filter] = {
    "pencil sketch": pencil,
    "charcoal drawing": charcoal,
    "ink drawing": ink,
    "oil painting": oil,
    "watercolour": watercolour,
    "cartoon": cartoon,
    "comic halftone": halftone,
    "pixel art": pixel_art,
    "mosaic": mosaic,
    "sepia": sepia,
    "old black and white photo": old_photo,
    "neon": neon,
    "thermal camera": thermal,
    "negative": negative,
    "blueprint": blueprint,
    "cyanotype": cyanotype,
    "marble statue": marble,
    "bronze statue": bronze,
    "gold statue": gold,
    "zombie": zombie,
    "joker": joker,
    "blue alien": blue_alien,
    "vampire": vampire,
    "pop art": pop_art,
    "woodblock print": woodblock,
    "stained glass": stained_glass,
    "pastel drawing": pastel,
    "embossed relief": relief,
    "infrared photo": infrared,
    "night vision": night_vision,
    "duotone": duotone,
    "sunset light": sunset,
    "ice sculpture": ice,
    "clay sculpture": clay,
    "porcelain figure": porcelain,
    "hulk": hulk,
    "devil": devil,
    "chalkboard drawing": chalkboard,
    "cyberpunk": cyberpunk,
    "x ray": x_ray,
}


@dataclass(frozen=True)
class Style:
    """A style as it is spoken of and as it is drawn."""

    name: str
    phrases: tuple[str, ...]
    held_out_phrases: tuple[str, ...]
    filter: Filter


STYLES: dict[str, Style] = {
    name: Style(name, words.phrases, words.held_out, _FILTERS[name]) for name, words in WORDS.items()
}


def tint(rgb: Array, colour: Colour) -> Array:
    """A picture in shades of one colour, with a breath of its own hues."""
    tone = grey(clip(rgb))
    dark: Colour = (colour[0] * 0.14, colour[1] * 0.14, colour[2] * 0.14)
    light: Colour = (colour[0] * 0.3 + 0.7, colour[1] * 0.3 + 0.7, colour[2] * 0.3 + 0.7)
    return mix(rgb, ramp(tone, dark, colour, light), 0.88)


def stylise(
    image: NDArray[np.uint8],
    style: str,
    *,
    colour: str | None = None,
    strength: float = 1.0,
    seed: int = 0,
    landmarks: NDArray[np.float64] | None = None,
) -> NDArray[np.uint8]:
    """The true stylised picture of an aligned face.

    image: (S, S, 3) uint8 RGB in the FFHQ frame, S from 32. style: a name of STYLES, or "photo" for none.
    colour: a name of COLOURS, laid over the style. strength: 0 the photo itself .. 1 the style. seed varies grain and
    tiles. landmarks: dlib's (68, 2) in pixels of this image; without them an average face is assumed.
    Returns uint8 of the same shape; the same arguments give the same bytes. Raises StylizeError.
    """
    if image.ndim != 3 or image.shape[0] != image.shape[1] or image.shape[2] != 3 or image.dtype != np.uint8:
        raise StylizeError(f"Style filters take a square uint8 RGB picture, not {image.dtype} {image.shape}.")
    if image.shape[0] < 32:
        raise StylizeError(f"Style filters need at least 32 px, not {image.shape[0]}; enlarge the picture first.")
    if style != PHOTO and style not in STYLES:
        raise StylizeError(f"There is no style {style!r}; take one of {', '.join(STYLES)}.")
    if colour is not None and colour not in COLOURS:
        raise StylizeError(f"There is no colour {colour!r}; take one of {', '.join(COLOURS)}.")
    if landmarks is not None and np.shape(landmarks) != (68, 2):
        raise StylizeError(f"Landmarks of shape {np.shape(landmarks)} do not fit; give dlib's 68 points as (68, 2).")
    if not 0 <= strength <= 1:
        raise StylizeError(f"The strength is {strength}; give a number from 0 to 1.")
    return draw(Face(image, landmarks, seed), style, colour, strength)


def draw(face: Face, style: str, colour: str | None = None, strength: float = 1.0) -> NDArray[np.uint8]:
    """``stylise`` for names known to be right; several styles of one Face share its masks and are cheaper."""
    out = face.rgb if style == PHOTO else clip(STYLES[style].filter(face))
    if colour is not None:
        out = tint(out, COLOURS[colour])
    if strength < 1:
        out = mix(face.rgb, out, strength)
    return np.asarray(clip(out) * 255 + 0.5).astype(np.uint8)


def truth(pictures: Tensor, style: str, colour: str | None = None, strength: float = 1.0, seed: int = 0) -> Tensor:
    """``stylise`` on tensors: (N, 3, R, R) in [-1, 1] -> the same."""
    images = (np.asarray(to_image(picture)) for picture in pictures)
    made = (stylise(image, style, colour=colour, strength=strength, seed=seed) for image in images)
    return torch.cat([to_tensor(Image.fromarray(image)) for image in made])
