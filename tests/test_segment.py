"""People told from what is behind them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from stylize.faces.align import FaceFinder, crop_face
from stylize.faces.paste import head_mask
from stylize.faces.segment import SIDE, people


@pytest.fixture(scope="module")
def crop(astronaut: Image.Image) -> tuple[Image.Image, NDArray[np.float64]]:
    """(her aligned face, the landmarks in it)"""
    face = FaceFinder().find(astronaut)[0]
    return crop_face(astronaut, face.quad, SIDE), face.points


def alike(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Intersection over union."""
    return float(np.minimum(a, b).sum() / np.maximum(a, b).sum())


def test_the_network_is_the_published_one(astronaut: Image.Image) -> None:
    with np.load(Path(__file__).parent / "golden" / "segment.npz") as golden:
        picture = astronaut.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        assert np.abs(people(picture)[::4, ::4] - golden["mask"]).max() < 0.01


def test_a_dark_photo_has_the_same_head(crop: tuple[Image.Image, NDArray[np.float64]]) -> None:
    face, points = crop
    dark = face.point(lambda level: round(0.12 * level))
    assert alike(head_mask(dark, points), head_mask(face, points)) > 0.85


def test_a_wall_in_the_colour_of_the_skin_is_no_head(crop: tuple[Image.Image, NDArray[np.float64]]) -> None:
    face, points = crop
    head = head_mask(face, points)
    soft = np.asarray(Image.fromarray(head).resize((SIDE, SIDE)))[..., None]
    values = np.asarray(face).astype(float)
    nose = (points[30] * SIDE).astype(int)
    skin = values[nose[1] - 20 : nose[1] + 20, nose[0] - 20 : nose[0] + 20].mean((0, 1))
    wall = Image.fromarray(np.rint(values * soft + skin * (1 - soft)).astype(np.uint8))
    again = head_mask(wall, points)
    assert alike(again, head) > 0.85
    assert max(again[:30, :15].max(), again[:30, -15:].max()) < 0.1


def test_what_is_beside_is_left_out(crop: tuple[Image.Image, NDArray[np.float64]]) -> None:
    face, points = crop
    photo = Image.new("RGB", (SIDE, SIDE), "white")
    photo.paste(face.resize((128, 128)), (0, 128))
    photo.paste(face.resize((90, 90)), (166, 0))
    assert people(photo)[:90, 166:].mean() > 0.2
    head = head_mask(photo, points / 2 + (0, 0.5))
    n = len(head)
    assert head[3 * n // 4, n // 4] > 0.9
    assert head[: n // 3, 2 * n // 3 :].max() < 0.1


def test_each_of_two_who_touch_has_their_own_head(crop: tuple[Image.Image, NDArray[np.float64]]) -> None:
    face, points = crop
    photo = Image.new("RGB", (SIDE, SIDE), "white")
    small = face.resize((128, 128)).crop((18, 0, 110, 128))
    photo.paste(small, (36, 100))
    photo.paste(small, (128, 100))
    own, other = (points / 2 + (left / SIDE, 100 / SIDE) for left in (18, 110))
    alone, both = head_mask(photo, own, [other]), head_mask(photo, own)
    n = len(alone)
    x, y = (other.mean(0) * n).astype(int)
    assert both[y, x] > 0.9
    assert alone[y, x] < 0.05
    x, y = (own.mean(0) * n).astype(int)
    assert alone[y, x] > 0.95
