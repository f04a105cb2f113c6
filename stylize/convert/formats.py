"""Converts checkpoints of other projects, recognised by their contents.

Generators of rosinality's StyleGAN2 (including StyleGAN-NADA and JoJoGAN), BasicSR and NVIDIA's stylegan2-ada-pytorch;
the encoders e4e, ReStyle and StyleFeatureEditor; domains and mappers of HyperDomainNet; directions of InterFaceGAN;
LPIPS and its VGG16. Pickles are read by ``stylize.convert.unpickle``, which runs no code in them. Each file must hold
exactly the tensors of its architecture.
"""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np
import torch
from safetensors.torch import load as load_safetensors
from torch import Tensor, nn

from stylize.convert.common import (
    Base,
    ConvertedWeights,
    Tensors,
    checked,
    count,
    finite,
    part_of,
    plain,
    plain_tensors,
    shown,
)
from stylize.convert.generators import (
    Names,
    from_module,
    from_rosinality,
    from_state,
    generator,
    holds_generator,
    renamed,
    row,
)
from stylize.convert.hyperdomainnet import hyperdomainnet
from stylize.convert.sfe import from_sfe, holds_sfe
from stylize.convert.unpickle import Array, load
from stylize.errors import CheckpointError
from stylize.models.checkpoints import check_tensors
from stylize.models.domain import Domain
from stylize.models.e4e import E4e, E4eConfig, ReStyle
from stylize.models.hypernet import HyperNet
from stylize.models.lpips import WIDTHS, Lpips

MAX_UNPACKED = 2**31  # bytes of an archive of checkpoints
LARGEST_DIRECTIONS = 1_000_000  # bytes
BARE = ("params_ema", "params", "g", "generator")  # names of a generator's state dict in BasicSR, JoJoGAN and others
HTML = re.compile(rb"\s*<(!doctype|html|head|\?xml)", re.IGNORECASE)
PLAIN_NAME = re.compile(r"[\w ,()+&'-][\w .,()+&'-]{0,99}")  # not hidden, not the parent folder

Converted = ConvertedWeights | Domain | HyperNet


def convert(
    path: Path,
    out: Path,
    generator: Path | None = None,
    decoder: Path | None = None,
    tell: Callable[[str], None] = lambda note: None,
) -> list[Path]:
    """Converts the checkpoint ``path`` to the safetensors file ``out``, and returns what was written.

    An archive of checkpoints is converted into the folder ``out``. generator: the generator that domains belong to (see
    ``Base.load``); they then record its fingerprint. decoder: where to write the generator inside an encoder's file.
    tell: called with a sentence if the file lacked something that was replaced.

    Raises CheckpointError if the file is no known kind of checkpoint, damaged, malicious or of another architecture.
    """
    base = None if generator is None else Base.load(generator)
    with _opened(path) as stream:
        if any(entry.endswith(".pt") for entry in _entries(stream)):
            return list(_convert_archive(stream, path.name, out, base, tell))
        content = read(stream, path.name)
    results = {out: recognise(content, path.name, base)}
    if decoder == out:
        raise CheckpointError("The encoder and its generator cannot both be written to {}; give two names.", out)
    if decoder is not None:
        results[decoder] = _decoder(content, path.name, base)
    return _saved(results, tell)


def join_directions(paths: Sequence[Path], out: Path) -> list[Path]:
    """Joins the InterFaceGAN directions of several files into one. Raises CheckpointError."""
    tensors: Tensors = {}
    for path in paths:
        with _opened(path) as stream:
            found = recognise(read(stream, path.name), path.name)
        if not isinstance(found, ConvertedWeights) or found.settings.get("kind") != "directions":
            raise CheckpointError(
                "{} contains no directions; convert it alone, since only directions can be joined.", path.name
            )
        if repeated := tensors.keys() & found.tensors.keys():
            raise CheckpointError("Two files contain a direction called {}; rename one.", min(repeated))
        tensors |= found.tensors
    return _saved({out: ConvertedWeights(tensors, {"kind": "directions"})})


def _opened(path: Path) -> IO[bytes]:
    if not os.path.isfile(path):
        raise CheckpointError("There is no file {}; check the path.", path)
    try:
        return path.open("rb")
    except OSError as error:
        raise CheckpointError("{} cannot be read ({}); check its permissions.", path, error.strerror) from None


def _saved(results: Mapping[Path, Converted], tell: Callable[[str], None] = lambda note: None) -> list[Path]:
    for path in results:
        if path.suffix != ".safetensors":
            raise CheckpointError("Cannot write {}: the name must end in .safetensors.", path)
    for path, result in results.items():
        result.save(path)
        if isinstance(result, ConvertedWeights) and result.note:
            tell(result.note)
    return list(results)


def _convert_archive(
    stream: IO[bytes], name: str, out: Path, base: Base | None, tell: Callable[[str], None]
) -> Iterator[Path]:
    """Converts every ``.pt`` in an archive, keeping its path, into the folder ``out``."""
    if out.suffix == ".safetensors" or out.is_file():
        raise CheckpointError(
            "{} contains several checkpoints; name a folder for them instead of the file {}.", name, out
        )
    entries = {entry: size for entry, size in _entries(stream).items() if entry.endswith(".pt")}
    entries = {entry: size for entry, size in entries.items() if not entry.startswith("__MACOSX/")}
    if sum(entries.values()) > MAX_UNPACKED:
        raise CheckpointError("{} would unpack to more than {:,} bytes; take out what you need.", name, MAX_UNPACKED)
    for entry in entries:
        if not all(PLAIN_NAME.fullmatch(part) for part in entry.split("/")):
            raise CheckpointError("{} is refused: a file in it has the unsafe name {!a}.", name, entry)
    for entry in entries:
        inside = PurePosixPath(entry)
        content = read(io.BytesIO(_unpacked(stream, entry, name)), inside.name)
        result = recognise(content, inside.name, base)
        yield from _saved({out / inside.with_suffix(".safetensors"): result}, tell)


# --- from bytes to plain data, and what it is ---------------------------------------------------------


def read(stream: IO[bytes], name: str) -> Any:
    """The content of a checkpoint as plain data, see ``unpickle.load``; NumPy and safetensors files as tensors."""
    start = stream.read(1024)
    stream.seek(0)
    if not start:
        raise CheckpointError("{} is empty; download it again.", name)
    if HTML.match(start):
        raise CheckpointError(
            "{} is a web page, not a checkpoint, as a host sends when a file was downloaded too often; "
            "download it again later or from elsewhere.",
            name,
        )
    if start.startswith(b"version https://git-lfs"):
        raise CheckpointError("{} is a pointer of Git LFS, not the file itself; fetch that with `git lfs pull`.", name)
    if start.startswith(b"\x93NUMPY"):
        return _array(stream.read(LARGEST_DIRECTIONS + 1), name)
    if start[8:9] == b"{":
        return _safetensors(stream.read(), name)
    entries = _entries(stream)
    if entries and all(entry.endswith(".npy") for entry in entries):
        if sum(entries.values()) > LARGEST_DIRECTIONS:
            raise CheckpointError("{} is too large for directions; use another file.", name)
        return {entry.removesuffix(".npy"): _array(_unpacked(stream, entry, name), name) for entry in entries}
    return load(stream, name)


def _unpacked(stream: IO[bytes], entry: str, name: str) -> bytes:
    try:
        with zipfile.ZipFile(stream) as archive:
            return archive.read(entry)
    except Exception:  # zipfile raises many kinds of exception
        raise CheckpointError("{!a} in {} is damaged or encrypted; download it again.", entry, name) from None


def _entries(stream: IO[bytes]) -> dict[str, int]:
    """Names and sizes of the files in a zip; empty for other files, and for torch's own."""
    try:
        with zipfile.ZipFile(stream) as archive:
            entries = {info.filename: info.file_size for info in archive.infolist()}
    except Exception:  # not a zip file, or damaged
        entries = {}
    stream.seek(0)
    return {} if any(entry.endswith("/data.pkl") for entry in entries) else entries


def _array(data: bytes, name: str) -> Tensor:
    if len(data) > LARGEST_DIRECTIONS:
        raise CheckpointError("{} is too large for a direction; use another file.", name)
    try:
        return torch.from_numpy(np.load(io.BytesIO(data), allow_pickle=False))
    except Exception:  # its header is a Python literal, which fails in many ways
        raise CheckpointError("{} is damaged or holds no plain numbers; download it again.", name) from None


def _safetensors(data: bytes, name: str) -> Tensors:
    try:
        metadata = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")]).get("__metadata__", {})
        tensors = load_safetensors(data)
    except Exception:  # JSON and safetensors raise their own exceptions
        raise CheckpointError("{} is incomplete, damaged or not a checkpoint; download it again.", name) from None
    if "settings" in metadata:
        raise CheckpointError("{} is already in this project's format; use it directly.", name)
    return tensors


def recognise(content: Any, name: str, base: Base | None = None) -> Converted:
    """Converts the content of the file ``name`` to this project's form. Raises CheckpointError if it is nothing
    known."""
    name = name.encode(errors="replace").decode()
    if isinstance(content, dict):
        for key, reader in RECOGNISERS.items():
            if key in content:
                return reader(content, name, base)
        for key in BARE:
            if isinstance(held := content.get(key), dict) and holds_generator(held):
                return from_state(held, content.get("latent_avg"), "rosinality", name, base)
        if holds_generator(content):
            state = {key: value for key, value in content.items() if key != "latent_avg"}
            return from_state(state, content.get("latent_avg"), "rosinality", name, base)
        parts = content
    else:
        parts = {name.rpartition(".")[0] or name: content}
    directions = {key: value for key, part in parts.items() if (value := _direction(part)) is not None}
    named = all(isinstance(key, str) and PLAIN_NAME.fullmatch(key) for key in parts)
    if directions and named and len(directions) == len(parts):
        return ConvertedWeights(finite(directions, name), {"kind": "directions", "origin": {"file": name}})
    raise CheckpointError(
        "{} is none of the checkpoints that this project reads (generators of StyleGAN2, e4e, "
        "ReStyle, "
        "StyleFeatureEditor, HyperDomainNet, directions of InterFaceGAN, LPIPS and VGG16); use one "
        "of them.",
        name,
    )


def _direction(value: Any) -> Tensor | None:
    """(n,) of a direction, stored as (n,) or (1, n); None for anything else."""
    value = value.tensor if isinstance(value, Array) else value
    if isinstance(value, Tensor) and value.is_floating_point() and value.numel() and value.shape[:-1] in ((), (1,)):
        return value.flatten()
    return None


# --- generators ---------------------------------------------------------------------------------------


def _rosinality(content: dict[str, Any], name: str, base: Base | None) -> ConvertedWeights:
    # StyleGAN-NADA saves neither the mean w nor a discriminator.
    source = "rosinality" if "latent_avg" in content or "d" in content else "rosinality, as StyleGAN-NADA saves it"
    return from_state(content["g_ema"], content.get("latent_avg"), source, name, base)


def _nvidia(content: dict[str, Any], name: str, base: Base | None) -> ConvertedWeights:
    return from_module(content["G_ema"], name, base)


# --- encoders -----------------------------------------------------------------------------------------

# Official class -> kind of this project. The last two have the same tensors.
OFFICIAL_ENCODERS = {
    "Encoder4Editing": "e4e",
    "ProgressiveBackboneEncoder": "restyle_e4e",
    "BackboneEncoder": "restyle_psp",
}


def _encoder(content: dict[str, Any], name: str, base: Base | None) -> ConvertedWeights:
    state = plain_tensors(content["state_dict"], name)
    if holds_sfe(state):
        return from_sfe(state, name)
    tensors = part_of(state, "encoder.")
    if not tensors and holds_generator(state):
        return from_state(state, content.get("latent_avg"), "rosinality", name, base)
    options = plain(content.get("opts"))
    official = options.get("encoder_type", "")
    if not tensors or official not in OFFICIAL_ENCODERS:
        raise CheckpointError(
            "{} holds an encoder of the kind {}, but only {} are known; use a checkpoint of e4e or ReStyle for faces.",
            name,
            shown(official),
            ", ".join(OFFICIAL_ENCODERS),
        )
    kind = OFFICIAL_ENCODERS[official]
    if options.get("start_from_latent_avg") is False:
        raise CheckpointError("{} was trained without the mean w, which is not supported; use another encoder.", name)
    try:
        width = tensors["styles.0.linear.weight"].shape[0]
    except LookupError:
        raise CheckpointError("{} contains no encoder to W+: its heads are missing.", name) from None
    config = E4eConfig(num_ws=count(r"styles\.\d+\.linear\.weight", tensors), w_dim=width)
    latent_avg = content.get("latent_avg")
    if latent_avg is None:
        latent_avg = _decoder(content, name).tensors["w_avg"]
    average = plain_tensors({"latent_avg": latent_avg}, name)["latent_avg"]
    if average.shape[:-1].numel() == 1:  # one w for all rows
        average = average.reshape(1, -1).expand(config.num_ws, -1)
    tensors["latent_avg"] = average

    def build() -> nn.Module:
        if kind == "e4e":
            return E4e(config)
        return ReStyle(config, "psp" if kind == "restyle_psp" else "e4e", lambda ws: ws)

    origin = {"file": name, "format": official}
    return ConvertedWeights(checked(build, tensors, name), {"kind": kind, "config": config.to_dict(), "origin": origin})


def _decoder(content: Any, name: str, base: Base | None = None) -> ConvertedWeights:
    """The generator inside an encoder's file."""
    state = content.get("state_dict") if isinstance(content, dict) else None
    held = part_of(plain_tensors(state, name), "decoder.") if isinstance(state, dict) else {}
    if not held:
        raise CheckpointError("{} contains no decoder; only files of e4e and ReStyle do.", name)
    tensors = from_rosinality(held)
    return generator(tensors, row(content.get("latent_avg"), name), "rosinality, of an encoder", name, base)


# --- HyperDomainNet -----------------------------------------------------------------------------------


# --- LPIPS --------------------------------------------------------------------------------------------

# torchvision counts every convolution, ReLU and pooling of VGG16: the number of each convolution among them.
VGG16_CONVS = [2 * i + stage for i, stage in enumerate(s for s, widths in enumerate(WIDTHS) for _ in widths)]
LPIPS: Names = (
    *((rf"features\.{i}\.(weight|bias)", lambda m, n=n: f"convs.{n}.{m[1]}") for n, i in enumerate(VGG16_CONVS)),
    (r"lin(\d)\.model\.1\.weight", lambda m: f"heads.{m[1]}"),
)


def _lpips(content: dict[str, Any], name: str, base: Base | None) -> ConvertedWeights:
    """The heads of LPIPS, or the convolutions of torchvision's VGG16 under them."""
    found = renamed(plain_tensors(content, name), LPIPS)
    tensors = {key: tensor for key, tensor in found.items() if not key.startswith("classifier.")}
    part = "heads" if "heads.0" in tensors else "convs"
    tensors = {key: t.flatten() if part == "heads" else t for key, t in tensors.items()}
    with torch.device("meta"):
        expected = {key: tensor for key, tensor in Lpips().state_dict().items() if key.startswith(part)}
    check_tensors(expected, tensors, name)
    return ConvertedWeights(finite(tensors, name), {"kind": f"lpips {part}", "origin": {"file": name}})


RECOGNISERS: dict[str, Callable[[dict[str, Any], str, Base | None], Converted]] = {
    "G_ema": _nvidia,
    "g_ema": _rosinality,
    "model_type": hyperdomainnet,
    "state_dict": _encoder,
    "features.0.weight": _lpips,
    "lin0.model.1.weight": _lpips,
}
