"""The tab that applies the first tab's style to a short video or GIF and, on a GPU, to the live camera."""

from __future__ import annotations

import base64
import binascii
import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from stylize.errors import PhotoError, StylizeError, VideoError
from stylize.images import read_photo
from stylize.look import Look
from stylize.ui.recipe import Values
from stylize.ui.result import PhotoAndResult, failed, playing
from stylize.ui.studio import Studio, temporary
from stylize.ui.texts import I18N as t
from stylize.ui.texts import say
from stylize.video.files import LIMITS, VideoFile
from stylize.video.restyle import LiveFace, RestyleProgress, restyle_live

SUFFIXES = {"MP4": ".mp4", "GIF": ".gif", "WebP": ".webp"}
SHOWN_EVERY = 1.5  # seconds: previews cost time too
LIVE_EVERY = 0.1  # seconds between a camera's frames
LIVE_SECONDS = 300  # per visitor, while others wait
# One clip at a time; quick answers do not wait for it.
QUEUE: dict[str, Any] = {"concurrency_id": "video", "concurrency_limit": 1}


def has_live(studio: Studio) -> bool:
    """Whether the camera is offered: on a GPU that is not lent per call, or if STYLIZE_LIVE is set."""
    own = studio.stylizer.device.type == "cuda" and not os.environ.get("SPACES_ZERO_GPU")
    return own or bool(os.environ.get("STYLIZE_LIVE"))


def camera_frame(payload: Any) -> Image.Image | None:
    """A browser's camera frame, read like any photo; None if it is no picture."""
    if payload is None:
        return None
    try:
        if (payload.url or "").startswith("data:"):
            return read_photo(base64.b64decode(payload.url.partition(",")[2]))
        return read_photo(payload.path) if payload.path else None
    except (PhotoError, binascii.Error):
        return None


def seconds_left(progress: RestyleProgress, spent: float) -> int:
    return round(spent * (1 - progress.done) / progress.done)


class VideoTab:
    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self._stopped: set[str | None] = set()  # sessions that stopped their clip
        gr.Markdown(t("video_info"))
        self.source = gr.File(
            label=t("video_source"), file_types=["video", ".gif", ".webp"], height=150, elem_id="video-source"
        )
        self.kind = gr.Radio(list(SUFFIXES), value="MP4", label=t("format"), elem_id="video-format")
        with gr.Row():
            self.go = gr.Button(t("video_go"), size="md", variant="primary", elem_id="video-go", min_width=120)
            self.stop = gr.Button(t("stop"), size="md", elem_id="video-stop", min_width=120)
        self.note = gr.Markdown(elem_id="video-note", elem_classes="note")
        self.picture = gr.Image(
            label=t("video_frame"), interactive=False, format="jpeg", height=300, buttons=[], visible=False,
            elem_id="video-picture",
        )  # fmt: skip
        self.player = gr.Video(label=t("video_done"), interactive=False, height=300, visible=False, elem_id="video")
        self.file = gr.File(label=t("video_done"), height=80, visible=False, elem_id="video-file")
        self.camera: gr.Image | None = None
        if has_live(studio):
            with gr.Accordion(t("live"), open=False, elem_id="live-panel"):
                gr.Markdown(t("live_info"))
                with gr.Row():
                    self.camera = gr.Image(
                        label=t("live_camera"), sources=["webcam"], streaming=True, type="pil", height=300,
                        elem_id="live-camera", min_width=200,
                    )  # fmt: skip
                    self.camera.preprocess = camera_frame
                    self.mirror = gr.Image(
                        label=t("live_result"), interactive=False, format="jpeg", height=300, buttons=[],
                        elem_id="live-result", min_width=200,
                    )  # fmt: skip
                self.seen = gr.State(None)

    def wire(self, shared: PhotoAndResult) -> None:
        self.shared = shared
        quiet: dict[str, Any] = {"api_visibility": "private"}
        at_once: dict[str, Any] = {"queue": False, **quiet}
        shown = [self.note, self.picture, self.player, self.file]
        self.go.click(self.ask, None, None, **at_once).then(
            self.restyle, {self.source, self.kind, *shared.inputs}, shown, show_progress_on=self.note, **QUEUE, **quiet
        )
        self.stop.click(self.ask_to_stop, None, None, **at_once)
        if self.camera is not None:
            self.camera.stream(
                self.live,
                {self.camera, self.seen, *shared.inputs},
                [self.mirror, self.seen],
                stream_every=LIVE_EVERY,
                time_limit=LIVE_SECONDS,
                concurrency_id="live",
                concurrency_limit=1,
                show_progress="hidden",
                **quiet,
            )

    # Event handlers. A clip ends itself when asked to, like a training.

    def ask(self, request: gr.Request) -> None:
        self._stopped.discard(request.session_hash)

    def ask_to_stop(self, request: gr.Request) -> None:
        self._stopped.add(request.session_hash)

    def forget(self, request: gr.Request) -> None:
        """Called when the visitor leaves."""
        self._stopped.discard(request.session_hash)

    def restyle(self, request: gr.Request, values: dict[Any, Any]) -> Iterator[tuple[Any, ...]]:
        """Yields (note, the last drawn frame, the result to play, and to download)."""
        hidden, path = gr.update(value=None, visible=False), values[self.source]
        try:
            look = self._look(values, request)
            if path is None:
                raise VideoError(say(request, "need_video"))
            out = temporary(SUFFIXES[values[self.kind]], Path(path).stem)
            clip = VideoFile.open(path, LIMITS[out.suffix])
            words = say(request, "video_smaller", width=clip.size[0], height=clip.size[1], fps=round(clip.fps))
            changed = words if clip.reduced else ""
            if clip.hdr:
                changed = f"{changed} {say(request, 'video_hdr', kind=clip.hdr)}".strip()
            yield say(request, "video_waiting"), hidden, hidden, hidden
            started, shown = time.monotonic(), 0.0
            with closing(self.studio.restyle(clip, look, out)) as work:  # type: ignore[type-var]
                for progress in work:
                    if request.session_hash in self._stopped:
                        self.forget(request)
                        yield say(request, "video_stopped"), hidden, hidden, hidden
                        return
                    now = time.monotonic()
                    if now - shown > SHOWN_EVERY:
                        shown = now
                        yield *self._news(progress, now - started, changed, request), gr.skip(), gr.skip()
            spent = time.monotonic() - started
            words = say(request, "video_ready", seconds=round(spent), rate=f"{clip.count / spent:.1f}")
            yield " ".join((words, changed)), *playing(out)
        except StylizeError as error:
            yield failed(error, request), hidden, hidden, hidden

    def _news(self, progress: RestyleProgress, spent: float, changed: str, request: gr.Request) -> tuple[Any, Any]:
        left = seconds_left(progress, spent)
        words = say(request, f"video_{progress.stage}", percent=round(100 * progress.done), left=left)
        frame = progress.picture
        picture = gr.skip() if frame is None else gr.update(value=Image.fromarray(frame), visible=True)
        return " ".join((words, changed)), picture

    def _look(self, values: Values, request: gr.Request) -> Look:
        """The look with the style of the first tab. Raises StylizeError if it names none."""
        asked = self.shared.read(values)
        domain = self.studio.compose(asked.recipe, asked.own)
        if domain is None and not asked.look.edits:
            raise StylizeError(say(request, "need_style"))
        return asked.look.in_domain(domain)

    def live(self, request: gr.Request, values: dict[Any, Any]) -> tuple[Any, Any]:
        """(the camera's frame in the style, its faces)."""
        frame: Image.Image | None = values[self.camera]
        seen: list[LiveFace] | None = values[self.seen]
        if frame is None:
            return gr.skip(), None
        try:
            return restyle_live(self.studio.stylizer, frame, self._look(values, request), seen or ())
        except StylizeError:  # no style is named yet, or is being typed: show the face itself
            return frame, None
