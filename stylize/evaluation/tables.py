"""Markdown tables of the committed figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stylize.evaluation import looks

MARKS = ("<!-- figures -->", "<!-- end of figures -->")
DOMAINS = {
    "ready": "shipped, fitted to filtered pairs",
    "ready-selfies": "the same, on everyday photos only",
    "styles": "trained on the words, from the nearest shipped",
    "styles-from-zero": "trained on the words, from nothing",
    "one-shot": "one picture of a shipped style",
    "one-shot-new": "one picture of a style whose domain is left out",
    "unseen": "unseen colour of a style: shipped style + shipped colour",
}


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def tables(folder: Path) -> str:
    """Markdown tables of the committed figures; a measure without a file is left out."""

    def read(name: str) -> Any:
        path = folder / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8"))["results"] if path.is_file() else {}

    head = ["Reconstruction", "pictures", "PSNR, dB", "perceptual", "face found", "identity (strangers)", "rank-1"]
    parts, rows = [], []
    for name, row in read("reconstruction").items():
        identity = f"{row['identity_median']:.2f} ({row['identity_of_strangers_median']:.2f})"
        quality = [f"{row['psnr_db']:.1f}", f"{row['perceptual']:.3f}", percent(row["face_found"])]
        rows.append([name, str(row["pictures"]), *quality, identity, percent(row["rank_1"])])
    if rows:
        parts.append(table(head, rows))
    drawn = [f"{percent(row['one_face_found'])} of {row['samples']} at {psi}" for psi, row in read("samples").items()]
    if drawn:
        parts.append(f"Random samples in which dlib finds exactly one face: {', '.join(drawn)}.")
    head = ["Styles", "styles", "top-1 filtered", "top-1 drawn", "before", "after", "best", "nearer", "closed half"]
    head += ["strokes", "correlation"]
    rows, kept = [], []
    for name, words in DOMAINS.items():
        if results := read(name):
            mean = results["mean"]
            rows.append(
                [words, str(len(results["styles"])), percent(mean["top_1_filtered"]), percent(mean["top_1_drawn"])]
                + [f"{mean[f'distance_{key}']:.3f}" for key in ("before", "after", "fitted")]
                + [percent(mean["share_nearer"]), percent(mean["share_closing_half"])]
                + [f"{mean[key]:.2f}" for key in ("strokes", "correlation")]
            )
            kept.append(
                [words]
                + [f"{mean[f'photo_distance_{key}']:.3f}" for key in ("unchanged", "own_picture", "with_detail")]
                + [f"{mean[f'identity_{key}']:.2f}" for key in ("own_picture", "with_detail")]
            )
    if rows:
        parts.append(table(head, rows))
        head = ["In the photo", "unchanged", "model's own picture", "with detail"]
        parts.append(table([*head, "identity, own picture", "with detail"], kept))
    if results := read("looks"):
        head = ["Beside the true filter, 256 px", "distance", "photo's distance", "strokes", "correlation"]
        head += ["judged", "true ones judged"]
        keys = ("distance", "photo", "strokes", "correlation")
        drawn_styles = {name: row for name, row in results["styles"].items() if name in looks.STROKES}
        rows = [
            [name, *(f"{row[key]:.2f}" for key in keys), *(percent(row[key]) for key in ("judged", "judged_true"))]
            for name, row in {"all styles": results["mean"], **drawn_styles}.items()
        ]
        parts.append(table(head, rows))
    if results := read("hypernet"):
        head = ["Hypernetwork", "descriptions", "distance: source", "alone", "hypernetwork", "of what alone closes"]
        head += ["Quality alone", "hypernetwork", "Diversity alone", "hypernetwork", "top-1 alone", "hypernetwork"]
        rows = []
        for group, figures in results["groups"].items():
            mean = figures["mean"]
            row = [group, str(len(figures["domains"]))]
            row += [f"{mean[f'distance_{key}']:.3f}" for key in ("source", "alone", "hypernetwork")]
            row.append(percent(mean["share"]))
            for key in ("quality", "diversity"):
                row += [f"{mean[f'{key}_{way}']:.3f}" for way in ("alone", "hypernetwork")]
            rows.append([*row, *(percent(mean[f"top_1_{way}"]) for way in ("alone", "hypernetwork"))])
        parts.append(table(head, rows))
    if curve := read("hypernet-curve").get("curve"):
        head = ["Training domains", *(str(point["domains"]) for point in curve)]
        row = ["distance on unseen pairs", *(f"{point['distance']:.3f}" for point in curve)]
        parts.append(table(head, [row]))
    if results := read("domains"):
        head = ["Is a vector enough?", "Quality", "Diversity", "distance", "identity", "numbers", "file", "seconds"]
        rows = []
        for way, mean in results["mean"].items():
            row = [way] + [f"{mean[key]:.3f}" for key in ("quality", "diversity", "distance", "identity")]
            if "parameters" in mean:
                row += [f"{mean['parameters']:,.0f}", f"{mean['bytes'] / 1000:,.0f} KB", f"{mean['seconds']:.0f}"]
            rows.append(row + [""] * (len(head) - len(row)))
        parts.append(table(head, rows))
    parts += speed(read("generate"), read("adapt"), read("app"), read("sliders"))
    return "\n\n".join(parts)


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def speed(generate: Any, adapt: Any, app: Any, sliders: Any) -> list[str]:
    """Markdown tables of the figures of ``benchmarks``."""
    parts = []
    if generate:
        head = [f"Generator, {generate['resolution']} px", "seconds", "times faster", "peak MB", "largest difference"]
        head += ["share of the matrix product's speed", "in convolutions"]
        rows = []
        for way, row in generate["generators"].items():
            cells = [f"{row['seconds']:.2f}", f"{row['times_faster']:.1f}", f"{row['peak_mb']:,.0f}"]
            inside = row.get("time_in_convolutions")
            shares = [percent(row["share_of_matmul_speed"]), "" if inside is None else percent(inside)]
            rows.append([way, *cells, f"{row['max_difference']:.2g}", *shares])
        loading = generate["loading"]
        parts.append(table(head, rows))
        parts.append(
            f"Loading its {loading['file_mb']:.0f} MB takes {loading['seconds']:.2f} s and "
            f"{loading['peak_of_file']:.2f} times that memory; "
            f"another domain of the same face {generate['domains']['another_s']:.2f} s."
        )
    if adapt:
        ways = {way: adapt[way] for way in ("published", "stylize")}
        rows = [
            [way, f"{row['seconds_per_step']:.3f}", f"{row['peak_mb']:,.0f}", f"{row['final_loss']:.3f}"]
            for way, row in ways.items()
        ]
        parts.append(table(["Text-guided adaptation", "seconds a step", "peak MB", "final loss"], rows))
    if app:
        shown = {"page_visible_s": "page visible", "upload_to_picture_s": "upload to first picture"}
        shown |= {"slider_to_picture_s": "slider to new picture"}
        times = ", ".join(f"{words} {app['median'][name]:.1f} s" for name, words in shown.items())
        parts.append(
            f"In the browser: start-up {app['start_s']:.0f} s, {times}, page {app['median']['page_mb']:.1f} MB, "
            f"server {app['server_mb'] / 1000:.1f} GB."
        )
    if sliders:
        head = ["Slider, steps of 0.05", "mean, grey levels", "largest", "largest by mean", "worst pair", "halfway"]
        rows = []
        for name, row in sliders["smoothness"].items():
            numbers = [row[key] for key in ("mean", "largest", "ratio", "worst_ratio")]
            halfway = f"{100 * row['halfway']:.0f} %" if name in ("straight", "turning") else ""
            rows.append([name, *(f"{number:.1f}" for number in numbers), halfway])
        parts.append(table(head, rows))
        work = ", ".join(f"{times['work']:.0f} ms at {side} px" for side, times in sliders["redraw_ms"].items())
        parts.append(f"Redrawing one face after a slider, up to the JPEG, is this much work for one core: {work}.")
    return parts


def update(page: Path, folder: Path) -> None:
    """Replaces the tables between the marks of a Markdown file."""
    text = page.read_text(encoding="utf-8")
    start, end = text.index(MARKS[0]) + len(MARKS[0]), text.index(MARKS[1])
    page.write_text(f"{text[:start]}\n\n{tables(folder)}\n\n{text[end:]}", encoding="utf-8")
