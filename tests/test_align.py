"""Faces found, cut out and laid back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from stylize.errors import NoFaceError
from stylize.faces import align
from stylize.faces.align import DetectedFace, FaceFinder, crop_face, ffhq_quad
from stylize.faces.paste import edge_mask, head_mask, paste_face, paste_mask
from stylize.images import read_photo


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


@pytest.fixture(scope="module")
def face(finder: FaceFinder, astronaut: Image.Image) -> DetectedFace:
    return finder.find(astronaut)[0]


def test_the_astronaut_is_found_once(finder: FaceFinder, astronaut: Image.Image, face: DetectedFace) -> None:
    assert len(finder.find(astronaut)) == 1
    assert face.landmarks.shape == (68, 2)
    centre = face.quad.mean(0)
    assert 190 < centre[0] < 260
    assert 80 < centre[1] < 150


def test_aligned_eyes_lie_where_ffhq_has_them(finder: FaceFinder, astronaut: Image.Image, face: DetectedFace) -> None:
    again = finder.find(crop_face(astronaut, face.quad, 512))[0]
    left, right = again.landmarks[36:42].mean(0) / 2, again.landmarks[42:48].mean(0) / 2  # px of 256
    assert np.abs(left - (96, 121)).max() < 6
    assert np.abs(right - (159, 121)).max() < 6


def test_quads_turn_and_scale_with_the_landmarks(face: DetectedFace) -> None:
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    moved = face.landmarks @ turn.T * 2.5 + (300, -20)
    np.testing.assert_allclose(ffhq_quad(moved), face.quad @ turn.T * 2.5 + (300, -20), atol=1e-6)


def test_several_faces_come_largest_first(finder: FaceFinder, astronaut: Image.Image) -> None:
    photo = Image.new("RGB", (900, 520), "gray")
    photo.paste(astronaut.resize((300, 300)), (560, 100))
    photo.paste(astronaut, (0, 0))
    boxes = [found.box for found in finder.find(photo)]
    assert len(boxes) == 2
    assert boxes[0][2] - boxes[0][0] > boxes[1][2] - boxes[1][0]


def test_far_faces_are_found_beside_a_near_one(finder: FaceFinder, astronaut: Image.Image) -> None:
    photo = Image.new("RGB", (3600, 1800), "gray")
    photo.paste(astronaut.resize((1500, 1500)), (0, 0))
    for number in range(4):
        photo.paste(astronaut, (1600 + 512 * (number % 2), 900 * (number // 2)))
    found = finder.find(photo)
    assert len(found) == 5
    alone = finder.find(photo.crop((0, 0, 1500, 1500)).resize((640, 640)))[0]
    assert found[0].box[2] - found[0].box[0] == pytest.approx(2.34 * (alone.box[2] - alone.box[0]), rel=0.1)
    assert all(60 < face.box[2] - face.box[0] < 180 for face in found[1:])


def test_faces_of_a_panorama_are_found(finder: FaceFinder, astronaut: Image.Image) -> None:
    photo = Image.new("RGB", (12_000, 2000), (120, 140, 160))
    photo.paste(astronaut.resize((930, 930)), (5500, 600))
    (found,) = finder.find(photo)
    assert np.abs(found.landmarks.mean(0) - (5500 + 930 * 0.44, 600 + 930 * 0.23)).max() < 60


def test_faces_too_small_to_be_used_are_told_apart(finder: FaceFinder, astronaut: Image.Image) -> None:
    photo = Image.new("RGB", (400, 300), "gray")
    photo.paste(astronaut.resize((300, 300)), (0, 0))
    photo.paste(astronaut.resize((96, 96), Image.Resampling.LANCZOS), (302, 100))
    large, small = finder.search(photo)
    assert (len(large), len(small)) == (1, 1)
    assert small[0].box[0] > 302


@pytest.mark.parametrize("degrees", [25, -25])
def test_tilted_faces_are_found(finder: FaceFinder, astronaut: Image.Image, degrees: int) -> None:
    turned = astronaut.rotate(degrees, Image.Resampling.BICUBIC, expand=True)
    assert len(finder.find(turned)) == 1


def test_a_tilted_face_of_a_large_photo_lies_where_it_is(finder: FaceFinder, astronaut: Image.Image) -> None:
    turned = astronaut.rotate(25, Image.Resampling.BICUBIC, expand=True)
    large = turned.resize((turned.width * 7, turned.height * 7), Image.Resampling.BICUBIC)
    small, found = finder.find(turned)[0], finder.find(large)[0]
    assert np.abs(found.landmarks / 7 - small.landmarks).mean() < 3


def test_a_huge_photo_with_a_face_is_handled(finder: FaceFinder, astronaut: Image.Image) -> None:
    photo = Image.new("RGB", (6000, 4000), "white")
    photo.paste(astronaut.resize((2000, 2000)), (3000, 1500))
    found = finder.find(photo)
    assert len(found) == 1
    assert 3000 < found[0].quad.mean(0)[0] < 5000


def no_face(kind: str, astronaut: Image.Image) -> Image.Image:
    if kind == "blank":
        return Image.new("RGB", (400, 300), "white")
    if kind == "noise":
        return Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8))
    if kind == "shapes":
        photo = Image.new("RGB", (400, 300), "navy")
        ImageDraw.Draw(photo).ellipse((100, 50, 300, 250), fill="orange")
        return photo
    photo = Image.new("RGB", (400, 300), "gray")  # a face too small to say anything
    photo.paste(astronaut.resize((60, 60), Image.Resampling.LANCZOS), (100, 100))
    return photo


@pytest.mark.parametrize("kind", ["blank", "noise", "shapes", "tiny"])
def test_no_face_is_said_in_one_sentence(finder: FaceFinder, astronaut: Image.Image, kind: str) -> None:
    with pytest.raises(NoFaceError) as caught:
        finder.find(no_face(kind, astronaut))
    assert "\n" not in str(caught.value)
    assert "face" in str(caught.value)


def test_an_upside_down_face_is_noticed(finder: FaceFinder, astronaut: Image.Image) -> None:
    with pytest.raises(NoFaceError, match="upside"):
        finder.find(astronaut.rotate(180))


def test_a_pasted_crop_gives_the_photo_back(astronaut: Image.Image, face: DetectedFace) -> None:
    side = round(float(np.linalg.norm(face.quad[3] - face.quad[0])))
    back = paste_face(astronaut, crop_face(astronaut, face.quad, side), face.quad)
    difference = np.abs(np.asarray(back).astype(int) - np.asarray(astronaut))
    assert difference.mean() < 1
    assert np.percentile(difference, 99.9) < 24


def test_outside_the_mask_nothing_changes(astronaut: Image.Image, face: DetectedFace) -> None:
    red = Image.new("RGB", (256, 256), "red")
    back = np.asarray(paste_face(astronaut, red, face.quad))
    low, high = np.floor(face.quad.min(0)).astype(int), np.ceil(face.quad.max(0)).astype(int) + 1
    outside = np.ones(back.shape[:2], bool)
    outside[max(0, low[1]) : high[1], max(0, low[0]) : high[0]] = False
    assert np.array_equal(back[outside], np.asarray(astronaut)[outside])
    x, y = face.quad.mean(0).round().astype(int)
    assert tuple(back[y, x]) == (255, 0, 0)


@pytest.mark.parametrize("make", [paste_mask, edge_mask])
def test_the_mask_ends_before_the_frame_does(make: Callable[[int], np.ndarray]) -> None:
    mask = make(128)
    assert max(mask[0].max(), mask[-1].max(), mask[:, 0].max(), mask[:, -1].max()) < 0.02
    assert mask[64, 64] == 1


def test_a_head_is_told_from_what_is_behind_it(astronaut: Image.Image, face: DetectedFace) -> None:
    points = face.points
    assert abs(points[36:48, 0].mean() - 0.5) < 0.02  # the eyes are level and central in the frame
    crop = crop_face(astronaut, face.quad, 256)
    head = head_mask(crop, points)
    assert np.array_equal(head, head_mask(crop, points))
    n = len(head)
    x, y = (points[30] * n).astype(int)
    assert head[y, x] > 0.99
    assert head[:20, :20].max() < 0.1
    assert 0.4 < head.mean() < 0.75
    back = np.asarray(paste_face(astronaut, Image.new("RGB", (256, 256), "red"), face.quad, head))
    corner = (face.quad[0] + 0.12 * (face.quad[2] - face.quad[0])).round().astype(int)
    assert np.array_equal(back[corner[1], corner[0]], np.asarray(astronaut)[corner[1], corner[0]])


def test_a_plain_picture_has_a_mask_too() -> None:
    points = np.random.default_rng(0).uniform(0.3, 0.7, (68, 2))
    for points_ in (points, points * 0 + 0.5, points * 4 - 2):
        head = head_mask(Image.new("L", (64, 64), 90), points_)
        assert np.isfinite(head).all()
        assert 0 <= head.min() <= head.max() <= 1


def test_a_face_beyond_the_edge_is_pasted_inside(astronaut: Image.Image, face: DetectedFace) -> None:
    photo = astronaut.crop((150, 20, 300, 512))
    quad = face.quad - (150, 20)
    assert paste_face(photo, Image.new("RGB", (64, 64), "red"), quad).size == photo.size
    assert paste_face(photo, Image.new("RGB", (64, 64), "red"), quad + 5000) is photo


def wavy(size: tuple[int, int], number: int) -> Image.Image:
    """The picture that the golden numbers were made from."""
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    waves = np.stack([x / 37 + number, y / 29 + number, (x + y) / 53], 2)
    return Image.fromarray(np.rint(127.5 + 127.5 * np.sin(waves)).astype(np.uint8))


@pytest.mark.parametrize("number", range(5))
def test_alignment_is_the_published_one(number: int) -> None:
    with np.load(Path(__file__).parent / "golden" / "alignment.npz") as golden:
        quad = ffhq_quad(golden["landmarks"][number])
        np.testing.assert_allclose(quad, golden["quads"][number], rtol=0, atol=1e-9)
        photo = wavy(tuple(golden["image_sizes_wh"][number]), number)
        for size, step in ((256, 4), (1024, 16)):
            name = f"aligned{size}_{number}__s{step}"
            if name in golden:
                mine = np.asarray(crop_face(photo, quad, size, 1024))[::step, ::step].astype(int)
                assert np.abs(mine - golden[name]).max() <= 1, name


FACES = {"several-faces-1.jpg": 3, "several-faces-2.jpg": 6, "several-faces-3.jpg": 6}  # one of seven is too dark
NONE = {"no-person-cat.jpg", "no-person-dog.jpg", "no-person-four-dogs.jpg", "tiny-40x40.jpg", "upside-down.jpg"}


@pytest.mark.slow
def test_awkward_photos(shared: Path, finder: FaceFinder) -> None:
    for path in sorted((shared / "data" / "photos" / "tricky").iterdir()):
        if path.name in NONE:
            with pytest.raises(NoFaceError):
                finder.find(read_photo(path))
        else:
            assert len(finder.find(read_photo(path))) == FACES.get(path.name, 1), path.name


def test_every_selfie_has_one_face(shared: Path, finder: FaceFinder) -> None:
    paths = sorted((shared / "data" / "photos" / "selfies").glob("*.jpg"))[::10]
    assert [len(finder.find(read_photo(path))) for path in paths] == [1] * len(paths)


@pytest.mark.slow
def test_a_close_up_is_padded_at_the_size_that_it_is_drawn_at(monkeypatch: pytest.MonkeyPatch) -> None:
    photo, sides = wavy((3000, 2600), 0), []
    pad = align.pad_softly

    def watched(photo: Image.Image, *rest: Any) -> Image.Image:
        sides.append(max(photo.size))
        return pad(photo, *rest)

    monkeypatch.setattr(align, "pad_softly", watched)
    quad = np.array([[-300.0, -200], [-300, 2800], [2700, 2800], [2700, -200]])
    face = crop_face(photo, quad, 1024)
    monkeypatch.setattr(align, "LARGEST_PADDED", 10_000)
    published = crop_face(photo, quad, 1024)
    assert sides[0] < 1700 < sides[1]
    assert np.abs(np.asarray(face).astype(int) - np.asarray(published)).mean() < 1


def test_a_wide_blur_is_that_of_the_full_size() -> None:
    values = np.asarray(wavy((500, 400), 1)).astype(np.float32)
    for sigma in (3.0, 20.0):
        exact = gaussian_filter(values, [sigma, sigma, 0])
        assert np.abs(align._blurred(values, sigma) - exact).mean() < 1
