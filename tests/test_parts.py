"""The parts of a face: where skin, hair, background and clothes are."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from stylize.faces.align import DetectedFace, FaceFinder, crop_face
from stylize.faces.parts import PARTS, FaceParts


@pytest.fixture(scope="module")
def found(astronaut: Image.Image) -> DetectedFace:
    return FaceFinder().find(astronaut)[0]


@pytest.fixture(scope="module")
def crop(astronaut: Image.Image, found: DetectedFace) -> Image.Image:
    return crop_face(astronaut, found.quad, 256)


def test_an_aligned_face_is_divided_into_parts(crop: Image.Image, found: DetectedFace) -> None:
    shares = FaceParts(np.asarray(crop), found.points * 256).shares
    nose, mouth = (found.points[i] * 256 for i in (30, 62))
    chest = np.array([128, 252])
    places = {"skin": [nose, mouth], "background": [np.array([250, 30])], "clothes": [chest]}
    for name, points in places.items():
        for x, y in points:
            assert shares[PARTS.index(name), int(y), int(x)] > 0.8, name


def test_landmarks_of_an_aligned_face(crop: Image.Image, found: DetectedFace) -> None:
    assert np.abs(FaceFinder().aligned(crop) - found.points).max() < 0.03


@pytest.mark.parametrize("kind", ["black", "white", "noise", "stripes"])
@pytest.mark.parametrize("size", [64, 256])
def test_every_pixel_of_any_picture_is_shared(kind: str, size: int) -> None:
    pictures = {
        "black": np.zeros((size, size, 3)),
        "white": np.full((size, size, 3), 255),
        "noise": np.random.default_rng(0).integers(0, 256, (size, size, 3)),
        "stripes": np.broadcast_to(np.arange(size)[:, None, None] % 2 * 255, (size, size, 3)),
    }
    shares = FaceParts(pictures[kind].astype(np.uint8), None).shares
    assert shares.shape == (len(PARTS), size, size)
    assert np.isfinite(shares).all()
    assert shares.min() >= 0
    np.testing.assert_allclose(shares.sum(0), 1, atol=1e-4)
