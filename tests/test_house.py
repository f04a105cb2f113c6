"""Data flows one way through the house, so imports point one way too."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import PATIENCE

ROOT = Path(__file__).parent.parent
HOUSE = ROOT / "stylize"

# A module imports from lines above its own, and from its left on its own line.
ORDER = """
    errors places images prompts
    models
    faces look loading face_model
    pipeline
    video adaptation
    convert
    training evaluation
    ui
    cli
    __main__
"""
PLACES = {
    name: (line, place)
    for line, words in enumerate(ORDER.strip().splitlines())
    for place, name in enumerate(words.split())
}


def name_of(path: Path) -> str:
    """Dotted name inside the package: images, adaptation.text."""
    parts = path.relative_to(HOUSE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def modules() -> dict[str, Path]:
    return {name: path for path in sorted(HOUSE.rglob("*.py")) if (name := name_of(path))}


def imports(path: Path, known: set[str]) -> set[str]:
    """Modules of the package that a file imports, inside functions too ('' is the package itself)."""
    found = set()
    package = ("stylize", *path.relative_to(HOUSE).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        targets: list[str] = []
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{module}.{alias.name}"
                targets.append(inner if inner.removeprefix("stylize.") in known else module)
        found |= {target for target in targets if target.split(".")[0] == "stylize"}
    return {target.removeprefix("stylize").removeprefix(".") for target in found}


def may_import(importer: str, imported: str) -> bool:
    if not imported:
        return False  # the package's own names are for users
    a, b = importer.split(".")[0], imported.split(".")[0]
    if a == b:
        return True
    return PLACES[b] < PLACES[a]


@pytest.mark.parametrize("name", modules())
def test_each_module_imports_only_from_earlier_ones(name: str) -> None:
    known = modules()
    assert name.split(".")[0] in PLACES, f"give {name} a place in ORDER"
    wrong = {other for other in imports(known[name], set(known)) if not may_import(name, other)}
    assert not wrong, f"stylize.{name} imports {sorted(wrong)}"


def test_no_module_imports_in_a_circle() -> None:
    known = modules()
    graph = {name: imports(path, set(known)) for name, path in known.items()}
    TopologicalSorter(graph).prepare()


def test_the_order_is_the_documented_one() -> None:
    layers = ["errors", "models", "look", "pipeline", "adaptation", "training", "evaluation", "cli", "__main__"]
    assert all(may_import(later, earlier) for earlier, later in pairwise(layers))
    assert not any(may_import(earlier, later) for earlier, later in pairwise(layers))
    assert may_import("adaptation.text", "adaptation.losses")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("import stylize.adaptation.text", {"adaptation.text"}),
        ("from stylize import images", {"images"}),
        ("from stylize import Stylizer", {""}),
        ("from stylize.images import read_photo", {"images"}),
        ("from . import images", {"images"}),
        ("from .images import read_photo", {"images"}),
        ("def f():\n    from stylize.errors import PhotoError", {"errors"}),
        ("import torch", set()),
    ],
)
def test_every_way_to_import_is_seen(
    line: str, expected: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "HOUSE", tmp_path)
    path = tmp_path / "module.py"
    path.write_text(line)
    assert imports(path, {"images", "errors", "adaptation.text"}) == expected


def test_help_does_not_wait_for_torch() -> None:
    code = (
        "import sys, stylize.cli\n"
        "try: stylize.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules or 'PIL' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, timeout=PATIENCE)


def test_the_package_takes_all_its_files_along() -> None:
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    folders = {path.relative_to(ROOT) for path in HOUSE.rglob("*.py")} | {
        path.relative_to(ROOT) for path in (*(ROOT / "weights").rglob("*"),) if path.is_file()
    }
    homes = {path.parent.parts for path in folders if "full" not in path.parts}
    packages = {tuple(name.split(".")) for name in setup["packages"]} - {
        ("stylize", "examples"),
        ("stylize", "weights"),
    }
    assert packages == {home if home[0] == "stylize" else ("stylize", *home) for home in homes}


def test_every_data_file_is_installed() -> None:
    """The patterns of pyproject.toml are relative to the package that holds a file, itself or in a folder."""
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    for path in HOUSE.rglob("*.*"):
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            package = next(folder for folder in path.parents if (folder / "__init__.py").is_file())
            found = {file for pattern in setup["package-data"]["*"] for file in package.glob(pattern)}
            assert path in found, f"{path.relative_to(ROOT)} is not installed"
