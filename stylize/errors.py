"""Errors whose message is one sentence for the person at the page: the problem, the value, the remedy."""

from __future__ import annotations

from collections.abc import Sequence


class StylizeError(ValueError):
    """Something the user can put right; the message says how."""


class PhotoError(StylizeError):
    """The picture cannot be read or used."""


class NoFaceError(PhotoError):
    """No usable face in the picture."""


class FilmError(StylizeError):
    """The moving picture cannot be read or written."""


class DomainError(StylizeError):
    """A domain vector or file that does not fit."""


class PromptError(StylizeError):
    """A description that cannot be used; ``nearest`` are names of styles that can."""

    def __init__(self, message: str, nearest: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.nearest = tuple(nearest)


class CheckpointError(StylizeError):
    """A weights file that cannot be read."""
