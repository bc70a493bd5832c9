"""Replace the time of a merge in the databases of rpm and DNF, which are of SQLite.

rpm before 4.18 and DNF 4 always write the present time. Databases that cannot be read, or are
of another format, stay as they are.
"""
from __future__ import annotations

import contextlib
import struct
import sys
from pathlib import Path
from typing import Iterator, Optional, Tuple

from ...errors import BadRoot, OutsideRoot
from ...system.rpm_database import RPMDB_FILES, find_rpmdb
from ...system.trees import lstat_of
from . import databases

_Statement = Tuple[str, Tuple[object, ...]]
_COMPACT: _Statement = ("VACUUM", ())  # else the file still has the old values
_NO_LOGIN = -1  # the user of a transaction without a login, as DNF writes it
# rpm's rpmtag.h, and its manual's format_header.md: a count of entries, a size, the entries
_INSTALL_TIME, _INSTALL_TID, _INT32 = 1008, 1128, 4
_COUNTS, _ENTRY, _TIME = struct.Struct(">2I"), struct.Struct(">2IiI"), struct.Struct(">I")
_MAX_TIME = (1 << 32) - 1


def replace_history_times(root: Path, since: int, date: int, work: Path) -> None:
    """Replace the times since ``since``, in whole seconds, in DNF's history by ``date``.

    Their transactions also lose the user, and paths in the folder ``work`` become relative.
    Tables: libdnf's transaction/sql/create.sql.
    """
    path = databases.regular_database(root, databases.HISTORY)
    if path is not None and _changed_at(path) >= since:
        databases.execute(path, [
            ("UPDATE trans SET dt_begin = ?1, dt_end = ?1, user_id = ?2,"
             " cmdline = replace(cmdline, ?3, '') WHERE dt_begin >= ?4",
             (date, _NO_LOGIN, f"{work}/", since)),
            _COMPACT])


def replace_install_times(root: Path, since: int, date: int) -> None:
    """Replace the times of install since ``since``, in whole seconds, by ``date``.

    As in rpm 4.18 with SOURCE_DATE_EPOCH, each package is installed a second later than the one
    before. Tables: rpm's lib/backend/sqlite.c; the keys of the index have this machine's order.
    """
    with contextlib.suppress(BadRoot, OutsideRoot):
        folder = find_rpmdb(root)
        path = (databases.regular_database(root, f"{folder}/{RPMDB_FILES[0]}")
                if folder is not None else None)
        if path is not None and _changed_at(path) >= since:
            changes = list(_install_times(path, since, date))
            if changes:
                databases.execute(path, [("BEGIN", ()), *changes, ("COMMIT", ()), _COMPACT])


def _install_times(path: Path, since: int, date: int) -> Iterator[_Statement]:
    """Yield the statements that replace the times of new packages in the rpm database ``path``."""
    log = lstat_of(f"{path}-wal")
    # SQLite would remove the log, also if nothing has to be changed
    with databases.opened(path, immutable=log is None or not log.st_size) as database:
        number = 0
        for row, header in database.execute("SELECT hnum, blob FROM Packages ORDER BY hnum"):
            changed = with_install_time(header, since, date, number)
            if changed is not None:
                number += 1
                yield "UPDATE Packages SET blob = ? WHERE hnum = ?", (changed, row)
                yield ("UPDATE Installtid SET key = ? WHERE hnum = ?",
                       (_bounded(date).to_bytes(4, sys.byteorder), row))


def with_install_time(header: object, since: int, date: int, number: int) -> Optional[bytes]:
    """Return the header of an installed package with another time of install.

    That is ``date`` plus ``number`` in seconds. None if the package was installed before
    ``since``, or if the header is not valid.
    """
    if not isinstance(header, bytes):
        return None
    changed = bytearray(header)
    try:
        entries, _ = _COUNTS.unpack_from(header)
        values = _COUNTS.size + entries * _ENTRY.size
        for index in range(entries):
            tag, kind, offset, _ = _ENTRY.unpack_from(header, _COUNTS.size + index * _ENTRY.size)
            if tag in (_INSTALL_TIME, _INSTALL_TID) and kind == _INT32 and offset >= 0:
                (time,) = _TIME.unpack_from(header, values + offset)
                if time < since:
                    return None
                own = number if tag == _INSTALL_TIME else 0
                _TIME.pack_into(changed, values + offset, _bounded(date + own))
    except struct.error:
        return None
    return bytes(changed) if changed != header else None


def _changed_at(database: Path) -> int:
    """Return when ``database`` or its log was changed, in whole seconds."""
    infos = [lstat_of(f"{database}{end}") for end in ("", "-wal", "-shm")]
    return max(info.st_mtime_ns for info in infos if info is not None) // 10**9


def _bounded(time: int) -> int:
    return min(time, _MAX_TIME)
