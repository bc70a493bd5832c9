"""Replace the time of a merge in a changed root by that of SOURCE_DATE_EPOCH.

Two merges of the same input then write the same root. Times of the input, and those that
packages have for their files, are kept.
"""
from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from ...system.source_date import source_date
from ...system.trees import lstat_of, walk
from .transaction_times import replace_history_times, replace_install_times


@dataclass(frozen=True)
class Start:
    """The time in whole seconds at which a root began to change.

    ``date`` is the time that replaces later ones, None without SOURCE_DATE_EPOCH.
    """

    seconds: int
    date: Optional[int]

    @classmethod
    def now(cls) -> Start:
        """Return the present time as the start."""
        return cls(int(time.time()), source_date())


def replace_times(root: Path, original: Path, start: Start, *, work: Path) -> None:
    """Replace the times since ``start`` in the changed ``root``, if there is another one.

    These are the times of files and folders, and those in the databases of rpm and DNF, in which
    paths in the folder ``work`` become relative. ``original`` is the unchanged root.
    """
    if start.date is None:
        return
    replace_history_times(root, start.seconds, start.date, work)
    replace_install_times(root, start.seconds, start.date)
    _clamp(root, original, start.seconds, start.date)


def _clamp(root: Path, original: Path, since: int, date: int) -> None:
    """Set entries that were changed since then to ``date``, if they are newer than it."""
    _clamp_entry(os.fspath(root), os.lstat(root), os.lstat(original), since, date)
    shared_folders = {os.fspath(root)}
    for entry in walk(root):
        before = (lstat_of(original / os.path.relpath(entry.path, root))
                  if os.path.dirname(entry.path) in shared_folders else None)
        if (before is not None and stat.S_ISDIR(before.st_mode)
                and entry.is_dir(follow_symlinks=False)):
            shared_folders.add(entry.path)
        _clamp_entry(entry.path, entry.stat(follow_symlinks=False), before, since, date)


def _clamp_entry(path: str, info: os.stat_result, before: Optional[os.stat_result], since: int,
                 date: int) -> None:
    # some filesystems keep whole seconds only
    changed_at = info.st_mtime_ns // 10**9
    if changed_at > date and changed_at >= since and (
            before is None or before.st_mtime_ns != info.st_mtime_ns):
        os.utime(path, (date, date), follow_symlinks=False)
