"""Trains the mini generator, its encoder and its first domain vectors together, from scratch.

First at the resolution where a photo's features enter: generator and encoder form an auto-encoder of aligned faces
through W+ alone (pixels, features and descriptor of a face recognition network), sharpened by a patch discriminator
that also judges random samples. The mapping network learns the distribution of the encoder's codes (energy distance,
Szekely and Rizzo 2013). Then at full resolution, on crops, with a feature map beside W+ (Bobkov et al. 2024); some
faces are still drawn through W+ alone, like random ones.

A large part of every batch is drawn under the domain vector of a style, with the filtered picture as the target.
Without that, a generator of this size keeps the colours of a face where channel scaling cannot reach them. A zero
vector is the source, which stays a generator of photographs.

A run that was stopped resumes from its last checkpoint.
"""

from __future__ import annotations

import argparse
import copy
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylize.adaptation.losses import pyramid_loss, stroke_loss
from stylize.errors import StylizeError
from stylize.faces.identity import FaceIdentity, perceptual_distance
from stylize.images import to_image
from stylize.models.checkpoints import load_checkpoint, save_checkpoint
from stylize.models.code import Code
from stylize.models.domain import Domain
from stylize.models.layers import cut
from stylize.prompts.vocabulary import NAMES, SOURCE
from stylize.training.batches import Batches
from stylize.training.data import FaceDataset, load_faces
from stylize.training.loop import add_dtype, train
from stylize.training.networks import (
    COARSE,
    COLOUR_NAMES,
    MINI_GENERATOR,
    MiniSettings,
    Networks,
    centre_offsets,
    energy_distance,
    parameter_groups,
)
from stylize.training.pairs import Pairs, make_pairs, shares_of

KNOWN = 0.25  # learning rate factor in the fine half for layers trained in the coarse half
PLACED = ("tilings", "screens")  # belong to styles by their places, which an earlier model may have had elsewhere
CALM = 3.0  # times the usual gradient norm
CENTRED = 512  # faces over which the encoder's offsets are averaged


class GeneratorTraining:
    """Everything needed to resume a run: networks, averages, optimisers and the number of steps done."""

    def __init__(
        self,
        settings: MiniSettings,
        faces: FaceDataset,
        pairs: Pairs,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        torch.manual_seed(settings.seed)  # only for the initial weights; all later draws use their own generators
        self.settings, self.device, self.dtype = settings, device, dtype
        self.batches = Batches(settings, faces, pairs, device)
        self.nets = Networks().to(device).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.nets).requires_grad_(False)
        self.identity = FaceIdentity().to(device)
        self.identity.blocks.to(dtype)
        self.identity.stem.to(dtype)
        g, e = self.nets.generator, self.nets.encoder
        assert e.map is not None
        fine = [e.map, *g.convs[MINI_GENERATOR.inject :], g.to_rgbs]  # layers that are new in the fine half
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
        self.queue = torch.zeros(0, MINI_GENERATOR.w_dim, device=device)
        self.step, self.usual = 0, 0.0  # usual gradient norm
        self.far = torch.ones(len(pairs.names))  # each style's current distance from its filter

    @property
    def coarse_steps(self) -> int:
        return round(self.settings.coarse * self.settings.steps)

    @property
    def coarse(self) -> bool:
        """Whether training is still on whole small pictures."""
        return self.step < self.coarse_steps

    @property
    def progress(self) -> float:
        """Progress within the current half, coarse or fine."""
        done, of = (self.step, self.coarse_steps) if self.coarse else (self.step - self.coarse_steps, self.fine_steps)
        return min(1.0, done / max(1, of))

    @property
    def fine_steps(self) -> int:
        return self.settings.steps - self.coarse_steps

    def take_over(self, folder: Path) -> None:
        """Starts from an earlier model's weights where they fit by name and size; of longer rows, takes the
        beginning."""
        for module, name in ((self.nets.generator, "generator"), (self.nets.encoder, "encoder")):
            own, old = module.state_dict(), load_checkpoint(folder / f"{name}.safetensors")[0]
            for key, tensor in own.items():
                if key in old and tensor.shape[1:] == old[key].shape[1:] and "rgb" not in key and key not in PLACED:
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
        """The learning rate: each half warms up and decays, the fine one almost to zero."""
        warm = min(1.0, ((self.step if self.coarse else self.step - self.coarse_steps) + 1) / 100)
        least = 0.3 if self.coarse else 0.01
        lr = self.settings.lr if self.coarse else self.settings.lr_fine
        return lr * warm * (least + (1 - least) * 0.5 * (1 + math.cos(math.pi * self.progress)))

    def train_step(self) -> dict[str, float]:
        """One step of generator and encoder, and one of the discriminator when it is in use."""
        s, nets = self.settings, self.nets
        rng = torch.Generator().manual_seed(s.seed * 1_000_003 + self.step)  # the same draws in a resumed run
        rate = self.rate()
        for group in [*self.opt.param_groups, *self.opt_d.param_groups]:
            group["lr"] = rate * group["factor"] * (1.0 if self.coarse else group.get("fine", 1.0))
        inputs, targets, vectors, window, bare, styles, parts = self.batches.draw(nets, self.far, self.coarse, rng)
        adversarial = self.coarse and self.progress >= s.adversarial_from

        w, offsets = nets.encoder.codes(inputs.to(self.dtype))
        keep = (torch.rand(len(w), 1, 1, generator=rng) >= s.base_only).to(self.device) if self.coarse else 1.0
        ws = w[:, None] + offsets * keep
        z = torch.randn(256, MINI_GENERATOR.z_dim, generator=rng).to(self.device)
        random_w = nets.generator.mapping(z)
        features = None
        if window is not None:
            part = cut(inputs, window.times(MINI_GENERATOR.resolution // COARSE)).to(self.dtype)
            assert nets.encoder.map is not None
            features = nets.encoder.map(part, w.detach(), window) * ~bare.view(-1, 1, 1, 1)
        if adversarial:  # random samples come last
            extra = len(w) // 4
            ws = torch.cat([ws, random_w[:extra, None].expand(-1, MINI_GENERATOR.num_ws, -1)])
            vectors = torch.cat([vectors, vectors.new_zeros(extra, MINI_GENERATOR.domain_dim)])
            parts = torch.cat([parts, parts.new_zeros(extra, *parts.shape[1:])])
        resolution = COARSE if window is None else None
        drawn = nets.generator.synthesis(
            Code(ws, features, parts=parts),
            vectors,
            noise="none",
            dtype=self.dtype,
            resolution=resolution,
            window=window,
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
        """Clips gradients far larger than usual: without normalisation one bad step could end a run."""
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
    def preview(self, held_out: Tensor, parts: Tensor) -> Tensor:
        """(1, 3, H, W): held-out pictures with their parts (N, 4, R, R), through W+ alone and with features, under the
        domains of styles, and random samples."""
        count, g = len(held_out), self.average.generator
        z = torch.randn(count, MINI_GENERATOR.z_dim, generator=torch.Generator().manual_seed(1)).to(self.device)
        code = self.average.encoder(held_out)
        code = Code(code.ws, None if self.coarse else code.features, parts=parts)

        def draw(code: Code | Tensor, vectors: Tensor | None = None) -> Tensor:
            picture = g.synthesis(code, vectors, noise="none", resolution=COARSE if self.coarse else None)
            return F.interpolate(picture, size=MINI_GENERATOR.resolution)

        rows = [held_out, draw(code.ws), draw(code)]
        for first in range(0, len(NAMES), count):
            styled = self.average.styles[torch.arange(first, first + count) % len(NAMES)]
            rows.append(draw(code, styled))
        rows.append(draw(g.map(z)))
        return torch.cat([torch.cat(list(row), 2) for row in rows], 1)[None].clamp(-1, 1)

    @torch.no_grad()
    def export(self, folder: Path) -> None:
        """Writes generator.safetensors and encoder.safetensors (averaged weights, half precision), and the styles."""
        nets, faces = copy.deepcopy(self.average), self.batches.faces
        g, e = nets.generator, nets.encoder
        index = np.linspace(0, len(faces) - 1, min(len(faces), CENTRED)).astype(int)
        offsets = [
            e.codes(faces.tensor(part).to(self.device))[1] for part in np.split(index, range(32, len(index), 32))
        ]
        centre_offsets(g, e, torch.cat(offsets).mean(0))
        g.update_w_avg(torch.Generator().manual_seed(0))
        trained = {"training": asdict(self.settings)}
        save_checkpoint(
            folder / "generator.safetensors", g.state_dict(), {"config": g.config.to_dict(), **trained}, torch.float16
        )
        save_checkpoint(
            folder / "encoder.safetensors", e.state_dict(), {"config": e.config.to_dict(), **trained}, torch.float16
        )
        fingerprint = copy.deepcopy(g).half().float().fingerprint()
        for place, names, vectors in (
            ("", NAMES, self.average.styles),
            ("colours/", COLOUR_NAMES, self.average.colours),
        ):
            for name, vector in zip(names, vectors, strict=True):
                domain = Domain(
                    vector=vector,
                    sizes=tuple(MINI_GENERATOR.domain_sizes),
                    order="pre_demod",
                    generator=fingerprint,
                    name=name,
                    target=name,
                    source=SOURCE,
                    method="trained with the generator",
                    seed=self.settings.seed,
                )
                domain.save(folder / "domains" / f"{place}{name}.safetensors", torch.float16)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder with the face tars")
    parser.add_argument("--out", type=Path, required=True, help="folder for the weights and the run's checkpoint")
    for name in ("steps", "batch_coarse", "plain", "styled", "bare", "faces"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=getattr(MiniSettings, name))
    for name in ("coarse", "adversarial_from", "lr", "lr_fine", "strokes"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=getattr(MiniSettings, name))
    parser.add_argument("--init", type=Path, help="folder of an earlier model to start from where its weights fit")
    parser.add_argument("--save-every", type=int, default=200, help="steps between checkpoints")
    add_dtype(parser)


def run(args: argparse.Namespace) -> None:
    """Trains, resuming from OUT/run.pt if it exists; writes previews and the weights into OUT."""
    device = torch.device(args.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    given = {name: getattr(args, name) for name in asdict(MiniSettings()) if getattr(args, name, None) is not None}
    settings = MiniSettings(**given)
    args.out.mkdir(parents=True, exist_ok=True)
    faces = load_faces(args.data, "train", MINI_GENERATOR.resolution)
    pairs = make_pairs(faces, args.out, settings.faces, settings.seed)
    trainer = GeneratorTraining(settings, faces, pairs, device, getattr(torch, args.dtype))
    held_out = load_faces(args.data, "test", MINI_GENERATOR.resolution)
    shown = held_out.tensor(np.linspace(0, len(held_out) - 1, 12).astype(int)).to(device)
    parts = torch.from_numpy(np.stack([shares_of(np.asarray(to_image(one))) for one in shown])).to(device)
    if args.init is not None:
        trainer.take_over(args.init)

    def preview() -> bool:
        if trainer.step % args.save_every == 0 or trainer.step == settings.steps:
            to_image(trainer.preview(shown, parts)).save(args.out / "preview.png")
        return False

    checkpoint, phases = args.out / "run.pt", [trainer.coarse_steps]
    train(trainer, settings.steps, checkpoint, args.save_every, device=device, after=preview, phases=phases)
    trainer.export(args.out)
