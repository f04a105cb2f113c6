"""The measures, on a tiny model and the astronaut: they run, and they say what they should about known answers."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from tiny import load_tiny_model

from stylize.domain import Domain
from stylize.pipeline import Stylizer
from stylize.training import evaluate

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


def measure(model: Stylizer, tmp_path: Path, *words: str) -> dict:
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


def test_contact_sheet(model: Stylizer, photos: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    words = ["--photos", str(photos), "--limit", "1", "--out", str(sheet), "--styles", *STYLES]
    measure(model, tmp_path, "contact-sheet", *words)
    with Image.open(sheet) as picture:
        assert picture.size == (192 * 4, 192)


def test_the_readme_shows_the_committed_figures() -> None:
    root = Path(__file__).parent.parent
    assert evaluate.tables(root / "docs" / "results") in (root / "README.md").read_text(encoding="utf-8")
