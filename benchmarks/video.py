"""The cost of restyling a video, stage by stage, relative to reading and writing the same frames unchanged.

The video is made here: the astronaut of examples/ in 720p, moving and turning a little. *Work* is CPU time of all
cores, which other programs affect little. Stages: faces (finding and following them), encode (every few frames), draw.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.app import PHOTO
from benchmarks.generate import memory, memory_before, report
from stylize.images import read_photo
from stylize.look import Look
from stylize.pipeline import Stylizer
from stylize.video.files import Frame, VideoFile
from stylize.video.restyle import restyle
from stylize.video.writer import Writer

SIZE, FPS = (1280, 720), 25.0


def frame(photo: Frame, seconds: float) -> Frame:
    """The photo enlarged, moved by up to 40 px and turned by up to 4 degrees."""
    turn = cv2.getRotationMatrix2D((256, 130), 4 * float(np.sin(seconds)), 2.2)
    turn[:, 2] += (384 + 40 * np.sin(1.7 * seconds), 160 + 20 * np.cos(1.3 * seconds))
    return np.asarray(cv2.warpAffine(photo, turn, SIZE, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT), np.uint8)


def write(path: Path, frames: int) -> None:
    photo = np.asarray(read_photo(PHOTO))
    with Writer(path, SIZE, FPS) as writer:
        for number in range(frames):
            writer.write(number / FPS, frame(photo, number / FPS))


def copy(video: VideoFile, out: Path) -> None:
    with Writer(out, video.size, video.fps, video) as writer:
        for at, picture in video.frames():
            writer.write(at, picture)


def stages(stylizer: Stylizer, video: VideoFile, look: Look, out: Path) -> tuple[dict[str, float], dict[str, float]]:
    """(seconds, work) of each stage of one run."""
    spent: dict[str, float] = defaultdict(float)
    worked: dict[str, float] = defaultdict(float)
    clock, work = time.monotonic(), time.process_time()
    for progress in restyle(stylizer, video, look, out):
        now, done = time.monotonic(), time.process_time()
        spent[progress.stage] += now - clock
        worked[progress.stage] += done - work
        clock, work = now, done
    spent["draw"] += time.monotonic() - clock  # the end of the file
    worked["draw"] += time.process_time() - work
    return spent, worked


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.video", description=__doc__)
    parser.add_argument("--frames", type=int, default=75)
    parser.add_argument("--style", default="pencil sketch")
    parser.add_argument("--model", help="default: the best there is")
    parser.add_argument("--repeats", type=int, default=3, help="rounds to take the median of")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    args = parser.parse_args()
    stylizer = Stylizer.load(args.model)
    look = Look(stylizer.ready_domain(args.style))
    seconds, work, copying = defaultdict(list), defaultdict(list), []
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder, "video.mp4"), Path(folder, "out.mp4")
        write(path, args.frames)
        video = VideoFile.open(path)
        peak = 0
        for turn in range(args.repeats + 1):
            started = time.monotonic()
            copy(video, out)
            copying.append(time.monotonic() - started)
            before = memory_before()
            spent, worked = stages(stylizer, video, look, out)
            if turn:  # the first is the warm-up
                peak = max(peak, memory("VmHWM") - before)
                for stage in spent:
                    seconds[stage].append(spent[stage] / args.frames)
                    work[stage].append(worked[stage] / args.frames)
    each = {stage: statistics.median(values) for stage, values in seconds.items()}
    reference = statistics.median(copying[1:]) / args.frames
    results = {
        "frames": args.frames,
        "size": SIZE,
        "style": args.style,
        "seconds_a_frame": each | {"all": sum(each.values()), "copied": reference},
        "by_copying": sum(each.values()) / reference,
        "work_a_frame": {stage: statistics.median(values) for stage, values in work.items()},
        "peak_mb": peak / 1e6,
    }
    report(results, torch.device(stylizer.device), args.json)


if __name__ == "__main__":
    main()
