"""What a start-up does not import: it would cost seconds and hundreds of megabytes before the first page."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PATIENCE

ROOT = Path(__file__).parent.parent
HEAVY = ("open_clip", "torchvision", "timm", "torch._dynamo", "triton", "sympy", "scipy", "skimage", "matplotlib")


@pytest.mark.slow
def test_a_ready_style_on_the_page_needs_neither_open_clip_nor_a_compiler() -> None:
    code = (
        "import sys\n"
        "from stylize.pipeline import Stylizer\n"
        "from stylize.ui.page import Page\n"
        "from stylize.look import Look\n"
        "page = Page(Stylizer.load('mini', 'cpu'))\n"
        "studio = page.studio\n"
        "opened = studio.random(0)\n"
        "studio.picture(opened, [], Look(studio.domain('sepia', {})))\n"
        f"print(*[name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.stdout.split() == []
