"""Valid files of every supported kind, and how they are damaged; deterministic in the number."""

from __future__ import annotations

import io
import json
import pickle
import random
import struct
import zipfile
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from PIL import Image
from safetensors.torch import save as save_tensors

import stylize.images  # noqa: F401 (registers HEIC with Pillow)
from benchmarks.trust import ROOT

SIDE = 48  # px: small files, in which a changed byte matters
EDGES = (0, 1, 0x7F, 0x80, 0xFE, 0xFF)
LARGE = (0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
GOLDEN = ROOT / "tests" / "golden" / "checkpoints"

Files = dict[str, bytes]  # by file name


def picture(size: int = SIDE) -> Image.Image:
    photo = Image.open(ROOT / "examples" / "astronaut.jpg").convert("RGB")
    return photo.resize((size, size), Image.Resampling.LANCZOS)


@cache
def pictures() -> Files:
    """Pictures of every kind, in several variants each."""
    base, files = picture(), {}
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a portrait"
    alpha = base.copy()
    alpha.putalpha(128)
    deep = Image.fromarray(np.asarray(base.convert("L")).astype(np.uint16) * 257)
    turned = [base.rotate(angle) for angle in (0, 90, 180)]
    several: dict[str, Any] = {"save_all": True, "append_images": turned}
    ways: dict[str, list[tuple[Image.Image, dict[str, Any]]]] = {
        "png": [(base, {"exif": exif}), (alpha, {}), (deep, {}), (base.quantize(16), {}), (base, several)],
        "jpg": [
            (base, {"exif": exif}),
            (base.convert("L"), {}),
            (base.convert("CMYK"), {}),
            (base, {"progressive": 1}),
        ],
        "webp": [(base, {"exif": exif}), (alpha, {"lossless": True}), (base, several)],
        "gif": [(base.quantize(32), {}), (base, several)],
        "tiff": [(base, {"compression": kind}) for kind in ("raw", "tiff_lzw", "tiff_deflate", "jpeg", "packbits")]
        + [(deep, {}), (base.convert("1"), {"compression": "group4"}), (base, several)],
        "avif": [(base, {"exif": exif}), (alpha, {})],
        "heic": [(base, {"exif": exif.tobytes()})],
        "bmp": [(base, {}), (base.quantize(16), {})],
        "ico": [(alpha, {})],
        "eps": [(base, {})],
        "dds": [(alpha, {})],
        "ppm": [(base, {})],
        "jp2": [(base, {})],
        "icns": [(alpha.resize((64, 64)), {})],
    }
    names = {"jpg": "JPEG", "heic": "HEIF", "jp2": "JPEG2000", "ico": "ICO"}
    for ending, made in ways.items():
        for number, (image, settings) in enumerate(made):
            out = io.BytesIO()
            try:
                image.save(out, names.get(ending, ending.upper()), **settings)
            except (KeyError, OSError, ValueError):
                continue  # this Pillow cannot write it
            files[f"{number}.{ending}"] = out.getvalue()
    return files


def film(folder: Path, name: str, codec: str, sound: str = "", frames: int = 8) -> bytes:
    path = folder / name
    options = {"movflags": "faststart"} if name.endswith((".mp4", ".mov", ".m4a")) else {}
    with av.open(str(path), "w", options=options) as file:
        stream: Any = None
        if codec:
            stream = file.add_stream(codec, rate=12)
            stream.width = stream.height = SIDE
            stream.pix_fmt = "yuv420p"
        audio: Any = file.add_stream(sound, rate=48000, layout="stereo") if sound else None
        for number in range(frames if codec else 0):
            frame = av.VideoFrame.from_ndarray(np.asarray(picture().rotate(4 * number)), format="rgb24")
            frame = frame.reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 12)
            file.mux(stream.encode(frame))
        if stream is not None:
            file.mux(stream.encode(None))
        if audio is not None:
            tone = np.sin(np.arange(24000) / 20).astype(np.float32) / 4
            block = av.AudioFrame.from_ndarray(np.stack([tone, tone]), format="fltp", layout="stereo")
            block.sample_rate, block.pts = 48000, 0
            size = audio.codec_context.frame_size or 1024
            resampler = av.AudioResampler(audio.codec_context.format.name, "stereo", 48000, size)
            for piece in [*resampler.resample(block), *resampler.resample(None)]:
                file.mux(audio.encode(piece))
            file.mux(audio.encode(None))
    return path.read_bytes()


FILMS = {
    "clip.mp4": ("libx264", "aac"),
    "clip.mov": ("mpeg4", ""),
    "clip.webm": ("libvpx", "libopus"),
    "clip.mkv": ("libx264", "flac"),
    "clip.avi": ("mjpeg", "mp3"),
    "song.m4a": ("", "aac"),
    "song.mp3": ("", "mp3"),
    "song.ogg": ("", "libopus"),
    "song.wav": ("", "pcm_s16le"),
    "song.flac": ("", "flac"),
}


def films(folder: Path) -> Files:
    """Videos, animations, and songs, which are videos without a picture."""
    files = {name: data for name, data in pictures().items() if name in ("4.png", "2.webp", "1.gif")}
    for name, (codec, sound) in FILMS.items():
        try:
            files[name] = film(folder, name, codec, sound)
        except (av.FFmpegError, ValueError):  # this FFmpeg lacks the codec
            continue
    return files


def tensors(settings: Any, **named: torch.Tensor) -> bytes:
    return save_tensors(named, metadata={"settings": json.dumps(settings)})


@cache
def domains() -> Files:
    folder = ROOT / "weights" / "mini" / "domains"
    files = {f"{name}.safetensors": (folder / f"{name}.safetensors").read_bytes() for name in ("sepia", "zombie")}
    files["half.safetensors"] = tensors({"format": "stylize domain"}, vector=torch.zeros(8, dtype=torch.float16))
    return files


@cache
def checkpoints() -> Files:
    """Small checkpoints of several projects: torch's two file formats, pickles, safetensors, archives, arrays."""
    files = {path.name: path.read_bytes() for path in sorted(GOLDEN.iterdir()) if path.stat().st_size < 100_000}
    state = {
        "style.1.weight": torch.zeros(8, 8),
        "style.1.bias": torch.zeros(8),
        "input.input": torch.zeros(1, 8, 4, 4),
    }
    for name, old in (("new.pt", False), ("old.pt", True)):
        out = io.BytesIO()
        torch.save({"g_ema": state, "latent_avg": torch.zeros(8)}, out, _use_new_zipfile_serialization=not old)
        files[name] = out.getvalue()
    files["plain.pkl"] = pickle.dumps({"G_ema": {"a": [1, 2.5, "x", None, (1, 2)]}}, protocol=2)
    files["plain.safetensors"] = save_tensors({name: tensor.contiguous() for name, tensor in state.items()})
    array = io.BytesIO()
    np.save(array, np.zeros((1, 8), np.float32))
    files["age.npy"] = array.getvalue()
    pack = io.BytesIO()
    with zipfile.ZipFile(pack, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("td_checkpoints/pixar.pt", files["new.pt"])
    files["checkpoints.zip"] = pack.getvalue()
    return files


@cache
def packs() -> Files:
    pack = io.BytesIO()
    with zipfile.ZipFile(pack, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in domains().items():
            archive.writestr(name, data)
    return {"pack.zip": pack.getvalue()}


# --- damage -------------------------------------------------------------------------------------------


def _flip(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        data[_place(data, rng)] ^= 1 << rng.randrange(8)


def _edge(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 2, 8))):
        data[_place(data, rng)] = rng.choice(EDGES)


def _number(data: bytearray, rng: random.Random) -> None:
    kind = rng.choice(["<H", ">H", "<I", ">I", "<Q", ">Q"])
    value, at = rng.choice(LARGE), _place(data, rng)
    width = struct.calcsize(kind)
    data[at : at + width] = struct.pack(kind, value % 256**width)


def _cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def _drop(data: bytearray, rng: random.Random) -> None:
    at = _place(data, rng)
    del data[at : at + rng.choice((1, 4, 64, 512))]


def _repeat(data: bytearray, rng: random.Random) -> None:
    at, length = _place(data, rng), rng.choice((1, 8, 256))
    data[at:at] = data[at : at + length] * rng.choice((1, 2, 100))


def _noise(data: bytearray, rng: random.Random) -> None:
    at = _place(data, rng)
    data[at : at + rng.choice((4, 64))] = rng.randbytes(rng.choice((4, 64)))


def _swap(data: bytearray, rng: random.Random) -> None:
    """Swaps two pieces of text or numbers, as in JSON."""
    digits = [place for place, byte in enumerate(data[:4000]) if chr(byte) in '0123456789"[]{},:']
    for place in rng.sample(digits, min(len(digits), rng.choice((1, 2, 3)))):
        data[place] = rng.choice(b'0123456789"[]{},:-.eE')


def _place(data: bytearray, rng: random.Random) -> int:
    """A random position, more often near the beginning, where the header is."""
    length = max(1, len(data))
    return rng.randrange(min(length, 256)) if rng.random() < 0.5 else rng.randrange(length)


DAMAGE: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip, _flip, _edge, _number, _number, _cut, _drop, _repeat, _noise, _swap,
)  # fmt: skip


def mutant(files: Files, kind: str, seed: int, index: int) -> tuple[str, bytes]:
    """(name, bytes) of the damaged file of that number."""
    rng = random.Random(f"{kind} {seed} {index}")
    name = rng.choice(sorted(files))
    data = bytearray(files[name])
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        if data:
            rng.choice(DAMAGE)(data, rng)
    if rng.random() < 0.02:  # append the end of another file
        data += files[rng.choice(sorted(files))][-rng.randrange(1, 2000) :]
    return f"{index}-{name}", bytes(data)


WORDS = (
    "pencil sketch", "красный", "zombie", "=", "0.5", "1e999", "-1", "nan", "+", ",", "to=", "weight=", "levels=", "&",
    "%ff", "%00", "coarse=1", "seed=", "strength=", "\ud800", "\0", "'", "\"", "\n", "🙂", "ß", "İ", "٣", "²", "not",
    "without", "and", "a", "blue", "hair", "../..", ".safetensors", "x" * 500, "(", "[", "\\", "*", "{}", "{0}", "%s",
)  # fmt: skip


def words(seed: int, index: int) -> str:
    rng = random.Random(f"words {seed} {index}")
    return rng.choice(("", " ", "&", "=")).join(rng.choice(WORDS) for _ in range(rng.randrange(8)))
