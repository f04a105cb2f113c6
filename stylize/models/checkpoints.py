"""Weights in safetensors files that contain their own settings."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from stylize.errors import CheckpointError
from stylize.places import atomic_write

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
DTYPES = (*FLOATS, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)


def save_checkpoint(
    path: str | Path, tensors: Mapping[str, Tensor], settings: Mapping[str, Any], dtype: torch.dtype | None = None
) -> None:
    """Writes tensors and JSON-able settings to ``path``, floating tensors as ``dtype`` if given.

    The write is atomic: to a temporary file, then renamed. Raises CheckpointError if the place is not writable or full.
    """
    path = Path(path)
    stored = {
        name: (t.to(dtype) if dtype and t.is_floating_point() else t).detach().cpu().contiguous().clone()
        for name, t in tensors.items()
    }
    words = json.dumps(settings, ensure_ascii=False).encode(errors="replace").decode()  # lone surrogates as ?
    with atomic_write(path, CheckpointError) as part:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
        mode = part.stat().st_mode  # the umask's permissions, which save_file ignores
        try:
            save_file(stored, part, metadata={"settings": words})
        except SafetensorError as error:
            raise OSError(errno.EIO, str(error)) from None
        part.chmod(mode)


def load_checkpoint(path: str | Path, device: str | torch.device = "cpu") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """(tensors, settings) of a file written by ``save_checkpoint``; half precision comes back as float32.

    Raises CheckpointError if the file is missing, damaged, or not from this project.
    """
    path = Path(path)
    if not os.path.isfile(path):  # unlike Path.is_file, false for an impossible name
        raise CheckpointError("There is no file {}.", path)
    try:
        with safe_open(path, "pt", device=str(device)) as file:
            settings = json.loads((file.metadata() or {})["settings"])
            json.dumps(settings, ensure_ascii=False).encode()  # raises for a lone surrogate
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        if odd := next((name for name, t in tensors.items() if t.dtype not in DTYPES), None):
            raise ValueError(f"{odd} holds numbers of the kind {tensors[odd].dtype}")
        if not isinstance(settings, dict):
            raise ValueError("its settings have no names")
        if not _shallow(settings):
            raise ValueError("its settings are nested too deeply")
    except Exception as error:  # JSON, safetensors and torch each raise their own
        raise CheckpointError("{} is not a file of this project or is damaged ({}).", path.name, error) from None
    return {n: t.float() if t.dtype in (torch.float16, torch.bfloat16) else t for n, t in tensors.items()}, settings


def load_settings(path: str | Path) -> dict[str, Any]:
    """The settings of a file written by ``save_checkpoint``, without reading its tensors. Raises CheckpointError."""
    try:
        with safe_open(path, "pt") as file:
            settings: dict[str, Any] = json.loads((file.metadata() or {})["settings"])
            return settings
    except Exception as error:
        raise CheckpointError("{} is not a file of this project or is damaged ({}).", Path(path).name, error) from None


def _shallow(value: Any, levels: int = 50) -> bool:
    """Whether lists and dicts are nested less deeply than any JSON reader or writer limits."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels > 0 and all(_shallow(item, levels - 1) for item in inner)


def check_tensors(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor], origin: str) -> None:
    """Raises CheckpointError, naming what is missing, unexpected or of the wrong size in ``tensors`` compared to
    ``own``."""
    problems = [f"missing {name}" for name in own.keys() - tensors.keys()]
    problems += [f"unexpected {name}" for name in tensors.keys() - own.keys()]
    problems += [
        f"{name} is {tuple(tensors[name].shape)} instead of {tuple(own[name].shape)}"
        for name in own.keys() & tensors.keys()
        if own[name].shape != tensors[name].shape
    ]
    if problems:
        shown = "; ".join(sorted(problems)[:4])
        raise CheckpointError("{} has a different architecture: {} ({} differences).", origin, shown, len(problems))


def load_into(module: torch.nn.Module, tensors: Mapping[str, Tensor], origin: str) -> None:
    """Assigns ``tensors`` to the module without copying, so the module may be on "meta".

    Raises CheckpointError, see ``check_tensors``.
    """
    own = module.state_dict()
    check_tensors(own, tensors, origin)
    module.load_state_dict({name: t.to(own[name].dtype) for name, t in tensors.items()}, assign=True)


def fingerprint(module: torch.nn.Module) -> str:
    """16 hexadecimal digits that identify a module's weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().float().contiguous().numpy())
    return digest.hexdigest()[:16]
