"""``python -m benchmarks.trust --minutes 10 --json docs/results/trust.json``; one table, and the figures as JSON."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.trust import ROOT, Budget, Row

# The parts in order, and their shares of the time.
SHARES = {"startup": 0.08, "files": 0.34, "privacy": 0.06, "kills": 0.2, "load": 0.22, "soak": 0.1}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trust", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="for all parts together (default: 10)")
    parser.add_argument("--only", default=",".join(SHARES), help="parts, separated by commas (default: all)")
    parser.add_argument("--visitors", type=int, default=64, help="at once, under load (default: 64)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the figures here; parts not run stay as they are"
    )
    parser.add_argument("--found", type=Path, default=ROOT / "runs" / "torture", help="where files with findings go")
    parser.add_argument("--note", default="", help="a word for the JSON, such as what else the machine does")
    args = parser.parse_args()
    chosen = [part for part in SHARES if part in args.only.split(",")]
    if not chosen or set(args.only.split(",")) - set(SHARES):
        parser.error(f"--only takes {','.join(SHARES)}")
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    whole = sum(SHARES[part] for part in chosen)
    rows: dict[str, list[Row]] = {}
    spent: dict[str, float] = {}
    for part in chosen:
        seconds = 60 * args.minutes * SHARES[part] / whole
        measure: Callable[[Budget], list[Row]] = import_module(f"benchmarks.trust.{part}").measure
        print(f"{part}: {seconds:.0f} s and what it takes to begin and end", flush=True)
        began = time.monotonic()
        rows[part] = measure(Budget(seconds, args.seed, args.visitors, args.found))
        spent[part] = time.monotonic() - began
        print(table(rows[part]), flush=True)
        if args.json:  # after every part, so that a stopped run keeps its results
            write(args.json, rows, spent, args.note)
    print("\n" + table([row for part in chosen for row in rows[part]]))


def table(rows: Sequence[Row]) -> str:
    widths = [max(len(getattr(row, name)) for row in rows) for name in ("name", "measured", "goal")]
    lines = []
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip((row.name, row.measured, row.goal), widths, strict=True))
        lines.append(("ok  " if row.met else "NOT ") + " | ".join(cells) + (f"  ({row.why})" if row.why else ""))
    return "\n".join(lines)


def write(path: Path, rows: dict[str, list[Row]], spent: dict[str, float], note: str) -> None:
    import torch

    from benchmarks.generate import provenance, rounded

    made: dict[str, Any] = provenance(torch.device("cpu"))
    made["command"] = made["command"].replace("benchmarks.__main__", "benchmarks.trust")
    if note:
        made["note"] = note
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"parts": {}}
    for part, found in rows.items():
        of_it = {"seconds": spent[part], **made, "rows": [row.to_dict() for row in found]}
        before["parts"][part] = rounded(of_it)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(before, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
