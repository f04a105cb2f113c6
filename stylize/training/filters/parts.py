"""Segments an aligned face into skin, hair, background and clothes."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stylize.faces.segment import SIDE, people
from stylize.training.filters.tools import Array

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
    skin, hair, clothes = cv2.resize(shares, (size,) * 2, interpolation=cv2.INTER_LINEAR).transpose(2, 0, 1) * (1 - back)
    return np.ascontiguousarray(np.stack([skin, hair, back, clothes]), np.float32)


def _backdrop(rgb: Array, oval: NDArray[np.float64]) -> Array:
    """The background (S, S): what is not a person, nor in the face's outline."""
    size = rgb.shape[0]
    person = people(Image.fromarray((rgb * 255).round().astype(np.uint8)))
    person = cv2.resize(person, (size,) * 2, interpolation=cv2.INTER_AREA if size < SIDE else cv2.INTER_LINEAR)
    face = np.zeros((size, size), np.uint8)
    cv2.fillPoly(face, [np.round(oval * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return np.asarray(1 - np.maximum(person, face.astype(np.float32) / 255))
