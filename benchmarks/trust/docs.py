"""Writes the table of docs/trust.md from docs/results/trust.json: ``python -m benchmarks.trust.docs``."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.trust import ROOT

JSON, PAGE = ROOT / "docs" / "results" / "trust.json", ROOT / "docs" / "trust.md"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
TITLES = {
    "files": "Damaged files and words",
    "load": "Load",
    "kills": "Kills",
    "privacy": "Privacy and access",
    "soak": "Soak",
    "startup": "Start-up",
}


def table(parts: dict[str, Any]) -> str:
    lines = ["| what | measured | wanted | met |", "| --- | --- | --- | --- |"]
    for part, title in TITLES.items():
        if part not in parts:
            continue
        lines.append(f"| **{title}** | | | |")
        for row in parts[part]["rows"]:
            met = "yes" if row["met"] else f"no: {row['why']}" if row["why"] else "no"
            lines.append(f"| {row['name']} | {row['measured']} | {row['goal']} | {met} |")
    return "\n".join(lines)


def provenance(parts: dict[str, Any]) -> str:
    lines = []
    for part, title in TITLES.items():
        if part in parts:
            of = parts[part]
            note = f"; {of['note']}" if of.get("note") else ""
            lines.append(
                f"* {title}: commit {of['commit']}, {of['date']}, {of['device']}, load average {of['load_average']:g}, "
                f"{of['seconds']:.0f} s{note}"
            )
    return "\n".join(lines)


def main() -> None:
    parts = json.loads(JSON.read_text(encoding="utf-8"))["parts"]
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n\n{table(parts)}\n\n{provenance(parts)}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
