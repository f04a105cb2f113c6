"""Shared by the two training tabs: the loop with its previews, and what is done with its result."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr
from PIL import Image

from stylize.adaptation.descent import AdaptationProgress, State
from stylize.errors import StylizeError
from stylize.models.domain import Domain
from stylize.ui.library import Library
from stylize.ui.recipe import alone
from stylize.ui.result import PhotoAndResult, explain, failed, forgiving
from stylize.ui.studio import OpenPhoto, Studio, domain_file, nearer, seconds_left
from stylize.ui.texts import I18N as t
from stylize.ui.texts import say

PRESET_NAMES = ("fast", "balanced", "strong")
PREVIEW_EVERY = 1.5  # seconds: previews cost as much as steps
PREVIEW_SIDE = 256  # px
RANDOM_FACES = 3
QUEUE: dict[str, Any] = {"concurrency_id": "adapt", "concurrency_limit": 1}  # one training at a time on a device

Begin = Callable[[int, State | None], Iterator[AdaptationProgress]]  # (steps, state to resume from) -> the loop


@dataclass(frozen=True, eq=False)
class Trained:
    """A started training: how to continue it and its results so far."""

    name: str
    steps: int  # of its preset
    begin: Begin
    progress: AdaptationProgress

    @property
    def domain(self) -> Domain:
        return self.progress.domain


def curve(losses: Sequence[float], label: str) -> str:
    """The loss curve as SVG, in the page's colours."""
    if len(losses) < 2:
        return ""
    low, high = min(losses), max(losses)
    span = (high - low) or 1.0
    points = " ".join(
        f"{4 + 292 * i / (len(losses) - 1):.1f},{6 + 60 * (high - loss) / span:.1f}" for i, loss in enumerate(losses)
    )
    words = f"{label}: {losses[0]:.3f} → {losses[-1]:.3f}"
    return (
        f'<figure class="curve"><svg viewBox="0 0 300 72" preserveAspectRatio="none" role="img" aria-label="{words}">'
        f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-width="2" '
        'vector-effect="non-scaling-stroke"/></svg>'
        f"<figcaption>{words}</figcaption></figure>"
    )


def named(trained: Trained, name: str | None, style_mix: Sequence[float] = ()) -> Domain:
    """Its domain under a name the visitor chose, with that share of its reference's style."""
    name = " ".join((name or "").split())[:60] or trained.name
    return replace(trained.domain, name=name, style_share=float(style_mix[0] if style_mix else 1.0))


class TrainingTab:
    """The lower part of a tab: preset, train, stop, continue; previews and curve; name, keep, download, discard.

    prepare(preset, seed, *goal) gives (name, steps, begin), or raises StylizeError.
    """

    def __init__(
        self,
        studio: Studio,
        kind: str,
        goal: Sequence[Any],
        prepare: Callable[..., tuple[str, int, Begin]],
        *style_mix: Any,
    ) -> None:
        self.studio, self.goal, self.prepare, self.mixing = studio, list(goal), prepare, style_mix
        self.trained = gr.State(None)
        self._asked: dict[str | None, str] = {}  # sessions whose training is queued or runs: "run", "stop" or "discard"
        with gr.Row():
            choices = [(t(name), name) for name in PRESET_NAMES]
            self.preset = gr.Radio(
                choices, value="balanced", label=t("preset"), info=t("preset_info"), elem_id=f"{kind}-preset"
            )
            seed = gr.Number(0, label=t("seed"), info=t("seed_info"), precision=0, minimum=0, min_width=120)
            self.seed = forgiving(seed)
        with gr.Row():
            self.go = gr.Button(t("train"), size="md", variant="primary", elem_id=f"{kind}-go", min_width=110)
            self.stop = gr.Button(t("stop"), size="md", elem_id=f"{kind}-stop", min_width=110)
            self.resume = gr.Button(t("continue"), size="md", elem_id=f"{kind}-continue", min_width=110)
        self.note = gr.Markdown(t("idle"), elem_id=f"{kind}-note", elem_classes="note")
        gr.Markdown(t("preview"), elem_classes="heading")
        self.preview = gr.Gallery(
            label=t("preview"), show_label=False, columns=RANDOM_FACES + 1, height=170, interactive=False,
            format="jpeg", allow_preview=False, object_fit="contain", buttons=[], elem_id=f"{kind}-preview",
            elem_classes="previews",
        )  # fmt: skip
        self.curve = gr.HTML(elem_id=f"{kind}-curve")
        with gr.Row(elem_classes="field-row"):
            self.name = gr.Textbox(
                label=t("name"), info=t("name_info"), max_lines=1, elem_id=f"{kind}-name", min_width=180
            )
            self.keep = gr.Button(t("keep"), size="md", elem_id=f"{kind}-keep", min_width=110)
        with gr.Row():
            self.apply = gr.Button(t("apply"), size="md", elem_id=f"{kind}-apply", min_width=110)
            self.download = gr.Button(t("download"), size="md", elem_id=f"{kind}-download", min_width=110)
            self.discard = gr.Button(t("discard"), size="md", elem_id=f"{kind}-discard", min_width=110)
        self.file = gr.File(label=t("domain_file"), height=80, visible=False, elem_id=f"{kind}-file")

    def wire(self, shared: PhotoAndResult, library: Library) -> None:
        self.library, self.recipe = library, shared.recipe
        quiet: dict[str, Any] = {"api_visibility": "private"}
        shown = [self.trained, self.note, self.preview, self.curve]
        looped: dict[str, Any] = {"outputs": shown, "show_progress_on": self.note, **QUEUE, **quiet}
        used = [self.name, *shared.recipe.all]
        applying: dict[str, Any] = {
            "fn": self.apply_trained, "inputs": {self.trained, *used}, "outputs": used, **quiet
        }  # fmt: skip
        at_once: dict[str, Any] = {"queue": False, **quiet}
        for button, run, inputs in (
            (self.go, self.train, [shared.opened, self.preset, self.seed, *self.goal]),
            (self.resume, self.go_on, [shared.opened, self.trained]),
        ):
            event = button.click(self.ask, None, None, **at_once).then(run, inputs, **looped)
            event.then(**applying).then(**shared.showing)
        self.stop.click(self.ask_to_stop, None, None, **at_once)
        self.apply.click(**applying).then(**shared.showing)
        naming = [self.trained, self.name, *self.mixing]
        self.keep.click(self.kept, [library.own, *naming], [*library.shown, self.note], **quiet)
        self.download.click(self.write, naming, [self.file, self.note], **quiet)
        dropped = self.discard.click(self.ask_to_discard, None, None, **at_once)
        cleared = [*shown, self.file, self.name, shared.texts[0]]
        dropped.then(self.nothing, [self.name, shared.texts[0]], cleared, **quiet).then(**shared.showing)

    # Event handlers. A training ends itself after the step in which it is asked to: Gradio's own cancelling
    # sometimes loses the events that follow.

    def ask(self, request: gr.Request) -> None:
        self._asked[request.session_hash] = "run"

    def ask_to_stop(self, request: gr.Request) -> None:
        if request.session_hash in self._asked:
            self._asked[request.session_hash] = "stop"

    def ask_to_discard(self, request: gr.Request) -> None:
        if request.session_hash in self._asked:
            self._asked[request.session_hash] = "discard"

    def forget(self, request: gr.Request) -> None:
        """Called when the visitor leaves."""
        self._asked.pop(request.session_hash, None)

    def train(
        self, request: gr.Request, opened: OpenPhoto | None, preset: str, seed: float | None, *goal: Any
    ) -> Iterator[tuple[Any, ...]]:
        """Yields (trained, note, pictures, curve) until the training ends."""
        try:
            name, steps, begin = self.prepare(preset, abs(int(seed or 0)), *goal)
            yield gr.skip(), say(request, "waiting", name=name), gr.skip(), gr.skip()
            yield from self._run(name, steps, begin, None, opened, request)
        except StylizeError as error:
            yield gr.skip(), failed(error, request), gr.skip(), gr.skip()

    def go_on(
        self, request: gr.Request, opened: OpenPhoto | None, trained: Trained | None
    ) -> Iterator[tuple[Any, ...]]:
        """Trains for as many more steps as its preset has."""
        if trained is None:
            yield gr.skip(), say(request, "nothing_trained"), gr.skip(), gr.skip()
            return
        try:
            yield from self._run(trained.name, trained.steps, trained.begin, trained.progress.state, opened, request)
        except StylizeError as error:
            yield gr.skip(), failed(error, request), gr.skip(), gr.skip()

    def _run(
        self, name: str, more: int, begin: Begin, state: State | None, opened: OpenPhoto | None, request: gr.Request
    ) -> Iterator[tuple[Any, ...]]:
        first = state.step if state is not None else 0
        started, shown, asked = time.monotonic(), 0.0, self._asked.get(request.session_hash, "run")
        notes: list[str] = []
        label = say(request, "loss")
        if asked != "run":  # while it was queued
            self.forget(request)
            yield gr.skip(), say(request, "idle"), gr.skip(), gr.skip()
            return
        with closing(begin(first + more, state)) as loop:  # type: ignore[type-var]
            for progress in loop:
                asked = self._asked.get(request.session_hash, "run")
                if asked == "discard":
                    self.forget(request)
                    yield None, say(request, "idle"), [], ""
                    return
                trained = Trained(name, more, begin, progress)
                if progress.note:
                    notes.append(explain(progress.note, request))
                pictures: Any = gr.skip()
                if time.monotonic() - shown > PREVIEW_EVERY:
                    pictures = self.pictures(progress.domain, opened)
                    shown = time.monotonic()
                left = seconds_left(started, progress.step - first, progress.steps - first)
                words = say(request, "training", name=name, step=progress.step, steps=progress.steps, left=left)
                drawn = curve(progress.state.history.tolist(), label)
                if asked == "stop":
                    break
                yield trained, " ".join([words, *notes]), pictures, drawn
        self.forget(request)
        words = say(request, "stopped" if asked == "stop" else "trained", name=name, step=progress.step)
        yield trained, " ".join([words, *notes]), self.pictures(progress.domain, opened), drawn

    def pictures(self, domain: Domain, opened: OpenPhoto | None) -> list[Image.Image]:
        """The visitor's own face, if a photo is open, and the same random faces every time."""
        faces = [nearer(opened.near[0], 1.0, PREVIEW_SIDE)] if opened else []
        return self.studio.preview(domain, faces, RANDOM_FACES)

    def apply_trained(self, values: dict[Any, Any]) -> dict[Any, Any]:
        """Its name, and a recipe of it alone, which the result then draws; no change if nothing was trained."""
        trained: Trained | None = values[self.trained]
        name = trained.name if trained else values[self.name]
        return {self.name: name, **self.recipe.write(alone(name) if trained else self.recipe.read(values))}

    def kept(
        self, request: gr.Request, own: Any, trained: Trained | None, name: str, *style_mix: float
    ) -> tuple[Any, ...]:
        """For ``Library.shown`` and the note."""
        unchanged = [gr.skip()] * len(self.library.shown)
        if trained is None:
            return *unchanged, say(request, "nothing_trained")
        try:
            domain = named(trained, name, style_mix)
            return self.library.keep(own, domain.label, domain, request)
        except StylizeError as error:
            return *unchanged, failed(error, request)

    def write(self, request: gr.Request, trained: Trained | None, name: str, *style_mix: float) -> tuple[Any, Any]:
        if trained is None:
            return gr.skip(), say(request, "nothing_trained")
        return gr.update(value=domain_file(named(trained, name, style_mix)), visible=True), gr.skip()

    def nothing(self, request: gr.Request, name: str, text: str) -> tuple[Any, ...]:
        """Empty fields; also the result's description if it names the discarded style."""
        text = "" if text and text == name else gr.skip()
        return None, say(request, "idle"), [], "", gr.update(value=None, visible=False), "", text
