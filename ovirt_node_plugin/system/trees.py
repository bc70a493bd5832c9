"""Folders of a root: what is in them, and what is new in them removed again."""
from __future__ import annotations

import contextlib
import os
import re
import stat
from pathlib import Path
from typing import Collection, Dict, FrozenSet, Iterable, Iterator, Mapping, Optional, Set, Tuple

from ..errors import OutsideRoot
from .paths import is_inside, is_inside_any, real_places, relative_inside, resolve_inside
from .run import StrPath

# mode, uid, gid, ctime in ns; of all but folders also size, mtime in ns, inode
Stat = Tuple[int, ...]

# What grows by itself or belongs to others: never surveyed, never undone.
LEFT_ALONE = frozenset((
    "etc/ovirt.plugins.d", "etc/ovirt.plugins-manifests.d",
    "var/cache", "var/cache/dnf", "var/log", "var/tmp", "var/run", "var/spool", "var/crash",
    "var/imgbased", "var/lib/rpm", "var/lib/dnf", "var/lib/ovirt-node-plugin", "var/lib/containers",
    "var/lib/docker", "var/lib/libvirt", "var/lib/machines", "var/lib/mock",
    "dev", "proc", "run", "sys", "tmp",
))
_MOUNTINFO = Path("/proc/self/mountinfo")


def stat_of(path: StrPath) -> Optional[Stat]:
    """Return what tells a changed entry from an unchanged one, None if it is absent.

    A folder's size and time of change of content are left out: they change with
    what is in it.
    """
    try:
        info = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return state_of(info)


class Listing:
    """The names of entries in a root, without those that are left alone.

    Left alone is what grows by itself or belongs to others, such as ``var/cache``, also
    where a link leads to it. All paths are relative to the root. ``mounts``, by default
    what is mounted in the root now, are not looked into.
    """

    def __init__(self, root: Path, *, mounts: Optional[Collection[str]] = None) -> None:
        self._root = root
        self._mounts = mounts_below(root) if mounts is None else mounts
        self._left_alone = frozenset(real_places(root, LEFT_ALONE))

    def below(self, tree: str) -> Set[str]:
        """Return every entry below the folder ``tree``, and itself.

        Nothing is returned for one that is no folder, or is reached by a link. What is
        left alone is returned if it is ``tree`` itself.
        """
        found: Set[str] = set()
        if not _is_folder(self._root, tree):
            return found
        todo = [tree]
        start = f"{self._root}/"
        while todo:
            folder = todo.pop()
            found.add(folder)
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # gone meanwhile
                with os.scandir(start + folder) as entries:
                    for entry in entries:
                        path = f"{folder}/{entry.name}"
                        if path in self._left_alone:
                            continue
                        found.add(path)
                        if entry.is_dir(follow_symlinks=False) and path not in self._mounts:
                            todo.append(path)
        return found

    def inside(self, folder: str) -> Set[str]:
        """Return what is directly in ``folder``, as ``below`` does; the root is ``""``.

        Nothing is returned for what is left alone.
        """
        if folder and (is_inside_any(folder, self._left_alone)
                       or not _is_folder(self._root, folder)):
            return set()
        start = f"{folder}/" if folder else ""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return {start + name for name in os.listdir(self._root / folder)} - self._left_alone
        return set()


def remove_new(root: Path, paths: Iterable[str]) -> None:
    """Remove the entries ``paths`` with all that is below, deepest first.

    They are relative to ``root`` and known not to have been there before.

    Raises OutsideRoot for a folder that is a mount or has one below.
    """
    mounts = mounts_below(root)
    for path in sorted(paths, key=lambda name: -name.count("/")):
        if resolve_inside(root, path, follow_last=False) != root / path:
            continue  # a parent became a link: what it leads to is not ours
        try:
            info = os.lstat(root / path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        mounted = sorted(mount for mount in mounts if is_inside(mount, path))
        if mounted:
            raise OutsideRoot(f"{root / mounted[0]} is a mount; it is not removed",
                              hint=f"Unmount it: umount {root / mounted[0]}")
        if stat.S_ISDIR(info.st_mode):
            _remove_folder(root / path, info.st_dev)
        else:
            os.unlink(root / path)


def mounts_below(root: Path) -> FrozenSet[str]:
    """Return what is mounted inside ``root``, relative to it; bind mounts too.

    From /proc/self/mountinfo, proc(5), where blanks in a path are octal.
    """
    try:
        lines = _MOUNTINFO.read_bytes().splitlines()
    except OSError:
        return frozenset()
    top = os.fsencode(root.resolve()).rstrip(b"/") + b"/"
    places = (re.sub(rb"\\([0-7]{3})", lambda code: bytes([int(code.group(1), 8)]),
                     line.split(b" ")[4]) for line in lines)
    return frozenset(os.fsdecode(place[len(top):]) for place in places
                     if place.startswith(top) and place != top)


class Relative:
    """Names inside one root, made relative; each folder is resolved only once.

    ``links`` are symbolic links to come, as in ``paths.resolve_inside``.
    """

    def __init__(self, root: Path, *, links: Optional[Mapping[str, str]] = None) -> None:
        self._root = root
        self._links = links or {}
        self._folders: Dict[str, str] = {}

    def __call__(self, path: str) -> str:
        """Return what ``paths.relative_inside`` returns; raises as that."""
        folder, _, name = path.rstrip("/").rpartition("/")
        if not folder or name in ("", ".", ".."):
            return relative_inside(self._root, path, links=self._links)
        if folder not in self._folders:
            where = resolve_inside(self._root, folder, links=self._links)
            self._folders[folder] = where.relative_to(self._root).as_posix()
        there = self._folders[folder]
        return name if there == "." else f"{there}/{name}"


def _is_folder(root: Path, path: str) -> bool:
    where = root / path
    try:
        return (stat.S_ISDIR(os.lstat(where).st_mode)
                and resolve_inside(root, path, follow_last=False) == where)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _remove_folder(top: Path, device: int) -> None:
    """Remove a folder and all below, as long as that lies on ``device``."""
    folders, others = [os.fspath(top)], []
    for folder in folders:  # grows while it is walked
        with os.scandir(folder) as listed:
            for entry in listed:
                if not entry.is_dir(follow_symlinks=False):
                    others.append(entry.path)
                elif entry.stat(follow_symlinks=False).st_dev == device:
                    folders.append(entry.path)
                else:
                    raise OutsideRoot(f"{entry.path} is a mount; it is not removed",
                                      hint=f"Unmount it: umount {entry.path}")
    for path in others:
        os.unlink(path)
    for folder in reversed(folders):
        os.rmdir(folder)


def state_of(info: os.stat_result) -> Stat:
    """Return what ``stat_of`` returns, of what lstat(2) said."""
    if stat.S_ISDIR(info.st_mode):
        return (info.st_mode, info.st_uid, info.st_gid, info.st_ctime_ns)
    return (info.st_mode, info.st_uid, info.st_gid, info.st_ctime_ns, info.st_size,
            info.st_mtime_ns, info.st_ino)


def folders_above(path: str) -> Iterator[str]:
    """Yield the folders that ``path`` lies in, the nearest first, without the root itself."""
    while path.rpartition("/")[0]:
        path = path.rpartition("/")[0]
        yield path
