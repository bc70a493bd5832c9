"""Check before a merge that the disks of this machine have enough free space for it."""
from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Sequence

from ..errors import RolledBack
from ..images.draft import content_bytes, is_changed_twice
from ..images.image import FOLDER, ISO, RPM, Image, Layout
from ..system import words

_SPARE_BYTES = 16 << 20


@dataclass(frozen=True)
class SpaceNeed:
    """What the merge of ``image`` needs space for: its temporary files, and ``output``.

    ``needed_bytes`` is the size of the files to add. They count uncompressed, as their compressed
    size is not known yet.
    """

    image: Image
    output: Path
    needed_bytes: int
    recompressed: bool


def check(work: Path, space_needs: Sequence[SpaceNeed]) -> None:
    """Raise RolledBack if the work folder, or a folder of outputs, has too little free space.

    The images are written one after the other: their outputs count together, of their temporary
    files only the most.
    """
    needs: Dict[int, int] = {}
    folders: Dict[int, Path] = {}
    for folder, size in (
            (work, max((_work_bytes(need.image, need.needed_bytes, need.recompressed)
                        for need in space_needs), default=0)),
            *((need.output.absolute().parent,
               _output_bytes(need.image, need.needed_bytes, need.recompressed))
              for need in space_needs)):
        device = os.stat(folder).st_dev
        needs[device] = needs.get(device, _SPARE_BYTES) + size
        folders.setdefault(device, folder)
    for device, size in needs.items():
        free = shutil.disk_usage(folders[device]).free
        if free < size:
            raise RolledBack(
                f"the merge needs about {words.size(size)} on the disk of {folders[device]}, which"
                f" has {words.size(free)} free, {words.size(size - free)} too little."
                " Nothing was written.",
                hint="Free some space, or choose another disk for temporary files with"
                     " --work-dir.")


def _work_bytes(image: Image, needed_bytes: int, recompressed: bool) -> int:
    """Return the size of the temporary files."""
    layout, total = image.layout, needed_bytes
    if layout.filesystem is not None:
        total += _used_bytes(image.root) * (2 if is_changed_twice(layout.filesystem) else 1)
    elif image.needs_copy:
        total += content_bytes(image.root, holes=False)
    if layout.kind in (ISO, RPM):
        total += _squashfs_bytes(layout, needed_bytes, recompressed)
    if layout.kind == RPM:  # the RPM is built there, and its squashfs copied out to check it
        total += 2 * _squashfs_bytes(layout, needed_bytes, recompressed)
    return total


def _output_bytes(image: Image, needed_bytes: int, recompressed: bool) -> int:
    """Return the size of the output."""
    layout = image.layout
    if layout.kind == FOLDER:
        return content_bytes(image.root, holes=False) + needed_bytes
    rest = (layout.path.stat().st_size - layout.payload_size if layout.kind in (ISO, RPM)
            else 0)
    return rest + _squashfs_bytes(layout, needed_bytes, recompressed)


def _squashfs_bytes(layout: Layout, needed_bytes: int, recompressed: bool) -> int:
    """Return the maximum size of the new squashfs. A weaker compressor may double it."""
    assert layout.squashfs is not None
    return layout.squashfs.bytes_used * (2 if recompressed else 1) + needed_bytes


def _used_bytes(root: Path) -> int:
    """Return the used bytes of the filesystem that is mounted at ``root``."""
    info = os.statvfs(root)
    return (info.f_blocks - info.f_bfree) * info.f_frsize
