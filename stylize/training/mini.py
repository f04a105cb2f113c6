"""Trains the whole mini model: generator and encoder, ready domains with previews, destyling, text-image model,
hypernetwork.

Each part is trained by its own command with the options in mini.toml beside this file; a run that was stopped resumes,
but the fitting of the domains starts again.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from importlib import import_module
from pathlib import Path

from stylize.errors import StylizeError
from stylize.prompts.vocabulary import COLOUR_WORDS, NAMES
from stylize.training.loop import add_dtype

CONFIG = Path(__file__).with_suffix(".toml")
# In order of training: their modules, and the file that each writes last.
MODULES = {
    "generator": ("generator", f"domains/colours/{[*COLOUR_WORDS][-1]}.safetensors"),
    "domains": ("ready_domains", f"domains/previews/{NAMES[-1]}.webp"),
    "destyle": ("destyle", "destyle.safetensors"),
    "clip": ("text_image", "clip.safetensors"),
    "hypernet": ("hypernet", "hypernet.safetensors"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder with the face tars")
    parser.add_argument("--out", type=Path, required=True, help="folder for the model")
    parser.add_argument("--config", type=Path, default=CONFIG, help="options of every part (default: the project's)")
    parser.add_argument("--photo", type=Path, help="whose face the previews show (default: a random one)")
    add_dtype(parser)


def options(part: str, args: argparse.Namespace, given: dict[str, object]) -> argparse.Namespace:
    """The options as the part's own command would read them. Raises StylizeError for an option that it does not
    have."""
    parser = argparse.ArgumentParser(prog=part, conflict_handler="resolve", allow_abbrev=False)
    for name in ("--model", "--out", "--device", "--seed"):
        parser.add_argument(name)
    import_module(f"stylize.training.{MODULES[part][0]}").add_arguments(parser)
    words = [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    own = {"data": args.data, "model": str(args.out), "device": args.device, "seed": args.seed, "photo": args.photo}
    own["out"] = args.out
    read, unknown = parser.parse_known_args([*words, "--data=", "--out=", "--dtype", args.dtype])
    if unknown:
        raise StylizeError("The training of the {} has no option {}; see its --help.", part, unknown[0].lstrip("-"))
    return argparse.Namespace(**vars(read) | own)


def run(args: argparse.Namespace) -> None:
    """Trains every part whose file is not in OUT yet."""
    try:
        config = tomllib.loads(args.config.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise StylizeError(
            "The configuration {} cannot be read; give a TOML file like {}.", args.config, CONFIG
        ) from None
    given = {part: options(part, args, config.get(part, {})) for part in MODULES}
    for part, (module, last) in MODULES.items():
        if not (args.out / last).is_file():
            print(f"train {part}", file=sys.stderr, flush=True)
            import_module(f"stylize.training.{module}").run(given[part])
