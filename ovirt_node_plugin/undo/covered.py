"""The entries that a journal covers: saved when it begins, looked at when it is undone."""
from __future__ import annotations

import dataclasses
import os
import stat
import sys
from pathlib import Path
from typing import Collection, Dict, Optional, Sequence, Set, Tuple

from ..system import path_sets
from ..system.limits import WATCHED_ENTRIES
from ..system.path_sets import RPM_COPIES
from ..system.paths import is_inside_any, real_places, resolve_inside
from ..system.trees import Listing, Relative, folders_above, lstat_of, mounts_below, stat_of
from .journal_file import Intent, NamedFile, Scope, State
from .snapshot import SnapshotWriter

# Larger files are linked, not copied (see snapshot.py): files of packages, as rpm replaces
# them and never writes into them; files in trees, as copying them takes too long.
COPIED_PATH_BYTES, COPIED_TREE_BYTES = 256 * 1024, 16 * 1024 * 1024


def save(root: Path, intent: Intent, scope: Scope, folder: Path) -> State:
    """Save everything in ``scope`` to ``folder`` and return the journal's content."""
    scope = _without_links(root, scope)
    copied: Dict[str, int] = {}
    near = set(scope.near)
    relative = Relative(root)
    for path in scope.paths:
        name = relative(path)
        while name not in (".", "") and name not in copied:
            copied[name] = COPIED_PATH_BYTES
            name = os.path.dirname(name)
            near.add(name)
    listing = Listing(root)
    for tree in scope.trees:
        for path in (*reversed([*folders_above(tree)]), tree, *listing.below(tree)):
            if not _is_spared(scope, path):
                copied[path] = COPIED_TREE_BYTES
    for name in scope.whole:
        for path in (name, *listing.below(name)):
            copied[path] = sys.maxsize
    bare = set().union(*map(listing.below, scope.bare))
    if len(bare) <= WATCHED_ENTRIES:
        copied.update((path, 0) for path in bare.difference(copied) if _has_no_content(root, path))
    copied.update((path, 0) for path in map(relative, path_sets.LEFT_ALONE)
                  if path not in copied and (root / path).is_symlink())
    snapshot = SnapshotWriter(root, folder)
    try:
        index = {path: snapshot.keep(path, copy_bytes=copied[path]) for path in sorted(copied)}
    finally:
        snapshot.close()
    names: Set[str] = set(bare)
    for place in near:
        names |= listing.inside(place)
    names |= _scripts(root)
    names |= {place for place in real_places(root, path_sets.LEFT_ALONE)
              if os.path.lexists(root / place)}  # also if a link to it is removed
    names -= set(index)
    return State(intent=intent, scope=scope, index=index, near=frozenset(near),
                 names=frozenset(names), mounts=mounts_below(root),
                 files={} if scope.live or len(names) > WATCHED_ENTRIES else {
                     path: file for path in names for file in [named_file(root, path)] if file})


def named_file(root: Path, path: str) -> Optional[NamedFile]:
    """Return the present values of a regular file for ``State.files``."""
    info = lstat_of(f"{root}/{path}")
    if info is None or not stat.S_ISREG(info.st_mode):
        return None
    return info.st_ino, info.st_size, info.st_mtime_ns, info.st_mode, info.st_uid, info.st_gid


def moved(root: Path, state: State, new: Collection[str]) -> Dict[str, str]:
    """Return where files are now that were saved by name only and were moved; by old path.

    ``new`` are the paths where nothing was before. A moved file is known by its inode and mtime,
    or, where it was copied, by its name, size and mtime.
    """
    missing = {path: file for path, file in state.files.items()
               if (named_file(root, path) or ())[:3] != file[:3]}
    places: Dict[Tuple[object, ...], str] = {}
    for path in sorted(new) if missing else ():
        file = named_file(root, path)
        if file is not None:
            places[file[:3]] = path
            places.setdefault((os.path.basename(path), *file[1:3]), path)
    now = {path: places.get(file[:3]) or places.get((os.path.basename(path), *file[1:3]))
           for path, file in sorted(missing.items())}
    return {path: place for path, place in now.items() if place}


def _has_no_content(root: Path, path: str) -> bool:
    state = stat_of(root / path)
    return state is not None and (stat.S_ISDIR(state[0]) or stat.S_ISLNK(state[0]))


def _without_links(root: Path, scope: Scope) -> Scope:
    """Return ``scope`` with resolved paths of folders.

    So it names the same folders after the operation changed a link.
    """
    def real(names: Sequence[str]) -> Tuple[str, ...]:
        places = [resolve_inside(root, name).relative_to(root).as_posix() for name in names]
        return tuple(dict.fromkeys(place for place in places if place != "."))
    return dataclasses.replace(scope, trees=real(scope.trees), bare=real(scope.bare),
                               near=real(scope.near), whole=real(scope.whole),
                               spared=real_places(root, scope.spared))


def recorded(state: State) -> Set[str]:
    """Return the paths that existed when the journal was written, as far as it knows."""
    return {path for path, kept in state.index.items() if kept is not None} | state.names


def present(root: Path, state: State, known: Set[str]) -> Set[str]:
    """Return the paths that exist now, in the folders whose names the journal has."""
    scope, listing = state.scope, Listing(root)
    present = _scripts(root)
    for tree in (*scope.trees, *scope.bare, *scope.whole):
        present |= listing.below(tree)
    beside: Set[str] = set()
    for folder in state.near:
        beside |= listing.inside(folder)
    beside -= present | known
    if scope.live:
        beside = {path for path in beside if _is_rpms(path, state.index)}
    present |= beside
    for path in beside:
        present |= listing.below(path)
    if scope.spared:
        present = {path for path in present if not _is_spared(scope, path)}
    return present


def _scripts(root: Path) -> Set[str]:
    """Return the scriptlet files of rpm, which a killed rpm leaves behind.

    See rpm's lib/rpmscript.c; the folder is rpm's macro ``_tmppath``.
    """
    folder = resolve_inside(root, "var/tmp")
    start = folder.relative_to(root).as_posix()
    if start == "." or not folder.is_dir():
        return set()
    return {f"{start}/{name}" for name in os.listdir(folder) if name.startswith("rpm-tmp.")}


def _is_rpms(path: str, index: Collection[str]) -> bool:
    """Return whether rpm made ``path`` for a file in ``index`` beside it.

    rpm unpacks to ``NAME;HEX`` and renames.
    """
    stem, semicolon, tail = path.rpartition(";")
    if semicolon and stem in index and all(c in "0123456789abcdef" for c in tail):
        return True
    return any(path.endswith(end) and path[:-len(end)] in index for end in RPM_COPIES)


def _is_spared(scope: Scope, path: str) -> bool:
    return is_inside_any(path, scope.spared)


def is_whole(scope: Scope, path: str) -> bool:
    """Return whether ``path`` is written in place, such as a database."""
    return is_inside_any(path, scope.whole)
