"""The notebook for those who teach runs from its first cell to its last, and carries no outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

NOTEBOOK = Path(__file__).parent.parent / "examples" / "stylize.ipynb"


@pytest.mark.slow
def test_every_cell_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cells = [cell for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
    monkeypatch.setenv("STEPS", "2")
    monkeypatch.chdir(NOTEBOOK.parent)
    names: dict[str, Any] = {}
    for number, cell in enumerate(cells):
        assert cell["outputs"] == []
        exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
        if number == 0:
            monkeypatch.chdir(tmp_path)  # where the last one writes
    assert names["face"].crop.size != names["photo"].size
    assert isinstance(names["curve"], Image.Image)
    assert len(names["losses"]) == 2
    assert (tmp_path / "learnt.safetensors").is_file()
