"""The benchmark of adaptation: its published way is the same function, and it measures what it says."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest
import torch
from tiny import save_tiny_model

pytest.importorskip("benchmarks._reference")

from benchmarks import adapt


def test_it_compares_like_with_like(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapt, "probe", lambda name, args: {"published": 2e6, "stylize": 1e6}[name])
    args = Namespace(
        model=str(save_tiny_model(tmp_path)), resolution=None, device="cpu", steps=6, batch=2, every=2, threads=None
    )
    job = adapt.build(args)
    vector = torch.randn(job.generator.config.domain_dim, generator=torch.Generator().manual_seed(0)) * 0.2
    ws = job.faces(2, seed=0)
    torch.testing.assert_close(adapt.drawn(job.generator, ws, vector), job.generator.synthesis(ws, vector))
    results = adapt.measure(args)
    assert results["share_of_memory"] == 0.5
    assert results["times_faster"] > 0
    for name in adapt.WAYS:
        assert 0 <= results[name]["final_loss"] <= 2
    assert results["published"]["steps_to_published_loss"] is not None
    assert adapt.resident("VmRSS") > 0
