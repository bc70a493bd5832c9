"""Changes of single paths in a root, and applied settings with their changes."""
from __future__ import annotations

import dataclasses
import fnmatch
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..errors import OutsideRoot, Refused
from ..system.entries import LABEL, Entry, read_entry, same_entry, write_entry
from ..system.limits import EDITED_BYTES, FOLDER_DEPTH
from ..system.paths import resolve_inside

Outcome = Mapping[str, Optional[str]]
"""Values that the system chose for a setting, by name; None for a name that says all."""


@dataclass(frozen=True)
class Change:
    """The state of one path before and after a change; None is absent.

    ``path`` is relative to the root, with its parents resolved. ``before`` has content,
    ``after`` only a digest; a link has its target in both.
    """

    path: str
    before: Optional[Entry]
    after: Optional[Entry]


@dataclass(frozen=True)
class Applied:
    """A setting that is switched on, with the changes that undo it.

    ``kind``, ``key`` and ``value`` are those of the setting; ``before`` is the state before
    in one word, such as ``disabled`` or ``absent``. ``outcome`` are values that the system
    chose, such as the ``uid``; most kinds have none.
    """

    kind: str
    key: str
    value: str
    before: str
    changes: Tuple[Change, ...]
    outcome: Outcome = field(default_factory=dict)

    def without_changes(self) -> Applied:
        """Return the setting as in a record."""
        return dataclasses.replace(self, changes=())

    @property
    def identity(self) -> Tuple[str, str]:
        """The kind and the key."""
        return self.kind, self.key


@dataclass(frozen=True)
class AppliedState:
    """What one plugin changed in a root: by its settings, and by scriptlets of its packages.

    ``factory`` are changes of the image's pristine copy of /etc, which follow the others and
    the packages' files. A ``before`` without content is the state that /etc had too.
    """

    settings: Tuple[Applied, ...] = ()
    effects: Tuple[Change, ...] = ()
    factory: Tuple[Change, ...] = ()

    @property
    def changes(self) -> Tuple[Change, ...]:
        """The changes of the settings, and after them the effects."""
        return (*(change for applied in self.settings for change in applied.changes),
                *self.effects)

    @property
    def all_changes(self) -> Tuple[Change, ...]:
        """The changes, and after them those of the pristine copy of /etc."""
        return (*self.changes, *self.factory)


@dataclass(frozen=True)
class Watch:
    """Paths to watch for changes: the entries ``names`` in ``folder``.

    ``folder`` is relative to the root and may be missing; ``names`` is a glob of names
    directly in it; with ``deep``, everything below them is watched too. The folder and its
    parents are always watched. Without ``content``, only digests of files are kept, from
    which they cannot be restored.
    """

    folder: str
    names: str
    deep: bool = False
    content: bool = True


def capture(root: Path, watches: Sequence[Watch], *, content: bool = True) -> Dict[str, Entry]:
    """Return every watched entry by its path relative to ``root``.

    Raises OutsideRoot for a watched folder that leads to the root itself by a link, and
    Refused for contents of more than EDITED_BYTES together.
    """
    entries: Dict[str, Entry] = {}
    content_bytes = 0
    for watch in watches:
        folder = resolve_inside(root, watch.folder).relative_to(root).as_posix()
        if folder == ".":
            raise OutsideRoot(f"/{watch.folder} in {root} leads to the root itself",
                              hint="Replace that symbolic link by a real folder.")
        for path in (*_with_parents(folder), *_listed(root, folder, watch)):
            entry = None if path in entries else read_entry(
                root, path, content=content and watch.content)
            if entry is not None:
                entries[path] = entry
                content_bytes += len(entry.content or b"")
            if content_bytes > EDITED_BYTES:
                raise Refused(f"the files in /{folder} in {root} have more than {EDITED_BYTES}"
                              " bytes; all are kept in memory",
                              hint="Remove those that are not needed.")
    return entries


def difference(before: Mapping[str, Entry], after: Mapping[str, Entry]) -> Tuple[Change, ...]:
    """Return the differences between two captures of the same watches, sorted by path."""
    return tuple(
        Change(path, before.get(path), compact(after.get(path)))
        for path in sorted({*before, *after})
        if not same_entry(before.get(path), after.get(path)))


def compact(entry: Optional[Entry]) -> Optional[Entry]:
    """Return ``entry`` as a Change keeps it in ``after``: without a file's content."""
    return entry if entry is None or entry.kind == "link" else entry.without_content()


def is_kept(change: Change) -> bool:
    """Return whether undoing may need ``change``: the states differ, or it is of a folder.

    A package that owns a folder which existed before may change nothing, but rpm removes the
    folder, or a link in its place, together with the package.
    """
    return not same_entry(change.before, change.after) or (
        change.before is not None and change.before.kind in ("dir", "link"))


def alike(first: Optional[Entry], second: Optional[Entry]) -> bool:
    """Return whether two states are equal apart from SELinux labels, or both absent."""
    return comparable(first) == comparable(second)


def comparable(entry: Optional[Entry]) -> Optional[Entry]:
    """Return a state without content and SELinux label: equal for equal states, hashable.

    The system changes labels, as by restorecon(8) and at the first boot.
    """
    if entry is None:
        return None
    xattrs = tuple(pair for pair in entry.xattrs if pair[0] != LABEL)
    return dataclasses.replace(entry, content=None, xattrs=xattrs)


def put_back(root: Path, changes: Sequence[Change]) -> Tuple[str, ...]:
    """Restore the ``before`` of every change; return the folders that stay, as not empty.

    Folders are made before their entries and removed after them. A path that has its state
    already is not written, a missing parent folder is made.
    """
    not_empty: List[str] = []
    for change in sorted(changes, key=_undo_order):
        now = read_entry(root, change.path, content=False)
        if same_entry(now, change.before):
            continue
        if change.before is None and now is not None and now.kind == "dir":
            if os.listdir(resolve_inside(root, change.path)):
                not_empty.append(change.path)
                continue
        _make_way(root, change, now)
        write_entry(root, change.path, change.before)
    return tuple(sorted(not_empty))


def _undo_order(change: Change) -> Tuple[int, int, str]:
    depth = change.path.count("/")
    if change.before is None:
        return (2, -depth, change.path)
    return (0 if change.before.kind == "dir" else 1, depth, change.path)


def _make_way(root: Path, change: Change, now: Optional[Entry]) -> None:
    """Make missing parents, and remove a folder that a file replaces or the reverse."""
    before = change.before
    if before is None:
        return
    resolve_inside(root, os.path.dirname(change.path)).mkdir(parents=True, exist_ok=True)
    if now is not None and (now.kind == "dir") != (before.kind == "dir"):
        write_entry(root, change.path, None)


def _with_parents(folder: str) -> Iterator[str]:
    parts = folder.split("/")
    for count in range(1, len(parts) + 1):
        yield "/".join(parts[:count])


def _listed(root: Path, folder: str, watch: Watch) -> Iterator[str]:
    try:
        names = sorted(os.listdir(root / folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        if fnmatch.fnmatchcase(name, watch.names):
            path = f"{folder}/{name}"
            yield path
            if watch.deep and _is_folder(root / path):
                if path.count("/") > FOLDER_DEPTH:
                    raise Refused(f"/{folder} in {root} is below {FOLDER_DEPTH} levels of folders",
                                  hint="Find out what made it, and remove it.")
                yield from _listed(root, path, Watch(path, "*", deep=True,
                                                     content=watch.content))


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
