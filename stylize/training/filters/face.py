"""An aligned face analysed for style filters: tones, parts as soft masks, strokes."""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from stylize.faces.parts import Array, FaceParts, clip, grey, step
from stylize.training.filters.tools import (
    ANGLES,
    BLACK,
    WHITE,
    colour,
    flat,
    lerp,
    ramp,
    saturate,
    strokes,
    swirls,
    texture,
)


class AnalysedFace(FaceParts):
    """An aligned face to draw from: its tones, parts and textures."""

    def __init__(self, image: NDArray[np.uint8], landmarks: NDArray[np.float64] | None, seed: int) -> None:
        super().__init__(image, landmarks)
        self.seed = seed
        self._lines: dict[tuple[float, float], Array] = {}
        self._angles: dict[float, Array] = {}

    def noise(self, kind: str) -> Array:
        shift = np.random.default_rng(self.seed).integers(0, self.size, 2)
        return np.roll(texture(self.size, kind), tuple(shift), (0, 1))

    @cached_property
    def tone(self) -> Array:
        """Brightness, stretched so that the darkest and brightest parts become 0 and 1."""
        low, high = map(
            float, np.percentile(self.grey[:: max(1, self.size // 64), :: max(1, self.size // 64)], (1, 99))
        )
        return clip((self.grey - low) / max(high - low, 0.15))

    def studio(self, value: float, amount: float = 0.7) -> Array:
        """The tone, with a backdrop of even brightness."""
        return self.tone + amount * self.back * (value - self.tone)

    # Details of the face

    def disc(self, centre: NDArray[np.float64], radius: float, soft: float = 0.5) -> Array:
        """Soft disc; radius and softness in pixels of a 128 px picture."""
        distance = np.hypot(self.x - centre[0] / self.scale, self.y - centre[1] / self.scale)
        return 1 - step(distance, radius - soft, radius + soft)

    @cached_property
    def person(self) -> Array:
        return 1 - self.back

    @cached_property
    def irises(self) -> Array:
        out = np.zeros_like(self.grey)
        for first in (36, 42):
            points = self.points[first : first + 6]
            width = float(np.hypot(*(points[3] - points[0]))) / self.scale
            out += self.disc(points.mean(0), 0.24 * width, 0.6)
        return clip(out) * self.eyes

    @cached_property
    def sockets(self) -> Array:
        """A soft shadow around both eyes."""
        out = np.zeros_like(self.grey)
        for first in (36, 42):
            points = self.points[first : first + 6]
            centre, width = points.mean(0) / self.scale, np.hypot(*(points[3] - points[0])) / self.scale
            distance = np.hypot((self.x - centre[0]) / (0.85 * width), (self.y - centre[1] - 1) / (0.62 * width))
            out += 1 - step(distance, 0.45, 1.15)
        return clip(out)

    @cached_property
    def lips(self) -> Array:
        """Both lips, without the open mouth between them."""
        inside = self.polygon(self.points[60:68], 0.4)
        return np.asarray(self.polygon(self.points[48:60], 0.6) * (1 - inside))

    def layers(self, skin: Array, hair: Array, back: Array, clothes: Array, crisp: float = 1.0) -> Array:
        """Combines four pictures or colours, each in its part; crisp: from 1 (soft seams) up."""
        shares = np.stack([self.hair, self.back, self.clothes]) + 1e-3
        shares = shares**crisp if crisp > 1 else shares
        shares /= shares.sum(0)
        out = shares[0][..., None] * hair + shares[1][..., None] * back + shares[2][..., None] * clothes
        edge = 0.5 - 0.5 / crisp
        return lerp(out, skin, step(self.skin, edge, 1 - edge) if crisp > 1 else self.skin)

    # Colours of the person

    def _mean(self, weight: Array) -> Array:
        total = float(weight.sum()) + 1e-6
        return np.asarray((self.rgb * weight[..., None]).sum((0, 1)) / total, np.float32)

    @cached_property
    def complexion(self) -> Array:
        """The skin's colour in good light, (3,)."""
        mean = self._mean(self.skin * (1 - self.features) * step(self.grey, 0.1, 0.3))
        light = float(np.clip(0.10 + 0.98 * grey(mean[None, None])[0, 0], 0.28, 0.80))
        usual = ramp(np.asarray(light), BLACK, (0.36, 0.20, 0.13), (0.66, 0.45, 0.33), (0.93, 0.76, 0.64), WHITE)
        own = mean * (light / max(float(grey(mean[None, None])[0, 0]), 0.05))
        return clip(saturate(np.asarray(0.4 * own + 0.6 * usual, np.float32)[None, None], 1.15)[0, 0])

    def flesh(self, tone: Array, contrast: float = 1.0) -> Array:
        """Maps a tone of the skin (usually 0.6) to the person's own complexion."""
        c = self.complexion
        dark, low, high = (
            c * flat((0.40, 0.28, 0.26)),
            c * flat((0.76, 0.66, 0.63)),
            lerp(c, flat((1.0, 0.90, 0.78)), 0.42),
        )
        return ramp((tone - 0.6) * contrast + 0.62, *map(colour, (dark, low, np.minimum(c * 1.08, 1), high)))

    def locks(self, tone: Array, amount: float = 1.3) -> Array:
        """Maps a tone of the hair (usually 0.4) to the person's own hair colour."""
        c = self._mean(self.hair)
        c = clip(saturate(c[None, None], amount)[0, 0])
        return ramp(tone, *map(colour, (c * 0.25, c * 0.8 + 0.02, c + 0.22 * (1 - c) + 0.03, c + 0.6 * (1 - c))))

    @cached_property
    def eye_tone(self) -> Array:
        """Brightness within the eyes, 0 at their darkest and 1 at their brightest."""
        inside = self.grey[self.eyes > 0.5]
        low, high = map(float, np.percentile(inside, (8, 92))) if inside.size else (0.0, 1.0)
        return clip((self.grey - low) / max(high - low, 0.08))

    # Strokes

    @cached_property
    def _tensor(self) -> tuple[Array, Array]:
        """Cosine and sine of twice the angle of the edges, scaled by their strength."""
        n = min(self.size, 96)
        small = cv2.resize(self.tone, (n, n), interpolation=cv2.INTER_AREA)
        small = cv2.GaussianBlur(small, (0, 0), 0.008 * n)
        gx, gy = cv2.Sobel(small, cv2.CV_32F, 1, 0), cv2.Sobel(small, cv2.CV_32F, 0, 1)
        tensor = cv2.GaussianBlur(np.dstack([gy * gy - gx * gx, -2 * gx * gy]), (0, 0), 0.022 * n)
        length = np.hypot(tensor[..., 0], tensor[..., 1])[..., None]
        tensor = cv2.resize(tensor / (length + 0.02), (self.size,) * 2, interpolation=cv2.INTER_LINEAR)
        return tensor[..., 0], tensor[..., 1]

    def flow(self, calm: float = 0.3) -> Array:
        """Angle of the edges, 0..pi; without edges, of fixed eddies (more of them at a higher calm)."""
        if calm not in self._angles:
            (a, b), (c, s) = self._tensor, swirls(self.size)
            self._angles[calm] = np.asarray(np.arctan2(b + calm * s, a + calm * c) / 2 % np.pi, np.float32)
        return self._angles[calm]

    def strokes(self, width: float, length: float, calm: float = 0.3) -> Array:
        """Brush strokes of unit variance along the flow."""
        bank = strokes(self.size, width, length)
        place = self.flow(calm) * (ANGLES / np.pi)
        low = place.astype(np.intp)
        part = step(place - low, 0.2, 0.8)
        low %= ANGLES
        shift = tuple(np.random.default_rng(self.seed).integers(0, self.size, 2)) if self.seed else (0, 0)
        rows = (np.arange(self.size) - shift[0])[:, None] % self.size
        columns = (np.arange(self.size) - shift[1])[None] % self.size
        first, second = bank[low, rows, columns], bank[(low + 1) % ANGLES, rows, columns]
        return np.asarray((first + (second - first) * part) / np.sqrt(1 - 1.2 * part * (1 - part)))

    def threads(self, pitch: float, calm: float = 0.3, count: int = 8) -> tuple[Array, Array]:
        """Parallel threads in a few orientations along the flow: -1..1 across, and their angle."""
        angle = np.round(self.flow(calm) * (count / np.pi)) * (np.pi / count)
        return np.cos((self.y * np.cos(angle) - self.x * np.sin(angle)) * (2 * np.pi / pitch)), angle

    def hatching(self, pitch: float, slant: int, wobble: float = 0.5) -> Array:
        """Hand-drawn parallel lines over the whole sheet, -1..1; slant: 1 or -1."""
        wave = wobble * np.sin((self.x - slant * self.y) * 0.11) + 0.4 * wobble * np.sin(
            (self.x - slant * self.y) * 0.31
        )
        return np.asarray(np.cos(((self.x + slant * self.y) / 1.414 + wave) * (2 * np.pi / pitch)), np.float32)

    def dragged(self, rgb: Array, across: Array, reach: float) -> Array:
        """The picture displaced across the flow: strokes (of unit variance) carry its colours along."""
        angle, far = self.flow(), across * (reach * self.scale)
        columns, rows = np.meshgrid(*(np.arange(self.size, dtype=np.float32),) * 2)
        dx, dy = (columns - far * np.sin(angle)).astype(np.float32), (rows + far * np.cos(angle)).astype(np.float32)
        return np.asarray(cv2.remap(rgb, dx, dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT))

    # Shading

    @cached_property
    def skin_tone(self) -> Array:
        """Brightness of the skin, normalised most of the way to a mean of 0.6 and a usual variance."""
        weight = self.skin * (1 - self.features)
        total = float(weight.sum()) + 1e-6
        mean = float((self.grey * weight).sum()) / total
        spread = float((weight * (self.grey - mean) ** 2).sum() / total) ** 0.5
        gain = min(max(0.14 / max(spread, 0.05), 0.9), 1.9)
        off = (self.grey - mean) * gain
        return clip(np.where(off > 0, 0.4 * np.tanh(off / 0.4), 0.55 * np.tanh(off / 0.55)) + 0.6)

    @cached_property
    def hair_tone(self) -> Array:
        """Brightness within the hair, with a mean near 0.4."""
        mean = float((self.grey * self.hair).sum() / (self.hair.sum() + 1e-6))
        return clip((self.grey - mean) * 1.6 + 0.4)

    @cached_property
    def matter(self) -> Array:
        """Shading as if everything were made of one material: no coarse difference between skin, hair, brows and
        eyes."""
        fine = self.grey - self.blur(self.grey, 4)
        even = 1.1 * self.skin * (self.skin_tone - 0.6) + 0.7 * self.hair * (self.hair_tone - 0.4)
        return clip(
            0.55 + 0.6 * even + 0.7 * fine * (1 - 0.4 * self.features) + 0.15 * self.clothes * (self.tone - 0.5)
        )

    @cached_property
    def lit(self) -> Array:
        """The tone, with skin of any colour in good light."""
        return np.asarray(self.tone + 0.6 * self.skin * (self.skin_tone - self.tone))

    def statue(self) -> Array:
        """The material's shading with blank eyes."""
        calm = self.blur(self.matter, 3) * 0.9
        return lerp(self.matter[..., None], calm[..., None], self.eyes * 0.75)[..., 0]

    def lines(self, width: float = 1.0, gain: float = 9.0) -> Array:
        """Dark lines of the picture, 1 on a line."""
        if (width, gain) not in self._lines:
            fine = self.blur(self.tone, 0.6 * width)
            self._lines[width, gain] = step(gain * self.punch * (self.blur(self.tone, 2.2 * width) - fine), 0.15, 0.9)
        return self._lines[width, gain]

    def contours(self, width: float = 1.2, gain: float = 12.0) -> Array:
        """The lines of a clean drawing: only of the person, with brows and eye rims always included."""
        rims = clip(self.grown(36, 42, 1.3, 0.4) + self.grown(42, 48, 1.3, 0.4)) * (1 - self.eyes)
        rims = rims * (1 - step(self.eye_tone, 0.2, 0.7)) * 0.6
        return clip(np.maximum(self.lines(width, gain) * (1 - self.back), np.maximum(rims, 0.7 * self.brow_ink)))

    @cached_property
    def brow_ink(self) -> Array:
        """Brows, where they are dark in the picture."""
        return np.asarray(self.brows * (1 - step(self.skin_tone, 0.35, 0.6)))

    @cached_property
    def punch(self) -> float:
        """How much lines must be amplified for the contrast of this skin: 1 for a usual contrast."""
        weight = self.skin * (1 - self.features)
        fine = np.abs(self.blur(self.tone, 2.2) - self.blur(self.tone, 0.6))
        return float(np.clip(0.02 / (float((fine * weight).sum()) / (float(weight.sum()) + 1e-6) + 1e-6), 0.6, 1.4))

    @cached_property
    def painted(self) -> Array:
        """Kuwahara filter: every pixel takes the mean of the least varying of four neighbouring squares."""
        radius = max(1, round(1.6 * self.scale))
        k = (radius + 1, radius + 1)
        mean = cv2.blur(self.rgb, k)
        var = cv2.blur(self.grey * self.grey, k) - cv2.blur(self.grey, k) ** 2
        h = (radius + 1) // 2
        both = np.pad(np.dstack([mean, var]), ((h, h), (h, h), (0, 0)), "edge")
        corners = [both[y : y + self.size, x : x + self.size] for y in (0, 2 * h) for x in (0, 2 * h)]
        out = corners[0]
        for other in corners[1:]:
            out = np.where(other[..., 3:] < out[..., 3:], other, out)
        return np.ascontiguousarray(out[..., :3])

    @cached_property
    def vignette(self) -> Array:
        """0 in the middle, 1 in the corners."""
        return step(np.hypot(self.x - 64, self.y - 64) / 90, 0.45, 1.05)

    def cel(self, count: int, vivid: float) -> Array:
        """The picture in a few levels of brightness, with its hues."""
        rgb = saturate(self.painted, vivid)
        tone = grey(np.ascontiguousarray(clip(rgb), np.float32)) + 0.02
        return np.asarray(clip(rgb) * (self.levels(tone * 1.1 + 0.05, count) / tone)[..., None])

    def dots(self, amount: Array, pitch: float = 4.0) -> Array:
        """Halftone screen at 45 degrees: share of ink 0..1 to dots."""
        a, b = (
            (self.x + self.y) * (2 * np.pi / pitch / 1.414),
            (self.x - self.y) * (2 * np.pi / pitch / 1.414),
        )
        wave = (np.cos(a) + np.cos(b)) / 4 + 0.5
        return step(wave + amount - 1, -0.14, 0.14)

    def levels(self, tone: Array, count: int) -> Array:
        """The tone in a few soft steps."""
        t = tone * (count - 1)
        base = np.floor(t)
        return np.asarray((base + step(t - base, 0.35, 0.65)) / (count - 1))
