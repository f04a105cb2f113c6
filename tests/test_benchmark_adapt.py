"""The benchmark of adaptation: its published way is the same function, and it measures what it says."""

from __future__ import annotations

from argparse import Namespace
from functools import partial
from pathlib import Path

import pytest
import torch
from tiny import save_tiny_model

from benchmarks import _reference, adapt
from benchmarks.generate import memory


@pytest.mark.slow
def test_it_compares_like_with_like(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapt, "probe", lambda name, args: {"published": 2e6, "stylize": 1e6}[name])
    args = Namespace(
        model=str(save_tiny_model(tmp_path)), resolution=None, device="cpu", steps=6, batch=2, every=2, threads=None
    )
    job = adapt.build(args)
    gradients = []
    for synthesis in (job.generator.synthesis, partial(_reference.synthesis, job.generator)):
        vector = torch.full((job.generator.config.domain_dim,), 0.1, requires_grad=True)
        pictures = synthesis(job.faces(2, seed=0), vector)
        gradients.append(torch.autograd.grad(pictures.square().mean(), vector)[0])
    torch.testing.assert_close(*gradients)
    results = adapt.measure(args)
    assert results["share_of_memory"] == 0.5
    assert results["times_faster"] > 0
    for name in adapt.METHODS:
        assert 0 <= results[name]["final_loss"] <= 2
    assert results["published"]["steps_to_published_loss"] is not None
    assert memory("VmRSS") > 0
