"""Speed and memory of text-guided adaptation compared with the published implementation, in one run.

The published implementation redraws source and target pictures in every step, with convolution weights per sample,
embeds both and the descriptions, and keeps the graph of all weights although only the domain vector is updated
(StyleGAN-NADA, HyperDomainNet). The two are timed alternately, so that other work on the machine affects both, and
judged by one loss on faces that neither trains on. Memory is measured in separate processes.
"""

from __future__ import annotations

import argparse
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks import _reference
from benchmarks.generate import memory, memory_before, report
from stylize.adaptation.descent import State, descend
from stylize.adaptation.losses import directional_loss
from stylize.adaptation.text import AdaptSettings, TextGuide
from stylize.loading import pick_device
from stylize.models.generator import Generator, GeneratorConfig
from stylize.models.text_image import TextImageModel
from stylize.pipeline import Stylizer
from stylize.prompts.vocabulary import SOURCE

TARGET = "pencil sketch"
JUDGED = 16  # faces
NEAR = 0.98  # of the published decrease in loss counts as reached: the rest is sampling noise
RATE = 0.1
SETTINGS = AdaptSettings(reach=0.0, norm=0.0, patience=0)  # the published loss: only the direction
VIT_B_32: dict[str, Any] = {
    "embed_dim": 512,
    "vision_cfg": {"image_size": 224, "layers": 12, "width": 768, "patch_size": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 512, "heads": 8, "layers": 12},
}


@dataclass
class Job:
    generator: Generator
    clip: TextImageModel
    device: torch.device
    steps: int
    batch: int

    def faces(self, count: int, seed: int) -> Tensor:
        z = torch.randn(count, self.generator.config.z_dim, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            return self.generator.map(z.to(self.device), 0.8)


def build(args: argparse.Namespace) -> Job:
    """The mini model, or one of full size with random weights, which needs the same time and memory."""
    device = pick_device(args.device)
    if args.resolution is None:
        stylizer = Stylizer.load(args.model, args.device)
        return Job(stylizer.generator, stylizer.clip, device, args.steps, args.batch)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generator = Generator(GeneratorConfig.official(args.resolution)).eval().requires_grad_(False)
        clip = TextImageModel(VIT_B_32).eval().requires_grad_(False)
    generator = generator.to(device).to(memory_format=torch.channels_last)
    return Job(generator, clip.to(device), device, args.steps, args.batch)


def published(job: Job) -> Iterator[Tensor]:
    """Yields the domain vector after every step."""
    generator, clip = job.generator.requires_grad_(True), job.clip
    vector = torch.zeros(generator.config.domain_dim, device=job.device, requires_grad=True)
    adam = torch.optim.Adam([vector], betas=(0.9, 0.99))
    for step in range(job.steps):
        adam.param_groups[0]["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * step / job.steps))
        ws = job.faces(job.batch, step)
        with torch.no_grad():
            before = clip.encode_image(_reference.synthesis(generator, ws, None))
        with torch.enable_grad():
            moved = clip.encode_image(_reference.synthesis(generator, ws, vector))
            loss = directional_loss(moved, before, clip.describe(TARGET) - clip.describe(SOURCE))
        generator.zero_grad()
        adam.zero_grad()
        loss.backward()
        adam.step()
        yield vector.detach()
    generator.requires_grad_(False).zero_grad()


def ours(job: Job) -> Iterator[Tensor]:
    """The same with this project."""
    generator, s = job.generator.requires_grad_(False), SETTINGS
    ws = job.faces(s.pool, 0)
    guide = TextGuide(generator, [job.clip], ws, SOURCE, TARGET)

    def losses(vector: Tensor, index: Tensor) -> dict[str, Tensor]:
        return guide.losses(generator.synthesis(ws[index], vector), index, s)

    begin = State.begin(torch.zeros(generator.config.domain_dim), 0)
    loop = descend(losses, begin, steps=job.steps, batch=job.batch, pool=s.pool, lr=RATE, device=job.device)
    for state, _, _ in loop:
        yield state.vector.to(job.device)


METHODS = {"published": published, "stylize": ours}


class Judge:
    """The directional loss on held-out faces."""

    @torch.no_grad()
    def __init__(self, job: Job) -> None:
        self.job, self.ws = job, job.faces(JUDGED, seed=999_999)
        self.before = self.embed(None)
        self.direction = job.clip.describe(TARGET) - job.clip.describe(SOURCE)

    def embed(self, vector: Tensor | None) -> Tensor:
        parts = self.ws.split(4)
        return torch.cat([self.job.clip.encode_image(self.job.generator.synthesis(part, vector)) for part in parts])

    @torch.no_grad()
    def __call__(self, vector: Tensor) -> float:
        return float(directional_loss(self.embed(vector), self.before, self.direction))


def take(way: Iterator[Tensor], device: torch.device) -> tuple[Tensor, float]:
    started = time.perf_counter()
    vector = next(way)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return vector, time.perf_counter() - started


def measure(args: argparse.Namespace) -> dict[str, Any]:
    job = build(args)
    judge = Judge(job)
    loops = {name: way(job) for name, way in METHODS.items()}
    spent: dict[str, list[float]] = {name: [] for name in METHODS}
    curve: dict[str, list[float]] = {name: [] for name in METHODS}
    for step in range(1, job.steps + 1):
        for name, loop in loops.items():
            job.generator.requires_grad_(name == "published")
            vector, seconds = take(loop, job.device)
            spent[name].append(seconds)
            if step % args.every == 0 or step == job.steps:
                curve[name].append(judge(vector))
    goal = 1 - NEAR * (1 - curve["published"][-1])  # the loss of an unchanged face is 1
    results: dict[str, Any] = {}
    for name, seconds_ in spent.items():
        reached = next((i for i, loss in enumerate(curve[name]) if loss <= goal), None)
        done = None if reached is None else min((reached + 1) * args.every, job.steps)
        results[name] = {
            "seconds_per_step": statistics.median(seconds_[1:]),
            "start_seconds": seconds_[0],
            "final_loss": curve[name][-1],
            "steps_to_published_loss": done,
            "seconds_to_published_loss": None if done is None else sum(seconds_[:done]),
            "peak_mb": probe(name, args) / 1e6,
        }
    theirs, mine = results["published"], results["stylize"]
    results["times_faster"] = theirs["seconds_per_step"] / mine["seconds_per_step"]
    results["share_of_memory"] = mine["peak_mb"] / theirs["peak_mb"]
    return {"resolution": job.generator.config.resolution, "steps": job.steps, "batch": job.batch, **results}


def probe(name: str, args: argparse.Namespace) -> float:
    """Peak bytes of three steps beyond the models, in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.adapt", "--probe", name, "--model", args.model]
    for option in ("resolution", "device", "batch", "threads"):
        if (value := getattr(args, option)) is not None:
            command += [f"--{option}", str(value)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def probe_memory(name: str, args: argparse.Namespace) -> float:
    """Excludes the memory of loading the models."""
    job = build(args)
    if job.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    else:
        before = memory_before()
    loop = METHODS[name](job)
    for _ in range(3):
        next(loop)
    return (torch.cuda.max_memory_allocated() if job.device.type == "cuda" else memory("VmHWM")) - before


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.adapt", description=__doc__)
    parser.add_argument("--model", default="mini", help="mini or the path of a model (default: mini)")
    sizes = [2**level for level in range(5, 11)]
    words = "a generator of the published widths and ViT-B/32, with random weights, instead of the model"
    parser.add_argument("--resolution", type=int, choices=sizes, help=words)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--every", type=int, default=5, help="steps after which the loss is judged")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    parser.add_argument("--device", help="cpu, cuda, ... (default: the best there is)")
    parser.add_argument("--threads", type=int, help="of the CPU (default: PyTorch's)")
    parser.add_argument("--probe", choices=METHODS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.probe:
        print(probe_memory(args.probe, args))
        return
    report(measure(args), pick_device(args.device), args.json)


if __name__ == "__main__":
    main()
