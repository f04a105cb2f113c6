"""Statues and figures: the face made of a material."""

from __future__ import annotations

import cv2
import numpy as np

from stylize.faces.parts import Array, clip, step
from stylize.training.filters.face import AnalysedFace
from stylize.training.filters.register import style
from stylize.training.filters.tools import WHITE, flat, lerp, ramp


@style("marble statue")
def marble(f: AnalysedFace) -> Array:
    veins = 1 - step(abs(f.noise("cloud")), 0.0, 0.10)
    shade = (f.statue() - 0.55) * 1.45 + 0.60 - 0.12 * veins
    out = ramp(shade, (0.28, 0.29, 0.33), (0.70, 0.70, 0.71), (0.95, 0.94, 0.92), WHITE)
    return lerp(out, flat((0.15, 0.17, 0.22)) + 0.02 * f.noise("cloud")[..., None], f.back)


@style("bronze statue")
def bronze(f: AnalysedFace) -> Array:
    shade = (f.statue() - 0.55) * 1.9 + 0.46
    out = ramp(shade, (0.06, 0.04, 0.03), (0.27, 0.16, 0.08), (0.52, 0.33, 0.17), (0.98, 0.80, 0.52))
    patina = step(0.12 * f.noise("rough") + 1.4 * (0.45 - shade) + 1.2 * f.lines(2.0, 5), 0.15, 1.0)
    out = lerp(out, ramp(shade + 0.2, (0.04, 0.13, 0.11), (0.30, 0.62, 0.52)), patina * 0.75)
    return lerp(out, flat((0.82, 0.80, 0.76)), f.back)


@style("gold statue")
def gold(f: AnalysedFace) -> Array:
    base = f.statue()
    shade = (base - 0.55) * 2.2 + 0.60
    shade = shade + 0.12 * np.sin(f.blur(base, 1) * 22)
    out = ramp(shade, (0.30, 0.12, 0.0), (0.72, 0.42, 0.02), (0.98, 0.76, 0.10), (1.0, 0.90, 0.40), (1.0, 1.0, 0.92))
    return lerp(out, flat((0.20, 0.02, 0.05)), f.back)


@style("embossed relief")
def relief(f: AnalysedFace) -> Array:
    height = f.blur(f.tone, 0.9)
    slope = cv2.Sobel(height, cv2.CV_32F, 1, 0) + cv2.Sobel(height, cv2.CV_32F, 0, 1)
    value = 0.60 + 0.28 * slope * f.scale + 0.05 * (f.tone - 0.5) + 0.012 * f.noise("rough")
    return ramp(value, (0.07, 0.08, 0.10), (0.48, 0.50, 0.54), (0.97, 0.98, 1.0))


@style("ice sculpture")
def ice(f: AnalysedFace) -> Array:
    facet = f.blur(f.statue(), 0.8)
    shade = (facet - 0.55) * 1.7 + 0.58 + 0.05 * np.sin(f.blur(facet, 1) * 34) - 0.25 * f.lines(1.3, 8)
    skin = ramp(shade, (0.02, 0.20, 0.42), (0.30, 0.64, 0.84), (0.76, 0.93, 0.98), WHITE)
    frosty = ramp(shade + 0.05 + 0.05 * f.strokes(1.2, 8.0), (0.30, 0.52, 0.70), (0.76, 0.90, 0.97), WHITE)
    out = lerp(skin, frosty, clip(f.hair + 0.5 * f.brows))
    glint = step(f.blur(f.skin_tone, 0.8), 0.84, 0.96) * f.skin
    out = out + (0.15 * glint)[..., None]
    back = ramp(f.y / 128 + 0.05 * f.hatching(17, 1, 1.5), (0.08, 0.26, 0.46), (0.26, 0.50, 0.70), (0.60, 0.80, 0.90))
    return lerp(out, back, f.back)


@style("clay sculpture")
def clay(f: AnalysedFace) -> Array:
    lumps = 0.04 * f.noise("cloud") + 0.012 * f.noise("brush")
    shade = f.blur(f.statue(), 0.9)
    shade = (shade - 0.55) * 1.5 + 0.52 + lumps
    out = ramp(shade, (0.30, 0.12, 0.07), (0.64, 0.31, 0.20), (0.84, 0.50, 0.36), (0.95, 0.74, 0.60))
    return lerp(out, flat((0.80, 0.70, 0.58)) - 0.2 * (f.vignette[..., None]), f.back)


@style("porcelain figure")
def porcelain(f: AnalysedFace) -> Array:
    shade = (f.blur(f.skin_tone, 0.7) - 0.6) * 0.9 + 0.80
    skin = ramp(shade, (0.45, 0.50, 0.60), (0.80, 0.83, 0.88), (0.96, 0.96, 0.97), WHITE)
    shine = step(f.blur(f.skin_tone, 1.5), 0.72, 0.9)[..., None]
    skin = skin + 0.12 * shine
    for corner, eye in ((48, 36), (54, 45)):
        cheek = f.points[corner] * 0.45 + f.points[eye] * 0.55
        skin = lerp(skin, flat((0.98, 0.68, 0.70)), f.disc(cheek, 9, 8) * 0.5)
    cobalt = ramp(f.hair_tone * 1.1, (0.03, 0.08, 0.38), (0.10, 0.22, 0.68), (0.70, 0.80, 0.98))
    out = cobalt * clip(f.hair)[..., None] + flat((0.91, 0.73, 0.60)) * f.back[..., None]
    out = out + ramp(f.dots(0.4 + 0 * f.tone, 9), (0.92, 0.94, 0.98), (0.15, 0.28, 0.72)) * f.clothes[..., None]
    out = lerp(out, skin, f.skin)
    return lerp(
        out,
        flat((0.05, 0.10, 0.45)),
        clip(f.brow_ink + f.irises * (1 - step(f.eye_tone, 0.3, 0.6)) + 0.5 * f.lines(1.2, 9) * f.skin + 0.35 * f.lips),
    )


@style("wood carving")
def wood_carving(f: AnalysedFace) -> Array:
    shade = f.statue()
    bump = f.blur(shade, 1.5)
    rings = np.cos((f.x * 0.9 + 3.0 * np.sin(f.y * 0.045) + 16 * bump + 1.2 * f.noise("cloud")) * (2 * np.pi / 6.5))
    fibre = f.noise("brush").T
    tone = (shade - 0.55) * 1.6 + 0.52 + 0.055 * rings + 0.022 * fibre
    out = ramp(tone, (0.16, 0.07, 0.02), (0.48, 0.26, 0.10), (0.78, 0.51, 0.25), (0.93, 0.74, 0.46))
    plank = step(np.cos(f.x * (2 * np.pi / 32)), 0.975, 0.995)
    board = ramp(
        0.42 + 0.11 * np.cos(f.x * 1.3 + 2 * np.sin(f.y * 0.03)) + 0.06 * fibre - 0.35 * plank,
        (0.05, 0.08, 0.06),
        (0.13, 0.24, 0.20),
        (0.24, 0.40, 0.33),
    )
    return lerp(out, board, f.back)


@style("chrome statue")
def chrome(f: AnalysedFace) -> Array:
    height = f.blur(f.statue(), 1.1)
    slope = cv2.Sobel(height, cv2.CV_32F, 0, 1) * f.scale
    side = cv2.Sobel(height, cv2.CV_32F, 1, 0) * f.scale
    turn = 0.5 + 0.85 * (height - 0.55) - 0.55 * slope + 0.15 * side
    out = ramp(
        turn,
        (0.02, 0.02, 0.05), (0.16, 0.17, 0.24), (0.62, 0.52, 0.46), (0.98, 0.95, 0.92), (0.10, 0.12, 0.20),
        (0.30, 0.42, 0.62), (0.66, 0.80, 0.96), (0.97, 0.99, 1.0), WHITE,
    )  # fmt: skip
    plain = ramp((f.statue() - 0.55) * 1.7 + 0.5, (0.03, 0.04, 0.08), (0.42, 0.46, 0.54), (0.85, 0.90, 0.97), WHITE)
    out = lerp(plain, out, 0.55 - 0.3 * f.features)
    back = ramp(f.y / 128, (0.20, 0.10, 0.42), (0.62, 0.30, 0.72), (0.98, 0.62, 0.72), (1.0, 0.85, 0.72))
    return lerp(out, back, f.back)
