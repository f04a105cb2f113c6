"""Drawings: pencil, pen, chalk and crayon."""

from __future__ import annotations

import numpy as np

from stylize.faces.parts import Array, clip, step
from stylize.training.filters.face import AnalysedFace
from stylize.training.filters.register import style
from stylize.training.filters.tools import WHITE, flat, lerp, ramp, saturate


@style("pencil sketch")
def pencil(f: AnalysedFace) -> Array:
    tone = f.studio(0.95, 0.9)
    dodge = clip(tone / (f.blur(tone, 3.5) + 0.03)) ** 2.2
    hatch = 0.5 + 0.5 * np.sin((f.x + f.y) * 1.9 + f.noise("cloud"))
    shade = 1 - (1 - tone) ** 1.3 * (0.42 + 0.25 * hatch)
    value = clip(dodge * shade + 0.02 * f.noise("rough"))
    return ramp(value, (0.26, 0.26, 0.28), (0.60, 0.59, 0.57), (0.95, 0.92, 0.84))


@style("charcoal drawing")
def charcoal(f: AnalysedFace) -> Array:
    tone = f.blur(f.lit, 1.2) * 0.5 + f.lit * 0.5
    value = (tone - 0.5) * 1.35 + 0.56
    side = f.hatching(5.0, -1, 1.2)
    value = value + f.back * (0.50 + 0.06 * side - 0.25 * step(f.x, 90, 128) - 0.15 * f.vignette - value)
    value = (
        value
        + (0.10 * f.strokes(1.6, 9.0, 0.3) * f.hair + 0.05 * f.hatching(3.0, -1) * f.skin) * (1.1 - value)
        - 0.45 * f.lines(1.5) * (1 - f.back)
    )
    value = value + 0.03 * f.noise("rough") * (1 - 0.7 * f.skin)
    return ramp(value, (0.05, 0.04, 0.03), (0.36, 0.29, 0.21), (0.76, 0.64, 0.47), (0.93, 0.84, 0.68))


@style("ink drawing")
def ink(f: AnalysedFace) -> Array:
    tone = f.tone * (1 - f.skin) + (f.skin_tone * 0.95 + 0.04) * f.skin
    black = 1 - step(f.blur(tone, 0.8), 0.22, 0.36)
    hatch = step(np.sin((f.x * 1.1 + f.y * 0.7) * 2.0), 0.1, 0.7)
    middle = (1 - step(tone, 0.42, 0.56)) * hatch * 0.85
    inked = clip(np.maximum.reduce([black, middle, f.contours(1.2, 13)])) * (1 - step(f.back, 0.3, 0.7))
    return ramp(1 - inked, (0.02, 0.03, 0.13), WHITE)


@style("chalkboard drawing")
def chalkboard(f: AnalysedFace) -> Array:
    hatch = 0.5 + 0.5 * f.hatching(3.0, 1, 0.3)
    fill = step(f.skin_tone * 1.1 - 0.05 + 0.28 * (hatch - 0.5), 0.34, 0.80) * f.skin * 0.88
    locks = f.hair * step(f.strokes(1.2, 9.0, 0.2) + 2.0 * (f.hair_tone - 0.4), 0.1, 1.1) * 0.75
    cloth = f.clothes * hatch * step(f.tone, 0.35, 0.9) * 0.4
    rim = step(abs(f.blur(f.back, 0.8) - 0.5), 0.32, 0.12)
    white = f.eyes * step(f.eye_tone, 0.35, 0.7) * 0.8
    dark = f.contours(1.1, 13)
    seam = step(abs(f.blur(f.skin, 0.8) - 0.5), 0.30, 0.12) * (1 - f.back)
    chalk = np.maximum.reduce([fill * (1 - 0.9 * dark), locks, cloth, 0.9 * rim, 0.6 * seam, white])
    chalk = chalk * clip(0.88 + 0.16 * f.noise("rough"))
    wiped = 0.035 * f.strokes(4.0, 16.0, 1.5) * f.back
    board = flat((0.08, 0.25, 0.17)) + wiped[..., None]
    return lerp(board, flat((0.95, 0.96, 0.90)), clip(chalk))


@style("blueprint")
def blueprint(f: AnalysedFace) -> Array:
    rim = step(abs(f.blur(f.back, 0.8) - 0.5), 0.32, 0.12)
    fine = clip(np.maximum(f.contours(1.0, 14) + 0.35 * f.lines(2.5, 8) * (1 - f.back), 0.8 * rim))
    rule = np.maximum(np.cos(f.x * (np.pi / 4)), np.cos(f.y * (np.pi / 4)))
    value = 0.10 + 0.20 * f.lit * f.person + 0.10 * step(rule, 0.93, 1.0) + 0.75 * fine
    return ramp(value, (0.04, 0.13, 0.42), (0.20, 0.42, 0.80), (0.92, 0.97, 1.0))


@style("pastel drawing")
def pastel(f: AnalysedFace) -> Array:
    stroke = f.strokes(1.8, 8.0, 0.4)
    tone = f.skin_tone + 0.014 * f.hatching(3.2, -1) * (1 - f.features)
    skin = ramp(tone, (0.52, 0.24, 0.42), (0.82, 0.48, 0.52), (0.97, 0.72, 0.66), (1.0, 0.92, 0.84))
    skin = lerp(skin, f.flesh(tone), 0.40)
    hair = ramp(f.hair_tone + 0.06 * stroke, (0.30, 0.22, 0.52), (0.56, 0.42, 0.74), (0.88, 0.76, 0.92))
    back = ramp(
        0.5 + 0.16 * f.hatching(5.5, -1, 1.0) + 0.08 * stroke,
        (0.52, 0.78, 0.72),
        (0.66, 0.87, 0.78),
        (0.86, 0.96, 0.86),
    )
    pale = 0.5 + 0.5 * saturate(f.painted, 1.3) + 0.03 * stroke[..., None]
    out = f.layers(skin, hair, back, pale)
    out = lerp(out, flat((0.86, 0.36, 0.44)), f.lips * 0.5)
    out = lerp(out, f.rgb, f.eyes * 0.6)
    return out - (0.42 * f.contours(1.2, 9))[..., None] * flat((0.7, 0.9, 0.6)) + 0.012 * f.noise("rough")[..., None]


@style("cartoon")
def cartoon(f: AnalysedFace) -> Array:
    skin = saturate(f.flesh(f.levels(f.blur(f.skin_tone, 1), 4), 1.1), 1.25)
    hair = f.locks(0.15 + 0.6 * f.levels(f.blur(f.hair_tone, 0.8), 3), 1.7)
    back = lerp(flat((0.30, 0.78, 0.98)), flat((0.42, 0.86, 1.0)), step(np.cos((f.x + f.y) * 0.26), -0.1, 0.1))
    out = f.layers(skin, hair, back, f.cel(4, 2.0), 3)
    out = lerp(out, flat((0.86, 0.25, 0.30)), 0.6 * f.lips)
    out = lerp(out, flat(WHITE), f.eyes * step(f.eye_tone, 0.25, 0.6))
    return lerp(out, flat((0.10, 0.05, 0.05)), f.contours(1.3, 11) * 0.95)


@style("anime")
def anime(f: AnalysedFace) -> Array:
    shade = f.levels(f.blur(f.skin_tone, 1.6), 4)
    skin = clip(saturate(f.flesh(0.52 + 0.26 * step(shade, 0.45, 0.55)), 1.12) * 1.10)
    for corner, eye in ((48, 36), (54, 45)):
        cheek = f.points[corner] * 0.45 + f.points[eye] * 0.55
        skin = lerp(skin, flat((1.0, 0.45, 0.42)), f.disc(cheek, 7, 5) * 0.28)
    tone = f.blur(f.hair_tone, 1.2)
    hair = f.locks(0.30 + 0.22 * step(tone, 0.33, 0.40), 1.7)
    height = f.y - float(f.oval[19, 1]) / f.scale
    band = step(np.cos((height - 3 + 1.5 * np.sin(f.x * 0.22)) * 0.22), 0.86, 0.93) * step(tone, 0.25, 0.4)
    hair = lerp(hair, lerp(hair, flat((0.92, 0.96, 1.0)), 0.7), band * (abs(height) < 26))
    clouds = step(f.noise("cloud") + (f.y - 70) / 60, 0.1, 0.3)
    sky = lerp(ramp(f.y / 128, (0.25, 0.58, 0.95), (0.55, 0.82, 1.0)), flat((0.98, 0.98, 1.0)), clouds)
    cloth = f.cel(4, 1.7) + 0.05
    out = f.layers(skin, hair, sky, cloth, 4)
    out = lerp(out, lerp(skin, flat((0.92, 0.35, 0.38)), 0.7), f.lips * 0.8)
    iris = lerp(f.locks(0.55 + 0 * f.y, 2.2), flat((0.25, 0.55, 0.75)), 0.45)
    out = lerp(out, flat((0.98, 0.98, 1.0)), f.eyes * step(f.eye_tone, 0.25, 0.5))
    out = lerp(out, lerp(iris, flat((0.05, 0.05, 0.12)), 1 - step(f.eye_tone, 0.05, 0.35)), f.irises)
    out = lerp(out, flat((0.13, 0.08, 0.14)), f.contours(0.9, 11) * (1 - 0.45 * f.hair))
    for first in (36, 42):
        eye = f.points[first : first + 6].mean(0) + np.array([-1.2, -1.4]) * f.scale
        out = lerp(out, flat(WHITE), f.disc(eye, 1.0, 0.4))
    return out


@style("comic book")
def comic_book(f: AnalysedFace) -> Array:
    tone = f.blur(f.skin_tone, 1.0)
    skin = saturate(f.flesh(0.36 + 0.26 * step(tone, 0.46, 0.52) + 0.16 * step(tone, 0.74, 0.80)), 1.25)
    hair = lerp(flat((0.03, 0.03, 0.06)), f.locks(0.6 + 0 * tone, 1.8), step(f.blur(f.hair_tone, 0.8), 0.40, 0.48))
    angle = np.arctan2(f.y - 70, f.x - 64)
    rays = step(np.cos(angle * 14), -0.1, 0.1)
    back = lerp(flat((0.90, 0.16, 0.12)), flat((0.99, 0.55, 0.12)), rays)
    cloth = lerp(flat((0.07, 0.12, 0.42)), flat((0.20, 0.42, 0.85)), step(f.blur(f.tone, 0.8), 0.42, 0.5))
    out = f.layers(skin, hair, back, cloth, 4)
    out = lerp(out, flat((0.80, 0.14, 0.16)), f.lips * 0.65)
    out = lerp(out, flat(WHITE), f.eyes * step(f.eye_tone, 0.3, 0.6))
    spots = (1 - step(f.blur(f.skin_tone, 0.7), 0.20, 0.28)) * f.skin
    hatch = step(np.cos((f.x + f.y) * (2 * np.pi / 3.6)), 0.0, 0.5) * (1 - step(tone, 0.34, 0.46)) * f.skin
    rim = step(abs(f.blur(f.back, 0.8) - 0.5), 0.30, 0.12) if f.back.max() > 0.5 else 0 * f.back
    inked = np.maximum.reduce([f.contours(1.2, 14), spots, 0.85 * hatch * (1 - f.eyes), rim])
    return lerp(out, flat((0.02, 0.02, 0.04)), clip(inked))


@style("tattoo art")
def tattoo(f: AnalysedFace) -> Array:
    paper = flat((0.91, 0.73, 0.61)) + 0.012 * f.noise("rough")[..., None] - 0.10 * f.vignette[..., None]
    tone = f.studio(0.9, 0.95)
    tone = tone + f.skin * (0.62 * (f.skin_tone - 0.1) + 0.18 - tone) * 0.8
    dots = f.dots(clip(0.92 - 1.25 * f.blur(tone, 0.8)) * 0.95 * (1 - f.back), 2.8)
    hatch = 0.5 + 0.5 * f.threads(3.0, 0.1, 12)[0]
    locks = f.hair * step(hatch + 0.9 * (0.62 - f.hair_tone), 0.35, 0.75)
    inked = np.maximum.reduce([dots * (1 - f.hair), 0.9 * locks, f.contours(1.2, 14)])
    out = lerp(paper, flat((0.07, 0.11, 0.13)), clip(inked) * 0.93)
    out = lerp(out, flat((0.72, 0.10, 0.12)), f.lips * 0.6)
    banner = step(abs(np.hypot(f.x - 64, f.y - 66) - 60), 1.6, 0.6) * f.back
    leaves = step(np.cos(np.arctan2(f.y - 66, f.x - 64) * 24) * 4 - abs(np.hypot(f.x - 64, f.y - 66) - 60), 0.3, 1.2)
    return lerp(out, flat((0.10, 0.24, 0.20)), clip(banner + leaves * f.back) * 0.85)


@style("coloured pencil")
def coloured_pencil(f: AnalysedFace) -> Array:
    grain = f.hatching(2.6, -1) * (1 - f.hair) + 1.3 * f.strokes(1.0, 8.0, 0.1) * f.hair
    warm = f.layers(f.flesh(f.skin_tone, 1.15), f.locks(f.hair_tone, 1.5), f.rgb, saturate(f.rgb, 1.5))
    warm = lerp(warm, saturate(f.rgb, 1.35), f.features * 0.7)
    cover = clip(0.30 + 0.95 * (1 - f.tone * (1 - f.skin) - f.skin_tone * f.skin * 0.85) + 0.24 * grain)
    halo = ramp(f.x / 128, (0.58, 0.42, 0.82), (0.78, 0.60, 0.92))
    field = clip(0.38 + 0.30 * f.hatching(2.6, 1) - 0.75 * (f.vignette - 0.25)) * 0.9
    cover, colour = lerp(cover[..., None], field[..., None], f.back), lerp(clip(warm * 0.92), halo, f.back)
    out = lerp(flat((0.985, 0.975, 0.955)), colour, cover[..., 0])
    return lerp(out, colour * 0.35, clip(f.lines(1.0, 10) * (1 - f.back) + 0.4 * f.brow_ink) * 0.75)


@style("crayon drawing")
def crayon(f: AnalysedFace) -> Array:
    wax = f.hatching(3.6, -1, 0.6) + 0.22 * f.noise("rough")
    skin = saturate(f.flesh(f.levels(f.blur(f.skin_tone, 1.5), 4) * 0.7 + 0.2), 1.5)
    hair = saturate(f.locks(0.25 + 0.5 * f.blur(f.hair_tone, 1), 2.0), 1.2)
    cloth = f.cel(4, 2.4)
    back = lerp(flat((0.99, 0.80, 0.14)), flat((0.55, 0.80, 0.20)), step(f.y + 2 * f.noise("rough"), 92, 98))
    colour = f.layers(skin, hair, back, cloth, 3)
    colour = lerp(colour, flat((0.90, 0.22, 0.25)), f.lips * 0.8)
    cover = (0.42 + 0.52 * step(wax, -0.95, -0.1)) * (1 - 0.12 * f.back)
    out = lerp(flat((0.99, 0.98, 0.94)), colour, cover)
    out = lerp(out, flat(WHITE), f.eyes * step(f.eye_tone, 0.3, 0.6) * 0.8)
    line = clip(f.contours(1.6, 11) * 1.1) * (0.78 + 0.22 * clip(wax))
    return lerp(out, flat((0.16, 0.09, 0.16)), line * 0.92)
