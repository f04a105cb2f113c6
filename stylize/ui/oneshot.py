"""The tab that trains a style from one to ten pictures of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import gradio as gr

from stylize.errors import StylizeError
from stylize.images import read_photo
from stylize.training.adapt import Progress, State
from stylize.training.oneshot import MOST_REFERENCES, adapt_image, one_shot_preset
from stylize.ui.training import Begin, Trainer
from stylize.ui.visit import Studio
from stylize.ui.words import I18N as t


def prepare(studio: Studio, name: str, seed: int, paths: Sequence[str] | None) -> tuple[str, int, Begin]:
    """(name, steps, loop) of a training. Raises StylizeError for pictures that cannot be used."""
    paths = paths or ()
    if not 1 <= len(paths) <= MOST_REFERENCES:
        raise StylizeError(f"{len(paths)} reference pictures were given; use 1 to {MOST_REFERENCES}.")
    pictures = [read_photo(path) for path in paths]
    title = Path(paths[0]).stem[:40]

    def begin(state: State | None, steps: int) -> Iterator[Progress]:
        # All rows of the reference's style come along; the tab's slider says afterwards how far they are used.
        settings = one_shot_preset(studio.stylizer, name, seed=seed, steps=steps, style_mix=1.0)
        return adapt_image(studio.stylizer, pictures, settings, state, title)

    return title, one_shot_preset(studio.stylizer, name).steps, begin


class OneShotTab(Trainer):
    def __init__(self, studio: Studio) -> None:
        gr.Markdown(t("oneshot_info"))
        self.references = gr.File(
            label=t("references"), file_count="multiple", file_types=["image"], height=150, elem_id="references"
        )
        default = one_shot_preset(studio.stylizer).style_mix
        self.style_mix = gr.Slider(
            0, 1, default, step=0.05, label=t("style_mix"), info=t("style_mix_info"), elem_id="style-mix"
        )
        super().__init__(studio, "image", [self.references], lambda *goal: prepare(studio, *goal), self.style_mix)
