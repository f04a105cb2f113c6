"""HyperDomainNet: a text or picture embedding to a domain vector in one pass (Alanov, Titov, Vetrov 2022, section 4).

The network is the published ``residual_channelin``: a trunk of residual blocks and, for every convolution of the
generator, a head with one output per input channel. Here the parts of a face and the shares have a head each too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylize.errors import CheckpointError
from stylize.models.checkpoints import load_checkpoint, load_into, save_checkpoint
from stylize.models.domain import Domain
from stylize.models.generator import without_faint
from stylize.models.layers import Order


@dataclass(frozen=True)
class HyperNetConfig:
    """``sizes``: the layout of the domain vector, whose last ``shares`` numbers are shares of tilings and screens;
    ``embedding``: width of the input; ``width`` of the trunk; ``inner`` width of the residual blocks; ``depth``: the
    first layer and depth - 1 blocks."""

    sizes: tuple[int, ...]
    embedding: int = 512
    width: int = 512
    inner: int = 512
    depth: int = 4
    shares: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "sizes", tuple(self.sizes))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class First(nn.Module):
    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.lin, self.bn = nn.Linear(c_in, c_out), nn.BatchNorm1d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(F.relu(self.lin(x)))


class Residual(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.input_block = nn.Sequential(nn.Linear(width, inner), nn.BatchNorm1d(inner), nn.ReLU())
        self.second_block = nn.Sequential(nn.Linear(inner, width), nn.BatchNorm1d(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second_block(self.input_block(x)))


class HyperNet(nn.Module):
    """Embeddings (N, embedding), normalised to unit length -> domain vectors (N, sum(sizes)).

    The batch statistics need ``eval()`` for inference. ``order``: where the generator applies the vectors;
    ``generator``: the fingerprint of the generator it was made for, "" if not recorded; ``clip``: the text-image model
    whose embeddings it reads; ``settings``: anything JSON can hold.
    """

    def __init__(
        self,
        config: HyperNetConfig,
        order: Order = "pre_demod",
        generator: str = "",
        clip: str = "",
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.config, self.order, self.generator, self.clip = config, order, generator, clip
        self.settings = dict(settings or {})
        blocks = (Residual(config.width, config.inner) for _ in range(config.depth - 1))
        self.backbone = nn.Sequential(First(config.embedding, config.width), *blocks)
        self.heads = nn.ModuleList(
            nn.Sequential(Residual(config.width, config.inner), nn.Linear(config.width, size)) for size in config.sizes
        )
        for module in self.modules():
            if isinstance(module, nn.Linear):  # starts at the source domain
                nn.init.xavier_normal_(module.weight, gain=0.01)
                nn.init.zeros_(module.bias)

    def forward(self, embeddings: Tensor) -> Tensor:
        x = self.backbone(F.normalize(embeddings, dim=1))
        return torch.cat([head(x) for head in self.heads], 1)

    @torch.no_grad()
    def domain(self, embedding: Tensor, text: str) -> Domain:
        """The domain of one embedding (embedding,), named after its description; without faint shares."""
        vector = self(embedding[None])[0]
        vector = without_faint(vector, self.config.shares)
        return Domain(vector, self.config.sizes, self.order, self.generator, text, text, method="hypernetwork")

    def save(self, path: str | Path, dtype: torch.dtype | None = None) -> None:
        """Writes a safetensors file that ``load`` reads, floats as ``dtype`` if given."""
        names = ("order", "generator", "clip", "settings")
        settings = {"config": self.config.to_dict(), **{name: getattr(self, name) for name in names}}
        save_checkpoint(path, self.state_dict(), settings, dtype)

    @classmethod
    def load(cls, path: str | Path) -> HyperNet:
        """A saved network, frozen and in evaluation mode. Raises CheckpointError."""
        tensors, settings = load_checkpoint(path)
        try:
            config = HyperNetConfig(**settings.pop("config"))
            net = cls(config, **settings)
        except (KeyError, TypeError):
            raise CheckpointError("{} is not a hypernetwork of this project.", Path(path).name) from None
        load_into(net, tensors, Path(path).name)
        return net.eval().requires_grad_(False)


OFFICIAL_NAMES = ((r"backbone\.backbone\.(.*)", r"backbone.\1"), (r"heads\.conv_(\d+)\.in\.(.*)", r"heads.\1.\2"))


def from_official(state_dict: Mapping[str, Tensor], clip: str = "ViT-B-32") -> HyperNet:
    """Converts the mapper of a published HyperDomainNet checkpoint; its sizes are taken from its tensors.

    It is applied after demodulation, as in the official code. Raises CheckpointError for another architecture.
    """
    tensors: dict[str, Tensor] = {}
    for name, tensor in state_dict.items():
        for pattern, replacement in OFFICIAL_NAMES:
            name = re.sub(f"^{pattern}$", replacement, name)
        tensors[name] = tensor
    try:
        width, embedding = tensors["backbone.0.lin.weight"].shape
        inner = len(tensors["heads.0.0.input_block.0.weight"])
    except (KeyError, ValueError):
        raise CheckpointError(
            "This is not a mapper of the kind residual_channelin; no other kind is supported."
        ) from None
    heads = sum(bool(re.fullmatch(r"heads\.\d+\.1\.weight", name)) for name in tensors)
    depth = 1 + sum(bool(re.fullmatch(r"backbone\.\d+\.input_block\.0\.weight", name)) for name in tensors)
    sizes = tuple(len(tensors.get(f"heads.{i}.1.weight", ())) for i in range(heads))
    net = HyperNet(HyperNetConfig(sizes, embedding, width, inner, depth), "post_demod", clip=clip)
    load_into(net, tensors, "The mapper")
    return net.eval().requires_grad_(False)
