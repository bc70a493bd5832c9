"""What was changed in a root: single paths before and after, and settings applied."""
from __future__ import annotations

import dataclasses
import fnmatch
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..errors import OutsideRoot
from ..system.entries import Entry, read_entry, same_entry, write_entry
from ..system.paths import resolve_inside

EFFECTS = "effects"
"""The kind of the one ``Applied`` that stands for what a plugin's scriptlets changed."""

# A relabelling by the system (restorecon, a first boot) is nobody's change.
_LABEL = "security.selinux"


@dataclass(frozen=True)
class Change:
    """The state of one path before and after; None is absent.

    ``path`` is relative to the root, its parents resolved. ``before`` has its
    content, ``after`` only its digest (a link keeps its target in both).
    """

    path: str
    before: Optional[Entry]
    after: Optional[Entry]


@dataclass(frozen=True)
class Applied:
    """One setting that was switched on, and how to undo it.

    ``kind``, ``key`` and ``value`` are those of the setting; ``before`` is the
    state before in one word, such as ``disabled`` or ``absent``. ``outcome`` is what
    only the system could say, in words such as ``uid=998``; empty for most kinds.
    """

    kind: str
    key: str
    value: str
    before: str
    changes: Tuple[Change, ...]
    outcome: str = ""


@dataclass(frozen=True)
class Watch:
    """A place where something may change: the ``names`` in ``folder``.

    ``folder`` is relative to the root and need not be there; ``names`` is a glob
    of names directly in it; with ``deep`` everything below them counts too. The
    folder itself and its parents always count. Without ``content`` only digests are
    kept of files, which then cannot be put back from that.
    """

    folder: str
    names: str
    deep: bool = False
    content: bool = True


def capture(root: Path, watches: Sequence[Watch], *, content: bool = True) -> Dict[str, Entry]:
    """Return every entry that is watched, by its path relative to ``root``.

    Raises OutsideRoot for a watched folder that a link makes the root itself.
    """
    found: Dict[str, Entry] = {}
    for watch in watches:
        folder = resolve_inside(root, watch.folder).relative_to(root).as_posix()
        if folder == ".":
            raise OutsideRoot(f"/{watch.folder} in {root} leads to the root itself",
                              hint="Replace that symbolic link by a real folder.")
        for path in (*_with_parents(folder), *_listed(root, folder, watch)):
            entry = None if path in found else read_entry(
                root, path, content=content and watch.content)
            if entry is not None:
                found[path] = entry
    return found


def difference(before: Mapping[str, Entry], after: Mapping[str, Entry]) -> Tuple[Change, ...]:
    """Return what differs between two captures of the same watches, sorted by path."""
    return tuple(
        Change(path, before.get(path), compact(after.get(path)))
        for path in sorted({*before, *after})
        if not same_entry(before.get(path), after.get(path)))


def compact(entry: Optional[Entry]) -> Optional[Entry]:
    """Return ``entry`` as a Change keeps it in ``after``: without a file's content."""
    return entry if entry is None or entry.kind == "link" else entry.without_content()


def alike(one: Optional[Entry], other: Optional[Entry]) -> bool:
    """Say if two states are the same but for a SELinux label, or both are absent."""
    return comparable(one) == comparable(other)


def comparable(entry: Optional[Entry]) -> Optional[Entry]:
    """Return what of a state counts when two are compared; can be a dictionary's key."""
    if entry is None:
        return None
    xattrs = tuple(pair for pair in entry.xattrs if pair[0] != _LABEL)
    return dataclasses.replace(entry, content=None, xattrs=xattrs)


def put_back(root: Path, changes: Sequence[Change]) -> Tuple[str, ...]:
    """Make every path what its ``before`` says; return the folders that were not empty.

    Folders come back before what is in them and go after it. A path that is as
    before already is not touched, a missing parent folder is made.
    """
    left: List[str] = []
    for change in sorted(changes, key=_undo_order):
        now = read_entry(root, change.path, content=False)
        if same_entry(now, change.before):
            continue
        if change.before is None and now is not None and now.kind == "dir":
            if os.listdir(resolve_inside(root, change.path)):
                left.append(change.path)
                continue
        _make_way(root, change, now)
        write_entry(root, change.path, change.before)
    return tuple(sorted(left))


def _undo_order(change: Change) -> Tuple[int, int, str]:
    depth = change.path.count("/")
    if change.before is None:
        return (2, -depth, change.path)
    return (0 if change.before.kind == "dir" else 1, depth, change.path)


def _make_way(root: Path, change: Change, now: Optional[Entry]) -> None:
    """Prepare what replacing an entry in one step cannot do: parents, folder for file."""
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
                yield from _listed(root, path, Watch(path, "*", deep=True,
                                                     content=watch.content))


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
