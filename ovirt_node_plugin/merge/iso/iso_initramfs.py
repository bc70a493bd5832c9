"""Update the initramfs that a live ISO boots with, if plugins need something in it.

It is a file on the ISO, outside the root. If it is a copy of an initramfs in the root, it
remains a copy of it. Otherwise the root's dracut builds a new one with the content of the old
one. The original is kept beside it, as in the root, and is restored when the last plugin that
needs a change is removed. The initramfs of an installer is not changed.
"""
from __future__ import annotations

import os
import posixpath
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, FrozenSet, Iterator, List, Optional, Tuple

from ...images.image import Image
from ...images.iso.boot import BootConfiguration
from ...images.iso.boot_text.model import BootEntry
from ...images.iso.iso import IsoFile, copy_span, span_chunks
from ...registry import store
from ...settings.boot.dracut_files import KIND_NAMES
from ...settings.boot.initramfs import made_like
from ...settings.boot.initramfs_images import KEPT, images
from ...system.paths import resolve_inside
from ...system.progress import Progress
from ...system.regular_files import opened_regular
from ...system.run import Runner, explained
from .file_changes import FileChanges
from .iso_boot import IsoBoot

# dracut.cmdline(7), "Booting live images"; the last one is used by livecd-tools
_LIVE = ("root=live:", "rd.live.image", "liveimg")
_KERNELS = ("boot/vmlinuz-{}", "lib/modules/{}/vmlinuz")
_NOT_NAMED = ("No boot configuration names an initramfs on the ISO: what plugins need in it is"
              " added only to the one in the root.")


@dataclass(frozen=True)
class _IsoInitramfs:
    """An initramfs on the ISO.

    ``other_paths`` are further paths of the same file. ``live`` is whether it boots a live
    system. ``original`` is the one from before any plugin if that is kept beside it.
    ``root_copy`` is the path of an identical one in the root, None if there is none or an
    original. ``version`` is that of the kernel, None if the root has no such kernel.
    """

    file: IsoFile
    other_paths: Tuple[str, ...]
    live: bool
    original: Optional[IsoFile]
    root_copy: Optional[str]
    version: Optional[str]

    @property
    def reason_kept(self) -> str:
        """Why what plugins need is not added to it, as a note; empty if it is added."""
        if self.root_copy is not None:
            return ""
        if not self.live:
            return (f"{self.file.path} is the installer's own initramfs: it is not changed, and"
                    " does not contain what plugins need in it.")
        if self.version is None:
            return (f"{self.file.path} is not changed: the kernel that is booted with it is not in"
                    " the image's root.")
        return ""


def forecast(image: Image, configurations: Tuple[BootConfiguration, ...]) -> Tuple[str, ...]:
    """Return what changed needs of plugins mean for each initramfs on the ISO, as notes."""
    return (*(initramfs.reason_kept
              or f"The initramfs {initramfs.file.path}, with which the ISO boots, is also updated."
              for initramfs in _initramfses(image, configurations)),
            *_notes_on_fat(configurations)) or (_NOT_NAMED,)


def _notes_on_fat(configurations: Tuple[BootConfiguration, ...]) -> Iterator[str]:
    """Yield a note for each configuration that boots with an initramfs in a FAT image."""
    for configuration in configurations:
        if configuration.boots_from_fat and any(entry.initrds for entry in configuration.entries):
            yield (f"{configuration.place} boots with an initramfs in the FAT image: it is not"
                   " changed, and does not contain what plugins need in it.")


def initramfs_changes(image: Image, root: Path, boot: IsoBoot, work: Path, *, run: Runner,
                      progress: Progress) -> FileChanges:
    """Return the changes to the initramfs on the ISO for the plugins in the changed ``root``.

    ``work`` is a folder for new files. Raises CommandError or Refused if dracut fails.
    """
    if image.layout.iso is None:
        return FileChanges()
    builder = _Builder(image=image, root=root, work=work, run=run, progress=progress)
    initramfses = _initramfses(image, boot.configurations)
    needs = _needs(root)
    needs_differ = needs != _needs(image.root)
    if needs_differ:
        notes = tuple(_notes_on_fat(boot.configurations))
        builder.notes += notes if initramfses or notes else (_NOT_NAMED,)
    for initramfs in initramfses:
        path = initramfs.file.path
        if initramfs.root_copy is not None:
            builder.copy_from_root(initramfs.file, initramfs.root_copy)
        elif not needs_differ:
            continue
        elif initramfs.original is not None and not needs:
            builder.restore(initramfs.file, initramfs.original)
        elif initramfs.version is None or initramfs.reason_kept:
            builder.notes.append(initramfs.reason_kept)
        else:
            builder.build(initramfs, initramfs.version)
        if path in builder.files:
            builder.files.update((other, builder.files[path]) for other in initramfs.other_paths)
    return FileChanges(builder.files, tuple(builder.removed), tuple(builder.notes))


class _Builder:
    """Writes the initramfs files for the ISO to the folder ``work``."""

    def __init__(self, image: Image, root: Path, work: Path, run: Runner,
                 progress: Progress) -> None:
        self._image, self._root, self._work = image, root, work
        self._run, self._progress = run, progress
        self.files: Dict[str, Path] = {}
        self.removed: List[str] = []
        self.notes: List[str] = []

    def copy_from_root(self, file: IsoFile, path: str) -> None:
        """Replace ``file`` by the initramfs ``path`` of the changed root, if they differ."""
        source = resolve_inside(self._root, path)
        if not _same(self._image.layout.path, file, source):
            copy = self._new_path("copy.img")
            shutil.copyfile(source, copy)
            self.files[file.path] = copy

    def restore(self, file: IsoFile, original: IsoFile) -> None:
        """Replace ``file`` by the ``original`` from before any plugin."""
        self.files[file.path] = self._extract(original)
        self.removed.append(original.path)

    def build(self, initramfs: _IsoInitramfs, version: str) -> None:
        """Build an initramfs with the content of the original one and what plugins need.

        ``version`` is that of the kernel. If the initramfs on the ISO is the original, it is
        kept beside the new one.
        """
        path = initramfs.file.path
        old = self._extract(initramfs.original or initramfs.file)
        folder = self._new_path("made")
        folder.mkdir()
        with self._progress.step("initramfs", f"Building {path}"), explained(
                f"the initramfs {path} cannot be built"):
            self.files[path] = made_like(version, old, folder, root=self._root, run=self._run)
        if initramfs.original is None:
            self.files[path + KEPT] = old

    def _extract(self, file: IsoFile) -> Path:
        copy = self._new_path("before.img")
        copy_span(self._image.layout.path, file, copy)
        return copy

    def _new_path(self, name: str) -> Path:
        return self._work / f"{len(self.files)}-{name}"


def _needs(root: Path) -> FrozenSet[str]:
    """Return the settings of plugins in ``root`` that concern an initramfs, with versions."""
    return frozenset(
        f"{record.name} {record.version} {setting.kind}:{setting.key}={setting.value}"
        for record in store.read_registry(root).records.values()
        for setting in record.settings if setting.kind in KIND_NAMES)


def _initramfses(image: Image, configurations: Tuple[BootConfiguration, ...]
                 ) -> Tuple[_IsoInitramfs, ...]:
    """Return each initramfs on the ISO that a boot entry names, once."""
    iso = image.layout.iso
    by_path = {file.path: file for file in iso.files} if iso is not None else {}
    by_lba: Dict[int, _IsoInitramfs] = {}
    for configuration in configurations:
        place = configuration.place
        folder = "/" if ":" in place else posixpath.dirname(place)
        for entry in () if configuration.boots_from_fat else configuration.entries:
            kernel = by_path.get(_iso_path(folder, entry.kernel))
            for name in entry.initrds:
                file = by_path.get(_iso_path(folder, name))
                if file is not None and file.lba not in by_lba:
                    original = by_path.get(file.path + KEPT)
                    by_lba[file.lba] = _IsoInitramfs(
                        file=file, live=_is_live(entry), original=original,
                        other_paths=tuple(other.path for other in by_path.values()
                                          if other.lba == file.lba and other.path != file.path),
                        root_copy=_path_in_root(image, file) if original is None else None,
                        version=_version(image, kernel))
    return tuple(by_lba.values())


def _iso_path(folder: str, name: str) -> str:
    """Return the path on the ISO of a ``name`` in a configuration, without GRUB's device."""
    return posixpath.normpath(posixpath.join(folder, re.sub(r"^\([^)]*\)", "", name)))


def _is_live(entry: BootEntry) -> bool:
    return any(word.startswith(_LIVE) for word in entry.arguments.split())


def _path_in_root(image: Image, file: IsoFile) -> Optional[str]:
    """Return the relative path of the initramfs in the root that is identical to ``file``."""
    for paths in images(image.root).values():
        for path in paths:
            if _same(image.layout.path, file, image.root / path):
                return path
    return None


def _version(image: Image, kernel: Optional[IsoFile]) -> Optional[str]:
    """Return the version of the kernel in the root that is identical to ``kernel`` on the ISO."""
    modules = resolve_inside(image.root, "lib/modules")
    for version in sorted(os.listdir(modules)) if modules.is_dir() else ():
        for form in _KERNELS:
            path = resolve_inside(image.root, form.format(version))
            if kernel is not None and _same(image.layout.path, kernel, path):
                return version
    return None


def _same(source: Path, file: IsoFile, path: Path) -> bool:
    """Return whether a file on the ISO ``source`` and the host file ``path`` are identical."""
    if not path.is_file() or path.stat().st_size != file.size_bytes:
        return False
    with opened_regular(path) as stream:
        return all(stream.read(len(chunk)) == chunk for chunk in span_chunks(source, file))
