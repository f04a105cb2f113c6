"""The downloadable weights of other projects: location, purpose, size and licence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import constants

from stylize.errors import CheckpointError

NVIDIA_LICENCE = "NVIDIA Source Code License, non-commercial"


@dataclass(frozen=True)
class WeightsFile:
    """A weights file: ``file`` in the Hugging Face repository ``repo``, or at the address ``url``.

    sha256: None if nobody publishes it; size: bytes, approximate without a sha256, None if unknown. target: the
    resulting file in the model's folder; clip: the open-clip architecture, for text-image models. also: mirrors of the
    same file on the hub, in case the first is gone.
    """

    name: str
    purpose: str
    licence: str
    target: str
    repo: str = ""
    file: str = ""
    url: str = ""
    sha256: str | None = None
    size: int | None = None
    clip: str = ""
    also: tuple[tuple[str, str], ...] = ()

    @property
    def origin(self) -> str:
        return f"{self.repo}/{self.file}" if self.repo else self.url

    @property
    def path(self) -> Path:
        """The path of the downloaded file."""
        suffix = Path(self.file or self.url.partition("?")[0]).suffix
        return Path(constants.HF_HOME) / "stylize" / f"{self.name}{suffix}"

    @property
    def part(self) -> Path:
        """The path of the partial download."""
        return self.path.with_name(self.path.name + ".part")


WEIGHTS = (
    WeightsFile(
        name="stylegan2-ffhq",
        purpose="generator of faces, 1024 px (StyleGAN2, config-f)",
        licence=NVIDIA_LICENCE,
        target="generator.safetensors",
        repo="aaronb/StyleGAN2",
        file="stylegan2-ffhq-config-f.pt",
        sha256="646c7e7c5e3fc4cf8e83dcfe5dce505cc74b61d8982c09563932aa15c4baf18c",
        size=132717355,
    ),
    WeightsFile(
        name="e4e-ffhq",
        purpose="encoder of faces (e4e)",
        licence="MIT",
        target="encoder.safetensors",
        repo="zhengchong/e4e",
        file="e4e_ffhq_encode.pt",
        sha256="2ace1d9a8c05c10a399bcd500b8dda118f759ff1aac89dbdab7435f2136a0999",
        size=1201649680,
        also=(
            ("AIRI-Institute/HairFastGAN", "pretrained_models/encoder4editing/e4e_ffhq_encode.pt"),
            ("AIRI-Institute/StyleFeatureEditor", "pretrained_models/e4e_ffhq_encode.pt"),
        ),
    ),
    WeightsFile(
        name="sfe-ffhq",
        purpose="better encoder of faces, beside e4e: keeps glasses, earrings, background (StyleFeatureEditor)",
        licence="MIT",
        target="encoder_sfe.safetensors",
        repo="AIRI-Institute/StyleFeatureEditor",
        file="pretrained_models/sfe_editor_light.pt",
        size=650_000_000,  # of the networks inside
    ),
    WeightsFile(
        name="clip-vit-b-32",
        purpose="text-image model (OpenAI CLIP ViT-B/32)",
        licence="MIT",
        target="clip.safetensors",
        repo="timm/vit_base_patch32_clip_224.openai",
        file="open_clip_model.safetensors",
        size=605_000_000,
        clip="ViT-B-32-quickgelu",
    ),
    WeightsFile(
        name="clip-vit-b-16",
        purpose="text-image model (OpenAI CLIP ViT-B/16)",
        licence="MIT",
        target="clip_b16.safetensors",
        repo="timm/vit_base_patch16_clip_224.openai",
        file="open_clip_model.safetensors",
        size=598_000_000,
        clip="ViT-B-16-quickgelu",
    ),
    WeightsFile(
        name="hyperdomainnet",
        purpose="published domains and hypernetworks (HyperDomainNet)",
        licence="MIT",
        target="mapper_large_resample_td.safetensors",  # one of several
        url="https://www.dropbox.com/s/r8816i09t9n94hy/checkpoints.zip?dl=1",
    ),
    WeightsFile(
        name="vgg16",
        purpose="network whose features LPIPS compares (torchvision's VGG16)",
        licence="BSD-3-Clause",
        target="vgg16.safetensors",
        url="https://download.pytorch.org/models/vgg16-397923af.pth",
        sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        size=553433881,
    ),
    WeightsFile(
        name="lpips",
        purpose="weights of these features (LPIPS 0.1)",
        licence="BSD-2-Clause",
        target="lpips.safetensors",
        url="https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/v0.1/vgg.pth",
        sha256="a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
        size=7289,
    ),
)
REQUIRED = ("stylegan2-ffhq", "e4e-ffhq", "clip-vit-b-32", "clip-vit-b-16")  # required by the full model
OPTIONAL = "sfe-ffhq"  # replaces e4e if present


def choose_weights(name: str) -> list[WeightsFile]:
    """The files of "full", or the file of that name. Raises CheckpointError."""
    table = {weight.name: weight for weight in WEIGHTS}
    if name != "full" and name not in table:
        raise CheckpointError("There is no download called {!r}; use full, {}.", name, ", ".join(table))
    return [table[part] for part in REQUIRED] if name == "full" else [table[name]]


def describe(weights: Sequence[WeightsFile]) -> str:
    """Describes a download: contents, origin, licence and disk space."""
    lines = []
    for weight in weights:
        size = "size unknown" if weight.size is None else megabytes(weight.size)
        size = size if weight.sha256 or weight.size is None else f"about {size}"
        check = "" if weight.sha256 else "; no SHA-256 is known in advance"
        lines.append(f"{weight.name}: {weight.purpose}; {size}; licence: {weight.licence}; from {weight.origin}{check}")
    total = megabytes(sum(weight.size or 0 for weight in weights))
    more = "" if all(weight.size for weight in weights) else " and more"
    lines.append(f"Disk: {total}{more} to fetch, and at most as much converted.")
    if tuple(weight.name for weight in weights) == REQUIRED:
        (better,) = choose_weights(OPTIONAL)
        about = f"about {megabytes(better.size or 0)}; licence: {better.licence}"
        lines.append(f"Afterwards, if you like, python -m stylize download {OPTIONAL}: {better.purpose}; {about}.")
    return "\n".join(lines)


def megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
