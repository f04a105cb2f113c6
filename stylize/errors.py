"""Errors, each one sentence for the user: the problem, the value and the remedy."""

from __future__ import annotations

from collections.abc import Sequence
from string import Formatter
from typing import Any


class Sentence(str):
    """A sentence for the user that keeps its template and values, so that it can be translated: ``Sentence("There is no
    face {}; {} were found.", 3, 2)``.

    ``key`` is the template with every field reduced to {}. ``values`` are the formatted values; one that is itself a
    sentence or an error stays a sentence. Without values the template is taken literally.
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
        """Joins sentences into one, skipping empty ones."""
        said = [sentence for sentence in sentences if sentence]
        return cls(" ".join(["{}"] * len(said)), *said) if len(said) > 1 else next(iter(said), "")


class StylizeError(ValueError):
    """A problem the user can fix; the message says how. Built from a sentence, or from a template and its values."""

    def __init__(self, sentence: str, *values: Any) -> None:
        self.sentence = sentence if isinstance(sentence, Sentence) else Sentence(sentence, *values)
        super().__init__(self.sentence)


class PhotoError(StylizeError):
    """The picture cannot be read or used."""


class NoFaceError(PhotoError):
    """No usable face in the picture."""


class VideoError(StylizeError):
    """The video or animation cannot be read or written."""


class DomainError(StylizeError):
    """A domain vector or file that cannot be used."""


class PromptError(StylizeError):
    """A description that cannot be used; ``nearest`` are the names of styles that can."""

    def __init__(self, sentence: str, *values: Any, nearest: Sequence[str] = ()) -> None:
        super().__init__(sentence, *values)
        self.nearest = tuple(nearest)


class CheckpointError(StylizeError):
    """A weights file that cannot be read."""
