"""The system around scriptlets that run in a root which is not running.

An image's /dev, /proc and /run are empty, and neither rpm nor DNF mounts anything there. A
scriptlet that writes to /dev/null would make a plain file of that name in the image, and what
it leaves in /tmp would stay there.
"""
from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import Collection, Iterator, Sequence, Tuple

from ..isolation.view import DEVICE_LINKS, DEVICES
from ..system import beneath, kernel
from ..system.path_sets import SURROUNDINGS
from ..system.trees import Listing, folders_above, remove_new

_MODES = {"tmp": 0o1777, "var/tmp": 0o1777}


@contextlib.contextmanager
def coverable(root: Path, owned: Collection[str]) -> Iterator[Tuple[str, ...]]:
    """Yield those of SURROUNDINGS that may be covered while scriptlets run.

    Missing ones are made for that time. One in which packages have files, of which ``owned``
    has the absolute paths, is not covered: what is new in it and not owned is removed at the
    end.
    """
    with contextlib.ExitStack() as stack:
        covered = []
        for name in SURROUNDINGS:
            own = {path for path in owned if path.startswith(f"/{name}/")}
            if own:
                stack.enter_context(_new_entries_removed(root, name, own))
            elif stack.enter_context(_made(root, name)):
                covered.append(name)
        yield tuple(covered)


@contextlib.contextmanager
def mounted(root: Path, names: Sequence[str]) -> Iterator[None]:
    """Cover ``names``, of SURROUNDINGS, for scriptlets that are not isolated.

    The mounts are in a mount namespace that this process enters and does not leave: nobody else
    sees them, and a process that is killed leaves none behind. Where this process may not
    mount, what is new in the folders is removed at the end.
    """
    with contextlib.ExitStack() as stack:
        if not _mounted(root, names, stack):
            for name in names:
                if not os.path.ismount(root / name):
                    stack.enter_context(_new_entries_removed(root, name, ()))
        yield


def _mounted(root: Path, names: Sequence[str], stack: contextlib.ExitStack) -> bool:
    """Mount all of ``names``, or none; return whether that was done."""
    with contextlib.ExitStack() as mounts:
        try:
            kernel.unshare(kernel.CLONE_NEWNS)
            # what others mount and unmount is seen here, but not the other way round
            kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_SLAVE)
            for name in names:
                _mount(root / name, name)
                mounts.callback(_unmount, str(root / name))
                if name == "dev":
                    _fill_dev(root / name)
                    _mount(root / name / "pts", "pts")
                    mounts.callback(_unmount, str(root / name / "pts"))
        except OSError:  # such as in a container whose root may not mount or make devices
            return False
        stack.push(mounts.pop_all())
    return True


def _mount(folder: Path, name: str) -> None:
    flags = kernel.MS_NOSUID | kernel.MS_NOEXEC
    if name == "proc":
        kernel.mount("proc", str(folder), "proc", flags | kernel.MS_NODEV)
    elif name == "pts":
        kernel.mount("devpts", str(folder), "devpts", flags,
                     "newinstance,ptmxmode=0666,mode=620")
    elif name == "dev":
        kernel.mount("tmpfs", str(folder), "tmpfs", flags, "mode=755")
    else:
        kernel.mount("tmpfs", str(folder), "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV,
                     f"mode={_MODES.get(name, 0o755):o},size=1g")


def _unmount(folder: str) -> None:
    # A process that a scriptlet left behind keeps it mounted, in this namespace only.
    with contextlib.suppress(OSError):
        kernel.unmount(folder)


def _fill_dev(folder: Path) -> None:
    mask = os.umask(0)
    try:
        for name, major, minor in DEVICES:
            os.mknod(folder / name, stat.S_IFCHR | 0o666, os.makedev(major, minor))
        os.mkdir(folder / "shm", 0o1777)
        os.mkdir(folder / "pts", 0o755)
    finally:
        os.umask(mask)
    for name, target in DEVICE_LINKS:
        os.symlink(target, folder / name)


@contextlib.contextmanager
def _made(root: Path, name: str) -> Iterator[bool]:
    """Make the folder ``name`` if it is missing, and remove it at the end.

    Yields whether there is a folder, to which no link leads.
    """
    try:
        with beneath.parent_opened(root, name) as place:
            new = not os.path.lexists(place)
            if new:
                os.mkdir(place)
                os.chmod(place, _MODES.get(name, 0o755))
            is_folder = place.is_dir() and not place.is_symlink()
    except OSError:  # a folder above it is missing, or a link
        yield False
        return
    try:
        yield is_folder
    finally:
        if new:
            with contextlib.suppress(OSError), beneath.parent_opened(root, name) as place:
                os.rmdir(place)


@contextlib.contextmanager
def _new_entries_removed(root: Path, name: str, owned: Collection[str]) -> Iterator[None]:
    """Remove, at the end, what is new in the folder ``name`` and not ``owned``.

    ``owned`` are absolute paths. A link that scriptlets put in the place of a folder is not
    followed. A mount, such as this machine's /dev, is left alone.
    """
    if os.path.ismount(root / name):
        yield
        return
    listing = Listing(root)
    before = listing.below(name)
    try:
        yield
    finally:
        places = {path.strip("/") for path in owned}
        kept = places.union(*map(folders_above, places))
        remove_new(root, listing.below(name) - before - kept)
