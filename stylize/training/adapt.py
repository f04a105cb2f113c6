"""Text-guided adaptation: a description to a domain vector, by the directional loss of StyleGAN-NADA.

Only the domain vector trains (HyperDomainNet, Alanov et al. 2022). The generator's own random faces are its
data: their pictures and embeddings without a domain are computed once. The loop is a plain generator that
knows neither the page nor the disk; closing it cancels the work.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from stylize.clip import TextImageModel
from stylize.domain import Domain, mix
from stylize.errors import DomainError, PromptError, StylizeError
from stylize.generator import Generator
from stylize.pipeline import Stylizer
from stylize.training.losses import directional_loss
from stylize.vocabulary import SOURCE, match, match_colour

RATES = (0.01, 0.2)


@dataclass(frozen=True)
class AdaptSettings:
    """``direction``: weight of the directional loss, which is blind to the size of the step; ``reach``: weight of
    the distance to the description itself, which fixes that size; ``norm``: weight of the mean square of the vector.
    ``start``: begin from the ready domains that are nearest to the description, instead of from zero. ``lr``: learning
    rate; None is RATES[0] from a ready domain, which is near already, and RATES[1] from zero."""

    steps: int = 60
    batch: int = 6
    lr: float | None = None
    direction: float = 1.0
    reach: float = 1.0
    norm: float = 0.01
    pool: int = 48
    start: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= 10_000:
            raise StylizeError(f"{self.steps} steps cannot be trained; choose from 1 to 10,000.")
        if self.lr is not None and not (math.isfinite(self.lr) and 0 < self.lr <= 1):
            raise StylizeError(f"The learning rate is {self.lr} but must lie above 0 and up to 1.")


@dataclass(frozen=True)
class Progress:
    """After ``step`` of ``steps``: the losses of that step and the domain so far."""

    step: int
    steps: int
    losses: dict[str, float]
    domain: Domain


def warm_start(stylizer: Stylizer, text: str, sharpness: float = 25.0) -> Domain | None:
    """Where the training begins: the ready styles that the description mentions, mixed evenly, and its colour; where it
    mentions none, the styles whose descriptions are nearest in the text-image model. None without any ready domain.

    The weights of the latter are a softmax of cosines, in which the source takes part: what is alike to none starts
    near zero.
    """
    names = stylizer.ready()
    if not names:
        return None
    mentioned = [name for name in match(text) if name in names]
    parts = [(1 / len(mentioned), stylizer.domain(name)) for name in mentioned]
    colour = match_colour(text)
    if colour is not None:
        with suppress(DomainError):  # a model may ship without colours
            parts.append((1.0, stylizer.domain(f"{colour} photo")))
    if parts:
        return mix(parts)
    clip = stylizer.clip
    known = torch.stack([clip.describe(name) for name in [SOURCE, *names]])
    weights = torch.softmax(sharpness * F.cosine_similarity(known, clip.describe(text)[None]), 0)[1:]
    best = weights.topk(min(3, len(names)))
    return mix([(float(w), stylizer.domain(names[i])) for w, i in zip(best.values, best.indices, strict=True)])


def guide(
    generator: Generator,
    clip: TextImageModel,
    ws: Tensor,
    start: Tensor,
    source: Tensor,
    target: Tensor,
    s: AdaptSettings,
) -> Iterator[tuple[Tensor, dict[str, float]]]:
    """The loop itself: yields (vector (domain_dim,), losses) after each step, until ``s.steps`` are done.

    ws (pool, num_ws, w_dim): faces to train on. source, target (D,): the embedded descriptions.
    """
    device = ws.device
    rng = torch.Generator().manual_seed(s.seed)
    with torch.no_grad():
        before = torch.cat([clip.encode_image(generator.synthesis(part)) for part in ws.split(16)])
    vector = start.detach().clone().to(device).requires_grad_(True)
    rate = s.lr or RATES[0 if bool(start.any()) else 1]
    optimiser = torch.optim.Adam([vector], lr=rate, betas=(0.9, 0.99))
    for step in range(s.steps):
        optimiser.param_groups[0]["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / s.steps))
        index = torch.randperm(len(ws), generator=rng)[: s.batch].to(device)
        with torch.enable_grad():
            moved = clip.encode_image(generator.synthesis(ws[index], vector))
            losses = {
                "direction": s.direction * directional_loss(moved, before[index], target - source),
                "reach": s.reach * (1 - F.cosine_similarity(moved, target[None])).mean(),
                "norm": s.norm * vector.square().mean(),
            }
            (gradient,) = torch.autograd.grad(torch.stack(list(losses.values())).sum(), vector)
        if not bool(gradient.isfinite().all()):
            raise StylizeError(f"The training diverged at step {step + 1}; use a lower learning rate than {rate}.")
        vector.grad = gradient
        optimiser.step()
        yield vector.detach().clone(), {name: value.item() for name, value in losses.items()}


def adapt_text(
    stylizer: Stylizer, target: str, source: str = SOURCE, settings: AdaptSettings | None = None
) -> Iterator[Progress]:
    """Trains a domain for ``target``, yielding after every step; the last report holds the result.

    Raises PromptError for descriptions the model does not know, or that equal the source.
    """
    s = settings or AdaptSettings()
    target, source = stylizer.check_description(target), stylizer.check_description(source)
    if target.lower() == source.lower():
        raise PromptError(f"The description {target!r} is what the face is already; describe something else.")
    clip, config = stylizer.clip, stylizer.generator.config
    t_source, t_target = clip.describe(source), clip.describe(target)
    start = warm_start(stylizer, target) if s.start else None
    begin = torch.zeros(config.domain_dim) if start is None else start.vector
    ws = stylizer.sample_ws(s.pool, s.seed, psi=0.8)
    for step, (vector, losses) in enumerate(guide(stylizer.generator, clip, ws, begin, t_source, t_target, s), 1):
        domain = Domain(
            vector=vector.cpu(),
            sizes=tuple(config.domain_sizes),
            order="pre_demod",
            generator=stylizer.fingerprint,
            name=target,
            target=target,
            source=source,
            method="text-guided",
            seed=s.seed,
            settings=asdict(s),
        )
        yield Progress(step, s.steps, losses, domain)
