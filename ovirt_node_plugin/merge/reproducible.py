"""Replace the time of a merge in a changed root by that of SOURCE_DATE_EPOCH.

Two merges of the same input then write the same root. Times of the input, and those that
packages have for their files, are kept.
"""
from __future__ import annotations

import contextlib
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from ..errors import OutsideRoot
from ..system.path_sets import DNF_HISTORY
from ..system.paths import resolve_inside
from ..system.source_date import source_date
from ..system.trees import lstat_of, walk

_SQLITE_STEPS = 100_000_000
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
    import sqlite3  # few merges need this

    path = _history(root, since)
    if path is None:
        return
    with contextlib.suppress(sqlite3.Error), contextlib.closing(
            sqlite3.connect(path, isolation_level=None)) as database:
        # ends a statement that a hostile file makes long
        database.set_progress_handler(lambda: 1, _SQLITE_STEPS)
        database.execute("PRAGMA trusted_schema = OFF")
        database.execute(
            "UPDATE trans SET dt_begin = ?1, dt_end = ?1, user_id = ?2,"
            " cmdline = replace(cmdline, ?3, '') WHERE dt_begin >= ?4",
            (date, _NOBODY, f"{work}/", since))
        database.execute("VACUUM")  # else the file still has the old values


def _history(root: Path, since: int) -> Optional[Path]:
    """Return DNF's history if it was written since then and SQLite can open it safely."""
    infos = []
    for name in DNF_HISTORY:
        try:
            infos.append(lstat_of(resolve_inside(root, name, follow_last=False)))
        except OutsideRoot:
            return None
    history, journal, *_ = infos
    files = [info for info in infos if info is not None]
    # a journal would name another file, which SQLite removes: sqlite.org/atomiccommit.html
    if history is None or journal is not None or not all(
            stat.S_ISREG(info.st_mode) for info in files):
        return None
    if max(info.st_mtime_ns for info in files) // 10**9 < since:
        return None
    return resolve_inside(root, DNF_HISTORY[0])
