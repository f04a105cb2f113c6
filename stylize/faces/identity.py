"""dlib's face recognition network as a differentiable torch module.

dlib's own Python interface gives descriptors but no gradients. The 29-layer residual network is read from the weights
file of the package ``face_recognition_models`` (public domain, Davis King), so that training can preserve identity (the
descriptor) and compare pictures by its features (a perceptual distance).
Network definition: dlib, ``examples/dnn_face_recognition_ex.cpp``.
"""

from __future__ import annotations

import re

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylize.errors import CheckpointError
from stylize.faces.align import model_file

CHIP_SIZE = 150
CHIP_CENTRE = (0.499, 0.601)  # of dlib's face chip in an FFHQ-aligned picture, as a share of its side
CHIP_SIDE = 0.7016
MEAN_RGB = (122.782, 117.001, 104.298)
STAGES = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))


def read_layers(data: bytes) -> list[np.ndarray]:
    """The parameter tensors of a serialised dlib network, from input to output, each as a flat array."""
    layers = []
    for match in re.finditer(rb"\x01\x05con_4|\x01\x07affine_|\x01\x04fc_2", data):
        position = match.end()

        def integer() -> int:
            nonlocal position
            size = data[position] & 0x7F
            value = int.from_bytes(data[position + 1 : position + 1 + size], "little")
            position += 1 + size
            return value

        if match[0].endswith(b"fc_2"):
            integer(), integer()  # outputs and inputs
        if integer() != 2:
            raise CheckpointError("The face recognition file has an unknown tensor version.")
        count = integer() * integer() * integer() * integer()
        layers.append(np.frombuffer(data, "<f4", count, position).copy())
    return layers


class Residual(nn.Module):
    """conv-affine-ReLU-conv-affine plus the input (pooled and zero-padded when halving), then ReLU."""

    def __init__(self, c_in: int, c_out: int, down: bool) -> None:
        super().__init__()
        self.first = nn.Conv2d(c_in, c_out, 3, stride=2 if down else 1, padding=0 if down else 1)
        self.second = nn.Conv2d(c_out, c_out, 3, padding=1)
        self.down, self.extra = down, c_out - c_in

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(F.relu(self.first(x)))
        if self.down:
            x = F.pad(F.avg_pool2d(x, 2), (0, 0, 0, 0, 0, self.extra))
            # dlib pads the shorter one with zeros
            y = F.pad(y, (0, x.shape[3] - y.shape[3], 0, x.shape[2] - y.shape[2]))
        return F.relu(x + y)


class FaceIdentity(nn.Module):
    """Face descriptors (N, 128) and feature maps of FFHQ-aligned pictures; frozen.

    By dlib's convention, two pictures of one person are within about 0.6 of each other (Euclidean). The affine layers
    after each convolution are folded into it.
    """

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 7, stride=2)
        blocks: list[nn.Module] = []
        c_in = 32
        for width, count, down in STAGES:
            for i in range(count):
                blocks.append(Residual(c_in, width, down and i == 0))
                c_in = width
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Linear(256, 128, bias=False)
        self.register_buffer("mean", torch.tensor(MEAN_RGB).view(1, 3, 1, 1))
        self._load(read_layers(model_file("dlib_face_recognition_resnet_model_v1.dat").read_bytes()))
        self.requires_grad_(False).to(memory_format=torch.channels_last)

    def _load(self, layers: list[np.ndarray]) -> None:
        convs = [m for m in self.modules() if isinstance(m, nn.Conv2d)]
        if len(layers) != 2 * len(convs) + 1:
            raise CheckpointError("The face recognition file has {} layers, not {}.", len(layers), 2 * len(convs) + 1)
        for conv, packed, affine in zip(convs, layers[0:-1:2], layers[1:-1:2], strict=True):
            kernel, bias = np.split(packed, [conv.weight.numel()])
            gamma, beta = np.split(affine, 2)
            conv.weight.data = torch.from_numpy(kernel.reshape(conv.weight.shape) * gamma[:, None, None, None])
            assert conv.bias is not None
            conv.bias.data = torch.from_numpy(bias * gamma + beta)
        self.head.weight.data = torch.from_numpy(layers[-1].reshape(256, 128).T.copy())

    def chip(self, pictures: Tensor) -> Tensor:
        """Aligned pictures (N, 3, R, R) -> (N, 3, 150, 150), the part that dlib's recognition uses."""
        half = CHIP_SIDE
        theta = pictures.new_tensor([[half, 0.0, 2 * CHIP_CENTRE[0] - 1], [0.0, half, 2 * CHIP_CENTRE[1] - 1]]).expand(
            len(pictures), 2, 3
        )
        grid = F.affine_grid(theta, [len(pictures), 3, CHIP_SIZE, CHIP_SIZE], align_corners=False)
        return F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)

    def features(self, chips: Tensor) -> list[Tensor]:
        """Feature maps of (N, 3, 150, 150) in [-1, 1] after the stem and after each stage (32 ... 256 channels)."""
        x = ((chips + 1) * 127.5 - self.mean) / 256
        x = x.to(self.stem.weight.dtype).contiguous(memory_format=torch.channels_last)
        x = F.relu(self.stem(x))
        maps = [x]
        x = F.max_pool2d(x, 3, stride=2)
        ends = np.cumsum([count for _, count, _ in STAGES]) - 1
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in ends:
                maps.append(x)
        return maps

    def descriptor(self, maps: list[Tensor]) -> Tensor:
        """The descriptor (N, 128) from the output of ``features``."""
        return self.head(maps[-1].float().mean((2, 3)))

    def forward(self, pictures: Tensor) -> Tensor:
        """Descriptors (N, 128) of aligned pictures (N, 3, R, R) in [-1, 1]."""
        return self.descriptor(self.features(self.chip(pictures)))


def perceptual_distance(a: list[Tensor], b: list[Tensor]) -> Tensor:
    """Distance (N,) of two lists of feature maps: channel-normalised and averaged, like LPIPS (Zhang et al. 2018)
    without its learned weights."""
    total = a[0].new_zeros(len(a[0]))
    for x, y in zip(a[:-1], b[:-1], strict=True):
        total = total + (F.normalize(x, dim=1) - F.normalize(y, dim=1)).square().sum(1).mean((1, 2))
    return total / (len(a) - 1)
