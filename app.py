"""Serves the page; what `make run`, Docker and Hugging Face Spaces start."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

from stylize.places import use_large_pages


def main() -> int:
    gpu = None
    use_large_pages()
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    if "SPACE_ID" in os.environ and os.access("/data", os.W_OK):  # a Space's persistent storage
        os.environ.setdefault("HF_HOME", "/data/huggingface")
        os.environ.setdefault("STYLIZE_FULL", "/data/full")
    if "SPACE_ID" in os.environ and find_spec("spaces"):
        import spaces  # for ZeroGPU; imported before torch, which it patches

        gpu = spaces.GPU
    from stylize.ui.server import serve

    return serve(gpu=gpu)


if __name__ == "__main__":
    sys.exit(main())
