"""Shared by the commands: arguments, checks before any work, and progress reports."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from stylize.errors import StylizeError

if TYPE_CHECKING:
    from stylize.adaptation.descent import AdaptationProgress
    from stylize.adaptation.latent import RefineProgress
    from stylize.pipeline import Stylizer

PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
TENSORS = (".safetensors",)
DOMAIN_HELP = "a ready domain, a domain file, a description, or a picture of the style (uses its colours and tones)"
HELP = {
    "invert": "Turn the faces of a photo into latents (W+).",
    "sample": "Draw random faces.",
    "adapt": "Train a domain from a description or from pictures.",
    "mix": "Mix domains by weight into a new one.",
    "morph": "Animate a walk from domain to domain.",
    "domains": "List the ready domains.",
    "download": "Download the full model, or a part of it.",
    "convert": "Convert a checkpoint of another project.",
    "train": "Train the mini model, or one of its parts.",
    "evaluate": "Measure reconstruction, samples and styles.",
    "serve": "Serve the page for the browser.",
}


class Parser(argparse.ArgumentParser):
    """Reports an error in one sentence, without printing the whole usage first."""

    def error(self, message: str) -> NoReturn:
        raise StylizeError("{}{}; see {} --help.", message[:1].upper(), message[1:], self.prog)


def command_parser(command: str, description: str, epilog: str | None = None) -> Parser:
    parser = Parser(
        prog=f"python -m stylize {command}".rstrip(),
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        conflict_handler="resolve",  # a training command may describe a common option itself
    )
    parser.add_argument("--seed", type=whole_number, default=0, help="random seed (default: 0)")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, mps (default: the best one there is)")
    parser.add_argument(
        "--model", help="mini, full or a model's folder (default: STYLIZE_MODEL, else full if present, else mini)"
    )
    return parser


def load_model(args: argparse.Namespace) -> Stylizer:
    from stylize.pipeline import Stylizer

    stylizer = Stylizer.load(args.model, args.device or device_of_process())
    args.model = args.model or stylizer.name  # to be recorded in the output
    return stylizer


def device_of_process() -> str | None:
    """One GPU per process started by torchrun."""
    import torch

    number = os.environ.get("LOCAL_RANK")
    if number is None or not torch.cuda.is_available():
        return None
    return f"cuda:{int(number) % torch.cuda.device_count()}"


def show_progress(progress: AdaptationProgress | RefineProgress) -> None:
    step, steps, note = progress.step, progress.steps, getattr(progress, "note", "")
    losses = ", ".join(f"{name} {value:.3f}" for name, value in progress.losses.items())
    tell(f"step {step} of {steps}: {losses}", step, steps, note)


def tell(line: str, step: int, steps: int, note: str = "") -> None:
    """A status line that is overwritten in a terminal; elsewhere it is printed every tenth of the steps."""
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="\n" if step == steps or note else "", file=sys.stderr, flush=True)
    elif step == steps or step % max(1, steps // 10) == 0:
        print(line, file=sys.stderr, flush=True)
    if note:
        print(note, file=sys.stderr, flush=True)


def provenance(args: argparse.Namespace) -> dict[str, object]:
    return {"model": args.model, "seed": args.seed}


def wrote(path: Path) -> None:
    print(f"wrote {path}")


def check_output(path: Path, suffixes: Sequence[str], inputs: Sequence[Path] = ()) -> None:
    """Raises unless `path` can be written and is none of the inputs; called before any work."""
    if path.suffix.lower() not in suffixes:
        raise StylizeError("Cannot write {}: the name must end in {}.", path, " or ".join(suffixes))
    if path.is_dir():
        raise StylizeError("Cannot write {}: it is a folder; give the name of a file.", path)
    if not path.parent.is_dir():
        raise StylizeError("Cannot write {}: there is no folder {}; make it first.", path, path.parent)
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise StylizeError("Cannot write {}: permission denied; choose another place.", path)
    if path.exists() and any(source.exists() and path.samefile(source) for source in inputs):
        raise StylizeError("Cannot write {}: it is the input itself; choose another name.", path)


def is_file(text: str) -> bool:
    return text.lower().endswith(TENSORS)


def is_picture(text: str) -> bool:
    return text.lower().endswith(PICTURE_ENDINGS)


def check_styles(texts: Sequence[str]) -> None:
    """Raises unless the pictures among the domains exist; called before any work."""
    for text in texts:
        if is_picture(text) and not Path(text).is_file():
            raise StylizeError("There is no picture {}; check the path, or describe the style in words.", text)


def read_edit(word: str) -> tuple[str, float]:
    text, separator, amount = word.rpartition("=")
    if not separator or not text.strip():
        raise StylizeError("{!r} is not an edit with its amount, like age=2.", word)
    try:
        return text, number(amount)
    except argparse.ArgumentTypeError:
        raise StylizeError("{!r} in {!r} is not a number; write it like age=2.", amount, word) from None


def add_output(parser: argparse.ArgumentParser, metavar: str, text: str) -> None:
    parser.add_argument("-o", "--output", type=Path, required=True, metavar=metavar, help=text)


def add_method(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--method",
        choices=("auto", "instant", "adapt"),
        default="auto",
        help="instant: a ready domain, a file or the hypernetwork; adapt: train on words; auto: instant, else adapt",
    )


def number(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{word!r} is not a number")
    return value


def fraction(word: str) -> float:
    if not 0 <= (value := number(word)) <= 1:
        raise argparse.ArgumentTypeError(f"{word} is not between 0 and 1")
    return value


def whole_number(word: str) -> int:
    if not word.isdecimal() or len(word) > 19 or (value := int(word)) >= 2**63:
        raise argparse.ArgumentTypeError(f"{word!r} is not a whole number between 0 and 2^63 - 1")
    return value


def count(word: str) -> int:
    if (value := whole_number(word)) < 1:
        raise argparse.ArgumentTypeError(f"{word} is less than 1")
    return value


def of_system(error: OSError) -> str:
    name = f"{error.filename}: " if error.filename else ""
    return f"{name}{error.strerror or error}."
