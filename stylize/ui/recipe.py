"""The recipe and the look as the page's fields and as the query part of an address."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlencode

from stylize.look import Look
from stylize.models.domain import LEVELS, Levels, Part
from stylize.ui.studio import Recipe

SLOTS = 4  # styles in a mix
LARGEST_SEED = 2**31 - 1
ADDED = 0.5  # weight of a style that is added to the first
LOW, HIGH = -1, 2  # of weights, levels and strength
STRAIGHT, TURNING = "straight", "turning"


def number(value: Any, default: float) -> float:
    """What a cleared field stands for."""
    return default if value is None else float(value)


def read_recipe(values: Sequence[Any]) -> Recipe:
    """Of the values of SLOTS texts, SLOTS weights, the levels of each slot, those of the mix, and "turning" or not."""
    rest = iter(values[:-1])
    texts = [next(rest) or "" for _ in range(SLOTS)]
    weights = [number(next(rest), 1.0) for _ in range(SLOTS)]
    *own, levels = (
        (number(next(rest), 1.0), number(next(rest), 1.0), number(next(rest), 1.0)) for _ in range(SLOTS + 1)
    )
    parts = (Part(text, weight, of_it) for text, weight, of_it in zip(texts, weights, own, strict=True))
    return Recipe(tuple(parts), levels, values[-1] == TURNING)


def write_recipe(recipe: Recipe) -> list[Any]:
    """The values that ``read_recipe`` reads; the slots that are left are empty."""
    parts = [*recipe.parts, *[Part("", ADDED)] * (SLOTS - len(recipe.parts))]
    own = [level for part in parts for level in part.levels]
    way = TURNING if recipe.spherical else STRAIGHT
    return [*(part.text for part in parts), *(part.weight for part in parts), *own, *recipe.levels, way]


def write_query(recipe: Recipe, look: Look, seed: int | None) -> str:
    """?to=TEXT&weight=X for each style, with levels=COARSE,MEDIUM,FINE for each where one has its own; then what of the
    mix is not as it usually is, the look, and the seed of a random face."""
    pairs: list[tuple[str, Any]] = []
    own_levels = any(part.levels != Part.levels for part in recipe.named)
    for part in recipe.named:
        pairs += [("to", part.text), ("weight", f"{part.weight:g}")]
        if own_levels:
            pairs.append(("levels", ",".join(f"{level:g}" for level in part.levels)))
    pairs += [(name, f"{level:g}") for name, level in zip(LEVELS, recipe.levels, strict=True) if level != 1]
    if recipe.spherical:
        pairs.append(("way", TURNING))
    pairs += [("strength", f"{look.strength:g}"), ("detail", f"{look.detail:g}")]
    if look.keep_colours:
        pairs.append(("colours", "own"))
    if seed is not None:
        pairs.append(("seed", seed))
    return "?" + urlencode(pairs, safe=",")


def read_query(query: str) -> tuple[Recipe, float | None, float | None, bool, int | None]:
    """(recipe, strength, detail, own colours, seed) of an address; what is no number in its range is left out."""
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
        """Of as many words as there are levels; of others the usual ones."""
        coarse, medium, fine = (number(within(w, LOW, HIGH), 1.0) for w in (words if len(words) == 3 else [""] * 3))
        return coarse, medium, fine

    texts = [text[:300] for text in fields.get("to", [])][:SLOTS]
    weights, own = ([*fields.get(name, []), *[""] * SLOTS] for name in ("weight", "levels"))
    parts = [
        Part(text, number(within(weight, LOW, HIGH), 1.0), levels(of_it.split(",")))
        for text, weight, of_it in zip(texts, weights, own, strict=False)
    ]
    of_all = levels([fields.get(name, [""])[0] for name in LEVELS])
    recipe = Recipe(tuple(parts), of_all, fields.get("way") == [TURNING])
    seed = first("seed", 0, LARGEST_SEED)
    own_colours = fields.get("colours") == ["own"]
    return recipe, first("strength"), first("detail", 0, 1), own_colours, None if seed is None else int(seed)


def alone(name: str) -> list[Any]:
    """The recipe of one style, as ``write_recipe`` gives it."""
    return write_recipe(Recipe((Part(name),)))
