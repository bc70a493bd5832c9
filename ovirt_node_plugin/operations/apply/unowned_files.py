"""Files that no package owns, as an inventory has them: what settings and scriptlets made."""
from __future__ import annotations

import base64
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Collection, Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

from ...errors import NodePluginError
from ...registry import store
from ...registry.inventory import (
    ADDED,
    CHANGED,
    PACKAGES,
    REMOVED,
    SCRIPTLETS,
    File,
    InventoryPackage,
)
from ...settings.accounts import account_files
from ...system.entries import Entry, read_entry
from ...system.trees import Relative, folders_above
from ...undo.changes import AppliedState, Change

# A relabelling by the system is nobody's change.
_LABEL = "security.selinux"


class Describer:
    """Tells the state of entries of ``root`` as inventories do.

    An inventory is for everybody to read: of a file that not everybody can read, it has
    neither a digest, by which a short secret could be guessed, nor attributes.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._users = {one.uid: one.name for one in reversed(account_files.users(root))}
        self._groups = {one.gid: one.name for one in reversed(account_files.groups(root))}
        self._open: Dict[str, bool] = {"": True}

    def file(self, path: str, entry: Entry, size_bytes: int = 0) -> File:
        """Return what ``entry`` says of ``path``, which is relative to the root."""
        is_open = bool(entry.mode & 0o004) and self._is_open(os.path.dirname(path))
        shown = is_open and entry.kind == "file" and bool(entry.digest)
        link = os.fsdecode(entry.content or b"") if entry.kind == "link" else ""
        return File(
            path=f"/{path}", kind=entry.kind, mode=entry.mode,
            owner=self._users.get(entry.uid, str(entry.uid)),
            group=self._groups.get(entry.gid, str(entry.gid)), size_bytes=size_bytes,
            digest=f"sha256:{entry.digest}" if shown else "", link=link,
            xattrs=tuple((name, base64.b64encode(value).decode()) for name, value in entry.xattrs
                         if name != _LABEL and is_open))

    def now(self, path: str) -> Optional[File]:
        """Return what is at ``path``, which is relative to the root, None if nothing is."""
        is_link = os.path.islink(self._root / path)
        entry = read_entry(self._root, path, content=is_link)
        return None if entry is None else self.file(path, entry, self.size_bytes(path))

    def size_bytes(self, path: str) -> int:
        """Return how large the file ``path`` is; 0 for what is no file."""
        try:
            info = os.lstat(self._root / path)
        except (FileNotFoundError, NotADirectoryError):
            return 0
        return info.st_size if stat.S_ISREG(info.st_mode) else 0

    def _is_open(self, folder: str) -> bool:
        if folder not in self._open:
            try:
                mine = bool(os.lstat(self._root / folder).st_mode & 0o001)
            except OSError:
                mine = False
            self._open[folder] = mine and self._is_open(os.path.dirname(folder))
        return self._open[folder]


def unowned(root: Path, state: AppliedState, owned: Collection[str],
            ) -> Tuple[Tuple[File, ...], Mapping[str, File]]:
    """Return the files that settings and effects made or changed, and what was there before.

    ``owned`` are the paths, relative to the root, of the plugin's packages' files: they
    are not told again, but what was in the place of one is among those before, which
    are by absolute path.
    """
    describe = Describer(root)
    found: List[File] = []
    before: Dict[str, File] = {}
    made = {folder for path in owned for folder in folders_above(path)}
    for path, steps in sorted(_by_path(state).items()):
        first, (by, last) = steps[0][1], steps[-1]
        if first.before is not None:
            before[f"/{path}"] = describe.file(path, first.before,
                                               len(first.before.content or b""))
        if path not in owned:
            now = (describe.now(path) if len(steps) > 1 else
                   None if last.after is None else
                   describe.file(path, last.after, describe.size_bytes(path)))
            if by == SCRIPTLETS and path in made and first.before is None:
                by = PACKAGES
            if now is not None or first.before is not None:
                found.append(_marked(now, path, by, first.before is None))
    return tuple(found), before


def numbered(files: Sequence[File], old: Mapping[str, File], number: int) -> Tuple[File, ...]:
    """Return ``files`` with ``since`` set: of ``old`` where it is the same, else ``number``."""
    return tuple(replace(one, since=old[one.path].since if one.same(old.get(one.path))
                         else number) for one in files)


def owned_paths(root: Path, packages: Iterable[InventoryPackage]) -> Set[str]:
    """Return the paths of all files of packages, relative to ``root``, links resolved."""
    relative = Relative(root)
    return {relative(one.path) for package in packages for one in package.files}


def follow(root: Path, name: str, state: AppliedState) -> None:
    """Bring the inventory of a plugin that took over from others to its ``state`` now.

    One that is missing or damaged stays so.
    """
    try:
        old = store.read_inventory(root, name)
    except NodePluginError:
        old = None
    if old is None:
        return
    others = numbered(unowned(root, state, owned_paths(root, old.packages))[0],
                      {one.path: one for one in old.others}, 0)
    if others != old.others:
        store.save_inventory(root, replace(old, others=others))


def _by_path(state: AppliedState) -> Dict[str, List[Tuple[str, Change]]]:
    """Return the changes of each path in the order in which they were made, and by what."""
    made = [(SCRIPTLETS, change) for change in state.effects]  # scriptlets ran first
    made += [(f"{applied.kind} {applied.key}".strip(), change)
             for applied in state.settings for change in applied.changes]
    by_path: Dict[str, List[Tuple[str, Change]]] = {}
    for by, change in made:
        by_path.setdefault(change.path, []).append((by, change))
    return by_path


def _marked(now: Optional[File], path: str, by: str, is_new: bool) -> File:
    if now is None:
        return File(f"/{path}", by=by, change=REMOVED)
    return replace(now, by=by, change=ADDED if is_new else CHANGED)
