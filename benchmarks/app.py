"""The waits of a visitor: the page in headless Chromium, from starting the server to a new picture after a slider.

Needs Chromium and playwright (requirements-dev.txt). Times are medians over ``--repeats`` visits.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import torch
from playwright.sync_api import Browser, Request, sync_playwright

from benchmarks.generate import report
from benchmarks.trust.pages import free_port

ROOT = Path(__file__).resolve().parent.parent
PHOTO = ROOT / "examples" / "astronaut.jpg"
STATUS, TEXT, RESULT = "#status", "#text textarea", "#result img"
WAIT = 60_000  # ms


def serve(port: int) -> tuple[subprocess.Popen[bytes], float]:
    """(the server, seconds until it answers)."""
    settings = {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port), "STYLIZE_MODEL": "mini"}
    started = time.monotonic()
    server = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=os.environ | settings)
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=5).close()
            return server, time.monotonic() - started
        except OSError:
            if server.poll() is not None or time.monotonic() - started > 120:
                server.kill()
                raise SystemExit("app.py does not serve the page; start it by itself to see why.") from None
            time.sleep(0.05)


def visit(browser: Browser, address: str) -> dict[str, float]:
    """One new visitor: seconds until each thing is visible, and megabytes downloaded until the page is complete."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, locale="en-US")
    page = context.new_page()
    fetched: list[Request] = []
    page.on("requestfinished", lambda request: fetched.append(request))
    clock = time.monotonic()

    def lap() -> float:
        nonlocal clock
        before, clock = clock, time.monotonic()
        return clock - before

    page.goto(address)
    page.locator(STATUS).wait_for(timeout=WAIT)
    figures = {"page_visible_s": lap()}
    page.wait_for_timeout(2000)  # the page keeps a connection open, so the network is never idle
    figures["page_mb"] = sum(request.sizes()["responseBodySize"] for request in tuple(fetched)) / 1e6
    lap()
    page.locator("#photo input[type=file]").set_input_files(str(PHOTO))
    page.locator(STATUS, has_text="One face found").wait_for(timeout=WAIT)
    figures["upload_to_face_s"] = lap()
    page.locator(TEXT).fill("pencil sketch")
    page.locator(STATUS, has_text="Done: pencil sketch").wait_for(timeout=WAIT)
    page.locator(RESULT).first.wait_for(timeout=WAIT)
    figures["words_to_picture_s"] = lap()
    figures["upload_to_picture_s"] = figures["upload_to_face_s"] + figures["words_to_picture_s"]
    shown = "() => [...document.querySelectorAll('#result img')].map(image => image.src).join()"
    before = page.evaluate(shown)
    page.locator("#strength input[type=number]").fill("0.5")
    page.locator("#strength input[type=number]").press("Enter")
    lap()
    page.wait_for_function(f"before => ({shown})() !== before", arg=before, timeout=WAIT)
    figures["slider_to_picture_s"] = lap()
    context.close()
    return figures


def memory(process: int) -> float:
    """Resident megabytes now; Linux only."""
    status = Path(f"/proc/{process}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), float("nan"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.app", description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    args = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("Chromium is not installed; this benchmark drives it.")
    port = free_port()
    server, start = serve(port)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            visits = [visit(browser, f"http://127.0.0.1:{port}") for _ in range(args.repeats)]
            browser.close()
        results = {"start_s": start, "first_visit": visits[0]}
        results["median"] = {name: statistics.median(v[name] for v in visits) for name in visits[0]}
        results["server_mb"] = memory(server.pid)
    finally:
        server.terminate()
        server.wait(20)
    report(results, torch.device("cpu"), args.json)


if __name__ == "__main__":
    main()
