"""A root that can be changed, made of an open image, and the container packed of it anew.

This is the step that another way of writing can take the place of: what merges only needs
``changing``, to change the root, and ``pack``, to write the innermost container that has
a file of its own. Here all of it is compressed anew.
"""
from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import ContextManager, Iterator, Optional, Protocol

from ..errors import UsageError
from ..system.progress import READ, Progress, transferred
from ..system.run import Runner
from .compression import Compression
from .filesystem import (
    XFS,
    Filesystem,
    grow,
    grow_mounted,
    mount_options,
    read_filesystem,
    trim,
)
from .image import FOLDER, Image
from .mounts import loop_mounted, overlaid
from .squashfs import pack, unpack

# for packages that are fetched into the root first, journals, and files that scriptlets make
_SLACK, _LEAST_FREE, _LEAST_FILES = 0.5, 16 << 20, 256
# of a filesystem's size: what it needs itself for blocks that come to be in use
_GROWTH = 0.05


class Draft(Protocol):
    """The writable side of an image."""

    def changing(self) -> ContextManager[Path]:
        """Yield the root, mounted for writing; what is changed stays in the draft."""

    def pack(self, output: Path, *, recompress: Optional[Compression] = None) -> None:
        """Write the container to ``output``; for a folder, a folder."""


def draft(image: Image, work: Path, *, size_bytes: int = 0, run: Runner,
          progress: Progress) -> Draft:
    """Return the writable side of ``image``, which keeps what it needs in ``work``.

    ``size_bytes`` is the size that a filesystem image is to have, 0 for its own.
    """
    if image.layout.filesystem is not None:
        return _Nested(image=image, work=work, run=run, progress=progress,
                       filesystem=image.layout.filesystem, size_bytes=size_bytes)
    return _TreeDraft(image, work, run, progress)


def filesystem_size(image: Image, *, needed_bytes: int, needed_files: int,
                    size_bytes: int = 0) -> int:
    """Return the size that the filesystem image needs for what is to come, 0 for its own.

    ``size_bytes`` is the size that it is to have at least, 0 for its own.

    Raises UsageError where a size is given for what has none, or a smaller one than it has.
    """
    filesystem = image.layout.filesystem
    if filesystem is None:
        if size_bytes:
            raise UsageError(
                f"{image.layout.path} has no filesystem image in it that has a size",
                hint="Leave --size out: a squashfs or a folder grows by itself.")
        return 0
    if size_bytes and size_bytes < filesystem.size_bytes:
        raise UsageError(f"{image.layout.inner} has {filesystem.size_bytes} bytes: it cannot"
                         f" become smaller, {size_bytes}", hint="It can only grow.")
    return max(size_bytes, _sufficient_bytes(image.root, filesystem, needed_bytes, needed_files))


@dataclass(frozen=True)
class _TreeDraft:
    """A root tree: a folder, or straight in the squashfs. Changed in an overlay of it."""

    image: Image
    work: Path
    run: Runner
    progress: Progress

    @contextlib.contextmanager
    def changing(self) -> Iterator[Path]:
        at = self.work / "changed" / self.image.name
        upper = self.work / "overlay"
        for folder in (at, upper):
            folder.mkdir(parents=True, exist_ok=True)
        with overlaid(self.image.root, upper, at, run=self.run) as root:
            yield root

    def pack(self, output: Path, *, recompress: Optional[Compression] = None) -> None:
        squashfs = self.image.layout.squashfs
        with self.changing() as root:
            if self.image.layout.kind == FOLDER or squashfs is None:
                with self.progress.step("copy", "Copying the folder",
                                        total=lambda: content_bytes(root)) as advance:
                    self.run(["cp", "--archive", "--reflink=auto", "--sparse=always",
                              "--no-target-directory", "--", root, output],
                             polled=transferred(advance, READ))
            else:
                _pack(root, output, self.image, recompress, self.run, self.progress)


class _Nested:
    """A filesystem image in the squashfs: unpacked once, then mounted and changed."""

    def __init__(self, image: Image, work: Path, run: Runner, progress: Progress,
                 filesystem: Filesystem, size_bytes: int) -> None:
        self._image, self._run, self._progress = image, run, progress
        self._outer, self._at = work / "unpacked", work / "changed" / image.name
        self._filesystem = filesystem
        self._size_bytes = size_bytes

    @contextlib.contextmanager
    def changing(self) -> Iterator[Path]:
        if not self._outer.exists():
            self._unpack()
        file = self._outer / self._image.layout.inner
        options = mount_options(self._filesystem, writable=True)
        with loop_mounted(file, self._at, kind=self._filesystem.kind, writable=True,
                          options=options, run=self._run):
            grow_mounted(self._at, self._filesystem, run=self._run)
            yield self._at
            # a full disk below the loop device is told to nobody else
            self._run(["sync", "--file-system", "--", self._at])
            trim(self._at, run=self._run)

    def pack(self, output: Path, *, recompress: Optional[Compression] = None) -> None:
        _pack(self._outer, output, self._image, recompress, self._run, self._progress)

    def _unpack(self) -> None:
        layout = self._image.layout
        assert layout.squashfs is not None
        packed_bytes = layout.squashfs.bytes_used
        with self._progress.step("unpack", f"Unpacking {layout.inner}",
                                 total=lambda: packed_bytes) as advance:
            unpack(layout.path, self._outer, offset=layout.payload_offset, run=self._run,
                   polled=transferred(advance, READ))
        self._at.mkdir(parents=True, exist_ok=True)
        if self._size_bytes > self._filesystem.size_bytes:
            file = self._outer / layout.inner
            grow(file, self._filesystem, self._size_bytes, run=self._run)
            self._filesystem = read_filesystem(file, run=self._run)


def _pack(folder: Path, output: Path, image: Image, recompress: Optional[Compression],
          run: Runner, progress: Progress) -> None:
    layout = image.layout
    assert layout.squashfs is not None
    name = layout.payload.path if layout.payload is not None else layout.path.name
    with progress.step("pack", f"Packing {name}", total=lambda: content_bytes(folder)) as advance:
        pack(folder, output, layout.squashfs, recompress=recompress, run=run,
             polled=transferred(advance, READ))


def content_bytes(folder: Path) -> int:
    """Return the sizes of all files below ``folder``, a hard link counted once."""
    found, seen = 0, set()
    todo = [str(folder)]
    while todo:
        with os.scandir(todo.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    todo.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    info = entry.stat(follow_symlinks=False)
                    if info.st_nlink == 1 or info.st_ino not in seen:
                        found += info.st_size
                        seen.add(info.st_ino)
    return found


def _sufficient_bytes(root: Path, filesystem: Filesystem, needed_bytes: int,
                      needed_files: int) -> int:
    """Return the size with which what is to come has room, in whole MiB, 0 if it has.

    As room for so many files, where their number is fixed when a filesystem is made: it
    grows by as many as its size does.
    """
    info = os.statvfs(root)
    lacking = int(needed_bytes * (1 + _SLACK)) + _LEAST_FREE - info.f_bavail * info.f_frsize
    files = needed_files + _LEAST_FILES - info.f_favail
    if filesystem.kind != XFS and info.f_files and files > 0:
        lacking = max(lacking, files * filesystem.size_bytes // info.f_files)
    if not needed_files or lacking <= 0:
        return 0
    size = filesystem.size_bytes + int(lacking * (1 + _GROWTH))
    return -(-size // (1 << 20)) * (1 << 20)
