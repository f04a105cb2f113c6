"""Light and screens."""

from __future__ import annotations

import cv2
import numpy as np

from stylize.faces.parts import Array, clip, grey, step
from stylize.training.filters.face import AnalysedFace
from stylize.training.filters.register import style
from stylize.training.filters.tools import BLACK, WHITE, cells, flat, lerp, moved, ramp, spots


@style("neon")
def neon(f: AnalysedFace) -> Array:
    wide = f.blur(f.grey, 1.0)
    edge = np.hypot(cv2.Sobel(wide, cv2.CV_32F, 1, 0), cv2.Sobel(wide, cv2.CV_32F, 0, 1)) * f.scale
    edge = step(edge, 0.10, 0.55) * (1 - 0.7 * f.back)
    hue = ramp(clip(f.x / 128 + 0.1 * f.noise("cloud")), (0.0, 0.95, 1.0), (0.55, 0.35, 1.0), (1.0, 0.1, 0.75))
    base = lerp(flat((0.03, 0.01, 0.07)), flat((0.34, 0.03, 0.50)), f.skin * (0.25 + 0.7 * f.skin_tone))
    base = lerp(base, flat((0.02, 0.10, 0.30)), f.hair * 0.8)
    glow = f.blur(edge, 3.0) * 0.85
    return base * (1 - 0.6 * f.back)[..., None] + hue * (edge * 0.9 + glow)[..., None] + (edge**3 * 0.35)[..., None]


@style("cyberpunk")
def cyberpunk(f: AnalysedFace) -> Array:
    side = step(f.x + 30 * (0.6 - f.skin_tone), 40, 88)
    light = lerp(flat((0.05, 0.95, 1.1)), flat((1.25, 0.12, 0.85)), side)
    lit = light * (f.lit[..., None] * 1.05)
    shadow = flat((0.08, 0.03, 0.20)) * (1 - f.lit)[..., None]
    tower = np.floor(f.x / 9)
    top = 34 + 24 * np.sin(tower * 2.4) + 10 * np.sin(tower * 5.1)
    house = step(f.y - top, -0.4, 0.4)
    windows = step(np.cos(f.x * (2 * np.pi / 3)), 0.2, 0.6) * step(np.cos(f.y * (2 * np.pi / 4)), 0.1, 0.5)
    windows = windows * (np.sin(np.floor(f.y / 4) * 3.3 + np.floor(f.x / 3) * 1.9) > 0.1)
    city = ramp(f.y / 128, (0.05, 0.02, 0.16), (0.20, 0.08, 0.45), (0.45, 0.12, 0.62))
    hue = lerp(flat((0.15, 0.75, 0.95)), flat((0.95, 0.30, 0.85)), (np.sin(tower * 1.7) * 0.5 + 0.5).astype(np.float32))
    city = lerp(city, flat((0.06, 0.03, 0.16)) + 0.75 * hue * windows[..., None], house)
    return lerp(lit + shadow, city, f.back)


@style("synthwave")
def synthwave(f: AnalysedFace) -> Array:
    sun = 1 - step(np.hypot(f.x - 64, f.y - 48), 51.4, 52.6)
    bars = step(np.cos(f.y * (2 * np.pi / 9)) + (62 - f.y) / 40, 0.0, 0.25)
    disc = ramp(f.y / 100, (1.0, 0.92, 0.35), (1.0, 0.62, 0.25), (1.0, 0.20, 0.55))
    sky = ramp(f.y / 92, (0.10, 0.02, 0.24), (0.30, 0.04, 0.45), (0.70, 0.10, 0.58))
    back = lerp(sky, disc, sun * bars)
    depth = np.maximum(f.y - 92, 0.5)
    rails = step(abs(np.sin((f.x - 64) / depth * 7.5)), 0.20, 0.04)
    rungs = step(np.cos(np.log(depth) * 13), 0.80, 0.97)
    floor = lerp(flat((0.07, 0.01, 0.18)), flat((0.10, 0.95, 1.0)), np.maximum(rails, rungs) * step(depth, 0, 4))
    back = lerp(back, floor, step(f.y, 91.5, 92.5))
    skin = ramp(
        f.skin_tone, (0.10, 0.02, 0.30), (0.48, 0.10, 0.62), (0.95, 0.32, 0.62), (1.0, 0.66, 0.52), (1.0, 0.92, 0.75)
    )
    hair = ramp(f.hair_tone, (0.06, 0.01, 0.20), (0.22, 0.06, 0.50), (0.25, 0.50, 0.90), (0.55, 0.95, 1.0))
    out = f.layers(skin, hair, back, ramp(f.tone, (0.06, 0.01, 0.18), (0.42, 0.15, 0.75), (0.3, 0.85, 1.0)), 2)
    rim = step(abs(f.blur(f.back, 1.0) - 0.35), 0.34, 0.10) * (1 - f.back * 0.5)
    return out + (rim * 0.75)[..., None] * flat((0.35, 0.85, 1.0))


_GLYPHS = np.array(
    [[int(bit) for bit in rows] for rows in (
        "011010101110010", "111001011100111", "010111010010101", "101010111001110", "110011101010011",
        "001111001101110", "111010010111100", "100101111010101",
    )], np.float32
).reshape(8, 5, 3)  # fmt: skip


@style("matrix code")
def matrix_code(f: AnalysedFace) -> Array:
    column, row = (f.x / 4).astype(int), (f.y / 6).astype(int)
    glyph = (column * 7 + row * 13 + column * row * 5 + f.seed) % len(_GLYPHS)
    u, v = (f.x % 4).astype(int), (f.y % 6).astype(int)
    mark = np.where((u < 3) & (v < 5), _GLYPHS[glyph, np.minimum(v, 4), np.minimum(u, 2)], 0).astype(np.float32)
    fall = (row * 0.075 + ((column * 11) % 17) / 17) % 1  # brighter towards the head of each stream
    tone = f.tone * 0.85 * (1 - f.skin) + (f.skin_tone * 1.05 - 0.02) * f.skin
    tone = tone * (1 - 0.85 * f.lines(1.2, 10))
    tone = tone + f.back * (0.14 + 0.34 * fall**3 - tone)
    value = clip(tone) ** 1.35 * (0.30 + 0.85 * mark)
    value = value + 0.25 * mark * f.person * clip(tone) + 0.55 * (fall > 0.94) * mark * f.back
    return ramp(value, (0.0, 0.03, 0.01), (0.0, 0.40, 0.12), (0.15, 0.95, 0.35), (0.80, 1.0, 0.85))


@style("hologram")
def hologram(f: AnalysedFace) -> Array:
    tone = (f.skin_tone * 0.9 * f.skin + (f.tone * 0.7 + 0.1) * (1 - f.skin)) * f.person
    gx = cv2.Sobel(f.blur(tone, 1.0), cv2.CV_32F, 1, 0) * f.scale
    gy = cv2.Sobel(f.blur(tone, 1.0), cv2.CV_32F, 0, 1) * f.scale
    edge = step(np.hypot(gx, gy), 0.08, 0.5)
    off = round(1.6 * f.scale)
    scan = 0.74 + (0.26 - 0.12 * f.features) * np.cos(f.y * (2 * np.pi / 3))
    bar = step(np.cos(f.y * (2 * np.pi / 43) + 1), 0.93, 1.0)
    value = (0.95 * clip(tone) ** 1.1 + 0.75 * edge) * scan + 0.14 * bar * f.person
    red, blue = moved(value, off), moved(value, -off)
    out = np.stack([0.10 * value + 0.40 * red**1.5, 0.95 * value, 0.35 * value + 0.95 * blue], -1)
    beam = step(abs(f.x - 64) - 0.52 * (136 - f.y), 10, -14)
    base = flat((0.0, 0.02, 0.07)) + (0.30 * beam * (f.y / 128) ** 0.7 * (0.75 + 0.25 * scan))[..., None] * flat(
        (0.05, 0.55, 0.95)
    )
    return base * (1 - 0.4 * f.person)[..., None] + out * (1 - 0.25 * step(f.y, 100, 128))[..., None]


@style("glitch")
def glitch(f: AnalysedFace) -> Array:
    band = np.floor(f.y / 4)
    jump = np.sin(band * 12.9898 + 1.3) * 43758.5453 % 1
    torn = np.where(jump > 0.80, (jump - 0.9) * 90, 0.0) * (abs(band - 13) > 2)  # not through the eyes
    columns = np.arange(f.size, dtype=np.float32)[None] + 0 * f.x
    rows = np.arange(f.size, dtype=np.float32)[:, None] + 0 * f.x

    def displaced(by: float) -> Array:
        x = (columns + (torn + by) * f.scale).astype(np.float32)
        return np.asarray(cv2.remap(f.rgb, x, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP))

    left, right = displaced(-3.4), displaced(3.4)
    out = np.dstack([left[..., 0], f.rgb[..., 1] * 0.25 + displaced(0)[..., 1] * 0.75, right[..., 2]])
    out = (out - 0.45) * 1.35 + 0.45
    tone = grey(np.ascontiguousarray(clip(out), dtype=np.float32))
    out = lerp(out, ramp(tone, (0.12, 0.0, 0.30), (0.90, 0.10, 0.60), (0.25, 0.95, 0.95), WHITE), 0.30)
    block = (jump > 0.88) & (
        np.sin(np.floor(f.x / 7) * 2.3 + band * 1.7) + np.cos(np.floor(f.x / 17) * 1.3 + band) > 0.9
    )
    hue = np.where((band % 2 > 0)[..., None], flat((0.0, 0.95, 0.90)), flat((0.98, 0.05, 0.65)))
    out = lerp(out, hue, np.where(block, 0.75, 0.0).astype(np.float32) * (abs(band - 13) > 2))
    return out * (0.90 + 0.14 * np.cos(f.y * np.pi))[..., None]


@style("galaxy")
def galaxy(f: AnalysedFace) -> Array:
    cloud = f.noise("cloud")
    hue = clip(0.5 + 0.32 * cloud + (f.x - f.y) / 260)[..., None]
    cool = ramp(f.skin_tone, (0.02, 0.02, 0.14), (0.10, 0.14, 0.50), (0.30, 0.45, 0.92), (0.80, 0.93, 1.0))
    warm = ramp(f.skin_tone, (0.08, 0.0, 0.14), (0.40, 0.06, 0.46), (0.88, 0.32, 0.72), (1.0, 0.86, 0.90))
    skin = cool + (warm - cool) * hue
    hair = ramp(f.hair_tone, (0.02, 0.01, 0.10), (0.16, 0.06, 0.36), (0.55, 0.30, 0.80), (0.95, 0.75, 1.0))
    hair = hair + (f.hair * step(cloud, 0.2, 1.6))[..., None] * flat((0.25, 0.05, 0.22))
    arm = np.cos(2 * np.arctan2(f.y - 64, f.x - 64) + np.hypot(f.x - 64, f.y - 64) * 0.07)
    space = ramp(
        0.34 + 0.22 * arm + 0.14 * cloud, (0.01, 0.01, 0.06), (0.05, 0.06, 0.26), (0.16, 0.26, 0.60), (0.55, 0.75, 0.95)
    )
    out = f.layers(skin, hair, space, ramp(f.tone, (0.02, 0.02, 0.10), (0.18, 0.20, 0.50)))
    _, away, hue_star = spots(f.size, 7.0, 0.42, 31 + f.seed % 2)
    small = step(away - 0.5 * np.sin(hue_star) ** 8, 0.55, 0.15)
    flare = step(away, 3.4, 0.0) ** 3 * (np.sin(hue_star) > 0.9)
    return out + (clip(small + 0.8 * flare) * (1 - f.features) * (0.45 + 0.55 * (1 - f.skin)))[..., None]


@style("lava")
def lava(f: AnalysedFace) -> Array:
    _, edge = cells(f.size, 12.0, 0.40, 3 + f.seed % 2)
    tone = 0.95 * f.skin_tone * f.skin + (0.85 * f.hair_tone + 0.05) * (1 - f.skin)
    rock = ramp(tone, (0.02, 0.01, 0.01), (0.14, 0.11, 0.11), (0.34, 0.29, 0.28), (0.66, 0.58, 0.54))
    rock = rock * (1 + 0.05 * f.noise("rough"))[..., None]
    heat = f.blur(edge, 0.5) * (1 - 0.9 * f.features)
    heat = np.maximum(heat, 0.75 * f.lines(1.5, 8) * f.skin * (1 - f.features))
    heat = np.maximum(heat, 0.7 * f.hair * step(f.strokes(1.2, 9.0, 0.2) + 1.5 * (f.hair_tone - 0.4), 0.8, 1.7))
    glow = f.blur(heat, 3.0)
    heat = clip(heat + 0.75 * glow)
    fire = ramp(heat, BLACK, (0.62, 0.06, 0.0), (1.0, 0.42, 0.02), (1.0, 0.92, 0.45))
    out = rock * (1 - 0.8 * clip(heat))[..., None] + fire
    out = lerp(out, ramp(f.eye_tone, (0.25, 0.03, 0.0), (1.0, 0.55, 0.05), (1.0, 0.95, 0.55)), f.eyes)
    out = lerp(out, ramp(f.tone, (0.3, 0.02, 0.0), (1.0, 0.35, 0.05)), f.lips * 0.7)
    back = ramp(
        f.y / 128 + 0.10 * f.noise("cloud"),
        (0.10, 0.01, 0.01),
        (0.38, 0.05, 0.01),
        (0.85, 0.30, 0.02),
        (1.0, 0.72, 0.15),
    )
    _, away, own = spots(f.size, 9.0, 0.42, 41)
    sparks = step(away, 0.9, 0.3) * (own > 4.2)
    return lerp(out, back + (0.7 * sparks)[..., None] * flat((1.0, 0.7, 0.3)), f.back)
