"""Work to be killed, in forks of this process, which has imported everything: ``python -m benchmarks.trust.victims``.

Each kind defines how its work starts, and what must hold for its files afterwards, whenever it was killed.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import random
import resource
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

LONGEST = 4.0  # seconds until the kill; increased while they make no progress
MIN_KILLS = 5  # kills, regardless of time
KEPT_EVERY = 5  # steps of an adaptation
DATA = random.Random(0).randbytes(3_000_000)  # bytes to download
FULL = 200  # bytes of a file that fit on a "full disk"


class Victim:
    """``work`` runs in a fork. Afterwards, in this process, ``check`` reports what is wrong, and ``state`` how far it
    is: a number that no kill may reduce. ``ended`` cleans up after finished work."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder, self.model = folder, model

    def prepare(self) -> None:
        """Called once, before the first fork."""

    def work(self) -> None:
        raise NotImplementedError

    def check(self) -> str:
        raise NotImplementedError

    def state(self) -> int:
        return 0

    def ended(self) -> None:
        for path in self.folder.iterdir():
            if path.is_file():
                path.unlink()


class Adaptation(Victim):
    def prepare(self) -> None:
        from stylize.cli import domains, main

        self.main, self.out = main, self.folder / "out.safetensors"
        self.kept, self.at = self.folder / "out.safetensors.unfinished", self.folder / "at"
        vars(domains)["show_progress"] = self.note

    def note(self, progress: Any) -> None:
        self.at.write_text(str(progress.step))

    def work(self) -> None:
        words = ["adapt", "--text", "pencil sketch", "--steps", "150", "--model", str(self.model), "-o", str(self.out)]
        if self.main([*words, *(["--continue"] if self.kept.exists() else [])]):
            raise SystemExit(3)

    def state(self) -> int:
        from stylize.models.checkpoints import load_checkpoint

        return len(load_checkpoint(self.kept)[0]["history"]) if self.kept.exists() else 0

    def check(self) -> str:
        from stylize.models.domain import Domain

        if self.out.exists():
            Domain.load(self.out)
        done = int((self.at.read_text() if self.at.exists() else "") or 0)
        lost = done - self.state()
        return f"{lost} steps lost" if self.kept.exists() and lost > KEPT_EVERY else ""


class Training(Victim):
    def prepare(self) -> None:
        from stylize.training import hypernet

        parser = argparse.ArgumentParser()
        hypernet.add_arguments(parser)
        (self.folder.parent / "list.txt").write_text("a pencil sketch\na mosaic\nsepia\nblue glass\n")
        words = "--official --steps 100000 --batch 4 --drawn 2 --pool 4 --width 16 --depth 2 --save-every 1"
        place = ["--domains", str(self.folder.parent / "list.txt"), "--out", str(self.folder)]
        self.args = parser.parse_args([*words.split(), *place])
        self.args.model, self.args.device, self.args.seed = str(self.model), "cpu", 0
        self.run, self.kept = hypernet.run, self.folder / "hypernet-run.pt"

    def work(self) -> None:
        self.run(self.args)

    def state(self) -> int:
        import torch

        return int(torch.load(self.kept, weights_only=True)["numbers"][0]) if self.kept.exists() else 0

    def check(self) -> str:
        self.state()
        return ""


class Download(Victim):
    def prepare(self) -> None:
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

        from huggingface_hub import constants

        from stylize.convert.catalogue import WeightsFile
        from stylize.convert.download import fetch

        class Answer(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                wanted = self.headers.get("Range", "bytes=0-")
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
                self.send_response(206 if start else 200)
                self.send_header("Content-Type", "application/octet-stream")
                self.send_header("Content-Length", str(len(DATA) - start))
                self.end_headers()
                with suppress(OSError):  # the client was killed
                    for at in range(start, len(DATA), 1 << 15):
                        self.wfile.write(DATA[at : at + (1 << 15)])
                        time.sleep(0.01)

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        constants.HF_HOME = str(self.folder)
        url = f"http://127.0.0.1:{server.server_address[1]}/weights.pt"
        digest = hashlib.sha256(DATA).hexdigest()
        self.weight = WeightsFile("tiny", "a test", "MIT", "tiny.safetensors", url=url, sha256=digest, size=len(DATA))
        self.fetch = fetch

    def work(self) -> None:
        for _ in self.fetch(self.weight):
            pass

    def state(self) -> int:
        return self.weight.part.stat().st_size if self.weight.part.exists() else 0

    def check(self) -> str:
        if self.weight.part.exists() and not DATA.startswith(self.weight.part.read_bytes()):
            return "its beginning is another"
        if self.weight.path.exists() and self.weight.path.read_bytes() != DATA:
            return "the whole is another"
        return ""

    def ended(self) -> None:
        self.weight.path.unlink()


class FilmWriting(Victim):
    def prepare(self) -> None:
        from benchmarks.trust.visitors import film
        from stylize.pipeline import Stylizer

        self.stylizer = Stylizer.load(str(self.model), "cpu")
        self.source = self.folder.parent / "film.gif"
        self.source.write_bytes(film(0, frames=6))
        self.turn, self.endings = 0, (".mp4", ".gif", ".webp")

    def work(self) -> None:
        from stylize.look import Look
        from stylize.video.files import LIMITS, VideoFile
        from stylize.video.morph import save_moving
        from stylize.video.restyle import restyle

        out = self.folder / f"out{self.endings[self.turn % 3]}"
        film = VideoFile.open(self.source, LIMITS[out.suffix])
        if self.turn % 2:
            for _ in restyle(self.stylizer, film, Look(self.stylizer.domain("sepia")), out):
                pass
        else:
            from PIL import Image

            save_moving([Image.fromarray(frame) for _, frame in film.frames()] * 20, out)

    def check(self) -> str:
        from stylize.video.files import VideoFile

        self.turn += 1
        for path in self.folder.glob("out.*"):
            film = VideoFile.open(path)
            if sum(1 for _ in film.frames()) < 6:
                return f"{path.name} lacks frames"
            path.unlink()
        return ""


class LibraryWriting(Victim):
    def prepare(self) -> None:
        import gradio as gr

        from stylize.pipeline import Stylizer
        from stylize.ui.library import Library
        from stylize.ui.studio import Studio

        os.environ["STYLIZE_SHARED"] = str(self.folder)
        with gr.Blocks():
            self.library = Library(Studio(Stylizer.load(str(self.model), "cpu")))
        self.domain = self.library.studio.stylizer.domain("sepia")

    def work(self) -> None:
        for turn in range(10**6):
            name = f"style {turn % 20}"
            own = self.library._remove(self.library.current({}), name)
            self.library._add(own, name, self.domain)

    def check(self) -> str:
        from stylize.models.domain import Domain

        for path in self.folder.glob("*.safetensors"):
            Domain.load(path)
        return ""

    def state(self) -> int:
        return 0


KINDS: dict[str, type[Victim]] = {
    "adaptation": Adaptation,
    "training": Training,
    "download": Download,
    "film": FilmWriting,
    "library": LibraryWriting,
}


def forked(work: Callable[[], None]) -> int:
    """The process that does the work."""
    if pid := os.fork():
        return pid
    try:
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def kill_on(victim: Victim, seconds: float, rng: random.Random) -> dict[str, Any]:
    """Kills the work repeatedly at random moments, letting it continue in between."""
    until, kills, ended, failed, before, forward = time.monotonic() + seconds, 0, 0, 0, 0, 0
    broken: list[str] = []
    longest = LONGEST
    while (time.monotonic() < until or kills < MIN_KILLS) and kills < 100:
        pid, due, status = forked(victim.work), time.monotonic() + rng.uniform(0.05, longest), None
        while status is None and time.monotonic() < due:
            done, code = os.waitpid(pid, os.WNOHANG)
            status = code if done else None
            time.sleep(0.005)
        if status is None:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            kills += 1
        try:
            if wrong := victim.check():
                broken.append(wrong)
            now = victim.state()
        except Exception as error:  # unreadable remains
            broken.append(ascii(error)[:300])
            break
        if now < before and status != 0:
            broken.append(f"fell from {before} to {now}")
        forward += now > before > 0
        longest = longest if now > before or status == 0 else min(1.3 * longest, 40.0)
        before = now
        if status == 0:
            ended, before = ended + 1, 0
            victim.ended()
        failed += status not in (None, 0)
    if failed:
        broken.append(f"{failed} times it ended with an error")
    goes_on = bool(forward or ended) or type(victim).state is LibraryWriting.state
    return {"kills": kills, "ended": ended, "went_on": forward, "broken": broken[:10], "goes_on": goes_on}


# --- walls --------------------------------------------------------------------------------------------


def walls(folder: Path, model: Path) -> dict[str, Any]:
    """What each kind of writing reports on a full disk and in a read-only folder: "ok: " and its sentence."""
    from benchmarks.trust import mutants
    from benchmarks.trust.visitors import film, photo
    from stylize.cli import main

    (folder.parent / "photo.jpg").write_bytes(photo(0))
    (folder.parent / "film.gif").write_bytes(film(0))
    (folder.parent / "age.npy").write_bytes(mutants.checkpoints()["age.npy"])
    own, sepia = ["--model", str(model)], ["--to", "sepia"]
    source = str(folder.parent / "photo.jpg")
    commands = {
        "png": [source, *sepia, *own, "-o", "out.png"],
        "jpg": [source, *sepia, *own, "-o", "out.jpg"],
        "film": [str(folder.parent / "film.gif"), *sepia, *own, "-o", "out.mp4"],
        "morph": ["morph", source, *sepia, "--to", "pencil sketch", *own, "-o", "out.gif"],
        "mix": ["mix", "sepia=0.5", *own, "-o", "out.safetensors"],
        "invert": ["invert", source, *own, "-o", "out.safetensors"],
        "sample": ["sample", "-n", "2", *own, "-o", "out.png"],
        "adapt": ["adapt", "--text", "pencil sketch", "--steps", "2", *own, "-o", "out.safetensors"],
    }
    told: dict[str, str] = {}
    for name, words in commands.items():
        full = [str(folder / word) if word.startswith("out.") else word for word in words]
        with redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()) as said:
            code = main(full)  # once undisturbed, which imports everything needed
        if code:
            told[name] = f"it does not work at all: {said.getvalue()}"
            continue
        for path in folder.iterdir():
            path.unlink()
        for wall, build in (("full disk", fill_up), ("closed folder", close(folder))):
            ear, mouth = os.pipe()
            pid = forked(partial(one_sentence, build, partial(main, full), mouth))
            os.close(mouth)
            with os.fdopen(ear, encoding="utf-8") as answer:
                told[f"{name}, {wall}"] = answer.read() or "it dies without a word"
            os.waitpid(pid, 0)
            folder.chmod(0o755)
            for path in folder.iterdir():
                if path.name in ("out.png", "out.jpg", "out.mp4", "out.gif", "out.safetensors"):
                    told[f"{name}, {wall}"] = f"{path.name} is there: {told[f'{name}, {wall}']}"
                path.unlink()
    return {"told": told}


def fill_up() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (FULL, FULL))


def close(folder: Path) -> Callable[[], None]:
    def closed() -> None:
        folder.chmod(0o555)
        if os.getuid() == 0:  # root can write to any folder
            os.setgid(65534)
            os.setuid(65534)

    return closed


def one_sentence(build: Callable[[], None], run: Callable[[], int], mouth: int) -> None:
    """Writes a command's output on the full disk or in the read-only folder to the pipe."""
    said = io.StringIO()
    build()
    with redirect_stderr(said), redirect_stdout(io.StringIO()):
        try:
            code = run()
        except BaseException as error:
            os.write(mouth, f"{ascii(error)[:300]} {traceback.format_exc()[-600:]}".encode())
            return
    words = said.getvalue().strip().splitlines()[-1:] or [""]
    good = code == 2 and words[0].startswith("stylize: ") and words[0].endswith(".")
    os.write(mouth, f"{'ok: ' if good else f'exit status {code}: '}{words[0]}".encode())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trust.victims")
    parser.add_argument("kind", choices=[*KINDS, "walls"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    args = parser.parse_args()
    import torch

    torch.set_num_threads(1)  # no thread pool, which would not survive a fork
    from benchmarks.trust import tiny

    args.folder.chmod(0o755)
    place, model = args.folder / "place", args.folder / "model"
    place.mkdir()
    tiny.make(model)
    if args.kind == "walls":
        found = walls(place, model)
    else:
        victim = KINDS[args.kind](place, model)
        victim.prepare()
        found = kill_on(victim, args.seconds, random.Random(args.seed))
    args.out.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
