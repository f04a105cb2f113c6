"""Serves the page."""

from __future__ import annotations

import ctypes
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.util import find_spec
from threading import Thread
from typing import TYPE_CHECKING

from stylize.errors import StylizeError
from stylize.pipeline import Stylizer
from stylize.places import EXAMPLES

if TYPE_CHECKING:
    from stylize.ui.zerogpu import Gpu

M_ARENA_MAX = -8  # of glibc's malloc.h


def serve(
    model: str | None = None,
    device: str | None = None,
    *,
    host: str | None = None,
    port: int | None = None,
    gpu: Gpu | None = None,
) -> int:
    """Loads the model and serves its page until interrupted; without host and port, Gradio's variables
    (GRADIO_SERVER_NAME, GRADIO_SERVER_PORT) apply. gpu: a decorator that lends a GPU, see ``stylize.ui.zerogpu``.
    Returns the exit status."""
    limit_arenas()
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(Stylizer.load, model, device)
        # Gradio takes seconds to import; the weights are read meanwhile.
        from stylize.ui.page import CSS, HEAD, THEME, Page
        from stylize.ui.studio import sweep
        from stylize.ui.texts import I18N
    try:
        stylizer = loading.result()
    except StylizeError as error:
        print(f"stylize: {error}", file=sys.stderr)
        return 2
    page = Page(stylizer, gpu)
    page.blocks.launch(
        server_name="0.0.0.0" if host is None and "SPACE_ID" in os.environ else host,
        server_port=port,
        theme=THEME,
        css=CSS,
        head=HEAD,
        i18n=I18N,
        max_file_size="100mb",
        state_session_capacity=200,
        ssr_mode=False,
        mcp_server=find_spec("mcp") is not None,
        footer_links=["api"],
        prevent_thread_lock=True,
        _frontend=False,  # Gradio's self-test would end a server that needs more than 3 s to answer on a busy machine
    )
    Thread(target=sweep, daemon=True).start()
    if gpu is None and stylizer.has_encoder:  # ZeroGPU lends nothing without a visitor
        Thread(target=page.studio.keep_open, args=[[str(path) for path in EXAMPLES]], daemon=True).start()
    page.blocks.block_thread()
    return 0


def limit_arenas() -> None:
    """Lets all threads share two pools of free memory, unless MALLOC_ARENA_MAX is set; glibc would give most threads
    pools of their own, which together keep much of it."""
    if "MALLOC_ARENA_MAX" not in os.environ:
        with suppress(AttributeError, OSError, TypeError):  # not glibc
            ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)
