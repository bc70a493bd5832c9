"""Make rpm leave out files: it neither unpacks them, nor looks for them later.

The means is rpm's macro for paths that machines share: the state of such a file in the
database is "net shared", and ``rpm -V`` and an erase skip it. Nothing else in rpm works by
path for one transaction: relocations are not in its Python interface.
"""
from __future__ import annotations

import contextlib
from typing import Collection, Iterator, List, Sequence, Set

import rpm

from ..system.trees import folders_above
from .dnf_types import DnfBase

_MACRO = "_netsharedpath"


@contextlib.contextmanager
def not_unpacked(base: DnfBase, paths: Sequence[str]) -> Iterator[None]:
    """Make the transaction that ``base`` runs in the ``with`` leave out ``paths``.

    They are added to what this machine's configuration has in the macro.
    """
    if not paths:
        yield
        return
    configured = rpm.expandMacro(f"%{{?{_MACRO}}}")
    shared = [*(configured.split(":") if configured else ()), *paths]
    base._closeRpmDB()  # rpm reads the macro when a transaction set is made, DNF makes it early
    rpm.addMacro(_MACRO, ":".join(shared).replace("%", "%%"))
    try:
        yield
    finally:
        rpm.delMacro(_MACRO)


def shared_paths(out: Collection[str], every: Collection[str]) -> List[str]:
    """Return the paths by which rpm leaves out the files ``out``, sorted.

    ``every`` are all paths of packages that arrive, and those of packages that leave as far
    as they exist. A path with a colon cannot be passed to rpm, as a colon separates paths:
    in its place is a folder whose files are all left out, or nothing, if there is none.
    """
    plain = {path for path in out if ":" not in path}
    with_colon = [path for path in out if ":" in path]
    return sorted(plain | _folders(with_colon, set(out), every) if with_colon else plain)


def _folders(paths: Sequence[str], out: Set[str], every: Collection[str]) -> Set[str]:
    """Return the folder of each of ``paths`` whose files are all in ``out``."""
    needed: Set[str] = {"", "/"}
    above = {folder for path in out for folder in folders_above(path)}
    for path in every:
        if path not in out and path not in above:  # a folder counts by what is in it
            needed.update(folders_above(path))
    nearest = (next((folder for folder in folders_above(path) if ":" not in folder), "/")
               for path in paths)
    return {folder for folder in nearest if folder not in needed}
