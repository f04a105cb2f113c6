"""The page: a photo and a result shared by all tabs, and the tabs. It keeps nothing between visitors."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from typing import Any

import gradio as gr

from stylize.convert.catalogue import choose_weights, describe, megabytes
from stylize.convert.download import download
from stylize.errors import StylizeError
from stylize.pipeline import Stylizer
from stylize.ui.api import add_api
from stylize.ui.arguments import Endpoints
from stylize.ui.encoders import lay_encoder
from stylize.ui.instant import InstantTab
from stylize.ui.library import Library
from stylize.ui.oneshot import OneShotTab
from stylize.ui.result import PhotoAndResult, failed
from stylize.ui.studio import KEPT_SECONDS, SWEPT_SECONDS, Studio, seconds_left
from stylize.ui.text import TextTab
from stylize.ui.texts import I18N as t
from stylize.ui.texts import TEXTS, language, say
from stylize.ui.video import VideoTab
from stylize.ui.zerogpu import Gpu, lend

# On a wide screen the result is beside the photo and the tabs and stays in view; on a phone it comes after the
# photo and sticks to the top.
CSS = """
.gradio-container {max-width: min(1320px, 100vw) !important; margin: 0 auto !important}
#title h1 {margin-bottom: 0}
#house {display: grid; grid-template-columns: minmax(0, 6fr) minmax(0, 7fr); gap: 16px; align-items: start}
#house > * {min-width: 0 !important; width: auto}
#house #tabs {grid-column: 1; grid-row: 2}
#house #out {grid-column: 2; grid-row: 1 / span 2; position: sticky; top: 8px}
@media (max-width: 900px) {
    #house {display: flex; flex-direction: column; flex-wrap: nowrap; align-items: stretch}
    #out {display: contents}
    #shown {position: sticky; top: 0; z-index: 60; background: var(--body-background-fill); padding-bottom: 6px}
    #shown > * {margin: 0}
    #result {width: 64vw; margin: 0 auto}
    .tabs, .tab-wrapper {max-width: calc(100vw - 24px)}
    #tabs .tab-container button {padding: 0 6px}
}
.tab-container {overflow: hidden}
#status {min-height: 2.2em}
.note {min-height: 1.8em}
.field-row {align-items: flex-end}
.field-row > * {align-self: flex-end}
.heading * {font-weight: 600}
.styles .grid-container {gap: 6px; grid-template-columns: repeat(auto-fill, minmax(92px, 1fr))}
.styles .caption-label {left: 0; right: 0; bottom: 0; max-width: none; border: 0; border-radius: 0; padding: 2px 4px;
    font-size: 11px; line-height: 1.25; text-align: center; white-space: normal; background: rgba(0, 0, 0, .72);
    color: #fff}
.previews .grid-container {grid-template-columns: repeat(4, minmax(0, 1fr))}
.curve {margin: 0} .curve svg {width: 100%; height: 72px} .curve figcaption {font-size: 12px}
#about {font-size: 13px}
"""
# Rules outside the page's own content, to which Gradio restricts the rules above.
HEAD = """<style>
body {overflow-x: clip}
.gradio-container {overflow: clip !important}
.dark {--color-accent: var(--primary-400) !important}
body:not(.ru) :is(#ideas-ru, #prompts-ru), body.ru :is(#ideas-en, #prompts-en) {display: none !important}
@media (max-width: 900px) {
    html {scroll-padding-top: 60vh}
    .gradio-container .main {padding: 8px 12px !important}
}
</style>"""
FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Ubuntu", "sans-serif"]
THEME = gr.themes.Soft(primary_hue="indigo", neutral_hue="slate", font=FONTS, font_mono=["ui-monospace", "monospace"])
# Darker than the theme's own (lighter in dark mode), for a contrast of at least 4.5.
THEME.set(
    background_fill_primary="*neutral_50",  # from Soft, lost by a later set()
    color_accent="*primary_600",
    checkbox_border_color="*neutral_500",
    input_border_color="*neutral_300",
    button_primary_background_fill="*primary_600",
    button_primary_background_fill_hover="*primary_700",
    button_primary_background_fill_dark="*primary_600",
    block_title_text_color="*primary_700",
    block_title_text_color_dark="*primary_100",
    block_label_text_color="*primary_700",
    block_label_text_color_dark="*primary_100",
    block_info_text_color="*neutral_600",
    block_info_text_color_dark="*neutral_300",
    body_text_color_subdued="*neutral_600",
    body_text_color_subdued_dark="*neutral_300",
    checkbox_label_background_fill_selected="*primary_600",
    checkbox_label_background_fill_selected_dark="*primary_600",
)
MENDED = ("example", "empty", "too_large", "wrong_kind")
# Runs once in the browser: marks the language, and fixes what Gradio omits (names of pictures that act as
# buttons, roles of labelled elements), loads lazily (the result) or says in English only (why a
# file was refused).
MEND = """() => {
    const russian = navigator.language.startsWith("ru"), words = TEXTS[russian ? "ru" : "en"];
    document.body.classList.toggle("ru", russian);
    const each = (selector, mend) => document.querySelectorAll(selector).forEach(mend);
    const mend = () => {
        each(".empty[aria-label]:not([role])", e => { e.role = "img"; e.ariaLabel = words.empty; });
        each("#result img[loading=lazy]", e => { e.loading = "eager"; });
        each("#examples button.gallery-item:not([aria-label])", (e, n) => {
            e.ariaLabel = `${words.example} ${n + 1}`;
        });
        each("[data-testid=toast-text]", e => {
            const size = e.textContent.match(/maximum allowed size of ([\\d.]+)/);
            if (size) e.textContent = words.too_large.replace("{size}", Number(size[1]));
            if (e.textContent.startsWith("Invalid file type")) e.textContent = words.wrong_kind;
        });
    };
    new MutationObserver(mend).observe(document.body, {childList: true, subtree: true});
    mend();
}""".replace("TEXTS", json.dumps({tongue: {key: words[key] for key in MENDED} for tongue, words in TEXTS.items()}))
# Seconds between two of Gradio's clean-ups, and the age of files it then deletes; a file lives at most their sum.
DELETED = (SWEPT_SECONDS, KEPT_SECONDS - SWEPT_SECONDS)
MAX_WAITING = 256  # calls; each reports its place in the queue
HERE = ("127.0.0.1", "::1", "localhost")


class Page:
    """The page of a stylizer: ``blocks`` is what is launched. ``gpu``: spaces.GPU on Hugging Face's ZeroGPU."""

    def __init__(self, stylizer: Stylizer, gpu: Gpu | None = None) -> None:
        self.studio = studio = Studio(stylizer)
        if gpu is not None:
            lend(studio, gpu)
        self.shared = PhotoAndResult(studio)
        with Endpoints(title="Stylize", delete_cache=DELETED) as self.blocks:
            self._lay_out(studio)
            self._wire()
            add_api(studio, self.blocks)
        self.blocks.queue(default_concurrency_limit=4, max_size=MAX_WAITING)

    def _lay_out(self, studio: Studio) -> None:
        gr.Markdown("# Stylize", elem_id="title")
        gr.Markdown(t("tagline"))
        with gr.Row(elem_id="house"):
            with gr.Column(elem_id="in"):
                self.shared.lay_photo()
            with gr.Column(elem_id="out"):
                with gr.Column(elem_id="shown"):
                    self.shared.lay_result()
                with gr.Column():
                    self.shared.lay_look()
            with gr.Column(elem_id="tabs"), gr.Tabs():
                with gr.Tab(t("tab_instant"), elem_id="tab-instant"):
                    self.instant = InstantTab(studio)
                with gr.Tab(t("tab_text"), elem_id="tab-text"):
                    self.text = TextTab(studio)
                with gr.Tab(t("tab_oneshot"), elem_id="tab-oneshot"):
                    self.oneshot = OneShotTab(studio)
                with gr.Tab(t("tab_video"), elem_id="tab-video"):
                    self.video = VideoTab(studio)
                with gr.Tab(t("tab_library"), elem_id="tab-library"):
                    self.library = Library(studio)
        self.library.shelf.render()
        self.query = gr.Textbox(visible="hidden")
        with gr.Accordion(t("model"), open=False, elem_id="model"):
            lay_model(studio.stylizer)

    def _wire(self) -> None:
        shared, instant, library = self.shared, self.instant, self.library
        owned = [library.own, self.text.trained, self.oneshot.trained, instant.pictured]
        shared.wire(instant.recipe, self.oneshot.style_mix, instant.edits, owned)
        instant.wire(shared)
        library.wire(shared, instant.others)
        self.text.wire(shared, library)
        self.oneshot.wire(shared, library)
        self.video.wire(shared)

        def localise(request: gr.Request) -> Any:
            """Captions and the default source description in the visitor's language."""
            if language(request) == "en":
                return gr.skip(), gr.skip()
            return instant.pictures(request), say(request, "source_face")

        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        self.blocks.load(None, None, None, js=MEND)
        self.blocks.load(localise, None, [instant.gallery, self.text.source], **quiet)
        self.blocks.load(library.restore, library.shelf, library.shown, **quiet)
        shared.wire_link(self.blocks, self.query)
        for leaving in (shared.forget, self.text.forget, self.oneshot.forget, self.video.forget):
            self.blocks.unload(leaving)


def lay_model(stylizer: Stylizer) -> None:
    """Says which model runs, with a button to download the full one if the page runs on the user's own computer."""
    gr.Markdown(" · ".join((stylizer.name, f"{stylizer.resolution} px", str(stylizer.device))), elem_id="about")
    lay_encoder(stylizer)
    if stylizer.name == "full" or "SPACE_ID" in os.environ:
        return
    gr.Markdown(t("full_info"))
    with gr.Row():
        get, stop = gr.Button(t("full_get"), size="md", elem_id="full-get"), gr.Button(t("stop"), size="md")
    news = gr.Markdown(elem_id="full-news", elem_classes="note")
    loading = get.click(get_full, None, news, api_visibility="private")
    stop.click(None, None, None, cancels=loading, api_visibility="private")


def get_full(request: gr.Request) -> Iterator[str]:
    """Downloads the full model and reports progress; only for a visitor on this computer."""
    if request.client is None or request.client.host not in HERE:
        yield say(request, "full_only_here")
        return
    try:
        weights = choose_weights("full")
        yield describe(weights).replace("\n", "  \n")
        name = ""
        for progress in download(weights):
            if progress.weight.name != name:
                name, started, first = progress.weight.name, time.monotonic(), progress.done
            words = f"{name}: {progress.stage}"
            if progress.done:
                words += f" {megabytes(progress.done)}"
            if progress.total and progress.done > first:
                left = seconds_left(started, progress.done - first, progress.total - first)
                words += f" / {megabytes(progress.total)}, " + say(request, "left", left=left)
            yield words
        yield say(request, "full_done")
    except StylizeError as error:
        yield failed(error, request)
