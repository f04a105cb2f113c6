"""Downloads from an imitation of the hub: whole, broken, wrong, missing, forbidden, with no room and no network."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zipfile import ZipFile

import open_clip
import pytest
import torch
from conftest import PATIENCE
from huggingface_hub import constants
from PIL import Image
from safetensors.torch import save_file
from tiny import CLIP

from stylize.convert import download as catalogue
from stylize.convert.catalogue import WEIGHTS, WeightsFile, choose_weights, describe
from stylize.convert.download import DownloadProgress, download, fetch
from stylize.errors import CheckpointError
from stylize.models.encoders import SFE_ENCODER
from stylize.models.text_image import TextImageModel
from stylize.pipeline import Stylizer

CONTENT = bytes(range(256)) * 4000
ROOT = Path(__file__).parent.parent


class Hub(ThreadingHTTPServer):
    """Answers like the hub: the address of a file sends one on to a store that knows ranges."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.content = CONTENT
        self.sha256 = hashlib.sha256(CONTENT).hexdigest()
        self.status = 200  # of the hub
        self.gone: dict[str, int] = {}  # statuses by the beginning of the path
        self.cuts = 0  # how many transfers still break off half-way
        self.ranges = True
        self.kind = "application/octet-stream"
        self.asked: list[tuple[str, str | None, str | None]] = []  # (path, range, authorization)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        hub = self.server
        wanted = self.headers.get("Range")
        hub.asked.append((self.path, wanted, self.headers.get("Authorization")))
        if self.path.startswith("/store"):
            self.store(wanted)
        elif gone := next((code for start, code in hub.gone.items() if self.path.startswith(start)), 0):
            self.send_error(gone)
        elif hub.status != 200:
            self.send_error(hub.status)
        else:
            self.send_response(302)
            self.send_header("X-Repo-Commit", "0" * 40)
            self.send_header("X-Linked-Etag", f'"{hub.sha256}"')
            self.send_header("X-Linked-Size", str(len(hub.content)))
            self.send_header("Location", f"http://localhost:{hub.server_address[1]}/store/file")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def store(self, wanted: str | None) -> None:
        hub = self.server
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and hub.ranges else 0
        if start >= len(hub.content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(hub.content)}")
            self.end_headers()
            return
        rest = hub.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", hub.kind)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if hub.cuts:
            hub.cuts -= 1
            rest = rest[: len(rest) // 2]
        self.wfile.write(rest)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setattr(constants, "ENDPOINT", server.address)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.address + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "home" / "hub"))
    monkeypatch.setattr(catalogue, "PAUSE", 0.0)
    monkeypatch.setattr(catalogue, "TIMEOUT", PATIENCE)
    monkeypatch.setattr(catalogue, "CHUNK", 1 << 16)
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def weight(**changes: Any) -> WeightsFile:
    base = WeightsFile(
        name="tiny",
        purpose="a test",
        licence="MIT",
        target="tiny.safetensors",
        repo="someone/something",
        file="tiny.pt",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        size=len(CONTENT),
    )
    return replace(base, **changes)


def test_a_download_arrives_and_says_how_far_it_is(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    reports = list(fetch(weight()))
    assert weight().path.read_bytes() == CONTENT
    assert not weight().part.exists()
    done = [report.done for report in reports if report.stage == "download"]
    assert done[0] == 0
    assert done[-1] == len(CONTENT) == reports[0].total
    assert done == sorted(done)
    assert len(done) > 10
    (path, _, token), (store, _, leaked) = hub.asked
    assert path == "/someone/something/resolve/main/tiny.pt"
    assert (store, token, leaked) == ("/store/file", "Bearer secret", None)
    assert list(fetch(weight())) == []  # and is not fetched again
    assert len(hub.asked) == 2


def test_a_broken_connection_is_taken_up_again(hub: Hub) -> None:
    hub.cuts = 5
    list(fetch(weight()))
    assert weight().path.read_bytes() == CONTENT
    starts = [int(wanted[6:-1]) for path, wanted, _ in hub.asked if wanted and path.startswith("/store")]
    assert len(starts) == 5
    assert starts == sorted(set(starts))


def test_an_interrupted_download_goes_on_in_the_next_call(hub: Hub) -> None:
    reports = fetch(weight())
    for report in reports:
        if report.done > len(CONTENT) // 3:
            break
    reports.close()  # type: ignore[attr-defined]
    have = weight().part.stat().st_size
    assert 0 < have < len(CONTENT)
    assert next(fetch(weight())).done == have
    list(fetch(weight()))
    assert hub.asked[-1][1] == f"bytes={have}-"
    assert weight().path.read_bytes() == CONTENT


def test_a_server_without_ranges_begins_anew(hub: Hub) -> None:
    weight().part.parent.mkdir(parents=True)
    weight().part.write_bytes(CONTENT[:1000])
    hub.ranges = False
    list(fetch(weight()))
    assert weight().path.read_bytes() == CONTENT


@pytest.mark.parametrize("left", [CONTENT, CONTENT + b"too long"], ids=["whole", "too long"])
def test_what_lies_beyond_the_end(hub: Hub, left: bytes) -> None:
    unknown = weight(sha256=None, size=None)
    unknown.part.parent.mkdir(parents=True)
    unknown.part.write_bytes(left)
    list(fetch(unknown))
    assert unknown.path.read_bytes() == CONTENT


def refused(item: WeightsFile) -> str:
    with pytest.raises(CheckpointError) as caught:
        list(fetch(item))
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert not item.path.exists()
    return message


def test_a_wrong_hash(hub: Hub) -> None:
    hub.content = CONTENT[:-1] + b"!"
    assert "SHA-256" in refused(weight())
    assert not weight().part.exists()
    assert "SHA-256" in refused(weight(sha256=None, size=None))  # then the hub's own tag is held against it
    hub.content = CONTENT
    list(fetch(weight()))


def test_another_size_is_seen_before_the_transfer(hub: Hub) -> None:
    hub.content = CONTENT * 2
    assert f"{len(CONTENT) * 2} bytes instead of {len(CONTENT)}" in refused(weight())


@pytest.mark.parametrize("status", [403, 404])
def test_what_is_gone_is_fetched_from_its_second_place(hub: Hub, status: int) -> None:
    hub.gone = {"/someone/something": status}
    list(fetch(weight(also=(("another/place", "folder/tiny.pt"),))))
    assert weight().path.read_bytes() == CONTENT
    assert [path for path, _, _ in hub.asked if "/resolve/" in path] == [
        "/someone/something/resolve/main/tiny.pt",
        "/another/place/resolve/main/folder/tiny.pt",
    ]


def test_what_is_gone_everywhere_is_told_once(hub: Hub) -> None:
    hub.status = 404
    assert "someone/something/tiny.pt was not found (404)" in refused(weight(also=(("another/place", "tiny.pt"),)))


@pytest.mark.parametrize(
    ("status", "words"), [(404, "was not found"), (401, "log in"), (403, "log in"), (503, "answers 503")]
)
def test_the_hub_says_no(hub: Hub, status: int, words: str) -> None:
    hub.status = status
    assert words in refused(weight())


def test_a_quota_page_is_no_weight(hub: Hub) -> None:
    hub.kind = "text/html; charset=utf-8"
    assert "web page" in refused(weight(repo="", url=f"{hub.address}/store/checkpoints.zip?dl=1", sha256=None))


def test_no_network(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9/{repo_id}{filename}")
    assert "check the network" in refused(weight())


def test_a_server_that_always_breaks_off_is_given_up(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Answer, "store", lambda self, wanted: None)
    assert "check the network" in refused(weight())
    assert len(hub.asked) == 2 * catalogue.ATTEMPTS


def test_offline(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in refused(weight())
    assert hub.asked == []


def test_no_disk_space(hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda place: SimpleNamespace(free=100_000))
    with pytest.raises(CheckpointError, match=r"needs 2\.0 MB but .* 0\.1 MB free"):
        list(download([weight()], tmp_path / "model"))
    assert hub.asked == []


def test_a_disk_that_fills_up_meanwhile(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(item: WeightsFile, part: Path) -> Iterator[DownloadProgress]:
        raise OSError(errno.ENOSPC, "No space left on device")
        yield

    monkeypatch.setattr(catalogue, "_transfer", full)
    assert "No space left on device" in refused(weight())


def test_a_cache_that_cannot_be_written(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where a folder should be")
    assert "choose another HF_HOME" in refused(weight())
    assert hub.asked == []


def test_a_file_of_another_kind_is_refused_and_nothing_is_left(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="tiny"):
        list(download([weight()], tmp_path / "model"))
    assert list((tmp_path / "model").iterdir()) == []


def test_a_text_image_model_is_fetched_converted_and_read(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "tiny", {**CLIP, "quick_gelu": True})
    model = open_clip.create_model("tiny")
    save_file(model.state_dict(), tmp_path / "open_clip_model.safetensors")
    hub.content = (tmp_path / "open_clip_model.safetensors").read_bytes()
    hub.sha256 = hashlib.sha256(hub.content).hexdigest()
    item = weight(file="open_clip_model.safetensors", sha256=None, size=None, target="clip.safetensors", clip="tiny")
    stages = [report.stage for report in download([item], tmp_path / "model")]
    assert stages[-3:] == ["check", "convert", "ready"]
    own = TextImageModel.load(tmp_path / "model" / "clip.safetensors")
    assert own.vocabulary == "english"
    assert own.settings["quick_gelu"]
    model.eval()
    with torch.no_grad():
        expected = model.encode_text(own.tokenize(["a photo"]), normalize=True)
    torch.testing.assert_close(own.encode_text(["a photo"]), expected, rtol=0.01, atol=0.01)
    asked = len(hub.asked)
    assert [report.stage for report in download([item], tmp_path / "model")] == ["ready"]
    assert len(hub.asked) == asked


@pytest.mark.slow
def test_a_full_size_model_from_its_files_to_the_picture(
    hub: Hub, shared: Path, astronaut: Image.Image, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Files of the published layout and sizes, filled with generated numbers, by way of the hub."""
    monkeypatch.setenv("STYLIZE_FULL", str(tmp_path / "full"))
    files = shared / "golden" / "checkpoints"
    for item, file in zip(choose_weights("full"), ("rosinality_1024_full_shape.pt", "e4e_opts_dict.pt"), strict=False):
        hub.content = (files / file).read_bytes()
        hub.sha256 = hashlib.sha256(hub.content).hexdigest()
        list(download([replace(item, sha256=hub.sha256, size=len(hub.content))]))
    with ZipFile(tmp_path / "checkpoints.zip", "w") as archive:
        for folder, file in (("td", "hdn_td_parameterization"), ("im2im", "hdn_im2im_parameterization")):
            archive.write(files / f"{file}.pt", f"checkpoints/{folder}_checkpoints/pixar.pt")
        archive.write(files / "hdn_td_mapper_dict.pt", "checkpoints/mapper_large_resample_td.pt")
    hub.content = (tmp_path / "checkpoints.zip").read_bytes()
    (domains,) = choose_weights("hyperdomainnet")
    list(download([replace(domains, url=f"{hub.address}/store/checkpoints.zip?dl=1")]))
    assert (tmp_path / "full" / "mapper_large_resample_td.safetensors").is_file()

    full = Stylizer.load("full", "cpu")
    assert (full.name, full.resolution, full.encoder.config.resolution) == ("full", 1024, 256)
    assert full.ready() == ["im2im_checkpoints pixar", "pixar"]
    face = full.faces(astronaut)[0]
    assert face.ws.shape == (1, 18, 512)
    assert face.source.shape == (1, 3, 1024, 1024)
    for name in full.ready():
        picture = full.render(face, full.domain(name))
        assert picture.size == face.crop.size
        pasted = full.paste(astronaut, [face], [picture])
        assert pasted.size == astronaut.size
        assert pasted.tobytes() != astronaut.tobytes()


def test_the_catalogue_is_complete() -> None:
    assert len({item.name for item in WEIGHTS}) == len(WEIGHTS) == len({item.target for item in WEIGHTS})
    for item in WEIGHTS:
        assert bool(item.repo) != bool(item.url)
        assert item.licence
        assert item.sha256 is None or len(item.sha256) == 64
    text = describe(choose_weights("full"))
    assert "non-commercial" in text
    assert "2,537.4 MB to fetch" in text
    (offer,) = (line for line in text.splitlines() if "download sfe-ffhq" in line)
    assert "StyleFeatureEditor" in offer
    assert "about 650.0 MB; licence: MIT" in offer
    assert "download sfe-ffhq" not in describe(choose_weights("e4e-ffhq"))
    assert [item.target for item in choose_weights("sfe-ffhq")] == [SFE_ENCODER]
    assert "size unknown" in describe(choose_weights("hyperdomainnet"))
    with pytest.raises(CheckpointError, match="use full"):
        choose_weights("everything")


AT_ONCE = """
import sys
from stylize.cli import main
from stylize.convert import download
download.PAUSE = 0
sys.exit(main())
"""


def test_the_command_line_obeys_the_environment(tmp_path: Path) -> None:
    """One sentence and status 2; nothing is written but the beginning of the cache."""
    environment = {
        **os.environ,
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "HF_HOME": str(tmp_path / "home"),
        "STYLIZE_FULL": str(tmp_path / "full"),
    }
    done = subprocess.run(
        [sys.executable, "-c", AT_ONCE, "download", "stylegan2-ffhq"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 2
    assert "non-commercial" in done.stdout
    assert "132.7 MB" in done.stdout
    assert done.stderr.startswith("stylize: The connection to aaronb/StyleGAN2/stylegan2-ffhq-config-f.pt failed")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "full").exists()
