"""Paintings."""

from __future__ import annotations

import numpy as np

from stylize.faces.parts import Array, clip, grey, step
from stylize.training.filters.face import AnalysedFace
from stylize.training.filters.register import style
from stylize.training.filters.tools import SPOTS, WHITE, cell_means, flat, lerp, ramp, saturate, spots


@style("oil painting")
def oil(f: AnalysedFace) -> Array:
    stroke = f.strokes(1.7, 7.0, 0.35)
    warm = f.layers(f.flesh(f.skin_tone, 1.25), f.locks(f.hair_tone, 1.4), f.rgb, saturate(f.rgb, 1.2))
    warm = lerp(warm, saturate(f.painted, 1.3), 0.45) * flat((1.06, 0.94, 0.76))
    warm = f.dragged((warm - 0.45) * 1.15 + 0.44, stroke, 0.9)
    backdrop = ramp(
        0.36 + 0.09 * f.strokes(3.0, 14.0, 1.2) + 0.22 * step(np.hypot(f.x - 24, f.y - 30), 70, 10) - 0.2 * f.vignette,
        (0.07, 0.04, 0.02),
        (0.26, 0.16, 0.08),
        (0.45, 0.31, 0.16),
    )
    out = lerp(warm, backdrop, np.maximum(f.back, 0.35 * f.clothes))
    out = lerp(out, f.rgb * flat((1.0, 0.92, 0.78)), f.features * 0.5)
    ridge = (0.05 + 0.03 * f.back) * stroke * (1 - 0.7 * f.features)
    return (out + ridge[..., None] * (0.35 + out)) * (1 - 0.40 * f.vignette)[..., None]


@style("watercolour")
def watercolour(f: AnalysedFace) -> Array:
    wash = f.layers(saturate(f.flesh(f.skin_tone), 1.2), f.locks(f.hair_tone, 1.5), f.rgb, saturate(f.painted, 2.0))
    wash = f.blur(np.asarray(lerp(wash, saturate(f.painted, 2.1), 0.45), np.float32), 0.9)
    tone = grey(np.ascontiguousarray(clip(wash), np.float32))
    wash = wash + (0.6 * (f.levels(tone, 6) - tone))[..., None]
    pale = 1 - (1 - clip(wash)) * 0.80
    away = np.hypot((f.x - 64) / 60, (f.y - 60) / 60) + 0.09 * f.noise("cloud")
    pool = step(away, 1.06, 0.94)
    rim = step(abs(away - 0.98), 0.08, 0.0)
    sky = ramp(0.5 + 0.25 * f.noise("cloud") - f.y / 400, (0.50, 0.76, 0.90), (0.70, 0.88, 0.92), (0.90, 0.96, 0.94))
    back = lerp(flat((0.99, 0.985, 0.96)), sky - 0.10 * rim[..., None], pool)
    out = lerp(pale, back, f.back)
    dry = f.clothes * step(f.y + 3 * f.noise("rough") + 4 * np.cos(f.x * 0.2), 112, 126)
    out = lerp(out, flat((0.99, 0.985, 0.96)), dry)
    edge = f.lines(1.3, 8) * (1 - f.back) + 0.6 * f.brow_ink
    return out * (1 - edge[..., None] * flat((0.42, 0.50, 0.50))) + 0.014 * f.noise("rough")[..., None]


@style("van gogh painting")
def van_gogh(f: AnalysedFace) -> Array:
    stroke = f.strokes(2.0, 9.0, 0.55)
    skin = ramp(
        f.blur(f.skin_tone, 0.8) * 1.05 - 0.02,
        (0.10, 0.16, 0.22),
        (0.50, 0.44, 0.26),
        (0.92, 0.68, 0.32),
        (0.99, 0.87, 0.55),
        (1.0, 0.95, 0.74),
    )
    skin = lerp(skin, f.flesh(f.skin_tone), 0.35)
    hair = ramp(f.hair_tone, (0.05, 0.08, 0.22), (0.36, 0.20, 0.10), (0.78, 0.44, 0.10), (0.95, 0.75, 0.30))
    night = ramp(
        0.46 + 0.16 * f.noise("cloud"), (0.03, 0.10, 0.38), (0.10, 0.30, 0.68), (0.30, 0.58, 0.85), (0.65, 0.82, 0.88)
    )
    for x, y, radius in ((18, 20, 8), (106, 26, 9), (116, 84, 6), (8, 76, 5)):
        away = np.hypot(f.x - x, f.y - y)
        night = lerp(
            night, flat((1.0, 0.86, 0.25)), 0.9 * (1 - step(away + 1.5 * np.cos(away * 1.6), 0.5 * radius, radius))
        )
    cloth = ramp(f.tone, (0.03, 0.12, 0.24), (0.12, 0.38, 0.48), (0.45, 0.70, 0.58))
    out = f.layers(skin, hair, night, cloth)
    out = lerp(out, flat((0.70, 0.24, 0.14)), f.lips * 0.65)
    out = f.dragged(out, stroke, 1.3)
    calm = 1 - 0.55 * f.features
    out = out * (1 - 0.5 * f.lines(1.4, 9) * (1 - f.back))[..., None]
    out = lerp(out, f.rgb * flat((1.0, 0.95, 0.8)), f.eyes * 0.6)
    return out + (0.10 * stroke * calm)[..., None] * flat((1.0, 0.95, 0.7))


@style("ink and wash")
def ink_and_wash(f: AnalysedFace) -> Array:
    tone = f.studio(0.95, 0.95) * (1 - f.skin) + (f.skin_tone * 0.95 + 0.06) * f.skin
    wash = f.levels(f.blur(tone, 1.6), 4) * 0.75 + 0.25 * tone
    shade = ramp(wash, (0.16, 0.18, 0.34), (0.42, 0.47, 0.64), (0.82, 0.83, 0.87), (0.99, 0.97, 0.94))
    colour = lerp(shade, saturate(f.painted, 1.5), 0.15)
    pool = step(np.hypot((f.x - 64) / 58, (f.y - 58) / 56) + 0.05 * f.noise("cloud"), 1.0, 0.80)
    edge = step(abs(np.hypot((f.x - 64) / 58, (f.y - 58) / 56) + 0.05 * f.noise("cloud") - 0.93), 0.09, 0.0)
    back = lerp(flat((0.985, 0.97, 0.94)), flat((0.92, 0.66, 0.42)), pool * 0.55 + 0.22 * edge)
    out = lerp(colour, back, f.back)
    out = lerp(out, flat((0.80, 0.35, 0.30)), f.lips * 0.45)
    line = f.contours(0.8, 13)
    return lerp(out, flat((0.06, 0.05, 0.08)), clip(line))


@style("graffiti")
def graffiti(f: AnalysedFace) -> Array:
    row = np.floor(f.y / 8)
    mortar = np.maximum(
        step(np.cos(f.y * (2 * np.pi / 8)), 0.86, 0.97),
        step(np.cos((f.x + 8 * (row % 2)) * (2 * np.pi / 16)), 0.965, 0.992),
    )
    wall = flat((0.46, 0.20, 0.16)) + (0.05 * np.sin(row * 3.7 + np.floor((f.x + 8 * (row % 2)) / 16) * 2.3))[..., None]
    wall = lerp(wall, flat((0.66, 0.60, 0.56)), mortar)
    spray = step(np.hypot((f.x - 64) / 62, (f.y - 62) / 58) + 0.04 * f.noise("rough"), 1.05, 0.75)
    wall = lerp(wall, flat((0.02, 0.80, 0.80)), spray * 0.88)
    tone = f.blur(f.skin_tone, 1.3) + 0.012 * f.noise("rough")
    skin = ramp(f.levels(tone, 4), (0.38, 0.05, 0.55), (0.88, 0.15, 0.62), (1.0, 0.60, 0.30), (1.0, 0.93, 0.40))
    hair = ramp(f.levels(f.blur(f.hair_tone, 1.0), 3), (0.05, 0.03, 0.20), (0.20, 0.16, 0.75), (0.60, 0.95, 0.15))
    cloth = ramp(f.levels(f.tone, 2), (0.05, 0.05, 0.10), (0.95, 0.95, 0.98))
    out = f.layers(skin, hair, wall, cloth, 3)
    out = lerp(out, flat((0.95, 0.05, 0.30)), f.lips * 0.85)
    out = lerp(out, flat(WHITE), f.eyes * step(f.eye_tone, 0.3, 0.6))
    out = lerp(out, flat((0.03, 0.01, 0.06)), f.contours(1.5, 13))
    glow = step(abs(f.blur(f.back, 1.2) - 0.5), 0.42, 0.15)
    out = lerp(out, flat(WHITE), glow * 0.95)
    return out * (1 - 0.10 * mortar * (1 - f.back))[..., None]


@style("pointillism")
def pointillism(f: AnalysedFace) -> Array:
    skin = saturate(f.flesh(f.skin_tone, 1.2), 1.35)
    hair, cloth = saturate(f.locks(f.hair_tone, 1.7), 1.3) + 0.04, saturate(f.rgb, 1.9)
    back = ramp(f.y / 128, (0.45, 0.72, 0.88), (0.72, 0.82, 0.55), (0.40, 0.66, 0.35))
    out = f.layers(skin, hair, back, cloth)
    out = out * (1 - 0.55 * f.lines(1.3, 9) * (1 - f.back))[..., None]
    out = lerp(out, saturate(f.rgb, 1.4), f.features * 0.5)
    canvas = lerp(flat((0.97, 0.94, 0.86)), out, 0.35)
    for variant, radius in ((21, 1.75), (22, 1.45)):
        labels, away, hue = spots(f.size, *SPOTS, variant + f.seed % 2)
        shift = np.stack([0.13 * np.sin(hue), 0.05 * np.sin(hue * 2.1), -0.15 * np.sin(hue)], -1)
        canvas = lerp(canvas, clip(cell_means(labels, out) * 1.04 + shift), 1 - step(away, radius - 0.35, radius + 0.3))
    return canvas
