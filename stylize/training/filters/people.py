"""Other people: make-up and monsters."""

from __future__ import annotations

import cv2
import numpy as np

from stylize.training.filters.face import Face, style
from stylize.training.filters.tools import BLACK, WHITE, Array, clip, flat, mix, ramp, saturate, spots, step


@style("zombie")
def zombie(f: Face) -> Array:
    rot = f.noise("cloud")
    tone = (f.skin_tone - 0.6) * 1.5 + 0.50 + 0.07 * rot - 0.05 * f.noise("rough")
    skin = ramp(tone, (0.06, 0.08, 0.04), (0.30, 0.36, 0.22), (0.56, 0.64, 0.42), (0.82, 0.86, 0.66))
    sores = step(rot + 0.5 * f.noise("rough"), 1.2, 2.6)
    skin = mix(skin, flat((0.36, 0.10, 0.08)), sores * 0.6)
    skin = mix(skin, flat((0.13, 0.05, 0.08)), f.sockets * 0.78 * (1 - f.eyes))
    skin = mix(skin, ramp(f.tone, (0.30, 0.25, 0.15), (0.92, 0.92, 0.72)), f.eyes * 0.9)
    skin = mix(skin, flat((0.30, 0.30, 0.22)), f.irises * 0.5)
    mouth = f.grown(48, 60, 1.12, 1.2)
    drip = clip(f.blur(mouth, 2.5) * 1.2) * step(f.noise("brush").T, -0.4, 0.9)
    skin = mix(
        skin,
        ramp(f.tone, (0.12, 0.0, 0.0), (0.45, 0.04, 0.04), (0.72, 0.45, 0.30)),
        clip(mouth * 0.85 + drip * 0.6),
    )
    rest = saturate(f.rgb, 0.25) * flat((0.45, 0.50, 0.40))
    fog = ramp(0.4 + 0.25 * rot, (0.07, 0.09, 0.07), (0.20, 0.24, 0.19), (0.34, 0.38, 0.30))
    return mix(mix(rest, fog, f.back), skin, f.skin)


@style("joker")
def joker(f: Face) -> Array:
    paint = ramp(f.skin_tone * 1.1 + 0.12, (0.30, 0.30, 0.32), (0.80, 0.80, 0.80), (0.97, 0.97, 0.96), WHITE)
    skin = mix(paint, flat((0.05, 0.05, 0.09)), clip(f.sockets * 1.1) * 0.92 * (1 - 0.8 * f.eyes))
    corners = np.zeros_like(f.grey)
    for corner, eye in ((48, 36), (54, 45)):
        target = f.points[corner] * 0.62 + f.points[eye] * 0.38 + (f.points[corner] - f.points[57]) * 0.25
        line = np.round(np.stack([f.points[corner], target]) * 16).astype(np.int32)
        mask = np.zeros((f.size, f.size), np.uint8)
        cv2.polylines(mask, [line], False, 255, max(1, round(3.2 * f.scale)), cv2.LINE_AA, 4)
        corners = corners + f.blur(mask.astype(np.float32) / 255, 0.8)
    red = clip(f.grown(48, 60, 1.22, 0.9) - 0.9 * f.polygon(f.points[60:68], 0.4) + corners)
    skin = mix(skin, ramp(f.tone, (0.40, 0.0, 0.02), (0.85, 0.05, 0.08)), red * 0.92)
    hair = ramp(f.hair_tone, (0.0, 0.13, 0.04), (0.05, 0.50, 0.13), (0.45, 0.92, 0.25))
    out = hair * f.hair[..., None] + ramp(f.tone, (0.14, 0.02, 0.20), (0.65, 0.40, 0.75)) * f.clothes[..., None]
    out = out + flat((0.30, 0.11, 0.42)) * (f.back * (1 - 0.4 * f.vignette))[..., None]
    return mix(out, skin, f.skin)


@style("blue alien")
def blue_alien(f: Face) -> Array:
    tone = (f.skin_tone - 0.6) * 1.25 + 0.56
    skin = ramp(tone, (0.0, 0.05, 0.28), (0.05, 0.30, 0.72), (0.25, 0.60, 0.98), (0.75, 0.95, 1.0))
    spots = step(f.noise("rough") + 0.5 * f.vignette, 1.5, 1.9)
    skin = mix(skin, flat((0.65, 1.0, 0.95)), spots * 0.55)
    skin = mix(skin, ramp(f.tone, (0.05, 0.03, 0.0), (0.95, 0.75, 0.10), (1.0, 1.0, 0.7)), f.eyes * 0.9)
    skin = mix(skin, flat((0.98, 0.80, 0.05)), f.irises * 0.85)
    skin = mix(skin, flat((0.22, 0.12, 0.55)), f.lips * 0.6)
    hair = ramp(f.hair_tone, (0.02, 0.0, 0.07), (0.15, 0.05, 0.30), (0.45, 0.25, 0.65))
    stars = step(f.noise("grain"), 2.5, 3.2)[..., None]
    space = ramp(0.4 + 0.3 * f.noise("cloud"), (0.02, 0.0, 0.06), (0.13, 0.03, 0.22), (0.30, 0.10, 0.40)) + stars
    out = (
        hair * f.hair[..., None]
        + space * f.back[..., None]
        + ramp(f.tone, BLACK, (0.45, 0.5, 0.6)) * f.clothes[..., None]
    )
    return mix(out, skin, f.skin)


@style("vampire")
def vampire(f: Face) -> Array:
    tone = (f.skin_tone - 0.6) * 1.25 + 0.68
    skin = ramp(tone, (0.10, 0.05, 0.12), (0.52, 0.45, 0.56), (0.86, 0.82, 0.88), (0.99, 0.97, 1.0))
    skin = mix(skin, flat((0.32, 0.08, 0.20)), f.sockets * 0.6 * (1 - f.eyes))
    skin = mix(skin, flat((0.95, 0.05, 0.05)), f.irises)
    skin = mix(skin, flat((0.62, 0.0, 0.06)), f.lips * 0.92)
    chin = f.points[57] * 0.55 + f.points[8] * 0.45
    for corner in (59, 55):
        line = np.round(np.stack([f.points[corner], np.array([f.points[corner][0], chin[1]])]) * 16).astype(np.int32)
        mask = np.zeros((f.size, f.size), np.uint8)
        cv2.polylines(mask, [line], False, 255, max(1, round(1.3 * f.scale)), cv2.LINE_AA, 4)
        skin = mix(skin, flat((0.60, 0.0, 0.04)), mask.astype(np.float32) / 255 * 0.85)
    hair = ramp(f.hair_tone, (0.01, 0.01, 0.02), (0.06, 0.05, 0.08), (0.30, 0.27, 0.34))
    night = ramp(
        0.5 + 0.2 * f.noise("cloud") - 0.4 * f.vignette,
        (0.06, 0.0, 0.01),
        (0.34, 0.01, 0.04),
        (0.50, 0.05, 0.06),
    )
    out = (
        hair * f.hair[..., None]
        + night * f.back[..., None]
        + ramp(f.tone, BLACK, (0.4, 0.05, 0.1)) * f.clothes[..., None]
    )
    return mix(out, skin, f.skin)


@style("hulk")
def hulk(f: Face) -> Array:
    tone = (f.skin_tone - 0.6) * 1.5 + 0.50 - 0.25 * f.lines(2.0, 7)
    skin = ramp(tone, (0.02, 0.12, 0.0), (0.16, 0.42, 0.06), (0.40, 0.74, 0.16), (0.78, 0.97, 0.48))
    skin = mix(skin, mix(f.rgb, flat((0.9, 1.0, 0.6)), 0.25), f.eyes * 0.85)
    skin = mix(skin, flat((0.22, 0.32, 0.10)), f.lips * 0.6)
    hair = ramp(f.hair_tone, (0.01, 0.03, 0.01), (0.05, 0.11, 0.05), (0.25, 0.33, 0.2))
    back = ramp(0.45 + 0.2 * f.noise("cloud"), (0.45, 0.43, 0.48), (0.66, 0.64, 0.68), (0.84, 0.82, 0.85))
    out = hair * f.hair[..., None] + back * f.back[..., None]
    out = out + ramp(f.tone, (0.16, 0.03, 0.24), (0.58, 0.32, 0.72)) * f.clothes[..., None]
    return mix(out, skin, f.skin)


@style("devil")
def devil(f: Face) -> Array:
    tone = (f.skin_tone - 0.6) * 1.5 + 0.52
    skin = ramp(tone, (0.12, 0.0, 0.0), (0.55, 0.03, 0.02), (0.92, 0.14, 0.08), (1.0, 0.62, 0.40))
    skin = mix(skin, flat((0.10, 0.0, 0.0)), f.sockets * 0.7 * (1 - f.eyes))
    skin = mix(skin, ramp(f.tone, (0.3, 0.12, 0.0), (1.0, 0.90, 0.20)), f.eyes)
    skin = mix(skin, flat((0.15, 0.0, 0.02)), clip(f.lips * 0.8 + f.brows * 0.8))
    hair = ramp(f.hair_tone, (0.01, 0.0, 0.0), (0.08, 0.02, 0.02), (0.40, 0.12, 0.05))
    fire = ramp(
        f.y / 128 + 0.25 * f.noise("cloud") - 0.1,
        (0.10, 0.02, 0.0),
        (0.55, 0.12, 0.0),
        (1.0, 0.50, 0.02),
        (1.0, 0.85, 0.25),
    )
    out = (
        hair * f.hair[..., None]
        + fire * f.back[..., None]
        + ramp(f.tone, BLACK, (0.3, 0.05, 0.05)) * f.clothes[..., None]
    )
    return mix(out, skin, f.skin)
