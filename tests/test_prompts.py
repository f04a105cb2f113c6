"""What people type, read once."""

from __future__ import annotations

import os

import numpy as np
import pytest

from stylize.evaluation.descriptions import LISTS, SHEET_DESCRIPTIONS, expectations, measure, verdict
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


@pytest.mark.parametrize("text", ["not a zombie", "no sepia", "без сепии", "elf", "make me older", "green hair"])
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


def test_the_likest_is_said_with_how_sure_it_is() -> None:
    prompt = parse("a samurai from feudal Kyoto with a katana")
    assert prompt.drawable
    assert 0.5 <= prompt.confidence <= 1


def test_every_description_means_known_styles() -> None:
    texts = reader.descriptions()
    assert {name for mix in texts.values() for name in mix} <= {*NAMES, *COLOUR_WORDS, reader.SHAPE}
    own = {text.split("=")[0] for text in reader.TABLE.read_text(encoding="utf-8").splitlines()}
    assert len(own) > 60


def test_the_vectors_are_those_of_the_table() -> None:
    with np.load(reader.VECTORS) as file:
        assert str(file["digest"]) == reader.texts_digest(), "run stylize.prompts.reader.write_vectors()"


def test_nothing_measured_on_stands_in_the_table() -> None:
    lines = reader.TABLE.read_text(encoding="utf-8").splitlines()
    said = {" ".join(t.lower().split()) for line in lines if " = " in line for t in line.split(" = ")[1].split("|")}
    assert not said & {text.lower() for name in LISTS for text, _ in expectations(name)}


def test_the_figures_hold() -> None:
    figures = measure()
    seen = figures[LISTS[0]]
    assert all(seen[language]["right"] >= 0.93 for language in ("English", "Russian"))
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
        assert not parse("a wistful submarine").drawable
    finally:
        reader.similarities.cache_clear()


def test_reading_the_encoder_leaves_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    reader.sentence_encoder.cache_clear()
    assert reader.sentence_encoder() is not None
    assert os.environ["OMP_NUM_THREADS"] == "3"
