"""The training code on tiny models: what it computes, that it learns, that it resumes and stops."""

from __future__ import annotations

import argparse
import copy
import dataclasses
import tomllib
from pathlib import Path
from typing import Any

import dlib
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from tiny import GENERATOR, load_tiny_model

from stylize.adaptation.losses import pyramid_loss, stroke_loss
from stylize.cli import main
from stylize.errors import CheckpointError, StylizeError
from stylize.faces.align import FaceFinder, crop_face, model_file
from stylize.faces.identity import CHIP_SIZE, FaceIdentity, perceptual_distance
from stylize.faces.parts import PARTS
from stylize.images import to_tensor
from stylize.models.checkpoints import save_checkpoint
from stylize.models.code import Code
from stylize.models.domain import Domain
from stylize.models.encoders import DESTYLE
from stylize.models.generator import Generator, GeneratorConfig
from stylize.models.mini_encoder import Encoder, EncoderConfig
from stylize.models.text_image import TextImageModel
from stylize.pipeline import Stylizer
from stylize.training import batches, mini, networks, ready_domains
from stylize.training import generator as generator_training
from stylize.training import text_image as clip_training
from stylize.training.data import FaceDataset, augment, scenes, skin_light, tones
from stylize.training.destyle import DestyleTraining
from stylize.training.filters.tiled import TILED
from stylize.training.networks import centre_offsets, energy_distance
from stylize.training.pairs import Pairs, make_pairs
from stylize.training.ready_domains import PREVIEW_SIDE, fit

SMALL_GENERATOR = GeneratorConfig(
    64,
    (8, 8, 8, 6, 4),
    z_dim=8,
    w_dim=8,
    mapping_layers=2,
    inject=4,
    patterns=(0, 0, 2, 2, 2),
    rgb_from=16,
    tilings=len(TILED),
    screens=len(networks.SCREENED),
    parts=len(PARTS),
)
SMALL_ENCODER = EncoderConfig(
    64, small=32, widths=(8, 8), blocks=(1, 1), code=4, num_ws=10, w_dim=8, map_widths=(8, 8), place=2, features=8
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Stylizer:
    return load_tiny_model(tmp_path_factory.mktemp("tiny"))


def random_faces(count: int = 12, size: int = 128) -> FaceDataset:
    pictures = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    return FaceDataset(pictures, np.arange(count) % 3 == 0)


def test_identity_network_is_dlibs(astronaut: Image.Image) -> None:
    chip = np.asarray(crop_face(astronaut, FaceFinder().find(astronaut)[0].quad, CHIP_SIZE))
    theirs = dlib.face_recognition_model_v1(str(model_file("dlib_face_recognition_resnet_model_v1.dat")))
    net = FaceIdentity()
    maps = net.features(to_tensor(Image.fromarray(chip)))
    expected = np.array(theirs.compute_face_descriptor(chip.copy()))
    assert np.abs(net.descriptor(maps)[0].numpy() - expected).max() < 1e-5
    assert perceptual_distance(maps, maps).item() == 0


def test_identity_network_finds_the_chip_in_an_aligned_picture(astronaut: Image.Image) -> None:
    face = FaceFinder().find(astronaut)[0]
    theirs = dlib.face_recognition_model_v1(str(model_file("dlib_face_recognition_resnet_model_v1.dat")))
    shape = dlib.full_object_detection(
        dlib.rectangle(*face.box), dlib.points([dlib.point(*map(round, p)) for p in face.landmarks])
    )
    expected = np.array(theirs.compute_face_descriptor(np.asarray(astronaut), shape))
    mine = FaceIdentity()(to_tensor(crop_face(astronaut, face.quad, 256)))[0].numpy()
    assert np.linalg.norm(mine - expected) < 0.4


def test_losses_are_zero_where_they_should_be() -> None:
    a, b = torch.randn(2, 3, 16, 16), torch.randn(64, 8)
    assert pyramid_loss(a, a).item() == 0
    assert pyramid_loss(a, a + 1).item() > 0
    assert abs(energy_distance(b, b).item()) < 1e-6
    assert energy_distance(b, b + 3).item() > 1


def test_augmentation_is_seeded_and_in_range() -> None:
    faces = random_faces()
    batch, real = faces.tensor(np.arange(6)), torch.from_numpy(faces.real[:6])
    first = augment(batch, real, 64, torch.Generator().manual_seed(1))
    assert first.shape == (6, 3, 64, 64)
    assert first.min() >= -1.01
    assert first.max() <= 1.01
    assert torch.equal(first, augment(batch, real, 64, torch.Generator().manual_seed(1)))


def test_a_domain_vector_is_fitted_to_pairs(tiny: Stylizer) -> None:
    ws = Code(tiny.sample_ws(8, seed=0))
    wanted = torch.randn(tiny.generator.config.domain_dim, generator=torch.Generator().manual_seed(0)) * 0.3
    with torch.no_grad():
        targets = tiny.generator.synthesis(ws, wanted)
        before = pyramid_loss(tiny.generator.synthesis(ws), targets)
        vector = fit(tiny.generator, ws, targets, steps=60, batch=8)
        assert pyramid_loss(tiny.generator.synthesis(ws, vector), targets) < before * 0.4


def test_a_fitted_colour_has_no_shares() -> None:
    config = GeneratorConfig(16, (4, 4, 4), z_dim=8, w_dim=8, mapping_layers=1, tilings=2)
    torch.manual_seed(0)
    generator, ws = Generator(config).requires_grad_(False), Code(torch.randn(2, config.num_ws, 8))
    base = torch.zeros(2, config.domain_dim)
    base[:, -1] = 0.6
    options: dict[str, Any] = {"steps": 4, "batch": 2}
    assert not fit(generator, ws, torch.zeros(2, 3, 16, 16), base=base, shares=False, **options)[-2:].any()
    alone = fit(generator, ws, torch.zeros(2, 3, 16, 16), start=base[0], **options)
    assert alone[-2] == 0
    assert 0 <= alone[-1] <= 1
    assert alone[-1] != base[0, -1]


def test_a_screen_is_learned_with_its_vector() -> None:
    config = GeneratorConfig(16, (4, 4, 4), z_dim=8, w_dim=8, mapping_layers=1, patterns=(0, 0, 4), screens=2)
    torch.manual_seed(0)
    generator, ws = Generator(config).requires_grad_(False), Code(torch.randn(2, config.num_ws, 8))
    lines = torch.cos(torch.arange(16.0)).expand(2, 3, 16, 16)
    start = torch.zeros(config.domain_dim)
    start[-1] = 1
    fitted = {learns: fit(generator, ws, lines, 60, 2, start=start, screens=learns) for learns in (False, True)}
    assert generator.screens.dtype == torch.int8
    assert not generator.screens[0].any()
    assert generator.screens[1].any()
    drawn = generator.synthesis(ws, fitted[True])
    assert (drawn - lines).abs().mean() < 0.5 * (generator.synthesis(ws, fitted[True] * 0.0) - lines).abs().mean()


def test_a_ready_domain_is_fitted_and_shown_on_a_photo(tmp_path: Path, astronaut: Image.Image) -> None:
    load_tiny_model(tmp_path / "model")
    astronaut.save(tmp_path / "me.png")
    words = ["--model", str(tmp_path / "model"), "--styles", "sepia", "--colours", "--steps", "1", "--faces", "2"]
    assert main(["train", "domains", *words, "--photo", str(tmp_path / "me.png")]) == 0
    made = Stylizer.load(str(tmp_path / "model"), "cpu")
    assert made.ready() == ["sepia"]
    photo = made.render(made.faces(astronaut)[0], made.domain("sepia")).resize((PREVIEW_SIDE,) * 2)
    path = made.preview("sepia")
    assert isinstance(path, Path)
    with Image.open(path) as preview:
        assert np.abs(np.asarray(preview).astype(float) - np.asarray(photo)).mean() < 8


def test_learned_screens_are_written_and_the_folders_domains_marked(tmp_path: Path) -> None:
    load_tiny_model(folder := tmp_path / "model")
    patterns = (0,) * (len(GENERATOR.channels) - 1) + (2,)
    config = dataclasses.replace(GENERATOR, patterns=patterns, screens=len(networks.SCREENED))
    generator = Generator(config)
    save_checkpoint(folder / "generator.safetensors", generator.state_dict(), {"config": config.to_dict()})
    words = ["train", "domains", "--model", str(folder), "--steps", "1", "--faces", "2", "--colours", "--styles"]
    assert main([*words, "sepia"]) == 0
    before = Stylizer.load(str(folder), "cpu")
    assert main([*words, "galaxy", "--screens", "learn"]) == 0
    after = Stylizer.load(str(folder), "cpu")
    assert after.fingerprint != before.fingerprint
    place = networks.SCREENED.index("galaxy")
    assert [number for number, screen in enumerate(after.generator.screens) if screen.any()] == [place]
    shares = after.domain("galaxy").vector[config.shares]
    assert shares[place] == 1
    assert shares.sum() == 1
    assert torch.equal(after.domain("sepia").vector, before.domain("sepia").vector)


def test_styles_are_fitted_with_the_colours_they_are_combined_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_tiny_model(folder := tmp_path / "model")
    bases: list[torch.Tensor] = []

    def recorded(*args: Any, **options: Any) -> torch.Tensor:
        bases.append(options["base"])
        return fit(*args, **options)

    monkeypatch.setattr(ready_domains, "fit", recorded)
    words = ["train", "domains", "--model", str(folder), "--steps", "2", "--faces", "4", "--styles"]
    assert main([*words, "neon", "--colours"]) == 0  # no colour is there yet
    monkeypatch.setattr(ready_domains, "combinations", lambda: [("red", "neon")])
    assert main([*words, "--colours", "red"]) == 0
    assert main([*words, "neon", "--colours"]) == 0
    made = Stylizer.load(str(folder), "cpu").domain("neon")
    red = Domain.load(folder / "domains" / "colours" / "red.safetensors").vector
    assert [base.any(1).tolist() for base in bases] == [[False] * 4, [True] * 4, [False] * 4 + [True] * 2]
    assert torch.equal(bases[2][4], red)
    assert made.settings["warm"]


def test_screens_that_are_not_there_cannot_be_learned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load_tiny_model(tmp_path / "model")
    words = ["--model", str(tmp_path / "model"), "--styles", "galaxy", "--colours", "--screens", "learn"]
    assert main(["train", "domains", *words]) == 2
    assert "has no screens to learn" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("first", [0, 2])  # of the coarse steps, of the fine ones
def test_generator_training_resumes_where_it_stopped(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "MINI_GENERATOR": SMALL_GENERATOR,
        "MINI_ENCODER": SMALL_ENCODER,
        "COARSE": 16,
        "PART": 12,
    }.items():
        for module in (networks, batches, generator_training):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, value)
    settings = networks.MiniSettings(
        steps=8, coarse=0.5, batch_coarse=4, plain=1, styled=2, bare=1, adversarial_from=0.0, r1_every=2
    )
    faces = random_faces(4, SMALL_GENERATOR.resolution)
    names = ("pencil sketch", "mosaic")
    shares = np.full((3, len(PARTS), *faces.pictures.shape[1:3]), 255 // len(PARTS), np.uint8)
    pairs = Pairs(np.stack([faces.pictures[:3]] * (1 + len(names)), 1), shares, names)
    device = torch.device("cpu")
    whole = generator_training.GeneratorTraining(settings, faces, pairs, device)
    whole.step = 2 * first
    for _ in range(2):
        losses = whole.train_step()
    expected = {"perceptual", "adversarial", "discriminator"} if first == 0 else {"strokes"}
    assert {"pixels", *expected} <= set(losses)
    resumed = generator_training.GeneratorTraining(dataclasses.replace(settings), faces, pairs, device)
    resumed.load(copy.deepcopy(whole.state()))
    whole.train_step(), resumed.train_step()
    for a, b in zip(whole.nets.parameters(), resumed.nets.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_pairs_are_filtered_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, astronaut: Image.Image) -> None:
    monkeypatch.setattr("stylize.training.pairs.NAMES", ("sepia", "negative"))
    face = np.asarray(crop_face(astronaut, FaceFinder().find(astronaut)[0].quad, 64))
    faces = FaceDataset(np.stack([face] * 2), np.array([True, False]))
    pairs = make_pairs(faces, tmp_path, 3, workers=1)
    assert pairs.pictures.shape == (3, 3, 64, 64, 3)
    assert pairs.names == ("sepia", "negative")
    torch.testing.assert_close(pairs.parts([0, 2]).sum(1), torch.ones(2, 64, 64), atol=0.02, rtol=0)
    negative = pairs.tensor([0, 1], [2, 2])
    assert (negative + pairs.tensor([0, 1], [0, 0])).abs().mean() < 0.4  # light and dark change places
    before = (tmp_path / "pairs.npy").stat().st_mtime_ns
    make_pairs(faces, tmp_path, 3, workers=1)
    assert (tmp_path / "pairs.npy").stat().st_mtime_ns == before
    assert len(make_pairs(faces, tmp_path, 2, workers=1)) == 2


def small_pairs(count: int) -> Pairs:
    """Faces and their negatives."""
    pictures = random_faces(count, SMALL_GENERATOR.resolution).pictures
    shares = np.full((count, len(PARTS), *pictures.shape[1:3]), 255 // len(PARTS), np.uint8)
    return Pairs(np.stack([pictures, 255 - pictures], 1), shares, ("night vision",))


def small_model() -> Stylizer:
    torch.manual_seed(0)
    return Stylizer(Generator(SMALL_GENERATOR), Encoder(SMALL_ENCODER), device="cpu")


def test_destyling_by_zeros_is_reading_a_blurred_picture() -> None:
    encoder = small_model().encoder
    pictures = torch.rand(2, 3, 64, 64) * 2 - 1
    soft = F.interpolate(F.interpolate(pictures, size=32, mode="area"), size=64, mode="bicubic").clamp(-1, 1)
    code = encoder.destyled(pictures, torch.zeros(encoder.destyle_dim))
    torch.testing.assert_close(code.ws, encoder(soft).ws)
    torch.testing.assert_close(code.features, encoder(soft).features)


def test_destyling_learns_and_resumes_where_it_stopped() -> None:
    def begin() -> DestyleTraining:
        return DestyleTraining(small_model(), small_pairs(3), steps=8, batch=2, lr=0.01, seed=0)

    whole = begin()
    for _ in range(3):
        assert np.isfinite(whole.train_step()["pixels"])
    resumed = begin()
    resumed.load(copy.deepcopy(whole.state()))
    whole.train_step(), resumed.train_step()
    assert whole.numbers.any()
    torch.testing.assert_close(whole.numbers, resumed.numbers)
    assert whole.photos(small_pairs(1).tensor([0], [1])).shape == (1, 3, 64, 64)


def test_an_encoder_of_another_kind_cannot_be_destyled(tiny: Stylizer) -> None:
    with pytest.raises(StylizeError, match="can be adapted to drawings"):
        DestyleTraining(tiny, small_pairs(1), steps=1, batch=1, lr=0.1, seed=0)


def test_a_models_destyling_is_read_with_its_encoder(tmp_path: Path, astronaut: Image.Image) -> None:
    load_tiny_model(tmp_path)
    save_checkpoint(
        tmp_path / "generator.safetensors",
        Generator(SMALL_GENERATOR).state_dict(),
        {"config": SMALL_GENERATOR.to_dict()},
    )
    encoder = Encoder(SMALL_ENCODER)
    save_checkpoint(tmp_path / "encoder.safetensors", encoder.state_dict(), {"config": SMALL_ENCODER.to_dict()})
    plain = Stylizer.load(str(tmp_path), "cpu").counterparts([astronaut])
    save_checkpoint(tmp_path / DESTYLE, {"destyle": torch.randn(encoder.destyle_dim) * 0.1}, {})
    destyled = Stylizer.load(str(tmp_path), "cpu").counterparts([astronaut])
    assert plain.features is not None
    assert destyled.features is not None
    assert destyled.parts is not None
    assert not torch.allclose(plain.features, destyled.features)
    save_checkpoint(tmp_path / DESTYLE, {"destyle": torch.zeros(3)}, {})
    with pytest.raises(CheckpointError, match="train it again"):
        Stylizer.load(str(tmp_path), "cpu")


def test_stroke_loss_asks_for_strength_not_for_place() -> None:
    lines = torch.zeros(1, 3, 64, 64)
    lines[..., ::4] = 1
    assert stroke_loss(lines, lines.roll(1, 3)) < 0.1 * stroke_loss(lines, torch.full_like(lines, 0.25))


def test_text_image_training_takes_a_step(tiny: Stylizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_training, "SIZE", 32)
    monkeypatch.setattr(clip_training, "MINI_CLIP", tiny.clip.settings)
    kinds = len(clip_training.COLOURED_STYLES)
    pictures = torch.randint(0, 256, (6, kinds, 3, 32, 32), dtype=torch.uint8)
    truths = clip_training.Truths(pictures, Code(tiny.sample_ws(3)))
    small = clip_training.TextImageSettings(steps=4, pairs=2, blends=4, drawn=2, attackers=4, attacked=2)
    trainer = clip_training.TextImageTraining(tiny, truths, small)
    assert all(np.isfinite(value) for value in trainer.train_step().values())
    resumed = clip_training.TextImageTraining(tiny, truths, small)
    resumed.load(copy.deepcopy(trainer.state()))
    assert trainer.train_step() == pytest.approx(resumed.train_step(), rel=1e-3)
    refined = clip_training.TextImageTraining(tiny, truths, dataclasses.replace(small, refine=True))
    assert np.isfinite(refined.train_step()["labels"])
    own, new = tiny.clip.state_dict(), refined.model.state_dict()
    changed = {name for name in own if not torch.equal(own[name], new[name])}
    assert changed
    assert all("visual" in name for name in changed)


def test_backgrounds_leave_the_face_alone() -> None:
    pictures = torch.zeros(32, 3, 64, 64)
    varied = scenes(pictures, torch.Generator().manual_seed(0))
    assert varied[:, :, 28:44, 26:38].abs().max() < 0.05
    assert 8 <= (varied[:, :, :8, :8].abs().mean((1, 2, 3)) > 0.05).sum() <= 24
    assert varied.abs().max() <= 1


def test_many_faces_get_skin_of_other_tones_and_nothing_else_does() -> None:
    skin, wall = torch.tensor([0.6, 0.2, 0.0]), torch.tensor([-0.2, 0.0, 0.4])
    faces = wall.view(1, 3, 1, 1).repeat(64, 1, 64, 64)
    faces[:, :, 12:58, 18:46] = skin.view(1, 3, 1, 1)
    varied = tones(faces, torch.Generator().manual_seed(0))
    changed = (varied - faces).abs().amax((1, 2, 3)) > 1e-3
    assert 26 <= changed.sum() <= 50
    light = skin_light(varied)
    assert light.min() < 0.3
    assert light.max() <= skin_light(faces).max() + 0.01
    torch.testing.assert_close(varied[..., :8], faces[..., :8], atol=0.05, rtol=0)


def test_a_model_saved_for_its_words_still_knows_them(tiny: Stylizer, tmp_path: Path) -> None:
    tiny.clip.save(tmp_path / "clip.safetensors", {}, ["a", "pencil", "sketch"])
    small = TextImageModel.load(tmp_path / "clip.safetensors")
    assert (tmp_path / "clip.safetensors").stat().st_size < (tiny.folder / "clip.safetensors").stat().st_size / 2
    torch.testing.assert_close(
        small.encode_text(["a pencil sketch"]), tiny.clip.encode_text(["a pencil sketch"]), atol=1e-2, rtol=0
    )


def test_missing_data_is_named(tmp_path: Path) -> None:
    from stylize.training.data import load_faces

    with pytest.raises(StylizeError, match="ai-portraits-256"):
        load_faces(tmp_path)


def test_the_configuration_of_the_mini_model_fits_its_parts() -> None:
    args = argparse.Namespace(data=Path("faces"), out=Path("out"), device=None, seed=3, dtype="bfloat16", photo=None)
    config = tomllib.loads(mini.CONFIG.read_text(encoding="utf-8"))
    assert set(config) == set(mini.MODULES)
    for part in mini.MODULES:
        read = vars(mini.options(part, args, config[part]))
        assert config[part].items() <= read.items()
        assert (read["data"], read["model"], read["seed"]) == (Path("faces"), "out", 3)
    with pytest.raises(StylizeError, match="no option colour"):
        mini.options("clip", args, {"colour": 1})


def test_centred_offsets_leave_photos_as_they_are() -> None:
    torch.manual_seed(0)
    generator = Generator(dataclasses.replace(GENERATOR, rgb_from=8))
    encoder = Encoder(EncoderConfig(32, widths=(8, 8), blocks=(1, 1), num_ws=GENERATOR.num_ws, w_dim=GENERATOR.w_dim))
    torch.nn.init.normal_(encoder.offsets.weight)
    torch.nn.init.normal_(encoder.offsets.bias)
    pictures = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        mean = encoder.codes(pictures)[1].mean(0)
        before = generator.synthesis(encoder(pictures).ws)
        random = generator.map(torch.randn(2, GENERATOR.z_dim))
        middle = generator.synthesis(random + mean)
        centre_offsets(generator, encoder, mean)
        assert encoder.codes(pictures)[1].mean(0).abs().max() < 1e-5
        torch.testing.assert_close(generator.synthesis(encoder(pictures).ws), before, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(generator.synthesis(random), middle, atol=1e-4, rtol=1e-4)
