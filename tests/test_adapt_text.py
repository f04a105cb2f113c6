"""Adaptation by words on a tiny model: what it yields, that it repeats, continues, converges and stops."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from tiny import load_tiny_model
from torch import Tensor

from stylize.adaptation.descent import State, converged, descend, mixed
from stylize.adaptation.text import PRESETS, AdaptSettings, adapt_text, preset, preview
from stylize.cli import main
from stylize.cli.domains import SAVED_EVERY
from stylize.errors import PromptError, StylizeError
from stylize.models.domain import Domain
from stylize.pipeline import Stylizer

SMALL = AdaptSettings(steps=6, batch=2, pool=4, seed=3)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Stylizer:
    return load_tiny_model(tmp_path_factory.mktemp("tiny"))


def result(tiny: Stylizer, settings: AdaptSettings, state: State | None = None) -> Domain:
    *_, last = adapt_text(tiny, "pencil sketch", settings=settings, state=state)
    return last.domain


def test_it_yields_domains_and_is_reproducible(tiny: Stylizer) -> None:
    reports = list(adapt_text(tiny, "pencil sketch", settings=replace(SMALL, indomain=0.5)))
    assert [report.step for report in reports] == [1, 2, 3, 4, 5, 6]
    assert {"direction", "reach", "indomain", "norm"} == set(reports[0].losses)
    last = reports[-1].domain
    assert (last.method, last.target, last.seed) == ("text-guided", "pencil sketch", 3)
    assert last.vector.abs().max() > 0
    last.check(tiny.fingerprint, tiny.generator.config)
    assert torch.equal(result(tiny, SMALL).vector, result(tiny, SMALL).vector)
    assert not torch.equal(result(tiny, SMALL).vector, result(tiny, replace(SMALL, seed=4)).vector)
    assert result(tiny, replace(SMALL, order="post_demod")).order == "post_demod"


def test_it_is_cancelled_by_closing_it_and_continued_to_the_same_result(tiny: Stylizer) -> None:
    loop = adapt_text(tiny, "pencil sketch", settings=SMALL)
    stopped = list(islice(loop, 3))[-1]
    loop.close()  # type: ignore[attr-defined]
    assert torch.equal(result(tiny, SMALL, stopped.state).vector, result(tiny, SMALL).vector)
    with pytest.raises(StylizeError, match="3 steps already"):
        result(tiny, replace(SMALL, steps=3), stopped.state)


@pytest.mark.parametrize(
    "damage",
    [
        {"vector": torch.zeros(5)},
        {"vector": torch.full((56,), float("nan"))},
        {"moments": torch.zeros(56)},
        {"rng": torch.zeros(3, dtype=torch.uint8)},
        {"history": torch.tensor(1.0)},
    ],
)
def test_a_state_that_does_not_fit_is_refused(tiny: Stylizer, damage: dict[str, Tensor]) -> None:
    state = replace(State.begin(torch.zeros(tiny.generator.config.domain_dim), 0), **damage)
    with pytest.raises(StylizeError, match="start it again"):
        result(tiny, SMALL, state)


def test_the_weight_of_a_text_image_model_counts_once_for_each(tiny: Stylizer, monkeypatch: pytest.MonkeyPatch) -> None:
    one = next(adapt_text(tiny, "zombie", settings=SMALL))
    monkeypatch.setitem(vars(tiny), "clips", tiny.clips * 2)
    two = next(adapt_text(tiny, "zombie", settings=SMALL))
    assert two.losses["direction"] == pytest.approx(2 * one.losses["direction"], rel=1e-5)


def test_a_loss_that_is_no_number_keeps_the_last_good_vector() -> None:
    def losses(vector: Tensor, index: Tensor) -> dict[str, Tensor]:
        value = vector.square().sum()
        return {"square": value * float("nan") if value < 3.9 else value}

    numbers: dict[str, Any] = {"steps": 50, "batch": 1, "pool": 1, "lr": 0.05}
    *_, last, (state, values, note) = descend(losses, State.begin(torch.ones(4), 0), **numbers)
    assert "diverged at step" in note
    assert torch.equal(state.vector, last[0].vector)
    assert values == last[1]
    assert state.vector.isfinite().all()
    with pytest.raises(StylizeError, match="diverged at step 1"):
        next(descend(losses, State.begin(torch.zeros(4), 0), **numbers))


def test_it_is_adam() -> None:
    target = torch.randn(5, generator=torch.Generator().manual_seed(0))
    numbers: dict[str, Any] = {"steps": 30, "batch": 1, "pool": 1, "lr": 0.1}
    *_, (state, _, _) = descend(lambda v, _: {"l": (v - target).square().sum()}, State.begin(0 * target, 0), **numbers)
    vector = torch.zeros(5, requires_grad=True)
    adam = torch.optim.Adam([vector], lr=0.1, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, 30)
    for _ in range(30):
        adam.zero_grad()
        (vector - target).square().sum().backward()
        adam.step()
        schedule.step()
    torch.testing.assert_close(state.vector, vector.detach(), rtol=1e-4, atol=1e-5)


def test_it_stops_when_it_has_converged_and_goes_on_when_asked() -> None:
    numbers: dict[str, Any] = {"steps": 40, "batch": 1, "pool": 1, "lr": 0.1, "patience": 5}
    flat = list(descend(lambda v, _: {"flat": 1 + 0 * v.sum()}, State.begin(torch.zeros(2), 0), **numbers))
    assert len(flat) == 10
    assert "converged after 10 steps" in flat[-1][2]
    assert not any(note for _, _, note in flat[:-1])
    more = list(descend(lambda v, _: {"flat": 1 + 0 * v.sum()}, flat[-1][0], **numbers))
    assert more[-1][0].step == 20


@given(st.lists(st.floats(0.1, 10), max_size=12), st.integers(1, 6))
def test_convergence_is_a_plain_rule(history: list[float], patience: int) -> None:
    if len(history) < 2 * patience:
        assert not converged(history, patience)
    else:
        before, after = sum(history[-2 * patience : -patience]), sum(history[-patience:])
        if abs(before - after - 0.005 * before) > 1e-6:
            assert converged(history, patience) == (before - after < 0.005 * before)
    assert not converged(history, 0)


def test_style_mixing_takes_finer_rows_from_a_neighbour() -> None:
    ws = torch.arange(200.0).view(200, 1, 1).expand(-1, 6, 2)
    out = mixed(ws, 0.9, torch.Generator().manual_seed(0))[..., 0]
    own = out == ws[..., 0]
    assert own[:, 0].all()  # the coarsest row stays
    assert (own.int().diff(dim=1) <= 0).all()  # after the crossover all are the neighbour's
    assert torch.equal(out[~own], ws.roll(1, 0)[..., 0][~own])
    assert (~own).any(1).float().mean().item() == pytest.approx(0.9, abs=0.06)
    assert torch.equal(mixed(ws, 0.0, torch.Generator()), ws)


def test_presets_are_settings(tiny: Stylizer) -> None:
    for model in PRESETS.values():
        assert [*model] == ["fast", "balanced", "strong"]
        assert len({AdaptSettings(**numbers).steps for numbers in model.values()}) == 3
    assert preset(tiny) == AdaptSettings()
    assert preset(tiny, "fast", seed=5).seed == 5
    with pytest.raises(StylizeError, match="fast, balanced, strong"):
        preset(tiny, "absurd")


def test_half_precision_learns_the_same(tiny: Stylizer, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(SMALL, steps=12, lr=0.02)
    plain = (replace(settings, seed=seed, half=False) for seed in (3, 4))
    whole, other = (list(adapt_text(tiny, "zombie", settings=one))[-1] for one in plain)
    monkeypatch.setattr(tiny, "dtype", torch.bfloat16)
    half = list(adapt_text(tiny, "zombie", settings=settings))[-1]
    assert half.domain.vector.dtype == torch.float32
    assert not torch.equal(half.domain.vector, whole.domain.vector)
    assert sum(half.losses.values()) == pytest.approx(sum(whole.losses.values()), rel=0.02)
    error, noise = (float((run.domain.vector - whole.domain.vector).norm()) for run in (half, other))
    assert error < noise  # less than other faces make
    again = list(adapt_text(tiny, "zombie", settings=replace(settings, half=False)))[-1]
    assert torch.equal(again.domain.vector, whole.domain.vector)


def test_previews_show_the_given_and_fixed_random_faces(tiny: Stylizer) -> None:
    domain = result(tiny, SMALL)
    first, again = (preview(tiny, domain, random=2, seed=1) for _ in range(2))
    assert len(first) == 2
    assert [a.tobytes() for a in first] == [b.tobytes() for b in again]


@pytest.mark.parametrize("settings", [{"steps": 0}, {"steps": 10**9}, {"lr": -1.0}, {"lr": float("nan")}])
def test_absurd_settings_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(StylizeError, match=r"Cannot train|learning rate"):
        AdaptSettings(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("", "empty"),
        ("x" * 5000, "5000 characters"),
        ("a photo of a face", "already"),
        ("photo of a face", "already"),
        ("A photo of a face", "already"),
        ("qwertz", "does not know"),
        ("\N{GRINNING FACE} !", "no word"),
    ],
)
def test_unusable_descriptions_are_refused(tiny: Stylizer, target: str, message: str) -> None:
    with pytest.raises(PromptError, match=message):
        next(iter(adapt_text(tiny, target)))


def test_an_empty_source_is_refused(tiny: Stylizer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--text", "zombie", "--source", " ", "--model", str(tiny.folder), "--device", "cpu"]
    assert main(["adapt", *words, "-o", str(tmp_path / "out.safetensors")]) == 2
    assert "description is empty" in capsys.readouterr().err


@pytest.mark.gpu
def test_the_gpu_gives_the_same(tiny: Stylizer) -> None:
    there = Stylizer.load(str(tiny.folder), "cuda")
    torch.testing.assert_close(result(there, SMALL).vector, result(tiny, SMALL).vector, rtol=0, atol=5e-3)


# A training that stands still once it has kept something, so that it can be killed however fast it is.
WAITS = """
import sys, time
from stylize.cli import domains, main

keep = domains.save_state

def keep_and_wait(path, state, job):
    keep(path, state, job)
    time.sleep(3600 if len(state.history) > 5 else 0)

domains.save_state = keep_and_wait
sys.exit(main())
"""


@pytest.mark.slow
def test_a_killed_training_goes_on_from_where_it_was(
    tiny: Stylizer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, unfinished = tmp_path / "out.safetensors", tmp_path / "out.safetensors.unfinished"
    words = [
        "adapt",
        "--text",
        "zombie",
        "--steps",
        "9999",
        "--model",
        str(tiny.folder),
        "--device",
        "cpu",
        "-o",
        str(out),
    ]
    process = subprocess.Popen([sys.executable, "-c", WAITS, *words], stderr=subprocess.DEVNULL)
    while process.poll() is None and not (unfinished.exists() and len(load_file(unfinished)["history"]) > 5):
        time.sleep(0.01)
    assert process.poll() is None, "it ended before it could be killed"
    process.kill()
    process.wait()
    saved = State(**load_file(unfinished))
    report = next(islice(adapt_text(tiny, "zombie", settings=preset(tiny, steps=9999)), saved.step - 1, None))
    assert torch.equal(report.state.vector, saved.vector)
    assert saved.step % SAVED_EVERY == 1

    fewer = [word.replace("9999", str(saved.step + 3)) for word in words]
    assert main([*fewer, "--continue"]) == 2
    assert "another steps" in capsys.readouterr().err
    assert not out.exists()
    assert main([*words, "--continue", "--seed", "1"]) == 2
    assert main([*words, "--continue"]) == 0  # converges long before 9999 steps
    assert "converged" in capsys.readouterr().err
    assert Domain.load(out).target == "zombie"
    assert not unfinished.exists()
    assert main([*words, "--continue"]) == 2
    assert "no unfinished training" in capsys.readouterr().err


def test_the_first_reports_say_how_the_description_was_understood(tiny: Stylizer) -> None:
    first, second, *_ = adapt_text(tiny, "zombie with red eyes and a beard", settings=SMALL)
    assert "red eyes" in first.note
    assert "beard" in second.note
