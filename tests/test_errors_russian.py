"""Every sentence that the package can show a visitor has a Russian translation that keeps its values."""

from __future__ import annotations

import ast
import pickle
import re
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_house import imports, modules

from stylize import errors
from stylize.errors import DomainError, Sentence, StylizeError
from stylize.ui.errors_russian import SENTENCES, in_russian

ERRORS = {name for name in vars(errors) if name.endswith("Error")}
# What the page imports, but no visitor can make them speak.
SILENT = {
    "convert.common": "files of other projects are read by the command line",
    "convert.generators": "files of other projects are read by the command line",
    "convert.sfe": "files of other projects are read by the command line",
    "convert.hyperdomainnet": "files of other projects are read by the command line",
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
    """A text with {} in the place of each value."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"\{[^{}]*\}", "{}", node.value)
    return None


def ends_as_one(text: str) -> bool:
    return text.endswith(".") and text.count(" ") >= 3


def sentences(source: str) -> set[str]:
    """What is raised as an error of the package, and every other text that ends as a sentence does."""
    tree = ast.parse(source)
    skipped = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
    skipped |= {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS and node.args:
            found.add(template(node.args[0]))
        elif id(node) not in skipped and (text := template(node)) and ends_as_one(text):
            found.add(text)
    return {text for text in found if text}


def filled_in(source: str) -> set[str]:
    """Sentences that are f-strings, which nobody can translate."""
    texts = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
            texts |= {text} if ends_as_one(text) else set()
    return texts


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


def test_sentences_keep_their_values_apart() -> None:
    said = {name: filled_in(path.read_text(encoding="utf-8")) - NO_ERROR for name, path in reachable().items()}
    assert {name for name, texts in said.items() if texts and name not in SILENT} == set(), "make them a Sentence"


def test_a_new_sentence_is_noticed() -> None:
    source = 'def f(x):\n    """Does it well, always."""\n    raise PhotoError("{} is {!r} wrong: {:.1f}", x, x, x)\n'
    assert sentences(source) == {"{} is {} wrong: {}"}
    assert sentences('words = Sentence("It is step {} of it.", 3)') == {"It is step {} of it."}
    assert filled_in('words = f"It is step {3:.1f} of it."') == {"It is step {} of it."}


def test_a_sentence_is_a_text_that_remembers() -> None:
    inner = StylizeError("The {!r} is {:.1f} px wide.", "face", 3)
    outer = DomainError("{} cannot be used: {}", "a.png", inner)
    assert str(outer) == "a.png cannot be used: The 'face' is 3.0 px wide."
    assert (outer.sentence.key, outer.sentence.values) == ("{} cannot be used: {}", ("a.png", str(inner)))
    for copy in (pickle.loads(pickle.dumps(outer)), deepcopy(outer)):
        assert copy.sentence == outer.sentence
        said = copy.sentence.values[1]
        assert isinstance(said, Sentence)
        assert said.key == "The {} is {} px wide."
    assert StylizeError("100 % {} of it").sentence == "100 % {} of it"


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
    given = values[: english.count("{}")]
    assert in_russian(Sentence(english, *given)) == SENTENCES[english].format(*given)


@pytest.mark.parametrize(
    ("english", "russian"),
    [
        (
            Sentence("The {} model does not know {}; the nearest it knows: {}.", "mini", "'qwertz'", "mosaic, neon"),
            "Модель mini не знает «qwertz»; ближайшее, что она знает: мозаика, неон.",
        ),
        (
            Sentence(
                "The face in the {} picture seems to be {}; turn the picture by {} and try again.",
                "5x5",
                "upside down",
                "180 degrees",
            ),
            "Лицо на картинке 5x5, кажется, перевёрнуто; поверните её на 180 градусов и попробуйте снова.",
        ),
        (
            Sentence(
                "{} cannot be used: {}",
                "a.safetensors",
                DomainError("The domain's order is {!r} but must be one of {}.", 3, "a, b"),
            ),
            "a.safetensors нельзя использовать: Порядок стиля — 3, а должен быть одним из a, b.",
        ),
        (
            Sentence.together(
                [
                    Sentence("No face was found in reference {}, so its centre was used instead.", 2),
                    "",
                    Sentence("The training has converged after {} steps.", 9),
                ]
            ),
            "На картинке 2 лица не нашлось, взята её середина. Обучение сошлось за 9 шагов.",
        ),
        ("Сначала выберите фото с лицом.", "Сначала выберите фото с лицом."),
    ],
)
def test_sentences_in_russian(english: str, russian: str) -> None:
    assert in_russian(english) == russian
