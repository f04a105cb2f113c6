"""The measures, on a tiny model and the astronaut: they run, and they say what they should about known answers."""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from tiny import load_tiny_model
from torch import Tensor

from stylize.adaptation.pictures import one_shot_preset
from stylize.evaluation import measures
from stylize.evaluation import report as evaluate
from stylize.evaluation import vector_vs_weights as compare
from stylize.evaluation.tables import tables
from stylize.models.checkpoints import save_checkpoint
from stylize.models.domain import Domain
from stylize.pipeline import Stylizer

STYLES = ["sepia", "negative"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Stylizer:
    """Its ready "sepia" and "negative" change nothing."""
    folder = tmp_path_factory.mktemp("model")
    tiny = load_tiny_model(folder)
    sizes = tuple(tiny.generator.config.domain_sizes)
    for name in STYLES:
        domain = Domain(torch.zeros(sum(sizes)), sizes, "pre_demod", tiny.fingerprint, name)
        domain.save(folder / "domains" / f"{name}.safetensors")
    return tiny


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from skimage.data import astronaut

    folder = tmp_path_factory.mktemp("photos")
    Image.fromarray(astronaut()).save(folder / "astronaut.png")
    return folder


def measure(model: Stylizer, tmp_path: Path, *words: str) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    parser.set_defaults(model=str(model.folder), device="cpu", seed=0)
    evaluate.run(parser.parse_args([*words, "--json", str(tmp_path / "figures" / "out.json")]))
    return json.loads((tmp_path / "figures" / "out.json").read_text())


def test_reconstruction(model: Stylizer, photos: Path, tmp_path: Path) -> None:
    figures = measure(model, tmp_path, "reconstruction", "--photos", str(photos))
    row = figures["results"]["selfies"]
    assert row["pictures"] == 1
    assert row["rank_1"] == 1  # among one picture the nearest is the right one
    assert row["face_found"] == 0  # random weights draw no faces
    assert {"command", "commit", "device", "date"} <= set(figures)


def test_samples(model: Stylizer, tmp_path: Path) -> None:
    figures = measure(model, tmp_path, "samples", "--limit", "4")
    assert figures["results"]["psi 0.7"] == {"samples": 4, "one_face_found": 0}


def test_styles(model: Stylizer, photos: Path, tmp_path: Path) -> None:
    figures = measure(model, tmp_path, "styles", "--photos", str(photos), "--styles", *STYLES)
    row = figures["results"]["styles"]["negative"]
    assert row["distance_before"] == row["distance_after"] == row["distance_fitted"]
    assert row["closed"] == 0
    assert row["photo_distance_with_detail"] == pytest.approx(row["photo_distance_unchanged"], abs=0.1)


def test_styles_learned_from_one_picture(model: Stylizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faces = torch.rand(3, 3, 256, 256) * 2 - 1
    monkeypatch.setattr(measures, "held_out", lambda stylizer, args: {"random": faces})
    monkeypatch.setattr(measures, "one_shot_preset", partial(one_shot_preset, steps=2))
    figures = measure(model, tmp_path, "styles", "--styles", "sepia", "--domains", "one-shot-new")
    assert figures["results"]["faces"] == 2
    row = figures["results"]["styles"]["sepia"]
    assert row["distance_before"] == row["distance_fitted"] != row["distance_after"]


@pytest.mark.slow
def test_vectors_against_weights(
    model: Stylizer, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare, "STEPS", 3)
    monkeypatch.setattr(compare, "POOL", 8)
    before = [tensor.clone() for tensor in model.generator.state_dict().values()]
    sheet = tmp_path / "sheet.png"
    words = ["--photos", str(photos), "--styles", "negative", "--out", str(sheet)]
    mean = measure(model, tmp_path, "domains", *words)["results"]["mean"]
    assert list(mean)[2:] == list(compare.METHODS)
    assert mean["truly filtered"]["distance"] == 0
    assert mean["unchanged"]["identity"] == 0
    assert mean["pairs: vector"]["parameters"] == model.generator.config.domain_dim
    assert mean["pairs: all weights"]["parameters"] > 10 * model.generator.config.domain_dim
    assert mean["pairs: all weights"]["distance"] != mean["unchanged"]["distance"]
    assert all(torch.equal(a, b) for a, b in zip(model.generator.state_dict().values(), before, strict=True))
    with Image.open(sheet) as picture:
        assert picture.size == (32 * (2 + len(compare.METHODS)), 32)


@pytest.mark.slow
def test_an_interrupted_comparison_goes_on(
    model: Stylizer, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compare, "STEPS", 2)
    monkeypatch.setattr(compare, "POOL", 6)
    monkeypatch.setattr(compare, "METHODS", {"pairs: vector": compare.METHODS["pairs: vector"]})
    done: list[str] = []
    style = compare.Comparison.style

    def killed_at_the_second(self: compare.Comparison, name: str) -> tuple[dict[str, Any], list[Tensor]]:
        if done == ["sepia"]:
            raise KeyboardInterrupt
        done.append(name)
        return style(self, name)

    words = ["domains", "--photos", str(photos), "--styles", *STYLES, "--out", str(tmp_path / "sheet.png")]
    with monkeypatch.context() as patch:
        patch.setattr(compare.Comparison, "style", killed_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            measure(model, tmp_path, *words)
    unfinished = tmp_path / "figures" / "out.json.unfinished"
    assert unfinished.is_file()

    def noted(self: compare.Comparison, name: str) -> tuple[dict[str, Any], list[Tensor]]:
        done.append(name)
        return style(self, name)

    monkeypatch.setattr(compare.Comparison, "style", noted)
    assert list(measure(model, tmp_path, *words)["results"]["styles"]) == STYLES
    assert done == STYLES
    assert not unfinished.exists()
    with Image.open(tmp_path / "sheet.png") as picture:
        assert picture.size == (32 * 3, 32 * 2)

    save_checkpoint(unfinished, {}, {"of": {"generator": "another"}, "styles": {"sepia": {}}})
    measure(model, tmp_path, *words)
    assert done == STYLES * 2
    assert "starting again" in capsys.readouterr().err


def test_diversity_is_the_mean_distance_of_pairs() -> None:
    embeddings = torch.nn.functional.normalize(torch.randn(6, 4), dim=1)
    pairs = [1 - float(embeddings[i] @ embeddings[j]) for i in range(6) for j in range(i)]
    assert compare.diversity(embeddings) == pytest.approx(sum(pairs) / len(pairs), abs=1e-6)


def test_contact_sheet(model: Stylizer, photos: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    words = ["--photos", str(photos), "--limit", "1", "--out", str(sheet), "--styles", *STYLES]
    measure(model, tmp_path, "contact-sheet", *words)
    with Image.open(sheet) as picture:
        assert picture.size == (192 * 4, 192)


def test_the_results_show_the_committed_figures() -> None:
    root = Path(__file__).parent.parent
    assert tables(root / "docs" / "results") in (root / "docs" / "results.md").read_text(encoding="utf-8")


def test_a_measure_without_a_file_has_no_table(tmp_path: Path) -> None:
    assert tables(tmp_path) == ""
    drawn = {"results": {"0.7": {"samples": 4, "one_face_found": 1.0}}}
    (tmp_path / "samples.json").write_text(json.dumps(drawn))
    assert tables(tmp_path) == "Random samples in which dlib finds exactly one face: 100 % of 4 at 0.7."
