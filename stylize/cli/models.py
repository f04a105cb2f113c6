"""Commands on model files: convert, download, train, evaluate; and serve, for the page."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path

from stylize.cli.arguments import HELP, TENSORS, add_output, check_output, command_parser, count, wrote

CONVERT = """FILE is recognised by its contents:
  generators  StyleGAN2 of rosinality (.pt, also StyleGAN-NADA) and of NVIDIA (.pkl of stylegan2-ada-pytorch)
  encoders    e4e, ReStyle, StyleFeatureEditor
  domains     HyperDomainNet: single domains, mappers, the published checkpoints.zip
  directions  InterFaceGAN (.npy, .npz, .pt, .pkl)
  losses      LPIPS (vgg.pth), and torchvision's VGG16 for it
No code in a file is run."""
# Each module has add_arguments(parser) and run(args).
TRAINING = {
    "mini": "stylize.training.mini",
    "generator": "stylize.training.generator",
    "domains": "stylize.training.ready_domains",
    "destyle": "stylize.training.destyle",
    "clip": "stylize.training.text_image",
    "hypernet": "stylize.training.hypernet",
}
EVALUATE = "stylize.evaluation.report"


def convert_files(words: list[str]) -> None:
    parser = command_parser("convert", HELP["convert"], CONVERT)
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="checkpoint; several direction files are joined into one"
    )
    add_output(parser, "OUT", "safetensors file to write; a folder for an archive of checkpoints")
    parser.add_argument(
        "--generator",
        type=Path,
        metavar="PATH",
        help="generator that the domains belong to: converted file or its folder",
    )
    parser.add_argument("--decoder", type=Path, metavar="OUT", help="also write the generator inside an encoder's file")
    args = parser.parse_args(words)
    for path in (args.output, args.decoder):
        if path is not None and path.suffix.lower() in TENSORS:
            check_output(path, TENSORS, args.files)

    from stylize.convert.formats import convert, join_directions

    if len(args.files) == 1:
        written = convert(args.files[0], args.output, args.generator, args.decoder, print)
    else:
        written = join_directions(args.files, args.output)
    for path in written:
        wrote(path)


def download_files(words: list[str]) -> None:
    parser = command_parser("download", HELP["download"])
    parser.add_argument("name", metavar="NAME", help="full, or the name of one part")
    args = parser.parse_args(words)

    from tqdm import tqdm

    from stylize.convert.catalogue import choose_weights, describe
    from stylize.convert.download import download
    from stylize.places import model_folder

    weights = choose_weights(args.name)
    print(describe(weights))
    bar = None
    for progress in download(weights):
        if progress.stage == "download":
            bar = bar or tqdm(total=progress.total, unit="B", unit_scale=True, desc=progress.weight.name)
            bar.update(progress.done - bar.n)
            continue
        if bar is not None:
            bar.close()
            bar = None
        print(f"{progress.weight.name}: {progress.stage}")
    wrote(model_folder("full"))


def train(words: list[str]) -> None:
    if words and words[0] in TRAINING:
        run_module(f"train {words[0]}", TRAINING[words[0]], words[1:])
    else:
        parser = command_parser("train", HELP["train"], "Each NAME has its own --help.")
        parser.add_argument("name", metavar="NAME", choices=list(TRAINING), help=", ".join(TRAINING))
        parser.parse_args(words)
        parser.error("NAME comes before its options")


def evaluate(words: list[str]) -> None:
    run_module("evaluate", EVALUATE, words)


def run_module(command: str, name: str, words: list[str]) -> None:
    module = import_module(name)
    parser = command_parser(command, (module.__doc__ or "").strip().split("\n\n")[0])
    module.add_arguments(parser)
    module.run(parser.parse_args(words))


def serve_page(words: list[str]) -> None:
    parser = command_parser("serve", HELP["serve"])
    parser.add_argument(
        "--host", default="127.0.0.1", help="address, 0.0.0.0 for all interfaces (default: %(default)s)"
    )
    parser.add_argument("--port", type=count, default=7860, help="port (default: %(default)s)")
    args = parser.parse_args(words)
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    from stylize.ui.server import serve

    sys.exit(serve(args.model, args.device, host=args.host, port=args.port))
