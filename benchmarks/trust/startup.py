"""The time from process start to the first page, and the server's memory; alternating with bare imports of PyTorch and
Gradio, so that the ratio is meaningful on a busy machine too."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

from benchmarks.trust import ROOT, Budget, Row, pages

CUDA = (
    "cublas",
    "cudnn",
    "cufft",
    "cusolver",
    "cusparse",
    "nvrtc",
    "nvJitLink",
    "nccl",
    "nvshmem",
    "torch_cuda",
    "cupti",
)
FLOOR = "import torch, gradio; open('/proc/self/stat')"
SETTLED = 5.0  # seconds without growth of memory


def floor() -> tuple[float, float]:
    """(wall-clock seconds, CPU seconds) of importing PyTorch and Gradio in a fresh process."""
    before, began = os.times(), time.monotonic()
    subprocess.run([sys.executable, "-c", FLOOR], cwd=ROOT, check=True)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return time.monotonic() - began, used


def torch_alone() -> float:
    """Resident megabytes of a process that has only imported PyTorch."""
    code = "import torch; print(open('/proc/self/statm').read().split()[1])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    return int(done.stdout) * os.sysconf("SC_PAGE_SIZE") / 2**20


def settled(page: pages.Served, most: float = 90.0) -> float:
    """The page's megabytes once the examples are open and memory no longer grows."""
    until, last, since = time.monotonic() + most, 0.0, time.monotonic()
    while time.monotonic() < until:
        now = pages.memory(page.process.pid)
        if abs(now - last) > 4:
            last, since = now, time.monotonic()
        if time.monotonic() - since > SETTLED and idle(page):
            return now
        time.sleep(0.5)
    return pages.memory(page.process.pid)


def idle(page: pages.Served) -> bool:
    before = pages.processor(page.process.pid)
    time.sleep(1.0)
    return pages.processor(page.process.pid) - before < 0.3


def measure(budget: Budget) -> list[Row]:
    until = time.monotonic() + budget.seconds
    floors: list[tuple[float, float]] = []
    firsts: list[float] = []
    used: list[float] = []
    first_mb: list[float] = []
    settled_mb: list[float] = []
    cuda_mb: list[float] = []
    while not firsts or (time.monotonic() < until and len(firsts) < 5):
        floors.append(floor())
        with pages.served() as page:
            firsts.append(page.first_page_s)
            used.append(page.processor_s)
            first_mb.append(pages.memory(page.process.pid))
            settled_mb.append(settled(page))
            cuda_mb.append(pages.mapped(page.process.pid, CUDA))
    wall, floor_wall = statistics.median(firsts), statistics.median(wall for wall, _ in floors)
    spent, floor_spent = statistics.median(used), statistics.median(spent for _, spent in floors)
    memory, cuda, alone = statistics.median(settled_mb), statistics.median(cuda_mb), torch_alone()
    figures = {
        "repeats": len(firsts), "first_page_s": wall, "first_page_processor_s": spent,
        "imports_s": floor_wall, "imports_processor_s": floor_spent, "times_the_imports": spent / floor_spent,
    }  # fmt: skip
    sizes = {
        "first_page_mb": statistics.median(first_mb), "server_mb": memory, "cuda_libraries_mb": cuda,
        "torch_alone_mb": alone, "without_cuda_libraries_mb": memory - cuda,
    }  # fmt: skip
    return [
        Row(
            "startup",
            "first page",
            f"{spent:.1f} s of the processor ({wall:.1f} s by the clock), {spent / floor_spent:.2f} times its imports",
            "below 5 s",
            spent < 5,
            figures,
            f"importing PyTorch and Gradio alone takes {floor_spent:.1f} s of the processor",
        ),
        Row(
            "startup",
            "server memory, examples open",
            f"{memory:.0f} MB, {memory - cuda:.0f} MB without CUDA's libraries",
            "below 800 MB",
            memory < 800,
            sizes,
            f"PyTorch alone is {alone:.0f} MB; of its build for CUDA {cuda:.0f} MB are libraries that no CPU uses",
        ),
    ]
