"""Adaptation to reference pictures: it learns, repeats, continues, and takes pictures of any kind."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from tiny import GENERATOR, load_tiny_model, of_parts

from stylize.adaptation.descent import training_faces
from stylize.adaptation.losses import pyramid_loss
from stylize.adaptation.patterns import found
from stylize.adaptation.pictures import (
    PRESETS,
    SCENES,
    TRIED,
    OneShotSettings,
    OneShotTask,
    adapt_image,
    before_scenes,
    one_shot_preset,
    prepare_references,
)
from stylize.cli import main
from stylize.errors import PhotoError, StylizeError
from stylize.faces.align import crop_face
from stylize.faces.parts import PARTS
from stylize.images import to_image
from stylize.models.checkpoints import save_checkpoint
from stylize.models.code import Code
from stylize.models.domain import Domain
from stylize.models.generator import Generator
from stylize.models.lpips import Lpips
from stylize.pipeline import Stylizer
from stylize.training.filters import truth

SMALL = OneShotSettings(steps=6, batch=2, pool=4, seed=3)
ALL: dict[str, Any] = {"l2": 1.0, "lpips": 1.0, "clip_ref": 1.0, "direction": 1.0, "within": 0.5}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Stylizer:
    """A tiny model with two ready domains and a colour."""
    folder = tmp_path_factory.mktemp("tiny")
    stylizer = load_tiny_model(folder)
    sizes = tuple(stylizer.generator.config.domain_sizes)
    for seed, name in enumerate(("sepia", "negative", "colours/red")):
        vector = torch.randn(sum(sizes), generator=torch.Generator().manual_seed(seed)) * 0.3
        Domain(vector, sizes, "pre_demod", stylizer.fingerprint, name).save(folder / "domains" / f"{name}.safetensors")
    return stylizer


@pytest.fixture(scope="module")
def reference(astronaut: Image.Image) -> Image.Image:
    return to_image(truth(torch.from_numpy(np.array(astronaut)).permute(2, 0, 1)[None] / 127.5 - 1, "sepia"))


def crop_to_face(stylizer: Stylizer, photo: Image.Image) -> Image.Image:
    return crop_face(photo, stylizer.finder.find(photo)[0].quad, 256)


def test_it_yields_domains_and_is_reproducible(tiny: Stylizer, reference: Image.Image) -> None:
    settings = replace(SMALL, **ALL)
    reports = list(adapt_image(tiny, [reference], settings, name="old"))
    assert [report.step for report in reports] == [1, 2, 3, 4, 5, 6]
    assert set(reports[0].losses) == {"pyramid", "statistics", "rest", "mix", *ALL}
    last = reports[-1].domain
    assert (last.method, last.name, last.style_share) == ("one-shot", "old", 0.0)
    assert last.style is not None
    assert last.style.shape == (1, 16)  # the rows from 64 px on
    last.check(tiny.fingerprint, tiny.generator.config)
    stopped = list(islice(adapt_image(tiny, [reference], settings), 3))[-1]
    *_, again = adapt_image(tiny, [reference], settings, stopped.state)
    assert torch.equal(last.vector, again.domain.vector)


def test_it_learns_what_the_generator_can_draw(tiny: Stylizer, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = tuple(tiny.generator.config.domain_sizes)
    vector = torch.randn(sum(sizes), generator=torch.Generator().manual_seed(9))
    hidden = Domain(vector, sizes, "pre_demod", tiny.fingerprint)
    shown = tiny.sample_ws(3, 1)
    pictures = [to_image(picture) for picture in tiny.draw(shown, hidden)]
    monkeypatch.setattr(tiny, "counterparts", lambda pictures: Code(shown))  # the tiny encoder is not trained
    settings = replace(SMALL, steps=150, lr=0.1, rest=0.001, patience=0)
    *_, last = adapt_image(tiny, pictures, settings)
    assert last.domain.method == "few-shot"
    ws = tiny.sample_ws(8, seed=5)
    wanted = tiny.draw(ws, hidden)
    before, after = (pyramid_loss(tiny.draw(ws, domain), wanted).item() for domain in (None, last.domain))
    assert after < 0.8 * before


def test_without_ready_domains_it_is_the_published_way(tiny: Stylizer, reference: Image.Image) -> None:
    settings = replace(SMALL, statistics=0.0, start=False, rest=0.0, order="post_demod", style_mix=1.0, **ALL)
    *_, last = adapt_image(tiny, [reference], settings)
    assert set(last.losses) == {"pyramid", *ALL}
    assert last.domain.order == "post_demod"
    assert last.domain.style is not None
    aligned, _ = prepare_references(tiny, [reference])
    torch.testing.assert_close(last.domain.style, tiny.encode(aligned).ws[0, 7:])


def test_pictures_are_compared_by_lpips_where_its_weights_are(
    tiny: Stylizer, reference: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(SMALL, steps=1, lpips=1.0)
    features = next(adapt_image(tiny, [reference], settings)).losses["lpips"]
    lpips = Lpips()
    for head in lpips.heads:
        torch.nn.init.constant_(head, 0.5)
    monkeypatch.setattr(Lpips, "load", lambda folder: lpips.requires_grad_(False) if folder == tiny.folder else None)
    by_lpips = next(adapt_image(tiny, [reference], settings)).losses["lpips"]
    assert features > 0
    assert by_lpips not in (0, features)


def test_references_of_any_kind(tiny: Stylizer, astronaut: Image.Image) -> None:
    face, words = prepare_references(tiny, [astronaut])
    assert face[0].size == (256, 256)
    assert not words
    wall = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 200, 3), dtype=np.uint8))
    small = Image.new("RGBA", (600, 400))
    small.paste(astronaut.resize((220, 220)), (0, 0))
    crops, words = prepare_references(tiny, [wall, small])
    assert crops[0].size == (90, 90)
    assert words.startswith("No face was found in reference 1")
    assert "reference 2 is only" in words
    first = next(adapt_image(tiny, [wall], SMALL))
    assert "its centre was used" in first.note


def test_animated_references_give_their_first_frame(tiny: Stylizer, astronaut: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "moving.gif"
    astronaut.save(path, save_all=True, append_images=[Image.new("RGB", astronaut.size)])
    assert main(["adapt", "--image", str(path), "--steps", "2", *common(tiny, tmp_path)]) == 0
    domain = Domain.load(tmp_path / "out.safetensors")
    assert domain.name == "moving"
    assert domain.method == "one-shot"


def common(tiny: Stylizer, folder: Path) -> list[str]:
    return ["--model", str(tiny.folder), "--device", "cpu", "-o", str(folder / "out.safetensors")]


@pytest.mark.parametrize(("size", "words"), [((8, 8), "only 8x8"), ((9000, 9000), "megapixels")])
def test_unusable_pictures_are_one_sentence(
    tiny: Stylizer, tmp_path: Path, size: tuple[int, int], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "odd.png"
    Image.new("1", size).save(path)
    assert main(["adapt", "--image", str(path), *common(tiny, tmp_path)]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out.safetensors").exists()


def test_the_number_of_references_is_limited(tiny: Stylizer, astronaut: Image.Image) -> None:
    for pictures in ([], [astronaut] * 11):
        with pytest.raises(StylizeError, match="use 1 to 10"):
            next(adapt_image(tiny, pictures, SMALL))
    with pytest.raises(PhotoError, match="only 4x4"):
        next(adapt_image(tiny, [astronaut, Image.new("RGB", (4, 4))], SMALL))


@pytest.mark.parametrize("numbers", [{"steps": 10**9}, {"lr": -1.0}, {"style_mix": 2.0}, {"style_mix": float("nan")}])
def test_absurd_settings_are_refused(numbers: dict[str, float]) -> None:
    with pytest.raises(StylizeError):
        OneShotSettings(**numbers)  # type: ignore[arg-type]


def test_presets_are_settings(tiny: Stylizer) -> None:
    for model in PRESETS.values():
        assert [*model] == ["fast", "balanced", "strong"]
        assert len({OneShotSettings(**numbers).steps for numbers in model.values()}) == 3
    assert one_shot_preset(tiny) == OneShotSettings()


def test_a_domain_file_of_another_generator_says_which(tiny: Stylizer, reference: Image.Image, tmp_path: Path) -> None:
    *_, last = adapt_image(tiny, [reference], SMALL)
    replace(last.domain, generator="0123456789abcdef").save(tmp_path / "other.safetensors")
    with pytest.raises(StylizeError, match=f"0123456789abcdef, not for {tiny.fingerprint}"):
        tiny.domain(str(tmp_path / "other.safetensors"))


def test_every_tiling_is_tried_if_none_is_found(tmp_path: Path, reference: Image.Image) -> None:
    load_tiny_model(tmp_path)
    config = replace(GENERATOR, tilings=2)
    generator = Generator(config)
    save_checkpoint(tmp_path / "generator.safetensors", generator.state_dict(), {"config": config.to_dict()})
    sepia = torch.randn(config.domain_dim, generator=torch.Generator().manual_seed(0)) * 0.1
    sepia[config.shares] = 0
    Domain(sepia, tuple(config.domain_sizes), "pre_demod", "", "sepia").save(tmp_path / "domains" / "sepia.safetensors")
    stylizer = Stylizer.load(str(tmp_path), "cpu")
    begins = OneShotTask(stylizer, [reference], SMALL).begin()
    assert begins[config.shares].tolist() == pytest.approx([TRIED] * 2)
    assert not OneShotTask(stylizer, [reference], replace(SMALL, start=False)).begin().any()
    *_, last = adapt_image(stylizer, [reference], SMALL)
    assert last.domain.vector[config.shares].tolist() != pytest.approx([TRIED] * 2)


@pytest.mark.parametrize("name", ["mosaic", "linocut", "pixel art", "zombie"])
def test_the_patterns_of_a_picture_are_found_in_their_place(name: str, astronaut: Image.Image) -> None:
    mini = Stylizer.load("mini", "cpu")
    photo = torch.from_numpy(np.array(crop_to_face(mini, astronaut))).permute(2, 0, 1)[None] / 127.5 - 1
    own = mini.ready_domain(name).vector[mini.generator.config.shares] > 0
    picture = truth(photo, name)
    assert found(mini.generator, picture).bool().tolist() == own.tolist()
    assert not found(mini.generator, picture.roll((4, 3), (2, 3))).any()


def test_a_negative_is_read_inverted(tiny: Stylizer, astronaut: Image.Image) -> None:
    negative = ImageOps.invert(astronaut)
    assert np.array_equal(np.asarray(tiny.finder.positive(negative)), np.asarray(astronaut))
    assert tiny.finder.positive(astronaut) is astronaut
    (face,), words = prepare_references(tiny, [astronaut])
    (inverted,), same_words = prepare_references(tiny, [negative])
    assert words == same_words == ""
    assert np.abs(np.asarray(ImageOps.invert(inverted)).astype(int) - np.asarray(face)).max() <= 1


def test_a_models_counterpart_of_a_negative_is_that_of_the_picture(astronaut: Image.Image) -> None:
    mini = Stylizer.load("mini", "cpu")
    face = crop_to_face(mini, astronaut)
    of_face, of_negative = mini.counterparts([face]), mini.counterparts([ImageOps.invert(face)])
    torch.testing.assert_close(of_face.ws, of_negative.ws)


def test_counterparts_stand_before_different_backgrounds(astronaut: Image.Image) -> None:
    mini = Stylizer.load("mini", "cpu")
    faces = training_faces(mini, 8, 0.9, 0)
    own = mini.encode([crop_to_face(mini, astronaut)] * 2)
    codes = before_scenes(mini, own, faces)
    assert len(codes) == SCENES
    assert own.parts is not None
    pictures, shares = mini.draw(codes), own.parts[0].float()
    means = torch.einsum("nchw,phw->pnc", pictures, shares) / shares.sum((1, 2))[:, None, None]
    behind, skin = means[PARTS.index("background")], means[PARTS.index("skin")]
    torch.testing.assert_close(behind[:4], behind[4:])  # the same for both references
    assert behind[:4].std(0).min() > 5 * skin.std(0).max()
    assert before_scenes(mini, replace(own, parts=None), faces).parts is None


def test_an_aligned_reference_is_not_cropped_anew(tiny: Stylizer, astronaut: Image.Image) -> None:
    face = crop_to_face(tiny, astronaut)
    (kept,), _ = prepare_references(tiny, [face])
    assert np.array_equal(np.asarray(kept), np.asarray(face))
    (aligned,), _ = prepare_references(tiny, [face.crop((0, 0, 256, 220))])
    assert aligned.size == (256, 256)


def test_the_parts_of_a_face_are_learned_too(tmp_path: Path, reference: Image.Image) -> None:
    stylizer = of_parts(load_tiny_model(tmp_path))
    *_, last = adapt_image(stylizer, [reference], SMALL)
    sizes = stylizer.generator.config.domain_sizes
    assert last.domain.sizes == tuple(sizes)
    assert bool(last.domain.vector.split(sizes)[-1].any())
    last.domain.check(stylizer.fingerprint, stylizer.generator.config)
