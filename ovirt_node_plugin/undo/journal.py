"""The undo journal of a root, from before the first change until after the last.

It saves everything that an operation may change, and the names of existing entries, so that
undoing needs neither the packages nor their scriptlets. It is in the root itself, where
the next command finds it after a crash.
"""
from __future__ import annotations

import dataclasses
import os
import shutil
import stat
import sys
from pathlib import Path
from typing import Callable, Collection, Dict, FrozenSet, List, Sequence, Set, Tuple

from ..errors import NodePluginError, RecordError
from ..system.entries import read_entry, sync_dir, write_atomic
from ..system.limits import JOURNAL_BYTES
from ..system.path_sets import JOURNAL
from ..system.paths import is_inside, is_inside_any, real_places, resolve_inside
from ..system.regular_files import read_regular
from ..system.trees import Listing, Relative, folders_above, mounts_below, remove_new, stat_of
from ..system.words import printable
from . import origin
from .changes import Change, compact
from .journal_file import Intent, Scope, State, dump, load
from .snapshot import CONTENT, SnapshotWriter, entry_of, restore

_OPEN, _SEAL, _RESERVE = "journal.json", "journal.seal", "reserve"
# Every user may look up names, only root may list them. A parent folder of this mode was made
# here and is removed again; one of a package has another mode.
_MODE = 0o711
# Larger files are linked, not copied (see snapshot.py): files of packages, as rpm replaces
# them and never writes into them; files in trees, as copying them takes too long.
_COPIED_PATH, _COPIED_TREE = 256 * 1024, 16 * 1024 * 1024
# Space that undoing needs for small files when the disk is full.
_RESERVE_BYTES = 1024 * 1024
_MAX_SEAL_BYTES = 256
_MAX_NAMED = 5
# In a running system that crashed, a change so much later was made by others.
_SLACK_NS = 60 * 1_000_000_000
# The longest time that scriptlets and dracut may take after the last file was unpacked.
_LATE_NS = 30 * 60 * 10**9
_DATABASES = ("rpmdb.sqlite", "Packages", "Packages.db")
# Suffixes of files that rpm makes beside a package's: lib/fsm.c; rpm(8), "CONFIGURATION FILES".
_RPM_MAKES = (".rpmnew", ".rpmsave", ".rpmorig")


class Journal:
    """An open journal, made by ``begin`` and ended by ``finish`` or ``undo``; to be closed."""

    def __init__(self, root: Path, state: State) -> None:
        self._root = root
        self._state = state
        self._place = _folder(root)
        self._handle = os.open(self._place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        """Close the handle of the journal's folder."""
        os.close(self._handle)

    def effects(self, *, owned: Collection[str], replaced: Collection[str] = (),
                ours: Collection[str] = ()) -> Tuple[Change, ...]:
        """Return the changes by scriptlets since, and by rpm beside the packages' files.

        All paths are relative to the root: ``owned`` are the files of installed and
        removed packages, ``replaced`` those of removed packages, ``ours`` the paths that
        this tool changed itself. Where a package's file replaced an unowned one, there are
        two changes: one to the package's file, and one to none, which is the state when the
        package is removed.
        """
        known = _recorded(self._state)
        new = _present(self._root, self._state, known) - known
        start = f"{self._root}/"  # pathlib is slow for so many
        old = {path for path, kept in self._state.index.items()
               if kept is not None and stat_of(start + path) != kept.stat}
        changes: List[Change] = []
        for path in sorted((new - set(owned)) | (old - set(replaced))):
            if path not in ours and not _is_whole(self._state.scope, path):
                changes.extend(self._changes(path, path in owned))
        return tuple(changes)

    def repair(self) -> None:
        """Move the journal's folder back, and write its file again, if a scriptlet changed them.

        What the journal saved is not restored.

        Raises RecordError if the folder is gone.
        """
        if _folder(self._root) != self._place or not self._is_at(self._place):
            self._move_back()
        data, path = dump(self._state), self._place / _OPEN
        try:
            if read_regular(path, max_bytes=len(data)) == data:
                return
        except (OSError, NodePluginError):
            remove_new(self._root, [path.relative_to(self._root).as_posix()])
        write_atomic(path, data, mode=0o600)

    def _is_at(self, place: Path) -> bool:
        try:
            return os.path.samestat(os.lstat(place), os.fstat(self._handle))
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _move_back(self) -> None:
        now = Path(os.readlink(f"/proc/self/fd/{self._handle}"))
        if not self._is_at(now):
            raise RecordError(f"the journal {self._place} was removed",
                              hint="Unpack the root again.")
        relative = self._place.relative_to(self._root)
        for name in [*relative.parents][-2::-1]:
            folder = self._root / name
            if folder.is_symlink() or not folder.is_dir():
                folder.unlink(missing_ok=True)
                folder.mkdir(mode=_MODE)
        if os.path.lexists(self._place):
            remove_new(self._root, [relative.as_posix()])
        os.rename(now, self._place)

    def _changes(self, path: str, owned: bool) -> List[Change]:
        kept = self._state.index.get(path)
        before = None if kept is None else entry_of(
            self._root, path, kept, _folder(self._root))
        if kept is not None and before is None:
            return []
        present = self._root / path
        after = compact(read_entry(self._root, path, content=os.path.islink(present)))
        if before is None and after is None or before is not None and before.same(after):
            return []
        changes = [Change(path, before, after)]
        if owned and after is not None:
            changes.append(Change(path, after, None))
        return changes


def begin(root: Path, intent: Intent, scope: Scope) -> Journal:
    """Write the journal of an operation on ``root`` that is about to start.

    Raises OSError or NodePluginError if it cannot be written, for example on a full disk;
    nothing of it is left then.
    """
    folder = _make_folder(root)
    try:
        _reserve(folder)
        state = _save_scope(root, intent, scope, folder)
        data = dump(state)
        if not scope.live:  # that of the running system is this machine's own
            write_atomic(folder / _SEAL, origin.seal_of(data).encode(), mode=0o600)
        write_atomic(folder / _OPEN, data, mode=0o600)
    except BaseException:
        _remove_files(root)
        raise
    return Journal(root, state)


def pending(root: Path) -> bool:
    """Return whether an operation on ``root`` was interrupted or is running."""
    return _is_real(root) and (_folder(root) / _OPEN).is_file()


def left_over(root: Path) -> bool:
    """Return whether anything of a journal exists, such as files of a killed process."""
    return _is_real(root) and (_folder(root).is_dir() or _is_ours(_folder(root).parent))


def is_own(root: Path) -> bool:
    """Return whether this machine wrote the journal of ``root``, and nothing changed it since."""
    folder = _folder(root)
    try:
        data = read_regular(folder / _OPEN, max_bytes=JOURNAL_BYTES)
        seal = read_regular(folder / _SEAL, max_bytes=_MAX_SEAL_BYTES).decode(errors="replace")
    except OSError:
        return False
    return origin.is_own(data, seal)


def refuse_foreign(root: Path) -> None:
    """Raise RecordError, which says what the journal of ``root`` holds."""
    state, path = _read(root), _folder(root) / _OPEN
    restored = [name for name, kept in sorted(state.index.items()) if kept is not None]
    removed = [name for name, kept in sorted(state.index.items()) if kept is None]
    raise RecordError(printable(
        f"the journal {path} was not written by this machine, or was changed since. It says that"
        f" {state.intent.operation} of {', '.join(state.intent.plugins)} was interrupted, and to"
        f" undo that {_counted(restored, 'restored')}, and {_counted(removed, 'removed')}"),
        hint="If you trust this root, add --recover to undo the change. If the root is as it"
             f" should be, remove the folder {path.parent}.")


def _counted(paths: Sequence[str], how: str) -> str:
    named = f" (/{', /'.join(paths[:_MAX_NAMED])}{', ...' * (len(paths) > _MAX_NAMED)})"
    return f"{len(paths)} entries may be {how}{named * bool(paths)}"


def intent(root: Path) -> Intent:
    """Return the interrupted operation of ``root``."""
    return _read(root).intent


def finish(root: Path) -> None:
    """End the journal of ``root`` and keep its changes; idempotent."""
    if pending(root):
        (_folder(root) / _OPEN).unlink()
        sync_dir(_folder(root))
    if left_over(root):
        _remove_files(root)


def undo(root: Path, *, first: Callable[[], Sequence[str]] = tuple,
         last: Callable[[], Sequence[str]] = tuple, trusted: bool = True) -> Tuple[str, ...]:
    """Restore ``root`` to its state before the journal, and end the journal.

    May be called again after an interruption. ``first`` is called before anything is
    restored, ``last`` after everything is and before the journal is removed. Returns the
    lines that both return. If the journal is not ``trusted``, nothing on another filesystem is
    restored.

    Raises RecordError, before anything is changed, for an entry that was on another
    filesystem when the journal was written.
    """
    state = _read(root)
    ours = _own_changes(root, state)
    _refuse_crossing(root, state, ours, mounts=state.mounts if trusted else frozenset())
    (_folder(root) / _RESERVE).unlink(missing_ok=True)
    lines = [*first()]
    parents = _remove(root, [path for path, kept in state.index.items() if kept is None], ours)
    _restore_folders(root, state)
    known = _recorded(state)
    parents |= _remove(root, _present(root, state, known) - known, ours)
    for path, kept in sorted(state.index.items()):
        if kept is not None and stat_of(root / path) != kept.stat and ours(path):
            restore(root, path, kept, _folder(root))
            parents.add(os.path.dirname(path))
    _restore_times(root, parents, state)
    lines += last()
    finish(root)
    return tuple(lines)


def _restore_folders(root: Path, state: State) -> None:
    """Restore folders in ``whole`` that became links: what these lead to is left alone."""
    for path in state.scope.whole:
        kept = state.index.get(path)
        if (kept is not None and kept.kind == "dir" and os.path.islink(root / path)
                and resolve_inside(root, path, follow_last=False) == root / path):
            restore(root, path, kept, _folder(root))


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
    known = _recorded(state)
    paths = {path for path, kept in state.index.items()
             if stat_of(root / path) != (kept and kept.stat)}
    for path in sorted(paths | (_present(root, state, known) - known)):
        place = next((mount for mount in changed if is_inside(path, mount)), "")
        if place and ours(path):
            verb, other = (("mounted", "umount") if place not in mounts
                           else ("not mounted any more", "mount"))
            raise RecordError(
                f"to undo a change, {root / path} has to be restored, but {root / place} is"
                f" {verb}; undoing stays on the filesystems of the root",
                hint=f"Run {other} {root / place}, then try again.")


def _reserve(folder: Path) -> None:
    with open(folder / _RESERVE, "wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, _RESERVE_BYTES)


def _save_scope(root: Path, intent: Intent, scope: Scope, folder: Path) -> State:
    """Save everything in ``scope`` to ``folder`` and return the journal's content."""
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
    snapshot = SnapshotWriter(root, folder)
    try:
        index = {path: snapshot.keep(path, copy_bytes=copied[path]) for path in sorted(copied)}
    finally:
        snapshot.close()
    names: Set[str] = set()
    for tree in scope.bare:
        names |= listing.below(tree)
    for place in near:
        names |= listing.inside(place)
    names |= _scripts(root)
    return State(intent=intent, scope=scope, index=index, near=frozenset(near),
                 names=frozenset(names - set(index)), mounts=mounts_below(root))


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


def _recorded(state: State) -> Set[str]:
    """Return the paths that existed when the journal was written, as far as it knows."""
    return {path for path, kept in state.index.items() if kept is not None} | state.names


def _present(root: Path, state: State, known: Set[str]) -> Set[str]:
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
    return any(path.endswith(end) and path[:-len(end)] in index for end in _RPM_MAKES)


def _is_spared(scope: Scope, path: str) -> bool:
    return is_inside_any(path, scope.spared)


def _is_whole(scope: Scope, path: str) -> bool:
    return is_inside_any(path, scope.whole)


def _own_changes(root: Path, state: State) -> Callable[[str], bool]:
    """Return a function that returns whether the undone operation changed a path.

    In a root that is not running, all changes are its own. A running system may have been
    changed by others long after the crash: there, its own changes end shortly after the
    last one that is certain.
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
    """Refuse to undo if packages were changed long after the operation stopped.

    In a running system, rpm may have installed packages since; to restore the old database
    would lose them.
    """
    own_paths = [root / path for path in state.scope.paths] + [_folder(root) / CONTENT]
    last = max(state_now[3] for state_now in map(stat_of, own_paths)
               if state_now is not None and not stat.S_ISDIR(state_now[0]))
    for path in state.index:
        now = stat_of(root / path)
        if (_is_whole(state.scope, path) and os.path.basename(path) in _DATABASES
                and now is not None and now[3] > last + _LATE_NS):
            raise RecordError(
                f"packages were changed in {root} after a change of plugins was interrupted",
                hint="Undoing that change would lose them. To keep the system as it is, move"
                     f" {_folder(root)} away, then run dnf node-plugin verify.")


def _restore_times(root: Path, parents: Collection[str], state: State) -> None:
    """Restore the times of folders, and sync them to disk."""
    for path in sorted(parents, key=lambda name: -name.count("/")):
        kept = state.index.get(path)
        if resolve_inside(root, path) == root / path and (root / path).is_dir():
            if kept is not None:
                os.utime(root / path, ns=(kept.mtime_ns, kept.mtime_ns))
            sync_dir(root / path)


def _folder(root: Path) -> Path:
    """Return the journal's folder; ``/var`` and ``/var/lib`` of the root may be links."""
    above, *names = JOURNAL.rsplit("/", 2)
    return resolve_inside(root, above).joinpath(*names)


def _is_real(root: Path) -> bool:
    """Return whether neither of the journal's own two folders is a link."""
    return resolve_inside(root, JOURNAL) == _folder(root)


def check_folder(root: Path) -> None:
    """Raise RecordError if ``root`` can have no journal, because its folder is a link."""
    if not _is_real(root):
        raise RecordError(f"{_folder(root)} leads elsewhere by a symbolic link",
                          hint="Make /var/lib/ovirt-node-plugin in the root a real folder.")


def _make_folder(root: Path) -> Path:
    """Make the journal's folder."""
    check_folder(root)
    folder = _folder(root)
    if pending(root):
        raise RecordError(f"a change of {root} was interrupted and is not undone yet",
                          hint="Run dnf node-plugin verify: it undoes that change.")
    finish(root)
    folder.parent.parent.mkdir(parents=True, exist_ok=True)
    for place in (folder.parent, folder):
        if not place.is_dir():
            place.mkdir(mode=_MODE)
            os.chmod(place, _MODE)  # whatever the umask
    return folder


def _remove_files(root: Path) -> None:
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
        return load(read_regular(path, max_bytes=JOURNAL_BYTES))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise RecordError(
            f"the journal {path} cannot be read: {exc}",
            hint="It was written by another version of this tool, or is damaged. With the"
                 " version that wrote it, run dnf node-plugin verify; else unpack the root"
                 " again, or remove that file if the root is as it should be.") from exc


__all__ = ["Intent", "Journal", "Scope", "begin", "finish", "intent", "is_own", "left_over",
           "pending", "refuse_foreign", "undo"]
