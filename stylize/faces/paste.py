"""Pastes a face back into its photo: soft masks of its frame and head, and the warp into place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stylize.faces.align import Array
from stylize.faces.segment import people

HEAD_SIDE = 160  # px of a head's mask
BORDER = 0.2  # in head sizes: the width of the transition between two heads


def paste_mask(size: int) -> NDArray[np.float32]:
    """(size, size) in [0, 1]: one over the head, falling smoothly to zero inside the frame."""
    axis = np.abs((np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1)
    return _smooth((0.98 - (axis[None] ** 3 + axis[:, None] ** 3) ** (1 / 3)) / 0.3)


def edge_mask(size: int) -> NDArray[np.float32]:
    """(size, size) in [0, 1]: one over most of the frame, for a head separated from its background. The fall is long,
    because hair and neck continue outside the frame."""
    axis = np.abs((np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1)
    return _smooth((0.98 - (axis[None] ** 4 + axis[:, None] ** 4) ** 0.25) / 0.35)


def _smooth(t: NDArray[Any]) -> NDArray[np.float32]:
    t = np.clip(t, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def head_mask(face: Image.Image, points: Array, others: Sequence[Array] = ()) -> NDArray[np.float32]:
    """(HEAD_SIDE, HEAD_SIDE) in [0, 1]: the person of an aligned face, without background and other people.

    points: (68, 2) landmarks in unit coordinates of the face's frame, which certainly enclose the person; others: those
    of other faces. Where people touch, each pixel goes to the nearer face.
    """
    n = HEAD_SIDE
    mask: Any = cv2.resize(people(face), (n, n), interpolation=cv2.INTER_AREA)
    hull = cv2.convexHull((points.clip(-1, 2) * n).astype(np.int32))
    inside: Any = cv2.fillConvexPoly(np.zeros((n, n), np.uint8), hull, 1)
    seen: Any = np.maximum(inside, mask > 0.5).astype(np.uint8)
    _, parts = cv2.connectedComponents(seen)
    own = np.isin(parts, parts[inside > 0]) & (parts > 0)
    near = cv2.dilate(own.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9)))
    mask = np.maximum(mask * near, inside)
    for other in others:
        mask *= ((_away(other, n) - _away(points, n)) / BORDER + 0.5).clip(0, 1)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), n / 128).clip(0, 1), dtype=np.float32)


def _away(points: Array, n: int) -> NDArray[np.float32]:
    """(n, n): the distance of each pixel from the centre of a head with these landmarks, in head sizes."""
    up = points[36:48].mean(0) - points[8]
    middle, high = points[8] + 0.975 * up, max(1.95 * float(np.hypot(*up)), 1e-3)
    wide = max(float(np.hypot(*(points[16] - points[0]))), high / 2)
    axis = (np.arange(n, dtype=np.float32) + 0.5) / n
    x, y = axis[None] - middle[0], axis[:, None] - middle[1]
    along, across = (x * up[0] + y * up[1]) * 1.95 / high, (x * up[1] - y * up[0]) * 1.95 / high
    return np.asarray(np.hypot(along / high, across / wide), dtype=np.float32)


def paste_face(
    photo: Image.Image, picture: Image.Image, quad: Array, head: NDArray[np.float32] | None = None
) -> Image.Image:
    """The photo with an aligned picture (square, any size) pasted into its quad through a soft mask; ``head``, (n, n)
    in [0, 1] in the same frame, restricts it to the head.

    Pixels outside the mask stay unchanged, bit for bit.
    """
    side = max(1, round(float(np.hypot(*(quad[3] - quad[0])))))
    if picture.width > side:
        picture = picture.resize((side, side), Image.Resampling.LANCZOS)
    size = picture.width
    place = Place.of(quad, photo.size)
    if place is None:
        return photo
    warped = place.warp(np.asarray(picture.convert("RGB")), cv2.INTER_CUBIC, cv2.BORDER_REPLICATE)
    soft = paste_mask(size)
    if head is not None:
        soft = edge_mask(size) * cv2.resize(head, (size, size), interpolation=cv2.INTER_LINEAR)
    mask = place.warp(soft, cv2.INTER_LINEAR)[:, :, None]
    result = np.array(photo)
    part = place.part(result)
    part[:] = np.rint(part + mask * (warped.astype(np.float32) - part)).astype(np.uint8)
    return Image.fromarray(result)


@dataclass(frozen=True)
class Place:
    """A frame's position in a photo: its bounding rectangle, clipped to the photo, from ``low`` to ``high`` (x, y), and
    the quad relative to that rectangle."""

    low: NDArray[np.int64]
    high: NDArray[np.int64]
    quad: Array

    @classmethod
    def of(cls, quad: Array, size: tuple[int, int]) -> Place | None:
        """The place of a quad; None if it is outside a photo of ``size``."""
        low = np.maximum(np.floor(quad.min(0)), 0).astype(int)
        high = np.minimum(np.ceil(quad.max(0)) + 1, size).astype(int)
        return None if (high <= low).any() else cls(low, high, quad - low)

    def part(self, photo: NDArray[Any]) -> NDArray[Any]:
        """The rectangle of a photo (height, width, ...), as a view."""
        return photo[self.low[1] : self.high[1], self.low[0] : self.high[0]]

    def warp(self, picture: NDArray[Any], way: int, border: int = cv2.BORDER_CONSTANT) -> NDArray[Any]:
        """Warps a square picture of up to four channels from the frame into the rectangle."""
        n = len(picture)
        corners = np.array([[-0.5, -0.5], [-0.5, n - 0.5], [n - 0.5, n - 0.5]], dtype=np.float32)
        matrix = cv2.getAffineTransform(corners, self.quad[:3].astype(np.float32))
        width, height = (int(v) for v in self.high - self.low)
        return np.asarray(cv2.warpAffine(picture, matrix, (width, height), flags=way, borderMode=border))
