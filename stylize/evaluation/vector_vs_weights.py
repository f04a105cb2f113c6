"""Is a domain vector enough? Tests the claim of HyperDomainNet (Alanov et al. 2022) with known ground truth.

A style is learned with the same losses, steps and faces by a domain vector in either order, by all weights of the
synthesis network, and by a vector added to all of its styles including those of ToRGB (StyleDomain, Alanov et al. 2023,
"StyleSpace"), which amounts to the biases of its affine layers. The teacher is either words, from nothing, as in the
paper, or truly filtered pictures, which show what each method can express regardless of the guidance.
"""

from __future__ import annotations

import copy
import hashlib
import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from stylize.adaptation.descent import State, descend, training_faces
from stylize.adaptation.losses import domain_norm, pyramid_loss
from stylize.adaptation.text import AdaptSettings, TextGuide
from stylize.faces.identity import FaceIdentity
from stylize.models.checkpoints import fingerprint, save_checkpoint
from stylize.models.code import Code
from stylize.models.domain import Domain
from stylize.models.generator import Generator
from stylize.models.layers import Order
from stylize.pipeline import Stylizer
from stylize.prompts.vocabulary import SOURCE
from stylize.training.filters import truth
from stylize.training.networks import parameter_groups

STEPS, BATCH, POOL = 50, 4, 48
SAMPLES = 48  # random faces for Quality and Diversity
# By trained part and teacher: words mislead at larger learning rates.
RATES = {
    "vector": {"words": 0.03, "pairs": 0.2}, "styles": {"words": 0.03, "pairs": 0.2},
    "weights": {"words": 2e-4, "pairs": 5e-4},
}  # fmt: skip
COMPARED_STYLES = (
    "pencil sketch", "mosaic", "joker", "pixel art", "marble statue", "cartoon", "negative", "stained glass",
    "oil painting", "comic halftone", "thermal camera", "zombie",
)  # fmt: skip


@dataclass(frozen=True)
class Method:
    """trains: the domain "vector", an offset of the "styles", or all "weights"; teacher: "words" or "pairs"."""

    trains: str
    teacher: str
    order: Order = "pre_demod"
    indomain: float = 0.0


METHODS = {
    "words: vector": Method("vector", "words"),
    "words: vector, after demodulation": Method("vector", "words", "post_demod"),
    "words: vector, in-domain loss": Method("vector", "words", indomain=1.5),
    "words: added to all styles": Method("styles", "words"),
    "words: all weights": Method("weights", "words"),
    "pairs: vector": Method("vector", "pairs"),
    "pairs: vector, after demodulation": Method("vector", "pairs", "post_demod"),
    "pairs: added to all styles": Method("styles", "pairs"),
    "pairs: all weights": Method("weights", "pairs"),
}

Losses = Callable[[Tensor, Tensor], dict[str, Tensor]]  # (pictures, index) -> weighted losses
Draw = Callable[[Code | Tensor], Tensor]  # codes -> pictures


def guided(guide: TextGuide, s: AdaptSettings) -> Losses:
    return lambda pictures, index: guide.losses(pictures, index, s)


def paired(targets: Tensor) -> Losses:
    return lambda pictures, index: {"pairs": pyramid_loss(pictures, targets[index])}


def tune(generator: Generator, codes: Code, losses: Losses, seed: int, method: Method) -> Generator:
    """A copy of the generator with its "styles" or "weights" trained by Adam with the cosine schedule of ``descend``.
    The trained parameters require gradients."""
    tuned = copy.deepcopy(generator).requires_grad_(False)
    for name, parameter in tuned.named_parameters():
        chosen = name.endswith("affine.bias") if method.trains == "styles" else not name.startswith("mapping.")
        parameter.requires_grad_(chosen)
    groups = [{**group, "params": [p for p in group["params"] if p.requires_grad]} for group in parameter_groups(tuned)]
    optimiser = torch.optim.Adam(groups, betas=(0.9, 0.99))
    rng, rate = torch.Generator().manual_seed(seed), RATES[method.trains][method.teacher]
    for step in range(STEPS):
        for group in optimiser.param_groups:
            group["lr"] = rate * group["factor"] * 0.5 * (1 + math.cos(math.pi * step / STEPS))
        index = torch.randperm(len(codes), generator=rng)[:BATCH].to(codes.device)
        optimiser.zero_grad()
        with torch.enable_grad():
            torch.stack(list(losses(tuned.synthesis(codes[index]), index).values())).sum().backward()
        optimiser.step()
    return tuned


def learn(
    stylizer: Stylizer, method: Method, losses: Losses, codes: Code, seed: int
) -> tuple[Draw, Domain | Generator]:
    """(a function that draws W+ in the learned domain, the result: a Domain or a Generator)."""
    generator = stylizer.generator
    if method.trains != "vector":
        tuned = tune(generator, codes, losses, seed, method)
        return lambda codes: tuned.synthesis(codes).clamp(-1, 1), tuned
    sizes = tuple(generator.config.domain_sizes)

    def step(vector: Tensor, index: Tensor) -> dict[str, Tensor]:
        pictures = generator.synthesis(codes[index], vector, method.order)
        return losses(pictures, index) | {"norm": AdaptSettings.norm * domain_norm(vector, sizes)}

    begin = State.begin(torch.zeros(sum(sizes)), seed)
    rate = RATES["vector"][method.teacher]
    loop = descend(step, begin, steps=STEPS, batch=BATCH, pool=len(codes), lr=rate, device=stylizer.device)
    *_, (state, _, _) = loop
    domain = Domain(state.vector, sizes, method.order, stylizer.fingerprint)
    return lambda codes: stylizer.draw(codes, domain), domain


def size_of(learned: Domain | Generator) -> tuple[int, int]:
    """(numbers, bytes of the file)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.safetensors"
        if isinstance(learned, Domain):
            learned.save(path)
            return len(learned.vector), path.stat().st_size
        tensors = {name: p for name, p in learned.named_parameters() if p.requires_grad}
        save_checkpoint(path, tensors, {})
        return sum(p.numel() for p in tensors.values()), path.stat().st_size


def diversity(embeddings: Tensor) -> float:
    """Mean of 1 - cos over all pairs of unit embeddings (N, D)."""
    n = len(embeddings)
    return float(1 - (embeddings.sum(0).square().sum() - n) / (n * (n - 1)))


class Comparison:
    """The faces on which every style is learned and judged.

    held_out: codes of faces for distance and identity. ``settings``: everything but the style that the figures depend
    on, as JSON holds it.
    """

    @torch.no_grad()
    def __init__(self, stylizer: Stylizer, held_out: Code, seed: int) -> None:
        self.stylizer, self.held_out, self.seed = stylizer, held_out, seed
        self.codes = training_faces(stylizer, POOL, AdaptSettings.mixing, seed)
        self.random = stylizer.as_photos(stylizer.sample_ws(SAMPLES, seed + 1, psi=1.0))
        self.shown = stylizer.as_photos(stylizer.sample_ws(1, seed + 2))
        self.identity = FaceIdentity()
        self.faces, self.source = self.draw(self.codes, stylizer.draw), self.draw(held_out, stylizer.draw)
        self.persons = self.identity(self.source.cpu())
        self.settings = {
            "generator": [stylizer.fingerprint, stylizer.generator.config.to_dict()],
            "text-image models": [fingerprint(clip) for clip in stylizer.clips],
            "faces": hashlib.sha256(held_out.ws.cpu().numpy().tobytes()).hexdigest(),
            "numbers": [STEPS, BATCH, POOL, SAMPLES, seed, RATES],
            "ways": {title: asdict(method) for title, method in METHODS.items()},
        }

    def draw(self, codes: Code | Tensor, draw: Draw) -> Tensor:
        return torch.cat([draw(part) for part in codes.split(16)])

    @torch.no_grad()
    def style(self, name: str) -> tuple[dict[str, dict[str, float]], list[Tensor]]:
        """Every method for one style: (figures by method, pictures of a random face: source, truth, then each method).

        Quality and Diversity are those of the papers, by the model's own text-image model; distance is the mean
        absolute difference to the filtered pictures; identity the median distance of dlib's descriptors from the
        unchanged faces; seconds are CPU time, which other work does not affect.
        """
        stylizer, clip, seed = self.stylizer, self.stylizer.clip, self.seed
        guide = TextGuide(stylizer.generator, stylizer.clips, self.codes, SOURCE, name)
        pairs = truth(self.faces, name, seed=seed).to(stylizer.device)
        target, wanted = clip.describe(name), truth(self.source, name).to(stylizer.device)

        def figures(draw: Draw, truly: Tensor | None = None) -> dict[str, float]:
            drawn = self.draw(self.held_out, draw) if truly is None else truly
            embedded = torch.cat([clip.encode_image(draw(part)) for part in self.random.split(16)])
            return {
                "quality": float((embedded @ target).mean()),
                "diversity": diversity(embedded),
                "distance": float((drawn - wanted).abs().mean()),
                "identity": float((self.identity(drawn.cpu()) - self.persons).norm(dim=1).median()),
            }

        def filtered(codes: Code | Tensor) -> Tensor:
            return truth(stylizer.draw(codes), name).to(stylizer.device)

        results = {"unchanged": figures(stylizer.draw), "truly filtered": figures(filtered, wanted)}
        pictures = [stylizer.draw(self.shown)[0], filtered(self.shown)[0]]
        for title, method in METHODS.items():
            losses = (
                guided(guide, AdaptSettings(indomain=method.indomain)) if method.teacher == "words" else paired(pairs)
            )
            started = time.process_time()
            draw, learned = learn(stylizer, method, losses, self.codes, seed)
            seconds = time.process_time() - started
            numbers, size = size_of(learned)
            results[title] = {**figures(draw), "parameters": numbers, "bytes": size, "seconds": seconds}
            pictures.append(draw(self.shown)[0])
        return results, pictures
