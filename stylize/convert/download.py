"""Weights of others: where they lie, what they are for, and how they come here.

Downloads go on where they stopped, also after days: ``huggingface_hub`` names the address, the token, the cache and
the offline switch, but begins a broken file anew, so that the transfer itself is done here. Nothing is fetched unless
it is asked for; what is fetched stays in HF_HOME/stylize.
"""

from __future__ import annotations

import hashlib
import http.client
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Literal

from huggingface_hub import constants, get_token, hf_hub_url, try_to_load_from_cache
from safetensors import SafetensorError

from stylize.convert.formats import convert
from stylize.errors import CheckpointError
from stylize.places import model_folder

CHUNK = 1 << 20  # bytes
TIMEOUT = 30.0  # seconds without an answer
ATTEMPTS = 3  # in a row, without a new byte
PAUSE = 2.0  # seconds between them
NVIDIA = "NVIDIA Source Code License, non-commercial"


@dataclass(frozen=True)
class Weight:
    """A file of weights: ``file`` in the hub's repository ``repo``, or at the address ``url``.

    sha256: None where nobody publishes it; size: bytes, without a sha256 only about, None where unknown.
    target: what it becomes in the model's folder; clip: the open-clip architecture, for text-image models.
    """

    name: str
    purpose: str
    licence: str
    target: str
    repo: str = ""
    file: str = ""
    url: str = ""
    sha256: str | None = None
    size: int | None = None
    clip: str = ""

    @property
    def origin(self) -> str:
        return f"{self.repo}/{self.file}" if self.repo else self.url

    @property
    def path(self) -> Path:
        """Where the download is kept."""
        suffix = Path(self.file or self.url.partition("?")[0]).suffix
        return Path(constants.HF_HOME) / "stylize" / f"{self.name}{suffix}"

    @property
    def part(self) -> Path:
        """The beginning of it, while it is on its way."""
        return self.path.with_name(self.path.name + ".part")


WEIGHTS = (
    Weight(
        name="stylegan2-ffhq",
        purpose="generator of faces, 1024 px (StyleGAN2, config-f)",
        licence=NVIDIA,
        target="generator.safetensors",
        repo="aaronb/StyleGAN2",
        file="stylegan2-ffhq-config-f.pt",
        sha256="646c7e7c5e3fc4cf8e83dcfe5dce505cc74b61d8982c09563932aa15c4baf18c",
        size=132717355,
    ),
    Weight(
        name="e4e-ffhq",
        purpose="encoder of faces (e4e)",
        licence="MIT",
        target="encoder.safetensors",
        repo="zhengchong/e4e",
        file="e4e_ffhq_encode.pt",
        sha256="2ace1d9a8c05c10a399bcd500b8dda118f759ff1aac89dbdab7435f2136a0999",
        size=1201649680,
    ),
    Weight(
        name="clip-vit-b-32",
        purpose="text-image model (OpenAI CLIP ViT-B/32)",
        licence="MIT",
        target="clip.safetensors",
        repo="timm/vit_base_patch32_clip_224.openai",
        file="open_clip_model.safetensors",
        size=605_000_000,
        clip="ViT-B-32-quickgelu",
    ),
    Weight(
        name="clip-vit-b-16",
        purpose="text-image model (OpenAI CLIP ViT-B/16)",
        licence="MIT",
        target="clip_b16.safetensors",
        repo="timm/vit_base_patch16_clip_224.openai",
        file="open_clip_model.safetensors",
        size=598_000_000,
        clip="ViT-B-16-quickgelu",
    ),
    Weight(
        name="hyperdomainnet",
        purpose="published domains and hypernetworks (HyperDomainNet)",
        licence="MIT",
        target="mapper_large_resample_td.safetensors",  # one of many
        url="https://www.dropbox.com/s/r8816i09t9n94hy/checkpoints.zip?dl=1",
    ),
    Weight(
        name="vgg16",
        purpose="features in which LPIPS compares pictures (torchvision's VGG16)",
        licence="BSD-3-Clause",
        target="vgg16.safetensors",
        url="https://download.pytorch.org/models/vgg16-397923af.pth",
        sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        size=553433881,
    ),
    Weight(
        name="lpips",
        purpose="what each of these features weighs (LPIPS 0.1)",
        licence="BSD-2-Clause",
        target="lpips.safetensors",
        url="https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/v0.1/vgg.pth",
        sha256="a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
        size=7289,
    ),
)
FULL = ("stylegan2-ffhq", "e4e-ffhq", "clip-vit-b-32", "clip-vit-b-16")  # what the full model cannot do without


@dataclass(frozen=True)
class Progress:
    """Of one weight: ``done`` of ``total`` bytes; total None where the server does not say."""

    weight: Weight
    stage: Literal["download", "check", "convert", "ready"]
    done: int = 0
    total: int | None = None


def choose(name: str) -> list[Weight]:
    """The weights of "full", or the one of that name. Raises CheckpointError."""
    table = {weight.name: weight for weight in WEIGHTS}
    if name != "full" and name not in table:
        raise CheckpointError(f"There is nothing to download under {name!r}; use full, {', '.join(table)}.")
    return [table[part] for part in FULL] if name == "full" else [table[name]]


def describe(weights: Sequence[Weight]) -> str:
    """What a download brings, from where, under which licence, and the disk it takes."""
    lines = []
    for weight in weights:
        size = "size unknown" if weight.size is None else megabytes(weight.size)
        check = "" if weight.sha256 else "; no SHA-256 is known in advance"
        lines.append(f"{weight.name}: {weight.purpose}; {size}; licence: {weight.licence}; from {weight.origin}{check}")
    total = megabytes(sum(weight.size or 0 for weight in weights))
    more = "" if all(weight.size for weight in weights) else " and more"
    return "\n".join([*lines, f"Disk: {total}{more} to fetch, and at most as much converted."])


def megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def download(weights: Sequence[Weight], folder: Path | None = None) -> Iterator[Progress]:
    """Fetches, checks and converts ``weights`` into ``folder`` (default: the full model's), and says how far it is.

    What is there already is left alone. Closing the iterator stops; the next call goes on from there.
    Raises CheckpointError.
    """
    folder = model_folder("full") if folder is None else folder
    missing = [weight for weight in weights if not (folder / weight.target).exists()]
    _check_disk(missing, folder)
    for weight in weights:
        if weight in missing:
            source = try_to_load_from_cache(weight.repo, weight.file) if weight.repo else None
            if isinstance(source, str) and (weight.sha256 is None or _sha256(Path(source)) == weight.sha256):
                path = Path(source)
            else:
                yield from fetch(weight)
                path = weight.path
            yield Progress(weight, "convert")
            try:
                _convert(weight, path, folder / weight.target)
            except (OSError, RuntimeError, SafetensorError) as error:
                raise CheckpointError(f"{path} could not be converted into {folder} ({error}).") from None
        yield Progress(weight, "ready")


def fetch(weight: Weight) -> Iterator[Progress]:
    """Brings ``weight`` to ``weight.path``, going on from what an earlier call left. Raises CheckpointError."""
    if weight.path.is_file():
        return
    if constants.HF_HUB_OFFLINE:
        raise CheckpointError(f"{weight.name} is not here, and HF_HUB_OFFLINE forbids to fetch it; unset it once.")
    part = weight.part
    failures = 0
    while True:
        before = part.stat().st_size if part.is_file() else 0
        try:
            part.parent.mkdir(parents=True, exist_ok=True)
            sha256 = yield from _transfer(weight, part)
            break
        except urllib.error.HTTPError as error:
            raise CheckpointError(_explain(weight, error)) from None
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
            there = part.stat().st_size if part.is_file() else 0
            failures = 0 if there > before else failures + 1
            if failures == ATTEMPTS:
                raise CheckpointError(
                    f"The connection to {weight.origin} fails ({getattr(error, 'reason', error)}) after "
                    f"{megabytes(there)}; check the network or HF_ENDPOINT and repeat, which goes on from there."
                ) from None
            time.sleep(PAUSE)
        except OSError as error:
            raise CheckpointError(
                f"{part.parent} cannot be written to ({error.strerror}); make room there or choose another HF_HOME, "
                "and repeat, which goes on from there."
            ) from None
    yield Progress(weight, "check")
    found = _sha256(part)
    if sha256 is not None and found != sha256:
        part.unlink()
        raise CheckpointError(
            f"{weight.origin} came whole, but its SHA-256 is {found[:16]}... instead of {sha256[:16]}...; "
            "it was thrown away: try again, or through another HF_ENDPOINT."
        )
    part.replace(weight.path)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Remembers what the hub says of a file before it sends one on to where the file lies."""

    def __init__(self) -> None:
        self.linked = ""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        self.linked = headers.get("X-Linked-Etag", self.linked)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _transfer(weight: Weight, part: Path) -> Generator[Progress, None, str | None]:
    """Appends to ``part`` until it is whole; returns the SHA-256 that it should have, where somebody says so."""
    have = part.stat().st_size if part.is_file() else 0
    if weight.sha256 and have == weight.size:
        return weight.sha256
    redirects = _Redirects()
    try:
        response = urllib.request.build_opener(redirects).open(_request(weight, have), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # nothing lies beyond what is here: it is whole, or it is something else
            raise
        if error.headers.get("Content-Range", "").rpartition("/")[2] != str(have):
            part.unlink()
            raise ConnectionError("what was there did not fit") from None
        return weight.sha256 or _as_sha256(redirects.linked)
    with response:
        if response.headers.get_content_type() == "text/html":
            raise CheckpointError(f"{weight.origin} is a web page instead of a file of weights; try again later.")
        if response.status != 206:
            have = 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        if weight.sha256 and total not in (None, weight.size):
            raise CheckpointError(f"{weight.origin} has {total} bytes instead of {weight.size}: it is another file.")
        with part.open("ab" if have else "wb") as file:
            yield Progress(weight, "download", have, total)
            while chunk := response.read(CHUNK):
                file.write(chunk)
                have += len(chunk)
                yield Progress(weight, "download", have, total)
    if total is not None and have < total:
        raise ConnectionError("it broke off")
    return weight.sha256 or _as_sha256(redirects.linked or response.headers.get("X-Linked-Etag", ""))


def _request(weight: Weight, have: int) -> urllib.request.Request:
    url = hf_hub_url(weight.repo, weight.file) if weight.repo else weight.url
    request = urllib.request.Request(url, headers={"User-Agent": "stylize"})
    if weight.repo and (token := get_token()):  # for the hub alone, not for where it sends one on to
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    if have:
        request.add_header("Range", f"bytes={have}-")
    return request


def _as_sha256(etag: str) -> str | None:
    """The hub's tag of a large file is its SHA-256; of a small one it is something else."""
    etag = etag.removeprefix("W/").strip('"')
    return etag if len(etag) == 64 else None


def _explain(weight: Weight, error: urllib.error.HTTPError) -> str:
    if error.code in (401, 403):
        return (
            f"{weight.origin} asks for permission ({error.code}): accept its terms on its page and log in with "
            "hf auth login."
        )
    if error.code == 404:
        return f"{weight.origin} is not there (404); get the file elsewhere and read it with python -m stylize convert."
    return f"{weight.origin} cannot be had now (the server answers {error.code}); repeat later, it goes on from there."


def _check_disk(weights: Sequence[Weight], folder: Path) -> None:
    """Raises CheckpointError unless the disks have room for what is still to come, and for as much converted."""
    needs: dict[int, tuple[int, Path]] = {}  # by file system
    for weight in weights:
        here = next((path.stat().st_size for path in (weight.path, weight.part) if path.is_file()), 0)
        for place, size in ((weight.path.parent, (weight.size or 0) - here), (folder, weight.size or 0)):
            while not place.exists():
                place = place.parent
            before, _ = needs.get(place.stat().st_dev, (0, place))
            needs[place.stat().st_dev] = (before + max(0, size), place)
    for need, place in needs.values():
        free = shutil.disk_usage(place).free
        if free < need:
            raise CheckpointError(
                f"The download needs {megabytes(need)} but the disk of {place} has {megabytes(free)} free; "
                "make room, or choose other places with HF_HOME and STYLIZE_FULL."
            )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _convert(weight: Weight, path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if weight.clip:
        import open_clip

        from stylize.models.text_image import TextImageModel

        model = TextImageModel(open_clip.get_model_config(weight.clip), "english")
        model.model.load_state_dict(open_clip.create_model(weight.clip, pretrained=str(path)).state_dict())
        model.save(target, {"origin": weight.origin})
    elif path.suffix == ".zip":
        _unpack(path, target.parent)
    else:
        convert(path, target)


def _unpack(archive: Path, folder: Path) -> None:
    """Hypernetworks into ``folder``, domains into its folder of domains, all for the generator that is there."""
    generator = folder / "generator.safetensors"
    if not generator.is_file():
        raise CheckpointError("The domains need their generator; python -m stylize download full fetches it first.")
    with TemporaryDirectory(dir=folder) as scratch:
        for path in convert(archive, Path(scratch), generator):
            place = folder if path.stem.startswith("mapper") else folder / "domains"
            place.mkdir(exist_ok=True)
            free = not (place / path.name).exists()  # a text and a picture may have made domains of one name
            path.replace(place / (path.name if free else f"{path.parent.name} {path.name}"))
