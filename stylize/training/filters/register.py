"""The registry of style filters."""

from __future__ import annotations

from collections.abc import Callable

from stylize.faces.parts import Array
from stylize.training.filters.face import AnalysedFace

Filter = Callable[[AnalysedFace], Array]
FILTERS: dict[str, Filter] = {}


def style(name: str) -> Callable[[Filter], Filter]:
    """Registers a filter: AnalysedFace -> float32 RGB (S, S, 3), which is clipped afterwards."""

    def register(function: Filter) -> Filter:
        FILTERS[name] = function
        return function

    return register
