"""Kill -9 during work: no file is corrupted, and the next start resumes. Full disks and read-only folders end in one
sentence. The work runs in forks of a process that has imported everything, see ``benchmarks.trust.victims``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.trust import ROOT, Budget, Row

KINDS = {
    "adaptation": "domain and state whole, at most 5 steps lost",
    "training": "checkpoint whole, goes on from it",
    "download": "its beginning kept, the whole checked",
    "film": "whole or not there",
    "library": "all domains whole",
}


def measure(budget: Budget) -> list[Row]:
    rows = []
    for kind, goal in KINDS.items():
        figures = nursery(kind, budget.seconds * 0.9 / len(KINDS), budget.seed)
        broken = figures["broken"]
        goes = "goes on" if figures["goes_on"] else "does not go on"
        measured = f"{figures['kills']} kills, {len(broken)} broken, {goes}"
        met = not broken and figures["kills"] > 0 and figures["goes_on"]
        rows.append(Row("kills", f"kill -9 in {kind}", measured, f"0 broken; {goal}", met, figures))
    figures = nursery("walls", 60, budget.seed)
    bad = [name for name, words in figures["told"].items() if not words.startswith("ok: ")]
    measured = f"{len(figures['told'])} ways, {len(bad)} without one sentence"
    rows.append(Row("kills", "full disk, closed folder", measured, "0", not bad and bool(figures["told"]), figures))
    return rows


def nursery(kind: str, seconds: float, seed: int) -> dict[str, Any]:
    """The findings of the process for one kind of work."""
    with TemporaryDirectory() as name:
        out = Path(name) / "out.json"
        command = [sys.executable, "-m", "benchmarks.trust.victims", kind, name, str(out)]
        with (Path(name) / "log").open("wb") as log:
            subprocess.run(
                [*command, "--seconds", str(seconds), "--seed", str(seed)],
                cwd=ROOT,
                stdout=log,
                stderr=log,
                check=False,
            )
        if not out.exists():
            raise SystemExit(f"benchmarks.trust.victims {kind}: {(Path(name) / 'log').read_text()[-2000:]}")
        return dict(json.loads(out.read_text()))
