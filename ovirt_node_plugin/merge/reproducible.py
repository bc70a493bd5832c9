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

from ..system.source_date import source_date
from ..system.trees import lstat_of, walk
from . import databases

_NOBODY = -1  # the user of a transaction without a login, as DNF writes it


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


def settle(root: Path, original: Path, start: Start, *, work: Path) -> None:
    """Replace the times since ``start`` in the changed ``root``, if there is another one.

    These are the times of files and folders, and those in DNF's history, in which paths in the
    folder ``work`` become relative. ``original`` is the unchanged root.
    """
    if start.date is None:
        return
    _settle_history(root, start.seconds, start.date, work)
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


def _settle_history(root: Path, since: int, date: int, work: Path) -> None:
    """Replace what depends on time, user and work folder in the new transactions of DNF's history.

    Tables: libdnf's transaction/sql/create.sql. A history that cannot be read is left as it is.
    """
    path = databases.regular_database(root, databases.HISTORY)
    if path is None or _changed_at(path) < since:
        return
    databases.execute(path, [
        ("UPDATE trans SET dt_begin = ?1, dt_end = ?1, user_id = ?2,"
         " cmdline = replace(cmdline, ?3, '') WHERE dt_begin >= ?4",
         (date, _NOBODY, f"{work}/", since)),
        ("VACUUM", ())])  # else the file still has the old values


def _changed_at(database: Path) -> int:
    """Return when ``database`` or its log was changed, in whole seconds."""
    infos = [lstat_of(f"{database}{end}") for end in ("", "-wal", "-shm")]
    return max(info.st_mtime_ns for info in infos if info is not None) // 10**9
