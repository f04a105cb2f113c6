"""Loads the model and serves the page."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from threading import Thread

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
if "SPACE_ID" in os.environ and os.access("/data", os.W_OK):  # a Space's storage that outlives a restart
    os.environ.setdefault("HF_HOME", "/data/huggingface")
    os.environ.setdefault("STYLIZE_FULL", "/data/full")
if "SPACE_ID" in os.environ and find_spec("spaces"):
    import spaces  # of ZeroGPU; before torch, which it patches

from stylize.errors import StylizeError
from stylize.pipeline import Stylizer
from stylize.ui.page import CSS, HEAD, THEME, Page
from stylize.ui.result import EXAMPLES
from stylize.ui.texts import I18N


def main() -> int:
    try:
        stylizer = Stylizer.load()
    except StylizeError as error:
        print(f"stylize: {error}", file=sys.stderr)
        return 2
    gpu = spaces.GPU if "spaces" in sys.modules else None
    page = Page(stylizer, gpu)
    if gpu is None and stylizer.has_encoder:  # ZeroGPU lends nothing without a visitor
        Thread(target=page.studio.keep_open, args=[EXAMPLES], daemon=True).start()
    page.blocks.launch(
        server_name="0.0.0.0" if "SPACE_ID" in os.environ else None,
        theme=THEME,
        css=CSS,
        head=HEAD,
        i18n=I18N,
        max_file_size="100mb",
        state_session_capacity=200,
        ssr_mode=False,
        mcp_server=find_spec("mcp") is not None,
        footer_links=["api"],
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
