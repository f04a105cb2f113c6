"""Endpoints for scripts, also the tools of the MCP server; they keep nothing between calls."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import gradio as gr
from PIL import Image

from stylize.adaptation.descent import AdaptationProgress
from stylize.adaptation.pictures import adapt_image, one_shot_preset
from stylize.adaptation.text import adapt_text, preset
from stylize.errors import DomainError, StylizeError
from stylize.images import read_photo
from stylize.look import Look
from stylize.models.domain import Domain, MixPart, blend
from stylize.prompts.vocabulary import SOURCE
from stylize.ui.arguments import (
    Argument,
    Endpoints,
    choice,
    file,
    files,
    many,
    number,
    photo,
    sentences,
    whole_number,
    words,
    yes_or_no,
)
from stylize.ui.instant import QUEUE as MOVING
from stylize.ui.recipe import HIGH, LOW
from stylize.ui.studio import Studio, domain_file, nearer, temporary
from stylize.ui.training import PRESET_NAMES, QUEUE
from stylize.ui.video import QUEUE as VIDEO_QUEUE
from stylize.video.files import LIMITS, VideoFile
from stylize.video.morph import save_moving

Preset = Literal["fast", "balanced", "strong"]
Format = Literal["mp4", "gif", "webp"]
MORPH_SIDE = 512  # px
DOMAIN_FILE = "a domain file (.safetensors)"


class Api:
    """The functions behind the endpoints; their docstrings are the callers' documentation."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    def _domain(self, text: str, file: str | None = None) -> Domain:
        if file is None:
            return self.studio.domain(text, {})
        domain = Domain.load(file)
        domain.check(self.studio.stylizer.fingerprint, self.studio.stylizer.generator.config)
        return domain

    def stylize(
        self,
        photo: str,
        text: str,
        strength: float = 1.0,
        detail: float = 1.0,
        domain: str | None = None,
        keep_colours: bool = False,
        face: int = 0,
    ) -> Image.Image:
        """Draws the faces of a photo in a style and pastes them back.

        Args:
            photo: picture with at least one face seen from the front, at least 80 px wide
            text: name of a ready style such as "pencil sketch", or a description for the hypernetwork
            strength: -1 to 2; 0 leaves the face unchanged, 1 is the style as trained
            detail: 0 to 1; 0 is the model's own picture, 1 keeps all detail of the photo
            domain: domain file (.safetensors) to use instead of the text
            keep_colours: take only light and shade from the style
            face: which face to change, 1 being the largest; 0 changes all

        Returns:
            The whole photo, in its original size.
        """
        with sentences():
            opened = self.studio.open(photo)
            if not 0 <= face <= len(opened.faces):
                raise StylizeError("There is no face {}: the photo has {}.", face, len(opened.faces))
            look = Look(self._domain(text, domain), strength, detail, keep_colours=keep_colours)
            return self.studio.picture(opened, [str(face)] if face else [], look, full=True)[0]

    def invert(self, photo: str) -> list[tuple[Image.Image, str]]:
        """Reconstructs every face of a photo, to show what the model sees in it.

        Args:
            photo: picture with at least one face

        Returns:
            Reconstructed aligned faces, numbered from the largest.
        """
        with sentences():
            faces = self.studio.stylizer.faces(read_photo(photo))
            return [(face.reconstruction, str(number)) for number, face in enumerate(faces, 1)]

    def adapt_text(
        self, text: str, source: str = SOURCE, steps: int = 0, seed: int = 0, preset_name: Preset = "balanced"
    ) -> Iterator[str | None]:
        """Trains a style for a description; takes a minute or more on a small machine.

        Args:
            text: what the faces become, such as "a red mosaic"
            source: what they are now
            steps: training steps; 0 uses the preset
            seed: the same number gives the same result
            preset_name: "fast", "balanced" or "strong"

        Returns:
            A domain file (.safetensors) for the endpoints that take one.
        """
        with sentences():
            settings = preset(self.studio.stylizer, preset_name, **numbers(steps, seed))
            loop = adapt_text(self.studio.stylizer, text, source, settings)
            yield from last_domain(loop)

    def adapt_image(
        self, pictures: list[str], steps: int = 0, seed: int = 0, preset_name: Preset = "balanced"
    ) -> Iterator[str | None]:
        """Trains a style from one to ten pictures of it; takes a minute or more on a small machine.

        Args:
            pictures: reference pictures, preferably of faces in the style
            steps: training steps; 0 uses the preset
            seed: the same number gives the same result
            preset_name: "fast", "balanced" or "strong"

        Returns:
            A domain file (.safetensors) for the endpoints that take one.
        """
        with sentences():
            settings = one_shot_preset(self.studio.stylizer, preset_name, **numbers(steps, seed))
            photos = [read_photo(path) for path in pictures or ()]
            name = named(pictures[0]) if pictures else ""
            yield from last_domain(adapt_image(self.studio.stylizer, photos, settings, name=name))

    def hypernet(self, text: str = "", picture: str | None = None) -> str:
        """Makes a style from any description or picture immediately, with the hypernetwork.

        Args:
            text: what the faces become, such as "blue charcoal drawing"
            picture: picture of the style to use instead of the text; its colours and tones are used

        Returns:
            A domain file (.safetensors) for the endpoints that take one.
        """
        with sentences():
            instant = self.studio.stylizer.instant
            return domain_file(instant(text) if picture is None else instant(read_photo(picture), named(picture)))

    def mix(self, parts: list[str], domains: list[str] | None = None, spherical: bool = False) -> str:
        """Mixes styles by weight into a new one.

        Args:
            parts: styles with their weights, such as ["pencil sketch=0.5", "zombie=0.8"]; without a weight it is 1;
                coarse (structure), medium (features) and fine (colours) may follow, as in "zombie=0.8,coarse=1,fine=0"
            domains: domain files (.safetensors), to be named in parts by file name without suffix
            spherical: rotate between the styles instead of blending them, which keeps a mix as strong as they are

        Returns:
            A domain file (.safetensors) for the endpoints that take one.
        """
        with sentences():
            own = {Path(path).stem: self._domain("", path) for path in domains or ()}
            mixed = [MixPart.parse(words) for words in parts or ()]
            return domain_file(blend([(part, self.studio.domain(part.text, own)) for part in mixed], spherical))

    def morph(
        self,
        photo: str,
        texts: list[str],
        frames: int = 48,
        fps: int = 24,
        file_format: Format = "mp4",
        spherical: bool = False,
    ) -> Iterator[str | None]:
        """Animates the largest face through styles, starting from its own look.

        Args:
            photo: picture with at least one face
            texts: names or descriptions of the styles, in their order
            frames: number of pictures, up to 600
            fps: pictures per second, 1 to 60
            file_format: "mp4", "gif" or "webp"
            spherical: rotate from style to style instead of blending them

        Returns:
            The file.
        """
        with sentences():
            if not 1 <= fps <= 60:
                raise StylizeError("Cannot show {} pictures a second; choose from 1 to 60.", fps)
            domains = [self.studio.domain(text, {}) for text in texts or ()]
            if not domains:
                raise DomainError("There is nothing to walk through; give at least one style.")
            face = nearer(self.studio.open(photo).faces[0], 1.0, MORPH_SIDE)
            pictures = []
            for picture in self.studio.walk(face, domains, int(frames), Look(), spherical):
                pictures.append(picture)
                yield None  # so that a caller who leaves stops it
            path = temporary(f".{file_format}", "morph")
            save_moving(pictures, path, int(fps))
            yield str(path)

    def video(
        self,
        video: str,
        text: str,
        strength: float = 1.0,
        detail: float = 1.0,
        domain: str | None = None,
        keep_colours: bool = False,
        file_format: Format = "mp4",
    ) -> Iterator[str | None]:
        """Draws the faces of a short video or animation in a style; takes seconds for every second of it.

        Args:
            video: MP4, MOV, WebM, GIF, WebP and others, up to 60 s (20 s for GIF and WebP out), with at least one face
            text: name of a ready style such as "pencil sketch", or a description for the hypernetwork
            strength: -1 to 2; 0 leaves the faces unchanged, 1 is the style as trained
            detail: 0 to 1; 0 is the model's own picture, 1 keeps all detail of the video
            domain: domain file (.safetensors) to use instead of the text
            keep_colours: take only light and shade from the style
            file_format: "mp4", which keeps the sound, "gif" or "webp"

        Returns:
            The file.
        """
        with sentences():
            out = temporary(f".{file_format}", "stylised")
            source = VideoFile.open(video, LIMITS[out.suffix])
            look = Look(self._domain(text, domain), strength, detail, keep_colours=keep_colours)
            for _ in self.studio.restyle(source, look, out):
                yield None  # so that a caller who leaves stops it
            yield str(out)


def numbers(steps: float, seed: float) -> dict[str, int]:
    return {"seed": abs(int(seed or 0)), **({"steps": int(steps)} if steps else {})}


def named(path: str) -> str:
    """The name of a style made from a picture."""
    return Path(path).stem[:40]


def last_domain(loop: Iterator[AdaptationProgress]) -> Iterator[str | None]:
    """Yields nothing after every step, so that a caller who leaves stops it; the file at the end."""
    for progress in loop:
        domain = progress.domain
        yield None
    yield domain_file(domain)


def add_api(studio: Studio, blocks: Endpoints) -> None:
    """Adds the endpoints, on hidden components."""
    api = Api(studio)
    detail = studio.stylizer.default_detail
    formats = ("mp4", "gif", "webp")
    quick: dict[str, Any] = {"concurrency_id": "api", "concurrency_limit": 2}
    with gr.Row(visible=False):
        button = gr.Button()

        def add(function: Callable[..., Any], output: Any, queue: dict[str, Any], **arguments: Argument) -> None:
            assert list(arguments) == list(inspect.signature(function).parameters)
            blocks.arguments[function.__name__] = arguments
            fields = [argument.field for argument in arguments.values()]
            button.click(function, fields, output, api_name=function.__name__, **queue)

        def style() -> dict[str, Argument]:
            amounts = {"strength": number(1.0, LOW, HIGH), "detail": number(detail, 0, 1)}
            return {"text": words(), **amounts, "domain": file(DOMAIN_FILE), "keep_colours": yes_or_no()}

        def training() -> dict[str, Argument]:
            return {
                "steps": whole_number(0),
                "seed": whole_number(0),
                "preset_name": choice(*PRESET_NAMES, value="balanced"),
            }

        picture = gr.Image(type="pil", format="png")
        add(api.stylize, picture, quick, photo=photo(), **style(), face=whole_number(0))
        add(api.invert, gr.Gallery(), quick, photo=photo())
        add(api.adapt_text, gr.File(), QUEUE, text=words(), source=words(SOURCE), **training())
        add(api.adapt_image, gr.File(), QUEUE, pictures=files("pictures of the style"), **training())
        add(api.hypernet, gr.File(), quick, text=words(), picture=file("a picture of the style"))
        add(api.mix, gr.File(), quick, parts=many(), domains=files("domain files"), spherical=yes_or_no())
        add(
            api.morph,
            gr.File(),
            MOVING,
            photo=photo(),
            texts=many(),
            frames=whole_number(48),
            fps=whole_number(24),
            file_format=choice(*formats),
            spherical=yes_or_no(),
        )
        source = file("a video or an animated picture", needed=True)
        add(api.video, gr.File(), VIDEO_QUEUE, video=source, **style(), file_format=choice(*formats))
