"""Measures the model on unseen pictures, and draws a contact sheet."""

from __future__ import annotations

import argparse
import datetime
import json
import math
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from stylize.evaluation.measures import MEASURES, unfinished
from stylize.evaluation.tables import update
from stylize.pipeline import Stylizer
from stylize.prompts.vocabulary import NAMES


def provenance(stylizer: Stylizer) -> dict[str, Any]:
    """The provenance of the figures: command, commit, device and date."""
    git = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    device = f"{platform.machine()} CPU, {torch.get_num_threads()} threads"
    if stylizer.device.type == "cuda":
        device = torch.cuda.get_device_name()
    return {
        "command": " ".join(["python -m stylize", *(Path(word).name for word in sys.argv[1:])]),
        "commit": git.stdout.strip() or None,
        "device": device,
        "date": datetime.date.today().isoformat(),
        "torch": torch.__version__,
        "model": f"{stylizer.name} {stylizer.fingerprint}",
    }


def rounded(value: Any) -> Any:
    """Rounds floats to four digits, to keep the files readable."""
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    return round(value, 4) if isinstance(value, float) and math.isfinite(value) else value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", choices=[*MEASURES, "tables"], help="tables: write the figures in docs/results into docs/results.md"
    )
    parser.add_argument("--data", type=Path, help="folder with the face tars, whose test split is used")
    parser.add_argument("--photos", type=Path, help="folder of ordinary photos, each with a face")
    parser.add_argument("--limit", type=int, metavar="N", help="at most N pictures of each set")
    parser.add_argument("--styles", nargs="+", choices=NAMES, metavar="NAME", help="default: all ready ones")
    parser.add_argument(
        "--domains",
        choices=("ready", "adapted", "adapted-from-zero", "one-shot", "one-shot-new"),
        default="ready",
        help="the ready ones; or trained now: by text from the nearest ready ones or from zero; on one "
        "filtered picture, with all ready ones or without the style's own",
    )
    parser.add_argument(
        "--nets",
        nargs="*",
        default=[],
        type=Path,
        metavar="FILE",
        help="hypernetworks trained on fewer domains, for a curve",
    )
    parser.add_argument("--descriptions", type=int, metavar="N", help="hypernet: at most N of each group")
    parser.add_argument("--unseen", action="store_true", help="use the held-out pairs of colour and style instead")
    parser.add_argument(
        "--detail", type=float, help="of looks and contact sheet, 0 to 1 (default: depends on the model)"
    )
    parser.add_argument("--out", type=Path, default=Path("contact-sheet.jpg"), help="the picture's file")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")


def run(args: argparse.Namespace) -> None:
    if args.what == "tables":
        update(Path("docs/results.md"), Path("docs/results"))
        return
    stylizer = Stylizer.load(args.model, args.device)
    figures = rounded({**provenance(stylizer), "results": MEASURES[args.what](stylizer, args)})
    text = json.dumps(figures, indent=1, ensure_ascii=False)
    print(text)
    if args.json is not None:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(text + "\n", encoding="utf-8")
        unfinished(args).unlink(missing_ok=True)
