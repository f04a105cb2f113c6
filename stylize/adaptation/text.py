"""Text-guided adaptation: a description to a domain vector, by the directional loss of StyleGAN-NADA.

Only the domain vector is trained (HyperDomainNet, Alanov et al. 2022). The generator's own random faces are the data:
their embeddings without a domain are computed once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from stylize.adaptation.descent import (
    AdaptationProgress,
    State,
    check_training,
    choose_preset,
    descend,
    embed,
    model_kind,
    training_faces,
)
from stylize.adaptation.losses import directional_loss, domain_norm, global_loss, indomain_loss
from stylize.errors import DomainError, PromptError
from stylize.models.code import Code
from stylize.models.domain import Domain, mix
from stylize.models.generator import Generator
from stylize.models.layers import Order
from stylize.models.text_image import TextImageModel
from stylize.pipeline import SOFTMAX_SCALE, Face, Stylizer
from stylize.prompts.parse import Prompt
from stylize.prompts.vocabulary import SOURCE

RATES = (0.01, 0.03)


@dataclass(frozen=True)
class AdaptSettings:
    """The settings of a training; ``preset`` has named sets.

    direction: weight of the directional loss, which does not depend on the size of the change. reach: weight of the
    distance to the description itself, which fixes that size. indomain: weight of the angle consistency that keeps
    faces different. norm: weight of ``domain_norm``. lr: learning rate; None is RATES[0] when starting from ready
    domains that the description names, which are already near, and RATES[1] otherwise. pool: faces to train on; mixing:
    share of them that take their finer rows from another (Karras et al. 2019). patience: window of the test for
    convergence in steps, 0 for none. start: start from the ready domains nearest to the description, instead of from
    zero. half: run the generator in the device's fastest dtype, bfloat16 if it has units for it; the vector, the
    embeddings and the losses stay float32.
    """

    steps: int = 60
    batch: int = 6
    lr: float | None = None
    direction: float = 1.0
    reach: float = 1.0
    indomain: float = 0.0
    norm: float = 0.001
    pool: int = 48
    mixing: float = 0.9
    patience: int = 20
    start: bool = True
    half: bool = True
    order: Order = "pre_demod"
    seed: int = 0

    def __post_init__(self) -> None:
        check_training(self.steps, self.lr)


OFFICIAL: dict[str, Any] = {
    "steps": 300, "batch": 4, "lr": 0.1, "reach": 0.0, "norm": 0.0, "pool": 128, "start": False, "order": "post_demod"
}  # fmt: skip
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "mini": {
        "fast": {"steps": 25},
        "balanced": {},
        "strong": {"steps": 150, "lr": 0.02, "indomain": 0.5},
    },
    "full": {
        "fast": OFFICIAL | {"steps": 100, "batch": 2},
        "balanced": OFFICIAL,
        "strong": OFFICIAL | {"steps": 600, "indomain": 0.5},
    },
}


def preset(stylizer: Stylizer, name: str = "balanced", **numbers: Any) -> AdaptSettings:
    """The settings "fast", "balanced" or "strong" for a model, overridden by ``numbers``."""
    return AdaptSettings(**{**choose_preset(PRESETS[model_kind(stylizer)], name), **numbers})


class TextGuide:
    """The losses of two descriptions on pictures of a pool of faces, in every text-image model."""

    def __init__(
        self, generator: Generator, clips: Sequence[TextImageModel], faces: Code | Tensor, source: str, target: str
    ) -> None:
        self.terms = [
            (clip, embed(clip, generator, faces), clip.describe(target), clip.describe(source)) for clip in clips
        ]

    def losses(self, pictures: Tensor, index: Tensor, s: AdaptSettings) -> dict[str, Tensor]:
        """Weighted losses of the adapted pictures (batch, 3, R, R) of the faces ``index`` (batch,)."""
        out: dict[str, Tensor] = {}
        for clip, before, target, source in self.terms:
            moved = clip.encode_image(pictures)
            terms = {
                "direction": s.direction * directional_loss(moved, before[index], target - source),
                "reach": s.reach * global_loss(moved, target),
                "indomain": s.indomain * indomain_loss(moved, before[index]),
            }
            for name, loss in terms.items():
                if getattr(s, name):
                    out[name] = out[name] + loss if name in out else loss
        return out


def warm_start(stylizer: Stylizer, prompt: Prompt) -> tuple[Domain | None, bool]:
    """(start of the training, whether the description is understood): the mix of ready domains that it means, or else
    the styles whose descriptions are nearest in the text-image model. None without any ready domain.

    The latter's weights are a softmax of cosines that includes the source: a description similar to no style starts
    near zero.
    """
    names = stylizer.ready()
    if not names:
        return None, False
    if prompt.drawable:
        with suppress(DomainError):
            return stylizer.blended(prompt), True
    clip = stylizer.clip
    known = torch.cat([clip.describe(SOURCE)[None], stylizer.styles_in_words])
    weights = torch.softmax(SOFTMAX_SCALE * F.cosine_similarity(known, clip.describe(clip.read(prompt))[None]), 0)[1:]
    best = weights.topk(min(3, len(names)))
    alike = [(float(w), stylizer.ready_domain(names[i])) for w, i in zip(best.values, best.indices, strict=True)]
    return mix(alike), False


def adapt_text(
    stylizer: Stylizer,
    target: str,
    source: str = SOURCE,
    settings: AdaptSettings | None = None,
    state: State | None = None,
) -> Iterator[AdaptationProgress]:
    """Trains a domain for ``target``, yielding after every step; the last report has the result.

    state: resume a training of the same descriptions and seed; with the same settings the result is as if it had not
    been interrupted. Raises PromptError for descriptions that the model does not know, or that equal the source, and
    StylizeError if nothing can be trained.
    """
    s = settings or preset(stylizer)
    prompt = stylizer.prompt(target)
    notes = stylizer.clip.notes(prompt) if state is None else []
    target, source = stylizer.clip.read(prompt), stylizer.clip.read(stylizer.prompt(source))
    if all(torch.allclose(clip.describe(target), clip.describe(source), atol=1e-4) for clip in stylizer.clips):
        raise PromptError("The description {!r} is what the face is already; describe something else.", target)
    generator, config = stylizer.generator, stylizer.generator.config
    start, near = warm_start(stylizer, prompt) if s.start else (None, False)
    begin = torch.zeros(config.domain_dim)
    if start is not None and start.order == s.order:
        begin = start.vector
    faces = training_faces(stylizer, s.pool, s.mixing, s.seed)
    guide = TextGuide(generator, stylizer.clips, faces, source, target)
    dtype = stylizer.dtype if s.half else torch.float32

    def losses(vector: Tensor, index: Tensor) -> dict[str, Tensor]:
        norm = s.norm * domain_norm(vector, config.domain_sizes)
        pictures = generator.synthesis(faces[index], vector, s.order, dtype=dtype)
        return guide.losses(pictures, index, s) | {"norm": norm}

    loop = descend(
        losses,
        State.begin(begin, s.seed) if state is None else state.checked(config.domain_dim),
        steps=s.steps,
        batch=s.batch,
        pool=len(faces),
        lr=s.lr or RATES[0 if near and bool(begin.any()) else 1],
        patience=s.patience,
        device=stylizer.device,
    )
    for now, values, note in loop:
        domain = Domain(
            vector=now.vector,
            sizes=tuple(config.domain_sizes),
            order=s.order,
            generator=stylizer.fingerprint,
            name=target,
            target=target,
            source=source,
            method="text-guided",
            seed=s.seed,
            settings=asdict(s),
        )
        note = note or (notes.pop(0) if notes else "")
        yield AdaptationProgress(now.step, s.steps, values, domain, now, note)


def preview(
    stylizer: Stylizer, domain: Domain, faces: Sequence[Face] = (), random: int = 4, seed: int = 0
) -> list[Image.Image]:
    """Pictures to show during training: the given faces, then ``random`` faces, deterministic in the seed."""
    return [stylizer.render(face, domain) for face in faces] + stylizer.sample(random, seed, domain)
