"""Text-image models: embed descriptions and pictures as unit vectors in one space (CLIP, Radford et al. 2021).

The mini model has open-clip's architecture, small and trained by this project; the full model is OpenAI's.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylize.errors import PromptError, Sentence
from stylize.models.checkpoints import load_checkpoint, load_into, load_settings, save_checkpoint
from stylize.prompts.parse import Prompt
from stylize.prompts.vocabulary import TEMPLATES, article

Vocabulary = Literal["own", "english"]  # the words of stylize.prompts.vocabulary, or any English text

EMBEDDING, ROWS, INDEX = (f"token_embedding.{name}" for name in ("weight", "rows", "index"))
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)

MINI_CLIP: dict[str, Any] = {
    "embed_dim": 128,
    "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 24, "head_width": 64},
    "text_cfg": {"context_length": 32, "vocab_size": 49408, "width": 96, "heads": 4, "layers": 2},
}


@cache
def english_templates() -> tuple[str, ...]:
    """The 79 templates of StyleGAN-NADA and HyperDomainNet: CLIP's 80 for ImageNet without "a photo of many"."""
    from open_clip.zero_shot_metadata import OPENAI_IMAGENET_TEMPLATES

    return tuple(text for t in OPENAI_IMAGENET_TEMPLATES if "many" not in (text := t("{}")))


def reads_english(path: str | Path) -> bool:
    """Whether a model saved by this project understands any English, without building it. Raises CheckpointError."""
    return bool(load_settings(path).get("vocabulary") == "english")


class TextImageModel(nn.Module):
    """An open-clip model with its own preprocessing and templates, so that they always match. Only creating one imports
    open-clip, which costs as much time as PyTorch and 200 MB of memory; ready styles need none."""

    mean: Tensor
    std: Tensor

    def __init__(self, settings: dict[str, Any], vocabulary: Vocabulary = "own") -> None:
        super().__init__()
        import open_clip

        self.settings, self.vocabulary = settings, vocabulary
        self.templates = english_templates() if vocabulary == "english" else TEMPLATES
        self.model = open_clip.CLIP(**settings)
        self.image_size = int(settings["vision_cfg"]["image_size"])
        self.tokenize = open_clip.SimpleTokenizer(context_length=settings["text_cfg"]["context_length"])
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)

    @classmethod
    def load(cls, path: str | Path) -> TextImageModel:
        """A model saved by this project, frozen and in evaluation mode. Raises CheckpointError."""
        tensors, settings = load_checkpoint(path)
        model = cls(settings["config"], settings.get("vocabulary", "own"))
        if ROWS in tensors:
            weight = torch.zeros_like(model.model.state_dict()[EMBEDDING])
            weight[tensors.pop(INDEX).long()] = tensors.pop(ROWS)
            tensors[EMBEDDING] = weight
        load_into(model.model, tensors, Path(path).name)
        return model.eval().requires_grad_(False)

    def save(self, path: str | Path, settings: Mapping[str, Any], words: Iterable[str] | None = None) -> None:
        """Writes the model in half precision. If ``words`` are given, only the token embeddings they need are kept, out
        of 49,408; the others load as zeros."""
        tensors = dict(self.model.state_dict())
        if words is not None:
            index = self.tokenize(list(words)).unique()
            tensors |= {ROWS: tensors.pop(EMBEDDING)[index], INDEX: index.int()}
        settings = {"config": self.settings, "vocabulary": self.vocabulary, **settings}
        save_checkpoint(path, tensors, settings, torch.float16)

    def encode_image(self, pictures: Tensor) -> Tensor:
        """(N, 3, H, W) in [-1, 1], any size -> unit (N, D); differentiable."""
        size = (self.image_size, self.image_size)
        if pictures.shape[-2:] != size:
            pictures = F.interpolate(pictures, size=size, mode="bicubic", antialias=True)
        pictures = ((pictures.clamp(-1, 1) + 1) / 2 - self.mean) / self.std
        out: Tensor = self.model.encode_image(pictures, normalize=True)
        return out

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Texts, without templates -> unit (N, D)."""
        tokens = self.tokenize(list(texts)).to(self.mean.device)
        out: Tensor = self.model.encode_text(tokens, normalize=True)
        return out

    @torch.no_grad()
    def describe(self, text: str) -> Tensor:
        """The mean embedding (D,) of a description in every prompt template; its length is at most 1."""
        return self.encode_text([template.format(self._phrase(text)) for template in self.templates]).mean(0)

    def read(self, prompt: Prompt) -> str:
        """A description in the words that this model understands. Raises PromptError if there are none, or if its end
        would be cut off."""
        text = prompt.caption
        if self.vocabulary == "english":
            foreign = _foreign(prompt.text)
            if foreign and not prompt.drawable:
                raise PromptError("The text-image model reads English, not {!r}; describe it in English.", foreign)
            text = text if foreign else prompt.text
        self.check_length(text)
        return text

    def notes(self, prompt: Prompt) -> list[str]:
        """What to tell the user about how this model takes a description."""
        if self.vocabulary == "own":
            return prompt.notes
        said: list[str] = []
        if _foreign(prompt.text):
            said.append(Sentence("The text-image model reads English; it was given: {}.", prompt.caption))
            said += [
                Sentence("Left out: {}, because it could not be translated into English.", words)
                for words in prompt.uncaptioned
            ]
        elif prompt.negated:
            said.append(
                Sentence(
                    "The text-image model does not understand {!r} and may draw what it rules out; "
                    "describe only what should be visible.",
                    prompt.negated,
                )
            )
        return said

    def check_length(self, text: str) -> None:
        """Raises PromptError for a text that is too long for the model."""
        longest = max(len(self.tokenize.encode(template.format(""))) for template in self.templates)
        room = int(self.settings["text_cfg"]["context_length"]) - 2 - longest  # without start and end tokens
        tokens = self.tokenize.encode(self._phrase(text))
        if len(tokens) > room:
            cut = self.tokenize.decode(tokens[room:]).strip()
            raise PromptError("The description is too long for the text-image model, which would cut {!r}.", cut)

    def _phrase(self, text: str) -> str:
        """Text to fill a template: those of the mini model expect an article, those of ImageNet include one."""
        head, _, rest = text.partition(" ")
        has_article = head.lower() in ("a", "an", "the") and bool(rest)
        if self.vocabulary == "english":
            return rest if has_article else text
        return text if has_article else article(text)


def _foreign(text: str) -> str:
    """The letters that are not Latin."""
    return "".join(c for c in text if c.isalpha() and not unicodedata.name(c, "").startswith("LATIN"))
