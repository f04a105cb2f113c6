"""Measures the hypernetwork on trained and on unseen descriptions.

The measure is the distance to the filtered picture, compared with the source domain and with a domain vector fitted to
that one domain.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylize.evaluation.vector_vs_weights import SAMPLES, diversity
from stylize.images import to_image
from stylize.models.code import Code
from stylize.models.hypernet import HyperNet
from stylize.pipeline import Stylizer
from stylize.prompts.vocabulary import NAMES, PHOTO, combinations
from stylize.training.entries import Entry, known_entries
from stylize.training.filters import truth
from stylize.training.ready_domains import fit, training_codes

POOL, STEPS = 64, 120  # to fit single vectors
SEEN_PAIRS = 8
SHOWN = 4

ColouredStyle = tuple[str | None, str]


def groups(stylizer: Stylizer, limit: int | None = None) -> dict[str, list[Entry]]:
    """Descriptions by distance from the training set: plain styles, trained pairs of colour and style, held-out pairs,
    and held-out phrases."""
    names = [name for name in NAMES if name in stylizer.ready()]
    learn, held_out = known_entries(names)
    pairs = [entry for entry in learn if entry.kind and entry.kind[0] and entry.kind[1] != PHOTO]
    parts = {
        "seen styles": [entry for entry in learn if entry.kind and entry.kind[0] is None and entry.kind[1] != PHOTO],
        "seen colour and style": pairs[:: max(1, len(pairs) // SEEN_PAIRS)][:SEEN_PAIRS],
        "unseen colour and style": [entry for entry in held_out if entry.kind and entry.kind[0]],
        "unseen phrases": [entry for entry in held_out if entry.kind and entry.kind[0] is None],
    }
    return {name: entries[:limit] for name, entries in parts.items()}


@torch.no_grad()
def drawn(stylizer: Stylizer, codes: Code, vector: Tensor | None) -> Tensor:
    generator = stylizer.generator
    parts = [generator.synthesis(part, vector, dtype=stylizer.dtype).clamp(-1, 1) for part in codes.split(16)]
    return torch.cat(parts)


def fit_alone(stylizer: Stylizer, kind: ColouredStyle, codes: Code, faces: Tensor, seed: int) -> Tensor:
    """The vector fitted to the true pictures of one domain; for a plain style, the ready one."""
    colour, style = kind
    if colour is None:
        return stylizer.ready_domain(style).vector.to(stylizer.device)
    targets = truth(faces, style, colour).to(stylizer.device)
    return fit(stylizer.generator, codes, targets, STEPS, seed=seed, dtype=stylizer.dtype)


@torch.no_grad()
def measure(
    stylizer: Stylizer, codes: Code, limit: int | None, nets: Sequence[Path], seed: int
) -> tuple[dict[str, Any], list[Image.Image]]:
    """(figures, pictures). Figures: the means of every group, its descriptions, and for each file of ``nets`` its
    distances on unseen descriptions: the curve over the number of training domains. Pictures: for SHOWN descriptions of
    every group, a random face, the filtered picture, the fitted vector, the hypernetwork. codes: of the faces to
    measure on."""
    clip, net = stylizer.clip, stylizer.hypernet
    source, random = drawn(stylizer, codes, None), stylizer.as_photos(stylizer.sample_ws(SAMPLES, seed + 1, psi=1.0))
    pool = training_codes(stylizer, None, POOL, seed)
    faces = drawn(stylizer, pool, None)
    kinds: list[ColouredStyle] = [*((None, name) for name in NAMES), *combinations(), *combinations(unseen=True)]
    labels = torch.stack([clip.describe(f"{colour} {style}" if colour else style) for colour, style in kinds])
    vectors: dict[ColouredStyle, Tensor] = {}
    curve: dict[int, list[float]] = {}
    others = [HyperNet.load(path) for path in nets]
    results: dict[str, Any] = {}
    pictures: list[Image.Image] = []
    for group, entries in groups(stylizer, limit).items():
        rows = {}
        for entry in entries:
            kind, text = entry.kind, entry.texts[0]
            assert kind is not None
            if kind not in vectors:
                vectors[kind] = fit_alone(stylizer, kind, pool, faces, seed)
            wanted = truth(source, kind[1], kind[0]).to(stylizer.device)
            told = clip.describe(text)

            def figures(
                name: str, vector: Tensor, kind: ColouredStyle = kind, wanted: Tensor = wanted
            ) -> dict[str, float]:
                made = drawn(stylizer, codes, vector)
                embedded = clip.encode_image(drawn(stylizer, random, vector))
                best = (clip.encode_image(made) @ labels.t()).argmax(1)
                return {
                    f"quality_{name}": float((embedded @ labels[kinds.index(kind)]).mean()),
                    f"diversity_{name}": diversity(embedded),
                    f"top_1_{name}": float((best == kinds.index(kind)).float().mean()),
                    f"distance_{name}": float((made - wanted).abs().mean()),
                }

            row = {"distance_source": float((source - wanted).abs().mean())}
            row |= figures("alone", vectors[kind]) | figures("hypernetwork", net(told[None])[0])
            closed = row["distance_source"] - row["distance_hypernetwork"]
            row["share"] = closed / max(row["distance_source"] - row["distance_alone"], 1e-6)
            rows[text] = row
            if len(rows) <= SHOWN:
                views = [drawn(stylizer, pool[:1], v) for v in (None, vectors[kind], net(told[None])[0])]
                views.insert(1, truth(faces[:1], kind[1], kind[0]).to(stylizer.device))
                pictures += [to_image(view) for view in views]
            if group == "unseen colour and style":
                for other in others:
                    made = drawn(stylizer, codes, other(told[None])[0])
                    curve.setdefault(other.settings["domains"], []).append(float((made - wanted).abs().mean()))
        mean = {key: float(np.mean([row[key] for row in rows.values()])) for key in next(iter(rows.values()))}
        results[group] = {"mean": mean, "domains": rows}
    by_size = [{"domains": domains, "distance": float(np.mean(curve[domains]))} for domains in sorted(curve)]
    return {"faces": len(codes), "groups": results, "curve": by_size}, pictures
