"""One visitor's photo, and the pictures made from it. All visitors share one ``Studio``."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Never

import numpy as np
from gradio.utils import get_upload_folder
from PIL import Image, ImageDraw, ImageFont

from stylize.adaptation.descent import AdaptationProgress, State
from stylize.adaptation.pictures import adapt_image, one_shot_preset
from stylize.adaptation.text import adapt_text, preset, preview
from stylize.errors import DomainError, PromptError, StylizeError
from stylize.faces.align import Box, DetectedFace
from stylize.images import read_photo, save_image, to_image
from stylize.look import Look
from stylize.models.domain import Domain, blend, mix
from stylize.pipeline import Face, Stylizer
from stylize.ui.recipe import Recipe
from stylize.video.files import VideoFile
from stylize.video.morph import walk
from stylize.video.restyle import RestyleProgress, restyle

KEPT_SECONDS = 3600  # longest life of visitors' files
SWEPT_SECONDS = KEPT_SECONDS // 12  # between clean-ups
VIEW = 1024  # px: longest side shown on the page; the download has the photo's own size
VIEW_CROP = 512  # px: largest aligned face on the page
RANDOM_SIDE = 512  # px: smallest random face
GRID, CELL = 5, 192  # pictures per side of the grid, and px of each


@dataclass(frozen=True, eq=False)
class OpenPhoto:
    """A photo and its encoded faces; ``view`` and ``near`` are the same, at most VIEW px large. ``seed`` is that of a
    random face, which replaces a photo and is not pasted anywhere. ``small``: boxes in ``view`` of faces that are too
    small to change."""

    photo: Image.Image
    faces: list[Face]
    view: Image.Image
    near: list[Face]
    seed: int | None = None
    small: Sequence[Box] = ()

    def chosen(self, numbers: Sequence[str] | None) -> list[int]:
        """Indices of the faces with these numbers, counted from 1; all if none is given."""
        return [int(number) - 1 for number in numbers or ()] or list(range(len(self.faces)))


def temporary(suffix: str, name: str = "stylize") -> Path:
    """A fresh path for a file to serve, which the page's cache copies; old ones are deleted."""
    folder = clear_temporary()
    return Path(tempfile.mkdtemp(dir=folder)) / f"{safe_name(name)}{suffix}"


def clear_temporary() -> Path:
    """The folder of served files, after deleting old ones and old interrupted uploads, which Gradio keeps."""
    folder = Path(tempfile.gettempdir()) / f"stylize-{os.getuid() if hasattr(os, 'getuid') else 0}"
    folder.mkdir(mode=0o700, exist_ok=True)
    broken_off = (path for path in Path(get_upload_folder()).glob("tmp*") if path.is_file())
    for old in [*folder.iterdir(), *broken_off]:
        with suppress(FileNotFoundError):  # another visitor's call deleted it first
            if time.time() - old.stat().st_mtime <= KEPT_SECONDS - SWEPT_SECONDS:
                continue
            if old.is_dir():
                shutil.rmtree(old, ignore_errors=True)
            else:
                old.unlink()
    return folder


def sweep() -> Never:
    """Keeps deleting old files without further visitors, and returns freed memory to the system, which glibc keeps for
    every thread that has served somebody."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    while True:
        clear_temporary()
        if trim is not None:
            trim(0)
        time.sleep(SWEPT_SECONDS)


def safe_name(name: str) -> str:
    """A name valid on any file system, without folders."""
    return "".join(letter for letter in name if letter.isalnum() or letter in " -_+.,()")[:60].strip(" .") or "stylize"


def domain_file(domain: Domain) -> str:
    path = temporary(".safetensors", domain.label)
    domain.save(path)
    return str(path)


def seconds_left(started: float, done: int, total: int) -> int:
    """Estimated seconds left of work that started at ``started`` (time.monotonic) and continues at the same rate."""
    return round((time.monotonic() - started) / done * (total - done))


def mark_faces(view: Image.Image, faces: Sequence[Face], small: Sequence[Box] = ()) -> Image.Image:
    """A copy of the picture with a numbered box around each face, and a grey one around each that is too small."""
    marked = view.copy()
    draw, font = ImageDraw.Draw(marked), ImageFont.load_default(size=22)
    for number, face in enumerate(faces, 1):
        left, top, _, _ = face.detected.box
        draw.rectangle(face.detected.box, outline="#4f46e5", width=4)
        draw.rectangle((left, top, left + 26, top + 28), fill="#4f46e5")
        draw.text((left + 7, top + 1), str(number), fill="white", font=font)
    for box in small:
        draw.rectangle(box, outline="#9ca3af", width=2)
    return marked


def scaled(box: Box, scale: float) -> Box:
    left, top, right, bottom = (round(value * scale) for value in box)
    return left, top, right, bottom


def nearer(face: Face, scale: float, side: int) -> Face:
    """The face in a scaled photo, with a crop of at most ``side`` px."""
    crop = face.crop
    if crop.width > side:
        crop = crop.resize((side, side), Image.Resampling.LANCZOS)
    detected = DetectedFace(scaled(face.detected.box, scale), face.detected.landmarks * scale)
    return replace(face, detected=detected, crop=crop)


class Studio:
    """Opens photos, finds domains for words, and draws pictures of both, with one stylizer."""

    def __init__(self, stylizer: Stylizer) -> None:
        self.stylizer = stylizer
        self._domain = lru_cache(maxsize=256)(lambda text: stylizer.domain(text))
        self._opened: dict[str, OpenPhoto] = {}  # the examples, by SHA-256

    # Photo -> open photo

    def keep_open(self, paths: Iterable[str]) -> None:
        """Opens popular photos in advance, so that ``open`` has them ready."""
        for path in paths:
            opened = self.open(path)
            for face in opened.near:
                _ = face.head  # found once
            self._opened[file_digest(path)] = opened

    def open(self, path: str) -> OpenPhoto:
        """Opens a photo. Raises PhotoError if it is no picture with a face."""
        if self._opened and (kept := self._opened.get(file_digest(path))):
            return kept
        photo = read_photo(path)
        found, small = self.stylizer.find(photo)
        faces = self.stylizer.faces(photo, found)
        scale = min(1.0, VIEW / max(photo.size))
        view = photo.resize([max(1, round(side * scale)) for side in photo.size]) if scale < 1 else photo
        near = [nearer(face, scale, VIEW_CROP) for face in faces]
        return OpenPhoto(photo, faces, view, near, small=[scaled(face.box, scale) for face in small])

    def random(self, seed: int) -> OpenPhoto:
        """A random face, deterministic in the seed."""
        ws = self.stylizer.sample_ws(1, seed)
        code = self.stylizer.as_photos(ws)
        source = self.stylizer.draw(code)
        side = max(RANDOM_SIDE, self.stylizer.resolution)
        photo = to_image(source).resize((side, side), Image.Resampling.LANCZOS)
        detected = DetectedFace((0, 0, side, side), np.zeros((68, 2)))
        face = Face(detected, photo, code, source)
        near = nearer(face, 1.0, VIEW_CROP)
        return OpenPhoto(photo, [face], photo, [near], seed)

    # Words -> domain

    def domain(self, text: str, own: Mapping[str, Domain]) -> Domain:
        """The visitor's own domain of that name, or one that the model has or makes immediately. Raises
        StylizeError."""
        if text in own:
            return own[text]
        if text.strip().lower().endswith(".safetensors"):  # a path on the host
            raise DomainError("There is no style {!r}; import domain files in the library.", text)
        try:
            return self._domain(text)
        except DomainError:
            if self.stylizer.has_hypernet:
                raise
            raise DomainError(
                "There is no ready style for {!r}; train one in the tab “By words”, or add a colour to a ready style.",
                text,
            ) from None

    def compose(self, recipe: Recipe, own: Mapping[str, Domain]) -> Domain | None:
        """The domain of a recipe; None if it names no style. Raises StylizeError."""
        parts = [(part, self.domain(part.text, own)) for part in recipe.named]
        return blend(parts, recipe.spherical).scaled(*recipe.levels) if parts else None

    def notes(self, recipe: Recipe, own: Mapping[str, Domain]) -> list[str]:
        """How its descriptions were understood, if that is not obvious."""
        read = [self.domain(part.text, own) for part in recipe.named if part.text not in own]
        return [note for domain in read for note in domain.settings.get("notes", ())]

    def nearest(self, recipe: Recipe, own: Mapping[str, Domain]) -> tuple[int, Sequence[str]]:
        """(the slot of the first description that is refused or doubtful, styles to offer for it)."""
        for slot, part in enumerate(recipe.parts):
            if not part.text.strip() or part.text in own:
                continue
            try:
                offered = self.domain(part.text, own).settings.get("nearest", ())
            except StylizeError as error:
                offered = error.nearest if isinstance(error, PromptError) else ()
            if offered:
                return slot, offered
        return 0, ()

    # Open photo and look -> pictures

    def picture(
        self, opened: OpenPhoto, numbers: Sequence[str] | None, look: Look, full: bool = False
    ) -> tuple[Image.Image, Image.Image]:
        """(the photo with the chosen faces stylised, the first of them alone); ``full``: at the photo's own size."""
        photo, faces = (opened.photo, opened.faces) if full else (opened.view, opened.near)
        faces = [faces[index] for index in opened.chosen(numbers)]
        pictures = [self.stylizer.render(face, look) for face in faces]
        if opened.seed is not None:
            return pictures[0], pictures[0]
        return self.stylizer.paste(photo, faces, pictures, look.background), pictures[0]

    def file(self, opened: OpenPhoto, numbers: Sequence[str] | None, look: Look, recipe: Recipe) -> str:
        """A PNG at the photo's own size that contains its settings."""
        picture, _ = self.picture(opened, numbers, look, full=True)
        settings = {
            "to": look.domain.label if look.domain else "",
            "parts": [[part.text, part.weight, list(part.levels)] for part in recipe.named],
            "levels": list(recipe.levels),
            "spherical": recipe.spherical,
            **{name: getattr(look, name) for name in ("strength", "detail", "keep_colours")},
            "edits": dict(look.edits),
            "seed": opened.seed,
            "model": self.stylizer.fingerprint,
        }
        path = temporary(".png", "stylised")
        save_image(picture, path, settings)
        return str(path)

    def cells(
        self, face: Face, corners: Sequence[Domain], look: Look, spherical: bool = False
    ) -> Iterator[Image.Image]:
        """GRID x GRID pictures between up to four domains in the corners, row by row; unused corners show the face
        itself."""
        small = nearer(face, 1.0, CELL)
        for row in range(GRID):
            for column in range(GRID):
                weights = corner_weights(column / (GRID - 1), row / (GRID - 1))
                domain = mix(list(zip(weights, corners, strict=False)), spherical)
                yield self.stylizer.render(small, look.in_domain(domain)).resize((CELL, CELL), Image.Resampling.LANCZOS)

    def walk(
        self, face: Face, domains: Sequence[Domain], frames: int, look: Look, spherical: bool = False
    ) -> Iterator[Image.Image]:
        """``frames`` pictures from the face itself through every domain."""
        stages = [0.0 * domains[0], *(look.strength * domain for domain in domains)]
        yield from walk(self.stylizer, face, stages, frames, replace(look, strength=1.0, edits={}), spherical)

    def restyle(self, clip: VideoFile, look: Look, out: Path) -> Iterator[RestyleProgress]:
        """Writes the clip in a look to ``out``."""
        yield from restyle(self.stylizer, clip, look, out)

    # Training and its previews

    def learn_words(
        self, target: str, source: str, name: str, seed: int, steps: int, state: State | None
    ) -> Iterator[AdaptationProgress]:
        """A training for a description, with the preset ``name``."""
        settings = preset(self.stylizer, name, seed=seed, steps=steps)
        yield from adapt_text(self.stylizer, target, source, settings, state)

    def learn_pictures(
        self, pictures: Sequence[Image.Image], title: str, name: str, seed: int, steps: int, state: State | None
    ) -> Iterator[AdaptationProgress]:
        """A training from pictures. All rows of the reference's style are kept; the tab's slider later sets how far
        they are used."""
        settings = one_shot_preset(self.stylizer, name, seed=seed, steps=steps, style_mix=1.0)
        yield from adapt_image(self.stylizer, pictures, settings, state, title)

    def preview(self, domain: Domain, faces: Sequence[Face], count: int) -> list[Image.Image]:
        """Those faces in the domain, and ``count`` random ones, always the same."""
        return preview(self.stylizer, domain, faces, count)


def file_digest(path: str) -> str:
    """The SHA-256 of a file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def corner_weights(x: float, y: float) -> tuple[float, float, float, float]:
    """The weights of the corners top left, top right, bottom left, bottom right at a point of the unit square."""
    return (1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y
