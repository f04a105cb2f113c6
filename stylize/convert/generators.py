"""Converts StyleGAN2 generators of rosinality, BasicSR and NVIDIA's stylegan2-ada-pytorch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from stylize.convert.common import (
    MAX_LEVELS,
    Base,
    ConvertedWeights,
    Tensors,
    checked,
    count,
    finite,
    plain_tensors,
    without_prefix,
)
from stylize.convert.unpickle import Record
from stylize.errors import CheckpointError
from stylize.models.checkpoints import load_into
from stylize.models.generator import Generator, GeneratorConfig

SAMPLES = 10_000  # samples of w to compute a missing mean
NOISE_SEED = 0  # seed of missing noise
MAX_WIDTH = 8192  # of any layer; 512 in published models
# the projects' names of the 4 px input
CONSTANT_NAMES = ("input.input", "constant_input.weight", "synthesis.b4.const")
BESIDE = ("d.", "D.", "netD.", "discriminator.", "g.", "generator.")  # other networks saved with it

Names = Sequence[tuple[str, Callable[[re.Match[str]], str]]]
LEAVES = {
    "conv.weight": "weight",
    "conv.modulation.weight": "affine.weight",
    "conv.modulation.bias": "affine.bias",
    "noise.weight": "noise_strength",
    "activate.bias": "bias",
}
ROSINALITY: Names = (
    (r"style\.(\d{1,4})\.(weight|bias)", lambda m: f"mapping.layers.{int(m[1]) - 1}.{m[2]}"),
    (r"input\.input", lambda m: "const"),
    (r"noises\.noise_(\d{1,4})", lambda m: f"convs.{m[1]}.noise"),
    (r"conv1\.(.*)", lambda m: f"convs.0.{LEAVES.get(m[1], m[1])}"),
    (r"convs\.(\d{1,4})\.(.*)", lambda m: f"convs.{int(m[1]) + 1}.{LEAVES.get(m[2], m[2])}"),
    (r"to_rgb1\.(.*)", lambda m: f"to_rgbs.0.{LEAVES.get(m[1], m[1])}"),
    (r"to_rgbs\.(\d{1,4})\.(.*)", lambda m: f"to_rgbs.{int(m[1]) + 1}.{LEAVES.get(m[2], m[2])}"),
)
# A convolution's weight and the strength of its noise are both called weight.
BASICSR: Names = (
    (r"style_mlp\.(.*)", lambda m: f"style.{m[1]}"),
    (r"constant_input\.weight", lambda m: "input.input"),
    (r"noises\.noise(\d{1,4})", lambda m: f"noises.noise_{m[1]}"),
    (r"style_(conv1|convs\.\d{1,4})\.weight", lambda m: f"{m[1]}.noise.weight"),
    (r"style_(conv1|convs\.\d{1,4})\.(.*)", lambda m: f"{m[1]}.{m[2].replace('modulated_conv.', 'conv.')}"),
    (r"(to_rgb1|to_rgbs\.\d{1,4})\.modulated_conv\.(.*)", lambda m: f"{m[1]}.conv.{m[2]}"),
)
NVIDIA_NAMES: Names = (
    (r"mapping\.fc(\d{1,4})\.(weight|bias)", lambda m: f"mapping.layers.{m[1]}.{m[2]}"),
    (r"mapping\.w_avg", lambda m: "w_avg"),
    (r"synthesis\.b4\.const", lambda m: "const"),
    (r"synthesis\.b(\d{1,4})\.conv([01])\.(.*)", lambda m: f"convs.{2 * _level(m[1]) + int(m[2]) - 1}.{m[3]}"),
    (r"synthesis\.b(\d{1,4})\.torgb\.(.*)", lambda m: f"to_rgbs.{_level(m[1])}.{m[2]}"),
)


def _level(resolution: str) -> int:
    """0 at 4 px, 1 at 8 px, ..."""
    return int(resolution).bit_length() - 3


def renamed(tensors: Mapping[str, Tensor], names: Names) -> Tensors:
    """Renames tensors to this project's names; drops FIR kernels, which are constants."""
    out = {}
    for name, tensor in tensors.items():
        if not name.endswith(("kernel", "resample_filter")):
            matches = ((rename, re.fullmatch(pattern, name)) for pattern, rename in names)
            out[next((rename(match) for rename, match in matches if match), name)] = tensor
    return out


def from_rosinality(g_ema: Mapping[str, Tensor]) -> Tensors:
    """Converts the state dict ``g_ema`` of a rosinality StyleGAN2 to this project's names and shapes, without
    ``w_avg``."""
    out = renamed(g_ema, ROSINALITY)
    for name, tensor in out.items():
        if name.endswith(".weight") and tensor.ndim == 5:
            out[name] = tensor[0]
        elif name.startswith("to_rgbs.") and name.endswith(".bias") and tensor.ndim == 4:
            out[name] = tensor.flatten()
    return out


def from_nvidia(g_ema: Mapping[str, Tensor]) -> Tensors:
    """Converts the tensors of a stylegan2-ada-pytorch generator to this project's names and shapes, with ``w_avg``."""
    out = renamed(g_ema, NVIDIA_NAMES)
    for name in list(out):
        if name.endswith(".noise_const"):
            out[name.removesuffix("_const")] = out.pop(name)[None, None]
        elif name == "const":
            out[name] = out[name][None]
        elif name.endswith(".noise_strength"):
            out[name] = out[name].flatten()
    return out


def _prefixes(names: Iterable[Any]) -> list[str]:
    """Prefixes of a generator's names; the running average over training steps comes first."""
    found = [
        name.removesuffix(constant)
        for name in names
        for constant in CONSTANT_NAMES
        if isinstance(name, str) and (name == constant or name.endswith(f".{constant}"))
    ]
    return sorted(found, key=lambda prefix: ("ema" not in prefix, prefix))


def holds_generator(names: Iterable[Any]) -> bool:
    """Whether these names include a generator's tensors."""
    return bool(_prefixes(names))


def from_state(state: Any, latent_avg: Any, source: str, name: str, base: Base | None = None) -> ConvertedWeights:
    """Converts a state dict of any of the three projects. latent_avg: the mean w stored beside it, or None."""
    tensors = plain_tensors(state, name)
    prefix = next(iter(_prefixes(tensors)), "")
    own = {key: tensor for key, tensor in tensors.items() if key.startswith(prefix) or not key.startswith(BESIDE)}
    tensors = without_prefix(own, prefix)
    if "synthesis.b4.const" in tensors:
        return from_module(tensors, name, base)
    if "constant_input.weight" in tensors:
        tensors, source = renamed(tensors, BASICSR), "BasicSR"
    return generator(from_rosinality(tensors), row(latent_avg, name), source, name, base)


def from_module(module: Any, name: str, base: Base | None) -> ConvertedWeights:
    """Converts the pickled network of stylegan2-ada-pytorch, or its tensors."""
    tensors = from_nvidia(_parameters(module, name) if isinstance(module, Record) else plain_tensors(module, name))
    return generator(tensors, tensors.pop("w_avg", None), "stylegan2-ada-pytorch", name, base)


def _parameters(module: Any, name: str) -> Tensors:
    """The tensors of a pickled network, a tree of modules, by name."""
    found: dict[str, Any] = {}
    seen: set[int] = set()  # in a malicious file modules may contain each other

    def enter(module: Any, prefix: str) -> None:
        state = module.get("state") if isinstance(module, Record) else None
        state = state if isinstance(state, dict) else {}
        groups: list[Any] = [state.get(f"_{group}") for group in ("parameters", "buffers", "modules")]
        if id(module) in seen or not all(isinstance(group, dict) and len(group) < 100 for group in groups):
            raise CheckpointError(
                "{} holds no network of stylegan2-ada-pytorch where one should be; use another.", name
            )
        seen.add(id(module))
        parameters, buffers, modules = groups
        held = {**parameters, **buffers}
        found.update((f"{prefix}{key}", tensor) for key, tensor in held.items() if tensor is not None)
        for key, inner in modules.items():
            enter(inner, f"{prefix}{key}.")

    enter(module, "")
    return plain_tensors(found, name)


def generator(tensors: Tensors, w_avg: Tensor | None, source: str, name: str, base: Base | None) -> ConvertedWeights:
    """Builds a generator from tensors with this project's names. A missing mean w is taken from ``base`` if both have
    the same mapping network, else computed; if all noise is missing, it is drawn at random."""
    convs, layers = (count(pattern, tensors) for pattern in (r"convs\.\d+\.weight", r"mapping\.layers\.\d+\.weight"))
    try:
        channels = [tensors["const"].shape[1], *(tensors[f"convs.{i}.weight"].shape[0] for i in range(1, convs, 2))]
        z_dim, w_dim = tensors["mapping.layers.0.weight"].shape[1], tensors["convs.0.affine.weight"].shape[1]
    except LookupError as error:
        raise CheckpointError("{} contains no StyleGAN2 generator: a layer is missing ({}).", name, error) from None
    if len(channels) > MAX_LEVELS:
        raise CheckpointError(
            "{} contains a generator of more than {} px; use a smaller one.", name, 2 ** (MAX_LEVELS + 1)
        )
    config = GeneratorConfig(4 * 2 ** (len(channels) - 1), tuple(channels), z_dim, w_dim, layers)
    if max(*channels, z_dim, w_dim) > MAX_WIDTH:
        raise CheckpointError(
            "{} contains a generator with layers wider than {:,}; use a smaller one.", name, MAX_WIDTH
        )
    origin = {"file": name, "format": source}
    note = ""
    if not any(key.endswith(".noise") for key in tensors):
        tensors |= _drawn_noise(convs)
        origin["noise"] = f"drawn with the seed {NOISE_SEED}"
        note = f"{name} holds no noise, as old files do; it was drawn with the seed {NOISE_SEED}."
    placed = {**tensors, "w_avg": torch.zeros(w_dim) if w_avg is None else w_avg}
    tensors = checked(lambda: Generator(config), placed, name)
    own = base.generator.state_dict() if base and base.generator.config == config else {}
    related = bool(own) and all(torch.equal(own[key], tensors[key]) for key in own if key.startswith("mapping."))
    if base and related:
        origin["fine_tuned_from"] = base.fingerprint
    if w_avg is None and related:
        tensors["w_avg"] = own["w_avg"]
    elif w_avg is None:
        with torch.device("meta"):
            made = Generator(config)
        load_into(made, tensors, name)
        made.update_w_avg(torch.Generator().manual_seed(0), SAMPLES)
        tensors |= finite({"w_avg": made.w_avg}, name)
    return ConvertedWeights(tensors, {"config": config.to_dict(), "origin": origin}, note)


def _drawn_noise(convs: int) -> Tensors:
    rng = torch.Generator().manual_seed(NOISE_SEED)
    sides = (4 * 2 ** ((i + 1) // 2) for i in range(convs))
    return {f"convs.{i}.noise": torch.randn(1, 1, side, side, generator=rng) for i, side in enumerate(sides)}


def row(latent_avg: Any, name: str) -> Tensor | None:
    """The mean w (w_dim,), stored once or for every row of W+; None if the rows differ or there is none."""
    if latent_avg is None:
        return None
    stored = plain_tensors({"latent_avg": latent_avg}, name)["latent_avg"]
    if stored.ndim == 2 and len(stored) and bool((stored == stored[:1]).all()):
        return stored[0]
    return stored if stored.ndim == 1 else None
