"""The bench of trust: the same seed damages the same files, its visitors know their pictures again, and the page of its
table is what its figures say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from conftest import PATIENCE

from benchmarks.trust import Row, docs, mutants, pages
from benchmarks.trust.__main__ import table
from benchmarks.trust.soak import in_use, line
from benchmarks.trust.visitors import film, owner, photo

ROOT = Path(__file__).parent.parent


def test_the_same_numbers_damage_the_same_way() -> None:
    files = mutants.domains()
    damaged = [mutants.mutant(files, "domains", 0, index) for index in range(30)]
    assert damaged == [mutants.mutant(files, "domains", 0, index) for index in range(30)]
    assert len({data for _, data in damaged}) > 25
    assert damaged != [mutants.mutant(files, "domains", 1, index) for index in range(30)]
    assert mutants.words(0, 5) == mutants.words(0, 5)


def test_every_kind_of_picture_is_damaged() -> None:
    endings = {name.rpartition(".")[2] for name in mutants.pictures()}
    assert {"png", "jpg", "webp", "gif", "tiff", "avif", "heic", "bmp", "ico"} <= endings


def test_visitors_know_their_own_pictures() -> None:
    assert [owner(photo(number), 64) for number in range(64)] == list(range(64))
    assert [owner(film(number), 64) for number in (0, 7, 63)] == [0, 7, 63]


def test_a_child_reads_damaged_files_and_says_how_it_ended(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.trust.child", "domains", str(tmp_path), "--seed", "0"]
    command += ["--first", "0", "--count", "20", "--seconds", "600"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=PATIENCE)
    (end,) = [json.loads(words) for words in (tmp_path / "found").read_text().splitlines()]
    assert (end["kind"], end["done"]) == ("end", 20)
    assert int((tmp_path / "at").read_text()) == 19


def test_traces_are_found_in_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("started\nTraceback (most recent call last):\n  File x\n    y\nValueError: no\nwent on\n")
    assert pages.traces(log) == ["ValueError: no"]


def test_memory_in_use_is_the_last_reading(tmp_path: Path) -> None:
    log, reading = tmp_path / "log", "# bytes in allocated blocks      =   {}\nother\n# bytes in use = {}\n"
    log.write_text(
        reading.format("1,048,576", 2**20) + "x" * 50 + "\n" + reading.format("2,097,152", 2**20) + "# bytes in use = 9"
    )
    assert in_use(log) == 3.0


def test_a_leak_is_a_slope() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 200)
    slope, error = line([(n, 500 + 0.05 * n + noise[n]) for n in range(200)])
    assert abs(slope - 50) < 4 * error < 10


def test_memory_and_time_of_a_process_are_read() -> None:
    assert pages.memory(os.getpid()) > 10
    assert pages.processor(os.getpid()) > 0
    assert pages.mapped(os.getpid(), ("no such library",)) == 0


def test_the_table_says_what_is_not_met() -> None:
    rows = [Row("load", "a", "1", "0", False, why="because"), Row("load", "b", "0", "0", True)]
    assert [words[:4] for words in table(rows).splitlines()] == ["NOT ", "ok  "]
    assert "| a | 1 | 0 | no: because |" in docs.table({"load": {"rows": [row.to_dict() for row in rows]}})


def test_the_page_is_what_the_figures_say() -> None:
    parts = json.loads(docs.JSON.read_text(encoding="utf-8"))["parts"]
    page = docs.PAGE.read_text(encoding="utf-8")
    assert docs.table(parts) in page
    assert docs.provenance(parts) in page
