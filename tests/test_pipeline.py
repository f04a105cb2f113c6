"""The model behind one interface, on a tiny model: render, paste, look up, refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import CLIP, load_tiny_model, of_parts, save_tiny_model

from stylize.errors import CheckpointError, DomainError, PromptError, StylizeError
from stylize.look import Look
from stylize.models.checkpoints import save_checkpoint
from stylize.models.code import Code
from stylize.models.domain import Domain
from stylize.models.text_image import TextImageModel, english_templates
from stylize.pipeline import Face, Stylizer, check_prompt
from stylize.places import default_model, model_folder


@pytest.fixture(scope="module")
def stylizer(tmp_path_factory: pytest.TempPathFactory) -> Stylizer:
    """Ships two styles and a colour."""
    folder = tmp_path_factory.mktemp("tiny")
    model = load_tiny_model(folder)
    sizes = tuple(model.generator.config.domain_sizes)
    for number, name in enumerate(("sepia", "mosaic", "colours/red")):
        vector = torch.randn(sum(sizes), generator=torch.Generator().manual_seed(number))
        domain = Domain(vector, sizes, "pre_demod", model.fingerprint, Path(name).name)
        domain.save(folder / "domains" / f"{name}.safetensors")
    return model


@pytest.fixture(scope="module")
def face(stylizer: Stylizer, astronaut: Image.Image) -> Face:
    return stylizer.faces(astronaut)[0]


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image, dtype=int)


def test_a_face_is_encoded_once(stylizer: Stylizer, face: Face) -> None:
    config = stylizer.generator.config
    assert face.ws.shape == (1, config.num_ws, config.w_dim)
    assert face.reconstruction.size == (config.resolution,) * 2
    assert face.crop.width >= 256


def test_strength_zero_is_the_source(stylizer: Stylizer, face: Face) -> None:
    sepia = stylizer.domain("sepia")
    assert np.array_equal(pixels(stylizer.render(face, sepia, 0.0)), pixels(stylizer.render(face, None)))
    assert not np.array_equal(pixels(stylizer.render(face, sepia, 1.0)), pixels(stylizer.render(face, None)))


def test_without_a_domain_all_detail_is_the_photo_itself(stylizer: Stylizer, face: Face) -> None:
    assert np.abs(pixels(stylizer.render(face, None, detail=1.0)) - pixels(face.crop)).mean() < 12


def test_the_models_own_picture_has_the_crops_size(stylizer: Stylizer, face: Face) -> None:
    assert stylizer.render(face, stylizer.domain("sepia"), detail=0.0).size == face.crop.size


def test_pasting_changes_only_the_face(stylizer: Stylizer, face: Face, astronaut: Image.Image) -> None:
    result = stylizer.paste(astronaut, [face], [Image.new("RGB", (64, 64), "red")])
    assert result.size == astronaut.size
    assert np.array_equal(pixels(result)[-60:], pixels(astronaut)[-60:])
    assert not np.array_equal(pixels(result), pixels(astronaut))


@pytest.mark.parametrize(("strength", "detail"), [(3.0, 1.0), (float("nan"), 1.0), (1.0, -0.1), (1.0, float("nan"))])
def test_absurd_amounts_are_refused(stylizer: Stylizer, face: Face, strength: float, detail: float) -> None:
    with pytest.raises(StylizeError, match="must be between"):
        stylizer.render(face, None, strength, detail)


def test_samples_are_seeded(stylizer: Stylizer) -> None:
    first, again, other = (stylizer.sample(1, seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(pixels(first), pixels(again))
    assert not np.array_equal(pixels(first), pixels(other))


@pytest.mark.parametrize("text", ["sepia", "  SEPIA ", "a sepia photo"])
def test_a_ready_domain_is_found_by_its_words(stylizer: Stylizer, text: str) -> None:
    assert stylizer.domain(text).name == "sepia"


def test_a_colour_is_added_to_a_ready_domain(stylizer: Stylizer) -> None:
    both = stylizer.domain("a red mosaic")
    assert both.name == "a red mosaic"
    assert both.ingredients() == {"mosaic": 1.0, "red": 1.0}
    torch.testing.assert_close(both.vector, stylizer.domain("mosaic").vector + stylizer.domain("red").vector)


@pytest.mark.parametrize("text", ["zombie", "a blue mosaic"])
def test_what_is_not_ready_is_said(stylizer: Stylizer, text: str) -> None:
    with pytest.raises(DomainError, match="no ready domain"):
        stylizer.domain(text)


def test_useless_descriptions_are_refused(stylizer: Stylizer) -> None:
    for text, words in (("  ", "empty"), ("x" * 5000, "5000 characters"), ("🔥", "no words"), ("?!...", "no words")):
        with pytest.raises(PromptError, match=words):
            stylizer.domain(text)
    for text, words in (
        ("qwertz", "does not know 'qwertz'; the nearest it knows"),
        ("йцукен", "does not know 'йцукен'; the nearest it knows"),
        ("not a zombie", "only says what not to draw"),
        ("elf", "not shapes such as 'elf'; the full model can"),
        ("green hair", "cannot colour just one part of the face, as 'green hair'"),
        ("僵尸 🔥", "reads English and Russian, and does not know '僵尸'; the nearest it knows"),
        ("in the style of a", "does not know 'in the style of a'"),
    ):
        with pytest.raises(PromptError, match=words):
            stylizer.prompt(text)


def test_russian_descriptions_are_answered_everywhere(stylizer: Stylizer) -> None:
    assert stylizer.domain("красная мозаика").ingredients() == {"mosaic": 1.0, "red": 1.0}
    assert stylizer.domain("СЕПИЯ 🔥").name == "sepia"
    assert stylizer.prompt("зомби углём").caption == "zombie charcoal drawing"


def test_a_domain_of_another_generator_is_refused(stylizer: Stylizer, face: Face, tmp_path: Path) -> None:
    sizes = tuple(stylizer.generator.config.domain_sizes)
    Domain(torch.zeros(sum(sizes)), sizes, "pre_demod", "0" * 16, "foreign").save(tmp_path / "foreign.safetensors")
    with pytest.raises(DomainError, match="create it again"):
        stylizer.domain(str(tmp_path / "foreign.safetensors"))


def test_missing_and_broken_models_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no model 'nonsense'"):
        Stylizer.load("nonsense")
    folder = save_tiny_model(tmp_path)
    (folder / "encoder.safetensors").write_bytes(b"<html>quota exceeded</html>")
    with pytest.raises(CheckpointError, match=r"encoder\.safetensors"):
        Stylizer.load(str(folder))
    with pytest.raises(StylizeError, match="not available"):
        Stylizer.load(str(save_tiny_model(tmp_path)), "cuda:99")


def test_the_full_model_is_the_default_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STYLIZE_MODEL", raising=False)
    monkeypatch.setenv("STYLIZE_FULL", str(tmp_path / "full"))
    assert default_model() == "mini"
    with pytest.raises(CheckpointError, match="download full"):
        Stylizer.load("full")
    save_tiny_model(tmp_path / "full")
    assert (default_model(), model_folder("full")) == ("full", tmp_path / "full")
    assert Stylizer.load(device="cpu").name == "full"
    monkeypatch.setenv("STYLIZE_MODEL", "mini")
    assert default_model() == "mini"
    monkeypatch.setenv("STYLIZE_MODEL", "full")
    (tmp_path / "full" / "clip.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"clip\.safetensors.*download full"):
        _ = Stylizer.load(device="cpu").clip


def test_a_model_without_an_encoder_samples_and_is_stylised(tmp_path: Path, astronaut: Image.Image) -> None:
    folder = save_tiny_model(tmp_path / "cats")
    (folder / "encoder.safetensors").unlink()
    cats = Stylizer.load(str(folder), "cpu")
    assert not cats.has_encoder
    sizes = tuple(cats.generator.config.domain_sizes)
    domain = Domain(torch.linspace(-1, 1, sum(sizes)), sizes, "pre_demod", cats.fingerprint)
    assert not np.array_equal(pixels(cats.sample(1)[0]), pixels(cats.sample(1, domain=domain)[0]))
    with pytest.raises(StylizeError, match="cats model has no encoder"):
        cats.faces(astronaut)


def test_edits_move_along_a_direction(tmp_path: Path, astronaut: Image.Image) -> None:
    folder = save_tiny_model(tmp_path)
    assert Stylizer.load(str(folder), "cpu").edits() == []
    direction = torch.randn(16, generator=torch.Generator().manual_seed(0))
    save_checkpoint(folder / "directions.safetensors", {"smile": direction, "age": -direction}, {"kind": "directions"})
    model = Stylizer.load(str(folder), "cpu")
    assert model.edits() == ["age", "smile"]
    ws = Code(model.sample_ws(1))
    torch.testing.assert_close(model.edit(ws, {"smile": 2.0}).ws, ws.ws + 2 * direction)
    torch.testing.assert_close(model.edit(ws, {"smile": 1.5, "age": 1.5}).ws, ws.ws)
    face = model.faces(astronaut)[0]
    plain, smiling = (pixels(model.render(face, Look(detail=0.0, edits=e))) for e in ({}, {"smile": 3.0}))
    assert not np.array_equal(plain, smiling)
    with pytest.raises(StylizeError, match="no edit 'pose'; it has: age, smile"):
        model.edit(ws, {"pose": 1.0})
    with pytest.raises(StylizeError, match="between -10 and 10"):
        Look(edits={"age": float("nan")})
    save_checkpoint(folder / "directions.safetensors", {"smile": torch.zeros(3)}, {})
    with pytest.raises(CheckpointError, match="'smile' has the shape"):
        Stylizer.load(str(folder), "cpu").edits()


def test_english_models_take_any_english_words(tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path)
    for name in ("clip", "clip_b16"):
        config = {**CLIP, "embed_dim": 16 if name == "clip" else 24}
        TextImageModel(config, "english").save(folder / f"{name}.safetensors", {})
    model = Stylizer.load(str(folder), "cpu")
    assert [clip.describe("x").shape for clip in model.clips] == [(16,), (24,)]
    assert model.clip is model.clips[0]
    assert told(model, "  a wistful   qwertz, d\u00e9j\u00e0 vu ") == ("a wistful qwertz, d\u00e9j\u00e0 vu", [])
    words, notes = told(model, "грустная красная мозаика")
    assert words == "red mosaic"
    assert notes[0] == "The text-image model reads English; it was given: red mosaic."
    words, notes = told(model, "a face without wrinkles")
    assert words == "a face without wrinkles"
    assert "does not understand 'without'" in notes[0]
    with pytest.raises(PromptError, match="reads English, not 'йцукен'"):
        model.prompt("йцукен")
    with pytest.raises(PromptError, match=r"would cut 'red red"):
        model.prompt("red " * 60)
    with pytest.raises(DomainError, match="no ready domain for 'elf'"):
        model.domain("elf")


def told(model: Stylizer, text: str) -> tuple[str, list[str]]:
    prompt = model.prompt(text)
    return model.clip.read(prompt), model.clip.notes(prompt)


def test_the_templates_are_those_of_the_article() -> None:
    templates = english_templates()
    assert len(templates) == len(set(templates)) == 79
    assert all(template.count("{}") == 1 for template in templates)


def test_half_a_character_is_a_word_that_is_not_known() -> None:
    assert check_prompt(" a\ud800  b ") == "a? b"


def test_a_photo_is_known_in_parts(tmp_path: Path, face: Face, astronaut: Image.Image) -> None:
    """Skin, hair, background and clothes, found with the photo's landmarks or without."""
    assert face.code.parts is None  # its generator has no scales for them
    stylizer = of_parts(load_tiny_model(tmp_path))
    face = stylizer.faces(astronaut)[0]
    parts = face.code.parts
    assert parts is not None
    assert parts.shape == (1, stylizer.generator.config.parts, *[stylizer.resolution] * 2)
    torch.testing.assert_close(parts.float().sum(1), torch.ones(1, *parts.shape[2:]), atol=0.01, rtol=0)
    nose, corner = (face.detected.points[30] * stylizer.resolution).astype(int), stylizer.resolution // 16
    assert parts[0, 0, nose[1], nose[0]] > 0.9
    assert parts[0, 2, corner, corner] > 0.9
    alone = stylizer.encode([face.crop]).parts
    assert alone is not None
    assert (alone - parts).abs().mean() < 0.05
