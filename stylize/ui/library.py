"""The library of domains: ready ones first, then the visitor's own, with import and export of files and packs.

A visitor's domains are kept in their browser; only if the host sets STYLIZE_SHARED to a folder are they kept there, for
everybody.
"""

from __future__ import annotations

import base64
import binascii
import io
import os
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import gradio as gr
from PIL import Image

from stylize.errors import DomainError, StylizeError
from stylize.models.domain import LARGEST_FILE, Domain
from stylize.prompts.russian import russian_name
from stylize.ui.recipe import SLOTS, alone
from stylize.ui.result import PhotoAndResult, failed
from stylize.ui.studio import Studio, domain_file, safe_name, temporary
from stylize.ui.texts import I18N as t
from stylize.ui.texts import say, style_name

MAX_KEPT = 60  # a browser stores about 5 MB
MAX_ENTRIES = 500  # of a pack
PREVIEW_SIDE = 160  # px
SUFFIX = ".safetensors"


@dataclass(frozen=True, eq=False)
class KeptStyle:
    domain: Domain
    picture: Image.Image


# Domains as bytes, and packs


def to_bytes(domain: Domain) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        domain.save(Path(folder) / "domain")
        return (Path(folder) / "domain").read_bytes()


def from_bytes(data: bytes, name: str) -> Domain:
    """Raises DomainError with ``name`` as the file's name."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{safe_name(name)}{SUFFIX}"
        path.write_bytes(data)
        return Domain.load(path)


def write_pack(domains: Mapping[str, Domain]) -> bytes:
    """A zip file of domain files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as pack:
        used: set[str] = set()
        for name, domain in domains.items():
            stem = unused(safe_name(name), used)
            used.add(stem)
            pack.writestr(f"{stem}{SUFFIX}", to_bytes(domain))
    return out.getvalue()


def read_pack(path: Path) -> dict[str, Domain]:
    """The domains of a zip file by file name. Folders in names are ignored and nothing is unpacked to disk by its name;
    no entry is read beyond the size of a domain file. Raises DomainError."""
    try:
        with zipfile.ZipFile(path) as pack:
            entries = [entry for entry in pack.infolist() if entry.filename.lower().endswith(SUFFIX)]
            if not entries:
                raise DomainError("{} contains no {} files; use a pack exported by this page.", path.name, SUFFIX)
            if len(pack.infolist()) > MAX_ENTRIES or len(entries) > MAX_KEPT:
                raise DomainError(
                    "{} contains {} files; use packs of at most {}.", path.name, len(pack.infolist()), MAX_KEPT
                )
            domains: dict[str, Domain] = {}
            for entry in entries:
                name = PurePosixPath(entry.filename.replace("\\", "/")).stem
                if name.startswith("._"):  # what macOS adds
                    continue
                with pack.open(entry) as file:
                    data = file.read(LARGEST_FILE + 1)
                if len(data) > LARGEST_FILE:
                    raise DomainError("{} in {} is far too large for a domain file.", name, path.name)
                domains[unused(safe_name(name), domains)] = from_bytes(data, name)
            return domains
    except DomainError:
        raise
    except Exception:  # of zip's parts each raises its own
        raise DomainError("{} is not a readable zip file; export it again.", path.name) from None


def unused(name: str, used: Any) -> str:
    """The name, with a number added if it is taken."""
    number, free = 2, name
    while free in used:
        free, number = f"{name} {number}", number + 1
    return free


class Library:
    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        shared = os.environ.get("STYLIZE_SHARED")
        self.folder = Path(shared) if shared else None
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
        self._read = lru_cache(maxsize=MAX_KEPT * 4)(self._read_file)
        fingerprint = studio.stylizer.fingerprint
        self.own = gr.State({})
        # Encrypted with a fixed key: domains are no secrets, and must survive a restart of the server. The page
        # renders it outside the tabs, which do not exist until they are opened.
        self.shelf = gr.BrowserState({}, storage_key=f"stylize-{fingerprint}", secret="stylize", render=False)
        self.picked = gr.State("")
        gr.Markdown(t("library_info_shared" if self.folder else "library_info"))
        self.gallery = gr.Gallery(
            self.pictures({}), label=t("library"), show_label=False, columns=6, height=360, allow_preview=False,
            object_fit="cover", buttons=[], interactive=False, elem_id="library", elem_classes="styles",
        )  # fmt: skip
        self.note = gr.Markdown(t("library_pick"), elem_id="library-note", elem_classes="note")
        with gr.Row(elem_classes="field-row"):
            self.name = gr.Textbox(label=t("name"), max_lines=1, elem_id="library-name", min_width=180)
            self.rename = gr.Button(t("rename"), size="md", elem_id="library-rename", min_width=110)
        with gr.Row():
            self.apply = gr.Button(t("apply"), size="md", variant="primary", elem_id="library-apply", min_width=110)
            self.one = gr.Button(t("download"), size="md", elem_id="library-download", min_width=110)
            self.delete = gr.Button(t("delete"), size="md", elem_id="library-delete", min_width=110)
        with gr.Row():
            self.load = gr.UploadButton(
                t("import"), size="md", file_count="multiple", file_types=[SUFFIX, ".zip"], elem_id="library-import",
                min_width=110,
            )  # fmt: skip
            self.pack = gr.Button(t("export"), size="md", elem_id="library-export", min_width=110)
        self.file = gr.File(label=t("style_file"), height=80, visible=False, elem_id="library-file")

    def wire(self, shared: PhotoAndResult, others: Sequence[Any]) -> None:
        """``others``: fields that offer the names of all domains."""
        self.shared = shared
        self.shown = [self.own, self.shelf, self.gallery, *others]
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress_on": self.note}
        text, changing = shared.texts[0], [*self.shown, self.picked, self.name, self.note]
        self.gallery.select(self.select, self.own, [self.picked, self.name, self.note], **quiet)
        self.apply.click(self.applied, self.picked, shared.recipe.all, **quiet).then(**shared.showing)
        keeping = {"api_visibility": "private", "show_progress_on": shared.status}
        shared.keep.click(self.keep_shown, shared.inputs, [*self.shown, shared.status], **keeping)
        for event in (self.rename.click, self.name.submit):
            event(self.renamed, [self.picked, self.name, self.own, text], [*changing, text], **quiet)
        self.delete.click(self.deleted, [self.picked, self.own, text], [*changing, text], **quiet)
        self.load.upload(self.imported, [self.load, self.own], changing, **quiet)
        self.one.click(self.written, [self.picked, self.own], [self.file, self.note], **quiet)
        self.pack.click(self.packed, self.own, [self.file, self.note], **quiet)

    # Storage

    def restore(self, shelf: Any, request: gr.Request) -> tuple[Any, ...]:
        """The contents of the visitor's browser or the shared folder, for ``shown``; damaged entries are left out."""
        own: dict[str, KeptStyle] = {}
        if self.folder is None and isinstance(shelf, dict):
            for name, text in list(shelf.items())[:MAX_KEPT]:
                try:
                    own[str(name)] = self.entry(from_bytes(base64.b64decode(text, validate=True), str(name)))
                except (StylizeError, binascii.Error, ValueError, TypeError):
                    continue
        return self.refreshed(own, request)

    def keep(self, own: Mapping[str, KeptStyle], name: str, domain: Domain, request: gr.Request) -> tuple[Any, ...]:
        """Adds a domain under a free name; returns ``shown`` and a note. Raises StylizeError."""
        own = self.current(own)
        name = " ".join(name.split())[:60] or domain.label[:60]
        name = unused(safe_name(name) if self.folder else name, {*own, *self.taken()})
        return *self.refreshed(self._add(own, name, domain), request), say(request, "kept", name=name)

    def taken(self) -> set[str]:
        """The names of the ready styles in every language."""
        ready = self.studio.stylizer.ready()
        return {*ready, *map(russian_name, ready)}

    def keep_shown(self, request: gr.Request, values: dict[Any, Any]) -> tuple[Any, ...]:
        """Adds the style of the result, a mix too, without its strength; for ``shown`` and the status."""
        asked = self.shared.read(values)
        try:
            domain = self.studio.compose(asked.recipe, asked.own)
            if domain is None:
                raise DomainError(say(request, "need_style"))
            return self.keep(values[self.own], asked.recipe.title, domain, request)
        except StylizeError as error:
            return *[gr.skip()] * len(self.shown), failed(error, request)

    def entry(self, domain: Domain) -> KeptStyle:
        """Raises DomainError for a domain of another generator."""
        stylizer = self.studio.stylizer
        domain.check(stylizer.fingerprint, stylizer.generator.config)
        picture = stylizer.sample(1, 0, domain)[0]
        return KeptStyle(domain, picture.resize((PREVIEW_SIDE,) * 2, Image.Resampling.LANCZOS))

    def _add(self, own: dict[str, KeptStyle], name: str, domain: Domain) -> dict[str, KeptStyle]:
        if len(own) >= MAX_KEPT:
            raise DomainError("There is room for {} kept styles; delete one first.", MAX_KEPT)
        kept = self.entry(replace(domain, name=name))
        if self.folder is not None:
            kept.domain.save(self.folder / f"{safe_name(name)}{SUFFIX}")
            return self.current({})
        return {**own, name: kept}

    def _remove(self, own: dict[str, KeptStyle], name: str) -> dict[str, KeptStyle]:
        if self.folder is not None:
            (self.folder / f"{safe_name(name)}{SUFFIX}").unlink(missing_ok=True)
        return {other: kept for other, kept in own.items() if other != name}

    def current(self, own: Mapping[str, KeptStyle]) -> dict[str, KeptStyle]:
        """The visitor's domains, or everybody's where the host shares a folder."""
        if self.folder is None:
            return dict(own)
        found: dict[str, KeptStyle] = {}
        for path in sorted(self.folder.glob(f"*{SUFFIX}"))[:MAX_KEPT]:
            try:
                found[path.stem] = self._read(path, path.stat().st_mtime_ns)
            except (StylizeError, OSError):
                continue
        return found

    def _read_file(self, path: Path, changed: int) -> KeptStyle:
        return self.entry(Domain.load(path))

    # Event handlers

    def pictures(self, own: Mapping[str, KeptStyle], request: gr.Request | None = None) -> list[tuple[Any, str]]:
        """(picture, caption) of the ready domains, then of the visitor's own."""
        stylizer = self.studio.stylizer
        ready = [(stylizer.preview(name), style_name(request, name)) for name in stylizer.ready()]
        return [*ready, *((kept.picture, f"★ {name}") for name, kept in own.items())]

    def refreshed(self, own: Mapping[str, KeptStyle], request: gr.Request) -> tuple[Any, ...]:
        """For ``shown``."""
        own = self.current(own)
        shelf: Any = gr.skip()
        if self.folder is None:
            shelf = {name: base64.b64encode(to_bytes(kept.domain)).decode() for name, kept in own.items()}
        ready = [style_name(request, name) for name in self.studio.stylizer.ready()]
        choices = gr.update(choices=["", *own, *ready])
        pictures = gr.update(value=self.pictures(own, request), selected_index=None)
        return own, shelf, pictures, *[choices] * (SLOTS - 1)

    def select(self, own: Mapping[str, KeptStyle], event: gr.SelectData, request: gr.Request) -> tuple[str, str, str]:
        """(picked, name field, note) for the clicked picture."""
        names = [*self.studio.stylizer.ready(), *own]
        name = names[event.index] if event.index < len(names) else ""
        words = "picked" if name in own else "picked_ready"
        return name, self.called(name, request), say(request, words, name=self.called(name, request))

    def applied(self, name: str, request: gr.Request) -> dict[Any, Any]:
        """Replaces the current mix by the picked style."""
        return self.shared.recipe.write(alone(self.called(name, request)))

    def called(self, name: str, request: gr.Request) -> str:
        """A picked name as the description that selects it."""
        return style_name(request, name) if name in self.studio.stylizer.ready() else name

    def renamed(
        self, picked: str, name: str, own: Mapping[str, KeptStyle], text: str, request: gr.Request
    ) -> tuple[Any, ...]:
        """``text``: the result's description, which follows the renaming."""
        try:
            here = self._own(picked, own, request)
            name = " ".join((name or "").split())[:60]
            if not name or name in here or name in self.taken():
                raise DomainError(say(request, "name_taken", name=name))
            kept = self._add(self._remove(here, picked), name, here[picked].domain)
            words = say(request, "renamed", name=name)
            return *self.refreshed(kept, request), name, name, words, name if text == picked else gr.skip()
        except StylizeError as error:
            return self._unchanged(error, request)

    def deleted(self, picked: str, own: Mapping[str, KeptStyle], text: str, request: gr.Request) -> tuple[Any, ...]:
        try:
            kept = self._remove(self._own(picked, own, request), picked)
            words = say(request, "deleted", name=picked)
            return *self.refreshed(kept, request), "", "", words, "" if text == picked else gr.skip()
        except StylizeError as error:
            return self._unchanged(error, request)

    def imported(self, paths: Sequence[str], own: Mapping[str, KeptStyle], request: gr.Request) -> tuple[Any, ...]:
        """Imports all valid files and packs; the note names the first invalid one."""
        kept, added, wrong = self.current(own), 0, ""
        for path in (Path(path) for path in paths or ()):
            try:
                domains = read_pack(path) if path.suffix.lower() == ".zip" else {path.stem: Domain.load(path)}
                for name, domain in domains.items():
                    free = unused(name, {*kept, *self.taken()})
                    kept, added = self._add(kept, free, domain), added + 1
            except StylizeError as error:
                wrong = wrong or failed(error, request)
        note = " ".join(filter(None, (say(request, "imported", n=added) if added or not wrong else "", wrong)))
        return *self.refreshed(kept, request), gr.skip(), gr.skip(), note

    def written(self, picked: str, own: Mapping[str, KeptStyle], request: gr.Request) -> tuple[Any, Any]:
        """The picked domain as a file, ready ones too."""
        if not picked:
            return gr.skip(), say(request, "library_pick")
        try:
            domains = {name: kept.domain for name, kept in self.current(own).items()}
            return gr.update(value=domain_file(self.studio.domain(picked, domains)), visible=True), gr.skip()
        except StylizeError as error:
            return gr.skip(), failed(error, request)

    def packed(self, own: Mapping[str, KeptStyle], request: gr.Request) -> tuple[Any, Any]:
        """All of the visitor's domains as one zip file."""
        domains = {name: kept.domain for name, kept in self.current(own).items()}
        if not domains:
            return gr.skip(), say(request, "nothing_kept")
        path = temporary(".zip", "styles")
        path.write_bytes(write_pack(domains))
        return gr.update(value=str(path), visible=True), gr.skip()

    def _own(self, picked: str, own: Mapping[str, KeptStyle], request: gr.Request) -> dict[str, KeptStyle]:
        """The visitor's domains, which must include ``picked``. Raises DomainError."""
        here = self.current(own)
        if picked not in here:
            raise DomainError(say(request, "only_own" if picked else "library_pick"))
        return here

    def _unchanged(self, error: StylizeError, request: gr.Request) -> tuple[Any, ...]:
        return *[gr.skip()] * (len(self.shown) + 2), failed(error, request), gr.skip()
