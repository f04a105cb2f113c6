"""The page as a Space of Hugging Face: started with its variables, and with a GPU that is lent to single calls."""

from __future__ import annotations

import json
import os
import pickle
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from inspect import isgeneratorfunction
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from conftest import PATIENCE
from PIL import Image
from test_page import ENGLISH, inputs
from tiny import load_tiny_model_with_style

from stylize.adaptation.text import AdaptSettings
from stylize.errors import NoFaceError, PromptError
from stylize.ui.page import Page
from stylize.ui.studio import GRID
from stylize.ui.zerogpu import OF_STUDIO, OF_STYLIZER

ROOT = Path(__file__).parent.parent
SPACE = {"SPACE_ID": "somebody/stylize", "SYSTEM": "spaces", "SPACE_HOST": "somebody-stylize.hf.space"}


@contextmanager
def kinds_of_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise gr.Error(type(error).__name__) from error


class Zero:
    """What the package spaces does where a Space has ZeroGPU, without its processes: all that goes in or out is
    pickled, and errors are replaced by ones of Gradio that say only their kind."""

    def __init__(self) -> None:
        self.lent = 0

    def GPU(self, duration: int) -> Callable[..., Any]:
        assert 0 < duration <= 120

        def decorate(task: Callable[..., Any]) -> Callable[..., Any]:
            self.lent += 1

            @wraps(task)
            def call(*args: Any, **given: Any) -> Any:
                args, given = pickle.loads(pickle.dumps((args, given)))
                with kinds_of_errors():
                    return pickle.loads(pickle.dumps(task(*args, **given)))

            @wraps(task)
            def generator(*args: Any, **given: Any) -> Iterator[Any]:
                args, given = pickle.loads(pickle.dumps((args, given)))
                with kinds_of_errors():
                    for item in task(*args, **given):
                        yield pickle.loads(pickle.dumps(item))

            return generator if isgeneratorfunction(task) else call

        return decorate


@pytest.fixture(scope="module")
def zero() -> Zero:
    return Zero()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, zero: Zero) -> Page:
    return Page(load_tiny_model_with_style(tmp_path_factory.mktemp("tiny")), zero.GPU)


def test_a_lent_gpu_does_the_work_of_the_page(
    page: Page, zero: Zero, astronaut: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert zero.lent == len(OF_STYLIZER) + len(OF_STUDIO)
    settings = AdaptSettings(steps=2, batch=1, pool=2)
    for place in ("text", "studio"):
        monkeypatch.setattr(f"stylize.ui.{place}.preset", lambda *names, **numbers: settings)
    astronaut.save(tmp_path / "me.png")
    opened = page.shared.open(str(tmp_path / "me.png"), None, ENGLISH)[0]
    assert len(opened.faces) == 1
    values = inputs(page, opened=opened, text0="pencil sketch")
    assert page.shared.show(ENGLISH, values)[0] == "Done: pencil sketch."
    reports = list(page.instant.grid(ENGLISH, values))
    assert f"of {GRID**2}" in reports[0][0]
    assert reports[-1][1].size[0] > GRID
    trained = list(page.text.train(ENGLISH, opened, "fast", 0, "a red mosaic", ""))[-1][0]
    assert trained.progress.step == 2
    assert page.shared.roll_same(3, ENGLISH)[0].seed == 3


def test_sentences_come_back_as_what_they_were(page: Page, tmp_path: Path) -> None:
    Image.new("RGB", (200, 200), "gray").save(tmp_path / "grey.png")
    with pytest.raises(NoFaceError, match="No face found"):
        page.studio.open(str(tmp_path / "grey.png"))
    with pytest.raises(PromptError, match="already"):
        list(page.studio.learn_words("a photo of a face", "a photo of a face", "fast", 0, 2, None))


CODE = """
import json, os, sys, types
real = os.access
os.access = lambda path, mode: path == "/data" or real(path, mode)
server = types.ModuleType("stylize.ui.server")  # what the page would be served with
server.serve = lambda gpu: [os.environ["HF_HOME"], os.environ["STYLIZE_FULL"], gpu, "torch" in spaces.before]
sys.modules["stylize.ui.server"] = server
import app, spaces
print(json.dumps(app.main()))
"""


def test_storage_and_zerogpu_are_used_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "spaces.py").write_text("import sys\nbefore, GPU = list(sys.modules), 'lent'\n")
    environment = {name: value for name, value in os.environ.items() if name not in ("HF_HOME", "STYLIZE_FULL")}
    out = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=ROOT,
        env=environment | SPACE | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        check=True,
        timeout=PATIENCE,
    )
    assert json.loads(out.stdout) == ["/data/huggingface", "/data/full", "lent", False]


@pytest.mark.slow
def test_app_starts_as_a_space() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"GRADIO_SERVER_PORT": str(port), "STYLIZE_MODEL": "mini", **SPACE}
    settings |= {name: value for name, value in os.environ.items() if name != "GRADIO_SERVER_NAME"}
    server = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=settings)
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:  # an address that only a server on all addresses answers
                with urllib.request.urlopen(f"http://127.0.0.2:{port}/config", timeout=PATIENCE) as response:
                    page = response.read().decode()
                break
            except OSError:
                assert server.poll() is None, "app.py stopped"
                assert time.monotonic() < deadline, f"no page within {PATIENCE} s"
                time.sleep(0.3)
    finally:
        server.terminate()
        server.wait(PATIENCE)
    assert "text-go" in page
    assert "full-get" not in page
