"""A /dev for scriptlets of packages that change in a root that is not running.

An image's /dev is empty, and neither rpm nor DNF mounts anything there. A scriptlet that
writes to /dev/null would make a plain file of that name in the image, and one that reads
/dev/urandom would fail.
"""
from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
from pathlib import Path
from typing import Collection, Iterator

from ..system.chroot import CLONE_NEWNS, MS_NOEXEC, MS_NOSUID, MS_REC, MS_SLAVE, make_devices, mount
from ..system.paths import resolve_inside


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
    in_dev = {path for path in owned if path.startswith("/dev/")}
    libc = ctypes.CDLL(None, use_errno=True)
    if in_dev or not _mounted(libc, folder):
        with _new_entries_removed(folder, in_dev):
            yield
        return
    try:
        yield
    finally:
        # A process that a scriptlet left behind keeps it mounted, in this namespace only.
        libc.umount2(os.fsencode(folder), 0)


def _mounted(libc: ctypes.CDLL, folder: Path) -> bool:
    """Mount a /dev at ``folder`` in a namespace of this process; return whether that was done."""
    if libc.unshare(CLONE_NEWNS) != 0:
        return False
    try:
        # what others mount and unmount is seen here, but not the other way round
        mount(libc, None, "/", None, MS_REC | MS_SLAVE)
        mount(libc, "tmpfs", str(folder), "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755")
    except OSError:
        return False
    mask = os.umask(0)
    try:
        make_devices(str(folder))
    except OSError:  # a container whose root may not make devices
        libc.umount2(os.fsencode(folder), 0)
        return False
    finally:
        os.umask(mask)
    return True


@contextlib.contextmanager
def _new_entries_removed(folder: Path, owned: Collection[str]) -> Iterator[None]:
    before = set(os.listdir(folder))
    try:
        yield
    finally:
        kept = before.union(path.split("/")[2] for path in owned)
        for name in set(os.listdir(folder)) - kept:
            path = folder / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
