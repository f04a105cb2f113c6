"""Generator and encoder: from a photo to encoded faces, to pictures and back into the photo."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from stylize.errors import CheckpointError, StylizeError
from stylize.faces.align import Array, DetectedFace, FaceFinder, crop_face
from stylize.faces.cover import Cover, cover, hidden_shares, uncovered
from stylize.faces.detail import FINER, keep_colours, sharpened, transfer_detail
from stylize.faces.parts import PARTS, FaceParts
from stylize.faces.paste import head_mask, paste_face
from stylize.images import to_image, to_tensor, to_tensors
from stylize.loading import Lazy, pick_device, value_of
from stylize.look import Look
from stylize.models.code import Code, cat
from stylize.models.domain import Domain
from stylize.models.e4e import E4e
from stylize.models.generator import Generator, fast_dtype
from stylize.models.mini_encoder import Encoder
from stylize.models.sfe import Sfe

CROP_SIZES = (256, 1024)  # px: smallest and largest aligned crop that is drawn
ENCODE_BATCH = 4


@dataclass(frozen=True)
class Face:
    """An encoded face of a photo: all that rendering needs. ``source``, (1, 3, R, R) in [-1, 1], is the generator's
    picture of its ``code``. Both are kept on the CPU, so open photos use no GPU memory. ``others``: landmarks of the
    photo's other faces in unit coordinates of this face's frame. ``cover``: what hides a part of it."""

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
        """The face's W+ (1, num_ws, w_dim)."""
        return self.code.ws

    @cached_property
    def head(self) -> NDArray[np.float32]:
        """The mask of the head in the crop, see ``head_mask``."""
        return head_mask(self.crop, self.detected.points, self.others)

    @property
    def reconstruction(self) -> Image.Image:
        """The model's reconstruction, R x R px."""
        return to_image(self.source)


class FaceModel:
    """Encodes faces once and draws them many times; keeps no state between calls.

    Without an encoder (see ``models.encoders``) it can only sample. ``directions``: directions of W by name, for
    ``edit``. ``fingerprint`` identifies the generator; ``default_detail`` is the detail that looks best with it;
    ``dtype`` is that of the convolutions when drawing. Raises CheckpointError for a generator with unknown parts.
    """

    def __init__(
        self,
        generator: Generator,
        encoder: nn.Module | None = None,
        *,
        directions: Mapping[str, Tensor] | Lazy[Mapping[str, Tensor]] | None = None,
        name: str = "own",
        device: str | None = None,
    ) -> None:
        self.name, self.device = name, pick_device(device)
        self.fingerprint = generator.fingerprint()
        if (count := generator.config.parts) not in (0, len(PARTS)):
            raise CheckpointError("The generator knows {} parts of a face, not {}; use another.", count, len(PARTS))
        self.generator = generator.eval().requires_grad_(False).to(self.device)
        self.dtype = fast_dtype(self.device)
        if encoder is not None:
            encoder = encoder.eval().requires_grad_(False).to(self.device)
        if isinstance(encoder, Encoder):  # a large one stays memory-mapped: changing its memory format would copy it
            encoder = encoder.to(memory_format=torch.channels_last)
        elif isinstance(encoder, Sfe):
            encoder.dtype = self.dtype
        self._encoder, self._directions = encoder, directions
        self.finder = FaceFinder()
        # A small picture needs the photo's own detail; a large one has enough of its own.
        self.default_detail = 1.0 if self.resolution < 256 else FINER if self.resolution < 1024 else 0.0

    @property
    def encoder(self) -> Any:
        """The encoder: pictures (N, 3, R, R) in [-1, 1] -> codes, see ``models.encoders``. Raises StylizeError if there
        is none."""
        if self._encoder is None:
            raise StylizeError(
                "The {} model has no encoder, so it cannot read photos; draw random samples, or use another model.",
                self.name,
            )
        return self._encoder

    @property
    def has_encoder(self) -> bool:
        """Whether the model reads photos; without an encoder it only samples."""
        return self._encoder is not None

    @property
    def encoder_title(self) -> str:
        """The encoder's name for users; "" without one."""
        encoder: Any = self._encoder
        return "" if encoder is None else getattr(encoder, "title", type(encoder).__name__)

    @property
    def compares(self) -> bool:
        """Whether it has two encoders whose ``views`` of a photo can be compared."""
        return isinstance(self._encoder, Sfe) and self._encoder.e4e is not None

    def views(self, face: Face) -> dict[str, Image.Image]:
        """Each encoder's reconstruction of a photo's face, by its title; the one in use comes last. Empty if there is
        only one encoder, or the face is not from a photo."""
        if face.code.inversion is None:
            return {}
        plain = self.draw(face.code.alone.to(self.device))
        return {E4e.title: to_image(plain), self.encoder_title: face.reconstruction}

    @property
    def resolution(self) -> int:
        return self.generator.config.resolution

    # Photo -> faces -> picture -> photo

    @torch.no_grad()
    def encode(self, pictures: Sequence[Image.Image] | Tensor, points: Sequence[Array] | None = None) -> Code:
        """Codes of aligned pictures, of any size or as (N, 3, R, R) in [-1, 1] at the encoder's resolution.

        They have parts if the generator has scales for them. points: the landmarks (68, 2) in unit coordinates; those
        that are needed and not given are looked for.
        """
        if not isinstance(pictures, Tensor):
            pictures = to_tensors(pictures, self.encoder.config.resolution)
        codes = [self.encoder(part.to(self.device)) for part in pictures.split(ENCODE_BATCH)]
        code = cat([code if isinstance(code, Code) else Code(code) for code in codes])
        if not self.generator.config.parts or code.inversion is not None:
            return code
        known: Sequence[Array | None] = [None] * len(code) if points is None else points
        parts = [self._parts(*one) for one in zip(pictures.split(1), known, strict=True)]
        return replace(code, parts=torch.stack(parts).to(self.device))

    def _parts(self, picture: Tensor, points: Array | None) -> Tensor:
        """The shares (4, R, R) of the parts of an aligned picture (1, 3, S, S), in half precision to save memory."""
        aligned = to_image(picture).resize((self.resolution,) * 2, Image.Resampling.LANCZOS)
        points = self.finder.aligned(aligned) if points is None else points
        return torch.from_numpy(FaceParts(np.asarray(aligned), points * self.resolution).shares).half()

    @torch.no_grad()
    def as_photos(self, ws: Tensor) -> Code:
        """Codes of random faces, from their W+ (N, num_ws, w_dim), as if photographed: if the encoder makes a feature
        map, it is that of the face drawn from W+ alone. Except for StyleFeatureEditor, whose generator was trained
        without such maps."""
        if not (self.generator.config.inject and self.has_encoder) or isinstance(self.encoder, Sfe):
            return Code(ws)
        size = (self.encoder.config.resolution,) * 2
        return cat([self.encode(F.interpolate(self.draw(part), size, mode="area")) for part in ws.split(ENCODE_BATCH)])

    @torch.no_grad()
    def counterparts(self, pictures: Sequence[Image.Image]) -> Code:
        """Codes of the photos of which aligned pictures in any style, drawings or negatives, may have been made.

        If the encoder cannot take the style away, W+ has to do: it holds less of the style than features would.
        """
        if getattr(self.encoder, "destyle", None) is None:
            return self.as_photos(self.encode(pictures).alone)
        side = self.encoder.config.resolution
        styled = to_tensors([self.finder.positive(picture) for picture in pictures], side).to(self.device)
        soft = self.draw(self.encoder.destyled(styled, self.encoder.destyle))
        photos = sharpened(soft, self.draw(self.sample_ws(8)))
        # Encoded anew: a photo's features answer to domains as they should, and the parts of a face are found in it.
        return self.encode(F.interpolate(photos, (side, side), mode="area"))

    @torch.no_grad()
    def draw(
        self, code: Code | Tensor, domain: Domain | None = None, strength: float = 1.0, style_mix: float = 1.0
    ) -> Tensor:
        """Draws codes, or W+ (N, num_ws, w_dim): pictures (N, 3, R, R), clamped to [-1, 1]; domain None is the source.
        W+ alone lacks the parts of the face, of which domains may need to know: see ``as_photos``.

        style_mix: how far a one-shot domain's style rows replace the face's own, 0 to 1.
        """
        if domain is None:
            return self.generator.synthesis(code, dtype=self.dtype).clamp(-1, 1)
        domain.check(self.fingerprint, self.generator.config)
        vector = domain.vector.to(self.device) * strength
        code = code if isinstance(code, Code) else Code(code)
        share = style_mix * min(max(strength, 0.0), 1.0)
        code = code.moved(lambda ws: domain.mixed_in(ws, share))
        return self.generator.synthesis(code, vector, domain.order, dtype=self.dtype).clamp(-1, 1)

    def find(self, photo: Image.Image) -> tuple[list[DetectedFace], list[DetectedFace]]:
        """The usable faces of an upright RGB photo, and those too small, both largest first. Raises NoFaceError, or
        StylizeError if the model has no encoder."""
        _ = self.encoder  # raises before any work if there is no encoder
        return self.finder.search(photo)

    def faces(self, photo: Image.Image, found: Sequence[DetectedFace] | None = None) -> list[Face]:
        """Encodes the given faces of an upright RGB photo, by default all that ``find`` finds; raises as ``find``
        does."""
        found = self.find(photo)[0] if found is None else found
        low, high = CROP_SIZES
        sides = [float(np.linalg.norm(face.quad[3] - face.quad[0])) for face in found]
        crops = [
            crop_face(photo, face.quad, min(high, max(low, math.ceil(side))))
            for face, side in zip(found, sides, strict=True)
        ]
        codes = self.encode(crops, [face.points for face in found])
        return [
            Face(
                face,
                crop,
                code,
                self.draw(code),
                face.beside(found),
                cover(self.hidden([crop], code, [face.points])[0], face.points, self.resolution),
            )
            for face, crop, code in zip(found, crops, codes, strict=True)
        ]

    @torch.no_grad()
    def hidden(self, crops: Sequence[Image.Image], code: Code, points: Sequence[Array]) -> NDArray[np.float32]:
        """The hidden share of mouth and eyes of aligned faces, (N, 2) in [0, 1], given landmarks in unit coordinates;
        zeros if the code is W+ alone."""
        if code.features is None:
            return np.zeros((len(crops), 2), np.float32)
        plain = self.draw(code.ws)
        size = (plain.shape[-1],) * 2
        photos = [to_tensor(crop.resize(size, Image.Resampling.LANCZOS)) for crop in crops]
        return np.stack([hidden_shares(*one) for one in zip(photos, plain.cpu().split(1), points, strict=True)])

    @torch.no_grad()
    def render(
        self, face: Face, domain: Domain | Look | None, strength: float = 1.0, detail: float | None = None
    ) -> Image.Image:
        """The stylised aligned face at the size of ``face.crop``, in a ``Look``, or in a domain with a strength and a
        detail as described there."""
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
        """The photo with each picture pasted over its face, through a soft mask of the head; with ``background`` the
        style also covers what is behind the head."""
        for face, picture in zip(faces, pictures, strict=True):
            photo = paste_face(photo, picture, face.detected.quad, None if background else face.head)
        return photo

    def sample(self, n: int, seed: int = 0, domain: Domain | None = None, psi: float = 0.7) -> list[Image.Image]:
        """``n`` random faces, truncated towards the mean by ``psi``; deterministic in the seed."""
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
        """Directions of W by name, each (w_dim,). Raises CheckpointError if a shape is wrong."""
        directions = {name: way.to(self.device) for name, way in (value_of(self._directions) or {}).items()}
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
        """Codes with W+ moved along each direction by its amount (Shen et al. 2020, "InterFaceGAN", eq. 3). Raises
        StylizeError for an unknown name."""
        way = torch.zeros(self.generator.config.w_dim, device=code.device)
        for name, amount in amounts.items():
            if name not in self.directions:
                known = ", ".join(self.edits()) or "none"
                raise StylizeError("The {} model has no edit {!r}; it has: {}.", self.name, name, known)
            way += amount * self.directions[name]
        return code.moved(lambda ws: ws + way) if amounts else code
