"""The photo and the result shared by all tabs: their layout, and their reaction to any change."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import gradio as gr

from stylize.errors import StylizeError
from stylize.faces.align import MIN_FACE
from stylize.look import Look
from stylize.models.domain import Domain
from stylize.places import EXAMPLES
from stylize.ui.encoders import EncodersTab
from stylize.ui.errors_russian import in_russian
from stylize.ui.recipe import (
    HIGH,
    LARGEST_SEED,
    LOW,
    Recipe,
    RecipeFields,
    Values,
    alone,
    number_or,
    read_query,
    write_query,
)
from stylize.ui.studio import OpenPhoto, Studio, file_digest, mark_faces
from stylize.ui.texts import I18N as t
from stylize.ui.texts import language, say, style_name
from stylize.ui.uploads import photo_input, viewable

OFFERED = 3  # styles offered for a description that is not understood

# Waits for a pause in typing, then passes on the text at that moment.
TYPED = """async () => {
    const box = document.querySelector("#text textarea");
    let before;
    do { before = box.value; await new Promise(done => setTimeout(done, 350)); } while (box.value !== before);
}"""
SAVE = """() => { const find = () => document.querySelector("#png a, a#png, #png button, button#png");
    setTimeout(() => find()?.click(), 200); }"""


def forgiving(field: Any) -> Any:
    """Lets a slider or number clamp values out of range, and replace None by its default. Holds as long as handlers
    return values, not updates, which recreate it."""
    first, low = field.value, -math.inf if field.minimum is None else field.minimum
    high = math.inf if field.maximum is None else field.maximum
    field.preprocess = lambda given: first if given is None else min(max(given, low), high)
    return field


def explain(message: str, request: gr.Request | None) -> str:
    """Translates a sentence of the package into the visitor's language."""
    return in_russian(message) if language(request) == "ru" else message


def failed(error: StylizeError, request: gr.Request | None) -> str:
    return f"⚠️ {explain(error.sentence, request)}"


def playing(path: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """A video or an animation as updates of (a gr.Image, a gr.Video, a gr.File): it plays in one of them, and can be
    downloaded. Gradio modifies updates, so each has its own."""
    plays = path.suffix == ".mp4"
    picture, film, file = (
        gr.update(value=str(path) if shown else None, visible=shown) for shown in (not plays, plays, True)
    )
    return picture, film, file


@dataclass(frozen=True)
class Inputs:
    """The user's request: the photo and the numbers of its chosen faces, the style (``own`` are the visitor's domains
    that it may name), and the rest of the look."""

    opened: OpenPhoto | None
    chosen: Sequence[str] | None
    own: Mapping[str, Domain]
    recipe: Recipe
    look: Look


class PhotoAndResult:
    """The components of the photo and the result. The recipe's components and ``edits`` are in a tab and are passed to
    ``wire``; ``owned`` are the states whose domains a text may name. Handlers get the values of ``inputs`` by
    component; ``read`` makes a record of them."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self._latest: dict[str | None, tuple[int, dict[Any, Any]]] = {}  # per session: number and values
        self._numbers = count()

    # Layout

    def lay_photo(self) -> None:
        self.opened = gr.State(None)
        self.stand_in = gr.State(None)  # the digest of the substitute for a photo that browsers cannot show
        self.photo = photo_input(
            label=t("photo"), sources=["upload", "webcam", "clipboard"], height=260, elem_id="photo"
        )
        if EXAMPLES:
            gr.Examples([str(path) for path in EXAMPLES], self.photo, label=t("examples"), elem_id="examples")
        with gr.Row(elem_classes="field-row"):
            self.seed = forgiving(
                gr.Number(
                    0,
                    label=t("random_seed"),
                    info=t("random_info"),
                    precision=0,
                    minimum=0,
                    maximum=LARGEST_SEED,
                    scale=3,
                )
            )
            self.dice = gr.Button(t("random"), elem_id="random", scale=2, size="md", min_width=120)

    def lay_result(self) -> None:
        self.status = gr.Markdown(t("start"), elem_id="status")
        with gr.Row(elem_id="nearest"):
            self.offered = [
                gr.Button("", visible=False, size="sm", min_width=90, elem_id=f"nearest-{place}")
                for place in range(OFFERED)
            ]
        with gr.Tabs():
            with gr.Tab(t("whole")):
                self.result = gr.ImageSlider(
                    show_label=False, label=t("whole"), type="pil", format="jpeg", interactive=False, max_height=430,
                    slider_position=30, elem_id="result",
                )  # fmt: skip
            small: dict[str, Any] = {"interactive": False, "height": 300, "format": "jpeg", "buttons": ["download"]}
            with gr.Tab(t("aligned"), render_children=True), gr.Row():
                self.face = gr.Image(label=t("aligned"), elem_id="face", min_width=140, **small)
                self.understood = gr.Image(label=t("understood"), min_width=140, **small)
            with gr.Tab(t("faces")):
                self.marked = gr.Image(show_label=False, label=t("faces"), elem_id="marked", **small)
            self.encoders = EncodersTab(self.studio) if self.studio.stylizer.compares else None

    def lay_look(self) -> None:
        self.chosen = gr.CheckboxGroup([], label=t("faces"), info=t("faces_info"), visible=False, elem_id="chosen")
        with gr.Row():
            self.strength = forgiving(
                gr.Slider(
                    LOW,
                    HIGH,
                    1,
                    step=0.05,
                    label=t("strength"),
                    info=t("strength_info"),
                    elem_id="strength",
                    min_width=220,
                )
            )
            detail = self.studio.stylizer.default_detail
            self.detail = forgiving(
                gr.Slider(
                    0, 1, detail, step=0.05, label=t("detail"), info=t("detail_info"), elem_id="detail", min_width=220
                )
            )
        self.own_colours = gr.Checkbox(False, label=t("own_colours"), info=t("own_colours_info"), elem_id="own-colours")
        with gr.Row():
            self.save = gr.Button(t("save_png"), size="md", elem_id="save", min_width=140)
            self.keep = gr.Button(t("keep_shown"), size="md", elem_id="keep", min_width=140)
            self.copy = gr.Button(t("copy_link"), size="md", elem_id="copy", min_width=140)
        self.png = gr.DownloadButton(elem_id="png", visible="hidden")
        self.link = gr.Textbox(label=t("link"), info=t("link_info"), buttons=["copy"], visible=False, elem_id="link")

    # Events

    def wire(self, recipe: RecipeFields, style_mix: Any, edits: Mapping[str, Any], owned: Sequence[Any]) -> None:
        """``edits``: sliders by the name of their edit."""
        self.recipe, self.style_mix, self.edits, self.owned = recipe, style_mix, edits, owned
        self.texts = texts = recipe.texts
        drawn = [*recipe.all, self.strength, self.detail, self.own_colours, *edits.values(), self.chosen, style_mix]
        self.inputs = {self.opened, *owned, *drawn}
        self.showing: dict[str, Any] = {
            "fn": self.show,
            "inputs": self.inputs,
            "outputs": [self.status, self.result, self.face, *self.offered],
            "show_progress": "hidden" if self.studio.stylizer.resolution < 512 else "minimal",
            "show_progress_on": self.status,
            "trigger_mode": "always_last",
            "concurrency_id": "draw",
            "concurrency_limit": 4,
            "api_visibility": "private",
        }
        # The result is requested after the pause, with the values of that moment.
        texts[0].change(None, None, None, js=TYPED, api_visibility="private").then(**self.showing)
        gr.on([field.change for field in drawn if field is not texts[0]], **self.showing)

        self.photo_outputs = [
            self.opened,
            self.marked,
            self.chosen,
            self.status,
            self.result,
            self.face,
            self.understood,
        ]
        photo_outputs = self.photo_outputs
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress_on": self.status}
        redraw = {**self.showing, "fn": self.redraw}
        self.photo.upload(viewable, self.photo, [self.photo, self.stand_in], show_progress="hidden", **quiet)
        given = [self.photo, self.opened, self.stand_in]
        self.photo.change(self.arrived, given, [*photo_outputs, self.stand_in], **quiet).then(**redraw)
        rolls = self.dice.click(self.roll, self.seed, [*photo_outputs, self.seed], **quiet)
        for rolled in (rolls, self.seed.submit(self.roll_same, self.seed, photo_outputs, **quiet)):
            # In the browser: an update from here would recreate the photo field without its own reader.
            rolled.then(None, None, self.photo, js="() => null", api_visibility="private").then(**self.showing)
        for button in self.offered:
            pressed = {button, *self.inputs}
            taken = button.click(self.take, pressed, texts, show_progress="hidden", api_visibility="private")
            taken.then(**self.showing)
        self.chosen.change(self.view, [self.opened, self.chosen], self.understood, show_progress="hidden", **quiet)
        if self.encoders is not None:
            self.encoders.wire(self.opened, self.chosen, self.photo)
        saved = self.save.click(self.png_file, self.inputs, self.png, **quiet)
        saved.success(None, None, None, js=SAVE, api_visibility="private")
        self.copy.click(self.query, self.inputs, [self.link, self.status], **quiet).then(
            None, self.link, self.link, js=COPY, api_visibility="private"
        )

    def wire_link(self, blocks: gr.Blocks, query: Any) -> None:
        """Reads the link when the page loads; ``query`` is a hidden text field that changes if there is one."""
        linked = [*self.recipe.all, self.strength, self.detail, self.own_colours, self.seed, *self.photo_outputs]
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        blocks.load(None, None, query, js="() => window.location.search", api_visibility="private")
        query.change(self.linked, query, linked, **quiet).then(**self.showing)

    def read(self, values: Values) -> Inputs:
        own: dict[str, Domain] = {}
        for state in self.owned:
            own |= domains_in(values[state], number_or(values[self.style_mix], 1.0))
        look = Look(
            strength=number_or(values[self.strength], 1.0),
            detail=number_or(values[self.detail], self.studio.stylizer.default_detail),
            keep_colours=bool(values[self.own_colours]),
            edits={name: values[slider] for name, slider in self.edits.items() if values[slider]},
        )
        return Inputs(values[self.opened], values[self.chosen], own, self.recipe.read(values), look)

    # Event handlers. Each turns a StylizeError into a sentence on the status line.

    def arrived(
        self, path: str | None, before: OpenPhoto | None, stand_in: str | None, request: gr.Request
    ) -> list[Any]:
        """``open``, and the new stand-in; the arrival of a stand-in is not a new photo."""
        if path is not None and stand_in is not None and file_digest(path) == stand_in:
            return [*[gr.skip()] * len(self.photo_outputs), None]
        return [*self.open(path, before, request), gr.skip()]

    def open(self, path: str | None, before: OpenPhoto | None, request: gr.Request) -> tuple[Any, ...]:
        """photo -> open photo, marked photo, face choice, status, empty result, the face alone, its reconstruction.
        ``before``: the photo open until now; a random face has none."""
        nothing = (None, None, gr.update(choices=[], value=[], visible=False))
        if path is None:
            if before is not None and before.seed is not None:
                return (gr.skip(),) * len(self.photo_outputs)
            return *nothing, say(request, "start"), None, None, None
        try:
            return self._opened(self.studio.open(path), request)
        except StylizeError as error:
            return *nothing, failed(error, request), None, None, None

    def roll(self, seed: float | None, request: gr.Request) -> tuple[Any, ...]:
        """The next random face, and its number."""
        seed = (int(seed or 0) + 1) % LARGEST_SEED
        return *self.roll_same(seed, request), seed

    def roll_same(self, seed: float | None, request: gr.Request) -> tuple[Any, ...]:
        return self._opened(self.studio.random(abs(int(seed or 0)) % LARGEST_SEED), request)

    def view(self, opened: OpenPhoto | None, chosen: Sequence[str] | None) -> Any:
        """The model's reconstruction of the first chosen face."""
        return opened.faces[opened.chosen(chosen)[0]].reconstruction if opened else gr.skip()

    def _opened(self, opened: OpenPhoto, request: gr.Request) -> tuple[Any, ...]:
        n = len(opened.faces)
        choice = gr.update(choices=[str(i + 1) for i in range(n)], value=[], visible=n > 1)
        marked = opened.view if opened.seed is not None else mark_faces(opened.view, opened.near, opened.small)
        before, face = (opened.view, opened.view), opened.near[0].crop
        return opened, marked, choice, greeting(opened, request), before, face, opened.faces[0].reconstruction

    def linked(self, query: str, request: gr.Request) -> dict[Any, Any]:
        """Applies a link: the recipe, the look, the seed, and the random face of that seed."""
        link = read_query(query or "")
        face = self.roll_same(link.seed, request) if link.seed is not None else [gr.skip()] * len(self.photo_outputs)
        return {
            **self.recipe.write(link.recipe if link.recipe.parts else alone("")),
            self.strength: number_or(link.strength, 1.0),
            self.detail: number_or(link.detail, self.studio.stylizer.default_detail),
            self.own_colours: link.keep_colours,
            self.seed: link.seed or 0,
            **dict(zip(self.photo_outputs, face, strict=True)),
        }

    def show(self, request: gr.Request, values: dict[Any, Any]) -> tuple[Any, ...]:
        """(status, before and after, the first chosen face alone, the buttons of offered styles); nothing if nothing
        has changed, or if a newer call has arrived meanwhile."""
        session, mine, skip = request.session_hash, (next(self._numbers), values), gr.skip()
        same = (skip,) * (3 + OFFERED)
        if session in self._latest and self._latest[session][1] == values:
            return same
        self._latest[session] = mine
        asked = self.read(values)
        opened, chosen, look = asked.opened, asked.chosen, asked.look
        names = self.studio.nearest(asked.recipe, asked.own)[1][:OFFERED]
        offered = [gr.update(value=style_name(request, name), visible=True) for name in names]
        offered += [gr.update(visible=False)] * (OFFERED - len(names))
        try:
            domain = self.studio.compose(asked.recipe, asked.own)
            if opened is None:
                return skip if domain is None else say(request, "need_photo"), skip, skip, *offered
            if domain is None and not look.edits:
                face = opened.near[opened.chosen(chosen)[0]].crop
                return greeting(opened, request), (opened.view, opened.view), face, *offered
            notes = (explain(note, request) for note in self.studio.notes(asked.recipe, asked.own))
            words = " ".join([say(request, "done", name=asked.recipe.title or ", ".join(look.edits)), *notes])
            result, face = self.studio.picture(opened, chosen, look.in_domain(domain))
        except StylizeError as error:
            return (failed(error, request), skip, skip, *offered) if self._latest.get(session) is mine else same
        if self._latest.get(session) is not mine:
            return same
        return words, (opened.view, result), face, *offered

    def take(self, values: dict[Any, Any]) -> dict[Any, Any]:
        """Replaces the description by the offered style whose button was clicked."""
        asked = self.read(values)
        slot, _ = self.studio.nearest(asked.recipe, asked.own)
        return {self.texts[slot]: next(values[button] for button in self.offered if button in values)}

    def redraw(self, request: gr.Request, values: dict[Any, Any]) -> tuple[Any, ...]:
        """Draws the current style on a photo just opened; why one could not be opened stays on the status line."""
        return self.show(request, values) if values[self.opened] is not None else (gr.skip(),) * (3 + OFFERED)

    def forget(self, request: gr.Request) -> None:
        """Called when the visitor leaves."""
        self._latest.pop(request.session_hash, None)

    def png_file(self, request: gr.Request, values: dict[Any, Any]) -> str:
        """The result at the photo's own size."""
        asked = self.read(values)
        try:
            if asked.opened is None:
                raise StylizeError(say(request, "need_photo"))
            look = asked.look.in_domain(self.studio.compose(asked.recipe, asked.own))
            return self.studio.file(asked.opened, asked.chosen, look, asked.recipe)
        except StylizeError as error:
            raise gr.Error(explain(error.sentence, request), print_exception=False) from None

    def query(self, request: gr.Request, values: dict[Any, Any]) -> tuple[Any, Any]:
        """(the settings as the query part of a link, see ``read_query``; a note about styles it cannot carry)."""
        asked = self.read(values)
        private = [part.text for part in asked.recipe.named if part.text in asked.own]
        note = say(request, "link_own", names=", ".join(private)) if private else gr.skip()
        query = write_query(asked.recipe, asked.look, asked.opened.seed if asked.opened else None)
        return gr.update(value=query, visible=True), note


COPY = """async query => {
    const link = window.location.origin + window.location.pathname + query;
    try { await navigator.clipboard.writeText(link); } catch { /* the box has its own button */ }
    return link;
}"""


def greeting(opened: OpenPhoto, request: gr.Request) -> str:
    """What was found in the photo, and what to do next."""
    if opened.seed is not None:
        return say(request, "random_face", seed=opened.seed)
    n = len(opened.faces)
    found = say(request, "found_many", n=n) if n > 1 else say(request, "found_one")
    small = say(request, "too_small", n=len(opened.small), least=MIN_FACE) if opened.small else ""
    return f"{found} {small}".strip()


def domains_in(state: Any, style_mix: float) -> Mapping[str, Domain]:
    """The named domains in a tab's state; ``style_mix`` is the style share of one just trained."""
    if state is None:
        return {}
    if isinstance(state, Mapping):
        return {name: kept.domain for name, kept in state.items()}
    return {state.name: replace(state.domain, style_share=style_mix)}
