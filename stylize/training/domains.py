"""Fits the ready domains of the mini model to pairs: faces of the generator and their truly filtered pictures.

Where the right answer is known it is the better teacher: no text-image model stands in between. The typed path
adapts by text instead (``training.adapt``). What made a domain is written into its file.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stylize.domain import Domain
from stylize.errors import StylizeError
from stylize.generator import Generator
from stylize.pipeline import Stylizer
from stylize.training.data import load_faces
from stylize.training.generator import pyramid_loss
from stylize.training.styles import truth
from stylize.vocabulary import NAMES

PREVIEW_SEED = 7


@torch.no_grad()
def training_ws(stylizer: Stylizer, data: Path | None, count: int, seed: int) -> Tensor:
    """W+ of ``count`` faces: encoded training pictures where ``data`` is given, else random samples."""
    if data is None:
        return stylizer.sample_ws(count, seed, psi=0.9)
    faces = load_faces(data, "train", stylizer.encoder.config.resolution)
    rng = np.random.default_rng(seed)
    index = np.concatenate([rng.choice(np.flatnonzero(faces.real == real), count // 2) for real in (True, False)])
    codes: Tensor = stylizer.encoder(faces.tensor(index).to(stylizer.device))
    return codes


def fit(
    generator: Generator,
    ws: Tensor,
    targets: Tensor,
    steps: int = 250,
    batch: int = 8,
    lr: float = 0.15,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """The domain vector (domain_dim,) that takes G(ws) to ``targets`` (N, 3, R, R) with the least pyramid L1."""
    vector = torch.zeros(generator.config.domain_dim, device=ws.device, requires_grad=True)
    optimiser = torch.optim.Adam([vector], lr=lr, betas=(0.9, 0.99))
    rng = torch.Generator().manual_seed(seed)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = lr * 0.5 * (1 + math.cos(math.pi * step / steps))
        index = torch.randperm(len(ws), generator=rng)[:batch].to(ws.device)
        with torch.enable_grad():
            loss = pyramid_loss(generator.synthesis(ws[index], vector, dtype=dtype), targets[index])
            (vector.grad,) = torch.autograd.grad(loss, vector)
        optimiser.step()
    return vector.detach()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, help="folder with the face tars (default: random faces of the generator)")
    parser.add_argument("--out", type=Path, help="folder for the domain files (default: the model's own)")
    parser.add_argument("--styles", nargs="+", default=sorted(NAMES), metavar="NAME", help="default: all")
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--faces", type=int, default=64, help="faces to fit on")
    parser.add_argument(
        "--dtype", choices=("float32", "bfloat16"), default="float32", help="of convolutions; bfloat16 where it is fast"
    )


def run(args: argparse.Namespace) -> None:
    """Fits and saves every style, with a preview picture of one of the generator's own faces."""
    unknown: Sequence[str] = [name for name in args.styles if name not in NAMES]
    if unknown:
        raise StylizeError(f"There is no style {unknown[0]!r}; the styles are: {', '.join(sorted(NAMES))}.")
    stylizer = Stylizer.load(args.model, args.device)
    out = args.out or stylizer.folder / "domains"
    (out / "previews").mkdir(parents=True, exist_ok=True)
    seed = args.seed or 0
    ws = training_ws(stylizer, args.data, args.faces, seed)
    source = stylizer.draw(ws)
    for name in args.styles:
        started = time.monotonic()
        targets = truth(source, name).to(stylizer.device)
        vector = fit(stylizer.generator, ws, targets, args.steps, seed=seed, dtype=getattr(torch, args.dtype))
        domain = Domain(
            vector=vector.cpu(),
            sizes=tuple(stylizer.generator.config.domain_sizes),
            order="pre_demod",
            generator=stylizer.fingerprint,
            name=name,
            target=name,
            source="a photo of a face",
            method="fitted to filtered pairs",
            seed=seed,
            settings={"steps": args.steps, "faces": args.faces},
        )
        domain.save(out / f"{name}.safetensors")
        preview = stylizer.sample(1, PREVIEW_SEED, domain)[0]
        preview.save(out / "previews" / f"{name}.webp", quality=85)
        drawn = torch.cat([stylizer.draw(part, domain) for part in ws.split(8)])
        before, after = (float((x - targets).abs().mean()) for x in (source, drawn))
        print(f"{name}: {before:.3f} -> {after:.3f}, {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
