"""Photographic looks: film, cameras and special light."""

from __future__ import annotations

import numpy as np

from stylize.faces.parts import Array, clip, grey, step
from stylize.training.filters.face import AnalysedFace
from stylize.training.filters.register import style
from stylize.training.filters.tools import flat, lerp, ramp, saturate


@style("sepia")
def sepia(f: AnalysedFace) -> Array:
    tone = f.studio(0.62) * 0.92 + 0.05 - 0.25 * f.vignette + 0.02 * f.noise("grain")
    return ramp(tone, (0.14, 0.07, 0.02), (0.55, 0.37, 0.20), (0.86, 0.70, 0.48), (0.98, 0.90, 0.74))


@style("old black and white photo")
def old_photo(f: AnalysedFace) -> Array:
    tone = f.blur(f.studio(0.70), 0.45)
    tone = (tone - 0.5) * 0.82 + 0.50 + 0.16 * f.skin * (f.skin_tone - tone)
    crease = step(abs(f.x - 101 - 0.8 * np.sin(f.y * 0.3)), 0.9, 0.3) + step(
        abs(f.y - 19 - 0.6 * np.sin(f.x * 0.4)), 0.9, 0.3
    )
    tone = tone + 0.28 * crease * (1 - f.skin) + 0.025 * f.noise("grain") - 0.22 * f.vignette
    out = ramp(tone, (0.11, 0.11, 0.11), (0.50, 0.50, 0.50), (0.88, 0.88, 0.87))
    edge = np.maximum(abs(f.x - 64), abs(f.y - 64)) + 0.5 * np.cos((f.x - f.y) * (2 * np.pi / 4))
    return lerp(out, flat((0.95, 0.95, 0.94)), step(edge, 60.2, 60.9))


@style("thermal camera")
def thermal(f: AnalysedFace) -> Array:
    fine = f.tone - f.blur(f.tone, 4)
    heat = 0.10 * f.back + 0.36 * f.clothes + f.hair * (0.38 + 0.25 * f.hair_tone)
    nose = f.disc(f.points[33], 9, 8)
    warm = 0.70 + 0.36 * (f.blur(f.skin_tone, 1.2) - 0.6) - 0.12 * nose - 0.10 * f.brows
    heat = heat * (1 - f.skin) + f.skin * (warm - 0.22 * f.lines(1.2, 9) - 0.16 * f.irises)
    heat = heat + 0.35 * fine * f.person
    return ramp(
        heat,
        (0.0, 0.0, 0.18),
        (0.10, 0.0, 0.60),
        (0.62, 0.0, 0.65),
        (0.95, 0.25, 0.15),
        (1.0, 0.72, 0.0),
        (1.0, 1.0, 0.75),
    )


@style("negative")
def negative(f: AnalysedFace) -> Array:
    return 1 - f.rgb


@style("infrared photo")
def infrared(f: AnalysedFace) -> Array:
    tone = f.lit * 0.55 + f.skin * (0.5 * f.skin_tone + 0.10) - 0.35 * f.eyes * (1 - f.tone)
    tone = tone + f.back * (0.16 - tone) * 0.9
    tone = tone + 0.16 * f.blur(step(tone, 0.75, 1.0), 5) - 0.3 * f.lines(1.2, 8) + 0.012 * f.noise("grain")
    return ramp(tone, (0.10, 0.0, 0.02), (0.55, 0.0, 0.05), (0.95, 0.30, 0.32), (1.0, 0.86, 0.84))


@style("night vision")
def night_vision(f: AnalysedFace) -> Array:
    tone = f.lit * 0.86 + f.back * (0.30 + 0.3 * f.tone - f.lit * 0.86) + 0.035 * f.noise("grain")
    tone = tone + 0.5 * f.eyes * step(f.eye_tone, 0.2, 0.7) + 0.22 * f.blur(step(f.tone, 0.75, 1), 3)
    tone = tone * (0.86 + 0.14 * np.cos(f.y * (np.pi / 1.5)))
    cross = step(np.minimum(abs(f.x - 64), abs(f.y - 64)), 0.55, 0.3) * step(np.hypot(f.x - 64, f.y - 64), 43, 44)
    out = ramp(tone + 0.35 * cross, (0.0, 0.06, 0.0), (0.05, 0.50, 0.08), (0.45, 1.0, 0.35), (0.85, 1.0, 0.75))
    return np.asarray(out * (1 - step(np.hypot(f.x - 64, f.y - 64), 58, 64))[..., None])


@style("sunset light")
def sunset(f: AnalysedFace) -> Array:
    side = clip(1.15 - f.x / 128 + 0.25 * (f.skin_tone - 0.6))
    light = ramp(side, (0.52, 0.28, 0.48), (0.95, 0.55, 0.38), (1.25, 0.85, 0.42), (1.4, 1.0, 0.5))
    lit = (f.rgb * 0.92 + 0.04) * light
    sky = ramp(
        f.y / 128 + 0.05 * 0.6 * f.noise("brush"),
        (0.55, 0.25, 0.45),
        (0.98, 0.45, 0.25),
        (1.0, 0.72, 0.28),
        (1.0, 0.85, 0.50),
    )
    out = lerp(lit, sky, f.back * 0.92)
    glow = f.disc(np.array([6.0, 70.0]) * f.scale, 40, 38)
    return np.asarray(out + glow[..., None] * flat((0.35, 0.20, 0.05)))


@style("x ray")
def x_ray(f: AnalysedFace) -> Array:
    inverse = 1 - f.blur(f.lit, 0.5)
    fine = f.blur(f.tone, 3) - f.blur(f.tone, 0.7)
    bone = 0.50 + 0.35 * (inverse - 0.4) + 1.1 * fine
    hollow = f.sockets * (1 - 0.75 * f.eyes) + 0.7 * f.disc(f.points[33] - np.array([0, 2.0]) * f.scale, 4.0, 3.0)
    value = f.skin * (bone - 0.26 * hollow) + f.hair * (0.16 + 0.5 * fine) + f.clothes * (0.26 + 0.4 * fine)
    jaw = f.polygon(f.points[48:60] * 1.0, 1.0)
    teeth = step(np.cos((f.x - float(f.points[51, 0]) / f.scale) * (2 * np.pi / 4.2)), -0.7, 0.2)
    value = value + jaw * (0.04 + 0.07 * teeth)
    value = value + 0.30 * f.skin * (f.blur(f.back + f.hair, 2.5)) + 0.02 * f.back
    return ramp(value * 1.2, (0.0, 0.01, 0.03), (0.16, 0.27, 0.36), (0.60, 0.76, 0.84), (0.98, 1.0, 1.0))


@style("vintage film")
def vintage_film(f: AnalysedFace) -> Array:
    faded = lerp(f.rgb, saturate(f.blur(f.rgb, 0.5), 0.85), 0.6)
    tone = grey(np.ascontiguousarray(faded))
    out = 0.17 + 0.72 * faded * flat((1.08, 0.98, 0.80))
    out = out + (1 - tone)[..., None] * flat((-0.03, 0.05, 0.07)) + (tone**2)[..., None] * flat((0.09, 0.04, -0.10))
    leak = step(f.x + 7 * np.sin(f.y * 0.05) + 0.22 * f.y, 84, 138)
    out = 1 - (1 - clip(out)) * (1 - leak[..., None] * flat((0.95, 0.36, 0.10)))
    corner = step(np.hypot(f.x - 10, f.y - 4), 46, 4)
    out = 1 - (1 - out) * (1 - corner[..., None] * flat((0.55, 0.20, 0.30)))
    edge = np.maximum(abs(f.x - 64), abs(f.y - 64))
    out = out * (1 - 0.25 * f.vignette)[..., None] + 0.022 * f.noise("grain")[..., None]
    return lerp(out, flat((0.96, 0.94, 0.88)), step(edge, 58.6, 59.4))


@style("film noir")
def film_noir(f: AnalysedFace) -> Array:
    tone = (f.skin_tone * f.skin + f.tone * 0.75 * (1 - f.skin)) * (1 - f.back)
    blind = step(np.cos((f.y - 0.12 * f.x - 53.5) * (2 * np.pi / 16.4)), -0.45, 0.15)
    side = step(f.x + 22 * (f.blur(f.skin_tone, 3) - 0.6), 112, 50)
    light = 0.16 + 0.95 * (0.32 + 0.68 * side) * (0.46 + 0.54 * blind)
    value = step(tone * light, 0.04, 0.80)
    wall = 0.05 + 0.30 * blind * step(f.x, 100, 10)
    value = value * (1 - f.back) + wall * f.back
    value = value * (1 - 0.4 * f.vignette) + 0.02 * f.noise("grain")
    return ramp(value, (0.01, 0.01, 0.015), (0.42, 0.42, 0.43), (0.96, 0.96, 0.95))


@style("frost")
def frost(f: AnalysedFace) -> Array:
    cold = saturate(f.rgb, 0.45) * flat((0.80, 0.94, 1.10)) * 0.88 + flat((0.10, 0.14, 0.18))
    rime = f.strokes(0.9, 7.0, 0.4)
    hair = clip(0.55 * step(0.7 * rime + 2.0 * (f.hair_tone - 0.4), -0.8, 1.6) + 0.22)
    white = np.maximum(f.hair * hair, 0.75 * f.brows * step(rime, -1.2, 0.6))
    cheek = f.skin * step(f.skin_tone, 0.66, 0.95) * 0.35
    out = lerp(cold, flat((0.93, 0.98, 1.0)), clip(white + cheek * (1 - f.features)))
    haze = ramp(0.55 + 0.25 * f.noise("cloud"), (0.48, 0.66, 0.84), (0.74, 0.87, 0.97), (0.95, 0.98, 1.0))
    out = lerp(out, haze, 0.85 * f.back)
    angle, away = np.arctan2(f.y - 62, f.x - 64), np.hypot(f.x - 64, f.y - 62)
    fern = np.cos(angle * 22 + 0.9 * np.sin(away * 0.5)) + 0.8 * np.cos(away * 1.1 + 9 * abs(np.sin(angle * 11)))
    reach = step(away + 7 * np.cos(angle * 11) + 4 * np.cos(angle * 22), 50, 74)
    ice = clip(step(fern, 0.2, 1.1) * reach + 0.65 * step(away, 66, 88))
    return lerp(out, flat((0.97, 0.99, 1.0)), ice * 0.92)
