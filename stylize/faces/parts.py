"""Segments an aligned face into skin, hair, background and clothes, with a network, its colours and its landmarks."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stylize.faces.segment import SIDE, people

Array = NDArray[Any]  # float32; NumPy's type stubs lose the precision on the way

PARTS = ("skin", "hair", "background", "clothes")
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


def grey(rgb: Array) -> Array:
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.float32)


def clip(x: Array) -> Array:
    return np.clip(x, 0, 1)


def step(x: Array, low: float, high: float) -> Array:
    """Smooth step: 0 below low, 1 above high."""
    t = clip((x - low) / (high - low))
    return np.asarray(t * t * (3 - 2 * t))


@lru_cache(maxsize=32)
def pixel_grid(size: int) -> tuple[Array, Array]:
    """Pixel coordinates in a 128 px picture."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) * (128 / size)
    return np.broadcast_to(axis[None], (size, size)), np.broadcast_to(axis[:, None], (size, size))


class FaceParts:
    """An aligned face: rgb (S, S, 3) float32 in [0, 1], its landmarks, and its parts as soft masks (S, S) in [0, 1]."""

    def __init__(self, image: NDArray[np.uint8], landmarks: NDArray[np.float64] | None) -> None:
        """image (S, S, 3); landmarks (68, 2) in its pixels, None for those of an average face."""
        self.rgb: Array = image.astype(np.float32) / 255
        self.size = image.shape[0]
        self.scale = self.size / 128
        self.points = MEAN_LANDMARKS * self.size if landmarks is None else np.asarray(landmarks, np.float64)
        self.x, self.y = pixel_grid(self.size)

    def blur(self, x: Array, sigma: float) -> Array:
        """Gaussian blur; a wide one is computed on a smaller picture."""
        sigma *= self.scale
        shrink = int(min(sigma / 2.5, 8))
        if shrink < 2:
            return np.asarray(cv2.GaussianBlur(x, (0, 0), sigma), np.float32)
        small = cv2.resize(x, (self.size // shrink,) * 2, interpolation=cv2.INTER_AREA)
        small = cv2.GaussianBlur(small, (0, 0), sigma / shrink)
        return np.asarray(cv2.resize(small, (self.size,) * 2, interpolation=cv2.INTER_LINEAR), np.float32)

    @cached_property
    def grey(self) -> Array:
        return grey(self.rgb)

    def polygon(self, points: NDArray[np.float64], soft: float) -> Array:
        mask = np.zeros((self.size, self.size), np.uint8)
        cv2.fillPoly(mask, [np.round(points * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        return self.blur(mask.astype(np.float32) / 255, soft)

    def grown(self, first: int, last: int, factor: float, soft: float) -> Array:
        """The polygon of some landmarks, enlarged about its centre."""
        points = self.points[first:last]
        centre = points.mean(0)
        return self.polygon(centre + (points - centre) * factor, soft)

    @cached_property
    def eyes(self) -> Array:
        return clip(self.grown(36, 42, 1.15, 0.7) + self.grown(42, 48, 1.15, 0.7))

    @cached_property
    def brows(self) -> Array:
        mask = np.zeros((self.size, self.size), np.uint8)
        for first in (17, 22):
            line = np.round(self.points[first : first + 5] * 16).astype(np.int32)
            cv2.polylines(mask, [line], False, 255, max(1, round(2.6 * self.scale)), cv2.LINE_AA, 4)
        return self.blur(mask.astype(np.float32) / 255, 0.6)

    @cached_property
    def oval(self) -> NDArray[np.float64]:
        """Outline of the face: the jaw, and a forehead as high above the brows as they are above the nose tip."""
        jaw, brow = self.points[:17], self.points[17:27].mean(0)
        up = (brow - self.points[33]) * 0.85
        left, right = jaw[0] + up * 0.55, jaw[16] + up * 0.55
        top = brow + up
        side = (right - left) * 0.27
        return np.vstack([jaw, right, top + side, top, top - side, left])

    @cached_property
    def likely(self) -> Array:
        """Shares (4, S, S) of skin, hair, background and clothes by their colours alone."""
        return find_parts(self.rgb, self.oval)

    @cached_property
    def skin(self) -> Array:
        """Skin, including lips and eyes."""
        brow = float(self.points[17:27, 1].mean()) / self.scale
        fringe = 1 - step(self.y, brow - 14, brow - 4)  # hair may cover the forehead, not the eyes
        nose = self.points[27:36].mean(0)
        inner = self.polygon(self.oval * 0.86 + nose * 0.14, 2.0)
        inner = np.maximum(inner, fringe * self.polygon(self.oval * 0.97 + nose * 0.03, 1.5))
        own = np.maximum(self.likely[0], 0.9 * self.polygon(self.oval, 1.5) * (self.likely[0] + self.likely[3]))
        hair = step(self.likely[1], 0.4, 0.9) * fringe * (1 - self.features) * self._unlike_skin(inner * (1 - fringe))
        return clip(np.maximum(own, inner * (1 - 0.9 * hair)))

    def _unlike_skin(self, sample: Array) -> Array:
        """1 where a forehead is covered: darker than the sampled skin, or of another hue; bright spots are
        highlights."""
        lab = cv2.cvtColor(self.rgb, cv2.COLOR_RGB2LAB)
        mean = (lab * sample[..., None]).sum((0, 1)) / (float(sample.sum()) + 1e-6)
        hue = np.hypot(lab[..., 1] - mean[1], lab[..., 2] - mean[2])
        return np.maximum(1 - step(lab[..., 0], mean[0] - 14, mean[0] - 4), step(hue, 18, 26))

    @cached_property
    def features(self) -> Array:
        """Eyes, brows and mouth."""
        return clip(self.eyes + self.brows + self.polygon(self.points[48:60], 0.8))

    @cached_property
    def hair(self) -> Array:
        return np.asarray(self.likely[1] * (1 - self.skin))

    @cached_property
    def back(self) -> Array:
        return np.asarray(self.likely[2])

    @cached_property
    def clothes(self) -> Array:
        return np.asarray(self.likely[3])

    @cached_property
    def shares(self) -> Array:
        """(4, S, S): of skin, hair, background and clothes in each pixel; their sum is 1."""
        others = np.stack([self.hair, self.back, self.clothes]) + 1e-3
        return np.asarray(np.concatenate([self.skin[None], others * ((1 - self.skin) / others.sum(0))]), np.float32)


@lru_cache(maxsize=1)
def _usual_places(n: int) -> tuple[Array, Array]:
    """Prior shares (4, n * n) of skin, hair, background and clothes, inside and outside the face's outline."""
    u, v = np.meshgrid((np.arange(n) + 0.5) / n, (np.arange(n) + 0.5) / n)
    ring = 1 / (1 + np.exp((np.hypot((u - 0.5) / 0.42, (v - 0.5) / 0.5) - 1) * 9))
    # Neck and shoulders fill the bottom; hair may hang at the sides.
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
    """(N, 3) -> (10, N): the monomials in which a Gaussian's logarithm is linear."""
    a, b, c = np.ascontiguousarray(lab.T)
    return np.stack([a * a, b * b, c * c, a * b, a * c, b * c, a, b, c, np.ones_like(a)])


def _fit_clusters(features: Array, share: Array) -> Array:
    """Fits Gaussians to the four shares (4, N); coefficients (4, 10) of _quadratic's features (10, N).

    Log-densities are tempered, because neighbouring pixels are not independent.
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


def find_parts(rgb: Array, oval: NDArray[np.float64]) -> Array:
    """Shares (4, S, S) of skin, hair, background and clothes.

    A network separates the person from the background. Four colour clusters (Gaussians in Lab) start from where those
    parts usually lie in the frame; a few rounds of expectation maximisation on a small copy fit them to this picture.
    """
    size = rgb.shape[0]
    n = 36
    back = _backdrop(rgb, oval)
    small = cv2.resize(rgb, (n, n), interpolation=cv2.INTER_AREA)
    mask = np.zeros((n, n), np.uint8)
    cv2.fillPoly(mask, [np.round(oval * (n / size) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    face = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), 1.2).reshape(-1)
    inside, outside = _usual_places(n)
    prior = outside + (inside - outside) * face
    behind = cv2.resize(back, (n, n), interpolation=cv2.INTER_AREA).reshape(-1).clip(0.002, 0.998)
    prior[2] = 0
    prior *= (1 - behind) / prior.sum(0)
    prior[2] = behind
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).reshape(-1, 3)
    centre = lab.mean(0)
    features, usual, share = _quadratic(lab - centre), np.log(prior + 1e-6), prior
    for _ in range(3):
        clusters = _fit_clusters(features, share)
        share = _shares(clusters @ features + usual)
    middle = min(size, 2 * n)
    full = cv2.resize(rgb, (middle, middle), interpolation=cv2.INTER_AREA)
    full = cv2.cvtColor(full, cv2.COLOR_RGB2LAB).reshape(-1, 3)
    wide = cv2.resize(usual.reshape(4, n, n).transpose(1, 2, 0), (middle, middle), interpolation=cv2.INTER_LINEAR)
    shares = _shares((clusters @ _quadratic(full - centre) + wide.reshape(-1, 4).T)[[0, 1, 3]])
    shares = cv2.GaussianBlur(shares.T.reshape(middle, middle, 3), (0, 0), 0.7)
    large: Any = cv2.resize(shares, (size,) * 2, interpolation=cv2.INTER_LINEAR)
    skin, hair, clothes = large.transpose(2, 0, 1) * (1 - back)
    return np.ascontiguousarray(np.stack([skin, hair, back, clothes]), np.float32)


def _backdrop(rgb: Array, oval: NDArray[np.float64]) -> Array:
    """The background (S, S): what is not a person, nor in the face's outline."""
    size = rgb.shape[0]
    person: Any = people(Image.fromarray((rgb * 255).round().astype(np.uint8)))
    person = cv2.resize(person, (size,) * 2, interpolation=cv2.INTER_AREA if size < SIDE else cv2.INTER_LINEAR)
    face = np.zeros((size, size), np.uint8)
    cv2.fillPoly(face, [np.round(oval * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return np.asarray(1 - np.maximum(person, face.astype(np.float32) / 255))
