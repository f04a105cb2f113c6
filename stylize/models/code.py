"""What an encoder understands of pictures: W+ and, where it gives one, a map of features beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Code:
    """A batch of codes.

    ws: W+ (N, num_ws, w_dim). features: (N, C, h, h), added to the generator's own features where a photo's enter
    (``GeneratorConfig.inject``), so that zeros are what W+ alone gives; None stands for zeros.
    """

    ws: Tensor
    features: Tensor | None = None

    def __len__(self) -> int:
        return len(self.ws)

    def __getitem__(self, index: Any) -> Code:
        """Those codes that a slice, a mask or a tensor of numbers picks."""
        return Code(self.ws[index], None if self.features is None else self.features[index])

    def __iter__(self) -> Iterator[Code]:
        """Batches of one."""
        return iter(self.split(1))

    @property
    def device(self) -> torch.device:
        return self.ws.device

    def split(self, size: int) -> list[Code]:
        """Batches of ``size`` and what is left over."""
        return [self[i : i + size] for i in range(0, len(self), size)]

    def to(self, device: torch.device | str) -> Code:
        return Code(self.ws.to(device), None if self.features is None else self.features.to(device))

    def detach(self) -> Code:
        return Code(self.ws.detach(), None if self.features is None else self.features.detach())

    def with_ws(self, ws: Tensor) -> Code:
        """The same features beside another W+."""
        return replace(self, ws=ws)

    def lerp(self, other: Code, amount: float) -> Code:
        """Halfway to ``other`` at 0.5."""
        a, b = (code.features for code in (self, other))
        if a is not None and b is not None:
            a = torch.lerp(a, b, amount)
        elif a is not None:
            a = a * (1 - amount)
        elif b is not None:
            a = b * amount
        return Code(torch.lerp(self.ws, other.ws, amount), a)


def cat(codes: Sequence[Code]) -> Code:
    """One batch of several. Where only some have features, the others get zeros."""
    ws = torch.cat([code.ws for code in codes])
    shape = next((code.features.shape[1:] for code in codes if code.features is not None), None)
    if shape is None:
        return Code(ws)
    maps = [ws.new_zeros(len(c), *shape) if c.features is None else c.features for c in codes]
    return Code(ws, torch.cat(maps))
