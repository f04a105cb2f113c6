"""Tone-maps high dynamic range video (ITU-R BT.2100), as phones record it, to standard BT.709."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

TRANSFERS = {16: "PQ", 18: "HLG"}  # in the numbering of ITU-T H.273
WHITE = 203.0  # cd/m^2 of reference white, ITU-R BT.2408
PEAK = 1000.0  # cd/m^2, the brightest value
KNEE = 0.6  # of WHITE: light below it is unchanged, light above it is compressed
DISPLAY_GAMMA = 2.4  # ITU-R BT.1886
SIGNAL_LEVELS = 4096
LUMA = np.array([0.2627, 0.6780, 0.0593], dtype=np.float32)  # of BT.2020
FROM_2020 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], dtype=np.float32
)  # linear BT.2020 to BT.709, ITU-R BT.2087

Planes = NDArray[np.float32]


def to_ordinary(rgb: NDArray[np.uint16], transfer: str) -> NDArray[np.uint8]:
    """rgb: (height, width, 3) with 16 bits in BT.2020 and one of TRANSFERS. Returns 8 bits in BT.709."""
    light = _light(transfer)[rgb >> 4]  # in units of WHITE; scene light for HLG
    if transfer == "HLG":
        light *= np.maximum(light @ LUMA / np.float32(PEAK / WHITE), 1e-6)[..., None] ** np.float32(0.2)  # its OOTF
    root = np.sqrt((light @ FROM_2020.T * np.float32(WHITE / PEAK)).clip(0, 1))
    return _signal()[(root * np.float32(SIGNAL_LEVELS - 1) + np.float32(0.5)).astype(np.uint16)]


@cache
def _light(transfer: str) -> Planes:
    """(SIGNAL_LEVELS,): the light at every signal level."""
    signal = np.linspace(0, 1, SIGNAL_LEVELS)
    if transfer == "PQ":
        power = signal ** (1 / 78.84375)
        nits = 10_000 * (np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)) ** (1 / 0.1593017578125)
    else:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        nits = PEAK * np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return np.asarray(nits / WHITE, dtype=np.float32)


@cache
def _signal() -> NDArray[np.uint8]:
    """(SIGNAL_LEVELS,): 8-bit BT.709 for each square root of light in 0..PEAK; roots are about perceptually uniform."""
    light = np.linspace(0, 1, SIGNAL_LEVELS) ** 2 * PEAK / WHITE
    over = np.maximum(light - KNEE, 0) / (1 - KNEE)
    most = (PEAK / WHITE - KNEE) / (1 - KNEE)
    rolled = np.minimum(light, KNEE) + (1 - KNEE) * over * (1 + over / most**2) / (1 + over)  # Reinhard et al. 2002
    return np.rint(255 * rolled.clip(0, 1) ** (1 / DISPLAY_GAMMA)).astype(np.uint8)
