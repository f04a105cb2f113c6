"""Trains the mini generator, its encoder and its first domain vectors together, from scratch.

First at the resolution where a photo's features enter: generator and encoder form an auto-encoder of aligned faces
through W+ alone (pixels, features and descriptor of a face recognition network), sharpened by a patch discriminator
that also judges random samples. The mapping network learns the distribution of the encoder's codes (energy distance,
Szekely and Rizzo 2013). Then at full resolution, on parts of pictures, with the map of features beside W+ (Bobkov et
al. 2024); some faces are still drawn through W+ alone, as random ones are.

Much of every batch is drawn under the domain vector of a style, for the truly filtered picture. A generator of this
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
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylize.adaptation.losses import pyramid_loss, stroke_loss
from stylize.errors import StylizeError
from stylize.faces.identity import FaceIdentity, perceptual_distance
from stylize.images import to_image
from stylize.models.checkpoints import load_checkpoint, save_checkpoint
from stylize.models.code import Code
from stylize.models.domain import Domain
from stylize.models.generator import Generator, GeneratorConfig
from stylize.models.layers import Linear, ModulatedConv, ToRGB, Window, cut
from stylize.models.mini_encoder import Conv, Encoder, EncoderConfig
from stylize.prompts.vocabulary import COLOUR_WORDS, NAMES, PHOTO, SOURCE, combinations
from stylize.training.data import Faces, augment, degrade, load_faces
from stylize.training.filters import tint
from stylize.training.filters.tools import COLOURS as TINTS
from stylize.training.pairs import Pairs, make_pairs

MINI = GeneratorConfig(
    256,
    (256, 256, 192, 128, 128, 64, 32),
    z_dim=256,
    w_dim=256,
    mapping_layers=6,
    inject=8,
    patterns=(0, 0, 0, 0, 16, 12, 8),
    rgb_from=64,
)
MINI_ENCODER = EncoderConfig(
    MINI.resolution,
    small=128,
    num_ws=MINI.num_ws,
    w_dim=MINI.w_dim,
    map_widths=(96, 128, 160, 160),
    features=MINI.features_shape[0],
)
COARSE = MINI.features_shape[1]  # px: where the photo's features enter
KNOWN = 0.25  # of the rate, in the fine half, for what the coarse half has taught
CALM = 3.0  # times the usual length of a gradient
PART = 32  # of COARSE: the side of the parts that are drawn at full resolution

COLOURS = tuple(COLOUR_WORDS)


@dataclass(frozen=True)
class Settings:
    """Of ``steps``, a share of ``coarse`` is drawn whole and small, in batches of ``batch_coarse``. Of a fine batch,
    ``plain`` pictures have no style, ``styled`` ones have, ``bare`` ones have none and go through W+ alone. ``faces``:
    how many are filtered beforehand. The others are shares, rates and weights of losses."""

    steps: int = 7_000
    coarse: float = 0.3
    batch_coarse: int = 32
    plain: int = 3
    styled: int = 11
    bare: int = 2
    faces: int = 560
    lr: float = 1e-3
    lr_fine: float = 7e-4
    coloured: float = 0.25  # share of styled pictures with a colour laid over
    weaker: float = 0.2  # share of styled pictures at less than full strength
    adversarial_from: float = 0.5  # of the coarse half; on parts of pictures it would only add grain to random faces
    vectors: float = 1e-3  # weight of the mean square of the domain vectors
    strokes: float = 2.0
    perceptual: float = 1.0
    identity: float = 0.5
    adversarial: float = 0.1
    r1: float = 0.05
    r1_every: int = 8
    offsets: float = 1e-3
    base_only: float = 0.1  # share of codes decoded without their per-row offsets
    energy: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch_coarse < 4 or min(self.plain, self.styled, self.bare) < 1:
            raise StylizeError("Training needs at least 1 step, 4 pictures in a batch and 1 of every kind.")


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


def energy_distance(x: Tensor, y: Tensor) -> Tensor:
    """Energy distance of two samples (N, D) and (M, D): zero only where their distributions agree."""
    return 2 * torch.cdist(x, y).mean() - torch.cdist(x, x).mean() - torch.cdist(y, y).mean()


def tinted_tensor(picture: Tensor, colour: str) -> Tensor:
    """A picture (3, H, W) in [-1, 1] in shades of a colour, see ``tint``."""
    rgb = ((picture + 1) / 2).permute(1, 2, 0).contiguous().numpy()
    return torch.from_numpy(tint(rgb, TINTS[colour]).astype(np.float32)).permute(2, 0, 1).clamp(0, 1) * 2 - 1


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
        factor = 10.0 if name.endswith(("const", "patterns", "place")) else factors.get(id(parameter), 1.0)
        groups.setdefault(factor, []).append(parameter)
    return [{"params": parameters, "factor": factor} for factor, parameters in groups.items()]


class Networks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.generator = Generator(MINI)
        self.encoder = Encoder(MINI_ENCODER)
        self.discriminator = Discriminator()
        self.styles = nn.Parameter(torch.zeros(len(NAMES), MINI.domain_dim))
        self.colours = nn.Parameter(torch.zeros(len(COLOURS), MINI.domain_dim))


class Batch(NamedTuple):
    """inputs: what the encoder reads, (N, 3, R, R), the plain ones first; targets: (N, 3, r, r), what it should become;
    vectors: (N, domain_dim); window: which part of the pictures the targets are; bare: (N,), through W+ alone; styles:
    the numbers in ``Pairs.names`` of the styled ones, -1 for none."""

    inputs: Tensor
    targets: Tensor
    vectors: Tensor
    window: Window | None
    bare: Tensor
    styles: list[int]


class Trainer:
    """Everything a run needs to go on: networks, averages, optimisers and the number of steps done."""

    def __init__(
        self,
        settings: Settings,
        faces: Faces,
        pairs: Pairs,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        torch.manual_seed(settings.seed)  # the initial weights; all later draws come from generators
        self.settings, self.faces, self.pairs, self.device, self.dtype = settings, faces, pairs, device, dtype
        self.nets = Networks().to(device).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.nets).requires_grad_(False)
        self.identity = FaceIdentity().to(device)
        self.identity.blocks.to(dtype)
        self.identity.stem.to(dtype)
        g, e = self.nets.generator, self.nets.encoder
        assert e.map is not None
        fine = [e.map, *g.convs[MINI.inject :], g.to_rgbs]  # what the fine half begins with
        theirs = {id(parameter) for part in fine for parameter in part.parameters()}
        groups = []
        for group in (*parameter_groups(g), *parameter_groups(e)):
            for new in (False, True):
                chosen = [p for p in group["params"] if (id(p) in theirs) == new]
                groups.append({**group, "params": chosen, "fine": 1.0 if new else KNOWN})
        groups.append({"params": [self.nets.styles, self.nets.colours], "factor": 30.0, "fine": 1.0})
        self.opt = torch.optim.Adam(groups, lr=settings.lr, betas=(0.9, 0.99), fused=True)
        faster = [{**group, "factor": group["factor"] * 2.0} for group in parameter_groups(self.nets.discriminator)]
        self.opt_d = torch.optim.Adam(faster, lr=settings.lr, betas=(0.0, 0.99), fused=True)
        self.queue = torch.zeros(0, MINI.w_dim, device=device)
        self.step, self.usual = 0, 0.0  # usual: length of the gradient
        self.far = torch.ones(len(pairs.names))  # of every style, how far it still is from its filter

    @property
    def coarse_steps(self) -> int:
        return round(self.settings.coarse * self.settings.steps)

    @property
    def coarse(self) -> bool:
        """Whether pictures are still drawn whole and small."""
        return self.step < self.coarse_steps

    @property
    def progress(self) -> float:
        """Through the present half, coarse or fine."""
        done, of = (self.step, self.coarse_steps) if self.coarse else (self.step - self.coarse_steps, self.fine_steps)
        return min(1.0, done / max(1, of))

    @property
    def fine_steps(self) -> int:
        return self.settings.steps - self.coarse_steps

    def take_over(self, folder: Path) -> None:
        """Begins with an earlier model's weights where they fit by name and size; of longer rows, their beginning."""
        for module, name in ((self.nets.generator, "generator"), (self.nets.encoder, "encoder")):
            own, old = module.state_dict(), load_checkpoint(folder / f"{name}.safetensors")[0]
            for key, tensor in own.items():
                if key in old and tensor.shape[1:] == old[key].shape[1:] and "rgb" not in key:
                    tensor[: len(old[key])] = old[key][: len(tensor)]
        self.average.load_state_dict(self.nets.state_dict())

    def state(self) -> dict[str, Any]:
        parts = {name: getattr(self, name).state_dict() for name in ("nets", "average", "opt", "opt_d")}
        counts = {"queue": self.queue, "step": self.step, "usual": self.usual, "far": self.far}
        return {**parts, **counts, "settings": asdict(self.settings)}

    def load(self, state: dict[str, Any]) -> None:
        for name in ("nets", "average", "opt", "opt_d"):
            getattr(self, name).load_state_dict(state[name])
        self.queue, self.step, self.usual = state["queue"].to(self.device), state["step"], state["usual"]
        self.far = state["far"]

    def rate(self) -> float:
        """Each half warms up and cools down; the fine one to nearly nothing."""
        warm = min(1.0, ((self.step if self.coarse else self.step - self.coarse_steps) + 1) / 100)
        least = 0.3 if self.coarse else 0.01
        lr = self.settings.lr if self.coarse else self.settings.lr_fine
        return lr * warm * (least + (1 - least) * 0.5 * (1 + math.cos(math.pi * self.progress)))

    def batch(self, rng: torch.Generator) -> Batch:
        """Plain faces, varied, and filtered pairs, more of the styles that are still far from their filters."""
        s, size = self.settings, MINI.resolution
        draw = np.random.default_rng(int(torch.randint(2**31, (1,), generator=rng)))
        styled = s.batch_coarse // 3 if self.coarse else s.styled
        plain = s.batch_coarse - styled if self.coarse else s.plain + s.bare
        # A third of the plain ones are real photographs, which are the minority in the data.
        real_ids, made_ids = np.flatnonzero(self.faces.real), np.flatnonzero(~self.faces.real)
        third = plain // 3 if len(real_ids) else 0
        index = np.concatenate([draw.choice(real_ids, third), draw.choice(made_ids, plain - third)])
        index = draw.permutation(index)
        pictures = self.faces.tensor(index)
        if self.coarse:
            pictures = F.avg_pool2d(pictures, size // MINI_ENCODER.small)
        pictures = augment(pictures, torch.from_numpy(self.faces.real[index]), pictures.shape[-1], rng)

        vectors, faces, kinds, colours, strengths = [], [], [], [], []
        tinted = [pair for pair in combinations() if pair[1] in (PHOTO, *self.pairs.names)]
        chances = self.far.double().numpy()
        for _ in range(styled):
            colour, style = None, self.pairs.names[draw.choice(len(chances), p=chances / chances.sum())]
            if draw.random() < s.coloured:
                colour, style = tinted[draw.integers(len(tinted))]
            strength = 1.0 if draw.random() >= s.weaker else float(draw.random())
            vector = self.nets.styles.new_zeros(MINI.domain_dim)
            if style != PHOTO:
                vector = vector + self.nets.styles[NAMES.index(style)]
            if colour is not None:
                vector = vector + self.nets.colours[COLOURS.index(colour)]
            vectors.append(vector * strength)
            faces.append(int(draw.integers(len(self.pairs))))
            kinds.append(0 if style == PHOTO else 1 + self.pairs.names.index(style))
            colours.append(colour)
            strengths.append(strength)
        photos, targets = self.pairs.tensor(faces, [0] * styled), self.pairs.tensor(faces, kinds)
        window = None
        if self.coarse:
            photos = F.avg_pool2d(photos, size // MINI_ENCODER.small)
        else:
            top, left = (int(place) for place in draw.integers(0, COARSE - PART + 1, 2))
            window = Window(top, left, PART)
            targets = cut(targets, window.times(size // COARSE))
        for number, (colour, strength) in enumerate(zip(colours, strengths, strict=True)):
            if colour is not None:
                targets[number] = tinted_tensor(targets[number], colour)
            if strength < 1:
                own = cut(photos[number : number + 1], window and window.times(size // COARSE))[0]
                own = F.interpolate(own[None], size=targets.shape[-1], mode="bilinear")[0] if self.coarse else own
                targets[number] = torch.lerp(own, targets[number], strength)
        wanted = (
            torch.cat([cut(pictures, window and window.times(size // COARSE)), targets])
            if window
            else torch.cat(
                [
                    F.avg_pool2d(pictures, pictures.shape[-1] // COARSE),
                    F.avg_pool2d(targets, targets.shape[-1] // COARSE),
                ]
            )
        )
        inputs = torch.cat([degrade(pictures, rng) if self.coarse else pictures, photos])
        zeros = self.nets.styles.new_zeros(plain, MINI.domain_dim)
        bare = torch.zeros(len(inputs), dtype=torch.bool)
        bare[s.plain : s.plain + s.bare] = not self.coarse
        moved = (x.to(self.device) for x in (inputs, wanted, torch.cat([zeros, torch.stack(vectors)]), bare))
        inputs, wanted, domains, bare = moved
        return Batch(inputs, wanted, domains, window, bare, [kind - 1 for kind in kinds])

    def train_step(self) -> dict[str, float]:
        """One step of generator and encoder, and one of the discriminator where it takes part."""
        s, nets = self.settings, self.nets
        rng = torch.Generator().manual_seed(s.seed * 1_000_003 + self.step)  # a resumed run draws the same
        rate = self.rate()
        for group in [*self.opt.param_groups, *self.opt_d.param_groups]:
            group["lr"] = rate * group["factor"] * (1.0 if self.coarse else group.get("fine", 1.0))
        inputs, targets, vectors, window, bare, styles = self.batch(rng)
        adversarial = self.coarse and self.progress >= s.adversarial_from

        w, offsets = nets.encoder.codes(inputs.to(self.dtype))
        keep = (torch.rand(len(w), 1, 1, generator=rng) >= s.base_only).to(self.device) if self.coarse else 1.0
        ws = w[:, None] + offsets * keep
        z = torch.randn(256, MINI.z_dim, generator=rng).to(self.device)
        random_w = nets.generator.mapping(z)
        features = None
        if window is not None:
            part = cut(inputs, window.times(MINI.resolution // COARSE)).to(self.dtype)
            assert nets.encoder.map is not None
            features = nets.encoder.map(part, w.detach(), window) * ~bare.view(-1, 1, 1, 1)
        if adversarial:  # random samples come last
            extra = len(w) // 4
            ws = torch.cat([ws, random_w[:extra, None].expand(-1, MINI.num_ws, -1)])
            vectors = torch.cat([vectors, vectors.new_zeros(extra, MINI.domain_dim)])
        resolution = COARSE if window is None else None
        drawn = nets.generator.synthesis(
            Code(ws, features), vectors, noise="none", dtype=self.dtype, resolution=resolution, window=window
        )
        made, samples = drawn[: len(w)], drawn[len(w) :]
        losses = {
            "pixels": pyramid_loss(made, targets),
            "offsets": offsets.square().mean() * s.offsets,
            "vectors": (nets.styles.square().mean() + nets.colours.square().mean()) * s.vectors,
        }
        if window is None:
            with torch.no_grad():
                wanted = self.identity.features(self.identity.chip(targets))
            got = self.identity.features(self.identity.chip(made))
            losses["perceptual"] = perceptual_distance(got, wanted).mean() * s.perceptual
            away = self.identity.descriptor(got) - self.identity.descriptor(wanted)
            losses["identity"] = away.square().sum(1).mean() * s.identity
        else:
            losses["strokes"] = stroke_loss(made, targets) * s.strokes
        self.queue = torch.cat([w.detach(), self.queue])[:1024]
        losses["energy"] = energy_distance(random_w, self.queue) * s.energy
        plain = len(w) - (s.batch_coarse // 3 if window is None else s.styled)
        if adversarial:
            fakes = torch.cat([made[:plain], samples])
            losses["adversarial"] = F.softplus(-nets.discriminator(fakes.to(self.dtype))).mean() * s.adversarial
        total = torch.stack(list(losses.values())).sum()
        if not bool(total.isfinite()):
            raise StylizeError("The training diverged at step {}; use a lower rate than {:g}.", self.step + 1, s.lr)
        self.opt.zero_grad(set_to_none=True)
        total.backward()
        self._calm()
        self.opt.step()
        if adversarial:
            losses["discriminator"] = self._discriminator_step(targets[:plain], fakes.detach())
        self.step += 1
        with torch.no_grad():
            distances = (made[plain:] - targets[plain:]).abs().mean((1, 2, 3)).tolist()
            for style, distance in zip(styles, distances, strict=True):
                if style >= 0:
                    self.far[style] += 0.05 * (distance - self.far[style])
            decay = min(0.998, self.step / (self.step + 10))
            torch._foreach_lerp_(list(self.average.parameters()), list(self.nets.parameters()), 1 - decay)
        return {name: value.item() for name, value in losses.items()}

    def _calm(self) -> None:
        """Gradients far longer than usual are shortened: without normalisation one bad step could end a run."""
        limit = CALM * self.usual if self.usual else math.inf
        parameters = [p for group in self.opt.param_groups for p in group["params"] if p.grad is not None]
        norm = float(torch.nn.utils.clip_grad_norm_(parameters, limit))
        self.usual += 0.05 * (min(norm, limit) - self.usual) if self.usual else norm

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
        """(1, 3, H, W): pictures never trained on, these through W+ alone and with their features, under the domains of
        styles, and random samples."""
        count, g = len(held_out), self.average.generator
        z = torch.randn(count, MINI.z_dim, generator=torch.Generator().manual_seed(1)).to(self.device)
        code = self.average.encoder(held_out)
        if self.coarse:
            code = Code(code.ws)

        def draw(code: Code | Tensor, vectors: Tensor | None = None) -> Tensor:
            picture = g.synthesis(code, vectors, noise="none", resolution=COARSE if self.coarse else None)
            return F.interpolate(picture, size=MINI.resolution)

        rows = [held_out, draw(code.ws), draw(code)]
        for first in range(0, len(NAMES), count):
            styled = self.average.styles[torch.arange(first, first + count) % len(NAMES)]
            rows.append(draw(code, styled))
        rows.append(draw(g.map(z)))
        return torch.cat([torch.cat(list(row), 2) for row in rows], 1)[None].clamp(-1, 1)

    def export(self, folder: Path) -> None:
        """Writes generator.safetensors and encoder.safetensors (averaged weights, half precision), and the styles."""
        g, e = self.average.generator, self.average.encoder
        g.update_w_avg(torch.Generator().manual_seed(0))
        trained = {"training": asdict(self.settings)}
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
    for name in ("steps", "batch_coarse", "plain", "styled", "bare", "faces"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=getattr(Settings, name))
    for name in ("coarse", "adversarial_from", "lr", "lr_fine", "strokes"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=getattr(Settings, name))
    parser.add_argument("--init", type=Path, help="folder of an earlier model to begin with where its weights fit")
    parser.add_argument("--save-every", type=int, default=200, help="steps between checkpoints")
    add_dtype(parser)


def run(args: argparse.Namespace) -> None:
    """Trains, resuming from OUT/run.pt where it exists; writes previews and the weights into OUT."""
    device = torch.device(args.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    given = {name: getattr(args, name) for name in asdict(Settings()) if getattr(args, name, None) is not None}
    settings = Settings(**given)
    args.out.mkdir(parents=True, exist_ok=True)
    faces = load_faces(args.data, "train", MINI.resolution)
    pairs = make_pairs(faces, args.out, settings.faces, settings.seed)
    trainer = Trainer(settings, faces, pairs, device, getattr(torch, args.dtype))
    held_out = load_faces(args.data, "test", MINI.resolution)
    shown = held_out.tensor(np.linspace(0, len(held_out) - 1, 12).astype(int)).to(device)
    checkpoint = args.out / "run.pt"
    if args.init is not None:
        trainer.take_over(args.init)
    if checkpoint.exists():
        trainer.load(torch.load(checkpoint, map_location=device, weights_only=True))
        print(f"continuing at step {trainer.step}", file=sys.stderr)
    started, first = time.monotonic(), trainer.step
    while trainer.step < settings.steps:
        if trainer.step == trainer.coarse_steps:
            started, first = time.monotonic(), trainer.step
        losses = trainer.train_step()
        if trainer.step % 20 == 0:
            pace = (time.monotonic() - started) / (trainer.step - first)
            end = trainer.coarse_steps if trainer.coarse else settings.steps
            values = " ".join(f"{name} {value:.3f}" for name, value in losses.items())
            left = f"{(end - trainer.step) * pace / 60:.0f} min left of {'coarse' if trainer.coarse else 'fine'} steps"
            print(f"{trainer.step}/{settings.steps} {pace:.2f} s a step, {left}: {values}", flush=True)
        if trainer.step % args.save_every == 0 or trainer.step == settings.steps:
            part = checkpoint.with_suffix(".part")
            torch.save(trainer.state(), part)
            part.replace(checkpoint)
            to_image(trainer.preview(shown)).save(args.out / "preview.png")
    trainer.export(args.out)
