"""StyleFeatureEditor's checkpoints: read, refused, and used behind the one interface."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from clips import read_clip, still, write_clip
from PIL import Image
from tiny_sfe import CONFIG, as_published, draws, load_model, parts, save_parts

from stylize.adaptation.pictures import OneShotSettings, adapt_image
from stylize.adaptation.text import AdaptSettings, adapt_text, preview
from stylize.convert.formats import convert
from stylize.errors import CheckpointError
from stylize.look import Look
from stylize.models.checkpoints import load_checkpoint, save_checkpoint
from stylize.models.domain import Domain
from stylize.models.e4e import E4e, E4eConfig
from stylize.models.generator import Generator, GeneratorConfig
from stylize.models.sfe import Sfe, SfeConfig
from stylize.pipeline import Face, Stylizer
from stylize.video.files import VideoFile
from stylize.video.morph import walk
from stylize.video.restyle import LiveFace, restyle, restyle_live


def saved(path: Path, state: dict[str, Any], **beside: Any) -> Path:
    torch.save({"state_dict": state, **beside}, path)
    return path


def inverter_only(state: dict[str, Any]) -> dict[str, Any]:
    held = {name: tensor for name, tensor in state.items() if name.startswith("inverter.")}
    return {name.replace("inverter.", "encoder."): tensor for name, tensor in held.items()}


def test_the_editors_file_is_read_whatever_lies_beside(tmp_path: Path) -> None:
    sfe, _ = parts()
    state = as_published(sfe)
    extra = {f"{name}.a.weight": torch.ones(2) for name in ("decoder", "discriminator", "e4e_encoder")}
    for number, more in enumerate(({}, {"latent_avg": torch.ones(16), "encoder_opt": {"step": 3}})):
        path = saved(tmp_path / f"{number}.pt", state | (extra if more else {}), **more)
        out = tmp_path / f"{number}.safetensors"
        convert(path, out)
        tensors, settings = load_checkpoint(out)
        own = {name: tensor for name, tensor in sfe.state_dict().items() if not name.startswith("e4e.")}
        assert tensors.keys() == own.keys()
        assert all(torch.equal(tensors[name], own[name]) for name in own)
        config = replace(CONFIG, resolution=1024, small=256, inject=9)  # what the tensors cannot tell is as published
        assert settings["config"] == config.to_dict() | {
            name: list(getattr(config, name)) for name in ("widths", "blocks", "strides")
        }
        assert settings["origin"]["format"] == "StyleFeatureEditor"


def test_the_inverters_file_is_read_alone(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pt", inverter_only(as_published(parts()[0])))
    convert(path, tmp_path / "a.safetensors")
    tensors, settings = load_checkpoint(tmp_path / "a.safetensors")
    assert settings["config"]["editor"] is False
    assert all(name.startswith("inverter.") for name in tensors)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inverter.fuser.conv.weight": None}, "no complete StyleFeatureEditor"),
        ({"inverter.fs_backbone.styles.0.weight": None}, "no complete StyleFeatureEditor"),
        ({"inverter.fs_backbone.block_3.1.conv2.weight": None}, "missing inverter.fs_backbone.block_3.1.conv2"),
        ({"encoder.conv.bias": None}, "missing editor.conv.bias"),
        ({"encoder.more": torch.ones(1)}, "unexpected editor.more"),
        ({"encoder.conv.bias": torch.ones(9)}, r"editor.conv.bias is \(9,\)"),
        ({"encoder.conv.bias": torch.full((8,), torch.nan)}, "non-finite"),
        ({"encoder.conv.bias": "eight"}, "plain tensors"),
        ({"inverter.fuser.conv.weight": torch.tensor(1.0)}, "different architecture|no complete"),
        ({"inverter.fs_backbone.styles.0.weight": torch.tensor(1.0)}, "different architecture|no complete"),
    ],
)
def test_damaged_files_are_refused_in_one_sentence(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    state = {name: t for name, t in (as_published(parts()[0]) | change).items() if t is not None}
    path = saved(tmp_path / "a.pt", state)
    with pytest.raises(CheckpointError, match=message) as caught:
        convert(path, tmp_path / "out.safetensors")
    assert str(caught.value).startswith("a.pt ")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out.safetensors").exists()


def test_truncated_and_hostile_files_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pt", as_published(parts()[0]))
    for share in (0.1, 0.5, 0.99):
        cut = tmp_path / "cut.pt"
        cut.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
        with pytest.raises(CheckpointError, match=r"cut\.pt is incomplete, damaged or not a checkpoint"):
            convert(cut, tmp_path / "out.safetensors")

    class Touch:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "touched",)

    hostile = tmp_path / "hostile.pt"
    torch.save({"state_dict": as_published(parts()[0]), "opts": Touch()}, hostile, pickle_module=pickle)
    with pytest.raises(CheckpointError, match="refused: unpickling it would use"):
        convert(hostile, tmp_path / "out.safetensors")
    assert not (tmp_path / "touched").exists()


# --- behind the one interface -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stylizer(tmp_path_factory: pytest.TempPathFactory) -> Stylizer:
    folder = tmp_path_factory.mktemp("sfe")
    save_parts(folder)
    save_checkpoint(folder / "directions.safetensors", {"age": draws(16), "smile": draws(16, seed=2)}, {})
    return load_model(folder)


@pytest.fixture(scope="module")
def face(stylizer: Stylizer, astronaut: Image.Image) -> Face:
    return stylizer.faces(astronaut)[0]


def domain(stylizer: Stylizer, **more: Any) -> Domain:
    config = stylizer.generator.config
    vector = 0.5 * draws(config.domain_dim)
    return Domain(vector, tuple(config.domain_sizes), "post_demod", stylizer.fingerprint, "wild", **more)


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image, dtype=int)


def test_the_better_encoder_is_used_where_it_is(stylizer: Stylizer, tmp_path: Path) -> None:
    assert isinstance(stylizer.encoder, Sfe)
    assert stylizer.encoder_title == "StyleFeatureEditor"
    save_parts(tmp_path).unlink()
    plain = Stylizer.load(str(tmp_path), "cpu")
    assert plain.encoder_title == "e4e"
    assert plain.fingerprint == stylizer.fingerprint  # domains belong to both
    assert plain.encode(draws(1, 3, 64, 64)).inversion is None


def test_strength_zero_is_the_inversion_to_the_bit(stylizer: Stylizer, face: Face) -> None:
    wild = domain(stylizer, style=draws(3, 16), style_share=1.0)
    code = face.code.to(stylizer.device)
    assert torch.equal(stylizer.draw(code, wild, 0.0), face.source)
    assert torch.equal(stylizer.draw(code, wild, 0.0), stylizer.draw(code))
    none = stylizer.edit(code, {"age": 0.0})
    assert torch.equal(stylizer.draw(none, wild, 0.0), face.source)
    assert (stylizer.draw(code, wild) - face.source).abs().max() > 0.05


@torch.no_grad()
def test_edits_and_domains_go_through_the_editor(stylizer: Stylizer, face: Face) -> None:
    code, (age, smile) = face.code.to(stylizer.device), (stylizer.directions[name] for name in ("age", "smile"))
    edited = stylizer.edit(code, {"age": 2.0, "smile": -1.0})
    assert edited.inversion is not None
    assert code.inversion is not None
    torch.testing.assert_close(edited.inversion.after, code.inversion.before + 2 * age - smile)
    torch.testing.assert_close(edited.ws, code.ws + 2 * age - smile)
    generator, sfe = stylizer.generator, stylizer.encoder
    change = generator.lower(code.inversion.before, dtype=stylizer.dtype)[0]
    change = change - generator.lower(edited.inversion.after, dtype=stylizer.dtype)[0]
    features = sfe.editor(code.inversion.fused.to(stylizer.dtype), change)
    _, rgb = generator.lower(edited.ws, dtype=stylizer.dtype)
    expected = generator.upper(features, rgb, edited.ws).clamp(-1, 1)
    torch.testing.assert_close(stylizer.draw(edited), expected, atol=1e-3, rtol=1e-3)
    one = stylizer.render(face, Look(detail=0.0, edits={"age": 3.0}))
    assert np.abs(pixels(one) - pixels(stylizer.render(face, None, detail=0.0))).max() > 5


def test_a_face_goes_back_into_its_photo(stylizer: Stylizer, face: Face, astronaut: Image.Image) -> None:
    picture = stylizer.render(face, domain(stylizer))
    assert picture.size == face.crop.size
    result = stylizer.paste(astronaut, [face], [picture])
    assert np.array_equal(pixels(result)[-60:], pixels(astronaut)[-60:])
    assert not np.array_equal(pixels(result), pixels(astronaut))


def test_random_faces_are_drawn_as_the_generator_does(stylizer: Stylizer) -> None:
    assert stylizer.as_photos(stylizer.sample_ws(2)).inversion is None
    assert len(stylizer.sample(2, domain=domain(stylizer))) == 2


def test_a_domain_learns_from_words_and_is_laid_on_a_photo(stylizer: Stylizer, face: Face) -> None:
    settings = AdaptSettings(steps=2, batch=2, pool=4, start=False)
    *_, last = adapt_text(stylizer, "zombie", settings=settings)
    assert last.domain is not None
    assert last.domain.vector.any()
    pictures = preview(stylizer, last.domain, [face], 1)
    assert pictures[0].size == face.crop.size


def test_a_domain_learns_from_a_picture_with_its_style_rows(
    stylizer: Stylizer, face: Face, astronaut: Image.Image
) -> None:
    settings = OneShotSettings(steps=1, batch=2, pool=4, start=False, style_mix=1.0)
    *_, last = adapt_image(stylizer, [astronaut], settings)
    assert last.domain is not None
    assert last.domain.style is not None
    own = stylizer.encode([face.crop]).alone[0]  # the reference's W+ is that of e4e, which draws without features
    assert last.domain.style.shape[1] == own.shape[1]
    with_rows, without = (stylizer.draw(face.code, last.domain, style_mix=share) for share in (1.0, 0.0))
    assert (with_rows - without).abs().max() > 0.01


def test_a_face_walks(stylizer: Stylizer, face: Face) -> None:
    frames = list(walk(stylizer, face, [domain(stylizer)], 4, Look(detail=0.0)))
    assert np.array_equal(pixels(frames[0]), pixels(stylizer.render(face, None, detail=0.0)))
    assert np.abs(pixels(frames[-1]) - pixels(frames[0])).max() > 5


def test_a_film_and_a_camera_keep_still(stylizer: Stylizer, astronaut: Image.Image, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", still(astronaut.crop((100, 0, 380, 280)), 6))
    look = Look(domain(stylizer), detail=0.0)
    reports = list(restyle(stylizer, VideoFile.open(source), look, tmp_path / "out.mp4"))
    assert len(read_clip(tmp_path / "out.mp4")) == 6
    pictures = [report.picture for report in reports if report.picture is not None]
    assert np.abs(pictures[0].astype(int) - pictures[-1]).mean() < 1
    seen: list[LiveFace] = []
    for frame in still(astronaut.crop((100, 0, 380, 280)), 2):
        _, seen = restyle_live(stylizer, Image.fromarray(frame), look, seen)
    assert len(seen) == 1
    assert seen[0].code.inversion is not None


def mapped(tensor: torch.Tensor, path: Path) -> bool:
    """Whether its numbers lie in the file itself."""
    address = tensor.data_ptr()
    lines = (line.split() for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(str(path)))
    return any(int(start, 16) <= address < int(end, 16) for start, end in (words[0].split("-") for words in lines))


@pytest.mark.slow
def test_a_file_of_the_published_shape_from_pt_to_the_photo(astronaut: Image.Image, tmp_path: Path) -> None:
    """The editor's file with drawn numbers; e4e, which has tests of its own, gives the mean face here."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = Generator(GeneratorConfig()).requires_grad_(False)
        sfe = Sfe(SfeConfig(), generator)
    state = as_published(sfe)
    assert len(state) == 701  # of the published networks
    assert sum(tensor.numel() for tensor in state.values()) == 162_261_550
    path = saved(tmp_path / "sfe_editor_light.pt", state, latent_avg=torch.zeros(512))
    convert(path, tmp_path / "encoder_sfe.safetensors")
    save_checkpoint(tmp_path / "generator.safetensors", generator.state_dict(), {"config": generator.config.to_dict()})
    with torch.device("meta"):
        e4e = E4e(E4eConfig()).state_dict()
    nothing = {name: torch.zeros((), dtype=tensor.dtype).expand(tensor.shape) for name, tensor in e4e.items()}
    save_checkpoint(tmp_path / "encoder.safetensors", nothing, {"kind": "e4e", "config": E4eConfig().to_dict()})
    del sfe, state, nothing
    path.unlink()

    full = Stylizer.load(str(tmp_path), "cpu")
    assert mapped(full.encoder.inverter.fuser.conv.weight, tmp_path / "encoder_sfe.safetensors")
    assert mapped(full.encoder.e4e.styles[9].linear.weight, tmp_path / "encoder.safetensors")
    face = full.faces(astronaut)[0]
    inversion = face.code.inversion
    assert inversion is not None
    assert inversion.fused.shape == (1, 512, 64, 64)
    assert face.source.shape == (1, 3, 1024, 1024)
    assert face.source.isfinite().all()
    config = full.generator.config
    vector = 0.3 * draws(config.domain_dim)
    wild = Domain(vector, tuple(config.domain_sizes), "post_demod", full.fingerprint, "wild")
    assert torch.equal(full.draw(face.code, wild, 0.0), face.source)
    picture = full.render(face, wild)
    assert np.abs(pixels(picture) - pixels(full.render(face, None))).mean() > 1
    pasted = full.paste(astronaut, [face], [picture])
    assert pasted.size == astronaut.size
    assert np.abs(pixels(pasted) - pixels(astronaut)).mean() > 0.1
