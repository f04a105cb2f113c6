"""Faces and their filtered pictures in every style, computed once and kept in one file for all trainings."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from stylize.faces.align import FaceFinder
from stylize.faces.parts import PARTS, FaceParts
from stylize.images import to_image
from stylize.prompts.vocabulary import NAMES
from stylize.training.data import FaceDataset, augment, scenes, tones
from stylize.training.filters import draw
from stylize.training.filters.face import AnalysedFace

REAL = 0.4  # share of photographs, which vary more in age and light than generated portraits
AHEAD = 16  # faces queued for a worker


@dataclass(frozen=True)
class Pairs:
    """pictures: (faces, 1 + styles, S, S, 3) uint8, memory-mapped; the first of each face is the face itself. shares:
    (faces, 4, S, S) uint8, those of its parts."""

    pictures: NDArray[np.uint8]
    shares: NDArray[np.uint8]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.pictures)

    def tensor(self, faces: list[int], kinds: list[int]) -> Tensor:
        """One picture of each face, (len(faces), 3, S, S) in [-1, 1]."""
        rows = np.stack([self.pictures[face, kind] for face, kind in zip(faces, kinds, strict=True)])
        return torch.from_numpy(rows).permute(0, 3, 1, 2).float() / 127.5 - 1

    def parts(self, faces: list[int]) -> Tensor:
        """The shares of each face's parts, (len(faces), 4, S, S) in [0, 1]."""
        return torch.from_numpy(self.shares[faces]).float() / 255


@cache
def _finder() -> FaceFinder:
    return FaceFinder()


def usual_landmarks(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """dlib's 68 points (68, 2) of an aligned face (S, S, 3), in its pixels."""
    return _finder().aligned(Image.fromarray(picture)) * len(picture)


def shares_of(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The shares (4, S, S) of the parts of an aligned face (S, S, 3)."""
    return FaceParts(picture, usual_landmarks(picture)).shares


def filtered(picture: NDArray[np.uint8], names: tuple[str, ...]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """An aligned face and its filtered picture in every style, (1 + styles, S, S, 3), and the shares of its parts (4,
    S, S)."""
    face = AnalysedFace(picture, usual_landmarks(picture), seed=0)  # one seed: patterns stay in place
    pictures = np.stack([picture, *(draw(face, name) for name in names)])
    return pictures, np.rint(face.shares * 255).astype(np.uint8)


def varied(faces: FaceDataset, count: int, seed: int) -> Iterator[NDArray[np.uint8]]:
    """``count`` augmented faces with varied light, skin and framing, (S, S, 3) uint8 each; deterministic in the
    seed."""
    rng = np.random.default_rng(seed)
    groups = [np.flatnonzero(faces.real), np.flatnonzero(~faces.real)]
    for number in range(count):
        group = groups[0] if len(groups[0]) and rng.random() < REAL else groups[1]
        index = rng.choice(group, 1)
        draws = torch.Generator().manual_seed(seed * 1_000_003 + number)
        picture = augment(faces.tensor(index), torch.from_numpy(faces.real[index]), faces.pictures.shape[1], draws)
        yield np.asarray(to_image(scenes(tones(picture, draws), draws)))


def make_pairs(faces: FaceDataset, folder: Path, count: int, seed: int = 0, workers: int | None = None) -> Pairs:
    """The pairs in ``folder``, computed first in several processes unless they exist with the same settings.

    200 KB for a 256 px picture.
    """
    size = faces.pictures.shape[1]
    about = {"names": list(NAMES), "parts": list(PARTS), "faces": count, "seed": seed, "size": size}
    path, shares, note = folder / "pairs.npy", folder / "parts.npy", folder / "pairs.json"
    if not (note.is_file() and json.loads(note.read_text()) == about):
        folder.mkdir(parents=True, exist_ok=True)
        note.unlink(missing_ok=True)
        shape = (count, 1 + len(NAMES), size, size, 3)
        pictures = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
        parts = np.lib.format.open_memmap(shares, "w+", np.uint8, (count, len(PARTS), size, size))
        started = time.monotonic()
        with ProcessPoolExecutor(workers or os.cpu_count(), get_context("spawn"), torch.set_num_threads, (1,)) as pool:
            waiting = []
            for number, picture in enumerate(varied(faces, count, seed)):
                waiting.append((number, pool.submit(filtered, picture, tuple(NAMES))))
                if len(waiting) >= AHEAD or number == count - 1:
                    keep = 0 if number == count - 1 else AHEAD // 2
                    while len(waiting) > keep:
                        done, future = waiting.pop(0)
                        pictures[done], parts[done] = future.result()
                    left = (count - done - 1) * (time.monotonic() - started) / (done + 1) / 60
                    print(f"filtering faces: {done + 1}/{count}, {left:.0f} min left", file=sys.stderr, flush=True)
        pictures.flush()
        parts.flush()
        note.write_text(json.dumps(about))
    return Pairs(np.load(path, mmap_mode="r"), np.load(shares, mmap_mode="r"), tuple(NAMES))
