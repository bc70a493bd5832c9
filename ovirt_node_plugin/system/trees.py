"""List the entries of folders in a root, and remove new ones."""
from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from pathlib import Path
from typing import (
    Collection,
    Dict,
    FrozenSet,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Set,
    Tuple,
    Type,
)

from ..errors import NodePluginError, OutsideRoot, Refused
from . import beneath, path_sets
from .limits import FOLDER_DEPTH
from .paths import is_inside, is_inside_any, real_places, relative_inside, resolve_inside
from .run import StrPath

# mode, uid, gid, ctime in ns; except for folders also size, mtime in ns, inode
Stat = Tuple[int, ...]

_MOUNTINFO = Path("/proc/self/mountinfo")


def stat_of(path: StrPath) -> Optional[Stat]:
    """Return values that differ when an entry was changed, None if it is absent.

    Size and mtime of a folder are left out: they change with the entries in it.
    """
    info = lstat_of(path)
    return None if info is None else state_of(info)


def lstat_of(path: StrPath) -> Optional[os.stat_result]:
    """Return the status of an entry, None if it is absent: then a folder above may be a link."""
    try:
        return os.lstat(path)
    except OSError as exc:
        if exc.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        raise


def walk(top: StrPath, *, error: Type[NodePluginError] = Refused) -> Iterator[os.DirEntry[str]]:
    """Yield the entries below the folder ``top``, each folder before its entries.

    Links are not followed. Raises ``error`` for more than FOLDER_DEPTH levels of folders.
    """
    todo = [(os.fspath(top), 1)]
    while todo:
        folder, depth = todo.pop()
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
        if entries and depth > FOLDER_DEPTH:
            raise error(f"{top} has more than {FOLDER_DEPTH} levels of folders",
                        hint=f"Remove the deepest ones, such as those in {folder}")
        for entry in entries:
            yield entry
            if entry.is_dir(follow_symlinks=False):
                todo.append((entry.path, depth + 1))


class Listing:
    """The names of entries in a root, without those in LEFT_ALONE.

    LEFT_ALONE also applies to where links lead. All paths are relative to the root.
    Folders in ``mounts``, by default the present mounts in the root, are not entered.
    """

    def __init__(self, root: Path, *, mounts: Optional[Collection[str]] = None) -> None:
        self._root = root
        self._mounts = mounts_below(root) if mounts is None else mounts
        self._left_alone = frozenset(real_places(root, path_sets.LEFT_ALONE))

    def below(self, tree: str) -> Set[str]:
        """Return every entry below the folder ``tree``, and ``tree`` itself.

        The result is empty if it is not a folder or is reached by a link. ``tree`` itself
        may be in LEFT_ALONE.
        """
        paths: Set[str] = set()
        if not _is_folder(self._root, tree):
            return paths
        todo = [tree]
        start = f"{self._root}/"
        while todo:
            folder = todo.pop()
            paths.add(folder)
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # removed meanwhile
                with os.scandir(start + folder) as entries:
                    for entry in entries:
                        path = f"{folder}/{entry.name}"
                        if path in self._left_alone:
                            continue
                        paths.add(path)
                        if entry.is_dir(follow_symlinks=False) and path not in self._mounts:
                            todo.append(path)
        return paths

    def inside(self, folder: str) -> Set[str]:
        """Return the entries directly in ``folder``, as ``below`` does; the root is ``""``.

        The result is empty for a folder in LEFT_ALONE.
        """
        if folder and (is_inside_any(folder, self._left_alone)
                       or not _is_folder(self._root, folder)):
            return set()
        start = f"{folder}/" if folder else ""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return {start + name for name in os.listdir(self._root / folder)} - self._left_alone
        return set()


def remove_new(root: Path, paths: Iterable[str]) -> None:
    """Remove the entries ``paths``, relative to ``root``, with all below, deepest first.

    Raises OutsideRoot for a folder that is a mount or has one below.
    """
    mounts = mounts_below(root)
    for path in sorted(paths, key=lambda name: -name.count("/")):
        if resolve_inside(root, path, follow_last=False) != root / path:
            continue  # a parent became a link
        mounted = sorted(mount for mount in mounts if is_inside(mount, path))
        if mounted:
            raise OutsideRoot(f"{root / mounted[0]} is a mount; it is not removed",
                              hint=f"Unmount it: umount {root / mounted[0]}")
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            with beneath.parent_opened(root, path) as where:
                _remove_entry(where)


def _remove_entry(where: Path) -> None:
    info = os.lstat(where)
    if stat.S_ISDIR(info.st_mode):
        _remove_folder(where, info.st_dev)
    else:
        os.unlink(where)


def mounts_below(root: Path) -> FrozenSet[str]:
    """Return the mounts inside ``root``, relative to it, including bind mounts.

    Read from /proc/self/mountinfo, which writes blanks in a path as octal; proc(5).
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
    """A function like ``paths.relative_inside`` for one root that caches each folder.

    ``links`` as in ``paths.resolve_inside``.
    """

    def __init__(self, root: Path, *, links: Optional[Mapping[str, str]] = None) -> None:
        self._root = root
        self._links = links or {}
        self._folders: Dict[str, str] = {}

    def __call__(self, path: str) -> str:
        """Return the result of ``paths.relative_inside``, with the same errors."""
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


def _remove_folder(where: Path, device: int) -> None:
    """Remove a folder and all below; raise OutsideRoot for a folder on another device.

    Each folder is opened beneath ``where``, so that no link is followed.
    """
    with beneath.opened(where) as top:
        folders = _folders_below(top, where, device)
        for folder in folders:
            with beneath.opened_folder(top, folder) as opened:
                for name in os.listdir(beneath.path_of(opened)):
                    if not stat.S_ISDIR(os.lstat(name, dir_fd=opened).st_mode):
                        os.unlink(name, dir_fd=opened)
        for folder in reversed(folders[1:]):
            above, _, name = folder.rpartition("/")
            with beneath.opened_folder(top, above) as opened:
                os.rmdir(name, dir_fd=opened)
    os.rmdir(where)


def _folders_below(top: int, where: Path, device: int) -> List[str]:
    """Return the folders below the open folder ``top``, each after the one it is in.

    They are relative to it, and the first is itself. Raises OutsideRoot for one on another
    device; ``where`` is the path for that message.
    """
    folders = [""]
    for folder in folders:  # grows while it is walked
        with beneath.opened_folder(top, folder) as opened:
            for name in os.listdir(beneath.path_of(opened)):
                info = os.lstat(name, dir_fd=opened)
                if not stat.S_ISDIR(info.st_mode):
                    continue
                path = f"{folder}/{name}".lstrip("/")
                if info.st_dev != device:
                    raise OutsideRoot(f"{where / path} is a mount; it is not removed",
                                      hint=f"Unmount it: umount {where / path}")
                folders.append(path)
    return folders


def state_of(info: os.stat_result) -> Stat:
    """Return the result of ``stat_of`` for the result of lstat(2)."""
    if stat.S_ISDIR(info.st_mode):
        return (info.st_mode, info.st_uid, info.st_gid, info.st_ctime_ns)
    return (info.st_mode, info.st_uid, info.st_gid, info.st_ctime_ns, info.st_size,
            info.st_mtime_ns, info.st_ino)


def folders_above(path: str) -> Iterator[str]:
    """Yield the folders above ``path``, nearest first, without the root itself."""
    while path.rpartition("/")[0]:
        path = path.rpartition("/")[0]
        yield path
