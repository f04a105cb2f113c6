"""Measures how descriptions are understood, on lists written apart from the tables, and draws some on one face."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from stylize.errors import PromptError
from stylize.pipeline import Stylizer
from stylize.prompts.parse import Prompt, parse
from stylize.prompts.russian import CYRILLIC
from stylize.prompts.vocabulary import COLOUR_WORDS, NAMES

HERE = Path(__file__).parent
LABEL_FONT = HERE.parent / "ui" / "labels.ttf"
SHEET_DESCRIPTIONS = (
    "like a Monet painting", "Mona Lisa", "Hokusai great wave", "Roy Lichtenstein", "Banksy", "manga panel",
    "The Simpsons", "Minecraft", "Avatar Na'vi", "Shrek", "The Walking Dead", "terminator T-1000", "Tron legacy",
    "B&W", "1940s detective movie", "wild west wanted poster", "80s retro vibe", "halloween", "christmas",
    "elsa from frozen", "autumn mood", "made of fire", "outer space", "ancient greek statue", "king Midas touched",
    "china doll", "pinocchio", "hacker", "my bones at the doctor", "half robot half marble", "мультяшный герой",
    "Айвазовский море", "советский мультик", "упырь", "чёрт из табакерки", "снежная королева", "закат на море",
    "пластилиновая ворона", "старое фото без сепии", "слегка зомби",
)  # fmt: skip


LISTS = ("open_words_eval.tsv", "open_words_eval_2.tsv", "open_words_eval_3.tsv")


def expectations(name: str) -> list[tuple[str, list[str]]]:
    """(description, acceptable answers) for each entry of one of LISTS."""
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    pairs = (line.split("\t") for line in lines if line and not line.startswith("#"))
    return [(text, [name.strip() for name in accepted.split("|")]) for text, accepted in pairs]


def verdict(prompt: Prompt, accepted: Collection[str]) -> str:
    """The verdict: right, wrong, refused, or answered (if it should have been refused)."""
    answer = {**prompt.styles, **prompt.colours}
    if "none" in accepted:
        return "answered" if prompt.drawable or prompt.shapes else "right"
    if "shape" in accepted:
        return "right" if prompt.shapes else "wrong" if prompt.drawable else "refused"
    if not prompt.drawable:
        return "refused"
    first = [*list(prompt.styles)[:3], *list(prompt.colours)[: max(1, 3 - len(prompt.styles))]]
    denied = any(name[1:] in answer for name in accepted if name.startswith("!"))
    return "right" if set(first) & set(accepted) and not denied else "wrong"


def measure(known: Collection[str] = NAMES) -> dict[str, Any]:
    """Shares of verdicts by language on LISTS, and on random letters, which should be refused; every verdict except
    "right" by name."""
    results: dict[str, Any] = {name: _measure(expectations(name), known) for name in LISTS}
    letters = (HERE / "gibberish.txt").read_text(encoding="utf-8").split("\n")
    return results | {"gibberish.txt": _refusals([text for text in letters if text], known)}


def _measure(pairs: list[tuple[str, list[str]]], known: Collection[str]) -> dict[str, Any]:
    results: dict[str, Any] = {}
    for language in ("English", "Russian"):
        cyrillic = language == "Russian"
        sensible = [(t, a) for t, a in pairs if "none" not in a and bool(CYRILLIC.search(t)) == cyrillic]
        read = {text: parse(text, known) for text, _ in sensible}
        said = {text: verdict(read[text], accepted) for text, accepted in sensible}
        count = {kind: list(said.values()).count(kind) for kind in ("right", "wrong", "refused")}
        results[language] = {
            "descriptions": len(said),
            **{kind: number / len(said) for kind, number in count.items()},
            "named": sum(prompt.named for prompt in read.values()) / len(said),
            "failures": {text: _told(read[text], kind) for text, kind in said.items() if kind != "right"},
        }
    return results | {"off topic": _refusals([text for text, accepted in pairs if "none" in accepted], known)}


def _refusals(texts: list[str], known: Collection[str]) -> dict[str, Any]:
    answered = [text for text in texts if verdict(parse(text, known), ["none"]) == "answered"]
    return {"descriptions": len(texts), "refused": 1 - len(answered) / len(texts), "answered": answered}


def _told(prompt: Prompt, kind: str) -> str:
    answer = [*prompt.styles, *(name for name in prompt.colours if name in COLOUR_WORDS), *prompt.shapes]
    return f"{kind}, {prompt.confidence}: {', '.join(answer) or 'nothing'}"


def sheet(stylizer: Stylizer, photo: Image.Image, side: int = 192, columns: int = 8) -> Image.Image:
    """The largest face of a photo in each of SHEET_DESCRIPTIONS, in reading order; refused ones stay grey."""
    face = stylizer.faces(photo)[0]
    picture = Image.new("RGB", (columns * side, -(-len(SHEET_DESCRIPTIONS) // columns) * side), "grey")
    draw, font = ImageDraw.Draw(picture), ImageFont.truetype(LABEL_FONT, side // 14)
    for place, text in enumerate(SHEET_DESCRIPTIONS):
        corner = (place % columns * side, place // columns * side)
        try:
            drawn = stylizer.render(face, stylizer.domain(text))
        except PromptError:
            continue
        picture.paste(drawn.resize((side, side), Image.Resampling.LANCZOS), corner)
        below = (corner[0] + side // 2, corner[1] + side - 4)
        draw.text(below, text, "white", font, anchor="md", stroke_width=2, stroke_fill="black")
    return picture
