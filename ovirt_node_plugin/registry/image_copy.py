"""The image's own copy of the registry: made from the records in /etc, and compared with them."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Optional, Tuple

from ..system.entries import write_atomic
from ..system.limits import INVENTORY_BYTES, RECORD_BYTES, UNDO_DATA_BYTES
from ..system.paths import read_inside, resolve_inside
from . import store
from .places import ETC, IMAGE, has_image_copy, make_folders

_LIMITS = (RECORD_BYTES, UNDO_DATA_BYTES, INVENTORY_BYTES)  # as in Place.files


def keep(root: Path) -> None:
    """Make sure that ``root``, of an image, has its own copy of the registry.

    A new copy contains all records of /etc. The caller holds the root's journal.
    """
    if has_image_copy(root):
        return
    plugins = store.names(root)
    make_folders(root, IMAGE)
    for name in plugins:
        for path, copy, limit in zip(ETC.files(name), IMAGE.files(name), _LIMITS):
            content = read_file(root, path, limit)
            if content is not None:
                write_file(root, copy, content)


def read_file(root: Path, path: str, max_bytes: int) -> Optional[Tuple[bytes, int]]:
    """Return content and mode of a file of the registry; None if it cannot be read."""
    try:
        data = read_inside(root, path, max_bytes=max_bytes, follow_last=False)
        mode = os.lstat(resolve_inside(root, path, follow_last=False)).st_mode
    except OSError:
        return None
    return data, 0o644 if mode & 0o004 else 0o600


def write_file(root: Path, path: str, content: Tuple[bytes, int]) -> None:
    """Write a file of the registry, atomically, with content and mode as ``read_file``."""
    data, mode = content
    write_atomic(resolve_inside(root, path, follow_last=False), data, mode=mode)
