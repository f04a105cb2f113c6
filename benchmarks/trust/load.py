"""Many simultaneous visitors with mixed work: nobody gets an error or another visitor's picture, and nobody waits much
longer."""

from __future__ import annotations

import statistics
import threading
import time
from collections import Counter

from benchmarks.trust import Budget, Row, pages
from benchmarks.trust.startup import settled
from benchmarks.trust.visitors import WORK, Visitor
from stylize.ui.studio import SWEPT_SECONDS

QUICK = ("photo", "slider", "invert")  # all in one queue, so that waits are comparable
FAIR = 3.0  # times the median
MORE = 0.10  # relative to the memory before


def measure(budget: Budget) -> list[Row]:
    with pages.served() as page:
        settled(page)
        first = Visitor(0, 1, page.address)
        for kind in dict.fromkeys(WORK):  # everything that is loaded once is loaded by now
            first.do(kind, 0)
        before = settled(page)
        guests = [Visitor(number, budget.visitors, page.address) for number in range(budget.visitors)]
        until, began = time.monotonic() + budget.seconds, time.monotonic()
        threads = [threading.Thread(target=guest.stay, args=[until], daemon=True) for guest in guests]
        for thread in threads:
            thread.start()
        peak = before
        while any(thread.is_alive() for thread in threads):
            peak = max(peak, pages.memory(page.process.pid))
            time.sleep(0.5)
        spent = time.monotonic() - began
        time.sleep(SWEPT_SECONDS)  # by then the server has released what it no longer needs
        after = settled(page, 60)
        raised = pages.traces(page.log)
    errors = [error for guest in [first, *guests] for error in guest.errors]
    mixed_up = [words for guest in guests for words in guest.mixed_up]
    waits = {kind: [wait for guest in guests for wait in guest.waits.get(kind, ())] for kind in dict.fromkeys(WORK)}
    means = [
        statistics.mean(own) for guest in guests if (own := [w for kind in QUICK for w in guest.waits.get(kind, ())])
    ]
    calls = sum(map(len, waits.values()))
    middle = statistics.median(means) if means else 0.0
    worst = max(means, default=0.0)
    figures = {
        "visitors": budget.visitors, "seconds": spent, "calls": calls, "errors": len(errors), "traces": raised[:10],
        "error_examples": [words for words, _ in Counter(errors).most_common(5)], "mixed_up": mixed_up[:5],
        "wait_median_s": middle, "wait_worst_s": worst,
        "median_wait_s": {kind: statistics.median(own) for kind, own in waits.items() if own},
        "calls_of": {kind: len(own) for kind, own in waits.items()},
        "memory_before_mb": before, "memory_peak_mb": peak, "memory_after_mb": after,
    }  # fmt: skip
    ratio = worst / middle if middle else float("inf")
    return [
        Row(
            "load",
            f"{budget.visitors} visitors, mixed work",
            f"{calls} calls in {spent:.0f} s: {len(errors)} errors, {len(raised)} traces, {len(mixed_up)} mixed up",
            "0, 0, 0",
            not errors and not raised and not mixed_up and calls > 0,
            figures,
        ),
        Row(
            "load",
            "waiting for a picture",
            f"median {middle:.1f} s, worst visitor {worst:.1f} s, {ratio:.1f} times",
            f"below {FAIR:g} times",
            ratio < FAIR,
        ),
        Row(
            "load",
            "memory after load",
            f"{after:.0f} MB after, {before:.0f} MB before ({after / before - 1:+.0%}), {peak:.0f} MB at most",
            f"within {MORE:.0%}",
            after < before * (1 + MORE),
        ),
    ]
