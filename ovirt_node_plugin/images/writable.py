"""A writable view of a read-only tree: an overlay of it, or a copy.

overlayfs interprets some entries of the tree below it: it hides a character device 0/0, which is
a whiteout, and interprets and hides the attributes ``trusted.overlay.*`` (the kernel's
Documentation/filesystems/overlayfs.rst). A root has such entries if containers are stored in it.
A tree with them is copied. To copy every tree would need its size on the disk and, for
a Node, twenty times the time of the search for such entries.
"""
from __future__ import annotations

import contextlib
import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Sequence

from ..errors import RolledBack
from ..system.entries import read_xattrs
from ..system.run import Polled, Runner, StrPath, explained
from .mounts import UPPER, mounted, overlaid
from .workspace import DISK_HINT

_ATTRIBUTES = "trusted.overlay."


def needs_copy(tree: Path) -> bool:
    """Return whether an overlay of ``tree`` does not show every entry as it is in the tree."""
    try:
        return _has_attributes(tree) or any(
            _is_whiteout(entry) or _has_attributes(entry) for entry in _entries(tree))
    except OSError as exc:
        if exc.errno == errno.ENAMETOOLONG:  # too deep to be searched by path
            return True
        raise


@contextlib.contextmanager
def writable(tree: Path, work: Path, at: Path, *, copied: bool, options: Sequence[str] = (),
             run: Runner) -> Iterator[Path]:
    """Mount a writable view of ``tree`` on ``at``. Changes are written to the folder ``work``.

    ``copied`` is the result of ``needs_copy``; ``options`` are those of ``mount -o``. With a work
    folder of an earlier view, the earlier changes are there again.
    """
    if not copied:
        with overlaid(tree, work, at, options=options, run=run) as root:
            yield root
        return
    copy = work / "copy"
    if not copy.exists():
        with explained("the root, which contains entries of overlayfs, cannot be copied",
                       hint=DISK_HINT):
            copy_tree(tree, copy, run=run)
    with mounted(copy, at, options=["bind"], run=run) as root:
        if options:
            run(["mount", "--options", ",".join(["remount", "bind", *options]), "--", root])
        yield root


@dataclass(frozen=True)
class Unchanged:
    """The paths of which a writable view with the work folder ``work`` has no change.

    Of a copy that is not known: it has none.
    """

    work: Path

    def __contains__(self, path: object) -> bool:
        upper = self.work / UPPER
        return upper.exists() and not os.path.lexists(upper / str(path))


def copy_tree(tree: Path, to: Path, *, run: Runner, polled: Polled = None) -> None:
    """Copy ``tree`` to the new folder ``to``, with all attributes. ``polled`` is as in ``run``.

    Flags of chattr(1) are not copied. cp(1) leaves out the attributes that attr(5)'s
    /etc/xattr.conf lists, such as ``security.evm``. Raises RolledBack if the filesystem of
    ``to`` cannot contain an attribute: in ext4, all of a file fit in a block.
    """
    run(["cp", "--archive", "--reflink=auto", "--sparse=always", "--no-target-directory", "--",
         tree, to], polled=polled)
    for path in (str(tree), *(entry.path for entry in _entries(tree))):
        copy = f"{to}{path[len(str(tree)):]}"
        for name, value in set(read_xattrs(path)).difference(read_xattrs(copy)):
            try:
                os.setxattr(copy, name, value, follow_symlinks=False)
            except OSError as exc:
                raise RolledBack(
                    f"the attribute {name} of {path}, with {len(value)} bytes, cannot be written:"
                    f" {exc.strerror}", hint="Choose a filesystem that can contain it, such as"
                                             " xfs, for --work-dir and the output.") from exc


def _entries(tree: Path) -> Iterator[os.DirEntry[str]]:
    todo = [str(tree)]
    while todo:
        with os.scandir(todo.pop()) as listing:
            for entry in listing:
                yield entry
                if entry.is_dir(follow_symlinks=False):
                    todo.append(entry.path)


def _has_attributes(path: StrPath) -> bool:
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError as exc:
        if exc.errno == errno.ENOTSUP:  # such as a squashfs without attributes
            return False
        raise
    return any(name.startswith(_ATTRIBUTES) for name in names)


def _is_whiteout(entry: os.DirEntry[str]) -> bool:
    if (entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)
            or entry.is_symlink()):
        return False  # without a call of lstat(2)
    info = entry.stat(follow_symlinks=False)
    return stat.S_ISCHR(info.st_mode) and info.st_rdev == 0
