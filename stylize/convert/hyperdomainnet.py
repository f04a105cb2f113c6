"""Converts checkpoints of HyperDomainNet: single domains and mappers."""

from __future__ import annotations

from typing import Any

import torch

from stylize.convert.common import (
    MAX_LEVELS,
    Base,
    ConvertedWeights,
    Tensors,
    finite,
    plain,
    plain_tensors,
    shown,
    without_prefix,
)
from stylize.convert.generators import (
    from_rosinality,
    generator,
)
from stylize.errors import CheckpointError, DomainError
from stylize.models.checkpoints import check_tensors
from stylize.models.domain import Domain
from stylize.models.generator import GeneratorConfig
from stylize.models.hypernet import HyperNet, from_official


def hyperdomainnet(content: dict[str, Any], name: str, base: Base | None) -> ConvertedWeights | Domain | HyperNet:
    kind, patch = content["model_type"], content.get("patch_key", "cin_mult")  # the patch may be missing
    state = plain_tensors(content.get("state_dict"), name)
    if kind == "original":  # a whole generator
        tensors = from_rosinality(without_prefix(state, "generator."))
        return generator(tensors, None, "HyperDomainNet, fine-tuned", name, base)
    if patch != "cin_mult":
        raise CheckpointError(
            "{} patches the generator by {}; only cin_mult, the scaling of input channels, is supported.",
            name,
            shown(patch),
        )
    if kind == "mapper":
        return _mapper(content, state, name, base)
    if kind == "parameterization":
        return _domain(content, state, name, base)
    raise CheckpointError("{} is a HyperDomainNet file of the unknown kind {}; use another.", name, shown(kind))


def _domain(content: dict[str, Any], state: Tensors, name: str, base: Base | None) -> Domain:
    resolution = plain(content.get("sg2_params")).get("img_size", 0)
    if resolution not in [4 * 2**level for level in range(MAX_LEVELS)]:
        raise CheckpointError("{} does not say which generator size it was made for; use another file.", name)
    sizes = GeneratorConfig.official(resolution).domain_sizes
    expected = {f"heads.conv_{i}.params_in": torch.empty(1, 1, size, 1, 1) for i, size in enumerate(sizes)}
    check_tensors(expected, state, name)
    _check_base(sizes, name, base)
    state = finite(state, name)
    style = content.get("style_latents")
    if style is not None:
        style = finite(plain_tensors({"style_latents": style}, name), name)["style_latents"]
        style = style[0] if style.ndim == 3 and len(style) == 1 else style
    try:
        return Domain(
            vector=torch.cat([state[head].flatten() for head in expected]),
            sizes=tuple(sizes),
            order="post_demod",
            generator=base.fingerprint if base else "",
            name=name.rpartition(".")[0] or name,
            method="HyperDomainNet, one-shot" if content.get("da_type") == "im2im" else "HyperDomainNet, text",
            settings={"origin": {"file": name}},
            style=style,
        )
    except DomainError as error:
        raise CheckpointError("{} cannot be used: {}", name, error) from None


def _mapper(content: dict[str, Any], state: Tensors, name: str, base: Base | None) -> HyperNet:
    clip = plain(content).get("clip_encoder") or "ViT-B/32"  # not saved by the trainer
    state = finite(state, name)
    try:
        with torch.device("meta"):  # checks that sizes match before allocating memory
            from_official({key: tensor.to("meta") for key, tensor in state.items()})
        net = from_official(state, str(clip).replace("/", "-"))
    except CheckpointError as error:
        raise CheckpointError("{} cannot be used: {}", name, error) from None
    except TypeError:  # a single number where a matrix should be
        raise CheckpointError("{} has a different architecture than a mapper's; use another file.", name) from None
    _check_base(list(net.config.sizes), name, base)
    net.generator = base.fingerprint if base else ""
    net.settings = {
        "origin": {"file": name, "mapper_config": plain(content.get("mapper_config"))},
        "input": "picture" if content.get("da_type") == "im2im" else "text",
    }
    return net


def _check_base(sizes: list[int], name: str, base: Base | None) -> None:
    if base and sizes != base.generator.config.domain_sizes:
        raise CheckpointError(
            "{} scales {} channels of {} convolutions, but the given "
            "{} px generator has {} "
            "of {}; give the generator that it was made for.",
            name,
            sum(sizes),
            len(sizes),
            base.generator.config.resolution,
            base.generator.config.domain_dim,
            len(base.generator.config.domain_sizes),
        )
