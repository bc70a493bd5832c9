"""Work folders and half-written outputs: gone at the end, and found if a run was killed.

Both are locked by flock(2) while in use. A lock goes with the process, so what is there and
not locked is left over.
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
from typing import Iterator, List, Optional, Sequence, Tuple

from ..errors import NodePluginError
from ..system.entries import sync_dir

_PREFIX = "ovirt-node-plugin-"
_LOCK = "lock"
_NAME_CHARACTERS = 40  # of an output, in the name of its folder
_YOUNG_S = 5
_FOLDER = re.compile(re.escape(_PREFIX) + r"[a-z0-9_]{8}")
_PARTIAL = re.compile(r"\..+\." + re.escape(_PREFIX) + r"[a-z0-9_]{8}")


def default_place() -> Path:
    """Return where large temporary files belong: $TMPDIR, or /var/tmp (hier(7))."""
    return Path(os.environ.get("TMPDIR") or "/var/tmp")


@contextlib.contextmanager
def work_folder(place: Path) -> Iterator[Path]:
    """Yield a folder of one's own in ``place``; it and all in it goes at the end.

    Raises NodePluginError, and deletes nothing, if something is still mounted in it.
    """
    with _locked_folder(place, _PREFIX) as folder:
        yield folder


class Destination:
    """An output that is to appear whole or not at all: ``target`` is where it is written."""

    def __init__(self, output: Path, folder: Path, *, replace: bool) -> None:
        self.output = output
        self._replace = replace
        self.target = folder / output.name
        self._before = _identity(output)

    @property
    def appeared(self) -> bool:
        """Whether there is an output that was not there before, whoever put it there."""
        return _identity(self.output) not in (None, self._before)

    def place(self) -> None:
        """Have what was written to ``target``, a file or folder, be the output, on the disk.

        Raises NodePluginError if somebody else put one there meanwhile.
        """
        _sync(self.target)
        if not self._replace and os.path.lexists(self.output):
            raise NodePluginError(f"{self.output} has come to be there meanwhile",
                                  hint="It stays. Another run wrote it; give another name.")
        os.replace(self.target, self.output)
        sync_dir(self.output.parent)


@contextlib.contextmanager
def destination(output: Path, *, replace: bool = False) -> Iterator[Destination]:
    """Yield a place beside ``output`` to write it to; what is left there goes at the end.

    ``replace`` says that it may take the place of another file.

    Raises NodePluginError where nothing can be written to.
    """
    where = output.absolute()
    with _locked_folder(where.parent, f".{where.name[:_NAME_CHARACTERS]}.{_PREFIX}") as folder:
        yield Destination(where, folder, replace=replace)


@contextlib.contextmanager
def _locked_folder(place: Path, prefix: str) -> Iterator[Path]:
    """Yield a folder that is locked, and goes at the end with all that is in it."""
    try:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
    except OSError as exc:
        raise NodePluginError(f"nothing can be written to {place}: {exc.strerror}",
                              hint="Name another folder.") from exc
    with open(folder / _LOCK, "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            _delete(folder)


def _identity(path: Path) -> Optional[Tuple[int, int]]:
    """Return what tells a file from another one, None if there is none."""
    try:
        info = path.lstat()
    except FileNotFoundError:
        return None
    return info.st_dev, info.st_ino


def _sync(path: Path) -> None:
    """Bring a file, or the filesystem of a folder, to the disk. Raises OSError if it is full."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    if path.is_dir():
        os.sync()


def clean(places: Sequence[Path]) -> List[Path]:
    """Delete what killed runs left in ``places``; return what went, sorted.

    Only folders of this user that carry the name and a lock that nobody holds.
    """
    gone = []
    for place in dict.fromkeys(places):
        for path in sorted(place.resolve().iterdir()):
            if _FOLDER.fullmatch(path.name) or _PARTIAL.fullmatch(path.name):
                if _is_left_over(path):
                    _delete(path)
                    gone.append(path)
    return gone


def _is_left_over(folder: Path) -> bool:
    info = folder.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid():
        return False
    try:
        handle = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        # of one that was killed before there was a lock, or when all else was gone
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
    inside = [place for place in _mount_points() if folder in (place, *place.parents)]
    if inside:
        raise NodePluginError(f"{folder} cannot be deleted: {inside[0]} is still mounted",
                              hint=f"Unmount it, then run ovirt-node-plugin clean {folder.parent}")
    # the lock last: what is left when this is killed too can be found
    for path in sorted(folder.iterdir()):
        if path.name != _LOCK:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    (folder / _LOCK).unlink(missing_ok=True)
    folder.rmdir()


def _mount_points() -> List[Path]:
    """Return where something is mounted; proc(5), ``/proc/PID/mountinfo``, octal escapes."""
    lines = Path("/proc/self/mountinfo").read_bytes().splitlines()
    return [Path(os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]),
                                    line.split()[4]))) for line in lines]
