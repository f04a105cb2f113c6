"""Animates a walk from domain to domain, and writes files that browsers play."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from stylize.errors import StylizeError
from stylize.look import Look
from stylize.models.domain import Domain, interpolate
from stylize.pipeline import Face, Stylizer
from stylize.places import atomic_write
from stylize.video.writer import Writer

FORMATS = (".mp4", ".gif", ".webp")
MAX_FRAMES = 600


def path(domains: Sequence[Domain], frames: int, spherical: bool = False) -> Iterator[Domain]:
    """``frames`` domains on a path through all of them, from the first to the last, slowing down near each.

    A single domain is approached from the source domain. Raises StylizeError for too few or too many frames.
    """
    stops = list(domains) if len(domains) > 1 else [domains[0] * 0.0, domains[0]]
    if not len(stops) <= frames <= MAX_FRAMES:
        raise StylizeError(
            "This walk cannot be shown in {} frames; choose from {} to {}.", frames, len(stops), MAX_FRAMES
        )
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
    """The aligned face along ``path`` in a look, one picture per frame."""
    for domain in path(domains, frames, spherical):
        yield stylizer.render(face, look.in_domain(domain))


def save_moving(frames: Sequence[Image.Image], out: Path, fps: int = 24) -> None:
    """Writes .mp4 (H.264), .gif or .webp; the latter two loop back and forth.

    Raises StylizeError for another suffix or no frames.
    """
    kind = out.suffix.lower()
    if kind not in FORMATS or not frames:
        raise StylizeError(
            "Cannot write {}: an animation needs frames and a name ending in {}.", out.name, ", ".join(FORMATS)
        )
    width, height = frames[0].size
    if kind == ".mp4":
        width, height = width - width % 2, height - height % 2  # H.264 subsamples colours by two
    else:
        frames = [*frames, *list(frames)[-2:0:-1]]
    with atomic_write(out) as part, Writer(part, (width, height), fps) as writer:
        for number, picture in enumerate(frames):
            writer.write(number / fps, np.asarray(picture.crop((0, 0, width, height))))
