"""Every argument of every endpoint, missing, of another type, out of its range or of another content: one sentence."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from conftest import PATIENCE
from gradio_client import Client, handle_file
from PIL import Image
from tiny import load_tiny_model_with_style

from stylize.ui.page import Page
from stylize.ui.texts import I18N

pytestmark = pytest.mark.slow
FILE = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}  # not among the uploads

# endpoint -> argument -> (its kind, what the sentences about its content say)
ENDPOINTS: dict[str, dict[str, str]] = {
    "stylize": {
        "photo": "photo", "text": "words", "strength": "number", "detail": "number", "domain": "file",
        "keep_colours": "flag", "face": "whole",
    },
    "invert": {"photo": "photo"},
    "adapt_text": {"text": "words", "source": "words", "steps": "whole", "seed": "whole", "preset_name": "choice"},
    "adapt_image": {"pictures": "files", "steps": "whole", "seed": "whole", "preset_name": "choice"},
    "hypernet": {"text": "words", "picture": "file"},
    "mix": {"parts": "list", "domains": "files", "spherical": "flag"},
    "morph": {
        "photo": "photo", "texts": "list", "frames": "whole", "fps": "whole", "file_format": "choice",
        "spherical": "flag",
    },
    "video": {
        "video": "photo", "text": "words", "strength": "number", "detail": "number", "domain": "file",
        "keep_colours": "flag", "file_format": "choice",
    },
}  # fmt: skip
NO_FILE: list[Any] = [5, True, "a.png", [], {}, {"path": "/etc/passwd"}, {**FILE, "path": 5}, {"meta": FILE["meta"]}]
WRONG: dict[str, list[Any]] = {  # by kind: values that are told by the argument's own name
    "photo": [*NO_FILE, None],
    "file": NO_FILE,
    "files": [5, "a.png", FILE, [5], [None], ["a.png"], [{"path": "/etc/passwd"}]],
    "words": [5, True, ["a"], {"a": 1}],
    "list": [5, "a", {"a": 1}, [5], [None], [["a"]], ["a"] * 101],
    "number": ["much", "1", [], {}, True, 9.0, -9.0, 10**30],
    "whole": ["many", "1", [], {}, True, 1.5, 10**30, -(10**30)],
    "flag": ["yes", 1, 0.0, [], {}],
    "choice": ["other", "", 5, [], {}],
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    stylizer = load_tiny_model_with_style(tmp_path_factory.mktemp("tiny"))
    _, url, _ = Page(stylizer).blocks.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, i18n=I18N)
    yield url
    gr.close_all()


@pytest.fixture(scope="module")
def client(address: str) -> Client:
    return Client(address, verbose=False, httpx_kwargs={"timeout": PATIENCE})


@pytest.fixture(scope="module")
def given(client: Client, tmp_path_factory: pytest.TempPathFactory, astronaut: Image.Image) -> dict[str, list[Any]]:
    """Arguments of every endpoint that it takes."""
    folder = tmp_path_factory.mktemp("given")
    astronaut.save(folder / "me.png")
    photo = handle_file(str(folder / "me.png"))
    text, style = "pencil sketch", ["pencil sketch"]
    return {
        "stylize": [photo, text, 1.0, 1.0, None, False, 0],
        "invert": [photo],
        "adapt_text": [text, "a face", 1, 0, "fast"],
        "adapt_image": [[photo], 1, 0, "fast"],
        "hypernet": [text, None],
        "mix": [style, None, False],
        "morph": [photo, style, 2, 8, "gif", False],
        "video": [photo, text, 1.0, 1.0, None, False, "mp4"],
    }


def sentence(client: Client, name: str, values: list[Any]) -> str:
    """What the endpoint answers, which must be one sentence."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 (the client makes its own class)
        client.predict(*values, api_name=f"/{name}")
    words = str(caught.value)
    assert words.endswith(".") and "\n" not in words and len(words) < 400, words  # noqa: PT018
    assert "upstream" not in words
    assert "Traceback" not in words
    return words


def test_the_table_names_every_argument(client: Client) -> None:
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    told = {
        name.lstrip("/"): [parameter["parameter_name"] for parameter in endpoint["parameters"]]
        for name, endpoint in endpoints.items()
    }
    assert told == {name: list(arguments) for name, arguments in ENDPOINTS.items()}


@pytest.mark.parametrize(("name", "argument"), [(name, key) for name, keys in ENDPOINTS.items() for key in keys])
def test_a_wrong_argument_is_told_by_its_name(
    client: Client, given: dict[str, list[Any]], name: str, argument: str
) -> None:
    place, kind = list(ENDPOINTS[name]).index(argument), ENDPOINTS[name][argument]
    for value in WRONG[kind]:
        values = [*given[name][:place], value, *given[name][place + 1 :]]
        told = sentence(client, name, values)
        assert told.startswith(f"{argument} is missing; give " if value is None else f"{argument} must be "), value


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("stylize", {"text": None}, "The description is empty"),
        ("stylize", {"text": "x" * 500}, "has 500 characters"),
        ("stylize", {"photo": "text"}, "not a picture that can be read"),
        ("stylize", {"photo": "blank"}, "No face found"),
        ("stylize", {"domain": "text"}, "is not a domain file or is damaged"),
        ("stylize", {"face": 2}, "There is no face 2"),
        ("stylize", {"face": -1}, "There is no face -1"),
        ("invert", {"photo": "text"}, "not a picture that can be read"),
        ("invert", {"photo": "blank"}, "No face found"),
        ("adapt_text", {"text": None}, "The description is empty"),
        ("adapt_text", {"source": ""}, "The description is empty"),
        ("adapt_text", {"steps": -1}, "-1 steps"),
        ("adapt_text", {"steps": 10**9}, "1000000000 steps"),
        ("adapt_image", {"pictures": None}, "0 reference pictures"),
        ("adapt_image", {"pictures": ["text"]}, "not a picture that can be read"),
        ("adapt_image", {"steps": -1}, "-1 steps"),
        ("hypernet", {"text": None}, "The description is empty"),
        ("hypernet", {}, "no hypernetwork"),
        ("hypernet", {"picture": "text"}, "not a picture that can be read"),
        ("mix", {"parts": None}, "nothing to mix"),
        ("mix", {"parts": [""]}, "is not a style with its weight"),
        ("mix", {"parts": ["x" * 2000]}, "has 2000 characters"),
        ("mix", {"parts": ["pencil sketch=nan"]}, "is not a number"),
        ("mix", {"parts": ["pencil sketch=1e300"]}, "non-finite"),
        ("mix", {"domains": ["text"]}, "is not a domain file or is damaged"),
        ("morph", {"photo": "text"}, "not a picture that can be read"),
        ("morph", {"texts": None}, "at least one style"),
        ("morph", {"texts": [""]}, "The description is empty"),
        ("morph", {"frames": 0}, "0 frames"),
        ("morph", {"frames": 601}, "601 frames"),
        ("morph", {"fps": 0}, "0 pictures a second"),
        ("morph", {"fps": 61}, "61 pictures a second"),
        ("video", {"video": "text"}, "video"),
        ("video", {}, "is a still picture"),
    ],
)
def test_a_wrong_content_is_told(
    client: Client, given: dict[str, list[Any]], name: str, changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    (tmp_path / "text.safetensors").write_text("no file of any kind" * 10)
    Image.new("RGB", (200, 200)).save(tmp_path / "blank.png")
    files = {"text": "text.safetensors", "blank": "blank.png"}
    uploads = {key: handle_file(str(tmp_path / file)) for key, file in files.items()}

    def uploaded(value: Any) -> Any:
        if isinstance(value, list):
            return [uploaded(item) for item in value]
        return uploads.get(value, value) if isinstance(value, str) else value

    values = dict(zip(ENDPOINTS[name], given[name], strict=True)) | {key: uploaded(x) for key, x in changes.items()}
    assert words in sentence(client, name, list(values.values()))


# What Gradio's client does not send: it uploads every file first, and knows how many arguments there are.


@pytest.mark.parametrize("name", ["stylize", "invert", "morph", "video"])
def test_a_script_that_sends_nothing_is_told_so(address: str, name: str) -> None:
    assert post(address, name, []).startswith(f"{next(iter(ENDPOINTS[name]))} is missing; give an uploaded file, ")


def of_kind(*kinds: str) -> list[tuple[str, str]]:
    return [(name, key) for name, arguments in ENDPOINTS.items() for key, kind in arguments.items() if kind in kinds]


@pytest.fixture(scope="module")
def upload(address: str, astronaut: Image.Image) -> dict[str, Any]:
    picture = io.BytesIO()
    astronaut.save(picture, "PNG")
    (path,) = httpx.post(f"{address}gradio_api/upload", files={"files": picture.getvalue()}, timeout=None).json()
    return {**FILE, "path": path}


PATHS = ["/etc/passwd", "", "a\0b", "../../etc/passwd", "http://127.0.0.1:1/x.png", "x" * 5000]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("name", "argument"), of_kind("photo", "file", "files"))
def test_a_file_that_was_not_uploaded_is_not_read(
    address: str, upload: dict[str, Any], name: str, argument: str, path: str
) -> None:
    kinds = ENDPOINTS[name]
    values: dict[str, Any] = {key: upload if kind == "photo" else None for key, kind in kinds.items()}
    values[argument] = [{**FILE, "path": path}] if kinds[argument] == "files" else {**FILE, "path": path}
    assert "not one of those uploaded to this server" in post(address, name, list(values.values()))


@pytest.mark.parametrize(("name", "argument"), of_kind("words", "list"))
def test_half_a_character_is_no_word(address: str, upload: dict[str, Any], name: str, argument: str) -> None:
    kinds = ENDPOINTS[name]
    values: dict[str, Any] = {key: upload if kind == "photo" else None for key, kind in kinds.items()}
    values[argument] = ["\ud800"] if kinds[argument] == "list" else "\ud800"
    assert post(address, name, list(values.values())).startswith(f"{argument} must be ")


def test_a_list_of_files_has_an_end(address: str) -> None:
    assert post(address, "adapt_image", [[FILE] * 101]).startswith("pictures must be a list of at most 100 uploaded")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none(address: str, number: str) -> None:
    told = post(address, "stylize", [FILE, "sepia", float(number)])
    assert told.startswith("strength must be a number from -1 to 2")


def post(address: str, name: str, values: list[Any]) -> str:
    """What the endpoint answers, which must be one sentence."""
    url, headers = f"{address}gradio_api/call/{name}", {"Content-Type": "application/json"}
    body = json.dumps({"data": values})  # NaN too, unlike httpx's own
    asked = httpx.post(url, content=body, headers=headers, timeout=None)
    told = httpx.get(f"{url}/{asked.json()['event_id']}", timeout=None).text
    kind, answer = told.strip().split("\n")[-2:]
    assert kind == "event: error"
    error = json.loads(answer.removeprefix("data: "))
    words = str(error["error"] if isinstance(error, dict) else error)
    assert words.endswith(".")
    assert "\n" not in words
    return words


def test_none_stands_for_what_an_argument_usually_is(client: Client, given: dict[str, list[Any]]) -> None:
    picture = client.predict(given["stylize"][0], "pencil sketch", *[None] * 5, api_name="/stylize")
    with Image.open(picture) as drawn:
        assert drawn.size == (512, 512)
    assert client.predict(["pencil sketch"], None, None, api_name="/mix")
