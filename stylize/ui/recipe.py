"""The requested style: the recipe of a mix, the page's fields for it, and links that carry it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode

from stylize.look import Look
from stylize.models.domain import LEVELS, Levels, MixPart

SLOTS = 4  # styles in a mix
LARGEST_SEED = 2**31 - 1
ADDED = 0.5  # default weight of a style added to the first
LOW, HIGH = -1, 2  # of weights, levels and strength
STRAIGHT, TURNING = "straight", "turning"

Values = Mapping[Any, Any]  # the values of the page's components, by component


def number_or(value: Any, default: float) -> float:
    """A number, with a default for a cleared field."""
    return default if value is None else float(value)


@dataclass(frozen=True)
class Recipe:
    """A style: the parts of a mix, a strength for each level of the mix, and whether it is spherical."""

    parts: tuple[MixPart, ...]
    levels: Levels = (1.0, 1.0, 1.0)
    spherical: bool = False

    @property
    def named(self) -> list[MixPart]:
        """The parts that name a style."""
        return [part for part in self.parts if part.text.strip()]

    @property
    def title(self) -> str:
        """The styles in the user's words: "sepia", or "0.5 sepia + 1 neon"."""
        if [part.weight for part in self.named] == [1]:
            return self.named[0].text.strip()
        return " + ".join(f"{part.weight:g} {part.text.strip()}" for part in self.named)


def alone(name: str) -> Recipe:
    """The recipe of one style."""
    return Recipe((MixPart(name),))


@dataclass(frozen=True)
class RecipeFields:
    """The components of a recipe: for each of the SLOTS a text, a weight and a strength for each level; for the whole
    mix a strength for each level, and "turning" (spherical) or "straight"."""

    texts: Sequence[Any]
    weights: Sequence[Any]
    own_levels: Sequence[Sequence[Any]]
    levels: Sequence[Any]
    way: Any

    @property
    def all(self) -> list[Any]:
        own = [level for levels in self.own_levels for level in levels]
        return [*self.texts, *self.weights, *own, *self.levels, self.way]

    def read(self, values: Values) -> Recipe:
        def levels(fields: Sequence[Any]) -> Levels:
            coarse, medium, fine = (number_or(values[field], 1.0) for field in fields)
            return coarse, medium, fine

        slots = zip(self.texts, self.weights, self.own_levels, strict=True)
        parts = (
            MixPart(values[text] or "", number_or(values[weight], 1.0), levels(own)) for text, weight, own in slots
        )
        return Recipe(tuple(parts), levels(self.levels), values[self.way] == TURNING)

    def write(self, recipe: Recipe) -> dict[Any, Any]:
        """The components' values for a recipe; unused slots are empty."""
        parts = [*recipe.parts, *[MixPart("", ADDED)] * (SLOTS - len(recipe.parts))]
        values = dict(zip(self.levels, recipe.levels, strict=True))
        for part, text, weight, own in zip(parts, self.texts, self.weights, self.own_levels, strict=True):
            values |= {text: part.text, weight: part.weight, **dict(zip(own, part.levels, strict=True))}
        return {**values, self.way: TURNING if recipe.spherical else STRAIGHT}


class Link(NamedTuple):
    """The contents of a link; None for anything it leaves open."""

    recipe: Recipe
    strength: float | None
    detail: float | None
    keep_colours: bool
    seed: int | None  # of a random face


def write_query(recipe: Recipe, look: Look, seed: int | None) -> str:
    """?to=TEXT&weight=X for each style, with levels=COARSE,MEDIUM,FINE if any part has its own; then the mix's settings
    that differ from the default, the look, and the seed of a random face."""
    pairs: list[tuple[str, Any]] = []
    own_levels = any(part.levels != MixPart.levels for part in recipe.named)
    for part in recipe.named:
        pairs += [("to", part.text), ("weight", f"{part.weight:g}")]
        if own_levels:
            pairs.append(("levels", ",".join(f"{level:g}" for level in part.levels)))
    pairs += [(name, f"{level:g}") for name, level in zip(LEVELS, recipe.levels, strict=True) if level != 1]
    if recipe.spherical:
        pairs.append(("way", TURNING))
    pairs.append(("strength", f"{look.strength:g}"))
    if look.detail is not None:
        pairs.append(("detail", f"{look.detail:g}"))
    if look.keep_colours:
        pairs.append(("colours", "own"))
    if seed is not None:
        pairs.append(("seed", seed))
    return "?" + urlencode(pairs, safe=",", errors="replace")


def read_query(query: str) -> Link:
    """Parses a link; numbers that are invalid or out of range are ignored."""
    fields = parse_qs(query.lstrip("?")[:4000])

    def within(word: str, low: float, high: float) -> float | None:
        try:
            value = float(word)
        except ValueError:
            return None
        return value if low <= value <= high else None

    def first(name: str, low: float = LOW, high: float = HIGH) -> float | None:
        return within(fields.get(name, [""])[0], low, high)

    def levels(words: Sequence[str]) -> Levels:
        """The levels, given one word for each; otherwise the defaults."""
        coarse, medium, fine = (number_or(within(w, LOW, HIGH), 1.0) for w in (words if len(words) == 3 else [""] * 3))
        return coarse, medium, fine

    texts = [text[:300] for text in fields.get("to", [])][:SLOTS]
    weights, own = ([*fields.get(name, []), *[""] * SLOTS] for name in ("weight", "levels"))
    parts = [
        MixPart(text, number_or(within(weight, LOW, HIGH), 1.0), levels(of_it.split(",")))
        for text, weight, of_it in zip(texts, weights, own, strict=False)
    ]
    recipe = Recipe(
        tuple(parts), levels([fields.get(name, [""])[0] for name in LEVELS]), fields.get("way") == [TURNING]
    )
    seed = first("seed", 0, LARGEST_SEED)
    keep_colours = fields.get("colours") == ["own"]
    return Link(recipe, first("strength"), first("detail", 0, 1), keep_colours, None if seed is None else int(seed))
