"""The measures, on pictures that the model never saw.

The style filters provide ground truth, which papers on domain adaptation lack. So a domain is judged by the distance
from the drawn face to the filtered picture of the same face, not by its training loss.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dlib
import numpy as np
import skimage.data
import torch
from PIL import Image
from torch import Tensor

from stylize.adaptation.pictures import adapt_image, one_shot_preset
from stylize.adaptation.text import AdaptSettings, adapt_text
from stylize.errors import StylizeError
from stylize.evaluation import descriptions as understood
from stylize.evaluation import looks, unseen_prompts, word_fits
from stylize.evaluation.vector_vs_weights import COMPARED_STYLES, Comparison
from stylize.faces.detail import transfer_detail
from stylize.faces.identity import FaceIdentity, perceptual_distance
from stylize.images import read_photo, side_by_side, to_image, to_tensor
from stylize.models.checkpoints import load_checkpoint, save_checkpoint
from stylize.models.domain import Domain
from stylize.pipeline import Face, Stylizer
from stylize.prompts.vocabulary import NAMES, UNSEEN_STYLES, combinations
from stylize.training.data import DATA_SIDE, SETS, load_faces, skin_light
from stylize.training.filters import truth

BATCH = 16
SHEET_STYLES = (
    "pencil sketch",
    "oil painting",
    "zombie",
    "bronze statue",
    "blueprint",
    "thermal camera",
    "joker",
    "sepia",
)


def selfies(stylizer: Stylizer, folder: Path, limit: int | None) -> list[Face]:
    """The largest face of every photo in a folder, or of ``limit`` photos spread evenly over it."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"))
    if not paths:
        raise StylizeError("There are no photos in {}.", folder)
    chosen = np.linspace(0, len(paths) - 1, min(limit or len(paths), len(paths))).astype(int)
    return [stylizer.faces(read_photo(paths[i]))[0] for i in chosen]


def held_out(stylizer: Stylizer, args: argparse.Namespace) -> dict[str, Tensor]:
    """Aligned pictures (N, 3, DATA_SIDE, DATA_SIDE) in [-1, 1] not used in training, by set."""
    sets = {}
    if args.data is not None:
        for name in SETS:
            faces = load_faces(args.data, "test", DATA_SIDE, (name,))
            sets[name.removesuffix("-256")] = faces.tensor(np.arange(len(faces))[: args.limit])
    if args.photos is not None:
        faces_ = selfies(stylizer, args.photos, args.limit)
        aligned = [to_tensor(face.crop.resize((DATA_SIDE, DATA_SIDE), Image.Resampling.LANCZOS)) for face in faces_]
        sets["selfies"] = torch.cat(aligned)
    if not sets:
        raise StylizeError("There is nothing to measure on; give --data, --photos or both.")
    return sets


def shrink(pictures: Tensor, size: int) -> Tensor:
    """Shrinks by Pillow's Lanczos filter, as the pipeline does."""
    resized = (to_image(p).resize((size, size), Image.Resampling.LANCZOS) for p in pictures)
    return torch.cat([to_tensor(picture) for picture in resized])


def found(pictures: Tensor) -> list[int]:
    """The number of faces that dlib's detector finds in each aligned picture."""
    detector = dlib.get_frontal_face_detector()
    images = (to_image(p).resize((DATA_SIDE, DATA_SIDE), Image.Resampling.BICUBIC) for p in pictures)
    return [len(detector(np.asarray(image), 1)) for image in images]


def own_is_nearest(made: Tensor, originals: Tensor) -> Tensor:
    """(N,) bool: whether each descriptor (N, 128) is nearest to its own original."""
    return torch.cdist(made, originals).argmin(1) == torch.arange(len(made))


@torch.no_grad()
def reconstruction(stylizer: Stylizer, args: argparse.Namespace) -> dict[str, Any]:
    """PSNR, perceptual distance, faces detected and identity of G(E(x)), by set, and for the quarter of each set with
    the darkest faces."""
    identity = FaceIdentity()
    results = {}
    for name, originals in held_out(stylizer, args).items():
        small = shrink(originals, stylizer.resolution)
        made = torch.cat([stylizer.draw(stylizer.encode(part)).cpu() for part in small.split(BATCH)])
        psnr = -10 * ((made - small) / 2).square().mean((1, 2, 3)).log10()
        features = [
            (identity.features(identity.chip(a)), identity.features(identity.chip(b)))
            for a, b in zip(made.split(BATCH), originals.split(BATCH), strict=True)
        ]
        perceptual = torch.cat([perceptual_distance(a, b) for a, b in features])
        mine = torch.cat([identity.descriptor(a) for a, _ in features])
        theirs = torch.cat([identity.descriptor(b) for _, b in features])
        strangers = torch.cdist(theirs, theirs).fill_diagonal_(math.nan)
        counts, right = torch.tensor(found(made)), own_is_nearest(mine, theirs)
        dark = skin_light(originals).argsort()[: len(originals) // 4]
        for words, which in (("", torch.arange(len(originals))), (", darkest quarter", dark)):
            if len(which):
                results[name + words] = {
                    "pictures": len(which),
                    "psnr_db": psnr[which].mean().item(),
                    "perceptual": perceptual[which].mean().item(),
                    "face_found": (counts[which] == 1).float().mean().item(),
                    "identity_median": (mine - theirs).norm(dim=1)[which].median().item(),
                    "identity_of_strangers_median": strangers[which].nanmedian().item(),
                    "rank_1": right[which].float().mean().item(),
                }
    return results


def samples(stylizer: Stylizer, args: argparse.Namespace) -> dict[str, Any]:
    """The share of random samples in which dlib finds exactly one face, with and without truncation."""
    count = args.limit or 200
    results = {}
    for psi in (0.7, 1.0):
        ws = stylizer.sample_ws(count, args.seed, psi)
        counts = found(torch.cat([stylizer.draw(part).cpu() for part in ws.split(BATCH)]))
        results[f"psi {psi:g}"] = {"samples": count, "one_face_found": float(np.mean([n == 1 for n in counts]))}
    return results


def error(a: Tensor, b: Tensor) -> float:
    """Mean absolute difference of pictures in [-1, 1]."""
    return (a.cpu() - b.cpu()).abs().mean().item()


def domain_for(stylizer: Stylizer, name: str, args: argparse.Namespace, reference: Tensor | None = None) -> Domain:
    """The ready domain, or one trained now on the words alone or on one ``reference`` picture."""
    if args.domains == "ready":
        return stylizer.domain(name)
    if args.domains.startswith("one-shot"):
        if reference is None:
            raise StylizeError("A reference is needed for --domains {}; measure styles.", args.domains)
        without = (name,) if args.domains == "one-shot-new" else ()
        settings_ = one_shot_preset(stylizer, seed=args.seed, without=without)
        *_, last = adapt_image(stylizer, [to_image(reference)], settings_)
        return last.domain
    settings = AdaptSettings(seed=args.seed)
    if args.domains == "adapted-from-zero":
        settings = AdaptSettings(seed=args.seed, start=False, steps=150)
    *_, last = adapt_text(stylizer, name, settings=settings)
    return last.domain


@torch.no_grad()
def styles(stylizer: Stylizer, args: argparse.Namespace) -> dict[str, Any]:
    """Every style compared with its filter: the text-image model's top-1 accuracy on filtered and on drawn faces; the
    distance to the filtered picture before, after and at best (the ready domain fitted to pairs); and the effect of
    detail transfer.

    For unseen combinations, "at best" is the sum of the ready style and colour, and top-1 is among all combinations.
    """
    identity, clip = FaceIdentity(), stylizer.clip
    photos = torch.cat([part[: args.limit or 24] for part in held_out(stylizer, args).values()])
    if args.domains.startswith("one-shot"):  # the reference shows somebody who is not measured
        reference, photos = photos[:1], photos[1:]
    small = shrink(photos, stylizer.resolution)
    codes = stylizer.encode(small)
    source = torch.cat([stylizer.draw(part).cpu() for part in codes.split(BATCH)])
    kinds: list[tuple[str | None, str]] = [(None, name) for name in NAMES]
    if args.unseen:
        kinds += combinations() + combinations(unseen=True)
    labels = [f"{colour} {style}" if colour else style for colour, style in kinds]
    described = torch.stack([clip.describe(label) for label in labels])

    def top_1(pictures: Tensor, name: str) -> float:
        best = (clip.encode_image(pictures.to(stylizer.device)) @ described.t()).argmax(1)
        return (best == labels.index(name)).float().mean().item()

    results: dict[str, Any] = {}
    ready = stylizer.ready()
    usual = UNSEEN_STYLES if args.domains == "one-shot-new" else ready
    chosen: list[tuple[str | None, str]] = [(None, name) for name in args.styles or usual]
    if args.unseen:
        chosen = [(colour, style) for colour, style in combinations(unseen=True) if style in ready]
    for colour, style in chosen:
        name = f"{colour} {style}" if colour else style
        shown = truth(reference, style, colour) if args.domains.startswith("one-shot") else None
        domain, best = domain_for(stylizer, name, args, shown), stylizer.domain(name)
        true_photos, true_faces = truth(photos, style, colour), truth(source, style, colour)
        drawn, fitted = (
            torch.cat([stylizer.draw(part, one).cpu() for part in codes.split(BATCH)]) for one in (domain, best)
        )
        kept = [transfer_detail(p[None], s[None], d[None]) for p, s, d in zip(photos, source, drawn, strict=True)]
        plain = [transfer_detail(p[None], s[None], d[None], 0) for p, s, d in zip(photos, source, drawn, strict=True)]
        ours, models = torch.cat(kept), torch.cat(plain)
        wanted = identity(true_photos)
        before, after, least = error(source, true_faces), error(drawn, true_faces), error(fitted, true_faces)
        results[name] = {
            "top_1_filtered": top_1(true_photos, name),
            "top_1_drawn": top_1(drawn, name),
            "distance_before": before,
            "distance_after": after,
            "distance_fitted": least,
            "closed": (before - after) / max(before - least, 1e-6),
            "strokes": float((looks.steepness(drawn) / looks.steepness(true_faces)).mean()),
            "correlation": float(looks.correlation(drawn, true_faces).mean()),
            "photo_distance_unchanged": error(photos, true_photos),
            "photo_distance_own_picture": error(models, true_photos),
            "photo_distance_with_detail": error(ours, true_photos),
            "identity_own_picture": (identity(models) - wanted).norm(dim=1).median().item(),
            "identity_with_detail": (identity(ours) - wanted).norm(dim=1).median().item(),
        }
        log(name, results[name])
    rows = list(results.values())
    summary = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
    summary["share_nearer"] = float(np.mean([row["distance_after"] < row["distance_before"] for row in rows]))
    summary["share_closing_half"] = float(np.mean([row["closed"] >= 0.5 for row in rows]))
    return {"faces": len(photos), "domains": args.domains, "mean": summary, "styles": results}


def domains(stylizer: Stylizer, args: argparse.Namespace) -> dict[str, Any]:
    """Domain vectors compared with all weights (``vector_vs_weights``), with a picture in --out.

    After every style the figures so far are saved beside --json; the same command resumes from them.
    """
    photos = torch.cat([part[: args.limit or 8] for part in held_out(stylizer, args).values()])
    comparison = Comparison(stylizer, stylizer.encode([to_image(photo) for photo in photos]), args.seed)
    rows, results = kept_styles(args, comparison.settings)
    names = args.styles or COMPARED_STYLES
    for name in names:
        if name not in results:
            results[name], pictures = comparison.style(name)
            row = np.concatenate([np.asarray(to_image(picture)) for picture in pictures], 1)
            rows[name] = torch.from_numpy(row)
            if args.json is not None:
                save_checkpoint(unfinished(args), rows, {"of": comparison.settings, "styles": results})
        for way, figures in results[name].items():
            log(f"{name}, {way}", figures)
    Image.fromarray(torch.cat([rows[name] for name in names]).numpy()).save(args.out)
    results = {name: results[name] for name in names}
    mean = {
        way: {key: float(np.mean([style[way][key] for style in results.values()])) for key in figures}
        for way, figures in results[names[0]].items()
    }
    return {"faces": len(photos), "of": comparison.settings, "mean": mean, "styles": results}


def unfinished(args: argparse.Namespace) -> Path:
    """The path where a measure saves unfinished figures."""
    return args.json.with_name(args.json.name + ".unfinished")


def kept_styles(
    args: argparse.Namespace, settings: dict[str, Any]
) -> tuple[dict[str, Tensor], dict[str, dict[str, dict[str, float]]]]:
    """(rows of the picture, figures) of the styles finished by an interrupted run with the same settings."""
    if args.json is None or not unfinished(args).is_file():
        return {}, {}
    rows, kept = load_checkpoint(unfinished(args))
    if kept.get("of") != json.loads(json.dumps(settings)):
        print(f"{unfinished(args).name} is of other settings: starting again.", file=sys.stderr)
        return {}, {}
    return rows, kept["styles"]


def hypernet(stylizer: Stylizer, args: argparse.Namespace) -> dict[str, Any]:
    """The hypernetwork on seen and unseen descriptions (``unseen_prompts``), with a picture in --out."""
    photos = torch.cat([part[: args.limit or 8] for part in held_out(stylizer, args).values()])
    ws = stylizer.encode([to_image(photo) for photo in photos])
    results, pictures = unseen_prompts.measure(stylizer, ws, args.descriptions, args.nets, args.seed)
    side_by_side(pictures).save(args.out)
    for group, figures in results["groups"].items():
        log(group, figures["mean"])
    return results


def log(name: str, figures: dict[str, float]) -> None:
    shown = " ".join(f"{key} {value:.2f}" for key, value in figures.items())
    print(f"{name}: {shown}", file=sys.stderr, flush=True)


def looks_of(stylizer: Stylizer, args: argparse.Namespace) -> dict[str, Any]:
    """The ready styles as a user of the page sees them (``evaluation.looks``)."""
    if args.photos is None:
        raise StylizeError("The looks need --photos, a folder of photos with faces.")
    faces = selfies(stylizer, args.photos, args.limit)
    domains = {name: stylizer.ready_domain(name) for name in args.styles or stylizer.ready()}
    results = looks.measure(stylizer, faces, domains, args.detail)
    for name, figures in results["styles"].items():
        log(name, figures)
    return results


def contact_sheet(stylizer: Stylizer, args: argparse.Namespace) -> dict[str, Any]:
    """A picture of faces (rows) in styles (columns): the photo, its reconstruction, then every style."""
    if args.photos is None:
        raise StylizeError("The contact sheet needs --photos, a folder of photos with faces.")
    faces = selfies(stylizer, args.photos, args.limit or 8)
    domains = [domain_for(stylizer, name, args) for name in args.styles or SHEET_STYLES]
    side = 192
    rows = []
    for face in faces:
        pictures = [face.crop, face.reconstruction]
        pictures += [stylizer.render(face, domain, detail=args.detail) for domain in domains]
        rows.append(np.concatenate([np.asarray(p.resize((side, side), Image.Resampling.LANCZOS)) for p in pictures], 1))
    Image.fromarray(np.concatenate(rows)).save(args.out)
    return {"faces": len(faces), "file": str(args.out)}


def understanding(stylizer: Stylizer, args: argparse.Namespace) -> dict[str, Any]:
    """How everyday descriptions and random letters are understood (``evaluation.descriptions``)."""
    return understood.measure()


def words_fit(stylizer: Stylizer, args: argparse.Namespace) -> dict[str, Any]:
    """Fits the coefficients in ``stylize.prompts.reader``."""
    return word_fits.fit(args.descriptions or 1200, args.seed)


def words_sheet(stylizer: Stylizer, args: argparse.Namespace) -> dict[str, Any]:
    """A picture of 40 everyday descriptions on one face: the first of --photos, else the astronaut of scikit-image."""
    if args.photos is not None:
        photo = selfies(stylizer, args.photos, 1)[0].crop
    else:
        photo = Image.fromarray(skimage.data.astronaut())
    understood.sheet(stylizer, photo).save(args.out)
    return {"descriptions": list(understood.SHEET_DESCRIPTIONS), "file": str(args.out)}


MEASURES: dict[str, Callable[[Stylizer, argparse.Namespace], dict[str, Any]]] = {
    "reconstruction": reconstruction,
    "samples": samples,
    "styles": styles,
    "looks": looks_of,
    "domains": domains,
    "hypernet": hypernet,
    "contact-sheet": contact_sheet,
    "words": understanding,
    "words-fit": words_fit,
    "words-sheet": words_sheet,
}
