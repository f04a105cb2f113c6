"""Pictures assembled from pieces."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from stylize.faces.parts import MEAN_LANDMARKS, Array, clip, grey, pixel_grid, step
from stylize.training.filters.face import AnalysedFace
from stylize.training.filters.register import style
from stylize.training.filters.tools import SPOTS, cell_means, cells, flat, lerp, moved, ramp, saturate, spots

# In pixels of a 128 px picture: sides of squares; the pitch of pieces and its variation.
PIXEL, BRICK = 3.0, 3.2
STONES = (3.3, 0.20)

_PIXEL_PALETTE = np.array(
    [(0, 0, 0), (29, 43, 83), (126, 37, 83), (0, 135, 81), (171, 82, 54), (95, 87, 79), (194, 195, 199),
     (255, 241, 232), (255, 0, 77), (255, 163, 0), (41, 173, 255), (131, 118, 156), (255, 204, 170), (222, 148, 110),
     (110, 50, 40), (70, 35, 30), (188, 120, 84), (244, 180, 140)], np.float32
) / 255  # fmt: skip


# Styles with pieces that do not follow the face.
TILED = ("pixel art", "toy bricks", "mosaic", "low poly", "pointillism")


def tilings(size: int) -> NDArray[np.int16]:
    """The number of each pixel's piece in every style of TILED, as the seed 0 places them: (5, size, size)."""
    stones, top_spots = cells(size, *STONES, 0)[0], spots(size, *SPOTS, 22)[0]
    pieces = [_squares(size, PIXEL), _squares(size, BRICK), stones, _triangles(size)[0], top_spots]
    return np.stack(pieces).astype(np.int16)


def _squares(size: int, side: float) -> NDArray[np.intp]:
    x, y = pixel_grid(size)
    return (y / side).astype(np.intp) * int(np.ceil(128 / side)) + (x / side).astype(np.intp)


@style("pixel art")
def pixel_art(f: AnalysedFace) -> Array:
    labels = _squares(f.size, PIXEL)
    out = lerp(saturate((f.rgb - 0.5) * 1.3 + 0.53, 1.4), f.flesh(f.skin_tone, 1.3), f.skin * 0.6 * (1 - f.features))
    out = out * (1 - 0.5 * f.lines(1.4, 10) * (1 - f.back))[..., None]
    backdrop = lerp(flat((0.11, 0.17, 0.33)), flat((0.16, 0.35, 0.62)), (f.y / 128) ** 2)
    means = cell_means(labels, lerp(out, backdrop, step(f.back, 0.35, 0.65)))
    ends = np.unique(labels, return_index=True)[1]
    colours = means.reshape(-1, 3)[ends]
    nearest = ((colours[:, None] - _PIXEL_PALETTE) ** 2 @ flat((0.3, 0.5, 0.2))).argmin(-1)
    place = np.zeros(labels.max() + 1, np.intp)
    place[labels.reshape(-1)[ends]] = nearest
    return np.asarray(_PIXEL_PALETTE[place[labels]])


@style("mosaic")
def mosaic(f: AnalysedFace) -> Array:
    labels, grout = cells(f.size, *STONES, f.seed % 4)
    tone = (f.skin_tone - 0.6) * 1.35 + 0.66
    skin = ramp(tone, (0.25, 0.09, 0.05), (0.68, 0.38, 0.22), (0.93, 0.76, 0.56), (1.0, 0.95, 0.84))
    skin = lerp(skin, f.flesh(tone), 0.55)
    hair = lerp(
        ramp(f.hair_tone, (0.10, 0.05, 0.04), (0.40, 0.19, 0.10), (0.80, 0.52, 0.26)), f.locks(f.hair_tone), 0.5
    )
    cloth = ramp(f.tone, (0.35, 0.05, 0.08), (0.70, 0.16, 0.15), (0.95, 0.80, 0.6))
    wave = np.hypot(f.x - 64, f.y - 60) * (2 * np.pi / 16)
    water = ramp(0.5 + 0.5 * np.cos(wave), (0.02, 0.36, 0.46), (0.06, 0.54, 0.60), (0.42, 0.80, 0.76))
    out = f.layers(skin, hair, water, cloth, 2)
    out = lerp(out, flat((0.74, 0.14, 0.12)), f.lips * 0.8)
    out = lerp(out, ramp(f.eye_tone, (0.05, 0.03, 0.03), (0.98, 0.96, 0.9)), f.eyes * 0.9)
    out = out * (1 - 0.75 * np.maximum(f.lines(1.5, 11) * (1 - f.back), f.brow_ink))[..., None]
    tiles = cell_means(labels, out) * (1.04 + 0.07 * np.sin(labels * 12.9898)[..., None]).astype(np.float32)
    return lerp(saturate(tiles, 1.25) * 1.08, flat((0.30, 0.26, 0.23)), grout * 0.50)


@style("stained glass")
def stained_glass(f: AnalysedFace) -> Array:
    labels, _ = cells(f.size, 11.0, 0.38, f.seed % 4)
    part = np.stack([f.skin, f.hair, f.back, f.clothes], -1).argmax(-1)
    joint = labels * 4 + part
    tone = cell_means(labels * 4 + part, np.stack([f.skin_tone, f.hair_tone, f.tone], -1)) * 0.7
    tone = tone + 0.3 * np.stack([f.skin_tone, f.hair_tone, f.tone], -1)
    skin = ramp(tone[..., 0], (0.42, 0.14, 0.02), (0.85, 0.48, 0.08), (1.0, 0.80, 0.38), (1.0, 0.95, 0.72))
    hair = ramp(tone[..., 1], (0.02, 0.12, 0.05), (0.05, 0.38, 0.16), (0.30, 0.70, 0.30))
    pick = (np.sin(labels * 78.233) > -0.2).astype(np.float32)[..., None]
    back = flat((0.06, 0.16, 0.72)) * pick + flat((0.72, 0.04, 0.12)) * (1 - pick)
    back = back * (0.85 + 0.3 * np.sin(labels * 3.7)[..., None]).astype(np.float32)
    cloth = ramp(tone[..., 2], (0.30, 0.02, 0.32), (0.62, 0.15, 0.62))
    out = np.take_along_axis(np.stack([skin, hair, back, cloth], 2), part[..., None, None], 2)[:, :, 0]
    out = lerp(out, flat((0.80, 0.06, 0.10)), f.lips * 0.9)
    out = lerp(out, ramp(f.tone, (0.03, 0.03, 0.10), (0.85, 0.95, 1.0)), f.eyes * 0.9)
    edge = np.zeros_like(f.grey)
    edge[:, 1:] = joint[:, 1:] != joint[:, :-1]
    edge[1:] = np.maximum(edge[1:], joint[1:] != joint[:-1])
    lead = clip(f.blur(edge, 0.7) * 2.2 + 0.8 * f.brows + 0.4 * f.lines(1.2))
    return lerp(out, flat((0.04, 0.04, 0.05)), lead)


@lru_cache(maxsize=4)
def _triangles(size: int) -> tuple[NDArray[np.intp], Array]:
    """Triangles between fixed points, denser around the features of an average face: labels, and shading -1..1."""
    rng = np.random.default_rng(5)
    step_px = 7.4
    n = int(128 / step_px) + 1
    rows, columns = np.mgrid[:n, :n]
    points = np.stack([columns, rows], -1).reshape(-1, 2) * step_px
    points = points + rng.uniform(-0.32, 0.32, points.shape) * step_px
    near = MEAN_LANDMARKS * 128
    fine = np.stack(np.meshgrid(np.arange(34.0, 95, 2.6), np.arange(48.0, 108, 2.6)), -1).reshape(-1, 2)
    fine = fine + rng.uniform(-0.3, 0.3, fine.shape) * 2.6
    away = np.hypot(*(fine[:, None] - near[None, 36:]).transpose(2, 0, 1)).min(1)
    fine = fine[away < 4.5]
    away = np.hypot(*(points[:, None] - fine[None]).transpose(2, 0, 1)).min(1)
    points = np.vstack([points[away > 3.5], fine])
    plane = cv2.Subdiv2D((-20, -20, 168, 168))
    plane.insert([(float(x), float(y)) for x, y in np.clip(points, -12, 140)])
    plane.insert([(-15.0, -15.0), (143.0, -15.0), (-15.0, 143.0), (143.0, 143.0)])
    labels, shade = np.zeros((size, size), np.int32), [0.0]
    for i, corners in enumerate(np.asarray(plane.getTriangleList()).reshape(-1, 3, 2)):
        cv2.fillConvexPoly(labels, np.round(corners * (size / 128) * 16).astype(np.int32), i + 1, cv2.LINE_8, 4)
        shade.append(float(np.sin(i * 12.9898)))
    return labels.astype(np.intp), np.asarray(shade, np.float32)[labels]


@style("low poly")
def low_poly(f: AnalysedFace) -> Array:
    labels, shade = _triangles(f.size)
    back = ramp(f.y / 128, (0.16, 0.22, 0.36), (0.36, 0.50, 0.62), (0.75, 0.80, 0.80))
    skin, cloth = lerp(f.flesh(f.skin_tone, 1.3), saturate(f.rgb, 1.5), 0.3), saturate(f.rgb, 1.7)
    out = f.layers(skin, f.locks(f.hair_tone, 1.6), back, cloth, 3)
    out = out * (1 - 0.6 * np.maximum(f.lines(1.6, 10) * (1 - f.back), 0.7 * f.brow_ink))[..., None]
    out = lerp(
        out,
        lerp(
            saturate((f.rgb - 0.45) * 1.5 + 0.48, 1.0), f.eye_tone[..., None] * flat((0.95, 0.93, 0.9)), 0.75 * f.eyes
        ),
        f.features,
    )
    return cell_means(labels, out) + 0.03 * shade[..., None]


_BRICKS = np.array(
    [(27, 42, 53), (88, 57, 39), (124, 80, 58), (160, 105, 70), (204, 142, 104), (225, 170, 128), (242, 205, 162),
     (244, 244, 244), (160, 165, 169), (99, 95, 98), (180, 20, 18), (13, 105, 171), (110, 153, 201), (53, 33, 20),
     (245, 205, 48), (218, 133, 64), (215, 197, 153)], np.float32
) / 255  # fmt: skip


@style("toy bricks")
def toy_bricks(f: AnalysedFace) -> Array:
    count = min(round(128 / BRICK), f.size)
    pitch = 128 / count
    lit = lerp(f.flesh(f.skin_tone, 1.4), saturate(f.rgb, 1.4), 0.25)
    out = f.layers(lit, f.locks(f.hair_tone, 1.4), flat((0.0, 0.0, 0.0)), saturate(f.rgb, 1.6), 2)
    out = out * (1 - 0.55 * np.maximum(f.lines(1.8, 10), 0.8 * f.brow_ink))[..., None]
    out = lerp(out, saturate((f.rgb - 0.5) * 1.3 + 0.5, 1.3), f.features * 0.6)
    small = cv2.resize(np.dstack([out, f.back]), (count, count), interpolation=cv2.INTER_AREA)
    nearest = ((small[:, :, None, :3] - _BRICKS) ** 2 @ flat((0.3, 0.5, 0.2))).argmin(-1)
    bricks = np.where(small[..., 3:] > 0.55, flat((0.02, 0.55, 0.26)), _BRICKS[nearest])
    place = np.minimum(((np.arange(f.size) + 0.5) * count / f.size).astype(int), count - 1)
    wide = bricks[place[:, None], place[None]]
    u, v = (f.x / pitch) % 1 - 0.5, (f.y / pitch) % 1 - 0.5
    stud = np.hypot(u, v)
    light = 0.16 * step(stud, 0.36, 0.28) - 0.30 * step(abs(stud - 0.33), 0.10, 0.0) * (u + v)
    seam = step(np.maximum(abs(u), abs(v)), 0.42, 0.5)
    return wide * (1 + 0.9 * light * (0.8 + 0.4 * (1 - grey(wide.astype(np.float32)))) - 0.35 * seam)[..., None]


@style("embroidery")
def embroidery(f: AnalysedFace) -> Array:
    thread, angle = f.threads(2.4, 0.35)
    skin = saturate(f.flesh(f.levels(f.blur(f.skin_tone, 0.9), 6), 1.2), 1.15)
    hair = f.locks(f.levels(f.hair_tone, 5), 1.7)
    cloth = f.levels(clip(saturate(f.rgb, 1.7)), 5)
    out = f.layers(skin, hair, flat((0, 0, 0)), cloth, 2)
    out = lerp(out, flat((0.78, 0.24, 0.26)), f.lips * 0.75)
    out = lerp(out, flat((0.97, 0.96, 0.92)), f.eyes * step(f.eye_tone, 0.35, 0.65))
    out = lerp(out, flat((0.13, 0.09, 0.09)), clip(f.contours(1.2, 11)))
    along = f.x * np.cos(angle) + f.y * np.sin(angle)
    end = step(
        np.cos((along + 3.1 * np.floor((f.y * np.cos(angle) - f.x * np.sin(angle)) / 2.4 + 0.5)) * 0.8), 0.86, 1.0
    )
    sheen = 1 + 0.20 * thread - 0.28 * end + 0.10 * np.cos(2 * angle - 0.8)
    cloth_back = step(np.cos(f.x * np.pi / 1.5), -0.6, 0.8) * step(np.cos(f.y * np.pi / 1.5), -0.6, 0.8)
    linen = flat((0.90, 0.84, 0.74)) * (0.84 + 0.18 * cloth_back)[..., None]
    hoop = np.hypot(f.x - 64, f.y - 64)
    linen = lerp(linen, flat((0.62, 0.40, 0.20)), step(abs(hoop - 84), 5.0, 3.5))
    shadow = clip(f.blur(f.person, 1.6) - f.person) * 0.5
    return lerp(out * sheen[..., None], linen * (1 - shadow)[..., None], step(f.back, 0.35, 0.65))


@style("paper cutout")
def paper_cutout(f: AnalysedFace) -> Array:
    out = np.broadcast_to(flat((0.95, 0.62, 0.30)), f.rgb.shape)
    hills = ((0.30, 88.0, (0.93, 0.45, 0.30)), (0.9, 102.0, (0.72, 0.28, 0.34)))
    sheets = [
        (step(f.y - top - 6 * np.sin(f.x * 0.07 + turn * 4), -0.4, 0.4), flat(colour)) for turn, top, colour in hills
    ]
    sheets.insert(0, (1 - step(np.hypot(f.x - 64, f.y - 52), 49.6, 50.4), flat((0.99, 0.86, 0.55))))
    person = step(f.blur(f.person, 1.0), 0.45, 0.55)
    tone, locks = f.blur(f.skin_tone, 1.4), f.blur(f.hair_tone, 1.6)
    skin = step(f.blur(f.skin, 1.0), 0.45, 0.55)
    hair = person * (1 - skin) * step(f.blur(f.hair, 1.0), 0.3, 0.4)
    cloth = flat((0.16, 0.36, 0.42))
    level = [np.asarray(f.flesh(np.asarray(v))) for v in (0.34, 0.52, 0.68, 0.86)]
    sheets += [
        (person, cloth),
        (hair, f.locks(np.asarray(0.25), 1.6)),
        (hair * step(locks, 0.40, 0.45), f.locks(np.asarray(0.5), 1.6)),
    ]
    sheets += [(skin, level[0])]
    sheets += [(skin * step(tone, low, low + 0.05), level[i + 1]) for i, low in enumerate((0.34, 0.54, 0.74))]
    for mask, colour in sheets:
        shadow = moved(f.blur(mask, 1.1), round(0.8 * f.scale), round(1.2 * f.scale)) * (1 - mask)
        out = lerp(out * (1 - 0.42 * shadow)[..., None], colour, mask)
    out = lerp(out, flat((0.80, 0.22, 0.24)), step(f.lips, 0.4, 0.6) * 0.85)
    out = lerp(out, flat((0.98, 0.97, 0.94)), f.eyes * step(f.eye_tone, 0.4, 0.6))
    dark = np.maximum(f.contours(1.5, 9), f.irises * (1 - step(f.eye_tone, 0.2, 0.5)))
    return lerp(out, flat((0.15, 0.10, 0.12)), step(dark, 0.5, 0.75) * f.skin) + 0.012 * f.noise("rough")[..., None]
