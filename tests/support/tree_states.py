"""Whole trees as data: what two of them differ in, path by path."""
from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

from ovirt_node_plugin.system.paths import real_places

# Logs, caches, dnf's own history and the rpm database: they change with each run and
# tell nothing of what was left behind. Where a link leads from there is left out as well.
EXCLUDED = ("var/log", "var/cache", "var/cache/dnf", "var/lib/dnf", "usr/share/rpm",
            "usr/lib/sysimage/rpm", "var/lib/rpm")
# How overlayfs marks a folder that hides or moves what is below it in the lower tree;
# Documentation/filesystems/overlayfs.rst of the kernel.
_WHOLE = ("trusted.overlay.opaque", "trusted.overlay.redirect")

State = Dict[str, Tuple[object, ...]]


def tree_state(root: Path, *, excluded: Sequence[str] = EXCLUDED) -> State:
    """Return every entry of ``root`` by its relative path, without what is ``excluded``.

    Of each: type and mode, owner, content's digest or link's target, device
    number, extended attributes, the number of names of a file that has several.
    """
    found: State = {".": _entry(root)}
    excluded = real_places(root, excluded)
    todo = [""]
    while todo:
        folder = todo.pop()
        for name in os.listdir(root / folder):
            path = f"{folder}/{name}".lstrip("/")
            if path in excluded and not (root / path).is_symlink():
                continue
            found[path] = _entry(root / path)
            if stat.S_ISDIR(os.lstat(root / path).st_mode) and not os.path.ismount(root / path):
                todo.append(path)
    return found


def state_differences(before: State, after: State) -> List[str]:
    """Return a line for each path in which two states differ, sorted."""
    lines = []
    for path in sorted({*before, *after}):
        if path not in after:
            lines.append(f"gone: {path}")
        elif path not in before:
            lines.append(f"new: {path}")
        elif before[path] != after[path]:
            lines.append(f"changed: {path}: {before[path]} -> {after[path]}")
    return lines


def overlay_differences(root: Path, *, lower: Path, upper: Path,
                       excluded: Sequence[str] = EXCLUDED) -> List[str]:
    """Return what ``changed`` does for the ``lower`` tree and the overlay ``root`` of it.

    Only what the ``upper`` tree has is looked at, so that a large tree takes no time.
    """
    paths = {"."}
    for folder, folders, files in os.walk(upper):
        at = os.path.relpath(folder, upper)
        paths.update(os.path.normpath(f"{at}/{name}") for name in (*folders, *files))
        if set(_WHOLE) & set(os.listxattr(folder)):
            paths.update(os.path.normpath(f"{at}/{below}") for tree in (root, lower)
                         for below in (tree_state(tree / at) if (tree / at).is_dir() else ()))
    excluded = real_places(root, excluded)
    skipped = tuple(f"{path}/" for path in excluded)
    kept = [path for path in paths if path not in excluded and not path.startswith(skipped)]
    before, after = ({path: _entry(tree / path) for path in kept if os.path.lexists(tree / path)}
                     for tree in (lower, root))
    return state_differences(before, after)


def _entry(path: Path) -> Tuple[object, ...]:
    info = os.lstat(path)
    content: object = ""
    if stat.S_ISREG(info.st_mode):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
    elif stat.S_ISLNK(info.st_mode):
        content = os.readlink(path)
    elif stat.S_ISCHR(info.st_mode) or stat.S_ISBLK(info.st_mode):
        content = info.st_rdev
    xattrs = tuple((name, os.getxattr(path, name, follow_symlinks=False))
                   for name in sorted(os.listxattr(path, follow_symlinks=False)))
    names = 0 if stat.S_ISDIR(info.st_mode) else info.st_nlink
    return (stat.filemode(info.st_mode), info.st_uid, info.st_gid, content, xattrs, names)
