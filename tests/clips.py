"""Clips that the tests make themselves: a picture moved over a background, with noise, a tone and a turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE = (240, 240)
FPS = 12
RATE = 44100


def still(picture: Image.Image, frames: int, noise: float = 0.0) -> list[NDArray[np.uint8]]:
    """The same picture again and again, with new noise every time."""
    values = np.asarray(picture.resize(SIZE, Image.Resampling.LANCZOS)).astype(np.float32)
    random = np.random.default_rng(0)
    noisy = (values + noise * random.normal(size=values.shape) for _ in range(frames))
    return [np.rint(frame).clip(0, 255).astype(np.uint8) for frame in noisy]


def moved(
    picture: Image.Image, frames: int, place: Callable[[int], tuple[int, int]], side: int = 180
) -> list[NDArray[np.uint8]]:
    """The picture, ``side`` px, with its corner at ``place(frame)`` over a grey slope."""
    small = picture.resize((side, side), Image.Resampling.LANCZOS)
    slope = np.linspace(90, 140, SIZE[0]).astype(np.uint8)
    out = []
    for frame in range(frames):
        canvas = Image.fromarray(np.repeat(np.tile(slope, (SIZE[1], 1))[:, :, None], 3, 2))
        canvas.paste(small, place(frame))
        out.append(np.asarray(canvas))
    return out


def write_clip(
    path: Path,
    frames: Sequence[NDArray[np.uint8] | NDArray[np.uint16]],
    sound: str = "",
    codec: str = "libx264",
    times: Sequence[float] | None = None,
    turn: int = 0,
    transfer: int = 0,
) -> Path:
    """A video of these frames at FPS, or shown at ``times``; ``sound`` is a codec; ``turn`` in degrees is written
    beside the pictures, as a phone does; frames with a ``transfer`` of BT.2100 have 16 bits."""
    with av.open(str(path), "w") as file:
        stream: Any = file.add_stream(codec, rate=FPS, options={"crf": "12"} if codec == "libx264" else {"b": "2M"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = layout = "yuv420p10le" if transfer else "yuv420p"
        if transfer:
            context = stream.codec_context
            context.color_trc, context.color_primaries, context.colorspace, context.color_range = transfer, 9, 9, 1
        stream.codec_context.time_base = Fraction(1, 1000)
        if turn:
            stream.set_display_rotation(turn)
        rate = 48000 if sound == "libopus" else RATE
        audio: Any = file.add_stream(sound, rate=rate, layout="stereo") if sound else None
        for number, values in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(values, format="rgb48le" if transfer else "rgb24")
            frame = frame.reformat(format=layout, dst_colorspace=9 if transfer else None)
            frame.pts = round(1000 * (times[number] if times else number / FPS))
            frame.time_base = Fraction(1, 1000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
        if audio is not None:
            samples = round(RATE * len(frames) / FPS)
            tone = np.sin(2 * np.pi * 440 * np.arange(samples) / RATE).astype(np.float32) / 4
            block = av.AudioFrame.from_ndarray(np.stack([tone, tone]), format="fltp", layout="stereo")
            block.sample_rate, block.pts = RATE, 0
            resampler = av.AudioResampler(audio.codec_context.format.name, "stereo", audio.codec_context.sample_rate)
            for piece in [*resampler.resample(block), *resampler.resample(None)]:
                file.mux(audio.encode(piece))
            file.mux(audio.encode(None))
    return path


def read_clip(path: Path) -> list[NDArray[np.uint8]]:
    with av.open(str(path)) as file:
        return [frame.to_ndarray(format="rgb24").astype(np.uint8) for frame in file.decode(video=0)]


def tone_of(path: Path) -> float:
    """The loudest frequency (Hz) of a clip's sound."""
    with av.open(str(path)) as file:
        blocks = [frame.to_ndarray()[0] for frame in file.decode(audio=0)]
        rate = file.streams.audio[0].rate
    values = np.concatenate(blocks)
    return float(np.abs(np.fft.rfft(values)).argmax() * rate / len(values))
