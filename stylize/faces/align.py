"""Detects the faces of a photo with dlib, finds their landmarks, and crops them to the FFHQ frame."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import dlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from stylize.errors import CheckpointError, NoFaceError, Sentence

Array = NDArray[np.float64]
Box = tuple[int, int, int, int]  # left, top, right, bottom in px
LARGEST_SCALE = 4.0  # px: small pictures are enlarged to this
SEARCH_SIDES = (1600, 3200)  # px: longest side for detection; photos larger than the first use both
FIRM = 80  # px at detection: a narrower box, near the detector's minimum, may be too wide for its face
PANORAMA = 2.2  # aspect ratio beyond which the longest side grows, to search as many pixels as in other photos
TURNED_SIDE = 1000  # px: longest side for detection in rotated copies
TURNED_SCORE = 0.5  # of dlib's detector, for faces in rotated copies
MIN_FACE = 30  # px of the photo: narrower faces are not used
LANDMARK_FACE = 240  # px: the width to which a face is scaled to find its landmarks
MIN_SCORE = 0.2  # of dlib's detector; dogs reach 0
CLEARER = 0.5  # of the score: by more than this a face in a negative or white lines is seen better inverted
LEAST, POSITIVE_SIDE = -1.0, 512  # score and longest side in px for that
MIN_SHARE = 0.2  # of the best score: the minimum for further faces, ...
SURE = 0.4  # ... though this score is always enough
LARGEST_PADDED = 1024  # px: the side of a frame that extends beyond the photo
MIN_SIGMA = 4.0  # px: of a blur at a quarter of the size
ALIGNED_BOX = np.array([0.23, 0.27, 0.77, 0.84])  # of dlib's detector in an aligned face, as shares of its side
TILTS = (30, -30)  # degrees to try if no upright face is found


@dataclass(frozen=True)
class DetectedFace:
    """landmarks: (68, 2); like the box in pixels of the photo."""

    box: Box
    landmarks: Array

    @property
    def quad(self) -> Array:
        """(4, 2): the FFHQ frame in the photo, see ``ffhq_quad``."""
        return ffhq_quad(self.landmarks)

    @property
    def points(self) -> Array:
        """(68, 2): the landmarks in unit coordinates of the FFHQ frame."""
        return self.inside(self.landmarks)

    def inside(self, places: Array) -> Array:
        """Points (N, 2) of the photo in unit coordinates of this face's FFHQ frame."""
        corner, below, _, right = self.quad
        frame = np.stack([right - corner, below - corner], 1)
        return np.asarray(np.linalg.solve(frame, (places - corner).T).T)

    def beside(self, faces: Iterable[DetectedFace]) -> list[Array]:
        """The landmarks (68, 2) of the other faces, in the same coordinates."""
        return [self.inside(face.landmarks) for face in faces if face is not self]


def ffhq_quad(landmarks: Array) -> Array:
    """The FFHQ frame (Karras et al. 2019) of 68 landmarks (68, 2): corners top left, bottom left, bottom right,
    top right, (4, 2), in the coordinates of the landmarks."""
    left, right = landmarks[36:42].mean(0), landmarks[42:48].mean(0)
    eyes, eye_to_eye = (left + right) / 2, right - left
    eye_to_mouth = (landmarks[48] + landmarks[54]) / 2 - eyes
    x = eye_to_eye - eye_to_mouth[::-1] * [-1, 1]
    x /= np.hypot(*x)
    x *= max(np.hypot(*eye_to_eye) * 2.0, np.hypot(*eye_to_mouth) * 1.8)
    y = x[::-1] * [-1, 1]
    c = eyes + eye_to_mouth * 0.1
    return np.stack([c - x - y, c - x + y, c + x + y, c + x - y])


def model_file(name: str) -> Path:
    """A data file of the package ``face_recognition_models`` (which itself no longer imports)."""
    spec = find_spec("face_recognition_models")
    if spec is None or not spec.submodule_search_locations:
        raise CheckpointError("The package face_recognition_models is missing; install requirements.txt.")
    return Path(spec.submodule_search_locations[0]) / "models" / name


class FaceFinder:
    """dlib's HOG detector and 68 landmarks; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._detector: Any = dlib.get_frontal_face_detector()
        self._landmarks: Any = dlib.shape_predictor(str(model_file("shape_predictor_68_face_landmarks.dat")))

    def find(self, photo: Image.Image) -> list[DetectedFace]:
        """The usable faces, see ``search``."""
        return self.search(photo)[0]

    def search(self, photo: Image.Image) -> tuple[list[DetectedFace], list[DetectedFace]]:
        """(usable faces, faces that are too small) of an upright RGB photo, both largest first.

        Raises NoFaceError if there is none, or only ones too small; it says if the photo seems to be rotated.
        """
        with self._lock:
            faces = self._upright(photo) or self._tilted(photo)
            if not faces:
                raise NoFaceError(self._why_none(photo))
        large = [face for face in faces if face.box[2] - face.box[0] >= MIN_FACE]
        if not large:
            width = faces[0].box[2] - faces[0].box[0]
            raise NoFaceError(
                "The largest face found is only {} px wide; use a photo with a face at least 80 px wide.", width
            )
        return large, faces[len(large) :]

    def boxes(self, photo: Image.Image, longest: int, least_score: float) -> list[tuple[Array, float]]:
        """Detections (box (4,): left, top, right, bottom; score) with at least that score, best first, in the photo
        scaled to ``longest`` px."""
        with self._lock:
            return self._boxes(photo, longest, least_score)

    def positive(self, photo: Image.Image) -> Image.Image:
        """An RGB picture, or its negative if a face is seen clearly better there, as in a negative or a drawing in
        white on black."""

        def score(picture: Image.Image) -> float:
            return max((score for _, score in self.boxes(picture, POSITIVE_SIDE, LEAST)), default=LEAST)

        negative = ImageOps.invert(photo)
        return negative if score(negative) > score(photo) + CLEARER else photo

    def read(self, photo: Image.Image, box: Array) -> DetectedFace:
        """The landmarks of the face in a known box (4,) of the photo."""
        with self._lock:
            return self._read(photo, box)

    def aligned(self, face: Image.Image) -> Array:
        """The landmarks (68, 2) of an aligned face, in unit coordinates."""
        return self.read(face, ALIGNED_BOX * face.width).landmarks / face.width

    def _upright(self, photo: Image.Image) -> list[DetectedFace]:
        """Upright faces; in large photos those found at either size, using the smaller size's box if it is reliable."""
        longer = max(1.0, max(photo.size) / min(photo.size) / PANORAMA) ** 0.5
        first, second = (round(longer * side) for side in SEARCH_SIDES)
        boxes = self._sure(photo, first, MIN_SCORE)
        if max(photo.size) > first:
            least = FIRM * max(photo.size) / first
            firm, loose = ([a for a in boxes if (a[0][2] - a[0][0] >= least) == is_] for is_ in (True, False))
            boxes = [*firm, *self._sure(photo, second, MIN_SCORE), *loose]
        return self._faces(photo, boxes)

    def _search(self, photo: Image.Image, longest: int, least_score: float) -> list[DetectedFace]:
        """Faces with at least ``least_score``, in the photo scaled to ``longest`` px."""
        return self._faces(photo, self._sure(photo, longest, least_score))

    def _sure(self, photo: Image.Image, longest: int, least_score: float) -> list[tuple[Array, float]]:
        """Detections whose score is not far below the best."""
        found = self._boxes(photo, longest, least_score)
        return [(box, score) for box, score in found if score >= min(SURE, MIN_SHARE * found[0][1])]

    def _faces(self, photo: Image.Image, boxes: Sequence[tuple[Array, float]]) -> list[DetectedFace]:
        """The faces in those boxes without duplicates, largest first."""
        faces: list[DetectedFace] = []
        for box, _ in boxes:
            face = self._read(photo, box)
            if plausible(face) and not any(overlap(face.box, other.box) for other in faces):
                faces.append(face)
        return sorted(faces, key=lambda face: face.box[0] - face.box[2])

    def _boxes(self, photo: Image.Image, longest: int, least_score: float) -> list[tuple[Array, float]]:
        scale = min(LARGEST_SCALE, longest / max(photo.size))
        small = photo.resize([max(1, round(side * scale)) for side in photo.size], Image.Resampling.BILINEAR)
        boxes, scores, _ = self._detector.run(np.asarray(small), 0, least_score)
        corners = [np.array([box.left(), box.top(), box.right(), box.bottom()]) / scale for box in boxes]
        return list(zip(corners, scores, strict=True))

    def _read(self, photo: Image.Image, box: Array) -> DetectedFace:
        """The landmarks of a face in a box of the photo, found at a fixed size whatever the photo's."""
        width = box[2] - box[0]
        left, top, right, bottom = (int(v) for v in (*np.floor(box[:2] - width), *np.ceil(box[2:] + width)))
        inside = (max(0, left), max(0, top), min(photo.width, right), min(photo.height, bottom))
        scale = LANDMARK_FACE / width
        size = (max(1, round((inside[2] - inside[0]) * scale)), max(1, round((inside[3] - inside[1]) * scale)))
        near = np.asarray(photo.crop(inside).resize(size, Image.Resampling.BILINEAR))
        shape = self._landmarks(near, dlib.rectangle(*[round((v - inside[i % 2]) * scale) for i, v in enumerate(box)]))
        points = np.array([(p.x, p.y) for p in shape.parts()], dtype=np.float64) / scale + inside[:2]
        left, top, right, bottom = (round(float(v)) for v in box)
        return DetectedFace((left, top, right, bottom), points)

    def _tilted(self, photo: Image.Image) -> list[DetectedFace]:
        """Faces of a tilted photo."""
        scale = min(1.0, SEARCH_SIDES[1] / max(photo.size))
        if scale < 1:
            photo = photo.resize([max(1, round(side * scale)) for side in photo.size], Image.Resampling.BILINEAR)
        for angle in TILTS:
            turned = photo.rotate(angle, Image.Resampling.BILINEAR, expand=True, fillcolor=(128, 128, 128))
            faces = self._search(turned, TURNED_SIDE, TURNED_SCORE)
            if faces:
                turn = np.deg2rad(angle)
                matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
                middle, new_middle = np.array(photo.size) / 2, np.array(turned.size) / 2
                back = [((face.landmarks - new_middle) @ matrix.T + middle) / scale for face in faces]
                return [DetectedFace(_box_around(points), points) for points in back]
        return []

    def _why_none(self, photo: Image.Image) -> str:
        size = f"{photo.width}x{photo.height}"
        scale = min(1.0, 800 / max(photo.size))
        small = photo.resize([max(1, round(side * scale)) for side in photo.size], Image.Resampling.BICUBIC)
        for angle, words in ((180, "upside down"), (90, "on its side"), (270, "on its side")):
            if self._search(small.rotate(angle, expand=True), TURNED_SIDE, TURNED_SCORE):
                turn = "180 degrees" if angle == 180 else f"90 degrees {'counter-' if angle == 90 else ''}clockwise"
                return Sentence(
                    "The face in the {} picture seems to be {}; turn the picture by {} and try again.",
                    size,
                    words,
                    turn,
                )
        return Sentence(
            "No face found in the {} picture; use a photo with a face seen from the front, at least 80 px wide.", size
        )


def _box_around(points: Array) -> Box:
    (left, top), (right, bottom) = points.min(0), points.max(0)
    return round(float(left)), round(float(top)), round(float(right)), round(float(bottom))


def plausible(face: DetectedFace) -> bool:
    """Whether the landmarks look like a face: eyes above the mouth, at a plausible distance."""
    points = face.landmarks
    left, right, mouth = points[36:42].mean(0), points[42:48].mean(0), (points[48] + points[54]) / 2
    apart, down = right[0] - left[0], mouth[1] - (left[1] + right[1]) / 2
    width = face.box[2] - face.box[0]
    return bool(0.2 * width < apart < 0.8 * width and 0.2 * width < down < 1.0 * width)


def overlap(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Whether two boxes share more than a quarter of the smaller one."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return width > 0 and height > 0 and width * height > smaller / 4


def prepare_crop(photo: Image.Image, quad: Array, size: int, drawn: int) -> tuple[Image.Image, Array]:
    """The published FFHQ steps before the final warp: shrink, crop, pad. Returns the picture and the quad within it.

    The published code pads at the remaining size, which takes half a minute for a large close-up; here, pictures with
    far more pixels than needed are first shrunk to ``LARGEST_PADDED``.
    """
    quad = quad.copy()
    qsize = float(np.hypot(*(quad[3] - quad[0])))
    shrink = int(np.floor(qsize / size * 0.5))
    if shrink > 1:
        small = (round(photo.width / shrink), round(photo.height / shrink))
        photo = photo.resize(small, Image.Resampling.LANCZOS)
        quad, qsize = quad / shrink, qsize / shrink
    border = max(round(qsize * 0.1), 3)
    low, high = np.floor(quad.min(0)).astype(int), np.ceil(quad.max(0)).astype(int)
    crop = np.concatenate([np.maximum(low - border, 0), np.minimum(high + border, photo.size)])
    if crop[2] - crop[0] < photo.width or crop[3] - crop[1] < photo.height:
        left, top, right, bottom = (int(v) for v in crop)
        photo = photo.crop((left, top, right, bottom))
        quad = quad - crop[:2]
    pad = _missing(photo, quad, border)
    if pad.max() > border - 4:
        if qsize > 1.5 * (side := max(drawn, LARGEST_PADDED)):
            width, height = (max(1, round(length * side / qsize)) for length in photo.size)
            quad = (quad + 0.5) * (width / photo.width, height / photo.height) - 0.5
            photo, qsize = photo.resize((width, height), Image.Resampling.LANCZOS), float(side)
            pad = _missing(photo, quad, max(round(qsize * 0.1), 3))
        pad = np.maximum(pad, round(qsize * 0.3))
        photo = pad_softly(photo, pad, qsize * 0.02)
        quad = quad + pad[:2]
    return photo, quad


def _missing(photo: Image.Image, quad: Array, border: int) -> NDArray[np.int64]:
    """(4,): px by which the quad with a border extends beyond the photo: left, top, right, bottom."""
    low, high = np.floor(quad.min(0)).astype(int), np.ceil(quad.max(0)).astype(int)
    return np.concatenate([np.maximum(border - low, 0), np.maximum(high - photo.size + border, 0)])


def pad_softly(photo: Image.Image, pad: NDArray[np.int64], sigma: float) -> Image.Image:
    """Mirrors the photo outwards by (left, top, right, bottom) px, blurred, fading to its median colour."""
    left, top, right, bottom = (int(v) for v in pad)
    image = np.pad(np.asarray(photo), ((top, bottom), (left, right), (0, 0)), "reflect").astype(np.float32)
    h, w = image.shape[:2]
    y, x = np.ogrid[:h, :w]
    mask_x = 1 - np.minimum(np.float32(x) / left, np.float32(w - 1 - x) / right)
    mask_y = 1 - np.minimum(np.float32(y) / top, np.float32(h - 1 - y) / bottom)
    mask = np.maximum(mask_x, mask_y)[:, :, None]
    image += (_blurred(image, sigma) - image) * np.clip(mask * 3 + 1, 0, 1)
    image += (np.median(np.rint(image).astype(np.uint8), axis=(0, 1)).astype(np.float32) - image) * np.clip(mask, 0, 1)
    return Image.fromarray(np.clip(np.rint(image), 0, 255).astype(np.uint8))


def _blurred(image: NDArray[np.float32], sigma: float) -> NDArray[Any]:
    """A Gaussian blur; a wide one is computed at a quarter of the size, which differs by less than one level of 255."""
    if sigma >= 4 * MIN_SIGMA:
        small: Any = cv2.resize(image, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
        return cv2.resize(_blurred(small, sigma / 4), image.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    side = 2 * int(4 * sigma + 0.5) + 1
    return cv2.GaussianBlur(image, (side, side), sigma, borderType=cv2.BORDER_REFLECT)


def crop_face(photo: Image.Image, quad: Array, size: int, transform_size: int | None = None) -> Image.Image:
    """The aligned face, ``size`` px, by the published FFHQ procedure; drawn at ``transform_size``, then shrunk."""
    transform_size = transform_size or size
    photo, quad = prepare_crop(photo, quad, size, transform_size)
    corners = tuple(float(v) for v in (quad + 0.5).flatten())
    shape = (transform_size, transform_size)
    face = photo.transform(shape, Image.Transform.QUAD, corners, Image.Resampling.BILINEAR)
    return face.resize((size, size), Image.Resampling.LANCZOS) if size < transform_size else face
