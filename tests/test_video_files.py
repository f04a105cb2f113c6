"""Moving pictures as files."""

from __future__ import annotations

import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips import FPS, SIZE, read_clip, tone_of, write_clip
from numpy.typing import NDArray
from PIL import Image

from stylize.errors import VideoError
from stylize.video.files import LIMITS, Limits, VideoFile, is_moving
from stylize.video.writer import Writer


@pytest.fixture(scope="module")
def frames() -> list[NDArray[np.uint8]]:
    """A white bar that goes down, over a slope of colours."""
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    slope = np.stack([x, y, 255 - x], 2).clip(0, 255).astype(np.uint8)
    out = [slope.copy() for _ in range(8)]
    for number, frame in enumerate(out):
        frame[20 * number : 20 * number + 20] = 255
    return out


def copy(source: Path, out: Path) -> VideoFile:
    video = VideoFile.open(source, LIMITS[out.suffix])
    with Writer(out, video.size, video.fps, video) as writer:
        for time, frame in video.frames():
            writer.write(time, frame)
    return video


def difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    return float(np.abs(a.astype(float) - b).mean())


@pytest.mark.parametrize(
    ("ending", "codec", "sound", "kept"),
    [(".mp4", "libx264", "aac", "aac"), (".mov", "mpeg4", "pcm_s16le", "aac"), (".webm", "libvpx", "libopus", "aac"),
     (".mkv", "libx264", "libmp3lame", "mp3")],
)  # fmt: skip
def test_a_video_is_copied_with_its_sound(
    tmp_path: Path, frames: list[NDArray[np.uint8]], ending: str, codec: str, sound: str, kept: str
) -> None:
    source = write_clip(tmp_path / f"in{ending}", frames, sound, codec)
    video = copy(source, tmp_path / "out.mp4")
    assert (video.size, video.count, round(video.fps)) == (SIZE, 8, FPS)
    read = read_clip(tmp_path / "out.mp4")
    assert len(read) == 8
    assert max(difference(a, b) for a, b in zip(frames, read, strict=True)) < 6
    assert tone_of(tmp_path / "out.mp4") == pytest.approx(440, abs=3)
    with av.open(str(tmp_path / "out.mp4")) as file:
        assert file.streams.audio[0].codec_context.codec.canonical_name == kept
        seconds = [float((stream.duration or 0) * (stream.time_base or 0)) for stream in file.streams]
    assert max(seconds) - min(seconds) < 0.1


def test_sound_that_fits_is_not_encoded_again(tmp_path: Path, frames: list[NDArray[np.uint8]]) -> None:
    def packets(path: Path) -> list[bytes]:
        with av.open(str(path)) as file:
            return [bytes(packet) for packet in file.demux(audio=0) if packet.size]

    source = write_clip(tmp_path / "in.mp4", frames, "aac")
    copy(source, tmp_path / "out.mp4")
    assert packets(tmp_path / "out.mp4") == packets(source)[: len(packets(tmp_path / "out.mp4"))] != []


@pytest.mark.parametrize("ending", [".gif", ".webp"])
def test_animated_pictures_go_in_and_out(tmp_path: Path, frames: list[NDArray[np.uint8]], ending: str) -> None:
    pictures = [Image.fromarray(frame) for frame in frames]
    pictures[0].save(tmp_path / f"in{ending}", save_all=True, append_images=pictures[1:], duration=80, loop=0)
    video = copy(tmp_path / f"in{ending}", tmp_path / f"out{ending}")
    assert video.count == 8
    with Image.open(tmp_path / f"out{ending}") as image:
        assert image.n_frames == 8  # type: ignore[attr-defined]
        assert image.info["loop"] == 0
        image.seek(3)
        image.load()
        assert image.info["duration"] == 80
        assert difference(np.asarray(image.convert("RGB")), frames[3]) < 10
    copy(tmp_path / f"in{ending}", tmp_path / "out.mp4")
    assert len(read_clip(tmp_path / "out.mp4")) == 8


def test_frames_keep_their_own_times(tmp_path: Path, frames: list[NDArray[np.uint8]]) -> None:
    times = [0.0, 0.1, 0.5, 0.55, 1.3, 1.4, 1.6, 2.0]
    copy(write_clip(tmp_path / "in.mp4", frames, times=times), tmp_path / "out.mp4")
    shown = [time for time, _ in VideoFile.open(tmp_path / "out.mp4").frames()]
    np.testing.assert_allclose(shown, times, atol=0.002)


def test_a_phone_held_sideways(tmp_path: Path, frames: list[NDArray[np.uint8]]) -> None:
    source = write_clip(tmp_path / "in.mp4", [frame[:, :160] for frame in frames], turn=90)
    video = VideoFile.open(source)
    assert video.size == (240, 160)
    with av.open(str(source)) as file:
        turn = next(file.decode(video=0)).rotation
    upright = np.rot90(frames[0][:, :160], turn // 90)
    assert difference(next(video.frames())[1], upright) < 6


def test_words_in_any_alphabet_are_no_fault(tmp_path: Path, frames: list[NDArray[np.uint8]]) -> None:
    data = write_clip(tmp_path / "in.mp4", frames).read_bytes()
    assert b"Lavf" in data
    (tmp_path / "in.mp4").write_bytes(data.replace(b"Lavf", "Düsé".encode("latin-1")))
    assert is_moving(tmp_path / "in.mp4")
    assert copy(tmp_path / "in.mp4", tmp_path / "out.mp4").count == 8


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((-1, 0, 0, 1), lambda frame: frame[:, ::-1]),
        ((1, 0, 0, -1), lambda frame: frame[::-1]),
        ((-1, 0, 0, -1), lambda frame: frame[::-1, ::-1]),
        ((0, 1, 1, 0), lambda frame: frame.transpose(1, 0, 2)),
        ((0, -1, -1, 0), lambda frame: frame[::-1, ::-1].transpose(1, 0, 2)),
        ((0, 1, -1, 0), lambda frame: np.rot90(frame, -1)),
        ((0, -1, 1, 0), lambda frame: np.rot90(frame)),
    ],
)
def test_the_whole_display_matrix_is_obeyed(
    tmp_path: Path, frames: list[NDArray[np.uint8]], matrix: tuple[int, ...], shown: Any
) -> None:
    narrow = [frame[:, :160] for frame in frames]
    data = bytearray(write_clip(tmp_path / "in.mp4", narrow).read_bytes())
    place = data.index(b"tkhd") + 44
    a, b, c, d = (value * 65536 for value in matrix)
    data[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    (tmp_path / "in.mp4").write_bytes(data)
    upright = shown(narrow[2])
    video = VideoFile.open(tmp_path / "in.mp4")
    assert video.size == upright.shape[1::-1]
    assert difference(list(video.frames())[2][1], upright) < 6


def signal(light: float, transfer: int) -> float:
    """Of BT.2100 for a grey of that light, in cd/m^2."""
    if transfer == 16:
        power = (light / 10_000) ** 0.1593017578125
        return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    scene = (light / 1000) ** (1 / 1.2)
    return (3 * scene) ** 0.5 if scene <= 1 / 12 else 0.17883277 * np.log(12 * scene - 0.28466892) + 0.55991073


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_high_dynamic_range_becomes_ordinary(tmp_path: Path, transfer: int, name: str) -> None:
    lights = (0.0, 2.0, 26.0, 80.0, 203.0, 1000.0)
    levels = [round(65535 * signal(light, transfer)) for light in lights]
    frame = np.repeat(np.repeat(np.array(levels, np.uint16)[None, :, None], 40, 1), 96, 0).repeat(3, 2)
    video = VideoFile.open(write_clip(tmp_path / "in.mp4", [frame] * 3, transfer=transfer))
    assert video.hdr == name
    read = next(video.frames())[1]
    greys = [read[48, 20 + 40 * number].astype(int) for number in range(len(lights))]
    assert max(np.ptp(grey) for grey in greys) <= 3
    kept = [255 * (light / 203) ** (1 / 2.4) for light in lights[:4]]
    assert [grey[0] for grey in greys[:4]] == pytest.approx(kept, abs=4)
    assert 225 < greys[4][0] < 240
    assert greys[5][0] > 250


def test_wide_colours_become_ordinary(tmp_path: Path) -> None:
    red = np.array([0.6274, 0.0691, 0.0164]) * 100  # of BT.709, in BT.2020
    frame = np.tile(np.array([65535 * signal(light, 16) for light in red]).astype(np.uint16), (96, 96, 1))
    read = next(VideoFile.open(write_clip(tmp_path / "in.mp4", [frame] * 3, transfer=16)).frames())[1][48, 48].astype(
        int
    )
    assert read[0] == pytest.approx(255 * (100 / 203) ** (1 / 2.4), abs=5)
    assert read[1:].max() < 40


def test_ordinary_films_are_not_told_to_be_bright(tmp_path: Path, frames: list[NDArray[np.uint8]]) -> None:
    assert VideoFile.open(write_clip(tmp_path / "in.mp4", frames)).hdr == ""


def test_what_is_larger_or_faster_is_brought_down(tmp_path: Path, frames: list[NDArray[np.uint8]]) -> None:
    video = VideoFile.open(write_clip(tmp_path / "in.mp4", frames), Limits(seconds=10, side=120, fps=6))
    assert video.reduced
    read = list(video.frames())
    assert video.size == read[0][1].shape[1::-1] == (120, 120)
    assert len(read) == video.count == 4
    assert not VideoFile.open(tmp_path / "in.mp4").reduced


def test_still_or_moving(tmp_path: Path, frames: list[NDArray[np.uint8]]) -> None:
    picture = Image.fromarray(frames[0])
    picture.save(tmp_path / "still.gif")
    picture.save(tmp_path / "two.gif", save_all=True, append_images=[Image.fromarray(frames[1])])
    (tmp_path / "letter.mp4").write_text("Dear reader")
    for kind in ("heif", "avif"):
        picture.save(tmp_path / f"{kind}.mp4", format=kind)
    data = (tmp_path / "heif.mp4").read_bytes()
    (tmp_path / "damaged.heic").write_bytes(data[: 2 * len(data) // 3])
    write_clip(tmp_path / "clip.mp4", frames)
    moving = {path.name for path in tmp_path.iterdir() if is_moving(path)}
    assert moving == {"two.gif", "clip.mp4"}


def bad(folder: Path, kind: str, frames: list[NDArray[np.uint8]]) -> Path:
    path = folder / "in.mp4"
    if kind == "text":
        path.write_text("Dear reader")
    elif kind == "picture":
        Image.fromarray(frames[0]).save(path, format="png")
    elif kind == "cut off":
        data = write_clip(folder / "whole.mp4", frames, "aac").read_bytes()
        path.write_bytes(data[: len(data) // 2])
    elif kind == "cut off, contents first":
        copy(write_clip(folder / "whole.mp4", frames), folder / "fast.mp4")
        data = (folder / "fast.mp4").read_bytes()
        path.write_bytes(data[: 2 * len(data) // 3])
    elif kind == "cut off GIF":
        pictures = [Image.fromarray(frame) for frame in frames]
        pictures[0].save(folder / "whole.gif", save_all=True, append_images=pictures[1:])
        data = (folder / "whole.gif").read_bytes()
        path.write_bytes(data[: 2 * len(data) // 3])
    elif kind == "sound only":
        with av.open(str(path), "w") as file:
            stream = file.add_stream("aac", rate=44100, layout="mono")
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
            silence.sample_rate = 44100
            file.mux(stream.encode(silence))
            file.mux(stream.encode(None))
    elif kind == "no frames":
        with av.open(str(path), "w") as file:
            video = file.add_stream("libx264", rate=12)
            video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
            file.start_encoding()
    elif kind == "long":
        write_clip(path, frames[:2], times=[0, 90])
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("none", "no file"),
        ("text", "not a readable video"),
        ("picture", "still picture"),
        ("cut off", "is incomplete"),
        ("cut off, contents first", "incomplete"),
        ("cut off GIF", "incomplete"),
        ("sound only", "no picture"),
        ("no frames", "no picture|no frames"),
        ("long", "lasts 90 s; use one of at most 60 s"),
    ],
)
def test_what_cannot_be_used_gets_a_sentence(
    tmp_path: Path, frames: list[NDArray[np.uint8]], kind: str, words: str
) -> None:
    with pytest.raises(VideoError, match=words):
        list(VideoFile.open(bad(tmp_path, kind, frames)).frames())


def test_nothing_is_left_of_a_file_that_is_given_up(tmp_path: Path, frames: list[NDArray[np.uint8]]) -> None:
    video = VideoFile.open(write_clip(tmp_path / "in.mp4", frames))
    with pytest.raises(VideoError, match=r"\.mp4 or \.gif or \.webp"):
        Writer(tmp_path / "out.avi", video.size, video.fps)
    with suppress(KeyboardInterrupt), Writer(tmp_path / "out.mp4", video.size, video.fps, video) as writer:
        writer.write(0, frames[0])
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]
