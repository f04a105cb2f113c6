"""Compares what a user sees with the filtered photo: tones, strokes, and whether a simple classifier independent of the
model recognises the style."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from stylize.images import to_tensor
from stylize.models.domain import Domain
from stylize.pipeline import Face, Stylizer
from stylize.training.data import DATA_SIDE
from stylize.training.filters import draw
from stylize.training.filters.face import AnalysedFace

STROKES = (
    "pencil sketch", "ink drawing", "charcoal drawing", "comic halftone", "pixel art", "mosaic", "stained glass",
    "woodblock print", "chalkboard drawing", "pop art",
)  # fmt: skip
FINE = 2.0  # px at DATA_SIDE: standard deviation of the Gaussian that separates strokes from tones


def fine(pictures: Tensor) -> Tensor:
    """(N, 3, S, S) -> (N, 1, S, S): the high-pass of the grey picture: strokes."""
    grey = pictures.mean(1, keepdim=True)
    taps = torch.exp(-torch.arange(-6.0, 7.0).square() / (2 * FINE**2))
    taps = (taps / taps.sum()).view(1, 1, 1, -1)
    soft = F.conv2d(F.pad(grey, (6, 6, 6, 6), mode="reflect"), taps)
    return grey - F.conv2d(soft, taps.transpose(2, 3))


def steepness(pictures: Tensor) -> Tensor:
    """(N,): the mean absolute gradient."""
    return pictures.diff(dim=3).abs().mean((1, 2, 3)) + pictures.diff(dim=2).abs().mean((1, 2, 3))


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """(N,): the correlation of the high-passes of two sets of pictures."""
    a, b = (F.normalize(x.flatten(1) - x.flatten(1).mean(1, keepdim=True), dim=1) for x in (fine(a), fine(b)))
    return (a * b).sum(1)


def plain_features(pictures: Tensor) -> Tensor:
    """(N, 3, S, S) -> (N, D): colours, contrast and gradients by place and scale; not learned."""
    x = F.interpolate(pictures, size=DATA_SIDE, mode="bilinear") if pictures.shape[-1] != DATA_SIDE else pictures
    grey = x.mean(1, keepdim=True)
    contrast = F.adaptive_avg_pool2d(grey.square(), 8) - F.adaptive_avg_pool2d(grey, 8) ** 2
    parts = [F.adaptive_avg_pool2d(x, 8), contrast]
    for _ in range(3):
        parts += [F.adaptive_avg_pool2d(grey.diff(dim=dim).abs(), 4) * 3 for dim in (2, 3)]
        grey = F.avg_pool2d(grey, 2)
    return torch.cat([part.flatten(1) for part in parts], 1)


def judged(drawn: Tensor, true: Tensor) -> Tensor:
    """(styles, faces) bool: whether the nearest class mean of the true pictures' features, over the other faces, is
    that of the drawn style. drawn, true: (styles, faces, D)."""
    styles, faces, _ = true.shape
    spread = true.std(1).mean(0) + 1e-3
    others = (true.sum(1, keepdim=True) - true) / max(1, faces - 1)  # leave-one-out mean
    away = torch.stack([torch.cdist(drawn[:, i] / spread, others[:, i] / spread, p=1) for i in range(faces)], 1)
    return away.argmin(2) == torch.arange(styles)[:, None]


@torch.no_grad()
def measure(
    stylizer: Stylizer, faces: Sequence[Face], domains: dict[str, Domain], detail: float | None
) -> dict[str, Any]:
    """For every style, means over the faces: ``distance`` to the true picture and that of the ``photo`` itself, in [-1,
    1]; ``strokes``, the drawn picture's gradient relative to the true one's; ``correlation`` of the high-passes;
    ``judged``, how often plain features recognise it, and ``judged_true`` the true picture. Pictures of DATA_SIDE px;
    detail None is the model's default."""
    rows: dict[str, list[list[float]]] = {name: [] for name in domains}
    features: dict[str, list[list[Tensor]]] = {name: [] for name in domains}
    for face in faces:
        photo = face.crop.resize((DATA_SIDE, DATA_SIDE), Image.Resampling.LANCZOS)
        model = AnalysedFace(np.asarray(photo), np.asarray(face.detected.points) * DATA_SIDE, 0)
        for name, domain in domains.items():
            true = to_tensor(Image.fromarray(draw(model, name)))
            made = to_tensor(stylizer.render(face, domain, detail=detail).resize(photo.size, Image.Resampling.LANCZOS))
            rows[name].append(
                [
                    float((made - true).abs().mean()),
                    float((to_tensor(photo) - true).abs().mean()),
                    float(steepness(made) / steepness(true)),
                    float(correlation(made, true)),
                ]
            )
            features[name].append([plain_features(made)[0], plain_features(true)[0]])
    told = torch.stack([torch.stack([torch.stack(pair) for pair in features[name]]) for name in domains])
    made, true = told.unbind(2)
    shares = [judged(pictures, true).float().mean(1).tolist() for pictures in (made, true)]
    styles = {
        name: dict(zip(("distance", "photo", "strokes", "correlation"), np.mean(rows[name], 0).tolist(), strict=True))
        | {"judged": right, "judged_true": ceiling}
        for name, right, ceiling in zip(domains, *shares, strict=True)
    }
    mean = {key: float(np.mean([row[key] for row in styles.values()])) for key in next(iter(styles.values()))}
    drawn = {name: styles[name] for name in STROKES if name in styles}
    within = [row for row in drawn.values() if 0.75 <= row["strokes"] <= 1.25]
    return {"faces": len(faces), "mean": mean, "drawn_within": len(within) / max(1, len(drawn)), "styles": styles}
