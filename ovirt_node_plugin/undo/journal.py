"""The undo journal of a root: from before the first change until after the last.

It keeps everything that the change may touch, and the names of what was there, so
that undoing needs neither the packages nor their scriptlets. It lies in the root
itself, where the next command finds it after a crash.
"""
from __future__ import annotations

import dataclasses
import os
import shutil
import stat
import sys
from pathlib import Path
from typing import Callable, Collection, Dict, List, Sequence, Set, Tuple

from ..errors import RecordError
from ..system.entries import read_entry, sync_dir, write_atomic
from ..system.paths import is_inside_any, real_places, resolve_inside
from ..system.regular_files import read_regular
from ..system.trees import Listing, Relative, folders_above, remove_new, stat_of
from .changes import Change, compact
from .journal_file import Intent, Scope, State, dump, load
from .snapshot import CONTENT, SnapshotWriter, entry_of, restore

FOLDER = "var/lib/ovirt-node-plugin/journal"
_OPEN, _RESERVE = "journal.json", "reserve"
# Names can be asked for by everybody, contents by root. A folder above that has this
# mode was made here and goes again; one that a package brings has another.
_MODE = 0o711
# Larger files are not copied but linked (see snapshot.py): of packages, which rpm
# replaces and never writes into; and of trees, where copying them takes too long.
_COPIED_PATH, _COPIED_TREE = 256 * 1024, 16 * 1024 * 1024
# Room that undoing needs for small files on a disk that is full.
_RESERVE_BYTES = 1024 * 1024
_MAX_STATE_BYTES = 512 << 20  # a journal of millions of files; a hostile one has an end
# After a crash of a running system, what changed so much later is somebody else's.
_SLACK_NS = 60 * 1_000_000_000
# So long a transaction may go on after its last file was unpacked: scriptlets, dracut.
_LATE_NS = 30 * 60 * 10**9
_DATABASES = ("rpmdb.sqlite", "Packages", "Packages.db")
# What rpm makes beside a file of a package: lib/fsm.c, and rpm(8), "CONFIGURATION FILES".
_RPM_MAKES = (".rpmnew", ".rpmsave", ".rpmorig")


class Journal:
    """An open journal; made by ``begin``, ended by ``finish`` or ``undo``."""

    def __init__(self, root: Path, state: State) -> None:
        self._root = root
        self._state = state

    def effects(self, *, owned: Collection[str], replaced: Collection[str] = (),
                ours: Collection[str] = ()) -> Tuple[Change, ...]:
        """Return what scriptlets, and rpm beside its packages' files, changed since.

        All paths are relative to the root: ``owned`` are those of the packages that
        came or went, ``replaced`` those of the ones that went, ``ours`` what this
        tool changed itself. Where a package's file took the place of something
        that no package owned, there are two changes: one to the package's, and one
        to nothing, which is what is left when the package goes.
        """
        known = _known(self._state)
        new = _found(self._root, self._state, known) - known
        start = f"{self._root}/"  # pathlib is slow for so many
        old = {path for path, kept in self._state.index.items()
               if kept is not None and stat_of(start + path) != kept.stat}
        found: List[Change] = []
        for path in sorted((new - set(owned)) | (old - set(replaced))):
            if path not in ours and not _is_whole(self._state.scope, path):
                found.extend(self._changes(path, path in owned))
        return tuple(found)

    def _changes(self, path: str, owned: bool) -> List[Change]:
        kept = self._state.index.get(path)
        before = None if kept is None else entry_of(
            self._root, path, kept, _folder(self._root))
        if kept is not None and before is None:
            return []
        where = self._root / path
        after = compact(read_entry(self._root, path, content=os.path.islink(where)))
        if before is None and after is None or before is not None and before.same(after):
            return []
        found = [Change(path, before, after)]
        if owned and after is not None:
            found.append(Change(path, after, None))
        return found


def begin(root: Path, intent: Intent, scope: Scope) -> Journal:
    """Write the journal of a change of ``root`` that is about to start.

    Raises OSError or NodePluginError, with nothing left behind, if it cannot be
    written, for example for want of room.
    """
    folder = _make_folder(root)
    try:
        _reserve(folder)
        state = _survey(root, intent, scope, folder)
        write_atomic(folder / _OPEN, dump(state), mode=0o600)
    except BaseException:
        _sweep(root)
        raise
    return Journal(root, state)


def pending(root: Path) -> bool:
    """Say if a change of ``root`` was interrupted, or is going on."""
    return _is_real(root) and (_folder(root) / _OPEN).is_file()


def left_over(root: Path) -> bool:
    """Say if there is anything of a journal, if only what a killed process did not sweep."""
    return _is_real(root) and (_folder(root).is_dir() or _is_ours(_folder(root).parent))


def intent(root: Path) -> Intent:
    """Return what the interrupted change of ``root`` was."""
    return _read(root).intent


def finish(root: Path) -> None:
    """End the journal of ``root``: the change stands. May be called again."""
    if pending(root):
        (_folder(root) / _OPEN).unlink()
        sync_dir(_folder(root))
    if left_over(root):
        _sweep(root)


def _nothing() -> None:
    pass


def undo(root: Path, *, first: Callable[[], None] = _nothing,
         last: Callable[[], None] = _nothing) -> None:
    """Put ``root`` back as it was when its journal was begun, and end the journal.

    May be called again after an interruption. ``first`` is called before anything is
    put back, ``last`` when all of it is and the journal is still there.
    """
    state = _read(root)
    (_folder(root) / _RESERVE).unlink(missing_ok=True)
    ours = _judge(root, state)
    first()
    parents: Set[str] = set()

    def remove(paths: Collection[str]) -> None:
        mine = [path for path in paths if stat_of(root / path) is not None and ours(path)]
        remove_new(root, mine)
        parents.update(map(os.path.dirname, mine))

    remove([path for path, kept in state.index.items() if kept is None])
    known = _known(state)
    remove(_found(root, state, known) - known)
    for path, kept in sorted(state.index.items()):
        if kept is not None and stat_of(root / path) != kept.stat and ours(path):
            restore(root, path, kept, _folder(root))
            parents.add(os.path.dirname(path))
    _settle(root, parents, state)
    last()
    finish(root)


def _reserve(folder: Path) -> None:
    with open(folder / _RESERVE, "wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, _RESERVE_BYTES)


def _survey(root: Path, intent: Intent, scope: Scope, folder: Path) -> State:
    """Keep everything in ``scope`` and return what is there."""
    scope = _without_links(root, scope)
    copied: Dict[str, int] = {}
    near = set(scope.near)
    relative = Relative(root)
    for path in scope.paths:
        name = relative(path)
        while name not in (".", "") and name not in copied:
            copied[name] = _COPIED_PATH
            name = os.path.dirname(name)
            near.add(name)
    listing = Listing(root)
    for tree in scope.trees:
        for path in (*reversed([*folders_above(tree)]), tree, *listing.below(tree)):
            if not _is_spared(scope, path):
                copied[path] = _COPIED_TREE
    for name in scope.whole:
        for path in (name, *listing.below(name)):
            copied[path] = sys.maxsize
    keeper = SnapshotWriter(root, folder)
    try:
        index = {path: keeper.keep(path, copy_bytes=copied[path]) for path in sorted(copied)}
    finally:
        keeper.close()
    names: Set[str] = set()
    for tree in scope.bare:
        names |= listing.below(tree)
    for place in near:
        names |= listing.inside(place)
    names |= _scripts(root)
    return State(intent=intent, scope=scope, index=index, near=frozenset(near),
                 names=frozenset(names - set(index)))


def _without_links(root: Path, scope: Scope) -> Scope:
    """Return ``scope`` with its folders as they are reached without a link.

    So it stays the same places that are meant, whatever the change makes of links.
    """
    def real(names: Sequence[str]) -> Tuple[str, ...]:
        places = [resolve_inside(root, name).relative_to(root).as_posix() for name in names]
        return tuple(dict.fromkeys(place for place in places if place != "."))
    return dataclasses.replace(scope, trees=real(scope.trees), bare=real(scope.bare),
                               near=real(scope.near), whole=real(scope.whole),
                               spared=real_places(root, scope.spared))


def _known(state: State) -> Set[str]:
    return {path for path, kept in state.index.items() if kept is not None} | state.names


def _found(root: Path, state: State, known: Set[str]) -> Set[str]:
    """Return what is there now, where the journal knows the names of what was there."""
    scope, listing = state.scope, Listing(root)
    found = _scripts(root)
    for tree in (*scope.trees, *scope.bare, *scope.whole):
        found |= listing.below(tree)
    beside: Set[str] = set()
    for folder in state.near:
        beside |= listing.inside(folder)
    beside -= found | known
    if scope.live:
        beside = {path for path in beside if _is_rpms(path, state.index)}
    found |= beside
    for path in beside:
        found |= listing.below(path)
    if scope.spared:
        found = {path for path in found if not _is_spared(scope, path)}
    return found


def _scripts(root: Path) -> Set[str]:
    """Return the scriptlets that rpm wrote to be run, which a killed one leaves.

    From rpm's lib/rpmscript.c; the folder is its macro ``_tmppath``.
    """
    folder = resolve_inside(root, "var/tmp")
    start = folder.relative_to(root).as_posix()
    if start == "." or not folder.is_dir():
        return set()
    return {f"{start}/{name}" for name in os.listdir(folder) if name.startswith("rpm-tmp.")}


def _is_rpms(path: str, index: Collection[str]) -> bool:
    """Say if rpm made ``path`` on behalf of a file in ``index`` that is beside it.

    It unpacks to ``NAME;HEX`` and renames.
    """
    stem, semicolon, tail = path.rpartition(";")
    if semicolon and stem in index and all(c in "0123456789abcdef" for c in tail):
        return True
    return any(path.endswith(end) and path[:-len(end)] in index for end in _RPM_MAKES)


def _is_spared(scope: Scope, path: str) -> bool:
    return is_inside_any(path, scope.spared)


def _is_whole(scope: Scope, path: str) -> bool:
    return is_inside_any(path, scope.whole)


def _judge(root: Path, state: State) -> Callable[[str], bool]:
    """Return what says if a path was changed by the change that is undone.

    In a root that nobody uses it was. A system that runs may have been changed by
    others, long after it crashed: there, only what changed until shortly after the
    last thing that is certainly ours.
    """
    if not state.scope.live:
        return lambda path: True
    certain = {Relative(root)(path) for path in state.scope.paths}
    certain.update(path for path in state.index if _is_whole(state.scope, path))
    times = [now[3] for now in (stat_of(root / path) for path in certain)
             if now is not None and not stat.S_ISDIR(now[0])]
    until = max([*times, os.lstat(_folder(root) / CONTENT).st_ctime_ns]) + _SLACK_NS
    _refuse_late(root, state)

    def ours(path: str) -> bool:
        now = stat_of(root / path)
        return path in certain or now is None or now[3] <= until
    return ours


def _refuse_late(root: Path, state: State) -> None:
    """Refuse to undo where packages were changed long after this change stopped.

    A system that runs may have had other packages installed since, by rpm itself;
    putting the old database back would lose them.
    """
    own = [root / path for path in state.scope.paths] + [_folder(root) / CONTENT]
    last = max(found[3] for found in map(stat_of, own)
               if found is not None and not stat.S_ISDIR(found[0]))
    for path in state.index:
        now = stat_of(root / path)
        if (_is_whole(state.scope, path) and os.path.basename(path) in _DATABASES
                and now is not None and now[3] > last + _LATE_NS):
            raise RecordError(
                f"packages were changed in {root} after a change of plugins was interrupted",
                hint="Undoing it would lose them. To keep the system as it is, move"
                     f" {_folder(root)} away, then run dnf node-plugin verify.")


def _settle(root: Path, parents: Collection[str], state: State) -> None:
    """Give folders back the times they had, and bring them to disk."""
    for path in sorted(parents, key=lambda name: -name.count("/")):
        kept = state.index.get(path)
        if resolve_inside(root, path) == root / path and (root / path).is_dir():
            if kept is not None:
                os.utime(root / path, ns=(kept.mtime_ns, kept.mtime_ns))
            sync_dir(root / path)


def _folder(root: Path) -> Path:
    """Return the journal's folder: the root may have ``/var`` or ``/var/lib`` behind a link."""
    above, *own = FOLDER.rsplit("/", 2)
    return resolve_inside(root, above).joinpath(*own)


def _is_real(root: Path) -> bool:
    """Return whether the journal's own two folders are no links."""
    return resolve_inside(root, FOLDER) == _folder(root)


def check_folder(root: Path) -> None:
    """Raise RecordError if a change of ``root`` could have no journal, for its folder is a link."""
    if not _is_real(root):
        raise RecordError(f"{_folder(root)} leads elsewhere by a symbolic link",
                          hint="Make /var/lib/ovirt-node-plugin in the root a real folder.")


def _make_folder(root: Path) -> Path:
    """Make the journal's folder."""
    check_folder(root)
    folder = _folder(root)
    if pending(root):
        raise RecordError(f"a change of {root} was interrupted and waits",
                          hint="Run dnf node-plugin verify: it undoes that change.")
    finish(root)
    folder.parent.parent.mkdir(parents=True, exist_ok=True)
    for place in (folder.parent, folder):
        if not place.is_dir():
            place.mkdir(mode=_MODE)
            os.chmod(place, _MODE)  # whatever the umask
    return folder


def _sweep(root: Path) -> None:
    folder = _folder(root)
    if folder.is_dir():
        shutil.rmtree(folder)
    if _is_ours(folder.parent) and not os.listdir(folder.parent):
        folder.parent.rmdir()


def _is_ours(folder: Path) -> bool:
    return folder.is_dir() and stat.S_IMODE(folder.stat().st_mode) == _MODE


def _read(root: Path) -> State:
    path = _folder(root) / _OPEN
    try:
        return load(read_regular(path, max_bytes=_MAX_STATE_BYTES))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise RecordError(
            f"the journal {path} cannot be read: {exc}",
            hint="It was written by another version of this tool, or is damaged. With the"
                 " version that wrote it, run dnf node-plugin verify; else unpack the root"
                 " anew, or remove that file if the root is as it should be.") from exc


__all__ = ["FOLDER", "Intent", "Journal", "Scope", "begin", "finish", "intent", "left_over",
           "pending", "undo"]
