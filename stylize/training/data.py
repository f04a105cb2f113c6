"""Aligned training faces: reading the tars, one scale for all, and augmentation of tensors."""

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

# The AI portraits are framed 4.8 % wider than FFHQ (measured by landmarks): their central 244 of 256 px match.
SETS = {"ai-portraits-256": 244 / 256, "real-portraits-256": 1.0}
DATA_SIDE = 256  # px: side of the data's pictures
LIGHT, DARK = (0.78, 0.58, 0.47), (0.22, 0.14, 0.105)  # skin, sRGB


@dataclass(frozen=True)
class FaceDataset:
    """pictures: (N, S, S, 3) uint8 in the FFHQ frame; real: (N,) bool, photographs rather than generated."""

    pictures: np.ndarray
    real: np.ndarray

    def __len__(self) -> int:
        return len(self.pictures)

    def tensor(self, index: np.ndarray) -> Tensor:
        """(len(index), 3, S, S) in [-1, 1]."""
        return torch.from_numpy(self.pictures[index]).permute(0, 3, 1, 2).float() / 127.5 - 1


def read_set(folder: Path, name: str, split: str) -> Iterator[Image.Image]:
    """The pictures of one tar that its CSV assigns to ``split`` ("train" or "test"), in the FFHQ frame."""
    path = folder / f"{name}.tar"
    if not path.is_file():
        raise StylizeError("There is no {}; give the folder that holds {}.", path, ", ".join(f"{n}.tar" for n in SETS))
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


def load_faces(
    folder: str | Path, split: str = "train", size: int = 128, sets: tuple[str, ...] = tuple(SETS)
) -> FaceDataset:
    """All faces of a split as one array of ``size`` px pictures."""
    pictures, real = [], []
    for name in sets:
        for picture in read_set(Path(folder), name, split):
            pictures.append(np.asarray(picture.resize((size, size), Image.Resampling.LANCZOS)))
            real.append(name.startswith("real"))
    return FaceDataset(np.stack(pictures), np.array(real))


def face_middle(pictures: Tensor) -> Tensor:
    """The part of aligned pictures (N, 3, S, S) that is mostly skin."""
    size = pictures.shape[-1]
    return pictures[..., int(0.45 * size) : int(0.7 * size), int(0.3 * size) : int(0.7 * size)]


def skin_light(pictures: Tensor) -> Tensor:
    """(N, 3, S, S) in [-1, 1], aligned -> (N,) in [0, 1]: the median grey of the middle of the face."""
    return (face_middle(pictures).mean(1).flatten(1).median(1).values + 1) / 2


def grid(size: int) -> tuple[Tensor, Tensor]:
    """Pixel coordinates across and down, (size, size) each, in [-1, 1]."""
    down, across = torch.meshgrid(*[torch.linspace(-1, 1, size)] * 2, indexing="ij")
    return across, down


def outside(across: Tensor, down: Tensor, reach: Tensor | float) -> Tensor:
    """A mask in [0, 1] of everything outside the head of an aligned face, an ellipse."""
    return torch.sigmoid((torch.sqrt((across / 0.75) ** 2 + ((down - 0.05) / 0.95) ** 2) - reach) * 14)


def augment(batch: Tensor, real: Tensor, size: int, rng: torch.Generator) -> Tensor:
    """Random geometry, background, light and colour. batch (N, 3, S, S) in [-1, 1] -> (N, 3, size, size)."""
    n = len(batch)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(n, *shape, generator=rng) * (high - low) + low

    x = (batch + 1) / 2
    # Plain studio backgrounds: pixels outside the head that resemble the upper corners are replaced.
    across, down = grid(x.shape[-1])
    corners = torch.cat([x[..., :8, :8], x[..., :8, -8:]], -1).mean((2, 3), keepdim=True)
    like = torch.exp(-(x - corners).square().sum(1, keepdim=True) / 0.02) * outside(across, down, 0.85)
    colour = torch.rand(n, 3, 1, 1, generator=rng)
    slope = uniform(-0.4, 0.4, 3, 1, 1) * across + uniform(-0.4, 0.4, 3, 1, 1) * down
    chosen = ((torch.rand(n, generator=rng) < 0.3) & ~real).view(n, 1, 1, 1)
    x = torch.where(chosen, torch.lerp(x, (colour + slope).clamp(0, 1), like), x)
    # Side light, exposure, contrast, white balance, saturation.
    light = 1 + uniform(-0.2, 0.2, 1, 1, 1) * across + uniform(-0.1, 0.1, 1, 1, 1) * down
    x = x * light * uniform(0.75, 1.15, 1, 1, 1) * uniform(0.93, 1.07, 3, 1, 1)
    grey = x.mean(1, keepdim=True)
    x = torch.lerp(grey, x, uniform(0.7, 1.2, 1, 1, 1))
    x = ((x - 0.5) * uniform(0.85, 1.15, 1, 1, 1) + 0.5).clamp(1e-3, 1)
    # Frames vary as little as landmarks do: larger shifts are much harder for the generator to learn.
    angle, scale = uniform(-0.015, 0.015), uniform(0.985, 1.015)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    mirror = torch.where(torch.rand(n, generator=rng) < 0.5, -1.0, 1.0)
    top = torch.stack([cos * mirror, -sin, uniform(-0.01, 0.01)], 1)
    bottom = torch.stack([sin * mirror, cos, uniform(-0.01, 0.01)], 1)
    places = F.affine_grid(torch.stack([top, bottom], 1), [n, 3, size, size], align_corners=False)
    return F.grid_sample(x, places, padding_mode="reflection", align_corners=False) * 2 - 1


def tones(pictures: Tensor, rng: torch.Generator) -> Tensor:
    """Skin of every tone: in six of ten aligned faces (N, 3, S, S) in [-1, 1], pixels with the hue of the face's middle
    are recoloured, down to a tone drawn uniformly between LIGHT and DARK. Like dark skin, the result keeps its
    highlights."""
    n, _, size, _ = pictures.shape
    x = ((pictures + 1) / 2).clamp(0.01, 1)
    y = x.mean(1, keepdim=True)
    skin = face_middle(x).flatten(2).median(2).values.clamp(min=0.05).view(n, 3, 1, 1)
    level = skin.mean(1, keepdim=True)
    hue = x / (y + 0.02) - skin / (level + 0.02)
    like = torch.exp(-hue.square().sum(1, keepdim=True) / 0.15) * torch.sigmoid((y / level - 0.42) * 14)
    across, down = grid(size)
    neck = torch.sigmoid((down - 0.6) * 14) * torch.sigmoid((0.8 - across.abs()) * 14)
    like = like * torch.maximum(1 - outside(across, down, 0.95), neck)
    width = 2 * (size // 32) + 1
    like = F.avg_pool2d(like, width, 1, width // 2, count_include_pad=False)

    place = torch.rand(n, 1, 1, 1, generator=rng) ** 0.8
    light, dark = (torch.tensor(tone).log().view(1, 3, 1, 1) for tone in (LIGHT, DARK))
    tone = torch.lerp(light, dark, place).exp() * (1 + (torch.rand(n, 3, 1, 1, generator=rng) - 0.5) * 0.07)
    tone = tone * (level / tone.mean(1, keepdim=True)).clamp(max=1)  # never lighter than before
    depth = 1 - (tone / skin).mean(1, keepdim=True).clamp(max=1)
    shine = (y - level).clamp(min=0) * depth * torch.rand(n, 1, 1, 1, generator=rng) * 2.5
    toned = ((x / skin) ** (1 + 0.6 * depth) * tone + shine).clamp(0, 1)
    return torch.lerp(x, toned, (torch.rand(n, 1, 1, 1, generator=rng) < 0.6) * like) * 2 - 1


def scenes(pictures: Tensor, rng: torch.Generator) -> Tensor:
    """Puts half of the aligned faces (N, 3, S, S) in [-1, 1] before backgrounds of coloured noise, coarse and fine;
    some cover the hair too, like a headscarf."""
    n, _, size, _ = pictures.shape
    across, down = grid(size)
    tight = torch.rand(n, 1, 1, 1, generator=rng) * (torch.rand(n, 1, 1, 1, generator=rng) < 0.5)
    place = outside(across, down, 0.95 * (1 - 0.35 * tight)) * torch.sigmoid((0.75 - down) * 14)  # keep the shoulders
    background = torch.randn(n, 3, 1, 1, generator=rng) * 0.5
    for cells in (2, 4, 8, 16, 32):
        noise = torch.randn(n, 3, cells, cells, generator=rng)
        noise = torch.lerp(noise.mean(1, keepdim=True) * 1.7, noise, torch.rand(n, 1, 1, 1, generator=rng))
        amount = torch.rand(n, 1, 1, 1, generator=rng) ** 2 * 0.6
        background = background + amount * F.interpolate(noise, size=(size, size), mode="bicubic")
    chosen = (torch.rand(n, 1, 1, 1, generator=rng) < 0.5) * place
    return torch.lerp(pictures, background.clamp(-1, 1), chosen)


def degrade(batch: Tensor, rng: torch.Generator) -> Tensor:
    """Simulates camera defects that the encoder should tolerate: half of the pictures are blurred or noisy."""
    n = len(batch)
    small = F.interpolate(batch, scale_factor=0.5, mode="bilinear", antialias=True)
    soft = F.interpolate(small, size=batch.shape[-2:], mode="bilinear")
    amount = torch.rand(n, 1, 1, 1, generator=rng) * (torch.rand(n, 1, 1, 1, generator=rng) < 0.3)
    noise = torch.randn(batch.shape, generator=rng) * 0.08 * torch.rand(n, 1, 1, 1, generator=rng)
    noise = noise * (torch.rand(n, 1, 1, 1, generator=rng) < 0.3)
    return torch.lerp(batch, soft, amount) + noise
