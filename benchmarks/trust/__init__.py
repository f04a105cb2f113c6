"""Trust, measured: hostile files, load, kills, privacy, a soak and the start-up, by one command, ``make torture``.

Bounded in time and seeded; everything listens on, and asks, 127.0.0.1 alone.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Row:
    """One line of the table: what was measured, what is wanted, and whether that is met. ``figures`` go into the JSON;
    ``why`` explains a limit that is not met."""

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
    """What a part may use: seconds, a seed, and how many visitors come at once."""

    seconds: float
    seed: int
    visitors: int
    folder: Path  # for files that are worth a look afterwards
