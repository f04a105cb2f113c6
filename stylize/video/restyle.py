"""Restyles videos: tracks every face of a video, encodes it, draws it in a style and pastes it back steadily.

The video is read three times, so that smoothing can look ahead as far as back without keeping frames in memory: track
faces, encode W+ and heads at every few frames (keyframes), draw pictures. Between keyframes the model's change is
interpolated; it is applied to each frame directly, so that nothing is blurred by cropping and pasting.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from stylize.errors import NoFaceError
from stylize.faces.align import MIN_FACE, MIN_SCORE, Array, DetectedFace, crop_face, overlap, plausible
from stylize.faces.cover import cover, uncovered
from stylize.faces.detail import fit_change, keep_colours, share_of_photo
from stylize.faces.paste import HEAD_SIDE, Place, edge_mask, head_mask, paste_mask
from stylize.look import Look
from stylize.models.code import Code, cat
from stylize.pipeline import Stylizer
from stylize.places import atomic_write
from stylize.video.files import Frame, VideoFile
from stylize.video.tracking import MAX_FACES, Track, Tracker, steady
from stylize.video.writer import Writer

KEY_EVERY = 4  # frames from one keyframe to the next
ENCODED_SIDE = 256  # px of an aligned face
BATCH = 8  # faces encoded or drawn at once, ...
ONE_AT_A_TIME = 256  # ... but one if the model's pictures are larger than this (px)
STEADY_SECONDS = 0.3  # standard deviation of the smoothing of W+ over time, ...
STEADY_HEADS = 2.0  # ... and this multiple of it for heads, which change slowly
REAL_CHANGE = 2.0  # times the usual difference between keyframes: a larger one is a new expression, not noise
LIVE_SIDE = 640  # px: longest side of a camera frame
LIVE_SHARE = 0.35  # weight of the new frame while a face keeps still, ...
LIVE_MOVE = 0.1  # ... rising to one when the landmarks move by this share of their spread
STAGE_SHARES = {"faces": 0.15, "encode": 0.4, "draw": 0.45}  # of the total time

Stage = Literal["faces", "encode", "draw"]
Planes = NDArray[np.float32]


@dataclass(frozen=True)
class RestyleProgress:
    """``done``: share of all the work, 0 to 1; ``picture``: the last drawn frame, if any."""

    stage: Stage
    done: float
    picture: Frame | None = None


@dataclass(frozen=True)
class Change:
    """The effect of a look on an aligned face: affine colour maps and an overlay, (15, s, s), if they are used; the
    model's own picture (3, r, r); all for colours in [-1, 1]; and the head mask (n, n) in [0, 1]."""

    maps: Planes
    own: Planes
    head: Planes

    def towards(self, other: Change, share: float) -> Change:
        ours, theirs = vars(self).values(), vars(other).values()
        return Change(*(a + np.float32(share) * (b - a) for a, b in zip(ours, theirs, strict=True)))


@dataclass(frozen=True)
class Keyframes:
    """A track's faces at the frames ``at``: their codes, head masks (len(at), n, n), uint8, and the hidden share of
    mouth and eyes (len(at), 2), in [0, 1]."""

    track: Track
    at: Sequence[int]
    code: Code
    heads: NDArray[np.uint8]
    hidden: Planes


def restyle(stylizer: Stylizer, video: VideoFile, look: Look, out: Path) -> Iterator[RestyleProgress]:
    """Writes the video with every face in the look, and with its sound if ``out`` is an MP4.

    Yields after every frame of each of the three passes; closing it stops the work and leaves no file. Raises
    NoFaceError if no frame has a face, VideoError and StylizeError.
    """
    look = look.with_detail(stylizer.default_detail)
    _ = stylizer.encoder  # raises before any work if there is no encoder
    tracks: list[Track] = []
    yield from _faces(stylizer, video, tracks)
    if not tracks:
        raise NoFaceError(
            "No face found in {}; use a video with a face seen from the front, at least about "
            "a tenth of the picture wide.",
            video.path.name,
        )
    keys: list[Keyframes] = []
    yield from _encode(stylizer, video, tracks, keys)
    with atomic_write(out) as part, Writer(part, video.size, video.fps, video) as writer:
        drawn = [DrawnTrack(stylizer, key, look) for key in keys]
        for number, (time, frame) in enumerate(video.frames()):
            picture = frame.copy()
            for face in drawn:
                if face.track.first <= number <= face.track.last:
                    weight = face.track.weight(number, video.fps)
                    lay(picture, face.track.face(number).quad, face.change(number), look, weight)
            writer.write(time, picture)
            yield _progress("draw", number, video, picture)


def _progress(stage: Stage, number: int, video: VideoFile, picture: Frame | None = None) -> RestyleProgress:
    before = sum(
        share
        for name, share in STAGE_SHARES.items()
        if list(STAGE_SHARES).index(name) < list(STAGE_SHARES).index(stage)
    )
    return RestyleProgress(stage, min(1.0, before + STAGE_SHARES[stage] * (number + 1) / video.count), picture)


def _faces(stylizer: Stylizer, video: VideoFile, tracks: list[Track]) -> Iterator[RestyleProgress]:
    """Fills ``tracks``."""
    tracker = Tracker(stylizer.finder)
    for number, (_, frame) in enumerate(video.frames()):
        tracker.step(frame)
        yield _progress("faces", number, video)
    tracks += [steady(track, video.fps) for track in tracker.finish()]


def _encode(
    stylizer: Stylizer, video: VideoFile, tracks: Sequence[Track], keys: list[Keyframes]
) -> Iterator[RestyleProgress]:
    """Fills ``keys``, one for each track."""
    at = [sorted({*range(track.first, track.last, KEY_EVERY), track.last}) for track in tracks]
    codes: list[list[Code]] = [[] for _ in tracks]
    heads: list[list[NDArray[np.uint8]]] = [[] for _ in tracks]
    hidden: list[list[Planes]] = [[] for _ in tracks]
    waiting: list[tuple[int, Image.Image, Array]] = []

    def encode() -> None:
        crops, points = [crop for _, crop, _ in waiting], [own for _, _, own in waiting]
        seen = stylizer.encode(crops, points)
        for (index, _, _), code, shares in zip(waiting, seen, stylizer.hidden(crops, seen, points), strict=True):
            codes[index].append(code.light())
            hidden[index].append(shares)
        waiting.clear()

    for number, (_, frame) in enumerate(video.frames()):
        picture = Image.fromarray(frame)
        faces = {i: track.face(number) for i, track in enumerate(tracks) if track.first <= number <= track.last}
        for index, face in faces.items():
            if number in at[index]:
                crop = crop_face(picture, face.quad, ENCODED_SIDE)
                head = head_mask(crop, face.points, face.beside(faces.values()))
                heads[index].append(np.rint(head * 255).astype(np.uint8))
                waiting.append((index, crop, face.points))
        if len(waiting) >= BATCH:
            encode()
        yield _progress("encode", number, video)
    if waiting:
        encode()
    for index, track in enumerate(tracks):
        code, deviation = cat(codes[index]), STEADY_SECONDS * video.fps
        code, smooth = steady_keys(code, np.stack(heads[index]), at[index], deviation)
        keys.append(Keyframes(track, at[index], code, smooth, steady_shares(np.stack(hidden[index]))))


def steady_keys(
    code: Code, heads: NDArray[np.uint8], at: Sequence[int], deviation: float
) -> tuple[Code, NDArray[np.uint8]]:
    """Codes and heads averaged over time: W+ with a Gaussian of ``deviation`` frames, heads and parts with a wider one.

    Neighbours whose W+ differ unusually much count less for W+ (as in the bilateral filter, Tomasi and Manduchi 1998):
    noise is removed, but a new expression appears without delay.
    """
    if len(at) < 2:
        return code, heads
    flat = code.rows.flatten(1)
    usual = (flat[1:] - flat[:-1]).norm(dim=1).median().clamp_min(1e-6)
    time = torch.tensor(at, dtype=flat.dtype, device=flat.device)
    apart = (time[:, None] - time) / deviation
    alike = torch.cdist(flat, flat) / (REAL_CHANGE * usual)
    mixed = _bell(apart, alike) @ flat
    weights = _bell(apart / STEADY_HEADS)
    if (parts := code.parts) is not None:
        means = [torch.tensordot(row[row > 0.001].to(parts), parts[row > 0.001], 1) for row in weights]
        code = replace(code, parts=torch.stack(means))
    smooth = [np.tensordot(row[row > 0.001], heads[row > 0.001], 1) for row in weights.cpu().numpy()]
    return code.with_rows(mixed.view(code.rows.shape)), np.rint(smooth).clip(0, 255).astype(np.uint8)


def steady_shares(hidden: Planes) -> Planes:
    """Hidden shares (n, 2) after a running median of five: covers stay for a while."""
    return np.median([hidden[np.arange(i - 2, i + 3).clip(0, len(hidden) - 1)] for i in range(len(hidden))], axis=1)


def _bell(*distances: Tensor) -> Tensor:
    """Gaussian weights (n, n) of distances in standard deviations; every row sums to one."""
    weights = torch.exp(torch.stack(distances).square().sum(0) / -2)
    return weights / weights.sum(1, keepdim=True)


class DrawnTrack:
    """The changes of one track, drawn on demand as frames are requested in order."""

    def __init__(self, stylizer: Stylizer, keys: Keyframes, look: Look) -> None:
        self.track = keys.track
        self._pairs = pairwise(zip(keys.at, _changes(stylizer, keys, look), strict=True)) if len(keys.at) > 1 else None
        self._alone = None if self._pairs else next(_changes(stylizer, keys, look))
        self._pair: tuple[tuple[int, Change], tuple[int, Change]] | None = None

    def change(self, frame: int) -> Change:
        if self._pairs is None:
            assert self._alone is not None
            return self._alone
        while self._pair is None or frame > self._pair[1][0]:
            self._pair = next(self._pairs)
        (start, before), (end, after) = self._pair
        return before.towards(after, (frame - start) / (end - start))


@torch.no_grad()
def _changes(stylizer: Stylizer, keys: Keyframes, look: Look) -> Iterator[Change]:
    batch = BATCH if stylizer.resolution <= ONE_AT_A_TIME else 1
    for start in range(0, len(keys.at), batch):
        part = slice(start, start + batch)
        points = [keys.track.face(frame).points for frame in keys.at[part]]
        heads = np.float32(1 / 255) * keys.heads[part]
        yield from changes(stylizer, keys.code[part], heads, keys.hidden[part], points, look)


@torch.no_grad()
def changes(
    stylizer: Stylizer, code: Code, heads: Planes, hidden: Planes, points: Sequence[Array], look: Look
) -> list[Change]:
    """The effect of the look on faces, given their codes, heads (N, n, n) and hidden shares of mouth and eyes (N, 2),
    in [0, 1], and landmarks (68, 2) in unit coordinates. The look must have a detail. Raises StylizeError."""
    assert look.detail is not None
    target = stylizer.draw(stylizer.edit(code, look.edits), look.domain, look.strength, look.style_mix)
    changed = look.domain is not None or bool(look.edits)
    side = stylizer.resolution
    covers = [cover(shares, own, side) if changed else None for shares, own in zip(hidden, points, strict=True)]
    kept = share_of_photo(look.detail) > 0
    maps = target.new_zeros(len(target), 0)
    if kept or any(covers):  # otherwise nothing depends on the source, which takes as long as the target
        source = stylizer.draw(code)
        for i, covered in enumerate(covers):
            if covered is not None:
                target[i : i + 1] = uncovered(source[i : i + 1], target[i : i + 1], covered)
        if kept:
            maps = torch.cat(fit_change(source, target), 1)
    return [
        Change(*planes) for planes in zip(maps.float().cpu().numpy(), target.float().cpu().numpy(), heads, strict=True)
    ]


def lay(frame: Frame, quad: Array, change: Change, look: Look, weight: float = 1.0) -> None:
    """Applies the change to the face in the quad of the frame, in place. The look must have a detail; weight: strength
    of the change, 0 to 1."""
    assert look.detail is not None
    place = Place.of(quad, (frame.shape[1], frame.shape[0]))
    if place is None:
        return
    part = place.part(frame)
    head = change.head
    soft = paste_mask(HEAD_SIDE) if look.background else edge_mask(len(head)) * head
    mask = np.float32(weight) * place.warp(soft, cv2.INTER_LINEAR)[:, :, None]
    picture: Planes = np.zeros(part.shape, np.float32)
    kept = share_of_photo(look.detail)
    if kept > 0:
        picture += np.float32(kept) * _with_detail(part, change.maps, place)
    if kept < 1:
        side = max(1, round(float(np.hypot(*(quad[3] - quad[0])))))
        own = change.own.transpose(1, 2, 0)
        if len(own) > side:
            own = np.asarray(cv2.resize(own, (side, side), interpolation=cv2.INTER_AREA), dtype=np.float32)
        smooth: Planes = place.warp(own, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE).clip(-1, 1)
        picture += np.float32(1 - kept) * smooth
    picture = (picture + np.float32(1)) * np.float32(127.5)
    if look.keep_colours:
        drawn = Image.fromarray(np.rint(picture).astype(np.uint8))
        picture = np.asarray(keep_colours(drawn, Image.fromarray(part))).astype(np.float32)
    part[:] = np.rint(part + mask * (picture - part)).astype(np.uint8)


def _with_detail(part: Frame, maps: Planes, place: Place) -> Planes:
    """A part of a frame (height, width, 3) under the colour maps and overlay of a change, in [-1, 1]."""
    colours = [np.float32(1 / 127.5) * part[..., channel] - np.float32(1) for channel in range(3)]
    planes = [place.warp(plane, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE) for plane in maps[:12]]
    lines = [place.warp(plane, cv2.INTER_CUBIC) for plane in maps[12:]]
    out = np.empty(part.shape, np.float32)
    for row in range(3):
        mapped = sum(a * b for a, b in zip(planes[3 * row : 3 * row + 3], colours, strict=True))
        out[..., row] = mapped + planes[9 + row] + lines[row]
    return out.clip(-1, 1)


@dataclass(frozen=True)
class LiveFace:
    """A face in the last camera frame, smoothed; ``head`` (n, n) and the ``hidden`` share of mouth and eyes (2,), in
    [0, 1]."""

    face: DetectedFace
    code: Code
    head: Planes
    hidden: Planes


def restyle_live(
    stylizer: Stylizer, picture: Image.Image, look: Look, before: Sequence[LiveFace]
) -> tuple[Image.Image, list[LiveFace]]:
    """A camera frame in the look, at most LIVE_SIDE px large, and its faces for the next call; the unchanged frame if
    it has no face. Raises StylizeError."""
    look = look.with_detail(stylizer.default_detail)
    picture = picture.convert("RGB")
    picture.thumbnail((LIVE_SIDE, LIVE_SIDE))
    found = stylizer.finder.boxes(picture, LIVE_SIDE, MIN_SCORE)
    faces = [stylizer.finder.read(picture, box) for box, _ in found if box[2] - box[0] >= MIN_FACE][:MAX_FACES]
    faces = [face for face in faces if plausible(face)]
    if not faces:
        return picture, []
    crops = [crop_face(picture, face.quad, ENCODED_SIDE) for face in faces]
    codes = stylizer.encode(crops, [face.points for face in faces])
    hidden = stylizer.hidden(crops, codes, [face.points for face in faces])
    seen = [
        _steadied(LiveFace(face, code, head_mask(crop, face.points, face.beside(faces)), shares), before)
        for face, code, crop, shares in zip(faces, codes, crops, hidden, strict=True)
    ]
    frame = np.array(picture)
    heads, hidden = np.stack([face.head for face in seen]), np.stack([face.hidden for face in seen])
    points = [face.face.points for face in seen]
    drawn = changes(stylizer, cat([face.code for face in seen]), heads, hidden, points, look)
    for face, change in zip(seen, drawn, strict=True):
        lay(frame, face.face.quad, change, look)
    return Image.fromarray(frame), seen


def _steadied(new: LiveFace, before: Sequence[LiveFace]) -> LiveFace:
    """Blends a face with the same face in the previous frame, the more the less it moved."""
    old = next((old for old in before if overlap(old.face.box, new.face.box)), None)
    if old is None:
        return new
    moved = np.abs(new.face.landmarks - old.face.landmarks).mean() / new.face.landmarks.std()
    share = float(np.clip(moved / LIVE_MOVE, LIVE_SHARE, 1))
    points = old.face.landmarks + share * (new.face.landmarks - old.face.landmarks)
    head = old.head + np.float32(share) * (new.head - old.head)
    code = new.code.with_rows(torch.lerp(old.code.rows, new.code.rows, share))
    if old.code.parts is not None and code.parts is not None:
        code = replace(code, parts=torch.lerp(old.code.parts, code.parts, share))
    hidden = old.hidden + np.float32(share) * (new.hidden - old.hidden)
    return LiveFace(replace(new.face, landmarks=points), code, head, hidden)
