"""What goes wrong, in one sentence for the person at the page: the problem, the value, the remedy."""

from __future__ import annotations

from collections.abc import Sequence
from string import Formatter
from typing import Any


class Sentence(str):
    """A sentence for people that remembers what it was made of, so that it can be said in another language:
    ``Sentence("There is no face {}; {} were found.", 3, 2)``.

    ``key`` is its template with {} in the place of every value. ``values`` are these as they stand in it; one that is
    a sentence itself, or an error, stays a sentence. Without values the template is taken as it is.
    """

    key: str
    values: tuple[str, ...]

    def __new__(cls, template: str, *values: Any) -> Sentence:
        made = super().__new__(cls, template.format(*values) if values else template)
        made.key, said = (template, []) if not values else ("", [])
        rest = iter(values)
        for text, field, spec, how in Formatter().parse(template) if values else ():
            made.key += text
            if field is not None:
                value = next(rest)
                value = value.sentence if isinstance(value, StylizeError) else value
                pattern = "{" + (f"!{how}" if how else "") + (f":{spec}" if spec else "") + "}"
                said.append(value if isinstance(value, Sentence) else pattern.format(value))
                made.key += "{}"
        made.values = tuple(said)
        return made

    def __getnewargs__(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.key, *self.values)

    @classmethod
    def together(cls, sentences: Sequence[str]) -> str:
        """Several as one; empty ones are left out."""
        said = [sentence for sentence in sentences if sentence]
        return cls(" ".join(["{}"] * len(said)), *said) if len(said) > 1 else next(iter(said), "")


class StylizeError(ValueError):
    """Something the user can put right; the message says how. Made of a sentence, or of its template and values."""

    def __init__(self, sentence: str, *values: Any) -> None:
        self.sentence = sentence if isinstance(sentence, Sentence) else Sentence(sentence, *values)
        super().__init__(self.sentence)


class PhotoError(StylizeError):
    """The picture cannot be read or used."""


class NoFaceError(PhotoError):
    """No usable face in the picture."""


class VideoError(StylizeError):
    """The moving picture cannot be read or written."""


class DomainError(StylizeError):
    """A domain vector or file that does not fit."""


class PromptError(StylizeError):
    """A description that cannot be used; ``nearest`` are names of styles that can."""

    def __init__(self, sentence: str, *values: Any, nearest: Sequence[str] = ()) -> None:
        super().__init__(sentence, *values)
        self.nearest = tuple(nearest)


class CheckpointError(StylizeError):
    """A weights file that cannot be read."""
