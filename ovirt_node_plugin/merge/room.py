"""Room on the disks of the machine that a merge runs on, looked at before it begins."""
from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Dict

from ..errors import RolledBack
from ..images.draft import content_bytes
from ..images.image import FOLDER, ISO, Layout
from ..system import words

_SPARE = 16 << 20


def check(layout: Layout, root: Path, work: Path, output: Path, *, needed_bytes: int,
          recompressed: bool) -> None:
    """Raise RolledBack if what a merge writes will not fit beside ``output`` and in ``work``.

    ``root`` is the image's mounted root, ``needed_bytes`` what comes into it. How well that
    can be packed nobody knows before: it counts as it is.
    """
    beside = output.absolute().parent
    wanted: Dict[int, int] = {}
    places: Dict[int, Path] = {}
    for place, size in ((work, _in_work(layout, root, needed_bytes, recompressed)),
                        (beside, _in_output(layout, root, needed_bytes, recompressed))):
        device = os.stat(place).st_dev
        wanted[device] = wanted.get(device, _SPARE) + size
        places.setdefault(device, place)
    for device, size in wanted.items():
        free = shutil.disk_usage(places[device]).free
        if free < size:
            raise RolledBack(
                f"the merge needs about {words.size(size)} on the disk of {places[device]}, which"
                f" has {words.size(free)} free, {words.size(size - free)} too little."
                " Nothing was begun.",
                hint="Make room, or name another disk: --work-dir is for what is temporary.")


def _in_work(layout: Layout, root: Path, needed_bytes: int, recompressed: bool) -> int:
    found = needed_bytes
    if layout.filesystem is not None:
        found += _used_bytes(root)
    if layout.kind == ISO:
        found += _packed_bytes(layout, root, needed_bytes, recompressed)
    return found


def _in_output(layout: Layout, root: Path, needed_bytes: int, recompressed: bool) -> int:
    if layout.kind == FOLDER:
        return content_bytes(root) + needed_bytes
    rest = layout.path.stat().st_size - layout.payload_size if layout.kind == ISO else 0
    return rest + _packed_bytes(layout, root, needed_bytes, recompressed)


def _packed_bytes(layout: Layout, root: Path, needed_bytes: int, recompressed: bool) -> int:
    """Return what the squashfs will have at most: weaker compressors take up to twice as much."""
    assert layout.squashfs is not None
    return layout.squashfs.bytes_used * (2 if recompressed else 1) + needed_bytes


def _used_bytes(root: Path) -> int:
    """Return what is in use of the filesystem that is mounted at ``root``."""
    info = os.statvfs(root)
    return (info.f_blocks - info.f_bfree) * info.f_frsize
