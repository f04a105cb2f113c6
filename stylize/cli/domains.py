"""Commands on domains: adapt, mix, list; and finding the domain that a text names."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stylize.cli.arguments import (
    DOMAIN_HELP,
    HELP,
    TENSORS,
    add_method,
    add_output,
    check_output,
    check_styles,
    command_parser,
    count,
    fraction,
    is_file,
    is_picture,
    load_model,
    show_progress,
    wrote,
)
from stylize.errors import DomainError, StylizeError

if TYPE_CHECKING:
    from stylize.adaptation.descent import AdaptationProgress, State
    from stylize.models.domain import Domain
    from stylize.pipeline import Stylizer

    Loop = Callable[[State | None], Iterator[AdaptationProgress]]
    Training = tuple[Loop, dict[str, Any]]  # the loop, and what identifies it

PRESET_NAMES = ("fast", "balanced", "strong")
SAVED_EVERY = 5  # steps: a killed training loses at most this many
MIX = """Each PART is a DOMAIN with =WEIGHT (default: 1), optionally followed by strengths for its levels:
coarse (structure), medium (features) and fine (colours), each 1 by default.

  sepia=0.5 red.safetensors=0.5
  "pencil sketch=1,coarse=1,fine=0" "bronze statue=0.8,coarse=0" painting.jpg=0.3"""


def adapt(words: list[str]) -> None:
    parser = command_parser("adapt", HELP["adapt"])
    goal = parser.add_mutually_exclusive_group(required=True)
    goal.add_argument("--text", help="what the faces should become, such as 'a pencil sketch'")
    goal.add_argument("--image", type=Path, nargs="+", metavar="PICTURE", help="1 to 10 pictures in the style to learn")
    parser.add_argument("--source", metavar="TEXT", help="what they are now (default: a photo of a face)")
    parser.add_argument("--preset", choices=PRESET_NAMES, default="balanced", help="default: balanced")
    parser.add_argument("--steps", type=count, metavar="N", help="training steps (default: the preset's)")
    parser.add_argument(
        "--style-mix", type=fraction, metavar="X", help="with --image: how much of its fine latents to use, 0 to 1"
    )
    parser.add_argument(
        "--continue", dest="go_on", action="store_true", help="resume a killed training for the same output"
    )
    add_output(parser, "DOMAIN.safetensors", "domain file to write")
    args = parser.parse_args(words)
    if args.image and args.source:
        parser.error("--source needs --text")
    if args.text is not None and args.style_mix is not None:
        parser.error("--style-mix needs --image")
    check_output(args.output, TENSORS, args.image or ())
    given = {"steps": args.steps, "style_mix": args.style_mix}
    numbers = {"seed": args.seed, **{name: value for name, value in given.items() if value is not None}}
    train, job = (image_training if args.image else text_training)(args, numbers)
    unfinished = args.output.with_name(args.output.name + ".unfinished")
    for progress in train(read_state(unfinished, job) if args.go_on else None):
        show_progress(progress)
        if progress.step % SAVED_EVERY == 1:
            save_state(unfinished, progress.state, job)
    progress.domain.save(args.output)
    unfinished.unlink(missing_ok=True)
    wrote(args.output)


def text_training(args: argparse.Namespace, numbers: dict[str, Any]) -> Training:
    from stylize.adaptation.text import adapt_text, preset
    from stylize.prompts.vocabulary import SOURCE

    stylizer, source = load_model(args), SOURCE if args.source is None else args.source
    settings = preset(stylizer, args.preset, **numbers)
    job = {"text": args.text, "source": source, "generator": stylizer.fingerprint, **vars(settings)}
    return lambda state: adapt_text(stylizer, args.text, source, settings, state), job


def image_training(args: argparse.Namespace, numbers: dict[str, Any]) -> Training:
    from stylize.images import read_photo

    pictures = [read_photo(path) for path in args.image]
    from stylize.adaptation.pictures import adapt_image, one_shot_preset

    stylizer = load_model(args)
    settings = one_shot_preset(stylizer, args.preset, **numbers)
    digests = [hashlib.sha256(picture.tobytes()).hexdigest() for picture in pictures]
    job = {"pictures": digests, "generator": stylizer.fingerprint, **vars(settings)}
    return lambda state: adapt_image(stylizer, pictures, settings, state, args.image[0].stem), job


def save_state(path: Path, state: State, job: dict[str, Any]) -> None:
    from stylize.models.checkpoints import save_checkpoint

    save_checkpoint(path, vars(state), job)


def read_state(path: Path, job: dict[str, Any]) -> State:
    """The saved state of a killed training; StylizeError if there is none, or if it belongs to another training."""
    from stylize.adaptation.descent import State
    from stylize.models.checkpoints import load_checkpoint

    if not path.is_file():
        raise StylizeError("There is no unfinished training {}; leave out --continue.", path)
    tensors, theirs = load_checkpoint(path)
    job = json.loads(json.dumps(job))
    different = sorted(name for name in job.keys() | theirs.keys() if job.get(name) != theirs.get(name))
    if different:
        raise StylizeError(
            "{} is a training with another {}; use the same as before or leave out --continue.",
            path.name,
            different[0],
        )
    if set(tensors) != set(State.__dataclass_fields__):
        raise StylizeError("{} is damaged; leave out --continue.", path.name)
    return State(**tensors)


def mix_domains(words: list[str]) -> None:
    parser = command_parser("mix", HELP["mix"], MIX)
    parser.add_argument("parts", nargs="+", metavar="PART", help=f"DOMAIN=WEIGHT; DOMAIN is {DOMAIN_HELP}")
    parser.add_argument("--spherical", action="store_true", help="rotate between the domains instead of blending them")
    add_output(parser, "DOMAIN.safetensors", "domain file to write")
    add_method(parser)
    args = parser.parse_args(words)

    from stylize.models.domain import MixPart, blend

    parts = [MixPart.parse(word) for word in args.parts]
    check_output(args.output, TENSORS, [Path(part.text) for part in parts if is_file(part.text)])
    check_styles([part.text for part in parts])

    stylizer = load_model(args)
    blend([(part, wanted_domain(stylizer, part.text, args)) for part in parts], args.spherical).save(args.output)
    wrote(args.output)


def list_domains(words: list[str]) -> None:
    args = command_parser("domains", HELP["domains"]).parse_args(words)
    print(*load_model(args).ready(), sep="\n")


def wanted_domain(stylizer: Stylizer, text: str, args: argparse.Namespace) -> Domain:
    if args.method == "adapt":
        return train_domain(stylizer, text, args.seed)
    if is_picture(text):
        return pictured_domain(stylizer, Path(text), args)
    try:
        domain = stylizer.domain(text)
    except DomainError:  # no ready domain matches these words
        if args.method == "instant" or is_file(text):
            raise
        return train_domain(stylizer, text, args.seed)
    for note in () if is_file(text) else domain.settings.get("notes", ()):
        print(note, file=sys.stderr)
    return domain


def pictured_domain(stylizer: Stylizer, path: Path, args: argparse.Namespace) -> Domain:
    if args.method == "auto" and not stylizer.has_hypernet:
        return train_domain(stylizer, str(path), args.seed)
    from stylize.images import read_photo

    return stylizer.instant(read_photo(path), path.stem)


def train_domain(stylizer: Stylizer, target: str, seed: int) -> Domain:
    loop: Iterator[AdaptationProgress]
    if is_picture(target):
        from stylize.adaptation.pictures import adapt_image, one_shot_preset
        from stylize.images import read_photo

        settings = one_shot_preset(stylizer, seed=seed)
        loop = adapt_image(stylizer, [read_photo(target)], settings, name=Path(target).stem)
    else:
        from stylize.adaptation.text import adapt_text, preset

        loop = adapt_text(stylizer, target, settings=preset(stylizer, seed=seed))
    for progress in loop:
        show_progress(progress)
    return progress.domain
