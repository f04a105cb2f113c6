"""From a photo to stylised faces and back: encode once, draw many times. Keeps no state between calls."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from stylize.errors import CheckpointError, DomainError, PromptError, Sentence, StylizeError
from stylize.faces.align import DetectedFace, FaceFinder, crop_face, head_mask, paste_face
from stylize.faces.cover import Cover, covered, uncovered
from stylize.faces.detail import FINER, keep_colours, transfer_detail
from stylize.images import to_image, to_tensor
from stylize.loading import Later, ModelFolder, now, pick_device
from stylize.look import Look
from stylize.models.code import Code, cat
from stylize.models.domain import Domain, mix
from stylize.models.e4e import E4e
from stylize.models.generator import Generator, fast_dtype
from stylize.models.hypernet import HyperNet
from stylize.models.lpips import Lpips
from stylize.models.mini_encoder import Encoder
from stylize.models.sfe import Sfe
from stylize.models.text_image import TextImageModel
from stylize.prompts.parse import Prompt, parse

CROP_SIZES = (256, 1024)  # px: smallest and largest aligned crop that is drawn
LONGEST_PROMPT = 300
ENCODE_BATCH = 4
ALIKE = 25.0  # of cosines: how sharply a softmax chooses the styles that are most alike


@dataclass(frozen=True)
class Face:
    """A face of a photo, encoded: all that rendering needs. ``source`` is what the generator makes of its ``code``,
    (1, 3, R, R) in [-1, 1]. Both are kept on the CPU, so open photos use no GPU memory. ``others`` are landmarks of the
    photo's other faces in unit coordinates of this one's frame. ``cover``: what hides a part of it."""

    detected: DetectedFace
    crop: Image.Image
    code: Code
    source: Tensor
    others: Sequence[NDArray[np.float64]] = ()
    cover: Cover | None = None

    def __post_init__(self) -> None:
        for name in ("code", "source"):
            object.__setattr__(self, name, getattr(self, name).detach().to("cpu"))

    @property
    def ws(self) -> Tensor:
        """Its W+ (1, num_ws, w_dim)."""
        return self.code.ws

    @cached_property
    def head(self) -> NDArray[np.float32]:
        """Where the head is in the crop, see ``head_mask``."""
        return head_mask(self.crop, self.detected.points, self.others)

    @property
    def reconstruction(self) -> Image.Image:
        """What the model understood, R x R px."""
        return to_image(self.source)


class Stylizer:
    """The model behind one interface. Its parts are handed in, or read from a folder by ``load``.

    Only the generator must be there: without an encoder (see ``models.encoders``) the model only samples, without
    text-image models (``clips``, the first of which reads descriptions) and a hypernetwork it only knows its ready
    ``domains``, which are found by name, colours as "colours/red". ``directions`` of W by name are what ``edit`` knows.
    ``english``: whether ``clips`` read any English; None asks them. ``folder``: where the parts were read from, if
    anywhere. ``device``: the best one there is, where none is named.

    ``fingerprint`` names the generator; ``default_detail`` is the detail amount that looks best with it; ``dtype`` is
    that of the convolutions when pictures are drawn.
    """

    def __init__(
        self,
        generator: Generator,
        encoder: nn.Module | None = None,
        *,
        clips: Sequence[TextImageModel] | Later[Sequence[TextImageModel]] | None = None,
        english: bool | Later[bool] | None = None,
        hypernet: HyperNet | Later[HyperNet] | None = None,
        domains: Mapping[str, Domain] | None = None,
        directions: Mapping[str, Tensor] | Later[Mapping[str, Tensor]] | None = None,
        lpips: Lpips | Later[Lpips | None] | None = None,
        name: str = "own",
        folder: Path | None = None,
        device: str | None = None,
    ) -> None:
        self.name, self.device = name, pick_device(device)
        self.fingerprint = generator.fingerprint()
        self.generator = generator.eval().requires_grad_(False).to(self.device)
        self.dtype = fast_dtype(self.device)
        if encoder is not None:
            encoder = encoder.eval().requires_grad_(False).to(self.device)
        if isinstance(encoder, Encoder):  # a large one stays mapped from its file: laying it out anew would copy it
            encoder = encoder.to(memory_format=torch.channels_last)
        elif isinstance(encoder, Sfe):
            encoder.dtype = self.dtype
        self._encoder, self._clips, self._english, self._hypernet = encoder, clips, english, hypernet
        self.domains: Mapping[str, Domain] = {} if domains is None else domains
        self._directions, self._lpips, self._folder = directions, lpips, folder
        self.finder = FaceFinder()
        # A small picture needs the photo's own detail; a large one has the detail of its domain.
        self.default_detail = 1.0 if self.resolution < 256 else FINER if self.resolution < 1024 else 0.0

    @classmethod
    def load(cls, model: str | None = None, device: str | None = None) -> Stylizer:
        """``model``: "mini", "full", or a folder that holds generator.safetensors and, where photos are to be read,
        encoder.safetensors, and beside that encoder_sfe.safetensors, which is then used; None is ``default_model``.
        Raises CheckpointError."""
        folder = ModelFolder.find(model)
        generator = folder.generator()
        return cls(
            generator,
            folder.encoder(generator),
            clips=folder.clips(),
            english=folder.english(),
            hypernet=folder.hypernet(),
            domains=folder.domains(),
            directions=folder.directions(),
            lpips=folder.lpips(),
            name=folder.name,
            folder=folder.path,
            device=device,
        )

    @property
    def folder(self) -> Path:
        """Where the model lies. Raises StylizeError for one whose parts were handed in."""
        if self._folder is None:
            raise StylizeError("The {} model lies in no folder; load one from a folder.", self.name)
        return self._folder

    @property
    def encoder(self) -> Any:
        """Pictures (N, 3, R, R) in [-1, 1] -> codes, see ``models.encoders``. Raises StylizeError without one."""
        if self._encoder is None:
            raise StylizeError(
                "The {} model has no encoder, so it cannot read photos; draw random samples, or use another.", self.name
            )
        return self._encoder

    @property
    def has_encoder(self) -> bool:
        """Whether the model reads photos; without an encoder it only samples."""
        return self._encoder is not None

    @property
    def encoder_title(self) -> str:
        """What to call the encoder; "" without one."""
        encoder: Any = self._encoder
        return "" if encoder is None else getattr(encoder, "title", type(encoder).__name__)

    @property
    def compares(self) -> bool:
        """Whether it has two encoders, whose ``views`` of a photo may be compared."""
        return isinstance(self._encoder, Sfe) and self._encoder.e4e is not None

    def views(self, face: Face) -> dict[str, Image.Image]:
        """What each encoder understood of a photo's face, by its title; the one in use last. Empty where it has one
        encoder, or the face is of no photo."""
        if face.code.inversion is None:
            return {}
        plain = self.draw(face.code.alone.to(self.device))
        return {E4e.title: to_image(plain), self.encoder_title: face.reconstruction}

    @cached_property
    def clips(self) -> list[TextImageModel]:
        """The text-image models, read when they are first needed: the full model has ViT-B/32 and ViT-B/16."""
        if not self._clips:
            raise CheckpointError(
                "The {} model has no clip.safetensors, which understands descriptions; "
                "python -m stylize download full fetches that of the full model.",
                self.name,
            )
        return [clip.eval().requires_grad_(False).to(self.device) for clip in now(self._clips)]

    @property
    def clip(self) -> TextImageModel:
        """The first of ``clips``."""
        return self.clips[0]

    @property
    def lpips(self) -> Lpips | None:
        """How different two pictures look, where the model brings its weights."""
        lpips = now(self._lpips)
        return None if lpips is None else lpips.to(self.device)

    @property
    def resolution(self) -> int:
        return self.generator.config.resolution

    # Photo -> faces -> picture -> photo

    @torch.no_grad()
    def encode(self, pictures: Sequence[Image.Image] | Tensor) -> Code:
        """Aligned pictures of any size, or (N, 3, R, R) in [-1, 1] of the encoder's own, to their codes."""
        size = (self.encoder.config.resolution,) * 2
        if not isinstance(pictures, Tensor):
            pictures = torch.cat([to_tensor(p.resize(size, Image.Resampling.LANCZOS)) for p in pictures])
        codes = [self.encoder(part.to(self.device)) for part in pictures.split(ENCODE_BATCH)]
        return cat([code if isinstance(code, Code) else Code(code) for code in codes])

    @torch.no_grad()
    def as_photos(self, ws: Tensor) -> Code:
        """The codes that photos of random faces have, from their W+ (N, num_ws, w_dim): where the encoder gives a map
        of features, that of the face drawn through W+ alone. Not of StyleFeatureEditor, whose generator was trained
        without such maps and draws those faces as they are."""
        if not (self.generator.config.inject and self.has_encoder) or isinstance(self.encoder, Sfe):
            return Code(ws)
        size = (self.encoder.config.resolution,) * 2
        return cat([self.encode(F.interpolate(self.draw(part), size, mode="area")) for part in ws.split(ENCODE_BATCH)])

    @torch.no_grad()
    def draw(
        self, code: Code | Tensor, domain: Domain | None = None, strength: float = 1.0, style_mix: float = 1.0
    ) -> Tensor:
        """Codes, or W+ (N, num_ws, w_dim), -> pictures (N, 3, R, R), clamped to [-1, 1]; domain None is the source.

        style_mix: how much of the style rows that a one-shot domain carries replaces the face's own, 0 to 1."""
        if domain is None:
            return self.generator.synthesis(code, dtype=self.dtype).clamp(-1, 1)
        domain.check(self.fingerprint, self.generator.config)
        vector = domain.vector.to(self.device) * strength
        code = code if isinstance(code, Code) else Code(code)
        share = style_mix * min(max(strength, 0.0), 1.0)
        code = code.moved(lambda ws: domain.mixed_in(ws, share))
        return self.generator.synthesis(code, vector, domain.order, dtype=self.dtype).clamp(-1, 1)

    def find(self, photo: Image.Image) -> tuple[list[DetectedFace], list[DetectedFace]]:
        """The faces of an upright RGB photo, and those too small to be used, both largest first. Raises NoFaceError, or
        StylizeError when the model has no encoder."""
        _ = self.encoder  # a model without one says so before any work
        return self.finder.search(photo)

    def faces(self, photo: Image.Image, found: Sequence[DetectedFace] | None = None) -> list[Face]:
        """Encodes those faces of an upright RGB photo; where none are given, all that ``find`` finds, and raises what
        it raises."""
        found = self.find(photo)[0] if found is None else found
        low, high = CROP_SIZES
        sides = [float(np.linalg.norm(face.quad[3] - face.quad[0])) for face in found]
        crops = [
            crop_face(photo, face.quad, min(high, max(low, math.ceil(side))))
            for face, side in zip(found, sides, strict=True)
        ]
        codes = self.encode(crops)
        return [
            Face(face, crop, code, self.draw(code), face.beside(found), self.cover(crop, code, face))
            for face, crop, code in zip(found, crops, codes, strict=True)
        ]

    def cover(self, crop: Image.Image, code: Code, face: DetectedFace) -> Cover | None:
        """What hides a part of an aligned face; None where nothing does, or W+ is all that the code has."""
        if code.features is None:
            return None
        plain = self.draw(code.ws)
        small = crop.resize((plain.shape[-1],) * 2, Image.Resampling.LANCZOS)
        return covered(to_tensor(small), plain, face.points)

    @torch.no_grad()
    def render(
        self, face: Face, domain: Domain | Look | None, strength: float = 1.0, detail: float | None = None
    ) -> Image.Image:
        """The stylised aligned face at the size of ``face.crop``: in a whole ``Look``, or in a domain with a strength
        and a detail as they are described there."""
        look = domain if isinstance(domain, Look) else Look(domain, strength, detail)
        detail = self.default_detail if look.detail is None else look.detail
        code, source = self.edit(face.code.to(self.device), look.edits), face.source.to(self.device)
        plain = look.domain is None and not look.edits
        target = source if plain else self.draw(code, look.domain, look.strength, look.style_mix)
        if face.cover is not None and not plain:
            target = uncovered(source, target, face.cover)
        picture = to_image(transfer_detail(to_tensor(face.crop).to(self.device), source, target, detail))
        return keep_colours(picture, face.crop) if look.keep_colours else picture

    def paste(
        self, photo: Image.Image, faces: Sequence[Face], pictures: Sequence[Image.Image], background: bool = False
    ) -> Image.Image:
        """The photo with each picture in the place of its face, behind a soft mask of the head; with ``background``
        the style reaches what is behind the head too."""
        for face, picture in zip(faces, pictures, strict=True):
            photo = paste_face(photo, picture, face.detected.quad, None if background else face.head)
        return photo

    def sample(self, n: int, seed: int = 0, domain: Domain | None = None, psi: float = 0.7) -> list[Image.Image]:
        """``n`` random faces, truncated towards the mean by ``psi``; the same seed gives the same faces."""
        ws = self.sample_ws(n, seed, psi)
        return [to_image(picture) for picture in self.draw(ws if domain is None else self.as_photos(ws), domain)]

    @torch.no_grad()
    def sample_ws(self, n: int, seed: int = 0, psi: float = 0.7) -> Tensor:
        """W+ (n, num_ws, w_dim) of random faces."""
        z = torch.randn(n, self.generator.config.z_dim, generator=torch.Generator().manual_seed(seed))
        return self.generator.map(z.to(self.device), psi)

    # Edits of W+

    @cached_property
    def directions(self) -> dict[str, Tensor]:
        """Directions of W by name, each (w_dim,). Raises CheckpointError for one of another shape."""
        directions = {name: way.to(self.device) for name, way in (now(self._directions) or {}).items()}
        w_dim = self.generator.config.w_dim
        for name, direction in directions.items():
            if direction.shape != (w_dim,):
                shape = tuple(direction.shape)
                raise CheckpointError("The direction {!r} has the shape {} instead of ({},).", name, shape, w_dim)
        return directions

    def edits(self) -> list[str]:
        """Names that ``edit`` takes, such as age and smile."""
        return sorted(self.directions)

    def edit(self, code: Code, amounts: Mapping[str, float]) -> Code:
        """Codes whose W+ is moved by each amount along its direction (Shen et al. 2020, "InterFaceGAN", eq. 3). Raises
        StylizeError for a name that the model does not know."""
        way = torch.zeros(self.generator.config.w_dim, device=code.device)
        for name, amount in amounts.items():
            if name not in self.directions:
                known = ", ".join(self.edits()) or "none"
                raise StylizeError("The {} model has no edit {!r}; it has: {}.", self.name, name, known)
            way += amount * self.directions[name]
        return code.moved(lambda ws: ws + way) if amounts else code

    # Words -> domain

    def ready(self) -> list[str]:
        """Names of the domains that ship with the model."""
        return sorted(name for name in self.domains if "/" not in name)

    def preview(self, name: str) -> Path | Image.Image:
        """The little picture of a ready domain: its file, else a random face in it."""
        path = self._folder / "domains" / "previews" / f"{name}.webp" if self._folder else None
        return path if path and path.is_file() else self.sample(1, domain=self.domains[name])[0]

    def domain(self, text: str) -> Domain:
        """A domain at once: a file by its path, a ready one by its name or a synonym of it, with a colour added where
        the text names one ("red mosaic"), or what the hypernetwork makes of any other description.

        Raises DomainError when the model has none and no hypernetwork (then the description can be adapted to),
        PromptError when the text is empty, too long or not understood.
        """
        text = text.strip()
        if text.endswith(".safetensors"):
            domain = Domain.load(text)
            domain.check(self.fingerprint, self.generator.config)
            return domain
        if text.lower() in self.ready():
            return self.ready_domain(text.lower())
        prompt = self.prompt(text)
        try:
            if self.reads_english and not prompt.whole:
                raise DomainError(_not_ready(prompt.text, self.ready()))
            domain, notes = self.blended(prompt), prompt.notes
        except DomainError:
            if not self.has_hypernet:
                raise
            domain, notes = self.instant(prompt), self.clip.notes(prompt)
        told = {"notes": notes, "nearest": list(prompt.nearest)}
        return replace(domain, settings=domain.settings | told) if notes else domain

    def prompt(self, text: str) -> Prompt:
        """A description, read once for all that follows. Raises PromptError where the model cannot follow it."""
        prompt = parse(check_prompt(text))
        if self.reads_english:
            self.clip.read(prompt)
        else:
            prompt.check(self.name)
        return prompt

    @cached_property
    def reads_english(self) -> bool:
        """Whether its text-image model reads any English, instead of the project's own vocabulary."""
        if not self._clips:
            return False
        english = now(self._english)
        return self.clip.vocabulary == "english" if english is None else english

    def blended(self, prompt: Prompt) -> Domain:
        """The mix of ready domains that a description means: its styles turning, which keeps them strong, and its
        colours on top. Raises DomainError where one of them is not ready."""
        try:
            styles = [(weight, self.ready_domain(name)) for name, weight in prompt.styles.items()]
            parts = [(weight, self.ready_domain(name)) for name, weight in prompt.colours.items()]
        except DomainError:
            raise DomainError(_not_ready(prompt.text, self.ready())) from None
        if len(styles) > 1:
            styles = [(1.0, mix(styles, spherical=True))]
        parts = styles + parts
        if not parts:
            raise DomainError(_not_ready(prompt.text, self.ready()))
        if len(parts) == 1 and parts[0][0] == 1 and prompt.named and parts[0][1].method != "mix":
            return parts[0][1]
        return replace(mix(parts), name=prompt.text)

    def instant(self, prompt: str | Prompt | Image.Image, name: str = "picture") -> Domain:
        """What the hypernetwork makes of a description, or of a picture, called ``name``, where it has learnt from
        pictures: of a small model it takes the tones and colours.

        Raises CheckpointError when the model has no hypernetwork, PromptError for a text that is not understood.
        """
        if not isinstance(prompt, Image.Image):
            text = self.clip.read(self.prompt(prompt) if isinstance(prompt, str) else prompt)
            return self.hypernet.domain(self.clip.describe(text), text)
        with torch.no_grad():
            seen = self.clip.encode_image(to_tensor(prompt).to(self.device))[0]
        if self.clip.vocabulary != "english" and self.ready():
            # To a small model many a painting is a photo: it goes halfway to the styles that are most alike.
            alike = torch.softmax(ALIKE * self.styles_in_words @ seen, 0) @ self.styles_in_words
            seen = F.normalize(seen + F.normalize(alike, dim=0), dim=0)
        return self.hypernet.domain(seen, name)

    @cached_property
    def styles_in_words(self) -> Tensor:
        """(ready styles, D): the embeddings of their names, of length 1."""
        return F.normalize(torch.stack([self.clip.describe(name) for name in self.ready()]), dim=1)

    @property
    def has_hypernet(self) -> bool:
        return self._hypernet is not None

    @cached_property
    def hypernet(self) -> HyperNet:
        """Read when it is first needed. Raises CheckpointError when there is none or it belongs to another model."""
        net = now(self._hypernet)
        if net is None:
            raise CheckpointError(
                "The {} model has no hypernetwork; use a ready domain, or adapt to the description.", self.name
            )
        own = (self.fingerprint, tuple(self.generator.config.domain_sizes))
        if (net.generator or own[0], net.config.sizes) != own:
            maker = f"the generator {net.generator}" if net.generator else "another generator"
            raise CheckpointError(
                "The hypernetwork was made for {}, not for {}; train it anew or use its own.", maker, self.fingerprint
            )
        if net.config.embedding != (width := int(self.clip.settings["embed_dim"])):
            raise CheckpointError(
                "The hypernetwork reads {} numbers of a description, but this text-image model "
                "gives {}; use the one it was trained with.",
                net.config.embedding,
                width,
            )
        return net.eval().requires_grad_(False).to(self.device)

    def ready_domain(self, name: str) -> Domain:
        """The style or colour of that name that ships with the model. Raises DomainError when there is none."""
        for own in (name, f"colours/{name}"):
            if own in self.domains:
                return self.domains[own]
        raise DomainError(_not_ready(name, self.ready()))


def _not_ready(text: str, ready: Sequence[str]) -> str:
    return Sentence("There is no ready domain for {!r}; adapt to it, or use one of: {}.", text, ", ".join(ready))


def check_prompt(text: str) -> str:
    """The text without surplus spaces. Raises PromptError when it is empty, has no words or is too long."""
    text = " ".join(text.encode(errors="replace").decode().split())  # half a character is none
    if not text:
        raise PromptError("The description is empty; say what the face should become, such as 'pencil sketch'.")
    if len(text) > LONGEST_PROMPT:
        raise PromptError("The description has {} characters; use at most {}.", len(text), LONGEST_PROMPT)
    if not any(letter.isalnum() for letter in text):
        raise PromptError("The description {!r} has no words; say it in words, such as 'pencil sketch'.", text)
    return text
