"""The command line: `python -m stylize PHOTO --to TEXT -o OUT` and its subcommands.

Exit status: 0 done, 2 bad input (one sentence on standard error), 130 interrupted.
Modules that import torch are imported inside the commands, so that `--help` is quick.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from stylize.errors import DomainError, PhotoError, StylizeError

if TYPE_CHECKING:

    from stylize.adaptation.descent import Progress, State
    from stylize.adaptation.latent import Progress as Refined
    from stylize.models.domain import Domain
    from stylize.pipeline import Face, Stylizer
    from stylize.video.files import Film
    from stylize.video.restyle import Style

    Training = tuple[Callable[[State | None], Iterator[Progress]], dict[str, Any]]  # the loop, and what it is of

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
TENSORS = (".safetensors",)
MOST_SAMPLES = 400
LONGEST_MOVING = 1024  # px of a photo in a moving picture
PRESETS = ("fast", "balanced", "strong")
KEPT_EVERY = 5  # steps of a training: a killed one loses no more
DOMAIN = "a ready domain, a domain file, a description, or a picture of the style (its colours and tones at once)"
MIX = """Each PART is a DOMAIN and, after =, its weight (1 where it is left out). A strength for its levels may follow:
coarse (structure), medium (features) and fine (colours), 1 where they are left out.

  sepia=0.5 red.safetensors=0.5
  "pencil sketch=1,coarse=1,fine=0" "bronze statue=0.8,coarse=0" painting.jpg=0.3"""

CONVERT = """What FILE is shows in its contents:
  generators  StyleGAN2 of rosinality (.pt, also StyleGAN-NADA) and of NVIDIA (.pkl of stylegan2-ada-pytorch)
  encoders    e4e, ReStyle
  domains     HyperDomainNet: single domains, mappers, the published checkpoints.zip
  directions  InterFaceGAN (.npy, .npz, .pt, .pkl)
  losses      LPIPS (vgg.pth), and the VGG16 of torchvision under it
No code in a file is run."""

# Each module has add_arguments(parser) and run(args).
TRAINING = {
    "mini": "stylize.training.mini",
    "generator": "stylize.training.generator",
    "clip": "stylize.training.text_image",
    "domains": "stylize.training.ready_domains",
    "hypernet": "stylize.training.hypernet",
}
EVALUATE = "stylize.evaluation.report"


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, where argparse would print the whole usage first."""

    def error(self, message: str) -> NoReturn:
        raise StylizeError(f"{message[:1].upper()}{message[1:]}; see {self.prog} --help.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (default: this process's) and return its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        _dispatch(words)
    except StylizeError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(_of_system(error))
    except KeyboardInterrupt:
        print("\nstylize: interrupted.", file=sys.stderr)
        return 130
    return 0


def _of_system(error: OSError) -> str:
    name = f"{error.filename}: " if error.filename else ""
    return f"{name}{error.strerror or error}."


def _fail(message: str) -> int:
    print("stylize:", " ".join(message.split()), file=sys.stderr)
    return 2


def _dispatch(words: list[str]) -> None:
    if words and words[0] in COMMANDS:
        COMMANDS[words[0]](words[1:])
    elif words:
        _stylise(words)
    else:
        raise StylizeError("No photo or command given; see python -m stylize --help.")


def _parser(command: str, description: str, epilog: str | None = None) -> _Parser:
    parser = _Parser(
        prog=f"python -m stylize {command}".rstrip(),
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        conflict_handler="resolve",  # a training command may describe a common option in its own words
    )
    parser.add_argument("--seed", type=_whole, default=0, help="seed of everything random (default: 0)")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, mps (default: the best one there is)")
    parser.add_argument(
        "--model", help="mini, full or a model's folder (default: STYLIZE_MODEL, else full if it is there, else mini)"
    )
    return parser


# --- commands -----------------------------------------------------------------------------------------


def _stylise(words: list[str]) -> None:
    others = "".join(f"\n  {name:10}{text}" for name, text in HELP.items())
    parser = _parser(
        "",
        "Stylise every face of a photo, a video or an animated picture, or of all in a folder, and paste it back.",
        f"other commands (each has --help):{others}",
    )
    parser.add_argument(
        "photo", type=Path, metavar="PHOTO", help="a photo, a short video or a folder of them; OUT is then one too"
    )
    parser.add_argument("--to", metavar="TEXT", help=DOMAIN)
    parser.add_argument(
        "--edit", action="append", default=[], metavar="NAME=X", help="such as age=2; the model must have directions"
    )
    _add_output(parser, "OUT", "picture to write (of a moving one .mp4, .gif or .webp), or the folder for them")
    _add_method(parser)
    parser.add_argument(
        "--strength", type=_number, metavar="X", default=1.0, help="0 leaves the face as it is (default: 1)"
    )
    parser.add_argument(
        "--detail",
        type=_fraction,
        metavar="X",
        help="0 is the model's own picture, 1 keeps all detail of the photo (default: the model's)",
    )
    parser.add_argument("--keep-colours", action="store_true", help="take only light and shade from the style")
    parser.add_argument("--background", action="store_true", help="let the style reach what is behind the head")
    parser.add_argument("--face", type=_count, metavar="N", help="only the N-th face, 1 being the largest")
    parser.add_argument("--aligned", action="store_true", help="write the face only, without pasting it back")
    args = parser.parse_args(words)
    if args.to is None and not args.edit:
        parser.error("the following arguments are required: --to")
    edits = dict(_edit(word) for word in args.edit)
    _check_styles([args.to] if args.to else [])
    folder = args.photo.is_dir()

    from stylize.faces.detail import keep_colours
    from stylize.images import read_photo, save_image
    from stylize.video.files import LIMITS, Film, is_moving
    from stylize.video.restyle import Style

    def makes_film(source: Path, out: Path) -> bool:
        kind = out.suffix.lower()
        return kind in LIMITS and (kind not in PICTURES or is_moving(source))

    if not folder:
        moving = makes_film(args.photo, args.output)
        _check_output(args.output, tuple(LIMITS) if moving else PICTURES, [args.photo])
        if moving and (args.aligned or args.face is not None):
            parser.error("--face and --aligned belong to photos")

    load = cache(lambda: _load(args))  # once, after a first photo could be read
    make = cache(lambda: None if args.to is None else _domain(load(), args.to, args))
    names = ("to", "strength", "detail", "keep_colours", "background")
    settings = {**{name: getattr(args, name) for name in names}, "edits": edits, **_provenance(args)}

    def stylise(source: Path, out: Path) -> None:
        photo, stylizer = read_photo(source), load()
        faces = _pick(stylizer.faces(photo), args.face)
        if args.aligned:
            faces = _only_one(faces)
        domain = make()
        pictures = [stylizer.render(face, domain, args.strength, args.detail, edits=edits) for face in faces]
        if args.keep_colours:
            pictures = [keep_colours(picture, face.crop) for picture, face in zip(pictures, faces, strict=True)]
        result = pictures[0] if args.aligned else stylizer.paste(photo, faces, pictures, args.background)
        save_image(result, out, settings)

    def stylise_film(source: Path, out: Path) -> None:
        film, stylizer = Film.open(source, LIMITS[out.suffix.lower()]), load()
        detail = stylizer.default_detail if args.detail is None else args.detail
        style = Style(make(), args.strength, detail, args.keep_colours, args.background, edits)
        _restyle(stylizer, film, style, out)

    def work(source: Path, out: Path) -> None:
        (stylise_film if makes_film(source, out) else stylise)(source, out)

    def ending(source: Path) -> str:
        kind = source.suffix.lower()
        return ".png" if not is_moving(source) else kind if kind in LIMITS else ".mp4"

    if folder:
        _each(args.photo, args.output, make, work, ending)
    else:
        work(args.photo, args.output)
        _wrote(args.output)


def _restyle(stylizer: Stylizer, film: Film, style: Style, out: Path) -> None:
    from stylize.video.restyle import restyle

    if film.hdr:
        words = f"has high dynamic range ({film.hdr}); its colours become ordinary ones."
        print(f"{film.path.name} {words}", file=sys.stderr)
    if film.brought_down:
        size = f"{film.size[0]}x{film.size[1]} px, {film.fps:.0f} frames a second"
        print(f"{film.path.name} is brought down to {size}.", file=sys.stderr)
    started, percent = time.monotonic(), 0
    for progress in restyle(stylizer, film, style, out):
        if int(100 * progress.done) > percent:
            percent = int(100 * progress.done)
            spent = time.monotonic() - started
            left = spent * (1 - progress.done) / progress.done
            _tell(f"{percent} %, about {left:.0f} s left", percent, 100)
    print(f"{film.count} frames at {film.count / (time.monotonic() - started):.1f} a second", file=sys.stderr)


def _each(
    folder: Path,
    out: Path,
    prepare: Callable[[], object],
    work: Callable[[Path, Path], None],
    ending: Callable[[Path], str],
) -> None:
    """Every photo of a folder into another, those that are there already left out; what fails is told at the end.
    ``ending``: of what is made of a file.

    Processes that torchrun started share the photos, and the first of them tells it."""
    from tqdm import tqdm

    if out.exists() and (not out.is_dir() or out.samefile(folder)):
        raise StylizeError(f"Cannot write to {out}: give another folder for the results of a folder.")
    out.mkdir(parents=True, exist_ok=True)
    photos = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    if not photos:
        raise StylizeError(f"There are no files in {folder}; give a folder of photos.")
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    targets = [(path, out / f"{path.name}{ending(path)}") for path in photos[rank::size]]
    todo = [pair for pair in targets if not pair[1].exists()]
    if todo:
        prepare()  # a style that cannot be had is no fault of any photo
    failed = []
    for path, target in tqdm(todo, unit="photo", position=rank, disable=None):
        part = target.with_name(f".{target.name}")  # a killed process leaves no half picture that looks done
        try:
            work(path, part)
            part.replace(target)
        except (StylizeError, OSError, MemoryError, RuntimeError) as error:
            part.unlink(missing_ok=True)
            reason = _of_system(error) if isinstance(error, OSError) else str(error) or "There is too little memory."
            failed.append(f"{path.name}: {reason}")
    failed = _gathered(failed, rank, size)
    if rank == 0:
        print(f"{len(photos) - len(failed)} of {len(photos)} photos are in {out}")
        print(*failed, sep="\n", end="\n" if failed else "", file=sys.stderr)
        if failed:
            raise StylizeError(f"{len(failed)} of {len(photos)} photos could not be done, for the reasons above.")


def _gathered(words: list[str], rank: int, size: int) -> list[str]:
    """On the first process the words of all; none on the others. All end together: torchrun stops the rest when one
    ends with an error."""
    if size == 1:
        return words
    import torch.distributed as dist

    dist.init_process_group("gloo", timeout=timedelta(days=30))
    parts: list[Any] | None = [None] * size if rank == 0 else None
    dist.gather_object(words, parts)
    dist.destroy_process_group()
    return sorted(word for part in parts or () for word in part)


def _invert(words: list[str]) -> None:
    parser = _parser("invert", HELP["invert"])
    parser.add_argument("photo", type=Path, metavar="PHOTO")
    _add_output(parser, "LATENTS.safetensors", "file for ws (faces, rows, width) and quads (faces, 4, 2)")
    parser.add_argument(
        "--reconstruction", type=Path, metavar="OUT", help="write the reconstructed aligned face too"
    )
    parser.add_argument("--face", type=_count, metavar="N", help="only the N-th face, 1 being the largest")
    parser.add_argument("--refine", type=_count, metavar="N", help="steps of optimisation towards the photo")
    args = parser.parse_args(words)
    _check_output(args.output, TENSORS, [args.photo])
    if args.reconstruction is not None:
        _check_output(args.reconstruction, PICTURES, [args.photo])

    import torch
    from safetensors.torch import save

    from stylize.images import read_photo, save_image

    photo = read_photo(args.photo)
    stylizer = _load(args)
    faces = _pick(stylizer.faces(photo), args.face)
    if args.refine is not None:
        faces = [_refine(stylizer, face, args.refine) for face in faces]
    tensors = {
        "ws": torch.cat([face.ws for face in faces]).cpu().contiguous(),
        "quads": torch.stack([torch.as_tensor(face.detected.quad) for face in faces]).contiguous(),
    }
    args.output.write_bytes(save(tensors, metadata={"format": "stylize latents", "model": args.model}))
    _wrote(args.output)
    if args.reconstruction is not None:
        save_image(_only_one(faces)[0].reconstruction, args.reconstruction, _provenance(args))
        _wrote(args.reconstruction)


def _sample(words: list[str]) -> None:
    parser = _parser("sample", HELP["sample"])
    _add_output(parser, "OUT.png", "picture to write, the faces side by side")
    parser.add_argument("-n", dest="number", type=_count, metavar="N", default=1, help="default: 1")
    parser.add_argument("--to", metavar="TEXT", help=DOMAIN)
    _add_method(parser)
    args = parser.parse_args(words)
    if args.number > MOST_SAMPLES:
        raise StylizeError(f"{args.number} faces do not fit in one picture; ask for at most {MOST_SAMPLES}.")
    _check_output(args.output, PICTURES)
    _check_styles([args.to] if args.to else [])

    from stylize.images import save_image, side_by_side

    stylizer = _load(args)
    domain = None if args.to is None else _domain(stylizer, args.to, args)
    pictures = stylizer.sample(args.number, args.seed, domain)
    save_image(side_by_side(pictures), args.output, {"n": args.number, "to": args.to, **_provenance(args)})
    _wrote(args.output)


def _adapt(words: list[str]) -> None:
    parser = _parser("adapt", HELP["adapt"])
    goal = parser.add_mutually_exclusive_group(required=True)
    goal.add_argument("--text", help="what the faces become, such as 'a pencil sketch'")
    goal.add_argument("--image", type=Path, nargs="+", metavar="PICTURE", help="1 to 10 pictures in the style to learn")
    parser.add_argument("--source", metavar="TEXT", help="what they are now (default: a photo of a face)")
    parser.add_argument("--preset", choices=PRESETS, default="balanced", help="default: balanced")
    parser.add_argument("--steps", type=_count, metavar="N", help="training steps (default: the preset's)")
    parser.add_argument(
        "--style-mix", type=_fraction, metavar="X", help="with --image: share of its fine latents that comes along"
    )
    parser.add_argument(
        "--continue", dest="go_on", action="store_true", help="go on where a training for the same output was killed"
    )
    _add_output(parser, "DOMAIN.safetensors", "domain file to write")
    args = parser.parse_args(words)
    if args.image and args.source:
        parser.error("--source belongs to --text")
    if args.text is not None and args.style_mix is not None:
        parser.error("--style-mix belongs to --image")
    _check_output(args.output, TENSORS, args.image or ())
    given = {"steps": args.steps, "style_mix": args.style_mix}
    numbers = {"seed": args.seed, **{name: value for name, value in given.items() if value is not None}}
    train, job = (_image_training if args.image else _text_training)(args, numbers)
    unfinished = args.output.with_name(args.output.name + ".unfinished")
    for progress in train(_read_state(unfinished, job) if args.go_on else None):
        _show(progress)
        if progress.step % KEPT_EVERY == 1:
            _save_state(unfinished, progress.state, job)
    progress.domain.save(args.output)
    unfinished.unlink(missing_ok=True)
    _wrote(args.output)


def _text_training(args: argparse.Namespace, numbers: dict[str, Any]) -> Training:
    from stylize.adaptation.text import adapt_text, preset
    from stylize.prompts.vocabulary import SOURCE

    stylizer, source = _load(args), SOURCE if args.source is None else args.source
    settings = preset(stylizer, args.preset, **numbers)
    job = {"text": args.text, "source": source, "generator": stylizer.fingerprint, **vars(settings)}
    return lambda state: adapt_text(stylizer, args.text, source, settings, state), job


def _image_training(args: argparse.Namespace, numbers: dict[str, Any]) -> Training:
    from stylize.images import read_photo

    pictures = [read_photo(path) for path in args.image]
    from stylize.adaptation.pictures import adapt_image, one_shot_preset

    stylizer = _load(args)
    settings = one_shot_preset(stylizer, args.preset, **numbers)
    digests = [hashlib.sha256(picture.tobytes()).hexdigest() for picture in pictures]
    job = {"pictures": digests, "generator": stylizer.fingerprint, **vars(settings)}
    return lambda state: adapt_image(stylizer, pictures, settings, state, args.image[0].stem), job


def _save_state(path: Path, state: State, job: dict[str, Any]) -> None:
    from stylize.models.checkpoints import save_checkpoint

    save_checkpoint(path, vars(state), job)


def _read_state(path: Path, job: dict[str, Any]) -> State:
    """The state that a killed training left; StylizeError when there is none, or it is of another training."""
    from stylize.adaptation.descent import State
    from stylize.models.checkpoints import load_checkpoint

    if not path.is_file():
        raise StylizeError(f"There is no unfinished training {path}; leave out --continue.")
    tensors, theirs = load_checkpoint(path)
    job = json.loads(json.dumps(job))
    different = sorted(name for name in job.keys() | theirs.keys() if job.get(name) != theirs.get(name))
    if different:
        raise StylizeError(
            f"{path.name} is a training with another {different[0]}; give the same as before or leave out --continue."
        )
    if set(tensors) != set(State.__dataclass_fields__):
        raise StylizeError(f"{path.name} is damaged; leave out --continue.")
    return State(**tensors)


def _mix(words: list[str]) -> None:
    parser = _parser("mix", HELP["mix"], MIX)
    parser.add_argument("parts", nargs="+", metavar="PART", help=f"DOMAIN=WEIGHT; DOMAIN is {DOMAIN}")
    parser.add_argument("--spherical", action="store_true", help="turn between the domains instead of blending them")
    _add_output(parser, "DOMAIN.safetensors", "domain file to write")
    _add_method(parser)
    args = parser.parse_args(words)

    from stylize.models.domain import Part, blend

    parts = [Part.parse(word) for word in args.parts]
    _check_output(args.output, TENSORS, [Path(part.text) for part in parts if _is_file(part.text)])
    _check_styles([part.text for part in parts])

    stylizer = _load(args)
    blend([(part, _domain(stylizer, part.text, args)) for part in parts], args.spherical).save(args.output)
    _wrote(args.output)


def _convert(words: list[str]) -> None:
    parser = _parser("convert", HELP["convert"], CONVERT)
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="checkpoint; several files of directions become one"
    )
    _add_output(parser, "OUT", "safetensors file to write; for an archive of checkpoints a folder")
    parser.add_argument(
        "--generator", type=Path, metavar="PATH", help="generator that domains belong to: converted file or its folder"
    )
    parser.add_argument(
        "--decoder", type=Path, metavar="OUT", help="write the generator inside an encoder's file too"
    )
    args = parser.parse_args(words)
    for path in (args.output, args.decoder):
        if path is not None and path.suffix.lower() in TENSORS:
            _check_output(path, TENSORS, args.files)

    from stylize.convert.formats import convert, join_directions

    if len(args.files) == 1:
        written = convert(args.files[0], args.output, args.generator, args.decoder, print)
    else:
        written = join_directions(args.files, args.output)
    for path in written:
        _wrote(path)


def _morph(words: list[str]) -> None:
    parser = _parser("morph", HELP["morph"])
    parser.add_argument("photo", type=Path, metavar="PHOTO")
    parser.add_argument("--to", action="append", required=True, metavar="TEXT", help=f"{DOMAIN}; again for the next")
    _add_output(parser, "OUT.mp4", "moving picture to write: .mp4, .gif or .webp")
    _add_method(parser)
    parser.add_argument("--frames", type=_count, metavar="N", default=48, help="default: 48")
    parser.add_argument("--fps", type=_count, metavar="N", default=24, help="frames a second (default: 24)")
    parser.add_argument("--spherical", action="store_true", help="turn from domain to domain instead of blending")
    parser.add_argument("--detail", type=_fraction, metavar="X", help="as for a photo (default: the model's)")
    parser.add_argument("--face", type=_count, metavar="N", help="only the N-th face, 1 being the largest")
    parser.add_argument("--aligned", action="store_true", help="show the face only, without pasting it back")
    args = parser.parse_args(words)
    _check_output(args.output, (".mp4", ".gif", ".webp"), [args.photo])
    _check_styles(args.to)

    from stylize.images import read_photo
    from stylize.video.morph import path, save_moving

    photo = read_photo(args.photo)
    photo.thumbnail((LONGEST_MOVING, LONGEST_MOVING))
    stylizer = _load(args)
    faces = _pick(stylizer.faces(photo), args.face)
    if args.aligned:
        faces = _only_one(faces)
    frames = []
    for domain in path([_domain(stylizer, text, args) for text in args.to], args.frames, args.spherical):
        pictures = [stylizer.render(face, domain, detail=args.detail) for face in faces]
        frames.append(pictures[0] if args.aligned else stylizer.paste(photo, faces, pictures))
    save_moving(frames, args.output, args.fps)
    _wrote(args.output)


def _domains(words: list[str]) -> None:
    args = _parser("domains", HELP["domains"]).parse_args(words)
    print(*_load(args).ready(), sep="\n")


def _download(words: list[str]) -> None:
    parser = _parser("download", HELP["download"])
    parser.add_argument("name", metavar="NAME", help="full, or one part of it by its name")
    args = parser.parse_args(words)

    from tqdm import tqdm

    from stylize.convert.download import choose, describe, download
    from stylize.pipeline import model_folder

    weights = choose(args.name)
    print(describe(weights))
    bar = None
    for progress in download(weights):
        if progress.stage == "download":
            bar = bar or tqdm(total=progress.total, unit="B", unit_scale=True, desc=progress.weight.name)
            bar.update(progress.done - bar.n)
            continue
        if bar is not None:
            bar.close()
            bar = None
        print(f"{progress.weight.name}: {progress.stage}")
    _wrote(model_folder("full"))


def _train(words: list[str]) -> None:
    if words and words[0] in TRAINING:
        _run_module(f"train {words[0]}", TRAINING[words[0]], words[1:])
    else:
        parser = _parser("train", HELP["train"], "Each NAME has its own --help.")
        parser.add_argument("name", metavar="NAME", choices=list(TRAINING), help=", ".join(TRAINING))
        parser.parse_args(words)
        parser.error("NAME comes before its options")


def _evaluate(words: list[str]) -> None:
    _run_module("evaluate", EVALUATE, words)


def _run_module(command: str, name: str, words: list[str]) -> None:
    module = import_module(name)
    parser = _parser(command, (module.__doc__ or "").strip().split("\n\n")[0])
    module.add_arguments(parser)
    module.run(parser.parse_args(words))


HELP = {
    "invert": "Turn the faces of a photo into latents (W+).",
    "sample": "Draw random faces.",
    "adapt": "Train a domain from a description or from pictures.",
    "mix": "Mix domains by weight into a new one.",
    "morph": "Walk from domain to domain, as a moving picture.",
    "domains": "List the ready domains.",
    "download": "Fetch the full model, or a part of it.",
    "convert": "Read a checkpoint of another project.",
    "train": "Train the mini model, or one of its parts.",
    "evaluate": "Measure reconstruction, samples and styles.",
}
COMMANDS: dict[str, Callable[[list[str]], None]] = {
    "invert": _invert,
    "sample": _sample,
    "adapt": _adapt,
    "mix": _mix,
    "morph": _morph,
    "domains": _domains,
    "download": _download,
    "convert": _convert,
    "train": _train,
    "evaluate": _evaluate,
}


# --- what the commands share --------------------------------------------------------------------------


def _load(args: argparse.Namespace) -> Stylizer:
    from stylize.pipeline import Stylizer

    stylizer = Stylizer.load(args.model, args.device or _device_of_process())
    args.model = args.model or stylizer.name  # for the record in what is written
    return stylizer


def _device_of_process() -> str | None:
    """A GPU for each process that torchrun started here."""
    import torch

    number = os.environ.get("LOCAL_RANK")
    if number is None or not torch.cuda.is_available():
        return None
    return f"cuda:{int(number) % torch.cuda.device_count()}"


def _domain(stylizer: Stylizer, text: str, args: argparse.Namespace) -> Domain:
    if args.method == "adapt":
        return _train_domain(stylizer, text, args.seed)
    if _is_picture(text):
        return _pictured_domain(stylizer, Path(text), args)
    try:
        domain = stylizer.domain(text)
    except DomainError:  # none is ready for these words
        if args.method == "instant" or _is_file(text):
            raise
        return _train_domain(stylizer, text, args.seed)
    for note in () if _is_file(text) else domain.settings.get("notes", ()):
        print(note, file=sys.stderr)
    return domain


def _pictured_domain(stylizer: Stylizer, path: Path, args: argparse.Namespace) -> Domain:
    if args.method == "auto" and not stylizer.has_hypernet:
        return _train_domain(stylizer, str(path), args.seed)
    from stylize.images import read_photo

    return stylizer.instant(read_photo(path), path.stem)


def _train_domain(stylizer: Stylizer, target: str, seed: int) -> Domain:
    loop: Iterator[Progress]
    if _is_picture(target):
        from stylize.adaptation.pictures import adapt_image, one_shot_preset
        from stylize.images import read_photo

        settings = one_shot_preset(stylizer, seed=seed)
        loop = adapt_image(stylizer, [read_photo(target)], settings, name=Path(target).stem)
    else:
        from stylize.adaptation.text import adapt_text, preset

        loop = adapt_text(stylizer, target, settings=preset(stylizer, seed=seed))
    for progress in loop:
        _show(progress)
    return progress.domain


def _refine(stylizer: Stylizer, face: Face, steps: int) -> Face:
    from stylize.adaptation.latent import RefineSettings, refine

    for progress in refine(stylizer, face, RefineSettings(steps=steps)):
        _show(progress)
    return progress.face


def _show(progress: Progress | Refined) -> None:
    step, steps, note = progress.step, progress.steps, getattr(progress, "note", "")
    losses = ", ".join(f"{name} {value:.3f}" for name, value in progress.losses.items())
    _tell(f"step {step} of {steps}: {losses}", step, steps, note)


def _tell(line: str, step: int, steps: int, note: str = "") -> None:
    """One line that is written over in a terminal; elsewhere every tenth of the steps."""
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="\n" if step == steps or note else "", file=sys.stderr, flush=True)
    elif step == steps or step % max(1, steps // 10) == 0:
        print(line, file=sys.stderr, flush=True)
    if note:
        print(note, file=sys.stderr, flush=True)


def _pick(faces: Sequence[Face], number: int | None) -> Sequence[Face]:
    if number is None:
        return faces
    if number > len(faces):
        found = "1 face was" if len(faces) == 1 else f"{len(faces)} faces were"
        raise PhotoError(f"There is no face {number}: {found} found; --face counts from 1, the largest.")
    return [faces[number - 1]]


def _only_one(faces: Sequence[Face]) -> Sequence[Face]:
    if len(faces) > 1:
        print(f"{len(faces)} faces found; taking the largest (--face picks another).", file=sys.stderr)
    return faces[:1]


def _provenance(args: argparse.Namespace) -> dict[str, object]:
    return {"model": args.model, "seed": args.seed}


def _wrote(path: Path) -> None:
    print(f"wrote {path}")


def _check_output(path: Path, suffixes: Sequence[str], inputs: Sequence[Path] = ()) -> None:
    """Before any work is done: raise unless `path` can be written and is none of the inputs."""
    if path.suffix.lower() not in suffixes:
        raise StylizeError(f"Cannot write {path}: the name must end in {' or '.join(suffixes)}.")
    if path.is_dir():
        raise StylizeError(f"Cannot write {path}: it is a folder; give the name of a file.")
    if not path.parent.is_dir():
        raise StylizeError(f"Cannot write {path}: there is no folder {path.parent}; make it first.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise StylizeError(f"Cannot write {path}: permission denied; choose another place.")
    if path.exists() and any(source.exists() and path.samefile(source) for source in inputs):
        raise StylizeError(f"Cannot write {path}: it is the input itself; choose another name.")


def _is_file(text: str) -> bool:
    return text.lower().endswith(TENSORS)


def _is_picture(text: str) -> bool:
    return text.lower().endswith(PICTURES)


def _check_styles(texts: Sequence[str]) -> None:
    """Before any work is done: raise unless the pictures among the domains exist."""
    for text in texts:
        if _is_picture(text) and not Path(text).is_file():
            raise StylizeError(f"There is no picture {text}; check the path, or describe the style in words.")


def _edit(word: str) -> tuple[str, float]:
    text, separator, amount = word.rpartition("=")
    if not separator or not text.strip():
        raise StylizeError(f"{word!r} is not an edit with its amount, like age=2.")
    try:
        return text, _number(amount)
    except argparse.ArgumentTypeError:
        raise StylizeError(f"{amount!r} in {word!r} is not a number; write it like age=2.") from None


# --- kinds of arguments -------------------------------------------------------------------------------


def _add_output(parser: argparse.ArgumentParser, metavar: str, text: str) -> None:
    parser.add_argument("-o", "--output", type=Path, required=True, metavar=metavar, help=text)


def _add_method(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--method",
        choices=("auto", "instant", "adapt"),
        default="auto",
        help="instant: ready, a file or by the hypernetwork; adapt: train on the words; auto: instant, else adapt",
    )


def _number(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{word!r} is not a number")
    return value


def _fraction(word: str) -> float:
    if not 0 <= (value := _number(word)) <= 1:
        raise argparse.ArgumentTypeError(f"{word} does not lie between 0 and 1")
    return value


def _whole(word: str) -> int:
    if not word.isdecimal() or len(word) > 19 or (value := int(word)) >= 2**63:
        raise argparse.ArgumentTypeError(f"{word!r} is not a whole number between 0 and 2^63 - 1")
    return value


def _count(word: str) -> int:
    if (value := _whole(word)) < 1:
        raise argparse.ArgumentTypeError(f"{word} is less than 1")
    return value
