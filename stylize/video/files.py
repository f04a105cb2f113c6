"""Reads videos and animated pictures frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type
from numpy.typing import NDArray
from PIL import Image

from stylize.errors import VideoError
from stylize.images import picture_kind, to_rgb
from stylize.video.hdr import TRANSFERS, to_ordinary

Frame = NDArray[np.uint8]  # (height, width, 3), RGB


@dataclass(frozen=True)
class Limits:
    """Limits of the output: ``seconds`` at most; a larger ``side`` (px, the longest) or ``fps`` is reduced."""

    seconds: float
    side: int
    fps: float


LIMITS = {".mp4": Limits(60, 1280, 30), ".gif": Limits(20, 480, 25), ".webp": Limits(20, 640, 25)}
ANIMATED = ("GIF", "WEBP", "PNG")  # Pillow's names of the formats that may be animated
MAX_PIXELS = 4096 * 2304  # of an input frame
MIN_SIDE = 16  # px
SIGNATURE_BYTES = 16  # enough to recognise a file format
MIN_DELAY = 0.02  # seconds: browsers ignore shorter delays in animations, ...
USUAL_DELAY = 0.1  # ... and use this instead
HD = 720  # px: from here on, colours are BT.709 unless the video says otherwise
BT2020 = 9  # in the numbering of ITU-T H.273
UNSPECIFIED = 2


def is_moving(path: Path) -> bool:
    """Whether a file is a video or an animation rather than a still picture, by its content."""
    kind = _picture_kind(path)
    try:
        if kind is not None:
            with _open_picture(path, kind) as image:
                return kind in ANIMATED and getattr(image, "n_frames", 1) > 1
        with _open_video(path) as file:
            return _picture_stream(file) is not None
    except Exception:  # on damaged files decoders raise almost any exception
        return False


def _picture_kind(path: Path) -> str | None:
    """Pillow's name of the picture format; None if it is not a picture."""
    try:
        with path.open("rb") as file:
            return picture_kind(file.read(SIGNATURE_BYTES))
    except OSError:
        return None


def _open_picture(path: Path, kind: str) -> Image.Image:
    return Image.open(path, formats=[kind])


@dataclass(frozen=True)
class VideoFile:
    """An open video or animation: its frames can be read repeatedly, and are never all in memory.

    ``size`` and ``fps`` are those of ``frames``, ``own_size`` and ``own_fps`` the file's; ``count`` is the number of
    frames, exact or nearly so; ``seconds`` is the time from the first frame to the last, and ``start`` the file's time
    of the first.
    """

    path: Path
    size: tuple[int, int]
    own_size: tuple[int, int]
    fps: float
    own_fps: float
    start: float
    seconds: float
    count: int
    animated: str  # which of ANIMATED; empty for a video
    hdr: str  # which of TRANSFERS the file has, "HLG" or "PQ", to be tone-mapped to BT.709; else empty
    limits: Limits

    @classmethod
    def open(cls, path: str | Path, limits: Limits = LIMITS[".mp4"]) -> VideoFile:
        """Raises VideoError if the file is no video or animation, too long, too large or cut off."""
        path = Path(path)
        if not path.is_file():
            raise VideoError("There is no file {}; check the path.", path)
        animated = _picture_kind(path)
        size, times, hdr = (*_read_animated(path, animated), "") if animated else _read_video(path)
        if not times:
            raise VideoError("{} has no frames; use another file.", path.name)
        _check_size(path, size)
        seconds = times[-1] - times[0]
        if seconds > limits.seconds:
            raise VideoError(
                "{} lasts {:.0f} s; use one of at most {:g} s, or cut it.", path.name, seconds, limits.seconds
            )
        own_fps = (len(times) - 1) / seconds if seconds else limits.fps
        kept = list(_thinned(times, limits.fps))
        scale = min(1.0, limits.side / max(size))
        width, height = (max(2, round(side * scale / 2) * 2) for side in size)  # H.264 subsamples colours by two
        fps = (len(kept) - 1) / (kept[-1] - kept[0]) if len(kept) > 1 else own_fps
        small = (width, height)
        return cls(path, small, size, fps, own_fps, times[0], seconds, len(kept), animated or "", hdr, limits)

    @property
    def reduced(self) -> bool:
        """Whether frames are given at a smaller size or lower rate than the file's."""
        return max(self.size) < max(self.own_size) - 1 or self.fps < 0.95 * self.own_fps

    def frames(self) -> Iterator[tuple[float, Frame]]:
        """(seconds from the first frame, frame), upright, at ``size`` and at most ``fps``. Raises VideoError."""
        source = self._animated_frames() if self.animated else self._video_frames()
        due = -1.0
        for time, read in source:
            if time < due:
                continue
            due = time + 0.9 / self.limits.fps
            with _sentences(self.path):
                frame = read()
            yield time, frame

    def _animated_frames(self) -> Iterator[tuple[float, Any]]:
        with _sentences(self.path), _open_picture(self.path, self.animated) as image:
            time = 0.0
            for index in range(getattr(image, "n_frames", 1)):
                image.seek(index)
                image.load()
                yield time, lambda: np.asarray(to_rgb(image).resize(self.size, Image.Resampling.LANCZOS))
                time += _delay(image)

    def _video_frames(self) -> Iterator[tuple[float, Any]]:
        with _sentences(self.path), open_container(self.path) as file:
            stream = _picture_stream(file)
            assert stream is not None  # was checked when the file was opened
            stream.thread_type = "AUTO"
            last = -1.0
            for number, frame in enumerate(file.decode(stream)):
                time = number / self.own_fps if frame.time is None else frame.time - self.start
                if time > last:  # some files repeat timestamps
                    last = time
                    yield time, lambda frame=frame: _upright(frame, self.size, self.hdr)


def _upright(frame: Any, size: tuple[int, int], hdr: str) -> Frame:
    turn = Turn.of(frame)
    width, height = size[::-1] if turn.transposed else size
    unspecified = frame.colorspace == UNSPECIFIED and min(frame.width, frame.height) >= HD
    kind, colours = ("rgb48le", BT2020) if hdr else ("rgb24", "itu709" if unspecified else None)
    rgb = frame.reformat(width, height, kind, src_colorspace=colours, interpolation="AREA").to_ndarray()
    return turn.apply(to_ordinary(rgb, hdr) if hdr else rgb)


@dataclass(frozen=True)
class Turn:
    """How the frames of a video are shown: transposed, then mirrored left to right, then top to bottom."""

    transposed: bool = False
    mirrored: bool = False
    flipped: bool = False

    @classmethod
    def of(cls, frame: Any) -> Turn:
        """From the display matrix that a phone writes, rounded to quarter turns."""
        matrix = frame.side_data.get(Type.DISPLAYMATRIX)
        if matrix is None:
            return cls()
        a, b, _, c, d, *_ = np.frombuffer(bytes(matrix), np.int32).tolist()  # x' = a x + c y, y' = b x + d y
        transposed = abs(b) + abs(c) > abs(a) + abs(d)
        return cls(transposed, (c if transposed else a) < 0, (b if transposed else d) < 0)

    def apply(self, rgb: Frame) -> Frame:
        rgb = rgb.transpose(1, 0, 2) if self.transposed else rgb
        return np.ascontiguousarray(rgb[:: -1 if self.flipped else 1, :: -1 if self.mirrored else 1])


def _check_size(path: Path, size: tuple[int, int]) -> None:
    if min(size) < MIN_SIDE or size[0] * size[1] > MAX_PIXELS:
        raise VideoError(
            "{} has {}x{} pixels; use one with sides of at least {} px and at most {} megapixels.",
            path.name,
            size[0],
            size[1],
            MIN_SIDE,
            MAX_PIXELS // 10**6,
        )


def _thinned(times: list[float], fps: float) -> Iterator[float]:
    """The times of the frames kept at ``fps`` at most."""
    due = -np.inf
    for time in times:
        if time >= due:
            due = time + 0.9 / fps
            yield time


def _delay(image: Image.Image) -> float:
    seconds = float(image.info.get("duration") or 0) / 1000
    return seconds if seconds >= MIN_DELAY else USUAL_DELAY


def _read_animated(path: Path, kind: str) -> tuple[tuple[int, int], list[float]]:
    """(size, times of the frames) of an animated picture. Raises VideoError."""
    with _sentences(path), _open_picture(path, kind) as image:
        frames = getattr(image, "n_frames", 1)
        if kind not in ANIMATED or frames < 2:
            raise VideoError("{} is a still picture; use a video or an animated picture.", path.name)
        _check_size(path, image.size)
        times = [0.0]
        for index in range(frames):
            image.seek(index)
            image.load()
            times.append(times[-1] + _delay(image))
        return image.size, times[:-1]


def _read_video(path: Path) -> tuple[tuple[int, int], list[float], str]:
    """(upright size, times of the frames, one of TRANSFERS or ""), from packets and the first frame. Raises
    VideoError."""
    try:
        file = _open_video(path)
    except Exception:  # on damaged files decoders raise almost any exception
        raise VideoError(
            "{} is not a readable video, or is incomplete; use MP4, MOV, WebM, GIF or WebP.", path.name
        ) from None
    with file, _sentences(path):
        stream = _picture_stream(file)
        if stream is None:
            raise VideoError("{} has no picture, only other streams; use a video.", path.name)
        packets = [packet for packet in file.demux(stream) if packet.size]
        if len(packets) < 0.9 * stream.frames:  # the index lists more frames
            raise VideoError(
                "{} is incomplete: only {} of its {} frames are there; save it again.",
                path.name,
                len(packets),
                stream.frames,
            )
        stamps = [(packet.dts if packet.pts is None else packet.pts, packet.time_base) for packet in packets]
        times = sorted(float(stamp * base) for stamp, base in stamps if stamp is not None)
        file.seek(0)
        frame = next(file.decode(stream), None)
        if frame is None:
            return (0, 0), [], ""
        width = round(frame.width * (stream.sample_aspect_ratio or 1))  # some videos have non-square pixels
        size = (width, frame.height)
        hdr = TRANSFERS.get(stream.codec_context.color_trc, "")
        return size[::-1] if Turn.of(frame).transposed else size, times, hdr


def _open_video(path: Path) -> Any:
    """Opens the file. Raises OSError for a still picture, which the library takes for a video of one frame."""
    file = open_container(path)
    if file.format.name == "image2" or file.format.name.endswith("_pipe"):
        file.close()
        raise OSError(f"{path.name} is a still picture")
    return file


def open_container(path: Path) -> Any:
    return av.open(str(path), metadata_errors="replace")  # old cameras write metadata in any encoding


def _picture_stream(file: Any) -> Any | None:
    """The first video stream that is not cover art."""
    streams = file.streams.video
    return next((s for s in streams if not s.disposition & av.stream.Disposition.attached_pic), None)


@contextmanager
def _sentences(path: Path) -> Iterator[None]:
    """Turns any exception raised inside it into a VideoError."""
    try:
        yield
    except VideoError:
        raise
    except Exception:  # on damaged files decoders raise almost any exception
        raise VideoError("{} is damaged or incomplete; save it again, or use another file.", path.name) from None


# --- writing ------------------------------------------------------------------------------------------
