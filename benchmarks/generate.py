"""Speed and memory of the generator at full size compared with the published implementation, in one run.

The two are timed alternately, so that other work on the machine affects both. Memory and loading are measured in
separate processes. The weights are random; the time does not depend on them.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks import _reference
from stylize.loading import pick_device
from stylize.models.checkpoints import save_checkpoint
from stylize.models.generator import Generator, GeneratorConfig, fast_dtype

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
Draw = Callable[[], Tensor]


def build(resolution: int, device: torch.device) -> tuple[Generator, Tensor, Tensor]:
    """(generator with active noise, ws (1, num_ws, w_dim), domain vector), all random."""
    config = GeneratorConfig.official(resolution)
    rng = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generator = Generator(config).eval().requires_grad_(False)
    for name, parameter in generator.named_parameters():
        if name.endswith("noise_strength"):
            parameter.fill_(0.1)
    ws = torch.randn(1, config.num_ws, config.w_dim, generator=rng)
    vector = 0.1 * torch.randn(config.domain_dim, generator=rng)
    return generator.to(device), ws.to(device), vector.to(device)


def seconds(draw: Callable[[], Any], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    draw()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def in_turns(draws: dict[str, Draw], repeats: int, device: torch.device) -> dict[str, float]:
    """Median seconds of each, timed alternately after one warm-up call."""
    times: dict[str, list[float]] = {name: [] for name in draws}
    for turn in range(repeats + 1):
        for name, draw in draws.items():
            spent = seconds(draw, device)
            if turn:
                times[name].append(spent)
    return {name: statistics.median(values) for name, values in times.items()}


def flops(config: GeneratorConfig) -> float:
    """Operations (two per multiply-add) of the convolutions of one picture, including ToRGB, as in the paper: an
    up-sampling convolution counts at the lower resolution."""
    total = 0
    for i, (c_in, c_out) in enumerate(config.conv_widths):
        side = 4 * 2 ** (i // 2)  # of its input
        total += 2 * 9 * c_in * c_out * side**2
    return float(total + sum(2 * 3 * width * (4 * 2**i) ** 2 for i, width in enumerate(config.channels)))


def matmul_speed(dtype: torch.dtype, device: torch.device) -> float:
    """Operations per second of the machine's own matrix product, the best of several."""
    size = 8192 if device.type == "cuda" else 2048
    a = torch.randn(size, size, device=device).to(dtype)
    return 2 * size**3 / min(seconds(lambda: a @ a, device) for _ in range(8))


def memory(kind: str) -> int:
    """Bytes of memory this process uses now (VmRSS) or used at most (VmHWM). Linux only."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(kind)) * 1024


def memory_before() -> int:
    """The memory in use now; resets the peak."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    return memory("VmRSS")


def drawer(name: str, generator: Generator, ws: Tensor, vector: Tensor) -> Draw:
    """ "reference", or the product in the dtype of that name."""
    if name == "reference":
        return lambda: _reference.synthesis(generator, ws, vector)
    return torch.no_grad()(lambda: generator.synthesis(ws, vector, dtype=DTYPES[name]))


def captured(draw: Draw) -> Draw:
    """The same as a CUDA graph."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            draw()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        picture = draw()

    def replay() -> Tensor:
        graph.replay()
        return picture

    return replay


def time_in_convolutions(draw: Draw) -> float:
    """The share of the CPU's time in one picture that its convolutions and matrix products take."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        draw()
    spent = {event.key: event.self_cpu_time_total for event in profile.key_averages()}
    inside = sum(time for key, time in spent.items() if any(word in key for word in ("conv", "addmm", "bmm")))
    return inside / sum(spent.values())


# Run in a separate process.


def probe_memory(name: str, args: argparse.Namespace) -> dict[str, float]:
    """Peak memory of drawing one picture, beyond the generator and its inputs."""
    device = pick_device(args.device)
    draw = drawer(name, *build(args.resolution, device))
    if device.type == "cuda":
        before = torch.cuda.memory_allocated()
        draw()
        return {"bytes": torch.cuda.max_memory_allocated() - before}
    before = memory_before()
    draw()
    return {"bytes": memory("VmHWM") - before}


def probe_loading(file: str, args: argparse.Namespace) -> dict[str, float]:
    """Seconds and memory to load a generator from a file to the device, including its fingerprint."""
    device = pick_device(args.device)
    before, start = memory_before(), time.perf_counter()
    generator = Generator.load(file).eval().requires_grad_(False)
    generator.fingerprint()
    generator.to(device)
    return {"seconds": time.perf_counter() - start, "bytes": memory("VmHWM") - before}


def probe(kind: str, what: str, args: argparse.Namespace) -> dict[str, float]:
    """Runs one of the two above in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.generate", "--probe", kind, what]
    for name in ("resolution", "device", "threads"):
        if (value := getattr(args, name)) is not None:
            command += [f"--{name}", str(value)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def loading(args: argparse.Namespace) -> dict[str, float]:
    generator, _, _ = build(args.resolution, torch.device("cpu"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "generator.safetensors"
        save_checkpoint(path, generator.state_dict(), {"config": generator.config.to_dict()})
        size = path.stat().st_size
        runs = [probe("loading", str(path), args) for _ in range(3)]
    median = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    return {"seconds": median["seconds"], "file_mb": size / 1e6, "peak_of_file": median["bytes"] / size}


def domains(generator: Generator, ws: Tensor, vector: Tensor, args: argparse.Namespace) -> dict[str, float]:
    """Another domain of the same face, and ``args.batch`` domains of it at once, in the default dtype."""
    device, rng = ws.device, torch.Generator().manual_seed(1)
    others = iter(torch.randn(1000, *vector.shape, generator=rng).mul(0.1).to(device))
    batch = torch.stack([next(others) for _ in range(args.batch)])
    many, dtype = ws.expand(args.batch, -1, -1), fast_dtype(device)
    draws: dict[str, Draw] = {
        "same_s": lambda: generator.synthesis(ws, vector, dtype=dtype),
        "another_s": lambda: generator.synthesis(ws, next(others), dtype=dtype),
        "batch_s": lambda: generator.synthesis(many, batch, dtype=dtype),
    }
    with torch.no_grad():
        times = in_turns(draws, args.repeats, device)
    return {**times, "batch": args.batch, "batch_s_per_picture": times["batch_s"] / args.batch}


def measure(args: argparse.Namespace) -> dict[str, Any]:
    device = pick_device(args.device)
    generator, ws, vector = build(args.resolution, device)
    default = str(fast_dtype(device)).removeprefix("torch.")
    names = list(dict.fromkeys(["reference", "float32", default]))
    draws = {name: drawer(name, generator, ws, vector) for name in names}
    pictures = {name: draw() for name, draw in draws.items()}
    if args.compile:
        compiled = torch.compile(generator.synthesis)
        draws["compiled"] = torch.no_grad()(lambda: compiled(ws, vector, dtype=DTYPES[default]))
        pictures["compiled"] = draws["compiled"]()
    if device.type == "cuda":
        draws["cuda_graph"] = captured(draws[default])
        pictures["cuda_graph"] = draws["cuda_graph"]().clone()
    times = in_turns(draws, args.repeats, device)
    speed = {name: matmul_speed(DTYPES[name], device) for name in names if name in DTYPES}
    work = flops(generator.config)
    rows: dict[str, Any] = {}
    for name, spent in times.items():
        off = (pictures[name] - pictures["reference"]).abs()
        own = speed[name if name in speed else "float32" if name == "reference" else default]
        rows[name] = {
            "seconds": spent,
            "pictures_per_second": 1 / spent,
            "times_faster": times["reference"] / spent,
            "share_of_matmul_speed": work / spent / own,
            "max_difference": off.max().item(),
            "mean_difference": off.mean().item(),
        }
        if device.type == "cpu" and name in names:
            rows[name]["time_in_convolutions"] = time_in_convolutions(draws[name])
        if name in names and sys.platform == "linux":
            rows[name]["peak_mb"] = probe("memory", name, args)["bytes"] / 1e6
    return {
        "resolution": args.resolution,
        "default": default,
        "gflop": work / 1e9,
        "matmul_gflops_per_second": {name: value / 1e9 for name, value in speed.items()},
        "largest_value": pictures["reference"].abs().max().item(),
        "generators": rows,
        "domains": domains(generator, ws, vector, args),
        "loading": loading(args) if sys.platform == "linux" else None,
    }


def provenance(device: torch.device) -> dict[str, Any]:
    """The provenance of the figures: command, commit, device, date and load average."""
    git = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    cpu = f"{platform.machine()} CPU ({torch.backends.cpu.get_cpu_capability()}), {torch.get_num_threads()} threads"
    return {
        "command": " ".join([f"python -m benchmarks.{Path(sys.argv[0]).stem}", *sys.argv[1:]]),
        "commit": git.stdout.strip() or None,
        "device": torch.cuda.get_device_name() if device.type == "cuda" else cpu,
        "date": datetime.date.today().isoformat(),
        "torch": torch.__version__,
        "load_average": os.getloadavg()[0],
    }


def rounded(value: Any) -> Any:
    """Rounds floats to four significant digits, to keep the files readable."""
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


def report(results: dict[str, Any], device: torch.device, path: Path | None) -> None:
    """Prints the figures with their provenance, and writes them to ``path``."""
    text = json.dumps(rounded({**provenance(device), "results": results}), indent=1)
    print(text)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generate", description=__doc__)
    parser.add_argument("--resolution", type=int, default=1024, choices=[2**level for level in range(5, 11)])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    parser.add_argument("--device", help="cpu, cuda, ... (default: the best there is)")
    parser.add_argument("--repeats", type=int, default=5, help="rounds to take the median of")
    parser.add_argument("--threads", type=int, help="of the CPU (default: PyTorch's)")
    parser.add_argument("--batch", type=int, default=4, help="domains of one face that are drawn at once")
    parser.add_argument("--compile", action="store_true", help="measure torch.compile too, which takes minutes first")
    parser.add_argument("--probe", nargs=2, metavar=("KIND", "WHAT"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.probe:
        kind, what = args.probe
        print(json.dumps({"memory": probe_memory, "loading": probe_loading}[kind](what, args)))
        return
    report(measure(args), pick_device(args.device), args.json)


if __name__ == "__main__":
    main()
