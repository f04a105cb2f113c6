"""Moving pictures in a style, on a tiny model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from clips import moved, read_clip, still, tone_of, write_clip
from numpy.typing import NDArray
from PIL import Image
from tiny import load_tiny_model_with_style

from stylize.errors import NoFaceError, StylizeError
from stylize.look import Look
from stylize.models.code import Code
from stylize.pipeline import Stylizer
from stylize.video import restyle as video
from stylize.video.files import LIMITS, VideoFile
from stylize.video.restyle import Change, LiveFace, RestyleProgress, lay, restyle, restyle_live, steady_keys


@pytest.fixture(scope="module")
def stylizer(tmp_path_factory: pytest.TempPathFactory) -> Stylizer:
    return load_tiny_model_with_style(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def look(stylizer: Stylizer) -> Look:
    return Look(stylizer.domain("pencil sketch"), detail=1.0)


@pytest.fixture(scope="module")
def face(astronaut: Image.Image) -> Image.Image:
    return astronaut.crop((100, 0, 380, 280))


def draw(stylizer: Stylizer, source: Path, look: Look, out: Path) -> list[RestyleProgress]:
    return list(restyle(stylizer, VideoFile.open(source, LIMITS[out.suffix]), look, out))


def flicker(frames: list[NDArray[np.uint8]]) -> float:
    """Mean absolute difference from frame to frame, of 255, in the middle of the picture."""
    middle = np.stack(frames)[:, 60:180, 60:180].astype(float)
    return float(np.abs(np.diff(middle, axis=0)).mean())


def test_a_clip_is_restyled_with_its_sound(stylizer: Stylizer, look: Look, face: Image.Image, tmp_path: Path) -> None:
    frames = moved(face, 10, lambda frame: (3 * frame, 30))
    source = write_clip(tmp_path / "in.mp4", frames, "aac")
    reports = draw(stylizer, source, look, tmp_path / "out.mp4")
    assert [report.stage for report in reports[::10]] == ["faces", "encode", "draw"]
    done = [report.done for report in reports]
    assert done == sorted(done)
    assert done[-1] == pytest.approx(1)
    pictures = [report.picture for report in reports if report.picture is not None]
    originals = [frame for _, frame in VideoFile.open(source).frames()]
    for number, (before, after) in enumerate(zip(originals, pictures, strict=True)):
        x = 3 * number + 90
        assert np.abs(after[90:150, x - 30 : x + 30].astype(int) - before[90:150, x - 30 : x + 30]).mean() > 3
        assert np.array_equal(after[-20:], before[-20:])
    assert len(read_clip(tmp_path / "out.mp4")) == 10
    assert tone_of(tmp_path / "out.mp4") == pytest.approx(440, abs=3)


def test_a_still_clip_does_not_flicker(stylizer: Stylizer, look: Look, face: Image.Image, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", still(face, 10))
    reports = draw(stylizer, source, look, tmp_path / "out.mp4")
    assert flicker([report.picture for report in reports if report.picture is not None]) < 0.5


def test_smoothing_takes_flicker_away(
    stylizer: Stylizer, look: Look, face: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_clip(tmp_path / "in.mp4", still(face, 6, noise=12))

    def measured() -> float:
        blurred = [
            np.asarray(Image.fromarray(report.picture).reduce(4).resize((240, 240)))
            for report in draw(stylizer, source, look, tmp_path / "out.mp4")
            if report.picture is not None
        ]
        return flicker(blurred)

    smooth = measured()
    monkeypatch.setattr(video, "KEY_EVERY", 1)
    monkeypatch.setattr(video, "steady", lambda track, fps: track)
    monkeypatch.setattr(video, "steady_keys", lambda code, heads, at, deviation: (code, heads))
    assert smooth < 0.8 * measured()


def test_codes_are_steadied_but_not_across_a_change() -> None:
    noise = 0.1 * torch.randn(40, 3, 8, generator=torch.Generator().manual_seed(0))
    ws = noise.clone()
    ws[20:] += 5
    heads = np.repeat(np.arange(40, dtype=np.uint8)[:, None, None], 4, 1)
    parts = torch.arange(40.0).view(-1, 1, 1, 1).expand(-1, 4, 2, 2)
    steadied, smooth_heads = steady_keys(Code(ws, parts=parts), heads, range(0, 160, 4), deviation=8)
    smooth = steadied.ws
    assert (smooth[19] - smooth[18]).abs().mean() < 0.5 * (noise[19] - noise[18]).abs().mean()
    assert smooth[19].mean() < 0.2
    assert smooth[20].mean() > 4.8
    assert smooth_heads[10].mean() == pytest.approx(10, abs=1)
    assert steadied.parts is not None
    torch.testing.assert_close(steadied.parts[10], parts[10], atol=0.1, rtol=0)  # a steady change is kept
    assert steadied.parts[0].mean() > 0.5
    assert torch.equal(steady_keys(Code(ws[:1]), heads[:1], [0], 8)[0].ws, ws[:1])


def test_every_setting_reaches_the_picture(stylizer: Stylizer, look: Look, face: Image.Image) -> None:
    frame = np.asarray(face.resize((200, 200)))
    quad = np.array([[20, 20], [20, 180], [180, 180], [180, 20]], float)
    change = Change(*(np.zeros(shape, np.float32) for shape in ((15, 8, 8), (3, 32, 32), (160, 160))))
    change.maps[9:12] = 0.5
    change.head[:] = 1

    def middle(look: Look, weight: float = 1.0) -> float:
        picture = frame.copy()
        lay(picture, quad, change, look, weight)
        return float(picture[90:110, 90:110].mean())

    before = float(frame[90:110, 90:110].mean())
    assert middle(replace(look, detail=1.0)) == pytest.approx(191, abs=1)
    assert middle(replace(look, detail=0.0)) == pytest.approx(128, abs=1)
    assert middle(look, 0.0) == pytest.approx(before, abs=0.5)
    assert middle(look, 0.5) == pytest.approx((before + 191) / 2, abs=2)
    change.head[:] = 0
    assert middle(look) == before
    assert middle(replace(look, background=True)) == pytest.approx(191, abs=1)
    outside = frame.copy()
    lay(outside, quad + 500, change, look)
    assert np.array_equal(outside, frame)


@pytest.mark.parametrize("ending", [".gif", ".webp"])
def test_an_animated_picture_stays_one(
    stylizer: Stylizer, look: Look, face: Image.Image, tmp_path: Path, ending: str
) -> None:
    first, *rest = (Image.fromarray(frame) for frame in still(face, 4))
    rest = [picture.rotate(number) for number, picture in enumerate(rest)]  # equal frames are written once
    first.save(tmp_path / f"in{ending}", save_all=True, append_images=rest, duration=100)
    draw(stylizer, tmp_path / f"in{ending}", look, tmp_path / f"out{ending}")
    with Image.open(tmp_path / f"out{ending}") as image:
        frames = image.n_frames  # type: ignore[attr-defined]
    assert frames == VideoFile.open(tmp_path / f"in{ending}").count


def test_no_face_wrong_settings_and_stopping_leave_no_file(
    stylizer: Stylizer, look: Look, face: Image.Image, tmp_path: Path
) -> None:
    out = tmp_path / "out.mp4"
    grey = write_clip(tmp_path / "grey.mp4", [np.full((120, 160, 3), 90, np.uint8)] * 3)
    with pytest.raises(NoFaceError, match=r"No face found in grey\.mp4; use"):
        draw(stylizer, grey, look, out)
    source = write_clip(tmp_path / "in.mp4", still(face, 3))
    with pytest.raises(StylizeError, match="strength is 9"):
        draw(stylizer, source, replace(look, strength=9), out)
    work = restyle(stylizer, VideoFile.open(source), look, out)
    while next(work).stage != "draw":
        pass
    work.close()  # type: ignore[attr-defined]
    assert not out.exists()


def test_a_camera_is_steadied_from_frame_to_frame(stylizer: Stylizer, look: Look, face: Image.Image) -> None:
    shown: list[np.ndarray] = []
    seen: list[LiveFace] = []
    for frame in still(face, 3, noise=12):
        picture, seen = restyle_live(stylizer, Image.fromarray(frame), look, seen)
        shown.append(np.asarray(Image.fromarray(np.asarray(picture)).reduce(4).resize((240, 240))))
    alone = [
        np.asarray(restyle_live(stylizer, Image.fromarray(frame), look, ())[0].reduce(4).resize((240, 240)))
        for frame in still(face, 3, noise=12)
    ]
    assert len(seen) == 1
    assert flicker(shown) < 0.9 * flicker(alone)
    blank = Image.new("RGB", (1280, 720), "grey")
    picture, seen = restyle_live(stylizer, blank, look, seen)
    assert (max(picture.size), seen) == (640, [])
