"""Feature-space inversion: against the official numbers, and on tiny settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from golden_numbers import draw_weights
from test_e4e import picture
from test_golden import official
from tiny_sfe import CONFIG, GENERATOR, draws, parts, save_parts
from torch import Tensor

from stylize.errors import CheckpointError
from stylize.models.checkpoints import load_into, save_checkpoint
from stylize.models.code import Code, Inversion, cat
from stylize.models.e4e import E4e, E4eConfig
from stylize.models.encoders import load_encoder
from stylize.models.generator import Generator
from stylize.models.sfe import Sfe, SfeConfig

# Of the largest value.
TOLERANCE = {"w_raw": 2e-5, "w_plus": 2e-5, "w_e4e": 2e-5, "delta_e4e": 1e-4, "img_inversion": 5e-5, "img_edited": 5e-5}
MAPS = 2e-5


def drawn(numbers: Mapping[str, np.ndarray], name: str) -> Tensor:
    rng = np.random.default_rng(int(numbers[f"{name}_seed"][0]))
    return torch.from_numpy(rng.standard_normal((1, 512, 64, 64), dtype=np.float32))


def compare(name: str, found: Tensor, numbers: Mapping[str, np.ndarray]) -> None:
    """Every view of it that is stored; see README-sfe.md there."""
    views = {"": found}
    if found.ndim == 4:
        views = {"__c16s4": found[:, ::16, ::4, ::4], "__s8": found[:, :, ::8, ::8], "__tl": found[:, :, :16, :16]}
        middle = slice(found.shape[-1] // 2 - 8, found.shape[-1] // 2 + 8)
        views |= {"__mid": found[:, :, middle, middle], "__br": found[:, :, -16:, -16:]}
        views |= {"__mean": found.mean((2, 3)), "__std": found.std((2, 3), correction=0)}
    stored = {view: numbers[name + view] for view in views if name + view in numbers}
    largest = max(float(np.abs(expected).max()) for view, expected in stored.items() if view not in ("__mean", "__std"))
    assert len(stored) >= (3 if found.ndim == 4 else 1)
    for view, expected in stored.items():
        error = float((views[view] - torch.from_numpy(expected)).abs().max()) / largest
        assert error <= TOLERANCE.get(name, MAPS), f"{name}{view} is off by {error:.1e}"


def golden(folder: Path) -> tuple[Sfe, dict[str, np.ndarray]]:
    """The encoder of full size without e4e, for the golden generator of 1024 px."""
    numbers = dict(np.load(folder / "sfe.npz"))
    generator, _, _ = official(folder, 1024)
    generator.config = replace(generator.config, inject=9)
    generator.w_avg = torch.from_numpy(numbers["latent_avg"])
    with torch.device("meta"):
        sfe = Sfe(SfeConfig(), generator).eval().requires_grad_(False)
    weights = draw_weights(folder / "manifest_sfe_editor.json")
    named = {("editor." + n.removeprefix("encoder.") if n.startswith("encoder.") else n): t for n, t in weights.items()}
    load_into(sfe, named, "golden")
    return sfe, numbers


@pytest.mark.slow
@torch.no_grad()
def test_the_official_numbers(shared: Path) -> None:
    """ControlGenAI/StyleFeatureEditor, 00996c309ba5: inversion, and an edit of W+ through the editor."""
    folder = shared / "golden"
    sfe, numbers = golden(folder)
    assert sfe.editor is not None
    with torch.device("meta"):
        sfe.e4e = E4e(E4eConfig()).eval().requires_grad_(False)
    e4e = {name.removeprefix("encoder."): t for name, t in draw_weights(folder / "manifest_e4e.json").items()}
    load_into(sfe.e4e, e4e | {"latent_avg": torch.zeros(18, 512)}, "golden")  # the generator's is used
    x = picture(numbers, "image_seed")

    offsets, seen = sfe.inverter.fs_backbone(x)
    compare("w_raw", offsets, numbers)
    compare("predicted_feat", seen, numbers)
    fused = sfe.inverter.fuser(seen, drawn(numbers, "w_feat"))
    compare("fused_random", fused, numbers)
    compare("edited_random_delta0", sfe.editor(fused, torch.zeros_like(fused)), numbers)
    compare("edited_random_delta", sfe.editor(fused, drawn(numbers, "delta")), numbers)

    code, generator = sfe(x), sfe.generator
    generator.edit = sfe.edit
    assert code.inversion is not None
    assert code.inversion.still is not None
    compare("w_plus", code.ws, numbers)
    compare("w_feat9", generator.lower(code.ws)[0], numbers)
    compare("fused", code.inversion.fused, numbers)
    compare("edited_inversion", code.inversion.still, numbers)
    compare("img_inversion", generator.synthesis(code), numbers)
    compare("w_e4e", code.inversion.before, numbers)
    moved = code.moved(lambda ws: ws + torch.from_numpy(numbers["direction"]))
    assert moved.inversion is not None
    compare("delta_e4e", sfe.change(moved.inversion, generator.lower(moved.inversion.after)[0]), numbers)
    compare("edited_direction", sfe.edit(moved, None, "post_demod", "const", torch.float32)[0], numbers)
    compare("img_edited", generator.synthesis(moved), numbers)


@torch.no_grad()
def test_the_equations_written_a_second_time(tmp_path: Path) -> None:
    """A plain second writing of the official forward pass, for what the golden numbers leave out: a larger picture, a
    domain vector in the change and above it."""
    sfe, generator = parts()
    pictures, vector = draws(2, 3, 128, 128, seed=3).clamp(-1, 1), 0.3 * draws(generator.config.domain_dim)
    small = F.interpolate(pictures, size=(64, 64), mode="bilinear", align_corners=False, antialias=False)
    offsets, seen = sfe.inverter.fs_backbone(small)
    ws = offsets + generator.w_avg
    assert sfe.e4e is not None
    assert sfe.editor is not None
    v = sfe.e4e(small) - sfe.e4e.latent_avg + generator.w_avg
    edit = 0.5 * draws(1, 1, 16, seed=5)

    def joined(net: Any, a: Tensor, b: Tensor) -> Tensor:
        x = F.conv2d(torch.cat([a, b], 1), net.conv.weight, net.conv.bias)
        for block in net.body:
            x = x + block.body(x)
        return x

    fused = joined(sfe.inverter.fuser, seen, generator.lower(ws)[0])
    code = sfe(pictures)
    inversion = generator.upper(joined(sfe.editor, fused, 0 * fused), generator.lower(ws)[1], ws)
    torch.testing.assert_close(generator.synthesis(code), inversion, atol=1e-4, rtol=1e-4)
    change = generator.lower(v)[0] - generator.lower(v + edit, vector)[0]  # before minus after
    _, rgb = generator.lower(ws + edit, vector)
    edited = generator.upper(joined(sfe.editor, fused, change), rgb, ws + edit, vector)
    found = generator.synthesis(code.moved(lambda rows: rows + edit), vector)
    torch.testing.assert_close(found, edited, atol=1e-4, rtol=1e-4)
    assert (found - inversion).abs().max() > 0.05


@torch.no_grad()
def test_nothing_changed_is_the_inversion_to_the_bit() -> None:
    sfe, generator = parts()
    code, nothing = sfe(draws(3, 3, 64, 64)), torch.zeros(generator.config.domain_dim)
    picture = generator.synthesis(code)
    assert torch.equal(generator.synthesis(code, nothing), picture)
    assert torch.equal(generator.synthesis(code.moved(lambda ws: ws + 0.0), nothing), picture)
    vectors = torch.stack([nothing, 0.3 * draws(len(nothing)), nothing])  # one of three changes
    mixed = generator.synthesis(code, vectors)
    assert torch.equal(sfe.edit(code, vectors, "pre_demod", "const", torch.float32)[0][::2], code.inversion.still[::2])
    assert (mixed[1] - picture[1]).abs().max() > 0.01
    near = generator.synthesis(code, 1e-5 * vectors[1])  # and no jump beside it
    assert (near - picture).abs().max() < 1e-3
    torch.testing.assert_close(generator.synthesis(code.light()), picture, atol=1e-5, rtol=1e-5)


def test_a_vector_that_begins_at_zero_learns() -> None:
    sfe, generator = parts()
    with torch.no_grad():
        code = sfe(draws(1, 3, 64, 64))
    vector = torch.zeros(generator.config.domain_dim, requires_grad=True)
    generator.synthesis(code, vector).square().mean().backward()
    below = sum(generator.config.domain_sizes[: CONFIG.inject])
    assert vector.grad is not None
    assert vector.grad[:below].any()  # through the editor
    assert vector.grad[below:].any()


@torch.no_grad()
def test_half_precision_stays_near() -> None:
    sfe, generator = parts()
    pictures, vector = draws(1, 3, 64, 64), 0.2 * draws(generator.config.domain_dim)
    exact = generator.synthesis(sfe(pictures), vector)
    sfe.dtype = torch.bfloat16
    code = sfe(pictures)
    assert code.inversion is not None
    assert code.inversion.fused.dtype == torch.bfloat16
    assert code.ws.dtype == code.inversion.before.dtype == torch.float32
    half = generator.synthesis(code, vector, dtype=torch.bfloat16)
    assert half.dtype == torch.float32
    assert (half - exact).abs().mean() < 0.05 * exact.abs().mean()
    full = generator.synthesis(code, vector)  # a code of another type than the drawing's
    assert (full - exact).abs().mean() < 0.05 * exact.abs().mean()


@torch.no_grad()
def test_the_inverter_alone_adds_the_change() -> None:
    """F + H(w, d) - H(w, 0)."""
    sfe, generator = parts(replace(CONFIG, editor=False))
    code, vector = sfe(draws(1, 3, 64, 64)), 0.3 * draws(generator.config.domain_dim)
    assert code.inversion is None
    _, seen = sfe.inverter.fs_backbone(draws(1, 3, 64, 64))
    own, rgb = generator.lower(code.ws)
    fused = sfe.inverter.fuser(seen, own)
    torch.testing.assert_close(generator.synthesis(code), generator.upper(fused, rgb, code.ws), atol=1e-4, rtol=1e-4)
    after, rgb = generator.lower(code.ws, vector)
    expected = generator.upper(fused + after - own, rgb, code.ws, vector)
    torch.testing.assert_close(generator.synthesis(code, vector), expected, atol=1e-4, rtol=1e-4)


def test_codes_carry_their_inversion() -> None:
    sfe, _ = parts()
    with torch.no_grad():
        code = sfe(draws(3, 3, 64, 64))
    assert code.inversion is not None
    again = cat(list(code))
    assert again.inversion is not None
    for name in ("fused", "before", "after", "still", "base"):
        assert torch.equal(getattr(again.inversion, name), getattr(code.inversion, name)), name
    moved = code.moved(lambda ws: ws + 1)
    assert moved.inversion is not None
    assert torch.equal(moved.inversion.before, code.inversion.before)
    torch.testing.assert_close(moved.inversion.after, code.inversion.after + 1)
    torch.testing.assert_close(moved.ws, code.ws + 1)
    assert torch.equal(moved.alone, code.inversion.before)
    half = code[:1].lerp(code[1:2], 0.5)
    assert half.inversion is not None
    torch.testing.assert_close(half.inversion.fused, code.inversion.fused[:2].mean(0, keepdim=True))
    assert code[:1].lerp(Code(code.ws[1:2]), 0.5).inversion is None
    light = cat([code[:1], code[1:].light()]).inversion
    assert light is not None
    assert light.still is None
    assert code.rows.shape == (3, 2 * CONFIG.num_ws, CONFIG.w_dim)
    other = code.with_rows(code.rows + 1)
    torch.testing.assert_close(other.ws, code.ws + 1)
    assert isinstance(other.inversion, Inversion)
    assert torch.equal(other.inversion.before, other.inversion.after)
    torch.testing.assert_close(other.inversion.before, code.inversion.before + 1)
    assert other.inversion.base is None
    assert torch.equal(Code(code.ws).with_rows(code.ws + 1).rows, code.ws + 1)


@torch.no_grad()
def test_a_file_rebuilds_its_encoder_and_tells_the_generator(tmp_path: Path) -> None:
    path, (sfe, generator) = save_parts(tmp_path), parts()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        plain = Generator(GENERATOR).eval()
    assert not plain.config.inject
    again = load_encoder(path, plain).eval()
    assert plain.config == replace(GENERATOR, inject=CONFIG.inject)
    pictures, vector = draws(1, 3, 64, 64), 0.3 * draws(plain.config.domain_dim)
    plain.load_state_dict(generator.state_dict())
    torch.testing.assert_close(plain.synthesis(again(pictures), vector), generator.synthesis(sfe(pictures), vector))
    assert plain.fingerprint() == generator.fingerprint()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inject": 4}, None),
        ({"inject": 3}, "do not match"),  # 8 px
        ({"inject": 99}, "no convolution 99"),
        ({"num_ws": 10}, "do not match"),
        ({"features": 6}, "do not match"),
        ({"depth": 7}, "different architecture"),
        ({"strides": (2, 2, 0, 2)}, "strides"),
        ({"widths": (8, 8)}, "four stages"),
        ({"wide": True}, "wide"),
    ],
)
def test_files_that_do_not_fit_are_refused(change: dict[str, object], message: str | None, tmp_path: Path) -> None:
    path = save_parts(tmp_path)
    tensors = parts()[0].state_dict()
    kept = {name: t for name, t in tensors.items() if not name.startswith("e4e.")}
    save_checkpoint(path, kept, {"kind": "sfe", "config": CONFIG.to_dict() | change})
    generator = Generator(GENERATOR)
    if message is None:
        load_encoder(path, generator)
        return
    with pytest.raises(CheckpointError, match=message):
        load_encoder(path, generator)
    assert generator.config == GENERATOR


def test_e4e_must_lie_beside_it(tmp_path: Path) -> None:
    path = save_parts(tmp_path)
    (tmp_path / "encoder.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"encoder\.safetensors"):
        load_encoder(path, Generator(GENERATOR))
    path.rename(tmp_path / "encoder.safetensors")
    with pytest.raises(CheckpointError, match="needs the encoder e4e"):
        load_encoder(tmp_path / "encoder.safetensors", Generator(GENERATOR))
