"""The undo journal of a root, from before the first change until after the last.

It saves everything that an operation may change, and the names of existing entries, so that
undoing needs neither the packages nor their scriptlets. It is in the root itself, where
the next command finds it after a crash.
"""
from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from types import MappingProxyType
from typing import Collection, Dict, List, Mapping, Optional, Sequence, Tuple

from ..errors import NodePluginError, RecordError
from ..system.entries import Entry, read_entry, same_entry, sync_dir, write_atomic
from ..system.limits import JOURNAL_BYTES, WATCHED_ENTRIES
from ..system.path_sets import JOURNAL
from ..system.paths import resolve_inside
from ..system.regular_files import read_regular
from ..system.trees import Stat, remove_new, stat_of
from ..system.words import printable
from . import covered, origin
from .changes import Change, compact
from .journal_file import Intent, Scope, State, dump, load
from .snapshot import entry_of

_NOTHING: Mapping[str, Optional[Entry]] = MappingProxyType({})
_OPEN, _SEAL, _RESERVE = "journal.json", "journal.seal", "reserve"
# Every user may look up names, only root may list them. A parent folder of this mode was made
# here and is removed again; one of a package has another mode.
_MODE = 0o711
# Space that undoing needs for small files when the disk is full.
_RESERVE_BYTES = 1024 * 1024
_MAX_SEAL_BYTES = 256
_MAX_NAMED = 5


class Journal:
    """An open journal, made by ``begin`` and ended by ``finish`` or ``undoing.undo``.

    It has to be closed.
    """

    def __init__(self, root: Path, state: State) -> None:
        self._root = root
        self._state = state
        self._top = os.stat(root)
        self._place = folder_of(root)
        self._handle = os.open(self._place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        """Close the handle of the journal's folder."""
        os.close(self._handle)

    def effects(self, *, owned: Collection[str], replaced: Collection[str] = (),
                folders: Collection[str] = (), ours: Collection[str] = (),
                expected: Collection[str] = (),
                since: Mapping[str, Optional[Entry]] = _NOTHING) -> Tuple[Change, ...]:
        """Return the changes by scriptlets since, and by rpm beside the packages' files.

        All paths are relative to the root: ``owned`` are the files of installed and
        removed packages, ``replaced`` those of removed packages, ``ours`` the paths that
        this tool changed itself. ``since`` has paths that it changed before the transaction,
        in the state, with content, from which their changes are to be counted. Where a
        package's file replaced an unowned one, there are two changes: one to the package's
        file, and one to none, which is the state when the package is removed. ``folders`` are
        those of installed packages; ``expected`` are paths of the scope that scriptlets make,
        which are looked at in a running system too. Each of the folders has one change, even
        if its state is the same: rpm removes it together with the package. Files that were
        ``moved`` are not among the changes, as undoing these would remove data that existed
        before.
        """
        known = covered.recorded(self._state)
        new = covered.present(self._root, self._state, known) - known
        start = f"{self._root}/"  # pathlib is slow for so many
        old = {path for path, kept in self._state.index.items()
               if kept is not None and stat_of(start + path) != kept.stat}
        changes: List[Change] = []
        new -= set(covered.moved(self._root, self._state, new).values())
        new |= {path for path in expected if path in self._state.index and path not in known
                and stat_of(start + path) is not None}
        watched = (new - set(owned)) | (old - set(replaced)) | set(since) | set(folders)
        for path in sorted(watched):
            if path in since:
                before = since[path]
            elif path in ours or covered.is_whole(self._state.scope, path):
                continue
            else:
                kept = self._state.index.get(path)
                before = None if kept is None else entry_of(
                    self._root, path, kept, folder_of(self._root))
                if kept is not None and before is None:
                    continue
            changes.extend(self._changes(path, before, path in owned, path in folders))
        return tuple(changes)

    def moved(self) -> Mapping[str, str]:
        """Return the new place of each moved file that was saved by name only, by old path."""
        known = covered.recorded(self._state)
        new = covered.present(self._root, self._state, known) - known if self._state.files else ()
        return covered.moved(self._root, self._state, new)

    @property
    def watches(self) -> bool:
        """Whether the journal covers at most WATCHED_ENTRIES: listing more takes long."""
        return len(self._state.index) + len(self._state.names) <= WATCHED_ENTRIES

    def states(self) -> Dict[str, Stat]:
        """Return the states of the entries that exist now, by path, without databases.

        That of a folder is without its times. The result is empty without ``watches``. rpm calls
        this in a chroot in the root, where the root's path is another one.
        """
        if not self.watches:
            return {}
        inside = os.path.samestat(os.stat("/"), self._top)
        root = Path("/") if inside else self._root
        known = covered.recorded(self._state)
        paths = covered.present(root, self._state, known).union(self._state.index)
        states = ((path, stat_of(f"{root}/{path}")) for path in paths
                  if not covered.is_whole(self._state.scope, path))
        return {path: state[:3] if stat.S_ISDIR(state[0]) else state
                for path, state in states if state is not None}

    def repair(self) -> None:
        """Move the journal's folder back, and write its file again, if a scriptlet changed them.

        What the journal saved is not restored.

        Raises RecordError if the folder is gone.
        """
        if folder_of(self._root) != self._place or not self._is_at(self._place):
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

    def _changes(self, path: str, before: Optional[Entry], owned: bool,
                 folder: bool) -> List[Change]:
        present = self._root / path
        after = compact(read_entry(self._root, path, content=os.path.islink(present)))
        changes = [Change(path, before, after)]
        if folder:
            return changes if after is not None and after.kind in ("dir", "link") else []
        if same_entry(before, after):
            return []
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
        state = covered.save(root, intent, scope, folder)
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
    return _is_real(root) and (folder_of(root) / _OPEN).is_file()


def left_over(root: Path) -> bool:
    """Return whether anything of a journal exists, such as files of a killed process."""
    return _is_real(root) and (folder_of(root).is_dir() or _is_ours(folder_of(root).parent))


def is_own(root: Path) -> bool:
    """Return whether this machine wrote the journal of ``root``, and nothing changed it since."""
    folder = folder_of(root)
    try:
        data = read_regular(folder / _OPEN, max_bytes=JOURNAL_BYTES)
        seal = read_regular(folder / _SEAL, max_bytes=_MAX_SEAL_BYTES).decode(errors="replace")
    except OSError:
        return False
    return origin.is_own(data, seal)


def refuse_foreign(root: Path) -> None:
    """Raise RecordError, which says what the journal of ``root`` holds."""
    state, path = read_state(root), folder_of(root) / _OPEN
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
    return read_state(root).intent


def finish(root: Path) -> None:
    """End the journal of ``root`` and keep its changes; idempotent."""
    if pending(root):
        (folder_of(root) / _OPEN).unlink()
        sync_dir(folder_of(root))
    if left_over(root):
        _remove_files(root)


def free_reserve(root: Path) -> None:
    """Free the space that is reserved for undoing; idempotent."""
    (folder_of(root) / _RESERVE).unlink(missing_ok=True)


def _reserve(folder: Path) -> None:
    with open(folder / _RESERVE, "wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, _RESERVE_BYTES)


def folder_of(root: Path) -> Path:
    """Return the journal's folder; ``/var`` and ``/var/lib`` of the root may be links."""
    above, *names = JOURNAL.rsplit("/", 2)
    return resolve_inside(root, above).joinpath(*names)


def _is_real(root: Path) -> bool:
    """Return whether neither of the journal's own two folders is a link."""
    return resolve_inside(root, JOURNAL) == folder_of(root)


def check_folder(root: Path) -> None:
    """Raise RecordError if ``root`` can have no journal, because its folder is a link."""
    if not _is_real(root):
        raise RecordError(f"{folder_of(root)} leads elsewhere by a symbolic link",
                          hint="Make /var/lib/ovirt-node-plugin in the root a real folder.")


def _make_folder(root: Path) -> Path:
    """Make the journal's folder."""
    check_folder(root)
    folder = folder_of(root)
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
    folder = folder_of(root)
    if folder.is_dir():
        shutil.rmtree(folder)
    if _is_ours(folder.parent) and not os.listdir(folder.parent):
        folder.parent.rmdir()


def _is_ours(folder: Path) -> bool:
    return folder.is_dir() and stat.S_IMODE(folder.stat().st_mode) == _MODE


def read_state(root: Path) -> State:
    """Return the content of the journal of ``root``. Raises RecordError if it cannot be read."""
    path = folder_of(root) / _OPEN
    try:
        return load(read_regular(path, max_bytes=JOURNAL_BYTES))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise RecordError(
            f"the journal {path} cannot be read: {exc}",
            hint="It was written by another version of this tool, or is damaged. With the"
                 " version that wrote it, run dnf node-plugin verify; else unpack the root"
                 " again, or remove that file if the root is as it should be.") from exc


__all__ = ["Intent", "Journal", "Scope", "begin", "check_folder", "finish", "folder_of",
           "free_reserve", "intent", "is_own", "left_over", "pending", "read_state",
           "refuse_foreign"]
