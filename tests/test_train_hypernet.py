"""Training of the hypernetwork: its list of domains, one process and two, and going on after an interruption."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import PATIENCE
from tiny import save_tiny_model

from stylize.cli import main
from stylize.errors import StylizeError
from stylize.models.checkpoints import load_checkpoint
from stylize.models.hypernet import HyperNet
from stylize.prompts.vocabulary import HELD_OUT, SOURCE
from stylize.training import hypernet
from stylize.training.entries import kind_of, known_entries, read_entries

DOMAINS = "# Drawings\na pencil sketch\na cartoon - a photo\na mosaic\nthe Joker - a person  # hair too\n\nblue glass\n"
OPTIONS = "--official --steps 3 --batch 6 --drawn 4 --pool 8 --width 16 --depth 2 --save-every 2".split()  # noqa: SIM905


def test_a_list_of_domains(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(DOMAINS + "looks/one.png\n", encoding="utf-8")
    entries = read_entries(tmp_path / "list.txt")
    assert [entry.texts[0] for entry in entries[:2]] == ["a pencil sketch", "a cartoon"]
    assert [entry.source for entry in entries[:4]] == [SOURCE, "a photo", SOURCE, "a person"]
    assert entries[0].kind == (None, "pencil sketch")
    assert entries[5].texts[0] == str(tmp_path / "looks/one.png")
    (tmp_path / "list.txt").write_text("one\n", encoding="utf-8")
    with pytest.raises(StylizeError, match="at least two"):
        read_entries(tmp_path / "list.txt")
    with pytest.raises(StylizeError, match="cannot be read"):
        read_entries(tmp_path / "none.txt")


def test_the_shipped_list_has_several_hundred_different_domains() -> None:
    entries = read_entries(Path(hypernet.__file__).with_name("descriptions.txt"))
    assert len({entry.texts[0] for entry in entries}) == len(entries) > 300


def test_kinds_are_what_a_description_means_and_no_more() -> None:
    assert kind_of("a red mosaic") == ("red", "mosaic")
    assert kind_of("a blue photo") == ("blue", "photo")
    assert kind_of("a zombie in charcoal") is None
    assert kind_of("a steampunk inventor") is None


def test_held_out_domains_are_never_learnt() -> None:
    learn, held_out = known_entries(["mosaic", "neon"])
    assert not {entry.kind for entry in learn} & set(HELD_OUT)
    assert {entry.kind for entry in held_out} & set(HELD_OUT)
    assert not {text for entry in learn for text in entry.texts} & {entry.texts[0] for entry in held_out}


def train(folder: Path, name: str, processes: int = 1, options: list[str] = OPTIONS) -> dict[str, torch.Tensor]:
    out = folder / name
    command = ["-m", "stylize", "train", "hypernet", "--model", str(folder), "--domains", str(folder / "list.txt")]
    if processes > 1:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            place = ["--master-addr", "127.0.0.1", "--master-port", str(free.getsockname()[1])]
        command = ["-m", "torch.distributed.run", *place, f"--nproc-per-node={processes}", *command]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *command, "--out", str(out), "--device", "cpu", *options],
        capture_output=True, text=True, timeout=PATIENCE, env=environment, cwd=Path(__file__).parent.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return load_checkpoint(out / "hypernet.safetensors")[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_tiny_model(tmp_path)
    (tmp_path / "list.txt").write_text(DOMAINS, encoding="utf-8")
    return tmp_path


@pytest.mark.slow
def test_two_processes_give_what_one_gives(folder: Path) -> None:
    one, two = train(folder, "one"), train(folder, "two", processes=2)
    assert HyperNet.load(folder / "two" / "hypernet.safetensors").settings["domains"] == 4
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=2e-3, atol=2e-4, msg=f"{name} differs")


@pytest.mark.slow
def test_it_goes_on_where_it_was_stopped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(name: str) -> dict[str, torch.Tensor]:
        words = ["train", "hypernet", "--model", str(folder), "--domains", str(folder / "list.txt")]
        assert main([*words, "--out", str(folder / name), "--device", "cpu", *OPTIONS]) == 0
        return load_checkpoint(folder / name / "hypernet.safetensors")[0]

    whole = run("whole")
    step = hypernet.HyperNetTraining.train_step

    def stopped(trainer: hypernet.HyperNetTraining) -> dict[str, float]:
        if trainer.step == 2:
            raise KeyboardInterrupt
        return step(trainer)

    with monkeypatch.context() as patch:
        patch.setattr(hypernet.HyperNetTraining, "train_step", stopped)
        assert main(["train", "hypernet", "--model", str(folder), "--domains", str(folder / "list.txt"),
                     "--out", str(folder / "parts"), "--device", "cpu", *OPTIONS]) == 130  # fmt: skip
    parts = run("parts")
    for name, tensor in whole.items():
        assert torch.equal(parts[name], tensor), name
    assert not (folder / "parts" / "hypernet-run.pt").exists()


def test_nothing_to_learn_from_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "hypernet", "--model", str(folder), "--domains", str(folder / "list.txt"), "--out", str(folder)]
    assert main([*words, "--device", "cpu"]) == 2
    assert "--official" in capsys.readouterr().err
