"""Hostile files and words: reading them raises only the project's own errors, in bounded time and memory."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.trust import ROOT, Budget, Row, mutants

COUNTS = {"pictures": 10_000, "films": 2_000, "domains": 10_000, "checkpoints": 5_000, "packs": 2_000, "recipes": 5_000}
SHARES = {"pictures": 0.3, "films": 0.25, "domains": 0.12, "checkpoints": 0.13, "packs": 0.05, "recipes": 0.15}
STUCK = 60.0  # seconds for one file before its process is killed
PATIENCE = 300.0  # seconds to start
LIMIT = 1024  # MB that one kind may use beyond its initial memory


def run(kind: str, budget: Budget) -> dict[str, Any]:
    """All findings of one kind: after a crash, another child continues."""
    until = time.monotonic() + budget.seconds * SHARES[kind]
    total: dict[str, Any] = {
        "done": 0, "wanted": COUNTS[kind], "foreign": 0, "no_sentence": 0, "crashes": 0, "slow": 0, "longest_s": 0.0,
        "start_mb": 0.0, "peak_mb": 0.0, "examples": [],
    }  # fmt: skip
    first = 0
    while first < COUNTS[kind] and time.monotonic() < until:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            command = [sys.executable, "-m", "benchmarks.trust.child", kind, name, "--seed", str(budget.seed)]
            command += ["--first", str(first), "--count", str(COUNTS[kind] - first)]
            command += ["--seconds", f"{max(1.0, until - time.monotonic()):.1f}"]
            with (folder / "log").open("wb") as log:
                process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
                stuck, waited = wait(process, folder / "at")
                until += waited  # start-up is not measured here
            ended = collect(folder, total)
            at = (folder / "at").read_text() if (folder / "at").exists() else ""
            if ended and process.returncode == 0:
                break
            if not at:
                total["examples"].append({"kind": "does not start", "error": (folder / "log").read_text()[-600:]})
                total["crashes"] += 1
                break
            index = int(at)
            total["slow" if stuck else "crashes"] += 1
            total["examples"].append({"kind": "stuck" if stuck else f"died of {process.returncode}", "index": index})
            total["done"] += index - first + 1
            first = index + 1
    return total


def wait(process: subprocess.Popen[bytes], at: Path) -> tuple[bool, float]:
    """Waits until it ends: (whether it was killed because it was stuck on one file, seconds until its first file)."""
    seen, since, began = "", time.monotonic(), 0.0
    start = since
    while process.poll() is None:
        time.sleep(0.2)
        now = at.read_text() if at.exists() else ""
        if now != seen:
            began = began if seen else time.monotonic() - start
            seen, since = now, time.monotonic()
        if time.monotonic() - since > (STUCK if seen else PATIENCE):
            process.kill()
            process.wait()
            return True, began
    return False, began


def collect(folder: Path, total: dict[str, Any]) -> bool:
    """Adds a child's findings; returns whether it finished."""
    ended = False
    found = folder / "found"
    for line in found.read_text().splitlines() if found.exists() else ():
        item = json.loads(line)
        if item["kind"] == "end":
            ended = True
            total["done"] += item["done"]
            total["longest_s"] = max(total["longest_s"], item["longest"])
            total["start_mb"], total["peak_mb"] = item["start_mb"], max(total["peak_mb"], item["peak_mb"])
            continue
        total[item["kind"].replace(" ", "_")] += 1
        if len(total["examples"]) < 20:
            total["examples"].append(item)
    return ended


def keep(kind: str, budget: Budget, examples: list[dict[str, Any]]) -> None:
    """Saves the files behind the findings for inspection."""
    if kind == "recipes" or not examples:
        return
    from benchmarks.trust.child import READERS

    budget.folder.mkdir(parents=True, exist_ok=True)
    files = READERS[kind][0](budget.folder)
    for item in examples:
        if "index" in item:
            name, data = mutants.mutant(files, kind, budget.seed, item["index"])
            (budget.folder / f"{kind}-{name}").write_bytes(data)


def measure(budget: Budget) -> list[Row]:
    rows = []
    for kind in COUNTS:
        figures = run(kind, budget)
        keep(kind, budget, figures["examples"])
        bad = figures["foreign"] + figures["crashes"] + figures["no_sentence"]
        grown = figures["peak_mb"] - figures["start_mb"]
        measured = (
            f"{figures['done']:,} read: {figures['foreign']} foreign errors, {figures['crashes']} crashes, "
            f"{figures['slow']} above 10 s (longest wait {figures['longest_s']:.1f} s), {grown:+.0f} MB at most"
        )
        goal = f"{figures['wanted']:,} read: 0, 0, 0, below {LIMIT} MB more"
        clean = bad == 0 and figures["slow"] == 0 and grown < LIMIT
        met, few = clean and figures["done"] >= figures["wanted"], "more fit into a longer run" if clean else ""
        rows.append(Row("files", f"damaged {kind}", measured, goal, met, figures, few))
    return rows
