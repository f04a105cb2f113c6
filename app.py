"""Loads the model and serves the page."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

from stylize.errors import StylizeError
from stylize.pipeline import Stylizer
from stylize.ui.page import CSS, HEAD, THEME, Page
from stylize.ui.words import I18N


def main() -> int:
    try:
        stylizer = Stylizer.load()
    except StylizeError as error:
        print(f"stylize: {error}", file=sys.stderr)
        return 2
    Page(stylizer).blocks.launch(
        server_name="0.0.0.0" if "SPACE_ID" in os.environ else None,
        theme=THEME,
        css=CSS,
        head=HEAD,
        i18n=I18N,
        max_file_size="40mb",
        state_session_capacity=200,
        ssr_mode=False,
        mcp_server=find_spec("mcp") is not None,
        footer_links=["api"],
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
