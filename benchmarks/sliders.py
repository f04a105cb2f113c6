"""How smoothly and how fast the picture follows a slider, on the mini model.

Smoothness: random faces are drawn at slider steps of 0.05; the size of a step is the mean absolute difference between
neighbouring pictures, in grey levels of 255. A slider is smooth if its largest step is not much larger than its mean.
Speed: the astronaut is redrawn with another weight, as the page does it, up to the JPEG that is sent.
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.generate import report
from stylize.look import Look
from stylize.models.domain import Domain, MixPart, mix
from stylize.pipeline import Face, Stylizer
from stylize.ui.recipe import Recipe
from stylize.ui.studio import OpenPhoto, Studio, nearer

PHOTO = Path(__file__).resolve().parent.parent / "examples" / "astronaut.jpg"
PAIRS = (("pencil sketch", "bronze statue"), ("zombie", "a blue mosaic"), ("golden charcoal drawing", "neon"))
SIDE = 256  # px of the faces of the walks
VIEWS = (512, 1024)  # px of the photo that is redrawn
WIDE = np.linspace(-1, 2, 61)  # positions of the sliders
SHARES = np.linspace(0, 1, 21)

Walk = Iterator[Domain]


def walks(a: Domain, b: Domain) -> dict[str, Walk]:
    """The domains along each slider."""
    return {
        "strength": (x * a for x in WIDE.tolist()),
        "weight": (mix([(1.0, a), (x, b)]) for x in WIDE.tolist()),
        "straight": (mix([(1 - x, a), (x, b)]) for x in SHARES.tolist()),
        "turning": (mix([(1 - x, a), (x, b)], spherical=True) for x in SHARES.tolist()),
    }


def difference(a: Image.Image, b: Image.Image) -> float:
    return float(np.abs(np.asarray(a, np.float32) - np.asarray(b, np.float32)).mean())


def smoothness(stylizer: Stylizer, face: Face, walk: Walk) -> dict[str, float]:
    """Mean and largest step of a walk, their ratio, and the distance of the middle picture from the unstylised face,
    relative to that of the two ends."""
    pictures = [stylizer.render(face, domain) for domain in walk]
    steps = [difference(a, b) for a, b in pairwise(pictures)]
    first, middle, last = (
        difference(pictures[i], stylizer.render(face, None)) for i in (0, len(pictures) // 2, len(pictures) - 1)
    )
    mean = statistics.mean(steps)
    return {"mean": mean, "largest": max(steps), "ratio": max(steps) / mean, "halfway": 2 * middle / (first + last)}


def smooth(stylizer: Stylizer, studio: Studio) -> dict[str, dict[str, float]]:
    """For each slider: the mean over the pairs of styles, and the worst ratio."""
    rows: dict[str, list[dict[str, float]]] = {}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # is faster on a shared machine
    for seed, names in enumerate(PAIRS):
        face = nearer(studio.random(seed).faces[0], 1.0, SIDE)
        for name, walk in walks(*(stylizer.domain(text) for text in names)).items():
            rows.setdefault(name, []).append(smoothness(stylizer, face, walk))
    torch.set_num_threads(threads)
    return {
        name: {key: statistics.mean(row[key] for row in of_it) for key in of_it[0]}
        | {"worst_ratio": max(row["ratio"] for row in of_it)}
        for name, of_it in rows.items()
    }


def redraws(studio: Studio, opened: OpenPhoto) -> Callable[[], None]:
    """Draws the open photo with the next weight, as ``PhotoAndResult.show`` does, and encodes it."""
    weights = iter(np.linspace(-1, 2, 10_000).tolist())

    def redraw() -> None:
        recipe = Recipe((MixPart(PAIRS[0][0]), MixPart(PAIRS[0][1], next(weights))))
        picture, _ = studio.picture(opened, None, Look(studio.compose(recipe, {}), detail=1.0))
        picture.save(io.BytesIO(), "JPEG")

    return redraw


def milliseconds(work: Callable[[], None], repeats: int, clock: Callable[[], float]) -> list[float]:
    work()  # warm-up: reads the styles, finds the head
    times = []
    for _ in range(repeats):
        start = clock()
        work()
        times.append(1000 * (clock() - start))
    return times


def redrawing(studio: Studio, side: int, repeats: int) -> dict[str, float]:
    """Median and fastest time of a redraw, and its CPU time on one core, which other programs do not affect."""
    with tempfile.TemporaryDirectory() as folder, Image.open(PHOTO) as photo:
        path = Path(folder) / "photo.png"
        photo.convert("RGB").resize((side, side), Image.Resampling.LANCZOS).save(path)
        redraw = redraws(studio, studio.open(str(path)))
    threads = torch.get_num_threads()
    waited = milliseconds(redraw, repeats, time.perf_counter)
    torch.set_num_threads(1)
    worked = milliseconds(redraw, repeats, time.thread_time)
    torch.set_num_threads(threads)
    return {"median": statistics.median(waited), "fastest": min(waited), "work": statistics.median(worked)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sliders", description=__doc__)
    parser.add_argument("--repeats", type=int, default=15, help="redraws to take the median of")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    args = parser.parse_args()
    stylizer = Stylizer.load("mini", "cpu")
    studio = Studio(stylizer)
    results: dict[str, Any] = {"redraw_ms": {str(side): redrawing(studio, side, args.repeats) for side in VIEWS}}
    results["smoothness"] = smooth(stylizer, studio)
    report(results, torch.device("cpu"), args.json)


if __name__ == "__main__":
    main()
