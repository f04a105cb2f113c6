"""The training batches of the mini model: augmented plain faces, and filtered pairs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylize.models.layers import Window, cut
from stylize.prompts.vocabulary import NAMES, PHOTO, combinations
from stylize.training.data import FaceDataset, augment, degrade
from stylize.training.filters import tint
from stylize.training.filters.tools import TINTS
from stylize.training.networks import (
    COARSE,
    COLOUR_NAMES,
    MINI_ENCODER,
    MINI_GENERATOR,
    MiniSettings,
    Networks,
)
from stylize.training.pairs import Pairs

PART = 32  # of COARSE: side of the crops drawn at full resolution


def tinted_tensor(picture: Tensor, colour: str) -> Tensor:
    """A picture (3, H, W) in [-1, 1] tinted in a colour, see ``tint``."""
    rgb = ((picture + 1) / 2).permute(1, 2, 0).contiguous().numpy()
    return torch.from_numpy(tint(rgb, TINTS[colour]).astype(np.float32)).permute(2, 0, 1).clamp(0, 1) * 2 - 1


class Batch(NamedTuple):
    """inputs: the encoder's inputs (N, 3, R, R), the plain ones first; targets: (N, 3, r, r), the desired outputs;
    vectors: (N, domain_dim); window: which part of the pictures the targets are; bare: (N,), drawn through W+ alone;
    styles: indices in ``Pairs.names`` of the styled ones, -1 for none; parts: (N, 4, R, R), zeros
    for the plain ones."""

    inputs: Tensor
    targets: Tensor
    vectors: Tensor
    window: Window | None
    bare: Tensor
    styles: list[int]
    parts: Tensor


class Batches:
    def __init__(self, settings: MiniSettings, faces: FaceDataset, pairs: Pairs, device: torch.device) -> None:
        self.settings, self.faces, self.pairs, self.device = settings, faces, pairs, device

    def draw(self, nets: Networks, far: Tensor, coarse: bool, rng: torch.Generator) -> Batch:
        """A batch of whole small pictures, or of crops at full size; ``far``: each style's current distance from its
        filter, in proportion to which it is drawn. The vectors are those of the networks."""
        s, size = self.settings, MINI_GENERATOR.resolution
        draw = np.random.default_rng(int(torch.randint(2**31, (1,), generator=rng)))
        styled = s.batch_coarse // 3 if coarse else s.styled
        plain = s.batch_coarse - styled if coarse else s.plain + s.bare
        # A third of the plain ones are real photographs, which are a minority in the data.
        real_ids, made_ids = np.flatnonzero(self.faces.real), np.flatnonzero(~self.faces.real)
        third = plain // 3 if len(real_ids) else 0
        index = np.concatenate([draw.choice(real_ids, third), draw.choice(made_ids, plain - third)])
        index = draw.permutation(index)
        pictures = self.faces.tensor(index)
        if coarse:
            pictures = F.avg_pool2d(pictures, size // MINI_ENCODER.small)
        pictures = augment(pictures, torch.from_numpy(self.faces.real[index]), pictures.shape[-1], rng)

        vectors, faces, kinds, colours, strengths = [], [], [], [], []
        tinted = [pair for pair in combinations() if pair[1] in (PHOTO, *self.pairs.names)]
        chances = far.double().numpy()
        for _ in range(styled):
            colour, style = None, self.pairs.names[draw.choice(len(chances), p=chances / chances.sum())]
            if draw.random() < s.coloured:
                colour, style = tinted[draw.integers(len(tinted))]
            strength = 1.0 if draw.random() >= s.weaker else float(draw.random())
            vector = nets.styles.new_zeros(MINI_GENERATOR.domain_dim)
            if style != PHOTO:
                vector = vector + nets.styles[NAMES.index(style)]
            if colour is not None:
                own = nets.colours[COLOUR_NAMES.index(colour)].clone()
                own[MINI_GENERATOR.shares] = 0  # a colour has no shares
                vector = vector + own
            vectors.append(vector * strength)
            faces.append(int(draw.integers(len(self.pairs))))
            kinds.append(0 if style == PHOTO else 1 + self.pairs.names.index(style))
            colours.append(colour)
            strengths.append(strength)
        photos, targets = self.pairs.tensor(faces, [0] * styled), self.pairs.tensor(faces, kinds)
        window, parts = None, F.pad(self.pairs.parts(faces), (0, 0, 0, 0, 0, 0, plain, 0))
        if coarse:
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
                own = F.interpolate(own[None], size=targets.shape[-1], mode="bilinear")[0] if coarse else own
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
        inputs = torch.cat([degrade(pictures, rng) if coarse else pictures, photos])
        zeros = nets.styles.new_zeros(plain, MINI_GENERATOR.domain_dim)
        bare = torch.zeros(len(inputs), dtype=torch.bool)
        bare[s.plain : s.plain + s.bare] = not coarse
        moved = (x.to(self.device) for x in (inputs, wanted, torch.cat([zeros, torch.stack(vectors)]), bare, parts))
        inputs, wanted, domains, bare, parts = moved
        return Batch(inputs, wanted, domains, window, bare, [kind - 1 for kind in kinds], parts)
