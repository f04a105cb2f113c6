"""Aligned faces to train on: reading the tars, one scale for all, and augmentation on tensors."""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from stylize.errors import StylizeError

# The AI portraits were framed 4.8 % wider than FFHQ (measured by landmarks): their central 244 of 256 px fit.
SETS = {"ai-portraits-256": 244 / 256, "real-portraits-256": 1.0}
DARKEST = 0.12  # skin light of the darkest faces


@dataclass(frozen=True)
class Faces:
    """pictures: (N, S, S, 3) uint8 in the FFHQ frame; real: (N,) bool, photographs rather than made by a model."""

    pictures: np.ndarray
    real: np.ndarray

    def __len__(self) -> int:
        return len(self.pictures)

    def tensor(self, index: np.ndarray) -> Tensor:
        """(len(index), 3, S, S) in [-1, 1]."""
        return torch.from_numpy(self.pictures[index]).permute(0, 3, 1, 2).float() / 127.5 - 1


def read_set(folder: Path, name: str, split: str) -> Iterator[Image.Image]:
    """The pictures of one tar that its CSV puts into ``split`` ("train" or "test"), in the FFHQ frame."""
    path = folder / f"{name}.tar"
    if not path.is_file():
        raise StylizeError(f"There is no {path}; give the folder that holds {', '.join(f'{n}.tar' for n in SETS)}.")
    with path.with_suffix(".csv").open(newline="") as rows:
        wanted = {row["name"] for row in csv.DictReader(rows) if row["split"] == split}
    with tarfile.open(path, "r:") as tar:
        for member in tar:
            if member.name in wanted:
                file = tar.extractfile(member)
                assert file is not None
                picture = Image.open(io.BytesIO(file.read())).convert("RGB")
                margin = round(picture.width * (1 - SETS[name]) / 2)
                yield picture.crop((margin, margin, picture.width - margin, picture.height - margin))


def load_faces(folder: str | Path, split: str = "train", size: int = 128, sets: tuple[str, ...] = tuple(SETS)) -> Faces:
    """All faces of a split as one array of ``size`` px pictures."""
    pictures, real = [], []
    for name in sets:
        for picture in read_set(Path(folder), name, split):
            pictures.append(np.asarray(picture.resize((size, size), Image.Resampling.LANCZOS)))
            real.append(name.startswith("real"))
    return Faces(np.stack(pictures), np.array(real))


def skin_light(pictures: Tensor) -> Tensor:
    """(N, 3, S, S) in [-1, 1], aligned -> (N,) in [0, 1]: the median grey of the middle of the face."""
    size = pictures.shape[-1]
    middle = pictures[..., int(0.45 * size) : int(0.7 * size), int(0.3 * size) : int(0.7 * size)]
    return (middle.mean(1).flatten(1).median(1).values + 1) / 2


def augment(batch: Tensor, real: Tensor, size: int, rng: torch.Generator) -> Tensor:
    """Random geometry, background, light and colour. batch (N, 3, S, S) in [-1, 1] -> (N, 3, size, size)."""
    n = len(batch)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(n, *shape, generator=rng) * (high - low) + low

    x = (batch + 1) / 2
    # Plain studio backgrounds: what looks like the upper corners and lies outside the head becomes something else.
    grid_y, grid_x = torch.meshgrid(*[torch.linspace(-1, 1, x.shape[-1])] * 2, indexing="ij")
    corners = torch.cat([x[..., :8, :8], x[..., :8, -8:]], -1).mean((2, 3), keepdim=True)
    outside = torch.sigmoid((torch.sqrt((grid_x / 0.75) ** 2 + ((grid_y - 0.05) / 0.95) ** 2) - 0.85) * 12)
    like = torch.exp(-(x - corners).square().sum(1, keepdim=True) / 0.02) * outside
    colour = torch.rand(n, 3, 1, 1, generator=rng)
    slope = uniform(-0.4, 0.4, 3, 1, 1) * grid_x + uniform(-0.4, 0.4, 3, 1, 1) * grid_y
    chosen = ((torch.rand(n, generator=rng) < 0.3) & ~real).view(n, 1, 1, 1)
    x = torch.where(chosen, torch.lerp(x, (colour + slope).clamp(0, 1), like), x)
    # Light from a side, exposure, contrast, white balance, saturation.
    light = 1 + uniform(-0.2, 0.2, 1, 1, 1) * grid_x + uniform(-0.1, 0.1, 1, 1, 1) * grid_y
    x = x * light * uniform(0.75, 1.15, 1, 1, 1) * uniform(0.93, 1.07, 3, 1, 1)
    grey = x.mean(1, keepdim=True)
    x = torch.lerp(grey, x, uniform(0.7, 1.2, 1, 1, 1))
    x = ((x - 0.5) * uniform(0.85, 1.15, 1, 1, 1) + 0.5).clamp(1e-3, 1)
    # Frames differ as little as landmarks do: what moves more costs the generator far more to learn.
    angle, scale = uniform(-0.015, 0.015), uniform(0.985, 1.015)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    mirror = torch.where(torch.rand(n, generator=rng) < 0.5, -1.0, 1.0)
    top = torch.stack([cos * mirror, -sin, uniform(-0.01, 0.01)], 1)
    bottom = torch.stack([sin * mirror, cos, uniform(-0.01, 0.01)], 1)
    grid = F.affine_grid(torch.stack([top, bottom], 1), [n, 3, size, size], align_corners=False)
    return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False) * 2 - 1


def tones(pictures: Tensor, rng: torch.Generator) -> Tensor:
    """Half of the aligned faces (N, 3, S, S) in [-1, 1] darkened by a gamma curve, so that skin of every tone is among
    them: their light goes down to a uniform draw, at most to DARKEST."""
    n = len(pictures)
    x = ((pictures + 1) / 2).clamp(1e-3, 1)
    y = x.mean(1, keepdim=True)
    light = skin_light(pictures).clamp(DARKEST, 0.9)
    wanted = torch.lerp(torch.full((n,), DARKEST), light, torch.rand(n, generator=rng))
    power = torch.where(torch.rand(n, generator=rng) < 0.5, wanted.log() / light.log(), 1.0)
    power = power.view(n, 1, 1, 1)
    return x ** ((power + 1) / 2) * y ** ((power - 1) / 2) * 2 - 1  # darker skin is somewhat more saturated


def scenes(pictures: Tensor, rng: torch.Generator) -> Tensor:
    """Half of the aligned faces (N, 3, S, S) in [-1, 1] before backgrounds of coloured noise at a random scale."""
    n, _, size, _ = pictures.shape
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, size)] * 2, indexing="ij")
    outside = torch.sigmoid((torch.sqrt((x / 0.75) ** 2 + ((y - 0.05) / 0.95) ** 2) - 0.95) * 14)
    outside = outside * torch.sigmoid((0.75 - y) * 14)  # neck and shoulders stay
    backgrounds = []
    for cells in (2 ** torch.randint(1, 6, (n,), generator=rng)).tolist():
        noise = torch.rand(1, 3, cells, cells, generator=rng) * 2 - 1
        grey = noise.mean(1, keepdim=True)
        hue = torch.randn(1, 3, 1, 1, generator=rng) * 0.3
        noise = torch.lerp(grey, noise, float(torch.rand(1, generator=rng))) + hue
        backgrounds.append(F.interpolate(noise, size=(size, size), mode="bicubic"))
    chosen = (torch.rand(n, 1, 1, 1, generator=rng) < 0.5) * outside
    return torch.lerp(pictures, torch.cat(backgrounds).clamp(-1, 1), chosen)


def degrade(batch: Tensor, rng: torch.Generator) -> Tensor:
    """What cameras do to a picture that should still be understood: half are blurred or noisy."""
    n = len(batch)
    small = F.interpolate(batch, scale_factor=0.5, mode="bilinear", antialias=True)
    soft = F.interpolate(small, size=batch.shape[-2:], mode="bilinear")
    amount = torch.rand(n, 1, 1, 1, generator=rng) * (torch.rand(n, 1, 1, 1, generator=rng) < 0.3)
    noise = torch.randn(batch.shape, generator=rng) * 0.08 * torch.rand(n, 1, 1, 1, generator=rng)
    noise = noise * (torch.rand(n, 1, 1, 1, generator=rng) < 0.3)
    return torch.lerp(batch, soft, amount) + noise
