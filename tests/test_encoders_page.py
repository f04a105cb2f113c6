"""The page says which encoder reads the photos, and compares the two of a model that has them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny import load_tiny_model_with_style
from tiny_sfe import load_model, save_parts

from stylize.ui.page import Page
from stylize.ui.texts import TEXTS

ENGLISH: Any = SimpleNamespace(headers={"accept-language": "en"}, session_hash="a", client=None)


def laid(page: Page, name: str) -> Any:
    """The component of that id, or None."""
    return next((block for block in page.blocks.blocks.values() if getattr(block, "elem_id", "") == name), None)


def test_two_encoders_are_compared(astronaut: Image.Image, tmp_path: Path) -> None:
    save_parts(tmp_path)
    astronaut.save(tmp_path / "a.png")
    page = Page(load_model(tmp_path))
    assert '"reads_sfe"' in laid(page, "encoder").value
    tab = page.shared.encoders
    assert tab is not None
    opened = page.studio.open(str(tmp_path / "a.png"))
    shown = tab.show(opened, None, ENGLISH)
    assert shown is not None
    assert [words for _, words in shown] == [TEXTS["en"]["photo"], "e4e", "StyleFeatureEditor"]
    photo, plain, rich = (picture for picture, _ in shown)
    assert photo.size == opened.faces[0].crop.size
    assert np.array_equal(np.asarray(rich), np.asarray(opened.faces[0].reconstruction))
    assert not np.array_equal(np.asarray(rich), np.asarray(plain))
    assert tab.show(None, None, ENGLISH) is None
    assert tab.show(page.studio.random(1), None, ENGLISH) is None


@pytest.mark.parametrize("kind", ["e4e", "mini"])
def test_one_encoder_is_named(kind: str, tmp_path: Path) -> None:
    if kind == "e4e":
        save_parts(tmp_path).unlink()
    page = Page(load_model(tmp_path) if kind == "e4e" else load_tiny_model_with_style(tmp_path))
    assert f'"reads_{"e4e" if kind == "e4e" else "own"}"' in laid(page, "encoder").value
    assert page.shared.encoders is None
    assert laid(page, "encoders") is None
