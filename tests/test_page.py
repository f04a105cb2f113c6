"""The page's handlers on a tiny model, without a server."""

from __future__ import annotations

import base64
import io
import json
import os
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
from clips import still, write_clip
from gradio.image_utils import ImageData
from PIL import Image, ImageFont
from tiny import load_tiny_model_with_style

from stylize.adaptation.pictures import OneShotSettings
from stylize.adaptation.text import AdaptSettings
from stylize.errors import DomainError
from stylize.look import Look
from stylize.models.domain import LEVELS, Domain, MixPart
from stylize.models.hypernet import HyperNet, HyperNetConfig
from stylize.pipeline import Stylizer
from stylize.ui import page as page_module
from stylize.ui.instant import FPS, LABEL_FONT
from stylize.ui.library import MAX_KEPT, read_pack, write_pack
from stylize.ui.page import Page
from stylize.ui.recipe import TURNING, Recipe, read_query, write_query
from stylize.ui.result import OFFERED, greeting
from stylize.ui.studio import CELL, GRID, clear_temporary, corner_weights, safe_name
from stylize.ui.texts import I18N, TEXTS, say
from stylize.ui.video import camera_frame


def visitor(language: str = "en-US,en", host: str = "127.0.0.1") -> Any:
    return SimpleNamespace(
        headers={"accept-language": language}, session_hash=f"visitor {language}", client=SimpleNamespace(host=host)
    )


ENGLISH, RUSSIAN = visitor(), visitor("ru-RU,ru")


@pytest.fixture(scope="module")
def stylizer(tmp_path_factory: pytest.TempPathFactory) -> Stylizer:
    return load_tiny_model_with_style(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def page(stylizer: Stylizer) -> Page:
    return Page(stylizer)


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory, astronaut: Image.Image) -> str:
    path = tmp_path_factory.mktemp("photos") / "astronaut.png"
    astronaut.save(path)
    return str(path)


@pytest.fixture(scope="module")
def opened(page: Page, photo: str) -> Any:
    return page.shared.open(photo, None, ENGLISH)[0]


def inputs(page: Page, **given: Any) -> dict[Any, Any]:
    """What the page would send: every component as it stands, but for those given by their place in the page."""
    shared, recipe = page.shared, page.instant.recipe
    places = {
        "opened": shared.opened,
        "chosen": shared.chosen,
        "strength": shared.strength,
        "detail": shared.detail,
        "own_colours": shared.own_colours,
        "style_mix": page.oneshot.style_mix,
        "own": page.library.own,
        "trained": page.oneshot.trained,
        **{f"text{i}": text for i, text in enumerate(recipe.texts)},
        **{f"weight{i}": weight for i, weight in enumerate(recipe.weights)},
        **dict(zip(LEVELS, recipe.levels, strict=True)),
        **{
            f"{name}{i}": slider
            for i, own in enumerate(recipe.own_levels)
            for name, slider in zip(LEVELS, own, strict=True)
        },
        "way": recipe.way,
        "pictured": page.instant.pictured,
    }
    standing = {component: component.value for component in shared.inputs}
    return standing | {places[name]: value for name, value in given.items()}


def show(page: Page, request: Any = ENGLISH, **given: Any) -> tuple[Any, Any, Any]:
    page.shared.forget(request)
    status, pictures, face, *_ = page.shared.show(request, inputs(page, **given))
    return status, pictures, face


def test_near_styles_are_offered_for_what_is_not_understood(page: Page, opened: Any) -> None:
    values = inputs(page, opened=opened, text0="sepia", text1="qwertz")
    page.shared.forget(RUSSIAN)
    offered = page.shared.show(RUSSIAN, values)[3:]
    assert len(offered) == OFFERED
    assert all(button["visible"] for button in offered)
    name = offered[1]["value"]
    assert page.shared.take(values | {page.shared.offered[1]: name}) == {page.shared.texts[1]: name}
    page.shared.forget(RUSSIAN)
    values = inputs(page, opened=opened, text0="sepia")
    assert not any(button["visible"] for button in page.shared.show(RUSSIAN, values)[3:])


def difference(a: Image.Image, b: Image.Image) -> int:
    return int(np.abs(np.asarray(a, int) - np.asarray(b, int)).max())


def test_both_languages_say_the_same_things() -> None:
    assert TEXTS["en"].keys() == TEXTS["ru"].keys()
    assert say(RUSSIAN, "start") == TEXTS["ru"]["start"]
    assert say(None, "start") == TEXTS["en"]["start"]
    assert I18N is not None


# --- the photo and the result


def test_a_photo_is_opened_and_shown_in_a_style(page: Page, photo: str) -> None:
    opened, marked, choice, words, before, _, understood = page.shared.open(photo, None, ENGLISH)
    assert words == TEXTS["en"]["found_one"]
    assert marked.size == before[0].size == opened.photo.size
    assert not choice["visible"]
    assert understood.size == (32, 32)
    words, (original, result), face = show(page, opened=opened, text0="pencil sketch")
    assert words == "Done: pencil sketch."
    assert difference(original, result) > 0
    assert face.size == opened.near[0].crop.size


def test_a_phones_photo_is_opened_upright(page: Page, astronaut: Image.Image, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "IMG_0001.HEIC"
    astronaut.transpose(Image.Transpose.ROTATE_90).save(path, format="HEIF", exif=exif.tobytes())
    opened, *_ = page.shared.open(str(path), None, ENGLISH)
    assert np.abs(np.asarray(opened.photo).astype(int) - np.asarray(astronaut)).mean() < 6


def test_faces_that_are_left_as_they_are_are_told(page: Page, photo: str, tmp_path: Path) -> None:
    crowd = Image.new("RGB", (400, 300), "gray")
    with Image.open(photo) as person:
        crowd.paste(person.resize((300, 300)), (0, 0))
        crowd.paste(person.resize((96, 96), Image.Resampling.LANCZOS), (302, 100))
    crowd.save(tmp_path / "crowd.png")
    opened, marked, *_ = page.shared.open(str(tmp_path / "crowd.png"), None, ENGLISH)
    assert greeting(opened, ENGLISH) == (
        "One face found. Now describe a style or pick one. Too small to change (narrower than 30 px): 1, "
        "shown in grey under “All faces”."
    )
    left, top, right, bottom = opened.small[0]
    assert 302 < left < right < 398
    assert marked.getpixel((left, (top + bottom) // 2)) == (156, 163, 175)


def test_without_a_style_the_photo_itself_is_shown(page: Page, opened: Any) -> None:
    words, (original, result), _ = show(page, opened=opened)
    assert words == TEXTS["en"]["found_one"]
    assert original == result


def test_every_control_changes_the_picture(page: Page, opened: Any) -> None:
    settings: list[dict[str, Any]] = [
        {}, {"strength": 0.3}, {"detail": 0.0}, {"own_colours": True}, {"weight0": -0.5}, {"coarse": 0.0},
        {"text1": "pencil sketch", "weight1": 0.6}, {"medium0": 0.0}, {"text1": "pencil sketch", "coarse1": 2.0},
    ]  # fmt: skip
    results = [show(page, opened=opened, text0="pencil sketch", **one)[1][1] for one in settings]
    assert all(difference(results[0], other) > 0 for other in results[1:])


def test_what_has_not_changed_is_not_drawn_again(page: Page, opened: Any) -> None:
    values = inputs(page, opened=opened, text0="pencil sketch")
    page.shared.forget(ENGLISH)
    assert page.shared.show(ENGLISH, values)[0] == "Done: pencil sketch."
    assert page.shared.show(ENGLISH, values) == (gr.skip(),) * (3 + OFFERED)
    assert page.shared.show(RUSSIAN, values)[0] == "Готово: pencil sketch."
    russian = inputs(page, opened=opened, text0="карандаш")
    assert page.shared.show(RUSSIAN, russian)[0] == "Готово: карандаш."


def test_a_newer_call_drops_the_older_one(page: Page, opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = page.shared.studio.picture

    def overtaken(*args: Any) -> Any:
        monkeypatch.undo()
        assert show(page, opened=opened, text0="pencil sketch")[0] == "Done: pencil sketch."
        return picture(*args)

    monkeypatch.setattr(page.shared.studio, "picture", overtaken)
    assert show(page, opened=opened, text0="pencil sketch", strength=0.5) == (gr.skip(),) * 3


def test_the_download_has_the_photos_size_and_its_settings(page: Page, tmp_path: Path, astronaut: Image.Image) -> None:
    astronaut.resize((1600, 1600)).save(tmp_path / "large.jpg")
    opened = page.shared.open(str(tmp_path / "large.jpg"), None, ENGLISH)[0]
    assert max(opened.view.size) == 1024
    values = inputs(page, opened=opened, text0="pencil sketch", strength=0.5, fine=0.0, medium0=0.5, way=TURNING)
    with Image.open(page.shared.png_file(ENGLISH, values)) as picture:
        settings = json.loads(picture.info["stylize"])
        assert picture.size == (1600, 1600)
    assert settings["strength"] == 0.5
    assert settings["parts"] == [["pencil sketch", 1.0, [1.0, 0.5, 1.0]]]
    assert settings["spherical"] is True
    assert settings["levels"] == [1.0, 1.0, 0.0]


def test_a_random_face_takes_the_place_of_the_photo(page: Page) -> None:
    first, again = (page.shared.roll_same(7, ENGLISH)[0] for _ in range(2))
    other, *_, seed = page.shared.roll(7, ENGLISH)
    assert seed == 8
    assert difference(first.photo, again.photo) == 0
    assert difference(first.photo, other.photo) > 0
    words, (before, after), _ = show(page, opened=first, text0="pencil sketch")
    assert words == "Done: pencil sketch."
    assert before.size == after.size


@pytest.mark.parametrize(
    ("text", "words", "russian"),
    [
        ("qwertz", "does not know", "не знает «qwertz»"),
        ("йцукен", "does not know", "не знает «йцукен»"),
        ("x" * 5000, "5000", "5000 знаков"),
        ("🔥🔥", "no words", "нет слов"),
        ("?!", "no words", "нет слов"),
        ("僵尸", "reads English and Russian, and does not know '僵尸'", "не знает «僵尸»"),
        ("a red mosaic", "By words", "«a red mosaic» не готов"),
        ("/etc/secret.safetensors", "library", "Мои"),
        (" /etc/secret.SAFETENSORS ", "library", "Мои"),
    ],
)
def test_unusable_descriptions_become_sentences(page: Page, opened: Any, text: str, words: str, russian: str) -> None:
    assert words in show(page, opened=opened, text0=text)[0]
    assert russian in show(page, RUSSIAN, opened=opened, text0=text)[0]


def test_weights_that_cancel_out_become_a_sentence(page: Page, opened: Any) -> None:
    assert "All weights are 0" in show(page, opened=opened, text0="pencil sketch", weight0=0)[0]
    assert "All weights are 0" not in show(page, opened=opened, text0="pencil sketch", weight0=None)[0]
    both = {"text0": "pencil sketch", "text1": "pencil sketch", "weight0": 0.5}
    assert "cancel out" in show(page, opened=opened, weight1=-0.5, **both)[0]


def test_without_a_photo_the_page_asks_for_one(page: Page, tmp_path: Path) -> None:
    assert show(page, text0="pencil sketch")[0] == TEXTS["en"]["need_photo"]
    assert show(page, RUSSIAN) == (gr.skip(),) * 3
    assert page.shared.open(None, None, ENGLISH)[3] == TEXTS["en"]["start"]
    (tmp_path / "text.jpg").write_text("hello")
    assert "not a picture" in page.shared.open(str(tmp_path / "text.jpg"), None, ENGLISH)[3]
    Image.new("RGB", (200, 200), "gray").save(tmp_path / "grey.png")
    assert "No face found" in page.shared.open(str(tmp_path / "grey.png"), None, ENGLISH)[3]


# --- links


def test_a_link_brings_back_what_it_was_made_of(page: Page) -> None:
    parts = (MixPart("red mosaic"), MixPart("a & b=c", 0.3, (1.0, 0.0, 2.0)))
    recipe = Recipe(parts, (1.0, 1.0, 0.5), spherical=True)
    query = write_query(
        replace(recipe, parts=(parts[0], MixPart(""), parts[1])), Look(None, 0.75, 0.5, keep_colours=True), 7
    )
    assert read_query(query) == (recipe, 0.75, 0.5, True, 7)
    assert write_query(Recipe(parts[:1]), Look(detail=1.0), None) == "?to=red+mosaic&weight=1&strength=1&detail=1"
    assert write_query(Recipe((MixPart("red \ud800"),)), Look(), None) == "?to=red+%3F&weight=1&strength=1"
    values = page.shared.linked(query, ENGLISH)
    shared = page.shared
    assert [values[text] for text in shared.texts] == ["red mosaic", "a & b=c", "", ""]
    assert [values[field] for field in (shared.strength, shared.detail, shared.own_colours)] == [0.75, 0.5, True]
    assert (values[shared.seed], values[shared.opened].seed) == (7, 7)
    link, note = shared.query(ENGLISH, inputs(page) | values)
    assert (link["value"], note) == (query, gr.skip())


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?",
        "?to=",
        "?strength=9&seed=-1&weight=x",
        "?seed=nan&strength=1e999",
        "?" + "&" * 9000,
        "?levels=1,2&fine=x&coarse=7&way=around",
        "?detail=2&colours=yours",
    ],
)
def test_a_damaged_link_is_ignored(page: Page, query: str) -> None:
    assert read_query(query) == (Recipe(()), None, None, False, None)
    values = page.shared.linked(query, ENGLISH)
    shared = page.shared
    standing = {field: field.value or "" for field in shared.recipe.all}
    look = {shared.strength: 1, shared.detail: shared.detail.value, shared.own_colours: False, shared.seed: 0}
    assert values == {**standing, **look, **dict.fromkeys(shared.photo_outputs, gr.skip())}


# --- instant


def test_a_ready_style_takes_the_place_of_a_mix(page: Page) -> None:
    picked = page.instant.pick(SimpleNamespace(index=0), RUSSIAN)
    assert picked == page.library.applied("pencil sketch", RUSSIAN)
    recipe = page.instant.recipe.read(picked)
    assert recipe.named == [MixPart("карандаш")]
    assert recipe.title == "карандаш"


def test_numbers_out_of_range_or_cleared_are_forgiven(page: Page) -> None:
    strength = page.shared.strength
    assert [strength.preprocess(given) for given in (99, -7.5, None, 0.3)] == [2, -1, 1, 0.3]
    assert page.shared.seed.preprocess(-5) == 0


def test_a_random_face_stays_when_the_photo_goes(page: Page, opened: Any) -> None:
    rolled = page.shared.roll(4, ENGLISH)
    assert (rolled[0].seed, rolled[-1]) == (5, 5)
    assert page.shared.open(None, rolled[0], ENGLISH) == (gr.skip(),) * len(page.shared.photo_outputs)
    assert page.shared.open(None, opened, ENGLISH)[0] is None
    assert page.shared.view(opened, []).size == (32, 32)


def test_the_grid_and_its_cells(page: Page, opened: Any) -> None:
    values = inputs(page, opened=opened, text0="pencil sketch", text1="pencil sketch")
    reports = list(page.instant.grid(ENGLISH, values))
    assert f"1 of {GRID**2}, about" in reports[0][0]
    sheet = reports[-1][1]
    assert sheet.size == (GRID * CELL,) * 2
    assert sum(corner_weights(0.3, 0.8)) == pytest.approx(1)
    corner = SimpleNamespace(index=[GRID * CELL - 1, 0])
    assert page.instant.pick_cell(corner, values) == [0, 1, 0.5, 0.5]
    apart = inputs(page, opened=opened, text0="pencil sketch", text2="pencil sketch")
    assert page.instant.pick_cell(corner, apart) == [0, 0.5, 1, 0.5]
    font = ImageFont.truetype(LABEL_FONT, 24)
    letters = {bytes(font.getmask(letter)) for letter in "абвгджийклмнпфцчшщъыьэюя"}
    assert len(letters) == 24  # no empty boxes
    assert "Choose a photo" in next(page.instant.grid(ENGLISH, inputs(page)))[0]
    assert "Describe a style" in next(page.instant.grid(ENGLISH, inputs(page, opened=opened)))[0]


@pytest.mark.parametrize("kind", ["MP4", "WebP"])
def test_a_moving_picture(page: Page, opened: Any, kind: str) -> None:
    values = inputs(page, opened=opened, text0="pencil sketch", own_colours=True)
    asked = {**values, page.instant.format: kind, page.instant.seconds: 1}
    reports = list(page.instant.movie(ENGLISH, asked))
    assert f"1 of {FPS + 1}, about" in reports[0][0]
    path = Path(reports[-1][1]["value"])
    assert path.suffix == f".{kind.lower()}"
    assert path.stat().st_size > 1000
    assert [update["visible"] for update in reports[-1][2:]] == [kind == "MP4", kind != "MP4"]


@pytest.fixture(scope="module")
def instant_page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The page of a model that answers anything at once."""
    folder = tmp_path_factory.mktemp("instant")
    sizes, fingerprint = (model := load_tiny_model_with_style(folder)).generator.config.domain_sizes, model.fingerprint
    HyperNet(HyperNetConfig(tuple(sizes), 16, 8, 8, 2), generator=fingerprint).save(folder / "hypernet.safetensors")
    return Page(Stylizer.load(str(folder), "cpu"))


def test_pictures_are_styles_of_a_mix(instant_page: Page, photo: str, tmp_path: Path) -> None:
    instant, opened = instant_page.instant, instant_page.shared.open(photo, None, ENGLISH)[0]
    _, pictured, first, *_ = instant.add_picture(ENGLISH, photo, {}, "", "", None, "")
    assert first == "picture astronaut"
    _, pictured, *texts = instant.add_picture(RUSSIAN, photo, pictured, "zombie", None, "neon", "")
    assert texts == [gr.skip(), "картинка astronaut", gr.skip(), gr.skip()]
    *_, last = instant.add_picture(ENGLISH, photo, pictured, "zombie", "neon", "neon", "neon")
    assert last == "picture astronaut 2"
    both = {"text0": "pencil sketch", "text1": "картинка astronaut"}
    assert show(instant_page, opened=opened, pictured=pictured, **both)[0].startswith(
        "Done: 1 pencil sketch + 0.5 карт"
    )
    (tmp_path / "letter.png").write_text("hello")
    assert "not a picture" in instant.add_picture(ENGLISH, str(tmp_path / "letter.png"), {}, "", "", "", "")[0]
    assert instant.add_picture(ENGLISH, None, {}, "") == (gr.skip(),) * 3


def test_a_hypernetwork_of_another_generator_becomes_a_sentence(tmp_path: Path, photo: str) -> None:
    load_tiny_model_with_style(tmp_path)
    for sizes, embedding, generator in (((8,) * 8, 16, "f" * 16), ((4, 4), 16, ""), ((8,) * 8, 24, "")):
        net = HyperNet(HyperNetConfig(sizes, embedding, 8, 8, 2), generator=generator)
        net.save(tmp_path / "hypernet.safetensors")
        page = Page(Stylizer.load(str(tmp_path), "cpu"))
        opened = page.shared.open(photo, None, ENGLISH)[0]
        words = show(page, opened=opened, text0="a red zombie", strength=0.1 + embedding / 100)[0]
        assert words.startswith("⚠️ The hypernetwork")


# --- videos


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, astronaut: Image.Image) -> str:
    frames = still(astronaut.crop((100, 0, 380, 280)), 3)
    return str(write_clip(tmp_path_factory.mktemp("clips") / "me.mp4", frames, "aac"))


@pytest.mark.parametrize("kind", ["MP4", "GIF"])
def test_a_video_takes_the_style_of_the_first_tab(
    page: Page, clip: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stylize.ui.video.SHOWN_EVERY", 0)
    asked = {**inputs(page, text0="pencil sketch"), page.video.source: clip, page.video.kind: kind}
    reports = list(page.video.restyle(ENGLISH, asked))
    words = [report[0] for report in reports]
    assert words[0] == TEXTS["en"]["video_waiting"]
    assert any(word.startswith("Drawing: ") and "s left" in word for word in words)
    assert "frames a second" in words[-1]
    _, picture, player, file = reports[-1]
    assert Path(file["value"]).suffix == f".{kind.lower()}"
    assert (player if kind == "MP4" else picture)["value"] == file["value"]


def test_a_video_that_is_stopped_or_cannot_be_made_is_a_sentence(page: Page, clip: str, photo: str) -> None:
    def last(path: str | None, **given: Any) -> str:
        asked = {**inputs(page, **given), page.video.source: path, page.video.kind: "MP4"}
        return str(list(page.video.restyle(ENGLISH, asked))[-1][0])

    assert TEXTS["en"]["need_style"] in last(clip)
    assert TEXTS["en"]["need_video"] in last(None, text0="pencil sketch")
    assert "still picture" in last(photo, text0="pencil sketch")
    page.video.ask_to_stop(ENGLISH)
    assert last(clip, text0="pencil sketch") == TEXTS["en"]["video_stopped"]
    page.video.ask_to_stop(ENGLISH)
    page.video.ask(ENGLISH)
    assert last(clip, text0="pencil sketch").startswith("Ready")


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "EPS", "none"])
def test_a_frame_of_the_camera_is_read_as_a_photo_is(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "frame.webp"
    path.write_bytes(b"no picture")
    if kind != "none":
        Image.new("RGB", (40, 30)).save(path, format=kind)
    words = base64.b64encode(path.read_bytes()).decode()
    for payload in (ImageData(path=str(path)), ImageData(url=f"data:image/webp;base64,{words}")):
        frame = camera_frame(payload)
        assert (frame and frame.size) == (None if kind in ("EPS", "none") else (40, 30))
    assert camera_frame(ImageData(url="data:image/webp;base64,a")) is None
    assert camera_frame(None) is None


def test_the_camera_is_offered_on_demand(
    page: Page, stylizer: Stylizer, astronaut: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert page.video.camera is None
    monkeypatch.setenv("STYLIZE_LIVE", "1")
    live = Page(stylizer)
    assert live.video.camera is not None
    camera = {live.video.camera: astronaut.copy(), live.video.seen: None}
    picture, seen = live.video.live(ENGLISH, {**inputs(live, text0="pencil sketch"), **camera})
    assert difference(picture, astronaut) > 0
    assert len(seen) == 1
    camera = {live.video.camera: astronaut, live.video.seen: seen}
    unchanged, _ = live.video.live(ENGLISH, {**inputs(live), **camera})
    assert difference(unchanged, astronaut) == 0


# --- training


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings of four tiny steps."""

    def words(model: Any, name: str = "", **given: Any) -> AdaptSettings:
        return AdaptSettings(**{"steps": 4, "batch": 1, "pool": 2, **given})

    def picture(model: Any, name: str = "", **given: Any) -> OneShotSettings:
        return OneShotSettings(**{"steps": 4, "batch": 1, "pool": 2, **given})

    for place in ("text", "studio"):
        monkeypatch.setattr(f"stylize.ui.{place}.preset", words)
    for place in ("oneshot", "studio"):
        monkeypatch.setattr(f"stylize.ui.{place}.one_shot_preset", picture)


@pytest.mark.usefixtures("quick")
def test_a_description_trains_with_previews_and_goes_on(page: Page, opened: Any) -> None:
    reports = list(page.text.train(RUSSIAN, opened, "fast", 0, "a red mosaic", ""))
    assert "Начинается" in reports[0][1]
    assert "шаг 2 из 4" in reports[2][1]
    trained, words, pictures, drawn = reports[-1]
    assert "обучен (шагов: 4)" in words
    assert len(pictures) == 4  # one's own and three random ones
    assert "<polyline" in drawn
    assert trained.domain.method == "text-guided"
    more = list(page.text.go_on(ENGLISH, opened, trained))[-1][0]
    assert more.progress.step == 8
    recipe = page.instant.recipe
    standing = {page.text.name: "mine", **{field: field.value or "" for field in recipe.all}}
    assert page.text.apply_trained({**standing, page.text.trained: None}) == standing
    applied = page.text.apply_trained({**standing, page.text.trained: more})
    name = applied[page.text.name]
    assert (name, recipe.read(applied).named) == ("a red mosaic", [MixPart("a red mosaic")])
    assert page.text.nothing(RUSSIAN, name, name)[-2:] == ("", "")
    assert page.text.nothing(RUSSIAN, name, "sepia")[-1] == gr.skip()
    own = show(page, opened=opened, text0="a red mosaic", trained=more)
    assert own[0] == "Done: a red mosaic."


@pytest.mark.usefixtures("quick")
def test_a_picture_trains_and_its_style_is_mixed_in(page: Page, opened: Any, photo: str) -> None:
    trained = list(page.oneshot.train(ENGLISH, None, "fast", 0, [photo]))[-1][0]
    assert trained.domain.method == "one-shot"
    share = page.oneshot.write(ENGLISH, trained, "Mine", 0.25)[0]["value"]
    assert Domain.load(share).style_share == 0.25 or Domain.load(share).style is None


@pytest.mark.usefixtures("quick")
def test_trainings_that_cannot_start_say_why(page: Page, photo: str, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("hello")
    for reports, words in [
        (page.text.train(ENGLISH, None, "fast", 0, "", ""), "empty"),
        (page.text.train(ENGLISH, None, "fast", 0, "qwertz", ""), "does not know"),
        (page.text.train(ENGLISH, None, "fast", 0, "a photo of a face", ""), "already"),
        (page.text.go_on(ENGLISH, None, None), "Nothing is trained"),
        (page.oneshot.train(ENGLISH, None, "fast", 0, None), "0 reference pictures"),
        (page.oneshot.train(ENGLISH, None, "fast", 0, [photo] * 11), "11 reference pictures"),
        (page.oneshot.train(ENGLISH, None, "fast", 0, [str(tmp_path / "text.png")]), "not a picture"),
    ]:
        assert words in list(reports)[-1][1]


@pytest.mark.usefixtures("quick")
def test_who_leaves_stops_the_training(page: Page, opened: Any) -> None:
    loop = page.text.train(ENGLISH, opened, "fast", 0, "a red mosaic", "")
    next(loop), next(loop)
    loop.close()  # type: ignore[attr-defined]  # what the queue does
    assert list(page.text.train(ENGLISH, opened, "fast", 0, "a red mosaic", ""))[-1][0].progress.step == 4


# --- the library


@pytest.fixture
def domain(stylizer: Stylizer) -> Domain:
    return stylizer.domain("pencil sketch")


def test_domains_are_kept_renamed_and_deleted(page: Page, domain: Domain) -> None:
    library = page.library
    own, shelf, pictures, *choices, note = library.keep({}, "pencil sketch", domain, ENGLISH)
    assert "“pencil sketch 2”" in note
    assert list(own) == list(shelf) == ["pencil sketch 2"]  # the ready one keeps its name
    assert own["pencil sketch 2"].domain.label == "pencil sketch 2"
    assert pictures["value"][-1][1] == "★ pencil sketch 2"
    assert "pencil sketch 2" in choices[0]["choices"]
    own, *_, note, text = library.renamed("pencil sketch 2", " My   own ", own, "pencil sketch 2", ENGLISH)
    assert list(own) == ["My own"]
    assert own["My own"].domain.label == text == "My own"
    assert "My own" in note
    for name in ("pencil sketch", "карандаш"):
        assert "taken" in library.renamed("My own", name, own, "", ENGLISH)[-2]
    assert "Ready styles cannot be changed" in library.deleted("pencil sketch", own, "", ENGLISH)[-2]
    assert library.deleted("My own", own, "sepia", ENGLISH)[-1] == gr.skip()
    own, *_, text = library.deleted("My own", own, "My own", ENGLISH)
    assert (own, text) == ({}, "")


def test_a_mix_is_kept_and_its_link_says_who_else_needs_it(page: Page, opened: Any) -> None:
    mixed = inputs(page, text0="pencil sketch", text1="карандаш", weight1=0.5, fine1=0.0)
    own, *_, note = page.library.keep_shown(RUSSIAN, mixed)
    assert "«1 pencil sketch + 0.5 карандаш»" in note
    kept = {"opened": opened, "own": own, "text0": "1 pencil sketch + 0.5 карандаш"}
    again, direct = show(page, **kept)[1][1], page.studio.picture(opened, None, page_mix(page, mixed))[0]
    assert difference(again, direct) <= 1
    assert "which only you have" in page.shared.query(ENGLISH, inputs(page, **kept))[1]
    assert page.library.keep_shown(ENGLISH, inputs(page))[-1].endswith(TEXTS["en"]["need_style"])


def page_mix(page: Page, values: dict[Any, Any]) -> Look:
    asked = page.shared.read(values)
    return asked.look.in_domain(page.studio.compose(asked.recipe, asked.own))


def test_the_shelf_of_a_browser_is_read_again(page: Page, domain: Domain) -> None:
    _, shelf, *_ = page.library.keep({}, "mine", domain, ENGLISH)
    damaged = {**shelf, "bad": "!", "worse": 3, "worst": shelf["mine"][:200]}
    restored = page.library.restore(damaged, ENGLISH)[0]
    assert list(restored) == ["mine"]
    assert np.allclose(restored["mine"].domain.vector, domain.vector)
    assert page.library.restore("nonsense", ENGLISH)[0] == {}


def test_only_a_shared_folder_is_for_everybody(
    stylizer: Stylizer, domain: Domain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "new" / "styles"
    monkeypatch.setenv("STYLIZE_SHARED", str(folder))
    library = Page(stylizer).library
    library.keep({}, "../mine", domain, ENGLISH)
    assert [path.name for path in folder.iterdir()] == ["mine.safetensors"]
    assert list(library.restore({}, RUSSIAN)[0]) == ["mine"]
    library.deleted("mine", {}, "", RUSSIAN)
    assert list(folder.iterdir()) == []


def test_packs_go_out_and_come_back(page: Page, domain: Domain, tmp_path: Path) -> None:
    (tmp_path / "pack.zip").write_bytes(write_pack({"one": domain, "../two": domain, "two": domain}))
    assert list(read_pack(tmp_path / "pack.zip")) == ["one", "two", "two 2"]
    own, *_, note = page.library.imported([str(tmp_path / "pack.zip")], {}, ENGLISH)
    assert list(own) == ["one", "two", "two 2"]
    assert "3 styles" in note
    again = page.library.packed(own, ENGLISH)[0]["value"]
    assert len(read_pack(Path(again))) == 3
    assert "kept no style" in page.library.packed({}, ENGLISH)[1]


def bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as pack:
        pack.writestr("bomb.safetensors", bytes(30_000_000))
    return out.getvalue()


def many() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as pack:
        for number in range(MAX_KEPT + 1):
            pack.writestr(f"{number}.safetensors", b"")
    return out.getvalue()


def entry(name: str, data: bytes = b"hello") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as pack:
        pack.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"hello", "not a readable zip file"),
        (bomb(), "far too large"),
        (bomb()[:-200], "not a readable zip file"),
        (many(), "use packs of at most"),
        (entry("readme.txt"), "contains no"),
        (entry("../../evil.safetensors"), "evil.safetensors is not a domain file"),
    ],
)
def test_bad_packs_become_sentences(page: Page, tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "pack.zip").write_bytes(data)
    with pytest.raises(DomainError, match=words):
        read_pack(tmp_path / "pack.zip")
    note = page.library.imported([str(tmp_path / "pack.zip")], {}, ENGLISH)[-1]
    assert words in note
    assert "imported" not in note


def test_a_domain_of_another_generator_is_not_imported(page: Page, domain: Domain, tmp_path: Path) -> None:
    foreign = Domain(domain.vector, domain.sizes, domain.order, "another", "foreign")
    foreign.save(tmp_path / "foreign.safetensors")
    assert "another" in page.library.imported([str(tmp_path / "foreign.safetensors")], {}, ENGLISH)[-1]


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b\\c", "..", "", "x" * 999, "COM1:*?"])
def test_names_lead_into_no_folder(name: str) -> None:
    safe = safe_name(name)
    assert 0 < len(safe) <= 60
    assert Path(safe).name == safe
    assert not set(safe) & set("./\\:*?")


# --- the model


def test_what_is_old_goes_and_broken_off_uploads_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uploads = tmp_path / "gradio"
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(uploads))
    kept = [clear_temporary() / "new", uploads / "tmpnew", uploads / "whole" / "photo.jpg"]
    gone = [clear_temporary() / "old", uploads / "tmpold"]
    for path in (kept[0], gone[0], kept[2].parent):
        path.mkdir(parents=True)
    for path in (kept[1], kept[2], gone[1]):
        path.touch()
    for path in gone:
        os.utime(path, (0, 0))
    clear_temporary()
    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in gone)


def test_only_who_sits_here_fetches_the_full_model() -> None:
    assert "Only someone on this computer" in next(page_module.get_full(visitor(host="10.1.2.3")))
