"""Shows which encoder reads the photos, and a tab that compares two encoders' reconstructions."""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr
from PIL import Image

from stylize.models.e4e import E4e
from stylize.pipeline import Stylizer
from stylize.ui.studio import OpenPhoto, Studio
from stylize.ui.texts import I18N as t
from stylize.ui.texts import say


def lay_encoder(stylizer: Stylizer) -> None:
    """A line that says which encoder is in use."""
    if stylizer.compares:
        gr.Markdown(t("reads_sfe"), elem_id="encoder")
    elif stylizer.encoder_title == E4e.title:
        gr.Markdown(t("reads_e4e"), elem_id="encoder")
    elif stylizer.has_encoder:
        gr.Markdown(t("reads_own"), elem_id="encoder")


class EncodersTab:
    """Photo, e4e and StyleFeatureEditor side by side, drawn when the tab is opened."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        with gr.Tab(t("encoders"), elem_id="encoders") as self.tab:
            self.pictures = gr.Gallery(
                label=t("encoders"), show_label=False, columns=3, height=300, format="jpeg", elem_id="encoder-views"
            )

    def wire(self, opened: gr.State, chosen: gr.CheckboxGroup, photo: gr.Image) -> None:
        shown = [opened, chosen], self.pictures
        self.tab.select(self.show, *shown, api_visibility="private")
        photo.change(lambda: None, None, self.pictures, api_visibility="private", show_progress="hidden")

    def show(
        self, opened: OpenPhoto | None, chosen: Sequence[str] | None, request: gr.Request
    ) -> list[tuple[Image.Image, str]] | None:
        """The first chosen face of the photo, and each encoder's reconstruction of it."""
        if opened is None or opened.seed is not None:
            return None
        face = opened.faces[opened.chosen(chosen)[0]]
        views = self.studio.stylizer.views(face)
        return [(face.crop, say(request, "photo")), *((picture, title) for title, picture in views.items())]
