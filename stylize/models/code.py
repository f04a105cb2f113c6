"""What is known of faces: W+, features if the encoder provides them, and the parts of the pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from stylize.models.layers import Window, cut


@dataclass(frozen=True)
class Inversion:
    """What feature-space inversion (``stylize.models.sfe``) keeps of photos beside their W+.

    fused (N, C, h, h): the photos' features, from which an editor makes those that enter the generator. before, after
    (N, num_ws, w_dim): W+ of a second encoder, whose rows suit edits, before and after edits. still (N, C, h, h): the
    editor's output for ``fused`` without any change; base (N, C, h, h): the generator's own features of ``before``.
    Both can be recomputed from the rest, and are None where recomputing is cheaper than storing.
    """

    fused: Tensor
    before: Tensor
    after: Tensor
    still: Tensor | None = None
    base: Tensor | None = None

    def each(self, change: Callable[[Tensor], Tensor]) -> Inversion:
        """Applies ``change`` to every tensor."""
        tensors: dict[str, Any] = {part.name: getattr(self, part.name) for part in fields(self)}
        made: dict[str, Any] = {name: None if tensor is None else change(tensor) for name, tensor in tensors.items()}
        return Inversion(**made)

    def join(self, others: Sequence[Inversion], join: Callable[[list[Tensor]], Tensor]) -> Inversion:
        """Applies ``join`` to every tensor and its counterparts in the others; a field that any of them lacks is
        dropped."""
        made: dict[str, Any] = {}
        for part in fields(self):
            tensors = [getattr(one, part.name) for one in (self, *others)]
            made[part.name] = None if any(tensor is None for tensor in tensors) else join(tensors)
        return Inversion(**made)


@dataclass(frozen=True)
class Code:
    """A batch of codes.

    ws: W+ (N, num_ws, w_dim). features: (N, C, h, h), added to the generator's own features at
    ``GeneratorConfig.inject``, so zeros give the same as W+ alone; None stands for zeros. inversion: data of
    feature-space inversion, whose features replace the generator's own there. parts: (N, P, R, R), the shares in [0, 1]
    of skin, hair, background and clothes in each pixel, if the generator has scales for them; None if unknown.
    """

    ws: Tensor
    features: Tensor | None = None
    inversion: Inversion | None = None
    parts: Tensor | None = None

    def __len__(self) -> int:
        return len(self.ws)

    def __getitem__(self, index: Any) -> Code:
        """The codes selected by a slice, a mask or an index tensor."""
        return self._each(lambda tensor: tensor[index])

    def __iter__(self) -> Iterator[Code]:
        """Batches of one."""
        return iter(self.split(1))

    @property
    def device(self) -> torch.device:
        return self.ws.device

    @property
    def alone(self) -> Tensor:
        """The W+ that gives the best pictures without features."""
        return self.ws if self.inversion is None else self.inversion.before

    def split(self, size: int) -> list[Code]:
        """Batches of ``size``; the last may be smaller."""
        return [self[i : i + size] for i in range(0, len(self), size)]

    def to(self, device: torch.device | str) -> Code:
        return self._each(lambda tensor: tensor.to(device))

    def detach(self) -> Code:
        return self._each(torch.Tensor.detach)

    def with_ws(self, ws: Tensor) -> Code:
        """The same features and parts with another W+."""
        return replace(self, ws=ws)

    def moved(self, move: Callable[[Tensor], Tensor]) -> Code:
        """Edited codes: applies ``move`` to W+, and an inversion's features follow."""
        inversion = self.inversion
        if inversion is not None:
            inversion = replace(inversion, after=move(inversion.after))
        return replace(self, ws=move(self.ws), inversion=inversion)

    @property
    def rows(self) -> Tensor:
        """W+ and, stacked below it, the rows of an inversion: (N, num_ws or twice that, w_dim), all that may be
        smoothed over time."""
        return self.ws if self.inversion is None else torch.cat([self.ws, self.inversion.before], 1)

    def with_rows(self, rows: Tensor) -> Code:
        """The same features and parts with other ``rows``, without edits."""
        if self.inversion is None:
            return self.with_ws(rows)
        ws, before = rows.chunk(2, 1)
        return replace(self, ws=ws, inversion=replace(self.inversion, before=before, after=before, base=None))

    def light(self) -> Code:
        """Without the parts of an inversion that can be recomputed: a third of its memory."""
        inversion = self.inversion
        return self if inversion is None else replace(self, inversion=replace(inversion, still=None, base=None))

    def lerp(self, other: Code, amount: float) -> Code:
        """Linear interpolation to ``other``: halfway at 0.5. Between an inversion and W+ alone only W+ remains."""
        inversion = None
        if self.inversion is not None and other.inversion is not None:
            inversion = self.inversion.join([other.inversion], lambda pair: torch.lerp(pair[0], pair[1], amount))
            inversion = replace(inversion, still=None, base=None)
        features, parts = _between(self.features, other.features, amount), _between(self.parts, other.parts, amount)
        return Code(torch.lerp(self.ws, other.ws, amount), features, inversion, parts)

    def cut(self, window: Window | None) -> Code:
        """The codes of a window, in pixels of the features, see ``Generator.synthesis``."""
        return self if self.features is None else replace(self, features=cut(self.features, window))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Code:
        features = None if self.features is None else change(self.features)
        inversion = None if self.inversion is None else self.inversion.each(change)
        parts = None if self.parts is None else change(self.parts)
        return Code(change(self.ws), features, inversion, parts)


def cat(codes: Sequence[Code]) -> Code:
    """Concatenates batches. If only some have features or parts, the others get zeros; all or none must have an
    inversion."""
    ws = torch.cat([code.ws for code in codes])
    inversions = [code.inversion for code in codes if code.inversion is not None]
    if inversions:
        assert len(inversions) == len(codes), "codes with and without an inversion"
        return Code(ws, None, inversions[0].join(inversions[1:], torch.cat))
    counts = [len(code) for code in codes]
    return Code(ws, _cat([code.features for code in codes], counts), None, _cat([code.parts for code in codes], counts))


def _between(a: Tensor | None, b: Tensor | None, amount: float) -> Tensor | None:
    """Linear interpolation; None stands for zeros."""
    if a is not None and b is not None:
        return torch.lerp(a, b, amount)
    return a * (1 - amount) if a is not None else None if b is None else b * amount


def _cat(maps: Sequence[Tensor | None], counts: Sequence[int]) -> Tensor | None:
    """Concatenates maps (count, C, h, h); None stands for zeros."""
    known = next((one for one in maps if one is not None), None)
    if known is None:
        return None
    filled = zip(maps, counts, strict=True)
    return torch.cat([known.new_zeros(n, *known.shape[1:]) if one is None else one for one, n in filled])
