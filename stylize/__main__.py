"""`python -m stylize`."""

from __future__ import annotations

import sys

from stylize.cli import main

if __name__ == "__main__":
    sys.exit(main())
