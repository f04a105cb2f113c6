"""Visitors of the page: each has a photo with a frame of its own colour, to recognise its pictures."""

from __future__ import annotations

import colorsys
import io
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
from PIL import Image, ImageOps

from benchmarks.trust import ROOT, pages

SIDE, FRAME = 320, 24  # px
UNLIKE = 30  # of 255: a larger colour difference means another visitor's picture
STYLES = ("pencil sketch", "sepia", "zombie", "mosaic", "negative")
TRAINERS = 8  # one in this many visitors trains a style
WORK = (
    "photo", "slider", "invert", "slider", "mix", "photo", "slider", "instant", "photo", "slider", "film", "photo",
    "slider", "invert", "mix", "photo", "training", "slider", "photo", "slider",
)  # fmt: skip


def colour(number: int) -> tuple[int, int, int]:
    """A colour far from those of the previous and next visitors."""
    red, green, blue = colorsys.hsv_to_rgb(
        number * 0.61803 % 1, 0.55 + 0.45 * (number % 3) / 2, 0.5 + 0.25 * (number % 2)
    )
    return round(255 * red), round(255 * green), round(255 * blue)


@cache
def _face(number: int) -> Image.Image:
    paths = sorted((ROOT / "examples").glob("*.jpg"))
    photo = Image.open(paths[number % len(paths)]).convert("RGB")
    return photo.resize((SIDE - 2 * FRAME,) * 2, Image.Resampling.LANCZOS)


def photo(number: int) -> bytes:
    out = io.BytesIO()
    ImageOps.expand(_face(number), FRAME, colour(number)).save(out, "JPEG", quality=95, subsampling=0)
    return out.getvalue()


def film(number: int, frames: int = 4) -> bytes:
    """The photo as a still GIF animation."""
    out, picture = io.BytesIO(), Image.open(io.BytesIO(photo(number)))
    pictures = [picture.point(lambda value, step=step: min(255, value + step)) for step in range(frames)]
    pictures[0].save(out, "GIF", save_all=True, append_images=pictures[1:], duration=80)
    return out.getvalue()


def owner(data: bytes, visitors: int) -> int:
    """The visitor whose frame a picture has; -1 for nobody."""
    try:
        picture = Image.open(io.BytesIO(data)).convert("RGB")
    except OSError:
        picture = _first_frame(data)
    values = np.asarray(picture.resize((SIDE, SIDE))).astype(float)
    edge = values[4 : FRAME - 8, 40:-40].reshape(-1, 3).mean(0)
    far = [float(np.abs(edge - colour(number)).max()) for number in range(visitors)]
    nearest = int(np.argmin(far))
    return nearest if far[nearest] < UNLIKE else -1


def _first_frame(data: bytes) -> Image.Image:
    with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
        Path(file.name).write_bytes(data)
        with av.open(file.name) as video:
            frame: Any = next(video.decode(video=0))
            return Image.fromarray(frame.to_ndarray(format="rgb24"))


@dataclass
class Visitor:
    """A visitor who works until the time is over, and records waits by the kind of work, errors, and others'
    pictures."""

    number: int
    of: int
    address: str
    work: tuple[str, ...] = WORK
    waits: dict[str, list[float]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    mixed_up: list[str] = field(default_factory=list)

    def stay(self, until: float) -> None:
        turn = self.number  # so that not all do the same thing at once
        while time.monotonic() < until:
            kind = self.work[turn % len(self.work)]
            rests = (
                kind == "training" and self.number % TRAINERS
            )  # otherwise the last would wait long after the time is over
            self.do("photo" if rests else kind, turn)
            turn += 1

    def do(self, kind: str, turn: int) -> None:
        began = time.monotonic()
        try:
            self.works[kind](self, turn)
        except Exception as error:  # any error of the network or the page counts
            self.errors.append(f"{kind}: {ascii(error)[:200]}")
            return
        self.waits.setdefault(kind, []).append(time.monotonic() - began)

    def _ask(self, name: str, values: list[Any]) -> Any:
        kind, answer = pages.call(self.address, name, values)
        if kind != "complete":
            raise RuntimeError(f"{name} answers {kind}: {answer}")
        return answer

    def _own(self, answer: Any) -> None:
        data = httpx.get(answer["url"], timeout=300).content
        whose = owner(data, self.of)
        if whose != self.number:
            self.mixed_up.append(f"visitor {self.number} got the picture of {whose}")

    def _photo(self, turn: int) -> None:
        given = pages.upload(self.address, photo(self.number), f"visitor-{self.number}.jpg")
        style = STYLES[turn % len(STYLES)]
        self._own(self._ask("stylize", [given, style, 1.0, 1.0, None, False, 0])[0])

    def _slider(self, turn: int) -> None:
        given = pages.upload(self.address, photo(self.number), f"visitor-{self.number}.jpg")
        self._own(self._ask("stylize", [given, "sepia", (turn % 30) / 10 - 1, 0.5, None, turn % 2 == 0, 1])[0])

    def _instant(self, turn: int) -> None:
        if not self._ask("hypernet", ["blue charcoal drawing", None])[0]["path"]:
            raise RuntimeError("hypernet answers without a file")

    def _mix(self, turn: int) -> None:
        self._ask("mix", [["zombie=0.5", f"sepia={turn % 10 / 10 + 0.1}"], None, turn % 2 == 0])

    def _invert(self, turn: int) -> None:
        self._ask("invert", [pages.upload(self.address, photo(self.number), "face.jpg")])

    def _film(self, turn: int) -> None:
        given = pages.upload(self.address, film(self.number), f"visitor-{self.number}.gif")
        self._own(self._ask("video", [given, "sepia", 1.0, 1.0, None, False, "mp4"])[0])

    def _training(self, turn: int) -> None:
        self._ask("adapt_text", ["a pencil sketch", "a face", 2, self.number, "fast"])

    works: dict[str, Callable[..., None]] = field(
        default_factory=lambda: {
            "photo": Visitor._photo, "slider": Visitor._slider, "instant": Visitor._instant, "mix": Visitor._mix,
            "invert": Visitor._invert, "film": Visitor._film, "training": Visitor._training,
        }
    )  # fmt: skip
