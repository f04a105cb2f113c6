"""Other people: make-up and monsters."""

from __future__ import annotations

import numpy as np

from stylize.faces.parts import Array, clip, step
from stylize.training.filters.face import AnalysedFace
from stylize.training.filters.register import style
from stylize.training.filters.tools import BLACK, WHITE, flat, lerp, ramp, saturate


def _grin(f: AnalysedFace) -> Array:
    """A painted smile: the mouth extended to two curved, tapering points."""
    middle = f.points[48:60].mean(0)
    out = f.grown(48, 60, 1.14, 0.5)
    for corner, jaw in ((48, 4), (54, 12)):
        start, reach = f.points[corner], (f.points[jaw] - f.points[corner]) * 0.42
        rise = np.array([0.0, -float(np.hypot(*reach)) * 0.85])
        tip, bend = start + reach + rise, start + reach * 0.75 + rise * 0.12
        thick = np.array([0.0, 2.3 * f.scale])
        inner = start * 0.8 + middle * 0.2
        upper = [inner - thick, bend - 0.8 * thick, tip]
        out = np.maximum(out, f.polygon(np.stack([*upper, bend + 0.8 * thick, inner + thick]), 0.5))
    return out


@style("zombie")
def zombie(f: AnalysedFace) -> Array:
    tone = (f.skin_tone - 0.6) * 1.55 + 0.52 - 0.22 * f.lines(1.8, 7)
    skin = ramp(tone, (0.07, 0.10, 0.09), (0.30, 0.40, 0.30), (0.58, 0.70, 0.50), (0.86, 0.92, 0.74))
    hollow = f.blur(f.sockets, 1.0)
    for corner, eye in ((48, 36), (54, 45)):
        cheek = f.points[corner] * 0.55 + f.points[eye] * 0.45 + (f.points[eye] - f.points[27]) * 0.16
        hollow = np.maximum(hollow, 0.42 * f.disc(cheek + np.array([0, 5.0]) * f.scale, 5, 6))
    skin = lerp(skin, skin * flat((0.36, 0.30, 0.40)), hollow * 0.85 * (1 - f.eyes))
    skin = lerp(skin, ramp(f.eye_tone, (0.42, 0.42, 0.34), (0.95, 0.95, 0.82)), f.eyes * 0.9)
    skin = lerp(skin, flat((0.80, 0.84, 0.78)), f.irises * 0.55)
    skin = lerp(skin, ramp(f.skin_tone, (0.10, 0.05, 0.07), (0.34, 0.20, 0.24), (0.60, 0.44, 0.44)), f.lips * 0.85)
    hair = ramp(f.hair_tone, (0.03, 0.04, 0.03), (0.16, 0.18, 0.14), (0.46, 0.48, 0.40))
    cloth = saturate(f.rgb, 0.2) * flat((0.42, 0.46, 0.38))
    fog = ramp(f.y / 128 + 0.07 * f.noise("cloud"), (0.05, 0.08, 0.07), (0.16, 0.22, 0.18), (0.36, 0.43, 0.34))
    trunk = step(abs((f.x + 3 * np.sin(f.y * 0.05)) % 31 - 15), 2.6, 1.6) * step(f.y, 100, 60)
    return f.layers(skin, hair, fog * (1 - 0.6 * trunk)[..., None], cloth, 1.5)


@style("joker")
def joker(f: AnalysedFace) -> Array:
    tone = (f.skin_tone - 0.6) * 1.35 + 0.70 - 0.30 * f.lines(1.6, 8)
    paint = ramp(tone, (0.28, 0.26, 0.30), (0.66, 0.66, 0.68), (0.93, 0.93, 0.92), WHITE)
    skin = lerp(paint, flat((0.08, 0.16, 0.30)), f.sockets * 0.80 * (1 - f.eyes))
    for first in (36, 42):
        centre = f.points[first : first + 6].mean(0)
        for sign in (-1, 1):
            tip = centre + np.array([0, sign * 13.0]) * f.scale
            sides = [centre + np.array([dx, sign * 3.0]) * f.scale for dx in (-2.6, 2.6)]
            skin = lerp(skin, flat((0.08, 0.16, 0.30)), f.polygon(np.stack([sides[0], tip, sides[1]]), 0.4) * 0.8)
    wide = _grin(f)
    red = clip(np.maximum(f.lips, wide * (1 - f.polygon(f.points[60:68], 0.4))))
    skin = lerp(
        skin, ramp((f.skin_tone - 0.6) * 1.2 + 0.55, (0.32, 0.0, 0.02), (0.80, 0.04, 0.08), (1.0, 0.42, 0.38)), red
    )
    skin = lerp(skin, lerp(f.rgb, flat(WHITE), 0.15), f.eyes)
    skin = lerp(skin, flat((0.10, 0.10, 0.12)), f.brow_ink * 0.6)
    hair = ramp(f.hair_tone, (0.0, 0.16, 0.05), (0.05, 0.52, 0.14), (0.50, 0.94, 0.28))
    cloth = ramp(f.tone, (0.14, 0.02, 0.20), (0.65, 0.40, 0.75))
    lozenge = step(np.cos((f.x + f.y) * 0.28) + np.cos((f.x - f.y) * 0.28), -0.1, 0.1)
    back = lerp(flat((0.26, 0.08, 0.38)), flat((0.36, 0.14, 0.50)), lozenge) * (1 - 0.4 * f.vignette)[..., None]
    return f.layers(skin, hair, back, cloth, 1.5)


@style("blue alien")
def blue_alien(f: AnalysedFace) -> Array:
    tone = (f.skin_tone - 0.6) * 1.25 + 0.56
    skin = ramp(tone, (0.0, 0.05, 0.28), (0.05, 0.30, 0.72), (0.25, 0.60, 0.98), (0.75, 0.95, 1.0))
    brow = f.points[27] / f.scale
    row = np.cos((f.x - brow[0]) * 0.62) * np.cos((f.y - brow[1]) * 0.62)  # a regular pattern of lights
    lights = step(row, 0.80, 0.93) * (f.y < brow[1] - 5) * f.skin * (1 - f.features)
    skin = lerp(skin, flat((0.65, 1.0, 0.95)), lights * 0.75)
    skin = lerp(skin, ramp(f.eye_tone, (0.05, 0.03, 0.0), (0.95, 0.75, 0.10), (1.0, 1.0, 0.7)), f.eyes * 0.95)
    skin = lerp(skin, flat((0.98, 0.80, 0.05)), f.irises * step(f.eye_tone, 0.1, 0.4) * 0.7)
    skin = lerp(skin, flat((0.22, 0.12, 0.55)), f.lips * 0.6)
    hair = ramp(f.hair_tone, (0.02, 0.0, 0.07), (0.15, 0.05, 0.30), (0.45, 0.25, 0.65))
    stars = step(f.noise("grain"), 2.5, 3.2)[..., None]
    space = ramp(0.4 + 0.3 * f.noise("cloud"), (0.02, 0.0, 0.06), (0.13, 0.03, 0.22), (0.30, 0.10, 0.40)) + stars
    return f.layers(skin, hair, space, ramp(f.tone, BLACK, (0.45, 0.5, 0.6)), 1.5)


@style("vampire")
def vampire(f: AnalysedFace) -> Array:
    tone = (f.skin_tone - 0.6) * 1.25 + 0.68
    skin = ramp(tone, (0.10, 0.05, 0.12), (0.52, 0.45, 0.56), (0.86, 0.82, 0.88), (0.99, 0.97, 1.0))
    skin = lerp(skin, flat((0.32, 0.08, 0.20)), f.sockets * 0.6 * (1 - f.eyes))
    skin = lerp(skin, ramp(f.eye_tone, (0.20, 0.0, 0.02), (0.95, 0.05, 0.05), (1.0, 0.85, 0.85)), f.eyes * 0.9)
    skin = lerp(skin, flat((0.62, 0.0, 0.06)), f.lips * 0.92)
    for inner, outer in ((61, 60), (63, 64)):  # fangs
        root = f.points[inner] * 0.55 + f.points[outer] * 0.45
        half, long = np.array([1.3, 0.0]) * f.scale, np.array([0.0, 4.6]) * f.scale
        skin = lerp(skin, flat((1.0, 1.0, 0.97)), f.polygon(np.stack([root - half, root + long, root + half]), 0.3))
    hair = ramp(f.hair_tone, (0.01, 0.01, 0.02), (0.06, 0.05, 0.08), (0.30, 0.27, 0.34))
    night = ramp(
        0.5 + 0.2 * f.noise("cloud") - 0.4 * f.vignette,
        (0.06, 0.0, 0.01),
        (0.34, 0.01, 0.04),
        (0.50, 0.05, 0.06),
    )
    return f.layers(skin, hair, night, ramp(f.tone, BLACK, (0.4, 0.05, 0.1)), 1.5)


@style("hulk")
def hulk(f: AnalysedFace) -> Array:
    tone = (f.skin_tone - 0.6) * 1.5 + 0.50 - 0.25 * f.lines(2.0, 7)
    skin = ramp(tone, (0.02, 0.12, 0.0), (0.16, 0.42, 0.06), (0.40, 0.74, 0.16), (0.78, 0.97, 0.48))
    skin = lerp(skin, lerp(f.rgb, flat((0.9, 1.0, 0.6)), 0.25), f.eyes * 0.85)
    skin = lerp(skin, flat((0.22, 0.32, 0.10)), f.lips * 0.6)
    hair = ramp(f.hair_tone, (0.01, 0.03, 0.01), (0.05, 0.11, 0.05), (0.25, 0.33, 0.2))
    back = ramp(0.45 + 0.2 * f.noise("cloud"), (0.45, 0.43, 0.48), (0.66, 0.64, 0.68), (0.84, 0.82, 0.85))
    return f.layers(skin, hair, back, ramp(f.tone, (0.16, 0.03, 0.24), (0.58, 0.32, 0.72)), 1.5)


@style("devil")
def devil(f: AnalysedFace) -> Array:
    tone = (f.skin_tone - 0.6) * 1.5 + 0.52
    skin = ramp(tone, (0.12, 0.0, 0.0), (0.55, 0.03, 0.02), (0.92, 0.14, 0.08), (1.0, 0.62, 0.40))
    skin = lerp(skin, flat((0.10, 0.0, 0.0)), f.sockets * 0.7 * (1 - f.eyes))
    skin = lerp(skin, ramp(f.tone, (0.3, 0.12, 0.0), (1.0, 0.90, 0.20)), f.eyes)
    skin = lerp(skin, flat((0.15, 0.0, 0.02)), clip(f.lips * 0.6 + f.brow_ink))
    hair = ramp(f.hair_tone, (0.01, 0.0, 0.0), (0.08, 0.02, 0.02), (0.40, 0.12, 0.05))
    fire = ramp(
        f.y / 128 + 0.25 * f.noise("cloud") - 0.1,
        (0.10, 0.02, 0.0),
        (0.55, 0.12, 0.0),
        (1.0, 0.50, 0.02),
        (1.0, 0.85, 0.25),
    )
    return f.layers(skin, hair, fire, ramp(f.tone, BLACK, (0.3, 0.05, 0.05)), 1.5)
