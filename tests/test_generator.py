"""The generator in small: against the published per-sample-weight form, and what a domain vector may do."""

from __future__ import annotations

import math
from itertools import product
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from stylize.errors import CheckpointError, DomainError
from stylize.models.checkpoints import load_checkpoint, load_into, save_checkpoint
from stylize.models.generator import Generator, GeneratorConfig
from stylize.models.layers import ModulatedConv, Order, fir_kernel

CONFIG = GeneratorConfig(resolution=32, channels=(12, 10, 8, 6), z_dim=16, w_dim=20, mapping_layers=2)
ORDERS: tuple[Order, Order] = ("pre_demod", "post_demod")


def tiny(seed: int = 0) -> Generator:
    """A random generator whose noise and biases are not zero."""
    rng = torch.Generator().manual_seed(seed)
    generator = Generator(CONFIG).eval()
    with torch.no_grad():
        for name, tensor in sorted(generator.state_dict().items()):
            tensor.copy_(torch.randn(tensor.shape, generator=rng) * (100 if name.startswith("mapping") else 1))
    return generator


def inputs(n: int = 2, seed: int = 1) -> tuple[Tensor, Tensor]:
    """(ws, domain vector)."""
    rng = torch.Generator().manual_seed(seed)
    ws = torch.randn(n, CONFIG.num_ws, CONFIG.w_dim, generator=rng)
    return ws, 0.3 * torch.randn(CONFIG.domain_dim, generator=rng)


def explicit(conv: ModulatedConv, x: Tensor, w: Tensor, domain: Tensor, order: Order) -> Tensor:
    """The convolution as published, sample by sample with a weight of its own (Karras et al. 2020, eq. 1 and 3)."""
    out = []
    for i in range(len(x)):
        style = F.linear(w[i], conv.affine.weight / math.sqrt(w.shape[1]), conv.affine.bias)
        factor = 1 + domain[i % len(domain)]
        weight = conv.weight / math.sqrt(9 * x.shape[1]) * style.view(1, -1, 1, 1)
        if order == "pre_demod":
            weight = weight * factor.view(1, -1, 1, 1)
        weight = weight / torch.sqrt(weight.square().sum((1, 2, 3), keepdim=True) + 1e-8)
        if order == "post_demod":
            weight = weight * factor.view(1, -1, 1, 1)
        if conv.up:  # zeros between the pixels, full convolution with the flipped kernel, then the FIR filter
            c, side = x.shape[1], x.shape[2]
            wide = torch.zeros(1, c, 2 * side - 1, 2 * side - 1)
            wide[:, :, ::2, ::2] = x[i : i + 1]
            y = F.conv2d(wide, weight.flip(2, 3), padding=2)
            kernel = fir_kernel(4.0).expand(len(weight), 1, 4, 4)
            y = F.conv2d(y, kernel, padding=1, groups=len(weight))
        else:
            y = F.conv2d(x[i : i + 1], weight, padding=1)
        y = y + conv.noise * conv.noise_strength + conv.bias.view(1, -1, 1, 1)
        out.append(F.leaky_relu(y, 0.2) * math.sqrt(2))
    return torch.cat(out)


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 3),
    c_in=st.integers(1, 7),
    c_out=st.integers(1, 7),
    side=st.sampled_from([4, 8]),
    up=st.booleans(),
    order=st.sampled_from(ORDERS),
    per_sample=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_the_shared_weight_gives_what_per_sample_weights_give(
    n: int, c_in: int, c_out: int, side: int, up: bool, order: Order, per_sample: bool, seed: int
) -> None:
    rng = torch.Generator().manual_seed(seed)
    conv = ModulatedConv(c_in, c_out, 5, side * 2 if up else side, up)
    with torch.no_grad():
        for parameter in (*conv.parameters(), conv.noise):
            parameter.copy_(torch.randn(parameter.shape, generator=rng))
        x = torch.randn(n, c_in, side, side, generator=rng)
        w = torch.randn(n, 5, generator=rng)
        domain = torch.randn(n if per_sample else 1, c_in, generator=rng)
        fast, slow = conv(x, w, domain, order, "const"), explicit(conv, x, w, domain, order)
    torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("order", ORDERS)
def test_a_zero_domain_is_bit_for_bit_the_source(order: Order) -> None:
    generator, (ws, domain) = tiny(), inputs()
    source = generator.synthesis(ws)
    assert torch.equal(generator.synthesis(ws, torch.zeros_like(domain), order), source)
    assert torch.equal(generator.synthesis(ws, torch.zeros(2, CONFIG.domain_dim), order), source)
    assert not torch.allclose(generator.synthesis(ws, domain, order), source, atol=1e-2)


@torch.no_grad()
def test_the_orders_differ() -> None:
    generator, (ws, domain) = tiny(), inputs()
    pre, post = (generator.synthesis(ws, domain, order) for order in ORDERS)
    assert not torch.allclose(pre, post, atol=1e-2)


@torch.no_grad()
@pytest.mark.parametrize("order", ORDERS)
def test_a_batch_is_its_samples_one_by_one(order: Order) -> None:
    generator, (ws, domain) = tiny(), inputs()
    domains = torch.stack([domain, -domain])
    together = generator.synthesis(ws, domains, order)
    alone = torch.cat([generator.synthesis(ws[i : i + 1], domains[i], order) for i in range(2)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("order", ORDERS)
def test_every_number_of_the_domain_gets_a_gradient(order: Order) -> None:
    generator, (ws, domain) = tiny().requires_grad_(False), inputs()
    domain.requires_grad_()
    generator.synthesis(ws, domain, order).square().mean().backward()
    assert domain.grad is not None
    assert domain.grad.isfinite().all()
    assert (domain.grad != 0).all()


@pytest.mark.parametrize("length", [0, 1, CONFIG.domain_dim - 1, CONFIG.domain_dim + 1, 2 * CONFIG.domain_dim])
def test_a_domain_of_the_wrong_length_is_refused(length: int) -> None:
    ws, _ = inputs(1)
    with pytest.raises(DomainError, match=f"{length} numbers but this 32 px generator takes {CONFIG.domain_dim}"):
        tiny().synthesis(ws, torch.zeros(length))


@torch.no_grad()
def test_noise_and_resolution() -> None:
    generator, (ws, domain) = tiny(), inputs()
    assert generator.synthesis(ws, domain).shape == (2, 3, 32, 32)
    assert generator.synthesis(ws, domain, resolution=8).shape == (2, 3, 8, 8)
    assert torch.equal(generator.synthesis(ws), generator.synthesis(ws))
    pictures = [generator.synthesis(ws, noise=noise) for noise in ("const", "none", "random", "random")]
    assert all(not torch.equal(a, b) for a, b in product(pictures, pictures) if a is not b)


@torch.no_grad()
def test_half_precision_convolutions_stay_near() -> None:
    generator, (ws, domain) = tiny(), inputs()
    exact, rough = (generator.synthesis(ws, domain, dtype=dtype) for dtype in (torch.float32, torch.bfloat16))
    assert rough.dtype == torch.float32
    assert float((exact - rough).abs().max() / exact.abs().max()) < 0.05


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("dtype", "allowed"), [(torch.float32, 1e-5), (torch.bfloat16, 0.05)])
def test_with_gradients_the_picture_is_the_same(order: Order, dtype: torch.dtype, allowed: float) -> None:
    generator, (ws, domain) = tiny(), inputs()
    kept = generator.synthesis(ws, domain, order, dtype=dtype)
    with torch.no_grad():
        fast = generator.synthesis(ws, domain, order, dtype=dtype)
    assert kept.requires_grad
    assert float((kept.detach() - fast).abs().max() / fast.abs().max()) < allowed


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_changed_weights_are_seen_at_once(dtype: torch.dtype) -> None:
    generator, (ws, _) = tiny(), inputs()
    before = generator.synthesis(ws, dtype=dtype)
    generator.get_parameter("convs.0.weight").add_(1)
    added = generator.synthesis(ws, dtype=dtype)
    generator.load_state_dict(tiny(seed=1).state_dict())
    loaded = generator.synthesis(ws, dtype=dtype)
    generator.load_state_dict(tiny().state_dict(), assign=True)
    assert not torch.allclose(added, before, atol=1e-2)
    assert torch.equal(loaded, tiny(seed=1).synthesis(ws, dtype=dtype))
    assert torch.equal(generator.synthesis(ws, dtype=dtype), before)


def test_what_is_kept_serves_gradients_later() -> None:
    generator, (ws, domain) = tiny().requires_grad_(False), inputs()
    with torch.inference_mode():
        generator.synthesis(ws)
    with torch.no_grad():
        generator.synthesis(ws)
    generator.synthesis(ws, domain.requires_grad_()).sum().backward()
    assert domain.grad is not None


@torch.no_grad()
def test_truncation_pulls_towards_the_mean_w() -> None:
    generator = tiny()
    generator.update_w_avg(torch.Generator().manual_seed(0), samples=64)
    z = torch.randn(3, CONFIG.z_dim, generator=torch.Generator().manual_seed(2))
    w = generator.mapping(z)
    assert torch.equal(generator.map(z), w[:, None].expand(-1, CONFIG.num_ws, -1))
    torch.testing.assert_close(generator.map(z, 0.7)[:, 3], generator.w_avg + 0.7 * (w - generator.w_avg))
    torch.testing.assert_close(generator.map(z, 0.0)[:, 0], generator.w_avg.expand(3, -1))


def test_official_sizes() -> None:
    lengths = {resolution: GeneratorConfig.official(resolution).domain_dim for resolution in (1024, 512, 256)}
    assert lengths == {1024: 6048, 512: 5952, 256: 5760}
    full = GeneratorConfig.official()
    assert full == GeneratorConfig()
    assert full.channels == (512, 512, 512, 512, 512, 256, 128, 64, 32)
    assert full.num_ws == 18
    assert full.domain_sizes == [512] * 10 + [256] * 2 + [128] * 2 + [64] * 2 + [32]
    assert GeneratorConfig.official(256, channel_multiplier=1).channels == (512, 512, 512, 512, 256, 128, 64)


def test_a_config_rebuilds_itself_and_must_fit() -> None:
    assert GeneratorConfig(**CONFIG.to_dict()) == CONFIG
    with pytest.raises(ValueError, match="3 widths do not make a 64 px generator"):
        GeneratorConfig(64, (8, 8, 8))


def test_the_fingerprint_is_stable_and_sensitive() -> None:
    generator = tiny()
    first = generator.fingerprint()
    assert len(first) == 16
    assert tiny().fingerprint() == generator.to(memory_format=torch.channels_last).fingerprint() == first
    assert tiny(seed=1).fingerprint() != first
    for name in ("convs.3.noise", "w_avg", "to_rgbs.1.bias"):
        changed = tiny()
        changed.state_dict()[name].view(-1)[0] += 1e-3
        assert changed.fingerprint() != first


@torch.no_grad()
def test_a_half_precision_file_gives_the_same_generator_again(tmp_path: Path) -> None:
    generator, (ws, domain) = tiny(), inputs()
    path = tmp_path / "generator.safetensors"
    save_checkpoint(path, generator.state_dict(), {"config": CONFIG.to_dict()}, torch.float16)
    prints, pictures = set(), []
    for _ in range(2):
        tensors, stored = load_checkpoint(path)
        again = Generator(GeneratorConfig(**stored["config"]))
        load_into(again, tensors, path.name)
        prints.add(again.fingerprint())
        pictures.append(again.synthesis(ws, domain))
        assert all(tensor.dtype == torch.float32 for tensor in again.state_dict().values())
    assert len(prints) == 1
    assert torch.equal(*pictures)
    assert float((pictures[0] - generator.synthesis(ws, domain)).abs().max() / pictures[0].abs().max()) < 0.02
    assert path.stat().st_size < 0.6 * 4 * sum(t.numel() for t in generator.state_dict().values()) + 10_000


@torch.no_grad()
def test_a_file_is_mapped_into_memory(tmp_path: Path) -> None:
    generator, (ws, domain) = tiny(), inputs()
    path = tmp_path / "generator.safetensors"
    save_checkpoint(path, generator.state_dict(), {"config": CONFIG.to_dict()})
    again = Generator.load(path)
    assert again.fingerprint() == generator.fingerprint()
    assert torch.equal(again.synthesis(ws, domain), generator.synthesis(ws, domain))
    assert all(parameter.requires_grad for parameter in again.parameters())
    state = generator.state_dict()
    load_into(again, state, path.name)
    assert again.const.data_ptr() == state["const"].data_ptr()


@pytest.mark.parametrize("settings", [{}, {"config": None}, {"config": {"width": 3}}, {"config": {"channels": [1]}}])
def test_a_file_of_something_else_is_refused(settings: dict[str, object], tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a.safetensors", {}, settings)
    with pytest.raises(CheckpointError, match=r"^a\.safetensors is not a generator; use a file that contains one\.$"):
        Generator.load(tmp_path / "a.safetensors")


def test_strict_loading_names_what_differs() -> None:
    state = tiny().state_dict()
    missing = {name: tensor for name, tensor in state.items() if name != "convs.2.bias"}
    with pytest.raises(CheckpointError, match=r"^a\.pt has a different architecture: missing convs\.2\.bias \(1 diff"):
        load_into(tiny(), missing, "a.pt")
    with pytest.raises(CheckpointError, match=r"unexpected extra \(1 diff"):
        load_into(tiny(), state | {"extra": torch.zeros(1)}, "a.pt")
    with pytest.raises(CheckpointError, match=r"const is \(1, 12, 8, 8\) instead of \(1, 12, 4, 4\)"):
        load_into(tiny(), state | {"const": torch.zeros(1, 12, 8, 8)}, "a.pt")
    with pytest.raises(CheckpointError, match="differences"):
        load_into(tiny(), {}, "a.pt")


@torch.no_grad()
@pytest.mark.parametrize("per_sample", [None, False, True])
def test_large_pictures_are_drawn_one_by_one_and_are_the_same(
    per_sample: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator, (ws, domain) = tiny(), inputs()
    vector = None if per_sample is None else torch.stack([domain, -domain]) if per_sample else domain
    together = generator.synthesis(ws, vector)
    monkeypatch.setattr("stylize.models.generator.ONE_AT_A_TIME", CONFIG.resolution)
    apart = generator.synthesis(ws, vector)
    torch.testing.assert_close(apart, together)
    alone = generator.synthesis(ws[1:], vector[1] if vector is not None and vector.ndim == 2 else vector)
    assert torch.equal(apart[1:], alone)
