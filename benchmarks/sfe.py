"""The cost of feature-space inversion at full size compared with e4e alone: reading a photo, and following a slider.

All steps are timed alternately, so that other work on the machine affects all of them; *work* is the CPU time of one
core, which other programs do not affect. The weights are random; the time does not depend on them. The largest
difference is between pictures in the product's dtype and in float32, relative to the largest value.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.generate import build, in_turns, memory, memory_before, report
from stylize.loading import pick_device
from stylize.models.code import Code
from stylize.models.e4e import E4e, E4eConfig
from stylize.models.generator import Generator, fast_dtype
from stylize.models.sfe import Sfe, SfeConfig

PARAMETERS = ("inverter", "editor", "e4e")


def model(device: torch.device) -> tuple[Sfe, Generator, Tensor]:
    """(encoder, its generator of 1024 px, a domain vector), all random."""
    generator, _, vector = build(1024, device)
    config = SfeConfig()
    generator.config = replace(generator.config, inject=config.inject)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        sfe = Sfe(config, generator)
        sfe.e4e = E4e(E4eConfig())
    generator.edit = sfe.edit
    return sfe.eval().requires_grad_(False).to(device), generator, vector


def work(step: Callable[[], Any], repeats: int) -> float:
    """Median seconds of one core."""
    threads, times = torch.get_num_threads(), []
    torch.set_num_threads(1)
    for _ in range(repeats):
        start = time.thread_time()
        step()
        times.append(time.thread_time() - start)
    torch.set_num_threads(threads)
    return statistics.median(times)


def megabytes(code: Code) -> float:
    """The size of a photo's code beside its W+."""
    assert code.inversion is not None
    kept = [getattr(code.inversion, part.name) for part in fields(code.inversion)]
    return sum(tensor.nbytes for tensor in kept if tensor is not None) / 1e6


@torch.no_grad()
def measure(args: argparse.Namespace) -> dict[str, Any]:
    device = pick_device(args.device)
    sfe, generator, vector = model(device)
    assert sfe.e4e is not None
    assert sfe.editor is not None
    e4e, editor, dtype = sfe.e4e, sfe.editor, fast_dtype(device)
    picture = torch.rand(1, 3, 1024, 1024, device=device) * 2 - 1
    sfe.dtype = dtype
    peaks: dict[str, float] = {}

    def first(name: str, step: Callable[[], Any]) -> Any:
        """A first call, and its memory beyond what is in use, including the weights it reads."""
        before = memory_before() if device.type == "cpu" else 0
        made = step()
        if device.type == "cpu":
            peaks[name] = (memory("VmHWM") - before) / 1e6
        return made

    code = first("encode", lambda: sfe(picture))
    drawn = first("slider", lambda: generator.synthesis(code, vector, dtype=dtype))
    assert code.inversion is not None
    fused, ws = code.inversion.fused, code.alone
    lower, rgb = generator.lower(ws, vector, dtype=dtype)
    steps: dict[str, Callable[[], Any]] = {
        "encode": lambda: sfe(picture),
        "encode_e4e": lambda: e4e(sfe.small(picture)),
        "slider": lambda: generator.synthesis(code, vector, dtype=dtype),
        "slider_e4e": lambda: generator.synthesis(ws, vector, dtype=dtype),
        "inversion": lambda: generator.synthesis(code, dtype=dtype),
        "lower": lambda: generator.lower(ws, vector, dtype=dtype),
        "editor": lambda: editor(fused, fused),
        "upper": lambda: generator.upper(lower, rgb, ws, vector),
    }
    times = in_turns(steps, args.repeats, device)
    sfe.dtype = torch.float32
    exact = generator.synthesis(sfe(picture), vector)
    results: dict[str, Any] = {
        "dtype": str(dtype).removeprefix("torch."),
        "seconds": times,
        "encode_by_e4e": times["encode"] / times["encode_e4e"],
        "slider_by_e4e": times["slider"] / times["slider_e4e"],
        "largest_difference": float((drawn - exact).abs().max() / exact.abs().max()),
        "mean_difference": float((drawn - exact).abs().mean() / exact.abs().mean()),
        "code_mb": megabytes(code),
        "light_code_mb": megabytes(code.light()),
        "weights_mb": {
            name: sum(tensor.nbytes for tensor in getattr(sfe, name).state_dict().values()) / 1e6 for name in PARAMETERS
        },
    }
    if device.type == "cpu":
        sfe.dtype = dtype
        results["peak_mb"] = peaks
        results["work"] = {name: work(steps[name], args.repeats) for name in ("encode", "encode_e4e", "slider")}
    return results


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sfe", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    parser.add_argument("--device", help="cpu, cuda, ... (default: the best there is)")
    parser.add_argument("--repeats", type=int, default=5, help="rounds to take the median of")
    args = parser.parse_args()
    report(measure(args), pick_device(args.device), args.json)


if __name__ == "__main__":
    main()
