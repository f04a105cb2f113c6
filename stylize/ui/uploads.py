"""Upload fields for every supported kind of picture, including those that browsers cannot show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from stylize.errors import StylizeError
from stylize.images import picture_kind, read_photo, save_image
from stylize.ui.studio import VIEW, file_digest, temporary

UNSHOWN = ("HEIF", "TIFF")  # most browsers show these as broken pictures


def photo_input(**settings: Any) -> gr.Image:
    """An image input that passes on the uploaded file itself: this project's reader supports more formats."""
    image = gr.Image(type="filepath", **settings)
    image.preprocess = lambda payload: None if payload is None else payload.path
    return image


def viewable(path: str | None) -> tuple[Any, Any]:
    """(substitute for an upload that browsers cannot show, its digest); nothing for any other, or if it cannot be
    read."""
    if path is None:
        return gr.skip(), gr.skip()
    with Path(path).open("rb") as file:
        kind = picture_kind(file.read(32))
    if kind not in UNSHOWN:
        return gr.skip(), gr.skip()
    try:
        view = read_photo(path)
    except StylizeError:
        return gr.skip(), gr.skip()
    view.thumbnail((VIEW, VIEW))
    stand_in = temporary(".jpg", Path(path).stem)
    save_image(view, stand_in)
    return str(stand_in), file_digest(str(stand_in))
