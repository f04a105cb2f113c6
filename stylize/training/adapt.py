"""Text-guided adaptation: a description to a domain vector, by the directional loss of StyleGAN-NADA.

Only the domain vector trains (HyperDomainNet, Alanov et al. 2022). The generator's own random faces are its
data: their embeddings without a domain are computed once. The loop is a plain generator that knows neither the page
nor the disk; closing it cancels the work, and the state that it yields continues it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from stylize.clip import TextImageModel
from stylize.code import Code
from stylize.domain import Domain, mix
from stylize.errors import DomainError, PromptError, StylizeError
from stylize.generator import Generator, Order
from stylize.pipeline import ALIKE, Face, Stylizer
from stylize.prompts.vocabulary import SOURCE, match, match_colour
from stylize.training.losses import directional_loss, domain_norm, global_loss, indomain_loss

RATES = (0.01, 0.03)
WORTHWHILE = 0.005  # a loss that falls by a smaller share than this has converged


@dataclass(frozen=True)
class AdaptSettings:
    """The numbers of a training; ``preset`` has them by name.

    direction: weight of the directional loss, which is blind to the size of the step. reach: of the distance to the
    description itself, which fixes that size. indomain: of the angle consistency that keeps faces different. norm: of
    ``domain_norm``. lr: learning rate; None is RATES[0] from ready domains that the description mentions, which are
    near already, and else RATES[1]. pool: faces to train on; mixing: share of them that take their finer rows from
    another (Karras et al. 2019). patience: steps after which ``converged`` is asked, 0 never. start: begin from the
    ready domains that are nearest to the description, instead of from zero. half: the generator computes in the fastest
    type of the device, which is bfloat16 where there are units for it; the vector, the embeddings and the losses stay
    in float32.
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


def kind(stylizer: Stylizer) -> str:
    """Which settings suit a model: "full" are the published ones, "mini" those of a small one or one that was trained
    together with its styles."""
    config = stylizer.generator.config
    return "mini" if config.resolution < 256 or any(config.patterns) else "full"


def preset(stylizer: Stylizer, name: str = "balanced", **numbers: Any) -> AdaptSettings:
    """The settings "fast", "balanced" or "strong" for a model, with single ``numbers`` in their stead."""
    return AdaptSettings(**{**choose(PRESETS[kind(stylizer)], name), **numbers})


def choose(presets: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    if name not in presets:
        raise StylizeError(f"There is no preset {name!r}; choose from {', '.join(presets)}.")
    return presets[name]


def check_training(steps: int, lr: float | None) -> None:
    """Raises StylizeError for numbers that no training can use."""
    if not 1 <= steps <= 10_000:
        raise StylizeError(f"{steps} steps cannot be trained; choose from 1 to 10,000.")
    if lr is not None and not (math.isfinite(lr) and 0 < lr <= 1):
        raise StylizeError(f"The learning rate is {lr} but must lie above 0 and up to 1.")


@dataclass(frozen=True, eq=False)
class State:
    """All that a training needs to go on, on the CPU: what trains (K,), Adam's two moments (2, K), the state of the
    random generator, and the loss of every step done."""

    vector: Tensor
    moments: Tensor
    rng: Tensor
    history: Tensor

    @property
    def step(self) -> int:
        return len(self.history)

    @classmethod
    def begin(cls, vector: Tensor, seed: int) -> State:
        rng = torch.Generator().manual_seed(seed).get_state()
        vector = vector.detach().cpu().clone()
        return cls(vector, torch.zeros(2, len(vector)), rng, torch.zeros(0))

    def checked(self, size: int) -> State:
        """Itself. Raises StylizeError unless it is whole and of a vector of ``size`` numbers: it may come from a file,
        and the ready domains that a training mixes may have changed since."""
        rng = torch.Generator().get_state()
        shapes = (self.vector.shape, self.moments.shape, self.rng.shape) == ((size,), (2, size), rng.shape)
        numbers = torch.cat([self.vector.flatten(), self.moments.flatten(), self.history.flatten()])
        if not (shapes and self.rng.dtype == rng.dtype and self.history.ndim == 1 and bool(numbers.isfinite().all())):
            raise StylizeError("What is left of this training does not fit the model or is damaged; begin it anew.")
        return self


@dataclass(frozen=True)
class Progress:
    """After ``step`` of ``steps``: the losses of that step, the domain so far and the state that continues it.

    ``note`` is empty but in the last report of a training that stopped by itself, where it says why.
    """

    step: int
    steps: int
    losses: dict[str, float]
    domain: Domain
    state: State
    note: str = ""


def converged(history: Sequence[float] | Tensor, patience: int) -> bool:
    """Whether the mean loss of the last ``patience`` steps is not WORTHWHILE below that of as many before them."""
    if patience < 1 or len(history) < 2 * patience:
        return False
    last = torch.as_tensor(history)[-2 * patience :].double()
    before, after = last[:patience].mean(), last[patience:].mean()
    return bool(before - after < WORTHWHILE * before.abs())


def descend(
    losses: Callable[[Tensor, Tensor], dict[str, Tensor]],
    state: State,
    *,
    steps: int,
    batch: int,
    pool: int,
    lr: float | Tensor,
    patience: int = 0,
    device: torch.device | None = None,
) -> Iterator[tuple[State, dict[str, float], str]]:
    """Adam with a cosine rate on a vector, from ``state`` to ``steps``; yields (state, losses, note) after each step.

    losses(vector, index) gives weighted losses for the faces ``index`` (batch,) out of ``pool``. lr may differ by
    number (K,). Stops with a note when the loss has converged or is not a number; the latter yields the state before.
    Raises StylizeError when nothing is left to do, or no step could be done.
    """
    if state.step >= steps:
        raise StylizeError(f"This training has done {state.step} steps already; ask for more than {steps}.")
    rng = torch.Generator()
    rng.set_state(state.rng)
    vector = state.vector.to(device, copy=True).requires_grad_(True)
    rates = torch.as_tensor(lr, dtype=torch.float32, device=device)
    first, second = (moment.clone() for moment in state.moments.to(device))
    since = state.step if converged(state.history, patience) else 0  # who continues what has converged wants more
    values: dict[str, float] = {}
    for step in range(state.step, steps):
        index = torch.randperm(pool, generator=rng)[:batch].to(device)
        with torch.enable_grad():
            terms = losses(vector, index)
            total = torch.stack(list(terms.values())).sum()
            (gradient,) = torch.autograd.grad(total, vector)
        if not bool(gradient.isfinite().all() & total.isfinite()):
            words = f"The training diverged at step {step + 1}; use a lower learning rate."
            if step == 0:
                raise StylizeError(words)
            yield state, values, words
            return
        first.lerp_(gradient, 0.1)  # Adam (0.9, 0.99); Kingma and Ba 2015
        second.lerp_(gradient.square(), 0.01)
        rate = rates * (0.5 * (1 + math.cos(math.pi * step / steps)))
        update = (first / (1 - 0.9 ** (step + 1))) / ((second / (1 - 0.99 ** (step + 1))).sqrt() + 1e-8)
        vector = (vector.detach() - rate * update).requires_grad_(True)
        values = {name: value.item() for name, value in terms.items()}
        history = torch.cat([state.history, torch.tensor([sum(values.values())])])
        moments = torch.stack([first, second]).cpu()
        state = State(vector.detach().cpu().clone(), moments, rng.get_state(), history)
        stop = step + 1 < steps and converged(history[since:], patience)
        yield state, values, f"The training has converged after {step + 1} steps." if stop else ""
        if stop:
            return


def mixed(ws: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """W+ (N, num_ws, w_dim) in which a ``share`` takes the rows from a random one on from its neighbour: style mixing
    (Karras et al. 2019)."""
    n, rows = ws.shape[:2]
    cut = torch.randint(1, rows, (n, 1), generator=rng)
    finer = (torch.arange(rows) >= cut) & (torch.rand(n, 1, generator=rng) < share)
    return torch.where(finer[..., None].to(ws.device), ws.roll(1, 0), ws)


def training_faces(stylizer: Stylizer, count: int, mixing: float, seed: int) -> Code:
    """Codes of ``count`` random faces to train on, as photos of them have."""
    rng = torch.Generator().manual_seed(seed)
    return stylizer.as_photos(mixed(stylizer.sample_ws(count, seed, psi=0.8), mixing, rng))


@torch.no_grad()
def embed(clip: TextImageModel, generator: Generator, codes: Code | Tensor) -> Tensor:
    """E(A) (N, D) of faces without a domain."""
    return torch.cat([clip.encode_image(generator.synthesis(part)) for part in codes.split(16)])


class TextGuide:
    """What two descriptions ask of pictures of a pool of faces, in every text-image model."""

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


def warm_start(stylizer: Stylizer, text: str) -> tuple[Domain | None, bool]:
    """(where the training begins, whether the description mentions it): the ready styles that it mentions, mixed
    evenly, and its colour; where it mentions none, the styles whose descriptions are nearest in the text-image model.
    None without any ready domain.

    The weights of the latter are a softmax of cosines, in which the source takes part: what is alike to none starts
    near zero.
    """
    names = stylizer.ready()
    if not names:
        return None, False
    mentioned = [name for name in match(text) if name in names]
    parts = [(1 / len(mentioned), stylizer.ready_domain(name)) for name in mentioned]
    colour = match_colour(text)
    if colour is not None:
        with suppress(DomainError):  # a model may ship without colours
            parts.append((1.0, stylizer.ready_domain(f"{colour} photo")))
    if parts:
        return mix(parts), True
    clip = stylizer.clip
    known = torch.cat([clip.describe(SOURCE)[None], stylizer.styles_in_words])
    weights = torch.softmax(ALIKE * F.cosine_similarity(known, clip.describe(text)[None]), 0)[1:]
    best = weights.topk(min(3, len(names)))
    alike = [(float(w), stylizer.ready_domain(names[i])) for w, i in zip(best.values, best.indices, strict=True)]
    return mix(alike), False


def adapt_text(
    stylizer: Stylizer,
    target: str,
    source: str = SOURCE,
    settings: AdaptSettings | None = None,
    state: State | None = None,
) -> Iterator[Progress]:
    """Trains a domain for ``target``, yielding after every step; the last report holds the result.

    state: continue a training of the same descriptions and seed from there; with the same settings the result is
    the one that it would have had. Raises PromptError for descriptions the model does not know, or that equal the
    source, and StylizeError where nothing can be trained.
    """
    s = settings or preset(stylizer)
    target, source = stylizer.check_description(target), stylizer.check_description(source)
    if all(torch.allclose(clip.describe(target), clip.describe(source), atol=1e-4) for clip in stylizer.clips):
        raise PromptError(f"The description {target!r} is what the face is already; describe something else.")
    generator, config = stylizer.generator, stylizer.generator.config
    start, near = warm_start(stylizer, target) if s.start else (None, False)
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
        yield Progress(now.step, s.steps, values, domain, now, note)


def preview(
    stylizer: Stylizer, domain: Domain, faces: Sequence[Face] = (), random: int = 4, seed: int = 0
) -> list[Image.Image]:
    """Pictures to watch while it trains: the given faces, then ``random`` faces, the same for one seed."""
    return [stylizer.render(face, domain) for face in faces] + stylizer.sample(random, seed, domain)
