"""The domain vector: one flat tensor that scales the input channels of a generator's convolutions, then those in each
part of a face, and whose last numbers are the shares of its tilings and screens, if the generator has any of these.

Alanov, Titov, Vetrov, "HyperDomainNet" (2022). Strength, mixing and levels are arithmetic on it.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor

from stylize.errors import CheckpointError, DomainError
from stylize.models.checkpoints import load_checkpoint, save_checkpoint
from stylize.models.generator import GeneratorConfig
from stylize.models.layers import Order

FORMAT = "stylize domain"
LARGEST_FILE = 1_000_000  # bytes; 24 KB at 1024 px
LARGEST_NUMBER = 1000.0  # largest absolute value in a domain file; trained vectors stay below 10
LARGEST_WEIGHT = 1e30  # of a stored mix
LONGEST_PART = 1000  # characters of one style of a mix
MAX_ITERATIONS = 100  # of a spherical mean
TEXT_FIELDS = ("order", "generator", "name", "target", "source", "method")
LEVELS = ("coarse", "medium", "fine")
Levels = tuple[float, float, float]  # a strength for each level


@dataclass(frozen=True, eq=False)
class Domain:
    """``vector`` (domain_dim,) float32 on the CPU, split by ``sizes``: ``GeneratorConfig.domain_sizes``.

    ``order``: where the factor 1 + d is applied (see ``stylize.models.generator``). ``generator``: the fingerprint of
    the generator it was made for, "" if not recorded. ``target`` and ``source`` are the prompts; ``method`` is, for
    instance, "text-guided", "fitted to filtered pairs" or "mix"; ``settings`` is anything JSON can hold. A one-shot
    domain may have ``style`` (rows, w_dim), the last rows of its reference's W+, which replace the face's own to the
    degree ``style_share``, 0 to 1 (style mixing). Strength, mixing and levels give new domains: ``0.5 * a + 0.5 * b``,
    ``-a``, ``a.scaled(fine=0.3)``. Raises DomainError if the parts do not fit together.
    """

    vector: Tensor
    sizes: tuple[int, ...]
    order: Order
    generator: str
    name: str = ""
    target: str = ""
    source: str = ""
    method: str = ""
    seed: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    style: Tensor | None = None
    style_share: float = 1.0

    def __post_init__(self) -> None:
        # A copy: the vector may be a parameter that is still being trained.
        object.__setattr__(self, "vector", self.vector.detach().to("cpu", torch.float32, copy=True))
        if self.vector.shape != (sum(self.sizes),):
            raise DomainError(
                "The domain's vector has the shape {} but its layout needs {} numbers; create it again.",
                tuple(self.vector.shape),
                sum(self.sizes),
            )
        if self.style is not None:
            object.__setattr__(self, "style", self.style.detach().to("cpu", torch.float32, copy=True))
            if self.style.ndim != 2 or not 0 <= self.style_share <= 1:
                raise DomainError("The style rows of the domain {!r} are damaged; create it again.", self.label)
        if not all(bool(tensor.isfinite().all()) for tensor in self._tensors().values()):
            raise DomainError("The domain {!r} contains non-finite numbers; create it again.", self.label)
        if self.order not in get_args(Order):
            raise DomainError(
                "The domain's order is {!r} but must be one of {}.", self.order, ", ".join(get_args(Order))
            )

    @property
    def label(self) -> str:
        """Its name, or else its prompt."""
        return self.name or self.target or "unnamed"

    def _tensors(self) -> dict[str, Tensor]:
        return {"vector": self.vector} if self.style is None else {"vector": self.vector, "style": self.style}

    def save(self, path: str | Path, dtype: torch.dtype | None = None) -> None:
        """Writes one safetensors file, its numbers as ``dtype`` if given: 24 KB at 1024 px, 22 KB more with a style."""
        texts = {name: getattr(self, name) for name in TEXT_FIELDS}
        rest = {"sizes": self.sizes, "seed": self.seed, "settings": self.settings, "style_share": self.style_share}
        save_checkpoint(path, self._tensors(), {"format": FORMAT, **texts, **rest}, dtype)

    @classmethod
    def load(cls, path: str | Path) -> Domain:
        """Reads a file written by ``save``. Raises DomainError for anything else."""
        path = Path(path)
        if not os.path.isfile(path):  # unlike Path.is_file, false for an impossible name
            raise DomainError("There is no domain file {}; check the path.", path)
        if path.stat().st_size > LARGEST_FILE:
            raise DomainError("{} has {:,} bytes, far too many for a domain file.", path.name, path.stat().st_size)
        try:
            tensors, values = load_checkpoint(path)
        except CheckpointError:
            raise DomainError("{} is not a domain file or is damaged; create it again.", path.name) from None
        if values.get("format") != FORMAT:
            raise DomainError("{} is not a domain file; use one written by `adapt` or `mix`.", path.name)
        sizes, seed, settings = (values.get(name) for name in ("sizes", "seed", "settings"))
        share = values.get("style_share", 1.0)
        if not (
            {"vector"} <= set(tensors) <= {"vector", "style"}
            and all(tensor.is_floating_point() for tensor in tensors.values())
            and type(share) in (int, float)
            and 0 <= share <= 1
            and all(isinstance(values.get(name), str) for name in TEXT_FIELDS)
            and isinstance(sizes, list)
            and sizes
            and all(type(size) is int and 0 < size < LARGEST_FILE for size in sizes)
            and (seed is None or (type(seed) is int and abs(seed) < 2**64))
            and isinstance(settings, dict)
            and isinstance(settings.get("levels", []), list)
            and (values["method"] != "mix" or _weights(settings.get("ingredients")))
        ):
            raise DomainError("{} is an incomplete or damaged domain file; create it again.", path.name)
        if any(bool((tensor.isfinite() & (tensor.abs() > LARGEST_NUMBER)).any()) for tensor in tensors.values()):
            raise DomainError(
                "{} contains numbers that no training produces, or is damaged; create it again.", path.name
            )
        try:
            texts = {name: values[name] for name in TEXT_FIELDS}
            style = tensors.get("style")
            return cls(
                tensors["vector"], tuple(sizes), seed=seed, settings=settings, style=style, style_share=share, **texts
            )
        except DomainError as error:
            raise DomainError("{} cannot be used: {}", path.name, error) from None

    def check(self, fingerprint: str, config: GeneratorConfig) -> None:
        """Raises DomainError unless this domain was made for the generator with that fingerprint and config; if its
        generator is not recorded, only the layout must fit."""
        if self.sizes != tuple(config.domain_sizes):
            maker = f"the generator {self.generator}" if self.generator else "another generator"
            raise DomainError(
                "The domain {!r} was made for {} and has {} "
                "numbers, but the {} px generator {} takes {}; "
                "use a domain made for it.",
                self.label,
                maker,
                sum(self.sizes),
                config.resolution,
                fingerprint,
                config.domain_dim,
            )
        if self.generator not in ("", fingerprint):
            raise DomainError(
                "The domain {!r} was made for the generator {}, not for {}; create it again.",
                self.label,
                self.generator,
                fingerprint,
            )
        if self.style is not None and (self.style.shape[1] != config.w_dim or len(self.style) > config.num_ws):
            raise DomainError(
                "The style rows of the domain {!r} do not fit this generator; create it again.", self.label
            )

    def mixed_in(self, ws: Tensor, amount: float) -> Tensor:
        """W+ (N, num_ws, w_dim) with its last rows moved towards ``style`` by ``amount`` times ``style_share``."""
        if self.style is None:
            return ws
        head, tail = ws.split([ws.shape[1] - len(self.style), len(self.style)], 1)
        return torch.cat([head, torch.lerp(tail, self.style.to(tail), self.style_share * amount)], 1)

    def scaled(self, coarse: float = 1.0, medium: float = 1.0, fine: float = 1.0) -> Domain:
        """Scales each level, named as in StyleGAN: coarse up to 8 px, medium 16 to 32 px, fine from 64 px.
        Parts, tilings and screens are fine."""
        factors = []
        for i, size in enumerate(self.sizes):
            resolution = 4 * 2 ** ((i + 1) // 2)
            factor = coarse if resolution <= 8 else medium if resolution <= 32 else fine
            # full() raises for values that float32 cannot hold
            factors.append(torch.tensor(float(factor)).expand(size))
        levels = {"coarse": coarse, "medium": medium, "fine": fine}
        words = ", ".join(f"{name} {factor:g}" for name, factor in levels.items() if factor != 1)
        if not words:
            return self
        return replace(
            self,
            vector=self.vector * torch.cat(factors),
            name=f"{self.label} ({words})",
            settings=self.settings | {"levels": [*self.settings.get("levels", []), levels]},
            style_share=self.style_share * min(max(fine, 0.0), 1.0),  # style rows belong to the fine levels
        )

    def ingredients(self) -> dict[str, float]:
        """Names and weights of the domains it was mixed from; itself if it is not a mix."""
        if self.method != "mix" or "levels" in self.settings:
            return {self.label: 1.0}
        return dict(self.settings["ingredients"])

    def __mul__(self, factor: float) -> Domain:
        return mix([(factor, self)])

    __rmul__ = __mul__

    def __neg__(self) -> Domain:
        return mix([(-1.0, self)])

    def __add__(self, other: Domain) -> Domain:
        return mix([(1.0, self), (1.0, other)])

    def __sub__(self, other: Domain) -> Domain:
        return mix([(1.0, self), (-1.0, other)])


def _weights(value: object) -> bool:
    return isinstance(value, dict) and all(type(w) in (int, float) and abs(w) < LARGEST_WEIGHT for w in value.values())


def mix(weighted: Sequence[tuple[float, Domain]], spherical: bool = False) -> Domain:
    """The weighted sum of domains of one generator, or their ``spherical`` mean, see ``spherical_weights``. Its
    settings hold the ingredients and the weights of the sum; its prompt reads like "0.5 pencil sketch + 0.5 zombie".
    Its style is the weighted mean of those ingredients that have one.

    Raises DomainError if they do not fit together, none is given or a weight is not finite.
    """
    if not weighted:
        raise DomainError("There is nothing to mix; give at least one domain with its weight.")
    first = weighted[0][1]
    named = [domain.generator for _, domain in weighted if domain.generator]
    first = replace(first, generator=named[0] if named else "")
    for weight, domain in weighted:
        if not math.isfinite(weight):
            raise DomainError("The weight of {!r} is {}; use a finite number.", domain.label, weight)
        for field_name, what in (("generator", "generator"), ("sizes", "layout"), ("order", "order")):
            a, b = getattr(first, field_name), getattr(domain, field_name)
            if a != b and b != "":
                raise DomainError(
                    "{!r} and {!r} cannot be mixed: their {} differs ({} and {}); "
                    "use domains made for one generator in one order.",
                    first.label,
                    domain.label,
                    what,
                    a,
                    b,
                )
    if spherical:
        straight = mix(weighted)
        return replace(mix(spherical_weights(weighted)), name=f"{straight.name}, turning")
    ingredients: dict[str, float] = {}
    for weight, domain in weighted:
        for name, share in domain.ingredients().items():
            ingredients[name] = ingredients.get(name, 0.0) + weight * share
    words = " + ".join(f"{weight:g} {name}" for name, weight in ingredients.items())
    styles = [(max(0.0, weight) * d.style_share, d.style) for weight, d in weighted if d.style is not None]
    share = sum(weight for weight, _ in styles)
    if len({style.shape for _, style in styles}) > 1:
        raise DomainError("These domains have style rows of different sizes; mix ones of the same kind.")
    return replace(
        first,
        vector=torch.stack([weight * domain.vector for weight, domain in weighted]).sum(0),
        name=words,
        target=words,
        method="mix",
        seed=None,
        settings={"ingredients": ingredients},
        style=torch.stack([weight / share * style for weight, style in styles]).sum(0) if share else None,
        style_share=min(share, 1.0) if share else 1.0,
    )


def spherical_weights(weighted: Sequence[tuple[float, Domain]]) -> list[tuple[float, Domain]]:
    """The weights of the linear mix that equals the spherical one: its direction is the weighted spherical mean of the
    directions, its length the weighted sum of the lengths. A negative weight takes the opposite direction.

    The mean x satisfies sum_i w_i log_x(p_i) = 0 for unit vectors p_i and weights that sum to one (Buss, Fillmore 2001,
    "Spherical averages", algorithm A1, started at the linear mean); for two points it is slerp (Shoemake 1985). Where
    no such mean exists, as between opposites, the weights are returned unchanged.
    """
    vectors = torch.stack([domain.vector for _, domain in weighted]).double()
    weights, lengths = torch.tensor([weight for weight, _ in weighted]).double(), vectors.norm(dim=1)
    used = (weights != 0) & (lengths > 0)
    if used.sum() < 2:
        return list(weighted)
    shares = weights[used].abs() / weights[used].abs().sum()
    points = vectors[used] * (weights.sign() / lengths)[used, None]
    products = points @ points.T
    mean = shares  # as factors of the points
    for _ in range(MAX_ITERATIONS):
        size = (mean @ products @ mean).clamp(min=0).sqrt()
        mean = mean / size
        angles = (products @ mean).clamp(-1, 1).acos()
        if size < 1e-4 or angles.max() > math.pi - 1e-3:
            return list(weighted)
        pull = shares / torch.sinc(angles / math.pi)
        move = pull - (pull @ angles.cos()) * mean
        angle = (move @ products @ move).clamp(min=0).sqrt()
        if angle < 1e-9:
            break
        mean = angle.cos() * mean + angle.sin() / angle * move
    factors = torch.zeros_like(weights)
    factors[used] = mean * (weights.abs() @ lengths) * (weights.sign() / lengths)[used]
    return [(factor, domain) for factor, (_, domain) in zip(factors.tolist(), weighted, strict=True)]


def interpolate(a: Domain, b: Domain, t: float, spherical: bool = False) -> Domain:
    """From ``a`` (t = 0) to ``b`` (t = 1). Raises DomainError when they do not fit together."""
    return mix([(1 - t, a), (t, b)], spherical)


@dataclass(frozen=True)
class MixPart:
    """One style of a mix, as typed: a name, file or description, its weight, and a strength for each of its levels."""

    text: str
    weight: float = 1.0
    levels: Levels = (1.0, 1.0, 1.0)

    @classmethod
    def parse(cls, words: str) -> MixPart:
        """Parses "zombie", "zombie=0.8" or "zombie=0.8,medium=0.5,fine=0". Raises DomainError."""
        if len(words) > LONGEST_PART:
            raise DomainError("A style of the mix has {} characters; use at most {}.", len(words), LONGEST_PART)
        level = rf",\s*({'|'.join(LEVELS)})\s*=([^=,]*)"
        found = re.fullmatch(rf"(.*?)(?:=([^=,]*))?((?:{level})*)", words, re.DOTALL)
        if found is None or not (text := found[1].strip()):
            raise DomainError("{!r} is not a style with its weight, like sepia=0.5 or sepia=0.5,fine=0.", words)
        levels = dict.fromkeys(LEVELS, 1.0) | {name: cls._number(x, words) for name, x in re.findall(level, found[3])}
        weight = 1.0 if found[2] is None else cls._number(found[2], words)
        return cls(text, weight, (levels["coarse"], levels["medium"], levels["fine"]))

    @staticmethod
    def _number(text: str, words: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise DomainError("{!r} in {!r} is not a number; write it like sepia=0.5 or sepia=0.5,fine=0.", text, words)
        return value


def blend(parts: Sequence[tuple[MixPart, Domain]], spherical: bool = False) -> Domain:
    """The mix of parts with their domains; a single part of weight 1 keeps its name.

    Raises DomainError as ``mix`` does, and if nothing is left of them.
    """
    weighted = [(part.weight, domain.scaled(*part.levels)) for part, domain in parts]
    alone = len(weighted) == 1 and weighted[0][0] == 1
    domain = weighted[0][1] if alone else mix(weighted, spherical)
    if not any(weight for weight, _ in weighted):
        raise DomainError("All weights are 0, so nothing is left of the styles; change one of them.")
    if domain.vector.abs().max() < 1e-6 and domain.style is None:
        names = " and ".join(part.text for part, _ in parts)
        raise DomainError("The weights of {} cancel out, so nothing is left; change one of them.", names)
    return domain
