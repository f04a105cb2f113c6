"""What a visitor can learn about other visitors or the machine, what remains of a visit, and what the log reveals; then
arguments of every kind for every endpoint."""

from __future__ import annotations

import random
import secrets
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from benchmarks.trust import ROOT, Budget, Row, mutants, pages
from benchmarks.trust.visitors import colour, owner, photo

KEPT = 24  # seconds, standing for an hour
NAME = "grandmother-at-the-lake"  # words in the photo's metadata that must not be in the log
GUESSES = 200  # ids tried
OUTSIDE = (
    "/etc/passwd", "/proc/self/environ", "/root/.ssh/id_rsa", "app.py", "stylize/pipeline.py", ".git/config",
    "weights/mini/generator.safetensors", "../../../../etc/passwd", "..%2f..%2f..%2fetc%2fpasswd", "//etc/passwd",
    "/etc/./passwd", "file:///etc/passwd", "/dev/zero", "/proc/self/fd/0", "", ".", "/", "\\..\\..\\etc\\passwd",
)  # fmt: skip


def measure(budget: Budget) -> list[Row]:
    short = f"import stylize.ui.studio as s; s.KEPT_SECONDS, s.SWEPT_SECONDS = {KEPT}, {KEPT // 12}"
    with pages.served(short) as page:
        known = {path for path in page.kept()}
        given, answer = visit(page)
        rows = [strangers(page, given, answer)]
        rows.append(arguments(page, budget, given))
        visit(page)  # the last visit, whose files still exist
        rows.append(deleted(page, known))
        rows.append(log(page))
    return rows


def visit(page: pages.Served) -> tuple[dict[str, Any], Any]:
    given = pages.upload(page.address, photo(1), f"{NAME}.jpg")
    kind, answer = pages.call(page.address, "stylize", [given, "sepia", 1.0, 1.0, None, False, 0])
    if kind != "complete" or owner(httpx.get(answer[0]["url"], timeout=60).content, 8) != 1:
        raise SystemExit(f"The page does not stylise: {kind} {answer} {colour(1)}")
    return given, answer


def strangers(page: pages.Served, given: dict[str, Any], answer: Any) -> Row:
    """Every way to a file or an answer that belongs to others."""
    got: list[str] = []
    tried = 0
    folders = {str(parent) for name in (given["path"], answer[0]["path"]) for parent in list(Path(name).parents)[:4]}
    inside = [f"{folder}/{end}" for folder in folders for end in ("", "*", "..", ".", "photo.jpg", "image.webp")]
    wild = [given["path"].replace(Path(given["path"]).parent.name, word) for word in ("*", "0" * 64, "..", ".")]
    paths = [*OUTSIDE, *map(str, (ROOT / name for name in OUTSIDE)), *inside, *wild]
    with httpx.Client(base_url=page.address, timeout=20) as stranger:
        for path in paths:
            for begin in ("gradio_api/file=", "gradio_api/file/", "file=", "static/", "assets/", "gradio_api/stream/"):
                for written in (path, quote(path, safe="")):
                    tried += 1
                    if leaked(stranger, begin + written):
                        got.append(begin + written)
        rng = random.Random(0)
        for _ in range(GUESSES):
            tried += 2
            for guess in (f"gradio_api/call/stylize/{secrets.token_hex(16)}",
                          f"gradio_api/queue/data?session_hash={rng.randrange(36**11):x}"):  # fmt: skip
                if "complete" in begun(stranger, guess):
                    got.append(guess)
        for name in ("/etc/passwd", str(ROOT / "app.py"), str(page.log)):
            tried += 1
            values = [{"path": name, "meta": {"_type": "gradio.FileData"}}]
            if pages.call(page.address, "invert", values)[0] == "complete":
                got.append(f"invert {name}")
    figures = {"tried": tried, "got": got[:10]}
    return Row("privacy", "what is not one's own", f"{tried:,} tries, {len(got)} got something", "0", not got, figures)


def leaked(client: httpx.Client, path: str) -> bool:
    """Whether an address returns anything but a refusal or the page itself."""
    try:
        with client.stream("GET", path) as response:
            if response.status_code != 200:
                return False
            head = next(response.iter_bytes(4096), b"")
    except (httpx.HTTPError, httpx.InvalidURL):
        return False
    return bool(head) and b"<!doctype html" not in head.lower()


def begun(client: httpx.Client, path: str) -> str:
    """The start of an answer that may never end."""
    try:
        with client.stream("GET", path, timeout=2) as response:
            return next(response.iter_text(), "")
    except httpx.HTTPError:
        return ""


def arguments(page: pages.Served, budget: Budget, given: dict[str, Any]) -> Row:
    """Random values for every endpoint: each must give an answer or one sentence."""
    endpoints = httpx.get(f"{page.address}gradio_api/info", timeout=60).json()["named_endpoints"]
    rng, until = random.Random(budget.seed), time.monotonic() + budget.seconds / 2
    calls, bad, before = 0, [], len(pages.traces(page.log))
    while time.monotonic() < until and calls < 2000:
        name = rng.choice(sorted(endpoints))
        values = [value(rng, given, calls) for _ in endpoints[name]["parameters"]]
        if rng.random() < 0.1:
            values = values[: rng.randrange(len(values) + 1)]
        calls += 1
        try:
            kind, told = pages.call(page.address, name.strip("/"), values, 120)
        except (httpx.HTTPError, ValueError, KeyError) as error:
            bad.append(f"{name} {ascii(values)[:200]}: {ascii(error)[:100]}")
            continue
        words = str(told).strip()
        if kind == "error" and (not words.endswith(".") or "\n" in words or "upstream" in words):
            bad.append(f"{name} {ascii(values)[:200]}: {ascii(words)[:200]}")
    raised = pages.traces(page.log)[before:]
    figures = {"calls": calls, "bad": bad[:10], "traces": raised[:10]}
    measured = f"{calls} calls: {len(bad)} without a sentence, {len(raised)} traces"
    return Row("privacy", "API arguments", measured, "0, 0", not bad and not raised, figures)


def value(rng: random.Random, given: dict[str, Any], index: int) -> Any:
    kind = rng.randrange(9)
    if kind == 0:
        return given
    if kind == 1:
        return rng.choice((None, True, False, [], {}, [[]], {"path": None}))
    if kind == 2:
        return rng.choice((0, 1, -1, 2, 0.5, 10**9, -(10**40), float("nan"), float("inf"), 1e-320, 2**53))
    if kind == 3:
        return mutants.words(7, index).encode(errors="replace").decode()
    if kind == 4:
        return {**given, "path": rng.choice(("/etc/passwd", "", "\0", "../x", "http://127.0.0.1:9/x.png", "a" * 9000))}
    if kind == 5:
        return [value(rng, given, index) for _ in range(rng.randrange(4))]
    if kind == 6:
        return {**given, rng.choice(("meta", "url", "orig_name", "size")): rng.choice((None, 5, "x", {}, [1]))}
    return rng.choice(("sepia", "pencil sketch", "fast", "mp4", "gif", "zombie=0.5"))


def deleted(page: pages.Served, known: set[Path]) -> Row:
    """Files of visits after their time is over, which is short here. Files that existed before any visit stay."""
    began, left = time.monotonic(), [Path()]
    while left and time.monotonic() - began < 6 * KEPT:
        time.sleep(1)
        left = [path for path in page.kept() if path not in known]
    spent = time.monotonic() - began
    figures = {
        "kept_s": KEPT,
        "gone_after_s": spent,
        "left": [str(path.relative_to(page.temporary)) for path in left[:10]],
    }
    measured = f"{len(left)} files left {spent:.0f} s after the last visit, where {KEPT} s stand for an hour"
    return Row(
        "privacy", "files of a visit, later", measured, f"0 within {2 * KEPT} s", not left and spent < 2 * KEPT, figures
    )


def log(page: pages.Served) -> Row:
    """The log while valid and invalid photos were uploaded."""
    pages.call(page.address, "invert", [pages.upload(page.address, b"no picture", f"{NAME}.png")])
    time.sleep(1)
    text = page.log.read_text(encoding="utf-8", errors="replace")
    found = [word for word in (NAME, NAME.split("-")[0], "base64,", "JFIF") if word in text]
    return Row(
        "privacy", "photos in the log", f"{len(found)} traces of photos in {len(text):,} characters", "0", not found
    )
