"""How a face is drawn: all options shared by photos, videos and the camera, in one record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from stylize.errors import StylizeError
from stylize.models.domain import Domain

STRENGTHS = (-1.0, 2.0)
EDITS = (-10.0, 10.0)


@dataclass(frozen=True)
class Look:
    """Options of ``Stylizer.render``.

    domain: None is the source domain, an ordinary photo. strength: 0 is the source, 1 the domain as trained, from -1 to
    2. detail: 0 is the model's own picture, 0.5 adds detail finer than its pixels, 1 applies the change to the photo
    itself and keeps all its detail; None is the model's default. style_mix: share of a one-shot domain's style rows to
    use, 0 to 1. background: also stylise what is behind the head. keep_colours: take only light and shade from the
    domain. edits: amounts, from -10 to 10, of named changes such as age and smile; they change shapes, which only show
    at low detail. Raises StylizeError for a number out of range.
    """

    domain: Domain | None = None
    strength: float = 1.0
    detail: float | None = None
    style_mix: float = 1.0
    background: bool = False
    keep_colours: bool = False
    edits: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        low, high = STRENGTHS
        if not low <= self.strength <= high:
            raise StylizeError("The strength is {} but must be between {:g} and {:g}.", self.strength, low, high)
        if self.detail is not None and not 0 <= self.detail <= 1:
            raise StylizeError("The detail is {} but must be between 0 and 1.", self.detail)
        if not 0 <= self.style_mix <= 1:
            raise StylizeError("The share of style mixing is {} but must be between 0 and 1.", self.style_mix)
        low, high = EDITS
        for name, amount in self.edits.items():
            if not low <= amount <= high:
                raise StylizeError("The edit {} is {} but must be between {:g} and {:g}.", name, amount, low, high)

    def in_domain(self, domain: Domain | None) -> Look:
        """The same look in another domain."""
        return replace(self, domain=domain)

    def with_detail(self, default: float) -> Look:
        """The same with its detail, or ``default`` if it has none."""
        return replace(self, detail=default) if self.detail is None else self
