"""The page as a child process on a free port of 127.0.0.1, its visitors, and its processes' memory."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from gradio_client import Client

from benchmarks.trust import ROOT

PATIENCE = 300.0  # seconds until the page answers


@dataclass
class Served:
    """A running page: its address, process, folder of temporary files and log; the wall-clock and CPU seconds until its
    first answer."""

    address: str
    process: subprocess.Popen[bytes]
    temporary: Path
    log: Path
    first_page_s: float
    processor_s: float

    def client(self) -> Client:
        return Client(self.address, verbose=False, download_files=str(self.temporary.parent / "fetched"))

    def kept(self) -> list[Path]:
        """The page's current temporary files."""
        return [path for path in self.temporary.rglob("*") if path.is_file()]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def served(before: str = "", **variables: str) -> Iterator[Served]:
    """Runs the mini model's page, with its temporary files in its own folder; ``before`` is executed first."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        (folder / "tmp").mkdir()
        settings = {
            "GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port), "STYLIZE_MODEL": "mini",
            "GRADIO_ANALYTICS_ENABLED": "False", "TMPDIR": str(folder / "tmp"), "HF_HUB_OFFLINE": "1",
        }  # fmt: skip
        with (folder / "log").open("wb") as log:
            began = time.monotonic()
            program = ["-c", f"{before}\nimport app\napp.main()"] if before else ["app.py"]
            process = subprocess.Popen(
                [sys.executable, *program], cwd=ROOT, env=os.environ | settings | variables, stdout=log, stderr=log
            )
            try:
                address = f"http://127.0.0.1:{port}/"
                while not answers(address):
                    if process.poll() is not None or time.monotonic() - began > PATIENCE:
                        raise SystemExit(f"app.py does not serve the page: {(folder / 'log').read_text()[-2000:]}")
                    time.sleep(0.05)
                page = Served(
                    address, process, folder / "tmp", folder / "log", time.monotonic() - began, processor(process.pid)
                )
                yield page
            finally:
                process.terminate()
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=30).status_code == 200
    except httpx.HTTPError:
        return False


def processor(process: int) -> float:
    """CPU seconds that a process has used; Linux only."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(process: int) -> float:
    """Resident megabytes of a process; Linux only."""
    pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def mapped(process: int, words: tuple[str, ...]) -> float:
    """Resident megabytes of a process's mapped files whose names contain one of the words."""
    total, counted = 0, False
    for line in Path(f"/proc/{process}/smaps").read_text(encoding="utf-8", errors="replace").splitlines():
        head = line.split(None, 5)
        if "-" in head[0] and len(head) >= 5 and not head[0].endswith(":"):
            counted = len(head) == 6 and any(word in head[5].rpartition("/")[2] for word in words)
        elif counted and head[0] == "Rss:":
            total += int(head[1])
    return total / 1024


def traces(log: Path) -> list[str]:
    """The last line of every traceback in a log: errors that were not turned into a sentence."""
    found, inside = [], False
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("Traceback "):
            inside = True
        elif inside and line and not line.startswith((" ", "\t")):
            found.append(line[:200])
            inside = False
    return found


def call(address: str, name: str, values: list[Any], timeout: float = 600) -> tuple[str, Any]:
    """(event, the endpoint's answer) as a script without Gradio's client gets it: "complete" with a list, or "error"
    with a sentence."""
    import json

    url = f"{address}gradio_api/call/{name}"
    headers = {"Content-Type": "application/json"}
    asked = httpx.post(url, content=json.dumps({"data": values}), headers=headers, timeout=timeout)  # NaN too
    if asked.status_code != 200:
        return "refused", asked.text[:300]
    told = httpx.get(f"{url}/{asked.json()['event_id']}", timeout=timeout).text.strip().split("\n")
    kind, answer = told[-2].removeprefix("event: "), json.loads(told[-1].removeprefix("data: "))
    return kind, answer["error"] if isinstance(answer, dict) and "error" in answer else answer


def upload(address: str, data: bytes, name: str) -> dict[str, Any]:
    """Uploads a file, in the form an endpoint takes."""
    (path,) = httpx.post(f"{address}gradio_api/upload", files={"files": (name, data)}, timeout=300).json()
    return {"path": path, "meta": {"_type": "gradio.FileData"}, "orig_name": name}
