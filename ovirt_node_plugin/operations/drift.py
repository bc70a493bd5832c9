"""Differences of a root from the inventories and undo data of its plugins, without ``rpm -V``."""
from __future__ import annotations

import contextlib
import functools
import os
import stat
from pathlib import Path
from typing import (
    Callable,
    Collection,
    Dict,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from ..errors import NodePluginError
from ..packages.installed import read_installed
from ..policy.path_rules import PathPolicy, PathRule
from ..registry import store
from ..registry.inventory import ABSENT, CONFIG, File, Inventory
from ..registry.undo_data import UndoData
from ..system import account_files, path_sets, read_paths
from ..system.differences import MISSING, PropertyDifference
from ..system.entries import Entry, kind_of, read_entry
from ..system.paths import is_inside_any, real_places
from ..system.trees import Relative, folders_above
from ..undo.changes import Change, alike
from ..undo.entry_differences import OwnerNames, of_entries
from .model.results import (
    IN_CONFIG,
    IN_FILE,
    IN_INVENTORY,
    IN_PACKAGE,
    IN_SCRIPTLET,
    Finding,
)
from .recorded_files import RecordedFiles, file_differences

RecordedStates = Callable[[Path], Mapping[str, Sequence[Optional[Entry]]]]
"""Returns, for a root, the states in which the installed plugins left each path they changed."""
# update-alternatives(8) changes its state whenever another package is installed.
_READ = tuple(path for path in read_paths.active() if path != "var/lib/alternatives")


def inventory_findings(recorded: RecordedFiles, name: str, undo_data: Optional[UndoData],
                       root: Path, *, look: bool) -> Iterator[Finding]:
    """Yield each difference from the inventory ``recorded`` of the plugin ``name``.

    Packages are compared by their headers. With ``look``, as a replacement for ``rpm -V``,
    their files are compared too, by lstat(2) alone: no content is read. ``undo_data`` is None if
    only the superuser may read it.
    """
    inventory = recorded.inventory
    if inventory is not None:
        yield from _package_findings(inventory, root, look)
        return
    path = f"/{store.inventory_path(root, name)}"
    if recorded.problem:
        yield Finding(IN_INVENTORY, recorded.problem, path, differences=recorded.differences)
    elif undo_data is not None and undo_data.inventory:
        yield Finding(IN_INVENTORY, f"its inventory {path} is missing", path,
                      differences=(MISSING,))


def effect_findings(effects: Sequence[Change], root: Path, *, files: Collection[str] = (),
                    recorded: Optional[RecordedStates] = None) -> Iterator[Finding]:
    """Yield each file that scriptlets made or changed and that differs since.

    Folders for state are skipped, except paths that programs read by themselves. Of a file
    that existed before, only its removal is reported. Later changes by settings or other
    plugins do not count, nor do folders among ``files``, the paths of the packages, which rpm
    compares. The folders of ``files`` were made by rpm. ``recorded`` is from ``recorded_states``,
    for several plugins.
    """
    if not effects:
        return
    last = {change.path: change for change in effects}
    first = {change.path: change for change in reversed(effects)}
    rules = _Watched(root)
    recorded = recorded or recorded_states()
    relative = Relative(root)
    packed = {relative(file) for file in files}
    for path, change in sorted(last.items()):
        if change.after is None or path in packed or not rules.compares(path):
            continue
        made = first[path].before is None
        try:
            now = read_entry(root, path, content=False) if made else _stat(root, path)
        except PermissionError:
            continue
        if now is not None and now.kind == change.after.kind and (
                now.kind == "dir" or not made or not rules.keeps_content(path)
                or alike(now, change.after)):
            continue
        now = read_entry(root, path, content=False)
        if any(alike(state, now) for state in recorded(root).get(path, ())):
            continue
        by_rpm = made and any(path in folders_above(file) for file in packed)
        maker = "came with its packages" if by_rpm else (
            f"a scriptlet {'made' if made else 'changed'}")
        yield Finding(
            IN_SCRIPTLET,
            f"/{path}, which {maker}, {'is missing' if now is None else 'was changed'}",
            f"/{path}", differences=of_entries(root, path, change.after, now))


class _Watched:
    """Which files of scriptlets have to stay in ``root``, and which to stay unchanged."""

    def __init__(self, root: Path) -> None:
        self._state = real_places(root, path_sets.STATE)
        self._regenerated = real_places(root, path_sets.REGENERATED)
        self._written_once = real_places(root, path_sets.WRITTEN_ONCE)
        self._read = PathPolicy([PathRule(path, False) for path in _READ], root=root)

    def compares(self, path: str) -> bool:
        """Return whether the file ``path``, relative to the root, has to stay."""
        return not is_inside_any(path, self._regenerated) and (
            self._is_read(path) or not is_inside_any(path, self._state))

    def keeps_content(self, path: str) -> bool:
        """Return whether a file that has to stay must have the same content too."""
        return self._is_read(path) or is_inside_any(path, self._written_once)

    def _is_read(self, path: str) -> bool:
        return self._read.deciding(path, folder=True) is not None


def _stat(root: Path, path: str) -> Optional[Entry]:
    """Return the kind of an entry; its content may be unreadable or large."""
    try:
        return Entry(kind_of(os.lstat(root / path).st_mode), 0, 0, 0)
    except (FileNotFoundError, NotADirectoryError):
        return None


def recorded_states() -> RecordedStates:
    """Return ``_recorded_states`` as a function that keeps its result."""
    return functools.lru_cache(maxsize=1)(_recorded_states)


def _recorded_states(root: Path) -> Mapping[str, Sequence[Optional[Entry]]]:
    """Return the states in which the installed plugins left each path that they changed."""
    states: Dict[str, List[Optional[Entry]]] = {}
    for name in store.names(root):
        with contextlib.suppress(NodePluginError):
            for change in store.read_undo_data(root, name).state.all_changes:
                states.setdefault(change.path, []).append(change.after)
    return states


def _package_findings(inventory: Inventory, root: Path, look: bool) -> Iterator[Finding]:
    installed = read_installed(root, [package.nevra for package in inventory.packages])
    # the first entry of a name counts; rpm gives files of unknown owners to root
    uids = {user.name: user.uid for user in reversed(account_files.users(root))}
    gids = {group.name: group.gid for group in reversed(account_files.groups(root))}
    relative, names = Relative(root), OwnerNames(root)
    folders: Set[str] = set()  # several packages may have one folder
    for package in inventory.packages:
        if package.nevra not in installed:
            continue  # reported when the record is checked
        if package.header and installed[package.nevra].digest != package.header:
            yield Finding(IN_PACKAGE, f"package {package.nevra} is another build than the one that"
                                      " was installed, of the same name and version",
                          package=package.nevra, differences=(PropertyDifference(
                              "header", package.header, installed[package.nevra].digest),))
            continue
        for file in package.files if look else ():
            if ABSENT.intersection(file.marks) or file.path in folders:
                continue
            if file.kind == "dir":
                folders.add(file.path)
            where = root / relative(file.path)
            kind, text, changed = _file_difference(
                file, where, uids.get(file.owner, 0), gids.get(file.group, 0))
            if text:
                yield Finding(kind, text, file.path, package.nevra,
                              differences=file_differences(file, where, names, changed))


def _file_difference(file: File, where: Path, uid: int, gid: int) -> Tuple[str, str, List[str]]:
    """Return the kind of a Finding, its text, empty for a file as packed, and what differs."""
    is_config = CONFIG in file.marks
    what = f"{'configuration file' if is_config else 'file'} {file.path}"
    try:
        info = os.lstat(where)
        kind = kind_of(info.st_mode)
        differences = {
            "kind": kind != file.kind,
            "size": kind == file.kind == "file" and info.st_size != file.size_bytes,
            "mode": file.kind != "link" and stat.S_IMODE(info.st_mode) != file.mode,
            "link": kind == file.kind == "link" and os.readlink(where) != file.link,
            "owner": info.st_uid != uid, "group": info.st_gid != gid}
    except (FileNotFoundError, NotADirectoryError):
        return IN_FILE, f"{what} is missing", []
    except PermissionError:
        return IN_FILE, "", []
    changed = [word for word, differs in differences.items()
               if differs and word not in file.unchecked]
    return (IN_CONFIG if is_config else IN_FILE,
            f"{what} was changed ({', '.join(changed)})" if changed else "", changed)
