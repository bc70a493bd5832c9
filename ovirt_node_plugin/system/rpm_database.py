"""Find the rpm database of a root, and tell whether a database has packages.

The files are read as data: nothing of the root is executed or written to.
"""
from __future__ import annotations

import contextlib
import fnmatch
import os
import re
import stat
import struct
import urllib.parse
from pathlib import Path
from typing import Dict, List, Optional

from ..errors import BadRoot, OutsideRoot
from .limits import RPM_MACRO_FILES, RPMDB_PAGES, TEXT_BYTES
from .path_sets import RPM_DATABASES
from .paths import read_inside, resolve_inside
from .regular_files import opened_regular

# The files that make a folder a database for rpm 4.14 to 4.20: sqlite, ndb, bdb.
RPMDB_FILES = ("rpmdb.sqlite", "Packages.db", "Packages")

# rpm --showrc, "Macro path": the files in the order in which rpm reads them, without those of
# one architecture and of one user. The last part is a glob.
_MACRO_FILES = ("usr/lib/rpm/macros", "usr/lib/rpm/macros.d/macros.*", "usr/lib/rpm/redhat/macros",
                "etc/rpm/macros.*", "etc/rpm/macros")
_DEFINITION = re.compile(rb"^[ \t]*%(\w+)[ \t]+([^\n]*)$", re.MULTILINE)
_REFERENCE = re.compile(r"%(?:\{\??(\w+)\}|(\w+))")
_MAX_EXPANSIONS = 100
_MAX_PATH = 4096

_TOP = "."
_SQLITE_STEPS = 100_000


def find_rpmdb(root: Path, *, named: str = "") -> Optional[str]:
    """Return the folder of the root's own rpm database, relative to it, or None.

    That is the folder that rpm uses: ``named``, an absolute path in the root, or without it
    the one that the root's files of macros name. If that has no packages, it is the only one
    of the known folders that has some. Links are resolved.

    Raises BadRoot if two of the known folders have packages and rpm uses neither.
    """
    used = _resolved(root, named or _named_by_macros(root))
    folders = dict.fromkeys((used, *(_resolved(root, name) for name in RPM_DATABASES)))
    databases = [folder for folder in folders if folder != _TOP and _files(root, folder)]
    if len(databases) < 2:
        return databases[0] if databases else None
    filled = [folder for folder in databases if has_packages(root, folder)]
    if len(filled) > 1 and filled[0] != used:
        raise _ambiguous(root, filled)
    return (filled or databases)[0]


def has_packages(root: Path, folder: str) -> bool:
    """Return whether the rpm database in ``folder``, relative to ``root``, has a package.

    What cannot be read as a database has none.
    """
    readers = dict(zip(RPMDB_FILES, (_has_rows, _has_slots, _has_big_items)))
    for name, path in _files(root, folder).items():
        with contextlib.suppress(OSError):
            if readers[name](path):
                return True
    return False


def _resolved(root: Path, name: str) -> str:
    """Return ``name`` relative to ``root`` with links resolved, _TOP for a loop or the root."""
    try:
        return resolve_inside(root, name).relative_to(root).as_posix()
    except OutsideRoot:
        return _TOP


def _ambiguous(root: Path, folders: List[str]) -> BadRoot:
    named = " and ".join(f"/{folder}" for folder in folders)
    return BadRoot(
        f"{root} has more than one rpm database with packages, in {named}",
        hint="List the packages of each by rpm --dbpath=FOLDER -qa, with --root=DIR for an unpacked"
             " root, or in ovirt-node-plugin shell for an image. Then move the one that is not in"
             " use to another place.")


def _files(root: Path, folder: str) -> Dict[str, Path]:
    """Return the files of a database in ``folder``, relative to ``root``, by their names."""
    paths = {}
    for name in RPMDB_FILES:
        with contextlib.suppress(OutsideRoot, OSError):
            path = resolve_inside(root, f"{folder}/{name}")
            if stat.S_ISREG(os.lstat(path).st_mode):
                paths[name] = path
    return paths


def _has_rows(path: Path) -> bool:
    """Return whether a database of SQLite has a package; a log that is not merged counts as one.

    ``immutable`` prevents SQLite from writing beside the file, and from following its log.
    """
    import sqlite3  # every dnf run imports this module, and few need this

    with contextlib.suppress(OSError):
        if os.lstat(f"{path}-wal").st_size:
            return True
    try:
        with contextlib.closing(sqlite3.connect(
                f"file:{urllib.parse.quote(os.fsencode(path))}?immutable=1", uri=True)) as database:
            # ends a query that a hostile file makes long
            database.set_progress_handler(lambda: 1, _SQLITE_STEPS)
            is_table = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'Packages'"
                                        " AND type = 'table' AND sql LIKE 'CREATE TABLE %'")
            return bool(is_table.fetchone()
                        and database.execute("SELECT 1 FROM Packages LIMIT 1").fetchone())
    except sqlite3.Error:
        return False


def _has_slots(path: Path) -> bool:
    """Return whether a database of rpm's own format, ndb, has a package (rpm's rpmpkg.c)."""
    with opened_regular(path) as stream:
        header = stream.read(32)
        if len(header) < 32 or header[:4] != b"RpmP":
            return False
        (pages,) = struct.unpack_from("<I", header, 12)
        slots = stream.read(max(min(pages, RPMDB_PAGES) * 4096 - 32, 0))
    return any(slots[at:at + 4] == b"Slot" and slots[at + 4:at + 8] != bytes(4)
               for at in range(0, len(slots) - 15, 16))


def _has_big_items(path: Path) -> bool:
    """Return whether a hash of Berkeley DB has a package.

    A package's header is larger than what a page may have, so it is in pages of overflow
    (db_page.h, P_OVERFLOW), which nothing else in an rpm database is.
    """
    with opened_regular(path) as stream:
        meta = stream.read(32)
        order = next((order for order in "<>" if meta[12:16] == struct.pack(f"{order}I", 0x61561)),
                     "")
        if not order or len(meta) < 32:
            return False
        (page_bytes,) = struct.unpack_from(f"{order}I", meta, 20)
        if page_bytes not in (512 << power for power in range(8)):
            return False
        for page in range(1, RPMDB_PAGES):
            stream.seek(page * page_bytes + 25)
            kind = stream.read(1)
            if not kind or kind == b"\x07":
                return bool(kind)
    return False


def _named_by_macros(root: Path) -> str:
    """Return the folder that ``%_dbpath`` in the root's files of macros names, if it is absolute.

    Macros with parameters, conditions or commands are not expanded; the result is then empty.
    """
    macros: Dict[str, str] = {}
    for path in _macro_files(root):
        with contextlib.suppress(OSError, OutsideRoot):
            for name, body in _DEFINITION.findall(read_inside(root, path, max_bytes=TEXT_BYTES)):
                macros[os.fsdecode(name)] = os.fsdecode(body).strip()
    text = macros.get("_dbpath", "")
    for _ in range(_MAX_EXPANSIONS):
        match = _REFERENCE.search(text)
        if match is None or len(text) > _MAX_PATH:
            break
        body = macros.get(match.group(1) or match.group(2), "%")
        text = text[:match.start()] + body + text[match.end():]
    is_path = text.startswith("/") and "%" not in text and len(text) <= _MAX_PATH
    return text if is_path else ""


def _macro_files(root: Path) -> List[str]:
    """Return the root's files of macros, relative to it, in the order in which rpm reads them."""
    paths: List[str] = []
    for pattern in _MACRO_FILES:
        folder, _, glob = pattern.rpartition("/")
        with contextlib.suppress(OSError, OutsideRoot):
            names = sorted(os.listdir(resolve_inside(root, folder)))
            paths += [f"{folder}/{name}" for name in fnmatch.filter(names, glob)]
    return paths[:RPM_MACRO_FILES]
