"""Fits the ready domains of the mini model to pairs: faces of the generator and their filtered pictures.

Where ground truth exists it is the better teacher, with no text-image model in between. Typed descriptions are trained
by text instead (``stylize.adaptation.text``). A domain's file records how it was made.
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
from PIL import Image
from torch import Tensor

from stylize.adaptation.losses import pyramid_loss, stroke_loss
from stylize.images import read_photo, to_image, to_tensor
from stylize.models.code import Code
from stylize.models.domain import Domain
from stylize.models.generator import Generator
from stylize.models.layers import Window, cut
from stylize.pipeline import Stylizer
from stylize.prompts.vocabulary import NAMES, PHOTO, SOURCE, combinations
from stylize.training.data import load_faces
from stylize.training.filters import draw
from stylize.training.filters.face import AnalysedFace
from stylize.training.loop import add_dtype
from stylize.training.networks import COLOUR_NAMES, first_vector
from stylize.training.pairs import usual_landmarks

PREVIEW_SEED, PREVIEW_SIDE = 0, 256
STROKES = 2.0  # weight of the stroke loss, as in training


@torch.no_grad()
def training_codes(stylizer: Stylizer, data: Path | None, count: int, seed: int) -> Code:
    """Codes of ``count`` faces: of training pictures if ``data`` is given, else of random samples."""
    if data is None:
        return stylizer.as_photos(stylizer.sample_ws(count, seed, psi=0.9))
    faces = load_faces(data, "train", stylizer.encoder.config.resolution)
    rng = np.random.default_rng(seed)
    index = np.concatenate([rng.choice(np.flatnonzero(faces.real == real), count // 2) for real in (True, False)])
    return stylizer.encode(faces.tensor(index))


def fit(
    generator: Generator,
    codes: Code,
    targets: Tensor,
    steps: int = 250,
    batch: int = 8,
    lr: float = 0.15,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    start: Tensor | None = None,
    base: Tensor | None = None,
) -> Tensor:
    """The domain vector (domain_dim,) that maps faces to ``targets`` (N, 3, R, R) with the least pyramid L1 plus
    STROKES times the stroke loss; on crops if the generator can draw them, which is cheaper.

    start: the initial vector, else zero. base: vectors (N, domain_dim) to which it is added; then it gets no tilings.
    """
    config = generator.config
    vector = torch.zeros(config.domain_dim) if start is None else start.clone()
    vector = vector.to(codes.device).requires_grad_(True)
    optimiser = torch.optim.Adam([vector], lr=lr, betas=(0.9, 0.99))
    rng = torch.Generator().manual_seed(seed)
    side = config.features_shape[1]
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = lr * 0.5 * (1 + math.cos(math.pi * step / steps))
        index = torch.randperm(len(codes), generator=rng)[:batch].to(codes.device)
        window = None
        if config.draws_parts:
            top, left = torch.randint(side - side // 2 + 1, (2,), generator=rng).tolist()
            window = Window(top, left, side // 2)
        part = codes[index]
        if part.features is not None:
            part = Code(part.ws, cut(part.features, window))
        wanted = cut(targets[index], window and window.times(config.resolution // side))
        with torch.enable_grad():
            total = vector if base is None else vector + base[index]
            drawn = generator.synthesis(part, total, dtype=dtype, window=window)
            loss = pyramid_loss(drawn, wanted) + STROKES * stroke_loss(drawn, wanted)
            (vector.grad,) = torch.autograd.grad(loss, vector)
        if base is not None:
            vector.grad[config.shares] = 0
        optimiser.step()
        with torch.no_grad():
            vector[config.shares].clamp_(0, 1)
    return vector.detach()


class Fitter:
    """Fits domains of one model on one set of faces and writes them into a folder.

    The fit starts from an existing domain made for this generator.
    """

    def __init__(self, stylizer: Stylizer, out: Path, args: argparse.Namespace) -> None:
        self.stylizer, self.out, self.steps, self.faces = stylizer, out, args.steps, args.faces
        self.seed, self.dtype = args.seed or 0, getattr(torch, args.dtype)
        self.codes = training_codes(stylizer, args.data, args.faces, self.seed)
        self.source = torch.cat([stylizer.draw(part) for part in self.codes.split(8)])
        self.pictures = [np.asarray(to_image(face)) for face in self.source]
        self.landmarks = [usual_landmarks(picture) for picture in self.pictures]

    def fit(self, name: str, path: Path, targets: Tensor, base: Tensor | None = None) -> Domain:
        started, generator = time.monotonic(), self.stylizer.generator
        start = Domain.load(path) if path.is_file() else None
        warm = start is not None and start.generator == self.stylizer.fingerprint
        begin = start.vector if start is not None and warm else first_vector(generator.config, name)
        rate = 0.08 if warm else 0.15
        options = {"seed": self.seed, "dtype": self.dtype, "start": begin, "base": base}
        vector = fit(generator, self.codes, targets, self.steps, lr=rate, **options)
        domain = Domain(
            vector=vector.cpu(),
            sizes=tuple(generator.config.domain_sizes),
            order="pre_demod",
            generator=self.stylizer.fingerprint,
            name=name,
            target=name,
            source=SOURCE,
            method="fitted to filtered pairs",
            seed=self.seed,
            settings={"steps": self.steps, "faces": self.faces, "warm": warm},
        )
        domain.save(path)
        vectors = vector.expand(len(self.codes), -1) if base is None else vector + base
        with torch.no_grad():
            parts = zip(self.codes.split(8), vectors.split(8), strict=True)
            drawn = torch.cat([generator.synthesis(code, part) for code, part in parts])
        before, after = (float((x - targets).abs().mean()) for x in (self.source, drawn))
        print(f"{name}: {before:.3f} -> {after:.3f}, {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
        return domain

    def style(self, name: str) -> Domain:
        targets = torch.cat([self.truth(number, name) for number in range(len(self.source))])
        return self.fit(name, self.out / f"{name}.safetensors", targets)

    def truth(self, number: int, style: str, colour: str | None = None) -> Tensor:
        """The filtered picture of one of the faces, (1, 3, R, R)."""
        face = AnalysedFace(self.pictures[number], self.landmarks[number], seed=0)
        return to_tensor(Image.fromarray(draw(face, style, colour))).to(self.stylizer.device)

    def colour(self, name: str) -> Domain:
        """A vector that tints any style it is added to; fitted on every style that is combined with colours in
        training."""
        pairs = [(colour, style) for colour, style in combinations() if colour == name]
        base, targets = [], []
        for number in range(len(self.source)):
            style = pairs[number % len(pairs)][1]
            vector = torch.zeros(self.stylizer.generator.config.domain_dim)
            base.append(vector if style == PHOTO else Domain.load(self.out / f"{style}.safetensors").vector)
            targets.append(self.truth(number, style, name))
        device = self.stylizer.device
        path = self.out / "colours" / f"{name}.safetensors"
        return self.fit(name, path, torch.cat(targets), torch.stack(base).to(device))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, help="folder with the face tars (default: random faces of the generator)")
    parser.add_argument("--out", type=Path, help="folder for the domain files (default: the model's own)")
    parser.add_argument("--styles", nargs="*", default=NAMES, choices=NAMES, metavar="NAME", help="default: all")
    parser.add_argument(
        "--colours", nargs="*", default=COLOUR_NAMES, choices=COLOUR_NAMES, metavar="NAME", help="default: all"
    )
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--faces", type=int, default=64, help="faces to fit on")
    parser.add_argument("--photo", type=Path, help="whose face the previews show (default: a random one)")
    add_dtype(parser)


def run(args: argparse.Namespace) -> None:
    """Fits and saves styles, each with a preview picture, then colours."""
    stylizer = Stylizer.load(args.model, args.device)
    out = args.out or stylizer.folder / "domains"
    fitter = Fitter(stylizer, out, args)
    for name in args.styles:
        fitter.style(name)
    for name in args.colours:
        fitter.colour(name)
    write_previews(stylizer, out, args.styles, args.photo)


def write_previews(stylizer: Stylizer, folder: Path, names: Sequence[str], photo: Path | None = None) -> None:
    """Writes folder/previews/NAME.webp: the face of a photo, else one of the generator's own, in each domain of the
    folder. Raises StylizeError for a photo that cannot be used."""
    (folder / "previews").mkdir(parents=True, exist_ok=True)
    face = stylizer.faces(read_photo(photo))[0] if photo else None
    for name in names:
        domain = Domain.load(folder / f"{name}.safetensors")
        picture = stylizer.render(face, domain) if face else stylizer.sample(1, PREVIEW_SEED, domain)[0]
        picture.resize((PREVIEW_SIDE,) * 2).save(folder / "previews" / f"{name}.webp", quality=85)
