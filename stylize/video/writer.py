"""Writes videos and animations: MP4 with sound, GIF or WebP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
from av.filter import Graph

from stylize.errors import VideoError
from stylize.video.files import LIMITS, Frame, VideoFile, open_container

BT709 = 1  # in the numbering of ITU-T H.273
COPIED = ("aac", "mp3")  # audio codecs that every player supports in an MP4
PALETTE = "stats_mode=single:reserve_transparent=0"  # one palette per frame,
DITHER = "new=1:dither=bayer:bayer_scale=3"  # with a dither pattern that stays still


class Writer:
    """Writes frames of one size (width, height; even numbers for .mp4) one by one: H.264 in .mp4, with the sound of
    ``video`` if given; or .gif or .webp, which loop.

    Raises VideoError for another suffix. Leaving the context with an error deletes the file.
    """

    def __init__(self, out: Path, size: tuple[int, int], fps: float, video: VideoFile | None = None) -> None:
        kind = out.suffix.lower()
        if kind not in LIMITS:
            raise VideoError("Cannot write {}: the name must end in {}.", out.name, " or ".join(LIMITS))
        self.out, self.size, self.fps = out, size, fps
        self._file = av.open(str(out), "w", options={"movflags": "faststart"} if kind == ".mp4" else {"loop": "0"})
        rate = Fraction(fps).limit_denominator(1000)
        self._palette: Graph | None = None
        self._sound: Iterator[Any] = iter(())
        self._waiting: Any = None  # the next packet of sound, not due yet
        if kind == ".mp4":
            self._stream = self._add("libx264", rate, "yuv420p", 90000, {"crf": "20", "preset": "veryfast"})
            context = self._stream.codec_context
            context.color_range, context.colorspace, context.color_primaries, context.color_trc = (BT709,) * 4
            if video is not None and not video.animated:
                self._sound = _sound(video, self._file)
                self._waiting = next(self._sound, None)
        elif kind == ".webp":
            self._stream = self._add("libwebp_anim", rate, "bgra", 1000, {"quality": "80"})
        else:
            self._stream = self._add("gif", rate, "pal8", 100, {})
            self._palette = _palette(size, self._stream.codec_context.time_base)

    def _add(self, codec: str, rate: Fraction, layout: str, ticks: int, options: dict[str, str]) -> Any:
        stream: Any = self._file.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height = self.size
        stream.pix_fmt = layout
        stream.codec_context.time_base = Fraction(1, ticks)
        return stream

    def __enter__(self) -> Self:
        return self

    def write(self, time: float, frame: Frame) -> None:
        """Adds a frame, shown from ``time`` (seconds) on."""
        while self._waiting is not None and self._waiting.dts * self._waiting.time_base <= time:
            self._next_sound()
        self._encode(frame, time)

    def _next_sound(self) -> None:
        self._file.mux(self._waiting)
        self._waiting = next(self._sound, None)

    def _encode(self, rgb: Frame, time: float) -> None:
        context = self._stream.codec_context
        frame: Any = av.VideoFrame.from_ndarray(rgb, format="rgb24")
        if self._palette is None:
            frame = frame.reformat(format=context.pix_fmt, dst_colorspace="itu709")
        frame.time_base = context.time_base
        frame.pts = round(time / context.time_base)
        frame.duration = round(1 / self.fps / context.time_base)
        if self._palette is not None:
            self._palette.push(frame)
            frame = self._palette.pull()
        self._file.mux(self._stream.encode(frame))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None:
            while self._waiting is not None:
                self._next_sound()
            self._file.mux(self._stream.encode(None))
            self._file.close()
            return
        with suppress(av.FFmpegError):
            self._file.close()
        self.out.unlink(missing_ok=True)


def _palette(size: tuple[int, int], time_base: Fraction) -> Graph:
    graph = Graph()
    layout = av.VideoFormat("rgb24", *size)
    source = graph.add_buffer(width=size[0], height=size[1], format=layout, time_base=time_base)
    split, maker, user = graph.add("split"), graph.add("palettegen", PALETTE), graph.add("paletteuse", DITHER)
    sink = graph.add("buffersink")
    source.link_to(split)
    split.link_to(user, 0, 0)
    split.link_to(maker, 1, 0)
    maker.link_to(user, 0, 1)
    user.link_to(sink)
    graph.configure()
    return graph


def _sound(video: VideoFile, out: Any) -> Iterator[Any]:
    """Packets of the video's sound for a stream that is added to ``out``: copied if every player supports the codec,
    else re-encoded. The sound ends with the picture, or where it is damaged."""
    with suppress(av.FFmpegError), open_container(video.path) as file:
        if not file.streams.audio:
            return
        source, end = file.streams.audio[0], video.start + video.seconds + 1 / video.fps
        if source.codec_context.codec.canonical_name not in COPIED:
            yield from _encoded(file, source, out, video.start, end)
            return
        target = out.add_stream_from_template(source)
        for packet in file.demux(source):
            if packet.dts is None:
                continue
            if packet.dts * packet.time_base > end:
                return
            shift = round(video.start / packet.time_base)
            stamp = packet.dts if packet.pts is None else packet.pts
            packet.stream, packet.pts, packet.dts = target, stamp - shift, packet.dts - shift
            yield packet


def _encoded(file: Any, source: Any, out: Any, start: float, end: float) -> Iterator[Any]:
    rate = source.rate or 48000
    layout = "mono" if source.channels == 1 else "stereo"
    target = out.add_stream("aac", rate=rate, layout=layout)
    resampler = av.AudioResampler("fltp", layout, rate)
    for frame in file.decode(source):
        if frame.time is not None and frame.time > end:
            break
        for piece in resampler.resample(frame):
            piece.pts = None if piece.pts is None else piece.pts - round(start * rate)
            yield from target.encode(piece)
    yield from target.encode(None)
