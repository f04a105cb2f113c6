"""Refines a model's encoder on faces as people take them, its generator kept as it is.

So ready domains, the text-image model and the hypernetwork stay what they are. The faces have skin of every tone and
stand before made-up backgrounds in varied light; the head counts more than what is behind it.

A run that is stopped continues from its last checkpoint.
"""

from __future__ import annotations

import argparse
import copy
import math
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stylize.checkpoints import save_checkpoint
from stylize.encoder import Encoder
from stylize.errors import StylizeError
from stylize.pipeline import Stylizer
from stylize.training.data import Faces, augment, beyond_head, degrade, load_faces, scenes, tones
from stylize.training.generator import add_dtype, parameter_groups, pyramid_loss
from stylize.training.identity import FaceIdentity, perceptual_distance


@dataclass(frozen=True)
class Settings:
    pictures: int = 16_000
    batch: int = 16
    lr: float = 3e-4
    behind: float = 0.3  # how much of the difference behind the head counts
    perceptual: float = 1.0
    identity: float = 0.5
    offsets: float = 1e-3
    seed: int = 0


class Trainer:
    def __init__(
        self, stylizer: Stylizer, faces: Faces, settings: Settings, dtype: torch.dtype = torch.float32
    ) -> None:
        if not isinstance(stylizer.encoder, Encoder):
            raise StylizeError(f"The {stylizer.name} model's encoder is not of this project's kind; use mini.")
        self.settings, self.faces, self.dtype, self.device = settings, faces, dtype, stylizer.device
        self.generator = stylizer.generator
        self.encoder = copy.deepcopy(stylizer.encoder).requires_grad_(True).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.encoder).requires_grad_(False)
        self.identity = FaceIdentity().to(self.device)
        self.identity.blocks.to(dtype)
        self.identity.stem.to(dtype)
        self.opt = torch.optim.Adam(parameter_groups(self.encoder), lr=settings.lr, betas=(0.9, 0.99))
        self.counts = 1 - (1 - settings.behind) * beyond_head(stylizer.resolution).to(self.device)
        self.step = 0

    @property
    def steps(self) -> int:
        return self.settings.pictures // self.settings.batch

    def state(self) -> dict[str, Any]:
        parts = {name: getattr(self, name).state_dict() for name in ("encoder", "average", "opt")}
        return {**parts, "step": self.step}

    def load(self, state: dict[str, Any]) -> None:
        for name in ("encoder", "average", "opt"):
            getattr(self, name).load_state_dict(state[name])
        self.step = state["step"]

    def batch(self, rng: torch.Generator) -> Tensor:
        """Faces as people take them, a third of them photographs."""
        s, faces = self.settings, self.faces
        draw = np.random.default_rng(int(torch.randint(2**31, (1,), generator=rng)))
        sets = [(np.flatnonzero(faces.real), s.batch // 3), (np.flatnonzero(~faces.real), s.batch - s.batch // 3)]
        index = np.concatenate([draw.choice(ids, count) for ids, count in sets])
        size = self.generator.config.resolution
        pictures = augment(faces.tensor(index), torch.from_numpy(faces.real[index]), size, rng)
        return scenes(tones(pictures, rng), rng)

    def train_step(self) -> dict[str, float]:
        s = self.settings
        rng = torch.Generator().manual_seed(s.seed * 1_000_003 + self.step)  # a resumed run draws the same
        warm = min(1.0, (self.step + 1) / 50)
        rate = s.lr * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * self.step / self.steps)))
        for group in self.opt.param_groups:
            group["lr"] = rate * group["factor"]
        pictures = self.batch(rng)
        target = pictures.to(self.device)
        w, offsets = self.encoder.codes(degrade(pictures, rng).to(self.device, self.dtype))
        made = self.generator.synthesis(w[:, None] + offsets, noise="none", dtype=self.dtype)
        with torch.no_grad():
            wanted = self.identity.features(self.identity.chip(target))
        got = self.identity.features(self.identity.chip(made))
        apart = self.identity.descriptor(got) - self.identity.descriptor(wanted)
        losses = {
            "pixels": pyramid_loss(made * self.counts, target * self.counts),
            "perceptual": perceptual_distance(got, wanted).mean() * s.perceptual,
            "identity": apart.square().sum(1).mean() * s.identity,
            "offsets": offsets.square().mean() * s.offsets,
        }
        self.opt.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        self.opt.step()
        self.step += 1
        with torch.no_grad():
            decay = min(0.995, self.step / (self.step + 10))
            torch._foreach_lerp_(list(self.average.parameters()), list(self.encoder.parameters()), 1 - decay)
        return {name: value.item() for name, value in losses.items()}

    def export(self, folder: Path) -> None:
        """Writes encoder.safetensors: averaged weights, half precision."""
        settings = {"config": self.average.config.to_dict(), "pictures": self.step * self.settings.batch}
        settings["training"] = asdict(self.settings)
        save_checkpoint(folder / "encoder.safetensors", self.average.state_dict(), settings, torch.float16)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder with the face tars")
    parser.add_argument("--out", type=Path, help="folder for encoder.safetensors (default: the model's)")
    parser.add_argument("--pictures", type=int, default=Settings.pictures, help="pictures to see in all")
    parser.add_argument("--batch", type=int, default=Settings.batch)
    parser.add_argument("--lr", type=float, default=Settings.lr)
    parser.add_argument("--save-every", type=int, default=100, help="steps between checkpoints")
    add_dtype(parser)


def run(args: argparse.Namespace) -> None:
    """Trains, resuming from OUT/encoder-run.pt where it exists."""
    if not 3 <= args.batch <= args.pictures:
        raise StylizeError("A batch of at least 3, and as many pictures as a batch, are needed.")
    stylizer = Stylizer.load(args.model, args.device)
    out = args.out or stylizer.folder
    settings = Settings(pictures=args.pictures, batch=args.batch, lr=args.lr, seed=args.seed or 0)
    faces = load_faces(args.data, "train", stylizer.resolution)
    trainer = Trainer(stylizer, faces, settings, getattr(torch, args.dtype))
    checkpoint = out / "encoder-run.pt"
    if checkpoint.exists():
        trainer.load(torch.load(checkpoint, map_location=stylizer.device, weights_only=True))
        print(f"continuing at step {trainer.step}", file=sys.stderr)
    started, first = time.monotonic(), trainer.step
    while trainer.step < trainer.steps:
        losses = trainer.train_step()
        if trainer.step % 20 == 0:
            left = (trainer.steps - trainer.step) * (time.monotonic() - started) / (trainer.step - first) / 60
            values = " ".join(f"{name} {value:.3f}" for name, value in losses.items())
            print(f"{trainer.step}/{trainer.steps}, {left:.0f} min left: {values}", flush=True)
        if trainer.step % args.save_every == 0 and trainer.step < trainer.steps:
            part = checkpoint.with_suffix(".part")
            out.mkdir(parents=True, exist_ok=True)
            torch.save(trainer.state(), part)
            part.replace(checkpoint)
    trainer.export(out)
    checkpoint.unlink(missing_ok=True)
