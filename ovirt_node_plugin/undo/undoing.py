"""Undo a change by its journal."""
from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Collection, FrozenSet, Sequence, Set, Tuple

from ..errors import RecordError
from ..system.entries import sync_dir
from ..system.paths import is_inside, resolve_inside
from ..system.rpm_database import RPMDB_FILES
from ..system.trees import Relative, mounts_below, remove_new, stat_of
from . import covered, journal, moved
from .journal_file import State
from .snapshot import CONTENT, restore

# In a running system that crashed, a change so much later was made by others.
_SLACK_NS = 60 * 1_000_000_000
# The longest time that scriptlets and dracut may take after the last file was unpacked.
_LATE_NS = 30 * 60 * 10**9


@dataclass(frozen=True)
class Undone:
    """The result of undoing: lines of ``first`` and ``last``, and what is not as before."""

    lines: Tuple[str, ...]
    changed: Tuple[str, ...]


def undo(root: Path, *, first: Callable[[], Sequence[str]] = tuple,
         last: Callable[[], Sequence[str]] = tuple, trusted: bool = True) -> Undone:
    """Restore ``root`` to its state before the journal, and end the journal.

    May be called again after an interruption. ``first`` is called before anything is
    restored, ``last`` after everything is and before the journal is removed. If the journal is
    not ``trusted``, nothing on another filesystem is restored.

    Raises RecordError, before anything is changed, for an entry that was on another
    filesystem when the journal was written.
    """
    state = journal.read_state(root)
    ours = _own_changes(root, state)
    _refuse_crossing(root, state, ours, mounts=state.mounts if trusted else frozenset())
    journal.free_reserve(root)
    lines = [*first()]
    changed = moved.written_in_place(root, state)
    moved.move_back(root, state)
    parents = _remove(root, [path for path, kept in state.index.items() if kept is None], ours)
    _restore_folders(root, state)
    known = covered.recorded(state)
    parents |= _remove(root, covered.present(root, state, known) - known, ours)
    for path, kept in sorted(state.index.items()):
        if kept is not None and stat_of(root / path) != kept.stat and ours(path):
            restore(root, path, kept, journal.folder_of(root))
            parents.add(os.path.dirname(path))
    _restore_times(root, parents, state)
    lines += last()
    changed = (*changed, *moved.lost(root, state))
    journal.finish(root)
    return Undone(tuple(lines), changed)


def _restore_folders(root: Path, state: State) -> None:
    """Restore folders in ``whole`` that became links: what these lead to is left alone."""
    for path in state.scope.whole:
        kept = state.index.get(path)
        if (kept is not None and kept.kind == "dir" and os.path.islink(root / path)
                and resolve_inside(root, path, follow_last=False) == root / path):
            restore(root, path, kept, journal.folder_of(root))


def _remove(root: Path, paths: Collection[str], ours: Callable[[str], bool]) -> Set[str]:
    """Remove those of ``paths`` that exist and are ``ours``; return their parent folders."""
    existing = [path for path in paths if stat_of(root / path) is not None and ours(path)]
    remove_new(root, existing)
    return set(map(os.path.dirname, existing))


def _refuse_crossing(root: Path, state: State, ours: Callable[[str], bool], *,
                     mounts: FrozenSet[str]) -> None:
    """Raise RecordError if an entry is to be undone on a filesystem that is mounted in the root.

    Those mounted at ``mounts`` are part of the root, and have to be there.
    """
    changed = mounts_below(root) ^ mounts
    if not changed:
        return
    known = covered.recorded(state)
    paths = {path for path, kept in state.index.items()
             if stat_of(root / path) != (kept and kept.stat)}
    for path in sorted(paths | (covered.present(root, state, known) - known)):
        place = next((mount for mount in changed if is_inside(path, mount)), "")
        if place and ours(path):
            verb, other = (("mounted", "umount") if place not in mounts
                           else ("not mounted any more", "mount"))
            raise RecordError(
                f"to undo a change, {root / path} has to be restored, but {root / place} is"
                f" {verb}; undoing stays on the filesystems of the root",
                hint=f"Run {other} {root / place}, then try again.")


def _own_changes(root: Path, state: State) -> Callable[[str], bool]:
    """Return a function that returns whether the undone operation changed a path.

    In a root that is not running, all changes are its own. A running system may have been
    changed by others long after the crash: there, its own changes end shortly after the
    last one that is certain.
    """
    if not state.scope.live:
        return lambda path: True
    certain = {Relative(root)(path) for path in state.scope.paths}
    certain.update(path for path in state.index if covered.is_whole(state.scope, path))
    times = [now[3] for now in (stat_of(root / path) for path in certain)
             if now is not None and not stat.S_ISDIR(now[0])]
    until = max([*times, os.lstat(journal.folder_of(root) / CONTENT).st_ctime_ns]) + _SLACK_NS
    _refuse_late(root, state)

    def ours(path: str) -> bool:
        now = stat_of(root / path)
        return path in certain or now is None or now[3] <= until
    return ours


def _refuse_late(root: Path, state: State) -> None:
    """Refuse to undo if packages were changed long after the operation stopped.

    In a running system, rpm may have installed packages since; to restore the old database
    would lose them.
    """
    own_paths = [root / path for path in state.scope.paths] + [journal.folder_of(root) / CONTENT]
    last = max(state_now[3] for state_now in map(stat_of, own_paths)
               if state_now is not None and not stat.S_ISDIR(state_now[0]))
    for path in state.index:
        now = stat_of(root / path)
        if (covered.is_whole(state.scope, path) and os.path.basename(path) in RPMDB_FILES
                and now is not None and now[3] > last + _LATE_NS):
            raise RecordError(
                f"packages were changed in {root} after a change of plugins was interrupted",
                hint="Undoing that change would lose them. To keep the system as it is, move"
                     f" {journal.folder_of(root)} away, then run dnf node-plugin verify.")


def _restore_times(root: Path, parents: Collection[str], state: State) -> None:
    """Restore the times of folders, and sync them to disk."""
    for path in sorted(parents, key=lambda name: -name.count("/")):
        kept = state.index.get(path)
        if resolve_inside(root, path) == root / path and (root / path).is_dir():
            if kept is not None:
                os.utime(root / path, ns=(kept.mtime_ns, kept.mtime_ns))
            sync_dir(root / path)
