"""Trains the hypernetwork: one network that maps the embedding of a description or picture to a domain vector.

Alanov, Titov, Vetrov, "HyperDomainNet" (2022): directional and tt-directional loss, domain norm, domains mixed in their
convex hull and resampled. Where a domain's true picture is known (the styles of the mini model), pictures are also
compared with it, and vectors with those of the ready domains, which a small text-image model cannot teach on its own.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from stylize.adaptation.losses import (
    convex_hull,
    directional_loss,
    dirichlet,
    domain_norm,
    indomain_loss,
    pyramid_loss,
    resampled,
    tt_direction_loss,
)  # fmt: skip
from stylize.errors import DomainError, StylizeError
from stylize.images import read_photo, side_by_side, to_image, to_tensor
from stylize.models.domain import Domain
from stylize.models.hypernet import HyperNet, HyperNetConfig
from stylize.pipeline import Stylizer
from stylize.prompts.vocabulary import (
    NAMES,
    PHOTO,
)
from stylize.training.entries import PICTURE_ENDINGS, ColouredStyle, Entry, known_entries, read_entries, split
from stylize.training.filters import truth
from stylize.training.loop import add_dtype, train
from stylize.training.processes import Group
from stylize.training.ready_domains import training_codes

RECHECK = 200  # steps between validations
SHARES = 50.0  # weight of the few shares of tilings and screens, relative to the numbers that scale channels


@dataclass(frozen=True)
class HyperNetSettings:
    """``batch``: domains per step, of which the first ``drawn`` are drawn, in a share of ``drawing`` of the steps;
    ``hull``: share of steps that mix domains; ``bound``: least cosine of a resampled embedding; ``pictures_of``:
    picture embeddings per known domain, beside its phrasings; ``patience``: validations without improvement before
    stopping; ``width``, ``inner`` and ``depth``: of the network. The others are weights of losses; ``vectors`` and
    ``pictures`` apply where the truth is known."""

    steps: int = 10_000
    batch: int = 48
    drawn: int = 12
    drawing: float = 0.25
    lr: float = 1e-3
    width: int = 256
    inner: int = 192
    depth: int = 4
    hull: float = 0.3
    bound: float = 0.95
    pictures_of: int = 8
    patience: int = 20
    pool: int = 96
    direction: float = 0.0
    tt: float = 0.0
    in_domain: float = 0.0
    norm: float = 0.0
    vectors: float = 0.3
    pictures: float = 4.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not (1 <= self.steps <= 10**7 and self.batch >= 2 and 1 <= self.drawn <= self.batch and self.lr > 0):
            raise StylizeError("Training needs at least 1 step, 2 domains in a batch and a positive learning rate.")


OFFICIAL = {
    "steps": 10_000, "batch": 8, "drawn": 8, "drawing": 1.0, "lr": 5e-5, "width": 512, "inner": 512, "hull": 0.5,
    "pictures_of": 0, "direction": 1.0, "tt": 0.4, "vectors": 0.0, "pictures": 0.0,
}  # fmt: skip


class HyperNetTraining:
    def __init__(
        self,
        stylizer: Stylizer,
        entries: Sequence[Entry],
        held_out: Sequence[Entry],
        settings: HyperNetSettings,
        data: Path | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        s = self.settings = settings
        self.stylizer, self.config, self.dtype = stylizer, stylizer.generator.config, dtype
        self.entries, self.held_out = ([self._checked(entry) for entry in part] for part in (entries, held_out))
        if not (s.direction or s.tt or (any(entry.kind for entry in self.entries) and (s.vectors or s.pictures))):
            raise StylizeError("None of these domains has a known picture to learn from; use --official.")
        self.device, self.group = stylizer.device, Group(stylizer.device)
        self.rng = torch.Generator().manual_seed(s.seed)
        self.codes = training_codes(stylizer, data, s.pool, s.seed)
        self.source = torch.cat([stylizer.draw(part).cpu() for part in self.codes.split(16)])
        self.clips = stylizer.clips
        with torch.no_grad():
            self.before = [
                torch.cat([clip.encode_image(part.to(self.device)) for part in self.source.split(16)])
                for clip in self.clips
            ]
            self.banks = [self.embed(entry) for entry in self.entries]
            self.moves = [  # per text-image model: (entries, D), from each source to its target
                torch.stack([self._target(clip, e) - clip.describe(e.source) for e in self.entries])
                for clip in self.clips
            ]
            self.checks = torch.cat([self.embed(entry, pictures=0) for entry in self.held_out])
        self.vectors = torch.stack([self._vector(entry.kind) for entry in self.entries]).to(self.device)
        self.known = torch.tensor([entry.kind is not None for entry in self.entries], device=self.device)
        self.scale = self.vectors.square().mean().clamp(min=1e-6)
        torch.manual_seed(s.seed)  # the initial weights
        net = HyperNetConfig(
            tuple(self.config.domain_sizes),
            self.banks[0].shape[1],
            width=s.width,
            inner=s.inner,
            depth=s.depth,
            shares=self.config.share_count,
        )
        self.weights = torch.ones(self.config.domain_dim, device=self.device)
        self.weights[self.config.shares] = SHARES
        about = {"training": asdict(s), "domains": len(self.entries)}
        self.net = HyperNet(net, "pre_demod", stylizer.fingerprint, stylizer.name, about).to(self.device)
        self.parallel: torch.nn.Module = self.net
        if self.group.size > 1:
            self.parallel = DistributedDataParallel(self.net)
        self.opt = torch.optim.AdamW(self.net.parameters(), lr=s.lr, betas=(0.9, 0.99), weight_decay=0.01)
        self.step, self.best, self.waited = 0, math.inf, 0
        self.kept: dict[str, Tensor] = {}

    # What is known about a domain

    def _checked(self, entry: Entry) -> Entry:
        """The entry, without its kind if the model ships no domain of it."""
        try:
            self._vector(entry.kind)
        except DomainError:
            return replace(entry, kind=None)
        return entry

    def _target(self, clip: Any, entry: Entry) -> Tensor:
        if entry.texts[0].lower().endswith(PICTURE_ENDINGS):
            return clip.encode_image(to_tensor(read_photo(Path(entry.texts[0]))).to(self.device))[0]
        return clip.describe(entry.texts[0])

    def embed(self, entry: Entry, pictures: int | None = None) -> Tensor:
        """(phrasings and pictures, D): the possible inputs of the network for a domain."""
        clip = self.clips[0]
        if entry.texts[0].lower().endswith(PICTURE_ENDINGS):
            return self._target(clip, entry)[None]
        rows = [clip.describe(text) for text in entry.texts]
        count = self.settings.pictures_of if pictures is None else pictures
        if count and entry.kind is not None:
            faces = torch.randint(len(self.source), (count,), generator=self.rng)
            rows += clip.encode_image(self._truth(faces, [entry.kind] * count))
        return F.normalize(torch.stack(rows), dim=1)

    def _truth(self, faces: Tensor, kinds: Sequence[ColouredStyle | None]) -> Tensor:
        """The true pictures of faces of the pool, each in its kind; the face itself if unknown."""
        made = []
        for f, kind in zip(faces.tolist(), kinds, strict=True):
            colour, style = kind or (None, PHOTO)
            face = self.source[f : f + 1]
            made.append(face if (colour, style) == (None, PHOTO) else truth(face, style, colour))
        return torch.cat(made).to(self.device)

    def _vector(self, kind: ColouredStyle | None) -> Tensor:
        """The sum of the ready style and colour; zeros without either."""
        vector = torch.zeros(self.config.domain_dim)
        if kind is None:
            return vector
        colour, style = kind
        for name in ([] if style == PHOTO else [style]) + ([colour] if colour else []):
            vector = vector + self.stylizer.ready_domain(name).vector
        return vector

    # The loop

    def train_step(self) -> dict[str, float]:
        s, rng = self.settings, self.rng
        for group in self.opt.param_groups:
            warm, decay = min(1.0, (self.step + 1) / 50), 0.5 * (1 + math.cos(math.pi * self.step / s.steps))
            group["lr"] = s.lr * warm * (0.01 + 0.99 * decay)
        chosen = torch.randint(len(self.entries), (s.batch,), generator=rng)
        rows = [self.banks[i][int(torch.randint(len(self.banks[i]), (1,), generator=rng))] for i in chosen.tolist()]
        embeddings = resampled(torch.stack(rows), rng, s.bound)
        known, vectors, moves = self.known[chosen], self.vectors[chosen], [m[chosen] for m in self.moves]
        mixed = bool(torch.rand(1, generator=rng) < s.hull)
        if mixed:
            weights = dirichlet(s.batch, s.batch, rng).to(self.device)
            embeddings, vectors = convex_hull(embeddings, weights), weights @ vectors
            known, moves = (weights @ known.float()) > 0.999, [weights @ m for m in moves]
        faces = torch.randint(len(self.codes), (s.drawn,), generator=rng)
        mine = self.group.share(s.drawn)

        self.parallel.train()
        made = self.parallel(embeddings)
        losses: dict[str, Tensor] = {}
        if s.vectors and bool(known.any()):
            losses["vectors"] = s.vectors * ((made - vectors)[known].square() * self.weights).mean() / self.scale
        if s.norm:
            losses["norm"] = s.norm * domain_norm(made, self.config.domain_sizes)
        drawing = float(torch.rand(1, generator=rng)) < s.drawing
        guided = drawing and bool(s.direction or s.tt or s.in_domain)
        paired = drawing and s.pictures and not mixed and bool(known[: s.drawn].any())
        if guided or paired:
            drawn = self.stylizer.generator.synthesis(
                self.codes[faces[mine]], made[: s.drawn][mine], self.net.order, dtype=self.dtype
            )
            if paired:
                true = self._truth(faces[mine], [self.entries[i].kind for i in chosen[: s.drawn][mine].tolist()])
                told = known[: s.drawn][mine].view(-1, 1, 1, 1)
                losses["pictures"] = s.pictures * pyramid_loss(drawn * told, true * told)
            for clip, before, move in zip(self.clips, self.before, moves, strict=True) if guided else ():
                moved, was = clip.encode_image(drawn), before[faces]
                terms = {"direction": s.direction * directional_loss(moved, was[mine], move[: s.drawn][mine])}
                if s.tt or s.in_domain:
                    everyone = self.group.gather(moved)
                    terms["tt"] = s.tt * tt_direction_loss(everyone, move[: s.drawn])
                    terms["in_domain"] = s.in_domain * indomain_loss(everyone, was)
                for name, term in terms.items():
                    losses[name] = losses.get(name, 0) + term
        if not losses:  # a mixture without known truth, in a step that does not draw
            losses["norm"] = 0 * made.sum()
        self.opt.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        if not bool(norm.isfinite()):
            raise StylizeError("The training diverged at step {}; use a lower rate than {:g}.", self.step + 1, s.lr)
        self.opt.step()
        self.step += 1
        return {name: value.item() for name, value in losses.items()}

    @torch.no_grad()
    def validate(self) -> float:
        """Validates on the held-out domains: distance to the true pictures if known, else the directional loss."""
        self.net.eval()
        vectors, clip = self.net(self.checks), self.clips[0]
        total = []
        for number, (vector, entry) in enumerate(zip(vectors, self.held_out, strict=True)):
            face = torch.arange(number, number + 2) % len(self.codes)
            drawn = self.stylizer.generator.synthesis(self.codes[face], vector, self.net.order, dtype=self.dtype)
            if entry.kind is not None:
                total.append(float((drawn.clamp(-1, 1) - self._truth(face, [entry.kind] * 2)).abs().mean()))
            else:
                move = self._target(clip, entry) - clip.describe(entry.source)
                total.append(float(directional_loss(clip.encode_image(drawn), self.before[0][face], move)))
        return float(np.mean(total))

    def check(self) -> bool:
        """Validates and keeps the best weights; True when it is time to stop."""
        value = self.validate()
        if value < self.best:
            self.best, self.waited = value, 0
            self.kept = {name: tensor.detach().clone() for name, tensor in self.net.state_dict().items()}
        else:
            self.waited += 1
        return self.waited >= self.settings.patience

    def state(self) -> dict[str, Any]:
        return {
            "net": self.net.state_dict(),
            "opt": self.opt.state_dict(),
            "rng": self.rng.get_state(),
            "kept": self.kept,
            "numbers": [self.step, self.best, self.waited],
        }

    def load(self, state: dict[str, Any]) -> None:
        self.net.load_state_dict(state["net"])
        self.opt.load_state_dict(state["opt"])
        self.rng.set_state(state["rng"])
        self.kept = state["kept"]
        self.step, self.best, self.waited = state["numbers"]

    def domain(self, number: int) -> Domain:
        """The network's current answer for a held-out domain."""
        self.net.eval()
        return self.net.domain(self.checks[number], self.held_out[number].texts[0])

    @torch.no_grad()
    def preview(self) -> Image.Image:
        """The network's current answers for some held-out domains, on faces of the pool; the faces themselves first."""
        faces = [0, len(self.codes) // 2]
        pictures = [to_image(self.source[f]) for f in faces]
        for number in range(0, len(self.held_out), max(1, len(self.held_out) // 11)):
            pictures += [to_image(p) for p in self.stylizer.draw(self.codes[faces], self.domain(number))]
        return side_by_side(pictures)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--domains",
        type=Path,
        metavar="FILE",
        help='text file of "target - source" lines (default: the styles and colours that the mini model knows)',
    )
    parser.add_argument("--data", type=Path, help="folder with the face tars (default: random faces of the generator)")
    parser.add_argument("--out", type=Path, help="folder for hypernet.safetensors (default: the model's)")
    parser.add_argument("--official", action="store_true", help="the published settings, without true pictures")
    for name, value in asdict(HyperNetSettings()).items():
        if name != "seed":
            shown = name.replace("_", "-")
            parser.add_argument(f"--{shown}", type=type(value), help=f"default: {value:g}")
    parser.add_argument("--only", type=int, metavar="N", help="learn N random ones of these domains")
    parser.add_argument("--save-every", type=int, default=100, help="steps between checkpoints")
    add_dtype(parser)


def settings_of(args: argparse.Namespace) -> HyperNetSettings:
    base = OFFICIAL if args.official else {}
    given = {name: getattr(args, name) for name in asdict(HyperNetSettings()) if getattr(args, name) is not None}
    return HyperNetSettings(**base | given)


def run(args: argparse.Namespace) -> None:
    """Trains, resuming from OUT/hypernet-run.pt if it exists. Start it with torchrun for several processes."""
    device = args.device or (f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if torch.cuda.is_available() else "cpu")
    stylizer = Stylizer.load(args.model, device)
    settings = settings_of(args)
    if args.domains is None:
        learn, held_out = known_entries([name for name in NAMES if name in stylizer.ready()], settings.seed)
    else:
        learn, held_out = split(read_entries(args.domains))
    if args.only is not None:
        chosen = np.random.default_rng(settings.seed).permutation(len(learn))[: max(2, args.only)]
        learn = [learn[i] for i in chosen]
    trainer = HyperNetTraining(stylizer, learn, held_out, settings, args.data, getattr(torch, args.dtype))
    out = args.out or stylizer.folder
    out.mkdir(parents=True, exist_ok=True)
    checkpoint, first_process = out / "hypernet-run.pt", trainer.group.rank == 0
    if first_process:
        print(f"{len(learn)} domains to learn, {len(held_out)} held out", file=sys.stderr, flush=True)

    def check() -> bool:
        """Whether it is time to stop."""
        if trainer.step % RECHECK and trainer.step < settings.steps:
            return False
        stop = trainer.check()
        if first_process:
            print(f"held out: {trainer.validate():.4f}, best {trainer.best:.4f}", flush=True)
            trainer.preview().save(out / "preview.png")
        return stop

    train(trainer, settings.steps, checkpoint, args.save_every, after=check, leads=first_process, report_every=50)
    if first_process:
        trainer.net.load_state_dict(trainer.kept)
        trainer.net.settings["held_out"] = trainer.best
        trainer.net.save(out / "hypernet.safetensors", torch.float16)
        checkpoint.unlink(missing_ok=True)
    if trainer.group.size > 1:
        dist.destroy_process_group()
