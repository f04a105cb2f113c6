"""The endpoints over HTTP, as a script would call them, on a tiny model; and as tools where the package mcp is."""

from __future__ import annotations

import asyncio
import base64
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from clips import read_clip, still, write_clip
from conftest import PATIENCE
from gradio_client import Client, handle_file
from PIL import Image
from tiny import load_tiny_model_with_style

from stylize.models.domain import Domain
from stylize.ui.page import Page
from stylize.ui.texts import I18N

ENDPOINTS = ["stylize", "invert", "adapt_text", "adapt_image", "hypernet", "mix", "morph", "video"]
HAS_MCP = find_spec("mcp") is not None


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    stylizer = load_tiny_model_with_style(tmp_path_factory.mktemp("tiny"))
    _, url, _ = Page(stylizer).blocks.launch(
        prevent_thread_lock=True, quiet=True, ssr_mode=False, i18n=I18N, mcp_server=HAS_MCP
    )
    yield url
    gr.close_all()


@pytest.fixture(scope="module")
def client(address: str) -> Client:
    return Client(address, verbose=False, httpx_kwargs={"timeout": PATIENCE})


@pytest.fixture
def photo(tmp_path: Path, astronaut: Image.Image) -> Any:
    astronaut.save(tmp_path / "astronaut.png")
    return handle_file(str(tmp_path / "astronaut.png"))


def test_exactly_the_documented_endpoints_are_public(client: Client) -> None:
    named = client.view_api(return_format="dict")["named_endpoints"]
    assert sorted(named) == sorted(f"/{name}" for name in ENDPOINTS)
    for endpoint in named.values():
        assert endpoint["description"]
        assert all(parameter["parameter_name"] for parameter in endpoint["parameters"])


def test_stylize_and_invert(client: Client, photo: Any) -> None:
    result = client.predict(photo, "pencil sketch", strength=0.5, keep_colours=True, face=1, api_name="/stylize")
    with Image.open(result) as picture:
        assert picture.size == (512, 512)
    assert len(client.predict(photo, api_name="/invert")) == 1


def test_a_trained_domain_goes_into_stylize_and_mix(client: Client, photo: Any) -> None:
    file = client.predict("a red mosaic", steps=1, preset_name="fast", api_name="/adapt_text")
    assert Domain.load(file).target == "red mosaic"  # as the text-image model is told it
    with Image.open(client.predict(photo, "", domain=handle_file(file), api_name="/stylize")) as picture:
        assert picture.size == (512, 512)
    name = Path(file).stem
    mixed = client.predict([f"{name}=0.5", "pencil sketch=-0.25"], [handle_file(file)], api_name="/mix")
    assert list(Domain.load(mixed).ingredients().values()) == [0.5, -0.25]
    mixed = client.predict(["pencil sketch=2,coarse=0", "pencil sketch,medium=0"], spherical=True, api_name="/mix")
    assert Domain.load(mixed).name.endswith("1 pencil sketch (medium 0), turning")


def test_adapt_image(client: Client, photo: Any) -> None:
    file = client.predict([photo], steps=1, api_name="/adapt_image")
    assert Domain.load(file).method == "one-shot"


def test_morph(client: Client, photo: Any) -> None:
    walk = {"frames": 4, "fps": 8, "file_format": "gif", "spherical": True}
    file = client.predict(photo, ["pencil sketch"], **walk, api_name="/morph")
    with Image.open(file) as picture:
        assert picture.n_frames == 6  # type: ignore[attr-defined]  # there and back


def test_a_picture_goes_to_the_hypernetwork(client: Client, photo: Any) -> None:
    with pytest.raises(Exception, match="no hypernetwork"):
        client.predict("", photo, api_name="/hypernet")


def test_video(client: Client, photo: Any, astronaut: Image.Image, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "me.mp4", still(astronaut.crop((100, 0, 380, 280)), 3), "aac")
    file = client.predict(handle_file(str(clip)), "pencil sketch", keep_colours=True, api_name="/video")
    assert len(read_clip(Path(file))) == 3
    with pytest.raises(Exception, match="still picture"):
        client.predict(photo, "pencil sketch", api_name="/video")


def data_url(path: Path, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


LEAVER = """
import sys, time
from gradio_client import Client, handle_file
address, name, photo, clip = sys.argv[1:]
given = {
    "/morph": [handle_file(photo), ["pencil sketch"], 600],
    "/adapt_text": ["a red mosaic", "a face", 10_000],
    "/video": [handle_file(clip), "pencil sketch"],
}[name]
job = Client(address, verbose=False, httpx_kwargs={"timeout": 600}).submit(*given, api_name=name)
while len(job.outputs()) < 2:
    time.sleep(0.05)
print("works", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("name", ["/morph", "/adapt_text", "/video"])
def test_a_caller_who_leaves_frees_the_queue(
    address: str, client: Client, photo: Any, name: str, astronaut: Image.Image, tmp_path: Path
) -> None:
    face = astronaut.crop((100, 0, 380, 280))
    clips = [str(write_clip(tmp_path / f"{frames}.mp4", still(face, frames))) for frames in (600, 3)]
    words = [sys.executable, "-c", LEAVER, address, name, photo["path"], clips[0]]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as leaver:
        assert leaver.stdout is not None
        assert leaver.stdout.readline() == b"works\n"
        leaver.kill()
    given = {
        "/morph": [photo, ["pencil sketch"], 4],
        "/adapt_text": ["a red mosaic", "a face", 1],
        "/video": [handle_file(clips[1]), "pencil sketch"],
    }[name]
    assert client.submit(*given, api_name=name).result(timeout=PATIENCE)


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("stylize", ["a red mosaic"], "no ready"),
        ("stylize", ["/etc/x.safetensors"], "no style"),
        ("stylize", ["pencil sketch", 9.0], "strength"),
        ("stylize", ["pencil sketch", 1.0, 1.0, None, False, 5], "no face 5"),
        ("morph", [["pencil sketch"], 4, 0], "0 pictures a second"),
        ("morph", [[], 4], "at least one style"),
    ],
)
def test_errors_about_a_photo_are_sentences(client: Client, photo: Any, name: str, values: Any, words: str) -> None:
    with pytest.raises(Exception, match=words):
        client.predict(photo, *values, api_name=f"/{name}")


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("adapt_text", [""], "empty"),
        ("adapt_text", ["a red mosaic", "a photo of a face", 99999], "99999 steps"),
        ("adapt_image", [[]], "0 reference pictures"),
        ("hypernet", ["red mosaic"], "no hypernetwork"),
        ("mix", [[]], "nothing to mix"),
        ("mix", [["pencil sketch=much"]], "not a number"),
        ("mix", [["pencil sketch=1", "pencil sketch=-1"]], "cancel out"),
        ("mix", [["pencil sketch=0"]], "All weights are 0"),
    ],
)
def test_errors_are_sentences(client: Client, name: str, values: Any, words: str) -> None:
    with pytest.raises(Exception, match=words):
        client.predict(*values, api_name=f"/{name}")


@pytest.mark.skipif(not HAS_MCP, reason="needs the package mcp")
def test_the_endpoints_are_tools(address: str, photo: Any, astronaut: Image.Image, tmp_path: Path) -> None:
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    clip = write_clip(tmp_path / "me.mp4", still(astronaut.crop((100, 0, 380, 280)), 3))
    calls: dict[str, dict[str, Any]] = {
        "mix": {"parts": ["pencil sketch=0.5"]},
        "stylize": {"photo": data_url(Path(photo["path"]), "image/png"), "text": "pencil sketch"},
        "video": {"video": data_url(clip, "video/mp4"), "text": "pencil sketch"},
    }

    connect = partial(streamablehttp_client, timeout=PATIENCE, sse_read_timeout=PATIENCE)

    async def talk() -> tuple[list[Any], dict[str, Any]]:
        async with (
            connect(f"{address}gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = (await session.list_tools()).tools
            names = {name: next(tool.name for tool in tools if tool.name.endswith(name)) for name in calls}
            return tools, {name: await session.call_tool(names[name], given) for name, given in calls.items()}

    tools, answers = asyncio.run(talk())
    assert len(tools) == len(ENDPOINTS)
    stylize = next(tool for tool in tools if tool.name.endswith("stylize"))
    assert "pastes them back" in stylize.description
    assert "ready style" in stylize.inputSchema["properties"]["text"]["description"]
    for answer in answers.values():
        assert not answer.isError, answer.content
    assert answers["stylize"].content[0].type == "image"
    assert ".mp4" in answers["video"].content[0].text
