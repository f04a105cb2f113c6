"""The page: its layout first, then what happens in it. It keeps nothing between visitors."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image, ImageDraw, ImageFont

from stylize.domain import Domain
from stylize.errors import DomainError, StylizeError
from stylize.images import read_photo, save_image
from stylize.pipeline import Face, Stylizer
from stylize.training.adapt import AdaptSettings, adapt_text
from stylize.ui.words import I18N, in_english, language, russian_name, say
from stylize.vocabulary import SOURCE

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
KEPT_SECONDS = 3600
PREVIEW_EVERY = 5  # steps
CSS = """
.gradio-container {max-width: 1180px !important; margin: 0 auto !important}
#title h1 {margin-bottom: 0}
#status {min-height: 2.2em}
.heading * {font-weight: 600}
#ready .grid-container {gap: 6px; grid-template-columns: repeat(auto-fill, minmax(92px, 1fr))}
#ready .caption-label {left: 0; right: 0; bottom: 0; max-width: none; border: 0; border-radius: 0; padding: 2px 4px;
    font-size: 11px; line-height: 1.25; text-align: center; white-space: normal; background: rgba(0, 0, 0, .66);
    color: #fff}
#about {opacity: .7; font-size: 13px}
footer {opacity: .7}
"""
FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Ubuntu", "sans-serif"]
THEME = gr.themes.Soft(primary_hue="indigo", neutral_hue="slate", font=FONTS, font_mono=["ui-monospace", "monospace"])


def photo_input(**settings: Any) -> gr.Image:
    """An image input that hands over the uploaded file itself: this project's reader knows more kinds of file."""
    image = gr.Image(type="filepath", **settings)
    image.preprocess = lambda payload: None if payload is None else payload.path
    return image


@dataclass(frozen=True)
class Visit:
    """What belongs to one visitor: the photo, its encoded faces, and the style in use."""

    photo: Image.Image
    faces: list[Face]
    domain: Domain | None = None


def mark_faces(photo: Image.Image, faces: list[Face]) -> Image.Image:
    """A copy of the photo, at most 1024 px, with a numbered box around each face."""
    scale = min(1.0, 1024 / max(photo.size))
    marked = photo.resize([max(1, round(side * scale)) for side in photo.size])
    draw, font = ImageDraw.Draw(marked), ImageFont.load_default(size=22)
    for number, face in enumerate(faces, 1):
        left, top, right, bottom = (side * scale for side in face.detected.box)
        draw.rectangle((left, top, right, bottom), outline="#6366f1", width=4)
        draw.rectangle((left, top, left + 26, top + 28), fill="#6366f1")
        draw.text((left + 7, top + 1), str(number), fill="white", font=font)
    return marked


def temporary(suffix: str, name: str = "stylize") -> Path:
    """A fresh path for a file to hand out, of which the page's cache takes a copy; old ones are deleted."""
    folder = Path(tempfile.gettempdir()) / f"stylize-{os.getuid() if hasattr(os, 'getuid') else 0}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for old in folder.iterdir():
        with suppress(FileNotFoundError):  # another visitor's call was faster
            if time.time() - old.stat().st_mtime > KEPT_SECONDS:
                shutil.rmtree(old, ignore_errors=True)
    safe = "".join(letter for letter in name if letter.isalnum() or letter in " -_")[:60].strip()
    return Path(tempfile.mkdtemp(dir=folder)) / f"{safe or 'stylize'}{suffix}"


class Page:
    """The handlers, over one stylizer that all visitors share."""

    def __init__(self, stylizer: Stylizer) -> None:
        self.stylizer = stylizer

    # What the page calls. Every handler turns a StylizeError into a sentence on the status line.

    def open_photo(self, path: str | None, request: gr.Request) -> tuple[Any, ...]:
        """photo -> visit, whether details are shown, marked photo, face choice, status, and an empty result."""
        hidden = gr.update(visible=False)
        if path is None:
            return None, hidden, None, hidden, say(request, "start"), None, None, None, None
        try:
            photo = read_photo(path)
            faces = self.stylizer.faces(photo)
        except StylizeError as error:
            gr.Warning(str(error))
            return None, hidden, None, hidden, f"⚠️ {error}", None, None, None, None
        many = len(faces) > 1
        choice = gr.update(choices=[str(n) for n in range(1, len(faces) + 1)], value=[], visible=many)
        shown, marked = gr.update(visible=True), mark_faces(photo, faces)
        words = say(request, "found_many", n=len(faces)) if many else say(request, "found_one")
        return Visit(photo, faces), shown, marked, choice, words, None, None, faces[0].reconstruction, None

    def gallery(self, wanted: str = "en") -> list[tuple[str, str]]:
        """The ready styles as (picture, caption) in the wanted language."""
        names = self.stylizer.ready()
        return [(str(self.stylizer.preview(name)), russian_name(name) if wanted == "ru" else name) for name in names]

    def localise(self, request: gr.Request) -> Any:
        """The gallery with Russian captions for Russian readers."""
        return self.gallery("ru") if language(request) == "ru" else gr.skip()

    def pick_ready(self, event: gr.SelectData) -> str:
        """The name of the ready style that was clicked."""
        return self.stylizer.ready()[event.index]

    def cancelled(self, request: gr.Request) -> str:
        return say(request, "cancelled")

    def draw(
        self, visit: Visit | None, chosen: list[str] | None, strength: float, detail: float
    ) -> tuple[Any, Any, Any]:
        """The visit's style on the chosen faces: (before, after), the first face alone, the PNG file."""
        if visit is None or visit.domain is None:
            return gr.skip(), gr.skip(), gr.skip()
        faces = [visit.faces[int(number) - 1] for number in chosen or []] or visit.faces
        pictures = [self.stylizer.render(face, visit.domain, strength, detail) for face in faces]
        result = self.stylizer.paste(visit.photo, faces, pictures)
        path = temporary(".png", "stylised")
        settings = {"to": visit.domain.name, "strength": strength, "detail": detail, "model": self.stylizer.fingerprint}
        save_image(result, path, settings)
        return (visit.photo, result), pictures[0], str(path)

    def stylise(
        self,
        visit: Visit | None,
        text: str,
        chosen: list[str] | None,
        strength: float,
        detail: float,
        source: str,
        steps: float,
        seed: float,
        request: gr.Request,
    ) -> Iterator[tuple[Any, ...]]:
        """Yields (visit, status, before/after, face, picture file, domain file) until the style stands."""
        skip = (gr.skip(),) * 4
        if visit is None:
            yield None, say(request, "need_photo"), *skip
            return
        if not text.strip():
            yield visit, say(request, "need_style"), *skip
            return
        text = in_english(text)
        try:
            try:
                visit = replace(visit, domain=self.stylizer.domain(text))
            except DomainError:
                yield visit, say(request, "waiting", name=text), *skip
                settings = AdaptSettings(steps=int(steps), seed=int(seed or 0))
                started = time.monotonic()
                for report in adapt_text(self.stylizer, text, source or SOURCE, settings):
                    visit = replace(visit, domain=report.domain)
                    if report.step % PREVIEW_EVERY == 0:
                        left = (time.monotonic() - started) / report.step * (report.steps - report.step)
                        words = say(
                            request, "training", name=text, step=report.step, steps=report.steps, left=round(left)
                        )
                        yield visit, words, *self.draw(visit, chosen, strength, detail), gr.skip()
            assert visit.domain is not None
            path = temporary(".safetensors", visit.domain.name)
            visit.domain.save(path)
            words = say(request, "done", name=visit.domain.name)
            yield visit, words, *self.draw(visit, chosen, strength, detail), str(path)
        except StylizeError as error:
            gr.Warning(str(error))
            yield visit, f"⚠️ {error}", *skip

    # What scripts call.

    def api_stylize(self, photo: str, text: str, strength: float = 1.0, detail: float = 1.0) -> Image.Image:
        """Every face of a photo in a ready style, pasted back into the photo."""
        try:
            picture = read_photo(photo)
            faces = self.stylizer.faces(picture)
            domain = self.stylizer.domain(text)
            pictures = [self.stylizer.render(face, domain, strength, detail) for face in faces]
            return self.stylizer.paste(picture, faces, pictures)
        except StylizeError as error:
            raise gr.Error(str(error), print_exception=False) from None

    def api_invert(self, photo: str) -> list[tuple[Image.Image, str]]:
        """What the model understood of every face: reconstructed aligned pictures, numbered from the largest."""
        try:
            faces = self.stylizer.faces(read_photo(photo))
            return [(face.reconstruction, str(number)) for number, face in enumerate(faces, 1)]
        except StylizeError as error:
            raise gr.Error(str(error), print_exception=False) from None

    def api_adapt_text(
        self, text: str, source: str = SOURCE, steps: float = AdaptSettings.steps, seed: float = 0
    ) -> str:
        """Trains a style for a description by text guidance; the result is a domain file."""
        try:
            settings = AdaptSettings(steps=int(steps), seed=int(seed or 0))
            for report in adapt_text(self.stylizer, text, source, settings):
                domain = report.domain
            path = temporary(".safetensors", "style")
            domain.save(path)
            return str(path)
        except StylizeError as error:
            raise gr.Error(str(error), print_exception=False) from None


def build_page(stylizer: Stylizer) -> gr.Blocks:
    """The page over a stylizer; nothing is launched."""
    page, t = Page(stylizer), I18N
    examples = sorted(str(path) for path in EXAMPLES.glob("*.jpg"))

    with gr.Blocks(title="Stylize", delete_cache=(KEPT_SECONDS, KEPT_SECONDS)) as blocks:
        visit = gr.State(None, time_to_live=KEPT_SECONDS)
        gr.Markdown("# Stylize", elem_id="title")
        gr.Markdown(t("tagline"))
        with gr.Row():
            with gr.Column(scale=5, min_width=320):
                photo = photo_input(
                    label=t("photo"), sources=["upload", "webcam", "clipboard"], height=300, elem_id="photo"
                )
                if examples:
                    gr.Examples(examples, photo, label=t("examples"))
                gr.Markdown(t("ready"), elem_classes="heading")
                gallery = gr.Gallery(
                    page.gallery(),
                    show_label=False,
                    columns=4,
                    height=340,
                    allow_preview=False,
                    object_fit="cover",
                    buttons=[],
                    interactive=False,
                    elem_id="ready",
                )
                text = gr.Textbox(
                    label=t("describe"),
                    info=t("describe_info"),
                    placeholder=t("describe_hint"),
                    max_lines=2,
                    elem_id="text",
                )
                with gr.Row():
                    go = gr.Button(t("go"), variant="primary", elem_id="go")
                    cancel = gr.Button(t("cancel"), elem_id="cancel")
            with gr.Column(scale=6, min_width=320):
                status = gr.Markdown(t("start"), elem_id="status")
                result = gr.ImageSlider(
                    label=t("whole"), type="pil", format="jpeg", interactive=False, max_height=520, elem_id="result"
                )
                strength = gr.Slider(0, 1.5, 1, step=0.05, label=t("strength"), info=t("strength_info"))
                detail = gr.Slider(
                    0, 1, stylizer.default_detail, step=0.05, label=t("detail"), info=t("detail_info")
                )
                chosen = gr.CheckboxGroup([], label=t("faces"), info=t("faces_info"), visible=False, elem_id="chosen")
                with gr.Column(visible=False) as details:
                    with gr.Row():
                        small = {"interactive": False, "height": 220, "buttons": ["download", "fullscreen"]}
                        face = gr.Image(label=t("aligned"), elem_id="face", **small)
                        understood = gr.Image(label=t("understood"), **small)
                        marked = gr.Image(label=t("faces"), elem_id="marked", **small)
                    with gr.Row():
                        picture_file = gr.File(label=t("picture_file"), height=80, elem_id="picture-file")
                        domain_file = gr.File(label=t("domain_file"), height=80)
                with gr.Accordion(t("more"), open=False):
                    source = gr.Textbox(SOURCE, label=t("source"))
                    steps = gr.Slider(
                        20, 400, AdaptSettings.steps, step=10, label=t("steps"), info=t("steps_info")
                    )
                    seed = gr.Number(0, label=t("seed"), info=t("seed_info"), precision=0)
        about = (stylizer.name, f"{stylizer.generator.config.resolution} px", str(stylizer.device))
        gr.Markdown(" · ".join(about), elem_id="about")

        looks = [visit, chosen, strength, detail]
        shown = [result, face, picture_file]
        making: dict[str, Any] = {
            "fn": page.stylise,
            "inputs": [visit, text, chosen, strength, detail, source, steps, seed],
            "outputs": [visit, status, *shown, domain_file],
            "show_progress": "minimal",
            "concurrency_limit": 1,
            "concurrency_id": "adapt",
            "api_visibility": "private",
        }
        photo.change(
            page.open_photo,
            photo,
            [visit, details, marked, chosen, status, result, face, understood, picture_file],
            api_visibility="private",
        )
        runs = [go.click(**making), text.submit(**making)]
        picked = gallery.select(page.pick_ready, None, text, api_visibility="private")
        runs.append(picked.then(**making))
        cancel.click(page.cancelled, None, status, cancels=runs, api_visibility="private")
        for control in (strength, detail, chosen):
            control.change(
                page.draw, looks, shown, trigger_mode="always_last", show_progress="hidden", api_visibility="private"
            )
        blocks.load(page.localise, None, gallery, api_visibility="private")
        _add_api(page)
    blocks.queue(default_concurrency_limit=2, max_size=32)
    return blocks


def _add_api(page: Page) -> None:
    """Endpoints for scripts, on components that are not shown."""
    with gr.Row(visible=False):
        photo, text, source = photo_input(), gr.Textbox(), gr.Textbox(SOURCE)
        strength, detail = gr.Number(1.0), gr.Number(1.0)
        steps, seed = gr.Number(AdaptSettings.steps), gr.Number(0)
        picture, faces, file = gr.Image(type="pil", format="png"), gr.Gallery(), gr.File()
        button = gr.Button()
    button.click(page.api_stylize, [photo, text, strength, detail], picture, api_name="stylize")
    button.click(page.api_invert, photo, faces, api_name="invert")
    button.click(
        page.api_adapt_text,
        [text, source, steps, seed],
        file,
        api_name="adapt_text",
        concurrency_limit=1,
        concurrency_id="adapt",
    )
