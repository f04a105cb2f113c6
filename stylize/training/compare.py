"""Is a domain vector enough? The claim of HyperDomainNet (Alanov et al. 2022), where the right answer is known.

A style is learned with the same losses, steps and faces by a domain vector in either order, and by all weights of the
synthesis network: guided by words from nothing, as in the paper, and fitted to truly filtered pictures, which shows
what either can express apart from what the guidance knows.
"""

from __future__ import annotations

import copy
import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stylize.checkpoints import save_checkpoint
from stylize.domain import Domain
from stylize.generator import Generator, Order
from stylize.pipeline import Stylizer
from stylize.training.adapt import AdaptSettings, State, TextGuide, descend, training_faces
from stylize.training.generator import parameter_groups, pyramid_loss
from stylize.training.identity import FaceIdentity
from stylize.training.losses import domain_norm
from stylize.training.styles import truth
from stylize.vocabulary import SOURCE

STEPS, BATCH, POOL = 50, 6, 48
SAMPLES = 64  # random faces for Quality and Diversity
RATES = {"vector": 0.2, "weights": 5e-4}
STYLES = (
    "pencil sketch", "sepia", "negative", "zombie", "thermal camera", "blueprint", "marble statue", "joker",
    "watercolour", "oil painting",
)  # fmt: skip


@dataclass(frozen=True)
class Way:
    """trains: "vector" or "weights"; teacher: "words" or "pairs"."""

    trains: str
    teacher: str
    order: Order = "pre_demod"
    indomain: float = 0.0


WAYS = {
    "words: vector": Way("vector", "words"),
    "words: vector, after demodulation": Way("vector", "words", "post_demod"),
    "words: vector, in-domain loss": Way("vector", "words", indomain=1.5),
    "words: all weights": Way("weights", "words"),
    "pairs: vector": Way("vector", "pairs"),
    "pairs: vector, after demodulation": Way("vector", "pairs", "post_demod"),
    "pairs: all weights": Way("weights", "pairs"),
}

Losses = Callable[[Tensor, Tensor], dict[str, Tensor]]  # (pictures, index) -> weighted losses


def guided(guide: TextGuide, s: AdaptSettings) -> Losses:
    return lambda pictures, index: guide.losses(pictures, index, s)


def paired(targets: Tensor) -> Losses:
    return lambda pictures, index: {"pairs": pyramid_loss(pictures, targets[index])}


def tune(generator: Generator, ws: Tensor, losses: Losses, seed: int) -> Generator:
    """A copy of the generator, all weights of its synthesis trained by Adam with the cosine rate of ``descend``."""
    tuned = copy.deepcopy(generator).requires_grad_(True)
    tuned.mapping.requires_grad_(False)
    groups = [{**group, "params": [p for p in group["params"] if p.requires_grad]} for group in parameter_groups(tuned)]
    optimiser = torch.optim.Adam(groups, betas=(0.9, 0.99))
    rng = torch.Generator().manual_seed(seed)
    for step in range(STEPS):
        for group in optimiser.param_groups:
            group["lr"] = RATES["weights"] * group["factor"] * 0.5 * (1 + math.cos(math.pi * step / STEPS))
        index = torch.randperm(len(ws), generator=rng)[:BATCH].to(ws.device)
        optimiser.zero_grad()
        with torch.enable_grad():
            torch.stack(list(losses(tuned.synthesis(ws[index]), index).values())).sum().backward()
        optimiser.step()
    return tuned.requires_grad_(False)


def learn(
    stylizer: Stylizer, way: Way, losses: Losses, ws: Tensor, seed: int
) -> tuple[Callable[[Tensor], Tensor], Any]:
    """(draws W+ in the learned domain, what was learned: a Domain or a Generator)."""
    generator = stylizer.generator
    if way.trains == "weights":
        tuned = tune(generator, ws, losses, seed)
        return lambda codes: tuned.synthesis(codes).clamp(-1, 1), tuned
    sizes = tuple(generator.config.domain_sizes)

    def step(vector: Tensor, index: Tensor) -> dict[str, Tensor]:
        pictures = generator.synthesis(ws[index], vector, way.order)
        return losses(pictures, index) | {"norm": AdaptSettings.norm * domain_norm(vector, sizes)}

    begin = State.begin(torch.zeros(sum(sizes)), seed)
    loop = descend(step, begin, steps=STEPS, batch=BATCH, pool=len(ws), lr=RATES["vector"], device=stylizer.device)
    *_, (state, _, _) = loop
    domain = Domain(state.vector, sizes, way.order, stylizer.fingerprint)
    return lambda codes: stylizer.draw(codes, domain), domain


def size_of(learned: Domain | Generator) -> tuple[int, int]:
    """(numbers, bytes of the file)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.safetensors"
        if isinstance(learned, Domain):
            learned.save(path)
            return len(learned.vector), path.stat().st_size
        tensors = {name: p for name, p in learned.named_parameters() if not name.startswith("mapping.")}
        save_checkpoint(path, tensors, {})
        return sum(p.numel() for p in tensors.values()), path.stat().st_size


def diversity(embeddings: Tensor) -> float:
    """Mean of 1 - cos over all pairs of unit embeddings (N, D)."""
    n = len(embeddings)
    return float(1 - (embeddings.sum(0).square().sum() - n) / (n * (n - 1)))


@torch.no_grad()
def compare(
    stylizer: Stylizer, name: str, held_out: Tensor, seed: int
) -> tuple[dict[str, dict[str, float]], list[Tensor]]:
    """Every way for one style: (figures by way, pictures of a random face: source, truth, then each way).

    held_out: W+ (N, num_ws, w_dim) of faces. Quality and Diversity are those of the papers, by the model's own
    text-image model; distance is the mean absolute difference to the truly filtered pictures; identity the median
    distance of dlib's descriptors from the unchanged faces.
    """
    generator, clip, identity = stylizer.generator, stylizer.clip, FaceIdentity()
    ws = training_faces(stylizer, POOL, AdaptSettings.mixing, seed)
    guide = TextGuide(generator, stylizer.clips, ws, SOURCE, name)
    faces = torch.cat([stylizer.draw(part) for part in ws.split(16)])
    pairs = truth(faces, name, seed=seed).to(stylizer.device)
    random, target = stylizer.sample_ws(SAMPLES, seed + 1, psi=1.0), clip.describe(name)
    source = torch.cat([stylizer.draw(part) for part in held_out.split(16)])
    wanted = truth(source, name).to(stylizer.device)
    persons = identity(source.cpu())

    def figures(draw: Callable[[Tensor], Tensor], truly: Tensor | None = None) -> dict[str, float]:
        drawn = torch.cat([draw(part) for part in held_out.split(16)]) if truly is None else truly
        embedded = torch.cat([clip.encode_image(draw(part)) for part in random.split(16)])
        return {
            "quality": float((embedded @ target).mean()),
            "diversity": diversity(embedded),
            "distance": float((drawn - wanted).abs().mean()),
            "identity": float((identity(drawn.cpu()) - persons).norm(dim=1).median()),
        }

    def filtered(codes: Tensor) -> Tensor:
        return truth(stylizer.draw(codes), name).to(stylizer.device)

    results = {"unchanged": figures(stylizer.draw), "truly filtered": figures(filtered, wanted)}
    shown = stylizer.sample_ws(1, seed + 2)
    pictures = [stylizer.draw(shown)[0], filtered(shown)[0]]
    for title, way in WAYS.items():
        losses = guided(guide, AdaptSettings(indomain=way.indomain)) if way.teacher == "words" else paired(pairs)
        started = time.monotonic()
        draw, learned = learn(stylizer, way, losses, ws, seed)
        seconds = time.monotonic() - started
        numbers, size = size_of(learned)
        results[title] = {**figures(draw), "parameters": numbers, "bytes": size, "seconds": seconds}
        pictures.append(draw(shown)[0])
    return results, pictures
