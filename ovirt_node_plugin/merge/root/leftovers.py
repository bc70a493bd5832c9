"""Undo what DNF and rpm leave in a changed root besides their databases."""
from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Iterator, Tuple

from ...system.trees import lstat_of
from . import databases

_PATH_BYTES = 3000  # the most of a path in a root; PATH_MAX is 4096


def remove(root: Path, original: Path) -> None:
    """Remove temporary files from the changed ``root`` that ``original`` does not have.

    A folder in which only such files were created and removed has its time of modification
    again. No program may use the root.
    """
    databases.remove_temporary_files(root, original)
    for path, before, after in _folders(root, original):
        if (before.st_mtime_ns != after.st_mtime_ns
                and sorted(os.listdir(original / path)) == sorted(os.listdir(root / path))):
            os.utime(root / path, ns=(after.st_atime_ns, before.st_mtime_ns))


def _folders(root: Path, original: Path) -> Iterator[Tuple[str, os.stat_result, os.stat_result]]:
    """Yield the path and both states of each folder that is a folder in both trees."""
    todo = ["."]
    while todo:
        path = todo.pop()
        before, after = lstat_of(original / path), lstat_of(root / path)
        # a link that replaced a folder could lead out of the root
        if before is None or after is None or not stat.S_ISDIR(after.st_mode):
            continue
        yield path, before, after
        with os.scandir(original / path) as listing:
            todo += [f"{path}/{entry.name}" for entry in listing
                     if entry.is_dir(follow_symlinks=False)
                     and len(os.fsencode(f"{path}/{entry.name}")) <= _PATH_BYTES]
