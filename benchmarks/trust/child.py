"""Reads damaged files of one kind, in a process that may crash: ``python -m benchmarks.trust.child``.

The number of every file is written to ``at`` before reading it, and every finding to ``found`` immediately, so that
nothing is lost in a crash.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.trust import mutants
from stylize.errors import StylizeError

Reader = Callable[[Path], object]
SLOW = 10.0  # seconds of CPU time in one call: other work on the machine does not count


def photo(path: Path) -> object:
    from stylize.images import read_photo

    return read_photo(path.read_bytes()).size


def film(path: Path) -> object:
    from stylize.video.files import VideoFile, is_moving

    is_moving(path)
    return sum(1 for _ in VideoFile.open(path).frames())


def domain(path: Path) -> object:
    from stylize.models.domain import Domain, interpolate, mix

    read = Domain.load(path)
    halves = mix([(0.5, read.scaled(0.3, 2, -1)), (1e20, read)], spherical=True)
    interpolate(read, halves, 0.3).save(path.with_suffix(".again"))
    return Domain.load(path.with_suffix(".again")) if read.vector.abs().max() < 1 else None


def checkpoint(path: Path) -> object:
    from stylize.convert.formats import convert

    out = path.with_name("converted")
    return convert(path, out if path.suffix == ".zip" else out.with_suffix(".safetensors"))


def pack(path: Path) -> object:
    from stylize.ui.library import read_pack

    return read_pack(path)


def recipe(text: str, stylizer: Any) -> object:
    from stylize.look import Look
    from stylize.models.domain import MixPart
    from stylize.ui.recipe import read_query, write_query

    query, strength, detail, own, seed = read_query(text)
    write_query(query, Look(strength=strength or 1.0, detail=detail or 0.0, keep_colours=own), seed)
    for ask in (MixPart.parse, stylizer.prompt, stylizer.domain):
        try:
            ask(text)
        except StylizeError:
            continue
    return query


READERS: dict[str, tuple[Callable[[Path], mutants.Files], Reader]] = {
    "pictures": (lambda folder: mutants.pictures(), photo),
    "films": (mutants.films, film),
    "domains": (lambda folder: mutants.domains(), domain),
    "checkpoints": (lambda folder: mutants.checkpoints(), checkpoint),
    "packs": (lambda folder: mutants.packs(), pack),
}


def calls(kind: str, seed: int, folder: Path) -> Callable[[int], Callable[[], object]]:
    """The call for a file's number; everything it needs is imported by then."""
    if kind == "recipes":
        from stylize.pipeline import Stylizer

        stylizer = Stylizer.load("mini", "cpu")
        for text in ("to=blue charcoal drawing", "a steampunk inventor"):
            recipe(text, stylizer)
        return lambda index: lambda: recipe(mutants.words(seed, index), stylizer)
    seeds, read = READERS[kind]
    files = seeds(folder)
    for name in sorted(files)[:1]:
        (folder / name).write_bytes(files[name])
        with suppress(StylizeError):
            read(folder / name)

    def prepared(index: int) -> Callable[[], object]:
        name, data = mutants.mutant(files, kind, seed, index)
        path = folder / f"file{Path(name).suffix}"
        path.write_bytes(data)
        return lambda: read(path)

    return prepared


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trust.child")
    parser.add_argument("kind", choices=[*READERS, "recipes"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--first", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    prepare, until = calls(args.kind, args.seed, args.folder), time.monotonic() + args.seconds
    with (args.folder / "at").open("wb", buffering=0) as at, (args.folder / "found").open("a", buffering=1) as found:

        def tell(**what: Any) -> None:
            found.write(json.dumps(what) + "\n")

        done, start_mb, longest = 0, 0.0, 0.0
        for index in range(args.first, args.first + args.count):
            if time.monotonic() > until:
                break
            call = prepare(index)
            at.seek(0)
            at.write(b"%20d" % index)
            began, spent = time.monotonic(), time.process_time()
            try:
                call()
            except StylizeError as error:
                if "\n" in str(error).strip() or not str(error).strip().endswith((".", "…", ")")):
                    tell(kind="no sentence", index=index, error=ascii(error)[:300])
            except Exception as error:
                where = traceback.extract_tb(error.__traceback__)[-1]
                tell(kind="foreign", index=index, error=ascii(error)[:300], where=f"{where.filename}:{where.lineno}")
            wall, spent = time.monotonic() - began, time.process_time() - spent
            if spent > SLOW:
                tell(kind="slow", index=index, seconds=wall, processor_seconds=spent)
            longest, done = max(longest, wall), done + 1
            if done == 200:  # everything is imported and allocated
                start_mb = peak_mb()
        tell(kind="end", done=done, longest=longest, start_mb=start_mb or peak_mb(), peak_mb=peak_mb())


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
