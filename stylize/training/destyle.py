"""Trains what adapts the mini encoder to drawings: from the filtered pictures of faces back to their photos.

Only the numbers that scale the encoder's channels are learned (``Encoder.destyled``), too few to know the styles of
training by heart. UNSEEN_STYLES are never shown: one-shot adaptation is measured on them.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stylize.adaptation.losses import pyramid_loss
from stylize.errors import StylizeError
from stylize.images import side_by_side, to_image
from stylize.models.checkpoints import save_checkpoint
from stylize.models.encoders import DESTYLE
from stylize.models.layers import Window, cut
from stylize.models.mini_encoder import Encoder
from stylize.pipeline import Stylizer
from stylize.prompts.vocabulary import UNSEEN_STYLES
from stylize.training.data import load_faces
from stylize.training.loop import add_dtype, train
from stylize.training.pairs import Pairs, make_pairs

PHOTOS = 0.1  # share of a batch that has no style
WARM = 20  # steps before the full rate


class DestyleTraining:
    """Everything needed to resume a run: the numbers, their optimiser, and the number of steps done."""

    def __init__(self, stylizer: Stylizer, pairs: Pairs, steps: int, batch: int, lr: float, seed: int) -> None:
        if not (isinstance(stylizer.encoder, Encoder) and stylizer.generator.config.draws_windows):
            raise StylizeError("Only an encoder of the mini kind with features can be adapted to drawings.")
        self.stylizer, self.pairs, self.steps, self.batch, self.lr, self.seed = stylizer, pairs, steps, batch, lr, seed
        self.encoder: Encoder = stylizer.encoder
        self.kinds = [1 + number for number, name in enumerate(pairs.names) if name not in UNSEEN_STYLES]
        self.numbers = torch.zeros(self.encoder.destyle_dim, device=stylizer.device, requires_grad=True)
        self.optimiser = torch.optim.Adam([self.numbers], lr=lr, betas=(0.9, 0.99))
        self.step = 0

    def state(self) -> dict[str, Any]:
        return {"numbers": self.numbers.detach(), "optimiser": self.optimiser.state_dict(), "step": self.step}

    def load(self, state: dict[str, Any]) -> None:
        self.numbers.data.copy_(state["numbers"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]

    def train_step(self) -> dict[str, float]:
        """One step on parts of pictures, half of them mirrored."""
        rng = np.random.default_rng((self.seed, self.step))  # the same draws in a resumed run
        faces = rng.choice(len(self.pairs), self.batch).tolist()
        kinds = np.where(rng.random(self.batch) < PHOTOS, 0, rng.choice(self.kinds, self.batch)).tolist()
        styled, photos = self.pairs.tensor(faces, kinds), self.pairs.tensor(faces, [0] * self.batch)
        if rng.random() < 0.5:
            styled, photos = styled.flip(3), photos.flip(3)
        generator, device, dtype = self.stylizer.generator, self.stylizer.device, self.stylizer.dtype
        side = generator.config.features_shape[1]
        top, left = rng.integers(side - side // 2 + 1, size=2).tolist()
        window = Window(top, left, side // 2)
        rate = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * self.step / self.steps))
        self.optimiser.param_groups[0]["lr"] = self.lr * min(1.0, (self.step + 1) / WARM) * rate
        code = self.encoder.destyled(styled.to(device), self.numbers, window, dtype)
        made = generator.synthesis(code, noise="none", dtype=dtype, window=window)
        loss = pyramid_loss(made, cut(photos.to(device), window.times(generator.config.resolution // side)))
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.step += 1
        return {"pixels": loss.item()}

    @torch.no_grad()
    def photos(self, styled: Tensor) -> Tensor:
        """The photos (N, 3, R, R) of pictures in any style (N, 3, R, R)."""
        code = self.encoder.destyled(styled.to(self.stylizer.device), self.numbers.detach())
        return self.stylizer.draw(code)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder with the face tars")
    parser.add_argument("--out", type=Path, help="folder for the file and the pairs (default: the model's)")
    for name, number, words in (("steps", 450, ""), ("batch", 8, ""), ("faces", 440, "faces filtered beforehand")):
        parser.add_argument(f"--{name}", type=int, default=number, help=words)
    parser.add_argument("--lr", type=float, default=0.03)
    parser.add_argument("--save-every", type=int, default=150, help="steps between checkpoints")
    add_dtype(parser)


def run(args: argparse.Namespace) -> None:
    """Trains, resuming from OUT/destyle-run.pt if it exists; writes the numbers, and a picture of unseen styles."""
    stylizer = Stylizer.load(args.model, args.device)
    stylizer.dtype = getattr(torch, args.dtype)
    out, seed = args.out or stylizer.folder, args.seed or 0
    faces = load_faces(args.data, "train", stylizer.resolution)
    pairs = make_pairs(faces, out, args.faces, seed)
    training = DestyleTraining(stylizer, pairs, args.steps, args.batch, args.lr, seed)
    checkpoint = out / "destyle-run.pt"
    train(training, args.steps, checkpoint, args.save_every, device=stylizer.device)
    settings = {"steps": args.steps, "batch": args.batch, "lr": args.lr, "seed": seed, "unseen": list(UNSEEN_STYLES)}
    save_checkpoint(out / DESTYLE, {"destyle": training.numbers.detach().cpu()}, settings, torch.float16)
    checkpoint.unlink(missing_ok=True)
    shown = pairs.tensor([0] * len(UNSEEN_STYLES), [1 + pairs.names.index(name) for name in UNSEEN_STYLES])
    pictures = [to_image(one[None]) for pair in zip(shown, training.photos(shown).cpu(), strict=True) for one in pair]
    side_by_side(pictures).save(out / "preview.png")
