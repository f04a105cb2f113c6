"""Moving pictures: a walk from domain to domain, and files that browsers play."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from PIL import Image

from stylize.errors import StylizeError
from stylize.images import whole
from stylize.look import Look
from stylize.models.domain import Domain, interpolate
from stylize.pipeline import Face, Stylizer

FORMATS = (".mp4", ".gif", ".webp")
MOST_FRAMES = 600


def path(domains: Sequence[Domain], frames: int, spherical: bool = False) -> Iterator[Domain]:
    """``frames`` domains along the way from the first to the last through all of them, slower near each.

    A single one is approached from the source domain. Raises StylizeError for too few or too many frames.
    """
    stops = list(domains) if len(domains) > 1 else [domains[0] * 0.0, domains[0]]
    if not len(stops) <= frames <= MOST_FRAMES:
        raise StylizeError("{} frames cannot show this walk; choose from {} to {}.", frames, len(stops), MOST_FRAMES)
    legs = list(pairwise(stops))
    for frame in range(frames):
        place = frame / (frames - 1) * len(legs)
        leg = min(int(place), len(legs) - 1)
        t = place - leg
        yield interpolate(*legs[leg], t * t * (3 - 2 * t), spherical)


def walk(
    stylizer: Stylizer,
    face: Face,
    domains: Sequence[Domain],
    frames: int = 48,
    look: Look = Look(),  # noqa: B008 (frozen)
    spherical: bool = False,
) -> Iterator[Image.Image]:
    """The aligned face in a look along ``path``, one picture after the other."""
    for domain in path(domains, frames, spherical):
        yield stylizer.render(face, look.in_domain(domain))


def save_moving(frames: Sequence[Image.Image], out: Path, fps: int = 24) -> None:
    """Writes .mp4 (H.264), .gif or .webp; the last two play there and back for ever.

    Raises StylizeError for another ending or no frames.
    """
    kind = out.suffix.lower()
    if kind not in FORMATS or not frames:
        raise StylizeError(
            "Cannot write {}: moving pictures need frames and a name in {}.", out.name, ", ".join(FORMATS)
        )
    if kind == ".gif":  # one palette for all: one for each is slow
        few = frames[:: max(1, len(frames) // 8)]
        side_by_side = Image.fromarray(np.concatenate([np.asarray(picture) for picture in few], 1))
        palette = side_by_side.quantize(256, Image.Quantize.FASTOCTREE)
        frames = [picture.quantize(palette=palette) for picture in frames]  # dithered
    if kind != ".mp4":
        loop = [*frames, *list(frames)[-2:0:-1]]
        with whole(out) as part:
            loop[0].save(part, save_all=True, append_images=loop[1:], duration=round(1000 / fps), loop=0, quality=80)
        return
    width, height = (side - side % 2 for side in frames[0].size)  # H.264 halves the colours
    with whole(out) as part, av.open(str(part), "w", options={"movflags": "faststart"}) as file:
        stream = file.add_stream("libx264", rate=fps, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for picture in frames:
            frame = av.VideoFrame.from_ndarray(np.asarray(picture.crop((0, 0, width, height))), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
