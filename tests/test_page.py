"""The page's handlers, and its endpoints over HTTP, on a tiny model."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch
from gradio_client import Client, handle_file
from PIL import Image
from tiny import load_tiny_model

from stylize.domain import Domain
from stylize.pipeline import Stylizer
from stylize.training.adapt import AdaptSettings
from stylize.ui.page import Page, build_page
from stylize.ui.words import I18N, RUSSIAN_STYLES, WORDS, in_english, say
from stylize.vocabulary import NAMES

ENGLISH: Any = SimpleNamespace(headers={"accept-language": "en-US,en"})
RUSSIAN: Any = SimpleNamespace(headers={"accept-language": "ru-RU,ru"})


@pytest.fixture(scope="module")
def stylizer(tmp_path_factory: pytest.TempPathFactory) -> Stylizer:
    """A tiny model with one ready style."""
    folder = tmp_path_factory.mktemp("tiny")
    model = load_tiny_model(folder)
    config = model.generator.config
    vector = torch.randn(config.domain_dim, generator=torch.Generator().manual_seed(0))
    domain = Domain(vector, tuple(config.domain_sizes), "pre_demod", model.fingerprint, "pencil sketch")
    domain.save(folder / "domains" / "pencil sketch.safetensors")
    (folder / "domains" / "previews").mkdir()
    model.sample(1)[0].save(model.preview("pencil sketch"))
    return model


@pytest.fixture
def photo(tmp_path: Path, astronaut: Image.Image) -> str:
    astronaut.save(tmp_path / "astronaut.png")
    return str(tmp_path / "astronaut.png")


def stylised(page: Page, visit: Any, text: str, steps: int = 6, request: Any = ENGLISH) -> list[tuple[Any, ...]]:
    return list(page.stylise(visit, text, [], 1.0, 1.0, "a photo of a face", steps, 0, request))


def test_both_languages_say_the_same_things() -> None:
    assert WORDS["en"].keys() == WORDS["ru"].keys()
    assert say(RUSSIAN, "start") == WORDS["ru"]["start"]
    assert say(None, "start") == WORDS["en"]["start"]
    assert I18N is not None


def test_every_style_has_a_russian_name() -> None:
    assert set(RUSSIAN_STYLES) == set(NAMES)
    for name, (russian, _) in RUSSIAN_STYLES.items():
        assert in_english(russian) == name


@pytest.mark.parametrize(
    ("russian", "english"),
    [
        ("Портрет карандашом", "pencil sketch"),
        ("красная мозаика", "red mosaic"),
        ("золотая статуя из бронзы", "golden bronze statue"),
        ("в стиле поп-арт", "pop art"),
        ("a red mosaic", "a red mosaic"),
        ("снегурочка", "снегурочка"),
    ],
)
def test_russian_descriptions_are_understood(russian: str, english: str) -> None:
    assert in_english(russian) == english


def test_a_photo_is_opened_and_stylised(stylizer: Stylizer, photo: str) -> None:
    page = Page(stylizer)
    visit, _, _, _, words, *_ = page.open_photo(photo, ENGLISH)
    assert words == WORDS["en"]["found_one"]
    last = stylised(page, visit, "pencil sketch")[-1]
    assert last[1] == "Done: pencil sketch."
    before, after = last[2]
    assert before.size == after.size == visit.photo.size
    assert np.abs(np.asarray(before, int) - np.asarray(after, int)).max() > 0
    assert Path(last[4]).suffix == ".png"
    assert Domain.load(last[5]).name == "pencil sketch"
    redrawn = page.draw(last[0], ["1"], 0.0, 1.0)
    assert redrawn[0][1].size == visit.photo.size


def test_a_description_trains_with_previews(stylizer: Stylizer, photo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "stylize.ui.page.AdaptSettings", lambda **given: dataclasses.replace(AdaptSettings(batch=1, pool=2), **given)
    )
    page = Page(stylizer)
    visit = page.open_photo(photo, RUSSIAN)[0]
    reports = stylised(page, visit, "a red mosaic", request=RUSSIAN)
    assert "Обучается" in reports[1][1]
    assert reports[-1][0].domain.method == "text-guided"
    assert visit.domain is None  # the visit handed in is not changed


@pytest.mark.parametrize(("text", "words"), [("", "Pick a ready"), ("qwertz", "does not know"), ("x" * 5000, "5000")])
def test_unusable_descriptions_become_sentences(stylizer: Stylizer, photo: str, text: str, words: str) -> None:
    page = Page(stylizer)
    visit = page.open_photo(photo, ENGLISH)[0]
    assert words in stylised(page, visit, text)[-1][1]


def test_without_a_photo_the_page_asks_for_one(stylizer: Stylizer, tmp_path: Path) -> None:
    page = Page(stylizer)
    assert stylised(page, None, "pencil sketch")[-1][1] == WORDS["en"]["need_photo"]
    assert page.open_photo(None, ENGLISH)[4] == WORDS["en"]["start"]
    (tmp_path / "text.jpg").write_text("hello")
    assert "not a picture" in page.open_photo(str(tmp_path / "text.jpg"), ENGLISH)[4]
    Image.new("RGB", (200, 200), "gray").save(tmp_path / "grey.png")
    assert "No face found" in page.open_photo(str(tmp_path / "grey.png"), ENGLISH)[4]


@pytest.fixture(scope="module")
def client(stylizer: Stylizer) -> Iterator[Client]:
    blocks = build_page(stylizer)
    _, url, _ = blocks.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, i18n=I18N)
    yield Client(url, verbose=False)
    gr.close_all()


def test_endpoints(client: Client, photo: str) -> None:
    result = client.predict(handle_file(photo), "pencil sketch", 1.0, 1.0, api_name="/stylize")
    with Image.open(result) as picture:
        assert picture.size == (512, 512)
    assert len(client.predict(handle_file(photo), api_name="/invert")) == 1
    file = client.predict("a red mosaic", "a photo of a face", 1, 0, api_name="/adapt_text")
    assert Domain.load(file).target == "a red mosaic"


def test_endpoint_errors_are_sentences(client: Client, photo: str) -> None:
    with pytest.raises(Exception, match="no ready domain"):
        client.predict(handle_file(photo), "a red mosaic", 1.0, 1.0, api_name="/stylize")
