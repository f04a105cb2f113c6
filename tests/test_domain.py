"""Domain files and arithmetic: one flat vector, and one sentence for whatever is wrong with it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from stylize.errors import CheckpointError, DomainError
from stylize.models.domain import LARGEST_FILE, Domain, MixPart, blend, mix
from stylize.models.generator import GeneratorConfig

CONFIG = GeneratorConfig(resolution=64, channels=(8, 8, 6, 4, 4))
SIZES = tuple(CONFIG.domain_sizes)


def make(name: str = "pencil sketch", seed: int = 0, **changes: Any) -> Domain:
    vector = torch.randn(CONFIG.domain_dim, generator=torch.Generator().manual_seed(seed))
    made: dict[str, Any] = {"target": name, "source": "a photo of a face", "method": "text-guided", "seed": seed}
    domain = Domain(vector, SIZES, "pre_demod", "0123456789abcdef", name, **made)
    return replace(domain, **changes)


def one_sentence(text: str) -> bool:
    return text.endswith(".") and "\n" not in text and len(text) < 400


def test_a_file_gives_everything_back(tmp_path: Path) -> None:
    domain = make(settings={"steps": 150, "weights": {"direction": 1.0}, "note": "größer"})
    domain.save(tmp_path / "new folder" / "a.safetensors")
    back = Domain.load(tmp_path / "new folder" / "a.safetensors")
    assert torch.equal(back.vector, domain.vector)
    assert back.vector.dtype == torch.float32
    for name in ("sizes", "order", "generator", "name", "target", "source", "method", "seed", "settings"):
        assert getattr(back, name) == getattr(domain, name)


def test_style_rows_are_kept_mixed_and_blended_in(tmp_path: Path) -> None:
    style = torch.randn(4, CONFIG.w_dim)
    domain = make(style=style)
    domain.save(tmp_path / "a.safetensors")
    back = Domain.load(tmp_path / "a.safetensors")
    assert back.style is not None
    assert torch.equal(back.style, style)
    assert back.style_share == 1

    ws = torch.randn(2, CONFIG.num_ws, CONFIG.w_dim)
    assert torch.equal(make().mixed_in(ws, 1.0), ws)
    assert torch.equal(domain.mixed_in(ws, 0.0), ws)
    assert torch.equal(domain.mixed_in(ws, 1.0), torch.cat([ws[:, :-4], style.expand(2, -1, -1)], 1))
    half = 0.5 * domain + 0.5 * make(seed=1)
    torch.testing.assert_close(half.mixed_in(ws, 1.0)[:, -4:], (ws[:, -4:] + style) / 2)
    two = 0.25 * domain + 0.25 * make(style=-style)
    torch.testing.assert_close(two.mixed_in(ws, 1.0)[:, -4:], ws[:, -4:] / 2)
    assert domain.scaled(fine=0.5).style_share == 0.5
    with pytest.raises(DomainError, match="sizes"):
        domain + make(style=style[:2])
    with pytest.raises(DomainError, match="do not fit"):
        make(style=torch.zeros(99, CONFIG.w_dim)).check("0123456789abcdef", CONFIG)
    with pytest.raises(DomainError, match="damaged"):
        make(style=style, style_share=3.0)


def test_a_domain_of_the_official_generator_takes_24_kilobytes(tmp_path: Path) -> None:
    config = GeneratorConfig.official()
    Domain(torch.zeros(6048), tuple(config.domain_sizes), "post_demod", "f" * 16).save(tmp_path / "a.safetensors")
    assert 24_192 < (tmp_path / "a.safetensors").stat().st_size < 26_000


def test_the_vector_is_a_copy() -> None:
    parameter = torch.nn.Parameter(torch.zeros(CONFIG.domain_dim))
    domain = make(vector=parameter)
    with torch.no_grad():
        parameter.add_(1)
    assert not domain.vector.any()
    assert not domain.vector.requires_grad


def test_arithmetic_is_arithmetic_on_the_vector() -> None:
    a, b = make("pencil sketch", 1), make("zombie", 2)
    x, y = a.vector, b.vector
    torch.testing.assert_close((a * 0.5).vector, 0.5 * x)
    torch.testing.assert_close((0.5 * a).vector, 0.5 * x)
    torch.testing.assert_close((a * -0.7).vector, -0.7 * x)
    torch.testing.assert_close((-a).vector, -x)
    torch.testing.assert_close((a + b).vector, x + y)
    torch.testing.assert_close((a - b).vector, x - y)
    torch.testing.assert_close((a * 0.5 + 0.25 * b - a).vector, -0.5 * x + 0.25 * y)
    torch.testing.assert_close(mix([(0.3, a), (0.6, b)]).vector, 0.3 * x + 0.6 * y)
    assert not (a * 0).vector.any()


def test_a_mix_names_its_ingredients(tmp_path: Path) -> None:
    a, b, c = make("pencil sketch", 1), make("zombie", 2), make("sepia", 3)
    half = a * 0.5 + b * 0.5
    assert half.target == half.name == "0.5 pencil sketch + 0.5 zombie"
    assert (half.method, half.seed) == ("mix", None)
    again = 0.5 * half + c - 0.25 * a
    assert again.settings["ingredients"] == {"pencil sketch": 0.0, "zombie": 0.25, "sepia": 1.0}
    half.save(tmp_path / "half.safetensors")
    assert (Domain.load(tmp_path / "half.safetensors") + c).ingredients() == {
        "pencil sketch": 0.5,
        "zombie": 0.5,
        "sepia": 1.0,
    }


def test_levels_follow_the_resolution_of_the_convolutions() -> None:
    domain = make(vector=torch.ones(CONFIG.domain_dim))
    scaled = domain.scaled(coarse=0.0, medium=0.5, fine=2.0)
    # Convolutions at 4, 8, 8 | 16, 16, 32, 32 | 64, 64 px.
    means = [float(piece.mean()) for piece in scaled.vector.split(SIZES)]
    assert means == [0.0] * 3 + [0.5] * 4 + [2.0] * 2
    assert scaled.name == "pencil sketch (coarse 0, medium 0.5, fine 2)"
    assert domain.scaled() is domain


def test_a_mix_keeps_the_levels_of_its_ingredients() -> None:
    a, b = make("pencil sketch", 1), make("zombie", 2)
    assert (a.scaled(fine=0.5) + b).name == "1 pencil sketch (fine 0.5) + 1 zombie"
    mixed = (a * 0.5 + b * 0.5).scaled(coarse=0.0) * 0.2
    assert mixed.name == "0.2 0.5 pencil sketch + 0.5 zombie (coarse 0)"
    torch.testing.assert_close(mixed.vector, (a.vector * 0.1 + b.vector * 0.1) * (mixed.vector != 0))


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (make("zombie", order="post_demod"), r"order differs \(pre_demod and post_demod\)"),
        (make("zombie", generator="f" * 16), r"generator differs \(0123456789abcdef and ffffffffffffffff\)"),
        (make("zombie", vector=torch.zeros(4), sizes=(2, 2)), r"layout differs"),
    ],
    ids=["order", "generator", "layout"],
)
def test_what_does_not_fit_is_not_mixed(other: Domain, difference: str) -> None:
    ways: list[Callable[[], Domain]] = [
        lambda: make() + other,
        lambda: make() - other,
        lambda: mix([(0.5, make()), (0.5, other)]),
    ]
    for combine in ways:
        with pytest.raises(DomainError, match=difference) as caught:
            combine()
        assert one_sentence(str(caught.value))


@pytest.mark.parametrize("weight", [float("nan"), float("inf")])
def test_weights_are_finite(weight: float) -> None:
    with pytest.raises(DomainError, match="finite"):
        make() * weight
    with pytest.raises(DomainError, match="finite"):
        make().scaled(fine=weight)


def test_a_mix_of_nothing_is_refused() -> None:
    with pytest.raises(DomainError, match="nothing to mix"):
        mix([])


def test_check_says_which_generator_it_was_made_for() -> None:
    make().check("0123456789abcdef", CONFIG)
    with pytest.raises(DomainError, match="made for the generator 0123456789abcdef, not for ffffffffffffffff"):
        make().check("f" * 16, CONFIG)
    with pytest.raises(DomainError, match=r"generator 0123456789abcdef and has 56 numbers.* 1024 px .* takes 6048"):
        make().check("f" * 16, GeneratorConfig.official())


def test_a_domain_whose_generator_is_not_recorded_fits_by_its_layout() -> None:
    unnamed = make(generator="")
    unnamed.check("fedcba9876543210", CONFIG)
    with pytest.raises(DomainError, match="was made for another generator and has"):
        unnamed.check("fedcba9876543210", GeneratorConfig(32, (8, 8, 8, 8)))
    assert (unnamed + make()).generator == (make() + unnamed).generator == make().generator
    assert (unnamed + unnamed).generator == ""
    with pytest.raises(DomainError, match="their generator differs"):
        mix([(1, unnamed), (1, make()), (1, make(generator="fedcba9876543210"))])


@pytest.mark.parametrize(
    "changes",
    [{"vector": torch.zeros(3)}, {"vector": torch.zeros(1, CONFIG.domain_dim)}, {"order": "sideways"}],
    ids=["length", "rank", "order"],
)
def test_parts_that_do_not_fit_together_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(DomainError):
        make(**changes)


def stored(path: Path, vector: torch.Tensor | None = None, **changes: Any) -> Path:
    """A domain file as it should be, but for the changes."""
    make().save(path)
    with safe_open(path, "pt") as file:
        settings = json.loads(file.metadata()["settings"]) | changes
        vector = file.get_tensor("vector") if vector is None else vector
    save_file({"vector": vector}, path, metadata={"settings": json.dumps(settings)})
    return path


def with_number(value: float) -> torch.Tensor:
    vector = torch.zeros(CONFIG.domain_dim)
    vector[5] = value
    return vector


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"format": "something else"}, "not a domain file"),
        ({"order": "sideways"}, "order is 'sideways'"),
        ({"order": ["pre_demod"]}, "incomplete"),
        ({"vector": with_number(float("nan"))}, "non-finite"),
        ({"vector": with_number(float("-inf"))}, "non-finite"),
        ({"vector": with_number(1e30)}, "no training produces"),
        ({"vector": torch.zeros(7)}, "needs 56 numbers"),
        ({"vector": torch.zeros(CONFIG.domain_dim, dtype=torch.int32)}, "incomplete"),
        ({"sizes": [8, 8]}, "needs 16 numbers"),
        ({"sizes": [8.5, float("inf")]}, "incomplete"),
        ({"sizes": [CONFIG.domain_dim + 8, -8]}, "incomplete"),
        ({"sizes": "many"}, "incomplete"),
        ({"generator": None}, "incomplete"),
        ({"name": 7}, "incomplete"),
        ({"seed": "seven"}, "incomplete"),
        ({"settings": [1]}, "incomplete"),
        ({"method": "mix"}, "incomplete"),
        ({"method": "mix", "settings": {"ingredients": {"a": "b"}}}, "incomplete"),
        ({"method": "mix", "settings": {"ingredients": {"a": float("inf")}}}, "incomplete"),
        ({"method": "mix", "settings": {"ingredients": {"a": float("nan")}}}, "incomplete"),
        ({"method": "mix", "settings": {"ingredients": {"a": 10**400}}}, "incomplete"),
        ({"sizes": [10**4000] * 20}, "incomplete"),
        ({"sizes": [], "vector": torch.zeros(0)}, "incomplete"),
        ({"seed": 10**400}, "incomplete"),
        ({"style_share": 10**400}, "incomplete"),
        ({"style_share": float("nan")}, "incomplete"),
        ({"vector": torch.zeros(CONFIG.domain_dim).to(torch.float8_e5m2)}, "not a domain file or is damaged"),
        ({"vector": torch.zeros(CONFIG.domain_dim, dtype=torch.complex64)}, "not a domain file or is damaged"),
        ({"name": "\ud800"}, "not a domain file or is damaged"),
        ({"settings": {"note": ["\udfff"]}}, "not a domain file or is damaged"),
        ({"settings": json.loads("[" * 60 + "]" * 60)}, "not a domain file or is damaged"),
    ],
)
def test_a_wrong_file_gives_one_sentence(changes: dict[str, Any], problem: str, tmp_path: Path) -> None:
    with pytest.raises(DomainError, match=problem) as caught:
        Domain.load(stored(tmp_path / "a.safetensors", **changes))
    assert "a.safetensors" in str(caught.value)
    assert one_sentence(str(caught.value))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("This is no domain." * 20)


def cut(path: Path) -> None:
    make().save(path)
    path.write_bytes(path.read_bytes()[:-40])


def lying_header(path: Path) -> None:
    path.write_bytes((2**62).to_bytes(8, "little") + b"{}")


def another_model(path: Path) -> None:
    save_file({"weight": torch.zeros(3)}, path)


def deep_settings(path: Path) -> None:
    save_file({"vector": torch.zeros(3)}, path, metadata={"settings": '{"a":' * 100_000})


def settings_of_long_numbers(path: Path) -> None:
    save_file({"vector": torch.zeros(3)}, path, metadata={"settings": '{"seed": ' + "9" * 5000 + "}"})


def settings_that_are_a_list(path: Path) -> None:
    save_file({"vector": torch.zeros(3)}, path, metadata={"settings": "[1, 2]"})


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(LARGEST_FILE + 1)


@pytest.mark.parametrize(
    "write",
    [
        *(empty, text, cut, lying_header, another_model, settings_that_are_a_list, huge),
        *(deep_settings, settings_of_long_numbers),
    ],
)
def test_what_is_no_domain_file_gives_one_sentence(write: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write(path)
    with pytest.raises(DomainError, match=r"a\.safetensors") as caught:
        Domain.load(path)
    assert one_sentence(str(caught.value))


def test_numbers_beyond_float32_end_in_one_sentence() -> None:
    for change in (
        lambda domain: domain.scaled(coarse=1e300),
        lambda domain: domain.scaled(fine=float("nan")),
        lambda domain: mix([(1e300, domain)]),
    ):
        with pytest.raises(DomainError, match="non-finite"):
            change(make())


def test_half_a_character_does_not_break_a_file(tmp_path: Path) -> None:
    make("a\ud800b", settings={"note": "\udc80"}).save(tmp_path / "a.safetensors")
    back = Domain.load(tmp_path / "a.safetensors")
    assert (back.name, back.settings) == ("a?b", {"note": "?"})


@pytest.mark.skipif(os.name != "posix", reason="needs a umask")
@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_a_file_may_be_read_by_whom_the_umask_lets(umask: int, tmp_path: Path) -> None:
    code = "import os, sys, torch; from stylize.models.checkpoints import save_checkpoint\n"
    code += "os.umask(int(sys.argv[1])); save_checkpoint(sys.argv[2], {'a': torch.ones(1)}, {})"
    path = tmp_path / "a.safetensors"
    subprocess.run([sys.executable, "-c", code, str(umask), str(path)], check=True, cwd=Path(__file__).parent.parent)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_to_gives_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "a.safetensors", tmp_path / ("a" * 300)):
        with pytest.raises(
            CheckpointError, match=r"cannot be written \(.*\); free some space or choose another place\.$"
        ):
            make().save(path)


@pytest.mark.skipif(os.name != "posix", reason="needs a limit on the size of files")
def test_a_full_disk_gives_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    code = "import resource, signal, sys, torch; from stylize.models.checkpoints import save_checkpoint\n"
    code += "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
    code += "save_checkpoint(sys.argv[1], {'a': torch.ones(10_000)}, {})"
    command = [sys.executable, "-c", code, str(tmp_path / "a.safetensors")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent.parent)
    assert done.stderr.splitlines()[-1].startswith("stylize.errors.CheckpointError: ")
    assert "cannot be written" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_long_part_is_refused_at_once() -> None:
    with pytest.raises(DomainError, match="has 140001 characters; use at most 1000"):
        MixPart.parse("a" + ",fine=1" * 20_000)


def test_no_file_gives_one_sentence(tmp_path: Path) -> None:
    for path in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(DomainError, match="no domain file"):
            Domain.load(path)


# --- spherical mixing, and mixes in words


def angle(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(a.double(), b.double(), dim=0).clamp(-1, 1).acos())


@pytest.mark.parametrize("t", [0.1, 0.5, 0.75])
def test_a_spherical_mix_of_two_is_slerp(t: float) -> None:
    a, b = make(seed=1), 3.0 * make(seed=2)
    x, y = (domain.vector.double() / domain.vector.double().norm() for domain in (a, b))
    whole = angle(x, y)
    direction = (torch.sin(torch.tensor((1 - t) * whole)) * x + torch.sin(torch.tensor(t * whole)) * y) / torch.sin(
        torch.tensor(whole)
    )
    length = (1 - t) * a.vector.norm() + t * b.vector.norm()
    torch.testing.assert_close(mix([(1 - t, a), (t, b)], spherical=True).vector, (direction * length).float())


def test_a_spherical_mix_of_many_is_their_mean_on_the_sphere() -> None:
    weights = [0.5, 0.3, 0.2, -0.4]
    domains = [make(f"style {seed}", seed) for seed in range(4)]
    mixed = mix(list(zip(weights, domains, strict=True)), spherical=True)
    shares = torch.tensor(weights).abs() / torch.tensor(weights).abs().sum()
    x = mixed.vector.double() / mixed.vector.double().norm()
    pull = torch.zeros_like(x)
    for share, weight, domain in zip(shares, weights, domains, strict=True):
        point = (1 if weight > 0 else -1) * domain.vector.double() / domain.vector.double().norm()
        turn = torch.acos(point @ x)
        pull += share * turn / turn.sin() * (point - turn.cos() * x)
    assert float(pull.norm()) < 1e-5  # the weighted sum of the logarithms at x, float32
    lengths = sum(abs(w) * float(d.vector.norm()) for w, d in zip(weights, domains, strict=True))
    assert float(mixed.vector.norm()) == pytest.approx(lengths, rel=1e-5)
    assert mixed.name == "0.5 style 0 + 0.3 style 1 + 0.2 style 2 + -0.4 style 3, turning"
    straight = mix([(mixed.ingredients()[domain.name], domain) for domain in domains])
    torch.testing.assert_close(straight.vector, mixed.vector)


@pytest.mark.parametrize("second", [make(seed=1), -make(seed=1), 0.0 * make(seed=2)], ids=["same", "opposite", "none"])
def test_where_nothing_turns_a_spherical_mix_is_straight(second: Domain) -> None:
    parts = [(0.75, make(seed=1)), (0.25, second)]
    torch.testing.assert_close(mix(parts, spherical=True).vector, mix(parts).vector)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("zombie", MixPart("zombie")),
        (" zombie = 0.8 ", MixPart("zombie", 0.8)),
        ("a=b.safetensors=-1e-1", MixPart("a=b.safetensors", -0.1)),
        ("a red, fine mosaic=2,fine=0", MixPart("a red, fine mosaic", 2.0, (1.0, 1.0, 0.0))),
        ("zombie=0.8, coarse=0.5,medium=0 ,fine=2", MixPart("zombie", 0.8, (0.5, 0.0, 2.0))),
        ("zombie,medium=0.5", MixPart("zombie", 1.0, (1.0, 0.5, 1.0))),
    ],
)
def test_a_part_of_a_mix_is_read_from_words(words: str, part: MixPart) -> None:
    assert MixPart.parse(words) == part


@pytest.mark.parametrize("words", ["", "=1", " ,fine=0", "zombie=much", "zombie=", "zombie=nan", "zombie=1,fine=x"])
def test_a_part_that_cannot_be_read_is_named(words: str) -> None:
    with pytest.raises(DomainError, match=re.escape(repr(words))) as caught:
        MixPart.parse(words)
    assert one_sentence(str(caught.value))


def test_a_blend_has_its_own_levels_for_each_part() -> None:
    ones = make(vector=torch.ones(CONFIG.domain_dim))
    one, other = MixPart("a", 0.5, (1.0, 0.0, 0.0)), MixPart("b", 1.0, (0.0, 0.0, 2.0))
    means = [float(piece.mean()) for piece in blend([(one, ones), (other, ones)]).vector.split(SIZES)]
    assert means == [0.5] * 3 + [0.0] * 4 + [2.0] * 2
    assert blend([(MixPart("a"), ones)]) is ones


@pytest.mark.parametrize(("weights", "words"), [((0.0, 0.0), "All weights are 0"), ((0.7, -0.7), "cancel out")])
def test_a_blend_of_nothing_is_refused(weights: tuple[float, float], words: str) -> None:
    with pytest.raises(DomainError, match=words):
        blend([(MixPart("a", weight), make()) for weight in weights])
