"""Weights in safetensors files that carry their own settings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from stylize.errors import CheckpointError


def save_checkpoint(
    path: str | Path, tensors: Mapping[str, Tensor], settings: Mapping[str, Any], dtype: torch.dtype | None = None
) -> None:
    """Writes tensors and JSON-able settings to ``path``; floating tensors as ``dtype`` where it is given.

    The file appears whole or not at all: it is written beside its place and moved there.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = {
        name: (t.to(dtype) if dtype and t.is_floating_point() else t).detach().cpu().contiguous().clone()
        for name, t in tensors.items()
    }
    part = path.with_name(path.name + ".part")
    save_file(stored, part, metadata={"settings": json.dumps(settings, ensure_ascii=False)})
    part.replace(path)


def load_checkpoint(path: str | Path, device: str | torch.device = "cpu") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """(tensors, settings) of a file written by ``save_checkpoint``; half precision comes back as float32.

    Raises CheckpointError when the file is missing, broken, or not ours.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"There is no file {path}.")
    try:
        with safe_open(path, "pt", device=str(device)) as file:
            settings = json.loads((file.metadata() or {})["settings"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise CheckpointError(f"{path.name} is not a file of this project or is damaged ({error}).") from None
    return {n: t.float() if t.dtype in (torch.float16, torch.bfloat16) else t for n, t in tensors.items()}, settings


def check_tensors(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor], origin: str) -> None:
    """Raises CheckpointError that names which of ``tensors`` is missing, unexpected or not of its size in ``own``."""
    problems = [f"missing {name}" for name in own.keys() - tensors.keys()]
    problems += [f"unexpected {name}" for name in tensors.keys() - own.keys()]
    problems += [
        f"{name} is {tuple(tensors[name].shape)} instead of {tuple(own[name].shape)}"
        for name in own.keys() & tensors.keys()
        if own[name].shape != tensors[name].shape
    ]
    if problems:
        shown = "; ".join(sorted(problems)[:4])
        raise CheckpointError(f"{origin} holds another architecture: {shown} ({len(problems)} differences).")


def load_into(module: torch.nn.Module, tensors: Mapping[str, Tensor], origin: str) -> None:
    """Makes ``tensors`` the module's own without a copy, so that the module may be on "meta".

    Raises CheckpointError, see ``check_tensors``.
    """
    own = module.state_dict()
    check_tensors(own, tensors, origin)
    module.load_state_dict({name: t.to(own[name].dtype) for name, t in tensors.items()}, assign=True)


def fingerprint(module: torch.nn.Module) -> str:
    """16 hexadecimal digits that name a module's weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().float().contiguous().numpy())
    return digest.hexdigest()[:16]
