"""Checkpoints of other projects: read without running anything in them, converted, and the official numbers given."""

from __future__ import annotations

import io
import pickle
import sys
import zipfile
from argparse import Namespace
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from golden_numbers import HERE, draw_weights
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tiny import GENERATOR
from torch import Tensor

from stylize.cli import main
from stylize.convert.common import ConvertedWeights, plain
from stylize.convert.formats import _decoder, convert, join_directions, read, recognise
from stylize.convert.generators import LEAVES
from stylize.convert.unpickle import Record
from stylize.errors import CheckpointError
from stylize.models.checkpoints import load_checkpoint, load_into, save_checkpoint
from stylize.models.domain import Domain
from stylize.models.e4e import E4e, E4eConfig, ReStyle
from stylize.models.generator import Generator, GeneratorConfig
from stylize.models.hypernet import HyperNet

SAFE = (  # torch.load(weights_only=True) reads them too
    *("hdn_im2im_parameterization", "hdn_td_mapper_as_trainer_saves", "hdn_td_mapper_dict"),
    *("hdn_td_mapper_narrow_dict", "hdn_td_parameterization", "rosinality_1024_full_shape", "rosinality_32_ch16_w64"),
)
BROKEN = {
    "malicious_zip.pt": "refused: unpickling it would use io.open",
    "malicious_legacy_format.pt": "refused: unpickling it would use io.open",
    "malicious_hdn_im2im.pt": "refused: unpickling it would use io.open",
    "malicious_global.pkl": "refused: unpickling it would use io.open",
    "malicious_persistence.pkl": "contains no StyleGAN2 generator",  # its source code is a text that nobody runs
    "truncated.pt": "incomplete, damaged or not a checkpoint; download it again",
    "truncated_head_only.pt": "incomplete, damaged or not a checkpoint; download it again",
    "empty.pt": "is empty; download it again",
    "quota_page.pt": "is a web page, not a checkpoint",
}


def find(name: str, request: pytest.FixtureRequest) -> Path:
    """A golden checkpoint: the copy beside the tests, else the one in ../shared."""
    path = HERE / "checkpoints" / name
    return path if path.is_file() else request.getfixturevalue("shared") / "golden" / "checkpoints" / name


def content(path: Path) -> Any:
    with path.open("rb") as stream:
        return read(stream, path.name)


def recognised(path: Path) -> Any:
    return recognise(content(path), path.name)


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return bool(a == b)


def close(a: Tensor, b: np.ndarray, tolerance: float) -> None:
    assert np.abs(a.numpy() - b).max() <= tolerance * np.abs(b).max()


def generator_of(weights: ConvertedWeights) -> Generator:
    generator = Generator(GeneratorConfig(**weights.settings["config"])).eval().requires_grad_(False)
    load_into(generator, weights.tensors, "the file")
    return generator


def tiny_generator(config: GeneratorConfig = GENERATOR, seed: int = 0) -> Generator:
    generator = Generator(config).eval().requires_grad_(False)
    rng = torch.Generator().manual_seed(seed)
    for tensor in generator.state_dict().values():
        tensor.copy_(torch.randn(tensor.shape, generator=rng))
    return generator


def as_rosinality(generator: Generator) -> dict[str, Tensor]:
    """Its weights under the official names, in the official shapes, with the stored FIR kernels."""
    leaves = {own: official for official, own in LEAVES.items()}
    out = {"convs.0.conv.blur.kernel": torch.ones(4, 4), "to_rgbs.0.upsample.kernel": torch.ones(4, 4)}
    for name, tensor in generator.state_dict().items():
        kind, *rest = name.split(".", 2)
        if kind == "mapping":
            index, leaf = rest[1].split(".")
            out[f"style.{int(index) + 1}.{leaf}"] = tensor
        elif kind == "const":
            out["input.input"] = tensor
        elif rest and rest[1] == "noise":
            out[f"noises.noise_{rest[0]}"] = tensor
        elif kind in ("convs", "to_rgbs"):
            first = {"convs": "conv1", "to_rgbs": "to_rgb1"}[kind]
            place = first if rest[0] == "0" else f"{kind}.{int(rest[0]) - 1}"
            if kind == "to_rgbs" and rest[1] == "bias":
                out[f"{place}.bias"] = tensor.view(1, 3, 1, 1)
            else:
                out[f"{place}.{leaves[rest[1]]}"] = tensor[None] if rest[1] == "weight" else tensor
    return out


def save(path: Path, value: Any, legacy: bool = False) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=not legacy)
    return path


# --- reading ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BROKEN)
def test_hostile_and_broken_files_end_in_one_sentence(
    name: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = tmp_path / "in" / name
    path.parent.mkdir()
    path.write_bytes(b"" if name == "empty.pt" else find(name, request).read_bytes())
    monkeypatch.chdir(tmp_path)
    assert main(["convert", str(path), "-o", "out.safetensors"]) == 2
    error = capsys.readouterr().err
    assert BROKEN[name] in error
    assert error.startswith(f"stylize: {name} ")
    assert error.count("\n") == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["in"], "neither PWNED nor a result"


@pytest.mark.parametrize("name", SAFE)
def test_torch_reads_the_same(name: str, request: pytest.FixtureRequest) -> None:
    path = find(f"{name}.pt", request)
    assert equal(torch.load(path, weights_only=True), content(path))


@pytest.mark.parametrize("legacy", [False, True])
def test_every_kind_of_number_comes_back(legacy: bool, tmp_path: Path) -> None:
    base = torch.arange(24, dtype=torch.float64).view(2, 3, 4)
    state = OrderedDict(a=base, b=base.permute(2, 0, 1)[1:], c=base[0, 1, 2], empty=torch.empty(0, 3))
    state |= {str(t): torch.ones(3).to(t) for t in (torch.bfloat16, torch.float16, torch.int64, torch.bool)}
    value = {"state": state, "p": torch.nn.Parameter(torch.ones(2)), "size": base.shape, "n": [1, -(2**70), 0.5, None]}
    assert equal(value, content(save(tmp_path / "a.pt", value, legacy)))


def test_pickles_of_every_protocol() -> None:
    value = {"text": "é", "bytes": b"\x00\xff", "numbers": (1, 2**40, -1.5, True, None), "list": [[], {}, ()]}
    for protocol in range(2, 6):
        found = read(io.BytesIO(pickle.dumps(value | {"set": {1}}, protocol)), "a.pkl")
        assert found == value | {"set": [1]}


@pytest.mark.parametrize(
    "called", [eval, exec, print, getattr, bytearray, io.open, torch.load, np.load, pickle.loads, torch.zeros]
)
def test_no_function_is_called(called: Any, tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return called, ("0",)

    for protocol in range(2, 6):
        with pytest.raises(CheckpointError, match="refused"):
            read(io.BytesIO(pickle.dumps({"g_ema": Hostile()}, protocol)), "a.pkl")
    with pytest.raises(CheckpointError, match="refused"):
        content(save(tmp_path / "a.pt", {"g_ema": Hostile()}))


def test_a_known_name_cannot_be_changed_or_misused() -> None:
    for attack in (
        b"cargparse\nNamespace\n(dVmake\nNsb.",  # BUILD on the class itself
        b"ctorch._utils\n_rebuild_tensor_v2\n(Na.",
        b"cbuiltins\ndict\n)R.",  # only named, never called
        b"ctorch._utils\n_rebuild_tensor_v2\n(NI0\n(VAB\nI9999999999\nt)tR.",  # a text times its repetitions
        b"\x80\x02cargparse\nNamespace\n)\x81(I1\nl(dtb.",
    ):
        with pytest.raises(CheckpointError):
            read(io.BytesIO(attack), "a.pkl")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_nothing_but_one_error_comes_out_of_noise(data: st.DataObject) -> None:
    blob = bytearray(data.draw(st.sampled_from(seeds())))
    for _ in range(data.draw(st.integers(0, 6))):
        place = data.draw(st.integers(0, len(blob)))
        blob[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    with suppress(CheckpointError):
        recognise(read(io.BytesIO(bytes(blob[: data.draw(st.integers(0, len(blob)))])), "a.pt"), "a.pt")


def seeds() -> list[bytes]:
    """Small files of every kind to be damaged."""
    stream, legacy, npz = io.BytesIO(), io.BytesIO(), io.BytesIO()
    value = {"g_ema": {"a": torch.ones(2)}, "latent_avg": torch.ones(2)}
    torch.save(value, stream)
    torch.save(value, legacy, _use_new_zipfile_serialization=False)
    np.savez(npz, smile=np.ones(4, np.float32))
    small = {"state_dict": {}, "model_type": "mapper", "x": [1, "a"]}
    names = ("hdn_td_parameterization_dictconfig.pt", "malicious_global.pkl")
    return [
        *(b"\x80\x02}.", *(pickle.dumps(small, protocol) for protocol in (0, 2, 4))),
        *(written.getvalue() for written in (stream, legacy, npz)),
        *((HERE / "checkpoints" / name).read_bytes() for name in names),
    ]


def test_absurd_sizes_are_refused(tmp_path: Path) -> None:
    huge = {"g_ema": {"a": torch.zeros(1).expand(2**20, 2**20)}, "latent_avg": None}
    with pytest.raises(CheckpointError, match="a tensor of 1,099,511,627,776 numbers"):
        recognised(save(tmp_path / "a.pt", huge))
    many = {f"d{i}": torch.zeros(1).expand(2**27) for i in range(5)}
    with pytest.raises(CheckpointError, match="far more numbers"):
        recognised(save(tmp_path / "b.pt", many))
    with zipfile.ZipFile(tmp_path / "c.pt", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("c/data.pkl", pickle.dumps({}))
        bomb.writestr("c/data/0", bytes(10_000_000))
    with pytest.raises(CheckpointError, match="more than its own size"):
        recognised(tmp_path / "c.pt")
    assert read(io.BytesIO(b"\x80\x02Nr\xff\xff\xff\xff."), "d.pkl") is None  # place 2^32 - 1 takes no memory


def test_a_pointer_of_git_lfs_and_a_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n")
    with pytest.raises(CheckpointError, match=r"^a\.pt is a pointer of Git LFS"):
        convert(path, tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match="There is no file"):
        convert(tmp_path / "b.pt", tmp_path / "a.safetensors")


# --- generators ---------------------------------------------------------------------------------------


@torch.no_grad()
@pytest.mark.parametrize("legacy", [False, True])
def test_a_rosinality_file_gives_the_same_generator(legacy: bool, tmp_path: Path) -> None:
    generator = tiny_generator()
    file = {"g_ema": as_rosinality(generator), "latent_avg": generator.w_avg, "g": {}, "d": {}, "args": None}
    path, out = save(tmp_path / "ffhq.pt", file, legacy), tmp_path / "generator.safetensors"
    assert convert(path, out) == [out]
    tensors, stored = load_checkpoint(out)
    assert stored["config"] == GENERATOR.to_dict() | {"channels": [8, 8, 8, 8], "patterns": []}
    assert stored["origin"] == {"file": "ffhq.pt", "format": "rosinality"}
    assert generator_of(ConvertedWeights(tensors, stored)).fingerprint() == generator.fingerprint()


@torch.no_grad()
def test_a_fine_tuned_generator_says_of_which(tmp_path: Path) -> None:
    source, tuned = tiny_generator(), tiny_generator(seed=1)
    tuned.mapping.load_state_dict(source.mapping.state_dict())
    file = save(tmp_path / "joker.pt", {"g_ema": as_rosinality(tuned), "g_optim": {}})
    base, out = tmp_path / "generator.safetensors", tmp_path / "joker.safetensors"
    save_checkpoint(base, source.state_dict(), {"config": GENERATOR.to_dict()})
    convert(file, out, generator=tmp_path)
    tensors, stored = load_checkpoint(out)
    assert stored["origin"]["fine_tuned_from"] == source.fingerprint()
    assert "StyleGAN-NADA" in stored["origin"]["format"]
    assert torch.equal(tensors["w_avg"], source.w_avg)
    convert(file, out)  # without the source the mean w is computed
    tensors, stored = load_checkpoint(out)
    assert "fine_tuned_from" not in stored["origin"]
    w = tuned.mapping(torch.randn(20_000, GENERATOR.z_dim, generator=torch.Generator().manual_seed(5)))
    assert (tensors["w_avg"] - w.mean(0)).abs().max() < 6 * w.std(0).max() / 100


@pytest.mark.parametrize("multiplier", [1, 2])
def test_the_official_widths_are_recognised(multiplier: int, tmp_path: Path) -> None:
    config = GeneratorConfig.official(256, multiplier)
    with torch.device("meta"):
        state = as_rosinality(Generator(config))
    views = {name: torch.zeros(1).expand(tensor.shape) for name, tensor in state.items()}  # a small file
    found = recognised(save(tmp_path / "a.pt", {"g_ema": views, "latent_avg": torch.zeros(512)}))
    assert GeneratorConfig(**found.settings["config"]) == config


def test_another_architecture_is_refused_by_name(tmp_path: Path) -> None:
    state = as_rosinality(tiny_generator())

    def refused(changed: dict[str, Any], reason: str) -> None:
        with pytest.raises(CheckpointError, match=reason):
            recognised(save(tmp_path / "a.pt", {"g_ema": changed, "latent_avg": torch.zeros(16)}))

    without = {name: tensor for name, tensor in state.items() if name != "convs.2.activate.bias"}
    refused(without, r"^a\.pt has a different architecture: missing convs\.3\.bias \(1 d")
    refused(state | {"extra": torch.zeros(1)}, r"unexpected extra")
    refused(state | {"input.input": torch.zeros(1, 9, 4, 4)}, r"convs\.0\.affine\.bias is \(8,\) instead of \(9,\)")
    refused(state | {"style.1.bias": torch.full((16,), torch.nan)}, "non-finite")
    refused({"a": torch.zeros(3)}, r"no StyleGAN2 generator: a layer is missing \('const'\)")
    refused(state | {"style.9" + "9" * 5000 + ".bias": torch.zeros(1)}, "does not contain plain tensors")
    refused(state | {"a\x1b[31m": torch.zeros(1)}, "does not contain plain tensors")
    refused({}, "no StyleGAN2 generator")
    refused(state | {"input.input": torch.zeros(1, 0, 4, 4)}, "does not contain plain tensors")
    refused(state | {"style.1.bias": "text"}, "does not contain plain tensors")
    with pytest.raises(CheckpointError, match=r"w_avg is \(3,\) instead of \(16,\)"):
        recognised(save(tmp_path / "a.pt", {"g_ema": state, "latent_avg": torch.zeros(3)}))
    with pytest.raises(CheckpointError, match="none of the checkpoints"):
        recognised(save(tmp_path / "a.pt", {"something": 1}))


def as_basicsr(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A rosinality state dict as BasicSR names it."""
    out = {}
    for name, tensor in state.items():
        if not name.endswith("kernel"):
            name = name.replace("input.input", "constant_input.weight").replace("noise_", "noise")
            name = name.replace("style.", "style_mlp.").replace("conv.", "modulated_conv.").replace(".noise.", ".")
            out[f"style_{name}" if name.startswith("conv") else name] = tensor
    return out


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state, w_avg: {"g": state, "latent_avg": w_avg, "g_optim": {}},
        lambda state, w_avg: {"params_ema": as_basicsr(state), "params": {}, "latent_avg": w_avg},
        lambda state, w_avg: {"g_ema": {f"module.{k}": t for k, t in state.items()}, "latent_avg": w_avg},
        lambda state, w_avg: {"g_ema": {f"module.generator.{k}": t for k, t in state.items()}, "latent_avg": w_avg},
        lambda state, w_avg: {**state, "latent_avg": w_avg},
        lambda state, w_avg: {"state_dict": state, "latent_avg": w_avg[None]},
        lambda state, w_avg: {
            "state_dict": {f"G_ema.{name}": t for name, t in state.items()}
            | {"generator.input.input": torch.ones(1), "discriminator.convs.0.weight": torch.ones(2)},
            "latent_avg": w_avg,
        },
        lambda state, w_avg: {"g_ema": state, "latent_avg": w_avg.numpy()},
        lambda state, w_avg: {"g_ema": state, "latent_avg": w_avg, "args": Namespace(ckpt=Path("/a/b.pt"), size=32)},
    ],
    ids=["jojogan", "basicsr", "parallel", "wrapped", "bare", "state_dict", "lightning", "numpy", "pathlib"],
)  # fmt: skip
def test_a_generator_is_found_wherever_it_is_stored(
    wrap: Callable[[dict[str, Tensor], Tensor], dict[str, Any]], tmp_path: Path
) -> None:
    generator = tiny_generator()
    found = recognised(save(tmp_path / "a.pt", wrap(as_rosinality(generator), generator.w_avg)))
    assert generator_of(found).fingerprint() == generator.fingerprint()
    assert found.note == ""


@pytest.mark.parametrize("prefix", ["", "g_ema."])
def test_a_generator_in_safetensors(prefix: str, tmp_path: Path) -> None:
    generator, path = tiny_generator(), tmp_path / "a.safetensors"
    state = {f"{prefix}{name}": tensor.clone() for name, tensor in as_rosinality(generator).items()}
    save_file(state | {"latent_avg": generator.w_avg.clone()}, path)
    assert generator_of(recognised(path)).fingerprint() == generator.fingerprint()


def test_safetensors_of_something_else_are_told_from_damaged_ones(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"model.layers.0.weight": torch.ones(2, 2)}, path)
    with pytest.raises(CheckpointError, match=r"^a\.safetensors is none of the checkpoints"):
        recognised(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="incomplete"):
        recognised(path)
    save_checkpoint(path, tiny_generator().state_dict(), {"config": GENERATOR.to_dict()})
    with pytest.raises(CheckpointError, match="in this project's format; use it directly"):
        recognised(path)


def test_the_noise_that_old_files_lack_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generator = tiny_generator()
    state = {name: tensor for name, tensor in as_rosinality(generator).items() if not name.startswith("noises.")}
    path = save(tmp_path / "550000.pt", {"g_ema": state, "latent_avg": generator.w_avg})
    assert main(["convert", str(path), "-o", str(tmp_path / "a.safetensors")]) == 0
    assert "550000.pt holds no noise, as old files do; it was drawn with the seed 0.\n" in capsys.readouterr().out
    tensors, stored = load_checkpoint(tmp_path / "a.safetensors")
    assert stored["origin"]["noise"] == "drawn with the seed 0"
    own = generator.state_dict()
    assert equal({k: t for k, t in own.items() if ".noise" not in k or "strength" in k},
                 {k: t for k, t in tensors.items() if not k.endswith(".noise")})  # fmt: skip
    assert tensors["convs.6.noise"].shape == (1, 1, 32, 32)
    assert 0.9 < tensors["convs.6.noise"].std() < 1.1
    again, _ = load_checkpoint(convert(path, tmp_path / "b.safetensors")[0])
    assert equal(tensors, again)


def test_paths_in_a_pickle_are_texts() -> None:
    windows = b"cpathlib\nWindowsPath\n(VC:\\\nVa\ntR."
    assert read(io.BytesIO(windows), "a.pkl") == "C:\\a"
    assert read(io.BytesIO(windows.replace(b"pathlib", b"pathlib._local")), "a.pkl") == "C:\\a"
    for protocol in range(2, 6):
        found = read(io.BytesIO(pickle.dumps({"a": PurePosixPath("/x/y"), "b": Path("z")}, protocol)), "a.pkl")
        assert found == {"a": "/x/y", "b": "z"}
    with pytest.raises(CheckpointError, match="damaged"):
        read(io.BytesIO(b"cpathlib\nPosixPath\n(I1\ntR."), "a.pkl")


def test_a_pickle_of_tensorflow_is_told_as_one() -> None:
    for pickled in (b"cdnnlib.tflib.network\nNetwork\n.", b"\x80\x03cdnnlib.tflib.network\nNetwork\n)\x81."):
        with pytest.raises(CheckpointError, match=r"^ffhq\.pkl is a network of TensorFlow, .* stylegan2-ffhq"):
            read(io.BytesIO(pickled), "ffhq.pkl")


def test_an_nvidia_generator_may_be_a_state_dict(tmp_path: Path) -> None:
    generator = tiny_generator()
    path = save(tmp_path / "a.pt", {"G_ema": as_nvidia(generator)})
    assert generator_of(recognised(path)).fingerprint() == generator.fingerprint()
    path = save(tmp_path / "a.pt", as_nvidia(generator))
    assert generator_of(recognised(path)).fingerprint() == generator.fingerprint()


def as_nvidia(generator: Generator) -> dict[str, Tensor]:
    """Its weights under the names and in the shapes of stylegan2-ada-pytorch."""
    names = {"mapping.layers.": "mapping.fc", "w_avg": "mapping.w_avg", "const": "synthesis.b4.const"}
    for i in range(7):
        names[f"convs.{i}."] = f"synthesis.b{4 * 2 ** ((i + 1) // 2)}.conv{(i + 1) % 2}."
    for i in range(4):
        names[f"to_rgbs.{i}."] = f"synthesis.b{4 * 2**i}.torgb."
    tensors = {}
    for name, tensor in generator.state_dict().items():
        old, new = next((old, new) for old, new in names.items() if name.startswith(old))
        if name.endswith(".noise"):
            tensors[name.replace(old, new) + "_const"] = tensor[0, 0]
        else:
            official = tensor[0] if name == "const" or name.endswith("noise_strength") else tensor
            tensors[name.replace(old, new)] = official
    return tensors


def test_an_nvidia_pickle_is_read_without_its_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The layout of torch_utils/persistence.py: every module pickles its source code beside its state."""

    def _reconstruct_persistent_obj(meta: dict[str, Any]) -> None:
        raise AssertionError("called")

    module = ModuleType("torch_utils.persistence")
    _reconstruct_persistent_obj.__module__ = module.__name__
    _reconstruct_persistent_obj.__qualname__ = "_reconstruct_persistent_obj"
    vars(module)["_reconstruct_persistent_obj"] = _reconstruct_persistent_obj
    monkeypatch.setitem(sys.modules, "torch_utils", ModuleType("torch_utils"))
    monkeypatch.setitem(sys.modules, module.__name__, module)

    class Persistent:
        def __init__(self, tensors: dict[str, Tensor]) -> None:
            groups: dict[str, dict[str, Tensor]] = {}
            for name, tensor in tensors.items():
                group, _, rest = name.rpartition(".") if name.count(".") < 2 else name.partition(".")
                groups.setdefault(group, {})[rest] = tensor
            self.state = {
                "_parameters": {name: torch.nn.Parameter(tensor) for name, tensor in groups.pop("", {}).items()},
                "_buffers": {"resample_filter": torch.ones(4, 4), "unset": None},
                "_modules": {name: Persistent(group) for name, group in groups.items()},
            }

        def __reduce__(self) -> tuple[Any, ...]:
            source = "raise RuntimeError('the source code was run')"
            return _reconstruct_persistent_obj, ({"type": "class", "module_src": source, "state": self.state},)

    generator = tiny_generator()
    path = tmp_path / "ffhq.pkl"
    path.write_bytes(pickle.dumps({"G": None, "D": None, "G_ema": Persistent(as_nvidia(generator))}, 3))
    found = recognised(path)
    assert found.settings["origin"]["format"] == "stylegan2-ada-pytorch"
    assert generator_of(found).fingerprint() == generator.fingerprint()


@torch.no_grad()
def test_the_tiny_rosinality_file_gives_the_official_pictures(shared: Path) -> None:
    numbers = np.load(shared / "golden" / "checkpoints_expected.npz")
    generator = generator_of(recognised(shared / "golden" / "checkpoints" / "rosinality_32_ch16_w64.pt"))
    z, w_plus = (torch.from_numpy(numbers[f"rosinality_32_ch16_w64/{name}"]) for name in ("z", "w_plus"))
    close(generator.synthesis(w_plus), numbers["rosinality_32_ch16_w64/img_wplus"], 2e-5)
    close(generator.synthesis(generator.map(z, 0.7)), numbers["rosinality_32_ch16_w64/img_z_trunc07"], 2e-5)


@torch.no_grad()
@pytest.mark.slow
def test_the_file_of_full_shape_gives_the_official_picture(shared: Path) -> None:
    numbers = np.load(shared / "golden" / "checkpoints_expected.npz")
    generator = generator_of(recognised(shared / "golden" / "checkpoints" / "rosinality_1024_full_shape.pt"))
    assert generator.config == GeneratorConfig()
    picture = generator.synthesis(torch.from_numpy(numbers["rosinality_1024_full_shape/w_plus"]))
    whole = numbers["rosinality_1024_full_shape/img_wplus__s16"]
    close(picture[:, :, ::16, ::16], whole, 3e-5)
    allowed = 3e-5 * np.abs(whole).max()
    for name, made in (("mean", picture.mean((2, 3))), ("std", picture.std((2, 3), correction=0))):
        assert np.abs(made.numpy() - numbers[f"rosinality_1024_full_shape/img_wplus__{name}"]).max() <= allowed


@torch.no_grad()
def test_the_nvidia_file_gives_the_official_pictures(shared: Path) -> None:
    numbers = np.load(shared / "golden" / "ada_expected.npz")
    generator = generator_of(recognised(shared / "golden" / "checkpoints" / "ada_32_stubbed.pkl"))
    z, ws = (torch.from_numpy(numbers[name]) for name in ("z", "ws"))
    close(generator.map(z, 0.7), numbers["mapped_ws_trunc07"], 1e-5)
    close(generator.synthesis(generator.map(z, 0.7)), numbers["img_z_trunc07"], 1e-5)
    close(generator.synthesis(ws), numbers["img_ws"], 1e-5)
    close(generator.synthesis(ws, noise="none"), numbers["img_ws_noise_none"], 1e-5)
    assert np.abs(generator.synthesis(ws).numpy() - numbers["img_ws_of_G_not_ema"]).max() > 0.1


@pytest.mark.slow
def test_a_full_size_generator_goes_through(tmp_path: Path) -> None:
    generator = Generator(GeneratorConfig()).requires_grad_(False)
    path = save(tmp_path / "a.pt", {"g_ema": as_rosinality(generator), "latent_avg": generator.w_avg + 0.5})
    assert path.stat().st_size > 120_000_000
    convert(path, tmp_path / "generator.safetensors")
    tensors, stored = load_checkpoint(tmp_path / "generator.safetensors")
    again = generator_of(ConvertedWeights(tensors, stored))
    assert again.config == generator.config
    assert equal(dict(generator.state_dict()) | {"w_avg": generator.w_avg + 0.5}, dict(again.state_dict()))


# --- encoders -----------------------------------------------------------------------------------------


def encoder_file(path: Path, kind: str, **changed: Any) -> Path:
    """An encoder of three rows; its tensors are views of one number."""
    with torch.device("meta"):
        config = E4eConfig(num_ws=3)
        encoder = E4e(config) if kind == "Encoder4Editing" else ReStyle(config, "psp", lambda ws: ws)
    state = {f"encoder.{k}": torch.zeros((), dtype=t.dtype).expand(t.shape) for k, t in encoder.state_dict().items()}
    latent_avg = state.pop("encoder.latent_avg")
    state |= {f"decoder.{name}": tensor for name, tensor in as_rosinality(tiny_generator()).items()}
    return save(path, {"state_dict": state, "opts": {"encoder_type": kind}, "latent_avg": latent_avg} | changed)


@pytest.mark.parametrize(
    ("official", "kind"),
    [("Encoder4Editing", "e4e"), ("BackboneEncoder", "restyle_psp"), ("ProgressiveBackboneEncoder", "restyle_e4e")],
)
def test_encoders_are_recognised(official: str, kind: str, tmp_path: Path) -> None:
    found = recognised(encoder_file(tmp_path / "a.pt", official, latent_avg=torch.arange(512.0)))
    assert found.settings["kind"] == kind
    assert E4eConfig(**found.settings["config"]) == E4eConfig(num_ws=3)
    assert found.tensors["input_layer.0.weight"].shape[1] == (3 if kind == "e4e" else 6)
    assert torch.equal(found.tensors["latent_avg"], torch.arange(512.0).expand(3, -1))


def test_other_encoders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"the kind 'GradualStyleEncoder', but only Encoder4Editing"):
        recognised(encoder_file(tmp_path / "a.pt", "GradualStyleEncoder"))
    with pytest.raises(CheckpointError, match=r"input_layer\.0\.weight is \(64, 6, 3, 3\) instead of \(64, 3, 3, 3\)"):
        recognised(encoder_file(tmp_path / "a.pt", "BackboneEncoder", opts={"encoder_type": "Encoder4Editing"}))
    options = {"encoder_type": "Encoder4Editing", "start_from_latent_avg": False}
    with pytest.raises(CheckpointError, match="without the mean w"):
        recognised(encoder_file(tmp_path / "a.pt", "Encoder4Editing", opts=options))


def test_the_decoder_of_an_encoder_is_a_generator(tmp_path: Path) -> None:
    generator = tiny_generator()
    held = {f"decoder.{name}": tensor for name, tensor in as_rosinality(generator).items()}
    found = _decoder({"state_dict": held, "latent_avg": generator.w_avg.expand(8, -1)}, "a.pt")
    assert generator_of(found).fingerprint() == generator.fingerprint()


@torch.no_grad()
@pytest.mark.slow
def test_the_e4e_file_gives_the_official_codes(shared: Path) -> None:
    numbers = np.load(shared / "golden" / "checkpoints_expected.npz")
    found = recognised(shared / "golden" / "checkpoints" / "e4e_opts_namespace.pt")
    with torch.device("meta"):
        encoder = E4e(E4eConfig(**found.settings["config"])).eval()
    encoder.load_state_dict(found.tensors, assign=True)
    assert np.array_equal(found.tensors["latent_avg"].numpy(), numbers["e4e/latent_avg"])
    rng = np.random.default_rng(int(numbers["e4e/image_seed"]))
    picture = torch.from_numpy(rng.uniform(-1, 1, (1, 3, 256, 256)).astype(np.float32))
    close(encoder(picture), numbers["e4e/w_plus"], 2e-5)


def test_both_ways_to_store_the_options_of_e4e(shared: Path) -> None:
    first, second = (content(shared / "golden" / "checkpoints" / f"e4e_opts_{x}.pt") for x in ("dict", "namespace"))
    assert isinstance(second["opts"], Record)
    assert first["opts"] == second["opts"]
    assert first["state_dict"].keys() == second["state_dict"].keys()


# --- HyperDomainNet -----------------------------------------------------------------------------------


def saved_base(folder: Path, config: GeneratorConfig) -> str:
    """A generator's file in the folder; its fingerprint."""
    generator = tiny_generator(config)
    save_checkpoint(folder / "generator.safetensors", generator.state_dict(), {"config": config.to_dict()})
    return generator.fingerprint()


def domain_file(path: Path, **changed: Any) -> Path:
    sizes = GeneratorConfig.official(16).domain_sizes
    state = {f"heads.conv_{i}.params_in": torch.randn(1, 1, size, 1, 1) for i, size in enumerate(sizes)}
    return save(path, {"model_type": "parameterization", "state_dict": state, "sg2_params": {"img_size": 16}} | changed)


@pytest.mark.parametrize("name", ["hdn_td_parameterization", "hdn_td_parameterization_dictconfig"])
def test_a_text_domain(name: str, request: pytest.FixtureRequest, shared: Path, tmp_path: Path) -> None:
    convert(find(f"{name}.pt", request), tmp_path / "anime.safetensors")
    domain = Domain.load(tmp_path / "anime.safetensors")
    heads = draw_weights(shared / "golden" / "manifest_parameterization_1024.json")
    vector = torch.cat([heads[f"heads.conv_{i}.params_in"].flatten() for i in range(17)])
    assert torch.equal(domain.vector, vector)
    assert (domain.order, domain.generator, domain.name, domain.method) == (
        "post_demod", "", name, "HyperDomainNet, text",
    )  # fmt: skip
    assert domain.sizes == tuple(GeneratorConfig().domain_sizes)
    domain.check("0123456789abcdef", GeneratorConfig())


def test_a_one_shot_domain(tmp_path: Path) -> None:
    path = HERE / "checkpoints" / "hdn_im2im_parameterization.pt"
    convert(path, tmp_path / "style.safetensors")
    domain, official = Domain.load(tmp_path / "style.safetensors"), torch.load(path, weights_only=True)
    assert torch.equal(domain.vector, torch.cat([head.flatten() for head in official["state_dict"].values()]))
    assert domain.method == "HyperDomainNet, one-shot"
    assert domain.style is not None
    assert torch.equal(domain.style, official["style_latents"][0])


def test_the_one_shot_rows_are_the_official_ones(shared: Path) -> None:
    numbers = np.load(shared / "golden" / "checkpoints_expected.npz")
    domain = recognised(HERE / "checkpoints" / "hdn_im2im_parameterization.pt")
    assert np.array_equal(domain.style.numpy(), numbers["hdn_im2im/style_latents"][0])


def test_a_domain_may_know_its_generator(tmp_path: Path) -> None:
    narrow = GeneratorConfig(16, (512,) * 3, z_dim=8, w_dim=8, mapping_layers=1)
    fingerprint = saved_base(tmp_path, narrow)
    convert(domain_file(tmp_path / "a.pt"), tmp_path / "a.safetensors", generator=tmp_path)
    assert Domain.load(tmp_path / "a.safetensors").generator == fingerprint
    saved_base(tmp_path, GENERATOR)
    with pytest.raises(CheckpointError, match=r"scales 2560 channels of 5 .* 32 px generator has 56 of 7"):
        convert(domain_file(tmp_path / "a.pt"), tmp_path / "a.safetensors", generator=tmp_path)
    with pytest.raises(CheckpointError, match="not a generator of this project"):
        convert(domain_file(tmp_path / "a.pt"), tmp_path / "b.safetensors", generator=tmp_path / "a.safetensors")


def test_other_domains_are_refused(tmp_path: Path) -> None:
    def refused(reason: str, **changed: Any) -> None:
        with pytest.raises(CheckpointError, match=reason):
            recognised(domain_file(tmp_path / "a.pt", **changed))

    refused("patches the generator by 'cin_delta'", patch_key="cin_delta")
    refused("the unknown kind 'other'", model_type="other")
    refused("which generator size", sg2_params={})
    refused("which generator size", sg2_params={"img_size": 2**70})
    refused(r"missing heads\.conv_5\.params_in", sg2_params={"img_size": 32})
    refused("unexpected heads", sg2_params={"img_size": 8})
    refused("style rows", style_latents=torch.zeros(2, 11, 512))
    refused("non-finite", style_latents=torch.full((1, 3, 8), torch.inf))
    refused("plain tensors", state_dict=None)
    assert recognised(domain_file(tmp_path / "a.pt", style_latents=None, patch_key="cin_mult")).style is None


def test_a_whole_generator_of_hyperdomainnet(tmp_path: Path) -> None:
    generator = tiny_generator()
    state = {f"generator.{name}": tensor for name, tensor in as_rosinality(generator).items()}
    found = recognised(save(tmp_path / "a.pt", {"model_type": "original", "state_dict": state, "da_type": "td"}))
    assert torch.equal(found.tensors["convs.3.weight"], generator.state_dict()["convs.3.weight"])


def test_a_narrow_mapper(tmp_path: Path) -> None:
    numbers = np.load(HERE / "mapper_narrow.npz")
    file: dict[str, Any] = {
        "model_type": "mapper", "state_dict": draw_weights(HERE / "manifest_tiny_mapper_narrow.json"),
        "da_type": "im2im", "mapper_config": {"mapper_type": "residual_channelin", "width": 16},
    }  # fmt: skip
    convert(save(tmp_path / "mapper.pt", file), tmp_path / "hypernet.safetensors")
    net = HyperNet.load(tmp_path / "hypernet.safetensors")
    assert (net.order, net.generator, net.clip, net.settings["input"]) == ("post_demod", "", "ViT-B-32", "picture")
    assert net.settings["origin"]["mapper_config"]["width"] == 16
    close(net(torch.from_numpy(numbers["embeddings"])), numbers["offsets_48"], 1e-5)
    good = file["state_dict"].copy()
    file["state_dict"]["heads.conv_0.in.0.input_block.0.weight"] = torch.tensor(1.0)
    with pytest.raises(CheckpointError, match=r"^mapper\.pt has a different architecture"):
        recognised(save(tmp_path / "mapper.pt", file))
    file["state_dict"] = {name: t for name, t in good.items() if name != "heads.conv_0.in.0.input_block.0.bias"}
    with pytest.raises(CheckpointError, match=r"^mapper\.pt cannot be used: .*missing"):
        recognised(save(tmp_path / "mapper.pt", file))


@pytest.mark.parametrize("name", ["dictconfig", "narrow_dict", "as_trainer_saves"])
def test_mappers_give_the_official_numbers(name: str, shared: Path) -> None:
    numbers = np.load(shared / "golden" / "checkpoints_expected.npz")
    net = recognised(shared / "golden" / "checkpoints" / f"hdn_td_mapper_{name}.pt")
    wide = name == "dictconfig"
    group, offsets = ("hdn_td_mapper", "offsets_6048") if wide else ("hdn_td_mapper_narrow", "offsets_48")
    with torch.no_grad():
        close(net(torch.from_numpy(numbers[f"{group}/embeddings"])), numbers[f"{group}/{offsets}"], 1e-5)
    assert net.settings["input"] == "text"
    assert net.settings["origin"]["mapper_config"]["mapper_type"] == "residual_channelin"


def test_both_ways_to_store_the_settings_of_a_mapper(shared: Path) -> None:
    first, second = (content(shared / "golden" / "checkpoints" / f"hdn_td_mapper_dict{x}.pt") for x in ("", "config"))
    assert equal(first["state_dict"], second["state_dict"])
    assert first["mapper_config"] == plain(first["mapper_config"]) == plain(second["mapper_config"])


# --- archives and directions --------------------------------------------------------------------------


def archive(path: Path, **files: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in files.items():
            file.writestr(name, data)
    return path


def test_the_published_archive_becomes_a_folder(tmp_path: Path) -> None:
    golden = HERE / "checkpoints"
    path = archive(tmp_path / "checkpoints.zip", **{
        "td_checkpoints/": b"",
        "td_checkpoints/anime.pt": (golden / "hdn_td_parameterization_dictconfig.pt").read_bytes(),
        "im2im_checkpoints/style 1.pt": (golden / "hdn_im2im_parameterization.pt").read_bytes(),
        "__MACOSX/._anime.pt": b"x",
        "README.md": b"hello",
    })  # fmt: skip
    out = tmp_path / "out"
    assert convert(path, out) == [
        out / "td_checkpoints" / "anime.safetensors", out / "im2im_checkpoints" / "style 1.safetensors",
    ]  # fmt: skip
    assert Domain.load(out / "td_checkpoints" / "anime.safetensors").name == "anime"
    with pytest.raises(CheckpointError, match="name a folder"):
        convert(path, tmp_path / "out.safetensors")


@pytest.mark.parametrize(
    "name", ["../a.pt", "/a.pt", "a/../../b.pt", "a\\b.pt", "C:/a.pt", "a//b.pt", ".hidden.pt", "a\n.pt"]
)
def test_an_archive_cannot_write_outside(name: str, tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", **{name: b"x"})
    with pytest.raises(CheckpointError, match=r"^a\.zip is refused: .* unsafe name"):
        convert(path, tmp_path / "out")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.zip"]


def test_a_bad_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path / "a.zip", **{"td/a.pt": (HERE / "checkpoints" / "malicious_zip.pt").read_bytes()})
    with pytest.raises(CheckpointError, match=r"^a\.pt is refused"):
        convert(path, tmp_path / "out")
    data = bytearray(path.read_bytes())
    data[200:300] = bytes(100)
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"'td/a\.pt' in a\.zip is damaged"):
        convert(path, tmp_path / "out")
    monkeypatch.setattr("stylize.convert.formats.MAX_UNPACKED", 1000)
    with pytest.raises(CheckpointError, match=r"^a\.zip would unpack to more than 1,000 bytes"):
        convert(path, tmp_path / "out")


def test_directions_of_every_file_kind(tmp_path: Path) -> None:
    age = np.random.default_rng(0).standard_normal((1, 512)).astype(np.float32)
    np.save(tmp_path / "age.npy", age)
    np.savez_compressed(tmp_path / "two.npz", smile=2 * age, pose=3 * age[0].astype(np.float64))
    save(tmp_path / "beard.pt", torch.from_numpy(4 * age))
    (tmp_path / "hair.pkl").write_bytes(pickle.dumps(5 * age, 2).replace(b"numpy._core", b"numpy.core"))  # NumPy 1
    (tmp_path / "more.pkl").write_bytes(pickle.dumps({"glasses": np.asfortranarray(6 * age)}, 4))
    files = [tmp_path / name for name in ("age.npy", "two.npz", "beard.pt", "hair.pkl", "more.pkl")]
    join_directions(files, tmp_path / "directions.safetensors")
    tensors = load_file(tmp_path / "directions.safetensors")
    for factor, name in enumerate(("age", "smile", "pose", "beard", "hair", "glasses"), 1):
        assert tensors[name].dtype == torch.float32
        close(tensors[name], factor * age[0], 1e-6)
    convert(tmp_path / "two.npz", tmp_path / "one.safetensors")
    assert load_checkpoint(tmp_path / "one.safetensors")[1]["kind"] == "directions"
    with pytest.raises(CheckpointError, match="Two files contain a direction called age"):
        join_directions([files[0], files[0]], tmp_path / "directions.safetensors")
    with pytest.raises(CheckpointError, match=r"^a\.pt contains no directions"):
        join_directions([files[0], domain_file(tmp_path / "a.pt")], tmp_path / "directions.safetensors")


def test_arrays_of_objects_and_bombs_are_refused(tmp_path: Path) -> None:
    path, out = tmp_path / "a.npy", tmp_path / "a.safetensors"
    for array in (np.array([io.StringIO], object), np.array(["a"]), np.zeros(400_000, np.float32)):
        np.save(path, array, allow_pickle=True)
        with pytest.raises(CheckpointError, match=r"^a\.npy (is damaged or holds no plain|is too large)"):
            convert(path, out)
    np.save(path, np.zeros((18, 512), np.float32))
    with pytest.raises(CheckpointError, match="none of the checkpoints"):
        convert(path, out)
    np.savez_compressed(tmp_path / "b.npz", a=np.zeros(10_000_000))
    with pytest.raises(CheckpointError, match="too large"):
        convert(tmp_path / "b.npz", out)


# --- the command --------------------------------------------------------------------------------------


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = HERE / "checkpoints" / "hdn_im2im_parameterization.pt", tmp_path / "a.safetensors"

    def run(*words: object) -> int:
        return main(["convert", *map(str, words)])

    assert run(path, "-o", out) == 0
    assert capsys.readouterr().out == f"wrote {out}\n"
    for words, reason in (
        ((path, "-o", tmp_path / "a.txt"), "the name must end in .safetensors"),
        ((path, "-o", tmp_path / "none" / "a.safetensors"), "there is no folder"),
        ((path, path, "-o", out), "contains no directions"),
        ((path, "-o", out, "--decoder", tmp_path / "b.safetensors"), "contains no decoder"),
        ((path, "-o", out, "--generator", tmp_path / "no.safetensors"), "There is no file"),
        ((tmp_path / "no.pt", "-o", out), "There is no file"),
        ((path,), "required"),
    ):
        assert run(*words) == 2
        error = capsys.readouterr().err
        assert reason in error
        assert error.count("\n") == 1
