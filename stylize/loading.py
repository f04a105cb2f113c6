"""Loads the parts of a ``Stylizer`` from a model's folder. Large parts are read on first use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from stylize.errors import CheckpointError, StylizeError
from stylize.models.checkpoints import load_checkpoint
from stylize.models.domain import Domain
from stylize.models.encoders import find_encoder, load_encoder
from stylize.models.generator import Generator
from stylize.models.hypernet import HyperNet
from stylize.models.lpips import Lpips
from stylize.models.text_image import TextImageModel, reads_english
from stylize.places import default_model, model_folder

P = TypeVar("P")
P_co = TypeVar("P_co", covariant=True)


@dataclass(frozen=True)
class Lazy(Generic[P_co]):
    """A part that ``read`` loads on first use."""

    read: Callable[[], P_co]


def value_of(part: P | Lazy[P]) -> P:
    """The part itself, loading it if needed."""
    return part.read() if isinstance(part, Lazy) else part


class DomainFolder(Mapping[str, Domain]):
    """The domain files below a folder, by path without suffix: "pencil sketch", "colours/red". Each access reads the
    file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def _file(self, name: object) -> Path:
        return self.path / f"{name}.safetensors"

    def __getitem__(self, name: str) -> Domain:
        if name not in self:
            raise KeyError(name)
        return Domain.load(self._file(name))

    def __contains__(self, name: object) -> bool:
        return self._file(name).is_file()

    def __iter__(self) -> Iterator[str]:
        for path in sorted(self.path.rglob("*.safetensors")):
            yield path.relative_to(self.path).with_suffix("").as_posix()

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True)
class ModelFolder:
    """The contents of a model's folder: generator.safetensors and, if present, encoder, clip*, hypernet and
    directions.safetensors, domains/ with their previews/, and LPIPS."""

    name: str
    path: Path

    @classmethod
    def find(cls, model: str | None = None) -> ModelFolder:
        """The folder of "mini", of "full" or given itself; None is ``default_model``. Raises CheckpointError."""
        model = model or default_model()
        path = model_folder(model)
        if model == "full" and not (path / "generator.safetensors").is_file():
            raise CheckpointError("The full model is missing; run python -m stylize download full.")
        if not path.is_dir():
            raise CheckpointError("There is no model {!r}; use mini, full or the path of a model's folder.", model)
        return cls(model if model == "full" else path.name, path)

    def generator(self) -> Generator:
        return Generator.load(self.path / "generator.safetensors")

    def encoder(self, generator: Generator) -> nn.Module | None:
        """The encoder, or None if the folder has none."""
        path = find_encoder(self.path)
        return None if path is None else load_encoder(path, generator)

    def _clip_files(self) -> list[Path]:
        return sorted(self.path.glob("clip*.safetensors"), key=lambda path: path.stem)

    def english(self) -> Lazy[bool] | None:
        """Whether the first text-image model understands any English."""
        paths = self._clip_files()
        return Lazy(lambda: reads_english(paths[0])) if paths else None

    def clips(self) -> Lazy[Sequence[TextImageModel]] | None:
        """The text-image models: the full model has ViT-B/32 and ViT-B/16."""
        paths = self._clip_files()
        return Lazy(lambda: [TextImageModel.load(path) for path in paths]) if paths else None

    def hypernet(self) -> Lazy[HyperNet] | None:
        path = self.path / "hypernet.safetensors"
        return Lazy(lambda: HyperNet.load(path)) if path.is_file() else None

    def lpips(self) -> Lazy[Lpips | None]:
        return Lazy(lambda: Lpips.load(self.path))

    def domains(self) -> DomainFolder:
        return DomainFolder(self.path / "domains")

    def directions(self) -> Lazy[Mapping[str, Tensor]] | None:
        path = self.path / "directions.safetensors"
        return Lazy(lambda: load_checkpoint(path)[0]) if path.is_file() else None


def pick_device(name: str | None = None) -> torch.device:
    """The named device, or the best one available. Raises StylizeError if it does not exist."""
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError):
        raise StylizeError("The device {!r} is not available here; leave it out or use cpu.", name) from None
    return device
