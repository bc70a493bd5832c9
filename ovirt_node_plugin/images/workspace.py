"""Work folders and unfinished outputs: deleted at the end, or by ``clean`` after a killed run.

Each is locked with flock(2) while in use. The kernel releases the lock when the process ends,
so a folder without a lock belongs to no running process.
"""
from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import stat
import tempfile
import time
from pathlib import Path
from typing import Iterator, List, Sequence

from ..errors import NodePluginError
from ..system.entries import sync_dir

DISK_HINT = "Check that the disk of --work-dir works and has free space."
"""The hint for a program that cannot write to a work folder."""
_PREFIX = "ovirt-node-plugin-"
_LOCK = "lock"
_NAME_CHARACTERS = 40  # the part of an output's name that the name of its folder contains
_YOUNG_S = 5
_FOLDER = re.compile(re.escape(_PREFIX) + r"[a-z0-9_]{8}")
_PARTIAL = re.compile(r"\..+\." + re.escape(_PREFIX) + r"[a-z0-9_]{8}")


def default_parent() -> Path:
    """Return the folder for large temporary files: $TMPDIR, or /var/tmp (hier(7))."""
    return Path(os.environ.get("TMPDIR") or "/var/tmp")


@contextlib.contextmanager
def work_folder(parent: Path) -> Iterator[Path]:
    """Yield a new folder in ``parent``, and delete it with its content at the end.

    Raises NodePluginError, and deletes nothing, if a filesystem is still mounted in it.
    """
    with _locked_folder(parent, _PREFIX) as folder:
        yield folder


class Destination:
    """An output that appears only when it is complete; it is first written to ``target``."""

    def __init__(self, output: Path, folder: Path, *, replace: bool) -> None:
        self.output = output
        self._replace = replace
        self.target = folder / output.name
        self._placing = folder / f"{output.name}.placing"  # a file while ``target`` is renamed
        self._replaced = folder / f"{output.name}.replaced"  # what was at ``output`` before

    @property
    def placed(self) -> bool:
        """Whether ``target`` was renamed to ``output``."""
        return self._placing.exists() and not os.path.lexists(self.target)

    def place(self) -> None:
        """Sync ``target``, a file or folder, to the disk and rename it to ``output``.

        Raises NodePluginError if another process has created an output meanwhile.
        """
        place_all([self])

    def prepare(self, *, keep_replaced: bool) -> None:
        """Sync ``target`` to the disk, and keep the file at ``output`` if that is asked for."""
        _sync(self.target)
        if keep_replaced and self._replace and self.output.exists():
            os.link(self.output, self._replaced)

    def rename(self) -> None:
        """Rename ``target``. Raises NodePluginError as ``place``."""
        if not self._replace and os.path.lexists(self.output):
            raise NodePluginError(f"{self.output} was created by another process meanwhile",
                                  hint="It was not changed. Give another name.")
        self._placing.touch()
        os.replace(self.target, self.output)
        sync_dir(self.output.parent)

    def take_back(self) -> None:
        """Undo ``rename``, and restore the file that was at ``output``."""
        os.rename(self.output, self.target)
        if self._replaced.exists():
            os.rename(self._replaced, self.output)
        sync_dir(self.output.parent)


def place_all(destinations: Sequence[Destination]) -> None:
    """Rename the targets to their outputs, after all of them were synced to the disk.

    ``take_back_some`` undoes what an error, or the end of the process, leaves incomplete. Raises
    NodePluginError as ``Destination.place``.
    """
    for number, place in enumerate(destinations, start=1):
        place.prepare(keep_replaced=number < len(destinations))  # after the last, nothing can fail
    for place in destinations:
        place.rename()


def take_back_some(destinations: Sequence[Destination]) -> None:
    """Undo ``place_all`` if it has placed some of the outputs, but not all that were written."""
    if any(os.path.lexists(place.target) for place in destinations):
        for place in destinations:
            if place.placed:
                place.take_back()


@contextlib.contextmanager
def destination(output: Path, *, replace: bool = False) -> Iterator[Destination]:
    """Yield a destination whose ``target`` is in a new folder beside ``output``.

    The folder is deleted at the end. With ``replace``, the output may replace an existing
    file. Raises NodePluginError if the folder cannot be created.
    """
    absolute = output.absolute()
    prefix = f".{absolute.name[:_NAME_CHARACTERS]}.{_PREFIX}"
    with _locked_folder(absolute.parent, prefix) as folder:
        yield Destination(absolute, folder, replace=replace)


@contextlib.contextmanager
def _locked_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Yield a new folder that is locked, and delete it with its content at the end."""
    try:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    except OSError as exc:
        raise NodePluginError(f"{parent} cannot be written to: {exc.strerror}",
                              hint="Name another folder.") from exc
    with open(folder / _LOCK, "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            _delete(folder)


def _sync(path: Path) -> None:
    """Write a file, or for a folder every filesystem, to the disk. Raises OSError if it is full."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    if path.is_dir():
        os.sync()


def clean(parents: Sequence[Path]) -> List[Path]:
    """Delete the folders of killed runs in ``parents``; return the deleted paths.

    Only folders of this user are deleted that have the project's prefix, and a lock file that
    no process has locked.
    """
    deleted = []
    for parent in dict.fromkeys(parents):
        for path in sorted(parent.resolve().iterdir()):
            if _FOLDER.fullmatch(path.name) or _PARTIAL.fullmatch(path.name):
                if _is_left_over(path):
                    _delete(path)
                    deleted.append(path)
    return deleted


def _is_left_over(folder: Path) -> bool:
    info = folder.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid():
        return False
    try:
        handle = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        # killed before the lock was made, or after everything else was deleted
        return not any(folder.iterdir()) and time.time() - info.st_mtime > _YOUNG_S
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def _delete(folder: Path) -> None:
    mounts = [mount for mount in _mount_points() if folder in (mount, *mount.parents)]
    if mounts:
        raise NodePluginError(f"{folder} cannot be deleted: {mounts[0]} is still mounted",
                              hint=f"Unmount it, then run ovirt-node-plugin clean {folder.parent}")
    # the lock last, so that ``clean`` recognizes the folder if this is interrupted
    for path in sorted(folder.iterdir()):
        if path.name != _LOCK:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    (folder / _LOCK).unlink(missing_ok=True)
    folder.rmdir()


def _mount_points() -> List[Path]:
    """Return all mount points. proc(5): ``/proc/PID/mountinfo`` has octal escapes."""
    lines = Path("/proc/self/mountinfo").read_bytes().splitlines()
    return [Path(os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]),
                                    line.split()[4]))) for line in lines]
