"""The tab with immediate results: a described or ready style, mixes, levels, the grid and the morph."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image, ImageDraw, ImageFont

from stylize.errors import StylizeError
from stylize.images import read_photo
from stylize.models.domain import LEVELS, Domain
from stylize.pipeline import Face
from stylize.ui.library import PREVIEW_SIDE, KeptStyle, unused
from stylize.ui.recipe import ADDED, HIGH, LOW, SLOTS, STRAIGHT, TURNING, RecipeFields, alone
from stylize.ui.result import Inputs, PhotoAndResult, failed, forgiving, playing
from stylize.ui.studio import CELL, GRID, Studio, corner_weights, nearer, seconds_left, temporary
from stylize.ui.texts import I18N as t
from stylize.ui.texts import say, style_name
from stylize.ui.uploads import photo_input, viewable
from stylize.video.morph import save_moving

FORMATS = ("MP4", "GIF", "WebP")
FPS = 20
MORPH_SIDE = 384  # px: longest side of an animation
SECONDS = (1, 6)
LABEL_FONT = Path(__file__).with_name("labels.ttf")  # DejaVu Sans, Latin and Cyrillic: Pillow's own has no Cyrillic
SAID_EVERY = 0.5  # seconds between two reports
QUEUE: dict[str, Any] = {"concurrency_id": "moving", "concurrency_limit": 1}  # for work that draws many pictures
IDEAS = {
    "en": ["teal ink", "pink watercolour", "blue charcoal drawing", "golden cartoon", "purple pop art"],
    "ru": ["бирюзовая тушь", "розовая акварель", "синий уголь", "золотой мультфильм", "фиолетовый поп-арт"],
}


class InstantTab:
    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        ready = studio.stylizer.ready()
        self.text = gr.Textbox(
            label=t("describe"),
            info=t("describe_info" if studio.stylizer.has_hypernet else "describe_info_ready"),
            placeholder=t("describe_hint"),
            max_lines=2,
            elem_id="text",
        )
        self.ideas = {
            wanted: gr.Examples(
                [[idea] for idea in ideas],
                self.text,
                label=t("ideas"),
                elem_id=f"ideas-{wanted}",
                examples_per_page=len(ideas),
            )
            for wanted, ideas in IDEAS.items()
        }
        gr.Markdown(t("ready"), elem_classes="heading")
        self.gallery = gr.Gallery(
            self.pictures(), label=t("ready"), show_label=False, columns=5, height=300, allow_preview=False,
            object_fit="cover", buttons=[], interactive=False, elem_id="ready", elem_classes="styles",
        )  # fmt: skip
        self.pictured = gr.State({})
        if studio.stylizer.has_hypernet:
            with gr.Accordion(t("pictured"), open=False, elem_id="pictured"):
                gr.Markdown(t("pictured_info"))
                self.picture = photo_input(
                    label=t("pictured_label"), sources=["upload", "clipboard"], height=160, elem_id="pictured-picture"
                )
        with gr.Accordion(t("mix"), open=False, elem_id="mix"):
            gr.Markdown(t("mix_info"))
            self.others, weights, own_levels = [], [], []
            for slot in range(1, SLOTS + 1):
                with gr.Row():
                    if slot > 1:
                        self.others.append(
                            gr.Dropdown(
                                ["", *ready], value="", label=t(f"style_{slot}"), allow_custom_value=True,
                                min_width=150, elem_id=f"style-{slot}",
                            )
                        )  # fmt: skip
                    weight = 1 if slot == 1 else ADDED
                    words = {"label": t(f"weight_{slot}"), "info": t("weight_info")}
                    slider = gr.Slider(LOW, HIGH, weight, step=0.05, min_width=150, elem_id=f"weight-{slot}", **words)
                    weights.append(forgiving(slider))
                with gr.Accordion(t(f"levels_{slot}"), open=False, elem_id=f"levels-{slot}"), gr.Row():
                    own_levels.append(self._levels(f"-{slot}"))
            ways = [(t(way), way) for way in (STRAIGHT, TURNING)]
            way = gr.Radio(ways, value=STRAIGHT, label=t("way"), info=t("way_info"), elem_id="way")
        with gr.Accordion(t("levels"), open=False, elem_id="levels"):
            levels = self._levels()
        self.recipe = RecipeFields([self.text, *self.others], weights, own_levels, levels, way)
        self.edits: dict[str, gr.Slider] = {}
        if studio.stylizer.edits():
            with gr.Accordion(t("edits"), open=False):
                for name in studio.stylizer.edits():
                    slider = gr.Slider(-5, 5, 0, step=0.25, label=name, info=t("edit_info"))
                    self.edits[name] = forgiving(slider)
        with gr.Accordion(t("grid"), open=False, elem_id="grid-panel"):
            gr.Markdown(t("grid_info"))
            with gr.Row():
                self.draw_grid = gr.Button(t("grid_go"), size="md", elem_id="grid-go", min_width=120)
                self.stop_grid = gr.Button(t("stop"), size="md", elem_id="grid-stop", min_width=120)
            self.grid_picture = gr.Image(
                label=t("grid"), show_label=False, interactive=False, format="png", elem_id="grid",
                buttons=["download", "fullscreen"],
            )  # fmt: skip
        with gr.Accordion(t("morph"), open=False, elem_id="morph-panel"):
            gr.Markdown(t("morph_info"))
            with gr.Row():
                self.format = gr.Radio(FORMATS, value=FORMATS[0], label=t("format"), min_width=160)
                seconds = {"label": t("seconds"), "info": t("seconds_info"), "min_width": 160}
                self.seconds = forgiving(gr.Slider(*SECONDS, 2, step=1, **seconds))
            with gr.Row():
                self.draw_morph = gr.Button(t("morph_go"), size="md", elem_id="morph-go", min_width=120)
                self.stop_morph = gr.Button(t("stop"), size="md", elem_id="morph-stop", min_width=120)
            later: dict[str, Any] = {"label": t("moving"), "visible": False, "interactive": False}
            self.player = gr.Video(
                height=300, autoplay=True, loop=True, show_label=False, elem_id="morph-film", **later
            )
            self.animation = gr.Image(height=300, buttons=[], show_label=False, elem_id="morph-animation", **later)
            self.moving = gr.File(height=80, elem_id="morph", **later)

    @staticmethod
    def _levels(slot: str = "") -> list[gr.Slider]:
        return [
            forgiving(
                gr.Slider(
                    LOW,
                    HIGH,
                    1,
                    step=0.05,
                    label=t(name),
                    info=t(f"{name}_info"),
                    min_width=150,
                    elem_id=f"{name}{slot}",
                )
            )
            for name in LEVELS
        ]

    def wire(self, shared: PhotoAndResult) -> None:
        self.shared = shared
        quiet: dict[str, Any] = {"api_visibility": "private"}
        self.gallery.select(self.pick, None, self.recipe.all, show_progress="hidden", **quiet).then(**shared.showing)
        for examples in self.ideas.values():
            chosen = examples.load_input_event.then(
                self.take, self.text, self.recipe.all, show_progress="hidden", **quiet
            )
            chosen.then(**shared.showing)
        if self.studio.stylizer.has_hypernet:
            self.picture.upload(
                lambda path: viewable(path)[0], self.picture, self.picture, show_progress="hidden", **quiet
            )
            self.picture.upload(
                self.add_picture,
                [self.picture, self.pictured, *self.recipe.texts],
                [shared.status, self.pictured, *self.recipe.texts],
                show_progress_on=shared.status,
                **quiet,
            ).then(**shared.showing)
        moving: dict[str, Any] = {"show_progress_on": shared.status, **QUEUE, **quiet}
        grid = self.draw_grid.click(self.grid, shared.inputs, [shared.status, self.grid_picture], **moving)
        self.grid_picture.select(
            self.pick_cell, shared.inputs, list(self.recipe.weights), show_progress="hidden", **quiet
        )
        inputs = {self.format, self.seconds, *shared.inputs}
        outputs = [shared.status, self.moving, self.player, self.animation]
        movie = self.draw_morph.click(self.movie, inputs, outputs, **moving)
        for stop, run in ((self.stop_grid, grid), (self.stop_morph, movie)):
            halted = stop.click(self.halted, None, shared.status, cancels=run, queue=False, **quiet)
            halted.then(self.halted, None, shared.status, **quiet)  # again, in case a report was still on its way

    # Event handlers

    def pictures(self, request: gr.Request | None = None) -> list[tuple[Any, str]]:
        """The ready styles as (picture, caption) in the visitor's language."""
        stylizer = self.studio.stylizer
        return [(stylizer.preview(name), style_name(request, name)) for name in stylizer.ready()]

    def pick(self, event: gr.SelectData, request: gr.Request) -> dict[Any, Any]:
        """Replaces the current mix by the ready style that was clicked."""
        return self.take(style_name(request, self.studio.stylizer.ready()[event.index]))

    def take(self, text: str) -> dict[Any, Any]:
        """Replaces the current mix by one style."""
        return self.recipe.write(alone(text))

    def pick_cell(self, event: gr.SelectData, values: dict[Any, Any]) -> list[Any]:
        """The weights of the named slots at the clicked point of the grid."""
        x, y = (min(position // CELL, GRID - 1) / (GRID - 1) for position in event.index)
        weights, recipe = iter(corner_weights(x, y)), self.recipe.read(values)
        return [round(next(weights), 3) if part in recipe.named else part.weight for part in recipe.parts]

    def add_picture(
        self, request: gr.Request, path: str | None, pictured: Mapping[str, KeptStyle], *texts: str | None
    ) -> tuple[Any, ...]:
        """Adds a picture as a style: (status, the visitor's pictures, texts with its name in the first free slot, or
        else the last)."""
        unchanged = [gr.skip()] * (1 + len(texts))
        if path is None:
            return gr.skip(), *unchanged
        try:
            picture = read_photo(path)
            name = unused(say(request, "picture_name", name=Path(path).stem[:40]), pictured)
            domain = self.studio.stylizer.instant(picture, name)
        except StylizeError as error:
            return failed(error, request), *unchanged
        picture.thumbnail((PREVIEW_SIDE,) * 2)
        free = next((slot for slot, text in enumerate(texts) if not (text or "").strip()), len(texts) - 1)
        named = [name if slot == free else gr.skip() for slot in range(len(texts))]
        return gr.skip(), {**pictured, name: KeptStyle(domain, picture)}, *named

    def _styles(self, asked: Inputs, request: gr.Request) -> tuple[Face, list[Domain]]:
        """(a visible face, the domains that are named). Raises StylizeError."""
        if asked.opened is None:
            raise StylizeError(say(request, "need_photo"))
        recipe = asked.recipe
        domains = [
            self.studio.domain(part.text, asked.own).scaled(*part.levels).scaled(*recipe.levels)
            for part in recipe.named
        ]
        if not domains:
            raise StylizeError(say(request, "need_style"))
        return asked.opened.near[asked.opened.chosen(asked.chosen)[0]], domains

    @staticmethod
    def _drawn(pictures: Iterator[Image.Image], of: int, out: list[Image.Image], request: gr.Request) -> Iterator[str]:
        """Appends ``of`` pictures to ``out`` and now and then reports the time left."""
        started = said = time.monotonic()
        for picture in pictures:
            out.append(picture)
            if time.monotonic() - said > SAID_EVERY or len(out) == 1:
                said = time.monotonic()
                left = seconds_left(started, len(out), of)
                yield say(request, "drawing", n=len(out), of=of, left=left)

    def halted(self, request: gr.Request) -> str:
        return say(request, "halted")

    def grid(self, request: gr.Request, values: dict[Any, Any]) -> Iterator[tuple[Any, Any]]:
        """(status, one picture of GRID x GRID mixes with the styles' names in the corners)."""
        cells: list[Image.Image] = []
        asked = self.shared.read(values)
        try:
            face, domains = self._styles(asked, request)
            mixes = self.studio.cells(face, domains, asked.look, asked.recipe.spherical)
            for said in self._drawn(mixes, GRID * GRID, cells, request):
                yield said, gr.skip()
        except StylizeError as error:
            yield failed(error, request), gr.skip()
            return
        sheet = Image.new("RGB", (GRID * CELL,) * 2)
        for index, cell in enumerate(cells):
            sheet.paste(cell, (index % GRID * CELL, index // GRID * CELL))
        draw, font = ImageDraw.Draw(sheet), ImageFont.truetype(LABEL_FONT, 24)
        for index, part in enumerate(asked.recipe.named):
            right, low = index % 2, index // 2
            place = ((8, sheet.width - 8)[right], (CELL, sheet.height)[low] - 8)
            anchor = "lr"[right] + "d"
            name = part.text.strip()[:24]
            draw.text(place, name, fill="white", font=font, anchor=anchor, stroke_width=3, stroke_fill="black")
        yield say(request, "grid_done"), sheet

    def movie(self, request: gr.Request, values: dict[Any, Any]) -> Iterator[tuple[Any, ...]]:
        """(status, file, video player, animation) of a walk from the face itself through every style."""
        same, asked = (gr.skip(),) * 3, self.shared.read(values)
        try:
            face, domains = self._styles(asked, request)
            frames = round(values[self.seconds] * FPS) * len(domains) + 1
            pictures: list[Image.Image] = []
            small, spherical = nearer(face, 1.0, MORPH_SIDE), asked.recipe.spherical
            walk = self.studio.walk(small, domains, frames, asked.look, spherical)
            for said in self._drawn(walk, frames, pictures, request):
                yield said, *same
            path = temporary(f".{values[self.format].lower()}", "morph")
            save_moving(pictures, path, FPS)
        except StylizeError as error:
            yield failed(error, request), *same
            return
        picture, film, file = playing(path)
        yield say(request, "morph_done"), file, film, picture
