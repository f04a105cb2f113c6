"""The mini model in training: its sizes, the settings, and its networks with their learning rates."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylize.errors import StylizeError
from stylize.faces.parts import PARTS
from stylize.models.generator import Generator, GeneratorConfig
from stylize.models.layers import Linear, ModulatedConv, ToRGB
from stylize.models.mini_encoder import Conv, Encoder, EncoderConfig
from stylize.prompts.vocabulary import COLOUR_WORDS, NAMES
from stylize.training.filters.tiled import TILED, tilings

# Styles with patterns of their own: lines, dots, threads, stars. In the order of the generator's screens.
SCREENED = (
    "comic halftone", "coloured pencil", "cyberpunk", "embroidery", "frost", "galaxy", "glitch", "graffiti", "lava",
    "linocut", "mosaic", "old black and white photo", "pointillism", "risograph", "synthwave", "ukiyo-e print",
    "van gogh painting", "woodblock print",
)  # fmt: skip
MINI_GENERATOR = GeneratorConfig(
    256,
    (256, 256, 192, 128, 128, 64, 32),
    z_dim=256,
    w_dim=256,
    mapping_layers=6,
    inject=8,
    patterns=(0, 0, 0, 0, 16, 12, 8),
    rgb_from=64,
    tilings=len(TILED),
    screens=len(SCREENED),
    parts=len(PARTS),
)
MINI_ENCODER = EncoderConfig(
    MINI_GENERATOR.resolution,
    small=128,
    num_ws=MINI_GENERATOR.num_ws,
    w_dim=MINI_GENERATOR.w_dim,
    map_widths=(96, 128, 160, 160),
    features=MINI_GENERATOR.features_shape[0],
)
COARSE = MINI_GENERATOR.features_shape[1]  # px: where the photo's features enter
COLOUR_NAMES = tuple(COLOUR_WORDS)


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
    """Energy distance of two samples (N, D) and (M, D): zero only if their distributions are equal."""
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
        factor = 10.0 if name.endswith(("const", "patterns", "place")) else factors.get(id(parameter), 1.0)
        groups.setdefault(factor, []).append(parameter)
    return [{"params": parameters, "factor": factor} for factor, parameters in groups.items()]


def first_vector(config: GeneratorConfig, style: str) -> Tensor:
    """The domain vector (domain_dim,) from which a style is learned: zeros, but a style of pieces has its tiling."""
    vector = torch.zeros(config.domain_dim)
    if style in TILED and config.tilings:
        vector[config.shares][TILED.index(style)] = 1.0
    return vector


@torch.no_grad()
def centre_offsets(generator: Generator, encoder: Encoder, mean: Tensor) -> None:
    """Moves the ``mean`` (num_ws, w_dim) of the encoder's offsets into the generator's affine layers. Photos are drawn
    as before; random faces, which have no offsets, come to lie in the middle of them."""
    encoder.offsets.bias.sub_(mean.flatten() / encoder.offsets.bias_gain)
    skipped = len(generator.config.channels) - len(generator.to_rgbs)
    rows = [*range(len(generator.convs)), *(2 * (skipped + number) + 1 for number in range(len(generator.to_rgbs)))]
    for layer, row in zip([*generator.convs, *generator.to_rgbs], rows, strict=True):
        affine = layer.affine
        assert isinstance(affine, Linear)
        affine.bias.add_(F.linear(mean[row] * affine.weight_gain, affine.weight) / affine.bias_gain)


class Networks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.generator = Generator(MINI_GENERATOR)
        self.generator.tilings.copy_(torch.from_numpy(tilings(MINI_GENERATOR.resolution)))
        self.encoder = Encoder(MINI_ENCODER)
        self.discriminator = Discriminator()
        self.styles = nn.Parameter(torch.stack([first_vector(MINI_GENERATOR, name) for name in NAMES]))
        self.colours = nn.Parameter(torch.zeros(len(COLOUR_NAMES), MINI_GENERATOR.domain_dim))


@dataclass(frozen=True)
class MiniSettings:
    """A share ``coarse`` of ``steps`` draws whole small pictures, in batches of ``batch_coarse``. In a fine batch,
    ``plain`` pictures have no style, ``styled`` ones have, ``bare`` ones have none and go through W+ alone. ``faces``:
    number of faces filtered beforehand. The others are shares, learning rates and weights of losses."""

    steps: int = 7_000
    coarse: float = 0.3
    batch_coarse: int = 32
    plain: int = 3
    styled: int = 11
    bare: int = 2
    faces: int = 560
    lr: float = 1e-3
    lr_fine: float = 7e-4
    coloured: float = 0.25  # share of styled pictures that are also tinted
    weaker: float = 0.2  # share of styled pictures at less than full strength
    adversarial_from: float = 0.5  # in the coarse half only; on crops it would just add grain to random faces
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
