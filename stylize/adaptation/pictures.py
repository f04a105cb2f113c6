"""One-shot and few-shot adaptation: reference pictures to a domain vector.

As in Mind the Gap (Zhu et al. 2021) the reference has a counterpart in the source domain, and the loss has three parts:
the counterpart drawn in the domain is the reference (reconstruction), other faces change as it does (direction), and
lie around it as they lie around the counterpart (clip-within). As in HyperDomainNet (Alanov et al. 2022) only a domain
vector is trained.

In a model with ready domains, the domain starts at the best of them and is a mix of all plus a small rest, so that one
picture is enough to separate style and person; and random faces in the domain must agree with the reference in the
statistics of tones and strokes in each part of the face, as in style transfer. The counterpart stands before the
background of a random face, drawn anew in every step, so that the reference's own is taken for a part of the style.
Of the generator's tilings and screens those that the references have are used; if they have none, all are tried, and
those that do not help fade.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from stylize.adaptation.descent import (
    AdaptationProgress,
    State,
    check_training,
    choose_preset,
    descend,
    embed,
    model_kind,
    training_faces,
)
from stylize.adaptation.losses import (
    clip_within_loss,
    directional_loss,
    domain_norm,
    global_loss,
    part_statistics,
    pyramid_loss,
    statistics_loss,
)
from stylize.adaptation.patterns import found
from stylize.errors import NoFaceError, Sentence, StylizeError
from stylize.faces.align import crop_face
from stylize.faces.identity import perceptual_distance
from stylize.faces.parts import PARTS
from stylize.images import read_photo, to_tensors
from stylize.models.code import Code, cat
from stylize.models.domain import Domain
from stylize.models.generator import without_faint
from stylize.models.layers import Order
from stylize.pipeline import Stylizer
from stylize.prompts.vocabulary import SOURCE

MAX_REFERENCES = 10
MIN_REFERENCE_FACE = 64  # px: a smaller face in a reference shows too little of its style
STYLE_ROW = 7  # row of W+: the first at 64 px, where the official code starts style mixing
COMPARED = 256  # px: the largest size at which pictures are compared
RATES = {"mix": 0.05, "shares": 0.03}
ALIGNED = 0.13  # share of the side by which the frame of a face found in an aligned drawing is off at most
TRIED = 0.15  # share with which each tiling and screen begins if none is found
SCENES = 8  # backgrounds of random faces, behind all references together


@dataclass(frozen=True)
class OneShotSettings:
    """The settings of a training; ``one_shot_preset`` has named sets.

    Weights: pyramid, l2, lpips (see ``perception``), clip_ref of the reconstruction; direction, within, statistics (of
    tones and strokes in each part of the face) on random faces;
    rest on the mean square of the part that is no mix of ready domains, mix on the absolute weights of that mix.
    start: use the ready domains, except those in ``without``. style_mix: degree to which the reference's fine rows are
    used. pool: random faces; mixing, half: see AdaptSettings.
    """

    steps: int = 150
    lr: float = 0.02
    batch: int = 4
    pyramid: float = 1.0
    l2: float = 0.0
    lpips: float = 0.0
    clip_ref: float = 0.0
    direction: float = 0.0
    within: float = 0.0
    statistics: float = 1.0
    rest: float = 0.5
    mix: float = 0.01
    pool: int = 32
    mixing: float = 0.9
    patience: int = 20
    start: bool = True
    half: bool = True
    without: tuple[str, ...] = ()
    style_mix: float = 0.0
    order: Order = "pre_demod"
    seed: int = 0

    def __post_init__(self) -> None:
        check_training(self.steps, self.lr)
        if not 0 <= self.style_mix <= 1:
            raise StylizeError("The share of style mixing is {} but must be between 0 and 1.", self.style_mix)


OFFICIAL: dict[str, Any] = {
    "steps": 100, "lr": 0.01, "direction": 1.0, "within": 0.5, "clip_ref": 30.0, "l2": 10.0, "lpips": 10.0,
    "pyramid": 0.0, "statistics": 0.0, "rest": 0.0, "pool": 64, "start": False, "style_mix": 1.0,
    "order": "post_demod",
}  # fmt: skip
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "mini": {"fast": {"steps": 60}, "balanced": {}, "strong": {"steps": 300, "rest": 0.05}},
    "full": {
        "fast": OFFICIAL | {"steps": 40, "batch": 2},
        "balanced": OFFICIAL,
        "strong": OFFICIAL | {"steps": 300},
    },
}


def one_shot_preset(stylizer: Stylizer, name: str = "balanced", **numbers: Any) -> OneShotSettings:
    """The settings "fast", "balanced" or "strong" for a model, overridden by ``numbers``. Those of the full model are
    the published ones."""
    return OneShotSettings(**{**choose_preset(PRESETS[model_kind(stylizer)], name), **numbers})


def perception(
    stylizer: Stylizer,
) -> tuple[Callable[[Tensor], list[Tensor]], Callable[[list[Tensor], list[Tensor]], Tensor]]:
    """(pictures (N, 3, R, R) -> maps, two lists of maps -> perceptual distance (N,)): LPIPS if the model comes with it,
    else the same distance in the features of the model's own encoder."""
    lpips, encoder = stylizer.lpips, stylizer.encoder
    if lpips is not None:
        return lpips.maps, lpips.distance
    size = (encoder.config.resolution,) * 2
    return lambda pictures: encoder.maps(F.interpolate(pictures, size, mode="area")), perceptual_distance


def fills(quad: NDArray[np.float64], photo: Image.Image) -> bool:
    """Whether a face's frame (4, 2) is all of the photo, as exactly as faces of drawings are found."""
    whole = np.array([[0, 0], [0, photo.height], [photo.width, photo.height], [photo.width, 0]])
    return photo.width == photo.height and bool(np.abs(quad - whole).max() < ALIGNED * photo.width)


def prepare_references(stylizer: Stylizer, pictures: Sequence[Image.Image]) -> tuple[list[Image.Image], str]:
    """Aligned references, and a note about unsuitable ones; empty if there are none.

    The largest face of each is aligned; a picture without one is cropped to its middle. Raises StylizeError for no or
    too many pictures, PhotoError for an unusable one.
    """
    if not 1 <= len(pictures) <= MAX_REFERENCES:
        raise StylizeError("{} reference pictures were given; use 1 to {}.", len(pictures), MAX_REFERENCES)
    aligned, words = [], []
    for number, picture in enumerate(pictures, 1):
        photo = read_photo(picture)
        try:
            face = stylizer.finder.find(stylizer.finder.positive(photo))[0]
        except NoFaceError:
            side = min(photo.size)
            left, top = (photo.width - side) // 2, (photo.height - side) // 2
            aligned.append(photo.crop((left, top, left + side, top + side)))
            words.append(Sentence("No face was found in reference {}, so its centre was used instead.", number))
            continue
        size = max(COMPARED, stylizer.resolution)
        # A picture that is aligned stays as it is: its strokes would be blurred, and its patterns moved.
        aligned.append(photo if fills(face.quad, photo) else crop_face(photo, face.quad, size))
        width = face.box[2] - face.box[0]
        if width < MIN_REFERENCE_FACE:
            words.append(
                Sentence("The face in reference {} is only {} px wide; a larger one works better.", number, width)
            )
    return aligned, Sentence.together(words)


def ready_vectors(stylizer: Stylizer, s: OneShotSettings) -> tuple[Tensor, int]:
    """The vectors (B, domain_dim) of the ready styles, then of the ready colours, and the number of styles; none if the
    model has none of this order."""

    def vectors(folder: str) -> list[Tensor]:
        paths = [PurePath(name) for name in stylizer.domains] if s.start else []
        wanted = sorted(path for path in paths if str(path.parent) == folder and path.name not in s.without)
        domains = [stylizer.domains[path.as_posix()] for path in wanted]
        return [domain.vector for domain in domains if domain.order == s.order]

    styles, colours = vectors("."), vectors("colours")
    empty = torch.zeros(0, stylizer.generator.config.domain_dim)
    return torch.cat([empty, *(vector[None] for vector in (*styles, *colours))]), len(styles)


@torch.no_grad()
def before_scenes(stylizer: Stylizer, counterparts: Code, faces: Code) -> Code:
    """Counterparts (N,) before the backgrounds of K random faces: (N * K,). How much of a drawing's
    background is the style's cannot be seen in it. Unchanged if the model does not know the parts of a face."""
    faces = faces[: math.ceil(SCENES / len(counterparts))]
    if counterparts.parts is None or faces.parts is None:
        return counterparts
    person, scenes = (torch.cat([stylizer.draw(part) for part in code.split(8)]) for code in (counterparts, faces))
    behind, shares = (code.float()[:, PARTS.index("background"), None] for code in (counterparts.parts, faces.parts))
    tone = (scenes * shares).sum((2, 3), keepdim=True) / shares.sum((2, 3), keepdim=True).clamp(min=1.0)
    scenes = torch.lerp(tone.expand_as(scenes), scenes, shares)  # in the place of the random person, the mean
    pictures = torch.lerp(person[:, None], scenes[None], behind[:, None]).flatten(0, 1)
    side = (stylizer.encoder.config.resolution,) * 2
    codes = [stylizer.encoder(F.interpolate(part, side, mode="area")) for part in pictures.split(8)]
    return replace(cat(codes), parts=counterparts.parts.repeat_interleave(len(faces), 0))


class OneShotTask:
    """The losses of the references on a flat vector: the domain's rest, and the weights of the ready domains."""

    def __init__(self, stylizer: Stylizer, references: Sequence[Image.Image], s: OneShotSettings) -> None:
        self.generator, self.s, self.n = stylizer.generator, s, len(references)
        self.dtype = stylizer.dtype if s.half else torch.float32
        device, config = stylizer.device, stylizer.generator.config
        self.size = min(COMPARED, stylizer.resolution)
        pictures = to_tensors(references, stylizer.resolution).to(device)
        self.references = self.small(pictures)
        self.maps, self.differ = perception(stylizer)
        self.seen = self.maps(self.references) if s.lpips else []
        self.faces = training_faces(stylizer, s.pool, s.mixing, s.seed)
        counterparts = stylizer.counterparts(references)
        self.statistics = part_statistics(self.references, counterparts.parts)
        self.counterparts = before_scenes(stylizer, counterparts, self.faces)
        self.scenes = len(self.counterparts) // self.n
        ready, self.styles = ready_vectors(stylizer, s)
        self.ready = ready.to(device)
        self.patterns = found(self.generator, pictures).cpu() if self.styles else None
        self.sizes = (config.domain_dim, len(self.ready))
        self.scales = config.domain_sizes[: -1 if config.share_count else None]
        self.clips = []
        if s.direction or s.within or s.clip_ref:
            for clip in stylizer.clips:
                style = clip.encode_image(pictures)
                counterpart = embed(clip, self.generator, self.counterparts)
                self.clips.append((clip, style, counterpart, embed(clip, self.generator, self.faces)))

    def small(self, pictures: Tensor) -> Tensor:
        return F.interpolate(pictures, (self.size, self.size), mode="area")

    def domain(self, vector: Tensor) -> Tensor:
        rest, weights = vector.split(self.sizes)
        return without_faint(rest + weights @ self.ready, self.generator.config.share_count)

    @torch.no_grad()
    def begin(self) -> Tensor:
        """The initial vector: zeros, except for the ready style that draws the references best, and the tilings and
        screens that they have, or a little of each if they have none."""
        vector = torch.zeros(sum(self.sizes))
        if self.patterns is not None:
            first = self.counterparts[:: self.scenes]
            drawn = (
                self.small(self.generator.synthesis(first, domain, self.s.order, dtype=self.dtype))
                for domain in self.ready[: self.styles]
            )
            errors = [float(pyramid_loss(pictures, self.references)) for pictures in drawn]
            vector[self.sizes[0] + errors.index(min(errors))] = 1.0
            vector[self.generator.config.shares] = self.patterns if self.patterns.any() else TRIED
        return vector

    def rates(self) -> Tensor:
        rates = torch.full((sum(self.sizes),), self.s.lr)
        rates[self.sizes[0] :], rates[self.generator.config.shares] = RATES["mix"], RATES["shares"]
        return rates

    def losses(self, vector: Tensor, index: Tensor) -> dict[str, Tensor]:
        """Weighted losses with the random faces ``index`` (batch,) and as many of the references as fit a batch."""
        s, (rest, weights) = self.s, vector.split(self.sizes)
        domain, shown = self.domain(vector), index.remainder(self.n).unique()
        counterparts = self.counterparts[shown * self.scenes + index[0] % self.scenes]
        drawn = self.generator.synthesis(counterparts, domain, s.order, dtype=self.dtype)
        small, wanted = self.small(drawn), self.references[shown]
        terms = {
            "pyramid": s.pyramid * pyramid_loss(small, wanted),
            "l2": s.l2 * F.mse_loss(small, wanted),
            "rest": s.rest * domain_norm(rest[: sum(self.scales)], self.scales) / len(self.generator.convs),
        }
        if len(self.ready):
            terms["mix"] = s.mix * weights.abs().sum()
        if s.lpips:
            terms["lpips"] = s.lpips * self.differ(self.maps(small), [m[shown] for m in self.seen]).mean()
        moved = None
        if s.direction or s.within or s.statistics:
            moved = self.generator.synthesis(self.faces[index], domain, s.order, dtype=self.dtype)
        if moved is not None and s.statistics:
            parts = None if self.faces.parts is None else self.faces.parts[index]
            terms["statistics"] = s.statistics * statistics_loss(self.small(moved), parts, self.statistics)
        for clip, style, counterpart, before in self.clips:
            terms["clip_ref"] = terms.get("clip_ref", 0) + s.clip_ref * global_loss(
                clip.encode_image(drawn), style[shown]
            )
            if moved is not None:
                after, here, there = clip.encode_image(moved), counterpart.mean(0), style.mean(0)
                direction = s.direction * directional_loss(after, before[index], there - here)
                within = s.within * clip_within_loss(after, before[index], there, here)
                terms["direction"] = terms.get("direction", 0) + direction
                terms["within"] = terms.get("within", 0) + within
        return {name: term for name, term in terms.items() if getattr(s, name)}


def adapt_image(
    stylizer: Stylizer,
    pictures: Sequence[Image.Image],
    settings: OneShotSettings | None = None,
    state: State | None = None,
    name: str = "reference",
) -> Iterator[AdaptationProgress]:
    """Trains a domain for 1 to 10 reference pictures of any kind, yielding after every step; the last report has the
    result. The note of the first report names unsuitable references.

    state: resume a training of the same pictures and settings. Raises StylizeError and PhotoError for unusable
    pictures.
    """
    s = settings or one_shot_preset(stylizer)
    config = stylizer.generator.config
    references, words = prepare_references(stylizer, pictures)
    task = OneShotTask(stylizer, references, s)
    loop = descend(
        task.losses,
        State.begin(task.begin(), s.seed) if state is None else state.checked(sum(task.sizes)),
        steps=s.steps,
        batch=s.batch,
        pool=max(s.pool, s.batch),
        lr=task.rates(),
        patience=s.patience,
        device=stylizer.device,
    )
    for now, values, note in loop:
        vector = now.vector.to(stylizer.device)
        with torch.no_grad():
            rows = task.counterparts.ws.mean(0)[STYLE_ROW:]
            domain = Domain(
                vector=task.domain(vector),
                sizes=tuple(config.domain_sizes),
                order=s.order,
                generator=stylizer.fingerprint,
                name=name,
                target=name,
                source=SOURCE,
                method="one-shot" if len(references) == 1 else "few-shot",
                seed=s.seed,
                settings=asdict(s) | {"references": len(references)},
                style=rows if len(rows) else None,
                style_share=s.style_mix,
            )
        yield AdaptationProgress(now.step, s.steps, values, domain, now, Sentence.together([words, note]))
        words = ""
