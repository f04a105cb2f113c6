"""The tab that trains a style for a description."""

from __future__ import annotations

from functools import partial

import gradio as gr

from stylize.adaptation.text import preset
from stylize.prompts.vocabulary import SOURCE
from stylize.ui.studio import Studio
from stylize.ui.texts import I18N as t
from stylize.ui.training import Begin, TrainingTab

PROMPTS = {
    "en": ["a pink watercolour", "a blue ink drawing", "a frozen zombie", "neon cartoon", "a teal comic halftone"],
    "ru": ["розовая акварель", "синий рисунок тушью", "ледяной зомби", "неоновый мульт", "бирюзовый комикс"],
}


def prepare(studio: Studio, name: str, seed: int, target: str, source: str) -> tuple[str, int, Begin]:
    """(name, steps, loop) of a training. Raises StylizeError for descriptions that cannot be used."""
    target = target or ""
    studio.stylizer.prompt(target)
    title, source = " ".join(target.split())[:60], (source or "").strip() or SOURCE
    return title, preset(studio.stylizer, name).steps, partial(studio.learn_words, target, source, name, seed)


class TextTab(TrainingTab):
    def __init__(self, studio: Studio) -> None:
        gr.Markdown(t("text_info"))
        self.target = gr.Textbox(label=t("describe_target"), placeholder=t("describe_hint"), elem_id="target")
        self.prompts = {
            wanted: gr.Examples(
                [[prompt] for prompt in prompts],
                self.target,
                label=t("ideas"),
                elem_id=f"prompts-{wanted}",
            )
            for wanted, prompts in PROMPTS.items()
        }
        with gr.Accordion(t("more"), open=False):
            self.source = gr.Textbox(SOURCE, label=t("source"), info=t("source_info"), elem_id="source")
        super().__init__(studio, "text", [self.target, self.source], lambda *goal: prepare(studio, *goal))
