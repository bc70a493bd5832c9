"""What is not, or no longer, as inventory and undo data have it, without rpm's own look."""
from __future__ import annotations

import contextlib
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
from ..registry import store
from ..registry.inventory import ABSENT, CONFIG, File, Inventory
from ..registry.record import Record
from ..registry.undo_data import UndoData
from ..settings.accounts import account_files
from ..system import path_sets
from ..system.entries import Entry, read_entry
from ..system.paths import is_inside_any, real_places
from ..system.trees import Relative, folders_above
from ..undo.changes import Change, alike

_KINDS = {stat.S_IFREG: "file", stat.S_IFLNK: "link", stat.S_IFDIR: "dir"}


def inventory_problems(record: Record, undo_data: UndoData, root: Path, *,
                       look: bool) -> Tuple[str, ...]:
    """Return what differs from the inventory of a plugin, a line each.

    Packages are compared by their headers. With ``look``, for want of ``rpm -V``, so are
    their files, by lstat(2) alone: no content is read.
    """
    path = f"/{store.inventory_path(record.name)}"
    try:
        inventory = store.read_inventory(root, record.name)
    except NodePluginError as exc:
        return (exc.message,)
    if inventory is None:
        return (f"its inventory {path} is missing; its next upgrade writes one",) * (
            undo_data.inventory)
    last = inventory.operations[-1]
    if (last.version_to, last.at) != (record.version, record.installed_at):
        return (f"its inventory {path} is of version {last.version_to}, installed at {last.at}",)
    return tuple(_package_problems(inventory, root, look))


def effect_problems(effects: Sequence[Change], root: Path, *,
                    files: Collection[str] = ()) -> Tuple[str, ...]:
    """Return which files that scriptlets made are gone or changed, a line each.

    Nothing is told of what lies in folders for state, and of a file that was there before
    only that it is gone. What a setting or another plugin made of it later is no drift.
    rpm made the folders that ``files``, the packages' paths, lie in.
    """
    found: List[str] = []
    recorded: Optional[Mapping[str, Sequence[Optional[Entry]]]] = None
    last = {change.path: change for change in effects}
    first = {change.path: change for change in reversed(effects)}
    passed_over = real_places(root, (*path_sets.STATE, *path_sets.REGENERATED)) if effects else ()
    kept = real_places(root, path_sets.WRITTEN_ONCE) if effects else ()
    for path, change in sorted(last.items()):
        if change.after is None or is_inside_any(path, passed_over):
            continue
        made = first[path].before is None
        try:
            problem = _effect_problem(root, path, change.after, made=made,
                                      written=made and is_inside_any(path, kept))
        except PermissionError:
            continue
        if problem.endswith("changed"):
            recorded = _recorded_states(root) if recorded is None else recorded
            now = read_entry(root, path, content=False)
            if any(alike(state, now) for state in recorded.get(path, ())):
                continue
        if problem:
            who = ("came with its packages" if made and _is_above(path, files, root) else
                   f"a scriptlet {'made' if made else 'changed'}")
            found.append(f"/{path}, which {who}, {problem}")
    return tuple(found)


def _is_above(folder: str, files: Collection[str], root: Path) -> bool:
    relative = Relative(root)
    return any(folder in folders_above(relative(path)) for path in files)


def _effect_problem(root: Path, path: str, after: Entry, *, made: bool, written: bool) -> str:
    now = read_entry(root, path, content=False) if made else _stat(root, path)
    if now is None:
        return "is missing"
    if now.kind != after.kind or (written and after.kind != "dir" and not alike(now, after)):
        return "was changed"
    return ""


def _stat(root: Path, path: str) -> Optional[Entry]:
    try:
        info = os.lstat(root / path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Entry(_KINDS.get(stat.S_IFMT(info.st_mode), "other"), 0, 0, 0)


def _recorded_states(root: Path) -> Mapping[str, Sequence[Optional[Entry]]]:
    """Return the states in which the installed plugins left each path that they changed."""
    states: Dict[str, List[Optional[Entry]]] = {}
    for name in store.names(root):
        with contextlib.suppress(NodePluginError):
            for change in store.read_undo_data(root, name).state.changes:
                states.setdefault(change.path, []).append(change.after)
    return states


def _package_problems(inventory: Inventory, root: Path, look: bool) -> Iterator[str]:
    there = read_installed(root, [one.nevra for one in inventory.packages])
    names = _Names(root)
    relative = Relative(root)
    folders: Set[str] = set()  # those that several packages have are told once
    for package in inventory.packages:
        if package.nevra not in there:
            continue  # the record says so already
        if package.header and there[package.nevra].digest != package.header:
            yield (f"package {package.nevra} is another build than the one that was installed,"
                   " of the same name and version")
            continue
        for one in package.files if look else ():
            if ABSENT.intersection(one.marks) or one.path in folders:
                continue
            if one.kind == "dir":
                folders.add(one.path)
            problem = _file_problem(one, root / relative(one.path), names)
            if problem:
                yield problem


class _Names:
    """The numbers of names of owners in a root; rpm gives what it does not know to root."""

    def __init__(self, root: Path) -> None:
        self.users: Dict[str, int] = {one.name: one.uid
                                      for one in reversed(account_files.users(root))}
        self.groups: Dict[str, int] = {one.name: one.gid
                                       for one in reversed(account_files.groups(root))}


def _file_problem(one: File, where: Path, names: _Names) -> str:
    what = "configuration file" if CONFIG in one.marks else "file"
    try:
        info = os.lstat(where)
    except (FileNotFoundError, NotADirectoryError):
        return f"{what} {one.path} is missing"
    except PermissionError:
        return ""
    changed = [word for word, differs in _CHECKS.items()
               if word not in one.unchecked and differs(one, info, where, names)]
    return f"{what} {one.path} was changed ({', '.join(changed)})" if changed else ""


def _kind(info: os.stat_result) -> str:
    return _KINDS.get(stat.S_IFMT(info.st_mode), "other")


_Check = Callable[[File, os.stat_result, Path, _Names], bool]
_CHECKS: Mapping[str, _Check] = {
    "kind": lambda one, info, where, names: _kind(info) != one.kind,
    "size": lambda one, info, where, names: (
        one.kind == _kind(info) == "file" and info.st_size != one.size_bytes),
    "mode": lambda one, info, where, names: (
        one.kind != "link" and stat.S_IMODE(info.st_mode) != one.mode),
    "link": lambda one, info, where, names: (
        one.kind == _kind(info) == "link" and os.readlink(where) != one.link),
    "owner": lambda one, info, where, names: info.st_uid != names.users.get(one.owner, 0),
    "group": lambda one, info, where, names: info.st_gid != names.groups.get(one.group, 0),
}
