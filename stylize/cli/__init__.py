"""The command line: `python -m stylize PHOTO --to TEXT -o OUT` and its subcommands.

Exit status: 0 done, 2 bad input (one sentence on standard error), 130 interrupted.
Modules that import torch are imported inside the commands, so that `--help` is quick.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from stylize.cli.arguments import of_system
from stylize.cli.domains import adapt, list_domains, mix_domains
from stylize.cli.models import convert_files, download_files, evaluate, serve_page, train
from stylize.cli.photos import invert, morph, sample, stylise
from stylize.errors import StylizeError
from stylize.places import use_large_pages

COMMANDS: dict[str, Callable[[list[str]], None]] = {
    "invert": invert,
    "sample": sample,
    "adapt": adapt,
    "mix": mix_domains,
    "morph": morph,
    "domains": list_domains,
    "download": download_files,
    "convert": convert_files,
    "train": train,
    "evaluate": evaluate,
    "serve": serve_page,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (default: this process's) and return its exit status."""
    use_large_pages()
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        dispatch(words)
    except StylizeError as error:
        return fail(str(error))
    except OSError as error:
        return fail(of_system(error))
    except KeyboardInterrupt:
        print("\nstylize: interrupted.", file=sys.stderr)
        return 130
    return 0


def fail(message: str) -> int:
    print("stylize:", " ".join(message.split()), file=sys.stderr)
    return 2


def dispatch(words: list[str]) -> None:
    if words and words[0] in COMMANDS:
        COMMANDS[words[0]](words[1:])
    elif words:
        stylise(words)
    else:
        raise StylizeError("No photo or command given; see python -m stylize --help.")
