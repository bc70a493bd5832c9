"""A /dev for scriptlets of packages that change in a root that is not running.

An image's /dev is empty, and neither rpm nor DNF mounts anything there. A scriptlet that
writes to /dev/null would make a plain file of that name in the image, and one that reads
/dev/urandom would fail.
"""
from __future__ import annotations

import contextlib
import os
import shutil
import stat
from pathlib import Path
from typing import Collection, Iterator, Set

from ..system import beneath, kernel
from ..system.paths import resolve_inside

# Documentation/admin-guide/devices.txt of the kernel
_DEVICES = (("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9))


@contextlib.contextmanager
def scriptlet_devices(root: Path, owned: Collection[str] = ()) -> Iterator[None]:
    """Give scriptlets in ``root`` a /dev with null, zero, full, random and urandom.

    It is a filesystem in memory, mounted in a mount namespace that this process enters and
    does not leave: nobody else sees it, and a process that is killed leaves no mount behind.
    What scriptlets write there is discarded. ``owned`` are absolute paths of packages' files:
    where one is below /dev, and where this process may not mount, nothing is mounted, and
    what is new in the root's /dev and not owned is removed at the end.
    """
    folder = resolve_inside(root, "dev")
    if not folder.is_dir():
        yield
        return
    in_dev = _in_dev(owned)
    if in_dev or not _mounted(folder):
        with _new_entries_removed(folder, in_dev):
            yield
        return
    try:
        yield
    finally:
        # A process that a scriptlet left behind keeps it mounted, in this namespace only.
        with contextlib.suppress(OSError):
            kernel.unmount(str(folder))


def _mounted(folder: Path) -> bool:
    """Mount a /dev at ``folder`` in a namespace of this process; return whether that was done."""
    try:
        kernel.unshare(kernel.CLONE_NEWNS)
        # what others mount and unmount is seen here, but not the other way round
        kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_SLAVE)
        kernel.mount("tmpfs", str(folder), "tmpfs", kernel.MS_NOSUID | kernel.MS_NOEXEC, "mode=755")
    except OSError:
        return False
    mask = os.umask(0)
    try:
        for name, major, minor in _DEVICES:
            os.mknod(folder / name, stat.S_IFCHR | 0o666, os.makedev(major, minor))
    except OSError:  # a container whose root may not make devices
        kernel.unmount(str(folder))
        return False
    finally:
        os.umask(mask)
    return True


@contextlib.contextmanager
def own_devices(root: Path, owned: Collection[str]) -> Iterator[bool]:
    """Yield whether another /dev may be mounted over the root's while scriptlets run.

    It may not where one of ``owned``, absolute paths of packages' files, is in /dev. Then what
    is new in the root's /dev and not owned is removed at the end.
    """
    folder, in_dev = resolve_inside(root, "dev"), _in_dev(owned)
    if not in_dev or not folder.is_dir():
        yield True
        return
    with _new_entries_removed(folder, in_dev):
        yield False


def _in_dev(owned: Collection[str]) -> Set[str]:
    return {path for path in owned if path.startswith("/dev/")}


@contextlib.contextmanager
def _new_entries_removed(folder: Path, owned: Collection[str]) -> Iterator[None]:
    """Remove, at the end, what is new in ``folder`` and not ``owned``.

    The folder stays open, because scriptlets can put a link to a folder of this machine in its
    place.
    """
    with beneath.opened(folder) as descriptor:
        before = _names(descriptor)
        try:
            yield
        finally:
            kept = before.union(path.split("/")[2] for path in owned)
            for name in _names(descriptor) - kept:
                path = Path(beneath.path_of(descriptor), name)
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()


def _names(descriptor: int) -> Set[str]:
    try:
        return set(os.listdir(beneath.path_of(descriptor)))
    except FileNotFoundError:  # the folder was removed
        return set()
