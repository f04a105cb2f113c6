"""All measurements that need a GPU, in under ten minutes: synthesis and adaptation compared with the reference in the
same run, the tests marked gpu and the live camera. ``--small`` rehearses it on any machine.

Each part is a separate process with its share of the time; one that fails or takes too long is recorded as such, and
the others continue.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.generate import report, seconds

ROOT = Path(__file__).resolve().parent.parent
MINUTES = {"generate": 3.0, "adapt": 3.0, "tests": 2.0, "live": 1.0}  # at most; nine in total
PATIENT = 5  # this many times as long in a rehearsal beside other work
FRAMES, WARM = 40, 5  # camera frames; the first are warm-up


def commands(small: bool, device: str, out: Path) -> dict[str, list[str]]:
    size = ["--resolution", "64", "--repeats", "1"] if small else ["--resolution", "1024", "--repeats", "10"]
    learn = ["--resolution", "32", "--steps", "2", "--batch", "2"] if small else []
    on = ["--device", device]
    return {
        "generate": ["-m", "benchmarks.generate", *size, *on, "--json", str(out / "generate.json")],
        "adapt": ["-m", "benchmarks.adapt", *learn, *on, "--json", str(out / "adapt.json")],
        "tests": ["-m", "pytest", "-m", "gpu", "-q", "-rs", "-p", "no:cacheprovider"],
        "live": [
            "-m",
            "benchmarks.gpu_day",
            "--live",
            *(["--small"] if small else []),
            *on,
            "--json",
            str(out / "live.json"),
        ],
    }


def run(name: str, command: list[str], out: Path, minutes: float) -> dict[str, Any]:
    """The figures, or how it failed."""
    began = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=60 * minutes
        )
        words, code = (done.stdout + done.stderr).strip(), done.returncode
    except subprocess.TimeoutExpired:
        words, code = f"stopped after {minutes:g} minutes", 124
    spent = {"seconds": time.monotonic() - began, "exit_status": code}
    file = out / f"{name}.json"
    if file.exists():
        return {**spent, **json.loads(file.read_text(encoding="utf-8"))}
    return {**spent, "said": words.splitlines()[-3:]}


def camera(device: str, count: int) -> dict[str, float]:
    """Frames per second of the page's live camera, for a face that moves by a pixel per frame."""
    import torch
    from PIL import Image, ImageChops

    from stylize.images import read_photo
    from stylize.look import Look
    from stylize.pipeline import Stylizer
    from stylize.video.restyle import LiveFace, restyle_live

    stylizer = Stylizer.load("mini", device)
    photo, look = read_photo(ROOT / "examples" / "astronaut.jpg"), Look(stylizer.domain("pencil sketch"))

    def frames() -> Iterator[Image.Image]:
        for number in range(count):
            yield ImageChops.offset(photo, number % 8, 0)

    seen: list[LiveFace] = []
    times = []
    for frame in frames():

        def draw(frame: Image.Image = frame) -> None:
            nonlocal seen
            _, seen = restyle_live(stylizer, frame, look, seen)

        times.append(seconds(draw, torch.device(device)))
    ordered = sorted(times[WARM:])
    return {
        "frames_per_second": len(ordered) / sum(ordered),
        "median_s": ordered[len(ordered) // 2],
        "slowest_s": ordered[-1],
    }


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_day", description=__doc__)
    parser.add_argument("--small", action="store_true", help="a rehearsal with small networks")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--live", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    args = parser.parse_args()
    device = torch.device(args.device)
    if args.live:
        report(camera(args.device, WARM + 3 if args.small else FRAMES), device, args.json)
        return
    if device.type == "cpu" and not args.small:
        parser.error("there is no GPU here; --small rehearses")
    with tempfile.TemporaryDirectory() as name:
        work = commands(args.small, args.device, Path(name))
        times = PATIENT if args.small else 1
        results = {part: run(part, command, Path(name), times * MINUTES[part]) for part, command in work.items()}
    report(results, device, args.json)
    failed = [part for part, found in results.items() if found["exit_status"] not in (0, 5)]  # 5: no tests selected
    if failed:
        raise SystemExit(f"These failed: {', '.join(failed)}.")


if __name__ == "__main__":
    main()
