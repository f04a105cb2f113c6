"""One interface to the model: from a photo to stylised faces and back, in domains named by words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from stylize.errors import CheckpointError, DomainError, PromptError, StylizeError
from stylize.face_model import Face, FaceModel
from stylize.images import to_tensor
from stylize.loading import Lazy, ModelFolder, value_of
from stylize.models.domain import Domain, mix
from stylize.models.generator import Generator
from stylize.models.hypernet import HyperNet
from stylize.models.lpips import Lpips
from stylize.models.text_image import TextImageModel
from stylize.prompts.parse import Prompt, parse

__all__ = ["Face", "Stylizer"]

LONGEST_PROMPT = 300
SOFTMAX_SCALE = 25.0  # of cosines, before the softmax over styles


class Stylizer(FaceModel):
    """A ``FaceModel`` that finds domains by words. Its parts are passed in, or read from a folder by ``load``.

    Only the generator is required. Without text-image models (``clips``, the first of which reads descriptions) and a
    hypernetwork it only knows its ready ``domains``, found by name, with colours as "colours/red". ``english``: whether
    ``clips`` understand any English; None asks them. ``folder``: where the parts were read from, if anywhere.
    ``device``: None is the best one available.
    """

    def __init__(
        self,
        generator: Generator,
        encoder: nn.Module | None = None,
        *,
        clips: Sequence[TextImageModel] | Lazy[Sequence[TextImageModel]] | None = None,
        english: bool | Lazy[bool] | None = None,
        hypernet: HyperNet | Lazy[HyperNet] | None = None,
        domains: Mapping[str, Domain] | None = None,
        directions: Mapping[str, Tensor] | Lazy[Mapping[str, Tensor]] | None = None,
        lpips: Lpips | Lazy[Lpips | None] | None = None,
        name: str = "own",
        folder: Path | None = None,
        device: str | None = None,
    ) -> None:
        super().__init__(generator, encoder, directions=directions, name=name, device=device)
        self._clips, self._english, self._hypernet = clips, english, hypernet
        self._lpips, self._folder = lpips, folder
        self.domains: Mapping[str, Domain] = {} if domains is None else domains

    @classmethod
    def load(cls, model: str | None = None, device: str | None = None) -> Stylizer:
        """``model``: "mini", "full", or a folder with generator.safetensors and, to read photos, encoder.safetensors;
        encoder_sfe.safetensors beside it is preferred. None is ``default_model``. Raises CheckpointError."""
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
        """The model's folder. Raises StylizeError if the parts were passed in."""
        if self._folder is None:
            raise StylizeError("The {} model was not loaded from a folder; load it from one.", self.name)
        return self._folder

    @cached_property
    def clips(self) -> list[TextImageModel]:
        """The text-image models, loaded on first use: the full model has ViT-B/32 and ViT-B/16."""
        if not self._clips:
            raise CheckpointError(
                "The {} model has no clip.safetensors to understand descriptions; "
                "run python -m stylize download full to get the full model's.",
                self.name,
            )
        return [clip.eval().requires_grad_(False).to(self.device) for clip in value_of(self._clips)]

    @property
    def clip(self) -> TextImageModel:
        """The first of ``clips``."""
        return self.clips[0]

    @property
    def lpips(self) -> Lpips | None:
        """LPIPS, if the model comes with its weights."""
        lpips = value_of(self._lpips)
        return None if lpips is None else lpips.to(self.device)

    # Words -> domain

    def ready(self) -> list[str]:
        """Names of the domains that ship with the model."""
        return sorted(name for name in self.domains if "/" not in name)

    def preview(self, name: str) -> Path | Image.Image:
        """The thumbnail of a ready domain: its file, or else a random face in it."""
        path = self._folder / "domains" / "previews" / f"{name}.webp" if self._folder else None
        return path if path and path.is_file() else self.sample(1, domain=self.domains[name])[0]

    def domain(self, text: str) -> Domain:
        """A domain without training: a file by its path, a ready domain by name or synonym, with a colour added if the
        text names one ("red mosaic"), or what the hypernetwork makes of any other description.

        Raises DomainError if there is neither such a domain nor a hypernetwork (the description can still be trained),
        PromptError if the text is empty, too long or not understood.
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
            if self.reads_english and not prompt.fully_known:
                raise self._not_ready(prompt.text)
            domain, notes = self.blended(prompt), prompt.notes
        except DomainError:
            if not self.has_hypernet:
                raise
            domain, notes = self.instant(prompt), self.clip.notes(prompt)
        told = {"notes": notes, "nearest": list(prompt.nearest)}
        return replace(domain, settings=domain.settings | told) if notes else domain

    def prompt(self, text: str) -> Prompt:
        """Parses a description once for all later steps. Raises PromptError if the model cannot follow it."""
        prompt = parse(check_prompt(text))
        if self.reads_english:
            self.clip.read(prompt)
        else:
            prompt.check(self.name)
        return prompt

    @cached_property
    def reads_english(self) -> bool:
        """Whether its text-image model understands any English, not only the project's own vocabulary."""
        if not self._clips:
            return False
        english = value_of(self._english)
        return self.clip.vocabulary == "english" if english is None else english

    def blended(self, prompt: Prompt) -> Domain:
        """The mix of ready domains that a description means: a spherical mean of its styles, which keeps them strong,
        plus its colours. Raises DomainError if one of them is not ready."""
        try:
            styles = [(weight, self.ready_domain(name)) for name, weight in prompt.styles.items()]
            parts = [(weight, self.ready_domain(name)) for name, weight in prompt.colours.items()]
        except DomainError:
            raise self._not_ready(prompt.text) from None
        if len(styles) > 1:
            styles = [(1.0, mix(styles, spherical=True))]
        parts = styles + parts
        if not parts:
            raise self._not_ready(prompt.text)
        if len(parts) == 1 and parts[0][0] == 1 and prompt.named and parts[0][1].method != "mix":
            return parts[0][1]
        return replace(mix(parts), name=prompt.text)

    def instant(self, prompt: str | Prompt | Image.Image, name: str = "picture") -> Domain:
        """The domain that the hypernetwork makes of a description, or of a picture, called ``name``, if it was trained
        on pictures; a small model only takes a picture's tones and colours.

        Raises CheckpointError if the model has no hypernetwork, PromptError if the text is not understood.
        """
        if not isinstance(prompt, Image.Image):
            text = self.clip.read(self.prompt(prompt) if isinstance(prompt, str) else prompt)
            return self.hypernet.domain(self.clip.describe(text), text)
        with torch.no_grad():
            seen = self.clip.encode_image(to_tensor(prompt).to(self.device))[0]
        if self.clip.vocabulary != "english" and self.ready():
            # A small model takes many paintings for photos: the embedding is moved halfway to the nearest styles.
            alike = torch.softmax(SOFTMAX_SCALE * self.styles_in_words @ seen, 0) @ self.styles_in_words
            seen = F.normalize(seen + F.normalize(alike, dim=0), dim=0)
        return self.hypernet.domain(seen, name)

    @cached_property
    def styles_in_words(self) -> Tensor:
        """(ready styles, D): the unit embeddings of their names."""
        return F.normalize(torch.stack([self.clip.describe(name) for name in self.ready()]), dim=1)

    @property
    def has_hypernet(self) -> bool:
        return self._hypernet is not None

    @cached_property
    def hypernet(self) -> HyperNet:
        """The hypernetwork, loaded on first use. Raises CheckpointError if there is none or if it belongs to another
        model."""
        net = value_of(self._hypernet)
        if net is None:
            raise CheckpointError(
                "The {} model has no hypernetwork; use a ready domain, or train on the description.", self.name
            )
        own = (self.fingerprint, tuple(self.generator.config.domain_sizes))
        if (net.generator or own[0], net.config.sizes) != own:
            maker = f"the generator {net.generator}" if net.generator else "another generator"
            raise CheckpointError(
                "The hypernetwork was made for {}, not for {}; train it again or use its own.", maker, self.fingerprint
            )
        if net.config.embedding != (width := int(self.clip.settings["embed_dim"])):
            raise CheckpointError(
                "The hypernetwork takes embeddings of {} numbers, but this text-image model "
                "gives {}; use the one it was trained with.",
                net.config.embedding,
                width,
            )
        return net.eval().requires_grad_(False).to(self.device)

    def ready_domain(self, name: str) -> Domain:
        """The ready style or colour of that name. Raises DomainError if there is none."""
        for own in (name, f"colours/{name}"):
            if own in self.domains:
                return self.domains[own]
        raise self._not_ready(name)

    def _not_ready(self, text: str) -> DomainError:
        ready = ", ".join(self.ready())
        return DomainError("There is no ready domain for {!r}; train it, or use one of: {}.", text, ready)


def check_prompt(text: str) -> str:
    """The text with spaces tidied. Raises PromptError if it is empty, has no words or is too long."""
    text = " ".join(text.encode(errors="replace").decode().split())  # a lone surrogate is not a character
    if not text:
        raise PromptError("The description is empty; say what the face should become, such as 'pencil sketch'.")
    if len(text) > LONGEST_PROMPT:
        raise PromptError("The description has {} characters; use at most {}.", len(text), LONGEST_PROMPT)
    if not any(letter.isalnum() for letter in text):
        raise PromptError("The description {!r} has no words; use words, such as 'pencil sketch'.", text)
    return text
