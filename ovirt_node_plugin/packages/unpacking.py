"""Files that rpm is told not to unpack, so that it neither looks for them later.

By rpm's own macro for paths that other machines share: their state in the database is
"net shared" then, ``rpm -V`` and erasing pass over them. Nothing else of rpm can do it by
path for one transaction: its relocations are not in the Python interface.
"""
from __future__ import annotations

import contextlib
from typing import Any, Collection, Iterator, List, Sequence, Set

import rpm

from ..system.trees import folders_above

_MACRO = "_netsharedpath"


@contextlib.contextmanager
def not_unpacked(base: Any, paths: Sequence[str]) -> Iterator[None]:
    """Make the transaction that ``base`` runs in the ``with`` leave out ``paths``.

    They come after what the machine's own configuration says.
    """
    if not paths:
        yield
        return
    own = rpm.expandMacro(f"%{{?{_MACRO}}}")
    every = [*(own.split(":") if own else ()), *paths]
    base._closeRpmDB()  # rpm reads the macro when a transaction set is made, DNF makes it early
    rpm.addMacro(_MACRO, ":".join(every).replace("%", "%%"))
    try:
        yield
    finally:
        rpm.delMacro(_MACRO)


def shared_paths(out: Collection[str], every: Collection[str]) -> List[str]:
    """Return what rpm is to be told for it to leave out the files ``out``; sorted.

    ``every`` are all paths of packages that come, and of those that go as far as they are
    there. A path with a colon cannot be told, for that parts two of them: it stands for a
    folder of which all is left out, or is missing from the answer, if there is none.
    """
    plain = {path for path in out if ":" not in path}
    odd = [path for path in out if ":" in path]
    return sorted(plain | _folders(odd, set(out), every) if odd else plain)


def _folders(odd: Sequence[str], out: Set[str], every: Collection[str]) -> Set[str]:
    busy: Set[str] = {"", "/"}
    above = {folder for path in out for folder in folders_above(path)}
    for path in every:
        if path not in out and path not in above:  # what is in a folder speaks for it
            busy.update(folders_above(path))
    found = set()
    for path in odd:
        folder = next((one for one in folders_above(path) if ":" not in one), "/")
        if folder not in busy:
            found.add(folder)
    return found
