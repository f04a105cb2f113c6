"""Tracks faces from frame to frame: detects them now and then, finds landmarks in every frame, and smooths them over
time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stylize.faces.align import MIN_FACE, MIN_SCORE, Array, DetectedFace, FaceFinder, overlap, plausible

SEARCH_EVERY = 6  # frames
SEARCH_SIDE = 960  # px: longest side for detection
KEPT_SCORE = -0.3  # detector score for a face that is already tracked
NEW_SHARE = 0.35  # of the best score in a frame, to start tracking: leaves and walls come and go below it
MAX_FACES = 6  # tracked at a time, the largest ones
MAX_MISSES = 2  # consecutive detections that a tracked face may miss, when it turns or is covered
ANCHORED = 0.3  # weight of a new detector box, since boxes come in steps
STEADY_SECONDS = 0.4  # of the window that smooths landmarks
FADE_SECONDS = 0.2  # fade of the style of a face that appears or disappears within a scene
CUT = 24.0  # mean difference of small frames, of 255, ...
CUT_TIMES = 3.0  # ... and this multiple of the usual one mark a new scene
CUT_SIDE = 32  # px of those frames


@dataclass
class Track:
    """One face from frame ``first`` on: ``points[i]``, (68, 2), are its landmarks in frame ``first + i``.

    ``fades``: whether it appeared and disappeared within a scene.
    """

    first: int
    points: list[Array]
    fades: tuple[bool, bool]
    anchor: Array = field(repr=False)  # (3,): the detector's box relative to the landmarks, see ``_box``
    sure: int = 0  # the last frame in which the detector found it
    sightings: int = 1
    misses: int = 0

    @property
    def last(self) -> int:
        return self.first + len(self.points) - 1

    def weight(self, frame: int, fps: float) -> float:
        """The strength of a face's style in a frame, 0 to 1."""
        length = max(1.0, FADE_SECONDS * fps)
        comes = (frame - self.first + 1) / length if self.fades[0] else 1.0
        goes = (self.last - frame + 1) / length if self.fades[1] else 1.0
        return min(1.0, comes, goes)

    def face(self, frame: int) -> DetectedFace:
        points = self.points[frame - self.first]
        left, top, right, bottom = (round(float(v)) for v in (*points.min(0), *points.max(0)))
        return DetectedFace((left, top, right, bottom), points)


class Tracker:
    """Takes frames one by one; ``tracks`` are the finished tracks, all of them after ``finish``."""

    def __init__(self, finder: FaceFinder) -> None:
        self.finder = finder
        self.tracks: list[Track] = []
        self._active: list[Track] = []
        self._scene = SceneCuts()
        self._frame = -1
        self._searched = 0

    def step(self, frame: NDArray[np.uint8]) -> None:
        """frame: (height, width, 3), RGB."""
        self._frame += 1
        picture = Image.fromarray(frame)
        cut = self._scene.begins(frame)
        if cut:
            self._end(self._active, False)
        for track in self._active:
            face = self.finder.read(picture, _box(track))
            if plausible(replace(face, box=_round(_box(track)))):
                track.points.append(face.landmarks)
        self._end([track for track in self._active if track.last < self._frame], True)
        if cut or self._frame - self._searched >= SEARCH_EVERY:
            self._search(picture, cut)

    def finish(self) -> list[Track]:
        """All tracks, ordered by frame, unsmoothed; the caller may apply ``steady``."""
        self._end(self._active, False)
        return sorted(self.tracks, key=lambda track: track.first)

    def _search(self, picture: Image.Image, cut: bool) -> None:
        self._searched = self._frame
        found = self.finder.boxes(picture, SEARCH_SIDE, KEPT_SCORE if self._active else MIN_SCORE)
        seen: list[Track] = []
        for box, score in found:
            same = next((track for track in self._active if overlap(_round(_box(track)), _round(box))), None)
            if same is not None:
                if same not in seen:
                    seen.append(same)
                    same.anchor += ANCHORED * (_anchor(same.points[-1], box) - same.anchor)
                continue
            sure = score >= max(MIN_SCORE, NEW_SHARE * found[0][1])
            if not sure or box[2] - box[0] < MIN_FACE or len(self._active) >= MAX_FACES:
                continue
            face = self.finder.read(picture, box)
            if plausible(face):
                track = Track(self._frame, [face.landmarks], (not cut, False), _anchor(face.landmarks, box))
                seen.append(track)
                self._active.append(track)
        for track in self._active:
            track.misses = 0 if track in seen else track.misses + 1
            if track in seen:
                track.sure, track.sightings = self._frame, track.sightings + 1
        self._end([track for track in self._active if track.misses > MAX_MISSES], True)

    def _end(self, tracks: Sequence[Track], gone: bool) -> None:
        """``gone``: it disappeared within a scene, so it was there only until it was last detected."""
        for track in list(tracks):
            self._active.remove(track)
            if gone:
                track.points = track.points[: track.sure - track.first + 1]
                track.fades = (track.fades[0], True)
            if track.sightings > 2 or not gone:  # a single detection is not a face
                self.tracks.append(track)


class SceneCuts:
    """Detects scene cuts."""

    def __init__(self) -> None:
        self._before: NDArray[np.float32] | None = None
        self._usual = 0.0

    def begins(self, frame: NDArray[np.uint8]) -> bool:
        small = cv2.resize(frame, (CUT_SIDE, CUT_SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
        before, self._before = self._before, small
        if before is None:
            return True
        difference = float(np.abs(small - before).mean())
        cut = difference > max(CUT, CUT_TIMES * self._usual)
        self._usual = 0.0 if cut else 0.8 * self._usual + 0.2 * difference
        return cut


def steady(track: Track, fps: float) -> Track:
    """The track with landmarks smoothed by a local parabola over STEADY_SECONDS, which does not lag (Savitzky and Golay
    1964)."""
    window = min(round(STEADY_SECONDS * fps) // 2 * 2 + 1, (len(track.points) - 1) // 2 * 2 + 1)
    if window < 5:
        return track
    from scipy.signal import savgol_filter  # takes a second to import; only videos need it

    return replace(track, points=list(savgol_filter(np.stack(track.points), window, 2, axis=0)))


def _anchor(points: Array, box: Array) -> Array:
    """(3,): the box's centre, and half its width, relative to the landmarks' mean and spread."""
    middle, spread = points.mean(0), points.std()
    centre = (box[:2] + box[2:]) / 2
    return np.array([*(centre - middle) / spread, (box[2] - box[0]) / 2 / spread])


def _box(track: Track) -> Array:
    """(4,): the detector's box predicted from the last landmarks."""
    points = track.points[-1]
    x, y, half = track.anchor * points.std()
    centre = points.mean(0) + np.array([x, y])
    return np.array([*(centre - half), *(centre + half)])


def _round(box: Array) -> tuple[int, int, int, int]:
    left, top, right, bottom = (round(float(v)) for v in box)
    return left, top, right, bottom
