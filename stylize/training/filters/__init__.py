"""Style filters: ground truth of stylisation for any aligned face, for training and evaluation.

Every filter has its own coarse look (tones, colours, contrast, and different colours for skin, hair and background),
which survives blurring; strokes come on top. Lengths are in pixels of a 128 px picture and scale with the size.
Elements that do not follow the face (tiles, dots, threads, grain) are at the same place in every picture; the seed
shifts them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from stylize.errors import StylizeError
from stylize.faces.parts import Array, clip, grey
from stylize.images import to_image, to_tensor
from stylize.prompts.vocabulary import PHOTO, STYLE_WORDS
from stylize.training.filters import drawn, light, materials, painted, people, photographic, printed, tiled  # noqa: F401
from stylize.training.filters.face import AnalysedFace
from stylize.training.filters.register import FILTERS, Filter
from stylize.training.filters.tools import TINTS, Colour, lerp, ramp


@dataclass(frozen=True)
class StyleFilter:
    """A style: its words and its filter."""

    name: str
    phrases: tuple[str, ...]
    held_out_phrases: tuple[str, ...]
    filter: Filter


STYLE_FILTERS: dict[str, StyleFilter] = {
    name: StyleFilter(name, words.phrases, words.held_out, FILTERS[name]) for name, words in STYLE_WORDS.items()
}


def tint(rgb: Array, colour: Colour) -> Array:
    """A picture in shades of one colour, with a trace of its own hues."""
    tone = grey(clip(rgb))
    dark: Colour = (colour[0] * 0.14, colour[1] * 0.14, colour[2] * 0.14)
    bright: Colour = (colour[0] * 0.3 + 0.7, colour[1] * 0.3 + 0.7, colour[2] * 0.3 + 0.7)
    return lerp(rgb, ramp(tone, dark, colour, bright), 0.88)


def tinted(picture: NDArray[np.uint8], colour: str) -> NDArray[np.uint8]:
    """A picture (H, W, 3) in shades of a colour of TINTS."""
    return np.asarray(clip(tint(picture.astype(np.float32) / 255, TINTS[colour])) * 255 + 0.5).astype(np.uint8)


def stylise(
    image: NDArray[np.uint8],
    style: str,
    *,
    colour: str | None = None,
    strength: float = 1.0,
    seed: int = 0,
    landmarks: NDArray[np.float64] | None = None,
) -> NDArray[np.uint8]:
    """The ground truth of a style for an aligned face.

    image: (S, S, 3) uint8 RGB in the FFHQ frame, S from 32. style: a name of STYLE_FILTERS, or "photo" for none.
    colour: a name of TINTS, applied to the style's result. strength: 0 the photo itself .. 1 the style. seed varies
    grain and tiles. landmarks: dlib's (68, 2) in pixels of this image; without them an average face is assumed.
    Returns uint8 of the same shape; the same arguments give the same bytes. Raises StylizeError.
    """
    if image.ndim != 3 or image.shape[0] != image.shape[1] or image.shape[2] != 3 or image.dtype != np.uint8:
        raise StylizeError("Style filters take a square uint8 RGB picture, not {} {}.", image.dtype, image.shape)
    if image.shape[0] < 32:
        raise StylizeError("Style filters need at least 32 px, not {}; enlarge the picture first.", image.shape[0])
    if style != PHOTO and style not in STYLE_FILTERS:
        raise StylizeError("There is no style {!r}; take one of {}.", style, ", ".join(STYLE_FILTERS))
    if colour is not None and colour not in TINTS:
        raise StylizeError("There is no colour {!r}; take one of {}.", colour, ", ".join(TINTS))
    if landmarks is not None and np.shape(landmarks) != (68, 2):
        raise StylizeError("Landmarks of shape {} do not fit; give dlib's 68 points as (68, 2).", np.shape(landmarks))
    if not 0 <= strength <= 1:
        raise StylizeError("The strength is {}; give a number from 0 to 1.", strength)
    return draw(AnalysedFace(image, landmarks, seed), style, colour, strength)


def draw(face: AnalysedFace, style: str, colour: str | None = None, strength: float = 1.0) -> NDArray[np.uint8]:
    """``stylise`` without checking names; several styles of one face share its masks, which is cheaper."""
    out = face.rgb if style == PHOTO else clip(STYLE_FILTERS[style].filter(face)).astype(np.float32)
    if colour is not None:
        out = tint(out, TINTS[colour])
    if strength < 1:
        out = lerp(face.rgb, out, strength)
    return np.asarray(clip(out) * 255 + 0.5).astype(np.uint8)


def truth(pictures: Tensor, style: str, colour: str | None = None, strength: float = 1.0, seed: int = 0) -> Tensor:
    """``stylise`` on tensors: (N, 3, R, R) in [-1, 1] -> the same."""
    images = (np.asarray(to_image(picture)) for picture in pictures)
    made = (stylise(image, style, colour=colour, strength=strength, seed=seed) for image in images)
    return torch.cat([to_tensor(Image.fromarray(image)) for image in made])
