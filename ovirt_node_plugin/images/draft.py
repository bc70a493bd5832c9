"""A writable copy of an image's root, and the new container packed from it.

Another way to write images can replace this module: a merge needs only ``changing``, to
change the root, and ``pack``, to write the innermost container that is a file. Here the
whole container is compressed again.
"""
from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import ContextManager, Iterator, Optional, Protocol

from ..errors import UsageError
from ..system.progress import READ, Progress, transferred
from ..system.run import Runner, explained
from ..system.source_date import source_date
from ..system.words import size
from .ext_changes import ExtChanges
from .filesystem import (
    EXT,
    XFS,
    Filesystem,
    grow,
    grow_mounted,
    mount_options,
    read_filesystem,
    trim,
)
from .image import FOLDER, Image, Layout
from .mounts import loop_mounted
from .squashfs.compression import Compression
from .squashfs.squashfs import pack, unpack
from .workspace import DISK_HINT
from .writable import copy_tree, writable

# Reserves for packages that are downloaded into the root, for the journal of the filesystem,
# and for files that scriptlets create
_SPARE_SHARE, _SPARE_BYTES, _SPARE_FILES = 0.5, 16 << 20, 256
_STAT_BLOCK = 512  # stat(2), st_blocks
# The share of added space that the filesystem needs for its own metadata
_METADATA_SHARE = 0.05


class Draft(Protocol):
    """A writable copy of an image's root. The image itself is never changed."""

    def changing(self) -> ContextManager[Path]:
        """Yield the root, mounted for writing. The draft keeps the changes afterwards."""

    def pack(self, output: Path, *, recompress: Optional[Compression] = None) -> None:
        """Write the changed container to ``output``, which becomes a folder for a folder."""


def draft(image: Image, work: Path, *, size_bytes: int = 0, run: Runner,
          progress: Progress) -> Draft:
    """Return a draft of ``image``, which keeps its files in the folder ``work``.

    ``size_bytes`` is the new size of the filesystem image, 0 to keep the present size.
    """
    if image.layout.filesystem is not None:
        return _FilesystemDraft(image=image, work=work, run=run, progress=progress,
                                filesystem=image.layout.filesystem, size_bytes=size_bytes)
    return _TreeDraft(image, work, run, progress)


def is_changed_twice(filesystem: Filesystem) -> bool:
    """Return whether a draft of ``filesystem`` has a second copy of it."""
    return source_date() is not None and filesystem.kind in EXT


def filesystem_size(image: Image, *, needed_bytes: int, needed_files: int,
                    size_bytes: int = 0) -> int:
    """Return the size that the filesystem image needs, 0 if the present size is enough.

    ``needed_bytes`` and ``needed_files`` are the size and number of the files to add,
    ``size_bytes`` the minimum size that was asked for, 0 for none.
    """
    filesystem = image.layout.filesystem
    if filesystem is None:
        return 0
    return max(size_bytes, _sufficient_bytes(image.root, filesystem, needed_bytes, needed_files))


def free_bytes(image: Image) -> Optional[int]:
    """Return the free space of the filesystem image, None if there is none."""
    if image.layout.filesystem is None:
        return None
    info = os.statvfs(image.root)
    return info.f_bavail * info.f_frsize


def check_size(layout: Layout, size_bytes: int) -> None:
    """Raise UsageError if the filesystem image cannot get the minimum size ``size_bytes``.

    That is if it is larger, or if there is none.
    """
    filesystem = layout.filesystem
    if filesystem is None:
        raise UsageError(f"{layout.path} contains no filesystem image whose size can be set",
                         hint="Leave --size out: a squashfs or a folder grows by itself.")
    if size_bytes < filesystem.size_bytes:
        raise UsageError(
            f"{layout.inner} in {layout.path} has {size(filesystem.size_bytes)}"
            f" ({filesystem.size_bytes} bytes) and cannot be reduced to {size(size_bytes)}"
            f" ({size_bytes} bytes)", hint="It can only grow: give a larger --size, or none.")


@dataclass(frozen=True)
class _TreeDraft:
    """A draft of a folder, or of a root directly in the squashfs: a writable view of the tree."""

    image: Image
    work: Path
    run: Runner
    progress: Progress

    @contextlib.contextmanager
    def changing(self) -> Iterator[Path]:
        at = self.work / "changed" / self.image.name
        changes = self.work / "changes"
        for folder in (at, changes):
            folder.mkdir(parents=True, exist_ok=True)
        with writable(self.image.root, changes, at, copied=self.image.needs_copy,
                      run=self.run) as root:
            yield root

    def pack(self, output: Path, *, recompress: Optional[Compression] = None) -> None:
        squashfs = self.image.layout.squashfs
        with self.changing() as root:
            if self.image.layout.kind == FOLDER or squashfs is None:
                with self.progress.step("copy", "Copying the folder",
                                        total=lambda: content_bytes(root)) as advance, explained(
                                            "the folder cannot be copied"):
                    copy_tree(root, output, run=self.run, polled=transferred(advance, READ))
            else:
                _pack(root, output, self.image, recompress, self.run, self.progress)


class _FilesystemDraft:
    """A draft of a filesystem image in a squashfs, which is unpacked once and then mounted.

    With SOURCE_DATE_EPOCH, an ext filesystem is changed twice: a copy by the kernel, which is
    discarded, and then the image by ``ext_changes``.
    """

    def __init__(self, image: Image, work: Path, run: Runner, progress: Progress,
                 filesystem: Filesystem, size_bytes: int) -> None:
        self._image, self._run, self._progress = image, run, progress
        self._outer, self._at = work / "unpacked", work / "changed" / image.name
        self._filesystem = filesystem
        self._size_bytes = size_bytes
        self._work, self._date = work, source_date()
        self._copy = work / "copy" if is_changed_twice(filesystem) else None

    @contextlib.contextmanager
    def changing(self) -> Iterator[Path]:
        if not self._outer.exists():
            self._unpack()
        options = mount_options(self._filesystem, writable=True)
        with loop_mounted(self._copy or self._inner, self._at, kind=self._filesystem.kind,
                          writable=True, options=options, run=self._run):
            grow_mounted(self._at, self._filesystem, run=self._run)
            yield self._at
            # only this reports that the disk below the loop device is full
            with explained("the filesystem image cannot be written", hint=DISK_HINT):
                self._run(["sync", "--file-system", "--", self._at])
            trim(self._at, run=self._run)

    def pack(self, output: Path, *, recompress: Optional[Compression] = None) -> None:
        if self._copy is not None:
            self._write_changes(self._copy)
        if self._date is not None:
            os.utime(self._inner, (self._date, self._date))
        _pack(self._outer, output, self._image, recompress, self._run, self._progress)

    @property
    def _inner(self) -> Path:
        return self._outer / self._image.layout.inner

    def _write_changes(self, copy: Path) -> None:
        """Write the changes of ``copy`` to the image, and delete ``copy``."""
        folder = self._work / "ext-changes"
        folder.mkdir()
        with self._progress.step("rewrite", f"Writing {self._inner.name}"), self._mounted(
                copy, self._at) as changed:
            changes = ExtChanges(self._image.root, changed, folder, self._date or 0)
            changes.apply(self._inner, run=self._run)
            with self._mounted(self._inner, self._work / "written-root") as result:
                changes.check(result)
        copy.unlink()

    def _mounted(self, file: Path, at: Path) -> ContextManager[Path]:
        at.mkdir(exist_ok=True)
        return loop_mounted(file, at, kind=self._filesystem.kind, run=self._run,
                            options=mount_options(self._filesystem, writable=False))

    def _unpack(self) -> None:
        layout = self._image.layout
        assert layout.squashfs is not None
        packed_bytes = layout.squashfs.bytes_used
        with self._progress.step("unpack", f"Unpacking {layout.inner}",
                                 total=lambda: packed_bytes) as advance:
            unpack(layout.squashfs_file, self._outer, offset=layout.payload_offset,
                   run=self._run, polled=transferred(advance, READ))
        self._at.mkdir(parents=True, exist_ok=True)
        if self._size_bytes > self._filesystem.size_bytes:
            grow(self._inner, self._filesystem, self._size_bytes, run=self._run)
            self._filesystem = read_filesystem(self._inner, run=self._run)
        if self._copy is not None:
            with explained("the filesystem image cannot be copied", hint=DISK_HINT):
                self._run(["cp", "--reflink=auto", "--sparse=always", "--", self._inner,
                           self._copy])


def _pack(folder: Path, output: Path, image: Image, recompress: Optional[Compression],
          run: Runner, progress: Progress) -> None:
    layout = image.layout
    assert layout.squashfs is not None
    name = layout.payload_path or layout.path.name
    with progress.step("pack", f"Packing {name}", total=lambda: content_bytes(folder)) as advance:
        pack(folder, output, layout.squashfs, padded=layout.is_padded, recompress=recompress,
             run=run, polled=transferred(advance, READ))


def content_bytes(folder: Path, *, holes: bool = True) -> int:
    """Return the total size of the files below ``folder``; hard links count once.

    Without ``holes`` it is the space that a copy needs in which holes stay holes.
    """
    total_bytes, seen = 0, set()
    todo = [str(folder)]
    while todo:
        with os.scandir(todo.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    todo.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    info = entry.stat(follow_symlinks=False)
                    if info.st_nlink == 1 or info.st_ino not in seen:
                        total_bytes += (info.st_size if holes
                                        else min(info.st_size, info.st_blocks * _STAT_BLOCK))
                        seen.add(info.st_ino)
    return total_bytes


def _sufficient_bytes(root: Path, filesystem: Filesystem, needed_bytes: int,
                      needed_files: int) -> int:
    """Return the size, in whole MiB, that the files to add need; 0 if there is space for them.

    An ext filesystem also has a fixed number of inodes, which grows in proportion to its
    size.
    """
    info = os.statvfs(root)
    missing_bytes = (int(needed_bytes * (1 + _SPARE_SHARE)) + _SPARE_BYTES
                     - info.f_bavail * info.f_frsize)
    missing_files = needed_files + _SPARE_FILES - info.f_favail
    if filesystem.kind != XFS and info.f_files and missing_files > 0:
        missing_bytes = max(missing_bytes, missing_files * filesystem.size_bytes // info.f_files)
    if not needed_files or missing_bytes <= 0:
        return 0
    size = filesystem.size_bytes + int(missing_bytes * (1 + _METADATA_SHARE))
    return -(-size // (1 << 20)) * (1 << 20)
