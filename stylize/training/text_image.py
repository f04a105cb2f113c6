"""Trains the mini text-image model from scratch on style-filtered faces.

A model that only separates clean examples is fooled by any optimisation against it. So it is trained on what it will
meet in use, with graded targets: for every picture of a known face, clean or not, the distance to that face's true
picture in every style is known, and the cosine of picture and description has to reflect it. The pictures are filtered
photographs and generated faces, blends of them, generated faces under random and ready domain vectors, and those of a
pool of attackers: domain vectors that optimise the model's own guidance while it trains.

A model that others were trained with can be refined with its text tower frozen: descriptions keep their embeddings.
Photographs then have skin of every tone, made-up backgrounds, and soft and hard light, and are cropped, so that the
face itself has to show the style.
"""

from __future__ import annotations

import argparse
import math
import string
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylize.errors import DomainError, StylizeError
from stylize.images import to_image
from stylize.models.code import Code, cat
from stylize.models.text_image import MINI_CLIP, TextImageModel
from stylize.pipeline import Stylizer
from stylize.prompts.vocabulary import COLOUR_WORDS, KNOWN_WORDS, NAMES, PHOTO, caption, combinations
from stylize.training.data import DATA_SIDE, augment, load_faces, scenes, tones
from stylize.training.filters import tinted
from stylize.training.loop import add_dtype, train
from stylize.training.pairs import filtered

ColouredStyle = tuple[str | None, str]  # (colour, style)
COLOURED_STYLES: list[ColouredStyle] = [(None, PHOTO), *((None, name) for name in NAMES), *combinations()]
SIZE: int = MINI_CLIP["vision_cfg"]["image_size"]
NEAR = 0.3  # the distance at which closeness has fallen to 1/e
TAU = 0.06  # the sharpness of soft labels, in the same unit


@dataclass(frozen=True)
class TextImageSettings:
    steps: int = 1000
    lr: float = 1e-3
    faces: int = 160  # half photographs (to refine, four in five), the others generated
    pairs: int = 60  # blends of a face and its filtered picture
    blends: int = 16
    drawn: int = 24
    attackers: int = 24
    attacked: int = 4  # attackers that are updated in a step, on 4 faces each
    attack_rate: float = 0.04
    attack_steps: int = 80
    refine: bool = False  # refine the model's own text-image model, text tower frozen, on varied and cropped pictures
    warm: bool = False  # start from the model's own text-image model
    seed: int = 0


def pyramid(pictures: Tensor) -> Tensor:
    """(..., 3, SIZE, SIZE) -> (..., D): the picture at sizes 1, 1/2, 1/4 and 1/8, scaled so that the Euclidean distance
    of two rows is the root mean squared difference, averaged over the sizes."""
    shape = pictures.shape[:-3]
    pictures = pictures.reshape(-1, *pictures.shape[-3:])
    levels = []
    for level in range(4):
        if level:
            pictures = F.avg_pool2d(pictures, 2)
        flat = pictures.flatten(1)
        levels.append(flat / math.sqrt(4 * flat.shape[1]))
    return torch.cat(levels, 1).view(*shape, -1)


def hard_light(pictures: Tensor, rng: torch.Generator) -> Tensor:
    """Gives half of the pictures (N, 3, S, S) in [-1, 1] stronger local contrast: highlights and wrinkles."""
    n, size = len(pictures), pictures.shape[-1]
    around = F.avg_pool2d(pictures, 2 * (size // 16) + 1, 1, size // 16, count_include_pad=False)
    amount = torch.rand(n, 1, 1, 1, generator=rng) * (torch.rand(n, 1, 1, 1, generator=rng) < 0.5)
    return (pictures + amount * (pictures - around)).clamp(-1, 1)


@dataclass
class Truths:
    """pictures (faces, kinds, 3, SIZE, SIZE) uint8: every face in every kind; codes: of the generated ones, which come
    last; rows (faces, kinds, D): their pyramids, and ``squares``: the squared lengths of the rows."""

    pictures: Tensor
    codes: Code
    rows: Tensor = field(init=False)
    squares: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.rows = torch.stack([pyramid(face.float() / 127.5 - 1) for face in self.pictures])
        self.squares = self.rows.square().sum(-1)

    @classmethod
    def make(cls, stylizer: Stylizer, data: Path, count: int, seed: int, varied: bool = False) -> Truths:
        rng, draws = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
        size = DATA_SIDE if varied else stylizer.resolution
        faces = load_faces(data, "train", size)
        photographs = count * 4 // 5 if varied else count // 2
        index = rng.choice(len(faces), photographs, replace=False)
        pictures, others = faces.tensor(index), faces.tensor(rng.choice(len(faces), (count - photographs) // 2))
        if varied:
            pictures = augment(pictures, torch.from_numpy(faces.real[index]), size, draws)
            pictures = scenes(hard_light(tones(pictures, draws), draws), draws)
            others = hard_light(tones(others, draws), draws)
        photos = [np.asarray(to_image(picture)) for picture in pictures]
        codes = stylizer.encode([to_image(picture) for picture in others])
        random = stylizer.as_photos(stylizer.sample_ws(count - photographs - len(codes), seed, psi=0.8))
        codes = cat([codes, random])
        for part in codes.split(16):
            photos += [np.asarray(to_image(picture)) for picture in stylizer.draw(part)]
        rows = []
        for number, photo in enumerate(photos):
            made, _ = filtered(photo, tuple(NAMES))
            plain: list[ColouredStyle] = [(None, PHOTO), *((None, name) for name in NAMES)]
            known = dict(zip(plain, made, strict=True))
            known |= {(colour, style): tinted(known[None, style], colour) for colour, style in combinations()}
            batch = torch.from_numpy(np.stack([known[kind] for kind in COLOURED_STYLES])).permute(0, 3, 1, 2).float()
            sharp = varied and number % 3 > 0  # resized as the model resizes any picture
            small = F.interpolate(batch, size=SIZE, mode="bicubic" if sharp else "area", antialias=sharp)
            rows.append(small.clamp(0, 255).round().byte())
        return cls(torch.stack(rows), codes)

    def get(self, face: Tensor, kind: Tensor) -> Tensor:
        """(N, 3, SIZE, SIZE) in [-1, 1]."""
        return self.pictures[face, kind].float() / 127.5 - 1

    def distances(self, pictures: Tensor, face: Tensor) -> Tensor:
        """(N, kinds): the distance of each picture from its face's true picture in every kind."""
        mine = pyramid(pictures)
        products = torch.stack([self.rows[number] @ row for row, number in zip(mine, face.tolist(), strict=True)])
        return (self.squares[face] + mine.square().sum(1, keepdim=True) - 2 * products).clamp(min=0).sqrt()


@dataclass
class Attackers:
    """A pool of domain vectors, each optimised towards one description; after a reset, one starts near zero."""

    vectors: Tensor
    targets: Tensor
    ages: Tensor = field(default_factory=lambda: torch.zeros(0))

    @classmethod
    def make(cls, count: int, dim: int, rng: torch.Generator, life: int) -> Attackers:
        ages = torch.randint(life, (count,), generator=rng)
        return cls(torch.zeros(count, dim), torch.randint(1, len(COLOURED_STYLES), (count,), generator=rng), ages)


class TextImageTraining:
    def __init__(
        self, stylizer: Stylizer, truths: Truths, settings: TextImageSettings, dtype: torch.dtype = torch.float32
    ) -> None:
        torch.manual_seed(settings.seed)  # the initial weights; all later draws come from generators
        self.settings, self.truths, self.stylizer, self.dtype = settings, truths, stylizer, dtype
        self.model = TextImageModel(MINI_CLIP)
        trained: nn.Module = self.model
        if settings.refine or settings.warm:
            self.model.load_state_dict(stylizer.clip.state_dict())
        if settings.refine:
            trained = self.model.requires_grad_(False).model.visual.requires_grad_(True)
        self.opt = torch.optim.AdamW(trained.parameters(), lr=settings.lr, betas=(0.9, 0.98), weight_decay=0.02)
        self.rng = torch.Generator().manual_seed(settings.seed)
        dim = stylizer.generator.config.domain_dim
        self.pool = Attackers.make(settings.attackers, dim, self.rng, settings.attack_steps)
        self.ready = self._shipped(stylizer.ready())
        self.colours = self._shipped([f"{colour} photo" for colour in COLOUR_WORDS])
        self.step = 0

    def state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "opt": self.opt.state_dict(),
            "pool": vars(self.pool),
            "rng": self.rng.get_state(),
            "step": self.step,
        }

    def load(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.opt.load_state_dict(state["opt"])
        self.pool = Attackers(**state["pool"])
        self.rng.set_state(state["rng"])
        self.step = state["step"]

    def _shipped(self, names: list[str]) -> Tensor:
        """Domain vectors (count, domain_dim) from the ready domains; one of zeros if there are none."""
        vectors = []
        for name in names:
            with suppress(DomainError):
                vectors.append(self.stylizer.ready_domain(name).vector)
        return torch.stack(vectors or [torch.zeros(self.stylizer.generator.config.domain_dim)])

    def _integers(self, high: int, count: int) -> Tensor:
        return torch.randint(high, (count,), generator=self.rng)

    def _kinds(self, count: int) -> Tensor:
        """Random kinds, half of them plain styles, half any."""
        plain = self._integers(len(NAMES) + 1, count)
        return torch.where(
            torch.rand(count, generator=self.rng) < 0.6, plain, self._integers(len(COLOURED_STYLES), count)
        )

    def _texts(self) -> Tensor:
        """One random caption of every kind, embedded: (kinds, D)."""
        words = np.random.default_rng(int(self._integers(2**31 - 1, 1)))
        return self.model.encode_text([caption(style, colour, words) for colour, style in COLOURED_STYLES])

    def _generated(self, count: int) -> tuple[Tensor, Code]:
        """(face numbers, codes) of random generated faces."""
        number = self._integers(len(self.truths.codes), count)
        return number + len(self.truths.pictures) - len(self.truths.codes), self.truths.codes[number]

    def _noise(self, count: int) -> Tensor:
        """(count, domain_dim): normal, without shares."""
        config = self.stylizer.generator.config
        noise = torch.randn(count, config.domain_dim, generator=self.rng)
        noise[:, config.shares] = 0
        return noise

    @torch.no_grad()
    def _drawn(self, count: int) -> tuple[Tensor, Tensor]:
        """Generated faces under mixes of ready vectors, colours and noise: (face numbers, pictures)."""
        face, codes = self._generated(count)
        pick = self.ready[self._integers(len(self.ready), 2 * count)].view(2, count, -1)
        weight = torch.rand(2, count, 1, generator=self.rng) * 1.2 * (torch.rand(2, count, 1, generator=self.rng) < 0.6)
        noise = self._noise(count) * torch.rand(count, 1, generator=self.rng) ** 2 * 0.4
        colour = self.colours[self._integers(len(self.colours), count)]
        colour = colour * (torch.rand(count, 1, generator=self.rng) < 0.25)
        return face, self._draw(codes, (pick * weight).sum(0) + colour + noise)

    def _draw(self, codes: Code, vectors: Tensor) -> Tensor:
        """Draws at the text-image model's picture size."""
        device = self.stylizer.device
        drawn = self.stylizer.generator.synthesis(codes.to(device), vectors.to(device), dtype=self.dtype)
        return F.interpolate(drawn, size=SIZE, mode="area").clamp(-1, 1).cpu()

    def _embed(self, pictures: Tensor) -> Tensor:
        with torch.autocast("cpu", self.dtype, enabled=self.dtype != torch.float32):
            return self.model.encode_image(pictures).float()

    def _attack(self, texts: Tensor) -> tuple[Tensor, Tensor]:
        """A few attackers take a step of guidance against the current model: (face numbers, their pictures)."""
        s, pool = self.settings, self.pool
        moving = torch.randperm(s.attackers, generator=self.rng)[: s.attacked]
        for i in moving[pool.ages[moving] >= s.attack_steps].tolist():
            noise = self._noise(1)[0] * 0.05
            start = self.ready[int(self._integers(len(self.ready), 1))] * (torch.rand(1, generator=self.rng) < 0.3)
            pool.vectors[i], pool.ages[i] = start + noise, 0
            pool.targets[i] = int(self._kinds(1).clamp(min=1))
        face, codes = self._generated(4 * s.attacked)
        self.model.eval()
        with torch.no_grad():
            before = self._embed(self.truths.get(face, torch.zeros_like(face)))
        vectors = pool.vectors[moving].clone().requires_grad_(True)
        pictures = self._draw(codes, vectors.repeat_interleave(4, 0))
        moved = self._embed(pictures)
        target = texts[pool.targets[moving]].repeat_interleave(4, 0)
        loss = (1 - F.cosine_similarity(moved - before, target - texts[:1], dim=1)).sum()
        loss = loss + (1 - (moved * target).sum(1)).sum()
        (gradient,) = torch.autograd.grad(loss, vectors)
        scale = gradient.square().mean(1, keepdim=True).sqrt() + 1e-12
        pool.vectors[moving] -= s.attack_rate * (gradient / scale).clamp(-2, 2)
        pool.ages[moving] += 1
        self.model.train()
        return face, pictures.detach()

    def train_step(self) -> dict[str, float]:
        s = self.settings
        decay = 0.5 * (1 + math.cos(math.pi * self.step / s.steps))
        rate = s.lr * min(1.0, (self.step + 1) / 50) * (0.02 + 0.98 * decay)
        for group in self.opt.param_groups:
            group["lr"] = rate
        self.model.train()
        faces = len(self.truths.pictures)
        face, kind = self._integers(faces, s.pairs), self._kinds(s.pairs)
        plain = self.truths.get(face, torch.zeros_like(kind))
        styled = self.truths.get(face, kind)
        blend_face = self._integers(faces, s.blends)
        a, b = self.truths.get(blend_face, self._kinds(s.blends)), self.truths.get(blend_face, self._kinds(s.blends))
        blends = torch.lerp(a, b, torch.rand(s.blends, 1, 1, 1, generator=self.rng))
        colours = torch.eye(3) + torch.randn(s.blends // 2, 3, 3, generator=self.rng) * 0.25
        shift = torch.randn(s.blends // 2, 3, 1, 1, generator=self.rng) * 0.2
        toned = torch.einsum("nij,njhw->nihw", colours, blends[: s.blends // 2]) + shift
        blends = torch.cat([toned.clamp(-1, 1), blends[s.blends // 2 :]])
        drawn_face, drawn = self._drawn(s.drawn)
        texts = self._texts()
        attack_face, attacked = self._attack(texts.detach())

        pictures = torch.cat([plain, styled, blends, drawn, attacked])
        owner = torch.cat([face, face, blend_face, drawn_face, attack_face])
        with torch.no_grad():
            away = self.truths.distances(pictures, owner)  # (N, kinds)
            labels = torch.softmax(-away / TAU, 1)
            closeness = torch.exp(-away / NEAR)
        pictures = self._soften(self._cut(pictures) if s.refine else pictures)
        images = self._embed(pictures)
        cosine = images @ texts.t()
        logits = cosine * self.model.model.logit_scale.exp().clamp(max=50)
        moves = images[s.pairs : 2 * s.pairs] - images[: s.pairs]
        told = texts[kind] - texts[:1]
        chosen = kind > 0
        losses = {
            "labels": -(labels * F.log_softmax(logits, 1)).sum(1).mean(),
            "closeness": (cosine - closeness).square().mean() * 20,
            "direction": (1 - F.cosine_similarity(moves, told, dim=1))[chosen].mean(),
        }
        self.opt.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.opt.step()
        self.step += 1
        top = logits.argmax(1)
        right = top == away.argmin(1)
        n = 2 * s.pairs
        return {name: value.item() for name, value in losses.items()} | {
            "top1 clean": right[s.pairs : n].float().mean().item(),
            "top1 drawn": right[n + s.blends : n + s.blends + s.drawn].float().mean().item(),
            "top1 attack": right[n + s.blends + s.drawn :].float().mean().item(),
        }

    def _cut(self, pictures: Tensor) -> Tensor:
        """Crops half of the pictures to a random part that contains most of the face, at the same size."""
        n = len(pictures)
        whole = torch.rand(n, generator=self.rng) < 0.5
        scale = torch.where(whole, 1.0, torch.rand(n, generator=self.rng) * 0.45 + 0.5)
        across, down = ((torch.rand(2, n, generator=self.rng) * 2 - 1) * (1 - scale)).unbind()
        zero = torch.zeros(n)
        place = torch.stack([scale, zero, across, zero, scale, down * 0.7 + (1 - scale) * 0.1], 1).view(n, 2, 3)
        grid = F.affine_grid(place, list(pictures.shape), align_corners=False)
        return F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)

    def _soften(self, pictures: Tensor) -> Tensor:
        """Blurs a third of the pictures, adds noise to some, mirrors some: generated faces are soft."""
        n = len(pictures)
        soft = F.interpolate(F.avg_pool2d(pictures, 2), scale_factor=2.0, mode="bilinear")
        amount = torch.rand(n, 1, 1, 1, generator=self.rng) * (torch.rand(n, 1, 1, 1, generator=self.rng) < 0.5)
        noise = torch.randn(pictures.shape, generator=self.rng) * 0.05 * torch.rand(n, 1, 1, 1, generator=self.rng)
        mirrored = torch.rand(n, 1, 1, 1, generator=self.rng) < 0.5
        pictures = torch.lerp(pictures, soft, amount) + noise
        return torch.where(mirrored, pictures.flip(3), pictures)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder with the face tars")
    parser.add_argument("--out", type=Path, help="folder for clip.safetensors (default: the model's)")
    parser.add_argument("--steps", type=int, default=TextImageSettings.steps)
    parser.add_argument("--faces", type=int, default=TextImageSettings.faces)
    parser.add_argument("--lr", type=float, default=TextImageSettings.lr)
    parser.add_argument(
        "--refine", action="store_true", help="start from the model's own text-image model and keep its text tower"
    )
    parser.add_argument("--warm", action="store_true", help="start from the model's own text-image model")
    parser.add_argument("--save-every", type=int, default=100, help="steps between checkpoints")
    add_dtype(parser)


def run(args: argparse.Namespace) -> None:
    """Trains, resuming from OUT/clip-run.pt if it exists; needs the generator and its ready domains."""
    if args.steps < 1 or args.faces < 8:
        raise StylizeError("Training needs at least 1 step and 8 faces.")
    stylizer = Stylizer.load(args.model, args.device)
    out = args.out or stylizer.folder
    names = ("steps", "faces", "lr", "refine", "warm")
    settings = TextImageSettings(**{name: getattr(args, name) for name in names}, seed=args.seed or 0)
    print(f"filtering {args.faces} faces in {len(COLOURED_STYLES)} ways", file=sys.stderr, flush=True)
    truths = Truths.make(stylizer, args.data, args.faces, settings.seed, settings.refine)
    trainer = TextImageTraining(stylizer, truths, settings, getattr(torch, args.dtype))
    checkpoint = out / "clip-run.pt"
    train(trainer, settings.steps, checkpoint, args.save_every)
    trainer.model.save(out / "clip.safetensors", {"training": vars(settings)}, [*KNOWN_WORDS, *string.punctuation])
    checkpoint.unlink(missing_ok=True)
