"""What people type, read once."""

from __future__ import annotations

import os

import numpy as np
import pytest

from stylize.evaluation.descriptions import LISTS, SHEET_DESCRIPTIONS, measure, verdict
from stylize.evaluation.word_fits import fit
from stylize.prompts import reader
from stylize.prompts.parse import Prompt, parse
from stylize.prompts.vocabulary import COLOUR_WORDS, NAMES


@pytest.mark.parametrize(
    ("text", "styles", "colours"),
    [
        ("slightly zombie", {"zombie": 0.5}, {}),
        ("слегка зомби", {"zombie": 0.5}, {}),
        ("very blue", {}, {"blue": 1.4}),
        ("half zombie half gold", {"zombie": 0.5, "gold statue": 0.5}, {}),
        ("80% zombie, 20% mosaic", {"zombie": 0.8, "mosaic": 0.2}, {}),
        ("²% zombie", {"zombie": 1.0}, {}),
        ("0% zombie, mosaic", {"mosaic": 1.0}, {}),
        ("нарисуй меня акварелью", {"watercolour": 1.0}, {}),
        ("a pencil sketch of a lighthouse", {"pencil sketch": 1.0}, {}),
        ("портрет в 40 лет, акварель", {"watercolour": 1.0}, {}),
        ("a red mosaic", {"mosaic": 1.0}, {"red": 1.0}),
        ("not a zombie, a vampire", {"vampire": 1.0}, {}),
        ("не зомби, а вампир", {"vampire": 1.0}, {}),
        ("old photo but no sepia", {"old black and white photo": 1.0}, {}),
        ("старое фото без сепии", {"old black and white photo": 1.0}, {}),
        ("B&W", {"old black and white photo": 1.0}, {}),
        ("cyber punk", {"cyberpunk": 1.0}, {}),
        ("ч/б", {"old black and white photo": 1.0}, {}),
        ("pensil sketch", {"pencil sketch": 1.0}, {}),
        ("a photo of a face", {}, {}),
    ],
)
def test_amounts_mixes_and_denials_are_read(text: str, styles: dict[str, float], colours: dict[str, float]) -> None:
    prompt = parse(text)
    assert (prompt.styles, prompt.colours) == (styles, colours)
    assert prompt.drawable
    assert prompt.named


@pytest.mark.parametrize(
    "text", ["not a zombie", "no sepia", "00% zombie", "без сепии", "elf", "make me older", "green hair"]
)
def test_what_cannot_be_drawn_is_told_apart(text: str) -> None:
    prompt = parse(text)
    assert not prompt.drawable
    assert prompt.without or prompt.shapes or prompt.parts


def test_what_is_left_out_is_said() -> None:
    prompt = parse("zombie with red eyes and a beard")
    assert prompt.styles == {"zombie": 1.0}
    assert not prompt.colours
    assert (prompt.parts, prompt.shapes) == (("red eyes",), ("beard",))
    assert len(prompt.notes) == 2
    assert not parse("a watercolour of a woman").notes


def test_a_famous_painting_is_painted() -> None:
    prompt = parse("Mona Lisa")
    assert max(prompt.styles, key=prompt.styles.__getitem__) == "oil painting"
    assert prompt.notes


def test_what_only_evokes_a_look_is_told() -> None:
    assert parse("lighthouse").notes == ["What was drawn for it: oil painting, blue."]
    assert not parse("маяк карандашом").notes


def test_the_judgements_are_fitted_on_what_is_held_out() -> None:
    found = fit(40, 0)
    assert set(found) == {"nearest_styles", "is_off_topic", "is_made_of_words"}
    assert found["is_made_of_words"]["rejected_of_false"] > 0.8


def test_the_likest_is_said_with_how_sure_it_is() -> None:
    prompt = parse("a samurai from feudal Kyoto with a katana")
    assert prompt.drawable
    assert 0.5 <= prompt.confidence <= 1


def test_every_description_means_known_styles() -> None:
    texts = reader.descriptions()
    assert {name for mix in texts.values() for name in mix} <= {*NAMES, *COLOUR_WORDS, reader.SHAPE}
    assert len(texts) > 10_000


def test_the_vectors_are_those_of_the_tables() -> None:
    with np.load(reader.VECTORS) as file:
        assert np.array_equal(file["hashes"], reader.hashes()), "run stylize.prompts.reader.write_vectors()"


def test_the_figures_hold() -> None:
    figures = measure()
    for name in (LISTS[0], LISTS[2]):
        assert all(figures[name][language]["right"] >= 0.93 for language in ("English", "Russian"))
    assert figures["gibberish.txt"]["refused"] >= 0.9
    assert len(SHEET_DESCRIPTIONS) == 40
    assert all(parse(text).drawable for text in SHEET_DESCRIPTIONS)


def test_a_verdict_knows_the_denied() -> None:
    prompt = Prompt("x", {"zombie": 1.0}, {})
    assert verdict(prompt, ["zombie"]) == "right"
    assert verdict(prompt, ["zombie", "!zombie"]) == "wrong"
    assert verdict(prompt, ["none"]) == "answered"


def test_without_the_encoder_words_are_still_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "sentence_encoder", lambda: None)
    reader.similarities.cache_clear()
    try:
        assert parse("half zombie half gold").styles == {"zombie": 0.5, "gold statue": 0.5}
        assert not parse("a wistful thingummy").drawable
    finally:
        reader.similarities.cache_clear()


def test_reading_the_encoder_leaves_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    reader.sentence_encoder.cache_clear()
    assert reader.sentence_encoder() is not None
    assert os.environ["OMP_NUM_THREADS"] == "3"
