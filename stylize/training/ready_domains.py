"""Fits the ready domains of the mini model to pairs: faces of the generator and their filtered pictures.

Where ground truth exists it is the better teacher, with no text-image model in between. Typed descriptions are trained
by text instead (``stylize.adaptation.text``). A domain's file records how it was made.

A style that is combined with colours is fitted plain and with the colours' vectors added, so that the sums are right.
The styles of SCREENED may also learn their screens. That changes the generator, for which the folder's domains are then
marked; its hypernetwork must be trained again.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylize.adaptation.losses import pyramid_loss, stroke_loss
from stylize.errors import StylizeError
from stylize.images import read_photo, to_image, to_tensor
from stylize.models.checkpoints import load_checkpoint, save_checkpoint
from stylize.models.code import Code, cat
from stylize.models.domain import Domain
from stylize.models.generator import SCREEN_STEP, Generator
from stylize.models.layers import Window, cut
from stylize.pipeline import Stylizer
from stylize.prompts.vocabulary import NAMES, PHOTO, SOURCE, combinations
from stylize.training.batches import tinted_tensor
from stylize.training.data import load_faces
from stylize.training.filters import draw
from stylize.training.filters.face import AnalysedFace
from stylize.training.loop import add_dtype
from stylize.training.networks import COLOUR_NAMES, SCREENED, first_vector
from stylize.training.pairs import usual_landmarks

PREVIEW_SEED, PREVIEW_SIDE = 0, 256
STROKES = 2.0  # weight of the stroke loss, as in training
SCREEN_RATE = 0.1  # learning rate of screens, in units of the patterns


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
    strokes: float = STROKES,
    shares: bool = True,
    screens: bool = False,
) -> Tensor:
    """The domain vector (domain_dim,) that maps faces to ``targets`` (N, 3, R, R) with the least pyramid L1 plus
    ``strokes`` times the stroke loss; on crops if the generator can draw them, which is cheaper.

    start: the initial vector, else zero. base: vectors (N, domain_dim) to which it is added. shares: whether it may get
    any. screens: whether the screens of which it has a share are learned too; it must have one.
    """
    config = generator.config
    vector = torch.zeros(config.domain_dim) if start is None else start.clone()
    vector = vector.to(codes.device).requires_grad_(True)
    learned, rates = [vector], [lr]
    if screens:
        generator.screens = generator.screens.float().requires_grad_(True)
        learned, rates = [vector, generator.screens], [lr, SCREEN_RATE / SCREEN_STEP]
    groups = [{"params": [one], "rate": rate} for one, rate in zip(learned, rates, strict=True)]
    optimiser = torch.optim.Adam(groups, lr=lr, betas=(0.9, 0.99), fused=True)
    rng = torch.Generator().manual_seed(seed)
    side = config.features_shape[1]
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = group["rate"] * 0.5 * (1 + math.cos(math.pi * step / steps))
        index = torch.randperm(len(codes), generator=rng)[:batch].to(codes.device)
        window = None
        if config.draws_windows:
            top, left = torch.randint(side - side // 2 + 1, (2,), generator=rng).tolist()
            window = Window(top, left, side // 2)
        part = codes[index].cut(window)
        wanted = cut(targets[index], window and window.times(config.resolution // side))
        with torch.enable_grad():
            total = vector if base is None else vector + base[index]
            drawn = generator.synthesis(part, total, dtype=dtype, window=window)
            loss = pyramid_loss(drawn, wanted) + strokes * stroke_loss(drawn, wanted)
            gradients = torch.autograd.grad(loss, learned)
        if not shares:
            gradients[0][config.shares] = 0
        elif screens:  # what is learned is there as a whole
            gradients[0][config.shares][config.tilings :] = 0
        for one, gradient in zip(learned, gradients, strict=True):
            one.grad = gradient
        optimiser.step()
        with torch.no_grad():
            vector[config.shares].clamp_(0, 1)
    if screens:
        generator.screens = generator.screens.detach().round().clamp(-127, 127).to(torch.int8)
    return vector.detach()


class Fitter:
    """Fits domains of one model on one set of faces and writes them into its folder.

    The fit starts from an existing domain, if there is one for this generator. Raises StylizeError if screens are to be
    learned in a generator that does not have those of SCREENED.
    """

    def __init__(self, stylizer: Stylizer, args: argparse.Namespace) -> None:
        self.screens = stylizer.generator.config.screens == len(SCREENED)
        if args.screens == "learn" and not self.screens:
            raise StylizeError("The generator of {} has no screens to learn; leave out --screens.", stylizer.folder)
        self.stylizer, self.steps, self.faces, self.strokes = stylizer, args.steps, args.faces, args.strokes
        self.learn = args.screens == "learn"
        self.out, self.fingerprint = stylizer.folder / "domains", stylizer.fingerprint
        self.seed, self.dtype = args.seed or 0, getattr(torch, args.dtype)
        self.codes = training_codes(stylizer, args.data, args.faces, self.seed)
        self.source = torch.cat([stylizer.draw(part) for part in self.codes.split(8)])
        self.pictures = [np.asarray(to_image(face)) for face in self.source]
        self.landmarks = [usual_landmarks(picture) for picture in self.pictures]

    def fit(self, name: str, path: Path, codes: Code, targets: Tensor, base: Tensor) -> None:
        """Fits a vector that is added to ``base``, and saves it; in ``codes`` and ``targets`` the faces come first."""
        started, generator, base = time.monotonic(), self.stylizer.generator, base.to(codes.device)
        start = Domain.load(path) if path.is_file() else None
        layout = tuple(generator.config.domain_sizes)
        warm = start is not None and (start.generator, start.sizes) == (self.fingerprint, layout)
        vector = start.vector if start is not None and warm else first_vector(generator.config, name)
        style = path.parent == self.out
        screened = self.screens and style and name in SCREENED
        learns = screened and self.learn
        if learns or (screened and not warm and generator.screens[SCREENED.index(name)].any()):
            self.begin_screen(name, vector)
        options = {"seed": self.seed, "dtype": self.dtype, "start": vector, "base": base, "strokes": self.strokes}
        rate = 0.06 if warm else 0.15
        vector = fit(generator, codes, targets, self.steps, lr=rate, shares=style, screens=learns, **options)
        if learns:
            self.save_generator()
        domain = Domain(
            vector=vector.cpu(),
            sizes=layout,
            order="pre_demod",
            generator=self.fingerprint,
            name=name,
            target=name,
            source=SOURCE,
            method="fitted to filtered pairs",
            seed=self.seed,
            settings={"steps": self.steps, "faces": self.faces, "strokes": self.strokes, "warm": warm},
        )
        domain.save(path, torch.float16)
        with torch.no_grad():
            parts = zip(self.codes.split(8), (vector + base[: len(self.codes)]).split(8), strict=True)
            drawn = torch.cat([generator.synthesis(code, part) for code, part in parts])
        before, after = (float((x - targets[: len(x)]).abs().mean()) for x in (self.source, drawn))
        print(f"{name}: {before:.3f} -> {after:.3f}, {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)

    def begin_screen(self, name: str, vector: Tensor) -> None:
        """Gives the vector its whole screen. One that is not learned yet is at first like the generator's own
        patterns."""
        generator, number = self.stylizer.generator, SCREENED.index(name)
        shares = vector[generator.config.shares][generator.config.tilings :]
        own = generator.convs[-1].get_parameter("patterns")[0] / SCREEN_STEP
        screen = generator.screens[number].float() if generator.screens[number].any() else own
        if 0 < shares[number] < 1:
            screen = torch.lerp(own, screen, shares[number])
        generator.screens[number] = screen.round().clamp(-127, 127)
        shares[number] = 1.0

    def save_generator(self) -> None:
        """Writes the generator with its new screens, and its fingerprint into the folder's domains."""
        path = self.stylizer.folder / "generator.safetensors"
        tensors, settings = load_checkpoint(path)
        tensors["screens"] = self.stylizer.generator.screens
        save_checkpoint(path, tensors, settings, torch.float16)
        old, self.fingerprint = self.fingerprint, Generator.load(path).fingerprint()
        for file in self.out.rglob("*.safetensors"):
            if (domain := Domain.load(file)).generator == old:
                replace(domain, generator=self.fingerprint).save(file, torch.float16)

    def style(self, name: str) -> None:
        """Fits a style; on every second face also in one of the colours it is combined with, if they are there."""
        codes, targets = self.codes, torch.cat([self.truth(number, name) for number in range(len(self.source))])
        base = torch.zeros(len(codes), self.stylizer.generator.config.domain_dim)
        colours = [colour for colour, style in combinations() if style == name and self.colour_path(colour).is_file()]
        if colours:
            half = torch.arange(0, len(codes), 2)
            used = [colours[k % len(colours)] for k in range(len(half))]
            tinted = [tinted_tensor(targets[k].cpu(), colour) for k, colour in zip(half, used, strict=True)]
            codes, targets = cat([codes, codes[half]]), torch.cat([targets, torch.stack(tinted).to(targets.device)])
            base = torch.cat([base, torch.stack([Domain.load(self.colour_path(colour)).vector for colour in used])])
        self.fit(name, self.out / f"{name}.safetensors", codes, targets, base)

    def colour_path(self, name: str) -> Path:
        return self.out / "colours" / f"{name}.safetensors"

    def truth(self, number: int, style: str, colour: str | None = None) -> Tensor:
        """The filtered picture of one of the faces, (1, 3, R, R)."""
        face = AnalysedFace(self.pictures[number], self.landmarks[number], seed=0)
        return to_tensor(Image.fromarray(draw(face, style, colour))).to(self.stylizer.device)

    def colour(self, name: str) -> None:
        """A vector that tints any style it is added to; fitted on every style that is combined with colours in
        training."""
        pairs = [(colour, style) for colour, style in combinations() if colour == name]
        base, targets = [], []
        for number in range(len(self.source)):
            style = pairs[number % len(pairs)][1]
            vector = torch.zeros(self.stylizer.generator.config.domain_dim)
            base.append(vector if style == PHOTO else Domain.load(self.out / f"{style}.safetensors").vector)
            targets.append(self.truth(number, style, name))
        self.fit(name, self.colour_path(name), self.codes, torch.cat(targets), torch.stack(base))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, help="folder with the face tars (default: random faces of the generator)")
    parser.add_argument("--styles", nargs="*", default=NAMES, choices=NAMES, metavar="NAME", help="default: all")
    parser.add_argument(
        "--colours", nargs="*", default=COLOUR_NAMES, choices=COLOUR_NAMES, metavar="NAME", help="default: all"
    )
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--faces", type=int, default=64, help="faces to fit on")
    parser.add_argument("--strokes", type=float, default=STROKES, help="weight of the strength of strokes")
    parser.add_argument(
        "--screens", choices=("keep", "learn"), default="keep", help="learn: also the styles' screens in the generator"
    )
    parser.add_argument("--photo", type=Path, help="whose face the previews show (default: a random one)")
    add_dtype(parser)


def run(args: argparse.Namespace) -> None:
    """Fits and saves styles, each with a preview picture, then colours."""
    stylizer = Stylizer.load(args.model, args.device)
    fitter = Fitter(stylizer, args)
    for name in args.styles:
        fitter.style(name)
    for name in args.colours:
        fitter.colour(name)
    write_previews(Stylizer.load(str(stylizer.folder), args.device), args.styles, args.photo)


def write_previews(stylizer: Stylizer, names: Sequence[str], photo: Path | None = None) -> None:
    """Writes domains/previews/NAME.webp: the face of a photo, else one of the generator's own, in ready domains. Raises
    StylizeError for a photo that cannot be used."""
    folder = stylizer.folder / "domains"
    (folder / "previews").mkdir(parents=True, exist_ok=True)
    face = stylizer.faces(read_photo(photo))[0] if photo else None
    for name in names:
        domain = Domain.load(folder / f"{name}.safetensors")
        picture = stylizer.render(face, domain) if face else stylizer.sample(1, PREVIEW_SEED, domain)[0]
        picture.resize((PREVIEW_SIDE,) * 2).save(folder / "previews" / f"{name}.webp", quality=85)
