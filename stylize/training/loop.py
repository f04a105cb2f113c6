"""The loop around every training: resumes from its checkpoint, reports the time left, and saves checkpoints."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch

from stylize.places import atomic_write


class Steps(Protocol):
    """A training: everything needed to resume it, and the number of steps done."""

    step: int

    def train_step(self) -> dict[str, float]:
        """Does one more step; returns its losses."""

    def state(self) -> dict[str, Any]: ...

    def load(self, state: dict[str, Any]) -> None: ...


def train(
    training: Steps,
    steps: int,
    checkpoint: Path,
    save_every: int,
    *,
    device: torch.device | None = None,
    after: Callable[[], bool] = lambda: False,
    phases: Sequence[int] = (),
    leads: bool = True,
    report_every: int = 20,
) -> None:
    """Trains up to ``steps``, resuming from ``checkpoint`` if it exists; saves it every ``save_every`` steps and at the
    end.

    after: called after every step; True ends the training. phases: steps at which the speed changes; the time left is
    reported up to the next one. leads: whether this process, of several, reports and saves.
    """
    if checkpoint.exists():
        training.load(torch.load(checkpoint, map_location=device, weights_only=True))
        print(f"continuing at step {training.step}", file=sys.stderr)
    started, first, stop = time.monotonic(), training.step, False
    while training.step < steps and not stop:
        if training.step in phases:
            started, first = time.monotonic(), training.step
        losses = training.train_step()
        if leads and training.step % report_every == 0:
            pace = (time.monotonic() - started) / (training.step - first)
            end = next((phase for phase in sorted(phases) if phase > training.step), steps)
            left = f"{(end - training.step) * pace / 60:.0f} min left{f' to step {end}' if end < steps else ''}"
            values = " ".join(f"{name} {value:.3f}" for name, value in losses.items())
            print(f"{training.step}/{steps} {pace:.2f} s a step, {left}: {values}", flush=True)
        stop = after()
        if leads and (training.step % save_every == 0 or training.step == steps):
            with atomic_write(checkpoint) as part:
                torch.save(training.state(), part)


def add_dtype(parser: argparse.ArgumentParser) -> None:
    """The dtype option shared by all training commands."""
    parser.add_argument(
        "--dtype", choices=("float32", "bfloat16"), default="float32", help="of convolutions; bfloat16 where it is fast"
    )
