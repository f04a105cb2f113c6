"""Shared by all adaptations: gradient descent on a domain vector, the state to resume it, its progress reports, its
faces.

The loop is a plain generator independent of page and disk; closing it cancels the work, and the states it yields can
resume it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from stylize.errors import Sentence, StylizeError
from stylize.models.code import Code
from stylize.models.domain import Domain
from stylize.models.generator import Generator
from stylize.models.text_image import TextImageModel
from stylize.pipeline import Stylizer

WORTHWHILE = 0.005  # a loss has converged if it falls by a smaller share than this


def model_kind(stylizer: Stylizer) -> str:
    """Which settings suit a model: "full" are the published ones, "mini" those for a small model or one that was
    trained together with its styles."""
    config = stylizer.generator.config
    return "mini" if config.resolution < 256 or any(config.patterns) else "full"


def choose_preset(presets: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    if name not in presets:
        raise StylizeError("There is no preset {!r}; choose from {}.", name, ", ".join(presets))
    return presets[name]


def check_training(steps: int, lr: float | None) -> None:
    """Raises StylizeError for settings that no training can use."""
    if not 1 <= steps <= 10_000:
        raise StylizeError("Cannot train for {} steps; choose from 1 to 10,000.", steps)
    if lr is not None and not (math.isfinite(lr) and 0 < lr <= 1):
        raise StylizeError("The learning rate is {} but must be above 0 and at most 1.", lr)


@dataclass(frozen=True, eq=False)
class State:
    """Everything needed to resume a training, on the CPU: the trained vector (K,), Adam's two moments (2, K), the state
    of the random generator, and the loss of every step so far."""

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
        """Returns itself. Raises StylizeError unless it is intact and of a vector of ``size`` numbers: it may come from
        a file, and the ready domains that a training mixes may have changed since."""
        rng = torch.Generator().get_state()
        shapes = (self.vector.shape, self.moments.shape, self.rng.shape) == ((size,), (2, size), rng.shape)
        numbers = torch.cat([self.vector.flatten(), self.moments.flatten(), self.history.flatten()])
        if not (shapes and self.rng.dtype == rng.dtype and self.history.ndim == 1 and bool(numbers.isfinite().all())):
            raise StylizeError("The saved training does not fit the model or is damaged; start it again.")
        return self


@dataclass(frozen=True)
class AdaptationProgress:
    """Progress after ``step`` of ``steps``: the losses of that step, the domain so far and the state to resume from.

    ``note``: why the training stopped early or, in the first reports, how the description was understood; usually
    empty.
    """

    step: int
    steps: int
    losses: dict[str, float]
    domain: Domain
    state: State
    note: str = ""


def converged(history: Sequence[float] | Tensor, patience: int) -> bool:
    """Whether the mean loss of the last ``patience`` steps is less than WORTHWHILE below that of the ``patience`` steps
    before."""
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
    """Runs Adam with a cosine learning rate on a vector, from ``state`` to ``steps``; yields (state, losses, note)
    after each step.

    losses(vector, index) gives weighted losses for the faces ``index`` (batch,) out of ``pool``. lr may differ per
    number (K,). Stops with a note when the loss has converged or is not finite; in the latter case it yields the last
    good state. Raises StylizeError if there is nothing left to do, or no step succeeded.
    """
    if state.step >= steps:
        raise StylizeError("This training has done {} steps already; ask for more than {}.", state.step, steps)
    rng = torch.Generator()
    rng.set_state(state.rng)
    vector = state.vector.to(device, copy=True).requires_grad_(True)
    rates = torch.as_tensor(lr, dtype=torch.float32, device=device)
    first, second = (moment.clone() for moment in state.moments.to(device))
    since = state.step if converged(state.history, patience) else 0  # continuing after convergence is a wish for more
    values: dict[str, float] = {}
    for step in range(state.step, steps):
        index = torch.randperm(pool, generator=rng)[:batch].to(device)
        with torch.enable_grad():
            terms = losses(vector, index)
            total = torch.stack(list(terms.values())).sum()
            (gradient,) = torch.autograd.grad(total, vector)
        if not bool(gradient.isfinite().all() & total.isfinite()):
            words = Sentence("The training diverged at step {}; use a lower learning rate.", step + 1)
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
        yield state, values, Sentence("The training has converged after {} steps.", step + 1) if stop else ""
        if stop:
            return


def mixed(ws: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """W+ (N, num_ws, w_dim) after style mixing: a ``share`` of them takes the rows from a random one on from its
    neighbour (Karras et al. 2019)."""
    n, rows = ws.shape[:2]
    cut = torch.randint(1, rows, (n, 1), generator=rng)
    finer = (torch.arange(rows) >= cut) & (torch.rand(n, 1, generator=rng) < share)
    return torch.where(finer[..., None].to(ws.device), ws.roll(1, 0), ws)


def training_faces(stylizer: Stylizer, count: int, mixing: float, seed: int) -> Code:
    """Codes of ``count`` random faces to train on, as if encoded from photos."""
    rng = torch.Generator().manual_seed(seed)
    return stylizer.as_photos(mixed(stylizer.sample_ws(count, seed, psi=0.8), mixing, rng))


@torch.no_grad()
def embed(clip: TextImageModel, generator: Generator, codes: Code | Tensor) -> Tensor:
    """E(A) (N, D) of faces without a domain."""
    return torch.cat([clip.encode_image(generator.synthesis(part)) for part in codes.split(16)])
