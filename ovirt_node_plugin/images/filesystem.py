"""The filesystem image in a squashfs: detect, check, enlarge and trim it."""
from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List

from ..errors import BadImage, UsageError
from ..system.run import Runner, StrPath, explained

EXT = ("ext2", "ext3", "ext4")
XFS = "xfs"


@dataclass(frozen=True)
class Filesystem:
    """A filesystem in a file. ``kind`` is its type as in mount(8); sizes are in bytes."""

    kind: str
    label: str
    uuid: str
    block_size: int
    size_bytes: int


def read_filesystem(path: Path, *, run: Runner) -> Filesystem:
    """Return the filesystem in the file ``path``, detected by blkid(8).

    Raises BadImage if it is not ext2, ext3, ext4 or xfs.
    """
    with explained(f"{path.name} contains no known filesystem", BadImage,
                   hint="ext4 and xfs are supported."):
        text = run(["blkid", "--probe", "--output", "export", "--", path])
    words: Dict[str, str] = dict(line.partition("=")[::2] for line in text.splitlines())
    kind = words.get("TYPE", "")
    if kind not in (*EXT, XFS):
        raise BadImage(f"{path.name} contains a filesystem of type {kind or 'unknown'}",
                       hint="ext4 and xfs are supported.")
    return Filesystem(kind=kind, label=words.get("LABEL", ""), uuid=words.get("UUID", ""),
                      block_size=int(words.get("BLOCK_SIZE", "0")), size_bytes=path.stat().st_size)


def mount_options(filesystem: Filesystem, *, writable: bool) -> List[str]:
    """Return the options of mount(8) that avoid needless writes to the filesystem."""
    if filesystem.kind == XFS:
        return ["nouuid", "noatime", *([] if writable else ["norecovery"])]
    return ["noatime", *(["noinit_itable"] if filesystem.kind == "ext4" and writable else []),
            *([] if writable or filesystem.kind == "ext2" else ["noload"])]


def grow(path: Path, filesystem: Filesystem, size_bytes: int, *, run: Runner) -> None:
    """Enlarge the file ``path`` to ``size_bytes``, and with it an ext filesystem.

    xfs can grow only while it is mounted, see ``grow_mounted``. Raises UsageError for a
    smaller size.
    """
    if size_bytes < filesystem.size_bytes:
        raise UsageError(f"{size_bytes} bytes are less than the filesystem has",
                         hint="It can only grow.")
    os.truncate(path, size_bytes)
    if filesystem.kind in EXT:
        with explained(f"the filesystem {path.name} cannot be enlarged"):
            run(["e2fsck", "-f", "-p", path], ok=(0, 1))  # e2fsck(8): 1 is repaired
            run(["resize2fs", path])


def grow_mounted(root: Path, filesystem: Filesystem, *, run: Runner) -> None:
    """Enlarge a mounted xfs to the size of its file. ext is enlarged by ``grow``."""
    if filesystem.kind == XFS:
        run(["xfs_growfs", root])


def check(path: Path, filesystem: Filesystem, *, run: Runner) -> None:
    """Raise BadImage if the unmounted filesystem in ``path`` is damaged; repair nothing."""
    argv: List[StrPath] = (["xfs_repair", "-n", "-f", path] if filesystem.kind == XFS
                           else ["e2fsck", "-f", "-n", path])
    with explained(f"the filesystem {path.name} is damaged", BadImage,
                   hint=f"Run {argv[0]} for the details."):
        run(argv)


def trim(root: Path, *, run: Runner) -> None:
    """Discard the unused blocks of the filesystem at ``root``, which makes its file sparse."""
    run(["fstrim", "--quiet-unsupported", "--", root])
