"""Commands that read photos and videos or draw faces: stylise, invert, sample, morph."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stylize.cli.arguments import (
    DOMAIN_HELP,
    HELP,
    PICTURE_ENDINGS,
    TENSORS,
    add_method,
    add_output,
    check_output,
    check_styles,
    command_parser,
    count,
    fraction,
    load_model,
    number,
    of_system,
    provenance,
    read_edit,
    show_progress,
    tell,
    wrote,
)
from stylize.cli.domains import wanted_domain
from stylize.errors import PhotoError, StylizeError

if TYPE_CHECKING:
    from stylize.look import Look
    from stylize.pipeline import Face, Stylizer
    from stylize.video.files import VideoFile

MAX_SAMPLES = 400
LONGEST_MOVING = 1024  # px of a photo in an animation


def stylise(words: list[str]) -> None:
    others = "".join(f"\n  {name:10}{text}" for name, text in HELP.items())
    parser = command_parser(
        "",
        "Stylise every face of a photo, a video, an animation, or a folder of them, and paste it back.",
        f"other commands (each has --help):{others}",
    )
    parser.add_argument(
        "photo",
        type=Path,
        metavar="PHOTO",
        help="a photo, a short video or a folder of them; for a folder, OUT is a folder too",
    )
    parser.add_argument("--to", metavar="TEXT", help=DOMAIN_HELP)
    parser.add_argument(
        "--edit", action="append", default=[], metavar="NAME=X", help="such as age=2; needs a model with directions"
    )
    add_output(parser, "OUT", "picture to write (.mp4, .gif or .webp for a moving one), or the folder for them")
    add_method(parser)
    parser.add_argument(
        "--strength", type=number, metavar="X", default=1.0, help="0 leaves the face as it is (default: 1)"
    )
    parser.add_argument(
        "--detail",
        type=fraction,
        metavar="X",
        help="0 is the model's own picture, 1 keeps all detail of the photo (default: depends on the model)",
    )
    parser.add_argument("--keep-colours", action="store_true", help="take only light and shade from the style")
    parser.add_argument("--background", action="store_true", help="stylise the background behind the head too")
    parser.add_argument("--face", type=count, metavar="N", help="only the N-th face, 1 being the largest")
    parser.add_argument("--aligned", action="store_true", help="write the face only, without pasting it back")
    args = parser.parse_args(words)
    if args.to is None and not args.edit:
        parser.error("the following arguments are required: --to")
    edits = dict(read_edit(word) for word in args.edit)
    check_styles([args.to] if args.to else [])
    folder = args.photo.is_dir()

    from stylize.images import read_photo, save_image
    from stylize.look import Look
    from stylize.video.files import LIMITS, VideoFile, is_moving

    def makes_video(source: Path, out: Path) -> bool:
        kind = out.suffix.lower()
        return kind in LIMITS and (kind not in PICTURE_ENDINGS or is_moving(source))

    if not folder:
        moving = makes_video(args.photo, args.output)
        check_output(args.output, tuple(LIMITS) if moving else PICTURE_ENDINGS, [args.photo])
        if moving and (args.aligned or args.face is not None):
            parser.error("--face and --aligned are only for photos")

    load = cache(lambda: load_model(args))  # once, after the first photo that can be read
    make = cache(lambda: None if args.to is None else wanted_domain(load(), args.to, args))
    given = {name: getattr(args, name) for name in ("strength", "detail", "keep_colours", "background")}
    look, settings = Look(**given, edits=edits), {"to": args.to, **given, "edits": edits, **provenance(args)}

    def stylise(source: Path, out: Path) -> None:
        photo, stylizer = read_photo(source), load()
        faces = pick(stylizer.faces(photo), args.face)
        if args.aligned:
            faces = only_one(faces)
        pictures = [stylizer.render(face, look.in_domain(make())) for face in faces]
        result = pictures[0] if args.aligned else stylizer.paste(photo, faces, pictures, look.background)
        save_image(result, out, settings)

    def stylise_video(source: Path, out: Path) -> None:
        video, stylizer = VideoFile.open(source, LIMITS[out.suffix.lower()]), load()
        restyle_video(stylizer, video, look.in_domain(make()), out)

    def work(source: Path, out: Path) -> None:
        (stylise_video if makes_video(source, out) else stylise)(source, out)

    def ending(source: Path) -> str:
        kind = source.suffix.lower()
        return ".png" if not is_moving(source) else kind if kind in LIMITS else ".mp4"

    if folder:
        each_photo(args.photo, args.output, make, work, ending)
    else:
        work(args.photo, args.output)
        wrote(args.output)


def restyle_video(stylizer: Stylizer, video: VideoFile, look: Look, out: Path) -> None:
    from stylize.video.restyle import restyle

    if video.hdr:
        words = f"has high dynamic range ({video.hdr}), which is converted to standard range."
        print(f"{video.path.name} {words}", file=sys.stderr)
    if video.reduced:
        size = f"{video.size[0]}x{video.size[1]} px, {video.fps:.0f} frames a second"
        print(f"{video.path.name} is brought down to {size}.", file=sys.stderr)
    started, percent = time.monotonic(), 0
    for progress in restyle(stylizer, video, look, out):
        if int(100 * progress.done) > percent:
            percent = int(100 * progress.done)
            spent = time.monotonic() - started
            left = spent * (1 - progress.done) / progress.done
            tell(f"{percent} %, about {left:.0f} s left", percent, 100)
    print(f"{video.count} frames at {video.count / (time.monotonic() - started):.1f} a second", file=sys.stderr)


def each_photo(
    folder: Path,
    out: Path,
    prepare: Callable[[], object],
    work: Callable[[Path, Path], None],
    ending: Callable[[Path], str],
) -> None:
    """Processes every photo of a folder into another, skipping finished ones; failures are reported at the end.
    ``ending``: suffix of the output of a file.

    Processes started by torchrun share the photos, and the first one reports.
    """
    from tqdm import tqdm

    if out.exists() and (not out.is_dir() or out.samefile(folder)):
        raise StylizeError("Cannot write to {}: use another folder for the results.", out)
    out.mkdir(parents=True, exist_ok=True)
    photos = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    if not photos:
        raise StylizeError("There are no files in {}; use a folder of photos.", folder)
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    targets = [(path, out / f"{path.name}{ending(path)}") for path in photos[rank::size]]
    todo = [pair for pair in targets if not pair[1].exists()]
    if todo:
        prepare()  # an unusable style is not a photo's fault
    failed = []
    for path, target in tqdm(todo, unit="photo", position=rank, disable=None):
        try:
            work(path, target)
        except (StylizeError, OSError, MemoryError, RuntimeError) as error:
            reason = of_system(error) if isinstance(error, OSError) else str(error) or "There is not enough memory."
            failed.append(f"{path.name}: {reason}")
    failed = gathered(failed, rank, size)
    if rank == 0:
        print(f"{len(photos) - len(failed)} of {len(photos)} photos are in {out}")
        print(*failed, sep="\n", end="\n" if failed else "", file=sys.stderr)
        if failed:
            raise StylizeError("{} of {} photos failed for the reasons above.", len(failed), len(photos))


def gathered(words: list[str], rank: int, size: int) -> list[str]:
    """All processes' messages on the first process; none on the others. All processes end together: torchrun stops the
    rest when one ends with an error."""
    if size == 1:
        return words
    import torch.distributed as dist

    dist.init_process_group("gloo", timeout=timedelta(days=30))
    parts: list[Any] | None = [None] * size if rank == 0 else None
    dist.gather_object(words, parts)
    dist.destroy_process_group()
    return sorted(word for part in parts or () for word in part)


def invert(words: list[str]) -> None:
    parser = command_parser("invert", HELP["invert"])
    parser.add_argument("photo", type=Path, metavar="PHOTO")
    add_output(parser, "LATENTS.safetensors", "file for ws (faces, rows, width) and quads (faces, 4, 2)")
    parser.add_argument("--reconstruction", type=Path, metavar="OUT", help="also write the reconstructed aligned face")
    parser.add_argument("--face", type=count, metavar="N", help="only the N-th face, 1 being the largest")
    parser.add_argument("--refine", type=count, metavar="N", help="steps of optimisation towards the photo")
    args = parser.parse_args(words)
    check_output(args.output, TENSORS, [args.photo])
    if args.reconstruction is not None:
        check_output(args.reconstruction, PICTURE_ENDINGS, [args.photo])

    import torch
    from safetensors.torch import save

    from stylize.images import read_photo, save_image
    from stylize.places import atomic_write

    photo = read_photo(args.photo)
    stylizer = load_model(args)
    faces = pick(stylizer.faces(photo), args.face)
    if args.refine is not None:
        faces = [refined(stylizer, face, args.refine) for face in faces]
    tensors = {
        "ws": torch.cat([face.ws for face in faces]).cpu().contiguous(),
        "quads": torch.stack([torch.as_tensor(face.detected.quad) for face in faces]).contiguous(),
    }
    with atomic_write(args.output) as part:
        part.write_bytes(save(tensors, metadata={"format": "stylize latents", "model": args.model}))
    wrote(args.output)
    if args.reconstruction is not None:
        save_image(only_one(faces)[0].reconstruction, args.reconstruction, provenance(args))
        wrote(args.reconstruction)


def sample(words: list[str]) -> None:
    parser = command_parser("sample", HELP["sample"])
    add_output(parser, "OUT.png", "picture to write, with the faces side by side")
    parser.add_argument("-n", dest="number", type=count, metavar="N", default=1, help="default: 1")
    parser.add_argument("--to", metavar="TEXT", help=DOMAIN_HELP)
    add_method(parser)
    args = parser.parse_args(words)
    if args.number > MAX_SAMPLES:
        raise StylizeError("{} faces do not fit in one picture; use at most {}.", args.number, MAX_SAMPLES)
    check_output(args.output, PICTURE_ENDINGS)
    check_styles([args.to] if args.to else [])

    from stylize.images import save_image, side_by_side

    stylizer = load_model(args)
    domain = None if args.to is None else wanted_domain(stylizer, args.to, args)
    pictures = stylizer.sample(args.number, args.seed, domain)
    save_image(side_by_side(pictures), args.output, {"n": args.number, "to": args.to, **provenance(args)})
    wrote(args.output)


def morph(words: list[str]) -> None:
    parser = command_parser("morph", HELP["morph"])
    parser.add_argument("photo", type=Path, metavar="PHOTO")
    parser.add_argument(
        "--to", action="append", required=True, metavar="TEXT", help=f"{DOMAIN_HELP}; repeat for the next one"
    )
    add_output(parser, "OUT.mp4", "animation to write: .mp4, .gif or .webp")
    add_method(parser)
    parser.add_argument("--frames", type=count, metavar="N", default=48, help="default: 48")
    parser.add_argument("--fps", type=count, metavar="N", default=24, help="frames a second (default: 24)")
    parser.add_argument("--spherical", action="store_true", help="rotate from domain to domain instead of blending")
    parser.add_argument("--detail", type=fraction, metavar="X", help="as for a photo (default: depends on the model)")
    parser.add_argument("--face", type=count, metavar="N", help="only the N-th face, 1 being the largest")
    parser.add_argument("--aligned", action="store_true", help="only the face, without pasting it back")
    args = parser.parse_args(words)
    check_output(args.output, (".mp4", ".gif", ".webp"), [args.photo])
    check_styles(args.to)

    from stylize.images import read_photo
    from stylize.look import Look
    from stylize.video.morph import path, save_moving

    photo = read_photo(args.photo)
    photo.thumbnail((LONGEST_MOVING, LONGEST_MOVING))
    stylizer = load_model(args)
    faces = pick(stylizer.faces(photo), args.face)
    if args.aligned:
        faces = only_one(faces)
    frames, look = [], Look(detail=args.detail)
    for domain in path([wanted_domain(stylizer, text, args) for text in args.to], args.frames, args.spherical):
        pictures = [stylizer.render(face, look.in_domain(domain)) for face in faces]
        frames.append(pictures[0] if args.aligned else stylizer.paste(photo, faces, pictures))
    save_moving(frames, args.output, args.fps)
    wrote(args.output)


def refined(stylizer: Stylizer, face: Face, steps: int) -> Face:
    from stylize.adaptation.latent import RefineSettings, refine

    for progress in refine(stylizer, face, RefineSettings(steps=steps)):
        show_progress(progress)
    return progress.face


def pick(faces: Sequence[Face], number: int | None) -> Sequence[Face]:
    if number is None:
        return faces
    if number > len(faces):
        found = "1 face was" if len(faces) == 1 else f"{len(faces)} faces were"
        raise PhotoError("There is no face {}: {} found; --face counts from 1, the largest.", number, found)
    return [faces[number - 1]]


def only_one(faces: Sequence[Face]) -> Sequence[Face]:
    if len(faces) > 1:
        print(f"{len(faces)} faces found; taking the largest (--face picks another).", file=sys.stderr)
    return faces[:1]
