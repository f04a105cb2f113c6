"""The documents are true: links lead somewhere, commands are read by the command line, the snippet runs."""

from __future__ import annotations

import argparse
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from PIL import Image

from stylize.cli import COMMANDS, dispatch
from stylize.cli.models import TRAINING

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md"), *ROOT.glob("weights/*/*.md")]
)
SUFFIXES = ("py", "toml", "md", "txt", "json", "yml", "yaml", "ttf", "webp", "safetensors", "ipynb")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(params=DOCUMENTS, ids=name_of)
def document(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def anchors(path: Path) -> set[str]:
    """What a link may name after #: the headings, as forges write them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_relative_link_leads_to_a_file(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    for link in links:
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = link.partition("#")
        target = (document.parent / place).resolve() if place else document
        assert target.exists(), f"{link} leads nowhere"
        assert ROOT in (target, *target.parents), f"{link} leads out of the repository"
        assert not anchor or anchor in anchors(target), f"there is no heading for {link}"


def test_every_file_that_is_named_is_there(document: Path) -> None:
    """In code spans: paths from the root of the repository; a file alone is one beside a path, or in the root."""
    spans = re.findall(r"`([^`\n]+)`", document.read_text(encoding="utf-8"))
    known = {path.name for path in ROOT.glob("stylize/**/*.*")} | {path.name for path in ROOT.glob("tests/*")}
    for span in spans:
        if re.fullmatch(r"(?:stylize|tests|docs|weights|examples|benchmarks|\.github)/[\w./-]*", span):
            local = span.startswith("weights/full")  # what is downloaded
            assert local or (ROOT / span).exists(), f"there is no {span}"
        elif re.fullmatch(r"[a-z_0-9]+\.py", span):
            assert span in known or (ROOT / span).exists(), f"there is no {span}"


def command_lines() -> Iterator[tuple[str, str]]:
    """(document, line) of every command of this project in indented blocks and code spans."""
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        for line in re.findall(r"^ {4}(.+)$|`([^`\n]+)`", text, re.MULTILINE):
            if re.match(r"(torchrun .*|python )?-m stylize \w|stylize \w", command := line[0] or line[1]):
                yield name_of(path), command


class Parsed(Exception):
    pass


@pytest.fixture
def parses_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands end when their arguments have been read."""
    parse = argparse.ArgumentParser.parse_args

    def stop(self: argparse.ArgumentParser, args: Any = None, namespace: Any = None) -> NoReturn:
        parse(self, args, namespace)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)


@pytest.mark.usefixtures("parses_only")
@pytest.mark.parametrize(("page", "line"), sorted(set(command_lines())))
def test_every_command_line_is_understood(page: str, line: str) -> None:
    words = shlex.split(re.split("stylize ", line, maxsplit=1)[1].replace("NAME", "sepia"), comments=True)
    if not any(word.startswith("-") for word in words):  # a command that is spoken of, such as `stylize train mini`
        assert words[0] in COMMANDS
        assert words[0] != "train" or words[1] in TRAINING
        return
    with pytest.raises(SystemExit if "--help" in words else Parsed):
        dispatch(words)


def test_the_command_lines_are_found() -> None:
    pages = [page for page, _ in command_lines()]
    assert pages.count("README.md") >= 5
    assert pages.count("docs/models.md") >= 8


def test_every_variable_that_is_named_is_read() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in [ROOT / "app.py", *ROOT.glob("stylize/**/*.py")])
    for document in DOCUMENTS:
        for name in re.findall(r"`(STYLIZE_\w+)", document.read_text(encoding="utf-8")):
            assert name in source, f"{name_of(document)} names {name}, which nothing reads"


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for document in DOCUMENTS:
        for name in re.findall(r"(?:^    |`)make (\w+)", document.read_text(encoding="utf-8"), re.MULTILINE):
            assert name in targets, f"{name_of(document)} names make {name}"


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_the_snippet_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 1
    os.symlink(ROOT / "examples" / "astronaut.jpg", tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    exec(compile(blocks[0], "README.md", "exec"), {})
    with Image.open("out.png") as made, Image.open("photo.jpg") as photo:
        assert made.size == photo.size
