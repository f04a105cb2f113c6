"""Prints: ink on paper."""

from __future__ import annotations

import numpy as np

from stylize.faces.parts import Array, clip, step
from stylize.training.filters.face import AnalysedFace
from stylize.training.filters.register import style
from stylize.training.filters.tools import WHITE, flat, lerp, moved, ramp


@style("comic halftone")
def halftone(f: AnalysedFace) -> Array:
    red = f.dots(0.15 + 0.75 * (1 - f.skin_tone))
    light, dark = lerp(f.flesh(0.76 + 0 * f.tone), flat((1.0, 0.92, 0.82)), 0.35), f.flesh(0.40 + 0 * f.tone)
    skin = lerp(light, lerp(dark, flat((0.95, 0.30, 0.26)), 0.6), red)
    blue = f.dots(0.15 + 0.8 * f.hair_tone)
    hair = ramp(blue, (0.05, 0.04, 0.10), (0.15, 0.30, 0.85))
    yellow = ramp(f.dots(0.25 + 0.3 * f.y / 128, 5), (1.0, 0.87, 0.10), (1.0, 0.62, 0.05))
    cloth = ramp(f.dots(f.tone), (0.75, 0.08, 0.10), (0.98, 0.85, 0.85))
    out = f.layers(skin, hair, yellow, cloth, 3)
    out = lerp(out, flat((0.85, 0.05, 0.12)), f.lips * 0.9)
    out = lerp(out, flat(WHITE), f.eyes * 0.7)
    black = clip(f.lines(1.3, 12) * (1 - f.back) + f.brows * 0.8 + f.irises)
    return lerp(out, flat((0.03, 0.02, 0.05)), black)


@style("cyanotype")
def cyanotype(f: AnalysedFace) -> Array:
    tone = f.lit + 0.7 * f.back * (0.45 - f.lit)
    tone = (tone - 0.5) * 1.15 + 0.5 + 0.015 * f.noise("rough")
    border = step(
        f.vignette + 0.35 * np.maximum(abs(f.x - 64), abs(f.y - 64)) / 64 + 0.05 * f.noise("brush"),
        0.55,
        0.68,
    )
    out = ramp(tone, (0.01, 0.08, 0.20), (0.05, 0.27, 0.47), (0.50, 0.72, 0.82), (0.95, 0.97, 0.93))
    return lerp(out, flat((0.95, 0.96, 0.90)), border)


@style("pop art")
def pop_art(f: AnalysedFace) -> Array:
    skin = ramp(f.levels(f.blur(f.skin_tone, 0.8), 3), (0.05, 0.20, 0.45), (1.0, 0.80, 0.05), (1.0, 0.93, 0.35))
    hair = ramp(f.levels(f.hair_tone, 3), (0.0, 0.25, 0.55), (0.0, 0.70, 0.75), (0.45, 0.95, 0.85))
    out = f.layers(
        skin, hair, flat((0.98, 0.12, 0.55)), ramp(f.levels(f.tone, 2), (0.35, 0.05, 0.55), (0.55, 0.90, 0.20)), 3
    )
    out = lerp(out, flat((0.92, 0.05, 0.20)), f.lips)
    out = lerp(
        out,
        flat((0.10, 0.85, 0.75)),
        clip(f.grown(36, 42, 1.7, 0.6) + f.grown(42, 48, 1.7, 0.6)) * (1 - f.eyes),
    )
    out = lerp(out, ramp(f.levels(f.tone, 2), (0.05, 0.02, 0.15), WHITE), f.eyes)
    return lerp(out, flat((0.08, 0.02, 0.20)), clip(f.lines(1.5, 9) * (1 - f.back) + f.brows * 0.8))


@style("woodblock print")
def woodblock(f: AnalysedFace) -> Array:
    paper = flat((0.90, 0.80, 0.60))
    cut = 0.5 + 0.5 * f.hatching(3.0, -1, 0.7)
    tone = f.blur(f.skin_tone, 0.7)
    black = step(0.86 - 1.25 * tone + 0.55 * (cut - 0.5), 0.28, 0.42) * f.skin
    black = np.maximum(black, f.hair * step(0.95 - 1.2 * f.hair_tone + 0.6 * (cut - 0.5), 0.28, 0.42))
    black = np.maximum(
        black, f.clothes * step(np.cos((f.y + 0.4 * f.x) * (2 * np.pi / 4)) + 0.8 - 1.6 * f.tone, 0.0, 0.3)
    )
    ochre = f.layers(flat((0.90, 0.72, 0.48)), flat((0.62, 0.42, 0.22)), paper, flat((0.36, 0.44, 0.30)), 3)
    out = lerp(ochre, paper, f.skin * step(tone, 0.66, 0.74) * 0.9)
    out = lerp(out, flat((0.97, 0.93, 0.82)), f.eyes * step(f.eye_tone, 0.35, 0.6))
    out = lerp(out, flat((0.64, 0.17, 0.10)), f.lips * 0.8)
    grain = step(np.cos((f.y + 1.6 * np.sin(f.x * 0.09) + 0.9 * np.sin(f.x * 0.23)) * (2 * np.pi / 5.2)), 0.55, 0.85)
    out = lerp(out, lerp(flat((0.60, 0.19, 0.10)), paper, 0.75 * grain), step(f.back, 0.4, 0.6))
    rim = step(abs(f.blur(f.back, 0.8) - 0.5), 0.34, 0.12)
    return lerp(out, flat((0.09, 0.07, 0.06)), clip(np.maximum.reduce([black, f.contours(1.3, 13), rim])) * 0.96)


@style("duotone")
def duotone(f: AnalysedFace) -> Array:
    return ramp(
        (f.studio(0.8) - 0.5) * 1.1 + 0.48,
        (0.05, 0.07, 0.45),
        (0.45, 0.10, 0.62),
        (1.0, 0.36, 0.62),
        (1.0, 0.84, 0.86),
    )


@style("ukiyo-e print")
def ukiyo_e(f: AnalysedFace) -> Array:
    skin = lerp(f.flesh(0.60 + 0.16 * step(f.blur(f.skin_tone, 1.5), 0.42, 0.50)), flat((0.97, 0.87, 0.70)), 0.25)
    hair = ramp(
        step(np.cos((f.hair_tone * 4 + f.threads(3.2, 0.1, 12)[0] * 0.35) * np.pi), 0.5, 0.9),
        (0.05, 0.06, 0.10),
        (0.20, 0.23, 0.30),
    )
    row = np.floor(f.y / 6)
    u, v = (f.x + 6 * (row % 2)) % 12 - 6, 6 - f.y % 6
    scale = np.minimum(np.hypot(u, v - 0.0), 12)
    wave = step(np.cos(scale * (2 * np.pi / 2.6)), 0.0, 0.5) * (scale < 6.4)
    sea = lerp(flat((0.10, 0.28, 0.52)), flat((0.88, 0.88, 0.78)), wave)
    sky = ramp(f.y / 84, (0.86, 0.28, 0.18), (0.95, 0.66, 0.42), (0.95, 0.86, 0.66), (0.94, 0.88, 0.70))
    back = lerp(sky, sea, step(f.y - 84 - 3 * np.sin(f.x * 0.16), -0.5, 0.5))
    petals = step(np.cos(f.x * 0.75) + np.cos(f.y * 0.75), 0.9, 1.2)
    kimono = lerp(flat((0.12, 0.36, 0.36)), flat((0.90, 0.80, 0.60)), petals)
    out = f.layers(skin, hair, back, kimono, 4)
    out = lerp(out, flat((0.74, 0.16, 0.12)), f.lips * 0.85)
    out = lerp(out, flat((0.97, 0.93, 0.84)), f.eyes * step(f.eye_tone, 0.3, 0.6))
    rim = step(abs(f.blur(f.back, 0.7) - 0.5), 0.32, 0.14)
    out = lerp(out, flat((0.07, 0.07, 0.12)), clip(np.maximum(f.contours(0.9, 14), rim)))
    return out * (1 + 0.022 * f.noise("brush"))[..., None] + 0.01


@style("linocut")
def linocut(f: AnalysedFace) -> Array:
    tone = f.tone * (1 - f.skin) + (f.skin_tone * 0.95 - 0.04) * f.skin
    light = step(f.blur(tone, 0.7) + 0.17 * f.hatching(3.2, 1, 0.7), 0.46, 0.54)
    marks = step(f.strokes(1.6, 6.0, 1.2), 1.15, 1.35) * 0.95
    light = np.maximum(light * (1 - f.back), marks * f.back)
    rim = step(abs(f.blur(f.back, 1.0) - 0.42), 0.34, 0.16)
    light = np.maximum(light, rim) * (1 - f.lines(1.2, 12) * f.skin)
    light = np.maximum(light, f.eyes * step(f.eye_tone, 0.45, 0.7))
    return ramp(light, (0.09, 0.06, 0.05), (0.95, 0.91, 0.83))


@style("risograph")
def risograph(f: AnalysedFace) -> Array:
    tone = f.tone * (1 - f.skin) + (f.skin_tone * 1.05) * f.skin
    off = round(1.0 * f.scale)
    pink = f.dots(clip(1.12 - tone * 1.15) * (1 - 0.9 * f.back), 2.7)
    pink = moved(clip(np.maximum(pink, f.lips * 0.95)), off)
    rule = 0.5 + 0.5 * np.cos((f.y + 0.35 * f.x) * (2 * np.pi / 2.8))
    blue = step(0.95 - tone * 1.6 + 0.5 * (rule - 0.5), 0.30, 0.55) * (1 - f.back)
    blue = np.maximum(blue, f.contours(1.0, 11) * 0.9)
    blue = np.maximum(blue, f.back * step(rule, 0.35, 0.65) * step(f.y, 128, 20) * 0.75)
    blue = moved(clip(blue), 0, -off)
    yellow = f.person * (1 - 0.9 * f.eyes * step(f.eye_tone, 0.3, 0.6)) * step(1.3 - tone, 0.35, 0.6)
    out = flat((0.97, 0.95, 0.90))
    for ink, colour, amount in (
        (yellow, (1.0, 0.88, 0.30), 0.8),
        (pink, (1.0, 0.30, 0.45), 0.9),
        (blue, (0.05, 0.42, 0.62), 0.92),
    ):
        out = out * lerp(flat(WHITE), flat(colour), ink * amount)
    return out
