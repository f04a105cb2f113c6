"""Style filters and the words for them."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from skimage import data

from stylize.errors import StylizeError
from stylize.prompts import vocabulary
from stylize.prompts.parse import parse
from stylize.training.filters import STYLE_FILTERS, draw, stylise
from stylize.training.filters.face import AnalysedFace
from stylize.training.filters.tiled import TILED, tilings
from stylize.training.filters.tools import TINTS

NAMES = list(STYLE_FILTERS)


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    """The astronaut's face, roughly in the FFHQ frame, 96 px."""
    return cv2.resize(data.astronaut()[10:220, 118:328], (96, 96), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("name", NAMES)
def test_a_style_changes_the_picture_and_nothing_else(name: str, face: np.ndarray) -> None:
    before = face.copy()
    out = stylise(face, name, seed=3)
    assert out.shape == face.shape
    assert out.dtype == np.uint8
    assert np.array_equal(face, before)
    assert np.array_equal(out, stylise(face, name, seed=3))
    assert np.abs(out.astype(float) - face).mean() > 10
    assert np.array_equal(stylise(face, name, strength=0.0), face)


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_varies_a_style_only_mildly(name: str, face: np.ndarray) -> None:
    a, b = (coarse(stylise(face, name, seed=seed)) for seed in (0, 1))
    assert np.abs(a - b).mean() < 0.08


def coarse(picture: np.ndarray) -> np.ndarray:
    blurred = cv2.GaussianBlur(picture, (0, 0), picture.shape[0] / 64)
    return cv2.resize(blurred, (16, 16), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def test_styles_are_well_apart_when_blurred(face: np.ndarray) -> None:
    looks = np.stack([coarse(face), *(coarse(stylise(face, name)) for name in NAMES)])
    distance = np.sqrt(((looks[:, None] - looks[None]) ** 2).mean((2, 3, 4))) + np.eye(len(looks))
    assert distance.min() > 0.06


def test_strength_lies_between_photo_and_style(face: np.ndarray) -> None:
    half, full = (stylise(face, "negative", strength=strength).astype(int) for strength in (0.5, 1.0))
    assert np.abs(half - (face + full) / 2).max() <= 1


@pytest.mark.parametrize("size", [32, 67, 128, 256])
def test_any_size(size: int, face: np.ndarray) -> None:
    picture = cv2.resize(face, (size, size)).astype(np.uint8)
    for name in ("zombie", "mosaic", "pixel art", "low poly", "toy bricks", "matrix code", "embroidery"):
        assert stylise(picture, name).shape == (size, size, 3)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_flat_pictures_do_no_harm(value: int) -> None:
    picture = np.full((64, 64, 3), value, np.uint8)
    with np.errstate(all="raise", under="ignore"):
        for name in NAMES:
            stylise(picture, name)


def test_looks_are_the_named_ones(face: np.ndarray) -> None:
    def mean(name: str, colour: str | None = None) -> np.ndarray:
        return stylise(face, name, colour=colour)[35:60, 35:60].mean((0, 1))

    assert mean("hulk").argmax() == 1
    assert mean("blue alien").argmax() == 2
    assert mean("devil").argmax() == 0
    assert np.ptp(mean("old black and white photo")) < 3
    assert np.array_equal(stylise(face, "negative"), 255 - face)
    assert mean("charcoal drawing", "blue").argmax() == 2
    assert mean("photo", "red").argmax() == 0


def test_landmarks_move_the_make_up(face: np.ndarray) -> None:
    points = AnalysedFace(face, None, 0).points
    assert np.array_equal(stylise(face, "joker", landmarks=points), stylise(face, "joker"))
    assert not np.array_equal(stylise(face, "joker", landmarks=points + 5), stylise(face, "joker"))


def test_one_face_may_be_drawn_in_several_styles(face: np.ndarray) -> None:
    shared = AnalysedFace(face, None, 0)
    for name in ("vampire", "sepia", "vampire"):
        assert np.array_equal(draw(shared, name, "red"), stylise(face, name, colour="red"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"style": "nothing"}, "'nothing'"),
        ({"colour": "infrapurple"}, "'infrapurple'"),
        ({"strength": 1.5}, r"1\.5"),
        ({"strength": float("nan")}, "nan"),
        ({"image": np.zeros((64, 32, 3), np.uint8)}, "square"),
        ({"image": np.zeros((64, 64, 3), np.float32)}, "uint8"),
        ({"image": np.zeros((16, 16, 3), np.uint8)}, "32 px"),
        ({"landmarks": np.zeros((5, 2))}, "68"),
    ],
)
def test_bad_arguments(change: dict[str, Any], message: str, face: np.ndarray) -> None:
    arguments: dict[str, Any] = {"image": face, "style": "sepia"} | change
    with pytest.raises(StylizeError, match=message):
        stylise(arguments.pop("image"), arguments.pop("style"), **arguments)


# --- Words


def test_words_and_filters_have_the_same_names() -> None:
    assert list(STYLE_FILTERS) == list(vocabulary.NAMES)
    assert set(TINTS) == set(vocabulary.COLOUR_WORDS)
    phrases = [p for words in vocabulary.STYLE_WORDS.values() for p in (*words.phrases, *words.held_out)]
    assert len(set(phrases)) == len(phrases)


def captions(name: str, colour: str | None = None, count: int = 150) -> set[str]:
    rng = np.random.default_rng(0)
    return {vocabulary.caption(name, colour, rng) for _ in range(count)}


def test_captions_vary_and_never_use_what_is_held_out() -> None:
    held_out = [vocabulary.tokens(p) for words in vocabulary.STYLE_WORDS.values() for p in words.held_out]
    pairs = [(None, name) for name in (*NAMES, vocabulary.PHOTO)] + vocabulary.combinations()
    for colour, name in pairs:
        found = captions(name, colour, 150 if colour is None else 30)
        assert len(found) >= (8 if colour is None else 3)
        for text in found:
            padded = f" {' '.join(vocabulary.tokens(text))} "
            assert not any(f" {' '.join(phrase)} " in padded for phrase in held_out), text


def test_held_out_phrases_are_made_of_known_words() -> None:
    for words in vocabulary.STYLE_WORDS.values():
        assert words.held_out
        for phrase in words.held_out:
            assert parse(phrase).styles == {words.name: 1.0}


def test_held_out_combinations_are_kept_apart() -> None:
    seen, unseen = set(vocabulary.combinations()), set(vocabulary.combinations(unseen=True))
    assert unseen == vocabulary.HELD_OUT
    assert len(unseen) == 2 * len(TINTS)
    assert not seen & unseen
    for colour, name in unseen:
        assert any(pair[0] == colour for pair in seen)
        assert any(pair[1] == name for pair in seen)


@pytest.mark.parametrize("name", NAMES)
def test_every_caption_is_understood(name: str) -> None:
    for text in captions(name) - set(vocabulary.STYLE_WORDS[name].sayings):
        prompt = parse(text)
        assert prompt.fully_known, text
        assert (prompt.styles, prompt.colours) == ({name: 1.0}, {}), text


@pytest.mark.parametrize(
    ("text", "names", "colour"),
    [
        ("A Pencil-Sketch!", ["pencil sketch"], None),
        ("watercolor", ["watercolour"], None),
        ("zombies", ["zombie"], None),
        ("a blue charcoal portrait", ["charcoal drawing"], "blue"),
        ("golden mosaic", ["mosaic"], "golden"),
        ("marble", ["marble statue"], None),
        ("golden hour", ["sunset light"], None),
        ("blue alien", ["blue alien"], None),
        ("a sepia pencil sketch of a vampire", ["sepia", "pencil sketch", "vampire"], None),
        ("a red photo", [], "red"),
        ("", [], None),
    ],
)
def test_descriptions_are_matched(text: str, names: list[str], colour: str | None) -> None:
    prompt = parse(text)
    assert sorted(prompt.styles) == sorted(names)
    assert list(prompt.colours) == ([colour] if colour else [])


def test_unknown_words_and_the_nearest_known_style() -> None:
    assert parse("a quantum sketch of the spreadsheet, quantum").unknown == ("quantum", "spreadsheet")
    assert vocabulary.nearest("pensil skech")[0] == "pencil sketch"
    assert vocabulary.nearest("vampyre")[0] == "vampire"
    assert len(vocabulary.nearest("x" * 5000)) == 3
    assert len(vocabulary.nearest("")) == 3


def test_templates_take_a_phrase() -> None:
    assert len(vocabulary.TEMPLATES) == 20
    assert all(template.format("a pencil sketch").count("a pencil sketch") == 1 for template in vocabulary.TEMPLATES)
    assert vocabulary.article("ink drawing") == "an ink drawing"
    assert vocabulary.article("x ray") == "an x ray"
    assert vocabulary.article("charcoal") == "charcoal"


# --- What a network can learn from


def test_there_are_enough_styles() -> None:
    assert len(NAMES) >= 64


@pytest.mark.parametrize("name", ["toy bricks", "matrix code", "stained glass", "embroidery", "low poly", "frost"])
def test_patterns_lie_at_the_same_place_of_every_picture(name: str) -> None:
    """The fine structure of two plain faces of another brightness goes together."""

    def pattern(value: int) -> np.ndarray:
        picture = np.full((128, 128, 3), value, np.uint8)
        picture[:, :, 2] -= 30
        drawn = cv2.cvtColor(stylise(picture, name), cv2.COLOR_RGB2GRAY).astype(np.float32)
        return drawn - cv2.GaussianBlur(drawn, (0, 0), 4)

    assert np.corrcoef(pattern(110).ravel(), pattern(170).ravel())[0, 1] > 0.5


@pytest.mark.parametrize("name", ["pixel art", "low poly"])
def test_pieces_lie_where_the_generators_tilings_say(name: str, face: np.ndarray) -> None:
    pieces = tilings(len(face))[TILED.index(name)]
    picture = stylise(face, name)
    first = np.unique(pieces, return_index=True)
    colours = np.zeros((pieces.max() + 1, 3), np.uint8)
    colours[first[0]] = picture.reshape(-1, 3)[first[1]]
    assert len(first[0]) > 400
    np.testing.assert_array_equal(picture, colours[pieces])


def test_parts_share_every_pixel(face: np.ndarray) -> None:
    parts = AnalysedFace(face, None, 0).shares
    assert parts.shape == (4, *face.shape[:2])
    assert np.abs(parts.sum(0) - 1).max() < 1e-4
    assert np.array_equal(parts, AnalysedFace(face, None, 1).shares)


def test_a_gleam_on_the_forehead_is_no_hair() -> None:
    picture = np.full((128, 128, 3), (60, 60, 70), np.uint8)
    cv2.ellipse(picture, (64, 68), (36, 52), 0, 0, 360, (120, 80, 60), -1)
    cv2.circle(picture, (64, 36), 6, (235, 215, 205), -1)
    face = AnalysedFace(picture, None, 0)
    assert face.skin[36, 64] > 0.9
    assert face.hair[36, 64] < 0.1


@pytest.mark.parametrize("skin", [(90, 60, 45), (235, 200, 180)])
def test_a_drawn_skin_keeps_its_tone(skin: tuple[int, int, int]) -> None:
    picture = np.full((128, 128, 3), (140, 150, 170), np.uint8)
    cv2.ellipse(picture, (64, 68), (36, 52), 0, 0, 360, skin, -1)
    for name in ("cartoon", "anime", "comic book", "crayon drawing", "paper cutout", "embroidery"):
        cheek = stylise(picture, name)[80:90, 40:50].mean()
        assert (cheek > 160) == (skin[0] > 160), name
