"""Folders of a root as lists of what is in them, to see later what changed."""
from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import Dict, Iterable, Optional, Tuple

from .errors import OutsideRoot
from .paths import resolve_inside

# mode, uid, gid, size, mtime in ns, ctime in ns, inode
Stat = Tuple[int, ...]
Index = Dict[str, Stat]

# What grows by itself or belongs to others: never surveyed, never undone.
_LEFT_ALONE = (
    "etc/ovirt.plugins.d", "etc/ovirt.plugins-manifests.d",
    "var/cache", "var/log", "var/tmp", "var/run", "var/spool", "var/crash", "var/imgbased",
    "var/lib/rpm", "var/lib/dnf", "var/lib/ovirt-node-plugin", "var/lib/containers",
    "var/lib/docker", "var/lib/libvirt", "var/lib/machines", "var/lib/mock",
)


def stat_of(path: Path) -> Optional[Stat]:
    """Return what tells a changed entry from an unchanged one, None if it is absent.

    A folder's size and times are left out: they change with what is in it.
    """
    try:
        info = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _stat(info)


def index_tree(root: Path, tree: str) -> Index:
    """Return every entry below ``tree``, a folder relative to ``root``, and itself.

    It stays on one filesystem and follows no link; folders that belong to
    others, such as ``var/cache``, are left out.
    """
    found: Index = {}
    top = resolve_inside(root, tree)
    try:
        device = os.lstat(top).st_dev
    except FileNotFoundError:
        return found
    todo = [top.relative_to(root).as_posix()]
    found[todo[0]] = _stat(os.lstat(top))
    while todo:
        folder = todo.pop()
        with os.scandir(root / folder) as entries:
            for entry in entries:
                name = f"{folder}/{entry.name}"
                if name in _LEFT_ALONE:
                    continue
                info = entry.stat(follow_symlinks=False)
                found[name] = _stat(info)
                if stat.S_ISDIR(info.st_mode) and info.st_dev == device:
                    todo.append(name)
    return found


def remove_new(root: Path, paths: Iterable[str]) -> None:
    """Remove the entries ``paths`` with all that is below, deepest first.

    They are relative to ``root`` and known not to have been there before. One
    on another filesystem is a mount and is refused.
    """
    device = os.lstat(root).st_dev
    for path in sorted(paths, key=lambda name: -name.count("/")):
        where = root / path
        if resolve_inside(root, path, follow_last=False) != where:
            continue  # a parent became a link: what it leads to is not ours
        try:
            info = os.lstat(where)
        except (FileNotFoundError, NotADirectoryError):
            continue
        if not stat.S_ISDIR(info.st_mode):
            where.unlink()
        elif info.st_dev != device or os.path.ismount(where):
            raise OutsideRoot(f"{where} is a mount; it is not removed")
        else:
            shutil.rmtree(where)


def _stat(info: os.stat_result) -> Stat:
    if stat.S_ISDIR(info.st_mode):
        return (info.st_mode, info.st_uid, info.st_gid)
    return (info.st_mode, info.st_uid, info.st_gid, info.st_size, info.st_mtime_ns,
            info.st_ctime_ns, info.st_ino)
