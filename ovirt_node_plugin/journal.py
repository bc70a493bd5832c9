"""The undo journal of a root: from before the first change until after the last.

It holds a tar of everything that the change may touch and a list of what was
not there, so that undoing needs neither the packages nor their scriptlets. It
lies in the root itself, where the next command finds it after a crash.
"""
from __future__ import annotations

import hashlib
import json
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Collection, Dict, List, Optional, Sequence, Set, Tuple

from .changes import Change
from .errors import RecordError
from .files import Entry, read_entry, sync_dir, write_atomic
from .paths import is_inside, relative_inside, resolve_inside
from .run import Runner, StrPath
from .trees import Index, Stat, index_tree, stat_of, remove_new

FOLDER = "var/lib/ovirt-node-plugin/journal"
_OPEN, _DONE, _TAR = "journal.json", "done.json", "before.tar"
_FORMAT = 1
# A larger file in a watched tree is not kept: its change cannot be undone, and
# copying, say, udev's 10 MB hwdb.bin for each install is not worth it.
_KEEP_BYTES = 1024 * 1024
_TAR_FORM = ("--numeric-owner", "--xattrs", "--xattrs-include=*", "--no-recursion", "--null")


@dataclass(frozen=True)
class Scope:
    """What a change may touch; every name is relative to the root.

    ``paths`` are single entries, as from package file lists; ``trees`` folders
    that scriptlets and settings write to, kept with content; ``bare`` folders of
    which only the names are kept, so that what is new in them can go again;
    ``whole`` folders, such as the rpm database, of which every file is kept.
    """

    paths: Tuple[str, ...]
    trees: Tuple[str, ...]
    bare: Tuple[str, ...]
    whole: Tuple[str, ...]


@dataclass(frozen=True)
class Intent:
    """What was being done when a journal was written, for messages."""

    operation: str
    plugins: Tuple[str, ...]
    tool: str


class Journal:
    """An open journal; made by ``begin``, ended by ``finish`` or ``undo``."""

    def __init__(self, root: Path, index: Index, bare: Index, scope: Scope) -> None:
        self._root = root
        self._index = index
        self._bare = bare
        self._scope = scope

    def effects(self, owned: Collection[str]) -> Tuple[Change, ...]:
        """Return what changed in the watched trees since, but for the ``owned`` paths.

        That is what scriptlets left; ``owned`` are the paths of package files,
        relative to the root.
        """
        found: List[Change] = []
        before = {**self._index, **self._bare}
        now: Dict[str, Stat] = {}
        for tree in self._scope.trees + self._scope.bare:
            now.update(index_tree(self._root, tree))
        inside = [path for path in before
                  if any(is_inside(path, tree) for tree in self._scope.trees + self._scope.bare)]
        for path in sorted({*now, *inside} - set(owned)):
            if before.get(path) != now.get(path):
                found.extend(self._change(path, path in before))
        return tuple(found)

    def _change(self, path: str, existed: bool) -> List[Change]:
        old = self._kept(path) if existed else None
        if existed and old is None:
            return []  # too large to keep, or of a bare tree
        new = read_entry(self._root, path)
        if (old is None and new is None) or (old is not None and old.same(new)):
            return []
        return [Change(path, old, new.without_content() if new else None)]

    def _kept(self, path: str) -> Optional[Entry]:
        with tarfile.open(self._root / FOLDER / _TAR) as tar:
            try:
                member = tar.getmember(path)
            except KeyError:
                return None
            return _entry(tar, member)


def begin(root: Path, intent: Intent, scope: Scope, *, run: Runner) -> Journal:
    """Write the journal of a change of ``root`` that is about to start.

    Raises OSError or CommandError, with nothing left behind, if it cannot be
    written, for example for want of room.
    """
    made = _make_folder(root)
    try:
        index, bare = _survey(root, scope)
        listed = sorted(path for path, state in index.items() if state is not None)
        _write_tar(root, listed, run)
        state = {"format": _FORMAT, "operation": intent.operation,
                 "plugins": list(intent.plugins), "tool": intent.tool, "made": made,
                 "scope": [list(scope.paths), list(scope.trees), list(scope.bare),
                           list(scope.whole)],
                 "index": index, "bare": sorted(bare)}
        write_atomic(root / FOLDER / _OPEN, json.dumps(state).encode(), mode=0o600)
    except BaseException:
        _sweep(root, made)
        raise
    return Journal(root, {path: state for path, state in index.items() if state is not None},
                   bare, scope)


def pending(root: Path) -> bool:
    """Say if a change of ``root`` was interrupted and waits to be undone."""
    return (root / FOLDER / _OPEN).is_file()


def intent(root: Path) -> Intent:
    """Return what the interrupted change of ``root`` was."""
    state = _read(root, _OPEN)
    return Intent(state["operation"], tuple(state["plugins"]), state["tool"])


def finish(root: Path) -> None:
    """End the journal of ``root``: the change stands. May be called again."""
    folder = root / FOLDER
    if (folder / _OPEN).is_file():
        os.replace(folder / _OPEN, folder / _DONE)
        sync_dir(folder)
    if (folder / _DONE).is_file():
        _sweep(root, _read(root, _DONE)["made"])
    elif folder.is_dir():  # killed before the change began
        _sweep(root, [FOLDER])


def undo(root: Path, *, run: Runner) -> None:
    """Put ``root`` back as it was when its journal was begun, and end the journal.

    May be called again after an interruption.
    """
    state = _read(root, _OPEN)
    scope = Scope(*(tuple(part) for part in state["scope"]))
    index: Dict[str, Optional[Stat]] = {
        path: tuple(old) if old is not None else None for path, old in state["index"].items()}
    remove_new(root, [path for path, old in index.items() if old is None])
    known = {path for path, old in index.items() if old is not None}
    known_names = known | set(state["bare"])
    for tree in scope.trees + scope.whole + scope.bare:
        remove_new(root, sorted(set(index_tree(root, tree)) - known_names))
    _remove_rpm_leftovers(root, index)
    changed = sorted(path for path in known if stat_of(root / path) != index[path])
    if changed:
        run(["tar", "--extract", "--file", root / FOLDER / _TAR, "--directory", root,
             "--preserve-permissions", "--same-owner", *_TAR_FORM, "--files-from=-"],
            stdin=_names(changed))
    os.sync()
    finish(root)


def _survey(root: Path, scope: Scope) -> Tuple[Dict[str, Optional[Stat]], Index]:
    """Return the state of everything in ``scope`` (None: absent), and of the bare trees."""
    index: Dict[str, Optional[Stat]] = {}
    for path in scope.paths:
        name = relative_inside(root, path)
        while name not in (".", "") and name not in index:
            index[name] = stat_of(root / name)
            name = os.path.dirname(name)
    bare: Index = {}
    for tree in scope.trees:
        for path, state in index_tree(root, tree).items():
            (bare if _too_large(state) else index)[path] = state
    for tree in scope.whole:
        index.update(index_tree(root, tree))
    for tree in scope.bare:
        bare.update(index_tree(root, tree))
    return index, bare


def _too_large(state: Stat) -> bool:
    return len(state) > 3 and state[3] > _KEEP_BYTES


def _write_tar(root: Path, listed: Sequence[str], run: Runner) -> None:
    tar = root / FOLDER / _TAR
    argv: List[StrPath] = ["tar", "--create", "--file", tar, "--directory", root,
                           "--format=posix", *_TAR_FORM, "--files-from=-"]
    run(argv, stdin=_names(listed))
    with open(tar, "rb") as stream:
        os.fsync(stream.fileno())


def _names(paths: Sequence[str]) -> bytes:
    return b"".join(os.fsencode(path) + b"\0" for path in paths)


def _make_folder(root: Path) -> List[str]:
    """Make the journal's folder; return what was made, deepest first."""
    finish(root)
    folder = resolve_inside(root, FOLDER)
    if folder != root / FOLDER:
        raise RecordError(f"{root / FOLDER} leads elsewhere by a symbolic link",
                          hint="Make /var/lib/ovirt-node-plugin in the root a real folder.")
    made: List[str] = []
    while not folder.is_dir():
        made.append(folder.relative_to(root).as_posix())
        folder = folder.parent
    for name in reversed(made):
        (root / name).mkdir(mode=0o755)
    return made


def _sweep(root: Path, made: Sequence[str]) -> None:
    folder = root / FOLDER
    for name in (_TAR, _OPEN, _DONE):
        (folder / name).unlink(missing_ok=True)
    for name in made:
        if is_inside(FOLDER, name) and (root / name).is_dir() and not any((root / name).iterdir()):
            (root / name).rmdir()


def _remove_rpm_leftovers(root: Path, index: Dict[str, Optional[Stat]]) -> None:
    """Remove the temporary files of a killed rpm: ``NAME;HEX`` beside its target.

    rpm unpacks to such a name and renames (rpm's lib/fsm.c).
    """
    by_folder: Dict[str, Set[str]] = {}
    for path in index:
        by_folder.setdefault(os.path.dirname(path), set()).add(os.path.basename(path))
    for folder, names in by_folder.items():
        try:
            present = os.listdir(root / folder)
        except OSError:
            continue
        for entry in present:
            name, semicolon, tail = entry.rpartition(";")
            if semicolon and name in names and all(c in "0123456789abcdef" for c in tail):
                remove_new(root, [os.path.join(folder, entry)])


def _entry(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    """Return the state that a member of the journal's tar keeps."""
    prefix = "SCHILY.xattr."
    xattrs = tuple(sorted(
        (key[len(prefix):], value.encode("utf-8", "surrogateescape"))
        for key, value in member.pax_headers.items() if key.startswith(prefix)))
    data: Optional[bytes] = None
    kind = "dir" if member.isdir() else "other"
    if member.issym():
        kind, data = "link", os.fsencode(member.linkname)
    elif member.isreg() or member.islnk():
        stream = tar.extractfile(member)
        kind, data = "file", stream.read() if stream else b""
    return Entry(kind, 0o777 if kind == "link" else member.mode & 0o7777, member.uid, member.gid,
                 hashlib.sha256(data).hexdigest() if data is not None else "", data, xattrs)


def _read(root: Path, name: str) -> Any:
    path = root / FOLDER / name
    try:
        state = json.loads(path.read_bytes())
        if state["format"] != _FORMAT:
            raise ValueError(f"format {state['format']}")
        return state
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise RecordError(
            f"the journal {path} cannot be read: {exc}",
            hint="It was written by another version of this tool, or is damaged; with the"
                 " version that wrote it, run dnf node-plugin verify.") from exc


__all__ = ["FOLDER", "Intent", "Journal", "Scope", "begin", "finish", "intent", "pending", "undo"]
