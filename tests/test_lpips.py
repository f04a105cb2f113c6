"""LPIPS against numbers of its own package (lpips 0.1.4) on random weights, and its files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from golden_numbers import HERE, draw_weights

from stylize.convert.formats import convert
from stylize.errors import CheckpointError
from stylize.models.lpips import FILES, Lpips


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both files, converted from what torchvision and the package hold."""
    folder = tmp_path_factory.mktemp("lpips")
    weights = draw_weights(HERE / "manifest_lpips.json")
    vgg = {name: tensor for name, tensor in weights.items() if name.startswith("features.")}
    torch.save(vgg | {"classifier.0.bias": torch.zeros(4096)}, folder / "vgg16-397923af.pth")
    heads = {name: tensor for name, tensor in weights.items() if name.startswith("lin")}
    torch.save(heads, folder / "vgg.pth", _use_new_zipfile_serialization=False)
    for source, target in zip(("vgg16-397923af.pth", "vgg.pth"), FILES, strict=True):
        convert(folder / source, folder / target)
    return folder


def test_it_agrees_with_its_own_package(folder: Path) -> None:
    rng = np.random.default_rng(1501)
    a, b = (torch.from_numpy(rng.uniform(-1, 1, (3, 3, 48, 48)).astype(np.float32)) for _ in range(2))
    b[1], b[2] = a[1], a[2] * 0.9
    model = Lpips.load(folder)
    assert model is not None
    expected = torch.tensor([1.2883819341659546, 0.0, 0.002743589458987117])
    torch.testing.assert_close(model.distance(model.maps(a), model.maps(b)), expected, rtol=1e-4, atol=1e-7)


def test_black_pictures_have_a_gradient(folder: Path) -> None:
    model = Lpips.load(folder)
    assert model is not None
    picture = torch.zeros(1, 3, 32, 32, requires_grad=True)
    model.distance(model.maps(picture), model.maps(picture.detach())).sum().backward()
    assert picture.grad is not None
    assert picture.grad.isfinite().all()


def test_one_file_alone_is_not_enough(folder: Path, tmp_path: Path) -> None:
    assert Lpips.load(tmp_path) is None
    (tmp_path / FILES[0]).write_bytes((folder / FILES[0]).read_bytes())
    assert Lpips.load(tmp_path) is None


def test_files_of_other_networks_are_refused(tmp_path: Path) -> None:
    torch.save({"features.0.weight": torch.zeros(64, 3, 11, 11)}, tmp_path / "alexnet.pth")
    with pytest.raises(CheckpointError, match=r"alexnet\.pth has a different architecture"):
        convert(tmp_path / "alexnet.pth", tmp_path / "out.safetensors")
