"""Every sentence that the package can show a visitor has a Russian translation that keeps its values."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_house import imports, modules

from stylize import errors
from stylize.ui.errors_russian import SENTENCES, in_russian

ERRORS = {name for name in vars(errors) if name.endswith("Error")}
# What the page imports, but no visitor can make them speak.
SILENT = {
    "convert.common": "files of other projects are read by the command line",
    "convert.generators": "files of other projects are read by the command line",
    "convert.sfe": "files of other projects are read by the command line",
    "convert.formats": "files of other projects are read by the command line",
    "convert.unpickle": "files of other projects are read by the command line",
    "faces.identity": "trains what ships",
    "ui.arguments": "scripts are answered in English",
    "ui.api": "scripts are answered in English",
    "ui.texts": "the page's own words are in both languages there",
    "ui.errors_russian": "the translations themselves",
}
NO_ERROR = {  # a list of files with their licences
    "Disk: {}{} to fetch, and at most as much converted.",
    "Afterwards, if you like, python -m stylize download {}: {}; {}.",
}


def template(node: ast.AST) -> str | None:
    """A text, or a formatted text with {} in the place of each value."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return None


def sentences(source: str) -> set[str]:
    """What is raised as an error of the package, and every other text that ends as a sentence does."""
    tree = ast.parse(source)
    skipped = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
    skipped |= {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS and node.args:
            found.add(template(node.args[0]))
        elif id(node) not in skipped and (text := template(node)) and text.endswith(".") and text.count(" ") >= 3:
            found.add(text)
    return {text for text in found if text}


def reachable() -> dict[str, Path]:
    """The modules that the page imports, directly or not."""
    known, seen, todo = modules(), set(), ["ui.page"]
    while todo:
        if (name := todo.pop()) not in seen:
            seen.add(name)
            todo += imports(known[name], set(known)) & set(known)
    return {name: known[name] for name in seen}


def test_every_sentence_of_the_page_has_a_translation() -> None:
    spoken = {name: path for name, path in reachable().items() if name not in SILENT}
    assert {
        "images",
        "faces.align",
        "models.domain",
        "pipeline",
        "adaptation.text",
        "adaptation.pictures",
        "ui.studio",
    } <= set(spoken)
    english = set().union(*(sentences(path.read_text(encoding="utf-8")) for path in spoken.values())) - NO_ERROR
    assert english - set(SENTENCES) == set(), "translate these in stylize/ui/errors_russian.py"
    assert set(SENTENCES) - english == set(), "nobody says these any more"


def test_a_new_sentence_is_noticed() -> None:
    source = 'def f(x):\n    """Does it well, always."""\n    raise PhotoError(f"{x} is {x!r} wrong: {x}")\n'
    assert sentences(source) == {"{} is {} wrong: {}"}
    assert sentences('words = f"It is step {3:.1f} of it."') == {"It is step {} of it."}


@pytest.mark.parametrize("english", SENTENCES)
def test_a_translation_is_a_russian_sentence(english: str) -> None:
    russian = SENTENCES[english]
    numbers = [int(number) for number in re.findall(r"{(\d)}", russian)]
    assert len(numbers) == len(set(numbers))
    assert set(numbers) <= set(range(english.count("{}")))
    assert re.search("[а-яё]", russian)
    assert russian.endswith(".") == english.endswith(".")


VALUES = st.text("abcdefgh0123 _-/", min_size=1, max_size=12).map(str.strip).filter(bool)


@given(english=st.sampled_from(sorted(SENTENCES)), values=st.lists(VALUES, min_size=6, max_size=6))
def test_values_come_through(english: str, values: list[str]) -> None:
    russian = in_russian(english.format(*values))
    assert russian == SENTENCES[english].format(*values)


@pytest.mark.parametrize(
    ("english", "russian"),
    [
        (
            "The mini model does not know 'qwertz'; the nearest it knows: mosaic, neon.",
            "Модель mini не знает «qwertz»; ближайшее, что она знает: мозаика, неон.",
        ),
        (
            "The face in the 5x5 picture seems to be upside down; turn the picture by 180 degrees and try again.",
            "Лицо на картинке 5x5, кажется, перевёрнуто; поверните её на 180 градусов и попробуйте снова.",
        ),
        (
            "a.safetensors cannot be used: The domain's order is 3 but must be one of a, b.",
            "a.safetensors нельзя использовать: Порядок стиля — 3, а должен быть одним из a, b.",
        ),
        (
            "No face was found in reference 2, so its middle was used as it is. "
            "The training has converged after 9 steps.",
            "На картинке 2 лица не нашлось, взята её середина. Обучение сошлось за 9 шагов.",
        ),
        ("Сначала выберите фото с лицом.", "Сначала выберите фото с лицом."),
    ],
)
def test_sentences_in_russian(english: str, russian: str) -> None:
    assert in_russian(english) == russian
