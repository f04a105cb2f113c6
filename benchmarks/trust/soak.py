"""A visitor per second: the growth of the server's memory per visitor, as the slopes of two lines: of what is resident,
and of what is in use. Most of the difference is freed memory that the C library keeps."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.trust import Budget, Row, pages
from benchmarks.trust.startup import settled
from benchmarks.trust.visitors import Visitor

AT_ONCE = 8  # at most this many at once on a slow machine
LIMIT = 20.0  # MB per thousand visitors
WORK = ("photo", "slider", "mix", "invert")

# Executed in the server (glibc and CPython): every five seconds it writes into the log how many bytes malloc has handed
# out, in all its arenas and by mapping. CPython's own allocator for small objects writes the same into the log.
WATCH = """
import ctypes, sys, threading, time

class Allocated(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")]

def watch():
    mallinfo = ctypes.CDLL(None).mallinfo2
    mallinfo.restype = Allocated
    while True:
        time.sleep(5)
        found = mallinfo()
        sys._debugmallocstats()
        print("# bytes in use =", found.uordblks + found.hblkhd, file=sys.stderr, flush=True)

threading.Thread(target=watch, daemon=True).start()
"""


def measure(budget: Budget) -> list[Row]:
    with pages.served(WATCH) as page:
        settled(page)
        for turn in range(8):  # its caches fill
            Visitor(0, 1, page.address, WORK).do(WORK[turn % len(WORK)], turn)
        free, errors, came = threading.Semaphore(AT_ONCE), [], 0
        resident: list[tuple[int, float]] = []
        used: list[tuple[int, float]] = []
        until = time.monotonic() + budget.seconds

        def visit(number: int) -> None:
            guest = Visitor(number % 64, 64, page.address, WORK)
            guest.do(WORK[number % len(WORK)], number)
            errors.extend([*guest.errors, *guest.mixed_up])
            free.release()

        threads = []
        while time.monotonic() < until:
            began = time.monotonic()
            free.acquire()
            thread = threading.Thread(target=visit, args=[came], daemon=True)
            thread.start()
            threads.append(thread)
            came += 1
            resident.append((came, pages.memory(page.process.pid)))
            if (now := in_use(page.log)) != (used[-1][1] if used else None):  # a new reading
                used.append((came, now))
            time.sleep(max(0.0, 1 - (time.monotonic() - began)))
        for thread in threads:
            thread.join(300)
    figures = {"in use": growth(used), "resident": growth(resident)}
    words = " and ".join(
        f"{of['mb_per_1000']:+.0f} ± {of['standard_error']:.0f} MB {name}" for name, of in figures.items()
    )
    slope = figures["in use"]["mb_per_1000"] - 2 * figures["in use"]["standard_error"]
    return [
        Row(
            "soak",
            "a visitor a second",
            f"{came} visitors, {len(errors)} errors; in 1,000 visitors {words}",
            f"0 errors, below {LIMIT:g} MB in use",
            not errors and slope < LIMIT,
            {"visitors": came, "errors": errors[:5], **figures},
        )
    ]


def in_use(log: Path) -> float:
    """Megabytes that the server's allocators have handed out, from the last of what ``WATCH`` wrote into its log."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 65536))
        told = file.read()
    small = re.findall(rb"# bytes in allocated blocks\s+=\s+([\d,]+)\n", told)
    large = re.findall(rb"# bytes in use = (\d+)\n", told)
    return (int(small[-1].replace(b",", b"")) + int(large[-1])) / 2**20


def growth(sizes: list[tuple[int, float]]) -> dict[str, Any]:
    """The slope of memory over visitors, and some of the (visitors, megabytes) that it is from."""
    slope, deviation = line(sizes)
    return {"mb_per_1000": slope, "standard_error": deviation, "sizes": sizes[:: max(1, len(sizes) // 20)]}


def line(sizes: list[tuple[int, float]]) -> tuple[float, float]:
    """(slope in MB per thousand visitors, its standard error) over the second half."""
    x, y = np.array(sizes[len(sizes) // 2 :], float).T
    if len(x) < 4:
        return 0.0, float("inf")
    x = x - x.mean()
    slope = float(x @ y / (x @ x))
    rest = y - y.mean() - slope * x
    return 1000 * slope, 1000 * float(np.sqrt(rest @ rest / (len(x) - 2) / (x @ x)))
