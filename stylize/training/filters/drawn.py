"""Drawings: pencil, pen, chalk and crayon."""

from __future__ import annotations

import numpy as np

from stylize.training.filters.face import Face, style
from stylize.training.filters.tools import WHITE, Array, clip, flat, mix, ramp, saturate, spots, step


@style("pencil sketch")
def pencil(f: Face) -> Array:
    tone = f.studio(0.95, 0.9)
    dodge = clip(tone / (f.blur(tone, 3.5) + 0.03)) ** 2.2
    hatch = 0.5 + 0.5 * np.sin((f.x + f.y) * 1.9 + f.noise("cloud"))
    shade = 1 - (1 - tone) ** 1.3 * (0.42 + 0.25 * hatch)
    value = clip(dodge * shade + 0.02 * f.noise("rough"))
    return ramp(value, (0.26, 0.26, 0.28), (0.60, 0.59, 0.57), (0.95, 0.92, 0.84))


@style("charcoal drawing")
def charcoal(f: Face) -> Array:
    smudged = f.blur(f.tone, 1.5) * 0.55 + f.tone * 0.45
    value = (smudged - 0.5) * 1.5 + 0.48
    value = value + f.back * (0.42 + 0.12 * f.noise("brush") - value) - 0.35 * f.lines(1.6)
    value = value + 0.09 * f.noise("rough")
    return ramp(value, (0.04, 0.03, 0.02), (0.38, 0.29, 0.19), (0.76, 0.62, 0.43), (0.90, 0.78, 0.60))


@style("ink drawing")
def ink(f: Face) -> Array:
    black = 1 - step(f.blur(f.tone, 0.8), 0.26, 0.42)
    hatch = step(np.sin((f.x * 1.1 + f.y * 0.7) * 2.0), 0.1, 0.7)
    middle = (1 - step(f.tone, 0.42, 0.6)) * hatch * 0.8
    inked = clip(np.maximum(np.maximum(black, middle), f.lines(1.2, 13))) * (1 - f.back * 0.93)
    return ramp(1 - inked, (0.02, 0.03, 0.13), WHITE)


@style("chalkboard drawing")
def chalkboard(f: Face) -> Array:
    fine = clip(f.lines(1.3, 12) + 0.6 * f.lines(2.5, 8)) * (1 - 0.8 * f.back)
    fill = f.skin * step(f.skin_tone, 0.55, 1.0) * 0.45
    chalk = clip(fine * 0.9 + fill) * clip(0.85 + 0.35 * f.noise("rough"))
    board = flat((0.09, 0.27, 0.18)) + (0.03 * f.noise("brush") + 0.02 * f.noise("cloud"))[..., None]
    return mix(board, flat((0.95, 0.96, 0.90)), clip(chalk))


@style("blueprint")
def blueprint(f: Face) -> Array:
    fine = clip(f.lines(1.2, 14) * (1 - 0.8 * f.back) + 0.5 * f.lines(2.5, 8) * (1 - f.back))
    rule = np.maximum(np.cos(f.x * (np.pi / 4)), np.cos(f.y * (np.pi / 4)))
    value = 0.10 + 0.14 * f.tone * f.person + 0.10 * step(rule, 0.93, 1.0) + 0.75 * fine
    return ramp(value, (0.04, 0.13, 0.42), (0.20, 0.42, 0.80), (0.92, 0.97, 1.0))


@style("pastel drawing")
def pastel(f: Face) -> Array:
    soft = f.blur(f.rgb, 1.2)
    pale = 0.55 + 0.45 * saturate(soft, 1.2)
    skin = ramp(f.blur(f.skin_tone, 1), (0.68, 0.36, 0.56), (0.95, 0.62, 0.66), (1.0, 0.82, 0.76), (1.0, 0.93, 0.86))
    hair = ramp(f.hair_tone, (0.36, 0.26, 0.58), (0.60, 0.46, 0.76), (0.88, 0.76, 0.90))
    back = ramp(0.5 + 0.4 * f.noise("cloud"), (0.52, 0.78, 0.72), (0.62, 0.86, 0.76), (0.82, 0.95, 0.82))
    out = hair * f.hair[..., None] + back * f.back[..., None] + pale * f.clothes[..., None]
    out = mix(out, skin, f.skin) - 0.25 * f.lines(1.5, 7)[..., None]
    return out + 0.04 * f.noise("rough")[..., None] + 0.03 * f.noise("brush")[..., None]


@style("cartoon")
def cartoon(f: Face) -> Array:
    skin = ramp(
        f.levels(f.blur(f.skin_tone, 1), 4),
        (0.62, 0.32, 0.20),
        (0.90, 0.60, 0.42),
        (1.0, 0.80, 0.62),
        (1.0, 0.88, 0.72),
    )
    rest = saturate(f.painted, 2.0) * 1.25
    rest = f.levels(clip(rest), 5)
    out = mix(rest, skin, f.skin * (1 - 0.9 * f.eyes))
    out = mix(out, flat((0.88, 0.25, 0.30)), 0.7 * f.lips)
    out = mix(out, flat((0.30, 0.78, 0.98)), step(f.back, 0.3, 0.7))
    return np.asarray(out * (1 - 0.9 * f.lines(1.3, 10) * (1 - f.back))[..., None])


@style("anime")
def anime(f: Face) -> Array:
    shade = f.levels(f.blur(f.skin_tone, 1.6), 4)
    skin = mix(f.flesh(0.5 + 0.25 * step(shade, 0.45, 0.55)), flat((1.0, 0.95, 0.90)), 0.18)
    for corner, eye in ((48, 36), (54, 45)):
        cheek = f.points[corner] * 0.45 + f.points[eye] * 0.55
        skin = mix(skin, flat((1.0, 0.45, 0.42)), f.disc(cheek, 7, 5) * 0.28)
    tone = f.blur(f.hair_tone, 1.2)
    hair = f.locks(0.30 + 0.22 * step(tone, 0.33, 0.40), 1.7)
    height = f.y - float(f.oval[19, 1]) / f.scale
    band = step(np.cos((height - 3 + 1.5 * np.sin(f.x * 0.55)) * 0.22), 0.86, 0.93) * step(tone, 0.25, 0.4)
    hair = mix(hair, mix(hair, flat((0.92, 0.96, 1.0)), 0.7), band * (abs(height) < 26))
    clouds = step(f.noise("cloud") + (f.y - 70) / 60, 0.1, 0.3)
    sky = mix(ramp(f.y / 128, (0.25, 0.58, 0.95), (0.55, 0.82, 1.0)), flat((0.98, 0.98, 1.0)), clouds)
    cloth = f.levels(clip(saturate(f.blur(f.rgb, 1.5), 1.8) * 1.15 + 0.08), 3)
    out = f.layers(skin, hair, sky, cloth, 4)
    out = mix(out, mix(skin, flat((0.92, 0.35, 0.38)), 0.7), f.lips * 0.8)
    iris = mix(f.locks(0.55 + 0 * f.y, 2.2), flat((0.25, 0.55, 0.75)), 0.45)
    out = mix(out, flat((0.98, 0.98, 1.0)), f.eyes * step(f.eye_tone, 0.25, 0.5))
    out = mix(out, mix(iris, flat((0.05, 0.05, 0.12)), 1 - step(f.eye_tone, 0.05, 0.35)), f.irises)
    out = mix(out, flat((0.13, 0.08, 0.14)), f.contours(1.1, 11))
    for first in (36, 42):
        eye = f.points[first : first + 6].mean(0) + np.array([-1.2, -1.4]) * f.scale
        out = mix(out, flat(WHITE), f.disc(eye, 1.0, 0.4))
    return out


@style("comic book")
def comic_book(f: Face) -> Array:
    tone = f.blur(f.skin_tone, 1.0)
    skin = saturate(f.flesh(0.36 + 0.26 * step(tone, 0.46, 0.52) + 0.16 * step(tone, 0.74, 0.80)), 1.25)
    hair = mix(flat((0.03, 0.03, 0.06)), f.locks(0.6 + 0 * tone, 1.8), step(f.blur(f.hair_tone, 0.8), 0.40, 0.48))
    angle = np.arctan2(f.y - 70, f.x - 64)
    rays = step(np.cos(angle * 14), -0.1, 0.1)
    back = mix(flat((0.90, 0.16, 0.12)), flat((0.99, 0.55, 0.12)), rays)
    cloth = mix(flat((0.07, 0.12, 0.42)), flat((0.20, 0.42, 0.85)), step(f.blur(f.tone, 0.8), 0.42, 0.5))
    out = f.layers(skin, hair, back, cloth, 4)
    out = mix(out, flat((0.80, 0.14, 0.16)), f.lips * 0.65)
    out = mix(out, flat(WHITE), f.eyes * step(f.eye_tone, 0.3, 0.6))
    spots = (1 - step(f.blur(f.skin_tone, 0.7), 0.20, 0.28)) * f.skin
    hatch = step(np.cos((f.x + f.y) * (2 * np.pi / 3.6)), 0.0, 0.5) * (1 - step(tone, 0.34, 0.46)) * f.skin
    rim = step(abs(f.blur(f.back, 0.8) - 0.5), 0.30, 0.12) if f.back.max() > 0.5 else 0 * f.back
    inked = np.maximum.reduce([f.contours(1.2, 14), spots, 0.85 * hatch * (1 - f.eyes), rim])
    return mix(out, flat((0.02, 0.02, 0.04)), clip(inked))


@style("tattoo art")
def tattoo(f: Face) -> Array:
    paper = flat((0.91, 0.73, 0.61)) + 0.012 * f.noise("rough")[..., None] - 0.10 * f.vignette[..., None]
    tone = f.studio(0.9, 0.95)
    tone = tone + f.skin * (0.62 * (f.skin_tone - 0.1) + 0.18 - tone) * 0.8
    dots = f.dots(clip(0.92 - 1.25 * f.blur(tone, 0.8)) * 0.95 * (1 - f.back), 2.8)
    hatch = 0.5 + 0.5 * f.threads(3.0, 0.1, 12)[0]
    locks = f.hair * step(hatch + 0.9 * (0.62 - f.hair_tone), 0.35, 0.75)
    inked = np.maximum.reduce([dots * (1 - f.hair), 0.9 * locks, f.contours(1.2, 14)])
    out = mix(paper, flat((0.07, 0.11, 0.13)), clip(inked) * 0.93)
    out = mix(out, flat((0.72, 0.10, 0.12)), f.lips * 0.6)
    banner = step(abs(np.hypot(f.x - 64, f.y - 66) - 60), 1.6, 0.6) * f.back
    leaves = step(np.cos(np.arctan2(f.y - 66, f.x - 64) * 24) * 4 - abs(np.hypot(f.x - 64, f.y - 66) - 60), 0.3, 1.2)
    return mix(out, flat((0.10, 0.24, 0.20)), clip(banner + leaves * f.back) * 0.85)


@style("coloured pencil")
def coloured_pencil(f: Face) -> Array:
    grain = f.strokes(0.9, 7.0, 0.5)
    warm = f.layers(f.flesh(f.skin_tone, 1.15), f.locks(f.hair_tone, 1.5), f.rgb, saturate(f.rgb, 1.5))
    warm = mix(warm, saturate(f.rgb, 1.35), f.features * 0.7)
    cover = clip(0.30 + 0.95 * (1 - f.tone * (1 - f.skin) - f.skin_tone * f.skin * 0.85) + 0.22 * grain)
    halo = ramp(f.x / 128, (0.58, 0.42, 0.82), (0.78, 0.60, 0.92))
    field = clip(0.38 + 0.30 * f.hatching(2.6, 1) - 0.75 * (f.vignette - 0.25)) * 0.9
    cover, colour = mix(cover[..., None], field[..., None], f.back), mix(clip(warm * 0.92), halo, f.back)
    out = mix(flat((0.985, 0.975, 0.955)), colour, cover[..., 0])
    return mix(out, colour * 0.35, clip(f.lines(1.0, 10) * (1 - f.back) + 0.4 * f.brow_ink) * 0.75)


@style("crayon drawing")
def crayon(f: Face) -> Array:
    wax = f.hatching(4.2, -1, 0.9) + 0.55 * f.noise("rough")
    skin = saturate(f.flesh(f.levels(f.blur(f.skin_tone, 1.5), 4) * 0.7 + 0.2), 1.5)
    hair = saturate(f.locks(0.25 + 0.5 * f.blur(f.hair_tone, 1), 2.0), 1.2)
    cloth = f.levels(clip(saturate(f.blur(f.rgb, 2), 2.6) * 1.1), 3)
    back = mix(flat((0.99, 0.80, 0.14)), flat((0.55, 0.80, 0.20)), step(f.y + 2 * f.noise("rough"), 92, 98))
    colour = f.layers(skin, hair, back, cloth, 3)
    colour = mix(colour, flat((0.90, 0.22, 0.25)), f.lips * 0.8)
    cover = step(wax, -0.75, 0.15) * (0.85 - 0.15 * f.back)
    out = mix(flat((0.99, 0.98, 0.94)), colour, cover)
    out = mix(out, flat(WHITE), f.eyes * step(f.eye_tone, 0.3, 0.6) * 0.8)
    line = clip(f.contours(1.9, 12) * 1.2) * step(0.9 + 0.5 * f.noise("rough"), 0.2, 0.8)
    return mix(out, flat((0.16, 0.09, 0.16)), line * 0.92)
