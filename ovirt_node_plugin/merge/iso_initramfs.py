"""The initramfs that a live ISO boots with, when plugins need something in it.

It lies on the ISO, outside the root. Where it is the one of a kernel in the root, it stays
that one; elsewhere it is made by the root's dracut with what the old one has. What it was
before stays beside it, as it does in the root, and comes back with the last such plugin.
The initramfs of an installer is the installer's own, and left alone.
"""
from __future__ import annotations

import os
import posixpath
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, FrozenSet, Iterator, List, Mapping, Optional, Tuple

from ..images.boot import BootConfiguration
from ..images.boot_text import BootEntry
from ..images.image import Image
from ..images.iso import Iso, IsoFile, copy_span, span_chunks
from ..registry import store
from ..settings.boot.dracut_files import KIND_NAMES
from ..settings.boot.initramfs import made_like
from ..settings.boot.initramfs_images import KEPT, images
from ..system.paths import resolve_inside
from ..system.progress import Progress
from ..system.regular_files import opened_regular
from ..system.run import Runner
from .iso_boot import IsoBoot

# dracut.cmdline(7), "Booting live images"; the last is livecd-tools' own
_LIVE = ("root=live:", "rd.live.image", "liveimg")
_KERNELS = ("boot/vmlinuz-{}", "lib/modules/{}/vmlinuz")


@dataclass(frozen=True)
class Early:
    """Host ``files`` by their paths on the ISO, paths ``gone``, and lines for people."""

    files: Mapping[str, Path] = field(default_factory=dict)
    gone: Tuple[str, ...] = ()
    notes: Tuple[str, ...] = ()


@dataclass(frozen=True)
class _Place:
    """An initramfs on the ISO, and the kernel that is booted with it.

    ``others`` are more names of the same file.
    """

    file: IsoFile
    others: Tuple[str, ...]
    kernel: Optional[IsoFile]
    live: bool


def replaced(image: Image, root: Path, boot: IsoBoot, work: Path, *, run: Runner,
             progress: Progress) -> Early:
    """Return what becomes of the initramfs on the ISO with the plugins in the changed ``root``.

    ``work`` is a folder for what is made. Raises CommandError or Refused where dracut fails.
    """
    iso = image.layout.iso
    if iso is None:
        return Early()
    maker = _Maker(image=image, root=root, work=work, run=run, progress=progress)
    places = list(_places(iso, boot.configurations))
    if not places and _needs(root) != _needs(image.root):
        maker.notes.append("No boot configuration names an initramfs on the ISO: what plugins"
                           " want to have in it is in the root's only.")
    for place in places:
        kept = next((one for one in iso.files if one.path == place.file.path + KEPT), None)
        twin = _twin(image, place.file) if kept is None else None
        if twin is not None:
            maker.follow(place.file, twin)
        elif _needs(root) == _needs(image.root):
            continue
        elif not place.live:
            maker.notes.append(f"{place.file.path} is the installer's own initramfs: it is left"
                               " as it is, and lacks what plugins want to have in it.")
        elif kept is not None and not _needs(root):
            maker.give_back(place.file, kept)
        else:
            maker.make(place, kept)
        if place.file.path in maker.files:
            maker.files.update((name, maker.files[place.file.path]) for name in place.others)
    return Early(maker.files, tuple(maker.gone), tuple(maker.notes))


class _Maker:
    """Makes what is to be on the ISO, in the folder ``work``."""

    def __init__(self, image: Image, root: Path, work: Path, run: Runner,
                 progress: Progress) -> None:
        self._image, self._root, self._work = image, root, work
        self._run, self._progress = run, progress
        self.files: Dict[str, Path] = {}
        self.gone: List[str] = []
        self.notes: List[str] = []

    def follow(self, file: IsoFile, twin: str) -> None:
        """Have the one on the ISO be the one in the root, as it was before."""
        source = resolve_inside(self._root, twin)
        if not _same(self._image.layout.path, file, source):
            copy = self._place("copy.img")
            shutil.copyfile(source, copy)
            self.files[file.path] = copy

    def give_back(self, file: IsoFile, kept: IsoFile) -> None:
        """Have the one from before plugins again."""
        self.files[file.path] = self._copied(kept)
        self.gone.append(kept.path)

    def make(self, place: _Place, kept: Optional[IsoFile]) -> None:
        """Make one that does what the one from before plugins does, which stays beside it."""
        path = place.file.path
        version = _version(self._image, place.kernel)
        if version is None:
            self.notes.append(f"{path} is left as it is: the kernel that it is booted with is"
                              " none of the image's.")
            return
        before = self._copied(kept or place.file)
        made = self._place("made")
        made.mkdir()
        with self._progress.step("initramfs", f"Making {path}"):
            self.files[path] = made_like(version, before, made, root=self._root, run=self._run)
        if kept is None:
            self.files[path + KEPT] = before

    def _copied(self, file: IsoFile) -> Path:
        copy = self._place("before.img")
        copy_span(self._image.layout.path, file, copy)
        return copy

    def _place(self, name: str) -> Path:
        return self._work / f"{len(self.files)}-{name}"


def _needs(root: Path) -> FrozenSet[str]:
    """Return what plugins in ``root`` want to have in an initramfs, with their versions."""
    return frozenset(f"{record.name} {record.version} {one.kind}:{one.key}={one.value}"
                     for record in store.read_registry(root).records.values()
                     for one in record.settings if one.kind in KIND_NAMES)


def _places(iso: Iso, configurations: Tuple[BootConfiguration, ...]) -> Iterator[_Place]:
    """Yield each initramfs on the ISO that an entry of a boot menu names, once."""
    by_path = {file.path: file for file in iso.files}
    found: Dict[int, _Place] = {}
    for one in configurations:
        folder = "/" if ":" in one.place else posixpath.dirname(one.place)
        for entry in one.entries:
            kernel = by_path.get(_path(folder, entry.kernel))
            for name in entry.initrds:
                file = by_path.get(_path(folder, name))
                if file is not None:
                    others = tuple(other.path for other in iso.files
                                   if other.lba == file.lba and other.path != file.path)
                    found.setdefault(file.lba, _Place(file, others, kernel, _is_live(entry)))
    yield from found.values()


def _path(folder: str, name: str) -> str:
    """Return the path on the ISO of what a configuration names, GRUB's device taken off."""
    return posixpath.normpath(posixpath.join(folder, re.sub(r"^\([^)]*\)", "", name)))


def _is_live(entry: BootEntry) -> bool:
    return any(word.startswith(_LIVE) for word in entry.arguments.split())


def _twin(image: Image, file: IsoFile) -> Optional[str]:
    """Return the initramfs in the root, relative, that is the same as the one on the ISO."""
    for places in images(image.root).values():
        for place in places:
            if _same(image.layout.path, file, image.root / place):
                return place
    return None


def _version(image: Image, kernel: Optional[IsoFile]) -> Optional[str]:
    """Return the version of the root's kernel that is the same as the one on the ISO."""
    modules = resolve_inside(image.root, "lib/modules")
    for version in sorted(os.listdir(modules)) if modules.is_dir() else ():
        for form in _KERNELS:
            path = resolve_inside(image.root, form.format(version))
            if kernel is not None and _same(image.layout.path, kernel, path):
                return version
    return None


def _same(source: Path, file: IsoFile, path: Path) -> bool:
    """Say if a file on the ISO ``source`` and the host file ``path`` have the same content."""
    if not path.is_file() or path.stat().st_size != file.size_bytes:
        return False
    with opened_regular(path) as stream:
        return all(stream.read(len(chunk)) == chunk for chunk in span_chunks(source, file))
