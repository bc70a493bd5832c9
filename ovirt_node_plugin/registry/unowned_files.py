"""Files that no package owns, for an inventory: those of settings and scriptlets."""
from __future__ import annotations

import base64
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Collection, Dict, Iterable, List, Mapping, Optional, Set, Tuple

from ..errors import NodePluginError
from ..system import account_files
from ..system.entries import LABEL, Entry, read_entry, same_entry
from ..system.paths import resolve_inside
from ..system.trees import Relative, folders_above
from ..undo.changes import AppliedState, Change
from . import store
from .inventory import (
    ADDED,
    CHANGED,
    PACKAGES,
    REMOVED,
    SCRIPTLETS,
    File,
    Inventory,
    InventoryPackage,
    numbered,
)


class Describer:
    """Describes entries of ``root`` as inventories do. All paths are relative to the root.

    Every user may read an inventory. So for a file that not every user may read, it has
    neither attributes nor a digest, from which a short secret could be guessed.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._users = {user.uid: user.name for user in reversed(account_files.users(root))}
        self._groups = {group.gid: group.name for group in reversed(account_files.groups(root))}
        self._open: Dict[str, bool] = {"": True}

    def file(self, path: str, entry: Entry, size_bytes: int = 0) -> File:
        """Return ``entry``, at ``path``, as a file of an inventory."""
        is_open = bool(entry.mode & 0o004) and self._is_open(os.path.dirname(path))
        shown = is_open and entry.kind == "file" and bool(entry.digest)
        link = os.fsdecode(entry.content or b"") if entry.kind == "link" else ""
        return File(
            path=f"/{path}", kind=entry.kind, mode=entry.mode,
            owner=self._users.get(entry.uid, str(entry.uid)),
            group=self._groups.get(entry.gid, str(entry.gid)), size_bytes=size_bytes,
            digest=f"sha256:{entry.digest}" if shown else "", link=link,
            xattrs=tuple((name, base64.b64encode(value).decode()) for name, value in entry.xattrs
                         if name != LABEL and is_open))  # the system changes labels

    def now(self, path: str, entry: Optional[Entry] = None) -> Optional[File]:
        """Return what exists at ``path``, None if nothing does; ``entry`` is its known state."""
        entry = entry or read_entry(self._root, path, content=os.path.islink(self._root / path))
        if entry is None:
            return None
        try:
            info = os.lstat(self._root / path)
        except (FileNotFoundError, NotADirectoryError):
            return self.file(path, entry)
        return self.file(path, entry, info.st_size if stat.S_ISREG(info.st_mode) else 0)

    def _is_open(self, folder: str) -> bool:
        """Return whether every user may enter ``folder``."""
        if folder not in self._open:
            try:
                is_open = bool(os.lstat(self._root / folder).st_mode & 0o001)
            except OSError:
                is_open = False
            self._open[folder] = is_open and self._is_open(os.path.dirname(folder))
        return self._open[folder]


def unowned(root: Path, state: AppliedState, owned: Collection[str],
            ) -> Tuple[Tuple[File, ...], Mapping[str, File]]:
    """Return the files that settings and effects made or changed, and their states before.

    ``owned`` are the paths, relative to the root, of the files of the plugin's packages.
    These are not returned again, but a file that one of them replaced is among the states
    before, which are by absolute path.
    """
    describe = Describer(root)
    files: List[File] = []
    before: Dict[str, File] = {}
    packed_folders = {folder for path in owned for folder in folders_above(path)}
    for path, steps in sorted(_by_path(state).items()):
        first, (by, last) = steps[0][1].before, steps[-1]
        if first is not None and not same_entry(first, last.after):
            before[f"/{path}"] = describe.file(path, first, len(first.content or b""))
        if path in owned:
            continue
        now = (None if len(steps) == 1 and last.after is None else
               describe.now(path, last.after if len(steps) == 1 else None))
        if by == SCRIPTLETS and path in packed_folders and first is None:
            by = PACKAGES
        if now is not None:
            files.append(replace(now, by=by, change=ADDED if first is None else CHANGED))
        elif first is not None:
            files.append(File(f"/{path}", by=by, change=REMOVED))
    return tuple(files), before


def owned_paths(root: Path, packages: Iterable[InventoryPackage]) -> Set[str]:
    """Return the paths of all files of packages, relative to ``root``, links resolved.

    rpm keeps a link in the place of a folder; then both are among them.
    """
    relative = Relative(root)
    files = [file for package in packages for file in package.files]
    return {*(relative(file.path) for file in files),
            *(resolve_inside(root, file.path).relative_to(root).as_posix()
              for file in files if file.kind == "dir")}


def follow(root: Path, name: str, state: AppliedState) -> None:
    """Update the inventory of a plugin that took over from others to its ``state``.

    A missing or damaged inventory is left as it is.
    """
    old = _readable(root, name)
    if old is None:
        return
    files, _ = unowned(root, state, owned_paths(root, old.packages))
    others = numbered(files, {file.path: file for file in old.others}, 0)
    if others != old.others:
        store.save_inventory(root, replace(old, others=others))


def follow_packages(root: Path, name: str, new: Mapping[str, InventoryPackage]) -> None:
    """Replace packages in the inventory of a plugin that shares them with another.

    ``new`` are those after an upgrade of the other plugin, by the NEVRAs that they replace.
    They are not the result of an operation of this plugin. A missing or damaged inventory
    is left as it is.
    """
    old = _readable(root, name)
    if old is None:
        return
    packages = tuple(
        replace(new[package.nevra], since=0, files=tuple(
            replace(file, since=0) for file in new[package.nevra].files))
        if package.nevra in new else package for package in old.packages)
    store.save_inventory(root, replace(old, packages=packages))


def _by_path(state: AppliedState) -> Dict[str, List[Tuple[str, Change]]]:
    """Return what made each change of a path, and the change, in their order."""
    changes = [(SCRIPTLETS, change) for change in state.effects]  # scriptlets ran first
    changes += [(f"{applied.kind} {applied.key}".strip(), change)
                for applied in state.settings for change in applied.changes]
    by_path: Dict[str, List[Tuple[str, Change]]] = {}
    for by, change in changes:
        by_path.setdefault(change.path, []).append((by, change))
    return by_path


def _readable(root: Path, name: str) -> Optional[Inventory]:
    """Return the inventory of a plugin; None if it is missing or damaged."""
    try:
        return store.read_inventory(root, name)
    except NodePluginError:
        return None
