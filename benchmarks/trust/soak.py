"""A visitor per second: the growth of the server's memory per visitor, as the slope of a line."""

from __future__ import annotations

import threading
import time

import numpy as np

from benchmarks.trust import Budget, Row, pages
from benchmarks.trust.startup import settled
from benchmarks.trust.visitors import Visitor

AT_ONCE = 8  # at most this many at once on a slow machine
LIMIT = 20.0  # MB per thousand visitors
WORK = ("photo", "slider", "mix", "invert")


def measure(budget: Budget) -> list[Row]:
    with pages.served() as page:
        settled(page)
        for turn in range(8):  # its caches fill
            Visitor(0, 1, page.address, WORK).do(WORK[turn % len(WORK)], turn)
        free, errors, sizes, came = threading.Semaphore(AT_ONCE), [], [], 0
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
            sizes.append((came, pages.memory(page.process.pid)))
            time.sleep(max(0.0, 1 - (time.monotonic() - began)))
        for thread in threads:
            thread.join(300)
    slope, deviation = line(sizes)
    figures = {"visitors": came, "mb_per_1000": slope, "standard_error": deviation, "errors": errors[:5],
               "first_mb": sizes[0][1], "last_mb": sizes[-1][1]}  # fmt: skip
    return [
        Row(
            "soak",
            "a visitor a second",
            f"{came} visitors, {len(errors)} errors, {slope:+.0f} ± {deviation:.0f} MB in 1,000 visitors",
            f"0 errors, below {LIMIT:g} MB",
            not errors and slope - 2 * deviation < LIMIT,
            figures,
        )
    ]


def line(sizes: list[tuple[int, float]]) -> tuple[float, float]:
    """(slope in MB per thousand visitors, its standard error) over the second half."""
    x, y = np.array(sizes[len(sizes) // 2 :], float).T
    if len(x) < 4:
        return 0.0, float("inf")
    x = x - x.mean()
    slope = float(x @ y / (x @ x))
    rest = y - y.mean() - slope * x
    return 1000 * slope, 1000 * float(np.sqrt(rest @ rest / (len(x) - 2) / (x @ x)))
