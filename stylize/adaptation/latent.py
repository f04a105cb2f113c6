"""Refines the latent of one face by optimisation, so that its reconstruction stays closer to the person.

The loss is that of the mini auto-encoder (pixels and their gradients over a pyramid, features and descriptor of dlib's
recognition network, see ``stylize.faces.identity``) plus a pull towards the encoder's own code, near which domains and
edits work (Tov et al. 2021). The loop is a plain generator; closing it cancels the work.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from PIL import Image
from torch import Tensor

from stylize.adaptation.losses import pyramid_loss
from stylize.errors import StylizeError
from stylize.faces.identity import FaceIdentity, perceptual_distance
from stylize.images import to_tensor
from stylize.pipeline import Face, Stylizer

LARGEST = 256  # px at which pictures are compared


@dataclass(frozen=True)
class RefineSettings:
    """``lr`` is in standard deviations of the encoder's code; ``near``: weight of the mean squared distance from it, in
    the same units; ``identity``: weight of the distance of the descriptors, where 0.6 is another person."""

    steps: int = 150
    lr: float = 0.1
    pixels: float = 1.0
    features: float = 1.0
    identity: float = 0.25
    near: float = 0.02

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= 5_000:
            raise StylizeError("{} steps of refinement cannot be done; choose from 1 to 5,000.", self.steps)


@dataclass(frozen=True)
class RefineProgress:
    """Progress after ``step`` of ``steps``: the losses of that step, and the face with the best latent so far."""

    step: int
    steps: int
    losses: dict[str, float]
    face: Face


def refine(stylizer: Stylizer, face: Face, settings: RefineSettings | None = None) -> Iterator[RefineProgress]:
    """Optimises W+ of ``face``, yielding after every step; the last report has the best of all steps."""
    s = settings or RefineSettings()
    size = min(stylizer.resolution, LARGEST)
    goal = to_tensor(face.crop.resize((size, size), Image.Resampling.LANCZOS)).to(stylizer.device)
    judge = FaceIdentity().to(stylizer.device)
    with torch.no_grad():
        wanted = judge.features(judge.chip(goal))
        person = judge.descriptor(wanted)
    code = face.code.to(stylizer.device)
    start = code.ws
    unit = start.std()
    way = torch.zeros_like(start, requires_grad=True)
    optimiser = torch.optim.Adam([way], lr=s.lr, betas=(0.9, 0.99))
    best, least = face, math.inf
    for step in range(1, s.steps + 1):
        optimiser.param_groups[0]["lr"] = s.lr * 0.5 * (1 + math.cos(math.pi * (step - 1) / s.steps))
        with torch.enable_grad():
            ws = start + unit * way
            drawn = stylizer.generator.synthesis(code.with_ws(ws))
            small = _pooled(drawn, size)
            seen = judge.features(judge.chip(small))
            losses = {
                "pixels": s.pixels * pyramid_loss(small, goal),
                "features": s.features * perceptual_distance(seen, wanted).mean(),
                "identity": s.identity * (judge.descriptor(seen) - person).norm(dim=1).mean(),
                "near": s.near * way.square().mean(),
            }
            total = torch.stack(list(losses.values())).sum()
            (way.grad,) = torch.autograd.grad(total, way)
        if total.item() < least:
            least = total.item()
            best = replace(face, code=code.with_ws(ws).detach(), source=drawn.detach().clamp(-1, 1))
        optimiser.step()
        yield RefineProgress(step, s.steps, {name: value.item() for name, value in losses.items()}, best)


def _pooled(pictures: Tensor, size: int) -> Tensor:
    return torch.nn.functional.adaptive_avg_pool2d(pictures, size) if pictures.shape[-1] > size else pictures
