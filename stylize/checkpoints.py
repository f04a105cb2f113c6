"""Weights in safetensors files that carry their own settings, and the translation of foreign key names."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
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


def load_into(module: torch.nn.Module, tensors: Mapping[str, Tensor], origin: str) -> None:
    """Puts ``tensors`` in the place of the module's own, strictly and without copying, so the module may be on "meta".

    Raises CheckpointError that names what is missing, unexpected or of another size.
    """
    own = module.state_dict()
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
    module.load_state_dict({name: t.to(own[name].dtype) for name, t in tensors.items()}, assign=True)


ROSINALITY_NAMES: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (r"style\.(\d+)\.(weight|bias)", lambda m: f"mapping.layers.{int(m[1]) - 1}.{m[2]}"),
    (r"input\.input", lambda m: "const"),
    (r"noises\.noise_(\d+)", lambda m: f"convs.{m[1]}.noise"),
    (r"(conv1|convs\.(\d+))\.(.*)", lambda m: f"convs.{0 if m[2] is None else int(m[2]) + 1}.{m[3]}"),
    (r"(to_rgb1|to_rgbs\.(\d+))\.(.*)", lambda m: f"to_rgbs.{0 if m[2] is None else int(m[2]) + 1}.{m[3]}"),
)
ROSINALITY_LEAVES = {
    "conv.weight": "weight",
    "conv.modulation.weight": "affine.weight",
    "conv.modulation.bias": "affine.bias",
    "noise.weight": "noise_strength",
    "activate.bias": "bias",
}


def from_rosinality(g_ema: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict ``g_ema`` of a rosinality StyleGAN2 under this project's names and shapes.

    The stored FIR kernels are left out (they are constants); ``w_avg`` is not part of ``g_ema``.
    """
    out: dict[str, Tensor] = {}
    for name, tensor in g_ema.items():
        if name.endswith("kernel"):
            continue
        new = name
        for pattern, rename in ROSINALITY_NAMES:
            if match := re.fullmatch(pattern, name):
                new = rename(match)
                break
        for leaf, own in ROSINALITY_LEAVES.items():
            if new.startswith(("convs.", "to_rgbs.")) and new.split(".", 2)[2] == leaf:
                new = f"{'.'.join(new.split('.')[:2])}.{own}"
                break
        if new.endswith(".weight") and tensor.ndim == 5:
            tensor = tensor[0]
        elif new.startswith("to_rgbs.") and new.endswith(".bias") and tensor.ndim == 4:
            tensor = tensor.flatten()
        out[new] = tensor
    return out
