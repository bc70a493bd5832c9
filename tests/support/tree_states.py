"""States of complete trees, and their differences by path."""
from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

from ovirt_node_plugin.system.paths import real_places

# Logs, caches, dnf's history and the rpm database change with each run. Targets of links
# at these paths are excluded too.
EXCLUDED = ("var/log", "var/cache", "var/cache/dnf", "var/lib/dnf", "usr/share/rpm",
            "usr/lib/sysimage/rpm", "var/lib/rpm")
# Attributes by which overlayfs marks a folder that hides or moves the lower tree's folder
# (Documentation/filesystems/overlayfs.rst of the kernel).
_WHOLE = ("trusted.overlay.opaque", "trusted.overlay.redirect")

State = Dict[str, Tuple[object, ...]]


def tree_state(root: Path, *, excluded: Sequence[str] = EXCLUDED) -> State:
    """Map the relative path of every entry of ``root``, except ``excluded`` ones, to its state.

    A state is the type and mode, owner, digest of the content or target of the link,
    device number, extended attributes, and the number of links of a file.
    """
    state: State = {".": _entry(root)}
    excluded = real_places(root, excluded)
    todo = [""]
    while todo:
        folder = todo.pop()
        for name in os.listdir(root / folder):
            path = f"{folder}/{name}".lstrip("/")
            if path in excluded and not (root / path).is_symlink():
                continue
            state[path] = _entry(root / path)
            if stat.S_ISDIR(os.lstat(root / path).st_mode) and not os.path.ismount(root / path):
                todo.append(path)
    return state


def state_differences(before: State, after: State) -> List[str]:
    """Return a line for each path that differs between two states, sorted."""
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
    """Return the ``state_differences`` between the ``lower`` tree and its overlay ``root``.

    Only paths of the ``upper`` tree are read, so that a large tree takes no time.
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
