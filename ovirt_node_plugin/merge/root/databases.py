"""The SQLite databases of rpm and DNF in a root that no program uses."""
from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import urllib.parse
from pathlib import Path
from typing import Iterator, Optional, Sequence, Tuple

from ...errors import OutsideRoot
from ...system.path_sets import DNF_HISTORY, RPM_DATABASES
from ...system.paths import resolve_inside
from ...system.trees import lstat_of

HISTORY = DNF_HISTORY[0]
_DATABASES = (*(f"{folder}/rpmdb.sqlite" for folder in RPM_DATABASES), HISTORY)
_LOCKS = tuple(f"{folder}/.rpm.lock" for folder in RPM_DATABASES)
_WAL, _SHM, _JOURNAL = "-wal", "-shm", "-journal"
_STEPS = 100_000_000


def remove_temporary_files(root: Path, original: Path) -> None:
    """Remove the files beside the databases in ``root`` that ``original`` does not have.

    rpm and DNF leave them: the log (WAL), its index, and rpm's empty lock file. SQLite writes the
    log to the database and removes both when the last connection is closed; the index alone has
    no content of the database (https://sqlite.org/wal.html). A database that cannot be read is
    left as it is.
    """
    for name in _DATABASES:
        path = regular_database(root, name)
        if path is None:
            continue
        if lstat_of(f"{path}{_WAL}") and not _exists(original, name + _WAL):
            execute(path, [("PRAGMA wal_checkpoint(TRUNCATE)", ())])
        if not _exists(original, name + _SHM) and (
                _exists(original, name + _WAL) or not lstat_of(f"{path}{_WAL}")):
            Path(f"{path}{_SHM}").unlink(missing_ok=True)
    for name in _LOCKS:
        path = _regular(root, name)
        if path is not None and not path.stat().st_size and not _exists(original, name):
            path.unlink()


def regular_database(root: Path, name: str) -> Optional[Path]:
    """Return the path of the database ``name`` in ``root``, None if SQLite cannot open it safely.

    A journal beside it would name another file, which SQLite removes:
    https://sqlite.org/atomiccommit.html
    """
    path = _regular(root, name)
    if path is None or lstat_of(f"{path}{_JOURNAL}") is not None:
        return None
    infos = [lstat_of(f"{path}{end}") for end in (_WAL, _SHM)]
    return path if all(info is None or stat.S_ISREG(info.st_mode) for info in infos) else None


def execute(path: Path, statements: Sequence[Tuple[str, Tuple[object, ...]]]) -> None:
    """Execute statements of SQL, each with its values, in the database ``path``, and close it."""
    with opened(path) as database:
        for statement, values in statements:
            database.execute(statement, values)


@contextlib.contextmanager
def opened(path: Path, *, immutable: bool = False) -> Iterator[sqlite3.Connection]:
    """Yield the database ``path``, and close it.

    With ``immutable``, no file is changed, and SQLite ignores a log. An error of SQLite ends the
    block, as does a limit on the time that a hostile file takes.
    """
    uri = f"file:{urllib.parse.quote(os.fsencode(path))}{'?immutable=1' if immutable else ''}"
    with contextlib.suppress(sqlite3.Error), contextlib.closing(
            sqlite3.connect(uri, isolation_level=None, uri=True)) as database:
        database.set_progress_handler(lambda: 1, _STEPS)
        database.execute("PRAGMA trusted_schema = OFF")
        yield database


def _regular(root: Path, name: str) -> Optional[Path]:
    try:
        path = resolve_inside(root, name, follow_last=False)
    except OutsideRoot:
        return None
    info = lstat_of(path)
    return path if info is not None and stat.S_ISREG(info.st_mode) else None


def _exists(root: Path, name: str) -> bool:
    try:
        return os.path.lexists(resolve_inside(root, name, follow_last=False))
    except OutsideRoot:
        return True
