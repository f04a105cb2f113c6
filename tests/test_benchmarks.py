"""The reference of the benchmarks draws what the product draws, and the command runs."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import PATIENCE
from test_generator import CONFIG, inputs, tiny

from benchmarks import _reference
from benchmarks.generate import flops
from stylize.models.generator import Generator, GeneratorConfig
from stylize.models.layers import Order

ROOT = Path(__file__).parent.parent


@torch.no_grad()
@pytest.mark.parametrize("order", ["pre_demod", "post_demod"])
@pytest.mark.parametrize("per_sample", [False, True])
def test_the_published_form_draws_the_same_picture(order: Order, per_sample: bool) -> None:
    generator, (ws, domain) = tiny(), inputs()
    vector = torch.stack([domain, -domain]) if per_sample else domain
    published, ours = _reference.synthesis(generator, ws, vector, order), generator.synthesis(ws, vector, order)
    assert float((published - ours).abs().max() / published.abs().max()) < 1e-5
    published, ours = _reference.synthesis(generator, ws), generator.synthesis(ws)
    assert float((published - ours).abs().max() / published.abs().max()) < 1e-5


@torch.no_grad()
def test_the_published_form_draws_a_model_with_patterns_of_place() -> None:
    torch.manual_seed(0)
    config = replace(CONFIG, patterns=(0, 0, *[2] * (len(CONFIG.channels) - 2)), rgb_from=8)
    generator, ws = Generator(config).eval(), inputs()[0]
    vector = 0.1 * torch.randn(config.domain_dim)
    published, ours = _reference.synthesis(generator, ws, vector), generator.synthesis(ws, vector)
    assert float((published - ours).abs().max() / published.abs().max()) < 1e-5


def test_the_work_of_a_picture() -> None:
    by_hand = 2 * 9 * (12 * 12 * 16 + 12 * 10 * 16 + 10 * 10 * 64 + 10 * 8 * 64 + 8 * 8 * 256 + 8 * 6 * 256 + 36 * 1024)
    assert flops(CONFIG) == by_hand + 2 * 3 * (12 * 16 + 10 * 64 + 8 * 256 + 6 * 1024)
    assert flops(GeneratorConfig.official()) == pytest.approx(148e9, rel=0.02)


@pytest.mark.slow
def test_the_command_writes_its_figures(tmp_path: Path) -> None:
    file = tmp_path / "generate.json"
    command = [sys.executable, "-m", "benchmarks.generate", "--resolution", "32", "--repeats", "1", "--json", str(file)]
    subprocess.run([*command, "--device", "cpu"], cwd=ROOT, check=True, capture_output=True, timeout=PATIENCE)
    figures = json.loads(file.read_text())
    assert {"command", "commit", "device", "date", "load_average"} < figures.keys()
    assert figures["results"]["generators"]["float32"]["max_difference"] < 1e-3
    assert figures["results"]["domains"]["batch_s"] > 0
