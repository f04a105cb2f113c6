"""Trains the mini generator, its encoder and its first domain vectors together, from scratch.

Generator and encoder form an auto-encoder of aligned faces (pixels, features and descriptor of a face recognition
network), sharpened by a patch discriminator that also judges random samples. The mapping network learns the
distribution of the encoder's codes (energy distance, Szekely and Rizzo 2013) and is refined by the same
discriminator. Pictures grow from half to full resolution (Karras et al. 2018).

Part of every batch is drawn under the domain vector of a style, for the truly filtered picture. A generator of this
size that never met another domain keeps the colours of a face where channel scaling does not reach them; one that
did leaves them within reach. A zero vector is the source, which stays a generator of photographs.

A run that is stopped continues from its last checkpoint.
"""

from __future__ import annotations

import argparse
import copy
import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylize.checkpoints import save_checkpoint
from stylize.domain import Domain
from stylize.encoder import Conv, Encoder, EncoderConfig
from stylize.errors import StylizeError
from stylize.generator import Generator, GeneratorConfig, Linear, ModulatedConv, ToRGB
from stylize.images import to_image
from stylize.training.data import Faces, augment, degrade, load_faces
from stylize.training.filters import truth
from stylize.training.identity import FaceIdentity, perceptual_distance
from stylize.vocabulary import COLOUR_WORDS, NAMES, PHOTO, SOURCE, combinations

MINI = GeneratorConfig(128, (256, 256, 192, 128, 64, 32), z_dim=256, w_dim=256, mapping_layers=6)

COLOURS = tuple(COLOUR_WORDS)


@dataclass(frozen=True)
class Settings:
    pictures: int = 120_000
    batch: int = 16
    lr: float = 1e-3
    grow_at: float = 0.4  # share of the pictures seen at half resolution
    adversarial_from: float = 0.65
    samples: int = 8  # random samples a step once adversarial
    styled: int = 5  # pictures of a batch that are drawn in a style
    vectors: float = 1e-3  # weight of the mean square of the domain vectors
    perceptual: float = 1.0
    identity: float = 0.5
    adversarial: float = 0.15
    r1: float = 0.05
    r1_every: int = 8
    offsets: float = 1e-3
    base_only: float = 0.1  # share of codes decoded without their per-row offsets
    energy: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.styled < self.batch:
            raise StylizeError(f"A batch of {self.batch} is too small; at least 3 pictures are needed.")


class Discriminator(nn.Module):
    """Patch discriminator: (N, 3, R, R) -> logits (N, 1, R/32, R/32)."""

    def __init__(self, widths: tuple[int, ...] = (48, 96, 192, 256, 256)) -> None:
        super().__init__()
        layers: list[nn.Module] = [Conv(12, widths[0])]
        layers += [Conv(a, b, stride=2) for a, b in pairwise(widths)]
        self.body = nn.Sequential(*layers)
        self.head = nn.Conv2d(widths[-1], 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pixel_unshuffle(x, 2).contiguous(memory_format=torch.channels_last)
        return self.head(self.body(x).float())


def pyramid_loss(a: Tensor, b: Tensor, levels: int = 4) -> Tensor:
    """L1 of pictures and of their gradients, summed over a pyramid of halved sizes."""
    loss = a.new_zeros(())
    for level in range(levels):
        if level:
            a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
        d = a - b
        loss = loss + d.abs().mean() + d.diff(dim=2).abs().mean() + d.diff(dim=3).abs().mean()
    return loss / levels


def energy_distance(x: Tensor, y: Tensor) -> Tensor:
    """Energy distance of two samples (N, D) and (M, D): zero only where their distributions agree."""
    return 2 * torch.cdist(x, y).mean() - torch.cdist(x, x).mean() - torch.cdist(y, y).mean()


def parameter_groups(module: nn.Module) -> list[dict[str, Any]]:
    """Parameters with the factor that turns one learning rate into that of weights stored at their true scale.

    Equalised weights are stored at unit variance and multiplied by a gain at run time; under Adam that slows them
    down by the gain (a fiftieth in a 3x3 convolution of 256 channels), too much for a short run.
    """
    factors: dict[int, float] = {}
    for part in module.modules():
        if isinstance(part, Linear):
            factors |= {id(part.weight): 1 / part.weight_gain, id(part.bias): 1 / part.bias_gain}
        elif isinstance(part, Conv | ModulatedConv | ToRGB):
            factors[id(part.weight)] = 1 / part.gain
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in module.named_parameters():
        factor = 10.0 if name.endswith("const") else factors.get(id(parameter), 1.0)
        groups.setdefault(factor, []).append(parameter)
    return [{"params": parameters, "factor": factor} for factor, parameters in groups.items()]


class Networks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.generator = Generator(MINI)
        self.encoder = Encoder(EncoderConfig(MINI.resolution, num_ws=MINI.num_ws, w_dim=MINI.w_dim))
        self.discriminator = Discriminator()
        self.styles = nn.Parameter(torch.zeros(len(NAMES), MINI.domain_dim))
        self.colours = nn.Parameter(torch.zeros(len(COLOUR_WORDS), MINI.domain_dim))


class Trainer:
    """Everything a run needs to go on: networks, averages, optimisers and the number of steps done."""

    def __init__(
        self,
        settings: Settings,
        faces: Faces,
        device: torch.device,
        compiled: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        torch.manual_seed(settings.seed)  # the initial weights; all later draws come from generators
        self.settings, self.faces, self.device, self.dtype = settings, faces, device, dtype
        self.nets = Networks().to(device).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.nets).requires_grad_(False)
        self.identity = FaceIdentity().to(device)
        self.identity.blocks.to(dtype)
        self.identity.stem.to(dtype)
        g, e = self.nets.generator, self.nets.encoder
        vectors = {"params": [self.nets.styles, self.nets.colours], "factor": 30.0}
        groups = [*parameter_groups(g), *parameter_groups(e), vectors]
        self.opt = torch.optim.Adam(groups, lr=settings.lr, betas=(0.9, 0.99), fused=True)
        faster = [{**group, "factor": group["factor"] * 2.0} for group in parameter_groups(self.nets.discriminator)]
        self.opt_d = torch.optim.Adam(faster, lr=settings.lr, betas=(0.0, 0.99), fused=True)
        self.queue = torch.zeros(0, MINI.w_dim, device=device)
        self.step = 0
        wrap: Callable[[Any], Any] = torch.compile if compiled else lambda f: f
        self.synthesise, self.encode = wrap(g.synthesis), wrap(e.codes)

    @property
    def steps(self) -> int:
        return self.settings.pictures // self.settings.batch

    @property
    def progress(self) -> float:
        return self.step / self.steps

    def state(self) -> dict[str, Any]:
        parts = {name: getattr(self, name).state_dict() for name in ("nets", "average", "opt", "opt_d")}
        return {**parts, "queue": self.queue, "step": self.step, "settings": asdict(self.settings)}

    def load(self, state: dict[str, Any]) -> None:
        for name in ("nets", "average", "opt", "opt_d"):
            getattr(self, name).load_state_dict(state[name])
        self.queue, self.step = state["queue"].to(self.device), state["step"]

    def train_step(self) -> dict[str, float]:
        """One step of generator and encoder, and one of the discriminator where it takes part."""
        s = self.settings
        rng = torch.Generator().manual_seed(s.seed * 1_000_003 + self.step)  # a resumed run draws the same
        warm = min(1.0, (self.step + 1) / 100)
        rate = s.lr * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, self.progress))))
        for group in [*self.opt.param_groups, *self.opt_d.param_groups]:
            group["lr"] = rate * group.get("factor", 1.0)
        resolution = MINI.resolution // 2 if self.progress < s.grow_at else MINI.resolution
        adversarial = self.progress >= s.adversarial_from

        # A third of every batch are real photographs, which are the minority in the data.
        real_ids, made_ids = np.flatnonzero(self.faces.real), np.flatnonzero(~self.faces.real)
        third = s.batch // 3 if len(real_ids) else 0
        seed = int(torch.randint(2**31, (1,), generator=rng))
        draw = np.random.default_rng(seed)
        index = np.concatenate([draw.choice(real_ids, third), draw.choice(made_ids, s.batch - third)])
        full = augment(self.faces.tensor(index), torch.from_numpy(self.faces.real[index]), MINI.resolution, rng)
        inputs = degrade(full, rng).to(self.device)
        vectors, full = self._style(full, draw)
        target = full.to(self.device)
        if resolution < MINI.resolution:
            target = F.interpolate(target, size=resolution, mode="bilinear", antialias=True)

        w, offsets = self.encode(inputs.to(self.dtype))
        keep = (torch.rand(s.batch, 1, 1, generator=rng) >= s.base_only).to(self.device)
        made = self.synthesise(
            w[:, None] + offsets * keep, vectors, noise="none", dtype=self.dtype, resolution=resolution
        )
        with torch.no_grad():
            wanted = self.identity.features(self.identity.chip(target))
        got = self.identity.features(self.identity.chip(made))
        losses = {
            "pixels": pyramid_loss(made, target),
            "perceptual": perceptual_distance(got, wanted).mean() * s.perceptual,
            "identity": (self.identity.descriptor(got) - self.identity.descriptor(wanted)).square().sum(1).mean()
            * s.identity,
            "offsets": offsets.square().mean() * s.offsets,
            "vectors": (self.nets.styles.square().mean() + self.nets.colours.square().mean()) * s.vectors,
        }
        z = torch.randn(256, MINI.z_dim, generator=rng).to(self.device)
        random_w = self.nets.generator.mapping(z)
        self.queue = torch.cat([w.detach(), self.queue])[:1024]
        losses["energy"] = energy_distance(random_w, self.queue) * s.energy
        if adversarial:
            ws = random_w[: s.samples, None].expand(-1, MINI.num_ws, -1)
            samples = self.synthesise(ws, noise="none", dtype=self.dtype, resolution=resolution)
            fakes = torch.cat([made[s.styled :], samples])
            losses["adversarial"] = F.softplus(-self.nets.discriminator(fakes.to(self.dtype))).mean() * s.adversarial
        total = torch.stack(list(losses.values())).sum()
        self.opt.zero_grad(set_to_none=True)
        total.backward()
        self.opt.step()
        if adversarial:
            losses["discriminator"] = self._discriminator_step(target[s.styled :], fakes.detach())
        self.step += 1
        with torch.no_grad():
            decay = min(0.998, self.step / (self.step + 10))
            torch._foreach_lerp_(list(self.average.parameters()), list(self.nets.parameters()), 1 - decay)
        return {name: value.item() for name, value in losses.items()}

    def _style(self, pictures: Tensor, draw: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Domain vectors (N, domain_dim) and the targets they belong to: the first few pictures get a style, a third
        of those a colour as well, and some a strength below one."""
        pairs = combinations()
        vectors, targets = [], []
        for picture in pictures[: self.settings.styled]:
            colour, style = None, NAMES[draw.integers(len(NAMES))]
            if draw.random() < 0.3:
                colour, style = pairs[draw.integers(len(pairs))]
            strength = 1.0 if draw.random() < 0.7 else float(draw.random())
            vector = self.nets.styles.new_zeros(MINI.domain_dim)
            if style != PHOTO:
                vector = vector + self.nets.styles[NAMES.index(style)]
            if colour is not None:
                vector = vector + self.nets.colours[COLOURS.index(colour)]
            vectors.append(vector * strength)
            targets.append(truth(picture[None], style, colour, strength, seed=int(draw.integers(1000))))
        plain = pictures[self.settings.styled :]
        zeros = self.nets.styles.new_zeros(len(plain), MINI.domain_dim)
        return torch.cat([torch.stack(vectors), zeros]), torch.cat([*targets, plain])

    def _discriminator_step(self, real: Tensor, fakes: Tensor) -> Tensor:
        """Non-saturating logistic loss with lazy R1 (Mescheder et al. 2018)."""
        s = self.settings
        penalise = self.step % s.r1_every == 0
        real = real.detach().requires_grad_(penalise)
        logits = self.nets.discriminator(real.to(self.dtype))
        loss = F.softplus(-logits).mean() + F.softplus(self.nets.discriminator(fakes.to(self.dtype))).mean()
        result = loss.detach()
        if penalise:
            (gradient,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
            loss = loss + gradient.square().sum((1, 2, 3)).mean() * (s.r1 / 2 * s.r1_every)
        self.opt_d.zero_grad(set_to_none=True)
        loss.backward()
        self.opt_d.step()
        return result

    @torch.no_grad()
    def preview(self, held_out: Tensor) -> Tensor:
        """(1, 3, H, W): pictures never trained on, their reconstructions, these in styles, and random samples."""
        count, g = len(held_out), self.average.generator
        z = torch.randn(count, MINI.z_dim, generator=torch.Generator().manual_seed(1)).to(self.device)
        size = MINI.resolution // 2 if self.progress < self.settings.grow_at else MINI.resolution

        def draw(ws: Tensor, vectors: Tensor | None = None) -> Tensor:
            picture = g.synthesis(ws, vectors, noise="none", resolution=size)
            return F.interpolate(picture, size=MINI.resolution)

        codes = self.average.encoder(held_out)
        styled = self.average.styles[torch.linspace(0, len(NAMES) - 1, count).long()]
        rows = [held_out, draw(codes), draw(codes, styled), draw(g.map(z))]
        return torch.cat([torch.cat(list(row), 2) for row in rows], 1)[None].clamp(-1, 1)

    def export(self, folder: Path) -> None:
        """Writes generator.safetensors and encoder.safetensors (averaged weights, half precision), and the styles."""
        g, e = self.average.generator, self.average.encoder
        g.update_w_avg(torch.Generator().manual_seed(0))
        trained = {"pictures": self.step * self.settings.batch, "training": asdict(self.settings)}
        save_checkpoint(
            folder / "generator.safetensors", g.state_dict(), {"config": g.config.to_dict(), **trained}, torch.float16
        )
        save_checkpoint(
            folder / "encoder.safetensors", e.state_dict(), {"config": e.config.to_dict(), **trained}, torch.float16
        )
        fingerprint = copy.deepcopy(g).half().float().fingerprint()
        for place, names, vectors in (("", NAMES, self.average.styles), ("colours/", COLOURS, self.average.colours)):
            for name, vector in zip(names, vectors, strict=True):
                domain = Domain(
                    vector=vector,
                    sizes=tuple(MINI.domain_sizes),
                    order="pre_demod",
                    generator=fingerprint,
                    name=name,
                    target=name,
                    source=SOURCE,
                    method="trained with the generator",
                    seed=self.settings.seed,
                )
                domain.save(folder / "domains" / f"{place}{name}.safetensors")


def add_dtype(parser: argparse.ArgumentParser) -> None:
    """The option that every training command has; the value is the name of a torch type."""
    parser.add_argument(
        "--dtype", choices=("float32", "bfloat16"), default="float32", help="of convolutions; bfloat16 where it is fast"
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder with the face tars")
    parser.add_argument("--out", type=Path, required=True, help="folder for the weights and the run's checkpoint")
    parser.add_argument("--pictures", type=int, default=Settings.pictures, help="pictures to see in all")
    parser.add_argument("--batch", type=int, default=Settings.batch)
    parser.add_argument("--samples", type=int, default=Settings.samples)
    parser.add_argument("--grow-at", type=float, default=Settings.grow_at)
    parser.add_argument("--adversarial-from", type=float, default=Settings.adversarial_from)
    parser.add_argument("--save-every", type=int, default=200, help="steps between checkpoints")
    parser.add_argument("--lr", type=float, default=Settings.lr)
    add_dtype(parser)
    parser.add_argument("--compile", action="store_true", help="torch.compile the generator and the encoder")


def run(args: argparse.Namespace) -> None:
    """Trains, resuming from OUT/run.pt where it exists; writes previews and the weights into OUT."""
    device = torch.device(args.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    settings = Settings(
        seed=args.seed or 0,
        pictures=args.pictures,
        batch=args.batch,
        styled=args.batch // 3,
        samples=args.samples,
        lr=args.lr,
        grow_at=args.grow_at,
        adversarial_from=args.adversarial_from,
    )
    args.out.mkdir(parents=True, exist_ok=True)
    faces = load_faces(args.data, "train", MINI.resolution)
    trainer = Trainer(settings, faces, device, args.compile, getattr(torch, args.dtype))
    held_out = load_faces(args.data, "test", MINI.resolution)
    shown = held_out.tensor(np.linspace(0, len(held_out) - 1, 12).astype(int)).to(device)
    checkpoint = args.out / "run.pt"
    if checkpoint.exists():
        trainer.load(torch.load(checkpoint, map_location=device, weights_only=True))
        print(f"continuing at step {trainer.step}", file=sys.stderr)
    started, first = time.monotonic(), trainer.step
    while trainer.step < trainer.steps:
        losses = trainer.train_step()
        if trainer.step % 20 == 0:
            speed = (trainer.step - first) * settings.batch / (time.monotonic() - started)
            minutes = (trainer.steps - trainer.step) * settings.batch / speed / 60
            values = " ".join(f"{name} {value:.3f}" for name, value in losses.items())
            rate = f"{speed:.1f} pictures/s, {minutes:.0f} min left"
            print(f"{trainer.step}/{trainer.steps} {rate}: {values}", flush=True)
        if trainer.step % args.save_every == 0 or trainer.step == trainer.steps:
            part = checkpoint.with_suffix(".part")
            torch.save(trainer.state(), part)
            part.replace(checkpoint)
            to_image(trainer.preview(shown)).save(args.out / "preview.png")
    trainer.export(args.out)
