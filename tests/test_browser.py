"""The whole way in a real browser: the page is served by app.py, with the model that ships."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import CHROMIUM
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from stylize.align import FaceFinder, crop_face
from stylize.training.styles import stylise as filtered

ROOT = Path(__file__).parent.parent
pytestmark = [pytest.mark.browser, pytest.mark.slow]
START_UP = 60  # seconds


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port), "STYLIZE_MODEL": "mini"}
    server = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=os.environ | settings)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_UP
        while True:
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except OSError:
                assert server.poll() is None, "app.py stopped"
                assert time.monotonic() < deadline, f"no page within {START_UP} s"
                time.sleep(0.3)
        yield url
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=options)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 1100})
    page.goto(address)
    yield page
    page.close()


def upload(page: Page, path: Path) -> None:
    page.locator("#photo input[type=file]").set_input_files(str(path))


def stylise(page: Page, text: str, done: str) -> None:
    page.locator("#text textarea").fill(text)
    page.locator("#go").click()
    expect(page.locator("#status")).to_contain_text(done, timeout=300_000)


def result(page: Page) -> Image.Image:
    """The picture that the download offers."""
    link = page.locator("#picture-file a").first
    expect(link).to_be_visible(timeout=20_000)
    return Image.open(io.BytesIO(page.request.get(str(link.get_attribute("href"))).body())).convert("RGB")


def face_of(picture: Image.Image, photo: Image.Image) -> np.ndarray:
    """The aligned face, 128 px, uint8."""
    return np.asarray(crop_face(picture, FaceFinder().find(photo)[0].quad, 128))


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Mean absolute difference over the middle of the face."""
    return float(np.abs(a.astype(float) - b)[24:104, 24:104].mean())


def test_a_photo_comes_back_as_a_pencil_sketch(page: Page, astronaut: Image.Image, tmp_path: Path) -> None:
    astronaut.save(tmp_path / "me.png")
    upload(page, tmp_path / "me.png")
    expect(page.locator("#status")).to_contain_text("One face found", timeout=60_000)
    stylise(page, "pencil sketch", "Done: pencil sketch")
    picture = result(page)
    assert picture.size == astronaut.size
    before, after = face_of(astronaut, astronaut), face_of(picture, astronaut)
    drawn = filtered(before, "pencil sketch")  # the right answer
    assert distance(after, drawn) < 0.5 * distance(before, drawn)
    corner = np.asarray(picture)[-40:, :40], np.asarray(astronaut)[-40:, :40]
    assert np.array_equal(*corner)  # away from the face nothing has changed


def test_a_description_is_trained(page: Page, astronaut: Image.Image, tmp_path: Path) -> None:
    astronaut.save(tmp_path / "me.jpg", quality=95)
    upload(page, tmp_path / "me.jpg")
    expect(page.locator("#status")).to_contain_text("One face found", timeout=60_000)
    stylise(page, "a wistful photo negative", "Done:")
    before, after = face_of(astronaut, astronaut), face_of(result(page), astronaut)
    inverted = filtered(before, "negative")
    assert distance(after, inverted) < 0.5 * distance(before, inverted)


def test_a_wrong_file_and_unknown_words_get_a_sentence(page: Page, astronaut: Image.Image, tmp_path: Path) -> None:
    (tmp_path / "letter.jpg").write_text("Dear reader")
    upload(page, tmp_path / "letter.jpg")
    expect(page.locator("#status")).to_contain_text("not a picture", timeout=30_000)
    astronaut.save(tmp_path / "me.png")
    page.reload()
    upload(page, tmp_path / "me.png")
    expect(page.locator("#status")).to_contain_text("One face found", timeout=60_000)
    stylise(page, "qwertz", "does not know")


def test_the_page_speaks_russian(browser: Browser, address: str) -> None:
    page = browser.new_page(locale="ru-RU")
    page.goto(address)
    expect(page.locator("#go")).to_have_text("Применить", timeout=30_000)
    page.close()
