"""Walks between domains, and the files they are written to."""

from __future__ import annotations

import itertools
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image
from test_domain import CONFIG, make

from stylize.errors import StylizeError
from stylize.models.domain import interpolate
from stylize.video.morph import path, save_moving


def test_a_path_goes_through_all_its_domains() -> None:
    a, b, c = make(seed=1), make(seed=2), make(seed=3)
    domains = list(path([a, b, c], 9))
    assert len(domains) == 9
    for made, wanted in zip((domains[0], domains[4], domains[8]), (a, b, c), strict=True):
        torch.testing.assert_close(made.vector, wanted.vector)
    steps = [float((x.vector - y.vector).norm()) for x, y in itertools.pairwise(domains)]
    assert max(steps) < 0.7 * float((a.vector - b.vector).norm())
    assert not next(iter(path([a], 4))).vector.any()


@pytest.mark.parametrize("frames", [1, 601])
def test_too_few_and_too_many_frames_are_refused(frames: int) -> None:
    with pytest.raises(StylizeError, match="choose from"):
        list(path([make(), make(seed=1)], frames))


def test_spherical_interpolation_keeps_the_length() -> None:
    a, b = make(seed=1), make(seed=2)
    b = b * float(a.vector.norm() / b.vector.norm())
    half, straight = interpolate(a, b, 0.5, spherical=True), interpolate(a, b, 0.5)
    torch.testing.assert_close(half.vector.norm(), a.vector.norm())
    assert straight.vector.norm() < 0.9 * a.vector.norm()
    torch.testing.assert_close(interpolate(a, a, 0.3, spherical=True).vector, a.vector)
    assert torch.equal(interpolate(a * 0.0, b, 1.0, spherical=True).vector, b.vector)
    assert CONFIG.domain_dim == len(half.vector)


@pytest.mark.parametrize("suffix", [".mp4", ".gif", ".webp"])
def test_files_hold_every_frame(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (65, 48), (40 * i, 255 - 40 * i, 90)) for i in range(6)]
    out = tmp_path / f"walk{suffix}"
    save_moving(frames, out, fps=12)
    if suffix == ".mp4":
        with av.open(str(out)) as file:
            read = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
        assert len(read) == 6
        assert read[0].shape == (48, 64, 3)
        assert np.abs(read[-1].mean((0, 1)) - (200, 55, 90)).max() < 8
    else:
        with Image.open(out) as image:
            assert image.n_frames == 10  # type: ignore[attr-defined]  # there and back


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StylizeError, match=r"\.mp4, \.gif, \.webp"):
        save_moving([Image.new("RGB", (8, 8))], tmp_path / "walk.avi")
