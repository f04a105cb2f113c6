"""The tab that trains a style from one to ten pictures of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import gradio as gr

from stylize.adaptation.pictures import MAX_REFERENCES, one_shot_preset
from stylize.errors import StylizeError
from stylize.images import read_photo
from stylize.ui.result import forgiving
from stylize.ui.studio import Studio
from stylize.ui.texts import I18N as t
from stylize.ui.training import Begin, TrainingTab

UNCOMMON = [".heic", ".heif", ".avif"]  # some systems do not know these as picture types


def prepare(studio: Studio, name: str, seed: int, paths: Sequence[str] | None) -> tuple[str, int, Begin]:
    """(name, steps, loop) of a training. Raises StylizeError for pictures that cannot be used."""
    paths = paths or ()
    if not 1 <= len(paths) <= MAX_REFERENCES:
        raise StylizeError("{} reference pictures were given; use 1 to {}.", len(paths), MAX_REFERENCES)
    pictures = [read_photo(path) for path in paths]
    title = Path(paths[0]).stem[:40]
    steps = one_shot_preset(studio.stylizer, name).steps
    return title, steps, partial(studio.learn_pictures, pictures, title, name, seed)


class OneShotTab(TrainingTab):
    def __init__(self, studio: Studio) -> None:
        gr.Markdown(t("oneshot_info"))
        self.references = gr.File(
            label=t("references"), file_count="multiple", file_types=["image", *UNCOMMON], height=150,
            elem_id="references",
        )  # fmt: skip
        default = one_shot_preset(studio.stylizer).style_mix
        self.style_mix = forgiving(
            gr.Slider(0, 1, default, step=0.05, label=t("style_mix"), info=t("style_mix_info"), elem_id="style-mix")
        )
        super().__init__(studio, "image", [self.references], lambda *goal: prepare(studio, *goal), self.style_mix)
