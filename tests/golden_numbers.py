"""Weights drawn again from a manifest: key names, shapes, rules, a seed, and a checksum for every tensor."""

from __future__ import annotations

import json
import math
import re
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

HERE = Path(__file__).parent / "golden"


def draw_weights(manifest: Path) -> dict[str, Tensor]:
    """The state dict that a manifest describes; its checksums tell a differing random generator apart."""
    content = json.loads(manifest.read_text())
    rng = np.random.default_rng(content["seed"])
    out: dict[str, Tensor] = {}
    for name in sorted(content["tensors"]):
        spec = content["tensors"][name]
        array = np.asarray(_draw(rng, spec["shape"], spec["rule"]))
        assert f"{zlib.crc32(array.tobytes()):08x}" == spec["crc32"], f"{name} was drawn differently"
        out[name] = torch.from_numpy(array)
    return out


def _draw(rng: np.random.Generator, shape: list[int], rule: str) -> np.ndarray:
    if rule == "zero_int64":
        return np.zeros(shape, np.int64)
    if rule.startswith("fir"):
        taps = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32)
        return taps / taps.sum() * np.float32(rule.split("*")[1])
    normal = rng.standard_normal(shape, dtype=np.float32)
    if match := re.fullmatch(r"([\d.]+)\+\|n\|", rule):
        return np.float32(match[1]) + np.abs(normal)
    match = re.fullmatch(r"(?:([\d.]+)\+)?n(/sqrt\(fan_in\))?\*([\d.]+)", rule)
    assert match, f"unknown rule {rule!r}"
    factor = float(match[3]) / (math.sqrt(math.prod(shape[1:])) if match[2] else 1)
    array = np.float32(factor) * normal
    return array if match[1] is None else np.float32(match[1]) + array
