"""The training domains of a hypernetwork: those known to the mini model, or a user's list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stylize.errors import StylizeError
from stylize.prompts.parse import parse
from stylize.prompts.vocabulary import (
    PHOTO,
    SOURCE,
    STYLE_WORDS,
    caption,
    combinations,
)

ColouredStyle = tuple[str | None, str]  # (colour, style)
PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
PHRASINGS = 5  # number of captions of a known domain


@dataclass(frozen=True)
class Entry:
    """A domain to learn: ``texts``, paraphrases of one thing, or the path of a picture of it; ``source``, what it is
    contrasted with; ``kind`` if its true picture is known."""

    texts: tuple[str, ...]
    source: str = SOURCE
    kind: ColouredStyle | None = None


def kind_of(text: str) -> ColouredStyle | None:
    """The single known style and colour that a description means; None if it means anything more."""
    prompt = parse(text)
    if not prompt.fully_known or len(prompt.styles) > 1 or len(prompt.colours) > 1:
        return None
    return next(iter(prompt.colours), None), next(iter(prompt.styles), PHOTO)


def read_entries(path: Path) -> list[Entry]:
    """Reads a text file with one "target - source" per line; the source is optional, # starts a comment.

    A target with a picture's suffix is a path relative to the file's folder.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise StylizeError("The list of domains {} cannot be read; use a text file in UTF-8.", path) from None
    entries = []
    for line in lines:
        target, _, source = line.split("#")[0].partition(" - ")
        target, source = target.strip(), source.strip() or SOURCE
        if target.lower().endswith(PICTURE_ENDINGS):
            target = str(path.parent / target)
        if target:
            entries.append(Entry((target,), source, kind_of(target)))
    if len(entries) < 2:
        raise StylizeError("{} lists {} domains; list at least two, one per line.", path, len(entries))
    return entries


def known_entries(names: Sequence[str], seed: int = 0) -> tuple[list[Entry], list[Entry]]:
    """(to learn, held out): the named styles, photos in a colour, and styles in a colour, each in many phrasings; held
    out are pairs of colour and style, and phrases of known words that no caption contains."""
    rng = np.random.default_rng(seed)

    def phrasings(colour: str | None, style: str) -> tuple[str, ...]:
        label = f"{colour} {style}" if colour else style
        return tuple(dict.fromkeys([label, *(caption(style, colour, rng) for _ in range(PHRASINGS))]))

    pairs = [(colour, style) for colour, style in combinations() if style in (*names, PHOTO)]
    kinds: list[ColouredStyle] = [(None, name) for name in names] + list(pairs)
    learn = [Entry((SOURCE, "a photo", "a face", "a portrait"), kind=(None, PHOTO))]
    learn += [Entry(phrasings(*kind), kind=kind) for kind in kinds]
    unseen = [(colour, style) for colour, style in combinations(unseen=True) if style in names]
    held_out = [Entry((f"{colour} {style}",), kind=(colour, style)) for colour, style in unseen]
    held_out += [Entry((phrase,), kind=(None, name)) for name in names for phrase in STYLE_WORDS[name].held_out[:1]]
    return learn, held_out


def split(entries: list[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Holds out every tenth entry of a user's list, at least one."""
    held_out = entries[4::10] or entries[-1:]
    return [entry for entry in entries if entry not in held_out], held_out
