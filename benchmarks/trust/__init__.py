"""Robustness measured by one command, ``make torture``: hostile files, load, kills, privacy, a soak test and start-up.

Bounded in time and seeded; everything listens on and connects to 127.0.0.1 only.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Row:
    """One row of the table: what was measured, the target, and whether it is met. ``figures`` go into the JSON; ``why``
    explains a target that is not met."""

    part: str
    name: str
    measured: str
    goal: str
    met: bool
    figures: dict[str, Any] = field(default_factory=dict)
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Budget:
    """The budget of a part: seconds, a seed, and the number of simultaneous visitors."""

    seconds: float
    seed: int
    visitors: int
    folder: Path  # for files to inspect afterwards
