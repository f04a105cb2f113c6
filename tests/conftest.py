"""What the tests share."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest
import torch
from PIL import Image

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
# Servers sweep the temporary folder, so runs at the same time need folders of their own.
os.environ["TMPDIR"] = tempfile.tempdir = tempfile.mkdtemp(prefix="stylize-tests-")
atexit.register(shutil.rmtree, tempfile.tempdir, ignore_errors=True)
PATIENCE = 600  # seconds that anything may take on a busy machine; what comes true ends the wait at once
if "PYTEST_XDIST_WORKER" in os.environ:  # the workers share the cores
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
CHROMIUM = Path("/usr/bin/chromium")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "gpu" in item.keywords and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
        if "browser" in item.keywords and not CHROMIUM.exists():
            item.add_marker(pytest.mark.skip(reason=f"needs {CHROMIUM}"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference numbers and pictures beside the checkout; the test is skipped without it."""
    path = Path(__file__).resolve().parents[2] / "shared"
    if not path.is_dir():
        pytest.skip("needs ../shared")
    return path


@pytest.fixture(scope="session")
def astronaut() -> Image.Image:
    """A real face: the public-domain portrait that scikit-image ships, 512 px."""
    from skimage.data import astronaut

    return Image.fromarray(astronaut())
