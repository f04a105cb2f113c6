"""Russian descriptions in the words of the models."""

from __future__ import annotations

import pytest

from stylize.prompts.parse import parse
from stylize.prompts.russian import RUSSIAN_COLOURS, RUSSIAN_STYLES, russian_name
from stylize.prompts.vocabulary import COLOUR_WORDS, NAMES

HARD = ("ый", "ая", "ое", "ые", "ого", "ой", "ому", "ым", "ую", "ых", "ыми", "ом")
SOFT = ("ий", "яя", "ее", "ие", "его", "ей", "ему", "им", "юю", "их", "ими", "ем")
ADJECTIVES = {
    "red": ("красн", HARD), "blue": ("син", SOFT), "green": ("зелён", HARD), "golden": ("жёлт", HARD),
    "pink": ("розов", HARD), "purple": ("фиолетов", HARD), "orange": ("оранжев", HARD), "teal": ("бирюзов", HARD),
    "brown": ("коричнев", HARD), "silver": ("серебрян", HARD),
}  # fmt: skip


def test_every_style_and_colour_has_a_russian_name() -> None:
    assert set(RUSSIAN_STYLES) == set(NAMES)
    assert set(RUSSIAN_COLOURS) == set(ADJECTIVES) == set(COLOUR_WORDS)
    assert russian_name("sepia") == "сепия"
    assert russian_name("blue") == "синий"
    assert russian_name("mine") == "mine"


@pytest.mark.parametrize("style", NAMES)
@pytest.mark.parametrize("form", ["{}", "Портрет: {}!", "лицо в стиле «{}»"])
def test_the_russian_name_of_a_style_means_it(style: str, form: str) -> None:
    name = russian_name(style)
    for text in (form.format(name), name.upper().replace("Ё", "Е")):
        assert parse(text).styles == {style: 1.0}
        assert parse(text).fully_known


@pytest.mark.parametrize("colour", RUSSIAN_COLOURS)
def test_every_form_of_a_colour_means_it(colour: str) -> None:
    stem, endings = ADJECTIVES[colour]
    for ending in endings:
        for word in (stem + ending, (stem + ending).replace("ё", "е")):
            prompt = parse(f"{word} мозаика")
            assert (prompt.styles, prompt.colours) == ({"mosaic": 1.0}, {colour: 1.0})
    assert parse(RUSSIAN_COLOURS[colour][0]).colours == {colour: 1.0}


@pytest.mark.parametrize(
    ("russian", "english"),
    [
        ("Портрет карандашом", "pencil sketch"),
        ("красная мозаика", "red mosaic"),
        ("мозаика красного цвета", "red mosaic"),
        ("золотая статуя из бронзы", "golden bronze statue"),
        ("золотая статуя на закате", "gold statue sunset light"),
        ("статуя из золота", "gold statue"),
        ("золотой зомби", "golden zombie"),
        ("в стиле поп-арт", "pop art"),
        ("поп арт", "pop art"),
        ("нарисовано мелом на школьной доске", "chalkboard drawing"),
        ("чёрт", "devil"),
        ("черты лица", "a photo of a face"),
        ("технический чертёж", "blueprint"),
        ("угловатый уголь", "charcoal drawing"),
        ("леди изо льда", "ice sculpture"),
        ("чёрно-белое фото", "old black and white photo"),
        ("старая фотография", "old black and white photo"),
        ("8-битная игра", "pixel art"),
        ("сине-зелёный неон", "blue neon"),
        ("зелёный великан", "hulk"),
        ("ночное видение", "night vision"),
        ("красный mosaic", "red mosaic"),
        ("портрет", "a photo of a face"),
        ("фото лица", "a photo of a face"),
    ],
)
def test_russian_descriptions_are_understood(russian: str, english: str) -> None:
    assert parse(russian).caption == english
