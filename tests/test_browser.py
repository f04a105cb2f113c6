"""The whole way in a real browser: the page is served by app.py, with the model that ships."""

from __future__ import annotations

import io
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.base import AXE_SCRIPT
from clips import moved, read_clip, tone_of, write_clip
from conftest import CHROMIUM, PATIENCE
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from stylize.faces.align import FaceFinder, crop_face
from stylize.training.filters import stylise as filtered
from stylize.ui.texts import TEXTS

ROOT = Path(__file__).parent.parent
pytestmark = [pytest.mark.browser, pytest.mark.slow]
# app.py, whose trainings and drawings take a second for every step as long as there is the file SLOW: so they are still
# at work when a test comes to stop them, however fast the one and slow the other.
SERVE = """
import os, sys, time
from stylize.ui.studio import Studio

def slowed(work):
    def slow(*args, **given):
        for item in work(*args, **given):
            yield item
            if os.path.exists(os.environ["SLOW"]):
                time.sleep(1)
    return slow

for name in ("cells", "walk", "restyle", "learn_words", "learn_pictures"):
    setattr(Studio, name, slowed(getattr(Studio, name)))
import app
sys.exit(app.main())
"""


@pytest.fixture(scope="module")
def slow_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("slow") / "slow"


@pytest.fixture
def slow(slow_file: Path) -> Iterator[None]:
    """What draws or trains takes a second for every step."""
    slow_file.touch()
    yield
    slow_file.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def address(slow_file: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port)}
    settings |= {"STYLIZE_MODEL": "mini", "SLOW": str(slow_file)}
    server = subprocess.Popen([sys.executable, "-c", SERVE], cwd=ROOT, env=os.environ | settings)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                urllib.request.urlopen(url, timeout=PATIENCE).close()
                break
            except OSError:
                assert server.poll() is None, "app.py stopped"
                assert time.monotonic() < deadline, f"no page within {PATIENCE} s"
                time.sleep(0.3)
        yield url
    finally:
        server.terminate()
        server.wait(PATIENCE)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=options, timeout=1000 * PATIENCE)
        expect.set_options(timeout=1000 * PATIENCE)
        yield chromium
        chromium.close()


def visit(browser: Browser, address: str, locale: str = "en-US", **settings: Any) -> Page:
    """The page as another visitor sees it."""
    context = browser.new_context(locale=locale, **settings)
    context.set_default_timeout(1000 * PATIENCE)
    page = context.new_page()
    page.goto(address)
    return page


def until(question: Callable[[], Any], answer: Any) -> None:
    """Waits for the answer, as ``expect`` does for what is in the page."""
    deadline = time.monotonic() + PATIENCE
    while (said := question()) != answer:
        assert time.monotonic() < deadline, said
        time.sleep(0.2)


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    page = visit(browser, address, viewport={"width": 1280, "height": 1000})
    yield page
    page.context.close()


@pytest.fixture
def me(astronaut: Image.Image, tmp_path: Path) -> Path:
    astronaut.save(tmp_path / "me.png")
    return tmp_path / "me.png"


def upload(page: Page, path: Path, words: str = "One face found") -> None:
    page.locator("#photo input[type=file]").set_input_files(str(path))
    expect(page.locator("#status")).to_contain_text(words)


def tab(page: Page, name: str) -> None:
    button = page.locator("#tabs").get_by_role("tab", name=name)
    button.click()
    expect(button).to_have_attribute("aria-selected", "true")


def choose_file(page: Page, button: Locator, path: Path) -> None:
    with page.expect_file_chooser() as chooser:
        button.click()
    chooser.value.set_files(str(path))


def result(page: Page) -> Image.Image:
    """The picture that the download brings."""
    with page.expect_download() as download:
        page.locator("#save").click()
    return Image.open(io.BytesIO(Path(download.value.path()).read_bytes())).convert("RGB")


def face_of(picture: Image.Image, photo: Image.Image) -> np.ndarray:
    """The aligned face, 128 px, uint8."""
    return np.asarray(crop_face(picture, FaceFinder().find(photo)[0].quad, 128))


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Mean absolute difference over the middle of the face."""
    return float(np.abs(a.astype(float) - b)[24:104, 24:104].mean())


def test_a_typed_style_is_drawn_mixed_and_shared(
    page: Page, browser: Browser, address: str, me: Path, astronaut: Image.Image
) -> None:
    upload(page, me)
    page.locator("#text textarea").press_sequentially("pencil sketch", delay=20)
    expect(page.locator("#status")).to_contain_text("Done: pencil sketch")
    picture = result(page)
    assert picture.size == astronaut.size
    before, after = face_of(astronaut, astronaut), face_of(picture, astronaut)
    drawn = filtered(before, "pencil sketch")  # the right answer
    assert distance(after, drawn) < 0.5 * distance(before, drawn)
    corner = np.asarray(picture)[-40:, :40], np.asarray(astronaut)[-40:, :40]
    assert np.array_equal(*corner)  # away from the face nothing has changed

    page.locator("#ready button", has_text="zombie").click()
    expect(page.locator("#status")).to_contain_text("Done: zombie")
    page.get_by_role("button", name="Mix up to four styles").click()
    page.locator("#style-2 input").fill("neon")
    page.locator("#style-2 input").press("Enter")
    expect(page.locator("#status")).to_contain_text("1 zombie + 0.5 neon")
    page.get_by_role("button", name="Grid between the styles").click()
    page.locator("#grid-go").click()
    expect(page.locator("#grid img")).to_be_visible()
    page.locator("#grid img").click(position={"x": 8, "y": 8})  # the corner of the first style
    expect(page.locator("#status")).to_contain_text("1 zombie + 0 neon")
    page.locator("#levels-2").get_by_role("button").first.click()
    page.locator("#way").get_by_label("rotating", exact=True).check()
    fine, link = page.locator("#fine-2 input[type=number]"), page.locator("#link textarea, #link input")

    links: list[str] = []

    def shared() -> bool:
        fine.fill("0.5")  # again where it came before the field, which has just opened, took part in the page
        fine.press("Enter")
        page.locator("#copy").click()
        links.append(link.input_value() if link.count() else "")
        address, _, said = links[-1].partition("?")
        asked = "to=zombie&weight=1&levels=1,1,1&to=neon&weight=0&levels=1,1,0.5&way=turning"
        return address.startswith("http") and said.startswith(asked)

    until(shared, True)

    friend = visit(browser, links[-1] + "&seed=7")
    expect(friend.locator("#status")).to_contain_text("1 zombie + 0 neon")
    friend.context.close()
    page.locator("#keep").click()
    expect(page.locator("#status")).to_contain_text("Kept as “1 zombie + 0 neon”")

    page.get_by_role("button", name="Instant style from a picture").click()
    page.locator("#pictured-picture input[type=file]").set_input_files(str(me))
    expect(page.locator("#status")).to_contain_text("0.5 picture me")
    page.locator("#ready button", has_text="vampire").click()  # alone again
    expect(page.locator("#status")).to_contain_text("Done: vampire.")
    page.locator("#strength input[type=number]").fill("99")
    page.locator("#strength input[type=number]").press("Enter")
    page.locator("#random").click()
    expect(page.locator("#photo img")).to_have_count(0)
    expect(page.get_by_label(TEXTS["en"]["random_seed"])).to_have_value("1")
    expect(page.locator("#status")).to_contain_text("Done: vampire.")
    assert result(page).size == (512, 512)  # the random face
    expect(page.locator("[data-testid=toast-text]")).to_have_count(0)
    tab(page, "Library")
    page.locator("#library button", has_text="★ 1 zombie").click()
    page.locator("#library-delete").click()
    expect(page.locator("#library-note")).to_contain_text("is deleted")
    expect(page.locator("#library").get_by_text("★")).to_have_count(0)


def test_what_is_discarded_while_it_trains_is_gone(page: Page, me: Path, slow: None) -> None:
    upload(page, me)
    tab(page, "By words")
    page.locator("#target textarea").fill("a red mosaic")
    page.locator("#text-go").click()
    expect(page.locator("#text-note")).to_contain_text("step")
    page.locator("#text-discard").click()
    expect(page.locator("#text-note")).to_contain_text(TEXTS["en"]["idle"])
    expect(page.locator("#text-preview img")).to_have_count(0)
    page.locator("#text-keep").click()
    expect(page.locator("#text-note")).to_contain_text(TEXTS["en"]["nothing_trained"])


def test_a_description_is_trained_kept_and_found_again(
    page: Page, browser: Browser, address: str, me: Path, astronaut: Image.Image
) -> None:
    upload(page, me)
    tab(page, "By words")
    page.locator("#target textarea").fill("a wistful photo negative")
    page.locator("#text-preset").get_by_text("fast").click()
    page.locator("#text-go").click()
    expect(page.locator("#text-note")).to_contain_text("step")
    expect(page.locator("#text-preview img").first).to_be_visible()
    expect(page.locator("#text-curve polyline")).to_be_visible()
    tab(page, "Instant")  # quick answers do not wait for the training
    page.locator("#text textarea").fill("sepia")
    expect(page.locator("#status")).to_contain_text("Done: sepia")
    tab(page, "By words")
    expect(page.locator("#text-note")).to_contain_text("Trained")
    expect(page.locator("#status")).to_contain_text("Done: a wistful photo negative")
    before, after = face_of(astronaut, astronaut), face_of(result(page), astronaut)
    inverted = filtered(before, "negative")
    assert distance(after, inverted) < 0.5 * distance(before, inverted)

    page.locator("#text-name textarea, #text-name input").fill("My negative")
    page.locator("#text-keep").click()
    expect(page.locator("#text-note")).to_contain_text("Kept as")
    tab(page, "Library")
    page.locator("#library button", has_text="★ My negative").click()
    expect(page.locator("#library-note")).to_contain_text("is yours")
    page.locator("#library-export").click()
    file = page.locator("#library-file a").first
    pack = me.parent / "pack.zip"
    pack.write_bytes(page.request.get(str(file.get_attribute("href"))).body())
    page.reload()
    tab(page, "Library")
    expect(page.locator("#library").get_by_text("★ My negative")).to_be_attached()

    other = visit(browser, address)  # has none of it, and gets the pack
    tab(other, "Library")
    expect(other.locator("#library").get_by_text("zombie")).to_be_attached()
    expect(other.locator("#library").get_by_text("★")).to_have_count(0)
    choose_file(other, other.locator("#library-import"), pack)
    expect(other.locator("#library-note")).to_contain_text("1 styles imported")
    pack.write_text("no pack")
    choose_file(other, other.locator("#library-import"), pack)
    expect(other.locator("#library-note")).to_contain_text("not a readable zip file")
    other.context.close()


def test_a_picture_is_learnt_and_who_leaves_frees_the_queue(
    page: Page, browser: Browser, address: str, me: Path, astronaut: Image.Image, tmp_path: Path, slow: None
) -> None:
    leaver = visit(browser, address)
    tab(leaver, "By words")
    leaver.locator("#target textarea").fill("a red mosaic")
    leaver.locator("#text-preset").get_by_text("strong").click()
    leaver.locator("#text-go").click()
    expect(leaver.locator("#text-note")).to_contain_text("step")

    upload(page, me)
    crop = crop_face(astronaut, FaceFinder().find(astronaut)[0].quad, 256)
    Image.fromarray(filtered(np.asarray(crop), "cyanotype")).save(tmp_path / "reference.png")
    tab(page, "By picture")
    page.locator("#references input[type=file]").set_input_files(str(tmp_path / "reference.png"))
    expect(page.locator("#references").get_by_text("reference")).to_be_attached()
    page.locator("#image-go").click()
    expect(page.locator("#image-note")).to_contain_text("queue")
    leaver.context.close()
    expect(page.locator("#image-note")).to_contain_text("step")
    expect(page.locator("#image-preview img").first).to_be_visible()
    page.locator("#image-stop").click()
    expect(page.locator("#image-note")).to_contain_text("Stopped")
    expect(page.locator("#status")).to_contain_text("Done: reference")


def test_a_video_is_drawn_with_its_sound_and_can_be_stopped(
    page: Page, astronaut: Image.Image, tmp_path: Path, slow_file: Path
) -> None:
    frames = moved(astronaut.crop((100, 0, 380, 280)), 8, lambda frame: (3 * frame, 20))
    write_clip(tmp_path / "me.mp4", frames, "aac")
    page.locator("#text textarea").fill("negative")
    tab(page, "Video")
    page.locator("#video-source input[type=file]").set_input_files(str(tmp_path / "me.mp4"))
    expect(page.locator("#video-source").get_by_text("me")).to_be_attached()
    page.locator("#video-go").click()
    expect(page.locator("#video-note")).to_contain_text("Ready in")
    expect(page.locator("#video video")).to_be_visible()
    link = page.locator("#video-file a").first
    (tmp_path / "out.mp4").write_bytes(page.request.get(str(link.get_attribute("href"))).body())
    drawn = read_clip(tmp_path / "out.mp4")
    assert len(drawn) == 8
    assert tone_of(tmp_path / "out.mp4") == pytest.approx(440, abs=3)
    middle = (slice(75, 120), slice(72, 112))  # of the face in that frame
    right = np.asarray(filtered(frames[4], "negative"))
    before, after = (float(np.abs(a[middle].astype(float) - right[middle]).mean()) for a in (frames[4], drawn[4]))
    assert after < 0.6 * before
    slow_file.touch()
    write_clip(tmp_path / "long.mp4", [*frames] * 20)
    page.locator("#video-source").get_by_label("Clear").click()
    page.locator("#video-source input[type=file]").set_input_files(str(tmp_path / "long.mp4"))
    expect(page.locator("#video-source").get_by_text("long")).to_be_attached()
    page.locator("#video-go").click()
    expect(page.locator("#video-note")).to_contain_text("%")
    page.locator("#video-stop").click()
    expect(page.locator("#video-note")).to_contain_text("Stopped")
    slow_file.unlink()


@pytest.mark.parametrize("kind", ["grid", "morph"])
def test_who_leaves_frees_the_queue_of_what_draws_long(
    page: Page, browser: Browser, address: str, me: Path, kind: str, slow: None
) -> None:
    leaver = visit(browser, address)
    for visitor in (leaver, page):
        upload(visitor, me)
        visitor.locator("#text textarea").fill("sepia")
        expect(visitor.locator("#status")).to_contain_text("Done: sepia")
        visitor.locator(f"#{kind}-panel button.label-wrap").click()
    if kind == "morph":
        leaver.get_by_label("Seconds for each style").last.fill("6")
    leaver.locator(f"#{kind}-go").click()
    expect(leaver.locator("#status")).to_contain_text(re.compile(r"Drawing picture \d+ of \d+, about \d+ s left"))
    leaver.context.close()
    page.locator(f"#{kind}-go").click()
    expect(page.locator("#status")).to_contain_text("Drawing picture")
    page.locator(f"#{kind}-stop").click()
    expect(page.locator("#status")).to_contain_text("Stopped")
    page.locator("#text textarea").fill("neon")  # what comes after a stop is not lost
    expect(page.locator("#status")).to_contain_text("Done: neon")


def test_a_moving_picture_plays(page: Page, me: Path) -> None:
    upload(page, me)
    page.locator("#text textarea").fill("sepia")
    expect(page.locator("#status")).to_contain_text("Done: sepia")
    page.locator("#morph-panel button.label-wrap").click()
    page.get_by_label("Seconds for each style").last.fill("1")
    for kind, shown in (("MP4", "#morph-film video"), ("GIF", "#morph-animation img")):
        page.locator("#morph-panel").get_by_label(kind).click()
        page.locator("#morph-go").click()
        expect(page.locator(shown)).to_have_attribute("src", re.compile(rf"morph\.{kind.lower()}$"))


@pytest.mark.parametrize("kind", ["heic", "tiff"])
def test_photos_that_browsers_cannot_show_are_shown(
    page: Page, astronaut: Image.Image, tmp_path: Path, kind: str
) -> None:
    astronaut.resize((1200, 1200)).save(tmp_path / f"me.{kind}")
    astronaut.crop((0, 256, 200, 456)).save(tmp_path / f"nobody.{kind}")
    shown = page.locator("#photo img")
    upload(page, tmp_path / f"me.{kind}")
    until(lambda: shown.evaluate("picture => [picture.naturalWidth, picture.naturalHeight]"), [1024, 1024])
    assert result(page).size == (1200, 1200)  # of the photo itself, not of what is shown
    expect(page.locator("#status")).to_contain_text("One face found")
    page.locator("#photo").get_by_label("Remove Image").click()
    expect(page.locator("#status")).to_contain_text("Choose a photo")
    upload(page, tmp_path / f"nobody.{kind}", "No face")
    until(lambda: shown.evaluate("picture => picture.naturalWidth"), 200)
    page.get_by_role("button", name="Instant style from a picture").click()
    page.locator("#pictured-picture input[type=file]").set_input_files(str(tmp_path / f"me.{kind}"))
    until(lambda: page.locator("#pictured-picture img").evaluate("picture => picture.naturalWidth"), 1024)
    expect(page.locator("#text textarea")).to_have_value("picture me")


def test_a_wrong_file_and_unknown_words_get_a_sentence(page: Page, me: Path) -> None:
    (me.parent / "letter.jpg").write_text("Dear reader")
    upload(page, me.parent / "letter.jpg", "not a picture")
    page.reload()
    upload(page, me)
    page.locator("#text textarea").fill("qwertz")
    expect(page.locator("#status")).to_contain_text("does not know")


@pytest.mark.parametrize(
    ("locale", "text", "said"),
    [("en-US", "qwertz", "does not know"), ("ru-RU", "унылая брякалка", "Ближайшее, что можно нарисовать")],
)
def test_near_styles_are_buttons(browser: Browser, address: str, me: Path, locale: str, text: str, said: str) -> None:
    page = visit(browser, address, locale)
    page.locator("#photo input[type=file]").set_input_files(str(me))
    expect(page.locator("#result img").first).to_be_visible()
    page.locator("#text textarea").fill(text)
    expect(page.locator("#status")).to_contain_text(said)
    expect(page.locator("#nearest button")).to_have_count(3)
    name = page.locator("#nearest-0").inner_text()
    page.locator("#nearest-0").click()
    expect(page.locator("#text textarea")).to_have_value(name)
    expect(page.locator("#status")).to_contain_text(name)
    expect(page.locator("#nearest button")).to_have_count(0)
    page.context.close()


@pytest.mark.parametrize(
    ("locale", "kind", "size"),
    [("en-US", "This kind of file", "larger than 100 MB"), ("ru-RU", "другого рода", "больше 100 МБ")],
)
def test_refused_uploads_get_a_sentence(
    browser: Browser, address: str, tmp_path: Path, locale: str, kind: str, size: str
) -> None:
    page = visit(browser, address, locale)
    expect(page.locator("#examples button[aria-label]").first).to_be_visible()
    (tmp_path / "letter.txt").write_text("Dear reader")
    with (tmp_path / "large.jpg").open("wb") as file:
        file.truncate(101 * 1024**2)
    for name, words in (("letter.txt", kind), ("large.jpg", size)):
        page.locator("#photo input[type=file]").set_input_files(str(tmp_path / name))
        expect(page.get_by_test_id("toast-text").filter(has_text=words)).to_be_visible()
    page.context.close()


SETTLED = """async () => {  // nothing appears, nothing moves but what turns for ever
    const count = () => document.querySelectorAll("*").length, before = count();
    await new Promise(done => setTimeout(done, 500));
    return before === count() && document.getAnimations().every(
        one => one.playState !== "running" || one.effect.getTiming().iterations > 1);
}"""
FAINT = """() => {
    const parse = c => (c.match(/[\\d.]+/g) || []).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
        if (getComputedStyle(e).backgroundImage !== "none") return null;
        if (c.length === 3 || c[3] > 0.95) return c; } return [255, 255, 255]; };
    const out = [];
    for (const e of document.querySelectorAll("main *")) {
        const words = [...e.childNodes].some(n => n.nodeType === 3 && /[\\p{L}\\d]/u.test(n.textContent));
        if (!words || !e.checkVisibility({opacityProperty: true}) || e.closest("[disabled], .caption-label")) continue;
        const style = getComputedStyle(e), back = behind(e), front = parse(style.color);
        if (!back || (front.length === 4 && front[3] < 0.95)) continue;
        const [a, b] = [light(front), light(back)].sort((x, y) => y - x);
        const ratio = (a + 0.05) / (b + 0.05);
        if (ratio < 4.5) out.push(`${ratio.toFixed(2)} ${e.tagName} ${e.textContent.trim().slice(0, 40)}`);
    }
    return out;
}"""


@pytest.mark.parametrize("look", ["light", "dark"])
def test_a_phone_in_russian_is_readable(browser: Browser, address: str, look: Any, me: Path) -> None:
    page = visit(browser, address, "ru-RU", viewport={"width": 390, "height": 844}, color_scheme=look)
    upload(page, me, "Найдено одно лицо")
    page.locator("#text textarea").fill("красная мозаика")
    expect(page.locator("#status")).to_contain_text("Готово: красная мозаика")
    expect(page.locator("#ideas-ru")).to_be_visible()
    expect(page.locator("#ideas-en")).to_be_hidden()
    for name in ("Сразу", "По словам", "По фото", "Видео", "Мои"):
        tab(page, name)
        until(lambda: page.evaluate(SETTLED), True)
        until(lambda: page.evaluate("document.documentElement.scrollWidth > 390"), False)
        until(lambda: page.evaluate(FAINT), [])
    page.context.close()


TABS = {
    "en-US": ("Instant", "By words", "By picture", "Video", "Library"),
    "ru-RU": ("Сразу", "По словам", "По фото", "Видео", "Мои"),
}
VIOLATIONS = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations
    .filter(found => ["serious", "critical"].includes(found.impact))
    .flatMap(found => found.nodes.map(node => `${found.id}: ${node.html.slice(0, 200)} ${node.failureSummary}`))"""


@pytest.mark.parametrize(
    ("locale", "look", "width"),
    [("en-US", "light", 1280), ("en-US", "dark", 390), ("ru-RU", "dark", 1280), ("ru-RU", "light", 390)],
)
def test_axe_finds_nothing_serious(
    browser: Browser, address: str, locale: str, look: Any, width: int, me: Path
) -> None:
    page = visit(browser, address, locale, viewport={"width": width, "height": 900}, color_scheme=look)
    expect(page.locator("#examples button[aria-label]").first).to_be_visible()
    page.evaluate(AXE_SCRIPT)
    until(lambda: page.evaluate(VIOLATIONS), [])
    upload(page, me, "One face found" if locale == "en-US" else "Найдено одно лицо")
    page.locator("#ready button").nth(1).click()
    style = "blue alien" if locale == "en-US" else "инопланетянин"
    expect(page.locator("#status")).to_contain_text(style)
    for name in TABS[locale]:
        tab(page, name)
        for panel in page.locator("#tabs button.label-wrap:not(.open), #model button.label-wrap:not(.open)").all():
            if panel.is_visible():
                panel.click()
        until(lambda: page.evaluate(SETTLED), True)
        until(lambda: page.evaluate(VIOLATIONS), [])
    page.context.close()
