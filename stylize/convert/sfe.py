"""Converts checkpoints of StyleFeatureEditor: the editor's file includes the inverter; the inverter's file holds it
alone."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from stylize.convert.common import ConvertedWeights, Tensors, checked, count, part_of
from stylize.errors import CheckpointError
from stylize.models.generator import Generator, GeneratorConfig
from stylize.models.sfe import Sfe, SfeConfig

# Prefixes in the editor's file and in the inverter's -> prefix here.
EDITOR = {"encoder.": "editor.", "inverter.": "inverter."}
INVERTER = {"encoder.": "inverter."}
MARK = "fs_backbone.conv.0.weight"


def holds_sfe(state: Mapping[str, Tensor]) -> bool:
    return f"inverter.{MARK}" in state or f"encoder.{MARK}" in state


def from_sfe(state: Mapping[str, Tensor], name: str) -> ConvertedWeights:
    """Converts the ``state_dict`` of a checkpoint to an encoder. The generator, e4e and discriminator saved beside it
    are dropped, as is the mean w, which belongs to the generator. Raises CheckpointError."""
    editor = f"inverter.{MARK}" in state
    tensors = {
        own + key: tensor
        for theirs, own in (EDITOR if editor else INVERTER).items()
        for key, tensor in part_of(state, theirs).items()
    }
    config = _config(tensors, editor, name)
    generator = GeneratorConfig.official(8)  # any value: it is not part of the encoder
    weights = checked(lambda: Sfe(config, Generator(generator)), tensors, name)
    origin = {"file": name, "format": "StyleFeatureEditor" if editor else "StyleFeatureEditor, inverter"}
    return ConvertedWeights(weights, {"kind": "sfe", "config": config.to_dict(), "origin": origin})


def _config(tensors: Tensors, editor: bool, name: str) -> SfeConfig:
    backbone, stages = r"inverter\.fs_backbone\.", range(1, 5)
    try:
        return SfeConfig(
            widths=tuple(tensors[f"inverter.fs_backbone.block_{i}.0.conv1.weight"].shape[0] for i in stages),
            blocks=tuple(count(rf"{backbone}block_{i}\.\d+\.conv1\.weight", tensors) for i in stages),
            num_ws=count(rf"{backbone}styles\.\d+\.weight", tensors),
            w_dim=tensors["inverter.fs_backbone.styles.0.weight"].shape[0],
            features=tensors["inverter.fuser.conv.weight"].shape[0],
            depth=count(r"inverter\.fuser\.body\.\d+\.body\.1\.weight", tensors),
            editor=editor,
        )
    except LookupError as error:
        raise CheckpointError(
            "{} contains no complete StyleFeatureEditor: a layer is missing ({}).", name, error
        ) from None
