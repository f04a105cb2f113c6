"""What covers a face is no place for the lips and eyes that a style paints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from clips import write_clip
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from stylize.faces.cover import EYES, MOUTH, Cover, cover, hidden_shares, similarity, uncovered
from stylize.images import read_photo
from stylize.look import Look
from stylize.pipeline import Stylizer
from stylize.places import EXAMPLES
from stylize.video import restyle as video
from stylize.video.files import VideoFile
from stylize.video.restyle import restyle, restyle_live, steady_shares

Points = NDArray[np.float64]


@pytest.fixture(scope="module")
def mini() -> Stylizer:
    return Stylizer.load("mini", "cpu")


def masked(photo: Image.Image, points: Points) -> Image.Image:
    """A surgical mask over nose, mouth and chin."""
    photo = photo.copy()
    outline = [tuple(points[i]) for i in range(2, 15)] + [tuple(points[28])]
    ImageDraw.Draw(photo).polygon(outline, fill=(150, 190, 215))
    return photo


def behind_a_microphone(photo: Image.Image, points: Points) -> Image.Image:
    photo = photo.copy()
    middle, r = points[48:68].mean(0), 0.62 * (points[54, 0] - points[48, 0])
    draw = ImageDraw.Draw(photo)
    draw.ellipse([*(middle - r), *(middle + r)], fill=(35, 35, 40))
    x, y = middle
    draw.rectangle((x - r / 3, y + r / 2, x + r / 3, y + 6 * r), fill=(45, 45, 45))
    return photo


def behind_a_hand(photo: Image.Image, points: Points) -> Image.Image:
    photo = photo.copy()
    wide, cheek = points[54, 0] - points[48, 0], (0.4 * points[2] + 0.6 * points[31]).astype(int)
    skin, middle = photo.getpixel((int(cheek[0]), int(cheek[1]))), points[48:68].mean(0)
    assert isinstance(skin, tuple)
    draw = ImageDraw.Draw(photo)
    for finger in range(4):
        top = middle[1] + (0.34 * finger - 0.68) * wide
        box = [middle[0] - wide, top, middle[0] + 1.7 * wide, top + 0.34 * wide]
        dark = tuple(int(0.75 * level) for level in skin)
        draw.rounded_rectangle(box, radius=0.17 * wide, fill=skin, outline=dark, width=max(1, int(wide / 20)))
    return photo


def in_dark_glasses(photo: Image.Image, points: Points) -> Image.Image:
    photo = photo.copy()
    wide = points[45, 0] - points[36, 0]
    for x, y in (points[36:42].mean(0), points[42:48].mean(0)):
        glass = (x - 0.3 * wide, y - 0.2 * wide, x + 0.3 * wide, y + 0.27 * wide)
        ImageDraw.Draw(photo).ellipse(glass, fill=(20, 20, 22))
    return photo


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_bare_face_is_seen_whole(mini: Stylizer, path: object) -> None:
    assert [face.cover for face in mini.faces(read_photo(str(path)))] == [None]


@pytest.mark.parametrize("lay", [masked, behind_a_microphone, behind_a_hand])
@pytest.mark.parametrize("style", ["joker", "vampire"])
def test_no_mouth_is_painted_on_what_covers_it(mini: Stylizer, astronaut: Image.Image, lay: object, style: str) -> None:
    (found,) = mini.find(astronaut)[0]
    assert callable(lay)
    (face,) = mini.faces(lay(astronaut, found.landmarks), [found])
    assert face.cover is not None
    points = found.points * face.crop.width

    def redness(picture: Image.Image) -> float:
        """Of the lips' place, above that of the cover beside it."""
        values = np.asarray(picture).astype(float)
        red = values[..., 0] - values[..., 1:].mean(2)
        lips, low = points[48:60], points[57, 1]
        left, top, right = (int(v) for v in (lips[:, 0].min(), points[51, 1], lips[:, 0].max()))
        beside = int(low + 0.4 * (low - top))
        return float(red[top : int(low), left:right].mean() - red[beside : beside + 6, left:right].mean())

    own = redness(face.crop)
    domain = mini.domain(style)
    with_ghost, without = (redness(mini.render(one, domain)) for one in (replace(face, cover=None), face))
    assert with_ghost - own > 8
    assert without - own < 0.4 * (with_ghost - own)


def test_no_eyes_are_painted_on_dark_glasses(mini: Stylizer, astronaut: Image.Image) -> None:
    (found,) = mini.find(astronaut)[0]
    (face,) = mini.faces(in_dark_glasses(astronaut, found.landmarks), [found])
    eye = found.points[36:42] * face.crop.width
    left, top, right, bottom = (int(v) for v in (*eye.min(0), *eye.max(0)))
    domain = mini.domain("zombie")
    with_ghost, without = (
        float(np.asarray(mini.render(one, domain).convert("L"))[top:bottom, left:right].std())
        for one in (replace(face, cover=None), face)
    )
    assert without < 0.5 * with_ghost


def test_where_nothing_is_hidden_the_picture_is_the_styles_own() -> None:
    """And where something is, the change of the rest takes the place of what is painted on it."""
    rng = torch.Generator().manual_seed(0)
    source = torch.nn.functional.interpolate(torch.randn(1, 3, 8, 8, generator=rng) * 0.3, size=64, mode="bicubic")
    change = torch.tensor([[0.5, 0.2, 0.0], [0.1, 0.4, 0.1], [0.0, 0.3, 0.6]])
    truth = torch.einsum("oi,nihw->nohw", change, source) + 0.1
    target = truth.clone()
    target[..., 24:40, 20:44] = torch.tensor([0.9, -0.9, -0.9]).view(3, 1, 1)
    hidden = torch.zeros(1, 1, 64, 64)
    hidden[..., 20:44, 16:48] = 1
    result = uncovered(source, target, Cover(hidden, (1 - hidden).clamp_min(1e-6)))
    outside = (hidden == 0).expand_as(result)
    assert torch.equal(result[outside], target[outside])
    assert (result - truth).abs().mean() < 0.05 * (target - truth).abs().mean()
    assert torch.equal(uncovered(source, target, Cover(0 * hidden, torch.ones_like(hidden))), target)


def test_likeness_is_that_of_light_and_colour() -> None:
    picture = np.random.default_rng(0).uniform(0, 255, (64, 64, 3)).astype(np.float32)
    points = np.full((68, 2), 0.5)
    for part in (MOUTH, *EYES):
        points[part[0]] += np.linspace(-0.15, 0.15, part[0].stop - part[0].start)[:, None] * [1, 0.3]
        assert similarity(picture, picture, points, part) == pytest.approx(1, abs=1e-3)
        assert similarity(picture, picture + 60, points, part) == pytest.approx(0, abs=1e-3)
        assert similarity(picture, 255 - picture, points, part) < -0.9
        assert similarity(picture, 255 - picture, points + 0.5, part) == 1  # outside of the frame nobody knows
    tensor = torch.from_numpy(picture / 127.5 - 1).permute(2, 0, 1)[None]
    assert hidden_shares(tensor, tensor, points).tolist() == [0, 0]
    assert hidden_shares(tensor, -tensor, points).tolist() == [1, 1]
    assert cover(np.zeros(2, np.float32), points, 64) is None
    found = cover(np.array([1, 0], np.float32), points, 64)
    assert found is not None
    assert found.hidden.shape == found.beside.shape == (1, 1, 64, 64)


def test_no_eyes_are_painted_on_dark_glasses_in_a_film_or_before_a_camera(
    mini: Stylizer, astronaut: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (found,) = mini.find(astronaut)[0]
    photo, look = in_dark_glasses(astronaut, found.landmarks), Look(mini.domain("zombie"))
    source = write_clip(tmp_path / "in.mp4", [np.asarray(photo)] * 6)
    eye = found.landmarks[36:42]
    left, top, right, bottom = (int(v) for v in (*eye.min(0), *eye.max(0)))

    def contrasts() -> NDArray[np.float64]:
        *_, last = restyle(mini, VideoFile.open(source), look, tmp_path / "out.mp4")
        assert last.picture is not None
        shown, _ = restyle_live(mini, photo, look, [])
        return np.array([np.asarray(one).mean(2)[top:bottom, left:right].std() for one in (last.picture, shown)])

    without = contrasts()
    monkeypatch.setattr(video, "cover", lambda *_: None)
    assert (without < 0.6 * contrasts()).all()


def test_what_is_hidden_for_a_moment_in_a_film_is_not_hidden() -> None:
    shares = np.zeros((9, 2), np.float32)
    shares[4, 0] = 1
    shares[3:, 1] = 1
    assert steady_shares(shares)[:, 0].tolist() == [0] * 9
    assert steady_shares(shares)[:, 1].tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 1]
