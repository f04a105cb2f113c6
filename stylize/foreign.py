"""Checkpoints of other projects, recognised by their contents and written anew in this project's formats.

Generators of rosinality's StyleGAN2 (StyleGAN-NADA's too) and of NVIDIA's stylegan2-ada-pytorch, the encoders e4e and
ReStyle, domains and mappers of HyperDomainNet, directions of InterFaceGAN, LPIPS and its VGG16. Files are read by
``stylize.unpickle``, which runs nothing in them; each must hold exactly the tensors of its architecture.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor, nn

from stylize.checkpoints import check_tensors, load_checkpoint, load_into, save_checkpoint
from stylize.domain import Domain
from stylize.e4e import E4e, E4eConfig, ReStyle
from stylize.errors import CheckpointError, DomainError
from stylize.generator import Generator, GeneratorConfig
from stylize.hypernet import HyperNet, from_official
from stylize.lpips import WIDTHS, Lpips
from stylize.unpickle import DAMAGE, Array, Record, load

MOST_LEVELS = 10  # of a generator: 2048 px
MOST_NUMBERS = 2**29  # of one model; e4e has 267 million
MOST_UNPACKED = 2**31  # bytes of an archive of checkpoints
LARGEST_DIRECTIONS = 1_000_000  # bytes
SAMPLES = 10_000  # of w, for a generator whose file lacks their mean
HTML = re.compile(rb"\s*<(!doctype|html|head|\?xml)", re.IGNORECASE)
PLAIN_NAME = re.compile(r"[\w ,()+&'-][\w .,()+&'-]{0,99}")  # not hidden, not the folder above

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Weights:
    """A generator, an encoder, directions or a part of LPIPS: tensors, and settings that say what they are."""

    tensors: Tensors
    settings: dict[str, Any]

    def save(self, path: str | Path) -> None:
        save_checkpoint(path, self.tensors, self.settings)


@dataclass(frozen=True)
class Base:
    """The generator that domains belong to."""

    generator: Generator
    fingerprint: str

    @classmethod
    def load(cls, path: Path) -> Base:
        """This project's file of a generator, or a folder with generator.safetensors. Raises CheckpointError."""
        path = path / "generator.safetensors" if path.is_dir() else path
        tensors, settings = load_checkpoint(path)
        try:
            generator = Generator(GeneratorConfig(**settings["config"]))
        except (KeyError, TypeError, ValueError):
            raise CheckpointError(f"{path.name} is no generator of this project; convert one first.") from None
        load_into(generator, tensors, path.name)
        return cls(generator, generator.fingerprint())


Converted = Weights | Domain | HyperNet


def convert(path: Path, out: Path, generator: Path | None = None, decoder: Path | None = None) -> list[Path]:
    """Writes the checkpoint ``path`` as the safetensors file ``out``, and returns what was written.

    An archive of checkpoints is written into the folder ``out``. generator: the generator that domains belong to (see
    ``Base.load``); they then carry its fingerprint. decoder: where to write the generator inside an encoder's file.

    Raises CheckpointError when the file is no known kind of checkpoint, damaged, hostile or of another architecture.
    """
    base = None if generator is None else Base.load(generator)
    with _opened(path) as stream:
        if any(entry.endswith(".pt") for entry in _entries(stream)):
            return list(_convert_archive(stream, path.name, out, base))
        content = read(stream, path.name)
    results = {out: recognise(content, path.name, base)}
    if decoder == out:
        raise CheckpointError(f"The encoder and its generator cannot both be written to {out}; give two names.")
    if decoder is not None:
        results[decoder] = _decoder(content, path.name, base)
    return _saved(results)


def join_directions(paths: Sequence[Path], out: Path) -> list[Path]:
    """Writes the InterFaceGAN directions of several files as one. Raises CheckpointError."""
    tensors: Tensors = {}
    for path in paths:
        with _opened(path) as stream:
            found = recognise(read(stream, path.name), path.name)
        if not isinstance(found, Weights) or found.settings.get("kind") != "directions":
            raise CheckpointError(f"{path.name} holds no directions; convert it alone, only directions can be joined.")
        if repeated := tensors.keys() & found.tensors.keys():
            raise CheckpointError(f"Two files hold a direction called {min(repeated)}; rename one.")
        tensors |= found.tensors
    return _saved({out: Weights(tensors, {"kind": "directions"})})


def _opened(path: Path) -> IO[bytes]:
    if not path.is_file():
        raise CheckpointError(f"There is no file {path}; check the path.")
    return path.open("rb")


def _saved(results: Mapping[Path, Converted]) -> list[Path]:
    for path in results:
        if path.suffix != ".safetensors":
            raise CheckpointError(f"Cannot write {path}: the name must end in .safetensors.")
    for path, result in results.items():
        result.save(path)
    return list(results)


def _convert_archive(stream: IO[bytes], name: str, out: Path, base: Base | None) -> Iterator[Path]:
    """Every ``.pt`` of an archive, under its own path in the folder ``out``."""
    if out.suffix == ".safetensors" or out.is_file():
        raise CheckpointError(f"{name} holds several checkpoints; name a folder for them instead of the file {out}.")
    entries = {entry: size for entry, size in _entries(stream).items() if entry.endswith(".pt")}
    entries = {entry: size for entry, size in entries.items() if not entry.startswith("__MACOSX/")}
    if sum(entries.values()) > MOST_UNPACKED:
        raise CheckpointError(f"{name} would unpack to more than {MOST_UNPACKED:,} bytes; take out what you need.")
    for entry in entries:
        if not all(PLAIN_NAME.fullmatch(part) for part in entry.split("/")):
            raise CheckpointError(f"{name} is refused: a file in it has the unsafe name {entry!a}.")
    for entry in entries:
        inside = PurePosixPath(entry)
        content = read(io.BytesIO(_unpacked(stream, entry, name)), inside.name)
        yield from _saved({out / inside.with_suffix(".safetensors"): recognise(content, inside.name, base)})


# --- from bytes to plain data, and what it is ---------------------------------------------------------


def read(stream: IO[bytes], name: str) -> Any:
    """The content of a checkpoint as plain data, see ``stylize.unpickle.load``; NumPy's arrays as tensors."""
    start = stream.read(1024)
    stream.seek(0)
    if not start:
        raise CheckpointError(f"{name} is empty; download it again.")
    if HTML.match(start):
        raise CheckpointError(
            f"{name} is a web page, not a checkpoint, as a host sends when a file was downloaded too often; "
            "download it again later or from elsewhere."
        )
    if start.startswith(b"version https://git-lfs"):
        raise CheckpointError(f"{name} is a pointer of Git LFS, not the file itself; fetch that with `git lfs pull`.")
    if start.startswith(b"\x93NUMPY"):
        return _array(stream.read(LARGEST_DIRECTIONS + 1), name)
    entries = _entries(stream)
    if entries and all(entry.endswith(".npy") for entry in entries):
        if sum(entries.values()) > LARGEST_DIRECTIONS:
            raise CheckpointError(f"{name} is too large for directions; use another file.")
        return {entry.removesuffix(".npy"): _array(_unpacked(stream, entry, name), name) for entry in entries}
    return load(stream, name)


def _unpacked(stream: IO[bytes], entry: str, name: str) -> bytes:
    try:
        with zipfile.ZipFile(stream) as archive:
            return archive.read(entry)
    except (*DAMAGE, zlib.error):
        raise CheckpointError(f"{entry!a} in {name} is damaged or encrypted; download it again.") from None


def _entries(stream: IO[bytes]) -> dict[str, int]:
    """Names and sizes inside a zip file; nothing for other files, and for torch's own."""
    try:
        with zipfile.ZipFile(stream) as archive:
            entries = {info.filename: info.file_size for info in archive.infolist()}
    except DAMAGE:
        entries = {}
    stream.seek(0)
    return {} if any(entry.endswith("/data.pkl") for entry in entries) else entries


def _array(data: bytes, name: str) -> Tensor:
    if len(data) > LARGEST_DIRECTIONS:
        raise CheckpointError(f"{name} is too large for a direction; use another file.")
    try:
        return torch.from_numpy(np.load(io.BytesIO(data), allow_pickle=False))
    except DAMAGE:
        raise CheckpointError(f"{name} is damaged or holds no plain numbers; download it again.") from None


def recognise(content: Any, name: str, base: Base | None = None) -> Converted:
    """The content of the file ``name`` in this project's form. Raises CheckpointError when it is nothing known."""
    name = name.encode(errors="replace").decode()
    if isinstance(content, dict):
        for key, reader in READERS.items():
            if key in content:
                return reader(content, name, base)
        parts = content
    else:
        parts = {name.rpartition(".")[0] or name: content}
    directions = {key: value for key, part in parts.items() if (value := _direction(part)) is not None}
    named = all(isinstance(key, str) and PLAIN_NAME.fullmatch(key) for key in parts)
    if directions and named and len(directions) == len(parts):
        return Weights(_finite(directions, name), {"kind": "directions", "origin": {"file": name}})
    raise CheckpointError(
        f"{name} is none of the checkpoints that this project reads (generators of StyleGAN2, e4e, ReStyle, "
        "HyperDomainNet, directions of InterFaceGAN, LPIPS and VGG16); use one of them."
    )


def _direction(value: Any) -> Tensor | None:
    """(n,) of a direction, stored as (n,) or (1, n); None for anything else."""
    value = value.tensor if isinstance(value, Array) else value
    if isinstance(value, Tensor) and value.is_floating_point() and value.numel() and value.shape[:-1] in ((), (1,)):
        return value.flatten()
    return None


def _tensors(state: Any, name: str) -> Tensors:
    """A state dict. Raises CheckpointError when it holds anything but tensors with plain names, or empty ones."""
    items = state.items() if isinstance(state, dict) else [("", None)]
    if not all(_text(key) and isinstance(value, Tensor) and value.numel() for key, value in items):
        raise CheckpointError(f"{name} does not hold plain tensors where its weights should be; use another file.")
    return dict(items)


def _finite(tensors: Tensors, name: str) -> Tensors:
    """In float32 but for BatchNorm's counters. Raises CheckpointError when they are too many or not finite."""
    if sum(tensor.numel() for tensor in tensors.values()) > MOST_NUMBERS:
        raise CheckpointError(f"{name} holds far more numbers than a model of its kind has; use another file.")
    tensors = {k: t.long() if k.endswith("num_batches_tracked") else t.float() for k, t in tensors.items()}
    for key, tensor in tensors.items():
        if not bool(tensor.isfinite().all()):
            raise CheckpointError(f"{name} is damaged: {key} holds numbers that are not finite; download it again.")
    return tensors


def _checked(build: Callable[[], nn.Module], tensors: Tensors, name: str) -> Tensors:
    with torch.device("meta"):
        expected = build().state_dict()
    check_tensors(expected, tensors, name)
    return _finite(tensors, name)


def _text(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable() and len(value) < 1000


def _shown(value: Any) -> str:
    return ascii(value[:60]) if isinstance(value, str) else "not told"


def _count(pattern: str, tensors: Tensors) -> int:
    return sum(bool(re.fullmatch(pattern, name)) for name in tensors)


def _plain(settings: Any) -> dict[str, Any]:
    """Numbers and short texts of a dict, an argparse.Namespace or an OmegaConf container."""
    if isinstance(settings, Record):
        settings = settings.get("_content", settings)
    items = settings.items() if isinstance(settings, dict) else ()
    values = {key: value.get("_val") if isinstance(value, Record) else value for key, value in items}
    return {key: value for key, value in values.items() if _text(key) and (_text(value) or _number(value))}


def _number(value: Any) -> bool:
    return value is None or isinstance(value, float) or (isinstance(value, int) and abs(value) < 2**63)


# --- generators ---------------------------------------------------------------------------------------

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
NVIDIA: Names = (
    (r"mapping\.fc(\d{1,4})\.(weight|bias)", lambda m: f"mapping.layers.{m[1]}.{m[2]}"),
    (r"mapping\.w_avg", lambda m: "w_avg"),
    (r"synthesis\.b4\.const", lambda m: "const"),
    (r"synthesis\.b(\d{1,4})\.conv([01])\.(.*)", lambda m: f"convs.{2 * _level(m[1]) + int(m[2]) - 1}.{m[3]}"),
    (r"synthesis\.b(\d{1,4})\.torgb\.(.*)", lambda m: f"to_rgbs.{_level(m[1])}.{m[2]}"),
)


def _level(resolution: str) -> int:
    """0 at 4 px, 1 at 8 px, ..."""
    return int(resolution).bit_length() - 3


def _renamed(tensors: Mapping[str, Tensor], names: Names) -> Tensors:
    """The tensors under this project's names; FIR kernels are left out, they are constants."""
    out = {}
    for name, tensor in tensors.items():
        if not name.endswith(("kernel", "resample_filter")):
            matches = ((rename, re.fullmatch(pattern, name)) for pattern, rename in names)
            out[next((rename(match) for rename, match in matches if match), name)] = tensor
    return out


def from_rosinality(g_ema: Mapping[str, Tensor]) -> Tensors:
    """The state dict ``g_ema`` of a rosinality StyleGAN2 under this project's names and shapes, without ``w_avg``."""
    out = _renamed(g_ema, ROSINALITY)
    for name, tensor in out.items():
        if name.endswith(".weight") and tensor.ndim == 5:
            out[name] = tensor[0]
        elif name.startswith("to_rgbs.") and name.endswith(".bias") and tensor.ndim == 4:
            out[name] = tensor.flatten()
    return out


def from_nvidia(g_ema: Mapping[str, Tensor]) -> Tensors:
    """The tensors of a stylegan2-ada-pytorch generator under this project's names and shapes, with ``w_avg``."""
    out = _renamed(g_ema, NVIDIA)
    for name in list(out):
        if name.endswith(".noise_const"):
            out[name.removesuffix("_const")] = out.pop(name)[None, None]
        elif name == "const":
            out[name] = out[name][None]
        elif name.endswith(".noise_strength"):
            out[name] = out[name].reshape(1)
    return out


def _rosinality(content: dict[str, Any], name: str, base: Base | None) -> Weights:
    # StyleGAN-NADA's training saves neither the mean w nor a discriminator.
    source = "rosinality" if "latent_avg" in content or "d" in content else "rosinality, as StyleGAN-NADA saves it"
    tensors = from_rosinality(_tensors(content["g_ema"], name))
    return _generator(tensors, _row(content.get("latent_avg"), name), source, name, base)


def _nvidia(content: dict[str, Any], name: str, base: Base | None) -> Weights:
    tensors = from_nvidia(_parameters(content["G_ema"], name))
    return _generator(tensors, tensors.pop("w_avg", None), "stylegan2-ada-pytorch", name, base)


def _parameters(module: Any, name: str) -> Tensors:
    """The tensors of a pickled network, a tree of modules, by their names."""
    found: dict[str, Any] = {}
    seen: set[int] = set()  # a hostile file may let modules hold each other

    def enter(module: Any, prefix: str) -> None:
        state = module.get("state") if isinstance(module, Record) else None
        state = state if isinstance(state, dict) else {}
        groups: list[Any] = [state.get(f"_{group}") for group in ("parameters", "buffers", "modules")]
        if id(module) in seen or not all(isinstance(group, dict) and len(group) < 100 for group in groups):
            raise CheckpointError(f"{name} holds no network of stylegan2-ada-pytorch where one should be; use another.")
        seen.add(id(module))
        parameters, buffers, modules = groups
        held = {**parameters, **buffers}
        found.update((f"{prefix}{key}", tensor) for key, tensor in held.items() if tensor is not None)
        for key, inner in modules.items():
            enter(inner, f"{prefix}{key}.")

    enter(module, "")
    return _tensors(found, name)


def _generator(tensors: Tensors, w_avg: Tensor | None, source: str, name: str, base: Base | None) -> Weights:
    """A generator from tensors under this project's names. Where its mean w is missing it is that of ``base``, if the
    two have the same mapping network, else computed."""
    convs, layers = (_count(pattern, tensors) for pattern in (r"convs\.\d+\.weight", r"mapping\.layers\.\d+\.weight"))
    try:
        channels = [tensors["const"].shape[1], *(tensors[f"convs.{i}.weight"].shape[0] for i in range(1, convs, 2))]
        z_dim, w_dim = tensors["mapping.layers.0.weight"].shape[1], tensors["convs.0.affine.weight"].shape[1]
    except LookupError as error:
        raise CheckpointError(f"{name} holds no generator of StyleGAN2: a layer is missing ({error}).") from None
    if len(channels) > MOST_LEVELS:
        raise CheckpointError(f"{name} holds a generator of more than {2 ** (MOST_LEVELS + 1)} px; use a smaller one.")
    config = GeneratorConfig(4 * 2 ** (len(channels) - 1), tuple(channels), z_dim, w_dim, layers)
    origin = {"file": name, "format": source}
    placed = {**tensors, "w_avg": torch.zeros(w_dim) if w_avg is None else w_avg}
    tensors = _checked(lambda: Generator(config), placed, name)
    own = base.generator.state_dict() if base and base.generator.config == config else {}
    related = bool(own) and all(torch.equal(own[key], tensors[key]) for key in own if key.startswith("mapping."))
    if base and related:
        origin["fine_tuned_from"] = base.fingerprint
    if w_avg is None and related:
        tensors["w_avg"] = own["w_avg"]
    elif w_avg is None:
        generator = Generator(config)
        load_into(generator, tensors, name)
        generator.update_w_avg(torch.Generator().manual_seed(0), SAMPLES)
        tensors["w_avg"] = generator.w_avg
    return Weights(tensors, {"config": config.to_dict(), "origin": origin})


def _row(latent_avg: Any, name: str) -> Tensor | None:
    """The mean w (w_dim,), stored once or for every row of W+; None where the rows differ or there is none."""
    if latent_avg is None:
        return None
    stored = _tensors({"latent_avg": latent_avg}, name)["latent_avg"]
    if stored.ndim == 2 and len(stored) and bool((stored == stored[:1]).all()):
        return stored[0]
    return stored if stored.ndim == 1 else None


# --- encoders -----------------------------------------------------------------------------------------

# Official class -> kind of this project. The last two have the same tensors.
ENCODERS = {
    "Encoder4Editing": "e4e",
    "ProgressiveBackboneEncoder": "restyle_e4e",
    "BackboneEncoder": "restyle_psp",
}


def _encoder(content: dict[str, Any], name: str, base: Base | None) -> Weights:
    state = _tensors(content["state_dict"], name)
    tensors = {key.removeprefix("encoder."): tensor for key, tensor in state.items() if key.startswith("encoder.")}
    options = _plain(content.get("opts"))
    official = options.get("encoder_type", "")
    if not tensors or official not in ENCODERS:
        raise CheckpointError(
            f"{name} holds an encoder of the kind {_shown(official)}, but only {', '.join(ENCODERS)} are known; "
            "use a checkpoint of e4e or ReStyle for faces."
        )
    kind = ENCODERS[official]
    if options.get("start_from_latent_avg") is False:
        raise CheckpointError(f"{name} was trained without the mean w, which is not supported; use another encoder.")
    try:
        width = tensors["styles.0.linear.weight"].shape[0]
    except LookupError:
        raise CheckpointError(f"{name} holds no encoder of W+: its heads are missing.") from None
    config = E4eConfig(num_ws=_count(r"styles\.\d+\.linear\.weight", tensors), w_dim=width)
    latent_avg = content.get("latent_avg")
    if latent_avg is None:
        latent_avg = _decoder(content, name).tensors["w_avg"]
    average = _tensors({"latent_avg": latent_avg}, name)["latent_avg"]
    if average.shape[:-1].numel() == 1:  # one for all rows
        average = average.reshape(1, -1).expand(config.num_ws, -1)
    tensors["latent_avg"] = average

    def build() -> nn.Module:
        if kind == "e4e":
            return E4e(config)
        return ReStyle(config, "psp" if kind == "restyle_psp" else "e4e", lambda ws: ws)

    origin = {"file": name, "format": official}
    return Weights(_checked(build, tensors, name), {"kind": kind, "config": config.to_dict(), "origin": origin})


def _decoder(content: Any, name: str, base: Base | None = None) -> Weights:
    """The generator inside an encoder's file."""
    state = content.get("state_dict") if isinstance(content, dict) else None
    items = state.items() if isinstance(state, dict) else ()
    held = {str(key).removeprefix("decoder."): value for key, value in items if str(key).startswith("decoder.")}
    if not held:
        raise CheckpointError(f"{name} holds no decoder; only files of e4e and ReStyle do.")
    tensors = from_rosinality(_tensors(held, name))
    return _generator(tensors, _row(content.get("latent_avg"), name), "rosinality, of an encoder", name, base)


# --- HyperDomainNet -----------------------------------------------------------------------------------


def _hyperdomainnet(content: dict[str, Any], name: str, base: Base | None) -> Converted:
    kind, patch = content["model_type"], content.get("patch_key", "cin_mult")  # the trainer may leave the patch out
    state = _tensors(content.get("state_dict"), name)
    if kind == "original":  # a whole generator
        tensors = from_rosinality({key.removeprefix("generator."): tensor for key, tensor in state.items()})
        return _generator(tensors, None, "HyperDomainNet, fine-tuned", name, base)
    if patch != "cin_mult":
        raise CheckpointError(
            f"{name} patches the generator by {_shown(patch)}; only cin_mult, the scaling of input channels, works."
        )
    if kind == "mapper":
        return _mapper(content, state, name, base)
    if kind == "parameterization":
        return _domain(content, state, name, base)
    raise CheckpointError(f"{name} is a HyperDomainNet file of the unknown kind {_shown(kind)}; use another.")


def _domain(content: dict[str, Any], state: Tensors, name: str, base: Base | None) -> Domain:
    resolution = _plain(content.get("sg2_params")).get("img_size", 0)
    if resolution not in [4 * 2**level for level in range(MOST_LEVELS)]:
        raise CheckpointError(f"{name} does not say for which size of generator it was made; use another file.")
    sizes = GeneratorConfig.official(resolution).domain_sizes
    expected = {f"heads.conv_{i}.params_in": torch.empty(1, 1, size, 1, 1) for i, size in enumerate(sizes)}
    check_tensors(expected, state, name)
    _check_base(sizes, name, base)
    state = _finite(state, name)
    style = content.get("style_latents")
    if style is not None:
        style = _finite(_tensors({"style_latents": style}, name), name)["style_latents"]
        style = style[0] if style.ndim == 3 and len(style) == 1 else style
    try:
        return Domain(
            vector=torch.cat([state[head].flatten() for head in expected]),
            sizes=tuple(sizes),
            order="post_demod",
            generator=base.fingerprint if base else "",
            name=name.rpartition(".")[0] or name,
            method="HyperDomainNet, one-shot" if content.get("da_type") == "im2im" else "HyperDomainNet, text",
            settings={"origin": {"file": name}},
            style=style,
        )
    except DomainError as error:
        raise CheckpointError(f"{name} cannot be used: {error}") from None


def _mapper(content: dict[str, Any], state: Tensors, name: str, base: Base | None) -> HyperNet:
    clip = _plain(content).get("clip_encoder") or "ViT-B/32"  # the trainer leaves it out
    state = _finite(state, name)
    try:
        with torch.device("meta"):  # sizes that do not fit together are found before memory is taken
            from_official({key: tensor.to("meta") for key, tensor in state.items()})
        net = from_official(state, str(clip).replace("/", "-"))
    except CheckpointError as error:
        raise CheckpointError(f"{name} cannot be used: {error}") from None
    except TypeError:  # a single number where a matrix should be
        raise CheckpointError(f"{name} holds another architecture than a mapper's; use another file.") from None
    _check_base(list(net.config.sizes), name, base)
    net.generator = base.fingerprint if base else ""
    net.settings = {
        "origin": {"file": name, "mapper_config": _plain(content.get("mapper_config"))},
        "input": "picture" if content.get("da_type") == "im2im" else "text",
    }
    return net


def _check_base(sizes: list[int], name: str, base: Base | None) -> None:
    if base and sizes != base.generator.config.domain_sizes:
        raise CheckpointError(
            f"{name} scales {sum(sizes)} channels of {len(sizes)} convolutions, but the given "
            f"{base.generator.config.resolution} px generator has {base.generator.config.domain_dim} "
            f"of {len(base.generator.config.domain_sizes)}; give the generator that it was made for."
        )


# --- LPIPS --------------------------------------------------------------------------------------------

# torchvision counts every convolution, ReLU and pooling of VGG16: the number of each convolution among them.
VGG16_CONVS = [2 * i + stage for i, stage in enumerate(s for s, widths in enumerate(WIDTHS) for _ in widths)]
LPIPS: Names = (
    *((rf"features\.{i}\.(weight|bias)", lambda m, n=n: f"convs.{n}.{m[1]}") for n, i in enumerate(VGG16_CONVS)),
    (r"lin(\d)\.model\.1\.weight", lambda m: f"heads.{m[1]}"),
)


def _lpips(content: dict[str, Any], name: str, base: Base | None) -> Weights:
    """The heads of LPIPS, or the convolutions of torchvision's VGG16 under them."""
    found = _renamed(_tensors(content, name), LPIPS)
    tensors = {key: tensor for key, tensor in found.items() if not key.startswith("classifier.")}
    part = "heads" if "heads.0" in tensors else "convs"
    tensors = {key: t.flatten() if part == "heads" else t for key, t in tensors.items()}
    with torch.device("meta"):
        expected = {key: tensor for key, tensor in Lpips().state_dict().items() if key.startswith(part)}
    check_tensors(expected, tensors, name)
    return Weights(_finite(tensors, name), {"kind": f"lpips {part}", "origin": {"file": name}})


READERS: dict[str, Callable[[dict[str, Any], str, Base | None], Converted]] = {
    "G_ema": _nvidia,
    "g_ema": _rosinality,
    "model_type": _hyperdomainnet,
    "state_dict": _encoder,
    "features.0.weight": _lpips,
    "lin0.model.1.weight": _lpips,
}
