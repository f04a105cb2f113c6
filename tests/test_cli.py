"""The command line against a pipeline that costs nothing."""

from __future__ import annotations

import errno
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from clips import write_clip
from conftest import PATIENCE
from PIL import Image
from safetensors.torch import load_file

from stylize import cli
from stylize.cli import models as cli_models
from stylize.errors import DomainError, NoFaceError
from stylize.models.domain import Domain

ROOT = Path(__file__).parent.parent


@dataclass
class FakeDomain:
    terms: dict[str, float]
    settings: dict[str, list[str]] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        path.write_text(repr(self.terms))


@dataclass
class FakeStylizer:
    """Two faces, one ready domain; draws plain colours and notes what it was asked."""

    count: int = 2
    default_detail: float = 1.0
    name: str = "mini"
    fingerprint: str = "0123456789abcdef"
    calls: list[tuple[Any, ...]] = field(default_factory=list)

    def faces(self, photo: Image.Image) -> list[Any]:
        if self.count == 0:
            raise NoFaceError("No face found in the picture;\nuse another photo.")
        return [
            SimpleNamespace(
                number=n,
                ws=torch.full((1, 3, 4), float(n)),
                detected=SimpleNamespace(quad=np.full((4, 2), float(n))),
                reconstruction=Image.new("RGB", (8, 8), (0, 0, n)),
            )
            for n in range(self.count)
        ]

    def ready(self) -> list[str]:
        return ["sepia", "zombie"]

    def domain(self, text: str) -> FakeDomain:
        if text not in self.ready() and not text.endswith(".safetensors"):
            raise DomainError(f"No ready domain {text}.")
        return FakeDomain({text: 1.0})

    def render(self, face: Any, look: Any) -> Image.Image:
        edits = [look.edits] if look.edits else []
        self.calls.append(("render", face.number, look.domain, look.strength, look.detail, *edits))
        return Image.new("RGB", (8, 8), (255, 0, face.number))

    def paste(
        self, photo: Image.Image, faces: list[Any], pictures: list[Image.Image], background: bool = False
    ) -> Image.Image:
        assert len(faces) == len(pictures)
        self.calls.append(("paste", [face.number for face in faces]))
        return Image.new("RGB", photo.size, "green")

    def sample(self, n: int, seed: int, domain: FakeDomain | None = None) -> list[Image.Image]:
        self.calls.append(("sample", n, seed, domain))
        return [Image.new("RGB", (8, 8), "blue") for _ in range(n)]


def fake_module(monkeypatch: pytest.MonkeyPatch, name: str, **contents: Any) -> None:
    module = ModuleType(name)
    vars(module).update(contents)
    monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture
def stylizer(monkeypatch: pytest.MonkeyPatch) -> FakeStylizer:
    fake = FakeStylizer()

    def load(model: str | None = None, device: str | None = None) -> FakeStylizer:
        fake.calls.append(("load", model, device))
        return fake

    monkeypatch.setattr("stylize.pipeline.Stylizer.load", load)

    def adapt_text(
        stylizer: FakeStylizer, target: str, source: str = "a photo of a face", settings: Any = None, state: Any = None
    ) -> Iterator[Any]:
        fake.calls.append(("adapt", target, source, settings.seed, settings.steps))
        for step in range(1, settings.steps + 1):
            domain, empty = FakeDomain({target: 1.0}), SimpleNamespace()
            yield SimpleNamespace(
                step=step, steps=settings.steps, losses={"direction": 0.5}, domain=domain, state=empty, note=""
            )

    fake_module(
        monkeypatch,
        "stylize.adaptation.text",
        adapt_text=adapt_text,
        preset=lambda stylizer, name="balanced", seed=0, steps=3: SimpleNamespace(seed=seed, steps=steps),
    )
    return fake


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.new("RGB", (40, 30), "red").save(path)
    return path


def run(*words: object) -> int:
    return cli.main([str(word) for word in words])


def test_a_folder_of_photos(
    stylizer: FakeStylizer, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    for name in ("a.png", "b.jpg"):
        Image.new("RGB", (40, 30), "red").save(photos / name)
    (photos / "notes.txt").write_text("no picture")
    assert run(photos, "--to", "sepia", "-o", out) == 2
    said = capsys.readouterr()
    assert sorted(path.name for path in out.iterdir()) == ["a.png.png", "b.jpg.png"]
    assert "2 of 3 photos" in said.out
    listed, last = said.err.splitlines()[-2:]
    assert listed.startswith("notes.txt: ")
    assert last == "stylize: 1 of 3 photos failed for the reasons above."
    (photos / "notes.txt").unlink()
    stylizer.calls.clear()
    (out / "b.jpg.png").unlink()
    assert run(photos, "--to", "sepia", "-o", out) == 0  # only what is missing
    assert sum(call[0] == "paste" for call in stylizer.calls) == 1
    assert run(photos, "--to", "sepia", "-o", photos) == 2
    assert run(tmp_path / "none", "--to", "sepia", "-o", out) == 2


@pytest.mark.slow
def test_processes_of_torchrun_share_a_folder(tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    shutil.copytree(ROOT / "examples", photos, ignore=shutil.ignore_patterns("*.md", "*.ipynb", "astronaut*"))
    (photos / "a-first.jpg").write_text("no picture")  # its process is done long before the other
    words = ["torch.distributed.run", "--standalone", "--nproc-per-node", 2, "-m", "stylize", photos, "--to", "sepia"]
    ran = subprocess.run(
        [sys.executable, "-m", *map(str, words), "-o", str(out), "--model", "mini", "--device", "cpu"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert sorted(path.name for path in out.iterdir()) == [f"face-{n}.jpg.png" for n in (1, 2, 3)]
    assert ran.stdout.count("3 of 4 photos are in") == 1
    assert "a-first.jpg: a-first.jpg is not a picture" in ran.stderr
    assert ran.returncode != 0


def test_each_process_has_its_gpu(stylizer: FakeStylizer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert run("sample", "-o", tmp_path / "out.png") == 0
    assert stylizer.calls[0] == ("load", None, "cuda:1")


def test_stylise_pastes_every_face_back(stylizer: FakeStylizer, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    assert run(photo, "--to", "sepia", "-o", out, "--strength", "0.5", "--device", "cpu") == 0
    domain = FakeDomain({"sepia": 1.0})
    assert stylizer.calls == [
        ("load", None, "cpu"),
        ("render", 0, domain, 0.5, None),
        ("render", 1, domain, 0.5, None),
        ("paste", [0, 1]),
    ]
    with Image.open(out) as picture:
        assert picture.size == (40, 30)


def test_a_clip_and_a_folder_with_one(
    stylizer: FakeStylizer, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def restyle(model: Any, video: Any, look: Any, out: Path) -> Iterator[Any]:
        stylizer.calls.append(("restyle", video.path.name, look.domain, look.strength, look.detail, out.suffix))
        for number in range(1, video.count + 1):
            yield SimpleNamespace(done=number / video.count)
        out.write_bytes(b"moving")

    monkeypatch.setattr("stylize.video.restyle.restyle", restyle)
    clips = tmp_path / "clips"
    clips.mkdir()
    clip = write_clip(clips / "clip.mov", [np.full((32, 32, 3), 9, np.uint8)] * 4)
    domain = FakeDomain({"sepia": 1.0})
    assert run(clip, "--to", "sepia", "-o", tmp_path / "out.mp4", "--strength", "0.5") == 0
    assert stylizer.calls[1:] == [("restyle", "clip.mov", domain, 0.5, None, ".mp4")]
    said = capsys.readouterr().err
    assert re.search(r"50 %, about \d+ s left", said)
    assert "4 frames at" in said
    Image.new("RGB", (40, 30)).save(clips / "moving.gif", save_all=True, append_images=[Image.new("RGB", (40, 30), 9)])
    Image.new("RGB", (40, 30)).save(clips / "still.gif")
    Image.new("RGB", (64, 48)).save(clips / "phone.heic", format="HEIF")
    assert run(clips, "--to", "sepia", "-o", tmp_path / "out") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "clip.mov.mp4",
        "moving.gif.gif",
        "phone.heic.png",
        "still.gif.png",
    ]


def test_one_face_can_be_chosen(stylizer: FakeStylizer, photo: Path, tmp_path: Path) -> None:
    assert run(photo, "--to", "sepia", "-o", tmp_path / "out.jpg", "--face", 2, "--detail", 0) == 0
    assert stylizer.calls[1:] == [("render", 1, FakeDomain({"sepia": 1.0}), 1.0, 0.0), ("paste", [1])]


def test_edits_need_no_domain(stylizer: FakeStylizer, photo: Path, tmp_path: Path) -> None:
    assert run(photo, "--edit", "age=2", "--edit", "smile=-1", "-o", tmp_path / "out.png", "--face", 1) == 0
    assert stylizer.calls[1] == ("render", 0, None, 1.0, None, {"age": 2.0, "smile": -1.0})


def test_latents_are_refined_on_demand(
    stylizer: FakeStylizer, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refine(stylizer: FakeStylizer, face: Any, settings: Any) -> Iterator[Any]:
        for step in range(1, settings.steps + 1):
            better = SimpleNamespace(**{**vars(face), "ws": torch.full((1, 3, 4), float(step))})
            yield SimpleNamespace(step=step, steps=settings.steps, losses={"pixels": 0.5}, face=better)

    fake_module(monkeypatch, "stylize.adaptation.latent", refine=refine, RefineSettings=SimpleNamespace)
    assert run("invert", photo, "--refine", 3, "--face", 1, "-o", tmp_path / "out.safetensors") == 0
    assert float(load_file(tmp_path / "out.safetensors")["ws"].mean()) == 3


def test_aligned_writes_the_largest_face_alone(
    stylizer: FakeStylizer, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.png"
    assert run(photo, "--to", "sepia", "-o", out, "--aligned") == 0
    with Image.open(out) as picture:
        assert picture.size == (8, 8)
        assert picture.getpixel((0, 0)) == (255, 0, 0)
    assert "--face" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("method", "text", "trained"),
    [
        ("auto", "sepia", False),
        ("auto", "my.safetensors", False),
        ("auto", "gold", True),
        ("adapt", "sepia", True),
        ("instant", "sepia", False),
    ],
)
def test_method_decides_who_makes_the_domain(
    method: str, text: str, trained: bool, stylizer: FakeStylizer, photo: Path, tmp_path: Path
) -> None:
    assert run(photo, "--to", text, "-o", tmp_path / "out.png", "--method", method, "--seed", 7) == 0
    adapted = [call for call in stylizer.calls if call[0] == "adapt"]
    assert adapted == ([("adapt", text, "a photo of a face", 7, 3)] if trained else [])


def test_instant_never_trains(
    stylizer: FakeStylizer, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(photo, "--to", "gold", "-o", tmp_path / "out.png", "--method", "instant") == 2
    assert capsys.readouterr().err == "stylize: No ready domain gold.\n"


def test_training_shows_progress_on_standard_error(
    stylizer: FakeStylizer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "gold.safetensors"
    assert run("adapt", "--text", "gold", "--source", "a face", "--steps", 20, "--seed", 3, "-o", out) == 0
    assert ("adapt", "gold", "a face", 3, 20) in stylizer.calls
    assert out.read_text() == "{'gold': 1.0}"
    output = capsys.readouterr()
    assert output.out == f"wrote {out}\n"
    assert output.err.splitlines()[0] == "step 2 of 20: direction 0.500"
    assert len(output.err.splitlines()) == 10


def test_mix_blends_domains_by_weight_and_level(stylizer: FakeStylizer, tmp_path: Path, photo: Path) -> None:
    out, vector = tmp_path / "mix.safetensors", {"sepia": (1.0, 0.0), "gold": (0.0, 1.0), "photo": (0.0, -2.0)}

    def domain(text: str) -> Domain:
        values = torch.tensor(vector[text]).repeat_interleave(2).repeat(8)
        return Domain(values, (4,) * 8, "pre_demod", "0123456789abcdef", text)

    vars(stylizer).update(domain=domain, has_hypernet=True, instant=lambda picture, name: domain(name))
    assert run("mix", "sepia=0.5", "gold=-1,coarse=0,fine=0.5", "-o", out) == 0
    pieces = Domain.load(out).vector.view(8, 2, 2).mean(2)  # at 4, 8, 8, 16, 16, 32, 32, 64 px
    assert pieces[:, 0].tolist() == [0.5] * 8
    assert pieces[:, 1].tolist() == [0.0] * 3 + [-1.0] * 4 + [-0.5]
    assert run("mix", "sepia", f"{photo}=0.5", "--spherical", "-o", out) == 0
    assert Domain.load(out).ingredients() == pytest.approx({"sepia": 2 * 0.75**0.5, "photo": 0.5}, rel=1e-5)


def test_a_picture_is_a_style_at_once_or_trained(
    stylizer: FakeStylizer, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_module(
        monkeypatch,
        "stylize.adaptation.pictures",
        one_shot_preset=lambda stylizer, seed: SimpleNamespace(seed=seed),
        adapt_image=lambda stylizer, pictures, settings, name: iter(
            [SimpleNamespace(step=1, steps=1, losses={}, domain=FakeDomain({f"trained {name}": 1.0}), note="")]
        ),
    )
    vars(stylizer)["instant"] = lambda picture, name: FakeDomain({name: float(picture.width)})
    for has_hypernet, method, name in (
        (True, "auto", "photo"),
        (False, "auto", "trained photo"),
        (True, "adapt", "trained photo"),
        (False, "instant", "photo"),
    ):
        stylizer.calls.clear()
        vars(stylizer)["has_hypernet"] = has_hypernet
        assert run(photo, "--to", photo, "--method", method, "--face", 1, "-o", tmp_path / "out.png") == 0
        assert list(stylizer.calls[1][2].terms) == [name]


def test_invert_writes_latents_and_face(stylizer: FakeStylizer, photo: Path, tmp_path: Path) -> None:
    latents, picture = tmp_path / "latents.safetensors", tmp_path / "face.png"
    assert run("invert", photo, "-o", latents, "--reconstruction", picture, "--face", 2) == 0
    tensors = load_file(latents)
    assert tensors["ws"].shape == (1, 3, 4)
    assert tensors["quads"].shape == (1, 4, 2)
    assert tensors["ws"].unique() == 1
    with Image.open(picture) as image:
        assert image.getpixel((0, 0)) == (0, 0, 1)


def test_a_full_disk_leaves_no_half_latents(
    stylizer: FakeStylizer, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def full(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    before = sorted(tmp_path.iterdir())
    assert run("invert", photo, "-o", tmp_path / "latents.safetensors") == 2
    assert "cannot be written (No space left on device); free some space" in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


def test_invert_keeps_every_face(stylizer: FakeStylizer, photo: Path, tmp_path: Path) -> None:
    assert run("invert", photo, "-o", tmp_path / "latents.safetensors") == 0
    assert load_file(tmp_path / "latents.safetensors")["ws"][:, 0, 0].tolist() == [0, 1]


def test_samples_lie_side_by_side(stylizer: FakeStylizer, tmp_path: Path) -> None:
    out = tmp_path / "faces.png"
    assert run("sample", "-n", 5, "--seed", 9, "--to", "zombie", "-o", out) == 0
    assert ("sample", 5, 9, FakeDomain({"zombie": 1.0})) in stylizer.calls
    with Image.open(out) as picture:
        assert picture.size == (24, 16)


def test_domains_are_listed(stylizer: FakeStylizer, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("domains", "--model", "some/folder") == 0
    assert capsys.readouterr().out == "sepia\nzombie\n"
    assert stylizer.calls == [("load", "some/folder", None)]


def test_training_modules_bring_their_own_options(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    for name in (*cli_models.TRAINING.values(), cli_models.EVALUATE):

        def add_arguments(parser: Any) -> None:
            parser.add_argument("--images", type=int)
            parser.add_argument("--seed", type=int, default=5)

        fake_module(monkeypatch, name, add_arguments=add_arguments, run=seen.append)
    assert run("train", "generator", "--images", 3) == 0
    assert run("train", "domains", "--device", "cpu") == 0
    assert run("evaluate", "--seed", 6) == 0
    assert [(args.images, args.seed, args.device) for args in seen] == [
        (3, 5, None),
        (None, 5, "cpu"),
        (None, 6, None),
    ]


BAD = {
    "nothing": ([], "No photo or command"),
    "no target": (["PHOTO", "-o", "OUT.png"], "--to"),
    "no output": (["PHOTO", "--to", "sepia"], "-o"),
    "unknown option": (["PHOTO", "--to", "sepia", "-o", "OUT.png", "--fast"], "--fast"),
    "abbreviated option": (["PHOTO", "--to", "sepia", "-o", "OUT.png", "--stren", "1"], "--stren"),
    "odd suffix": (["PHOTO", "--to", "sepia", "-o", "OUT.xyz"], ".png"),
    "no suffix": (["PHOTO", "--to", "sepia", "-o", "OUT"], ".png"),
    "no folder": (["PHOTO", "--to", "sepia", "-o", "OUT/none/out.png"], "no folder"),
    "the input": (["PHOTO", "--to", "sepia", "-o", "PHOTO"], "input itself"),
    "no photo": (["OUT.jpg", "--to", "sepia", "-o", "OUT.png"], ""),
    "a text file": (["TEXT", "--to", "sepia", "-o", "OUT.png"], ""),
    "strength nan": (["PHOTO", "--to", "sepia", "-o", "OUT.png", "--strength", "nan"], "nan"),
    "strength word": (["PHOTO", "--to", "sepia", "-o", "OUT.png", "--strength", "much"], "much"),
    "detail": (["PHOTO", "--to", "sepia", "-o", "OUT.png", "--detail", "2"], "between 0 and 1"),
    "face zero": (["PHOTO", "--to", "sepia", "-o", "OUT.png", "--face", "0"], "--face"),
    "face three": (["PHOTO", "--to", "sepia", "-o", "OUT.png", "--face", "3"], "2 faces"),
    "seed": (["sample", "-o", "OUT.png", "--seed", "-1"], "--seed"),
    "many": (["sample", "-o", "OUT.png", "-n", "100000"], "400"),
    "edit word": (["PHOTO", "--edit", "age", "-o", "OUT.png"], "age=2"),
    "photo as clip": (["PHOTO", "--to", "sepia", "-o", "OUT.mp4"], "still picture"),
    "no clip": (["TEXT", "--to", "sepia", "-o", "OUT.gif"], "not a readable video"),
    "clip of a face": (["PHOTO", "--to", "sepia", "-o", "OUT.mp4", "--aligned"], "only for photos"),
    "nothing to do": (["PHOTO", "-o", "OUT.png"], "required: --to"),
    "unknown download": (["download", "everything"], "clip-vit-b-32"),
    "mix word": (["mix", "sepia,fine=much", "-o", "OUT.safetensors"], "sepia=0.5"),
    "mix no picture": (["mix", "sepia=1", "OUT.jpg=1", "-o", "OUT.safetensors"], "no picture"),
    "to no picture": (["PHOTO", "--to", "OUT.png", "-o", "OUT.png"], "no picture"),
    "sample no picture": (["sample", "--to", "OUT.png", "-o", "OUT.png"], "no picture"),
    "morph no picture": (["morph", "PHOTO", "--to", "a", "--to", "OUT.png", "-o", "OUT.mp4"], "no picture"),
    "mix weight": (["mix", "sepia=half", "-o", "OUT.safetensors"], "'half'"),
    "mix nameless": (["mix", "=1", "-o", "OUT.safetensors"], "'=1'"),
    "mix picture": (["mix", "sepia=1", "-o", "OUT.png"], ".safetensors"),
    "latents picture": (["invert", "PHOTO", "-o", "OUT.png"], ".safetensors"),
    "train nothing": (["train"], "NAME"),
    "train unknown": (["train", "everything"], "generator"),
    "train order": (["train", "--seed", "1", "clip"], "before"),
    "adapt no text": (["adapt", "-o", "OUT.safetensors"], "--text"),
    "adapt both": (["adapt", "--text", "gold", "--image", "PHOTO", "-o", "OUT.safetensors"], "--image"),
    "adapt source of a picture": (["adapt", "--image", "PHOTO", "--source", "a", "-o", "OUT.safetensors"], "--source"),
    "adapt style of words": (["adapt", "--text", "a", "--style-mix", "1", "-o", "OUT.safetensors"], "--style-mix"),
    "adapt not a picture": (["adapt", "--image", "TEXT", "-o", "OUT.safetensors"], "not a picture"),
    "adapt preset": (["adapt", "--text", "gold", "--preset", "absurd", "-o", "OUT.safetensors"], "fast"),
    "adapt no steps": (["adapt", "--text", "gold", "--steps", "0", "-o", "OUT.safetensors"], "--steps"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence_and_status_2(
    case: str, stylizer: FakeStylizer, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text.jpg"
    text.write_text("not a picture")
    before = photo.read_bytes()
    words, expected = BAD[case]
    places = {"PHOTO": str(photo), "TEXT": str(text), "OUT": str(tmp_path / "out")}
    for name, place in places.items():
        words = [word.replace(name, place) for word in words]
    assert run(*words) == 2
    output = capsys.readouterr()
    assert output.err.count("\n") == 1
    assert output.err.startswith("stylize: ")
    assert expected in output.err
    assert not output.out
    assert photo.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == [photo, text]
    if case != "face three":
        assert not stylizer.calls, "bad input is told before any model is loaded"


def test_no_face_is_one_sentence(
    stylizer: FakeStylizer, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stylizer.count = 0
    assert run(photo, "--to", "gold", "-o", tmp_path / "out.png") == 2
    assert capsys.readouterr().err == "stylize: No face found in the picture; use another photo.\n"
    assert [call[0] for call in stylizer.calls] == ["load"], "faces are looked for before a domain is trained"


def test_the_photo_is_safe_behind_a_link(
    stylizer: FakeStylizer, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    link = tmp_path / "link.png"
    link.symlink_to(photo)
    before = photo.read_bytes()
    assert run(photo, "--to", "sepia", "-o", link) == 2
    assert run("invert", photo, "-o", tmp_path / "l.safetensors", "--reconstruction", link) == 2
    assert photo.read_bytes() == before


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (OSError(errno.ENOSPC, "Disk full", "out.png"), 2, "stylize: out.png: Disk full."),
        (OSError("image file is truncated"), 2, "stylize: image file is truncated."),
        (KeyboardInterrupt(), 130, "stylize: interrupted."),
    ],
)
def test_interruptions_leave_no_trace(
    error: BaseException,
    status: int,
    message: str,
    stylizer: FakeStylizer,
    photo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(stylizer, "paste", fail)
    assert run(photo, "--to", "sepia", "-o", tmp_path / "out.png") == status
    assert capsys.readouterr().err.strip() == message


@pytest.mark.parametrize("command", ["", *cli.COMMANDS])
def test_every_command_has_help_and_the_common_options(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_module(monkeypatch, cli_models.EVALUATE, add_arguments=lambda parser: None, run=None)
    with pytest.raises(SystemExit) as exit_:
        run(*command.split(), "--help")
    assert exit_.value.code == 0
    output = capsys.readouterr().out
    assert all(option in output for option in ("--seed", "--device", "--model"))
    assert command or all(name in output for name in cli.COMMANDS)


def test_the_package_offers_its_names_on_first_use() -> None:
    import stylize
    from stylize.errors import StylizeError
    from stylize.models.domain import Domain

    assert stylize.Domain is Domain
    assert stylize.StylizeError is StylizeError
    with pytest.raises(AttributeError, match="nothing"):
        _ = stylize.nothing


def test_how_a_description_was_read_is_said(
    stylizer: FakeStylizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    domain = FakeDomain({"anime": 1.0}, {"notes": ["The nearest that can be drawn: anime (80% sure)."]})
    monkeypatch.setattr(FakeStylizer, "domain", lambda self, text: domain)
    assert run("sample", "-n", 1, "--to", "naruto", "-o", tmp_path / "faces.png") == 0
    assert "The nearest that can be drawn: anime (80% sure)." in capsys.readouterr().err
