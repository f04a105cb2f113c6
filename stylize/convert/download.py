"""Downloads the weights of ``stylize.convert.catalogue``.

Downloads resume where they stopped, even days later. ``huggingface_hub`` provides the address, token, cache folder and
offline switch, but restarts an interrupted file, so the transfer is done here. Nothing is downloaded unless requested;
downloads are kept in HF_HOME/stylize.
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
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Literal

from huggingface_hub import constants, get_token, hf_hub_url, try_to_load_from_cache
from safetensors import SafetensorError

from stylize.convert.catalogue import WeightsFile, megabytes
from stylize.convert.formats import convert
from stylize.errors import CheckpointError, Sentence
from stylize.places import model_folder

CHUNK = 1 << 20  # bytes
TIMEOUT = 30.0  # seconds without an answer
ATTEMPTS = 3  # consecutive ones without a new byte
PAUSE = 2.0  # seconds between them
GONE = (401, 403, 404, 410)  # HTTP status of files that are not public, or not any more


@dataclass(frozen=True)
class DownloadProgress:
    """Progress of one file: ``done`` of ``total`` bytes; total is None if the server does not say."""

    weight: WeightsFile
    stage: Literal["download", "check", "convert", "ready"]
    done: int = 0
    total: int | None = None


def download(weights: Sequence[WeightsFile], folder: Path | None = None) -> Iterator[DownloadProgress]:
    """Downloads, checks and converts ``weights`` into ``folder`` (default: the full model's), reporting progress.

    Files that exist are left alone. Closing the iterator stops; the next call resumes. Raises CheckpointError.
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
            yield DownloadProgress(weight, "convert")
            try:
                _convert(weight, path, folder / weight.target)
            except (OSError, RuntimeError, SafetensorError) as error:
                raise CheckpointError("{} could not be converted into {} ({}).", path, folder, error) from None
        yield DownloadProgress(weight, "ready")


def fetch(weight: WeightsFile) -> Iterator[DownloadProgress]:
    """Downloads ``weight`` to ``weight.path``, resuming an earlier call. Raises CheckpointError."""
    if weight.path.is_file():
        return
    if constants.HF_HUB_OFFLINE:
        raise CheckpointError("{} is missing, and HF_HUB_OFFLINE forbids downloading it; unset it once.", weight.name)
    part = weight.part
    place, others = weight, iter(weight.also)
    failures = 0
    while True:
        before = part.stat().st_size if part.is_file() else 0
        try:
            part.parent.mkdir(parents=True, exist_ok=True)
            sha256 = yield from _transfer(place, part)
            break
        except urllib.error.HTTPError as error:
            other = next(others, None) if error.code in GONE else None
            if other is None:
                raise CheckpointError(_explain(weight, error)) from None
            place = replace(weight, repo=other[0], file=other[1])
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
            there = part.stat().st_size if part.is_file() else 0
            failures = 0 if there > before else failures + 1
            if failures == ATTEMPTS:
                raise CheckpointError(
                    "The connection to {} failed ({}) after {}; "
                    "check the network or HF_ENDPOINT and try again to resume.",
                    place.origin,
                    getattr(error, "reason", error),
                    megabytes(there),
                ) from None
            time.sleep(PAUSE)
        except OSError as error:
            raise CheckpointError(
                "{} cannot be written to ({}); free some space there or choose another HF_HOME, "
                "and try again to resume.",
                part.parent,
                error.strerror,
            ) from None
    yield DownloadProgress(weight, "check")
    found = _sha256(part)
    if sha256 is not None and found != sha256:
        part.unlink()
        raise CheckpointError(
            "{} was downloaded, but its SHA-256 is {}... instead of {}...; "
            "it was deleted: try again, or use another HF_ENDPOINT.",
            place.origin,
            found[:16],
            sha256[:16],
        )
    part.replace(weight.path)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Records the hub's headers for a file before it redirects to the file's storage."""

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


def _transfer(weight: WeightsFile, part: Path) -> Generator[DownloadProgress, None, str | None]:
    """Appends to ``part`` until it is complete; returns the expected SHA-256, if known."""
    have = part.stat().st_size if part.is_file() else 0
    if weight.sha256 and have == weight.size:
        return weight.sha256
    redirects = _Redirects()
    try:
        response = urllib.request.build_opener(redirects).open(_request(weight, have), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # no more bytes: it is complete, or a different file
            raise
        if error.headers.get("Content-Range", "").rpartition("/")[2] != str(have):
            part.unlink()
            raise ConnectionError("what was there did not fit") from None
        return weight.sha256 or _as_sha256(redirects.linked)
    with response:
        if response.headers.get_content_type() == "text/html":
            raise CheckpointError("{} is a web page instead of a weights file; try again later.", weight.origin)
        if response.status != 206:
            have = 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        if weight.sha256 and total not in (None, weight.size):
            raise CheckpointError(
                "{} has {} bytes instead of {}: it is a different file.", weight.origin, total, weight.size
            )
        with part.open("ab" if have else "wb") as file:
            yield DownloadProgress(weight, "download", have, total)
            while chunk := response.read(CHUNK):
                file.write(chunk)
                have += len(chunk)
                yield DownloadProgress(weight, "download", have, total)
    if total is not None and have < total:
        raise ConnectionError("it broke off")
    return weight.sha256 or _as_sha256(redirects.linked or response.headers.get("X-Linked-Etag", ""))


def _request(weight: WeightsFile, have: int) -> urllib.request.Request:
    url = hf_hub_url(weight.repo, weight.file) if weight.repo else weight.url
    request = urllib.request.Request(url, headers={"User-Agent": "stylize"})
    if weight.repo and (token := get_token()):  # only for the hub, not for the storage it redirects to
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    if have:
        request.add_header("Range", f"bytes={have}-")
    return request


def _as_sha256(etag: str) -> str | None:
    """The hub's ETag of a large file is its SHA-256; that of a small file is something else."""
    etag = etag.removeprefix("W/").strip('"')
    return etag if len(etag) == 64 else None


def _explain(weight: WeightsFile, error: urllib.error.HTTPError) -> str:
    if error.code in (401, 403):
        return Sentence(
            "{} requires permission ({}): accept its terms on its page and log in with hf auth login.",
            weight.origin,
            error.code,
        )
    if error.code == 404:
        return Sentence(
            "{} was not found (404); get the file elsewhere and convert it with python -m stylize convert.",
            weight.origin,
        )
    return Sentence(
        "{} is not available now (the server answers {}); try again later to resume.", weight.origin, error.code
    )


def _check_disk(weights: Sequence[WeightsFile], folder: Path) -> None:
    """Raises CheckpointError unless the disks have room for the remaining download and as much again for converted
    files."""
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
                "The download needs {} but the disk of {} has {} free; "
                "make space, or choose other places with HF_HOME and STYLIZE_FULL.",
                megabytes(need),
                place,
                megabytes(free),
            )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _convert(weight: WeightsFile, path: Path, target: Path) -> None:
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
    """Unpacks hypernetworks into ``folder`` and domains into its domain folder, all for the generator found there."""
    generator = folder / "generator.safetensors"
    if not generator.is_file():
        raise CheckpointError("The domains need their generator; run python -m stylize download full first.")
    with TemporaryDirectory(dir=folder) as scratch:
        for path in convert(archive, Path(scratch), generator):
            place = folder if path.stem.startswith("mapper") else folder / "domains"
            place.mkdir(exist_ok=True)
            free = not (place / path.name).exists()  # a text and a picture may give domains of the same name
            path.replace(place / (path.name if free else f"{path.parent.name} {path.name}"))
