"""Faces followed through frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from clips import FPS, moved, still
from numpy.typing import NDArray
from PIL import Image

from stylize.faces.align import FaceFinder
from stylize.video.tracking import MAX_MISSES, SEARCH_EVERY, SceneCuts, Track, Tracker, steady


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


@pytest.fixture(scope="module")
def face(astronaut: Image.Image) -> Image.Image:
    return astronaut.crop((100, 0, 380, 280))


def follow(finder: FaceFinder, frames: Sequence[NDArray[np.uint8]]) -> list[Track]:
    tracker = Tracker(finder)
    for frame in frames:
        tracker.step(frame)
    return tracker.finish()


def wobble(track: Track) -> float:
    """How far landmarks jump to and fro, px."""
    points = np.stack(track.points)
    return float(np.abs(points[:-2] - 2 * points[1:-1] + points[2:]).mean())


def test_a_moving_face_is_one_track(finder: FaceFinder, face: Image.Image) -> None:
    frames = moved(face, 16, lambda frame: (4 * frame, 2 * frame))
    (track,) = follow(finder, frames)
    assert (track.first, track.last, track.fades) == (0, 15, (False, False))
    way = track.points[15].mean(0) - track.points[0].mean(0)
    np.testing.assert_allclose(way, [60, 30], atol=4)
    (smooth,) = [steady(track, FPS)]
    assert wobble(smooth) < 0.7 * wobble(track)
    np.testing.assert_allclose(smooth.points[15].mean(0) - smooth.points[0].mean(0), way, atol=3)  # no lag at the ends


def test_a_face_that_leaves_and_returns(finder: FaceFinder, face: Image.Image) -> None:
    away = moved(face, 42, lambda frame: (30 + 8 * min(frame, 41 - frame), 30))  # out of sight from frame 10 to 31
    tracks = follow(finder, [*away, *[away[0]] * 8])
    assert [track.fades for track in tracks] == [(False, True), (True, False)]
    assert tracks[0].last < 20
    assert 28 <= tracks[1].first < 40
    assert 28 - tracks[0].last > MAX_MISSES * SEARCH_EVERY
    before = [tracks[0].weight(frame, 24.0) for frame in range(tracks[0].last + 1)]
    assert before[0] == 1 > before[-2] > before[-1] > 0


def test_a_cut_ends_a_track_at_once(finder: FaceFinder, face: Image.Image) -> None:
    first = still(face, 8)
    second = still(Image.eval(face.transpose(Image.Transpose.FLIP_LEFT_RIGHT), lambda value: 40 + value // 2), 8)
    tracks = follow(finder, [*first, *second])
    assert [(track.first, track.last, track.fades) for track in tracks] == [
        (0, 7, (False, False)),
        (8, 15, (False, False)),
    ]


def test_noise_and_motion_are_no_cuts(face: Image.Image) -> None:
    cuts = SceneCuts()
    frames = [*still(face, 4, noise=25), *moved(face, 6, lambda frame: (12 * frame, 0))]
    assert [cuts.begins(frame) for frame in frames] == [True, *[False] * 3, True, *[False] * 5]


def test_no_face_no_track(finder: FaceFinder) -> None:
    assert follow(finder, [np.full((120, 160, 3), 90, np.uint8)] * 3) == []
